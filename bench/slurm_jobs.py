"""The same jobs on one real Slurm cluster: by plain sbatch, and through Foedus.

First many at once, as fast as they are taken: how many a second are through. Then one every half second, on a cluster
that has room: how long each waits until its first line runs. Needs root and the packages of the two test clusters.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from parts.figures import SHORT, figure, size
from parts.slurm import Figures, Marks, SlurmBed, alliance_on, clusters, figures, submit

from foedus.client import Client

CLUSTER = "jerusalem"
SECONDS = 2.0
MANY = 240
FEW = 30
EVERY_S = 0.5
PATIENCE_S = 300.0
THROUGHPUT_GOAL = 0.9
DELAY_GOAL_S = 1.0


def plain(bed: SlurmBed, script: Path, tag: str) -> None:
    """Submit by sbatch, as a user."""
    bed.run(CLUSTER, "sbatch", "--partition=owner", str(script), tag, account=bed.clusters[CLUSTER].people["alice"])


def through_foedus(client: Client, marks: Marks, tag: str) -> None:
    """Submit by the client."""
    view = client.submit(marks.script, arguments=[tag])
    if view.state != "pending":
        raise SystemExit(f"job {view.id} is {view.state}: {view.reasons}")


def measure(bed: SlurmBed, name: str, one: Callable[[str], object], marks: Marks) -> tuple[Figures, Figures]:
    """Run the jobs in both ways."""
    found: list[Figures] = []
    for way, count, every in (("many", MANY, 0.0), ("few", FEW, EVERY_S)):
        tags = [f"{name}-{way}-{number}" for number in range(max(4, round(count * size())))]
        began = submit(tags, one, every_s=every)
        missing = marks.wait(tags, PATIENCE_S)
        if missing:
            raise SystemExit(f"{len(missing)} of {len(tags)} jobs did not end: {missing[:5]}")
        found.append(figures(marks, began))
        bed.clear(CLUSTER)
    return found[0], found[1]


def main() -> None:
    """Measure."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with clusters() as bed:
        marks = Marks(bed.folder / "marks", SECONDS)
        script = bed.folder / "job.sbatch"
        script.write_text(marks.script, encoding="utf-8")
        script.chmod(0o644)
        many, few = measure(bed, "plain", partial(plain, bed, script), marks)
        with (
            alliance_on(bed, "alliance", sites=[CLUSTER], settings={}, hub_settings=SHORT) as alliance,
            alliance.client("dana") as client,
        ):
            ours, our_few = measure(bed, "foedus", partial(through_foedus, client, marks), marks)
    figure("plain-sbatch", many.rate, "jobs/s")
    figure("foedus-on-slurm", ours.rate, "jobs/s")
    figure("foedus-on-slurm-share-of-plain", ours.rate / many.rate, "of-plain", least=THROUGHPUT_GOAL)
    figure("plain-sbatch-start-delay", few.delay, "s")
    figure("foedus-on-slurm-start-delay", our_few.delay, "s")
    figure("foedus-on-slurm-later-than-plain", our_few.delay - few.delay, "s", most=DELAY_GOAL_S)
    figure("plain-sbatch-queue-delay", many.delay, "s")
    figure("foedus-on-slurm-queue-delay", ours.delay, "s")
    figure("foedus-on-slurm-queue-later-than-plain", ours.delay - many.delay, "s", most=DELAY_GOAL_S)


if __name__ == "__main__":
    main()
