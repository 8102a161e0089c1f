"""Values that the tests store, and threads that store them at the same time."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from foedus.core.base.dsse import Signature
from foedus.core.base.ids import Digest, JobId, PartnerId, ProjectId, SectorId, SiteId, UserId, array_task
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds, Mebibytes, Seconds
from foedus.core.jobs.job import Array, Attempt, Job
from foedus.core.jobs.spec import ArraySpec, Condition, Dependencies, Dependency, JobSpec, Purpose, Resources
from foedus.core.jobs.state import AttemptState, JobState
from foedus.flow.ports import Project, Store, Transaction, User
from foedus.wire.alliance import ProjectRole, Role
from waiting import PATIENCE_S

NOW = Instant(1_764_000_000_123)
ALICE, BABEK = UserId("alice"), UserId("babek")
ISRAEL, AZERBAIJAN = PartnerId("israel"), PartnerId("azerbaijan")
JERUSALEM, BAKU = SiteId("jerusalem"), SiteId("baku")
TRAFFIC, FORMS = ProjectId("traffic"), ProjectId("forms")
SIGNATURE = Signature(keyid="ed25519:" + "ab" * 32, sig="c2ln")
T = TypeVar("T")

SPEC = JobSpec(
    script="#!/bin/bash\n#SBATCH --gpus=a100:2\necho 'שלום' \"Şəki\"\n",
    overrides=("--time=5",),
    arguments=("--epochs", "3"),
    environment=(("SEED", "7"),),
    name="train",
    resources=Resources(nodes=2, gpus=2, gpu_model="a100", memory_per_gpu=Mebibytes(1024), time_limit=Seconds(300)),
    array=ArraySpec(indices=(1, 3, 5), at_once=2),
    dependencies=Dependencies(any_of=(Dependency(condition=Condition.AFTEROK, job=JobId("7")),)),
    output="out-%A_%a",
    requeue=False,
    project=TRAFFIC,
    purpose=Purpose.PRETRAIN,
    datasets=("phish-2024",),
    outputs=("*.pt",),
)


def digest(number: int) -> Digest:
    return Digest(f"{number:064x}")


def job(number: int = 1, **changes: object) -> Job:
    made = Job(
        id=JobId(str(number)),
        number=number,
        task=None,
        user=ALICE,
        partner=ISRAEL,
        project=TRAFFIC,
        sector=SectorId("urban-mobility"),
        purpose=Purpose.FINETUNE,
        name="train",
        spec=digest(0),
        bundle=None,
        resources=Resources(gpus=2),
        state=JobState.PENDING,
        reason="waits for room at a site",
        sites=(JERUSALEM, BAKU),
        attempt=0,
        site=None,
        guest=False,
        reserved=GpuSeconds(7200),
        agreement_version=1,
        submitted=NOW,
        changed=NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def task(number: int, index: int, **changes: object) -> Job:
    return job(number, **{"id": array_task(JobId(str(number)), index), "task": index, **changes})


def array(number: int, count: int = 3) -> Array:
    return Array(
        id=JobId(str(number)),
        user=ALICE,
        partner=ISRAEL,
        project=TRAFFIC,
        spec=digest(0),
        name="sweep",
        count=count,
        lowest=0,
        highest=count - 1,
        step=1,
        at_once=2,
        submitted=NOW,
    )


def bound(number: int = 1, attempt: int = 1, site: SiteId = JERUSALEM, **changes: object) -> Job:
    return job(number, **{"state": JobState.BOUND, "attempt": attempt, "site": site, **changes})


def attempt(number: int = 1, count: int = 1, **changes: object) -> Attempt:
    made = Attempt(
        job=JobId(str(number)),
        number=count,
        site=JERUSALEM,
        state=AttemptState.BOUND,
        guest=False,
        epoch=0,
        native_id="",
        bound=NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def user(name: UserId = ALICE, partner: PartnerId = ISRAEL) -> User:
    return User(id=name, partner=partner, name=name.title(), role=Role.USER, created=NOW)


def project(name: ProjectId = TRAFFIC, granted: int = 100_000, **changes: object) -> Project:
    made = Project(
        id=name,
        title=name.title(),
        sector=SectorId("urban-mobility"),
        opened=NOW,
        granted=GpuSeconds(granted),
        used=GpuSeconds(0),
        reserved=GpuSeconds(0),
        members={ALICE: ProjectRole.LEAD},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def put(tx: Transaction, *jobs: Job, arrays: tuple[Array, ...] = ()) -> None:
    """Store jobs with the one spec that they share."""
    (known,) = tx.jobs.put_specs([SPEC])
    tx.jobs.add([replace(one, spec=known) for one in jobs], [replace(one, spec=known) for one in arrays])


def known(*jobs: Job) -> list[Job]:
    """Return jobs as `put` stores them."""
    return [replace(one, spec=SPEC_DIGEST) for one in jobs]


def _spec_digest() -> Digest:
    from foedus.store.codec import spec_text

    return spec_text(SPEC)[0]


SPEC_DIGEST = _spec_digest()


class Abandoned(Exception):
    """Ends a transaction."""


@contextlib.contextmanager
def abandoned(store: Store) -> Iterator[Transaction]:
    """Open a transaction that fails at its end."""
    with contextlib.suppress(Abandoned), store.begin() as tx:
        yield tx
        raise Abandoned


def together(count: int, action: Callable[[int], T]) -> list[T]:
    """Run `action` in `count` threads that all start at the same moment; return what each returned."""
    start = threading.Barrier(count)

    def run(index: int) -> T:
        start.wait(timeout=PATIENCE_S)
        return action(index)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))
