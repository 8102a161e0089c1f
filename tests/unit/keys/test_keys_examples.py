import pytest

from foedus.core.agreement.force import refusals
from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import findings
from foedus.core.base.dsse import Envelope
from foedus.core.base.errors import Conflict, NotFound
from foedus.core.base.instant import parse_iso
from foedus.keys.ed25519 import load, verify
from foedus.keys.examples import lay_out, names


def test_every_example_is_sound_signed_and_in_force(tmp_path):
    assert names() == ("caspian",)
    made = lay_out("caspian", tmp_path / "new" / "alliance", sign=True)
    data = made.agreement.read_bytes()
    agreement = read(data)
    keys = {partner.id: partner.key for partner in agreement.partners} | {"hub": agreement.hub_key}
    assert {party: load(path).key for party, path in made.keys.items()} == keys
    envelopes = {
        partner.id: Envelope.read(path.read_bytes(), str(path))
        for partner, path in zip(agreement.partners, made.signatures, strict=True)
    }
    signatures = findings(data, agreement, None, envelopes, verify)
    assert refusals(agreement, None, parse_iso("2026-11-23T00:00:00Z"), signatures, ()) == ()
    assert [path.name for path in made.policies] == ["baku.cedar", "jerusalem.cedar"]
    languages = {"en", "he", "az", "de"}
    texts = [agreement.title, *(one.text for one in agreement.clauses), *(one.title for one in agreement.sectors)]
    texts += [one.title for one in (*agreement.partners, *agreement.sites)]
    assert [set(text) for text in texts] == [languages] * len(texts)


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "baku.cedar").write_text("mine")
    with pytest.raises(Conflict) as caught:
        lay_out("caspian", tmp_path, sign=False)
    assert caught.value.message == f"these files exist already: {tmp_path / 'baku.cedar'}"
    assert [path.name for path in tmp_path.iterdir()] == ["baku.cedar"]


def test_an_unknown_example(tmp_path):
    with pytest.raises(NotFound):
        lay_out("../agreements/caspian", tmp_path, sign=False)
