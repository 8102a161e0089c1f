from dataclasses import replace

import pytest

from foedus.core.agreement.vouch import PAYLOAD_TYPE, Vouch, make, verify
from foedus.core.base.dsse import Envelope, sign
from foedus.core.base.errors import BadInput
from foedus.core.base.instant import after, parse_iso
from foedus.keys import ed25519

NOW = parse_iso("2026-06-01T12:00:00Z")


@pytest.fixture
def vouch(stranger):
    return Vouch(alliance="twins", site="palm", key=stranger.key, not_before=NOW)


def paths(envelope, agreement, now=NOW):
    with pytest.raises(BadInput) as caught:
        verify(envelope, agreement, now, ed25519.verify)
    return [fault.path for fault in caught.value.faults]


def test_the_partner_vouches_for_its_own_site(vouch, agreement, south, stranger):
    envelope = make(south, vouch)
    assert envelope.payload.decode() == (
        f'{{"alliance":"twins","key":"{stranger.key}","not_before":"2026-06-01T12:00:00Z","site":"palm"}}'
    )
    assert verify(envelope, agreement, NOW, ed25519.verify) == vouch


def test_nobody_else_may(vouch, agreement, north, hub, stranger):
    for signer in (north, hub, stranger):
        assert paths(make(signer, vouch), agreement) == ["vouch.signature"]


def test_everything_wrong_is_named(vouch, agreement, south):
    assert paths(make(south, replace(vouch, site="oak", alliance="x")), agreement) == ["vouch.alliance", "vouch.site"]
    assert paths(make(south, vouch), agreement, after(NOW, -121)) == ["vouch.not_before"]
    assert verify(make(south, vouch), agreement, after(NOW, -120), ed25519.verify) == vouch
    assert paths(make(south, replace(vouch, key="ed25519:xyz")), agreement) == ["vouch.key"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        b'{"alliance":1,"key":"","not_before":"","site":""}',
        b"[" * 100_000,
        b'{"alliance":"a","key":"k","not_before":"2026","site":"s"}',
    ],
)
def test_other_payloads_are_bad_input(payload, agreement, south):
    envelope = Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=(sign(south, PAYLOAD_TYPE, payload),))
    assert paths(envelope, agreement) == ["vouch.payload"]


def test_other_types_and_other_spellings_are_bad_input(vouch, agreement, south):
    assert paths(replace(make(south, vouch), payload_type="text/plain"), agreement) == ["vouch.payloadType"]
    for payload in (vouch.payload() + b" ", vouch.payload().replace(b'"}', b'","x":1}')):
        envelope = Envelope(
            payload_type=PAYLOAD_TYPE, payload=payload, signatures=(sign(south, PAYLOAD_TYPE, payload),)
        )
        assert paths(envelope, agreement) == ["vouch.payload"]
