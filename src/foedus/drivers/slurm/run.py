"""Runs the scheduler's commands: argument lists only, with a time limit, and no native error past this file."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from foedus.core.base.errors import SchedulerRefused, SiteTrouble

_UMASK = 0o022
_WORDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """What it said, for a person: standard error, or standard output if that is empty."""
        return (self.err.strip() or self.out.strip())[:_WORDS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A local account, as a fresh login has it."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
    shell: str

    def environment(self, path: str) -> dict[str, str]:
        """Return the variables of a login, and none of this process's own."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name, "SHELL": self.shell, "PATH": path}


def login(account: str) -> Login:
    """Find a local account; raises `SchedulerRefused` if this machine has none of that name."""
    try:
        entry = pwd.getpwnam(account)
        groups = os.getgrouplist(account, entry.pw_gid)
    except (KeyError, ValueError, OSError) as error:
        raise SchedulerRefused(
            f"there is no local account {account!r}", remedy="map the user to an account that exists at this site"
        ) from error
    shell = entry.pw_shell or "/bin/sh"
    return Login(name=account, uid=entry.pw_uid, gid=entry.pw_gid, groups=tuple(groups), home=entry.pw_dir, shell=shell)


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    account: Login | None = None,
    cwd: Path | None = None,
    feed: str | None = None,
) -> Done:
    """Run a command to its end, as `account` if it is given; raises `SiteTrouble` if it cannot start or end in time.

    Root changes the identity itself; anyone else goes through ``sudo -n``, for which the site's sudoers has to let the
    agent run the command as that account. ``env`` is the whole environment either way.
    """
    program = shutil.which(argv[0], path=env.get("PATH")) or argv[0]
    words = [program, *argv[1:]]
    changes = account is not None and account.uid != os.geteuid()
    as_root = os.geteuid() == 0
    if account is not None and changes and not as_root:
        words = sudo(account.name, env, words)
    switch = account if changes and as_root else None
    try:
        done = subprocess.run(
            words,
            env=dict(env),
            cwd=cwd,
            input=(feed or "").encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
            umask=_UMASK,
            user=switch.uid if switch else None,
            group=switch.gid if switch else None,
            extra_groups=switch.groups if switch else None,
        )
    except subprocess.TimeoutExpired as error:
        raise SiteTrouble(f"{argv[0]} did not answer within {timeout:g} s") from error
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise SiteTrouble(f"{argv[0]} could not be run: {error}") from error
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    return Done(code=done.returncode, out=out, err=err)


def sudo(account: str, env: Mapping[str, str], argv: Sequence[str]) -> list[str]:
    """Return the argument list that runs `argv` as another account with exactly this environment."""
    return ["sudo", "-n", "-u", account, "--", "env", "-i", *(f"{name}={value}" for name, value in env.items()), *argv]


def is_running(word: str, account: Login) -> bool:
    """Say whether a process of this machine has that word in its command line: the account's, root's or the agent's.

    A command outlives the agent that was killed while it ran, and a sudo that was killed leaves its command behind.
    """
    uids = {account.uid, os.geteuid(), 0}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if word in process.cmdline() and process.uids().real in uids:
                return True
    return False


def ask(argv: Sequence[str], *, env: Mapping[str, str], timeout: float) -> str:
    """Run a query and return its output; any failure is `SiteTrouble`, since then nothing is known."""
    done = run(argv, env=env, timeout=timeout)
    if done.code != 0:
        raise SiteTrouble(f"{argv[0]} failed with {done.code}: {done.words}")
    return done.out
