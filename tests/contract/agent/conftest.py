import os
import pwd
import threading
import time

import httpx2
import pytest
from agent_hub import ScriptedHub

from foedus.agent.enrol import join
from foedus.agent.folder import StateFolder
from foedus.agent.settings import AgentSettings
from foedus.agent.wiring import build
from foedus.core.jobs.sbatch import parse
from foedus.process.clock import SystemClock
from foedus.wire.agents import StartOrder
from waiting import PATIENCE_S


@pytest.fixture
def hub():
    hub = ScriptedHub()
    yield hub
    hub.close()
    assert hub.faults == []


@pytest.fixture
def folder(tmp_path):
    return StateFolder(path=tmp_path / "state")


@pytest.fixture
def enrolled(hub, folder):
    statement = hub.statement(folder.make_key().key)
    with httpx2.Client(base_url=hub.url) as http:
        join(folder, http, hub_url=hub.url, site="jerusalem", code="one-time", envelope=statement, clock=SystemClock())
    return folder


@pytest.fixture
def settings(tmp_path, account):
    (tmp_path / "site.cedar").write_text(
        '@id("welcome") permit (principal, action, resource);\n'
        '@id("no-pretraining") forbid (principal, action, resource) when { context.purpose == "pretrain" };\n'
    )
    (tmp_path / "accounts.toml").write_text(f'[[account]]\nuser = "dana"\naccount = "{account}"\n')

    def make(table=None, **more):
        return AgentSettings(
            **{
                "driver": table or {"kind": "local", "state": str(tmp_path / "driver"), "guest": {}, "grace": 1},
                "policy": tmp_path / "site.cedar",
                "accounts": tmp_path / "accounts.toml",
                "work": tmp_path / "work",
                "allow_root": account == "root",
                "lowest_uid": 1,
                "look_s": 0.1,
                "idle_look_s": 0.2,
                "poll_s": 1,
                "log_tail_s": 0.1,
                "report_s": 0.3,
                "settle_s": 0.5,
                **more,
            }
        )

    return make


@pytest.fixture
def account():
    return pwd.getpwuid(os.geteuid()).pw_name


class Running:
    """An agent in a thread of this process."""

    def __init__(self, agent):
        self.agent = agent
        self.error = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self.agent.run()
        except BaseException as error:  # noqa: BLE001
            self.error = error

    @property
    def journal(self):
        return self.agent.context.journal

    def stop(self):
        self.agent.context.stopping.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def run(enrolled, settings):
    """Starts agents; the lock is let go as if the process had ended."""
    running = []
    lock = StateFolder.lock
    handles = []

    def take(self):
        handles.append(lock(self))
        return handles[-1]

    patch = pytest.MonkeyPatch()
    patch.setattr(StateFolder, "lock", take)

    def start(driver=None, **more):
        running.append(Running(build(enrolled, settings(**more), driver=driver)))
        return running[-1]

    def release():
        for handle in handles:
            os.close(handle)
        handles.clear()

    start.release = release
    yield start
    for one in running:
        if one.thread.is_alive():
            one.stop()
    patch.undo()
    release()


def make_order(job, script, attempt=1, **more):
    text = script if script.startswith("#!") else f"#!/bin/sh\n{script}\n"
    spec = parse(text, more.pop("overrides", ()))
    fields = {
        "job": job,
        "attempt": attempt,
        "user": "dana",
        "user_partner": "israel",
        "project": "transit",
        "sector": "mobility",
        "guest": False,
        "agreement_version": 1,
        "spec": spec,
        **more,
    }
    return StartOrder(**fields)


@pytest.fixture
def order():
    return make_order


@pytest.fixture
def until():
    def wait(condition, seconds=PATIENCE_S):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.02)
        raise AssertionError("did not happen")

    return wait
