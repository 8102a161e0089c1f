import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from foedus.core.base.errors import NotAuthenticated
from foedus.core.base.instant import after, parse_iso
from foedus.keys.ed25519 import make
from foedus.keys.http import sign_request, verify_request

KEY = make()
URL = "https://hub.example/api/v1/agents/baku/orders?wait=20&x=%20"
BODY = '{"text":"ə"}'.encode()
NOW = parse_iso("2026-06-01T12:00:00Z")
SIGNED = sign_request(KEY, "POST", URL, headers={"Foedus-Epoch": "3", "Foedus-Sequence": "7"}, body=BODY, created=NOW)


def check(**changes):
    asked = {"key": KEY.key, "method": "POST", "url": URL, "headers": SIGNED, "body": BODY, "now": NOW} | changes
    verify_request(**asked)


def refusal(**changes):
    with pytest.raises(NotAuthenticated) as caught:
        check(**changes)
    return caught.value.message.removeprefix("the request is not signed by the site's key as it should be: ")


def test_the_headers_are_those_of_the_standard_and_the_signature_can_be_checked_by_hand():
    digest = base64.b64encode(hashlib.sha256(BODY).digest()).decode()
    parameters = (
        '("@method" "@path" "@query" "content-digest" "foedus-epoch" "foedus-sequence")'
        f';created=1780315200;keyid="{KEY.key}";alg="ed25519";tag="foedus-agent"'
    )
    assert {name: text for name, text in SIGNED.items() if name != "signature"} == {
        "foedus-epoch": "3",
        "foedus-sequence": "7",
        "content-digest": f"sha-256=:{digest}:",
        "signature-input": f"foedus={parameters}",
    }
    base = (
        '"@method": POST\n"@path": /api/v1/agents/baku/orders\n"@query": ?wait=20&x=%20\n'
        f'"content-digest": sha-256=:{digest}:\n"foedus-epoch": 3\n"foedus-sequence": 7\n'
        f'"@signature-params": {parameters}'
    )
    signature = base64.b64decode(SIGNED["signature"].removeprefix("foedus=:").removesuffix(":"))
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(KEY.key.removeprefix("ed25519:")))
    public.verify(signature, base.encode())


def test_a_good_request_passes_also_behind_a_proxy_that_ends_tls():
    check()
    check(url=URL.replace("https://hub.example", "http://10.0.0.7:8000"))
    check(headers={name.title(): value for name, value in SIGNED.items()} | {"X-Forwarded-For": "1.2.3.4"})


def test_an_empty_body_is_signed_too():
    signed = sign_request(KEY, "GET", URL, headers={"foedus-epoch": "1", "foedus-sequence": "1"}, body=b"", created=NOW)
    check(method="GET", headers=signed, body=b"")
    assert refusal(method="GET", headers=signed, body=b"x").startswith("the body is not the one that was signed")


BAD = "the signature is not good for this request"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "PUT"}, BAD),
        ({"url": URL.replace("baku", "jerusalem")}, BAD),
        ({"url": URL.replace("wait=20", "wait=21")}, BAD),
        ({"headers": SIGNED | {"foedus-sequence": "8"}}, BAD),
        ({"headers": SIGNED | {"foedus-epoch": "4"}}, BAD),
        ({"headers": SIGNED | {"signature": "foedus=:" + base64.b64encode(bytes(64)).decode() + ":"}}, BAD),
        (
            {
                "headers": SIGNED
                | {
                    "content-digest": sign_request(
                        KEY, "GET", URL, headers={"foedus-epoch": "1", "foedus-sequence": "1"}, body=b"x", created=NOW
                    )["content-digest"]
                },
                "body": b"x",
            },
            BAD,
        ),
        ({"key": make().key}, "Unable to resolve verification key"),
        ({"key": "nonsense"}, "Unable to resolve verification key"),
        ({"headers": {}}, 'Expected "Signature-Input" header field to be present'),
        (
            {"headers": {name: value for name, value in SIGNED.items() if name != "foedus-epoch"}},
            'Covered header field "foedus-epoch" not found in the message',
        ),
        (
            {"headers": SIGNED | {"signature-input": SIGNED["signature-input"].replace(' "foedus-sequence"', "")}},
            BAD,
        ),
        (
            {"headers": SIGNED | {"signature-input": SIGNED["signature-input"].replace("foedus-agent", "other")}},
            "No signatures found matching the expected tag or label",
        ),
        (
            {"headers": SIGNED | {"signature-input": SIGNED["signature-input"].replace('ed25519"', 'hmac-sha256"')}},
            "Unexpected algorithm specified in the signature",
        ),
        (
            {"headers": SIGNED | {"signature-input": SIGNED["signature-input"].replace(";created=1780315200", "")}},
            "the signature does not say when it was made",
        ),
        ({"headers": SIGNED | {"signature-input": "("}}, 'Malformed structured header field "Signature-Input"'),
        (
            {"body": BODY + b" "},
            "the body is not the one that was signed: Content-Digest does not match the message body",
        ),
    ],
)
def test_what_is_refused(changes, message):
    assert refusal(**changes) == message


def test_a_well_signed_request_that_covers_too_little_is_refused():
    with pytest.raises(ValueError, match="foedus-epoch"):
        sign_request(KEY, "POST", URL, headers={"foedus-sequence": "7"}, body=BODY, created=NOW)


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        (121, "the request was signed 121 s behind the hub's clock; the hub says 2026-06-01T12:02:01Z"),
        (-3600, "the request was signed 3600 s ahead of the hub's clock; the hub says 2026-06-01T11:00:00Z"),
    ],
)
def test_a_clock_that_is_off_is_told_so(seconds, message):
    with pytest.raises(NotAuthenticated) as caught:
        check(now=after(NOW, seconds))
    assert (caught.value.message, caught.value.remedy) == (
        message,
        "set the site's clock (at most 120 s may lie between), for example with chrony, and try again",
    )


def test_a_clock_within_the_window_passes():
    for seconds in (-120, 120):
        check(now=after(NOW, seconds))
