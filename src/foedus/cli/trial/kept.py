"""A demo that is left running: how to act in it, and how to end it from another shell."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from foedus.core.base.errors import BadInput, Fault

if TYPE_CHECKING:
    from foedus.cli.trial.alliance import Alliance
    from foedus.client import Client

_NOTE = "demo.json"
_GRACE_S = 20.0
_ENV = f"""unset FOEDUS_PROFILE
command -v foedus >/dev/null || PATH=$PATH:{shlex.quote(str(Path(sys.executable).parent))}
"""


def keep(trial: "Alliance", people: Sequence[str]) -> dict[str, Path]:
    """Write down what `end` needs; return for each person the file that makes a shell act for them."""
    pids = [process.pid for process in [*trial.agents.values(), *trial.hubs]]
    _write(trial.folder / _NOTE, json.dumps({"hub": trial.url, "token": trial.token("office"), "pids": pids}))
    files = {person: trial.folder / f"{person}.env" for person in people}
    for person, file in files.items():
        _write(file, f"export FOEDUS_HUB={trial.url} FOEDUS_TOKEN={trial.token(person)}\n{_ENV}")
    return files


def end(folder: Path) -> None:
    """Cancel the jobs of a demo that was kept, stop its processes, and remove its folder."""
    from foedus.client import Client

    folder = folder.absolute()
    try:
        found = cast("dict[str, object]", json.loads((folder / _NOTE).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise BadInput(
            Fault(
                path="--stop", fault=f"{folder} holds no demo", remedy="name the folder that foedus demo --keep showed"
            )
        ) from error
    pids = [pid for pid in cast("list[int]", found["pids"]) if _is_of(pid, folder)]
    if pids:
        with Client(str(found["hub"]), str(found["token"])) as office:
            end_jobs(office)
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while any(_is_of(pid, folder) for pid in pids):
        if time.monotonic() > deadline:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            break
        time.sleep(0.1)
    shutil.rmtree(folder)


def end_jobs(office: "Client", patience_s: float = _GRACE_S) -> None:
    """Cancel every job that has not ended, and wait until the sites have stopped them."""
    from foedus.client import Filter
    from foedus.core.jobs.state import ENDED, JobState

    living = Filter(states=tuple(state.value for state in JobState if state not in ENDED))
    jobs = [job.id for job in office.iter(living)]
    if jobs:
        office.cancel(jobs)
        office.wait(jobs, timeout_s=patience_s)


def _is_of(pid: int, folder: Path) -> bool:
    """Say whether a process that lives was started for this folder; numbers of processes are used again."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(word.startswith(os.fsencode(f"{folder}/")) for word in words)


def _write(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
