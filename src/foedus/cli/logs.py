"""``foedus logs``."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.screen import Screen
from foedus.cli.session import Json, session_of
from foedus.cli.show import note, print_line
from foedus.core.base.ids import job_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from foedus.client import Client, LogChunk


def logs(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help="The job's id.")],
    *,
    follow_: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job is over, through later attempts too.")
    ] = False,
    stderr: Annotated[
        bool, typer.Option("--stderr", "-e", help="Standard error, where it has a file of its own.")
    ] = False,
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt; the newest one by default.")] = None,
    json: Json = False,
) -> None:
    """Show what a job writes. A pipe or file gets the bytes as they are; a terminal gets text and colours only.

    With --json each stretch is an object on a line of its own.
    """
    session = session_of(ctx)
    stream = "stderr" if stderr else "stdout"
    with session.client() as client:
        if json:
            for chunk in client.logs(job_id(job), stream, attempt=attempt, follow=follow_):
                print_line(_as_object(chunk))
        elif follow_:
            follow(client, job_id(job), stream, attempt=attempt)
        else:
            show(client.logs(job_id(job), stream, attempt=attempt))


def follow(client: "Client", job: str, stream: str, *, attempt: int | None) -> None:
    """Show what the job writes until it is over. Ctrl-C ends the showing, not the job."""
    try:
        show(client.logs(job, stream, attempt=attempt, follow=True))
    except KeyboardInterrupt:
        note(f"job {job} goes on; see `foedus logs -f {job}`, `foedus cancel {job}`")
        raise


def show(chunks: "Iterable[LogChunk]") -> None:
    """Write the chunks to standard output; says so where a later attempt begins, or the site passed no more on."""
    sys.stdout.flush()
    out = typer.get_binary_stream("stdout")
    screen = Screen() if sys.stdout.isatty() else None
    attempt = 0
    for chunk in chunks:
        if attempt not in (0, chunk.attempt):
            note(f"--- attempt {chunk.attempt} ---")
        attempt = chunk.attempt
        out.write(chunk.data if screen is None else screen.text(chunk.data).encode())
        out.flush()
        if chunk.truncated:
            note("--- the job wrote more than its site passes on ---")
    if screen is not None:
        out.write(screen.end().encode())
        out.flush()


def _as_object(chunk: "LogChunk") -> dict[str, object]:
    """Return a chunk as JSON can carry it: what is not UTF-8 is escaped."""
    return {
        "attempt": chunk.attempt,
        "data": chunk.data.decode("utf-8", errors="backslashreplace"),
        "next": chunk.next,
        "ended": chunk.ended,
        "truncated": chunk.truncated,
    }


def write_text(text: str) -> None:
    """Write text as it is to a pipe or file, and made safe to a terminal."""
    sys.stdout.flush()
    out = typer.get_binary_stream("stdout")
    if sys.stdout.isatty():
        screen = Screen()
        text = screen.text(text.encode()) + screen.end()
    out.write(text.encode())
    out.flush()
