import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from foedus.core.jobs.state import Outcome


@pytest.fixture
def config(tmp_path, settings):
    plain = settings().model_dump(mode="json", exclude={"driver", "ca_file"})
    lines = [f"{name} = {json.dumps(value)}" for name, value in plain.items()]
    lines += ["[driver]", 'kind = "local"', f"state = {json.dumps(str(tmp_path / 'driver'))}"]
    file = tmp_path / "agent.toml"
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def spawn(enrolled, config, tmp_path):
    started = []

    def start(point):
        command = [
            sys.executable,
            str(Path(__file__).parent / "crashing_agent.py"),
            str(enrolled.path),
            str(config),
            point,
        ]
        log = (tmp_path / "log").open("ab")
        started.append(subprocess.Popen(command, stderr=log, stdout=log))
        log.close()
        return started[-1]

    yield start
    for one in started:
        if one.poll() is None:
            one.terminate()
            one.wait(30)


def once(hub, tmp_path, jobs):
    """Every job ran once, was reported and booked once."""
    for job in jobs:
        item = hub.wait_state(job, "ended", seconds=60)
        assert (job, item.outcome, item.exit_code) == (job, Outcome.COMPLETED, 0)
        assert hub.log(job) == f"this is {job}\n".encode()
    hub.wait(lambda: len(hub.usages) == len(jobs))
    assert hub.usage_count == {(job, 1): 1 for job in jobs}
    assert "AGAIN" not in (tmp_path / "starts").read_text()


def script(tmp_path, job, seconds=0.5):
    return f"mkdir {tmp_path}/ran-{job} || exit 9\nsleep {seconds}\necho this is {job}"


@pytest.mark.parametrize("point", ["before-start", "after-start"])
def test_killed_around_the_hand_over(hub, spawn, order, tmp_path, point):
    hub.order(order("1", script(tmp_path, "1")), order("2", script(tmp_path, "2")))
    assert spawn(point).wait(30) == -signal.SIGKILL
    spawn("never")

    once(hub, tmp_path, ["1", "2"])


@pytest.mark.parametrize("kind", ["commit", "rollback"])
def test_killed_at_every_step_of_the_journal(hub, spawn, order, tmp_path, kind):
    jobs = [str(number) for number in range(1, 10)]
    for number, job in enumerate(jobs, start=1):
        hub.order(order(job, script(tmp_path, job)))
        agent = spawn(f"{kind}:{number * 2 - (kind == 'commit')}")
        try:
            assert agent.wait(6) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait()
    spawn("never")

    once(hub, tmp_path, jobs)


def test_it_stops_gracefully_and_an_idle_one_is_small(hub, spawn):
    agent = spawn("never")
    hub.wait(lambda: hub.reports)
    time.sleep(1)
    resident = int(Path(f"/proc/{agent.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    agent.send_signal(signal.SIGTERM)

    assert agent.wait(15) == 0
    assert resident < 100 * 1024 * 1024
