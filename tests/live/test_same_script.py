"""The same unchanged script does the same by plain sbatch and through Foedus, at either site.

Everything is submitted first and then waited for, so that the module takes little longer than its longest job; each
test then compares one case at one site.
"""

import concurrent.futures
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import same_script as both
from alliance_bed import alliance_on
from cli_server import CommandLine
from same_script import Case, Result, Step, Submitted
from slurm_bed import LIVE_STATES

from foedus.client import Client
from waiting import PATIENCE_S

pytestmark = pytest.mark.timeout(1800)

OK = "COMPLETED 0:0"
GPUS = {
    "gpus": ("--gpus=2", "-N1"),
    "gpus-letter": ("-G", "3", "-N", "1"),
    "gpus-per-node": ("--gpus-per-node=2", "-N2", "--ntasks=2"),
    "gpus-per-task": ("--gpus-per-task=1", "--ntasks", "2", "-N1"),
    "gpus-and-tasks": ("--gpus=4", "--ntasks-per-gpu=1", "-N1"),
    "gres": ("--gres=gpu:2",),
    "gres-one": ("--gres", "gpu"),
    "gpus-cpus": ("--gpus-per-node=1", "--cpus-per-gpu=3"),
}
TIMES = {  # Slurm counts whole minutes, rounded up
    "minutes": ("--time=7", "7:00"),
    "minutes-seconds": ("-t7:30", "8:00"),
    "hours-minutes-seconds": ("--time=01:02:03", "1:03:00"),
    "days-hours": ("--time=0-3", "3:00:00"),
    "days-hours-minutes": ("--time=0-3:15", "3:15:00"),
    "days-hours-minutes-seconds": ("--time=0-3:15:20", "3:16:00"),
    "unlimited-is-capped": ("--time=1-0", "1-00:00:00"),
}
MEMORY = {
    "per-node": ("--mem=300",),
    "unit": ("--mem=1G",),
    "kilobytes": ("--mem", "204800K"),
    "per-cpu": ("--mem-per-cpu=100M", "-c2"),
    "per-gpu": ("--mem-per-gpu=256", "--gpus=2"),
}


def one(script: str, *, ends: str = OK, says: str = "", arguments: tuple[str, ...] = (), **more) -> Case:
    """Return a case of one script."""
    return Case(name=script, steps=(Step(script=script, arguments=arguments),), states=(ends,), says=says, **more)


