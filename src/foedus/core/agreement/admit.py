"""Whether a job may run at all, and at which sites. A refusal is a value that names everything in the way."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from foedus.core.agreement.model import Agreement, Pool, Site, in_language
from foedus.core.agreement.request import Applicant, Verdict
from foedus.core.agreement.term import term_faults
from foedus.core.base.ids import ClauseId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds, Seconds, duration, hours
from foedus.core.jobs.spec import JobSpec, Resources
from foedus.core.jobs.spread import NodeGroup, nodes_needed, shortfall


class ReasonCode(StrEnum):
    """Why a job, or one of its sites, was refused."""

    OUT_OF_TERM = "out-of-term"
    """The agreement does not hold now."""
    FOREIGN_PARTNER = "foreign-partner"
    """The applicant's partner is not in the agreement."""
    UNKNOWN_SECTOR = "unknown-sector"
    """The project's sector is not in the agreement."""
    BUDGET = "budget"
    """The project's allocation does not cover what the job may use at most."""
    NO_TIME_LIMIT = "no-time-limit"
    """A GPU job without a time limit, at a site that sets none: nobody can say what it may use."""
    NO_GUESTS = "no-guests"
    """The site takes no guests."""
    TIME_LIMIT = "time-limit"
    """The job asks for more time than the site gives."""
    TOO_LARGE = "too-large"
    """No pool of the site holds the job."""
    CLAUSE = "clause"
    """A clause forbids it."""
    NO_PERMIT = "no-permit"
    """No clause permits it."""
    POLICY_FAULT = "policy-fault"
    """The clauses could not be evaluated, which is always a refusal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing in the way, and what to do about it."""

    code: ReasonCode
    text: str
    remedy: str
    clause: ClauseId | None = None
    site: SiteId | None = None
    """`None` for what holds at every site."""

    def __str__(self) -> str:
        place = f"{self.site}: " if self.site else ""
        return f"{place}{self.text.rstrip('.')}; {self.remedy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A project's allocation: what it was given, what is booked, and what admitted jobs may still use."""

    granted: GpuSeconds
    used: GpuSeconds
    reserved: GpuSeconds

    @property
    def left(self) -> GpuSeconds:
        """What a new job may use at most; negative if corrections overdrew it."""
        return GpuSeconds(self.granted - self.used - self.reserved)

    def covers(self, cost: GpuSeconds) -> bool:
        """Whether a new job may use that much; one that uses no GPU needs nothing of it."""
        return cost == 0 or cost <= self.left


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The longest job that a site's lanes take, as its agent reports it; `None` for no limit, or none known."""

    owner: Seconds | None = None
    guest: Seconds | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The job may run."""

    sites: tuple[SiteId, ...]
    """Where: the applicant's own first, then in the order of the agreement."""
    refusals: tuple[Reason, ...]
    """Why not at the others."""
    cost: GpuSeconds
    """What it may use at most, at the dearest of these sites, all its tasks together: to be held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The job may not run anywhere."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """All that a decision needs of a job, beside what the clauses say of it: many jobs of one user are alike in it."""

    resources: Resources
    tasks: int = 1
    """Tasks of its array."""


def demand(spec: JobSpec) -> Demand:
    """Take from a job what is decided on."""
    return Demand(resources=spec.resources, tasks=spec.task_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """One site, looked at for one job."""

    site: SiteId
    reasons: tuple[Reason, ...]
    cost: GpuSeconds | None


def admit(
    asked: Demand,
    agreement: Agreement,
    applicant: Applicant,
    *,
    budget: Budget,
    verdicts: Mapping[SiteId, Verdict],
    limits: Mapping[SiteId, Limits],
    now: Instant,
) -> Admitted | Refused:
    """Decide.

    ``verdicts`` are the clauses' answers, one for each site; a site without one is refused. A GPU job without a time
    limit counts with the longest that the site's lane takes, since that is when the site ends it.
    """
    sites = sorted(agreement.sites, key=lambda site: site.partner != applicant.partner)
    places = [
        _look(asked, agreement, applicant, site, verdict=verdicts.get(site.id), limits=limits.get(site.id, Limits()))
        for site in sites
    ]
    fitting = [place for place in places if not place.reasons]
    costs = [place.cost for place in fitting or places if place.cost is not None]
    cost = max(costs, default=GpuSeconds(0))
    general = (*_standing(agreement, applicant, now), *_budget_reasons(budget, cost, applicant))
    refusals = tuple(reason for place in places for reason in place.reasons)
    if not fitting:
        return Refused(reasons=(*general, *refusals))
    if general:
        return Refused(reasons=general)
    return Admitted(sites=tuple(place.site for place in fitting), refusals=refusals, cost=cost)


def _standing(agreement: Agreement, applicant: Applicant, now: Instant) -> tuple[Reason, ...]:
    reasons = [
        Reason(code=ReasonCode.OUT_OF_TERM, text=fault.fault, remedy=fault.remedy)
        for fault in term_faults(agreement, now)
    ]
    if agreement.partner(applicant.partner) is None:
        text = f"{applicant.partner!r} is no partner of {agreement.id}"
        remedy = "submit as a member of one of its partners"
        reasons.append(Reason(code=ReasonCode.FOREIGN_PARTNER, text=text, remedy=remedy))
    sectors = [sector.id for sector in agreement.sectors]
    if applicant.sector not in sectors:
        text = f"project {applicant.project} is in sector {applicant.sector!r}, which the agreement does not have"
        remedy = f"use a project in one of: {', '.join(sectors)}"
        reasons.append(Reason(code=ReasonCode.UNKNOWN_SECTOR, text=text, remedy=remedy))
    return tuple(reasons)


def _budget_reasons(budget: Budget, cost: GpuSeconds, applicant: Applicant) -> tuple[Reason, ...]:
    if budget.covers(cost):
        return ()
    text = (
        f"the job may use {hours(cost)} GPU-hours, and project {applicant.project} has {hours(budget.left)} left "
        f"({hours(budget.granted)} granted, {hours(budget.used)} used, {hours(budget.reserved)} held for other jobs)"
    )
    remedy = "ask for fewer GPUs, less time or fewer tasks, or ask the office for a larger allocation"
    return (Reason(code=ReasonCode.BUDGET, text=text, remedy=remedy),)


def _look(
    asked: Demand,
    agreement: Agreement,
    applicant: Applicant,
    site: Site,
    *,
    verdict: Verdict | None,
    limits: Limits,
) -> _Place:
    guest = applicant.partner != site.partner
    pools = [pool for pool in site.pools if not guest or pool.id in site.guests.pools]
    longest = _longest(site, limits, guest=guest)
    reasons = [
        *_clause_reasons(agreement, site, verdict),
        *_time_reasons(asked.resources, site, longest, guest=guest),
        *_pool_reasons(asked.resources, site, pools, guest=guest),
    ]
    time = asked.resources.time_limit or longest
    cost = None if time is None else _cost(asked, pools, time)
    if cost is None and asked.resources.gpus:
        text = "the job has no time limit and the site sets none, so nobody can say what it may use"
        code = ReasonCode.NO_TIME_LIMIT
        reasons.append(Reason(code=code, text=text, remedy="give the job a --time", site=site.id))
    return _Place(site=site.id, reasons=tuple(reasons), cost=cost)


def _longest(site: Site, limits: Limits, *, guest: bool) -> Seconds | None:
    known = [limits.guest, site.guests.time_limit] if guest else [limits.owner]
    return min((limit for limit in known if limit is not None), default=None)


def _cost(asked: Demand, pools: list[Pool], time: Seconds) -> GpuSeconds:
    each = asked.resources
    gpus = each.gpus
    if each.exclusive:
        # An exclusive job holds, and is charged for, every GPU of its nodes.
        for pool in pools:
            gpus = max(gpus, (nodes_needed(each, nodes_of(pool)) or 0) * pool.gpus_per_node)
    return GpuSeconds(gpus * time * asked.tasks)


def _clause_reasons(agreement: Agreement, site: Site, verdict: Verdict | None) -> tuple[Reason, ...]:
    if verdict is None or verdict.fault:
        text = f"the clauses could not be evaluated ({verdict.fault if verdict else 'they were not asked'})"
        remedy = "tell the alliance's office; until it is mended this is refused"
        return (Reason(code=ReasonCode.POLICY_FAULT, text=text, remedy=remedy, site=site.id),)
    if verdict.allowed:
        return ()
    if not verdict.clauses:
        text, remedy = "no clause permits this job here", "see what the agreement permits: `foedus agreement show`"
        return (Reason(code=ReasonCode.NO_PERMIT, text=text, remedy=remedy, site=site.id),)
    return tuple(_clause_reason(agreement, site, clause) for clause in verdict.clauses)


def _clause_reason(agreement: Agreement, site: Site, clause: ClauseId) -> Reason:
    found = agreement.clause(clause)
    words = f": {in_language(found.text, 'en')}" if found else ""
    return Reason(
        code=ReasonCode.CLAUSE,
        text=f"clause {clause} forbids it{words}",
        remedy="change what the clause speaks of, or take it up with the alliance's office",
        clause=clause,
        site=site.id,
    )


def _time_reasons(asked: Resources, site: Site, longest: Seconds | None, *, guest: bool) -> tuple[Reason, ...]:
    limit = asked.time_limit
    if limit is None or longest is None or limit <= longest:
        return ()
    whose = "guests" if guest else "its own partner's jobs"
    text = f"the job asks for {duration(limit)}, and the site gives {whose} at most {duration(longest)}"
    return (Reason(code=ReasonCode.TIME_LIMIT, text=text, remedy="ask for less --time", site=site.id),)


def _pool_reasons(asked: Resources, site: Site, pools: list[Pool], *, guest: bool) -> tuple[Reason, ...]:
    if guest and not pools:
        text, remedy = "the site takes no guests", "use a site of your own partner"
        return (Reason(code=ReasonCode.NO_GUESTS, text=text, remedy=remedy, site=site.id),)
    missing = {pool.id: shortfall(asked, nodes_of(pool)) for pool in pools}
    if not all(missing.values()):
        return ()
    text = "; ".join(f"pool {pool}: {', '.join(parts)}" for pool, parts in missing.items())
    remedy = "ask for less on a node or for fewer nodes"
    return (Reason(code=ReasonCode.TOO_LARGE, text=text, remedy=remedy, site=site.id),)


def nodes_of(pool: Pool) -> NodeGroup:
    """Take a pool as nodes that look the same."""
    return NodeGroup(
        count=pool.nodes,
        cpus=pool.cpus_per_node,
        memory=pool.memory_per_node,
        gpus=pool.gpus_per_node,
        gpu_model=pool.gpu_model,
    )
