"""What the threads of an agent share, on a journal of its own, in a time that does not pass."""

from dataclasses import dataclass

import structlog
from agent_rows import T0

from foedus.agent.context import Context
from foedus.agent.folder import StateFolder
from foedus.agent.reconcile import Rules
from foedus.agent.settings import AgentSettings
from foedus.core.base.instant import Instant
from foedus.drivers.fake import FakeDriver
from foedus.store.journal import Journal
from foedus.store.journal_rows import Flags

LATER = Instant(T0 + 36_000_000)


@dataclass
class Still:
    """Time that does not pass."""

    moment: Instant = T0

    def now(self):
        return self.moment


def context_of(folder, hub=None):
    settings = AgentSettings(policy=folder / "site.cedar", accounts=folder / "accounts.toml", work=folder / "work")
    unused = {"keys": None, "meter": None, "agreement": None}
    return Context(
        settings=settings,
        folder=StateFolder(path=folder),
        site="jerusalem",
        alliance="pact",
        journal=Journal(folder / "journal"),
        clock=Still(LATER),
        machine=Still(),
        driver=FakeDriver(Still()),
        hub=hub,
        rules=Rules(settle_s=1, lost_after_s=1),
        log=structlog.get_logger(),
        flags=Flags(draining=False, severed=False),
        **unused,
    )
