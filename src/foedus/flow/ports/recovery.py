"""What a hub knows of its own restoration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from foedus.core.base.ids import SiteId
from foedus.core.base.instant import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A restoration: nothing is placed, taken or booked until it has ended."""

    begun: Instant
    since: Instant
    """The sites are asked for everything that has changed since then."""
    head: int
    """Number of the ledger's newest entry when it began."""
    reason: str
    ended: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySite:
    """What a site has told so far."""

    site: SiteId
    at: Instant
    sealed: int
    """Number of the newest head that the site has countersigned; 0 for none."""
    jobs: int
    """How many attempts it has told of."""
    done: bool
    faults: tuple[str, ...] = ()
    """What of it cannot be reconciled."""


class Recoveries(Protocol):
    """The restoration that is going on, or the last one."""

    def get(self) -> Recovery | None:
        """Load it; `None` if this hub was never restored."""
        ...

    def begin(self, recovery: Recovery) -> None:
        """Begin one; what sites told in an earlier one is forgotten, and so are their epochs."""
        ...

    def end(self, at: Instant) -> bool:
        """End it; false if none was going on."""
        ...

    def sites(self) -> Sequence[RecoverySite]:
        """Load what the sites have told, by site."""
        ...

    def heard(self, site: RecoverySite) -> None:
        """Keep what a site has told."""
        ...

    def skip_numbers(self, beyond: int) -> None:
        """Give no job a number up to `beyond` any more."""
        ...

    def drop_pieces(self, absent: Sequence[tuple[str, str]]) -> None:
        """Forget pieces (project, digest) whose bytes are not there."""
        ...

    def pieces(self) -> Sequence[tuple[str, str]]:
        """Return all pieces (project, digest) that the database knows."""
        ...

    def last_number(self) -> int:
        """Return the highest job number that was given; 0 for none."""
        ...
