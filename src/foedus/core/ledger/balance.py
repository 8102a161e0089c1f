"""The balance: what each partner put in, gave to the others and took from them, in GPU-seconds.

What is counted follows from the usage records alone:

- a record counts whole, in the period in which its attempt **ended** (UTC), so that every figure is a whole number and
  equals the sum of records that one can name;
- every attempt counts what it used, also a guest's that was preempted, and whatever its outcome;
- a correction takes the place of the record that it corrects, in the period of its own end;
- what a partner's people use at its own sites is ``own``; at another's it is ``took`` for them, and ``gave`` for the
  site's partner.

A pledge that covers a period only in part (the term begins or ends within, or the period is a month and the pledge is
by the year) counts by days, rounded down to whole GPU-seconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from foedus.core.agreement.model import Agreement, Period, Site
from foedus.core.base.ids import AllianceId, PartnerId
from foedus.core.base.units import GpuSeconds
from foedus.core.ledger.calendar import Window, month_of, windows_between
from foedus.core.ledger.usage import Usage

NOTHING: Final = GpuSeconds(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """GPU-seconds of one model that went from a site's partner to a user's in one month. Flows add up.

    A ledger is as many flows as it has months, pairs of partners and models, so that a running total is small.
    """

    month: str
    """``2026-11``"""
    giver: PartnerId
    """The site's partner."""
    taker: PartnerId
    """The user's partner."""
    model: str
    gpu_seconds: GpuSeconds
    """Negative where a record is taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerBalance:
    """One partner in one period."""

    partner: PartnerId
    pledged: GpuSeconds
    own: Mapping[str, GpuSeconds]
    """Its people at its own sites, by GPU model."""
    gave: Mapping[str, GpuSeconds]
    """Other partners' people at its sites, by GPU model."""
    took: Mapping[str, GpuSeconds]
    """Its people at other partners' sites, by GPU model."""

    @property
    def net(self) -> GpuSeconds:
        """What it gave beyond what it took; negative if it took more."""
        return GpuSeconds(sum(self.gave.values()) - sum(self.took.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """All partners in one period: those of the agreement in its order, then those who left, by name."""

    alliance: AllianceId
    window: Window
    partners: tuple[PartnerBalance, ...]


def flows(usage: Usage) -> tuple[Flow, ...]:
    """Return what one record adds to the balance; nothing if it held no GPU."""
    return tuple(
        Flow(
            month=month_of(usage.ended),
            giver=usage.site_partner,
            taker=usage.user_partner,
            model=model,
            gpu_seconds=used,
        )
        for model, used in usage.gpu_seconds.items()
        if used
    )


def corrected(before: Usage, after: Usage) -> tuple[Flow, ...]:
    """Return what a correction adds to the balance: the new record, and the old one taken back."""
    taken_back = (
        Flow(
            month=flow.month,
            giver=flow.giver,
            taker=flow.taker,
            model=flow.model,
            gpu_seconds=GpuSeconds(-flow.gpu_seconds),
        )
        for flow in flows(before)
    )
    return (*taken_back, *flows(after))


def total(several: Iterable[Flow]) -> tuple[Flow, ...]:
    """Add flows up: one for each month, pair of partners and model; those that come to nothing are left out."""
    sums: dict[tuple[str, PartnerId, PartnerId, str], int] = {}
    for flow in several:
        key = (flow.month, flow.giver, flow.taker, flow.model)
        sums[key] = sums.get(key, 0) + flow.gpu_seconds
    return tuple(
        Flow(
            month=month, giver=giver, taker=taker, model=model, gpu_seconds=GpuSeconds(sums[month, giver, taker, model])
        )
        for month, giver, taker, model in sorted(sums)
        if sums[month, giver, taker, model]
    )


def balance(several: Iterable[Flow], agreement: Agreement, window: Window) -> Balance:
    """Settle one period. Pledges are those of `agreement`; flows of other periods are passed over."""
    months = frozenset(window.months)
    within = total(flow for flow in several if flow.month in months)
    parties = [partner.id for partner in agreement.partners]
    gone = {party for flow in within for party in (flow.giver, flow.taker)}.difference(parties)
    return Balance(
        alliance=agreement.id,
        window=window,
        partners=tuple(_partner(party, within, agreement, window) for party in (*parties, *sorted(gone))),
    )


def pledged(site: Site, starts: date, ends: date, window: Window) -> GpuSeconds:
    """Return what a site puts in within a window, for the days that lie in the term (`ends` is its last day)."""
    amount = 0
    for period in windows_between(site.pledge.period, window.first, window.last):
        begin, end = max(window.first, period.first, starts), min(window.last, period.last, ends)
        amount += site.pledge.amount * max((end - begin).days + 1, 0) // period.days
    return GpuSeconds(amount)


def _partner(party: PartnerId, within: Iterable[Flow], agreement: Agreement, window: Window) -> PartnerBalance:
    own: dict[str, GpuSeconds] = {}
    gave: dict[str, GpuSeconds] = {}
    took: dict[str, GpuSeconds] = {}
    for flow in within:
        if party not in {flow.giver, flow.taker}:
            continue
        into = own if flow.giver == flow.taker else gave if flow.giver == party else took
        into[flow.model] = GpuSeconds(into.get(flow.model, NOTHING) + flow.gpu_seconds)
    sites = agreement.homes(party)
    return PartnerBalance(
        partner=party,
        pledged=GpuSeconds(sum(pledged(site, agreement.starts, agreement.ends, window) for site in sites)),
        own=own,
        gave=gave,
        took=took,
    )


def periods(agreement: Agreement, period: Period, until: date) -> tuple[Window, ...]:
    """Return the periods of the term that have begun by `until`, oldest first."""
    last = min(agreement.ends, until)
    return windows_between(period, agreement.starts, last) if last >= agreement.starts else ()