CASES = (
    one("timeout", ends="TIMEOUT 0:0", says="begun\n"),
    one("signal", ends="FAILED 7:0", says="told to save"),
    Case(
        name="array",
        steps=(Step(script="array"),),
        states=("FAILED 1:0", OK, "FAILED 1:0", OK),
        says="task 3 of 4: 1 to 4 by 1\n",
    ),
    Case(
        name="array-throttle",
        steps=(Step(script="array-throttle"),),
        states=(OK,) * 5,
        says="throttle: 20 among 5, from 2 to 20",
        at_once=1,
    ),
    Case(
        name="chain-afterok",
        steps=(
            Step(script="stage", arguments=("0",)),
            Step(script="stage", arguments=("0",), after=(("afterok", 0),)),
            Step(script="stage", arguments=("3",), after=(("afterok", 0), ("afterany", 1))),
        ),
        states=(OK, OK, "FAILED 3:0"),
    ),
    Case(
        name="chain-afternotok",
        steps=(
            Step(script="stage", arguments=("1",)),
            Step(script="stage", arguments=("0",), after=(("afternotok", 0),)),
            Step(script="stage", arguments=("0",), after=(("afterany", 0),)),
            Step(script="stage-optional", after=(("afterok", 0),)),
        ),
        states=("FAILED 1:0", OK, OK, ""),
    ),
    Case(
        name="array-then-one",
        steps=(
            Step(script="array-throttle", options=("--array=1-2",)),
            Step(script="stage", arguments=("0",), after=(("afterok", 0),)),
        ),
        states=(OK, OK, OK),
    ),
    one("multi-node", says="\n2 different nodes\n"),
    *(
        Case(name=name, steps=(Step(script="gpus", options=options),), states=(OK,), says="sees ")
        for name, options in GPUS.items()
    ),
    one("gres-h100", says="sees 2", sites=("jerusalem",)),
    one("gres-a100", says="sees 2", sites=("baku",)),
    one("gpus-each", says="task 1 sees 2"),
    *(
        Case(name=f"time-{name}", steps=(Step(script="time", options=(option,)),), states=(OK,), says=shown)
        for name, (option, shown) in TIMES.items()
    ),
    *(
        Case(name=f"memory-{name}", steps=(Step(script="memory", options=options),), states=(OK,), says="SLURM_MEM")
        for name, options in MEMORY.items()
    ),
    one("quoting", says="name: two  words"),
    one("here-document", says="99 is no option here"),
    one("chdir-relative", says="here\n"),
    one("chdir-absolute", says="/tmp\n", outside=("/tmp/same-script-{user}-{id}.txt",)),
    one("patterns", says="a pattern for everything"),
    one("separate-error", ends="FAILED 2:0", says="No such file"),
    one("open-mode-append", says="four\nafter"),
    one("open-mode-truncate", says="instead"),
    *(
        Case(name=f"exit-{code}", steps=(Step(script="exit", arguments=(str(code),)),), states=(state,))
        for code, state in {0: OK, 1: "FAILED 1:0", 3: "FAILED 3:0", 42: "FAILED 42:0"}.items()
    ),
    one("killed", ends="FAILED 0:9", says="before"),
    one("terminated", ends="FAILED 0:15", says="caught"),
    one("environment", says="SLURM_MEM_PER_NODE=200"),
    one("export-none", says="TAG=unset"),
    one("export-values", says="FOO=bar GREETING="),
    one("export-names", says="TAG=blue ABSENT=unset OTHER=unset", environment={"TAG": "blue", "OTHER": "red"}),
    one("arguments", says="<two  words>", arguments=("--gpus=9", "two  words", "", "*", "$HOME", "'\"")),
    one("python", ends="FAILED 3:0", says="['argv', 'cpus', 'cwd']"),
    one("unicode", says="salam, שלום"),
    one("large-output", says="\n89999\n90000\n"),
    one("input", says="4\tfour"),
    Case(name="piped", steps=(Step(script="piped", piped=True),), states=(OK,), says="I am sbatch"),
    one("job-name", says="I am job-name.sbatch"),
    Case(name="job-name-given", steps=(Step(script="job-name", options=("-Jmine",)),), states=(OK,), says="I am mine"),
)
STATES = {"COMPLETED": "completed", "FAILED": "failed", "TIMEOUT": "timeout", "CANCELLED": "cancelled"}


@dataclass(slots=True, kw_only=True)
class Compared:
    """One case at one site, both ways."""

    plain: list[Result] = field(default_factory=list[Result])
    foedus: list[Result] = field(default_factory=list[Result])
    plain_times: list[list[tuple[int, int]]] = field(default_factory=list)
    foedus_times: list[list[tuple[int, int]]] = field(default_factory=list)
    said: list[tuple[str, int | None, int | None]] = field(default_factory=list)
    """State, exit code and signal of each job, as the hub has them."""
    streams: list[bytes] = field(default_factory=list[bytes])
    """Everything that the hub passed on, normalised."""


@pytest.fixture(scope="module")
def compared(request, slurm_bed, tmp_path_factory):
    """Run every case that was asked for both ways; a case that went wrong here holds its error."""
    asked = [getattr(item, "callspec", None) for item in request.session.items if item.module is request.module]
    runs = [(one.params["case"], one.params["site"]) for one in asked if one]
    with alliance_on(slurm_bed, "same", guests=False) as alliance:
        with ThreadPoolExecutor(3) as pool, CommandLine() as line:
            shells = tmp_path_factory.mktemp("shells")
            waiting = {
                (case.name, site): (
                    pool.submit(both.submit_to_foedus, line, alliance, site, case, shells / f"{case.name}-{site}"),
                    pool.submit(both.submit_plainly, slurm_bed, site, case),
                )
                for case, site in runs
            }
            concurrent.futures.wait([future for pair in waiting.values() for future in pair])
        wait_for_all(alliance, slurm_bed, waiting)
        yield dict(outcomes(alliance, slurm_bed, waiting, runs))


def outcomes(alliance, bed, waiting, runs):
    """Yield what came of each case; one that went wrong here is its error."""
    for site, user in both.USER.items():
        cases = [case for case, at in runs if at == site]
        submitted = {
            case.name: [future.exception() or future.result() for future in waiting[case.name, site]] for case in cases
        }
        plainly = [job for _, one in submitted.values() if isinstance(one, Submitted) for job in one.ids]
        with alliance.client(user) as client:
            names = both.task_names(client)
            natives = [one.native_id for job in names.values() for name in job for one in client.why(name).attempts]
            books = both.Books(bed, site, [*plainly, *natives])
            work = bed.folder / "same" / f"{site}-work"
            found = Collector(books=books, client=client, site=site, names=names, work=work)
            for case in cases:
                try:
                    yield (case.name, site), found.compare(case, *submitted[case.name])
                except Exception as error:  # noqa: BLE001 - shown by the test of this case
                    yield (case.name, site), error


