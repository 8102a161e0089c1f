"""``foedus fetch``."""

from pathlib import Path
from typing import Annotated

import typer

from foedus.cli.progress import bar
from foedus.cli.session import Json, session_of
from foedus.cli.show import count, print_json, say, size
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import job_id


def fetch(
    ctx: typer.Context,
    job: Annotated[str, typer.Argument(help="The job's id.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder to fetch into; foedus-JOB by default.")
    ] = None,
    attempt: Annotated[int | None, typer.Option(min=1, help="Which attempt; the newest one by default.")] = None,
    json: Json = False,
) -> None:
    """Fetch the files that a job brought back. Goes on where an earlier fetch stopped; every hash is checked."""
    session = session_of(ctx)
    folder = out or Path(f"foedus-{job_id(job)}")
    if folder.exists() and not folder.is_dir():
        fault = f"{folder} is a file, and what is fetched goes into a folder"
        raise BadInput(Fault(path="--out", fault=fault, remedy="name a folder; it is made if need be"))
    with session.client() as client, bar(session, "fetching") as progress:
        manifest = client.fetch(job_id(job), folder, attempt=attempt, progress=progress)
    if json:
        print_json(manifest)
        return
    for entry in manifest.files:
        say(f"{folder / entry.path}  {size(entry.size)}")
    say(f"{count(len(manifest.files), 'file')}, {size(manifest.size)}")
