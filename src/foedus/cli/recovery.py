"""What ``foedus hub recovery`` does: it works on the hub's database, beside the running hub."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from foedus.cli.show import count, note, print_json, say

if TYPE_CHECKING:
    from foedus.flow.recover import Standing
    from foedus.hub.settings import HubSettings


def run(settings: "HubSettings", *, finish: bool, without: Sequence[str], ledger: Path | None, json: bool) -> None:
    """Take entries from an export, end the recovery, and show where it is, as asked."""
    from foedus.core.base.ids import SiteId
    from foedus.flow.recover import finish as end
    from foedus.flow.recover import standing
    from foedus.hub.backup import learn_export
    from foedus.process.clock import SystemClock
    from foedus.store.unit import open_store

    store = open_store(settings.database_url)
    try:
        learnt = learn_export(store, ledger) if ledger else 0
        held = 0
        if finish:
            with store.begin() as tx:
                held = end(tx, [SiteId(site) for site in without], SystemClock().now())
        with store.read() as tx:
            found = standing(tx)
    finally:
        store.close()
    if json:
        print_json(_as_object(found))
        return
    if ledger:
        say(f"entries learnt from {ledger}: {learnt}")
    if found is None:
        say("this hub was never restored")
        return
    for line in _lines(found):
        say(line)
    if held:
        note(f"{count(held, 'waiting job')} held back: a site that was left out may have any of them")


def _lines(found: "Standing") -> list[str]:
    from foedus.core.base.instant import iso

    recovery = found.recovery
    lines = [f"{recovery.reason}, at {iso(recovery.begun)}", f"ledger: from entry {recovery.head} to {found.head}"]
    lines += [
        f"{one.site}: {'told everything' if one.done else 'has begun to tell'}, {count(one.jobs, 'attempt')}"
        for one in found.sites
    ]
    lines += [f"{site}: not heard yet" for site in found.missing if site not in {one.site for one in found.sites}]
    lines += [f"in the way: {fault}" for fault in found.faults]
    if recovery.ended is not None:
        return [*lines, f"ended {iso(recovery.ended)}: the hub is whole"]
    ready = not found.missing and not found.faults
    return [*lines, "ready: foedus hub recovery --finish" if ready else "not ready: nothing is taken, placed or booked"]


def _as_object(found: "Standing | None") -> dict[str, object]:
    if found is None:
        return {"recovering": False}
    recovery = found.recovery
    return {
        "recovering": recovery.ended is None,
        "reason": recovery.reason,
        "from_entry": recovery.head,
        "head": found.head,
        "sites": [
            {"site": one.site, "done": one.done, "attempts": one.jobs, "sealed": one.sealed} for one in found.sites
        ],
        "missing": list(found.missing),
        "faults": list(found.faults),
        "ready": not found.missing and not found.faults,
    }
