"""Routes of projects and allocations."""

from fastapi import APIRouter
from starlette.responses import Response

from foedus.core.base.ids import ProjectId
from foedus.flow.access import visible_project
from foedus.flow.projects import grant, open_project, project_view, project_views, set_member
from foedus.hub.api.asking import REFUSALS, Asking, Key, ThisHub, once
from foedus.wire.alliance import AllocationRequest, MemberRequest, ProjectList, ProjectRequest, ProjectView

router = APIRouter(tags=["projects"], responses=REFUSALS)


@router.get("/projects")
def list_projects(hub: ThisHub, caller: Asking) -> ProjectList:
    """List the caller's projects; the office sees all."""
    with hub.store.read() as tx:
        found = tx.projects.of(None if caller.office else caller.user.id)
        shown = [project for project in found if caller.office or project.id in caller.roles]
        return ProjectList(projects=project_views(tx, shown))


@router.post("/projects", status_code=201, response_model=ProjectView)
def create_project(hub: ThisHub, caller: Asking, request: ProjectRequest, key: Key) -> Response:
    """Open a project (office)."""
    now = hub.clock.now()
    return once(
        hub,
        caller,
        key,
        asked=("POST /projects", request),
        act=lambda tx: open_project(tx, caller, request, hub.agreement(tx), signer=hub.signer(tx), now=now),
        status=201,
    )


@router.get("/projects/{project}")
def get_project(hub: ThisHub, caller: Asking, project: ProjectId) -> ProjectView:
    """Return a project and its budget."""
    with hub.store.read() as tx:
        return project_view(tx, visible_project(tx, caller, project))


@router.put("/projects/{project}/members")
def put_member(hub: ThisHub, caller: Asking, project: ProjectId, request: MemberRequest) -> ProjectView:
    """Add a member or change their part (office, or the project's leads)."""
    return hub.write(lambda tx: set_member(tx, caller, project, request))


@router.post("/projects/{project}/allocations", status_code=201, response_model=ProjectView)
def add_allocation(hub: ThisHub, caller: Asking, project: ProjectId, request: AllocationRequest, key: Key) -> Response:
    """Grant GPU-hours (office)."""
    now = hub.clock.now()
    return once(
        hub,
        caller,
        key,
        asked=(f"POST /projects/{project}/allocations", request),
        act=lambda tx: grant(tx, caller, project, request, hub.agreement(tx), signer=hub.signer(tx), now=now),
        status=201,
    )
