"""Projects, their members and their budgets."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from foedus.core.base.errors import Conflict, NotFound
from foedus.core.base.ids import ProjectId, SectorId, UserId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.flow.ports import Project
from foedus.store.session import AnyRow, Session, chunks
from foedus.store.tables import members, projects
from foedus.wire.alliance import ProjectRole


@dataclass(frozen=True, slots=True)
class SqlProjects:
    """The port `Projects`."""

    _session: Session

    def add(self, project: Project) -> None:
        """Store a new project with its members."""
        row = {
            "id": project.id,
            "title": project.title,
            "sector": project.sector,
            "opened": project.opened,
            "granted": project.granted,
            "used": project.used,
            "reserved": project.reserved,
        }
        if not self._session.add_new(projects, row):
            raise Conflict(f"there is a project {project.id} already", remedy="choose another id")
        for user, role in project.members.items():
            self.set_member(project.id, user, role)

    def get(self, project: ProjectId) -> Project | None:
        """Load one."""
        row = self._session.first(select(projects).where(projects.c.id == project))
        return None if row is None else self._with_members([row])[0]

    def of(self, user: UserId | None) -> Sequence[Project]:
        """Load the projects of a user (or all), by id."""
        found = select(projects).order_by(projects.c.id)
        if user is not None:
            found = found.join(members, members.c.project == projects.c.id).where(members.c.user_id == user)
        return self._with_members(self._session.rows(found))

    def set_member(self, project: ProjectId, user: UserId, role: ProjectRole) -> None:
        """Add a member or change their role; a person or project that does not exist is a `Conflict`."""
        new = self._session.insert(members).values(project=project, user_id=user, role=role.value)
        self._session.connection.execute(
            new.on_conflict_do_update(index_elements=["project", "user_id"], set_={"role": new.excluded.role})
        )

    def grant(self, project: ProjectId, amount: GpuSeconds) -> None:
        """Add to what is granted; raises `NotFound`."""
        self._budget(project, granted=amount)

    def reserve(self, project: ProjectId, amount: GpuSeconds) -> bool:
        """Set aside, if there is room."""
        if amount == 0:
            return True
        room = projects.c.granted - projects.c.used - projects.c.reserved >= amount
        guarded = update(projects).where(projects.c.id == project, room)
        return self._session.changes(guarded.values(reserved=projects.c.reserved + amount)) == 1

    def settle(self, project: ProjectId, *, released: GpuSeconds, used: GpuSeconds) -> None:
        """Give back what was set aside, count what was used; raises `NotFound`."""
        self._budget(project, reserved=-released, used=used)

    def _budget(self, project: ProjectId, **changes: int) -> None:
        values = {name: projects.c[name] + amount for name, amount in changes.items()}
        if not self._session.changes(update(projects).where(projects.c.id == project).values(values)):
            raise NotFound(f"there is no project {project}")

    def _with_members(self, rows: Sequence[AnyRow]) -> list[Project]:
        roles: dict[str, dict[UserId, ProjectRole]] = {row.id: {} for row in rows}
        for part in chunks(list(roles)):
            ordered = select(members).where(members.c.project.in_(part)).order_by(members.c.project, members.c.user_id)
            for member in self._session.rows(ordered):
                roles[member.project][UserId(member.user_id)] = ProjectRole(member.role)
        return [
            Project(
                id=ProjectId(row.id),
                title=row.title,
                sector=SectorId(row.sector),
                opened=Instant(row.opened),
                granted=GpuSeconds(row.granted),
                used=GpuSeconds(row.used),
                reserved=GpuSeconds(row.reserved),
                members=roles[row.id],
            )
            for row in rows
        ]
