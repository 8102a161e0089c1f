"""When an agreement holds, and what may follow it."""

from datetime import UTC, date, datetime, timedelta

from foedus.core.agreement.model import Agreement
from foedus.core.base.errors import Fault
from foedus.core.base.instant import Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _day_of(now: Instant) -> date:
    return (_EPOCH + timedelta(milliseconds=now)).date()


def term_faults(agreement: Agreement, now: Instant) -> tuple[Fault, ...]:
    """Tell why the agreement does not hold at `now`: its term is whole days in UTC, the last one included."""
    today = _day_of(now)
    if today < agreement.starts:
        remedy = "wait until then; the version before holds meanwhile"
        return (Fault(path="starts", fault=f"the term begins on {agreement.starts}, and it is {today}", remedy=remedy),)
    if today > agreement.ends:
        remedy = "agree on an amendment with a later end"
        return (Fault(path="ends", fault=f"the term ended on {agreement.ends}, and it is {today}", remedy=remedy),)
    return ()


def succeeds(old: Agreement | None, new: Agreement) -> tuple[Fault, ...]:
    """Tell why `new` is not the next version of `old`, or not a first one where there is none; empty if it is."""
    faults: list[Fault] = []
    if old is None:
        if new.version != 1:
            fault = f"version {new.version} cannot be the first that comes into force"
            faults.append(Fault(path="version", fault=fault, remedy="bring version 1 into force first"))
        return tuple(faults)
    if new.id != old.id:
        fault = f"{new.id!r} is another alliance than {old.id!r}"
        faults.append(Fault(path="id", fault=fault, remedy="an amendment keeps the id"))
    if new.version <= old.version:
        fault = f"version {new.version} is not newer than version {old.version}, which is in force"
        faults.append(Fault(path="version", fault=fault, remedy=f"an amendment has version {old.version + 1}"))
    elif new.version > old.version + 1:
        fault = f"version {new.version} does not follow version {old.version}, which is in force"
        faults.append(Fault(path="version", fault=fault, remedy=f"bring version {old.version + 1} into force first"))
    elif new.previous != old.digest:
        fault = f"names {new.previous}, but version {old.version} in force has {old.digest}"
        remedy = "amend the version that is in force (`foedus agreement amend`)"
        faults.append(Fault(path="previous", fault=fault, remedy=remedy))
    return tuple(faults)
