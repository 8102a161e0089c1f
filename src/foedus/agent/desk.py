"""What the operator's commands do: they speak with the running agent through its journal, never over a port."""

from collections import Counter

from foedus.agent.agent import BEAT, Beat
from foedus.agent.folder import StateFolder
from foedus.core.base.errors import NotFound
from foedus.core.base.ids import JobId, SiteId
from foedus.store.journal import Journal
from foedus.store.journal_rows import Flags
from foedus.wire.message import Message
from foedus.wire.times import Time


class AttemptView(Message):
    """One attempt that the site has."""

    job: JobId
    attempt: int
    step: str
    account: str
    native_id: str
    native_state: str
    since: Time
    reason: str


class DeskView(Message):
    """Where an agent is."""

    site: SiteId
    hub: str
    running: bool
    draining: bool
    severed: bool
    talking: bool
    """Whether the running agent and the hub have greeted each other."""
    beat: Time | None
    epoch: int | None
    attempts: list[AttemptView]
    unheard_statuses: int
    unheard_usages: int
    steps: dict[str, int]
    alarm: str
    """What the hub did that it must not do; empty if nothing."""
    refused: str
    """The newest usage record that the hub did not book; empty if none."""
    trouble: dict[str, str]


_MOST = 1_000_000
_FLAGS = ("draining", "severed")


def set_flag(folder: StateFolder, name: str, *, on: bool) -> Flags:
    """Tell the agent; it obeys within a second, or when it is started. Returns all that it is told now."""
    if name not in _FLAGS:
        raise ValueError(name)
    journal = _journal(folder)
    try:
        journal.write_note(name, "yes" if on else "")
        return journal.flags()
    finally:
        journal.close()


def look(folder: StateFolder) -> DeskView:
    """Read where the agent is; works without agent and hub."""
    enrolment = folder.enrolment()
    journal = _journal(folder)
    try:
        flags = journal.flags()
        found = journal.note(BEAT)
        beat = Beat.model_validate_json(found) if found else None
        rows = journal.open_rows()
        outbox = journal.due(_MOST, _MOST)
        running = folder.is_locked()
        epoch = journal.note("epoch")
        return DeskView(
            site=enrolment.site,
            hub=enrolment.hub,
            running=running,
            draining=flags.draining,
            severed=flags.severed,
            talking=running and beat is not None and beat.talking,
            beat=beat.at if beat else None,
            epoch=int(epoch) if epoch else None,
            attempts=[
                AttemptView(
                    job=row.order.job,
                    attempt=row.newest,
                    step=row.step,
                    account=row.account,
                    native_id=row.native_id,
                    native_state=row.native_state,
                    since=row.since,
                    reason=row.reason,
                )
                for row in rows
            ],
            unheard_statuses=len(outbox.statuses),
            unheard_usages=len(outbox.usages),
            steps=dict(Counter(str(row.step) for row in rows)),
            alarm=journal.note("alarm") or "",
            refused=journal.note("refused") or "",
            trouble=beat.trouble if running and beat else {},
        )
    finally:
        journal.close()


def _journal(folder: StateFolder) -> Journal:
    if not folder.path.is_dir():
        raise NotFound(f"there is no agent's state in {folder.path}", remedy="name its folder with --state")
    return Journal(folder.journal)
