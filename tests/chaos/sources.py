"""Gathers what the checker compares."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from chaos.checker import AtHub, Booked, Marker, Run, Told
from foedus.cli.trial.alliance import Alliance
from foedus.core.base.ids import AllianceId, JobId
from foedus.core.base.ids import Marker as Mark
from foedus.core.base.instant import Instant, iso
from foedus.drivers.base import Ref
from foedus.drivers.local.driver import build


def at_hub(alliance: Alliance, user: str, prefix: str = "", *, url: str | None = None, askers: int = 1) -> list[AtHub]:
    """Ask the hub for every job; jobs carry the tag of their submission as their name, which begins with `prefix`."""
    with alliance.client(user, url) as client:
        ids = [view.id for view in client.iter() if view.name.startswith(prefix)]
    return stories(alliance, user, ids, url=url, askers=askers)


def stories(
    alliance: Alliance, user: str, ids: Sequence[str], *, url: str | None = None, askers: int = 1
) -> list[AtHub]:
    """Ask the hub for these jobs."""
    shares = [ids[first::askers] for first in range(askers)]

    def ask(share: list[str]) -> list[AtHub]:
        with alliance.client(user, url) as client:
            return [_job(client.why(job)) for job in share]

    with ThreadPoolExecutor(askers) as pool:
        return [job for jobs in pool.map(ask, shares) for job in jobs]


def _job(why: Any) -> AtHub:
    attempts = tuple(
        Told(number=one.number, site=one.site, state=one.state, outcome=one.outcome, entry=one.entry)
        for one in why.attempts
    )
    story = tuple(f"{iso(line.at)} {line.text}" for line in why.story)
    return AtHub(job=why.job.id, tag=why.job.name, state=why.job.state, attempts=attempts, story=story)


def markers(folder: Path) -> list[Marker]:
    """Read what the jobs wrote when they began: ``TAG.ORDER.RESTART``, and ``.again.`` for a second beginning."""
    found: list[Marker] = []
    for file in sorted(folder.iterdir()):
        tag, order, restart, *again = file.name.split(".")
        native = file.read_text(encoding="utf-8").strip()
        found.append(Marker(tag=tag, attempt=int(order) + int(restart), native=native, again=bool(again)))
    return found


def booked(alliance: Alliance, user: str, file: Path) -> list[Booked]:
    """Read the usage entries of the hub's whole book."""
    with alliance.client(user) as client:
        client.ledger_export(file)
    bodies = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        Booked(
            site=body["site"],
            job=body["job"],
            attempt=body["attempt"],
            native=body["native_id"],
            gpu_seconds=sum(body["gpu_seconds"].values()),
            source=body["source"],
        )
        for entry in bodies
        if entry.get("kind") == "usage"
        for body in [entry["body"]]
    ]


def slurm_runs(bed: Any, site: str, work: Path, since: str = "1970-01-01") -> list[Run]:
    """Read a cluster's own accounting: every run, restarts too, of what was handed over below the work folder."""
    fields = ("JobIDRaw", "DBIndex", "Start", "ElapsedRaw", "AllocTRES", "WorkDir", "State", "End")
    words = bed.run(site, "sacct", "-X", "-n", "-P", "--duplicates", "-S", since, f"--format={','.join(fields)}")
    rows = sorted((line.split("|") for line in words.splitlines()), key=lambda row: int(row[1]))
    return [_run(site, row, work) for row in rows if Path(row[5]).is_relative_to(work)]


def _run(site: str, row: Sequence[str], work: Path) -> Run:
    native, index, start, elapsed, tres, folder, state, end = row
    _, job, order, *_ = Path(folder).relative_to(work).parts
    counts = dict(part.split("=", 1) for part in tres.split(",") if "=" in part)
    gpus = int(counts.get("gres/gpu", "0"))
    return Run(
        site=site,
        job=job,
        order=int(order),
        native=native,
        started=start.isdigit(),
        gpu_seconds=int(elapsed or 0) * gpus,
        state=state.partition(" ")[0],
        over=end.isdigit(),
        index=int(index),
    )


def local_runs(driver: Mapping[str, object], site: str, work: Path) -> list[Run]:
    """Read the records of a site that runs jobs as processes of this machine."""
    orders = [folder for folder in work.glob("*/*/*") if folder.name.isdecimal()]
    cluster = build({name: value for name, value in driver.items() if name != "kind"})
    try:
        refs = [_ref(folder) for folder in orders]
        found = cluster.usage(refs)
        return [
            Run(
                site=site,
                job=ref.marker.job,
                order=ref.marker.attempt,
                native=record.native_id,
                started=record.started is not None,
                gpu_seconds=sum(record.gpu_seconds.values()),
            )
            for ref in refs
            for record in found[ref.marker]
        ]
    finally:
        cluster.close()


def _ref(folder: Path) -> Ref:
    marker = Mark(alliance=AllianceId("caspian"), job=JobId(folder.parent.name), attempt=int(folder.name))
    return Ref(marker=marker, native_id=None, folder=folder, since=Instant(0))
