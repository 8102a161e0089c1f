"""Routes of sites, as users see them."""

from fastapi import APIRouter

from foedus.core.agreement.model import Site
from foedus.core.base.instant import Instant, seconds_between
from foedus.core.base.units import Seconds
from foedus.core.jobs.state import JobState
from foedus.flow.ports import SiteRecord
from foedus.hub.api.asking import REFUSALS, Asking, ThisHub
from foedus.wire.alliance import SiteList, SiteView

router = APIRouter(tags=["sites"], responses=REFUSALS)


@router.get("/sites")
def list_sites(hub: ThisHub, caller: Asking) -> SiteList:  # noqa: ARG001 - any person of the alliance may see them
    """List the sites of the agreement and what they say of themselves."""
    with hub.store.read() as tx:
        agreement = hub.agreement(tx)
        records = {record.site: record for record in tx.sites.all()}
        counts = tx.jobs.counts()
    now = hub.clock.now()
    views: list[SiteView] = []
    for site in agreement.sites:
        here = {state: count for (where, state), count in counts.items() if where == site.id}
        record = records.get(site.id) or SiteRecord(site=site.id, key=None)
        views.append(_view(site, record, here, now=now, fresh=hub.place_rules.fresh))
    return SiteList(sites=views)


def _view(site: Site, record: SiteRecord, here: dict[JobState, int], *, now: Instant, fresh: Seconds) -> SiteView:
    running = here.get(JobState.RUNNING, 0)
    return SiteView(
        id=site.id,
        partner=site.partner,
        title=dict(site.title),
        country=site.country,
        gpus=site.gpus,
        gpu_models=sorted({pool.gpu_model for pool in site.pools if pool.gpu_model}),
        pledge_gpu_seconds=site.pledge.amount,
        pledge_period=site.pledge.period,
        enrolled=record.key is not None,
        key=record.key,
        draining=record.draining,
        seen=record.seen,
        reachable=record.seen is not None and seconds_between(record.seen, now) <= fresh,
        capacity=record.capacity,
        running=running,
        waiting=sum(here.values()) - running,
    )
