"""Users and their tokens, projects and their budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from foedus.core.base.ids import Digest, PartnerId, ProjectId, SectorId, UserId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.wire.alliance import ProjectRole, Role, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person."""

    id: UserId
    partner: PartnerId
    name: str
    role: Role
    created: Instant
    revoked: Instant | None = None
    """Since when nothing is taken from this person any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token without its secret; ``secret`` is its SHA-256."""

    id: str
    user: UserId
    secret: Digest
    scope: Scope
    project: ProjectId | None
    label: str
    created: Instant
    expires: Instant
    used: Instant | None = None
    revoked: Instant | None = None


class People(Protocol):
    """Users and tokens."""

    def add(self, user: User) -> None:
        """Store a new user; an id that is taken is a `Conflict`."""
        ...

    def get(self, user: UserId) -> User | None:
        """Load one."""
        ...

    def all(self) -> Sequence[User]:
        """Return all users, by id."""
        ...

    def add_token(self, token: Token) -> None:
        """Store a new token."""
        ...

    def token(self, token: str) -> Token | None:
        """Load one by its id."""
        ...

    def tokens(self, user: UserId | None) -> Sequence[Token]:
        """Return a user's tokens (or everybody's), newest first."""
        ...

    def touch(self, token: str, at: Instant) -> None:
        """Note that a token was used."""
        ...

    def revoke(self, token: str, at: Instant) -> bool:
        """End a token; false if it had ended before."""
        ...

    def revoke_all(self, user: UserId, at: Instant) -> int:
        """End all tokens of a user; return how many had not ended before."""
        ...

    def bar(self, user: UserId, at: Instant | None) -> None:
        """Take nothing from a user any more, or (`None`) again."""
        ...

    def revoke_key(self, key: str, partner: PartnerId, reason: str, at: Instant) -> bool:
        """Remember that a partner's key counts no longer; false if that was known."""
        ...

    def revoked_keys(self) -> frozenset[str]:
        """Return the partners' keys that count no longer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project and its budget."""

    id: ProjectId
    title: str
    sector: SectorId
    opened: Instant
    granted: GpuSeconds
    used: GpuSeconds
    reserved: GpuSeconds
    members: Mapping[UserId, ProjectRole] = field(default_factory=dict[UserId, ProjectRole])


class Projects(Protocol):
    """Projects, members, budgets."""

    def add(self, project: Project) -> None:
        """Store a new project with its members; an id that is taken is a `Conflict`."""
        ...

    def get(self, project: ProjectId) -> Project | None:
        """Load one, with its members."""
        ...

    def of(self, user: UserId | None) -> Sequence[Project]:
        """Return the projects of a user (or all), by id."""
        ...

    def set_member(self, project: ProjectId, user: UserId, role: ProjectRole) -> None:
        """Add a member or change their role."""
        ...

    def grant(self, project: ProjectId, amount: GpuSeconds) -> None:
        """Add to what is granted (negative: take back)."""
        ...

    def reserve(self, project: ProjectId, amount: GpuSeconds) -> bool:
        """Set aside the worst case of new jobs, if granted minus used minus reserved has room for it.

        An amount of zero always succeeds.
        """
        ...

    def settle(self, project: ProjectId, *, released: GpuSeconds, used: GpuSeconds) -> None:
        """Give back what a job had set aside, and count what an attempt used."""
        ...
