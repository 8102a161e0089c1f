"""What becomes of jobs alone at their homes, kept beside the jobs themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from foedus.core.base.ids import JobId, PartnerId, SiteId
from foedus.core.base.instant import Instant
from foedus.core.jobs.job import Job

AS_ALONE_S: Final = 60
"""So close to its end alone a job counts as equal: a scheduler and two reports take their time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AloneRecord:
    """A job alone at its home."""

    job: JobId
    partner: PartnerId
    arrived: Instant
    """When it could have started: it was submitted, or what it waited for had ended."""
    over: bool
    """Whether it has ended in reality, and how is known."""
    home: SiteId | None
    """`None` if it is not known yet, or fits nowhere at home: then nothing is known of it alone."""
    part: str = ""
    width: int = 0
    limit: int = 0
    """Seconds."""
    start: Instant | None = None
    run: int | None = None
    """Seconds it ran."""
    left: Instant | None = None
    """When it was cancelled."""
    end: Instant | None = None
    """When it ends alone."""
    ended: Instant | None = None
    """When it ended in reality, by itself."""
    month: str | None = None
    """In which month that was, UTC: ``2026-11``. Both are `None` for what was cancelled: that is not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How much sooner than alone the jobs of one partner ended that ended in one month. Spans are seconds."""

    partner: PartnerId
    month: str
    earlier: int
    equal: int
    """Within `AS_ALONE_S` of their end alone."""
    later: int
    homeless: int
    """Jobs that do not fit at home."""
    saved: int
    """Seconds by which all of them together were earlier than alone."""
    worst: int
    """Seconds by which the latest of them was later; 0 if none was."""


class Shadows(Protocol):
    """One record a job, from its arrival on. Those that have news are *fresh* until they have been looked at."""

    def arrive(self, jobs: Sequence[JobId], at: Instant) -> None:
        """Note that jobs wait to be placed from now on; what is noted already stays as it is."""
        ...

    def over(self, jobs: Sequence[JobId]) -> None:
        """Note that jobs have ended."""
        ...

    def fresh(self, limit: int) -> Sequence[tuple[AloneRecord, Job]]:
        """Return records with news, in the order of arrival."""
        ...

    def write(self, records: Sequence[AloneRecord]) -> None:
        """Write down what is known now; a record that has ended meanwhile stays fresh."""
        ...

    def unsettled(self) -> Sequence[AloneRecord]:
        """Return the records from which shadows go on, in the order of arrival.

        These are all that have not ended alone, and what ended alone after any of them began.
        """
        ...

    def of(self, jobs: Sequence[JobId]) -> Mapping[JobId, AloneRecord]:
        """Load records."""
        ...

    def waits(self) -> Sequence[Waits]:
        """Sum up the jobs that ended, by partner and month."""
        ...
