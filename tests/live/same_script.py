"""Runs a script both ways, by plain sbatch and through Foedus, and says what came of each in terms that compare.

Both start from the same prepared folder and the same login environment; Foedus gets the script by ``foedus submit``.
"""

import os
import pwd
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

from cli_server import CommandLine
from slurm_bed import SlurmBed

from foedus.cli.trial.alliance import Alliance
from foedus.client import Client

SCRIPTS = Path(__file__).parent / "scripts"
PREPARED = {
    "words.txt": "one\ntwo\nthree\nfour\n",
    "deep/down/here.txt": "here\n",
    "logs/keep": "",
    "out/keep": "",
}
"""What lies in the folder that a job starts in, both ways."""
FIELDS = (
    *("JobName", "User", "Account", "Partition", "QOS", "State", "ExitCode"),
    *("ReqTRES", "AllocTRES", "Timelimit", "WorkDir"),
)
PROJECT = {"jerusalem": "phishing-watch", "baku": "form-reader"}
USER = {"jerusalem": "dana", "baku": "aysel"}
ACCOUNT = {"jerusalem": "alice", "baku": "leyla"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One script to submit."""

    script: str
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    after: tuple[tuple[str, int], ...] = ()
    """Conditions and the numbers of earlier steps: ``("afterok", 0)``."""
    piped: bool = False
    """The script comes through standard input."""

    @property
    def path(self) -> Path:
        return SCRIPTS / f"{self.script}.sbatch"

    def words(self, ids: list[str]) -> list[str]:
        """Return the command line behind ``sbatch`` or ``foedus submit``, from options to arguments."""
        waits = [f"--dependency={','.join(f'{how}:{ids[step]}' for how, step in self.after)}"] if self.after else []
        # sbatch takes no arguments for a script that is piped in
        return [*waits, *self.options, *([] if self.piped else [str(self.path), *self.arguments])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One or more scripts, submitted in order."""

    name: str
    steps: tuple[Step, ...]
    states: tuple[str, ...]
    """How each job ends, as sacct says: tasks of an array one by one; `""` for one that never runs."""
    says: str = ""
    """Something that has to be in a file that a job wrote."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the submitting shell has besides the login's own variables."""
    outside: tuple[str, ...] = ()
    """Files beyond the job's folder, with ``{id}`` for Slurm's job id and ``{user}`` for the account."""
    at_once: int = 1000
    """Most tasks that may run at the same time."""
    sites: tuple[str, ...] = ("jerusalem", "baku")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one step."""

    accounting: list[dict[str, str]]
    """Normalised sacct fields of each job or task."""
    files: dict[str, bytes]
    """Every file that is new or changed, names and contents normalised."""


@dataclass(slots=True, kw_only=True)
class Submitted:
    """A case on its way, one way."""

    folders: list[Path] = field(default_factory=list[Path])
    ids: list[str] = field(default_factory=list[str])
    """Of Slurm, or of Foedus."""


def normalised(text: bytes, *, folders: Iterable[Path], jobs: Iterable[str], array: str) -> bytes:
    """Replace what has to differ between two runs of one script, and nothing else.

    That is: the folder that the job was given, Slurm's number of the job (padded or not), the number of its array (in
    ``SLURM_ARRAY_JOB_ID=`` and before ``_TASK`` in file names), the names of nodes, and the time in Slurm's own message
    about a job that it ended.
    """
    for folder in folders:
        text = text.replace(str(folder).encode(), b"<folder>")
    text = re.sub(rb"SLURM_ARRAY_JOB_ID=%s\b" % array.encode(), b"SLURM_ARRAY_JOB_ID=<array>", text)
    text = re.sub(rb"(?<![0-9])%s(?=_[0-9]+\b)" % array.encode(), b"<array>", text)
    text = re.sub(rb"(?<= CANCELLED AT )[0-9T:-]+", b"<time>", text)
    for job in jobs:
        text = re.sub(rb"(?<![0-9])0*%s(?![0-9])" % job.encode(), b"<job>", text)
    return re.sub(rb"(?<![A-Za-z0-9])[jb](?:[1-3]|\[[1-3,-]+\])(?![A-Za-z0-9])", b"<node>", text)


def prepare(folder: Path, account: str | None = None) -> Path:
    """Fill a folder with the prepared files; for plain sbatch it belongs to the local account."""
    for name, text in PREPARED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if account:
        entry = pwd.getpwnam(account)
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, entry.pw_uid, entry.pw_gid)
    return folder


def submit_plainly(bed: SlurmBed, site: str, case: Case) -> Submitted:
    """Submit by the site's own sbatch as the mapped account, in a folder for each step."""
    cluster = bed.clusters[site]
    entry = pwd.getpwnam(cluster.people[ACCOUNT[site]])
    login = {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name, "SHELL": entry.pw_shell}
    env = {**login, "PATH": "/usr/local/bin:/usr/bin:/bin", "SLURM_CONF": str(cluster.conf), **case.environment}
    done = Submitted()
    for number, step in enumerate(case.steps):
        folder = prepare(bed.folder / "plain" / site / case.name / str(number), entry.pw_name)
        done.folders.append(folder)
        answer = subprocess.run(
            ["sbatch", "--parsable", *step.words(done.ids)],
            **({"input": step.path.read_bytes()} if step.piped else {"stdin": subprocess.DEVNULL}),
            env=env,
            cwd=folder,
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=[],
            umask=0o022,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert answer.returncode == 0, answer.stderr.decode()
        done.ids.append(answer.stdout.decode().strip())
    return done


def submit_to_foedus(line: CommandLine, alliance: Alliance, site: str, case: Case, shell: Path) -> Submitted:
    """Submit by ``foedus submit``; `shell` is the folder in which the user sits."""
    env = {"PATH": os.environ["PATH"], "HOME": str(shell), "LC_ALL": "C.UTF-8"}
    env |= {"FOEDUS_HUB": alliance.url, "FOEDUS_TOKEN": alliance.token(USER[site]), **case.environment}
    prepare(shell)
    done = Submitted()
    own = ["--parsable", f"--project={PROJECT[site]}", "--purpose=evaluate", "--bundle=."]
    for step in case.steps:
        feed = step.path.read_bytes() if step.piped else b""
        done.ids.append(line.run("submit", *own, *step.words(done.ids), env=env, cwd=shell, feed=feed))
    return done


class Books:
    """What sacct has of these jobs at a site, asked once; by id, since no time shows jobs that never might start."""

    def __init__(self, bed: SlurmBed, site: str, jobs: Iterable[str]) -> None:
        self._bed, self._site = bed, site
        fields = ("JobID", "JobIDRaw", "Start", "End", *FIELDS)
        text = bed.run(
            site,
            "sacct",
            "-a",
            "-X",
            "-n",
            "-P",
            "--delimiter=\x1f",
            "-S",
            "1970-01-01",
            f"--format={','.join(fields)}",
        )
        rows = [dict(zip(fields, line.split("\x1f"), strict=True)) for line in text.splitlines()]
        self._by_raw = {row["JobIDRaw"]: row for row in rows}
        self._by_array: dict[str, list[dict[str, str]]] = {}
        for row in rows:
            self._by_array.setdefault(row["JobID"].partition("_")[0], []).append(row)

    def tasks(self, job: str) -> list[str]:
        """Return the raw ids of an array's tasks in order, or of the one job."""
        rows = self._by_array.get(job, [])
        ordered = sorted(rows, key=lambda row: int(row["JobID"].partition("_")[2] or 0))
        return [row["JobIDRaw"] for row in ordered] or [job]

    def times(self, natives: Iterable[str]) -> list[tuple[int, int]]:
        """Return when each of these jobs ran, in epoch seconds."""
        rows = [self._by_raw[native] for native in natives if len(self.row(native)) > 1]
        return [(int(row["Start"]), int(row["End"])) for row in rows]

    def row(self, native: str) -> dict[str, str]:
        """Return what is compared of one job; of one that never ran, its state alone.

        sacct leaves out what was cancelled before it ever might start, as long as the controller still shows it.
        """
        row = self._by_raw.get(native)
        if row is None:
            return {"State": self._bed.state(self._site, native)}
        ran = row["Start"].isdigit() and row["AllocTRES"]
        return {name: row[name] for name in FIELDS} if ran else {"State": row["State"].partition(" ")[0]}


def task_names(client: Client) -> dict[str, list[str]]:
    """Return the ids of the tasks of each array of a user in order, or of the one job."""
    found: dict[str, list[str]] = {}
    for view in client.iter():
        found.setdefault(view.id.partition("_")[0], []).append(view.id)
    return {job: sorted(names, key=lambda name: int(name.partition("_")[2] or 0)) for job, names in found.items()}


def result(books: Books, case: Case, *, natives: list[str], folders: list[Path], array: str) -> Result:
    """Collect what one step left behind, from Slurm's numbers of its jobs and the folders that they worked in."""

    def plain(text: bytes) -> bytes:
        return normalised(text, folders=folders, jobs=natives, array=array)

    rows = [books.row(native) for native in natives] or [{"State": "CANCELLED"}]
    accounting = [{name: plain(text.encode()).decode() for name, text in row.items()} for row in rows]
    files: dict[str, bytes] = {}
    for folder in folders:
        for name, content in _made(folder).items():
            fresh = plain(name.encode()).decode()
            assert files.get(fresh, content) == content, f"two jobs wrote {fresh}"
            files[fresh] = plain(content)
    for pattern in case.outside:
        for native in natives:
            path = Path(pattern.format(id=native, user=rows[0].get("User")))
            files[plain(str(path).encode()).decode()] = plain(path.read_bytes())
            path.unlink()
    return Result(accounting=accounting, files=files)


def _made(folder: Path) -> dict[str, bytes]:
    """Return the files that are not as they were prepared."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert PREPARED.keys() <= found.keys()
    return {name: content for name, content in found.items() if PREPARED.get(name, "\0").encode() != content}


def differences(plain: Result, foedus: Result) -> list[str]:
    """Say line by line in what two results differ."""
    found: list[str] = []
    for name in sorted(plain.files.keys() | foedus.files.keys()):
        texts = [result.files.get(name, b"(no such file)").decode(errors="replace") for result in (plain, foedus)]
        found += unified_diff(
            *(text.splitlines() for text in texts), f"{name} plainly", "through Foedus", n=0, lineterm=""
        )
    if plain.accounting != foedus.accounting:
        found += [f"sacct plainly {plain.accounting}", f"sacct through Foedus {foedus.accounting}"]
    return found
