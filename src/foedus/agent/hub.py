"""The hub as an agent sees it: signed requests, each with the agent's epoch and a number that only grows.

Every call blocks. What comes back is the message or an error of the tree; `Unreachable` stands for every kind of
"no answer", after which it is unknown whether the hub got the request.
"""

import itertools
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote

import httpx2
from pydantic import ValidationError

from foedus.agent.post import PATIENCE_S, Carrier, Letter, send
from foedus.client.calls import failed
from foedus.client.steps import Answer
from foedus.core.base.errors import Broken, Forgotten, Stale, Unreachable
from foedus.core.base.ids import Digest, ProjectId, SiteId
from foedus.wire.agents import (
    EnrolReply,
    EnrolRequest,
    HeadReply,
    HelloReply,
    HelloRequest,
    LogsReply,
    LogsRequest,
    OrdersReply,
    OrdersRequest,
    RecoveryReply,
    RecoveryRequest,
    ReportReply,
    ReportRequest,
    RotationReply,
    RotationRequest,
)
from foedus.wire.alliance import AgreementView
from foedus.wire.files import PIECE, MissingReply, MissingRequest
from foedus.wire.message import Message

Reply = TypeVar("Reply", bound=Message)
_PREFIX = "/api/v1"
_PIECE_PATIENCE_S = 120.0
_GOOD = 300
_ASK_AT_ONCE = 10_000


