"""Projects: opened, staffed and funded; every step that binds partners is an entry of the ledger."""

from collections.abc import Mapping, Sequence

from foedus.core.agreement.model import Agreement
from foedus.core.base.canon import JsonObject
from foedus.core.base.dsse import Signer
from foedus.core.base.errors import BadInput, Conflict, Fault
from foedus.core.base.ids import ProjectId, UserId, name_fault
from foedus.core.base.instant import Instant
from foedus.core.base.units import HOUR, GpuSeconds, hours
from foedus.core.ledger.bodies import allocation_body, project_body
from foedus.core.ledger.entry import Kind, sign_body
from foedus.flow.access import Caller, visible_project
from foedus.flow.ports import Project, Transaction, User
from foedus.wire.alliance import (
    AllocationRequest,
    MemberRequest,
    MemberView,
    ProjectRequest,
    ProjectRole,
    ProjectView,
)


def open_project(
    tx: Transaction, caller: Caller, request: ProjectRequest, agreement: Agreement, *, signer: Signer, now: Instant
) -> ProjectView:
    """Open a project in one of the agreement's sectors."""
    caller.needs_office()
    sectors = [sector.id for sector in agreement.sectors]
    faults = [fault for fault in (name_fault(request.id, "id"), _user_fault(tx, request.lead, "lead")) if fault]
    if request.sector not in sectors:
        remedy = f"use one of: {', '.join(sectors)}"
        faults.append(Fault(path="sector", fault=f"the agreement has no sector {request.sector!r}", remedy=remedy))
    if faults:
        raise BadInput(*faults)
    if tx.projects.get(request.id) is not None:
        raise Conflict(f"there is a project {request.id} already", remedy="choose another id")
    nothing = GpuSeconds(0)
    project = Project(
        id=request.id,
        title=request.title,
        sector=request.sector,
        opened=now,
        granted=nothing,
        used=nothing,
        reserved=nothing,
        members={request.lead: ProjectRole.LEAD},
    )
    tx.projects.add(project)
    facts: JsonObject = {"lead": request.lead, "sector": request.sector, "title": request.title}
    _append(tx, Kind.PROJECT, project_body(agreement.id, request.id, facts), signer, now)
    return project_view(tx, project)


def grant(
    tx: Transaction,
    caller: Caller,
    project: ProjectId,
    request: AllocationRequest,
    agreement: Agreement,
    *,
    signer: Signer,
    now: Instant,
) -> ProjectView:
    """Grant GPU-hours, or take back what is neither used nor set aside."""
    caller.needs_office()
    found = visible_project(tx, caller, project)
    amount = GpuSeconds(request.gpu_hours * HOUR)
    if amount < 0:
        _take_back(tx, found, GpuSeconds(-amount))
    tx.projects.grant(project, amount)
    body = allocation_body(agreement.id, project, amount, request.reason)
    _append(tx, Kind.ALLOCATION, body, signer, now)
    return project_view(tx, visible_project(tx, caller, project))


def _take_back(tx: Transaction, project: Project, amount: GpuSeconds) -> None:
    """Make sure that nobody sets aside meanwhile what is taken back: set it aside first."""
    if not tx.projects.reserve(project.id, amount):
        left = project.granted - project.used - project.reserved
        fault = f"only {hours(max(left, 0))} GPU-hours are neither used nor set aside"
        raise BadInput(Fault(path="gpu_hours", fault=fault, remedy="take back less"))
    tx.projects.settle(project.id, released=amount, used=GpuSeconds(0))


def set_member(tx: Transaction, caller: Caller, project: ProjectId, request: MemberRequest) -> ProjectView:
    """Add a member, or change their part."""
    visible_project(tx, caller, project)
    caller.needs_lead(project)
    fault = _user_fault(tx, request.user, "user")
    if fault is not None:
        raise BadInput(fault)
    tx.projects.set_member(project, request.user, request.role)
    return project_view(tx, visible_project(tx, caller, project))


def project_view(tx: Transaction, project: Project) -> ProjectView:
    """Put a project on the wire."""
    return project_views(tx, [project])[0]


def project_views(tx: Transaction, projects: Sequence[Project]) -> list[ProjectView]:
    """Put projects on the wire."""
    people = {user.id: user for user in tx.people.all()}
    return [_view(project, people) for project in projects]


def _view(project: Project, people: Mapping[UserId, User]) -> ProjectView:
    return ProjectView(
        id=project.id,
        title=project.title,
        sector=project.sector,
        opened=project.opened,
        granted=project.granted,
        used=project.used,
        reserved=project.reserved,
        members=[
            MemberView(user=user, partner=people[user].partner, role=role)
            for user, role in sorted(project.members.items())
        ],
    )


def _user_fault(tx: Transaction, user: UserId, path: str) -> Fault | None:
    if tx.people.get(user) is not None:
        return None
    return Fault(path=path, fault=f"there is no user {user!r}", remedy="add them first: `foedus user add`")


def _append(tx: Transaction, kind: Kind, body: JsonObject, signer: Signer, now: Instant) -> None:
    tx.ledger.append(kind, body, [sign_body(signer, kind, body)], now)
