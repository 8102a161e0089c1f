"""sacct: what the accounting database knows, which is every run of every job, once slurmdbd has written it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from foedus.core.base.errors import SiteTrouble
from foedus.core.base.instant import Instant, iso
from foedus.drivers.slurm import states
from foedus.drivers.slurm.rows import cut, moment, native, whole

_FIELDS = (
    "JobIDRaw",
    "State",
    "ExitCode",
    "Submit",
    "Eligible",
    "Start",
    "End",
    "ElapsedRaw",
    "AllocTRES",
    "ConsumedEnergyRaw",
    "NodeList",
    "User",
    "JobName",
    "Reason",
    "WorkDir",
    "Comment",
    "SubmitLine",
    "DBIndex",
)
_LATEST = "2100-01-01T00:00:00"
"""A job that may begin only tomorrow is in no window that ends now."""
_MOST_IDS = 5000
"""More would not fit into one argument; then the window alone limits the answer."""
_MARKED = re.compile(r"--comment=(foedus:\S+)")
_NO_FIGURE = 2**32 - 2
_CODES = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one job: a requeued job has several."""

    native_id: str
    state: str
    exit_code: int
    signal: int
    submitted: Instant
    eligible: Instant | None
    """When it might have started; of a job that ran, slurmdbd writes this last, up to some seconds after its end."""
    started: Instant | None
    ended: Instant | None
    elapsed: int
    tres: str
    energy: int
    """Joules; 0 where nothing measures."""
    nodes: str
    user: str
    name: str
    reason: str
    work_dir: str
    comment: str
    submit_line: str
    index: int
    """Grows with each record of the database."""

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return states.outcome(self.state) is not None and self.ended is not None

    @property
    def complete(self) -> bool:
        """Whether its record will not change: until then a query by time may not even show it."""
        return self.over and self.eligible is not None

    @property
    def never_ran(self) -> bool:
        """Whether it was taken back unstarted; one that was held has no eligible time, ever."""
        return self.over and not self.nodes and self.elapsed == 0

    @property
    def began(self) -> Instant | None:
        """When it started; a job that was cancelled before has a start in the database, and no nodes."""
        return self.started if self.nodes else None

    @property
    def marked(self) -> str:
        """The comment that sbatch was given: from the comment itself where the site stores it, else from its words."""
        if self.comment:
            return self.comment
        match = _MARKED.search(self.submit_line)
        return match[1] if match else ""


def command(mark: str, since: Instant, ids: Sequence[str] | None) -> list[str]:
    """Ask for every run of these jobs, or (`None`) for every run since an instant; times are epoch seconds.

    Jobs that are named are found whenever they ran: the clock of who asks may be wrong. Expects ``TZ=UTC`` and
    ``SLURM_TIME_FORMAT=%s`` in the environment.
    """
    jobs = [f"--jobs={','.join(ids)}"] if ids and len(ids) <= _MOST_IDS else []
    begin = Instant(0 if jobs else since - since % 1000)
    window = [f"--starttime={iso(begin).removesuffix('Z')}", f"--endtime={_LATEST}"]
    return [
        "sacct",
        "--noheader",
        "--allusers",
        "--allocations",
        "--duplicates",
        "--parsable",
        f"--delimiter={mark}",
        f"--format={','.join(_FIELDS)}",
        *window,
        *jobs,
    ]


def parse(text: str, mark: str) -> list[Run]:
    """Read the answer, oldest run first; raises `SiteTrouble` if it is damaged."""
    try:
        runs = [_run(row) for row in cut(text, mark, len(_FIELDS), "sacct")]
    except ValueError as error:
        raise SiteTrouble(f"sacct printed something that is no job: {error}") from error
    return sorted(runs, key=lambda run: (run.submitted, run.index))


def _run(row: tuple[str, ...]) -> Run:
    found = dict(zip(_FIELDS, row, strict=True))
    code, _, signal = found["ExitCode"].partition(":")
    energy = whole(found["ConsumedEnergyRaw"] or "0", 2**64 - 1)
    return Run(
        native_id=native(found["JobIDRaw"]),
        state=found["State"],
        exit_code=whole(code or "0", _CODES),
        signal=whole(signal or "0", _CODES),
        submitted=moment(found["Submit"]),
        eligible=_time(found["Eligible"]),
        started=_time(found["Start"]),
        ended=_time(found["End"]),
        elapsed=whole(found["ElapsedRaw"] or "0"),
        tres=found["AllocTRES"],
        energy=energy if 0 < energy < _NO_FIGURE else 0,
        nodes="" if found["NodeList"] == "None assigned" else found["NodeList"],
        user=found["User"],
        name=found["JobName"],
        reason="" if found["Reason"] == "None" else found["Reason"],
        work_dir=found["WorkDir"],
        comment=found["Comment"],
        submit_line=found["SubmitLine"],
        index=whole(found["DBIndex"] or "0"),
    )


def _time(text: str) -> Instant | None:
    """Read epoch seconds; ``Unknown`` and ``None`` are no time yet."""
    return moment(text) if text.isdecimal() and text != "0" else None
