"""The balance, kept up with the ledger: only entries that are new since the last look are read."""

from dataclasses import dataclass
from datetime import UTC, datetime

from foedus.core.agreement.model import Agreement, Period
from foedus.core.base.errors import NotFound
from foedus.core.base.instant import Instant
from foedus.core.ledger.balance import Flow, PartnerBalance, balance, corrected, flows, periods, total
from foedus.core.ledger.booked import Booked, booked
from foedus.core.ledger.calendar import Window, window_named
from foedus.flow.ports import Transaction
from foedus.wire.ledger import BalanceLine, BalanceView

_PAGE = 1000
_LENGTH = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What all usage records up to entry number `seq` come to."""

    seq: int = 0
    flows: tuple[Flow, ...] = ()


def catch_up(tx: Transaction, known: Folded) -> Folded:
    """Add the records that were booked since."""
    while page := tx.ledger.entries(known.seq + 1, _PAGE):
        new = [flow for entry in page if (record := booked(entry)) for flow in _flows(tx, record)]
        known = Folded(seq=page[-1].seq, flows=total((*known.flows, *new)))
    return known


def balance_view(tx: Transaction, agreement: Agreement, known: Folded, period: str | None, now: Instant) -> BalanceView:
    """Settle one period, or the present one and those before it in which GPUs were used, as long as pledges are."""
    newest = tx.ledger.head()
    if newest is None:
        raise NotFound("the ledger has no entry yet", remedy="put an agreement in force first")
    lines = [
        _line(partner, window)
        for window in _windows(agreement, known, period, now)
        for partner in balance(known.flows, agreement, window).partners
    ]
    return BalanceView(alliance=agreement.id, seq=known.seq, at=newest.at, lines=lines)


def _windows(agreement: Agreement, known: Folded, period: str | None, now: Instant) -> tuple[Window, ...]:
    if period is not None:
        return (window_named(period),)
    shortest = min((site.pledge.period for site in agreement.sites), key=_LENGTH.__getitem__)
    begun = periods(agreement, shortest, datetime.fromtimestamp(now / 1000, UTC).date())
    used = {flow.month for flow in known.flows}
    return tuple(window for window in begun if window is begun[-1] or used.intersection(window.months))


def _flows(tx: Transaction, record: Booked) -> tuple[Flow, ...]:
    if record.corrects is None:
        return flows(record.usage)
    before = booked(tx.ledger.entries(record.corrects, 1)[0])
    return corrected(before.usage, record.usage) if before else flows(record.usage)


def _line(partner: PartnerBalance, window: Window) -> BalanceLine:
    return BalanceLine(
        partner=partner.partner,
        period=window.label,
        pledged=partner.pledged,
        own=sum(partner.own.values()),
        gave=sum(partner.gave.values()),
        took=sum(partner.took.values()),
        by_model=dict(partner.gave),
    )
