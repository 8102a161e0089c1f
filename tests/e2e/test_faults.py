"""Processes die, lines break, answers vanish: nothing is lost, nothing begins twice, all is booked once."""

import itertools
import os
import random
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest
from trial_bed import BEGAN, PARTNER, on, script

from chaos.checker import Accepted, Sources, check
from chaos.history import History
from chaos.nemeses import Kill, Span, Storm, greeted
from chaos.proxy import Fault
from chaos.sources import at_hub, booked, local_runs, markers
from waiting import PATIENCE_S, until_there, wait_for

_NUMBERS = itertools.count(1)
SOUND = "lost 0 doubled 0 misbooked 0 stuck 0"
QUICK_JOBS = 30
OFTEN = Span(least=0.3, most=2)
SHORT = Span(least=0, most=1)


class Work:
    """Jobs that note their beginning outside their folders, and what became of them."""

    def __init__(self, running, folder):
        self.running = running
        self.prefix = f"{next(_NUMBERS)}-"
        """So that each test knows its own jobs at a hub that others use too."""
        self.began = folder / "began"
        self.began.mkdir()
        self.accepted: list[Accepted] = []
        self._folder = folder
        self._lock = threading.Lock()

    def submit(self, tag, length=0.3, *, user="dana", project="phishing-watch", gpus=0, until=None):
        """Submit a job that takes so many seconds, or as long as a file is not there."""
        tag = self.prefix + tag
        work = until_there(until) if until else f"sleep {length}"
        text = script(BEGAN.format(folder=self.began), work, project=project, gpus=gpus)
        with self.running.client(user) as client:
            job = client.submit(text, arguments=[tag], overrides=[f"--job-name={tag}"])
        with self._lock:
            self.accepted.append(Accepted(tag=tag, job=job.id))
        return job.id

    def submit_many(self, count, seed, name, pause=0.1):
        """Submit from four clients at once."""
        chance = random.Random(seed)
        with ThreadPoolExecutor(4) as pool:
            waiting = []
            for number in range(count):
                whose = chance.choice((("dana", "phishing-watch"), ("aysel", "form-reader")))
                length, gpus = chance.choice((0.05, 0.5, 2)), chance.choice((0, 1))
                more = {"user": whose[0], "project": whose[1], "gpus": gpus}
                waiting.append(pool.submit(self.submit, f"{name}-{number}", length, **more))
                time.sleep(chance.uniform(0, 2 * pause))
            for one in waiting:
                one.result()

    def verdict(self):
        """Wait until all is over, and compare what everybody says."""
        self.running.settled([one.job for one in self.accepted])
        names = {one.job for one in self.accepted}
        sources = Sources(
            accepted=self.accepted,
            hub=at_hub(self.running.alliance, "office", self.prefix),
            markers=markers(self.began),
            runs=[run for name in PARTNER for run in self._runs(name) if run.job in names],
            booked=[one for one in booked(self.running.alliance, "office", self._folder / "book") if one.job in names],
        )
        return check(sources)

    def _runs(self, name):
        alliance = self.running.alliance
        return local_runs(alliance.sites[name].driver, name, alliance.folder / name / "work")


def assert_sound(work):
    verdict = work.verdict()
    assert verdict.line == SOUND, str(verdict)


@contextmanager
def storm(running, tmp_path, seed, *, hubs, agents):
    history = History(tmp_path / "history.jsonl")
    alliance = running.alliance
    nemeses = [
        Kill(victim=agent, every=OFTEN, down=SHORT, ready=partial(greeted, agent))
        for agent in alliance.agents.values()
        if agents
    ]
    for hub, url in zip(alliance.hubs, running.hubs, strict=True):
        if hubs:
            ready = partial(alliance.wait_for_hub, hub, url)
            nemeses.append(Kill(victim=hub, every=OFTEN, down=SHORT, ready=ready))
    with Storm(nemeses, seed, history):
        yield history
        wait_for(lambda: len(list(history.events("strike"))) >= 2, "two kills")


@on("sqlite", "two-hubs")
def test_hubs_are_killed_at_random_moments(running, tmp_path):
    work = Work(running, tmp_path)

    with storm(running, tmp_path, 1, hubs=True, agents=False):
        work.submit_many(QUICK_JOBS, 1, "hub", pause=0.2)

    assert_sound(work)


