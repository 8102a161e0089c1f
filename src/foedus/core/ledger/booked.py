"""Usage records as the ledger holds them: with their place in it, and with what they correct."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from foedus.core.base.canon import Json
from foedus.core.base.errors import BadInput
from foedus.core.base.ids import Digest
from foedus.core.base.instant import Instant
from foedus.core.ledger.bodies import CORRECTION
from foedus.core.ledger.entry import Entry, Kind
from foedus.core.ledger.members import an_object_at, member_faults
from foedus.core.ledger.usage import Usage
from foedus.core.ledger.usage_json import usage_body, usage_from_body

_REMEDY = "let the site's agent sign the correction again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """One usage record or correction in the ledger."""

    seq: int
    hash: Digest
    at: Instant
    usage: Usage
    corrects: int | None = None
    """Number of the entry that this one replaces: the newest record of the same attempt."""
    reason: str = ""
    """Why it was corrected."""


def booked(entry: Entry) -> Booked | None:
    """Read the usage record or correction of an entry; `None` for an entry of another kind.

    Raises `BadInput` if its body is no sound record.
    """
    if entry.kind is Kind.USAGE:
        return Booked(seq=entry.seq, hash=entry.hash, at=entry.at, usage=usage_from_body(entry.body))
    if entry.kind is Kind.CORRECTION:
        usage, corrects, reason = correction_from_body(entry.body)
        return Booked(seq=entry.seq, hash=entry.hash, at=entry.at, usage=usage, corrects=corrects, reason=reason)
    return None


def correction_body(usage: Usage, corrects: int, reason: str) -> dict[str, Json]:
    """Return the body that puts `usage` in the place of entry number `corrects`."""
    return {**usage_body(usage), "corrects": corrects, "reason": reason}


def correction_from_body(body: object, path: str = "body") -> tuple[Usage, int, str]:
    """Read a correction: the record, the number of the entry that it replaces, and why. Raises `BadInput`."""
    parts = an_object_at(path, body, _REMEDY)
    faults = member_faults({part: parts[part] for part in CORRECTION if part in parts}, CORRECTION, path, _REMEDY)
    try:
        usage = usage_from_body({part: value for part, value in parts.items() if part not in CORRECTION}, path)
    except BadInput as error:
        raise BadInput(*faults, *error.faults) from error
    if faults:
        raise BadInput(*faults)
    return usage, cast("int", parts["corrects"]), cast("str", parts["reason"])


def settled(records: Iterable[Booked]) -> tuple[Booked, ...]:
    """Apply the corrections: keep the newest record of each attempt, ordered by its first booking."""
    newest: dict[tuple[str, int], Booked] = {}
    for record in records:
        newest[record.usage.job, record.usage.attempt] = record
    return tuple(newest.values())
