"""Commands about jobs that one table or line answers."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from foedus.cli.exits import Exit
from foedus.cli.sending import waiting
from foedus.cli.session import Json, Session, session_of
from foedus.cli.show import brief, note, print_json, say, since, when
from foedus.cli.table import table
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import job_id
from foedus.core.base.units import duration
from foedus.core.jobs.state import ENDED, JobState

if TYPE_CHECKING:
    from foedus.client import Client, Waited
    from foedus.wire.jobs import JobView

Ids = Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids of jobs, tasks (1042_3) or arrays.")]
_LATEST = 10
_LIVE = tuple(state.value for state in JobState if state not in ENDED)


def status(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[JOB...]", help="By default your ten newest.")] = None,
    json: Json = False,
) -> None:
    """Show where jobs are."""
    session = session_of(ctx)
    from foedus.client import Filter
    from foedus.wire.jobs import StatusReply

    with session.client() as client:
        if ids:
            reply = client.status([job_id(one) for one in ids])
        else:
            mine = Filter(user=client.whoami().user.id)
            reply = StatusReply(jobs=client.list(mine, limit=_LATEST).jobs, absent=[])
    if json:
        print_json(reply)
    else:
        if reply.jobs or not reply.absent:
            jobs_table(reply.jobs, session)
        if not ids and not reply.jobs:
            note("(you have no jobs yet)")
        for one in reply.absent:
            note(f"error: no job {one}")
    if reply.absent:
        raise typer.Exit(Exit.NOT_FOUND)


def list_jobs(
    ctx: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--all", "-a", help="Those that have ended too.")] = False,
    state: Annotated[
        list[str] | None, typer.Option("--state", "-t", help="Only in this state; may be repeated.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Only of this project.")] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="Only of this user.")] = None,
    me: Annotated[bool, typer.Option("--me", help="Only your own.")] = False,
    site: Annotated[str | None, typer.Option(help="Only at this site.")] = None,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Only of this name.")] = None,
    array: Annotated[str | None, typer.Option(help="The tasks of this array.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 50,
    json: Json = False,
) -> None:
    """List jobs, newest first: those that have not ended, unless --all or --state says otherwise."""
    session = session_of(ctx)
    from foedus.client import Filter
    from foedus.wire.jobs import JobPage

    with session.client() as client:
        which = Filter(
            states=_states(state, every=every),
            project=project,
            user=client.whoami().user.id if me else user,
            site=site,
            name=name,
            array=array,
        )
        found = list(islice(client.iter(which, page_size=min(limit + 1, 500)), limit + 1))
    if json:
        print_json(JobPage(jobs=found[:limit], next=None))
        return
    jobs_table(found[:limit], session)
    if not found:
        note("(no such job)" if every or state else "(none that has not ended; --all shows the others too)")
    if len(found) > limit:
        note(f"there are more than {limit}; --limit shows more")


def _states(wanted: Sequence[str] | None, *, every: bool) -> tuple[str, ...]:
    if not wanted:
        return () if every else _LIVE
    named = [one.strip().lower().replace("_", "-") for text in wanted for one in text.split(",")]
    faults = [
        Fault(path="--state", fault=f"{one!r} is not a state", remedy=f"use one of {', '.join(JobState)}")
        for one in named
        if one not in set(JobState)
    ]
    if faults:
        raise BadInput(*faults)
    return tuple(named)


def jobs_table(jobs: "Sequence[JobView]", session: Session) -> None:
    """Print jobs, a line each."""
    now = session.now()
    rows = [
        (
            job.id,
            job.name,
            job.user,
            job.project,
            _state(job),
            _site(job),
            str(job.gpus),
            duration(job.time_limit_s) if job.time_limit_s is not None else "-",
            since(job.ended or job.started or job.submitted, now),
            brief(_reason(job, session)),
        )
        for job in jobs
    ]
    columns = ("JOB", "NAME", "USER", "PROJECT", "STATE", "SITE", "GPUS", "LIMIT", "SINCE", "REASON")
    table(columns, rows, right=("GPUS", "LIMIT"), text="REASON", spare=("PROJECT", "LIMIT", "GPUS", "USER"))


def _state(job: "JobView") -> str:
    if job.tasks:
        return f"{job.state} ({', '.join(f'{count} {state}' for state, count in job.tasks.items())})"
    if job.signal:
        return f"{job.state} (signal {job.signal})"
    return f"{job.state} (exit {job.exit_code})" if job.exit_code else str(job.state)


def _site(job: "JobView") -> str:
    if job.site is None:
        return "-"
    return f"{job.site} (guest)" if job.guest else job.site


def _reason(job: "JobView", session: Session) -> str:
    if job.state is JobState.COMPLETED:
        return ""
    if job.unreachable_since is None:
        return job.reason
    return f"site unreachable since {when(job.unreachable_since, session.now())}; {job.reason}".rstrip("; ")


def cancel(ctx: typer.Context, ids: Ids, json: Json = False) -> None:
    """Cancel jobs, tasks or whole arrays. What runs at a site is stopped there; see `foedus wait`."""
    session = session_of(ctx)
    with session.client() as client:
        reply = client.cancel([job_id(one) for one in ids])
    if json:
        print_json(reply)
        return
    for text, found in (
        ("cancelled", reply.cancelled),
        ("being stopped at its site", reply.stopping),
        ("over already", reply.over),
    ):
        for one in found:
            say(f"{one}: {text}")


def wait(
    ctx: typer.Context,
    ids: Ids,
    timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Give up after so many seconds.")
    ] = None,
    json: Json = False,
) -> None:
    """Wait until all jobs have ended. Exit code 0 if all completed, 1 if not, or if the time is up."""
    session = session_of(ctx)
    from foedus.wire.jobs import StatusReply

    with session.client() as client:
        jobs = _watch(client, session, [job_id(one) for one in ids], timeout)
    if json:
        print_json(StatusReply(jobs=list(jobs), absent=[]))
    else:
        jobs_table(jobs, session)
        if any(job.state not in ENDED for job in jobs):
            note("the time is up, and not all have ended")
    raise typer.Exit(Exit.OK if all(job.state is JobState.COMPLETED for job in jobs) else Exit.FAILED)


def _watch(client: "Client", session: Session, ids: list[str], timeout: float | None) -> "tuple[JobView, ...]":
    from foedus.cli.progress import counter

    jobs: tuple[JobView, ...] = ()
    with waiting(ids), counter("waiting", len(ids), json=session.json) as show:
        for waited in client.waiting(ids, timeout_s=timeout):
            jobs = waited.jobs
            show(*_done(waited))
    return jobs


def _done(waited: "Waited") -> tuple[int, int]:
    """Count the jobs that have ended, tasks of arrays one by one, and all of them."""
    done = total = 0
    for job in waited.jobs:
        tasks = job.tasks or {job.state: 1}
        total += sum(tasks.values())
        done += sum(count for state, count in tasks.items() if state in ENDED)
    return done, total


def script(ctx: typer.Context, job: Annotated[str, typer.Argument(help="The job's id.")], json: Json = False) -> None:
    """Show a job's script as it was submitted. A pipe or file gets it byte for byte."""
    session = session_of(ctx)
    with session.client() as client:
        text = client.script(job_id(job))
    if json:
        print_json({"id": job, "script": text})
        return
    from foedus.cli.logs import write_text

    write_text(text)