@on("two-hubs")
def test_agents_are_killed_at_random_moments(running, tmp_path):
    work = Work(running, tmp_path)

    with storm(running, tmp_path, 2, hubs=False, agents=True):
        work.submit_many(QUICK_JOBS, 2, "agent", pause=0.2)

    assert_sound(work)


@on("two-hubs")
def test_a_running_job_is_adopted_by_the_next_agent(running, tmp_path):
    work = Work(running, tmp_path)
    job = work.submit("adopted", length=6)
    with running.client("dana") as dana:
        wait_for(lambda: dana.get(job).state == "running", "it runs")
        for how in (signal.SIGKILL, signal.SIGTERM):
            running.agent("jerusalem").end(how)
            running.agent("jerusalem").start()

        assert [one.state for one in dana.wait([job], timeout_s=PATIENCE_S)] == ["completed"]
        assert dana.get(job).attempt == 1
    assert_sound(work)


@on("two-hubs")
@pytest.mark.parametrize("fault", [Fault.CUT, Fault.HOLE, Fault.NO_ANSWER])
def test_the_line_between_agent_and_hub_fails_for_a_while(running, tmp_path, fault):
    """What runs goes on and ends meanwhile; what happened is told when the line is back."""
    work = Work(running, tmp_path)
    line, end = running.lines["jerusalem"], tmp_path / "end"
    job = work.submit("running", until=end)
    with running.client("dana") as dana:
        wait_for(lambda: dana.get(job).state == "running", "it runs")
        line.fault = fault
        try:
            end.touch()
            waiting = work.submit("meanwhile")
            wait_for(lambda: [one["step"] for one in running.desk("jerusalem")["attempts"]] != ["running"], "it ends")
            # it is over, and the hub cannot know
            assert dana.get(job).state == "running"
        finally:
            line.fault = Fault.NONE

        assert [one.state for one in dana.wait([job, waiting], timeout_s=PATIENCE_S)] == ["completed", "completed"]
    assert_sound(work)


@on("two-hubs")
def test_agents_lose_every_fourth_answer(running, tmp_path):
    work = Work(running, tmp_path)
    try:
        for line in running.lines.values():
            line.lose = 0.25
        work.submit_many(QUICK_JOBS, 3, "answers")
    finally:
        for line in running.lines.values():
            line.lose = 0
    assert sum(line.lost for line in running.lines.values()) > 0

    assert_sound(work)


@on("two-hubs")
def test_the_database_is_restarted_under_load(tmp_path, postgres_server, running):
    work = Work(running, tmp_path)

    def restart():
        for _ in range(3):
            time.sleep(1)
            postgres_server.restart()

    nemesis = threading.Thread(target=restart)
    nemesis.start()
    work.submit_many(QUICK_JOBS, 4, "database", pause=0.15)
    nemesis.join()

    assert all(process.alive for process in (*running.alliance.hubs, *running.alliance.agents.values()))
    assert_sound(work)


@on("two-hubs")
def test_three_hundred_submissions_are_three_hundred_jobs_though_answers_are_lost(running):
    """Every third answer is lost after the hub has done what was asked; the jobs wait, so that nothing else happens."""
    text = script("true", project="form-reader", more="--job-name=once")
    with running.client("aysel") as aysel:
        blocker = aysel.submit(script("sleep 600", project="form-reader"))
    held = text.replace("--job-name=once", f"--job-name=once --dependency=afterany:{blocker.id}")
    running.door.lose, before = 0.3, running.door.lost
    try:

        def submit(_):
            with running.client("aysel") as client:
                return [client.submit(held).id for _ in range(50)]

        with ThreadPoolExecutor(6) as pool:
            found = [job for jobs in pool.map(submit, range(6)) for job in jobs]
    finally:
        running.door.lose = 0
    lost = running.door.lost - before

    done = running.foedus("aysel", "list", "--all", "--name", "once", "--limit", 1000, "--json").json["jobs"]
    assert len(set(found)) == 300
    assert {one["id"] for one in done} == set(found)
    assert lost > 60
    with running.client("aysel") as aysel:
        aysel.cancel([blocker.id, *found])
        aysel.wait([blocker.id], timeout_s=PATIENCE_S)


