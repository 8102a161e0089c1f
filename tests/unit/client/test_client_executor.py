import json
import os
import subprocess
import sys

import httpx2
import pytest
from hub_double import FakeClock, means

from foedus.client import Client
from foedus.client.executor import RESULT, CallFailed, FoedusExecutor, script_of
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Fault, NotAllowed

MODULE = "def add(a, b=0):\n    return a + b\n\n\ndef divide(a, b):\n    return a / b\n"


class OneMachine:
    """A hub that runs each script at once, in a folder of its own, and keeps the result."""

    def __init__(self, folder):
        self.folder = folder
        self.jobs = {}
        self.pieces = {}
        self.cancelled = []
        self.sent = []
        self.state = None
        self.status_code = 200

    def __call__(self, request):  # noqa: PLR0911 - one return for each route
        body = json.loads(request.content) if request.content else {}
        match request.method, request.url.path.removeprefix("/api/v1").split("/")[1:]:
            case "POST", ["jobs"]:
                (one,) = body["jobs"]
                return httpx2.Response(201, json={"jobs": [self.submit(one)]})
            case "POST", ["jobs", "status"]:
                if self.status_code != 200:
                    return httpx2.Response(self.status_code, json={"code": "not-allowed", "message": "revoked"})
                known = [self.view(one) for one in body["ids"] if one in self.jobs]
                absent = [one for one in body["ids"] if one not in self.jobs]
                return httpx2.Response(200, json={"jobs": known, "absent": absent})
            case "POST", ["jobs", "cancel"]:
                self.cancelled += body["ids"]
                return httpx2.Response(200, json={"cancelled": body["ids"], "stopping": [], "over": []})
            case "GET", ["jobs", name, "outputs"]:
                data = self.jobs[name][1]
                if data is None:
                    return httpx2.Response(404, json={"code": "not-found", "message": "none"})
                self.pieces[sha256(data)] = data
                entry = {"path": RESULT, "mode": 0o644, "size": len(data), "pieces": [sha256(data)]}
                return httpx2.Response(200, json={"files": [entry]})
            case "GET", ["jobs", _, "outputs", "pieces", piece]:
                return httpx2.Response(200, content=self.pieces[piece])
        raise AssertionError(request.url)

    def submit(self, one):
        self.sent.append(one)
        name = str(len(self.jobs) + 1)
        if "--refuse" in one["overrides"]:
            reason = {"code": "clause", "text": "not today"}
            return {"id": name, "state": "refused", "tasks": 1, "sites": [], "reasons": [reason], "notices": []}
        folder = self.folder / name
        folder.mkdir()
        (folder / "sums.py").write_text(MODULE)
        (folder / "script").write_text(one["script"])
        done = subprocess.run([sys.executable, "script"], cwd=folder, check=False, env=dict(os.environ))
        result = folder / RESULT
        self.jobs[name] = (done.returncode, result.read_bytes() if result.exists() else None)
        return {"id": name, "state": "pending", "tasks": 1, "sites": ["a"], "reasons": [], "notices": []}

    def view(self, name):
        code, _ = self.jobs[name]
        return {
            "id": name, "name": "x", "user": "u", "partner": "p", "project": "traffic", "purpose": None,
            "state": self.state or ("failed" if code else "completed"), "reason": "", "site": "a", "guest": False,
            "attempt": 1, "nodes": 1, "cpus": 1, "gpus": 0, "gpu_model": None, "time_limit_s": None,
            "submitted": "2026-11-23T09:00:00Z", "started": None, "ended": None, "exit_code": code, "signal": None,
        }  # fmt: skip


