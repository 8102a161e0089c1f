"""A hub and the agents of its sites, in threads of this process; jobs are real processes under the local driver."""

import contextlib
import os
import pwd
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from served import CLOCK, Served, a_hub

from foedus.agent.agent import Agent
from foedus.agent.enrol import join, statement
from foedus.agent.folder import StateFolder
from foedus.agent.settings import AgentSettings
from foedus.agent.wiring import build
from foedus.keys import ed25519

PARTNER = {"jerusalem": "israel", "baku": "azerbaijan"}
MODEL = {"jerusalem": "h100", "baku": "a100"}


def wait_for(condition: Callable[[], Any], what: str, patience: float = 60) -> Any:
    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, f"within {patience:g} s: {what}"
        time.sleep(0.05)
    return found


@dataclass
class Site:
    """The real agent of one site."""

    agent: Agent
    folder: StateFolder
    thread: threading.Thread
    errors: list[BaseException] = field(default_factory=list)

    def note(self, name: str) -> str:
        return self.agent.context.journal.note(name) or ""

    def stop(self) -> None:
        self.agent.context.stopping.set()
        self.thread.join(40)
        assert not self.thread.is_alive()


@dataclass
class Whole:
    """One alliance at work."""

    served: Served
    folder: Path
    sites: dict[str, Site] = field(default_factory=dict)

    def join(self, site: str, hub: str = "", **more: object) -> Site:
        """Enrol a site and start its agent, which asks the hub at this address."""
        folder = StateFolder(path=self.folder / site / "state").make()
        partner = ed25519.load(self.served.laid_out.keys[PARTNER[site]])
        with self.served.client("office") as office:
            code = office.enrolment_code(site).code
        with httpx2.Client(base_url=self.served.url, trust_env=False) as http:
            envelope = statement(folder, site, partner, "caspian", CLOCK)
            join(folder, http, hub_url=hub or self.served.url, site=site, code=code, envelope=envelope, clock=CLOCK)
        agent = build(folder, self._settings(site, **more))
        errors: list[BaseException] = []

        def work() -> None:
            try:
                agent.run()
            except BaseException as error:  # noqa: BLE001 - it is looked at by the test
                errors.append(error)

        thread = threading.Thread(target=work, name=f"agent of {site}")
        self.sites[site] = Site(agent, folder, thread, errors)
        thread.start()
        with self.served.client("office") as office:
            wait_for(lambda: {one.id: one.capacity for one in office.sites()}[site], f"{site} says what is free")
        return self.sites[site]

    def _settings(self, site: str, **more: object) -> AgentSettings:
        home = self.folder / site
        (home / "site.cedar").write_text('@id("welcome") permit (principal, action, resource);\n')
        account = pwd.getpwuid(os.geteuid()).pw_name
        (home / "accounts.toml").write_text(f'[[account]]\naccount = "{account}"\n')
        node = {"name": site, "cpus": 8, "memory_mib": 4096, "gpus": 4, "gpu_model": MODEL[site]}
        driver = {
            "kind": "local",
            "state": str(home / "cluster"),
            "name": site,
            "path": str(Path(sys.executable).parent),
            "poll": 0.1,
            "grace": 1,
            "nodes": [node],
            "guest": {},
        }
        quick = {"look_s": 0.2, "idle_look_s": 0.5, "report_s": 0.5, "log_tail_s": 0.2, "settle_s": 1, "poll_s": 2}
        own = {"policy": home / "site.cedar", "accounts": home / "accounts.toml", "work": home / "work"}
        rights = {"allow_root": os.geteuid() == 0, "lowest_uid": 1}
        return AgentSettings(**{"driver": driver, **own, **quick, **rights, **more})

    def run(self, text: str, **more: object) -> tuple[str, str, bytes]:
        """Submit a script as the lead, wait for its end; return its id, its state and its output."""
        with self.served.client("lead") as lead:
            job = lead.submit(text, **more).id
            (view,) = lead.wait([job], timeout_s=90)
            return job, view.state, b"".join(chunk.data for chunk in lead.logs(job))


def script(*lines: str, options: str = "", foedus: str = "") -> str:
    head = f"#!/bin/sh\n#SBATCH --time=5 --mem=16 {options}\n#FOEDUS project=shield purpose=evaluate {foedus}\n"
    return head + "".join(f"{line}\n" for line in lines)


@contextlib.contextmanager
def a_whole(folder: Path, *sites: str) -> Iterator[Whole]:
    """Bring up a hub and the agents of these sites (of jerusalem alone, if none is named)."""
    with a_hub(folder) as served:
        whole = Whole(served, folder)
        try:
            for site in sites or ("jerusalem",):
                whole.join(site)
            yield whole
        finally:
            for one in whole.sites.values():
                one.stop()
