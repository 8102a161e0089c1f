"""An alliance of real processes for the end-to-end tests: one or two hubs, two sites that run real processes."""

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chaos.proxy import Proxy
from foedus.cli.trial.alliance import Alliance, TrialSite
from foedus.cli.trial.processes import Process
from foedus.client import Client, Means, Retry
from waiting import PATIENCE_S, wait_for

PARTNER = {"jerusalem": "israel", "baku": "azerbaijan"}
MODEL = {"jerusalem": "h100", "baku": "a100"}
PEOPLE = {"dana": "israel", "aysel": "azerbaijan", "eli": "israel"}
PROJECTS = {
    "phishing-watch": ("cybersecurity", "dana", 1000),
    "form-reader": ("digital-administration", "aysel", 1000),
    "no-budget": ("urban-mobility", "dana", 0),
}
QUICK = {
    "look_s": 0.3,
    "idle_look_s": 0.3,
    "report_s": 0.5,
    "log_tail_s": 0.2,
    "settle_s": 1.5,
    "poll_s": 5,
    "log_cap_mib": 1,
    "allow_root": True,
    "lowest_uid": 1,
}
BEGAN = """began={folder}/$1.$(basename "$(dirname "$PWD")").${{SLURM_RESTART_COUNT:-0}}
set -C
(echo "$SLURM_JOB_ID" > "$began") || {{ echo "$SLURM_JOB_ID" > "$began.again.$$"; exit 99; }}
"""
"""The first lines of a job whose only argument is its tag: the file can be made once."""


def script(*lines: str, project: str = "phishing-watch", gpus: int = 0, more: str = "") -> str:
    head = ["#!/bin/sh", f"#SBATCH --time=00:10:00 --mem=16 --gpus={gpus} {more}"]
    return "\n".join([*head, f"#FOEDUS project={project} purpose=evaluate", *lines, ""])


def on(*kinds: str) -> pytest.MarkDecorator:
    """Run a test on the alliances of these kinds: ``sqlite``, ``postgres``, and ``two-hubs`` on PostgreSQL."""
    found = [pytest.param(kind, marks=[] if kind == "sqlite" else [pytest.mark.postgres]) for kind in kinds]
    return pytest.mark.parametrize("running", found, indirect=True)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(slots=True)
class Bed:
    """A running alliance, with a proxy between each agent and the hubs, and one before the users."""

    alliance: Alliance
    hubs: list[str]
    door: Proxy
    lines: dict[str, Proxy]
    folder: Path

    def foedus(self, user: str, *words: object, cwd: Path | None = None, feed: str = "", **more: str) -> Ended:
        """Run the command line as it is installed, as this user."""
        done = self.popen(user, *words, cwd=cwd, stdin=subprocess.PIPE, **more)
        out, err = done.communicate(feed.encode(), timeout=PATIENCE_S)
        return Ended(done.returncode, out.decode(), err.decode())

    def popen(self, user: str, *words: object, cwd: Path | None = None, stdin: int | None = None, **more: str):
        token = self.alliance.token(user) if user else ""
        environment = {
            **os.environ,
            "FOEDUS_HUB": self.door.url,
            "FOEDUS_TOKEN": token,
            "HOME": str(self.folder),
            **more,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "foedus", *map(str, words)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd or self.folder,
            env=environment,
        )

    def client(self, user: str) -> Client:
        """Return a patient client, which goes through the door."""
        means = Means(hub=self.door.url, retry=Retry(deadline_s=PATIENCE_S, first_s=0.1, most_s=0.5))
        return Client(self.door.url, self.alliance.token(user), means=means)

    def restart_hub(self, number: int = 0) -> None:
        """Start a hub that was killed, and wait until it answers."""
        process = self.alliance.hubs[number]
        process.start()
        self.alliance.wait_for_hub(process, self.hubs[number])

    def agent(self, site: str) -> Process:
        return self.alliance.agents[site]

    def operate(self, site: str, *words: str) -> Ended:
        """Run a command of a site's operator."""
        return self.foedus("", "agent", *words, "--state", self.state(site))

    def state(self, site: str) -> Path:
        return self.alliance.folder / site / "state"

    def config(self, site: str) -> Path:
        return self.alliance.folder / site / "agent.toml"

    def desk(self, site: str) -> Any:
        return self.operate(site, "status", "--json").json

    def submit(self, user: str, text: str, *words: object) -> str:
        """Submit by the command line, and return the id."""
        done = self.foedus(user, "submit", "--parsable", "-", *words, feed=text)
        assert done.code == 0, done
        return done.out.strip()

    def settled(self, jobs: list[str]) -> list[Any]:
        """Wait until these jobs have ended and are booked; return their stories."""
        with self.client("office") as office:
            office.wait(jobs, timeout_s=PATIENCE_S)
            wait_for(
                lambda: all(one.entry for job in jobs for one in office.why(job).attempts if one.outcome),
                "all attempts are booked",
            )
            return [office.why(job) for job in jobs]


@contextmanager
def bed(folder: Path, *, database: str = "", hubs: int = 1, **hub_settings: str) -> Iterator[Bed]:
    """Bring an alliance up."""
    with Proxy([]) as door, Proxy([]) as first, Proxy([]) as second:
        lines = {"jerusalem": first, "baku": second}
        settings = {"pass_s": "0.2", **hub_settings}
        sites = [_site(folder, name, line) for name, line in lines.items()]
        alliance = Alliance(folder, sites, database=database, hub_settings=settings)
        try:
            alliance.found()
            alliance.start_hub()
            urls = [alliance.url, *(alliance.add_hub() for _ in range(hubs - 1))]
            door.aim(urls)
            first.aim(urls)
            second.aim(urls[::-1])
            for user, partner in PEOPLE.items():
                alliance.add_user(user, partner)
            for name, (sector, lead, hours) in PROJECTS.items():
                alliance.open_project(name, title=name, sector=sector, lead=lead, gpu_hours=hours)
            for name in lines:
                alliance.start_site(name)
            alliance.wait_for_sites()
            yield Bed(alliance, urls, door, lines, folder)
        finally:
            for line in (door, first, second):
                line.lose = 0
            alliance.stop()


def _site(folder: Path, name: str, line: Proxy) -> TrialSite:
    driver = {
        "kind": "local",
        "state": str(folder / name / "cluster"),
        "name": name,
        "path": str(Path(sys.executable).parent),
        "poll": 0.1,
        "nodes": [{"name": name, "cpus": 8, "memory_mib": 4096, "gpus": 4, "gpu_model": MODEL[name]}],
        "guest": {},
    }
    return TrialSite(
        id=name,
        partner=PARTNER[name],
        driver=driver,
        accounts=[{"account": getpass.getuser()}],
        settings={**QUICK, "hub": line.url},
    )
