"""The post to the hub: how a letter travels. The agent's own post signs each and sends it over HTTP."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import httpx2

from foedus import __version__
from foedus.agent.line import Extensions, Line
from foedus.agent.site_key import SiteKey
from foedus.client.steps import Answer
from foedus.core.base.dsse import Signer
from foedus.core.base.errors import Broken, Unreachable
from foedus.core.base.instant import Clock
from foedus.keys.http import EPOCH, SEQUENCE, sign_request

PATIENCE_S = 30.0
_CONNECT_S = 10.0
_LARGEST = 64 * 1024 * 1024
"""Bytes of an answer; more is not read."""
_LARGEST_ORDERS = 1024 * 1024 * 1024
"""An answer may bring the scripts of 200 jobs, each of up to 4 MiB."""
_REFUSED = 401
_SITE_PARTS = 5
"""Of a path: ``/api/v1/agents/SITE``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One request of an agent, before it is signed."""

    method: str
    path: str
    series: str
    """Whose numbers it is counted with."""
    epoch: int
    sequence: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    patience: float = PATIENCE_S
    """Seconds to wait for the answer."""


class Carrier(Protocol):
    """Takes letters to the hub. Safe for threads."""

    def open(self) -> None:
        """Let letters go out again after `hang_up`."""
        ...

    def carry(self, letter: Letter) -> Answer:
        """Return the hub's answer, good or not; raises `Unreachable` where there is none."""
        ...

    def hang_up(self, patience: float) -> None:
        """Let no letter out any more; break off what is not answered after so many seconds, the long poll at once."""
        ...


class Post:
    """Carries letters over HTTP, each signed with the site's key at the moment when it goes out."""

    def __init__(self, dial: Callable[[], httpx2.Client], keys: SiteKey, clock: Clock) -> None:
        self._line = Line(dial)
        self._keys = keys
        self._clock = clock

    def open(self) -> None:
        """Let letters go out."""
        self._line.open()

    def carry(self, letter: Letter) -> Answer:
        """Sign, send, and wait for the answer.

        If the hub refuses the present key and knows another, which a rotation has made, that one takes its place; the
        letter is not sent again as it is, since what is in it may be signed with the old one.
        """
        present = self._keys.present()
        answer = self._carry(letter, present)
        following = self._following(present) if answer.status == _REFUSED else None
        if following is None:
            return answer
        base = "/".join(letter.path.split("/")[:_SITE_PARTS])
        if self._carry(replace(letter, method="GET", path=f"{base}/agreement", body=b""), following).status == _REFUSED:
            return answer
        self._keys.promote(following.key)
        raise Unreachable("the site's key was changed while this call was under way")

    def _following(self, refused: Signer) -> Signer | None:
        """Return the key that may have taken the place of the one that was just refused; `None` if there is none."""
        present = self._keys.present()
        return present if present.key != refused.key else self._keys.next()

    def _carry(self, letter: Letter, signer: Signer) -> Answer:
        with self._line.call(polls=letter.series == "orders") as (http, extensions):
            signed = sign_request(
                signer,
                letter.method,
                str(http.base_url.join(letter.path)),
                headers={**letter.headers, EPOCH: str(letter.epoch), SEQUENCE: str(letter.sequence)},
                body=letter.body,
                created=self._clock.now(),
            )
            return send(
                http,
                letter.method,
                letter.path,
                body=letter.body,
                headers=signed,
                patience=letter.patience,
                extensions=extensions,
                most=_LARGEST_ORDERS if letter.series == "orders" else _LARGEST,
            )

    def hang_up(self, patience: float) -> None:
        """End the long poll at once, everything else after `patience` seconds."""
        self._line.hang_up(patience)


def connect(hub: str, ca_file: str | None) -> httpx2.Client:
    """Make the connection pool; nothing is sent yet."""
    verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca_file) if ca_file else True
    return httpx2.Client(
        base_url=hub.rstrip("/"),
        verify=verify,
        timeout=httpx2.Timeout(PATIENCE_S, connect=_CONNECT_S),
        headers={"User-Agent": f"foedus-agent/{__version__}"},
        follow_redirects=False,
    )


def send(
    http: httpx2.Client,
    method: str,
    path: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    patience: float = PATIENCE_S,
    extensions: Extensions | None = None,
    most: int = _LARGEST,
) -> Answer:
    """Make one HTTP request; raises `Unreachable` where nothing comes back, and `Broken` for a bomb.

    The answer is read as it comes, at most so many bytes of it, and never unpacked: the hub need not be trusted with
    this machine's memory.
    """
    timeout = httpx2.Timeout(patience, connect=_CONNECT_S)
    asked = {**headers, "accept-encoding": "identity"}
    try:
        with http.stream(method, path, content=body, headers=asked, timeout=timeout, extensions=extensions) as found:
            return Answer(status=found.status_code, headers=dict(found.headers), body=_read(found, most))
    except httpx2.HTTPError as error:
        words = str(error) or type(error).__name__
        raise Unreachable(f"no answer from {http.base_url}: {words}", remedy="check the network and the hub") from error


def _read(found: httpx2.Response, most: int) -> bytes:
    packed = found.headers.get("content-encoding", "identity")
    if packed != "identity":
        raise Broken(f"the hub's answer is packed ({packed}), and nobody asked for that", remedy="ask its operator")
    body = bytearray()
    for part in found.iter_raw():
        body += part
        if len(body) > most:
            raise Broken(f"the hub's answer has more than {most} bytes", remedy="ask its operator")
    return bytes(body)
