"""Projects, people, sites and the agreement, between a user and the hub."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from foedus.core.base.ids import Digest, PartnerId, ProjectId, SectorId, SiteId, UserId
from foedus.core.placement.capacity import Capacity
from foedus.wire.message import Message, WireObject
from foedus.wire.times import Time


class Role(StrEnum):
    """What a person may do in the alliance."""

    OFFICE = "office"
    """Runs the alliance: projects, allocations, people, agreement."""
    OPERATOR = "operator"
    """Runs the sites of their own partner: enrolment codes, revocation, sees the jobs there."""
    USER = "user"
    """Works in projects."""


class ProjectRole(StrEnum):
    """What a person may do in a project."""

    LEAD = "lead"
    """Adds members, sees and cancels every job of the project."""
    MEMBER = "member"
    """Runs jobs, sees the project's jobs."""


class Scope(StrEnum):
    """What a token may do; never more than its owner."""

    READ = "read"
    SUBMIT = "submit"
    """Submit and cancel, and what `read` may."""
    MANAGE = "manage"
    """Everything that the owner may."""


class UserRequest(Message):
    """Make a person known."""

    id: UserId
    partner: PartnerId
    name: Annotated[str, Field(max_length=200)] = ""
    role: Role = Role.USER


class UserView(UserRequest):
    """A person."""

    created: Time
    revoked: Time | None = None
    """Since when nothing is taken from this person any more."""


class UserRevocationView(Message):
    """A person from whom nothing is taken any more."""

    user: UserId
    revoked: Time
    tokens: int
    """How many tokens ended with this call."""


class PartnerKeyRequest(Message):
    """Take no statement that is signed with a partner's key any more (office)."""

    reason: Annotated[str, Field(max_length=500)] = ""


class PartnerKeyView(Message):
    """The key that counts no longer at this hub."""

    partner: PartnerId
    key: str


class UserList(Message):
    """Everybody, by id."""

    users: list[UserView]


class TokenRequest(Message):
    """Ask for a token: for oneself, or (office) for someone else."""

    user: UserId | None = None
    scope: Scope = Scope.SUBMIT
    project: ProjectId | None = None
    """Narrow it to one project."""
    days: Annotated[int, Field(ge=1, le=90)] = 30
    label: Annotated[str, Field(max_length=100)] = ""


class TokenView(Message):
    """A token without its secret."""

    id: str
    user: UserId
    scope: Scope
    project: ProjectId | None
    label: str
    created: Time
    expires: Time
    used: Time | None
    """When it was last used, to the minute."""
    revoked: Time | None


class NewTokenView(TokenView):
    """A new token: the only time that its secret is shown."""

    token: str


class TokenList(Message):
    """Tokens, newest first."""

    tokens: list[TokenView]


class WhoView(Message):
    """Who the token speaks for."""

    user: UserView
    scope: Scope
    project: ProjectId | None
    projects: list["MembershipView"]


class MembershipView(Message):
    """One's part in a project."""

    project: ProjectId
    role: ProjectRole


class ProjectRequest(Message):
    """Open a project (office)."""

    id: ProjectId
    title: Annotated[str, Field(min_length=1, max_length=200)]
    sector: SectorId
    lead: UserId


class MemberRequest(Message):
    """Add a member, or change their part (office, or the project's lead)."""

    user: UserId
    role: ProjectRole = ProjectRole.MEMBER


class AllocationRequest(Message):
    """Grant GPU-hours to a project (office). Grants add up; a negative one takes back."""

    gpu_hours: Annotated[int, Field(ge=-1_000_000_000, le=1_000_000_000)]
    reason: Annotated[str, Field(max_length=500)] = ""


class MemberView(Message):
    """A member of a project."""

    user: UserId
    partner: PartnerId
    role: ProjectRole


class ProjectView(Message):
    """A project and its budget, in GPU-seconds."""

    id: ProjectId
    title: str
    sector: SectorId
    opened: Time
    granted: int
    used: int
    reserved: int
    """Worst case of the jobs that live now."""
    members: list[MemberView]


class ProjectList(Message):
    """Projects that the caller may see."""

    projects: list[ProjectView]


class SiteView(Message):
    """A site: what it is, and what it says of itself."""

    id: SiteId
    partner: PartnerId
    title: dict[str, str]
    country: str
    gpus: int
    gpu_models: list[str]
    pledge_gpu_seconds: int
    pledge_period: str
    enrolled: bool
    key: str | None = None
    """The public key of its agent, where it is enrolled."""
    draining: bool
    seen: Time | None
    """When its agent last reported."""
    reachable: bool
    capacity: Capacity | None
    running: int
    waiting: int
    """Jobs bound to it, by whether they run yet."""


class SiteList(Message):
    """The sites of the agreement."""

    sites: list[SiteView]


class AgreementView(Message):
    """The agreement in force."""

    id: str
    version: int
    digest: Digest
    text: str
    """The file, as it was signed."""
    signatures: dict[PartnerId, WireObject]
    """The partners' DSSE envelopes."""
    entry: int
    """The ledger entry that records it."""


class AgreementRequest(Message):
    """Put an agreement in force (office): the file and every partner's signature."""

    text: str
    signatures: dict[PartnerId, WireObject]
