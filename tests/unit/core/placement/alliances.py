"""Random alliances for properties, and EASY once more, written as plainly as can be."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from foedus.sim.alliance import Alliance
from foedus.sim.workload import Remarks, Workload

_TIMES = st.one_of(st.integers(0, 30), st.integers(0, 1000))


@dataclass(slots=True, kw_only=True)
class Plain:
    """A job of the plain EASY."""

    submit: int
    run: int
    width: int
    limit: int
    start: int | None = None


@st.composite
def workloads(draw, name="a"):
    capacity = draw(st.integers(1, 12))
    jobs = draw(
        st.lists(st.tuples(_TIMES, st.integers(1, 60), st.integers(1, capacity), st.integers(0, 60)), max_size=25)
    )
    jobs = sorted(jobs, key=lambda job: job[0]) or [(0, 1, 1, 0)]
    submit, run, width, slack = (np.array(column, dtype=np.int64) for column in zip(*jobs, strict=True))
    return Workload(
        name=name,
        capacity=capacity,
        unit="processors",
        submit=submit,
        run=run,
        width=width,
        limit=run + slack,
        remarks=Remarks(),
    )


def alliances(most=4):
    sites = st.integers(1, most).flatmap(lambda count: st.tuples(*(workloads(f"s{place}") for place in range(count))))
    return sites.map(Alliance)


@st.composite
def drained(draw, most=4):
    """Each site is drained up to twice."""
    sites = draw(alliances(most)).sites
    times = [draw(st.lists(st.integers(0, 1200), max_size=4, unique=True)) for _ in sites]
    return Alliance(
        tuple(
            replace(site, drains=tuple(zip(*[iter(sorted(some))] * 2, strict=False)))
            for site, some in zip(sites, times, strict=True)
        )
    )


def plain_easy(site: Workload) -> list[int]:
    """Return the starts: at every instant each end, then each arrival, and after each of them the whole queue."""
    jobs = [
        Plain(submit=submit, run=run, width=width, limit=limit)
        for submit, run, width, limit in zip(
            site.submit.tolist(), site.run.tolist(), site.width.tolist(), site.limit.tolist(), strict=True
        )
    ]
    running: list[Plain] = []
    waiting: list[Plain] = []
    coming = list(jobs)
    while coming or running or waiting:
        end = min((job.start + job.run for job in running), default=None)
        if coming and (end is None or coming[0].submit < end):
            now = coming[0].submit
            waiting.append(coming.pop(0))
        else:
            now = end
            running.remove(next(job for job in jobs if job in running and job.start + job.run == end))
        _start(site.capacity, waiting, running, now)
    return [job.start for job in jobs]


def _start(capacity: int, waiting: list[Plain], running: list[Plain], now: int) -> None:
    free = capacity - sum(job.width for job in running)
    while waiting and waiting[0].width <= free:
        free -= waiting[0].width
        waiting[0].start = now
        running.append(waiting.pop(0))
    if not waiting:
        return
    head = waiting[0]
    then = min(
        time
        for time in (job.start + job.limit for job in running)
        if free + sum(job.width for job in running if job.start + job.limit <= time) >= head.width
    )
    spare = free + sum(job.width for job in running if job.start + job.limit <= then) - head.width
    for job in waiting[1:]:
        short = now + job.limit <= then
        if job.width <= free and (short or job.width <= spare):
            free -= job.width
            spare -= 0 if short else job.width
            job.start = now
            running.append(job)
            waiting.remove(job)
