"""``foedus project``."""

from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json, Session, session_of
from foedus.cli.show import gpu_hours, print_json, say, when
from foedus.cli.table import table

if TYPE_CHECKING:
    from foedus.wire.alliance import ProjectView

app = typer.Typer(help="Projects, their members and allocations.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name.")]


@app.command("list")
def list_projects(ctx: typer.Context, json: Json = False) -> None:
    """List the projects that you may see, with their budgets."""
    session = session_of(ctx)
    from foedus.wire.alliance import ProjectList

    with session.client() as client:
        projects = client.projects()
    if json:
        print_json(ProjectList(projects=list(projects)))
        return
    rows = [(one.id, one.title, one.sector, str(len(one.members)), *_budget(one)) for one in projects]
    table(
        ("PROJECT", "TITLE", "SECTOR", "MEMBERS", "GRANTED", "USED", "RESERVED", "LEFT"),
        rows,
        right=("MEMBERS", "GRANTED", "USED", "RESERVED", "LEFT"),
        text="TITLE",
        spare=("SECTOR", "MEMBERS", "RESERVED"),
    )


def _budget(project: "ProjectView") -> tuple[str, str, str, str]:
    left = project.granted - project.used - project.reserved
    return gpu_hours(project.granted), gpu_hours(project.used), gpu_hours(project.reserved), gpu_hours(left)


@app.command()
def show(ctx: typer.Context, project: Name, json: Json = False) -> None:
    """Show one project, its budget in GPU-hours and its members."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.project(project)
    _tell(session, view, json=json)


@app.command()
def create(
    ctx: typer.Context,
    project: Name,
    *,
    title: Annotated[str, typer.Option(help="What it is about.")],
    sector: Annotated[str, typer.Option(help="One of the agreement's sectors.")],
    lead: Annotated[str, typer.Option(help="The user who leads it.")],
    json: Json = False,
) -> None:
    """Open a project (office)."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.open_project(project, title=title, sector=sector, lead=lead)
    _tell(session, view, json=json)


@app.command()
def grant(
    ctx: typer.Context,
    project: Name,
    gpu_hours: Annotated[int, typer.Argument(metavar="GPU-HOURS", help="After --, a negative number takes back.")],
    reason: Annotated[str, typer.Option(help="Why; it goes into the books.")] = "",
    json: Json = False,
) -> None:
    """Add GPU-hours to a project's allocation (office)."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.grant(project, gpu_hours, reason=reason)
    _tell(session, view, json=json)


@app.command("add-member")
def add_member(
    ctx: typer.Context,
    project: Name,
    user: Annotated[str, typer.Argument(help="The user's name.")],
    role: Annotated[str, typer.Option(help="lead or member.")] = "member",
    json: Json = False,
) -> None:
    """Add a member, or change their part (office, or the project's lead)."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.add_member(project, user, role=role)
    _tell(session, view, json=json)


def _tell(session: Session, view: "ProjectView", *, json: bool) -> None:
    if json:
        print_json(view)
        return
    granted, used, reserved, left = _budget(view)
    say(f"{view.id}: {view.title} (sector {view.sector}, opened {when(view.opened, session.now())})")
    say(f"GPU-hours: {granted} granted, {used} used, {reserved} reserved by jobs that live, {left} left")
    table(("MEMBER", "PARTNER", "PART"), [(one.user, one.partner, one.role) for one in view.members])
