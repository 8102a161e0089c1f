"""``foedus why``: a job's story, the answer first."""

from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.session import Json, session_of
from foedus.cli.show import age, count, moment, print_json, say, since, when, zone
from foedus.cli.table import paragraph, table
from foedus.core.base.ids import job_id

if TYPE_CHECKING:
    from foedus.core.base.instant import Instant
    from foedus.wire.jobs import AttemptView, WhyView


def why(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help="The job's id.")],
    language: Annotated[str, typer.Option("--lang", help="Language of clauses, such as en, he, az or de.")] = "en",
    json: Json = False,
) -> None:
    """Tell why a job is where it is: the answer, the sites considered, what each clause said, the attempts."""
    session = session_of(ctx)
    with session.client() as client:
        view = client.why(job_id(job), language=language)
    if json:
        print_json(view)
    else:
        tell(view, session.now())


def tell(view: "WhyView", now: "Instant") -> None:
    """Print the story."""
    job = view.job
    paragraph("", f"{view.answer} {view.saved}".rstrip())
    if job.unreachable_since is not None:
        say(f"Its site does not answer, since {when(job.unreachable_since, now)}: this is the last that is known.")
    say()
    needs = f"{count(job.nodes, 'node')}, {count(job.cpus, 'CPU')}, {count(job.gpus, 'GPU')}"
    paragraph("", f"Job {job.id} ({job.name}) of {job.user} from {job.partner}, project {job.project}: {needs}")
    say(f"State: {job.state}{f' at {job.site}' if job.site else ''}{', as a guest' if job.guest else ''}")
    say()
    say(f"What happened ({zone(now)})")
    for line in view.story:
        first, *more = line.text.split("; ")
        paragraph(f"  {moment(line.at)}  ", first)
        for part in more:
            paragraph(" " * 23, part)
    if view.attempts:
        say()
        say("Attempts")
        _attempts(view.attempts, now)


def _attempts(attempts: "list[AttemptView]", now: "Instant") -> None:
    rows = [
        (
            str(one.number),
            f"{one.site} (guest)" if one.guest else one.site,
            one.native_id or "-",
            str(one.outcome or one.state),
            since(one.started, now),
            age(one.started, one.ended or now) if one.started is not None else "-",
            "-" if one.exit_code is None else str(one.exit_code),
            "-" if one.entry is None else f"entry {one.entry}",
            one.reason,
        )
        for one in attempts
    ]
    columns = ("ATTEMPT", "SITE", "SITE'S ID", "STATE", "STARTED", "RAN", "EXIT", "LEDGER", "REASON")
    table(columns, rows, text="REASON", spare=("SITE'S ID", "STARTED", "EXIT"))
