"""The jobs of a run: many, short, some with GPUs, some cancelled; never more at once than the clusters can take."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from chaos_bed import ChaosBed

from chaos.checker import Accepted
from foedus.client import Client
from foedus.core.jobs.state import ENDED

SUBMITTERS = 8
MOST_LIVE = 100
"""Jobs that are under way at once: more than the two clusters can run, so that some always wait."""
_TELL_S = 10
_USERS = (("dana", "phishing-watch"), ("aysel", "form-reader"), ("noam", "phishing-watch"), ("kamran", "form-reader"))
_LENGTHS = (0.1, 0.1, 0.5, 1, 1, 2, 5)
_FOR_EVER = 500
SCRIPT = """#!/bin/sh
#SBATCH --gpus={gpus} --time=00:10:00 --mem=64
#FOEDUS project={project} purpose=evaluate
began={began}/$1.$(basename "$(dirname "$PWD")").${{SLURM_RESTART_COUNT:-0}}
set -C
(echo "$SLURM_JOB_ID" > "$began") || {{ echo "$SLURM_JOB_ID" > "$began.again.$$"; exit 99; }}
exec sleep $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One job to be submitted."""

    tag: str
    user: str
    project: str
    gpus: int | str
    seconds: float
    cancel_after: float | None = None

    @property
    def expected(self) -> frozenset[str]:
        """How it may end: what would last for ever only if the cancel is carried out."""
        if self.cancel_after is None:
            return frozenset({"completed"})
        return frozenset({"cancelled"} if self.seconds == _FOR_EVER else {"cancelled", "completed"})


def plans(count: int, seed: int) -> Iterator[Plan]:
    """Draw the jobs: of each hundred four last for ever until they are cancelled, three are cancelled at any moment."""
    chance = random.Random(f"{seed}/jobs")
    for number in range(count):
        user, project = chance.choice(_USERS)
        seconds: float = chance.choice(_LENGTHS)
        cancel: float | None = None
        draw = chance.random()
        if draw < 0.07:
            cancel = chance.uniform(0, 5)
            seconds = _FOR_EVER if draw < 0.04 else seconds
        gpus = chance.choice((0, 0, 1, 1, 2))
        yield Plan(tag=f"job-{number}", user=user, project=project, gpus=gpus, seconds=seconds, cancel_after=cancel)


@dataclass(slots=True)
class Load:
    """Submits, follows and cancels."""

    bed: ChaosBed
    tell: Callable[[str], None]
    accepted: list[Accepted] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    _live: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MOST_LIVE))
    _timers: list[threading.Timer] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _failures: list[BaseException] = field(default_factory=list)

    def submit_all(self, jobs: Iterator[Plan], count: int, *, patience: float, gap: float) -> None:
        """Submit them all, at most one in `gap` seconds, and wait for their ends, `patience` seconds after the last."""
        follower = threading.Thread(target=self._follow, args=(count,), name="follower")
        follower.start()
        try:
            with ThreadPoolExecutor(SUBMITTERS) as pool:
                for done in [pool.submit(self._submit_some, jobs, gap * SUBMITTERS) for _ in range(SUBMITTERS)]:
                    done.result()
            deadline = time.monotonic() + patience
            while self._live and time.monotonic() < deadline:
                time.sleep(0.5)
        finally:
            self._over.set()
            follower.join()
            for timer in self._timers:
                timer.join()
        if self._failures:
            raise self._failures[0]

    def submit(self, client: Client, plan: Plan) -> str:
        """Submit one job and remember what was promised."""
        script = SCRIPT.format(gpus=plan.gpus, project=plan.project, began=self.bed.began)
        view = client.submit(script, overrides=[f"--job-name={plan.tag}"], arguments=[plan.tag, f"{plan.seconds:g}"])
        self.bed.history.note("accepted", tag=plan.tag, job=view.id)
        with self._lock:
            self.accepted.append(Accepted(tag=plan.tag, job=view.id, expected=plan.expected))
            self._live.add(view.id)
        return view.id

    def _submit_some(self, jobs: Iterator[Plan], pause: float) -> None:
        clients: dict[str, Client] = {}
        try:
            while True:
                self._room.acquire()
                if self._over.is_set():
                    return
                with self._lock:
                    plan = next(jobs, None)
                if plan is None:
                    self._room.release()
                    return
                client = clients.get(plan.user) or self.bed.client(plan.user)
                clients[plan.user] = client
                job = self.submit(client, plan)
                if plan.cancel_after is not None:
                    timer = threading.Timer(plan.cancel_after, self._cancel, (plan.user, job))
                    self._timers.append(timer)
                    timer.start()
                time.sleep(pause)
        finally:
            for client in clients.values():
                client.close()

    def _cancel(self, user: str, job: str) -> None:
        with self.bed.client(user) as client:
            client.cancel([job])
        self.bed.history.note("cancelled", job=job)

    def _follow(self, count: int) -> None:
        try:
            self._look(count)
        except BaseException as error:  # noqa: BLE001 - told at the end; nobody waits for room any more
            self._failures.append(error)
            self._over.set()
            self._room.release(SUBMITTERS)

    def _look(self, count: int) -> None:
        told = 0.0
        with self.bed.client("office") as office:
            while not self._over.wait(0.7):
                with self._lock:
                    live = sorted(self._live)
                over = [job for job in office.status(live).jobs if job.state in ENDED] if live else []
                with self._lock:
                    self._live.difference_update(job.id for job in over)
                    self.ended.update(str(job.state) for job in over)
                for _ in over:
                    self._room.release()
                if time.monotonic() - told > _TELL_S:
                    told = time.monotonic()
                    self.tell(self._progress(count))

    def _progress(self, count: int) -> str:
        history = self.bed.history
        ended = ", ".join(f"{state} {number}" for state, number in sorted(self.ended.items()))
        strikes = history.counts["strike"]
        return (
            f"{history.seconds:6.0f} s: {len(self.accepted)} of {count} jobs accepted, {len(self._live)} live, "
            f"{ended or 'none ended'}; {strikes} strikes"
        )
