"""Admit: ask the clauses, decide, and set aside at once what an admitted job may use at most."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from foedus.core.agreement.admit import Admitted, Budget, Demand, Limits, Refused, admit, demand
from foedus.core.agreement.model import Agreement
from foedus.core.agreement.request import Applicant, RunRequest, Verdict, run_request
from foedus.core.base.errors import Busy, NotFound
from foedus.core.base.ids import ProjectId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds
from foedus.core.jobs.spec import JobSpec
from foedus.flow.ports import Policy, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is in force: the agreement, and its clauses ready to be asked."""

    agreement: Agreement
    clauses: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided on one job, and what the clauses said at each site."""

    verdict: Admitted | Refused
    verdicts: Sequence[Verdict]

    @property
    def cost(self) -> GpuSeconds:
        """What the job may use at most; nothing if it may not run."""
        return self.verdict.cost if isinstance(self.verdict, Admitted) else GpuSeconds(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """All that a decision rests on, beside what is left of the allocation."""

    applicant: Applicant
    demand: Demand
    requests: tuple[RunRequest, ...]
    """What the clauses are asked, for each site."""


class Admission:
    """Decides on the jobs of one transaction, one after the other, each on what the ones before have left.

    `settle` then sets aside at once what all of them may use.
    """

    def __init__(self, tx: Transaction, rules: Rules, now: Instant) -> None:
        self._tx = tx
        self._rules = rules
        self._now = now
        self._limits = _limits(tx)
        self._budgets: dict[ProjectId, Budget] = {}
        self._taken: Counter[ProjectId] = Counter()
        self._verdicts: dict[tuple[RunRequest, ...], Sequence[Verdict]] = {}
        self._admitted: dict[_Question, Decision] = {}

    def decide(self, spec: JobSpec, applicant: Applicant) -> Decision:
        """Decide on one job; what was admitted once is admitted again while the allocation covers it."""
        budget = self._budget(applicant.project)
        question = self._question(spec, applicant)
        decision = self._admitted.get(question)
        if decision is None or not budget.covers(decision.cost):
            decision = self._look(question, budget)
        if isinstance(decision.verdict, Admitted):
            self._admitted[question] = decision
            self._taken[applicant.project] += decision.cost
            reserved = GpuSeconds(budget.reserved + decision.cost)
            self._budgets[applicant.project] = replace(budget, reserved=reserved)
        return decision

    def _question(self, spec: JobSpec, applicant: Applicant) -> _Question:
        return _Question(
            applicant=applicant,
            demand=demand(spec),
            requests=tuple(run_request(applicant, spec, site) for site in self._rules.agreement.sites),
        )

    def _look(self, question: _Question, budget: Budget) -> Decision:
        verdicts = self._judge(question.requests)
        verdict = admit(
            question.demand,
            self._rules.agreement,
            question.applicant,
            budget=budget,
            verdicts={verdict.site: verdict for verdict in verdicts},
            limits=self._limits,
            now=self._now,
        )
        return Decision(verdict=verdict, verdicts=verdicts)

    def settle(self) -> None:
        """Set aside what the admitted jobs may use.

        Raises `Busy` if another transaction took the rest of an allocation meanwhile: all has to be decided anew.
        """
        for project, amount in sorted(self._taken.items()):
            if not self._tx.projects.reserve(project, GpuSeconds(amount)):
                raise Busy(f"the allocation of {project} changed while this was decided; nothing happened")

    def _judge(self, requests: tuple[RunRequest, ...]) -> Sequence[Verdict]:
        """Ask the clauses; the same question, as of a hundred like jobs, only once."""
        if requests not in self._verdicts:
            self._verdicts[requests] = self._rules.clauses.judge(requests)
        return self._verdicts[requests]

    def _budget(self, project: ProjectId) -> Budget:
        if project not in self._budgets:
            found = self._tx.projects.get(project)
            if found is None:
                raise NotFound(f"there is no project {project!r}")
            self._budgets[project] = Budget(granted=found.granted, used=found.used, reserved=found.reserved)
        return self._budgets[project]


def _limits(tx: Transaction) -> Mapping[SiteId, Limits]:
    found: dict[SiteId, Limits] = {}
    for site in tx.sites.all():
        if site.capacity:
            owner, guest = site.capacity.owner, site.capacity.guest
            found[site.site] = Limits(
                owner=owner.time_limit if owner else None, guest=guest.time_limit if guest else None
            )
    return found
