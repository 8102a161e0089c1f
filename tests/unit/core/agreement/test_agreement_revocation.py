from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foedus.core.agreement.revocation import PAYLOAD_TYPE, Revocation, make, verify
from foedus.core.base.dsse import Envelope, sign
from foedus.core.base.errors import BadInput
from foedus.core.ledger.bodies import body_faults
from foedus.core.ledger.entry import Kind, matching, payload_type
from foedus.keys import ed25519


@pytest.fixture
def revocation(stranger):
    return Revocation(alliance="twins", site="palm", key=stranger.key, reason="the machine was stolen")


def paths(envelope, agreement):
    with pytest.raises(BadInput) as caught:
        verify(envelope, agreement, ed25519.verify)
    return [fault.path for fault in caught.value.faults]


def test_the_partner_takes_the_key_of_its_own_site_back(revocation, agreement, south, stranger):
    envelope = make(south, revocation)
    assert envelope.payload.decode() == (
        f'{{"alliance":"twins","key":"{stranger.key}","reason":"the machine was stolen","site":"palm"}}'
    )
    assert verify(envelope, agreement, ed25519.verify) == revocation


def test_its_signature_is_that_of_the_ledgers_entry(revocation, south):
    envelope = make(south, revocation)
    kind = Kind.SITE_KEY_REVOKED
    assert payload_type(kind) == PAYLOAD_TYPE
    assert matching(kind, revocation.body(), envelope.signatures, ed25519.verify) == envelope.signatures


def test_nobody_else_may(revocation, agreement, north, hub, stranger):
    for signer in (north, hub, stranger):
        assert paths(make(signer, revocation), agreement) == ["revocation.signature"]


def test_everything_wrong_is_named(revocation, agreement, south):
    wrong = replace(revocation, site="oak", alliance="x", reason="")
    assert paths(make(south, wrong), agreement) == ["revocation.alliance", "revocation.site", "revocation.reason"]
    assert paths(make(south, replace(revocation, key="ed25519:xyz")), agreement) == ["revocation.key"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reason=st.text(max_size=3) | st.sampled_from(["x" * 500, "x" * 501]))
def test_what_is_accepted_can_be_booked(reason, revocation, agreement, south):
    said = replace(revocation, reason=reason)
    bookable = not body_faults(Kind.SITE_KEY_REVOKED, said.body())
    try:
        envelope = make(south, said)
    except ValueError:  # no canonical form: a lone surrogate
        return
    assert (
        paths(envelope, agreement) == ["revocation.reason"]
        if not bookable
        else verify(envelope, agreement, ed25519.verify) == said
    )


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"{}", b'{"alliance":"a","key":"k","reason":1,"site":"s"}', b"[" * 100_000]
)
def test_other_payloads_are_bad_input(payload, agreement, south):
    envelope = Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=(sign(south, PAYLOAD_TYPE, payload),))
    assert paths(envelope, agreement) == ["revocation.payload"]


def test_a_vouch_is_no_revocation(revocation, agreement, south):
    other = replace(make(south, revocation), payload_type="application/vnd.foedus.site-key+json")
    assert paths(other, agreement) == ["revocation.payloadType"]
