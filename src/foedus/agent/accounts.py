"""Which local account a job runs as: the site's own table, read from the top; the first line that fits decides.

::

    [[account]]
    partner = "baku"
    user = "leyla"
    account = "lmammadova"

    [[account]]                 # everybody else of Israel, by a pattern
    partner = "israel"
    project = "mobility-*"
    account = "il_{project}"

``partner``, ``project`` and ``user`` are patterns with ``*`` and ``?`` and default to ``*``; ``account`` may use
``{partner}``, ``{project}`` and ``{user}``. No line, no job.
"""

import pwd
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from foedus.process.tables import read_table
from foedus.wire.agents import StartOrder
from foedus.wire.errors import unfit

_HOLE = re.compile(r"\{(partner|project|user)\}")


class Line(BaseModel):
    """One line of the table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    partner: str = "*"
    project: str = "*"
    user: str = "*"
    account: str = Field(min_length=1, pattern=r"^(?:[a-zA-Z0-9._@-]|\{(?:partner|project|user)\})+$")


class Table(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A local account, as the machine knows it."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAccount:
    """Why nobody here can run the job."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """What accounts may be used at all."""

    lowest_uid: int = 1000
    allow_root: bool = False
    own_uid: int
    """The agent's own user; only root can run jobs as somebody else."""


def read_accounts(path: Path) -> Table:
    """Read the account map; raises `BadInput` with every fault."""
    found = read_table(path, "name the account map")
    try:
        return Table.model_validate(found)
    except ValidationError as error:
        remedy = "each [[account]] has partner, project, user (patterns) and account"
        raise unfit(error.errors(), remedy, where=f"{path}: ") from error


def account_name(table: Table, order: StartOrder) -> str | None:
    """Return the account of the first line that fits, `None` if none does."""
    values = {"partner": order.user_partner, "project": order.project, "user": order.user}
    for line in table.account:
        patterns = {"partner": line.partner, "project": line.project, "user": line.user}
        if all(fnmatchcase(values[name], pattern) for name, pattern in patterns.items()):
            return _HOLE.sub(lambda hole: values[cast("str", hole[1])], line.account)
    return None


def find_account(table: Table, order: StartOrder, rules: AccountRules) -> Account | NoAccount:
    """Return the local account of an order, if it exists and may be used."""
    name = account_name(table, order)
    if name is None:
        return NoAccount(
            reason=f"the site has no account for {order.user} of {order.user_partner} in project {order.project}"
        )
    return look_up(name, rules)


def look_up(name: str, rules: AccountRules) -> Account | NoAccount:
    """Return an account by name, if it exists and may be used."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return NoAccount(reason=f"the account {name!r} of the site's account map does not exist")
    if found.pw_uid == 0 and not rules.allow_root:
        return NoAccount(reason="the site does not run jobs as root")
    if 0 < found.pw_uid < rules.lowest_uid:
        return NoAccount(reason=f"the account {name!r} is a system account (uid below {rules.lowest_uid})")
    if rules.own_uid not in {0, found.pw_uid}:
        return NoAccount(reason=f"the site's agent does not run as root and cannot become {name!r}")
    return Account(name=name, uid=found.pw_uid, gid=found.pw_gid)