@pytest.fixture
def sums(tmp_path, monkeypatch):
    (tmp_path / "sums.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import sums

    yield sums
    sys.modules.pop("sums")


@pytest.fixture
def machine(tmp_path):
    return OneMachine(tmp_path)


@pytest.fixture
def client(machine):
    clock = FakeClock()
    with Client(
        "http://127.0.0.1:1", "t", transport=httpx2.MockTransport(machine), sleep=clock.sleep, means=means(clock)
    ) as one:
        yield one


def test_functions_run_as_jobs_and_their_results_come_back(client, machine, sums):
    with FoedusExecutor(client, "traffic", options=["--gpus=1"], look_s=0.01) as pool:
        assert list(pool.map(sums.add, [1, 2])) == [1, 2]
        assert pool.submit(sums.add, "it's ", b='"\\\n').result(timeout=20) == "it's \"\\\n"
    assert machine.sent[0]["overrides"] == [
        "--job-name=add",
        "--gpus=1",
        "--project=traffic",
        f"--fetch={RESULT}",
    ]


def test_what_the_function_raises_comes_back_as_text(client, sums):
    with FoedusExecutor(client, "traffic", look_s=0.01) as pool:
        error = pool.submit(sums.divide, 1, 0).exception(timeout=20)
    assert isinstance(error, CallFailed)
    assert error.message == "job 1: ZeroDivisionError: division by zero"
    assert "return a / b" in error.__notes__[0]


def test_a_job_without_a_result_is_a_failed_call(client, machine, sums):
    with FoedusExecutor(client, "traffic", look_s=0.01) as pool:
        machine.state = "pending"
        future = pool.submit(sums.add, 1)
        machine.jobs["1"] = (9, None)
        machine.state = None
        error = future.exception(timeout=20)
    assert (type(error), error.message) == (CallFailed, "job 1 ended as failed without a result: ")


def test_a_refusal_is_raised_at_once(client, sums):
    with (
        FoedusExecutor(client, "traffic", options=["--refuse"], look_s=0.01) as pool,
        pytest.raises(CallFailed, match="job 1 was refused: not today"),
    ):
        pool.submit(sums.add, 1)


def test_a_call_that_is_given_up_cancels_its_job(client, machine, sums):
    machine.state = "pending"
    pool = FoedusExecutor(client, "traffic", look_s=0.01)
    future = pool.submit(sums.add, 1)
    pool.shutdown(cancel_futures=True)
    assert (future.cancelled(), machine.cancelled) == (True, ["1"])
    with pytest.raises(RuntimeError):
        pool.submit(sums.add, 1)


def test_a_job_that_is_gone_is_a_failed_call(client, machine, sums):
    machine.state = "pending"
    with FoedusExecutor(client, "traffic", look_s=0.01) as pool:
        future = pool.submit(sums.add, 1)
        machine.jobs.clear()
        assert isinstance(future.exception(timeout=20), CallFailed)


def test_a_bug_of_the_watcher_leaves_nobody_waiting(client, machine, sums, monkeypatch):
    monkeypatch.setattr(machine, "view", lambda name: 1 / 0)
    with FoedusExecutor(client, "traffic", look_s=0.01) as pool:
        assert isinstance(pool.submit(sums.add, 1).exception(timeout=20), ZeroDivisionError)


def test_an_error_of_the_hub_ends_the_calls(client, machine, sums):
    machine.status_code = 403
    with FoedusExecutor(client, "traffic", look_s=0.01) as pool:
        assert isinstance(pool.submit(sums.add, 1).exception(timeout=20), NotAllowed)


def test_what_cannot_travel_is_told_at_once():
    with pytest.raises(BadInput) as caught:
        script_of(lambda: 1, [{1, 2}], {}, "python3")
    assert caught.value.faults == (
        Fault(
            path="function",
            fault="'test_what_cannot_travel_is_told_at_once.<locals>.<lambda>' cannot be imported by its name",
            remedy="put it at the top of a module that is in the bundle",
        ),
        Fault(
            path="arguments",
            fault="are not JSON (Object of type set is not JSON serializable)",
            remedy="give numbers, text, lists and dictionaries; put data into the bundle",
        ),
    )
