"""Calls about projects, people, sites, the agreement and the books."""

from collections.abc import Mapping, Sequence

from foedus.client.calls import Call, model, nothing, params, path, request
from foedus.wire.agents import CodeReply, CodeRequest, RevocationReply, RevocationRequest
from foedus.wire.alliance import (
    AgreementRequest,
    AgreementView,
    AllocationRequest,
    MemberRequest,
    NewTokenView,
    PartnerKeyRequest,
    PartnerKeyView,
    ProjectList,
    ProjectRequest,
    ProjectView,
    SiteList,
    TokenList,
    TokenRequest,
    UserList,
    UserRequest,
    UserRevocationView,
    UserView,
    WhoView,
)
from foedus.wire.files import MissingReply, MissingRequest
from foedus.wire.ledger import BalanceView, EntryPage, GapList, SealList, SignedHead, WaitsView
from foedus.wire.message import WireObject


def projects() -> Call[ProjectList]:
    """``GET /projects``."""
    return Call(method="GET", path="/projects", read=model(ProjectList))


def project(name: str) -> Call[ProjectView]:
    """``GET /projects/{p}``."""
    return Call(method="GET", path=path("projects", name), read=model(ProjectView))


def open_project(name: str, *, title: str, sector: str, lead: str) -> Call[ProjectView]:
    """``POST /projects``."""
    body = request(ProjectRequest, id=name, title=title, sector=sector, lead=lead)
    return Call(method="POST", path="/projects", body=body, keyed=True, read=model(ProjectView))


def add_member(name: str, user: str, role: str) -> Call[ProjectView]:
    """``PUT /projects/{p}/members``."""
    body = request(MemberRequest, user=user, role=role)
    return Call(method="PUT", path=path("projects", name, "members"), body=body, read=model(ProjectView))


def grant(name: str, gpu_hours: int, reason: str) -> Call[ProjectView]:
    """``POST /projects/{p}/allocations``."""
    body = request(AllocationRequest, gpu_hours=gpu_hours, reason=reason)
    where = path("projects", name, "allocations")
    return Call(method="POST", path=where, body=body, keyed=True, read=model(ProjectView))


def missing(name: str, pieces: Sequence[str]) -> Call[MissingReply]:
    """``POST /projects/{p}/pieces/missing``."""
    body = request(MissingRequest, pieces=list(pieces))
    return Call(method="POST", path=path("projects", name, "pieces", "missing"), body=body, read=model(MissingReply))


def put_piece(name: str, digest: str, data: bytes) -> Call[None]:
    """``PUT /projects/{p}/pieces/{digest}``."""
    where = path("projects", name, "pieces", digest)
    return Call(method="PUT", path=where, body=data, media="application/octet-stream", read=nothing)


def sites() -> Call[SiteList]:
    """``GET /sites``."""
    return Call(method="GET", path="/sites", read=model(SiteList))


def enrolment_code(site: str) -> Call[CodeReply]:
    """``POST /agents/codes``."""
    body = request(CodeRequest, site=site)
    return Call(method="POST", path="/agents/codes", body=body, keyed=True, read=model(CodeReply))


def revoke_site(site: str, statement: WireObject | None, *, requeue: bool) -> Call[RevocationReply]:
    """``POST /agents/{site}/revocation``."""
    body = request(RevocationRequest, statement=statement, requeue=requeue)
    where = path("agents", site, "revocation")
    return Call(method="POST", path=where, body=body, keyed=True, read=model(RevocationReply))


def agreement() -> Call[AgreementView]:
    """``GET /agreement``."""
    return Call(method="GET", path="/agreement", read=model(AgreementView))


def enforce(text: str, signatures: Mapping[str, WireObject]) -> Call[AgreementView]:
    """``PUT /agreement``."""
    body = request(AgreementRequest, text=text, signatures=dict(signatures))
    return Call(method="PUT", path="/agreement", body=body, read=model(AgreementView))


def balance(period: str | None) -> Call[BalanceView]:
    """``GET /balance``."""
    return Call(method="GET", path="/balance", params=params(period=period), read=model(BalanceView))


def waits() -> Call[WaitsView]:
    """``GET /waits``."""
    return Call(method="GET", path="/waits", read=model(WaitsView))


def ledger_head() -> Call[SignedHead]:
    """``GET /ledger/head``."""
    return Call(method="GET", path="/ledger/head", read=model(SignedHead))


def ledger_seals() -> Call[SealList]:
    """``GET /ledger/seals``."""
    return Call(method="GET", path="/ledger/seals", read=model(SealList))


def ledger_gaps() -> Call[GapList]:
    """``GET /ledger/gaps``."""
    return Call(method="GET", path="/ledger/gaps", read=model(GapList))


def ledger_entries(start: int, limit: int) -> Call[EntryPage]:
    """``GET /ledger/entries``."""
    query = params(start=start, limit=limit)
    return Call(method="GET", path="/ledger/entries", params=query, read=model(EntryPage))


def ledger_export() -> Call[None]:
    """``GET /ledger/export``; the book itself goes to a sink."""
    return Call(method="GET", path="/ledger/export", read=nothing, wait_s=60)


def whoami() -> Call[WhoView]:
    """``GET /whoami``."""
    return Call(method="GET", path="/whoami", read=model(WhoView))


def users() -> Call[UserList]:
    """``GET /users``."""
    return Call(method="GET", path="/users", read=model(UserList))


def add_user(user: str, *, partner: str, name: str, role: str) -> Call[UserView]:
    """``POST /users``."""
    body = request(UserRequest, id=user, partner=partner, name=name, role=role)
    return Call(method="POST", path="/users", body=body, keyed=True, read=model(UserView))


def revoke_user(user: str) -> Call[UserRevocationView]:
    """``POST /users/{u}/revocation``."""
    return Call(method="POST", path=path("users", user, "revocation"), read=model(UserRevocationView))


def readmit_user(user: str) -> Call[UserView]:
    """``DELETE /users/{u}/revocation``."""
    return Call(method="DELETE", path=path("users", user, "revocation"), read=model(UserView))


def revoke_partner_key(partner: str, reason: str) -> Call[PartnerKeyView]:
    """``POST /partners/{p}/revocation``."""
    body = request(PartnerKeyRequest, reason=reason)
    where = path("partners", partner, "revocation")
    return Call(method="POST", path=where, body=body, read=model(PartnerKeyView))


def tokens() -> Call[TokenList]:
    """``GET /tokens``."""
    return Call(method="GET", path="/tokens", read=model(TokenList))


def create_token(*, user: str | None, scope: str, project: str | None, days: int, label: str) -> Call[NewTokenView]:
    """``POST /tokens``."""
    body = request(TokenRequest, user=user, scope=scope, project=project, days=days, label=label)
    return Call(method="POST", path="/tokens", body=body, keyed=True, read=model(NewTokenView))


def revoke_token(token: str) -> Call[None]:
    """``DELETE /tokens/{id}``."""
    return Call(method="DELETE", path=path("tokens", token), read=nothing)
