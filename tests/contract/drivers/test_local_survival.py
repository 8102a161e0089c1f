"""The local driver when things die: nothing is lost, nothing runs twice, running jobs go on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from local_site import SMALL, Site, ref

from foedus.core.base.errors import SiteTrouble
from foedus.core.jobs.state import Outcome
from foedus.drivers.base import Phase, Sighting
from foedus.drivers.local import processes
from foedus.drivers.local.driver import build
from foedus.drivers.local.supervisor import ORDERED
from waiting import PATIENCE_S


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.driver.close()


def test_a_second_start_of_the_same_attempt_finds_the_first(site):
    launch = site.launch("1", "echo run >> runs")
    ids = {site.driver.start(launch) for _ in range(3)}
    site.finished(launch)
    ids.add(site.driver.start(launch))
    time.sleep(0.3)
    assert ids == {"1"}
    assert (launch.work / "runs").read_text() == "run\n"


def test_jobs_go_on_while_no_agent_runs_and_their_end_is_found_later(site):
    running = site.run("1", "while [ ! -e go ]; do sleep 0.05; done; echo over; exit 4")
    waiting = site.run("2", "echo mine", resources=replace(SMALL, cpus_per_task=4))
    site.until(running, Phase.RUNNING)
    site.driver.close()
    (running.work / "go").touch()
    _until(lambda: list((site.root / "state" / "jobs" / "pact~1~1").glob("*.done")))
    site.driver = build(site.settings)
    assert (site.finished(running).outcome, site.finished(running).exit_code) == (Outcome.FAILED, 4)
    assert site.output(running) == "over\n"
    assert site.finished(waiting).outcome is Outcome.COMPLETED


def test_a_state_folder_that_vanishes_fails_the_question_and_no_thread(site):
    (site.root / "state" / "wake").unlink()
    with pytest.raises(SiteTrouble) as caught:
        site.driver.capacity()
    pipe = site.root / "state" / "wake"
    assert caught.value.message == (
        f"the state folder {site.root / 'state'} failed: [Errno 2] No such file or directory: '{pipe}'"
    )


def test_an_agent_killed_at_any_point_leaves_jobs_that_run_once(site):
    """A process of its own starts jobs and is killed by SIGKILL while it does; the next driver finds every one."""
    program = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from pathlib import Path\nfrom local_site import Site\n"
        "site = Site(Path(sys.argv[3]))\n"
        "for n in range(1, 200):\n"
        "    launch = site.launch(str(n), 'echo run >> runs; sleep 0.2')\n"
        "    site.driver.start(launch); print(n, flush=True)\n"
    )
    here = Path(__file__).resolve().parent
    argv = [sys.executable, "-c", program, str(here), str(here.parents[1]), str(site.root)]
    seen = 0
    for kill_after in (3, 9, 14):
        agent = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        for line in agent.stdout:
            seen = max(seen, int(line))
            if int(line) >= kill_after:
                os.kill(agent.pid, signal.SIGKILL)
                break
        agent.wait()
        agent.stdout.close()
    launches = [site.launch(str(n), "") for n in range(1, seen + 1)]
    outcomes = Counter(site.finished(launch, 60).outcome for launch in launches)
    assert seen >= 14
    assert outcomes == {Outcome.COMPLETED: seen}
    assert {(launch.work / "runs").read_text() for launch in launches} == {"run\n"}


def test_a_spawner_that_is_killed_is_replaced(site):
    first = site.run("1", "while [ ! -e go ]; do sleep 0.05; done")
    site.until(first, Phase.RUNNING)
    os.kill(site.driver._board._foreman._spawner, signal.SIGKILL)
    second = site.run("2", "exit 0")
    assert site.finished(second).outcome is Outcome.COMPLETED
    (first.work / "go").touch()
    assert site.finished(first).outcome is Outcome.COMPLETED


def test_a_job_whose_supervisor_is_killed_ends_and_is_told_as_a_failed_node(site):
    launch = site.run("1", "setsid sleep 300 & echo $! > child; sleep 300")
    site.until(launch, Phase.RUNNING)
    _until(lambda: (launch.work / "child").exists() and (launch.work / "child").read_text())
    os.kill(_begun(site, launch)["pid"], signal.SIGKILL)
    record = site.finished(launch)
    assert (record.outcome, record.exit_code) == (Outcome.NODE_FAIL, 0)
    assert site.look(launch).reason == "the process that watched it was killed"
    _until(lambda: processes.ticks(int((launch.work / "child").read_text())) is None)


def test_what_a_killed_supervisor_leaves_ends_even_without_a_driver_and_a_name(site):
    body = "setsid env -i sleep 300 & echo $! > child; echo $$ > script; exec env -i sleep 300"
    launch = site.run("1", body)
    written = (launch.work / "child", launch.work / "script")
    _until(lambda: all(path.exists() and path.read_text() for path in written))
    pid = _begun(site, launch)["pid"]
    site.driver.close()
    os.kill(pid, signal.SIGKILL)
    _until(lambda: all(processes.ticks(int(path.read_text())) is None for path in written))
    site.driver = build(site.settings)
    assert site.finished(launch).outcome is Outcome.NODE_FAIL


def test_a_supervisor_has_one_run_after_another(site):
    launches = [site.run(str(number), "echo $PPID") for number in range(1, 6)]
    while len({site.output(launch) for launch in launches if site.finished(launch)}) == len(launches):
        assert len(launches) < 100
        launches.append(site.run(str(len(launches) + 1), "echo $PPID"))
    assert {site.finished(launch).outcome for launch in launches} == {Outcome.COMPLETED}


def test_a_stop_that_was_meant_for_an_earlier_run_ends_no_later_one(site):
    launch = site.run("1", "while [ ! -e go ]; do sleep 0.05; done")
    site.until(launch, Phase.RUNNING)
    assert processes.tell(_begun(site, launch)["pid"], _begun(site, launch)["ticks"], ORDERED)
    (launch.work / "go").touch()
    assert site.finished(launch).outcome is Outcome.COMPLETED


def test_the_machines_own_end_ends_a_run_as_a_failed_node(site):
    launch = site.run("1", "sleep 300")
    site.until(launch, Phase.RUNNING)
    os.kill(_begun(site, launch)["pid"], signal.SIGTERM)
    assert site.finished(launch).outcome is Outcome.NODE_FAIL
    assert site.look(launch).reason == "the supervisor was told to end by the machine"


def test_a_lost_run_takes_no_other_sites_processes_with_it(site, tmp_path):
    """Two sites on one machine, of two alliances with one name, have an attempt of one number each."""
    other = Site(tmp_path / "other")
    theirs = other.run("1", "while [ ! -e go ]; do sleep 0.05; done")
    ours = site.run("1", "sleep 300")
    other.until(theirs, Phase.RUNNING)
    site.until(ours, Phase.RUNNING)
    os.kill(_begun(site, ours)["pid"], signal.SIGKILL)
    assert site.finished(ours).outcome is Outcome.NODE_FAIL
    (theirs.work / "go").touch()
    assert other.finished(theirs).outcome is Outcome.COMPLETED
    other.driver.close()


def test_a_failed_node_is_tried_again_only_for_a_script_that_asks_for_it(site):
    launch = site.run(
        "1", "echo run >> runs; while [ ! -e go ]; do sleep 0.05; done; echo $SLURM_RESTART_COUNT", requeue=True
    )
    site.until(launch, Phase.RUNNING)
    _until((launch.work / "runs").exists)
    os.kill(_begun(site, launch)["pid"], signal.SIGKILL)
    _until(lambda: site.look(launch).restarts == 1 and site.look(launch).phase is Phase.RUNNING)
    (launch.work / "go").touch()
    site.until(launch, Phase.ENDED)
    records = site.records(launch)
    assert [(each.restart, each.outcome) for each in records] == [(0, Outcome.NODE_FAIL), (1, Outcome.COMPLETED)]
    assert records[1].submitted == records[0].ended
    assert (launch.work / "runs").read_text() == "run\nrun\n"
    assert site.output(launch) == "1\n"


def test_a_pid_that_was_used_again_is_not_taken_for_the_supervisor(site):
    launch = site.run("1", "sleep 300")
    site.until(launch, Phase.RUNNING)
    site.driver.close()
    os.kill(_begun(site, launch)["pid"], signal.SIGKILL)
    begun = site.root / "state" / "jobs" / "pact~1~1" / "run-0.begun"
    begun.write_text(json.dumps({**json.loads(begun.read_text()), "pid": os.getpid()}))
    site.driver = build(site.settings)
    site.driver.stop(ref(launch))  # would end this very test if the pid alone were believed
    assert site.finished(launch).outcome is Outcome.NODE_FAIL


@pytest.mark.parametrize("began", [True, False])
def test_after_a_reboot_what_ran_is_a_failed_node_and_what_waited_runs(site, began):
    blocker = site.run("1", "echo run >> runs; sleep 300", resources=replace(SMALL, cpus_per_task=4))
    waiting = site.run("2", "echo run >> runs")
    site.until(blocker, Phase.RUNNING)
    _until((blocker.work / "runs").exists)
    site.driver.close()
    folder = site.root / "state" / "jobs" / "pact~1~1"
    os.kill(_begun(site, blocker)["pid"], signal.SIGKILL)
    time.sleep(0.1)
    for name in ("run-0.begun", "run-0.orders"):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**content, "boot": "an earlier one"}))
    if not began:
        (folder / "run-0.begun").unlink()
    site.driver = build(site.settings)
    record = site.finished(blocker)
    assert (record.outcome, record.started is None) == (Outcome.NODE_FAIL, not began)
    assert site.finished(waiting).outcome is Outcome.COMPLETED
    assert [(each.work / "runs").read_text() for each in (blocker, waiting)] == ["run\n", "run\n"]


def test_two_drivers_on_one_state_folder_agree(site):
    other = build(site.settings)
    launch = site.run("1", "while [ ! -e go ]; do sleep 0.05; done")
    site.until(launch, Phase.RUNNING)
    assert other.look([ref(launch)]) == {launch.marker: site.look(launch)}
    assert other.start(launch) == "1"
    assert other.start(site.launch("2", "exit 0")) == "101"
    other.stop(ref(launch))
    assert site.finished(launch).outcome is Outcome.CANCELLED
    assert other.usage([ref(launch)]) == {launch.marker: site.records(launch)}
    other.close()


def test_five_hundred_quick_jobs_each_end_exactly_once(tmp_path):
    site = Site(tmp_path, nodes={"cpus": 16, "memory_mib": 4096})
    launches = [site.run(str(n), f"echo run >> runs; exit {n % 3}") for n in range(1, 501)]
    refs = [ref(launch) for launch in launches]
    _until(lambda: all(seen.phase is Phase.ENDED for seen in site.driver.look(refs).values()), 120)
    used = site.driver.usage(refs)
    assert [[record.exit_code for record in used[each.marker]] for each in launches] == [[n % 3] for n in range(1, 501)]
    assert {(launch.work / "runs").read_text() for launch in launches} == {"run\n"}
    assert len({used[each.marker][0].native_id for each in launches}) == 500
    site.driver.close()


def test_a_state_folder_that_fails_is_trouble_not_an_answer(site):
    launch = site.run("1", "exit 0")
    site.finished(launch)
    site.restart_agent()
    ended = site.root / "state" / "ended" / "pact~1~1" / "launch.json"
    ended.write_text("{")
    with pytest.raises(SiteTrouble):
        site.look(launch)
    assert site.look(site.launch("2", "")) == Sighting(phase=Phase.UNKNOWN)


def test_an_end_that_the_disk_has_no_room_for_is_written_when_it_has(site):
    """A folder in the place of the file that the record would be written to stands for a disk that refuses it."""
    launch = site.run("1", "while [ ! -e go ]; do sleep 0.05; done; exit 5")
    site.until(launch, Phase.RUNNING)
    pid = _begun(site, launch)["pid"]
    obstacle = site.root / "state" / "jobs" / "pact~1~1" / f"run-0.done.{pid}-{pid}.new"
    obstacle.mkdir()
    (launch.work / "go").touch()
    time.sleep(0.5)
    assert site.look(launch).phase is Phase.RUNNING
    obstacle.rmdir()
    assert site.finished(launch).exit_code == 5


def test_what_is_long_over_is_forgotten(site):
    old, fresh = site.run("1", "exit 0"), site.run("2", "exit 0")
    for launch in (old, fresh):
        site.finished(launch)
    site.driver.close()
    long_ago = time.time() - 91 * 24 * 3600
    os.utime(site.root / "state" / "ended" / "pact~1~1", (long_ago, long_ago))
    site.driver = build(site.settings)
    site.until(fresh, Phase.ENDED)
    _until(lambda: site.look(old).phase is Phase.UNKNOWN)
    assert site.driver.start(site.launch("3", "exit 0")) not in {"1", "2"}


def _begun(site, launch) -> dict:
    folder = site.root / "state" / "jobs" / f"pact~{launch.marker.job}~1"
    return json.loads((folder / "run-0.begun").read_text())


def _until(holds, seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
