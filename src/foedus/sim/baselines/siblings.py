"""Siblings: a job waits in every queue that it may run from, and the first site to start it has it.

So do clusters under Slurm's federation: each orders its own queue by itself, here by submission with EASY backfilling,
and revokes what has started elsewhere. Of several sites that could start a job as it comes its home is the first.
"""

from foedus.core.placement.kernels import NEVER, kernel
from foedus.sim.alliance import Alliance, Outcome, Terms
from foedus.sim.baselines.sites import (
    NOWHERE,
    Sites,
    begin,
    ended,
    happens,
    look_through,
    may_run,
    next_event,
    queue,
    start_at_once,
)


def siblings(alliance: Alliance, terms: Terms) -> Outcome:
    """Run an alliance so."""
    state = begin(alliance, terms)
    _run(state)
    return ended(alliance, state)


@kernel
def _run(state: Sites) -> None:
    came = 0
    while True:
        now = next_event(state, came)
        if now == NEVER:
            return
        for site in range(len(state.sites)):
            while happens(state, site, now):
                look_through(state, now)
        while came < len(state.jobs) and state.jobs[came].submit == now:
            _arrive(state, came, now)
            came += 1


@kernel
def _arrive(state: Sites, job: int, now: int) -> None:
    if start_at_once(state, job, now) != NOWHERE:
        return
    for site in range(len(state.sites)):
        if may_run(state, job, site):
            queue(state, job, site)
