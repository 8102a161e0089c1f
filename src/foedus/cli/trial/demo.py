"""The demo: two sites of two partners, real AI jobs on public data, and books that anybody can check."""

import getpass
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

from foedus.cli.trial.alliance import Alliance, TrialSite
from foedus.cli.trial.processes import foedus, pause
from foedus.core.base.errors import Broken
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.state import ENDED, JobState
from foedus.wire.jobs import JobView, WhyView
from foedus.wire.ledger import BalanceView

if TYPE_CHECKING:
    from foedus.client import Client

Say = Callable[[str], None]
Count = Callable[[int, int], None]
"""Gets how many jobs have ended, and how many there are."""

_LONGEST_S = 600.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One script of the demo, and who submits it."""

    folder: str
    script: str
    user: str


WORK = (
    Work(folder="cybersecurity", script="phishing.sbatch", user="dana"),
    Work(folder="digital-administration", script="digits.sbatch", user="aysel"),
    Work(folder="urban-mobility", script="modes.sbatch", user="aysel"),
    Work(folder="digital-administration", script="refused.sbatch", user="aysel"),
)
PEOPLE = {"dana": "israel", "aysel": "azerbaijan"}
"""The people of the demo, and their partners."""
_PROJECTS = (
    ("phishing-watch", "Phishing watch", "cybersecurity", "dana"),
    ("form-reader", "Handwritten forms", "digital-administration", "aysel"),
    ("city-flows", "How people travel", "urban-mobility", "aysel"),
)
_GPU_HOURS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One job of the demo, over: a single one, or a task of an array."""

    job: JobView
    why: WhyView
    accuracy: float | None
    """Read from the file that came back; `None` for a job that did not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the demo shows at its end."""

    jobs: tuple[Done, ...]
    balance: BalanceView
    verified: str
    """What ``foedus ledger verify`` said."""


def alliance(folder: Path) -> Alliance:
    """Lay the demo's alliance out in a folder: each site has two GPU slots on this machine."""
    return Alliance(folder, [_site(folder, "jerusalem", "israel", "h100"), _site(folder, "baku", "azerbaijan", "a100")])


def start(trial: Alliance, say: Say) -> None:
    """Bring the alliance up."""
    say("Signing the agreement for both partners, opening the ledger")
    trial.found()
    say("Starting the hub")
    trial.start_hub()
    say("Opening three joint projects")
    for user, partner in PEOPLE.items():
        trial.add_user(user, partner)
    for name, title, sector, lead in _PROJECTS:
        trial.open_project(name, title=title, sector=sector, lead=lead, gpu_hours=_GPU_HOURS)
    for site in trial.sites:
        say(f"Enrolling {site} and starting its agent")
        trial.start_site(site)
    trial.wait_for_sites()


def work(trial: Alliance, say: Say, count: Count) -> Picture:
    """Submit everything, wait until it has ended and is booked, fetch the results, check the books."""
    say(f"Submitting {len(WORK)} sbatch scripts as {' and '.join(PEOPLE)}")
    submitted = [(one, _submit(trial, one)) for one in WORK]
    names = [name for _, job in submitted for name in job]
    with trial.client("office") as office:
        say("Running at both sites; jobs that have ended:")
        _wait(office, names, count)
        say("Fetching the results")
        done = tuple(_done(trial, office, one, name) for one, job in submitted for name in job)
        say("Exporting the ledger and verifying it with the agreement alone")
        book = trial.folder / "ledger.jsonl"
        office.ledger_export(book)
        balance = office.balance()
    verified = foedus("ledger", "verify", str(book), "--agreement", str(trial.agreement))
    return Picture(jobs=done, balance=balance, verified=verified)


def _site(folder: Path, name: str, partner: str, model: str) -> TrialSite:
    import sys

    driver: dict[str, object] = {
        "kind": "local",
        "state": str(folder / name / "cluster"),
        "name": name,
        "path": str(Path(sys.executable).parent),
        "nodes": [{"name": name, "cpus": 4, "memory_mib": 4096, "gpus": 2, "gpu_model": model}],
        "guest": {},
    }
    settings: dict[str, object] = {"allow_root": True, "lowest_uid": 1, "look_s": 0.5, "report_s": 1}
    return TrialSite(
        id=name, partner=partner, driver=driver, accounts=[{"account": getpass.getuser()}], settings=settings
    )


def _submit(trial: Alliance, one: Work) -> list[str]:
    """Submit one script and return the ids of its jobs: one, or one for each task."""
    folder = Path(str(files("foedus"))) / "examples" / one.folder
    script = (folder / one.script).read_text(encoding="utf-8")
    spec = parse(script)
    with trial.client(one.user) as client:
        bundle = client.upload(str(spec.project), spec.bundle, root=folder) if spec.bundle else None
        job = client.submit(script, bundle=bundle)
    return [f"{job.id}_{index}" for index in spec.array.indices] if spec.array else [job.id]


def _wait(office: "Client", names: Sequence[str], count: Count) -> None:
    """Wait until all jobs have ended and every attempt is in the ledger."""
    for _ in range(int(_LONGEST_S / _LOOK_S)):
        jobs = office.status(names).jobs
        over = [job for job in jobs if job.state in ENDED]
        count(len(over), len(names))
        if len(over) == len(names) and all(_booked(office, job) for job in over):
            return
        pause(_LOOK_S)
    raise Broken(f"the demo's jobs did not end within {_LONGEST_S:.0f} s")


def _booked(office: "Client", job: JobView) -> bool:
    return all(attempt.entry is not None for attempt in office.why(job.id).attempts if attempt.outcome is not None)


def _done(trial: Alliance, office: "Client", one: Work, name: str) -> Done:
    view = office.get(name)
    accuracy = None
    if view.state is JobState.COMPLETED:
        place = trial.folder / "results" / name
        with trial.client(one.user) as client:
            client.fetch(name, place)
        accuracy = _accuracy(place)
    return Done(job=view, why=office.why(name), accuracy=accuracy)


def _accuracy(place: Path) -> float:
    (metrics,) = place.glob("metrics*.json")
    found = cast("dict[str, float]", json.loads(metrics.read_text(encoding="utf-8")))
    return found["accuracy"]
