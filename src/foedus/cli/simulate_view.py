"""What ``foedus simulate`` prints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from foedus.cli.show import print_json, say
from foedus.cli.table import table

if TYPE_CHECKING:
    from foedus.sim.cases import Result, Work
    from foedus.sim.figures import Figures
    from foedus.sim.rows import Summary
    from foedus.sim.scenario import Case

_ONE = (
    *("site", "jobs", "load", "", "mean wait", "median", "p95", "slowdown", "earlier", "later", "worst"),
    *("used", "gave", "took"),
)
_MANY = ("variant", "seeds", "", "alone", "mean wait", "of pooling", "later", "worst", "lost", "worse off")
_CASES = ("case", "variant", "seed", "done")


def show(work: "Work", results: "Sequence[Result]", *, json: bool) -> None:
    """Show the whole of one case, or a line for each variant of many."""
    from foedus.sim.rows import rows, summaries
    from foedus.sim.verdict import verdict

    if json:
        print_json({"logs": _logs(work), "results": list(rows(results))})
        return
    if not results:
        return
    if len(results) == 1:
        _table_of_one(results[0])
    else:
        right = tuple(name for name in _MANY if name not in {"variant", "", "worse off"})
        table(_MANY, [_line(one) for one in summaries(results)], right=right, spare=("lost", "of pooling"))
    say("")
    for sentence in verdict(results):
        say(sentence)


def show_cases(work: "Work", cases: "Sequence[Case]", *, json: bool) -> None:
    """List cases, and which of them are done."""
    from foedus.sim.cases import known

    done = [known(work, case) is not None for case in cases]
    if json:
        found = [
            {"case": case.number, "variant": case.variant.name, "seed": case.seed, "done": one}
            for case, one in zip(cases, done, strict=True)
        ]
        print_json({"cases": found})
        return
    lines = [
        [f"{case.number}", case.variant.name, f"{case.seed}", "yes" if one else "no"]
        for case, one in zip(cases, done, strict=True)
    ]
    table(_CASES, lines, right=("case", "seed"))


def _logs(work: "Work") -> list[dict[str, object]]:
    return [
        {
            "site": site.name,
            "capacity": site.capacity,
            "unit": site.unit,
            "remarks": {reason.name.lower(): count for reason, count in site.remarks.count.items()},
        }
        for site in work.logs
    ]


def _table_of_one(result: "Result") -> None:
    right = tuple(name for name in _ONE if name not in {"site", ""})
    table(_ONE, [_cells(one) for one in result.figures], right=right, spare=("gave", "took", "used", "median", "load"))


def _cells(one: "Figures") -> list[str]:
    from foedus.sim import words

    first = one.schedule == "alone"
    waits, late = one.waits, one.against_alone
    return [
        one.site if first else "",
        f"{waits.jobs:,}" if first else "",
        words.share(one.load) if first else "",
        one.schedule,
        *(words.span(wait) for wait in (waits.mean, waits.median, waits.p95)),
        f"{waits.slowdown:.1f}",
        *(("", "", "") if first else (f"{late.earlier:,}", f"{late.later:,}", words.span(late.worst))),
        words.share(one.utilisation),
        *(("", "") if first else (words.work(one.gave), words.work(one.took))),
    ]


def _line(one: "Summary") -> list[str]:
    from foedus.sim import words

    low, high = (words.share(gain) for gain in one.gain or (None, None))
    return [
        one.variant,
        f"{one.runs}",
        one.schedule,
        words.span(one.alone_s),
        words.span(one.wait_s),
        low if low == high else f"{low} to {high}",
        f"{one.later:,}",
        words.span(one.worst_s),
        f"{one.waste:.2%}",
        ", ".join(one.worse) or "nobody",
    ]