@on("two-hubs")
def test_a_draining_site_takes_nothing_new_and_loses_nothing(running, tmp_path):
    work, end = Work(running, tmp_path), tmp_path / "end"
    first = work.submit("before", until=end)
    with running.client("dana") as dana:
        wait_for(lambda: dana.get(first).state == "running", "it runs")
        assert running.operate("jerusalem", "drain").code == 0
        try:
            wait_for(lambda: {one.id: one.draining for one in dana.sites()}["jerusalem"], "the hub knows of it")
            second = work.submit("during")
            dana.wait([second], timeout_s=PATIENCE_S)
            end.touch()
            dana.wait([first], timeout_s=PATIENCE_S)
            assert [dana.get(job).site for job in (first, second)] == ["jerusalem", "baku"]
        finally:
            assert running.operate("jerusalem", "resume").code == 0
        wait_for(lambda: not {one.id: one.draining for one in dana.sites()}["jerusalem"], "it takes jobs again")
    assert_sound(work)


@on("two-hubs")
def test_a_site_severs_itself_and_comes_back(running, tmp_path):
    work, end = Work(running, tmp_path), tmp_path / "end"
    job = work.submit("severed", until=end)
    with running.client("dana") as dana:
        wait_for(lambda: dana.get(job).state == "running", "it runs")
        assert running.operate("jerusalem", "sever").code == 0
        try:
            wait_for(lambda: not running.desk("jerusalem")["talking"], "it is silent")
            end.touch()
            wait_for(lambda: [one["step"] for one in running.desk("jerusalem")["attempts"]] != ["running"], "it ends")
            assert dana.get(job).state == "running"
        finally:
            assert running.operate("jerusalem", "rejoin").code == 0
        assert [one.state for one in dana.wait([job], timeout_s=PATIENCE_S)] == ["completed"]
    assert_sound(work)


@on("two-hubs")
def test_of_two_agents_with_one_key_the_older_one_stops(running, tmp_path):
    """A copy of the folder on another machine: the epochs tell them apart, and its old journal starts nothing twice."""
    work = Work(running, tmp_path)
    agent = running.agent("baku")
    copy = tmp_path / "copy"
    work.submit("first", user="aysel", project="form-reader")
    running.settled([one.job for one in work.accepted])
    shutil.copytree(running.state("baku"), copy)
    job = work.submit("running", length=8, user="aysel", project="form-reader")
    with running.client("aysel") as aysel:
        wait_for(lambda: aysel.get(job).state == "running", "it runs")
    second = running.popen("", "agent", "run", "--state", copy, "--config", running.config("baku"))
    try:
        wait_for(lambda: not agent.alive, "the older one stops")
        assert "another one runs for the site" in agent.tail(20)
        work.submit("second", user="aysel", project="form-reader")
        running.settled([one.job for one in work.accepted])
    finally:
        second.terminate()
        second.communicate(timeout=30)
    agent.start()
    greeted(agent)
    assert_sound(work)


@on("two-hubs")
def test_an_agent_goes_on_with_yesterdays_journal(running, tmp_path):
    work = Work(running, tmp_path)
    agent = running.agent("jerusalem")
    agent.stop()
    shutil.copytree(running.state("jerusalem"), tmp_path / "yesterday")
    agent.start()
    work.submit_many(8, 5, "since")
    long = work.submit("long", length=6)
    with running.client("dana") as dana:
        wait_for(lambda: dana.get(long).state == "running", "it runs")
    agent.kill()
    shutil.rmtree(running.state("jerusalem"))
    shutil.copytree(tmp_path / "yesterday", running.state("jerusalem"))
    agent.start()
    work.submit("after")

    assert_sound(work)


@on("two-hubs")
def test_a_frozen_agent_wakes_up_and_does_nothing_stale(running, tmp_path):
    """It sleeps through a successor of its own, whose epoch is newer: what it says then is refused."""
    work = Work(running, tmp_path)
    agent = running.agent("baku")
    copy = tmp_path / "copy"
    os.kill(agent.pid, signal.SIGSTOP)
    shutil.copytree(running.state("baku"), copy)
    second = running.popen("", "agent", "run", "--state", copy, "--config", running.config("baku"))
    try:
        job = work.submit("meanwhile", user="aysel", project="form-reader")
        running.settled([job])
        os.kill(agent.pid, signal.SIGCONT)
        wait_for(lambda: not agent.alive, "it stops")
    finally:
        second.terminate()
        second.communicate(timeout=30)
    agent.start()
    greeted(agent)
    work.submit("after", user="aysel", project="form-reader")
    assert_sound(work)
