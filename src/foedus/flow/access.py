"""Who is asking, and what they may see and do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from foedus.core.agreement.model import Agreement
from foedus.core.base.errors import NotAllowed, NotFound
from foedus.core.base.ids import JobId, ProjectId, SiteId
from foedus.core.jobs.job import Array, Job
from foedus.flow.ports import Project, Transaction, User, Visible
from foedus.wire.alliance import ProjectRole, Role, Scope

_RANK = {Scope.READ: 0, Scope.SUBMIT: 1, Scope.MANAGE: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person behind a token."""

    user: User
    scope: Scope
    only: ProjectId | None
    """The project that the token is narrowed to."""
    roles: Mapping[ProjectId, ProjectRole] = field(default_factory=dict[ProjectId, ProjectRole])
    """The caller's part in each of their projects, narrowed likewise."""
    sites: tuple[SiteId, ...] = ()
    """Sites that the caller operates; none for a token that is narrowed to a project."""

    @property
    def office(self) -> bool:
        """Whether the caller runs the alliance."""
        return self.user.role is Role.OFFICE and self.only is None

    def needs(self, scope: Scope) -> None:
        """Raise `NotAllowed` if the token does not reach that far."""
        if _RANK[self.scope] < _RANK[scope]:
            raise NotAllowed(
                f"this token may {self.scope}; this needs {scope}",
                remedy=f"make one with `foedus token create --scope {scope}`",
            )

    def needs_office(self) -> None:
        """Raise `NotAllowed` for anyone but the office."""
        self.needs(Scope.MANAGE)
        if not self.office:
            raise NotAllowed("only the alliance's office may do this", remedy="ask the office")

    def needs_site(self, site: SiteId) -> None:
        """Raise `NotAllowed` for anyone but the office and the site's operators."""
        self.needs(Scope.MANAGE)
        if not self.office and site not in self.sites:
            raise NotAllowed(f"only the operators of {site} and the office may do this", remedy="ask them")

    def needs_lead(self, project: ProjectId) -> None:
        """Raise `NotAllowed` for anyone but the office and the project's leads."""
        self.needs(Scope.MANAGE)
        if not self.office and self.roles.get(project) is not ProjectRole.LEAD:
            raise NotAllowed(f"only the leads of {project} and the office may do this", remedy="ask them")

    def visible(self) -> Visible:
        """Return which jobs the caller may see."""
        return Visible(
            everything=self.office,
            user=self.user.id,
            projects=tuple(self.roles),
            sites=self.sites,
            only_project=self.only,
        )

    def sees(self, job: Job | Array) -> bool:
        """Say whether the caller may see a job: the same rule as `visible`."""
        if self.only is not None and job.project != self.only:
            return False
        at_mine = isinstance(job, Job) and job.site in self.sites
        return self.office or job.user == self.user.id or job.project in self.roles or at_mine

    def ends(self, job: Job | Array) -> bool:
        """Say whether the caller may cancel a job: its user, the project's leads, the office, the site's operators."""
        if not self.sees(job):
            return False
        lead = self.roles.get(job.project) is ProjectRole.LEAD
        at_mine = isinstance(job, Job) and job.site in self.sites
        return self.office or job.user == self.user.id or lead or at_mine


def caller_of(
    tx: Transaction, user: User, agreement: Agreement | None, scope: Scope, only: ProjectId | None = None
) -> Caller:
    """Load what a person may do."""
    projects = tx.projects.of(user.id)
    roles = {one.id: one.members[user.id] for one in projects if only is None or one.id == only}
    operates = user.role is Role.OPERATOR and only is None
    sites = tuple(site.id for site in agreement.homes(user.partner)) if operates and agreement else ()
    return Caller(user=user, scope=scope, only=only, roles=roles, sites=sites)


def visible_project(tx: Transaction, caller: Caller, project: ProjectId) -> Project:
    """Load a project that the caller may see; any other is `NotFound`."""
    found = tx.projects.get(project)
    if found is None or not (caller.office or project in caller.roles):
        raise NotFound(f"there is no project {project!r} that you could see", remedy="see `foedus project list`")
    return found


def visible_job(tx: Transaction, caller: Caller, job: JobId) -> Job:
    """Load a job or task that the caller may see; any other is `NotFound`."""
    found = tx.jobs.get([job]).get(job)
    if found is None or not caller.sees(found):
        raise no_job(job)
    return found


def visible_whole(tx: Transaction, caller: Caller, name: JobId) -> Job | Array:
    """Load a job, a task or an array as a whole that the caller may see; any other is `NotFound`."""
    found = tx.jobs.get([name]).get(name) or tx.jobs.arrays([name]).get(name)
    if found is None or not caller.sees(found):
        raise no_job(name)
    return found


def no_job(job: JobId) -> NotFound:
    """Make the one answer for jobs that are absent and jobs that are somebody else's."""
    return NotFound(f"there is no job {job} that you could see", remedy="see `foedus list --all`")
