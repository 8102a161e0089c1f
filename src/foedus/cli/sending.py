"""From a script to a submitted job: read it here first, send what travels with it, submit, and say what came of it."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from foedus.cli.exits import Exit
from foedus.cli.progress import bar
from foedus.cli.session import Session
from foedus.cli.show import note, print_json, say
from foedus.core.base.errors import BadInput, Fault
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.spec import JobSpec
from foedus.core.jobs.state import ENDED, JobState

if TYPE_CHECKING:
    from foedus.client import Client
    from foedus.wire.jobs import JobView, SubmittedView

_UNNAMED = "sbatch"
_SIGNALLED = 128
_LINE = "line "
"""How the path of a fault in the script begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be submitted."""

    script: str
    file_name: str = ""
    """Names the job that has no other name."""
    overrides: Sequence[str] = ()
    arguments: Sequence[str] = ()
    key: str | None = None
    source: str = "standard input"
    """Where the script is from; its faults are told with it."""


def read_script(text: bytes, name: str) -> str:
    """Decode a script; raises `BadInput` if it is not text."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise BadInput(
            Fault(path=f"{name}, line {line}", fault="is not UTF-8 text", remedy="save it as UTF-8")
        ) from error


def send(client: "Client", session: Session, order: Order) -> "SubmittedView":
    """Submit. The script is read here first, so that its faults show with their lines before anything is sent."""
    spec = _read(order, session)
    for notice in spec.notices:
        note(f"note: {notice}")
    overrides = list(order.overrides)
    if spec.name != _UNNAMED and parse(order.script, order.overrides).name == _UNNAMED:
        overrides.insert(0, f"--job-name={spec.name}")
    bundle = None
    if spec.bundle:
        with bar(session, "sending files") as progress:
            bundle = client.upload(_project(client, spec), spec.bundle, root=Path.cwd(), progress=progress)
    return client.submit(
        order.script,
        overrides=overrides,
        arguments=order.arguments,
        environment=dict(spec.environment),
        bundle=bundle,
        key=order.key,
    )


def _read(order: Order, session: Session) -> JobSpec:
    try:
        return parse(order.script, order.overrides, order.arguments, session.environment, file_name=order.file_name)
    except BadInput as error:
        named = [
            replace(one, path=f"{order.source}, {one.path}") if one.path.startswith(_LINE) else one
            for one in error.faults
        ]
        raise BadInput(*named) from error


def _project(client: "Client", spec: JobSpec) -> str:
    """Return the project that the files belong to: the job's, or the only one that the user has."""
    if spec.project is not None:
        return spec.project
    who = client.whoami()
    names = [who.project] if who.project is not None else [one.project for one in who.projects]
    if len(names) == 1:
        return names[0]
    raise BadInput(
        Fault(
            path="--project",
            fault="is not given, and files can only be sent for a project",
            remedy=f"give one of: {', '.join(names)}" if names else "ask the alliance's office to add you to a project",
        )
    )


def tell(session: Session, job: "SubmittedView", *, parsable: bool) -> Exit:
    """Say what came of it: the id, or each reason of a refusal with its clause."""
    refused = job.state is JobState.REFUSED
    if session.json:
        print_json(job)
    elif parsable:
        say(job.id)
    elif refused:
        say(f"Refused job {job.id}")
    else:
        tasks = f", {job.tasks} tasks" if job.tasks > 1 else ""
        say(f"Submitted batch job {job.id}{tasks}")
    if not session.json:
        for reason in job.reasons if refused else ():
            clause = None if f"clause {reason.clause}" in reason.text else reason.clause
            note(f"  {_reason(clause, reason.site)}{reason.text}")
            if reason.remedy:
                note(f"    {reason.remedy}")
        for notice in job.notices:
            note(f"note: {notice}")
    return Exit.REFUSED if refused else Exit.OK


def _reason(clause: str | None, site: str | None) -> str:
    where = " ".join([*([f"clause {clause}"] if clause else []), *([f"at {site}"] if site else [])])
    return f"{where}: " if where else ""


def code_of(job: "JobView") -> int:
    """Return the exit code of a job as a shell would: its own, 128 and more for a signal."""
    if job.state is JobState.REFUSED:
        return Exit.REFUSED
    if job.signal:
        return _SIGNALLED + job.signal
    if job.exit_code:
        return job.exit_code
    return Exit.OK if job.state is JobState.COMPLETED else Exit.FAILED


@contextmanager
def waiting(jobs: Sequence[str]) -> Generator[None]:
    """Say, where Ctrl-C ends the waiting, that the jobs go on and how to look again."""
    try:
        yield
    except KeyboardInterrupt:
        named = " ".join(jobs)
        who = f"job {named} goes on" if len(jobs) == 1 else f"jobs {', '.join(jobs)} go on"
        note(f"{who}; see `foedus status {named}`, `foedus wait {named}`")
        raise


def wait_for(client: "Client", session: Session, job: str) -> int:
    """Wait until the job has ended, and return its exit code."""
    with waiting([job]):
        (view,) = client.wait([job])
    if view.state not in ENDED:
        return Exit.FAILED
    if not session.json:
        note(f"job {view.id}: {view.state}{f' ({view.reason})' if view.reason else ''}")
    return code_of(view)
