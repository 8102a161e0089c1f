"""``foedus demo``: the main job from nothing to a finished picture."""

import contextlib
import importlib.util
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.show import note, say
from foedus.cli.table import paragraph, table
from foedus.core.base.errors import FoedusError, NotFound
from foedus.core.jobs.state import JobState

if TYPE_CHECKING:
    from foedus.cli.trial.alliance import Alliance
    from foedus.cli.trial.demo import Done, Picture

_LIBRARIES = ("river", "sklearn", "statsmodels")
_SIGNALLED = 128


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the alliance running, and say how to act in it and end it.")
    ] = False,
    stop: Annotated[
        Path | None,
        typer.Option("--stop", metavar="FOLDER", help="End a demo that was kept: its jobs, processes, files."),
    ] = None,
) -> None:
    """Run three AI projects on two sites of two partners, on this machine: real processes, real data, real books.

    It takes less than a minute, needs no other service, and leaves nothing behind; Ctrl-C ends it at any time.
    """
    if stop is not None:
        from foedus.cli.trial import kept

        kept.end(stop)
        say(f"{stop} is ended and removed")
        return
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise NotFound(
            f"the demo's jobs need {', '.join(missing)}", remedy="install the extra: pip install 'foedus[demo]'"
        )
    from foedus.cli.trial import demo as story

    with _terminable():
        trial = story.alliance(Path(tempfile.mkdtemp(prefix="foedus-demo-")))
        finished = False
        try:
            _show(_play(trial))
            finished = True
        finally:
            if not (keep and finished):
                _clear(trial, jobs=not finished)
        if keep:
            _say_how_to_go_on(trial)
        else:
            say()
            say("Nothing is left running. `foedus demo --keep` leaves the alliance up, to act in it yourself.")


@contextlib.contextmanager
def _terminable() -> Generator[None]:
    """Let the signals that end a program, a closed window's among them, still clear everything away."""

    def leave(number: int, _: object) -> None:
        raise SystemExit(_SIGNALLED + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _play(trial: "Alliance") -> "Picture":
    from foedus.cli.trial import demo as story
    from foedus.cli.trial.steps import steps

    say("Two partners, a site each, on this machine; one agreement, three AI projects.")
    with steps() as shown:
        story.start(trial, shown.begin)
        return story.work(trial, shown.begin, shown.count)


def _clear(trial: "Alliance", *, jobs: bool) -> None:
    """Leave no job, no process and no folder; a second Ctrl-C does not cut this short."""
    from foedus.cli.trial import kept

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if jobs and trial.agents:
            note("ending what was started")
            with contextlib.suppress(FoedusError), trial.client("office") as office:
                kept.end_jobs(office)
        trial.stop()
        shutil.rmtree(trial.folder, ignore_errors=True)
    finally:
        signal.signal(signal.SIGINT, before)


def _show(picture: "Picture") -> None:
    from foedus.cli.balance import show as show_balance

    say()
    columns = ("JOB", "NAME", "WHO", "STATE", "RAN AT", "ACCURACY")
    table(columns, [_row(done) for done in picture.jobs], right=("ACCURACY",))
    say()
    say("Why there, or why not")
    told: dict[str, list[str]] = {}
    for done in picture.jobs:
        told.setdefault(_reason(done), []).append(done.job.id)
    width = max(len(", ".join(jobs)) for jobs in told.values())
    for reason, jobs in told.items():
        paragraph(f"{', '.join(jobs):{width}}  ", reason)
    say()
    say(f"Balance, in GPU-hours, from the ledger up to entry {picture.balance.seq}")
    show_balance(picture.balance)
    say()
    say("Ledger, exported and verified offline, with the agreement alone")
    for line in picture.verified.splitlines():
        paragraph("", line)


def _row(done: "Done") -> tuple[str, ...]:
    job = done.job
    where = f"{job.site}{' (guest)' if job.guest else ''}" if job.site else "-"
    accuracy = f"{done.accuracy:.1%}" if done.accuracy is not None else "-"
    return job.id, job.name, f"{job.user} ({job.partner})", str(job.state), where, accuracy


def _reason(done: "Done") -> str:
    """Pick the line of the story that says why it ran there, or why it did not run."""
    job = done.job
    told = {str(line.kind): line.text for line in done.why.story}
    if job.state is JobState.REFUSED:
        return told.get("refused", job.reason)
    place = f"{job.site} as a guest" if job.guest else f"{job.site}"
    return f"{place}: {told.get('bound', '').partition(': ')[2] or job.reason}"


def _say_how_to_go_on(trial: "Alliance") -> None:
    from foedus.cli.trial import demo as story
    from foedus.cli.trial import kept

    folder = shlex.quote(str(trial.folder))
    files = kept.keep(trial, ("office", *story.PEOPLE))
    say()
    say("The alliance goes on. To act in it, in this shell or another:")
    for person, file in files.items():
        what = f"{person} of {story.PEOPLE[person]}" if person in story.PEOPLE else "the alliance's office"
        say(f"  . {shlex.quote(str(file))}   # {what}")
    say("then for instance:")
    say("  foedus sites; foedus list --all; foedus why 4; foedus balance")
    say("  foedus run --project city-flows --time 5 --follow -- hostname   # as aysel")
    say("The signed agreement, the exported ledger and all logs:")
    say(f"  cd {folder}; foedus ledger verify ledger.jsonl --agreement agreement.toml")
    say(f"API and its description: {trial.url}/docs")
    say("To end it:")
    say(f"  {_command()} demo --stop {folder}")


def _command() -> str:
    """Return what calls this very program in any shell, whether or not it is on the path there."""
    return shlex.quote(str(Path(sys.executable).with_name("foedus")))
