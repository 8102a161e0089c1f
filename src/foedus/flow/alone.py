"""What the alliance saves: a job, and each partner's jobs, against what they would do at home alone."""

from foedus.core.base.instant import Instant, seconds_between
from foedus.core.base.units import duration
from foedus.core.jobs.job import Job
from foedus.flow.ports import AS_ALONE_S, AloneRecord, Transaction
from foedus.wire.jobs import AloneView
from foedus.wire.ledger import WaitsLine, WaitsView


def waits_view(tx: Transaction) -> WaitsView:
    """Sum up all jobs that ended, by partner and month."""
    return WaitsView(
        lines=[
            WaitsLine(
                partner=one.partner,
                month=one.month,
                earlier=one.earlier,
                equal=one.equal,
                later=one.later,
                homeless=one.homeless,
                saved=one.saved,
                worst=one.worst,
            )
            for one in tx.shadows.waits()
        ]
    )


def alone_view(tx: Transaction, job: Job, now: Instant) -> tuple[AloneView | None, str]:
    """Say what a job would do alone, and what the alliance saves it."""
    record = tx.shadows.of([job.id]).get(job.id)
    if record is None or record.home is None:
        return None, ""
    return AloneView(home=record.home, start=record.start, end=record.end), _saved(record, job, now)


def _saved(record: AloneRecord, job: Job, now: Instant) -> str:
    at = f"On {record.home} alone"
    if record.ended is not None and record.end is not None:
        return f"{at} it would have ended {_against(record.ended, record.end)}."
    if job.started is not None:
        if record.start is None:
            return f"{at} it would still wait."
        return f"{at} it would have started {_against(job.started, record.start)}."
    if record.start is None:
        return f"{at} it would wait as well."
    return f"{at} it would have started {duration(round(seconds_between(record.start, now)))} ago."


def _against(real: Instant, alone: Instant) -> str:
    """Say how an instant alone compares with the real one."""
    seconds = round(seconds_between(real, alone))
    if abs(seconds) <= AS_ALONE_S:
        return "at the same time"
    return f"{duration(abs(seconds))} {'later' if seconds > 0 else 'sooner'}"
