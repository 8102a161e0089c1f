"""The question that clauses and local policies answer, which is whether this person may run this job at this site.

It has one shape everywhere: at the hub for the agreement's clauses, at the agent for the site's own policy. The Cedar
schema (``foedus/policy/schema.cedarschema``) describes the same attributes.
"""

import re
from dataclasses import dataclass

from foedus.core.agreement.model import Site
from foedus.core.base.ids import ClauseId, PartnerId, ProjectId, SectorId, SiteId, UserId
from foedus.core.jobs.spec import JobSpec

_SEPARATORS = re.compile(r"[^0-9a-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Applicant:
    """Who asks, and for which project."""

    user: UserId
    partner: PartnerId
    project: ProjectId
    sector: SectorId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One job at one site, as policies see it. Every attribute is always present; zero and ``""`` mean "none"."""

    applicant: Applicant
    site: SiteId
    site_partner: PartnerId
    site_country: str
    guest: bool
    nodes: int
    cpus: int
    gpus: int
    gpu_model: str
    memory_mib: int
    """All memory of the job; 0 where it asks for none."""
    time_limit_s: int
    """0 where the job asks for none."""
    purpose: str
    datasets: tuple[str, ...]
    array_tasks: int
    """1 for a job that is no array."""

    @property
    def dataset_labels(self) -> tuple[str, ...]:
        """What the names of the datasets begin with, for clauses on whole families of data; sorted.

        ``il-tax-2025`` bears the labels ``il``, ``il-tax`` and ``il-tax-2025``. Capitals count as small
        letters, and whatever is no letter of a to z or digit as a hyphen, so that another spelling is no way round a
        clause.
        """
        labels: set[str] = set()
        for name in self.datasets:
            words = [word for word in _SEPARATORS.split(name.lower()) if word]
            labels.update("-".join(words[: count + 1]) for count in range(len(words)))
        return tuple(sorted(labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the policies said to one request, with the clauses that decided."""

    site: SiteId
    allowed: bool
    clauses: tuple[ClauseId, ...] = ()
    """The permitting ones if allowed, the forbidding ones if not; empty if none permits."""
    fault: str = ""
    """Why the question could not be evaluated; such a verdict is always a refusal."""


def run_request(applicant: Applicant, spec: JobSpec, site: Site) -> RunRequest:
    """Ask for `spec` at `site`."""
    asked = spec.resources
    return RunRequest(
        applicant=applicant,
        site=site.id,
        site_partner=site.partner,
        site_country=site.country,
        guest=applicant.partner != site.partner,
        nodes=asked.nodes,
        cpus=asked.cpus,
        gpus=asked.gpus,
        gpu_model=asked.gpu_model or "",
        memory_mib=asked.memory,
        time_limit_s=asked.time_limit or 0,
        purpose=spec.purpose or "",
        datasets=spec.datasets,
        array_tasks=spec.task_count,
    )
