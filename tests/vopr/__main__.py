"""Runs many seeds on all cores: ``python -m vopr --seeds 1000``, one again: ``--seed 42``, a planted bug: ``--bug``."""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vopr.bugs import BUGS
from vopr.faults import Fault
from vopr.simulation import Result, Simulation, planted, simulate

_SHOWN = 5
"""Failures that are shown whole; the others are counted."""
_LINE_S = 1.0
_LONGEST_TRAIL = 200


def main() -> int:
    """Run what was asked for; 0 if nothing broke, or if a planted bug was found."""
    asked = _arguments()
    with tempfile.TemporaryDirectory(prefix="foedus-vopr-") as work:
        if asked.seed is not None:
            return _one(asked.seed, Path(work), asked.bug)
        if asked.bug:
            return _hunt(range(asked.first, asked.first + asked.seeds), Path(work), asked.bug)
        return _many(range(asked.first, asked.first + asked.seeds), Path(work))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="vopr", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--first", type=int, default=1, help="the first of them")
    parser.add_argument("--seed", type=int, help="this one alone, with its whole history")
    parser.add_argument("--bug", choices=sorted(BUGS), help="with this bug planted: go on until it is found")
    return parser.parse_args()


def _one(seed: int, work: Path, bug: str | None) -> int:
    result = Simulation(seed, work, planted(bug)).run()
    print("\n".join(result.lines))
    print(f"seed {seed}: history {result.digest}")
    if result.failure:
        print(f"BROKEN: {result.failure}")
    return bool(result.failure)


def _results(seeds: range, work: Path, bug: str | None = None) -> Iterator[Result]:
    """Run seeds on all cores, in any order, with a line that shows how far it is."""
    begun, shown = time.monotonic(), 0.0
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), maxtasksperchild=500) as pool:
        found = pool.imap_unordered(partial(simulate, work=work, bug=bug), seeds, chunksize=5)
        for number, result in enumerate(found, start=1):
            now = time.monotonic() - begun
            if sys.stderr.isatty() and now - shown > _LINE_S:
                shown = now
                print(f"\r{number} of {len(seeds)} seeds, {number / now:.1f}/s ", end="", file=sys.stderr, flush=True)
            yield result
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def _many(seeds: range, work: Path) -> int:
    begun = time.monotonic()
    counts: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    broken: list[Result] = []
    virtual = cpu = 0.0
    for result in _results(seeds, work):
        counts += result.counts
        modes[result.mode] += 1
        virtual += result.virtual_s
        cpu += result.cpu_s
        if result.failure:
            broken.append(result)
            if len(broken) <= _SHOWN:
                print(told(result), flush=True)
    print(f"{len(seeds)} seeds from {seeds.start}: {len(broken)} broken ({', '.join(str(one.seed) for one in broken)})")
    print(f"{modes['safety']} for safety, {modes['liveness']} for liveness; commit {commit()}")
    wall = time.monotonic() - begun
    print(f"{virtual / 3600:.1f} simulated hours in {wall:.0f} s, {cpu / len(seeds) * 1000:.0f} ms of CPU a seed")
    print(coverage(counts))
    return bool(broken)


def _hunt(seeds: range, work: Path, bug: str) -> int:
    for number, result in enumerate(_results(seeds, work, bug), start=1):
        if result.failure:
            print(
                f"{bug}: found by seed {result.seed}, the {number}. that was tried: {result.failure.splitlines()[-1]}"
            )
            print(f"again: make vopr SEED={result.seed} BUG={bug}")
            return 0
    print(f"{bug}: NOT found in {len(seeds)} seeds")
    return 1


def told(result: Result) -> str:
    """Tell of a broken seed: what is wrong, the trail of the job, and how to see it again."""
    trail = result.trail[-_LONGEST_TRAIL:]
    return "\n".join(
        [
            f"BROKEN: seed {result.seed} ({result.mode}), commit {commit()}, history {result.digest[:16]}",
            f"  {result.failure}",
            *(f"  {line}" for line in trail),
            f"again: git checkout {commit()} && make vopr SEED={result.seed}",
        ]
    )


def coverage(counts: Counter[str]) -> str:
    """Say how often everything really happened: a simulation in which nothing goes wrong shows nothing."""
    faults = [f"  {counts[fault]:>9} {fault}" for fault in Fault]
    rest = [f"  {count:>9} {name}" for name, count in sorted(counts.items()) if name not in set(Fault)]
    return "\n".join(["faults that happened:", *faults, "and:", *rest])


def commit() -> str:
    """Return the commit that is checked out, with a plus sign if files differ from it."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
