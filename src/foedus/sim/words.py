"""How figures of a simulation are said."""

_STEPS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def span(seconds: float) -> str:
    """Say a span with its unit.

    >>> span(13_680)
    '3.8 h'
    """
    for size, unit in _STEPS:
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def share(value: float | None) -> str:
    """Say a share in percent; a dash for none."""
    return "-" if value is None else f"{value:.0%}"


def work(unit_seconds: int | None) -> str:
    """Say an amount of work in unit-hours; a dash for none."""
    return "-" if unit_seconds is None else f"{unit_seconds / 3600:,.0f}"
