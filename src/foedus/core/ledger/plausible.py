"""Whether a usage record can be true at all. A site may still be wrong or lie; what is checked here it cannot."""

from collections.abc import Iterable

from foedus.core.agreement.model import Site
from foedus.core.base.errors import Fault
from foedus.core.base.instant import CLOCK_SLACK_S, Instant, iso, seconds_between
from foedus.core.ledger.usage import Usage

ROUNDING_S = 1
"""The scheduler's start, end and elapsed seconds are each rounded to a whole second."""


def implausible(usage: Usage, booked_at: Instant) -> tuple[Fault, ...]:
    """Say everything that cannot be true of a record that was booked at `booked_at`."""
    return (*_times(usage, booked_at), *_figures(usage))


def beyond(site: Site, nodes: int, gpus: int) -> tuple[Fault, ...]:
    """Say what of an attempt's share is more than the site has, by one version of the agreement."""
    faults: list[Fault] = []
    most = sum(pool.nodes for pool in site.pools)
    if nodes > most:
        faults.append(_fault("nodes", f"is {nodes}, and {site.id} has {most}"))
    each = max((pool.gpus_per_node for pool in site.pools), default=0)
    if gpus > min(nodes * each, site.gpus):
        faults.append(_fault("gpus", f"are {gpus} on {nodes} nodes, and a node of {site.id} has at most {each}"))
    return tuple(faults)


def too_early(usage: Usage, given_at: Instant) -> tuple[Fault, ...]:
    """Say so if an attempt began before the hub gave it to the site: then it claims time that has not passed."""
    if usage.started is None or seconds_between(usage.started, given_at) <= CLOCK_SLACK_S:
        return ()
    return (_fault("started", f"{iso(usage.started)} is before the site was given the attempt at {iso(given_at)}"),)


def overlaps(usage: Usage, others: Iterable[Usage]) -> tuple[Fault, ...]:
    """Say with which other runs of the same native job a run overlaps: it is queued again only once it has ended."""
    return tuple(
        _fault("started", f"attempt {other.attempt} of the same native job ran from {iso(began)} to {iso(other.ended)}")
        for other in others
        if (began := other.started) is not None
        and usage.started is not None
        and (other.native_id, other.attempt != usage.attempt) == (usage.native_id, True)
        and seconds_between(usage.started, other.ended) > ROUNDING_S
        and seconds_between(began, usage.ended) > ROUNDING_S
    )


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
