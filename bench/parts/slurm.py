"""Jobs on real Slurm clusters that write down themselves when they began and ended, and what became of each."""

import statistics
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TESTS = Path(__file__).parents[2] / "tests"
sys.path += [str(_TESTS / "live"), str(_TESTS)]

from alliance_bed import alliance_on  # noqa: E402  # the tests are no package
from slurm_bed import SlurmBed  # noqa: E402
from slurm_bed_daemons import BedError  # noqa: E402

__all__ = [
    "BedError",
    "Figures",
    "Marks",
    "SlurmBed",
    "alliance_on",
    "clusters",
    "figures",
    "later",
    "submit",
    "until_taken",
]

PROJECT = "phishing-watch"
AT_ONCE = 4
"""How many submissions are under way at the same time."""
_LOOK_S = 0.2
_AGAIN_S = 0.5


@contextmanager
def clusters(*, federated: bool = False) -> Iterator[SlurmBed]:
    """Bring two clusters up; where that cannot be, say what is missing and end with an error."""
    try:
        bed = SlurmBed.up(federated=federated)
    except BedError as error:
        raise SystemExit(f"this needs real Slurm: {error}") from error
    try:
        yield bed
    finally:
        bed.down()


class Marks:
    """A folder in which each run of a job leaves one file: its tag, its native id, and two moments."""

    def __init__(self, folder: Path, seconds: float) -> None:
        folder.mkdir()
        folder.chmod(0o1777)
        self._folder = folder
        self.script = "\n".join(
            (
                "#!/bin/sh",
                "#SBATCH --time=5 --mem=64",
                f"#FOEDUS project={PROJECT} purpose=evaluate",
                f'mark="{folder}/$1.$SLURM_JOB_ID.$$"',
                'date +%s.%N > "$mark"',
                f"sleep {seconds}",
                'date +%s.%N >> "$mark"',
                "",
            )
        )

    def runs(self) -> Mapping[str, list[list[float]]]:
        """Read the moments of every run, by tag."""
        found: defaultdict[str, list[list[float]]] = defaultdict(list)
        for file in self._folder.iterdir():
            found[file.name.partition(".")[0]].append([float(line) for line in file.read_text().split()])
        return found

    def wait(self, tags: Sequence[str], patience_s: float) -> list[str]:
        """Wait until each has run to its end; return those that have not when time is up."""
        deadline = time.monotonic() + patience_s
        while True:
            runs = self.runs()
            missing = [tag for tag in tags if not any(len(run) == 2 for run in runs.get(tag, ()))]
            if not missing or time.monotonic() > deadline:
                return missing
            time.sleep(_LOOK_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How a run went."""

    rate: float
    """Jobs a second, from the first submission to the last end."""
    delay: float
    """Median of the seconds from a submission to its job's first line."""


def submit(tags: Sequence[str], one: Callable[[str], object], *, every_s: float = 0) -> dict[str, float]:
    """Submit a job for each tag, a few at once; return when each submission began."""
    began: dict[str, float] = {}

    def go(tag: str) -> None:
        began[tag] = time.time()
        one(tag)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = []
        for tag in tags:
            waiting.append(pool.submit(go, tag))
            time.sleep(every_s)
        for each in waiting:
            each.result()
    return began


def figures(marks: Marks, began: Mapping[str, float]) -> Figures:
    """Work out how it went, once all have ended."""
    runs = marks.runs()
    last = max(max(run[-1] for run in runs[tag]) for tag in began)
    delays = [min(run[0] for run in runs[tag]) - at for tag, at in began.items()]
    return Figures(rate=len(began) / (last - min(began.values())), delay=statistics.median(delays))


def until_taken(
    one: Callable[[str], object], failures: tuple[type[Exception], ...], patience_s: float
) -> Callable[[str], object]:
    """Return a submission that is tried again until somebody says that it was taken."""

    def insist(tag: str) -> object:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return one(tag)
            except failures:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN_S)

    return insist


def later(seconds: float, act: Callable[[], object]) -> threading.Thread:
    """Do something on a thread of its own after a while."""

    def run() -> None:
        time.sleep(seconds)
        act()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
