"""A small alliance on SQLite in memory: the example agreement, people, projects, sites that say what is free."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.base.dsse import Envelope, Signature
from foedus.core.base.instant import Instant, parse_iso
from foedus.core.jobs.job import Attempt, Job, Story
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import AttemptState, JobState, Outcome
from foedus.core.ledger.entry import Kind, sign_body
from foedus.core.ledger.usage import Usage
from foedus.core.ledger.usage_json import usage_body
from foedus.core.placement.capacity import Capacity, Lane
from foedus.flow.access import Caller, caller_of
from foedus.flow.admit import Rules
from foedus.flow.agreement import put_in_force
from foedus.flow.book import book
from foedus.flow.cancel import cancel
from foedus.flow.orders import starts, stops
from foedus.flow.place import PlaceRules, place
from foedus.flow.ports import Project, Transaction, User
from foedus.flow.report import report
from foedus.flow.submit import submit
from foedus.hub.api.agreement import check_clauses
from foedus.hub.begin import envelopes_beside
from foedus.keys import ed25519
from foedus.keys.examples import LaidOut, lay_out
from foedus.policy.cedar import CedarPolicy
from foedus.store.unit import SqlStore, open_store
from foedus.wire.agents import ReportItem, StartOrder, StatusItem, StopOrder, UsageItem
from foedus.wire.alliance import ProjectRole, Role, Scope
from foedus.wire.jobs import CancelReply, Submission, SubmittedView

T = TypeVar("T")
START = parse_iso("2026-11-23T08:00:00Z")
HOUR = 3600
RULES = PlaceRules(fresh=60, patience=1800, promise=120, rest=30)

PEOPLE = {
    "olga": ("israel", Role.OFFICE),
    "oren": ("israel", Role.OPERATOR),
    "orxan": ("azerbaijan", Role.OPERATOR),
    "noa": ("israel", Role.USER),
    "dan": ("israel", Role.USER),
    "aysel": ("azerbaijan", Role.USER),
    "eve": ("israel", Role.USER),
}
PROJECTS = {
    "shield": ("cybersecurity", {"noa": ProjectRole.LEAD, "dan": ProjectRole.MEMBER}),
    "metro": ("urban-mobility", {"aysel": ProjectRole.LEAD}),
}
GRANTED = 1000 * HOUR
"""GPU-seconds of each project."""


@dataclass(frozen=True)
class Signed:
    """The example agreement as it was signed, with everybody's keys."""

    laid_out: LaidOut
    keys: dict[str, ed25519.PrivateKey]
    text: bytes
    envelopes: dict[str, Envelope]
    agreement: Agreement


def signed(folder: Path) -> Signed:
    laid_out = lay_out("caspian", folder, sign=True)
    text = laid_out.agreement.read_bytes()
    return Signed(
        laid_out=laid_out,
        keys={party: ed25519.load(path) for party, path in laid_out.keys.items()},
        text=text,
        envelopes=envelopes_beside(laid_out.agreement),
        agreement=read(text),
    )


def script(
    command: str = "true",
    *,
    gpus: int = 1,
    time: str | None = "1:00:00",
    project: str | None = "shield",
    purpose: str | None = "finetune",
    more: Sequence[str] = (),
) -> str:
    lines = ["#!/bin/sh"]
    lines += [f"#SBATCH --gpus={gpus}"] if gpus else []
    lines += [f"#SBATCH --time={time}"] if time else []
    lines += [f"#SBATCH {option}" for option in more]
    lines += [f"#FOEDUS project={project}"] if project else []
    lines += [f"#FOEDUS purpose={purpose}"] if purpose else []
    return "\n".join([*lines, command, ""])


def capacity(gpus: int, model: str, *, per_node: int = 8, nodes: int = 4, cpus: int = 96) -> Capacity:
    """Say what is free: so many GPUs, on as few nodes as hold them; the others have none left."""
    memory, whole, rest = 1024 * 1024, *divmod(gpus, per_node)
    groups = [(whole, per_node), (1 if rest else 0, rest), (nodes - whole - (1 if rest else 0), 0)]
    free = tuple(
        NodeGroup(count=count, cpus=cpus, memory=memory, gpus=left, gpu_model=model) for count, left in groups if count
    )
    empty = (NodeGroup(count=nodes, cpus=cpus, memory=memory, gpus=per_node, gpu_model=model),)
    return Capacity(owner=Lane(name="owner", free=free, whole=empty), guest=Lane(name="guest", free=free, whole=empty))