@dataclass(slots=True)
class Counter:
    """The numbers of one series; each is higher than every one before, of earlier processes too."""

    start: int
    _numbers: "itertools.count[int]" = field(init=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(self.start + 1)

    def next(self) -> int:
        """Draw the next number."""
        with self._lock:
            return next(self._numbers)


def enrol(http: httpx2.Client, request: EnrolRequest) -> EnrolReply:
    """Introduce the site's key; the code is all that the hub asks for."""
    path = f"{_PREFIX}/agents/enrol"
    return _read(EnrolReply, _good(send(http, "POST", path, body=_json(request), headers=_JSON)))


class Hub:
    """The hub, for one site. Safe for threads; each series of numbers belongs to one thread."""

    def __init__(self, carrier: Carrier, site: SiteId) -> None:
        self._carrier = carrier
        self._base = f"{_PREFIX}/agents/{quote(site, safe='')}"
        self._epoch = 0
        self._counters: dict[str, Counter] = {}
        self._start = 0
        self._lock = threading.Lock()

    def hang_up(self, patience: float) -> None:
        """Begin no call any more, end the long poll at once, and break off what is not done after `patience` seconds.

        A greeting opens the line again.
        """
        self._carrier.hang_up(patience)

    def hello(self, request: HelloRequest, sequence: int) -> HelloReply:
        """Begin an epoch; all numbers after it are higher than `sequence`."""
        with self._lock:
            self._epoch, self._start = 0, sequence
            self._counters.clear()
        self._carrier.open()
        reply = self._post("hello", request, HelloReply, number=sequence)
        with self._lock:
            self._epoch = reply.epoch
        return reply

    def resume(self, epoch: int) -> None:
        """Ask within an epoch that another process began; for questions that may be asked at any time, in any order."""
        with self._lock:
            self._epoch = epoch

    def orders(self, request: OrdersRequest) -> OrdersReply:
        """Ask what to do; the hub may hold back its answer for as long as the request says."""
        return self._post("orders", request, OrdersReply, patience=request.wait_s + PATIENCE_S)

    def recover(self, request: RecoveryRequest) -> RecoveryReply:
        """Tell a hub that was restored what it has lost."""
        return self._post("recovery", request, RecoveryReply, patience=_PIECE_PATIENCE_S)

    def report(self, request: ReportRequest) -> ReportReply:
        """Say where everything is."""
        return self._post("reports", request, ReportReply)

    def logs(self, request: LogsRequest) -> LogsReply:
        """Pass on output."""
        return self._post("logs", request, LogsReply)

    def heads(self, since: int) -> HeadReply:
        """Fetch the ledger's entries after number `since`."""
        answer = self._signed("GET", f"{self._base}/heads?since={since}", b"", "heads", patience=_PIECE_PATIENCE_S)
        return _read(HeadReply, answer)

    def rotate(self, request: RotationRequest, number: int) -> RotationReply:
        """Have the hub take another key for the site; the one that it knows signs this."""
        return self._post("key", request, RotationReply, number=number)

    def agreement(self) -> AgreementView:
        """Fetch the agreement in force, with its signatures."""
        return _read(AgreementView, self._signed("GET", f"{self._base}/agreement", b"", "agreement"))

    def missing(self, project: ProjectId, pieces: Sequence[Digest]) -> list[Digest]:
        """Return those of the pieces that the hub does not have."""
        found: list[Digest] = []
        path = f"{self._pieces(project)}/missing"
        for first in range(0, len(pieces), _ASK_AT_ONCE):
            request = MissingRequest(pieces=list(pieces[first : first + _ASK_AT_ONCE]))
            answer = self._signed("POST", path, _json(request), "pieces", headers=_JSON)
            found += _read(MissingReply, answer).missing
        return found

    def put_piece(self, project: ProjectId, piece: Digest, data: bytes) -> None:
        """Upload one piece."""
        path = f"{self._pieces(project)}/{piece}"
        self._signed("PUT", path, data, "pieces", headers=_BYTES, patience=_PIECE_PATIENCE_S)

    def piece(self, project: ProjectId, piece: Digest) -> bytes:
        """Fetch one piece; its digest is for the caller to check."""
        path = f"{self._pieces(project)}/{piece}"
        data = self._signed("GET", path, b"", "pieces", patience=_PIECE_PATIENCE_S).body
        if len(data) > _LARGEST_PIECE:
            raise Broken(f"the hub sent {len(data)} bytes for one piece")
        return data

    def _pieces(self, project: ProjectId) -> str:
        return f"{self._base}/projects/{quote(project, safe='')}/pieces"

    def _post(
        self,
        name: str,
        request: Message,
        reply: type[Reply],
        *,
        number: int | None = None,
        patience: float = PATIENCE_S,
    ) -> Reply:
        path = f"{self._base}/{name}"
        answer = self._signed("POST", path, _json(request), name, headers=_JSON, number=number, patience=patience)
        return _read(reply, answer)

    def _signed(
        self,
        method: str,
        path: str,
        body: bytes,
        series: str,
        *,
        headers: Mapping[str, str] | None = None,
        number: int | None = None,
        patience: float = PATIENCE_S,
    ) -> Answer:
        with self._lock:
            epoch = self._epoch
            drawn = self._counters.setdefault(series, Counter(self._start)).next()
        letter = Letter(
            method=method,
            path=path,
            series=series,
            epoch=epoch,
            sequence=drawn if number is None else number,
            body=body,
            headers=headers or {},
            patience=patience,
        )
        try:
            return _good(self._carrier.carry(letter))
        except (Stale, Forgotten) as error:
            if epoch != self._epoch:
                raise Unreachable("the epoch ended while this call was under way") from error
            raise


_JSON = {"content-type": "application/json"}
_BYTES = {"content-type": "application/octet-stream"}
_LARGEST_PIECE = max(PIECE, 64 * 1024 * 1024)
"""A manifest is a piece too, and may be longer than a file's piece."""


def _good(answer: Answer) -> Answer:
    """Return a good answer; raises what the hub says is wrong, as `Unreachable` where the same call may succeed."""
    if answer.status < _GOOD:
        return answer
    failure = failed(answer)
    if failure.retryable and not failure.error.retryable:
        raise Unreachable(failure.error.message, remedy=failure.error.remedy)
    raise failure.error


def _json(message: Message) -> bytes:
    return message.model_dump_json().encode("utf-8")


def _read(reply: type[Reply], answer: Answer) -> Reply:
    try:
        return reply.model_validate_json(answer.body, extra="ignore")
    except ValidationError as error:
        raise Broken(
            f"the hub's answer is not what this version expects: {error}", remedy="run the same version at both ends"
        ) from error
