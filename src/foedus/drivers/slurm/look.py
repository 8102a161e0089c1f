"""Says where attempts are, from what the controller and the accounting each show. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from foedus.core.base.ids import Marker
from foedus.drivers.base import Phase, Ref, Sighting
from foedus.drivers.slurm import states
from foedus.drivers.slurm.sacct import Run
from foedus.drivers.slurm.squeue import Job

BEHIND = "the accounting is behind the controller"
FORGOTTEN = "only the accounting knows it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the two sources have on one attempt."""

    live: Job | None
    runs: tuple[Run, ...]
    """Every run in the accounting, oldest first."""

    @property
    def native_id(self) -> str:
        """The job id; empty if nobody knows the attempt."""
        return self.live.native_id if self.live else self.runs[-1].native_id if self.runs else ""


def live_jobs(refs: Sequence[Ref], jobs: Sequence[Job], owners: Mapping[Marker, str]) -> dict[Marker, Job]:
    """Find each attempt's job among those of the controller.

    A job is an attempt's own if it carries its comment or works in its folder. A known id must agree with that: ids
    begin anew when a site resets its cluster. Without an id the job must belong to the owner of the attempt's folder as
    well (`owners`), since anybody can write any comment.
    """
    by_id = {job.native_id: job for job in jobs}
    by_marker: dict[str, list[Job]] = {}
    for job in jobs:
        by_marker.setdefault(job.comment, []).append(job)
    found: dict[Marker, Job] = {}
    for ref in refs:
        candidates = _candidates(ref.native_id, by_id.get(ref.native_id or ""), by_marker.get(ref.marker.text, []))
        fitting = [
            job for job in candidates if _own(ref, job.comment, job.work_dir) and _same_owner(ref, job.user, owners)
        ]
        if fitting:
            found[ref.marker] = fitting[0]
    return found


def runs(refs: Sequence[Ref], found: Sequence[Run], owners: Mapping[Marker, str]) -> dict[Marker, tuple[Run, ...]]:
    """Find each attempt's runs in the accounting, by the same rule; `found` is sorted, oldest first."""
    by_id: dict[str, list[Run]] = {}
    by_marker: dict[str, list[Run]] = {}
    by_folder: dict[str, list[Run]] = {}
    for run in found:
        by_id.setdefault(run.native_id, []).append(run)
        by_marker.setdefault(run.marked, []).append(run)
        for folder in (run.work_dir, *map(str, PurePath(run.work_dir).parents)):
            by_folder.setdefault(folder, []).append(run)
    answer: dict[Marker, tuple[Run, ...]] = {}
    for ref in refs:
        if ref.native_id is not None:
            candidates = by_id.get(ref.native_id, [])
        else:
            candidates = by_marker.get(ref.marker.text) or by_folder.get(str(ref.folder), [])
        own = [run for run in candidates if _own(ref, run.marked, run.work_dir) and _same_owner(ref, run.user, owners)]
        answer[ref.marker] = tuple(run for run in own if run.native_id == own[0].native_id)
    return answer


def sighting(found: Found) -> Sighting:
    """Say where one attempt is; the paths of its output are added by the driver.

    It has ended only when the accounting says so for its newest run and the controller neither runs it nor will.
    """
    live, newest = found.live, found.runs[-1] if found.runs else None
    phase = states.phase(live.state) if live else None
    if live is not None and phase is not None:
        return Sighting(
            phase=phase,
            native_id=live.native_id,
            restarts=live.restarts,
            native_state=live.state,
            reason=live.reason,
            started=live.start if phase is Phase.RUNNING else None,
        )
    if newest is not None and _booked(newest, live) and _whole(found):
        return Sighting(
            phase=Phase.ENDED,
            native_id=newest.native_id,
            restarts=_restarts(found),
            native_state=newest.state,
            reason=newest.reason or (live.reason if live else ""),
            started=newest.began,
        )
    if live is not None:
        return Sighting(
            phase=Phase.RUNNING,
            native_id=live.native_id,
            restarts=live.restarts,
            native_state=live.state,
            reason=BEHIND,
            started=live.start,
        )
    if newest is None:
        return Sighting(phase=Phase.UNKNOWN)
    return Sighting(
        phase=Phase.PENDING if newest.began is None else Phase.RUNNING,
        native_id=newest.native_id,
        restarts=_restarts(found),
        native_state=newest.state,
        reason=FORGOTTEN,
        started=newest.began,
        forgotten=True,
    )


def _booked(newest: Run, live: Job | None) -> bool:
    """Say whether the accounting is done with a run; of one that never ran, once the controller has forgotten it."""
    return newest.complete or (newest.never_ran and live is None)


def _restarts(found: Found) -> int:
    return sum(not states.is_part(run.state) for run in found.runs) - 1


def _whole(found: Found) -> bool:
    """Say whether the accounting has a record for every restart that the controller still remembers."""
    return found.live is None or _restarts(found) >= found.live.restarts


def _candidates(native_id: str | None, named: Job | None, marked: Sequence[Job]) -> Sequence[Job]:
    if native_id is None:
        return marked
    return [] if named is None else [named]


def _own(ref: Ref, comment: str, work_dir: str) -> bool:
    return comment == ref.marker.text or PurePath(work_dir).is_relative_to(ref.folder)


def _same_owner(ref: Ref, user: str, owners: Mapping[Marker, str]) -> bool:
    owner = owners.get(ref.marker)
    return ref.native_id is not None or owner is None or user == owner


def over(job: Job) -> bool:
    """Say whether the controller has done with a job."""
    return states.phase(job.state) is None
