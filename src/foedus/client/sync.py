"""The synchronous face of the client."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar, cast

import httpx2

from foedus.client import alliance, flows, jobs, transfers
from foedus.client.address import base_url, on_this_machine
from foedus.client.calls import Call
from foedus.client.files import SinkFile
from foedus.client.flows import Waited
from foedus.client.http import heard, lost, wanted
from foedus.client.jobs import Filter, LogChunk
from foedus.client.retry import Means, Retry, exchange
from foedus.client.steps import Answer, Item, Lost, Pause, Send, Step, Steps, Stream, Work
from foedus.client.transfers import Progress, quiet
from foedus.core.base.ids import Digest
from foedus.wire.agents import CodeReply, RevocationReply
from foedus.wire.alliance import (
    AgreementView,
    NewTokenView,
    PartnerKeyView,
    ProjectView,
    SiteView,
    TokenView,
    UserRevocationView,
    UserView,
    WhoView,
)
from foedus.wire.files import Manifest
from foedus.wire.jobs import CancelReply, JobPage, JobView, StatusReply, Submission, SubmittedView, WhyView
from foedus.wire.ledger import BalanceView, EntryPage, GapList, SealList, SignedHead, WaitsView
from foedus.wire.message import WireObject

R = TypeVar("R")
T = TypeVar("T")


class Client:
    """Talks to a hub. Use it as a context manager, or close it.

    >>> with Client("https://hub.example.org", token) as foedus:  # doctest: +SKIP
    ...     job = foedus.submit(Path("train.sbatch").read_text(), overrides=["--time=1:00:00"])
    ...     foedus.wait([job.id])

    Every call raises the errors of `foedus.core.base.errors`. Calls that change something carry an idempotency key
    that stays the same while the client tries again, so that nothing happens twice; give ``key`` to go on with a call
    that an earlier process began. `Unreachable` means that the hub did not answer until the deadline of `retry`.

    `transport`, `sleep` and `means` replace the network, the waiting, and the clock, chance and keys.
    """

    def __init__(
        self,
        hub: str,
        token: str,
        *,
        retry: Retry | None = None,
        plain: bool = False,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        means: Means | None = None,
    ) -> None:
        self._means = means or Means(hub=hub, retry=retry or Retry())
        self._sleep = sleep
        self._http = httpx2.Client(
            base_url=base_url(hub, plain=plain),
            headers={"Authorization": f"Bearer {token}"},
            transport=transport,
            trust_env=not on_this_machine(hub),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # jobs

    def submit(
        self,
        script: str,
        *,
        overrides: Sequence[str] = (),
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        bundle: str | None = None,
        key: str | None = None,
    ) -> SubmittedView:
        """Submit one script, as sbatch would get it; a refusal is an answer (``state``, ``reasons``), no error."""
        one = jobs.submission(script, overrides=overrides, arguments=arguments, environment=environment, bundle=bundle)
        return self.submit_many([one], key=key)[0]

    def submit_many(self, submissions: Sequence[Submission], *, key: str | None = None) -> tuple[SubmittedView, ...]:
        """Submit up to 1000 scripts: all are taken or none."""
        return tuple(self._do(jobs.submit(submissions), key).jobs)

    def status(self, ids: Sequence[str]) -> StatusReply:
        """Ask where jobs are; ids that are absent, or not yours to see, are listed apart."""
        return self._run(flows.status(ids, self._means))

    def get(self, job: str, *, wait_s: float = 0) -> JobView:
        """Return one job; with `wait_s` (at most 60), when it has ended or after so many seconds."""
        return self._do(jobs.get(job, wait_s))

    def wait(self, ids: Sequence[str], *, timeout_s: float | None = None) -> tuple[JobView, ...]:
        """Wait until all have ended, or time is up, and return where they are; raises `NotFound` if one is absent."""
        return self._run(flows.wait(ids, timeout_s, self._means))

    def waiting(self, ids: Sequence[str], *, timeout_s: float | None = None) -> Iterator[Waited]:
        """Like `wait`, telling how far the jobs are on the way."""
        return self._stream(flows.waiting(ids, timeout_s, self._means))

    def cancel(self, ids: Sequence[str], *, key: str | None = None) -> CancelReply:
        """Cancel jobs, tasks or whole arrays."""
        return self._do(jobs.cancel(ids), key)

    def list(self, which: Filter | None = None, *, cursor: str | None = None, limit: int | None = None) -> JobPage:
        """Return one page of jobs, newest first."""
        return self._do(jobs.page(which or Filter(), cursor, limit))

    def iter(self, which: Filter | None = None, *, page_size: int | None = None) -> Iterator[JobView]:
        """Go through all jobs, newest first, page by page."""
        return self._stream(flows.each_job(which or Filter(), self._means, page_size))

    def why(self, job: str, *, language: str = "en") -> WhyView:
        """Return the whole story of a job; clauses in that language where the agreement has it."""
        return self._do(jobs.why(job, language))

    def script(self, job: str) -> str:
        """Return the script as it was submitted."""
        return self._do(jobs.script(job))

    def log(
        self,
        job: str,
        stream: str = "stdout",
        *,
        attempt: int | None = None,
        offset: int = 0,
        limit: int | None = None,
        wait_s: float = 0,
    ) -> LogChunk:
        """Return one stretch of what an attempt (the newest) wrote to ``stdout`` or ``stderr``."""
        return self._do(jobs.log(job, stream, attempt=attempt, offset=offset, limit=limit, wait_s=wait_s))

    def logs(
        self, job: str, stream: str = "stdout", *, attempt: int | None = None, follow: bool = False
    ) -> Iterator[LogChunk]:
        """Go through what an attempt wrote; with `follow`, until the job is over, through its later attempts too."""
        return self._stream(flows.output(job, stream, attempt, self._means, follow=follow))

    def outputs(self, job: str, *, attempt: int | None = None) -> Manifest:
        """Return the list of files that came back; raises `NotFound` while there is none."""
        return self._do(jobs.outputs(job, attempt))

    def fetch(
        self, job: str, folder: str | Path, *, attempt: int | None = None, progress: Progress = quiet
    ) -> Manifest:
        """Fetch the files that came back into a folder; goes on where an earlier call stopped, checks every hash."""
        return self._run(transfers.fetch(job, attempt, Path(folder), self._means, progress))

    def upload(
        self, project: str, patterns: Sequence[str], *, root: str | Path = ".", progress: Progress = quiet
    ) -> Digest:
        """Send files below `root` for jobs of the project, and return the bundle's name for `submit`."""
        return self._run(transfers.upload(project, Path(root), patterns, self._means, progress))

    # the alliance

    def whoami(self) -> WhoView:
        """Return whom the token speaks for."""
        return self._do(alliance.whoami())

    def projects(self) -> tuple[ProjectView, ...]:
        """Return the projects that you may see, with their budgets."""
        return tuple(self._do(alliance.projects()).projects)

    def project(self, name: str) -> ProjectView:
        """Return one project."""
        return self._do(alliance.project(name))

    def open_project(self, name: str, *, title: str, sector: str, lead: str, key: str | None = None) -> ProjectView:
        """Open a project (office)."""
        return self._do(alliance.open_project(name, title=title, sector=sector, lead=lead), key)

    def add_member(self, project: str, user: str, *, role: str = "member") -> ProjectView:
        """Add a member, or change their part (office, or the project's lead)."""
        return self._do(alliance.add_member(project, user, role))

    def grant(self, project: str, gpu_hours: int, *, reason: str = "", key: str | None = None) -> ProjectView:
        """Add GPU-hours to a project's allocation (office); a negative number takes back."""
        return self._do(alliance.grant(project, gpu_hours, reason), key)

    def sites(self) -> tuple[SiteView, ...]:
        """Return the sites, with what they say of themselves."""
        return tuple(self._do(alliance.sites()).sites)

    def enrolment_code(self, site: str, *, key: str | None = None) -> CodeReply:
        """Make a single-use code with which the site's agent introduces its key."""
        return self._do(alliance.enrolment_code(site), key)

    def revoke_site(
        self, site: str, statement: WireObject | None = None, *, requeue: bool = False, key: str | None = None
    ) -> RevocationReply:
        """Revoke the key of the site's agent: the hub takes nothing from it any more.

        With its partner's `statement` (the JSON of a `foedus.core.agreement.revocation` envelope) the ledger says so.
        With `requeue` the site's open jobs go to other sites at once.
        """
        return self._do(alliance.revoke_site(site, statement, requeue=requeue), key)

    def agreement(self) -> AgreementView:
        """Return the agreement in force, as it was signed."""
        return self._do(alliance.agreement())

    def enforce(self, text: str, signatures: Mapping[str, WireObject]) -> AgreementView:
        """Put an agreement in force (office): its file, and every partner's signature."""
        return self._do(alliance.enforce(text, signatures))

    def users(self) -> tuple[UserView, ...]:
        """Return the people of the alliance."""
        return tuple(self._do(alliance.users()).users)

    def add_user(
        self, user: str, *, partner: str, name: str = "", role: str = "user", key: str | None = None
    ) -> UserView:
        """Make a person known (office)."""
        return self._do(alliance.add_user(user, partner=partner, name=name, role=role), key)

    def tokens(self) -> tuple[TokenView, ...]:
        """Return your tokens, without their secrets."""
        return tuple(self._do(alliance.tokens()).tokens)

    def create_token(
        self,
        *,
        user: str | None = None,
        scope: str = "submit",
        project: str | None = None,
        days: int = 30,
        label: str = "",
        key: str | None = None,
    ) -> NewTokenView:
        """Make a token: for yourself, or (office) for `user`. Its secret is in this answer only."""
        return self._do(alliance.create_token(user=user, scope=scope, project=project, days=days, label=label), key)

    def revoke_user(self, user: str) -> UserRevocationView:
        """Take nothing from a person any more, and end all of their tokens (office); may be repeated."""
        return self._do(alliance.revoke_user(user))

    def readmit_user(self, user: str) -> UserView:
        """Take somebody's word again (office); they need a new token."""
        return self._do(alliance.readmit_user(user))

    def revoke_partner_key(self, partner: str, reason: str = "") -> PartnerKeyView:
        """Take no statement signed with a partner's present key any more (office)."""
        return self._do(alliance.revoke_partner_key(partner, reason))

    def revoke_token(self, token: str) -> None:
        """Revoke a token by its id."""
        self._do(alliance.revoke_token(token))

    # the books

    def balance(self, period: str | None = None) -> BalanceView:
        """Return what each partner pledged, gave and took, in GPU-seconds; `period` is like 2026-11, 2026-Q4, 2026."""
        return self._do(alliance.balance(period))

    def waits(self) -> WaitsView:
        """Return how many jobs of each partner ended sooner, as soon and later than on its own site alone, by month."""
        return self._do(alliance.waits())

    def ledger_head(self) -> SignedHead:
        """Return the newest head of the ledger, signed by the hub."""
        return self._do(alliance.ledger_head())

    def ledger_seals(self) -> SealList:
        """Return how far each site has sealed the ledger, and whether it is this one that it sealed."""
        return self._do(alliance.ledger_seals())

    def ledger_gaps(self) -> GapList:
        """Return what the sites ran and have not accounted for."""
        return self._do(alliance.ledger_gaps())

    def ledger_entries(self, start: int = 1, limit: int = 500) -> EntryPage:
        """Return entries from number `start` on."""
        return self._do(alliance.ledger_entries(start, limit))

    def iter_ledger(self, start: int = 1, *, page_size: int = 500) -> Iterator[WireObject]:
        """Go through the entries from number `start` on."""
        return self._stream(flows.each_entry(start, self._means, page_size))

    def ledger_export(self, file: str | Path) -> Path:
        """Write the whole book to a file that ``foedus ledger verify`` reads; the file appears when it is whole."""
        with SinkFile(Path(file)) as sink:
            self._run(exchange(alliance.ledger_export(), self._means, sink=sink))
        return sink.path

    # doing the steps

    def _do(self, call: Call[R], key: str | None = None) -> R:
        return self._run(exchange(call, self._means, key=key))

    def _run(self, steps: Steps[R]) -> R:
        came: object = None
        try:
            while True:
                came = self._step(steps.send(came))
        except StopIteration as stop:
            return cast("R", stop.value)
        finally:
            steps.close()

    def _stream(self, steps: Stream[T]) -> Iterator[T]:
        came: object = None
        try:
            while True:
                step = steps.send(came)
                came = None
                if isinstance(step, Item):
                    yield step.value
                else:
                    came = self._step(step)
        except StopIteration:
            return
        finally:
            steps.close()

    def _step(self, step: Step) -> object:
        match step:
            case Send():
                return self._send(step)
            case Pause(seconds=seconds):
                return self._sleep(seconds)
            case Work(task=task):
                return task()

    def _send(self, step: Send) -> Answer | Lost:
        try:
            with self._http.stream(**wanted(step)) as response:
                if step.sink is None or not response.is_success:
                    return heard(response, response.read())
                step.sink.restart()
                for data in response.iter_bytes():
                    step.sink.write(data)
                return heard(response, b"")
        except httpx2.RequestError as error:
            return lost(error)
