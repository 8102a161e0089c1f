"""Follows every living attempt at the cluster: one look for all, one question about usage for those that are over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from foedus.agent import reconcile, stopping
from foedus.agent.context import Context
from foedus.agent.pace import pause, rest
from foedus.agent.workspace import owner_of, remove_folder
from foedus.core.base.errors import SchedulerRefused, SiteTrouble
from foedus.core.base.ids import Marker
from foedus.core.base.instant import Instant, after, seconds_between
from foedus.core.jobs.signals import end_signal
from foedus.drivers.base import Phase, Record, Sighting
from foedus.store.journal import Change
from foedus.store.journal_rows import Row, Step, Tail

_DAY_S = 86_400
_OVER_S = 15.0
"""Between two looks at what is over: an operator who queues such a job again waits longer than that for it to run."""


@dataclass(slots=True, kw_only=True)
class Watcher:
    """One thread's work: the look and usage cycle."""

    context: Context
    _pruned: Instant = field(default=Instant(0))
    _rests: Instant = field(default=Instant(0))
    """Until when the cluster is left alone."""
    _seen_over: Instant = field(default=Instant(0))
    """When what is over was looked at last."""
    _begun: bool = False

    def step(self) -> float:
        """Look once; returns when to look again. A failed look changes nothing."""
        context = self.context
        now = context.clock.now()
        self._begin(now)
        early = seconds_between(now, self._rests)
        if 0 < early <= context.settings.look_s:
            return early
        alive = [row for row in context.journal.open_rows() if self._is_followed(row)]
        looked = [row for row in alive if row.step is not Step.ENDED or reconcile.owes_records(row)]
        looked += self._over(now)
        if looked:
            self._look(looked, now)
        self._collect(now)
        self._stop(now)
        self._prune(now)
        done = context.clock.now()
        took = max(0.0, seconds_between(now, done))
        self._rests = after(done, rest(took, context.settings.look_s))
        if not alive:
            return context.settings.idle_look_s
        youngest = min(seconds_between(row.started or row.since, now) for row in alive)
        return pause(took, youngest, context.settings.look_s)

    def _over(self, now: Instant) -> list[Row]:
        """Return what was closed lately, if it is time to see whether the cluster has any of it again."""
        if 0 <= seconds_between(self._seen_over, now) < _OVER_S or not self.context.driver.revives:
            return []
        self._seen_over = now
        return self.context.journal.over_since(after(now, -self.context.rules.revive_s))

    def _begin(self, now: Instant) -> None:
        if self._begun:
            return
        rows = self.context.journal.open_rows()
        self.context.change_together(
            [Change(key=row.key, decide=lambda row: reconcile.resumed(row, now)) for row in rows]
        )
        self._begun = True

    def _is_followed(self, row: Row) -> bool:
        return row.step is not Step.INTENDED and not self.context.is_busy(row.key)

    def _look(self, rows: Sequence[Row], now: Instant) -> None:
        context = self.context
        sightings = context.driver.look([reconcile.ref(context.alliance, row) for row in rows])
        changes: list[Change] = []
        olds: list[Row] = []
        for row in rows:
            with context.apart(row.order.job, "a look"):
                sighting = sightings[reconcile.marker(context.alliance, row)]
                # the row may have moved on since the look: what was not handed over then tells nothing about it now
                fresh = context.journal.row(*row.key)
                if fresh is None or (fresh.step is not row.step and sighting.phase is Phase.UNKNOWN):
                    continue
                tails = self._streams(row, sighting)
                if tails or self._seen(fresh, sighting, now) != fresh:
                    changes.append(self._change(fresh, sighting, now, tails))
                    olds.append(fresh)
        for old, new in zip(olds, context.change_all(changes, "a look"), strict=True):
            self._tell(old, new)

    def _change(self, row: Row, sighting: Sighting, now: Instant, tails: Sequence[Tail]) -> Change:
        return Change(key=row.key, decide=lambda row: self._seen(row, sighting, now), tails=tails)

    def _seen(self, row: Row, sighting: Sighting, now: Instant) -> Row:
        return reconcile.seen(row, sighting, now, self.context.rules)

    def _tell(self, old: Row, new: Row | None) -> None:
        if new is None or (old.step, old.restarts) == (new.step, new.restarts):
            return
        self.context.log.info(
            "moved on",
            job=new.order.job,
            attempt=new.newest,
            native_id=new.native_id,
            was=old.step,
            now=new.step,
        )
        if new.step is Step.INTENDED:
            self.context.signals.starts.set()
        self.context.signals.logs.set()

    def _streams(self, row: Row, sighting: Sighting) -> list[Tail]:
        """Return what is new about where the output goes; written down together with the change of the attempt."""
        if row.step is Step.CLOSED and sighting.restarts <= row.restarts:
            return []
        attempt = row.order.attempt + max(row.restarts, sighting.restarts)
        known = {tail.stream: tail for tail in self.context.journal.tails((row.order.job, attempt))}
        paths = {"stdout": sighting.stdout, "stderr": sighting.stderr}
        if sighting.stderr == sighting.stdout:
            paths["stderr"] = None
        found = [
            Tail(job=row.order.job, attempt=attempt, stream=stream, path=str(path))
            if (old := known.get(stream)) is None
            else old.model_copy(update={"path": str(path)})
            for stream, path in paths.items()
            if path is not None
        ]
        return [tail for tail in found if known.get(tail.stream) != tail]

    def _collect(self, now: Instant) -> None:
        """Book what is over."""
        context = self.context
        rows = [row for row in context.journal.open_rows() if reconcile.owes_records(row)]
        if not rows:
            return
        found = self._usage(rows)
        changes: list[Change] = []
        for row in rows:
            with context.apart(row.order.job, "the booking"):
                changes += self._booking(row, found[reconcile.marker(context.alliance, row)], now)
        if changes:
            context.change_all(changes, "the booking")
            context.signals.logs.set()
            context.signals.outputs.set()

    def _booking(self, row: Row, found: Sequence[Record], now: Instant) -> list[Change]:
        context = self.context
        records = reconcile.new_records(row, found, now, context.rules)
        for record in records:
            context.log.info(
                "measured",
                job=row.order.job,
                attempt=row.order.attempt + record.restart,
                outcome=record.outcome,
                elapsed=record.elapsed,
            )
        usages = [context.meter.item(row, record) for record in records]
        decided = Change(key=row.key, decide=lambda row: self._booked(row, records, now), usages=usages)
        return [decided] if records else []

    def _usage(self, rows: Sequence[Row]) -> Mapping[Marker, tuple[Record, ...]]:
        context = self.context
        return context.driver.usage([reconcile.ref(context.alliance, row) for row in rows])

    def _booked(self, row: Row, records: Sequence[Record], now: Instant) -> Row:
        row = reconcile.booked(row, records)
        if row.step is Step.ENDED and not stopping.to_send(row):
            row = row.model_copy(update={"sent": True})
        return reconcile.closed(row, now)

    def _stop(self, now: Instant) -> None:
        context = self.context
        for row in context.journal.open_rows():
            wanted = stopping.next_command(row, now, context.rules)
            if wanted is None:
                continue
            # written first: whatever becomes of the command, the end that follows is understood as asked for
            told = context.change(row.key, lambda row, wanted=wanted: self._told(row, wanted, now))
            if told is None or told.stopped != now:
                continue
            context.log.info("told to stop", job=row.order.job, attempt=row.newest, why=row.stop, how=wanted)
            try:
                self._command(told, wanted)
            except (SiteTrouble, SchedulerRefused) as error:
                context.log.warning(
                    "the cluster did not take the stop; again soon", job=row.order.job, error=str(error)
                )
            context.signals.looks.set()

    def _command(self, row: Row, wanted: stopping.Command) -> None:
        ref = reconcile.ref(self.context.alliance, row)
        if wanted is stopping.Command.CANCEL:
            self.context.driver.stop(ref)
        else:
            self.context.driver.signal(ref, end_signal(row.order.spec))
            self.context.change(row.key, stopping.heard)

    def _told(self, row: Row, wanted: stopping.Command, now: Instant) -> Row:
        still = stopping.next_command(row, now, self.context.rules) is wanted
        return stopping.told(row, wanted, now) if still else row

    def _prune(self, now: Instant) -> None:
        """Once a day, remove the folders of attempts that are long over, and later what the journal has of them."""
        if now < after(self._pruned, _DAY_S):
            return
        self._pruned = now
        context, settings = self.context, self.context.settings
        for row in context.journal.over_before(after(now, -settings.keep_work_days * _DAY_S)):
            with context.apart(row.order.job, "the removal of its folder"):
                self._remove(row)
        # an attempt that the journal forgets leaves no folder that nobody knows of
        context.journal.prune(after(now, -max(settings.keep_days, settings.keep_work_days) * _DAY_S))

    def _remove(self, row: Row) -> None:
        context = self.context
        folder = context.place(row.order)
        owner = owner_of(folder)
        if owner is not None:
            remove_folder(context.settings.work, folder, owner)
            context.log.info("removed its folder", job=row.order.job, attempt=row.order.attempt)
