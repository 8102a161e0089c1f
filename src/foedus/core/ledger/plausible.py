"""Whether a usage record can be true at all. A site may still be wrong or lie; what is checked here it cannot."""

from foedus.core.base.errors import Fault
from foedus.core.base.instant import CLOCK_SLACK_S, Instant, iso, seconds_between
from foedus.core.ledger.usage import Usage

ROUNDING_S = 1
"""The scheduler's start, end and elapsed seconds are each rounded to a whole second."""


def implausible(usage: Usage, booked_at: Instant) -> tuple[Fault, ...]:
    """Say everything that cannot be true of a record that was booked at `booked_at`."""
    return (*_times(usage, booked_at), *_figures(usage))


def _times(usage: Usage, booked_at: Instant) -> list[Fault]:
    faults: list[Fault] = []
    started = usage.started
    if started is None:
        if usage.elapsed:
            faults.append(_fault("elapsed", f"is {usage.elapsed} s, but the attempt never started"))
    else:
        span = seconds_between(started, usage.ended)
        if span < 0:
            faults.append(_fault("ended", f"{iso(usage.ended)} is before the start at {iso(started)}"))
        elif usage.elapsed > span + ROUNDING_S:
            faults.append(_fault("elapsed", f"{usage.elapsed} s do not fit between start and end ({span:g} s)"))
        if seconds_between(usage.submitted, started) < -ROUNDING_S:
            faults.append(_fault("started", f"{iso(started)} is before the submission at {iso(usage.submitted)}"))
    if seconds_between(usage.submitted, usage.ended) < -ROUNDING_S:
        faults.append(_fault("ended", f"{iso(usage.ended)} is before the submission at {iso(usage.submitted)}"))
    if seconds_between(booked_at, usage.ended) > CLOCK_SLACK_S:
        faults.append(_fault("ended", f"{iso(usage.ended)} is after the booking at {iso(booked_at)}"))
    return faults


def _figures(usage: Usage) -> list[Fault]:
    faults: list[Fault] = []
    if usage.cpu_seconds != usage.cpus * usage.elapsed:
        faults.append(_fault("cpu_seconds", f"is {usage.cpu_seconds}, not {usage.cpus} CPUs times {usage.elapsed} s"))
    if usage.gpus.keys() != usage.gpu_seconds.keys():
        faults.append(_fault("gpu_seconds", "names other GPU models than gpus does"))
    else:
        for model, count in usage.gpus.items():
            if usage.gpu_seconds[model] != count * usage.elapsed:
                said = usage.gpu_seconds[model]
                faults.append(_fault("gpu_seconds", f"is {said} of {model!r}, not {count} times {usage.elapsed} s"))
    if (usage.energy is None) != (usage.energy_method is None):
        faults.append(_fault("energy_method", "must be given exactly where energy is"))
    if usage.elapsed and not usage.nodes:
        faults.append(_fault("nodes", "is 0, but the attempt ran"))
    return faults


def _fault(member: str, fault: str) -> Fault:
    return Fault(path=f"body.{member}", fault=fault, remedy="compare the record with the site's accounting")