@dataclass
class Alliance:
    """What the tests work with. Time stands still until it is moved."""

    signed: Signed
    store: SqlStore = field(default_factory=lambda: open_store("sqlite://"))
    now: Instant = START
    site_keys: dict[str, ed25519.PrivateKey] = field(
        default_factory=lambda: {site: ed25519.make() for site in ("jerusalem", "baku")}
    )

    def __post_init__(self) -> None:
        self.agreement = self.signed.agreement
        self.rules = Rules(agreement=self.agreement, clauses=CedarPolicy(self.agreement.clauses))
        self.do(self._begin)

    def _begin(self, tx: Transaction) -> None:
        put_in_force(
            tx,
            self.signed.text,
            self.signed.envelopes,
            hub_keys={self.signed.keys["hub"].key},
            check=check_clauses,
            verify=ed25519.verify,
            now=self.now,
        )
        for name, (partner, role) in PEOPLE.items():
            tx.people.add(User(id=name, partner=partner, name="", role=role, created=self.now))
        for name, (sector, members) in PROJECTS.items():
            tx.projects.add(
                Project(
                    id=name,
                    title=name.title(),
                    sector=sector,
                    opened=self.now,
                    granted=GRANTED,
                    used=0,
                    reserved=0,
                    members=members,
                )
            )
        for site, key in self.site_keys.items():
            tx.sites.enrol(site, key.key)

    def do(self, act: Callable[[Transaction], T]) -> T:
        with self.store.begin() as tx:
            return act(tx)

    def later(self, seconds: float) -> None:
        self.now = Instant(self.now + round(seconds * 1000))

    # people

    def caller(self, user: str, scope: Scope = Scope.MANAGE, only: str | None = None) -> Caller:
        def load(tx: Transaction) -> Caller:
            found = tx.people.get(user)
            assert found is not None
            return caller_of(tx, found, self.agreement, scope, only)

        return self.do(load)

    def submit_all(self, user: str, scripts: Sequence[str | Submission], **reach) -> list[SubmittedView]:
        who = self.caller(user, **reach)
        asked = [one if isinstance(one, Submission) else Submission(script=one) for one in scripts]
        return self.do(lambda tx: submit(tx, who, asked, self.rules, self.now))

    def submit(self, user: str = "noa", text: str | None = None, **reach) -> SubmittedView:
        return self.submit_all(user, [script() if text is None else text], **reach)[0]

    def cancel(self, user: str, *ids: str) -> CancelReply:
        who = self.caller(user)
        return self.do(lambda tx: cancel(tx, who, ids, self.now))

    # sites

    def says(self, site: str, free: int | Capacity, *, draining: bool = False) -> None:
        """Have a site say how many GPUs are free."""
        if isinstance(free, int):
            free = capacity(free, "h100" if site == "jerusalem" else "a100", per_node=8 if site == "jerusalem" else 4)
        self.do(lambda tx: tx.sites.saw(site, self.now, free, draining=draining))

    def place(self, rules: PlaceRules = RULES) -> int:
        return self.do(lambda tx: place(tx, self.agreement, rules, self.now))

    def fetch(self, site: str) -> list[StartOrder]:
        return self.do(lambda tx: starts(tx, site, frozenset(), 100, self.now))

    def stops(self, site: str) -> list[StopOrder]:
        return self.do(lambda tx: stops(tx, site))

    def report(self, site: str, job: str, attempt: int, state: AttemptState, **facts) -> ReportItem:
        item = StatusItem(job=job, attempt=attempt, state=state, **facts)
        return self.do(lambda tx: report(tx, site, [item], 1, self.now)[0])

    def starting(self, site: str, job: str, attempt: int = 1) -> ReportItem:
        return self.report(site, job, attempt, AttemptState.STARTING, native_id=f"n{job}")

    def running(self, site: str, job: str, attempt: int = 1) -> ReportItem:
        return self.report(site, job, attempt, AttemptState.RUNNING, native_id=f"n{job}", started=self.now)

    def ended(self, site: str, job: str, attempt: int = 1, outcome=Outcome.COMPLETED, **facts) -> ReportItem:
        given = {"exit_code": 0 if outcome is Outcome.COMPLETED else 1, "ended": self.now} | facts
        return self.report(site, job, attempt, AttemptState.ENDED, outcome=outcome, **given)

    def returned(self, site: str, job: str, attempt: int = 1, **facts) -> ReportItem:
        return self.report(site, job, attempt, AttemptState.RETURNED, **facts)

    def run(self, site: str, job: str, outcome: Outcome = Outcome.COMPLETED) -> None:
        """Take a bound job through to its end."""
        self.starting(site, job)
        self.running(site, job)
        self.ended(site, job, outcome=outcome)

    def usage(self, job: str, attempt: int = 1, *, elapsed: int = 60, **changes) -> Usage:
        one = self.job(job)
        site = changes.get("site", one.site)
        home = self.agreement.site(site)
        model = "h100" if site == "jerusalem" else "a100"
        gpus = {model: one.resources.gpus}
        given = {
            "alliance": self.agreement.id,
            "agreement_version": 1,
            "site": site,
            "site_partner": home.partner,
            "job": job,
            "attempt": attempt,
            "user": one.user,
            "user_partner": one.partner,
            "project": one.project,
            "sector": one.sector,
            "purpose": one.purpose,
            "native_id": f"n{job}",
            "source": "sacct",
            "outcome": Outcome.COMPLETED,
            "exit_code": 0,
            "signal": 0,
            "submitted": Instant(self.now - elapsed * 1000),
            "started": Instant(self.now - elapsed * 1000),
            "ended": self.now,
            "elapsed": elapsed,
            "nodes": 1,
            "cpus": 1,
            "gpus": gpus,
            "cpu_seconds": elapsed,
            "gpu_seconds": {name: count * elapsed for name, count in gpus.items()},
            "memory": 0,
            "energy": None,
            "energy_method": None,
            "requested_gpus": one.resources.gpus,
            "requested_time_limit": one.resources.time_limit,
        }
        return Usage(**(given | changes))

    def record(self, usage: Usage, key: ed25519.PrivateKey | None = None) -> UsageItem:
        body = usage_body(usage)
        made: Signature = sign_body(key or self.site_keys[usage.site], Kind.USAGE, body)
        return UsageItem(body=body, keyid=made.keyid, sig=made.sig)

    # what is there

    def book(self, item: UsageItem, site: str = "jerusalem") -> ReportItem:
        """Have one usage record booked that a site sends."""
        (answer,) = self.book_all([item], site)
        return answer

    def book_all(self, items: Sequence[UsageItem], site: str = "jerusalem") -> list[ReportItem]:
        """Have all usage records of one report booked."""
        return self.do(lambda tx: book(tx, self.agreement, site, items, verify=ed25519.verify, now=self.now))

    def job(self, name: str) -> Job:
        with self.store.read() as tx:
            return tx.jobs.get([name])[name]

    def states(self, *names: str) -> list[JobState]:
        with self.store.read() as tx:
            found = tx.jobs.get(names)
        return [found[name].state for name in names]

    def attempts(self, name: str) -> Sequence[Attempt]:
        with self.store.read() as tx:
            return tx.attempts.of(name)

    def story(self, name: str) -> list[tuple[str, dict]]:
        with self.store.read() as tx:
            lines: Sequence[Story] = tx.jobs.story(name)
        return [(str(line.kind), dict(line.data)) for line in lines]

    def kinds(self, name: str) -> list[str]:
        return [kind for kind, _ in self.story(name)]

    def budget(self, project: str = "shield") -> tuple[int, int, int]:
        """Return what is granted, used and set aside."""
        with self.store.read() as tx:
            found = tx.projects.get(project)
        assert found is not None
        return found.granted, found.used, found.reserved
