import base64

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.dsse import Envelope, Signature, pae, sign, signature_from_json, signed_by, unbase64
from foedus.core.base.errors import BadInput


class Key:
    def __init__(self, seed):
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.key = "ed25519:" + self._private.public_key().public_bytes_raw().hex()

    def sign(self, message):
        return self._private.sign(message)


ONE, OTHER = Key(1), Key(2)


def check(key, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key[8:])).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_pae_is_the_example_of_the_protocol():
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_pae_counts_bytes():
    assert pae("é", "é".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xa9"


@given(st.text(), st.binary(), st.text(), st.binary())
def test_pae_has_no_two_readings(kind, data, other_kind, other_data):
    assert (pae(kind, data) == pae(other_kind, other_data)) == ((kind, data) == (other_kind, other_data))


def test_a_signature_holds_for_its_key_type_and_payload_alone():
    signature = sign(ONE, "a", b"x")
    assert signed_by(check, ONE.key, "a", b"x", [signature])
    assert not signed_by(check, OTHER.key, "a", b"x", [signature])
    assert not signed_by(check, ONE.key, "b", b"x", [signature])
    assert not signed_by(check, ONE.key, "a", b"y", [signature])
    assert not signed_by(check, OTHER.key, "a", b"x", [Signature(keyid=OTHER.key, sig=signature.sig)])


def test_one_good_signature_among_bad_ones_is_enough():
    bad = [Signature(keyid=ONE.key, sig="?"), Signature(keyid=ONE.key, sig="AAAA")]
    assert signed_by(check, ONE.key, "a", b"x", [*bad, sign(OTHER, "a", b"x"), sign(ONE, "a", b"x")])
    assert not signed_by(check, ONE.key, "a", b"x", bad)


@given(st.text(), st.binary(), st.integers(0, 3))
def test_envelopes_read_back(kind, data, count):
    signatures = tuple(sign(key, "t", data) for key in (ONE, OTHER, ONE)[:count])
    envelope = Envelope(payload_type=kind, payload=data, signatures=signatures)
    assert Envelope.read(envelope.write(), "f") == envelope


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"payload":"","payloadType":"t","signatures":{}}',
        b'{"payload":"AB==","payloadType":"t","signatures":[]}',
        b'{"payload":"","payloadType":1,"signatures":[]}',
        b'{"payload":"","payloadType":"t","signatures":[{"keyid":"k"}]}',
        b'{"payload":"","payloadType":"t","signatures":[{"keyid":"k","sig":1}]}',
        b'{"payload":"","payloadType":"t","signatures":["x"]}',
        b"\xff",
        b"[" * 100_000,
        b'{"payload":"","payloadType":"\\ud800","signatures":[]}',
        b'{"payload":"","payloadType":"t","signatures":[{"keyid":"\\ud800","sig":""}]}',
    ],
)
def test_what_is_no_envelope_is_refused_by_name(data):
    with pytest.raises(BadInput) as refusal:
        Envelope.read(data, "a.json")
    (fault,) = refusal.value.faults
    assert (fault.path, fault.fault.partition(" (")[0]) == ("a.json", "is not a DSSE envelope")


def test_signatures_read_back():
    signature = sign(ONE, "t", b"x")
    assert signature_from_json(signature.json()) == signature


@given(st.binary())
def test_base64_reads_back(data):
    assert unbase64(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize("text", ["AB==", "AA", "A===", "AA==\n", "A A=", "-_8=", "AAA=AAA="])
def test_base64_has_one_spelling(text):
    with pytest.raises(ValueError):
        unbase64(text)
