"""What a look at a running part finds: everything at once, each fault with its remedy."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from foedus.core.base.errors import BadInput, FoedusError


class Grade(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    """As it should be."""
    WARNING = "warning"
    """Works, and somebody should look."""
    FAULT = "fault"
    """Does not work, or will not for long."""
    SKIPPED = "skipped"
    """Not looked at: something that comes first cannot be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    grade: Grade
    text: str
    remedy: str = ""
    check: str = ""
    """Name of the check that found it; set by `examine`."""

    def json(self) -> dict[str, str]:
        """Return it as programs read it."""
        return {"check": self.check, "grade": self.grade.value, "text": self.text, "remedy": self.remedy}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One look. What it raises of the error tree is a fault too, one that ends the look."""

    name: str
    look: Callable[[], Iterable[Finding]]
    needs: Sequence[str] = ()
    """Checks that have to come to their end, or this one has nothing to look at."""


def ok(text: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(grade=Grade.OK, text=text)


def warning(text: str, remedy: str) -> Finding:
    """Say that somebody should look."""
    return Finding(grade=Grade.WARNING, text=text, remedy=remedy)


def fault(text: str, remedy: str) -> Finding:
    """Say that something does not work."""
    return Finding(grade=Grade.FAULT, text=text, remedy=remedy)


def examine(checks: Iterable[Check]) -> tuple[Finding, ...]:
    """Make every look, one after the other; one that cannot be made leaves out only those that need it."""
    found: list[Finding] = []
    failed: set[str] = set()
    for check in checks:
        missing = next((name for name in check.needs if name in failed), None)
        if missing is not None:
            findings, whole = [Finding(grade=Grade.SKIPPED, text=f"not looked at: mend {missing} first")], False
        else:
            findings, whole = _look(check)
        if not whole:
            failed.add(check.name)
        found += [replace(one, check=check.name) for one in findings]
    return tuple(found)


def faults_of(error: FoedusError) -> list[Finding]:
    """Put an error into findings: each fault of an input is one of its own."""
    if isinstance(error, BadInput):
        return [fault(f"{one.path}: {one.fault}", one.remedy) for one in error.faults]
    return [fault(error.message, error.remedy)]


def _look(check: Check) -> tuple[list[Finding], bool]:
    """Return what was found, and whether the look came to its end."""
    found: list[Finding] = []
    try:
        found.extend(check.look())
    except FoedusError as error:
        return [*found, *faults_of(error)], False
    except OSError as error:
        return [*found, fault(str(error), "see to the file and to the rights of this account")], False
    return found, True
