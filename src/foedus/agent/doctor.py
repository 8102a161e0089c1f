"""What ``foedus doctor site`` looks at: everything that a site needs, all at once, each fault with its remedy.

It works beside a running agent and without one. It starts nothing, and says nothing to the hub while the site is
severed; what it asks the hub begins no epoch and counts as no message.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import httpx2

from foedus.agent import agreement as agreements
from foedus.agent.accounts import AccountRules, NoAccount, look_up, read_accounts
from foedus.agent.agent import BEAT, Beat
from foedus.agent.folder import StateFolder
from foedus.agent.hub import Hub
from foedus.agent.post import Post, connect
from foedus.agent.settings import AgentSettings
from foedus.agent.starter import Policy
from foedus.agent.wiring import load_driver
from foedus.core.agreement.term import term_faults
from foedus.core.base.checkup import Check, Finding, examine, fault, ok, warning
from foedus.core.base.errors import NotAuthenticated, NotFound, Stale, Unreachable
from foedus.core.base.ids import JobId
from foedus.core.base.instant import CLOCK_SLACK_S, Clock, after, iso, seconds_between
from foedus.core.placement.capacity import Capacity
from foedus.drivers.base import Examined, SiteDriver
from foedus.process.clock import SystemClock
from foedus.process.places import closed, own, room
from foedus.store.journal import Journal

_BEAT_S = 60
_DRIFT_S = CLOCK_SLACK_S / 4
_DAY_S = 86_400
_GRACE_DAYS = 2
_NAMED = 5


@dataclass(slots=True, kw_only=True)
class SiteDoctor:
    """One look at one site."""

    folder: StateFolder
    settings: AgentSettings
    own_uid: int
    clock: Clock = field(default_factory=SystemClock)
    driver: SiteDriver | None = None
    """Replaces the one that the settings name."""

    def look(self) -> tuple[Finding, ...]:
        """Look at everything."""
        driver: list[SiteDriver] = []
        try:
            return examine(self._checks(driver))
        finally:
            for one in driver:
                close: Callable[[], None] | None = getattr(one, "close", None)
                if close is not None and self.driver is None:
                    close()

    def _checks(self, driver: list[SiteDriver]) -> tuple[Check, ...]:
        return (
            Check(name="folder", look=self._state),
            Check(name="key", look=self._key, needs=("folder",)),
            Check(name="enrolment", look=self._enrolment, needs=("folder",)),
            Check(name="agreement", look=self._agreement, needs=("enrolment",)),
            Check(name="policy", look=self._policy),
            Check(name="accounts", look=self._accounts),
            Check(name="journal", look=self._journal, needs=("folder",)),
            Check(name="agent", look=self._agent, needs=("enrolment", "journal")),
            Check(name="hub", look=self._hub, needs=("enrolment",)),
            Check(name="standing", look=self._standing, needs=("key", "journal", "hub")),
            Check(name="cluster", look=lambda: self._cluster(driver)),
            Check(name="pools", look=lambda: self._pools(driver), needs=("agreement", "cluster")),
            Check(name="work", look=self._work, needs=("journal",)),
        )

    # -- what lies on this machine

    def _state(self) -> Iterator[Finding]:
        path = self.folder.path
        if not path.is_dir():
            raise NotFound(
                f"there is no agent's state in {path}", remedy="name its folder with --state, or enrol the site"
            )
        own(path)
        yield from closed(path, secret=True)
        yield room(path)

    def _key(self) -> Iterator[Finding]:
        yield ok(f"for its owner alone: {self.folder.key().key}")

    def _enrolment(self) -> Iterator[Finding]:
        found = self.folder.enrolment()
        yield ok(f"{found.site} of {found.alliance}, at {self.settings.hub or found.hub}")

    def _agreement(self) -> Iterator[Finding]:
        held = agreements.load(self.folder)
        agreements.own_site(held, self.folder.enrolment().site)
        for one in term_faults(held, self.clock.now()):
            yield fault(one.fault, one.remedy)
        yield ok(f"version {held.version}, signed by every partner, until {held.ends}")

    def _policy(self) -> Iterator[Finding]:
        Policy(self.settings.policy).load()
        yield from closed(self.settings.policy, secret=False)
        yield ok(f"{self.settings.policy} is sound")

    def _accounts(self) -> Iterator[Finding]:
        table = read_accounts(self.settings.accounts)
        yield from closed(self.settings.accounts, secret=False)
        if not table.account:
            yield fault(f"{self.settings.accounts} has no line: no job can run", "write an [[account]]")
        for name in self._names():
            found = look_up(name, self._rules)
            if isinstance(found, NoAccount):
                yield fault(found.reason, f"make the account, or mend {self.settings.accounts}")
        patterns = sum("{" in line.account for line in table.account)
        yield ok(f"{len(table.account)} lines, {patterns} of them patterns, which only a job can try")

    def _names(self) -> list[str]:
        """Name the accounts that the map names outright."""
        table = read_accounts(self.settings.accounts)
        return sorted({line.account for line in table.account if "{" not in line.account})

    @property
    def _rules(self) -> AccountRules:
        settings = self.settings
        return AccountRules(lowest_uid=settings.lowest_uid, allow_root=settings.allow_root, own_uid=self.own_uid)

    def _journal(self) -> Iterator[Finding]:
        if not self.folder.journal.exists():
            yield ok("not begun yet: no agent has run with this folder")
            return
        with self._open() as journal:
            for words in journal.damage()[:_NAMED]:
                yield fault(words, "stop the agent, keep the file, and restore the journal from its backup")
            steps = Counter(str(row.step) for row in journal.open_rows())
            alarm, refused = journal.note("alarm"), journal.note("refused")
        if alarm:
            yield fault(f"ALARM {alarm}", "take it up with the other partners; the evidence is in the journal")
        if refused:
            yield warning(f"not booked by the hub: {refused}", "ask the office; the record stays in the journal")
        yield ok("sound; " + (", ".join(f"{count} {step}" for step, count in sorted(steps.items())) or "nothing open"))

    def _agent(self) -> Iterator[Finding]:
        start = "start it: `systemctl start foedus-agent`"
        if not self.folder.is_locked():
            yield fault("it does not run: jobs go on, and nothing is reported", start)
            return
        with self._open() as journal:
            flags, found = journal.flags(), journal.note(BEAT)
        beat = Beat.model_validate_json(found) if found else None
        if flags.severed:
            yield warning("severed by its operator: not a word to the hub", "`foedus agent rejoin` ends it")
        elif flags.draining:
            yield warning("draining by its operator's word", "`foedus agent resume` ends it")
        if beat is None or seconds_between(beat.at, self.clock.now()) > _BEAT_S:
            when = iso(beat.at) if beat else "never"
            yield fault(f"it hangs: last sign of life {when}", "start it again, and keep its log")
            return
        for part, words in sorted(beat.trouble.items()):
            yield warning(f"trouble with {part}: {words}", "what follows may say why; else see its log")
        yield ok(f"it runs, process {beat.pid}")

    # -- the hub

    def _open(self) -> closing[Journal]:
        return closing(Journal(self.folder.journal))

    def _severed(self) -> bool:
        if not self.folder.journal.exists():
            return False
        with self._open() as journal:
            return journal.flags().severed

    def _connect(self) -> httpx2.Client:
        settings = self.settings
        return connect(
            settings.hub or self.folder.enrolment().hub, None if settings.ca_file is None else str(settings.ca_file)
        )

    def _hub(self) -> Iterator[Finding]:
        if self._severed():
            yield ok("not asked: the site is severed")
            return
        with self._connect() as http:
            address = str(http.base_url)
            try:
                asked = self.clock.now()
                answer = http.get("/healthz")
            except httpx2.HTTPError as error:
                remedy = "look at the way there (name, firewall, proxy, `ca_file`), then ask the hub's operator"
                raise Unreachable(
                    f"no answer from {address}: {error or type(error).__name__}", remedy=remedy
                ) from error
        if not answer.is_success:
            yield fault(f"{address} says that it fails ({answer.status_code})", "tell the hub's operator; jobs go on")
            return
        told = answer.headers.get("date")
        off = 0.0
        if told is not None:
            off = parsedate_to_datetime(told).timestamp() - asked / 1000
        words = f"this clock is {abs(off):.0f} s {'behind' if off > 0 else 'ahead of'} the hub's"
        if abs(off) > CLOCK_SLACK_S:
            yield fault(words, f"set it, for example with chrony: at most {CLOCK_SLACK_S} s may lie between")
        elif abs(off) > _DRIFT_S:
            yield warning(words, "set it, for example with chrony, before it drifts further")
        yield ok(f"{address} answers; {words}" if abs(off) > 1 else f"{address} answers, and the clocks agree")

    def _standing(self) -> Iterator[Finding]:
        """Ask the hub for the agreement, signed as the running agent signs: that tells whether it takes this key."""
        if self._severed():
            return
        with self._open() as journal:
            epoch = int(journal.note("epoch") or 0)
        if not epoch:
            yield warning("no agent has greeted the hub yet", "start it: `systemctl start foedus-agent`")
            return
        hub = Hub(Post(self._connect, self.folder.keys(), self.clock), self.folder.enrolment().site)
        hub.resume(epoch)
        try:
            shown = hub.agreement()
        except NotAuthenticated as error:
            yield fault(f"the hub does not take this site's key: {error.message}", error.remedy or _ENROL)
            return
        except Stale as error:
            yield fault(error.message, "find the other agent of this site and stop it; then start this one")
            return
        finally:
            hub.hang_up(0)
        held = agreements.load(self.folder)
        if shown.version != held.version:
            yield warning(
                f"the hub has version {shown.version} of the agreement, this site {held.version}",
                "see `ALARM`, or wait for the next order: versions that every partner signed are taken by themselves",
            )
        yield ok(f"the hub takes this key; epoch {epoch}")

    # -- the cluster

    def _cluster(self, opened: list[SiteDriver]) -> Iterator[Finding]:
        driver = self.driver or load_driver(self.settings.driver_kind, self.settings.driver_settings)
        opened.append(driver)
        if isinstance(driver, Examined):
            names = [name for name in self._names() if not isinstance(look_up(name, self._rules), NoAccount)]
            yield from driver.checkup(names)
        else:
            driver.capacity()
            yield ok(f"the driver {self.settings.driver_kind} answers")

    def _pools(self, opened: list[SiteDriver]) -> Iterator[Finding]:
        """Compare what the agreement says of the site with what the cluster shows."""
        site = agreements.own_site(agreements.load(self.folder), self.folder.enrolment().site)
        capacity = opened[0].capacity()
        there, promised = _hardware(capacity), Counter[str]()
        for pool in site.pools:
            promised["CPUs"] += pool.nodes * pool.cpus_per_node
            promised[_gpus_of(pool.gpu_model)] += pool.nodes * pool.gpus_per_node
        for what, count in sorted(promised.items()):
            if there[what] < count:
                yield warning(
                    f"the agreement says {count} {what}, the cluster's lanes have {there[what]}",
                    "see the partitions, GPU types and `gpu_models`; or let the agreement be amended",
                )
        if site.guests.pools and capacity.guest is None:
            yield warning("the agreement lets guests in, and no lane for guests is set", "set [driver.guest]")
        for lane in (capacity.owner, capacity.guest):
            if lane is not None and not lane.open:
                yield fault(f"{lane.name} takes no jobs", "see `scontrol show partition`; bring it up")
        yield ok(", ".join(f"{count} {what}" for what, count in sorted(there.items())))

    def _work(self) -> Iterator[Finding]:
        work = self.settings.work
        if not work.is_dir():
            yield ok(f"{work} is made with the first job")
            return
        yield room(work)
        strays: list[str] = []
        late: list[str] = []
        with self._open() as journal:
            limit = after(self.clock.now(), -(self.settings.keep_work_days + _GRACE_DAYS) * _DAY_S)
            old = {row.key for row in journal.over_before(limit)}
            for folder in sorted(work.glob("*/*/[0-9]*")):
                row = journal.binding(JobId(folder.parent.name), int(folder.name)) if folder.name.isdecimal() else None
                if row is None:
                    strays.append(str(folder))
                elif row.key in old:
                    late.append(str(folder))
        yield from _some(strays, "folders of no attempt that the journal knows", "look into them, then remove them")
        yield from _some(late, "folders that should be gone", "see the agent's log for why they could not be removed")
        if not strays and not late:
            yield ok(f"no folder in {work} is older than it should be")


_ENROL = "if it was revoked: `foedus agent key --new`, a new statement and a new code, and enrol again"


def _hardware(capacity: Capacity) -> Counter[str]:
    """Count the CPUs, and the GPUs of each model; nodes that both lanes share count once."""
    found: Counter[str] = Counter()
    for lane in (capacity.owner, capacity.guest):
        own: Counter[str] = Counter()
        for group in lane.whole if lane is not None else ():
            own["CPUs"] += group.count * group.cpus
            own[_gpus_of(group.gpu_model)] += group.count * group.gpus
        found |= own
    return +found


def _gpus_of(model: str | None) -> str:
    return f"{(model or 'nameless').lower()} GPUs"


def _some(found: Sequence[str], what: str, remedy: str) -> Iterator[Finding]:
    """Say how many there are, and name the first."""
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        yield warning(f"{what}: {', '.join(found[:_NAMED])}{more}", remedy)
