import os

import httpx2
import pytest

from foedus.agent.agreement import accepted, load
from foedus.agent.enrol import join, statement
from foedus.agent.folder import Enrolment
from foedus.core.agreement import vouch
from foedus.core.agreement.read import read
from foedus.core.base.errors import BadInput, Broken, Conflict, NotAllowed, NotFound
from foedus.keys import ed25519
from foedus.process.clock import SystemClock


@pytest.fixture
def enrol(hub, folder):
    def act(envelope, code="one-time"):
        with httpx2.Client(base_url=hub.url) as http:
            return join(
                folder, http, hub_url=hub.url, site="jerusalem", code=code, envelope=envelope, clock=SystemClock()
            )

    return act


def test_a_site_joins_and_keeps_what_it_needs(hub, folder, enrol):
    found = enrol(hub.statement(folder.make_key().key))

    assert (found.agreement.id, found.key, found.entry) == ("pact", folder.key().key, 2)
    assert folder.enrolment() == Enrolment(hub=hub.url, site="jerusalem", alliance="pact", hub_key=hub.keys["hub"].key)
    assert load(folder) == read(hub.text().encode())
    for file in ("site.key", "enrolment.json", "agreement.json"):
        assert (folder.path / file).stat().st_mode & 0o777 == 0o600


def test_a_partner_whose_key_is_at_hand_vouches_on_the_spot(hub, folder, enrol):
    enrol(statement(folder, "jerusalem", hub.keys["israel"], "pact", SystemClock()))

    assert hub.site_key == folder.key().key


def test_a_statement_about_another_key_or_site_is_not_even_sent(hub, folder, enrol):
    with pytest.raises(BadInput, match="is for site jerusalem and key"):
        enrol(hub.statement(ed25519.make().key))
    words = vouch.Vouch(alliance="pact", site="baku", key=folder.make_key().key, not_before=0)
    with pytest.raises(BadInput, match="is for site baku"):
        enrol(vouch.make(hub.keys["israel"], words))
    assert hub.code == "one-time"


def test_a_used_code_is_refused(hub, folder, enrol):
    with pytest.raises(NotAllowed, match="this code is not good"):
        enrol(hub.statement(folder.make_key().key), code="wrong")
    with pytest.raises(NotFound):
        folder.enrolment()


def test_a_hub_that_shows_an_unsigned_agreement_is_not_joined(hub, folder, enrol, monkeypatch):
    view = hub.agreement()
    unsigned = view.model_copy(update={"signatures": {"israel": view.signatures["israel"]}})
    monkeypatch.setattr(hub, "agreement", lambda: unsigned)

    with pytest.raises(BadInput, match=r"signatures.azerbaijan: is missing"):
        enrol(hub.statement(folder.make_key().key))
    with pytest.raises(NotFound):
        folder.enrolment()


def test_a_changed_agreement_is_not_accepted(hub):
    view = hub.agreement()
    changed = view.model_copy(update={"text": view.text.replace("gpu_hours = 100", "gpu_hours = 999")})

    with pytest.raises(BadInput) as raised:
        accepted(changed, None)
    assert [fault.fault for fault in raised.value.faults] == ["is over another text than this file"] * 2


def test_only_a_newer_version_signed_by_those_of_the_old_one_is_accepted(hub):
    old = hub.agreement()
    held = accepted(old, None)
    hub.amend()
    new = accepted(hub.agreement(), held)
    assert new.version == 2

    with pytest.raises(NotAllowed, match="this site holds 2"):
        accepted(old, new)
    hub.keys["israel"] = ed25519.make()
    hub.amend()
    with pytest.raises(BadInput, match=r"signatures.israel: is not made with the partner's key"):
        accepted(hub.agreement(), new)


def test_a_damaged_copy_is_told(enrolled):
    enrolled.agreement.write_text(enrolled.agreement.read_text().replace("gpu_hours = 100", "gpu_hours = 999"))

    with pytest.raises(Broken, match="is damaged"):
        load(enrolled)


def test_a_key_is_made_once_and_the_lock_held_once(folder):
    assert folder.make_key().key == folder.make_key().key
    assert not folder.is_locked()
    handle = folder.lock()
    try:
        assert folder.is_locked()
        with pytest.raises(Conflict):
            folder.lock()
    finally:
        os.close(handle)
    assert not folder.is_locked()
