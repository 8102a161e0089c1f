"""The report: plain words first, figures second."""

from collections.abc import Iterable, Sequence

from foedus import __version__
from foedus.render.document import Block, Charts, Document, Grid, Heading, Points, Text
from foedus.sim import words
from foedus.sim.alliance import Terms
from foedus.sim.cases import Result, Work
from foedus.sim.figures import ALONE, EVERYBODY, TOGETHER, Figures
from foedus.sim.report import pictures
from foedus.sim.rows import figure, summaries
from foedus.sim.schedules import SCHEDULES
from foedus.sim.verdict import verdict

_FIGURES = (
    *("site", "rule", "jobs", "mean wait", "median", "95 %", "slowdown", "in use", "earlier", "as alone", "later"),
    *("latest by", "of pooling", "gave", "took", "balance", "recalls", "lost"),
)


def story(work: Work, results: Sequence[Result]) -> Document:
    """Tell what the first case came to at length, then what changes in the others."""
    first = results[0]
    sites = [site.name for site in first.sites]
    return Document(
        title=f"What an alliance of {_list(sites)} would give",
        blocks=[
            *_in_words(first, results, sites),
            *_waiting(first, sites),
            *_machines(first, sites),
            *_variants(results),
            *_figures(first),
            *_method(work, first),
        ],
    )


def _in_words(first: Result, results: Sequence[Result], sites: Sequence[str]) -> list[Block]:
    return [
        Text(
            text=f"{_list(sites)} each own a computer. Jobs queue for it, and at other times parts of it stand idle. "
            "In an alliance a job that waits at home may run at a partner who has room. The owner has the first claim: "
            "whoever would have started on their own computer by now starts there at once, and guests make room. "
            "This report replays the partners' own job logs, first each alone and then together, with the same rules "
            "that run in operation."
        ),
        Heading(text="In short"),
        Points(points=tuple(verdict(results))),
        Points(points=tuple(sentence for site in sites if (sentence := _of_site(first, site)))),
    ]


def _of_site(result: Result, site: str) -> str:
    alone, shared = figure(result, site, ALONE), figure(result, site, TOGETHER)
    if alone is None or shared is None:
        return ""
    late = shared.against_alone
    later = f"{late.later:,} end later, the latest by {words.span(late.worst)}" if late.later else "none ends later"
    return (
        f"{site}: a job waits {words.span(shared.waits.mean)} on average instead of {words.span(alone.waits.mean)}. "
        f"Of {shared.waits.jobs:,} jobs {late.earlier:,} end earlier, {late.equal:,} at the same time, and {later}. "
        f"It lends {words.work(shared.gave)} unit-hours to others and takes {words.work(shared.took)}."
    )


def _waiting(result: Result, sites: Sequence[str]) -> list[Block]:
    rules = tuple(f"{name}: {SCHEDULES[name].says}." for name in pictures.schedules_of(result))
    return [
        Heading(text="Who gains"),
        Text(text="The same jobs under each of these rules:"),
        Points(points=rules),
        Charts(
            charts=(pictures.gains(result, (*sites, EVERYBODY)),),
            caption="Shorter is better. A partner whose bar is longer than its grey one would lose by that rule.",
        ),
        Heading(text="How long jobs wait"),
        Charts(
            charts=tuple(pictures.waits(result, site) for site in (*sites, EVERYBODY)),
            caption="For each wait (across) the share of jobs that wait no longer than that (up). A higher line is "
            "better: where it begins at 60 %, six jobs of ten start at once.",
        ),
    ]


def _machines(result: Result, sites: Sequence[str]) -> list[Block]:
    if TOGETHER not in result.curves:
        return []
    return [
        Heading(text="How busy the computers are"),
        Charts(
            charts=tuple(pictures.used(result, site) for site in sites),
            caption="Share of each computer in use, from the first submission of the logs to the last.",
        ),
        Heading(text="Who lends to whom"),
        Charts(
            charts=(pictures.balances(result, sites),),
            caption="What each partner's computer gave to the jobs of others, and what its own jobs took elsewhere. "
            "A partner that takes more than it gives owes the difference under the agreement.",
        ),
    ]


