"""``foedus demo``: the main job from nothing to a finished picture."""

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.show import console, say
from foedus.core.base.errors import NotFound

if TYPE_CHECKING:
    from foedus.cli.trial.alliance import Alliance
    from foedus.cli.trial.demo import Done, Picture

_LIBRARIES = ("river", "sklearn", "statsmodels")


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the alliance running, and its folder in place.")] = False,
) -> None:
    """Run three AI projects on two sites of two partners, on this machine: real processes, real data, real books."""
    from foedus.cli.trial import demo as story

    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise NotFound(
            f"the demo's jobs need {', '.join(missing)}", remedy="install the extra: pip install 'foedus[demo]'"
        )
    folder = Path(tempfile.mkdtemp(prefix="foedus-demo-"))
    trial = story.alliance(folder)
    finished = False
    try:
        with console().status("") as status:
            story.start(trial, lambda step: (say(f"· {step}"), status.update(step))[0])
        picture = _work(trial)
        _show(picture)
        finished = True
    finally:
        if keep and finished:
            _say_how_to_go_on(trial)
        else:
            trial.stop()
            shutil.rmtree(folder, ignore_errors=True)


def _work(trial: "Alliance") -> "Picture":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from foedus.cli.trial import demo as story

    say(f"· Submitting {len(story.WORK)} scripts; follow at {trial.url}/docs")
    columns = (
        SpinnerColumn(),
        TextColumn("jobs ended"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console()) as progress:
        task = progress.add_task("", total=None)
        return story.work(trial, lambda ended, total: progress.update(task, completed=ended, total=total))


def _show(picture: "Picture") -> None:
    from rich.table import Table

    from foedus.cli.balance import show as show_balance

    jobs = Table(title="Jobs", title_justify="left", show_lines=False)
    for heading in ("job", "name", "who", "state", "where", "accuracy", "why"):
        jobs.add_column(heading, overflow="fold")
    for done in picture.jobs:
        jobs.add_row(*_row(done))
    console().print(jobs)
    say()
    say(f"Balance, in GPU-hours, from the ledger up to entry {picture.balance.seq}:")
    show_balance(picture.balance)
    say()
    say("Ledger, exported and checked offline with the agreement alone:")
    for line in picture.verified.splitlines():
        say(f"  {line}")


def _row(done: "Done") -> tuple[str, ...]:
    job = done.job
    where = f"{job.site}{' (guest)' if job.guest else ''}" if job.site else "-"
    accuracy = f"{done.accuracy:.1%}" if done.accuracy is not None else "-"
    return job.id, job.name, f"{job.user} ({job.partner})", str(job.state), where, accuracy, _reason(done)


def _reason(done: "Done") -> str:
    """Pick the line of the story that says why it ran there, or why it did not run."""
    told = {str(line.kind): line.text for line in done.why.story}
    return told.get("bound", "").partition(": ")[2] or told.get("refused", "") or done.job.reason


def _say_how_to_go_on(trial: "Alliance") -> None:
    pids = " ".join(str(process.pid) for process in [*trial.agents.values(), *trial.hubs])
    say()
    say(f"The alliance goes on: API and its description at {trial.url}/docs, files in {trial.folder}")
    say(f"  export FOEDUS_HUB={trial.url} FOEDUS_TOKEN={trial.token('office')}")
    say(f"To end it: kill {pids}; rm -r {trial.folder}")
