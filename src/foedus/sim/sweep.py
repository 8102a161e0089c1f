"""Many cases on all cores. What is done is done: a crash, an interruption or a bad case costs that case alone."""

import os
import signal
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import active_children, get_context
from typing import TypeAlias

from foedus.core.base.errors import BadInput, Fault
from foedus.sim.cases import Result, Work, known, run
from foedus.sim.compiled import keep
from foedus.sim.scenario import Case

Faults: TypeAlias = tuple[Fault, ...]
_WORK: list[Work] = []
"""In a process of its own: what its cases need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What some cases came to, in their order; a case has a result or faults."""

    results: tuple[Result, ...]
    faults: Faults


def sweep(work: Work, cases: Sequence[Case], processes: int, told: Callable[[int, int], None]) -> Swept:
    """Do what was not done yet, with so many processes; `told` hears how many of how many are done."""
    found: dict[int, Result | Faults] = {
        case.number: result for case in cases if (result := known(work, case)) is not None
    }
    told(len(found), len(cases))
    for case, outcome in _done(work, [case for case in cases if case.number not in found], processes):
        found[case.number] = outcome
        told(len(found), len(cases))
    ordered = [found[case.number] for case in cases]
    return Swept(
        results=tuple(one for one in ordered if isinstance(one, Result)),
        faults=tuple(fault for one in ordered if not isinstance(one, Result) for fault in one),
    )


def processors() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _done(work: Work, cases: Sequence[Case], processes: int) -> Generator[tuple[Case, Result | Faults]]:
    """Do cases here where they are few, or the kernels still have to be compiled; else side by side."""
    here = len(cases) if processes == 1 or len(cases) == 1 else 0 if keep() else 1
    for case in cases[:here]:
        yield case, _try(work, case)
    rest = cases[here:]
    if not rest:
        return
    broken: list[Case] = []
    for case, outcome in _side_by_side(work, rest, min(processes, len(rest))):
        if outcome is None:
            broken.append(case)
        else:
            yield case, outcome
    for case in broken:
        for _, outcome in _side_by_side(work, [case], 1):
            yield case, outcome or (_killed(case),)


def _side_by_side(work: Work, cases: Iterable[Case], processes: int) -> Generator[tuple[Case, Result | Faults | None]]:
    """Do cases in processes; `None` for those that went down with one of them, not always by their own doing."""
    executor = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin, initargs=(work,))
    try:
        futures = {executor.submit(_try_here, case): case for case in cases}
        for future in as_completed(futures):
            broken = isinstance(future.exception(), BrokenProcessPool)
            yield futures[future], None if broken else future.result()
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for child in active_children():
            child.terminate()
        raise
    executor.shutdown()


def _begin(work: Work) -> None:
    """Begin a process; an interruption is for the one that began it to hear."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep()
    _WORK.append(work)


def _try_here(case: Case) -> Result | Faults:
    return _try(_WORK[0], case)


def _try(work: Work, case: Case) -> Result | Faults:
    try:
        return run(work, case)
    except BadInput as error:
        return error.faults
    except Exception as error:  # noqa: BLE001 - the other cases go on; this one is told
        return (Fault(path=_name(case), fault=f"{type(error).__name__}: {error}", remedy="report this"),)


def _killed(case: Case) -> Fault:
    return Fault(path=_name(case), fault="its process was killed", remedy="it may need more memory than there is")


def _name(case: Case) -> str:
    return f"case {case.number} ({case.variant.name}, seed {case.seed})"