def wait_for_all(alliance, bed, waiting, patience=2 * PATIENCE_S):
    """Wait until everything has ended both ways."""
    deadline = time.monotonic() + patience
    for site, user in both.USER.items():
        ids = [
            job
            for (_, at), (future, _) in waiting.items()
            if at == site and not future.exception()
            for job in future.result().ids
        ]
        with alliance.client(user) as client:
            client.wait(ids, timeout_s=deadline - time.monotonic())
        while any(state in LIVE_STATES for state in bed.run(site, "squeue", "-h", "-o", "%T").split()):
            assert time.monotonic() < deadline, bed.run(site, "squeue")
            time.sleep(0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    """Collects what came of the cases at one site."""

    books: both.Books
    client: Client
    site: str
    names: dict[str, list[str]]
    """Ids of the tasks of every job at the hub."""
    work: Path

    def compare(self, case: Case, through: Submitted, plainly: Submitted) -> Compared:
        """Collect one case, both ways."""
        found = Compared()
        for one in (through, plainly):
            if isinstance(one, BaseException):
                raise one
        for folder, job in zip(plainly.folders, plainly.ids, strict=True):
            natives = self.books.tasks(job)
            found.plain.append(both.result(self.books, case, natives=natives, folders=[folder], array=job))
            found.plain_times.append(self.books.times(natives))
        for job in through.ids:
            self._add(found, case, job)
        return found

    def _add(self, found: Compared, case: Case, job: str) -> None:
        stories = [self.client.why(name) for name in self.names[job]]
        natives = [attempt.native_id for story in stories for attempt in story.attempts]
        places = [self.work / both.PROJECT[self.site] / story.job.id / "1" / "work" for story in stories]
        folders = places if natives else []
        found.foedus.append(both.result(self.books, case, natives=natives, folders=folders, array=job))
        found.foedus_times.append(self.books.times(natives))
        for story in stories:
            found.said.append((story.job.state, story.job.exit_code, story.job.signal))
            if story.attempts:
                stdout = b"".join(chunk.data for chunk in self.client.logs(story.job.id))
                found.streams.append(both.normalised(stdout, folders=places, jobs=natives, array=job))


@pytest.mark.parametrize(("case", "site"), [pytest.param(c, s, id=f"{c.name}-{s}") for c in CASES for s in c.sites])
def test_a_script_does_the_same(case, site, compared):
    found = compared[case.name, site]
    if isinstance(found, BaseException):
        raise found

    jobs = [job for result in found.plain for job in result.accounting]
    assert [" ".join((job["State"], job["ExitCode"])) if len(job) > 1 else "" for job in jobs] == list(case.states)
    pairs = zip(found.plain, found.foedus, strict=True)
    assert [line for plain, foedus in pairs for line in both.differences(plain, foedus)] == []
    assert found.foedus == found.plain
    assert case.says.encode() in b"\0".join(text for result in found.foedus for text in result.files.values())
    assert found.said == [told(state) for state in case.states]
    written = [text for result in found.foedus for text in result.files.values()]
    assert [stream for stream in found.streams if stream and stream not in written] == []
    assert any(found.streams) == any(written)
    for times in (found.plain_times, found.foedus_times):
        assert most_at_once(times[0]) <= case.at_once
        for step, spans in zip(case.steps, times, strict=True):
            for _, other in step.after:
                assert all(start >= end for start, _ in spans for _, end in times[other])


def told(state: str) -> tuple[str, int | None, int | None]:
    """Return what the hub has to say of a job that ended so at the site."""
    if not state:
        return "cancelled", None, None
    word, code, signal = state.replace(":", " ").split()
    return STATES[word], int(code), int(signal)


def most_at_once(spans: list[tuple[int, int]]) -> int:
    """Return how many of them overlapped at most: a second in common at the border does not count."""
    moves = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, move in moves:
        running += move
        most = max(most, running)
    return most


def test_the_figure_of_overlap_can_exceed_a_limit():
    assert [most_at_once([(0, 2), (2, 4)]), most_at_once([(0, 3), (2, 4)])] == [1, 2]
