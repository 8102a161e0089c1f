"""What ``foedus doctor hub`` looks at: everything that a hub needs, all at once, each fault with its remedy.

It reads, and takes the broker's lead for a moment where nobody has it. Its only trace is the head up to which it found
the ledger sound, so that the next look goes on from there.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import findings
from foedus.core.agreement.term import term_faults
from foedus.core.base.checkup import Check, Finding, examine, fault, ok, warning
from foedus.core.base.dsse import Envelope, Signer
from foedus.core.base.errors import BadInput, Conflict, FoedusError, NotFound
from foedus.core.base.ids import SiteId
from foedus.core.base.instant import CLOCK_SLACK_S, Clock, Instant, after, iso, seconds_between
from foedus.core.base.units import duration
from foedus.core.jobs.job import Attempt
from foedus.core.jobs.state import AttemptState
from foedus.core.ledger.chain import Head, follows, head_from_json
from foedus.flow.ports import AgreementRecord, SiteRecord, Transaction
from foedus.flow.recover import recovering
from foedus.hub.beat import beat
from foedus.hub.keys import KEY_FILE, HubKeys
from foedus.hub.settings import HubSettings
from foedus.keys import ed25519
from foedus.process.clock import SystemClock
from foedus.process.places import closed, own, room
from foedus.store.migrate import pending
from foedus.store.unit import SqlStore, open_store

CHECKED = "ledger-checked.json"
"""File in the state folder with the newest head that a look at the ledger led to."""
_SQLITE = "sqlite:///"
_DAY_S = 86_400
_TERM_DAYS = 60
_CERTIFICATE_DAYS = 21
_SEAL_S = _DAY_S
_PASS_S = 60
_FETCHED_S = 600
_QUEUED_S = _DAY_S
_OVERTIME_S = 3600
_BOOKED_S = 3600
_MOST_UNBOOKED = 1000


@dataclass(slots=True, kw_only=True)
class HubDoctor:
    """One look at one hub."""

    settings: HubSettings
    whole: bool = False
    """Read the ledger from its first entry, whatever was found before."""
    clock: Clock = field(default_factory=SystemClock)
    _store: SqlStore | None = None

    def look(self) -> tuple[Finding, ...]:
        """Look at everything."""
        try:
            return examine(self._checks())
        finally:
            if self._store is not None:
                self._store.close()

    def _checks(self) -> tuple[Check, ...]:
        stored = ("database",)
        return (
            Check(name="folder", look=self._folder),
            Check(name="key", look=self._key, needs=("folder",)),
            Check(name="certificate", look=self._certificate),
            Check(name="database", look=self._database, needs=("folder",)),
            Check(name="agreement", look=self._agreement, needs=stored),
            Check(name="broker", look=self._broker, needs=stored),
            Check(name="address", look=self._address),
            Check(name="sites", look=self._sites, needs=("agreement",)),
            Check(name="attempts", look=self._attempts, needs=("agreement",)),
            Check(name="ledger", look=self._ledger, needs=stored),
            Check(name="seals", look=self._seals, needs=stored),
        )

    # -- what lies on this machine

    def _folder(self) -> Iterator[Finding]:
        state = self.settings.state
        if not state.is_dir():
            raise NotFound(f"there is no folder {state}", remedy="name the hub's with --state, or begin one")
        own(state)
        yield from closed(state, secret=True)
        yield room(state)

    def _key(self) -> Iterator[Finding]:
        signer = self._signer()
        yield ok(f"{self.settings.state / KEY_FILE} is for its owner alone: {signer.key}")

    def _signer(self) -> Signer:
        return ed25519.load(self.settings.state / KEY_FILE)

    def _certificate(self) -> Iterator[Finding]:
        files = (self.settings.tls_certificate, self.settings.tls_key)
        if files == (None, None):
            return
        if None in files or files[0] is None or files[1] is None:
            yield fault("one of tls_certificate and tls_key is set", "set both, or none")
            return
        yield from closed(files[1], secret=True)
        try:
            ends = x509.load_pem_x509_certificate(files[0].read_bytes()).not_valid_after_utc
        except ValueError as error:
            yield fault(f"{files[0]} holds no certificate ({error})", "name the PEM file of the certificate")
            return
        days = (ends - datetime.fromtimestamp(self.clock.now() / 1000, UTC)).days
        words, remedy = f"{files[0]} is good until {ends:%Y-%m-%d}", "renew it, and start the hub again"
        yield fault(words, remedy) if days < 0 else warning(words, remedy) if days < _CERTIFICATE_DAYS else ok(words)

    # -- the database

    def _database(self) -> Iterator[Finding]:
        url = self.settings.database_url
        if url.startswith(_SQLITE):
            file = Path(url.removeprefix(_SQLITE))
            if not file.exists():
                raise NotFound(f"there is no database {file}", remedy="restore it, or begin one: `foedus hub init`")
            if file.parent != self.settings.state:
                yield from closed(file, secret=True)
                yield room(file.parent)
        waiting = pending(url)
        if waiting:
            remedy = "stop the hub, back up, and run `foedus hub migrate`"
            raise Conflict(f"the schema lacks {', '.join(waiting)}", remedy=remedy)
        self._store = open_store(url)
        asked = self.clock.now()
        off = seconds_between(self._store.now(), asked)
        if abs(off) > CLOCK_SLACK_S:
            yield fault(f"its clock is {abs(off):.0f} s off this machine's", "set both clocks, for example with chrony")
        yield ok("answers, and its schema is up to date")

    def _stored(self) -> SqlStore:
        if self._store is None:
            raise NotFound("the database was not opened")
        return self._store

    def _agreement(self) -> Iterator[Finding]:
        with self._stored().read() as tx:
            record = _in_force(tx)
        agreement, now = read(record.text), self.clock.now()
        for one in term_faults(agreement, now):
            yield fault(one.fault, one.remedy)
        left = (agreement.ends - datetime.fromtimestamp(now / 1000, UTC).date()).days
        if 0 <= left <= _TERM_DAYS:
            yield warning(
                f"the term ends on {agreement.ends}, in {left} days: no job is admitted after it",
                "amend it: `foedus agreement amend`, every partner's signature, `foedus agreement enforce`",
            )
        envelopes = {
            partner: Envelope.read(json.dumps(one).encode(), partner) for partner, one in record.envelopes.items()
        }
        for finding in findings(record.text, agreement, None, envelopes, ed25519.verify):
            if finding.fault is not None:
                yield fault(str(finding.fault.fault), finding.fault.remedy)
        if not self._has_key(agreement.hub_key):
            yield fault(
                "the hub's key is not the one in the agreement: no site believes its heads",
                f"put the key of the agreement back as {self.settings.state / KEY_FILE}, or amend the agreement",
            )
        yield ok(f"version {agreement.version} of {agreement.id} is in force until {agreement.ends}")

    def _has_key(self, key: str) -> bool:
        try:
            return key in HubKeys(self.settings.state).all()
        except FoedusError:
            return True  # what is wrong with the file is said already

    def _broker(self) -> Iterator[Finding]:
        leader = self._stored().leader()
        try:
            free = leader.hold()
        finally:
            leader.release()
        if free:
            yield fault("no hub process places jobs", "start one: `systemctl start foedus-hub`")
        else:
            yield ok("a hub process leads")
        with self._stored().read() as tx:
            found = recovering(tx)
        if found is not None:
            yield fault(
                f"in recovery since {iso(found.begun)}: nothing is taken, placed or booked",
                "see what it waits for, and end it: `foedus hub recovery`",
            )

    def _address(self) -> Iterator[Finding]:
        """Ask the hub of this machine, where its settings say at which port it listens."""
        if not self.settings.port:
            return
        found = beat(self.settings)
        if found.passed is None:
            yield ok(f"{found.address} answers; another process leads, or none yet")
            return
        silent = seconds_between(found.passed, self.clock.now())
        if silent > max(_PASS_S, 10 * self.settings.pass_s):
            yield fault(
                f"the broker's last pass that worked was {silent:.0f} s ago",
                "see its log for `pass failed`: `journalctl -u foedus-hub`",
            )
        yield ok(f"{found.address} answers, and its broker works")

    # -- sites and jobs

    def _sites(self) -> Iterator[Finding]:
        now = self.clock.now()
        with self._stored().read() as tx:
            agreement = read(_in_force(tx).text)
            records = {record.site: record for record in tx.sites.all()}
        for site in agreement.sites:
            yield _site(site.id, records.get(site.id), now, self.settings.fresh_s)
        for stray in sorted(set(records) - {site.id for site in agreement.sites}):
            yield warning(f"{stray} has spoken, and is in no version in force", "let its operator stop the agent")

    def _attempts(self) -> Iterator[Finding]:
        now, found = self.clock.now(), 0
        with self._stored().read() as tx:
            agreement = read(_in_force(tx).text)
            for site in agreement.sites:
                seen = tx.sites.get(site.id).seen
                if seen is None or seconds_between(seen, now) > self.settings.fresh_s:
                    continue  # a silent site explains all that follows
                for one in self._stuck(tx, site.id, now):
                    found += 1
                    yield one
        if not found:
            yield ok("none is stuck at a site that answers")

    def _stuck(self, tx: Transaction, site: SiteId, now: Instant) -> Iterator[Finding]:
        bound = tx.attempts.at(site, frozenset({AttemptState.BOUND}))
        late = [one for one in bound if seconds_between(one.offered or one.bound, now) > _FETCHED_S]
        yield from _some(late, f"bound to {site} and not taken over", f"`foedus doctor site` at {site}, and its log")
        queued = [
            one
            for one in tx.attempts.at(site, frozenset({AttemptState.STARTING}))
            if seconds_between(one.handed or one.bound, now) > _QUEUED_S
        ]
        yield from _some(queued, f"in {site}'s own queue for over a day", "`foedus why JOB`; cancel what cannot run")
        yield from _some(self._overtime(tx, site, now), f"at {site} past the time limit", f"see `squeue` at {site}")
        unbooked = tx.attempts.unbooked(after(now, -_BOOKED_S), _MOST_UNBOOKED, site)
        remedy = f"see `foedus ledger gaps`, and `refused` and the outbox in `foedus agent status` at {site}"
        yield from _some(unbooked, f"over at {site}, without a usage record", remedy)

    def _overtime(self, tx: Transaction, site: SiteId, now: Instant) -> list[Attempt]:
        running = tx.attempts.at(site, frozenset({AttemptState.RUNNING}))
        jobs = tx.jobs.get([one.job for one in running])
        limits = {job.id: job.resources.time_limit for job in jobs.values()}
        return [
            one
            for one in running
            if one.started is not None
            and (limit := limits.get(one.job)) is not None
            and seconds_between(one.started, now) > limit + _OVERTIME_S
        ]

    # -- the books

    def _ledger(self) -> Iterator[Finding]:
        with self._stored().read() as tx:
            head = tx.ledger.head()
            if head is None:
                yield fault("it has no entries", "begin the alliance: `foedus hub init`")
                return
            if head.at > after(self.clock.now(), CLOCK_SLACK_S):
                yield fault(f"its newest entry is of {iso(head.at)}, in the future", "set this machine's clock")
            checked = None if self.whole else self._checked()
            start = checked.seq + 1 if checked else 1
            faults = follows(checked, tx.ledger.stream(start), head)
        for one in faults:
            yield fault(one, "stop the hub, keep the database as it is, and restore a backup beside it to compare")
        if not faults:
            (self.settings.state / CHECKED).write_text(json.dumps(head.json()) + "\n", encoding="utf-8")
            since = f" from entry {checked.seq}" if checked else ""
            yield ok(f"the chain leads{since} to entry {head.seq}, {head.hash[:16]}")

    def _checked(self) -> Head | None:
        try:
            return head_from_json(json.loads((self.settings.state / CHECKED).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, BadInput):
            return None

    def _seals(self) -> Iterator[Finding]:
        """Find seals under another history (a database that was put back), and sites that seal no more."""
        with self._stored().read() as tx:
            head, seals = tx.ledger.head(), tx.ledger.seals()
            own = {seal.head.seq: tx.ledger.entries(seal.head.seq, 1) for seal in seals}
        for seal in seals:
            entries = own[seal.head.seq]
            if not entries or entries[0].hash != seal.head.hash:
                yield fault(
                    f"{seal.site} has sealed entry {seal.head.seq} with hash {seal.head.hash[:16]}, which is not here",
                    "the database is older than what the sites saw: restore the newest backup",
                )
            elif head is not None and seconds_between(seal.head.at, head.at) > _SEAL_S:
                yield warning(
                    f"{seal.site} has sealed up to entry {seal.head.seq} only, of {head.seq}",
                    f"see whether {seal.site} answers, and `ALARM` in its `foedus agent status`",
                )
            else:
                yield ok(f"{seal.site} has sealed entry {seal.head.seq}")


def _in_force(tx: Transaction) -> AgreementRecord:
    record = tx.agreements.current()
    if record is None:
        raise NotFound("no agreement is in force", remedy="put one in force: `foedus hub init --agreement FILE`")
    return record


def _site(site: SiteId, record: SiteRecord | None, now: Instant, fresh_s: int) -> Finding:
    if record is None or record.key is None:
        return warning(f"{site} is not enrolled", f"make a code for its operator: `foedus site code {site}`")
    if record.seen is None:
        return warning(f"{site} has never reported", "let its operator start the agent")
    silent = seconds_between(record.seen, now)
    if silent < -CLOCK_SLACK_S:
        return fault(f"{site} was last heard {-silent:.0f} s in the future", "set this machine's clock")
    if silent > fresh_s:
        return warning(
            f"{site} is silent for {duration(int(silent))}: nothing is placed there, what runs goes on",
            f"`foedus doctor site` at {site}",
        )
    return ok(f"{site} reported {max(silent, 0):.0f} s ago{', and is draining' if record.draining else ''}")


def _some(attempts: Sequence[Attempt], what: str, remedy: str) -> Iterator[Finding]:
    """Say how many there are, and name the first."""
    if attempts:
        named = ", ".join(one.job for one in attempts[:5])
        more = f" and {len(attempts) - 5} more" if len(attempts) > 5 else ""  # noqa: PLR2004 - as many as are named
        yield warning(f"{what}: {named}{more}", remedy)
