"""The charts of a report."""

from collections.abc import Iterable, Sequence

from foedus.render.charts import COLOURS, Bar, Line, Tick, bars, lines
from foedus.sim import words
from foedus.sim.cases import Result
from foedus.sim.figures import ALONE, POOLED, TOGETHER, WAITS_S
from foedus.sim.rows import figure
from foedus.sim.schedules import SCHEDULES

_PERCENT = tuple(Tick(at=share / 100, says=f"{share}%") for share in (0, 25, 50, 75, 100))
_WAIT_TICKS = {0: "none", 60: "1 min", 600: "10 min", 3600: "1 h", 21_600: "6 h", 86_400: "1 d", 604_800: "1 wk"}
_DAYS_MARKED = 5
_COLOURS = dict(zip((ALONE, POOLED, TOGETHER), COLOURS, strict=False))


def schedules_of(result: Result) -> list[str]:
    """Name a result's schedules in their order."""
    return list(result.curves)


def colour(schedule: str) -> str:
    """Return the colour that a schedule has in every chart."""
    if schedule in _COLOURS:
        return _COLOURS[schedule]
    rest = [name for name in SCHEDULES if name not in _COLOURS]
    return COLOURS[3 + rest.index(schedule) % len(COLOURS[3:])]


def waits(result: Result, site: str) -> str:
    """Draw which share of a site's jobs wait at most how long."""
    last = len(WAITS_S) - 1
    found = [
        Line(
            label=name,
            colour=colour(name),
            points=[(place / last, share) for place, share in enumerate(result.curves[name].waited[site])],
        )
        for name in schedules_of(result)
    ]
    nearest = {
        min(range(len(WAITS_S)), key=lambda place: abs(WAITS_S[place] - wait)): says
        for wait, says in _WAIT_TICKS.items()
    }
    return lines(site, found, [Tick(at=place / last, says=says) for place, says in nearest.items()], _PERCENT)


def used(result: Result, site: str) -> str:
    """Draw which share of a site is in use, alone and together."""
    found: list[Line] = []
    for name in (ALONE, TOGETHER):
        shares = result.curves[name].used.get(site) if name in result.curves else None
        if shares:
            points = [((place + 0.5) / len(shares), min(1.0, share)) for place, share in enumerate(smooth(shares))]
            found.append(Line(label=name, colour=colour(name), points=points))
    days = [result.days * place / _DAYS_MARKED for place in range(_DAYS_MARKED + 1)]
    return lines(site, found, [Tick(at=day / (result.days or 1), says=f"day {day:.0f}") for day in days], _PERCENT)


def smooth(shares: Sequence[float], reach: int = 2) -> list[float]:
    """Take the mean of each value and its neighbours, so that the eye finds the course."""
    around = [shares[max(0, place - reach) : place + reach + 1] for place in range(len(shares))]
    return [sum(some) / len(some) for some in around]


def gains(result: Result, sites: Iterable[str]) -> str:
    """Draw the mean waits by site and schedule."""
    found = [(site, one) for site in sites for name in schedules_of(result) if (one := figure(result, site, name))]
    longest = max(one.waits.mean for _, one in found) or 1
    return bars(
        "Mean wait of a job",
        [
            Bar(
                row=site,
                label=one.schedule,
                colour=colour(one.schedule),
                length=one.waits.mean / longest,
                says=words.span(one.waits.mean),
            )
            for site, one in found
        ],
    )


def balances(result: Result, sites: Iterable[str]) -> str:
    """Draw what each site gave to others' jobs, and what its own jobs took elsewhere, together."""
    found = [(site, one) for site in sites if (one := figure(result, site, TOGETHER))]
    most = max((value or 0 for _, one in found for value in (one.gave, one.took)), default=0) or 1
    return bars(
        "Given and taken, in unit-hours",
        [
            Bar(row=site, label=label, colour=shade, length=(value or 0) / most, says=words.work(value))
            for site, one in found
            for label, shade, value in (("gave", COLOURS[3], one.gave), ("took", COLOURS[5], one.took))
        ],
    )
