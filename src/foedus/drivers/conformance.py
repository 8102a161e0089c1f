"""What every driver has to do, as cases that any test runner can call.

The author of a driver gives a `Bench` and calls each of `CASES` with a fresh one::

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
    def test_conforms(case, bench):
        case(bench)

A case returns if the driver conforms and raises `Nonconforming` if not. The scripts use nothing but ``echo``,
``sleep``, ``exit``, ``kill -N $$`` and ``trap``, one command a line, so that a driver that only pretends to run can
follow.
"""

from collections.abc import Callable
from dataclasses import replace

from foedus.core.base.errors import SchedulerRefused
from foedus.core.base.ids import JobId, Marker
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.signals import EndSignal, Whom
from foedus.core.jobs.spec import ArrayTask
from foedus.core.jobs.spread import NodeGroup
from foedus.core.jobs.state import Outcome
from foedus.core.placement.capacity import Lane
from foedus.drivers.base import Phase, Ref, Sighting
from foedus.drivers.bench import ALLIANCE, Bench, Nonconforming, same, text_of

__all__ = ["CASES", "Bench", "Nonconforming"]

_SOON = 0.05
_LONG = "sleep 600"
_TRAPS = 1.0
"""Seconds that a shell may take to its first two lines."""


def succeeds(bench: Bench) -> None:
    """Check that a script that ends with 0 is completed, with its output where it says and one record."""
    ref = bench.run("1", "echo hello", "sleep 1", "exit 0")
    record = bench.record(ref)
    seen = bench.look(ref)
    same((seen.phase, seen.native_id, seen.restarts), (Phase.ENDED, ref.native_id, 0), "sighting")
    same((record.outcome, record.exit_code, record.signal), (Outcome.COMPLETED, 0, 0), "end")
    same(record.native_id, ref.native_id, "native id of the record")
    same(text_of(seen.stdout), "hello\n", "output")
    same(seen.stderr, seen.stdout, "one file for both streams")


