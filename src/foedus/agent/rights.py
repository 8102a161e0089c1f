"""Touching files with a local account's rights, for one thread only.

Linux keeps the identity for file access (fsuid, fsgid, groups) for each thread. The C library's ``setgroups`` would
change all threads, so the system call is made directly. With a fsuid other than root the kernel drops the
capabilities that override file permissions, so what the account may not read is not read.
"""

import contextlib
import ctypes
import os
import platform
from collections.abc import Generator
from contextlib import contextmanager

from foedus.agent.accounts import Account
from foedus.client.bundle import Guard
from foedus.core.base.errors import Broken

_SETGROUPS = {"x86_64": 116, "aarch64": 159, "ppc64le": 81, "riscv64": 159}
_ASK = -1
"""An impossible id: the call changes nothing and returns the present one."""


def rights_of(account: Account) -> Guard:
    """Return what wraps each access to the account's files; nothing where the agent is that account itself."""
    if os.geteuid() != 0 or account.uid == 0:
        return contextlib.nullcontext
    groups = tuple(os.getgrouplist(account.name, account.gid))
    return lambda: _acting_as(account, groups)


@contextmanager
def _acting_as(account: Account, groups: tuple[int, ...]) -> Generator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    own_groups = tuple(os.getgroups())
    try:
        _set_groups(libc, groups)
        _set(libc.setfsgid, account.gid)
        _set(libc.setfsuid, account.uid)
        yield
    finally:
        _set(libc.setfsuid, os.geteuid())
        _set(libc.setfsgid, os.getegid())
        _set_groups(libc, own_groups)


def _set(call: "ctypes._NamedFuncPointer", wanted: int) -> None:  # pyright: ignore[reportPrivateUsage]
    call(wanted)
    if call(_ASK) != wanted:
        raise Broken(f"the kernel did not let the agent act as id {wanted}")


def _set_groups(libc: ctypes.CDLL, groups: tuple[int, ...]) -> None:
    number = _SETGROUPS.get(platform.machine())
    if number is None:
        raise Broken(f"the agent cannot act as an account on {platform.machine()}", remedy="run it as that account")
    ids = (ctypes.c_uint32 * len(groups))(*groups)
    if libc.syscall(ctypes.c_long(number), ctypes.c_size_t(len(groups)), ids) != 0:
        raise Broken(f"the kernel refused the groups of an account: {os.strerror(ctypes.get_errno())}")
