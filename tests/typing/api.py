"""What users write: basedpyright in strict mode has to accept it, and to know every type in it."""
# ruff: noqa: T201 - users print

from pathlib import Path
from typing import assert_type

from foedus.client import AsyncClient, Client, Filter, LogChunk, Moved, Retry
from foedus.client.executor import FoedusExecutor
from foedus.core.base.errors import BadInput, FoedusError, Unreachable
from foedus.core.jobs.state import JobState
from foedus.wire.alliance import ProjectView, SiteView
from foedus.wire.files import Manifest
from foedus.wire.jobs import JobView, Submission, SubmittedView, WhyView
from foedus.wire.ledger import BalanceView, WaitsView


def show(moved: Moved) -> None:
    """Show progress."""
    print(f"{moved.done} of {moved.total} bytes")


def train(hub: str, token: str) -> int | None:
    """Submit, wait, fetch."""
    with Client(hub, token, retry=Retry(deadline_s=120)) as foedus:
        bundle = foedus.upload("traffic", ["src", "data/*.csv"], progress=show)
        job = foedus.submit(
            Path("train.sbatch").read_text(encoding="utf-8"),
            overrides=["--gpus=2", "--time=1:00:00"],
            arguments=["--epochs", "3"],
            bundle=bundle,
        )
        assert_type(job, SubmittedView)
        if job.state is JobState.REFUSED:
            for reason in job.reasons:
                print(reason.clause, reason.text, reason.remedy)
            return None
        for chunk in foedus.logs(job.id, follow=True):
            assert_type(chunk, LogChunk)
            print(chunk.data.decode())
        (ended,) = foedus.wait([job.id], timeout_s=3600)
        assert_type(ended, JobView)
        assert_type(foedus.fetch(job.id, "results"), Manifest)
        return ended.exit_code


def look(foedus: Client) -> None:
    """Ask about everything."""
    for job in foedus.iter(Filter(states=("running",), project="traffic")):
        assert_type(job, JobView)
    assert_type(foedus.why("1042"), WhyView)
    assert_type(foedus.balance("2026-11"), BalanceView)
    assert_type(foedus.waits(), WaitsView)
    for site in foedus.sites():
        assert_type(site, SiteView)
    for project in foedus.projects():
        assert_type(project, ProjectView)
    for waited in foedus.waiting(["1", "2"]):
        print(len(waited.open))
    try:
        foedus.submit_many([Submission(script="#!/bin/sh\n")])
    except BadInput as error:
        print([fault.remedy for fault in error.faults])
    except Unreachable as error:
        print(error.remedy, error.retryable)
    except FoedusError as error:
        print(error.code)


def score(seed: int, *, scale: float = 1) -> float:
    """Stand for something that takes a while."""
    return seed * scale


def sweep(foedus: Client) -> float:
    """Run a function as jobs."""
    with FoedusExecutor(foedus, "traffic", options=["--gpus=1"], bundle=["src"]) as pool:
        future = pool.submit(score, 7, scale=2)
        assert_type(future.result(), float)
        return max(pool.map(score, range(3)))


async def train_later(hub: str, token: str) -> None:
    """Do the same without blocking."""
    async with AsyncClient(hub, token) as foedus:
        job = await foedus.submit("#!/bin/sh\nhostname\n")
        assert_type(job, SubmittedView)
        async for chunk in foedus.logs(job.id, follow=True):
            assert_type(chunk, LogChunk)
        assert_type(await foedus.wait([job.id]), tuple[JobView, ...])
        async for one in foedus.iter():
            assert_type(one, JobView)
