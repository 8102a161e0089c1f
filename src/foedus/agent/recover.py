"""Tells a hub that was restored from a backup what this site knows, and the hub has lost."""

from collections.abc import Iterable, Iterator

from foedus.agent.context import Context
from foedus.core.base.instant import Instant
from foedus.store.journal_rows import Row
from foedus.wire.agents import HeldAttempt, RecoveryAsk, RecoveryRequest

_ENTRIES = 2000
_ATTEMPTS = 200
_LARGEST = 8 * 1024 * 1024
"""Bytes of a message, unless a single attempt takes more."""
_EMPTY = len(RecoveryRequest().model_dump_json().encode())


def tell(context: Context, ask: RecoveryAsk) -> None:
    """Send the ledger's entries that the hub lacks, then every order since; may be repeated from the start.

    How the attempts fare is not said here: everything about them counts as unheard, and is reported as soon as the hub
    is whole.
    """
    journal, hub = context.journal, context.hub
    newest = journal.ledger.newest_head()
    reached = ask.head
    while newest is not None and reached < newest.seq:
        found = journal.ledger.stretch(reached, _ENTRIES)
        if found is None:
            break
        head, entries = found
        reply = hub.recover(RecoveryRequest(sealed=newest, head=head, entries=entries))
        for fault in reply.faults:
            context.log.error("the hub cannot take what this site has of the ledger", why=fault)
        if reply.head <= reached:
            break
        reached = reply.head
    rows = journal.changed_since(ask.since)
    for part in _parts(rows):
        reply = hub.recover(RecoveryRequest(attempts=part))
        for fault in reply.faults:
            context.log.error("the hub cannot take an attempt of this site", why=fault)
    hub.recover(RecoveryRequest(sealed=newest, last=True))
    for job in dict.fromkeys(row.order.job for row in rows):
        journal.say_again(job)
    context.log.warning("told the restored hub what this site has", attempts=len(rows), ledger=reached)


def _parts(rows: Iterable[Row]) -> Iterator[list[HeldAttempt]]:
    """Cut what is to be told into messages of a size that any hub takes: each order brings its script."""
    part: list[HeldAttempt] = []
    size = _EMPTY
    for row in rows:
        held = HeldAttempt(order=row.order, newest=row.newest, native_id=row.native_id, since=_since(row))
        length = len(held.model_dump_json().encode()) + len(",")
        if part and (len(part) == _ATTEMPTS or size + length > _LARGEST):
            yield part
            part, size = [], _EMPTY
        part.append(held)
        size += length
    if part:
        yield part


def _since(row: Row) -> Instant:
    """Return a time by which the site had the attempt: a journal that had lost it noted its own later one."""
    begun = [row.started, *(run.started for run in row.runs.values())]
    return min([row.since, *(at for at in begun if at is not None)])