def _variants(results: Sequence[Result]) -> list[Block]:
    found = summaries(results)
    if len({one.variant for one in found}) == 1 and len(results) == 1:
        return []
    rows = tuple(
        (
            one.variant,
            one.schedule,
            ", ".join(one.worse) or "nobody",
            f"{one.runs}",
            words.span(one.alone_s),
            words.span(one.wait_s),
            _range(one.gain),
            f"{one.later:,}",
            words.span(one.worst_s),
            f"{one.waste:.2%}",
        )
        for one in found
    )
    columns = ("variant", "rule", "worse off", "runs", "alone", "mean wait", "of pooling", "later", "latest by", "lost")
    return [
        Heading(text="What if"),
        Text(
            text="Each variant changes something: the size of a computer, which jobs may travel or be recalled, when "
            "jobs come. Where chance plays a part it was drawn several times; waits are then means over all draws, and "
            "the latest is the latest of all."
        ),
        Grid(columns=columns, rows=rows, figures=3),
    ]


def _range(gain: tuple[float, float] | None) -> str:
    low, high = (words.share(one) for one in gain or (None, None))
    return low if low == high else f"{low} to {high}"


def _figures(result: Result) -> list[Block]:
    return [
        Heading(text="All figures"),
        Grid(columns=_FIGURES, rows=tuple(_row(one) for one in result.figures), figures=2),
        Points(
            points=(
                (
                    "mean wait, median, 95 %: what a job waits from its submission on, and what recalls cost it; "
                    "95 of 100 jobs wait no longer than the last."
                ),
                "slowdown: wait and run time as a multiple of the run time, on average, with runs of at least 10 s.",
                "in use: share of the computer that ran jobs.",
                "earlier, as alone, later: when jobs end, against the same jobs on their partner's own computer alone.",
                "of pooling: share of the waiting that one big common computer would save.",
                "gave, took, balance: unit-hours for others' jobs, for its own jobs elsewhere, and the difference.",
                "recalls, lost: how often guests made room for owners, and the share of the work that was lost by it.",
            )
        ),
    ]


def _row(one: Figures) -> tuple[str, ...]:
    waits, late = one.waits, one.against_alone
    balance = None if one.gave is None or one.took is None else one.gave - one.took
    return (
        one.site,
        one.schedule,
        f"{waits.jobs:,}",
        *(words.span(wait) for wait in (waits.mean, waits.median, waits.p95)),
        f"{waits.slowdown:.1f}",
        words.share(one.utilisation),
        *(f"{count:,}" for count in (late.earlier, late.equal, late.later)),
        words.span(late.worst),
        words.share(one.gain),
        *(words.work(value) for value in (one.gave, one.took, balance)),
        f"{one.recalls:,}",
        f"{one.waste:.2%}",
    )


def _method(work: Work, first: Result) -> list[Block]:
    terms = work.scenario.terms
    left_out = [f"{site.name}: {site.left_out:,} jobs are wider than it." for site in first.sites if site.left_out]
    return [
        Heading(text="What this rests on"),
        Points(
            points=(
                *_logs(work),
                *left_out,
                *_terms(terms),
                (
                    "A job is taken to run as long wherever it runs, and to ask for what its log says. People might "
                    "submit differently in an alliance; a log cannot tell how."
                ),
                (
                    f"Foedus {__version__}, logs {work.digest[:16]}. The figures of all cases are in figures.csv and "
                    "figures.parquet beside this file, every job's in the folder jobs."
                ),
            )
        ),
    ]


def _logs(work: Work) -> Iterable[str]:
    for site in work.logs:
        remarks = "; ".join(site.remarks.sentences()) or "every line of its log was used"
        yield f"{site.name}: {site.jobs:,} jobs on {site.capacity:,} {site.unit}; {remarks}."


def _terms(terms: Terms) -> Iterable[str]:
    yield (
        f"{words.share(terms.preemptible)} of the jobs save checkpoints and can be recalled, which costs each at most "
        f"{words.span(terms.restart)}; {words.share(terms.bound)} may only run at home."
    )
    if terms.staging:
        yield f"A guest's data need {words.span(terms.staging)}."


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
