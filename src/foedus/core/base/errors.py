"""The error tree. A refusal is a value; an error is a fault in the input, in a site, in the network or in Foedus.

::

    FoedusError
    ├── BadInput            the caller can mend it: all faults at once, each with path, fault and remedy
    ├── NotAuthenticated    no token, an unknown, expired or revoked one, a bad signature
    ├── NotAllowed          known, but without the role or scope
    ├── NotFound            absent, or not yours to see: the same answer
    ├── Conflict            the state of the thing forbids it
    │   ├── KeyReused       an idempotency key that came with another body before
    │   ├── Stale           a report, sequence or epoch that is behind what the hub has
    │   └── Forgotten       an epoch that the hub does not know: it was restored from a backup
    ├── TooLarge            over a stated cap
    ├── TooMany             over one's share for the moment; later it may be taken
    ├── SiteTrouble         the site's cluster failed or did not answer; nothing is known, look before trying again
    ├── SchedulerRefused    the site's scheduler said no, in its own words
    ├── Unreachable         no connection, or no answer in time
    │   └── Busy            another transaction won; nothing happened
    └── Broken              a bug or damaged state: stop and tell
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong with an input."""

    path: str
    """The field, option or ``line 12`` that it concerns."""
    fault: str
    """What is wrong."""
    remedy: str
    """What to do about it."""

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}; {self.remedy}"


class FoedusError(Exception):
    """Something failed."""

    code: ClassVar[str] = "error"
    """Stable name, documented on the page of error codes; programs compare this, never the text."""
    retryable: ClassVar[bool] = False
    """Whether the same call may succeed later, unchanged."""

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.message = str(self.args[0])
        self.remedy = remedy


class BadInput(FoedusError):
    """The input has faults; each names its field and its remedy."""

    code = "bad-input"

    def __init__(self, *faults: Fault) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class NotAuthenticated(FoedusError):
    """The caller could not be identified."""

    code = "not-authenticated"


class NotAllowed(FoedusError):
    """The caller lacks the role or scope that this needs."""

    code = "not-allowed"


class NotFound(FoedusError):
    """There is no such thing, or it is not yours to see."""

    code = "not-found"


class Conflict(FoedusError):
    """The present state forbids this."""

    code = "conflict"


class KeyReused(Conflict):
    """This idempotency key came with another request before; use a new key for a new request."""

    code = "idempotency-key-reused"


class Stale(Conflict):
    """This message is older than what the hub already has."""

    code = "stale"


class Forgotten(Conflict):
    """The hub does not know this epoch: it was restored from a backup. Greet it again."""

    code = "forgotten"
    retryable = True


class TooLarge(FoedusError):
    """This is larger than the hub accepts."""

    code = "too-large"


class TooMany(FoedusError):
    """This is more than your share for the moment. Nothing happened: send it again a little later."""

    code = "too-many"
    retryable = True

    def __init__(self, message: str = "", *, remedy: str = "", after_s: int = 1) -> None:
        super().__init__(message, remedy=remedy)
        self.after_s = after_s
        """Seconds after which trying again makes sense."""


class SiteTrouble(FoedusError):
    """The site's cluster failed or did not answer. Nothing is known: look before trying again."""

    code = "site-trouble"
    retryable = True


class SchedulerRefused(FoedusError):
    """The site's scheduler refused the job; the message is its own."""

    code = "scheduler-refused"


class Unreachable(FoedusError):
    """The other side did not answer."""

    code = "unreachable"
    retryable = True


class Busy(Unreachable):
    """Another transaction won the race, or holds what this one needs. Nothing happened: try again."""

    code = "busy"


class Broken(FoedusError):
    """Foedus found its own state damaged, or a bug."""

    code = "broken"