def record_is_exact(bench: Bench) -> None:
    """Check that the figures of a record are exact: allocated things times elapsed seconds."""
    gpus = _gpus(bench)
    ref = bench.run("2", "#SBATCH --ntasks=1 --cpus-per-task=2", *gpus, "sleep 2")
    record = bench.record(ref)
    started = record.started
    if started is None:
        raise Nonconforming("a job that ran has no start")
    if not record.submitted <= started <= record.ended:
        raise Nonconforming(f"times out of order: {record}")
    if abs((record.ended - started) // 1000 - record.elapsed) > 1 or not 2 <= record.elapsed <= 2 + bench.patience:  # noqa: PLR2004
        raise Nonconforming(f"elapsed does not fit the times: {record}")
    same((record.nodes, record.cpus, record.restart), (1, 2, 0), "nodes, CPUs, restart")
    same(record.cpu_seconds, 2 * record.elapsed, "CPU-seconds")
    same(sum(record.gpus.values()), len(gpus), "GPUs")
    same(record.gpu_seconds, {model: count * record.elapsed for model, count in record.gpus.items()}, "GPU-seconds")


def exit_code_is_kept(bench: Bench) -> None:
    """Check that another exit code than 0 is a failure with that code."""
    record = bench.record(bench.run("3", "exit 3"))
    same((record.outcome, record.exit_code, record.signal), (Outcome.FAILED, 3, 0), "end")


def signal_is_kept(bench: Bench) -> None:
    """Check that a script that a signal ends is a failure with that signal."""
    record = bench.record(bench.run("4", "kill -9 $$"))
    same((record.outcome, record.signal), (Outcome.FAILED, 9), "end")


def time_limit_holds(bench: Bench) -> None:
    """Check that a job is ended at its time limit, and said to be."""
    ref = bench.start(bench.shorten(bench.launch("5", "#SBATCH --time=1", _LONG)))
    bench.until(ref, Phase.RUNNING)
    bench.hurry(ref.native_id or "")
    same(bench.record(ref).outcome, Outcome.TIMEOUT, "outcome")


def running_job_is_stopped(bench: Bench) -> None:
    """Check that a running job that is stopped is cancelled and booked, and that stopping it again is no error."""
    ref = bench.run("6", _LONG)
    bench.until(ref, Phase.RUNNING)
    bench.driver.stop(ref)
    record = bench.record(ref)
    same(record.outcome, Outcome.CANCELLED, "outcome")
    same(record.cpu_seconds, record.cpus * record.elapsed, "CPU-seconds")
    bench.driver.stop(ref)
    same(bench.record(ref), record, "record after a second stop")


def waiting_job_is_stopped(bench: Bench) -> None:
    """Check that a job that is stopped before it starts never runs and uses nothing."""
    blocker = _fill(bench, "7")
    ref = bench.run("8", "echo ran")
    seen = bench.until(ref, Phase.PENDING)
    same((seen.native_id, seen.started), (ref.native_id, None), "sighting of a waiting job")
    bench.driver.stop(ref)
    record = bench.record(ref)
    same((record.outcome, record.started, record.elapsed), (Outcome.CANCELLED, None, 0), "record")
    same((sum(record.gpu_seconds.values()), record.cpu_seconds), (0, 0), "usage")
    bench.driver.stop(blocker)
    bench.until(blocker, Phase.ENDED)


def doubtful_stop_finds_the_job(bench: Bench) -> None:
    """Check that a job is stopped even if the agent never learnt its id."""
    ref = bench.run("9", _LONG)
    bench.driver.stop(replace(ref, native_id=None))
    same(bench.record(ref).outcome, Outcome.CANCELLED, "outcome")


def signal_asks_a_job_to_end(bench: Bench) -> None:
    """Check that the script hears its signal, ends as it wants to, and that its end is not taken for a stop."""
    ref = bench.run("24", "trap 'exit 3' TERM", _LONG)
    bench.until(ref, Phase.RUNNING)
    bench.pause(_TRAPS)
    bench.driver.signal(ref, EndSignal())
    record = bench.record(ref)
    same((record.outcome, record.exit_code), (Outcome.FAILED, 3), "end")
    bench.driver.signal(ref, EndSignal())
    same(bench.record(ref), record, "record after a second signal")


def signal_may_be_passed_over(bench: Bench) -> None:
    """Check that a job that goes on in spite of the signal runs until it is stopped."""
    ref = bench.run("25", "trap '' TERM", _LONG)
    bench.until(ref, Phase.RUNNING)
    bench.pause(_TRAPS)
    bench.driver.signal(ref, EndSignal(whom=Whom.BATCH))
    bench.pause(_TRAPS)
    same(bench.look(ref).phase, Phase.RUNNING, "phase after the signal")
    bench.driver.stop(ref)
    same(bench.record(ref).outcome, Outcome.CANCELLED, "outcome")


def waiting_job_hears_no_signal(bench: Bench) -> None:
    """Check that a job that waits gets no signal, and runs as if there had been none."""
    blocker = _fill(bench, "26")
    ref = bench.run("27", "exit 0")
    bench.until(ref, Phase.PENDING)
    bench.driver.signal(ref, EndSignal())
    bench.driver.stop(blocker)
    same(bench.record(ref).outcome, Outcome.COMPLETED, "outcome")


def restarts_are_counted_on(bench: Bench) -> None:
    """Check that a job that has run elsewhere before finds that in its environment."""
    launch = replace(bench.launch("28", "echo again $SLURM_RESTART_COUNT"), restarts=2)
    ref = bench.start(launch)
    bench.record(ref)
    same(text_of(bench.look(ref).stdout), "again 2\n", "output")


def unknown_is_a_third_answer(bench: Bench) -> None:
    """Check that an attempt that never reached the cluster is unknown, without records, and stopped without error."""
    ref = Ref(
        marker=Marker(alliance=ALLIANCE, job=JobId("10"), attempt=1),
        native_id=None,
        folder=bench.folder("10"),
        since=bench.now(),
    )
    bench.driver.stop(ref)
    same(bench.look(ref), Sighting(phase=Phase.UNKNOWN), "sighting")
    same(tuple(bench.driver.usage([ref])[ref.marker]), (), "records")


def marker_finds_the_job(bench: Bench) -> None:
    """Check that without its id a job is found by its marker, at every point of its life, with the same answers."""
    ref = bench.run("11", "sleep 2", "exit 4")
    doubt = replace(ref, native_id=None)
    same(bench.look(doubt).native_id, ref.native_id, "native id found at the start")
    bench.until(ref, Phase.ENDED)
    same(bench.look(doubt), bench.look(ref), "sighting")
    same(bench.driver.usage([doubt]), bench.driver.usage([ref]), "records")


def attempts_are_told_apart(bench: Bench) -> None:
    """Check that another attempt of the same job is another thing."""
    first = bench.launch("12", "exit 5")
    second = replace(first, marker=replace(first.marker, attempt=2), folder=bench.folder("12-2"))
    refs = [bench.start(first), bench.start(replace(second, spec=parse("#!/bin/bash\nexit 6\n")))]
    same([bench.record(ref).exit_code for ref in refs], [5, 6], "exit codes")
    doubts = [replace(ref, native_id=None) for ref in refs]
    same([bench.record(ref).exit_code for ref in doubts], [5, 6], "exit codes by marker")


def one_look_answers_all(bench: Bench) -> None:
    """Check that one call answers about waiting, running, ended and unknown attempts together."""
    ended = bench.run("13", "exit 0")
    bench.until(ended, Phase.ENDED)
    running = bench.run("14", _LONG)
    bench.until(running, Phase.RUNNING)
    unknown = replace(
        ended, marker=Marker(alliance=ALLIANCE, job=JobId("15"), attempt=1), native_id=None, folder=bench.folder("15")
    )
    answer = bench.driver.look([running, unknown, ended])
    phases = {marker.job: seen.phase for marker, seen in answer.items()}
    same(phases, {"14": Phase.RUNNING, "15": Phase.UNKNOWN, "13": Phase.ENDED}, "phases")
    same(bench.driver.look([]), {}, "answer to no question")
    same(bench.driver.usage([]), {}, "usage of nothing")
    bench.driver.stop(running)
    bench.until(running, Phase.ENDED)


def array_task_sees_its_array(bench: Bench) -> None:
    """Check that a task has the figures of its whole array, and an output file of its own."""
    task = ArrayTask(array=JobId("16"), index=7, count=3, lowest=1, highest=13, step=6)
    names = ("JOB_ID", "TASK_ID", "TASK_COUNT", "TASK_MIN", "TASK_MAX", "TASK_STEP")
    lines = [f"echo $SLURM_ARRAY_{name}" for name in names]
    ref = bench.start(bench.launch("16", "#SBATCH --array=1,7,13", *lines, task=task))
    same(bench.record(ref).outcome, Outcome.COMPLETED, "outcome")
    path = bench.look(ref).stdout
    same(text_of(path).split(), ["16", "7", "3", "1", "13", "6"], "variables")
    same(path.name if path else None, "slurm-16_7.out", "file")


def arguments_and_variables_arrive(bench: Bench) -> None:
    """Check that arguments and exported variables reach the script as they are."""
    launch = bench.launch(
        "17",
        "#SBATCH --export=ALL,SEED",
        'echo "$1|$2|$SEED"',
        arguments=("a b", "*"),
        environment={"SEED": "4 2"},
    )
    ref = bench.start(launch)
    bench.record(ref)
    same(text_of(bench.look(ref).stdout), "a b|*|4 2\n", "output")


def outputs_go_where_the_script_says(bench: Bench) -> None:
    """``--output`` and ``--error`` hold, patterns included."""
    ref = bench.run("18", "#SBATCH --output=out-%j.txt --error=err-%x.txt --job-name=probe", "echo hello")
    bench.record(ref)
    seen = bench.look(ref)
    work = ref.folder / "work"
    same((seen.stdout, seen.stderr), (work / f"out-{ref.native_id}.txt", work / "err-probe.txt"), "files")
    same(text_of(seen.stdout), "hello\n", "output")


def impossible_request_is_refused(bench: Bench) -> None:
    """Check that what no node can ever hold is refused in the scheduler's words, not queued for ever."""
    launch = bench.launch("19", "#SBATCH --mem=900T", "exit 0")
    try:
        bench.driver.start(launch)
    except SchedulerRefused as refusal:
        if not refusal.message:
            raise Nonconforming("a refusal without words") from refusal
    else:
        raise Nonconforming("900 TiB on a node were not refused")


def capacity_follows_the_jobs(bench: Bench) -> None:
    """Check that a running job takes its share off what is free, and gives it back."""
    idle = _owner(bench)
    same((idle.open, _cpus(idle.free)), (True, _cpus(idle.whole)), "an idle cluster: open, CPUs free")
    ref = bench.run("20", "#SBATCH --ntasks=1 --cpus-per-task=2", *_gpus(bench), _LONG)
    bench.until(ref, Phase.RUNNING)
    busy = _owner(bench)
    same(_cpus(idle.free) - _cpus(busy.free), 2, "CPUs taken")
    same(_all_gpus(idle.free) - _all_gpus(busy.free), len(_gpus(bench)), "GPUs taken")
    same(busy.whole, idle.whole, "the same nodes when empty")
    bench.driver.stop(ref)
    bench.until(ref, Phase.ENDED)
    same(_settled(bench, idle), idle, "capacity afterwards")


def full_site_offers_nothing(bench: Bench) -> None:
    """Check that on a full site nothing can start now, and what waits is counted."""
    blocker = _fill(bench, "21")
    ref = bench.run("22", "exit 0")
    bench.until(ref, Phase.PENDING)
    lane = _owner(bench)
    same((_cpus(lane.free), lane.queued), (0, 1), "CPUs free and jobs waiting")
    bench.driver.stop(blocker)
    same(bench.record(ref).outcome, Outcome.COMPLETED, "outcome of the job that waited")


def guest_job_runs(bench: Bench) -> None:
    """Check that where there is a lane for guests, a guest's job runs in it."""
    if bench.driver.capacity().guest is None:
        return
    same(bench.record(bench.start(bench.launch("23", "exit 0", guest=True))).outcome, Outcome.COMPLETED, "outcome")


def _fill(bench: Bench, job: str) -> Ref:
    """Let one job hold every node."""
    nodes = sum(group.count for group in _owner(bench).whole)
    ref = bench.run(job, f"#SBATCH --nodes={nodes} --exclusive", _LONG)
    bench.until(ref, Phase.RUNNING)
    return ref


def _settled(bench: Bench, wanted: Lane) -> Lane:
    """Return the owners' lane, giving the cluster time to clean up."""
    left = bench.patience
    while (lane := _owner(bench)) != wanted and left > 0:
        bench.pause(_SOON)
        left -= _SOON
    return lane


def _owner(bench: Bench) -> Lane:
    lane = bench.driver.capacity().owner
    if lane is None:
        raise Nonconforming("the bench needs a lane for owners")
    return lane


def _gpus(bench: Bench) -> list[str]:
    """Return a line that asks for one GPU, on a cluster that has any."""
    return ["#SBATCH --gpus=1"] if _all_gpus(_owner(bench).whole) else []


def _cpus(groups: tuple[NodeGroup, ...]) -> int:
    return sum(group.count * group.cpus for group in groups)


def _all_gpus(groups: tuple[NodeGroup, ...]) -> int:
    return sum(group.count * group.gpus for group in groups)


CASES: tuple[Callable[[Bench], None], ...] = (
    succeeds,
    record_is_exact,
    exit_code_is_kept,
    signal_is_kept,
    time_limit_holds,
    running_job_is_stopped,
    waiting_job_is_stopped,
    doubtful_stop_finds_the_job,
    signal_asks_a_job_to_end,
    signal_may_be_passed_over,
    waiting_job_hears_no_signal,
    restarts_are_counted_on,
    unknown_is_a_third_answer,
    marker_finds_the_job,
    attempts_are_told_apart,
    one_look_answers_all,
    array_task_sees_its_array,
    arguments_and_variables_arrive,
    outputs_go_where_the_script_says,
    impossible_request_is_refused,
    capacity_follows_the_jobs,
    full_site_offers_nothing,
    guest_job_runs,
)
"""Every case; the order means nothing."""
