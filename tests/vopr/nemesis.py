"""What strikes by time: partitions, kills, restores, clocks, and what operators and nodes do at a cluster."""

from foedus.core.base.ids import Marker
from foedus.core.jobs.state import Outcome
from vopr.faults import Fault, Plan
from vopr.hub import HubProcess
from vopr.network import Network
from vopr.people import People
from vopr.site import Disk, Site
from vopr.world import World

_BACKUP_S = 20.0
_REVIVABLE_S = 100.0


class Nemesis:
    """Strikes as the plan says."""

    def __init__(
        self, world: World, plan: Plan, *, hub: HubProcess, sites: list[Site], network: Network, people: People
    ) -> None:
        self.world, self.plan, self.hub = world, plan, hub
        self.sites, self.network, self.people = sites, network, people
        self.touched: set[Marker] = set()
        """What operators, nodes and forgetful clusters have had a hand in."""
        self.rerun: set[str] = set()
        """Jobs that an operator has queued again after they had ended."""
        for kind in plan.timed:
            self._wait(kind)
        self._back_up()

    def _wait(self, kind: Fault) -> None:
        pause = self.plan.next(kind)
        if pause is not None:
            self.world.after(pause, lambda: self._strike(kind))

    def _back_up(self) -> None:
        if self.plan.on and Fault.OLD_JOURNAL in self.plan.kinds | {Fault.SECOND_AGENT}:
            for site in self.sites:
                site.backup()
            self.world.after(_BACKUP_S, self._back_up)

    def _strike(self, kind: Fault) -> None:
        if not self.plan.on:
            return
        site = self.world.chance.choice(self.sites)
        facts = self._do(kind, site)
        if facts is not None:
            self.world.fault(kind, site.name, **facts)
        self._wait(kind)

    def _do(self, kind: Fault, site: Site) -> dict | None:
        """Do it; `None` if there was nothing to do it to."""
        match kind:
            case Fault.PARTITION | Fault.PARTITION_TO_HUB | Fault.PARTITION_FROM_HUB:
                return self._cut(kind, site)
            case Fault.OLD_JOURNAL | Fault.LOST_JOURNAL | Fault.SECOND_AGENT:
                return self._agent(kind, site)
            case Fault.AGENT_CLOCK | Fault.HUB_CLOCK:
                return self._clock(kind, site)
            case Fault.DRAIN:
                return self._drain(site)
            case Fault.USER_CANCEL | Fault.CALLED_HOME:
                return self._cancel() if kind is Fault.USER_CANCEL else self.hub.call_home()
            case _:
                return self._at_cluster(kind, site)

    def _agent(self, kind: Fault, site: Site) -> dict | None:
        if kind is Fault.SECOND_AGENT:
            return {} if site.second() else None
        return {} if site.kill(_older if kind is Fault.OLD_JOURNAL else _none) else None

    def _clock(self, kind: Fault, site: Site) -> dict:
        off = self.world.chance.choice((0, 3600, -3600, 40, -40, 100))
        if kind is Fault.HUB_CLOCK:
            self.hub.off = off
        else:
            site.clock.off = off
        return {"off": off}

    def _cut(self, kind: Fault, site: Site) -> dict:
        seconds = self.world.chance.choice((5, 20, 60, 90))
        to_hub, from_hub = kind is not Fault.PARTITION_FROM_HUB, kind is not Fault.PARTITION_TO_HUB
        self.network.cut(site.name, seconds, to_hub=to_hub, from_hub=from_hub)
        return {"seconds": seconds}

    def _drain(self, site: Site) -> dict | None:
        if not site.running:
            return None
        process = site.running[0]
        process.journal.tell("draining", "" if process.journal.flags().draining else "yes")
        return {}

    def _cancel(self) -> dict | None:
        jobs = sorted(self.people.accepted.values())
        if not jobs:
            return None
        job = self.world.chance.choice(jobs)
        self.people.cancel(job)
        return {"job": job}

    def _at_cluster(self, kind: Fault, site: Site) -> dict | None:
        cluster = site.cluster
        if kind is Fault.REQUEUE_ENDED:
            # what was called home has ended for good where it was: its job goes on elsewhere
            found = [one for one in cluster.ended_markers(_REVIVABLE_S) if one.job not in self.hub.called]
        else:
            waiting_too = kind in {Fault.FOREIGN_CANCEL, Fault.FORGOTTEN}
            found = cluster.live_markers(running=not waiting_too, guest=kind is Fault.PREEMPTION)
        if not found:
            return None
        marker = self.world.chance.choice(found)
        self.touched.add(marker)
        match kind:
            case Fault.NODE_FAILURE:
                cluster.fail(marker)
            case Fault.NODE_REQUEUE:
                cluster.requeue(marker, Outcome.NODE_FAIL)
            case Fault.PREEMPTION:
                cluster.requeue(marker, Outcome.PREEMPTED)
            case Fault.REQUEUE | Fault.REQUEUE_ENDED:
                if kind is Fault.REQUEUE_ENDED:
                    self.rerun.add(marker.job)
                cluster.requeue(marker)
            case Fault.FOREIGN_CANCEL:
                cluster.cancel(marker)
            case Fault.FORGOTTEN:
                cluster.lose(marker)
        return {"job": marker.job, "attempt": marker.attempt}


def _older(disk: Disk) -> None:
    if disk.backups:
        disk.image = disk.backups[0]


def _none(disk: Disk) -> None:
    disk.image = None
    disk.backups.clear()
