"""Signed HTTP requests of agents: RFC 9421 with Ed25519, the body by its digest (RFC 9530).

Covered are the method, the path, the query, the digest of the body, and the headers ``foedus-epoch`` and
``foedus-sequence``, which make a replay visible. Scheme and host are left out on purpose: a proxy that ends TLS before
the hub changes both. What keeps a request from being played to another hub is that a site's key is known to the hub
of its own alliance only, and that epoch and sequence are that hub's. A proxy must leave the path as it is.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from http_message_signatures.algorithms import ED25519  # pyright: ignore[reportPrivateImportUsage] - its public home
from http_message_signatures.digests import ContentDigest
from http_message_signatures.exceptions import HTTPMessageSignaturesException, InvalidSignature
from http_message_signatures.resolvers import MappingKeyResolver
from http_message_signatures.signatures import HTTPMessageSigner, HTTPMessageVerifier
from http_message_signatures.structures import VerifyResult

from foedus.core.base.dsse import Signer
from foedus.core.base.errors import NotAuthenticated
from foedus.core.base.instant import CLOCK_SLACK_S, Instant, from_seconds, iso, seconds_between
from foedus.keys.ed25519 import public

EPOCH = "foedus-epoch"
SEQUENCE = "foedus-sequence"
TAG = "foedus-agent"
LABEL = "foedus"
COMPONENTS = ("@method", "@path", "@query", "content-digest", EPOCH, SEQUENCE)


def sign_request(
    signer: Signer, method: str, url: str, *, headers: Mapping[str, str], body: bytes, created: Instant
) -> dict[str, str]:
    """Return `headers` with ``content-digest``, ``signature-input`` and ``signature`` added, names in small letters.

    ``headers`` hold `EPOCH` and `SEQUENCE`; ``url`` is absolute. Raises `ValueError` if one of these is not so.
    """
    message = _message(method, url, {name.lower(): value for name, value in headers.items()})
    signatures = HTTPMessageSigner(signature_algorithm=ED25519)
    try:
        prepared = signatures.prepare(
            message,
            key_id=signer.key,
            created=datetime.fromtimestamp(created / 1000, UTC),
            tag=TAG,
            label=LABEL,
            covered_component_ids=COMPONENTS,
            body=body,
        )
        signatures.apply(message, prepared, signer.sign(prepared.signature_base))
    except HTTPMessageSignaturesException as error:
        raise ValueError(f"this request cannot be signed: {error}") from error
    return {name.lower(): value for name, value in cast("dict[str, str]", message.headers).items()}


def verify_request(
    key: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    now: Instant,
) -> None:
    """Check that `key` signed this very request, at most `CLOCK_SLACK_S` seconds before or after `now`.

    Raises `NotAuthenticated`, saying what is wrong. Whether the epoch and the sequence are new is the caller's
    question; after this they are what the agent sent.
    """
    held = public(key)
    resolver = MappingKeyResolver(public_keys={key: held} if held else {}, private_keys={})
    verifier = _Verifier(signature_algorithm=ED25519, key_resolver=resolver)
    try:
        results = verifier.verify(
            _message(method, url, headers), max_age=None, expect_tag=TAG, require_components=COMPONENTS
        )
    except HTTPMessageSignaturesException as error:
        words = str(error) or "the signature is not good for this request"
        message = f"the request is not signed by the site's key as it should be: {words}"
        remedy = "send it just as it was signed; if the site's key was changed, enrol the site again"
        raise NotAuthenticated(message, remedy=remedy) from error
    if len(results) != 1:
        raise NotAuthenticated("the request bears several signatures of an agent", remedy="send one")
    _check_body(results[0], body)
    _check_clock(results[0], now)


class _Verifier(HTTPMessageVerifier):
    """The library's verifier without its own look at the clock: the time comes in as an argument, after the check."""

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:  # noqa: ANN401
        del max_age
        if type(sig_input.params.get("created")) is not int:
            raise InvalidSignature("the signature does not say when it was made")


def _message(method: str, url: str, headers: Mapping[str, str]) -> SimpleNamespace:
    return SimpleNamespace(method=method.upper(), url=url, headers=headers)


def _check_body(result: VerifyResult, body: bytes) -> None:
    try:
        ContentDigest.verify_components(result.covered_components, body)
    except HTTPMessageSignaturesException as error:
        message = f"the body is not the one that was signed: {error}"
        raise NotAuthenticated(message, remedy="send the body unchanged") from error


def _check_clock(result: VerifyResult, now: Instant) -> None:
    created = from_seconds(int(result.parameters["created"]))
    off = seconds_between(now, created)
    if abs(off) <= CLOCK_SLACK_S:
        return
    direction = "ahead of" if off > 0 else "behind"
    message = f"the request was signed {abs(off):.0f} s {direction} the hub's clock; the hub says {iso(now)}"
    remedy = f"set the site's clock (at most {CLOCK_SLACK_S} s may lie between), for example with chrony, and try again"
    raise NotAuthenticated(message, remedy=remedy)
