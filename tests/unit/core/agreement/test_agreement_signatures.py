from dataclasses import replace

from foedus.core.agreement.force import refusals
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import (
    PAYLOAD_TYPE,
    Finding,
    Standing,
    file_name,
    findings,
    needed,
    sign_agreement,
)
from foedus.core.base.dsse import Envelope, sign
from foedus.core.base.errors import Fault
from foedus.core.base.instant import parse_iso
from foedus.keys.ed25519 import verify

NOW = parse_iso("2026-06-01T12:00:00Z")


def test_every_partner_signs_the_bytes_of_the_file(agreement, text, north, south):
    data = text.encode()
    envelopes = {"north": sign_agreement(north, data, None), "south": sign_agreement(south, data, None)}
    assert findings(data, agreement, None, envelopes, verify) == (
        Finding(partner="north", key=north.key, standing=Standing.SIGNED),
        Finding(partner="south", key=south.key, standing=Standing.SIGNED),
    )
    assert Envelope.read(envelopes["north"].write(), "x") == envelopes["north"]


def test_what_is_wrong_is_told_apart(agreement, text, north, south, stranger):
    data = text.encode()

    def standing(envelope):
        return findings(data, agreement, None, {"north": envelope} if envelope else {}, verify)[0].standing

    assert standing(None) is Standing.MISSING
    assert standing(sign_agreement(north, data + b"\n", None)) is Standing.OTHER_TEXT
    assert standing(sign_agreement(stranger, data, None)) is Standing.WRONG
    assert standing(sign_agreement(south, data, None)) is Standing.WRONG
    other_type = Envelope(payload_type="text/plain", payload=data, signatures=(sign(north, "text/plain", data),))
    assert standing(other_type) is Standing.WRONG
    assert standing(replace(other_type, payload_type=PAYLOAD_TYPE)) is Standing.WRONG
    forged = replace(sign(stranger, PAYLOAD_TYPE, data), keyid=north.key)
    assert standing(Envelope(payload_type=PAYLOAD_TYPE, payload=data, signatures=(forged,))) is Standing.WRONG


def test_an_amendment_needs_the_partners_of_the_version_before(agreement, text, north, south, stranger):
    only_north = replace(agreement, partners=agreement.partners[:1])
    assert needed(only_north, agreement) == (("north", north.key), ("south", south.key))
    new_key = replace(agreement, partners=(replace(agreement.partners[0], key=stranger.key), agreement.partners[1]))
    assert needed(new_key, agreement) == (("north", stranger.key), ("south", south.key), ("north", north.key))


def test_one_envelope_holds_the_old_and_the_new_key_of_a_partner(text, north, stranger):
    data = text.encode()
    both = sign_agreement(stranger, data, sign_agreement(north, data, None))
    assert [signature.keyid for signature in both.signatures] == [north.key, stranger.key]
    assert sign_agreement(north, data, both).signatures == (both.signatures[1], both.signatures[0])
    assert sign_agreement(stranger, data + b"x", both).signatures == (sign(stranger, PAYLOAD_TYPE, data + b"x"),)


def test_the_name_of_the_file():
    assert file_name("agreement.toml", "north") == "agreement.north.dsse.json"


def test_all_refusals_at_once(agreement, text, north):
    data = text.replace("Two towns", "Two cities").encode()
    old_news = read(data)
    signatures = findings(data, old_news, agreement, {"north": sign_agreement(north, data, None)}, verify)
    bad_clause = Fault(path="clauses[0].policy", fault="is not Cedar", remedy="mend it")
    faults = refusals(old_news, agreement, parse_iso("2027-06-01T00:00:00Z"), signatures, [bad_clause])
    assert [fault.path for fault in faults] == ["ends", "version", "signatures.south", "clauses[0].policy"]


def test_a_signed_amendment_comes_into_force_and_the_same_file_stays(agreement, text, north, south):
    amended = text.replace("version = 1", f'version = 2\nprevious = "{agreement.digest}"').encode()
    new = read(amended)
    envelopes = {"north": sign_agreement(north, amended, None), "south": sign_agreement(south, amended, None)}
    signatures = findings(amended, new, agreement, envelopes, verify)
    assert refusals(new, agreement, NOW, signatures, ()) == ()
    assert refusals(new, new, NOW, signatures, ()) == ()
    assert [fault.path for fault in refusals(agreement, new, NOW, (), ())] == ["version"]
