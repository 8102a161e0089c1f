"""The same jobs on the same two clusters: through Slurm's own federation of them, and through Foedus.

First as fast as they are taken. Then while a slurmctld (for Foedus the hub and an agent as well) is killed with
``kill -9`` and started again, and again: each submission is repeated until somebody says that it was taken. Counted are
the jobs that were taken and never ran to their end: lost without a word, told as failed, or still waiting; and those
that ran more than once. What Slurm itself had not saved when it was killed is gone for both; one of them says so.

Needs root and the packages of the two test clusters.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from parts.figures import SHORT, figure, size
from parts.slurm import BedError, Marks, SlurmBed, alliance_on, clusters, figures, later, submit, until_taken

from foedus.cli.trial.alliance import Alliance
from foedus.client import Client
from foedus.core.base.errors import FoedusError

CLUSTERS = ("jerusalem", "baku")
SECONDS = 2.0
MANY = 240
UNDER_FIRE = 120
EVERY_S = 0.25
PATIENCE_S = 240.0
GRACE_S = 45.0
LOST_AFTER_S = 20
"""How soon an agent takes a job for lost that its cluster does not know any more; the default is ten minutes."""
_SETTLED_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of the jobs that were taken."""

    lost: int
    told: int
    stuck: int
    doubled: int


def by_federation(bed: SlurmBed, script: Path, tag: str) -> str:
    """Submit by sbatch at one of the two: Slurm itself decides where the job runs."""
    where = CLUSTERS[hash(tag) % 2]
    words = ("sbatch", "--parsable", "--partition=owner", str(script), tag)
    return bed.run(where, *words, account=bed.clusters["jerusalem"].people["alice"]).strip().partition(";")[0]


def by_foedus(client: Client, marks: Marks, tag: str) -> str:
    """Submit by the client."""
    return client.submit(marks.script, arguments=[tag], key=tag).id


def throughput(marks: Marks, name: str, one: Callable[[str], object]) -> float:
    """Run many jobs; return how many a second were through."""
    tags = [f"{name}-many-{number}" for number in range(max(4, round(MANY * size())))]
    began = submit(tags, one)
    missing = marks.wait(tags, PATIENCE_S)
    if missing:
        raise SystemExit(f"{len(missing)} of {len(tags)} jobs did not end: {missing[:5]}")
    return figures(marks, began).rate


def under_fire(
    marks: Marks,
    name: str,
    one: Callable[[str], str],
    kills: Callable[[float], None],
    state: Callable[[str], str],
) -> Fate:
    """Submit while things are killed; return what became of the jobs."""
    tags = [f"{name}-fire-{number}" for number in range(max(8, round(UNDER_FIRE * size())))]
    taken: dict[str, str] = {}

    def take(tag: str) -> None:
        taken[tag] = one(tag)

    span = len(tags) * EVERY_S
    killing = later(span / 4, lambda: kills(span))
    insist = until_taken(take, (BedError, FoedusError), PATIENCE_S)
    submit(tags, insist, every_s=EVERY_S)
    killing.join()
    left = marks.wait(tags, GRACE_S)
    states = {tag: state(taken[tag]) for tag in left}
    runs = marks.runs()
    return Fate(
        lost=sum(word == "" for word in states.values()),
        told=sum(word == "ended" for word in states.values()),
        stuck=sum(word == "alive" for word in states.values()),
        doubled=sum(len(runs.get(tag, ())) > 1 for tag in tags),
    )


def kill_controllers(bed: SlurmBed, span: float) -> None:
    """Kill one controller after the other, and start each again."""
    for name in CLUSTERS:
        bed.stop_slurmctld(name, hard=True)
        time.sleep(_SETTLED_S)
        bed.start_slurmctld(name)
        time.sleep(span / 6)


def kill_all(bed: SlurmBed, alliance: Alliance, span: float) -> None:
    """Kill the controllers, and between them the hub and an agent."""
    for victim in (alliance.hub, alliance.agents["jerusalem"]):
        victim.kill()
        time.sleep(_SETTLED_S)
        victim.start()
    alliance.wait_for_hub(alliance.hub, alliance.url)
    kill_controllers(bed, span)


def federation_state(bed: SlurmBed, job: str) -> str:
    """Say whether either cluster knows a job, and whether it lives."""
    known = ""
    for name in CLUSTERS:
        live = bed.run(name, "squeue", "--noheader", "--local", f"--jobs={job}", "--format=%T", ok=False).strip()
        if live in {"PENDING", "RUNNING", "CONFIGURING", "COMPLETING"}:
            return "alive"
        words = bed.run(name, "sacct", "-X", "-n", "-P", "--local", f"--jobs={job}", "--format=State", ok=False)
        known = known or ("ended" if words.strip() else "")
    return known


def foedus_state(client: Client, job: str) -> str:
    """Say the same of a job of Foedus."""
    view = client.get(job)
    return "alive" if view.ended is None else "ended"


def federated() -> tuple[float, Fate]:
    """Measure Slurm's federation."""
    with clusters(federated=True) as bed:
        marks = Marks(bed.folder / "marks", SECONDS)
        script = bed.folder / "job.sbatch"
        script.write_text(marks.script, encoding="utf-8")
        script.chmod(0o644)
        one = partial(by_federation, bed, script)
        rate = throughput(marks, "federation", one)
        fate = under_fire(marks, "federation", one, partial(kill_controllers, bed), partial(federation_state, bed))
        return rate, fate


def allied() -> tuple[float, Fate]:
    """Measure Foedus."""
    with clusters() as bed:
        marks = Marks(bed.folder / "marks", SECONDS)
        more = {"lost_after_s": LOST_AFTER_S}
        with (
            alliance_on(bed, "alliance", settings=more, hub_settings=SHORT) as alliance,
            alliance.client("dana") as client,
        ):
            one = partial(by_foedus, client, marks)
            rate = throughput(marks, "foedus", one)
            fate = under_fire(marks, "foedus", one, partial(kill_all, bed, alliance), partial(foedus_state, client))
            return rate, fate


def show(name: str, rate: float, fate: Fate, *, ours: bool) -> None:
    """Print the figures of one of them."""
    figure(f"{name}-two-clusters", rate, "jobs/s")
    most = 0.0 if ours else None
    figure(f"{name}-killed-lost", fate.lost, "jobs", most=most)
    figure(f"{name}-killed-doubled", fate.doubled, "jobs", most=most)
    figure(f"{name}-killed-stuck", fate.stuck, "jobs", most=most)
    figure(f"{name}-killed-told-as-failed", fate.told, "jobs")


def main() -> None:
    """Measure both."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rate, fate = federated()
    show("slurm-federation", rate, fate, ours=False)
    rate, fate = allied()
    show("foedus", rate, fate, ours=True)


if __name__ == "__main__":
    main()
