"""Why a site gives an order back before anything was done: its own checks, on its own copies of the rules."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.request import Applicant, RunRequest, Verdict, run_request
from foedus.core.base.errors import BadInput, TooLarge
from foedus.core.base.ids import JOB_ID, SiteId, name_fault
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.spec import JobSpec
from foedus.wire.agents import StartOrder

_PASSING = (
    "submit limit",
    "submitjob",
    "temporarily",
    "try again",
    "draining",
    "maintenance",
    "in progress",
    "job limit",
)
"""Words of a scheduler that refuses now and may accept later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The order goes back."""

    reason: str
    policy: tuple[str, ...] = ()
    final: bool = True
    """The site will not take the job later either."""


Judge = Callable[[RunRequest], Verdict]


def unagreed(order: StartOrder, agreement: Agreement) -> Refusal | None:
    """Refuse to work under a version of the agreement that this site has not seen signed."""
    if order.agreement_version <= agreement.version:
        return None
    words = f"this site has not accepted version {order.agreement_version} of the agreement"
    return Refusal(reason=words, final=False)


def malformed(order: StartOrder) -> Refusal | None:
    """Refuse names that are none: they become folders and parts of the scheduler's comments here."""
    names = {"project": order.project, "user": order.user, "partner": order.user_partner}
    faults = [fault for path, name in names.items() if (fault := name_fault(name, path)) is not None]
    if faults or not JOB_ID.fullmatch(order.job) or order.attempt < 1:
        return Refusal(reason=f"the order is malformed: {'; '.join(map(str, faults)) or order.job}")
    return None


def misread(order: StartOrder) -> Refusal | None:
    """Read the script again: the hub's word on what it asks for is not taken, since the site's rules judge by it."""
    try:
        differing = _differing(order.spec)
    except (BadInput, TooLarge) as error:
        return Refusal(reason=f"the site does not accept the script: {error.message}")
    if differing:
        return Refusal(reason=f"the script says something else than the order about {', '.join(differing)}")
    return None


@lru_cache(maxsize=8)  # the tasks of an array and the runs of a sweep come one after the other
def _differing(theirs: JobSpec) -> tuple[str, ...]:
    """Name what the hub has read otherwise than this site does."""
    own = parse(theirs.script, theirs.overrides, theirs.arguments, dict(theirs.environment))
    # an array and dependencies are taken over by the hub, so they may stand beside the script only
    names = ("resources", "output", "error", "chdir", "requeue")
    return tuple(name for name in names if getattr(theirs, name) != getattr(own, name))


def forbidden(order: StartOrder, agreement: Agreement, site: SiteId, judge: Judge) -> Refusal | None:
    """Ask the site's own policies; whatever is not a clean yes is a no."""
    own = agreement.site(site)
    if own is None:
        return Refusal(reason=f"version {agreement.version} of the agreement has no site {site}")
    if order.guest != (order.user_partner != own.partner):
        return Refusal(reason="the order says guest where the agreement says owner, or the other way round")
    applicant = Applicant(user=order.user, partner=order.user_partner, project=order.project, sector=order.sector)
    verdict = judge(run_request(applicant, order.spec, own))
    if verdict.allowed:
        return None
    if verdict.fault:
        return Refusal(reason=f"the site's policy could not be evaluated: {verdict.fault}", policy=verdict.clauses)
    if not verdict.clauses:
        return Refusal(reason="no policy of the site permits it")
    return Refusal(reason=f"the site's policy forbids it: {', '.join(verdict.clauses)}", policy=verdict.clauses)


def by_scheduler(words: str) -> Refusal:
    """Pass on the scheduler's refusal; it is final unless its words speak of the moment."""
    lowered = words.lower()
    return Refusal(reason=words, final=not any(sign in lowered for sign in _PASSING))
