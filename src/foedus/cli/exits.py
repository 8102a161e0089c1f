"""What the exit code of a command says."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes; scripts may rely on them."""

    OK = 0
    """Done."""
    FAILED = 1
    """The command worked, and its answer is no: a job failed, a wait timed out, a book did not verify."""
    USAGE = 2
    """The command line or an input file has faults; each is printed with its remedy."""
    REFUSED = 3
    """The agreement, the budget, the sites or the state of the thing forbid it; the reasons name their clauses."""
    UNREACHABLE = 4
    """The hub, or a site's cluster, did not answer in time. The same command may work later."""
    NOT_FOUND = 5
    """There is no such thing, or it is not yours to see."""
    NOT_ALLOWED = 6
    """No valid token, or one without the role or scope that this needs."""
    BROKEN = 70
    """Foedus found its own state damaged, or a bug."""
