"""Builds an agent out of its state folder and settings: the one place where its parts meet."""

import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import cast

from foedus.agent import agreement as agreements
from foedus.agent.accounts import read_accounts
from foedus.agent.agent import Agent
from foedus.agent.context import Context
from foedus.agent.exchange import Exchange
from foedus.agent.folder import StateFolder
from foedus.agent.hub import Hub
from foedus.agent.meter import Meter
from foedus.agent.orders import Dispatcher
from foedus.agent.outputs import OutputSender
from foedus.agent.post import Post, connect
from foedus.agent.reconcile import Rules
from foedus.agent.reporter import Reporter
from foedus.agent.seals import Sealer
from foedus.agent.settings import AgentSettings
from foedus.agent.starter import AtOnce, Policy, Starter, by_threads
from foedus.agent.tails import Tailer
from foedus.agent.threads import Loop
from foedus.agent.watcher import Watcher
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.instant import Clock
from foedus.drivers.base import SiteDriver
from foedus.process.clock import SteadyClock, SystemClock
from foedus.process.logs import open_log
from foedus.store.journal import Journal

GROUP = "foedus.drivers"


def build(folder: StateFolder, settings: AgentSettings, *, driver: SiteDriver | None = None) -> Agent:
    """Build the agent of an enrolled site. Takes the folder's lock; nothing is sent yet.

    Raises `Conflict` if an agent runs with this folder, `NotFound` before enrolment, `BadInput` for settings, account
    map or policy with faults.
    """
    log = open_log(as_json=settings.json_logs)
    enrolment = folder.enrolment()
    keys = folder.keys()
    keys.present()
    policy = Policy(settings.policy)
    policy.load()
    read_accounts(settings.accounts)
    folder.lock()
    agreement = agreements.load(folder)
    own = agreements.own_site(agreement, enrolment.site)
    cluster = driver or load_driver(settings.driver_kind, settings.driver_settings)
    clock: Clock = SystemClock()
    journal = Journal(folder.journal)
    ca_file = None if settings.ca_file is None else str(settings.ca_file)
    hub_url = settings.hub or enrolment.hub
    context = Context(
        settings=settings,
        folder=folder,
        site=enrolment.site,
        alliance=enrolment.alliance,
        keys=keys,
        journal=journal,
        clock=SteadyClock(clock),
        machine=clock,
        driver=cluster,
        hub=Hub(Post(lambda: connect(hub_url, ca_file), keys, clock), enrolment.site),
        meter=Meter(
            alliance=enrolment.alliance, site=own.id, partner=own.partner, source=cluster.source, key=keys.present
        ),
        rules=Rules(settle_s=settings.settle_s, lost_after_s=settings.lost_after_s, grace_s=settings.grace_s),
        log=log,
        agreement=agreement,
        flags=journal.flags(),
    )
    return Agent(context=context, loops=loops(context, policy), pid=os.getpid())


def loops(context: Context, policy: Policy, at_once: AtOnce = by_threads) -> tuple[Loop, ...]:
    """Return the work of an agent, part by part; each part belongs to one thread."""
    dispatcher = Dispatcher(context=context)
    starter = Starter(context=context, policy=policy, refresh=dispatcher.refresh, at_once=at_once)
    sealer = Sealer(context=context, refresh=dispatcher.refresh_quietly, exchange=Exchange(context=context))
    signals = context.signals
    return (
        Loop(name="orders", step=dispatcher.step, wake=signals.orders),
        Loop(name="starts", step=starter.step, wake=signals.starts),
        Loop(name="looks", step=Watcher(context=context).step, wake=signals.looks),
        Loop(name="reports", step=Reporter(context=context).step, wake=signals.reports),
        Loop(name="logs", step=Tailer(context=context).step, wake=signals.logs),
        Loop(name="outputs", step=OutputSender(context=context).step, wake=signals.outputs),
        Loop(name="heads", step=sealer.step, wake=signals.heads),
    )


def load_driver(kind: str, settings: Mapping[str, object]) -> SiteDriver:
    """Find a driver by its entry point and build it; raises `BadInput` if there is none of that name."""
    found = entry_points(group=GROUP)
    if kind not in found.names:
        known = ", ".join(sorted(found.names))
        raise BadInput(Fault(path="driver.kind", fault=f"there is no driver {kind!r}", remedy=f"use one of {known}"))
    return cast("SiteDriver", found[kind].load()(dict(settings)))
