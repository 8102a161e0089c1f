"""Python functions as jobs, behind the face of `concurrent.futures.Executor`.

Arguments and results travel as JSON, never as pickles: nothing that comes back from a site can run code here.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ParamSpec, TypeVar, cast

from foedus.client.sync import Client
from foedus.core.base.errors import BadInput, Fault, FoedusError
from foedus.core.base.ids import JobId
from foedus.core.jobs.state import ENDED, JobState
from foedus.wire.jobs import MOST_JOBS, JobView, SubmittedView

P = ParamSpec("P")
T = TypeVar("T")

RESULT = "foedus-result.json"
"""File of the job in which the function's result comes back."""

_SCRIPT = """#!/usr/bin/env {python}
import importlib, json, os, sys, traceback

sys.path.insert(0, os.getcwd())
call = json.loads({call!r})
try:
    found = importlib.import_module(call["module"])
    for name in call["name"].split("."):
        found = getattr(found, name)
    answer = {{"value": found(*call["args"], **call["kwargs"])}}
    text = json.dumps(answer)
except Exception as error:
    text = json.dumps({{"error": type(error).__name__, "text": str(error), "trace": traceback.format_exc()}})
with open({result!r}, "w", encoding="utf-8") as file:
    file.write(text)
sys.exit("error" in json.loads(text))
"""


class CallFailed(FoedusError):
    """The job did not end well, or the function raised; the message says which. It has no code: only Python sees it."""


