"""One attempt as the driver took it: everything that is fixed from then on, kept in ``launch.json``."""

import pwd
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from foedus.core.base.errors import SchedulerRefused
from foedus.core.base.ids import Marker
from foedus.core.base.units import Seconds
from foedus.core.jobs.spec import ArrayTask, Resources
from foedus.drivers.base import Launch
from foedus.drivers.local.conduct import Conduct, conduct
from foedus.drivers.local.settings import LocalSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Local account that a job runs as."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What was asked for, when, and under which number."""

    marker: Marker
    native_id: int
    submitted: int
    """Whole second since the epoch, as in Slurm."""
    account: Account
    guest: bool
    folder: Path
    script: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    name: str
    asked: Resources
    limit: Seconds
    requeue: bool | None
    output: str | None
    error: str | None
    chdir: str | None
    task: ArrayTask | None
    conduct: Conduct
    restarts: int = 0
    """How many earlier attempts of the job have run."""

    @property
    def key(self) -> str:
        """Name of the attempt's folder in the state folder."""
        return key(self.marker)

    @property
    def lane(self) -> str:
        """What stands for the partition."""
        return lane_name(guest=self.guest)

    @property
    def work(self) -> Path:
        """Where the bundle lies."""
        return self.folder / "work"

    @property
    def start_folder(self) -> Path:
        """Where the script starts, and where relative output paths begin."""
        return self.work / (self.chdir or "")


def key(marker: Marker) -> str:
    """Name an attempt in a way that is a file name; no part of a marker holds a tilde."""
    return f"{marker.alliance}~{marker.job}~{marker.attempt}"


def lane_name(*, guest: bool) -> str:
    """Name the lane of owners or of guests."""
    return "guest" if guest else "owner"


def issue(launch: Launch, settings: LocalSettings, *, native_id: int, submitted: int, agent_uid: int) -> Ticket:
    """Take a launch as it stands; raises `SchedulerRefused` where it can never be carried out."""
    spec = launch.spec
    _check_texts(launch)
    manner = conduct(spec)
    longest = settings.longest(guest=launch.guest)
    limit = spec.resources.time_limit or min(settings.time_limit, longest or settings.time_limit)
    if longest is not None and limit > longest:
        raise SchedulerRefused(
            f"the time limit of {limit} s is over the longest of the {lane_name(guest=launch.guest)} lane, {longest} s"
        )
    return Ticket(
        marker=launch.marker,
        native_id=native_id,
        submitted=submitted,
        account=_account(launch.account, agent_uid),
        guest=launch.guest,
        folder=launch.folder,
        script=spec.script,
        arguments=spec.arguments,
        environment=(*spec.environment, *manner.exported),
        name=spec.name,
        asked=spec.resources,
        limit=Seconds(limit),
        requeue=spec.requeue,
        output=spec.output,
        error=spec.error,
        chdir=spec.chdir,
        task=launch.task,
        conduct=manner,
        restarts=launch.restarts,
    )


def dump(ticket: Ticket) -> bytes:
    """Write a ticket as JSON."""
    return _ADAPTER.dump_json(ticket)


def load(content: bytes) -> Ticket:
    """Read a ticket back."""
    return _ADAPTER.validate_json(content)


_ADAPTER: TypeAdapter[Any] = TypeAdapter(Ticket)


def _account(name: str, agent_uid: int) -> Account:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise SchedulerRefused(f"this machine has no account {name!r}") from None
    if agent_uid not in {0, entry.pw_uid}:
        raise SchedulerRefused(f"only root may start jobs as {name!r}, and the agent runs as user {agent_uid}")
    return Account(
        name=name,
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        home=entry.pw_dir,
        shell=entry.pw_shell or "/bin/sh",
    )


def _check_texts(launch: Launch) -> None:
    spec = launch.spec
    if not spec.script.startswith("#!"):
        raise SchedulerRefused("this does not look like a batch script: its first line must be #! and an interpreter")
    strings = [spec.script, spec.name, *spec.arguments, *(text for pair in spec.environment for text in pair)]
    try:
        for text in strings:
            text.encode()
    except UnicodeEncodeError as error:
        raise SchedulerRefused("the script, its arguments or its environment are not valid Unicode text") from error
    if any("\0" in text for text in strings):
        raise SchedulerRefused("the script, its arguments or its environment contain a NUL character")
