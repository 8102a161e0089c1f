"""What one attempt used, as the site's own accounting says. Signed at the site; never changed afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from foedus.core.base.ids import AllianceId, JobId, PartnerId, ProjectId, SectorId, SiteId, UserId
from foedus.core.base.instant import Instant
from foedus.core.base.units import CpuSeconds, GpuSeconds, Joules, Mebibytes, Seconds
from foedus.core.jobs.spec import Purpose
from foedus.core.jobs.state import Outcome


class EnergyMethod(StrEnum):
    """Where a figure in joules comes from."""

    ACCOUNTING = "accounting"
    """The scheduler's energy plug-in (``ConsumedEnergyRaw``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One usage record: one attempt, whole. A later correction is a new record that names this attempt again.

    GPU-seconds are allocated GPUs times elapsed seconds, by model, as Slurm allocates and counts them.
    """

    alliance: AllianceId
    agreement_version: int
    site: SiteId
    site_partner: PartnerId
    job: JobId
    attempt: int
    user: UserId
    user_partner: PartnerId
    project: ProjectId
    sector: SectorId
    purpose: Purpose | None
    native_id: str
    """The job's id in the site's scheduler; empty if it was never handed over."""
    source: str
    """Which accounting: ``sacct`` or ``local``."""
    outcome: Outcome
    exit_code: int
    signal: int
    submitted: Instant
    started: Instant | None
    """`None` for an attempt that ended before it began."""
    ended: Instant
    elapsed: Seconds
    nodes: int
    cpus: int
    gpus: Mapping[str, int]
    """Allocated GPUs by model (``""`` where the site does not name one)."""
    cpu_seconds: CpuSeconds
    """Allocated CPUs times elapsed."""
    gpu_seconds: Mapping[str, GpuSeconds]
    """Allocated GPUs times elapsed, by model."""
    memory: Mebibytes
    """Allocated."""
    energy: Joules | None
    energy_method: EnergyMethod | None
    requested_gpus: int
    requested_time_limit: Seconds | None

    @property
    def guest(self) -> bool:
        """Whether it ran at another partner's site."""
        return self.user_partner != self.site_partner