@dataclass(slots=True)
class _Live:
    """Calls whose jobs have not ended."""

    calls: dict[JobId, "Future[object]"] = field(default_factory=dict[JobId, "Future[object]"])
    dropped: list[JobId] = field(default_factory=list[JobId])
    """Jobs whose futures were cancelled, and which the hub has not been told of yet."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class FoedusExecutor(Executor):
    """Runs importable functions as jobs of a project.

    `options` are sbatch's, for every call; `bundle` names the files and folders, below `root`, that hold the code and
    the data: the job starts in a folder that holds them. Each site needs `python` in the path of its jobs.

    >>> with FoedusExecutor(client, "traffic", options=["--gpus=1"], bundle=["src"]) as pool:  # doctest: +SKIP
    ...     accuracy = list(pool.map(train, [1, 2, 3]))
    """

    def __init__(
        self,
        client: Client,
        project: str,
        *,
        options: Sequence[str] = (),
        bundle: Sequence[str] = (),
        root: str | Path = ".",
        python: str = "python3",
        look_s: float = 2,
    ) -> None:
        self._client = client
        self._options = [*options, f"--project={project}", f"--fetch={RESULT}"]
        self._bundle = client.upload(project, bundle, root=root) if bundle else None
        self._python = python
        self._look_s = look_s
        self._live = _Live()
        self._closed = False
        self._wake = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="foedus-executor", daemon=True)
        self._watcher.start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Submit a call; raises `BadInput` for what cannot travel, and `CallFailed` if the job is refused."""
        if self._closed:
            raise RuntimeError("the executor was shut down")
        script = script_of(fn, args, kwargs, self._python)
        name = f"--job-name={fn.__name__}"
        job = self._client.submit(script, overrides=[name, *self._options], bundle=self._bundle)
        if job.state is JobState.REFUSED:
            raise CallFailed(f"job {job.id} was refused: {_reasons(job)}", remedy=f"foedus why {job.id}")
        future: Future[object] = Future()
        with self._live.lock:
            self._live.calls[job.id] = future
        return cast("Future[T]", future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the Executor's own
        """Take no more calls; with `cancel_futures` their jobs that have not begun are cancelled."""
        self._closed = True
        if cancel_futures:
            with self._live.lock:
                for future in self._live.calls.values():
                    future.cancel()
        self._wake.set()
        if wait:
            self._watcher.join()

    def _watch(self) -> None:
        while True:
            with self._live.lock:
                calls = dict(self._live.calls)
            if not calls and not self._live.dropped and self._closed:
                return
            try:
                self._look(calls)
            except FoedusError as error:
                if not error.retryable:
                    self._give_up(calls, error)
            except Exception as error:  # noqa: BLE001 - a watcher that dies would leave its callers waiting for ever
                self._give_up(calls, error)
            if self._closed:
                time.sleep(self._look_s)
            else:
                self._wake.wait(self._look_s)

    def _look(self, calls: Mapping[JobId, "Future[object]"]) -> None:
        for job, future in calls.items():
            if future.cancelled():
                future.set_running_or_notify_cancel()
                self._drop(job)
        while self._live.dropped:
            self._client.cancel(self._live.dropped[:MOST_JOBS])
            del self._live.dropped[:MOST_JOBS]
        waited = [job for job in calls if job in self._live.calls]
        if not waited:
            return
        reply = self._client.status(waited)
        for job in reply.absent:
            _fail(calls[job], CallFailed(f"job {job} is not known any more"))
            self._forget(job)
        for view in reply.jobs:
            self._settle(view, calls[view.id])

    def _give_up(self, calls: Mapping[JobId, "Future[object]"], error: Exception) -> None:
        self._live.dropped.clear()
        for job, future in calls.items():
            _fail(future, error)
            self._forget(job)

    def _settle(self, view: JobView, future: "Future[object]") -> None:
        running = view.state is JobState.RUNNING or view.state in ENDED
        if running and not future.running() and not future.set_running_or_notify_cancel():
            self._drop(view.id)
            return
        if view.state not in ENDED:
            return
        try:
            future.set_result(self._result(view))
        except FoedusError as error:
            future.set_exception(error)
        self._forget(view.id)

    def _result(self, view: JobView) -> object:
        with TemporaryDirectory() as folder:
            try:
                self._client.fetch(view.id, folder)
                found = cast("dict[str, object]", json.loads((Path(folder) / RESULT).read_bytes()))
            except (FoedusError, OSError, ValueError) as error:
                raise CallFailed(
                    f"job {view.id} ended as {view.state} without a result: {view.reason}",
                    remedy=f"foedus logs {view.id}; foedus why {view.id}",
                ) from error
        if "error" in found:
            failed = CallFailed(
                f"job {view.id}: {found['error']}: {found.get('text')}", remedy=f"foedus logs {view.id}"
            )
            failed.add_note(str(found.get("trace")))
            raise failed
        return found.get("value")

    def _drop(self, job: JobId) -> None:
        self._forget(job)
        self._live.dropped.append(job)

    def _forget(self, job: JobId) -> None:
        with self._live.lock:
            self._live.calls.pop(job, None)


def script_of(fn: Callable[..., object], args: Sequence[object], kwargs: Mapping[str, object], python: str) -> str:
    """Return the script that makes the call; raises `BadInput` for what cannot be imported or written as JSON."""
    module, name = getattr(fn, "__module__", None), getattr(fn, "__qualname__", "")
    faults: list[Fault] = []
    if not module or module == "__main__" or "<" in name:
        fault = f"{name or fn!r} cannot be imported by its name"
        faults.append(Fault(path="function", fault=fault, remedy="put it at the top of a module that is in the bundle"))
    call = ""
    try:
        call = json.dumps({"module": module, "name": name, "args": list(args), "kwargs": dict(kwargs)})
    except (TypeError, ValueError) as error:
        remedy = "give numbers, text, lists and dictionaries; put data into the bundle"
        faults.append(Fault(path="arguments", fault=f"are not JSON ({error})", remedy=remedy))
    if faults:
        raise BadInput(*faults)
    return _SCRIPT.format(python=python, call=call, result=RESULT)


def _reasons(job: SubmittedView) -> str:
    return "; ".join(reason.text for reason in job.reasons)


def _fail(future: "Future[object]", error: Exception) -> None:
    if not future.done() and (future.running() or future.set_running_or_notify_cancel()):
        future.set_exception(error)
