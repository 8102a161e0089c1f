"""Follows every living attempt at the cluster: one look for all, one question about usage for those that are over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from foedus.agent import reconcile
from foedus.agent.context import Context
from foedus.agent.workspace import owner_of, remove_folder
from foedus.core.base.errors import SchedulerRefused, SiteTrouble
from foedus.core.base.ids import Marker
from foedus.core.base.instant import Instant, after
from foedus.drivers.base import Phase, Record, Sighting
from foedus.store.journal_rows import Row, Step, Tail

_DAY_S = 86_400


@dataclass(slots=True, kw_only=True)
class Watcher:
    """One thread's work: the look and usage cycle."""

    context: Context
    _pruned: Instant = field(default=Instant(0))

    def step(self) -> float:
        """Look once; returns when to look again. A failed look changes nothing."""
        context = self.context
        now = context.clock.now()
        alive = [row for row in context.journal.open_rows() if self._is_followed(row)]
        over = context.journal.over_since(after(now, -context.rules.revive_s))
        looked = [row for row in alive if row.step is not Step.ENDED or reconcile.owes_records(row)]
        if looked or over:
            self._look([*looked, *over], now)
        self._collect(now)
        self._stop(now)
        self._prune(now)
        return context.settings.look_s if alive else context.settings.idle_look_s

    def _is_followed(self, row: Row) -> bool:
        return row.step is not Step.INTENDED and not self.context.is_busy(row.key)

    def _look(self, rows: Sequence[Row], now: Instant) -> None:
        context = self.context
        sightings = context.driver.look([reconcile.ref(context.alliance, row) for row in rows])
        for row in rows:
            with context.apart(row, "a look"):
                self._follow(row, sightings[reconcile.marker(context.alliance, row)], now)

    def _follow(self, row: Row, sighting: Sighting, now: Instant) -> None:
        context = self.context
        # the row may have moved on since the look: what was not handed over then tells nothing about it now
        fresh = context.journal.row(*row.key)
        if fresh is None or (fresh.step is not row.step and sighting.phase is Phase.UNKNOWN):
            return
        self._note_streams(row, sighting)
        if reconcile.seen(fresh, sighting, now, context.rules) != fresh:
            changed = context.change(row.key, lambda row: self._seen(row, sighting, now))
            self._tell(fresh, changed)

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

    def _note_streams(self, row: Row, sighting: Sighting) -> None:
        """Remember where the output goes before anything else about the attempt changes."""
        if row.step is Step.CLOSED and sighting.restarts <= row.restarts:
            return
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
        fresh = [tail for tail in found if known.get(tail.stream) != tail]
        if fresh:
            self.context.journal.write_tails(fresh)
            self.context.signals.logs.set()

    def _collect(self, now: Instant) -> None:
        """Book what is over."""
        context = self.context
        rows = [row for row in context.journal.open_rows() if reconcile.owes_records(row)]
        if not rows:
            return
        found = self._usage(rows)
        for row in rows:
            with context.apart(row, "the booking"):
                self._book(row, found[reconcile.marker(context.alliance, row)], now)

    def _book(self, row: Row, found: Sequence[Record], now: Instant) -> None:
        context = self.context
        records = reconcile.new_records(row, found, now, context.rules)
        if not records:
            return
        usages = [context.meter.item(row, record) for record in records]
        changed = context.change(row.key, lambda row: self._booked(row, records, now), usages)
        for record in records:
            context.log.info(
                "booked",
                job=row.order.job,
                attempt=row.order.attempt + record.restart,
                outcome=record.outcome,
                elapsed=record.elapsed,
            )
        if changed is not None:
            context.signals.logs.set()
            context.signals.outputs.set()

    def _usage(self, rows: Sequence[Row]) -> Mapping[Marker, tuple[Record, ...]]:
        context = self.context
        return context.driver.usage([reconcile.ref(context.alliance, row) for row in rows])

    def _booked(self, row: Row, records: Sequence[Record], now: Instant) -> Row:
        row = reconcile.booked(row, records)
        if row.step is Step.ENDED and not row.order.spec.outputs:
            row = row.model_copy(update={"sent": True})
        return reconcile.closed(row, now)

    def _stop(self, now: Instant) -> None:
        context = self.context
        for row in context.journal.open_rows():
            if not reconcile.to_be_stopped(row, now, context.rules):
                continue
            # written first: whatever becomes of the command, the end that follows is understood as asked for
            told = context.change(row.key, lambda row: self._told(row, now))
            if told is None or told.stopped != now:
                continue
            context.log.info("told to stop", job=row.order.job, attempt=row.newest, why=row.stop)
            try:
                context.driver.stop(reconcile.ref(context.alliance, row))
            except (SiteTrouble, SchedulerRefused) as error:
                context.log.warning(
                    "the cluster did not take the stop; again soon", job=row.order.job, error=str(error)
                )
            context.signals.looks.set()

    def _told(self, row: Row, now: Instant) -> Row:
        return reconcile.told_to_stop(row, now) if reconcile.to_be_stopped(row, now, self.context.rules) else row

    def _prune(self, now: Instant) -> None:
        """Once a day, remove the folders of attempts that are long over, and later what the journal has of them."""
        if now < after(self._pruned, _DAY_S):
            return
        self._pruned = now
        context, settings = self.context, self.context.settings
        for row in context.journal.over_before(after(now, -settings.keep_work_days * _DAY_S)):
            with context.apart(row, "the removal of its folder"):
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
