"""A site's key is taken back: by the hub alone, or by its partner for good."""

from collections.abc import Callable

import pytest
from alliance import Alliance, script

from foedus.core.agreement.revocation import Revocation
from foedus.core.agreement.revocation import make as make_revocation
from foedus.core.agreement.vouch import Vouch, make
from foedus.core.base.errors import BadInput, Busy, Conflict, NotAllowed, NotFound
from foedus.core.ledger.entry import Kind
from foedus.flow.book import book
from foedus.flow.enrol import enrol, new_code, revoke
from foedus.flow.ports import Transaction
from foedus.keys import ed25519
from foedus.wire.agents import EnrolReply, EnrolRequest, ReportItem, RevocationReply

Join = Callable[..., EnrolReply]
Revoke = Callable[..., RevocationReply]


@pytest.fixture
def key() -> ed25519.PrivateKey:
    return ed25519.make()


@pytest.fixture
def join(alliance: Alliance, key: ed25519.PrivateKey) -> Join:
    """Let a site join with a fresh code and its partner's word for a key."""
    numbers = iter(range(100))

    def act(site: str = "jerusalem", partner: str = "israel", site_key: str = "") -> EnrolReply:
        code, office = f"code-{next(numbers)}", alliance.caller("olga")
        alliance.do(lambda tx: new_code(tx, office, alliance.agreement, site, code=code, now=alliance.now))
        said = Vouch(alliance="caspian", site=site, key=site_key or key.key, not_before=alliance.now)
        request = EnrolRequest(code=code, site=site, vouch=make(alliance.signed.keys[partner], said).json())
        return alliance.do(
            lambda tx: enrol(tx, request, alliance.agreement, hub_key="hub", verify=ed25519.verify, now=alliance.now)
        )

    return act


@pytest.fixture
def take(alliance: Alliance) -> Revoke:
    """Revoke as the operator of Jerusalem does, with a statement or without."""

    def act(statement: dict | None, site: str = "jerusalem", who: str = "oren") -> RevocationReply:
        caller = alliance.caller(who)
        return alliance.do(
            lambda tx: revoke(tx, caller, alliance.agreement, site, statement, verify=ed25519.verify, now=alliance.now)
        )

    return act


def statement(of: Alliance, key: str, *, site: str = "jerusalem", partner: str = "israel", **changes) -> dict:
    said = Revocation(**{"alliance": "caspian", "site": site, "key": key, "reason": "lost"} | changes)
    return make_revocation(of.signed.keys[partner], said).json()


def booked(alliance: Alliance) -> list[tuple[str, object]]:
    with alliance.store.read() as tx:
        return [(str(entry.kind), entry.body.get("key")) for entry in tx.ledger.about_keys()]


def present(alliance: Alliance, site: str = "jerusalem") -> str | None:
    with alliance.store.read() as tx:
        return tx.sites.get(site).key


def test_the_hub_alone_refuses_a_key_and_the_same_one_may_come_back(alliance: Alliance, join: Join, take: Revoke, key):
    join()
    assert take(None) == RevocationReply(site="jerusalem", key=key.key, entry=None)
    assert (present(alliance), booked(alliance)) == (None, [("site-key", key.key)])
    with pytest.raises(NotFound, match="site jerusalem has no key"):
        take(None)
    assert (join().entry, present(alliance)) == (3, key.key)


def test_a_booked_revocation_is_for_good(alliance: Alliance, join: Join, take: Revoke, key):
    join()
    said = statement(alliance, key.key)
    assert take(said) == RevocationReply(site="jerusalem", key=key.key, entry=3)
    assert (present(alliance), booked(alliance)) == (None, [("site-key", key.key), ("site-key-revoked", key.key)])
    with pytest.raises(Conflict, match="was revoked already, by ledger entry 3"):
        take(said)
    with pytest.raises(BadInput) as caught:
        join()
    (fault,) = caught.value.faults
    assert (fault.path, fault.fault) == ("vouch.key", "was revoked (ledger entry 3) and cannot come back")
    assert (len(booked(alliance)), present(alliance)) == (2, None)
    other = ed25519.make()
    assert join(site_key=other.key).entry == 4
    assert present(alliance) == other.key


def test_an_earlier_key_is_revoked_and_the_present_one_stays(alliance: Alliance, join: Join, take: Revoke, key):
    newer = ed25519.make()
    join()
    join(site_key=newer.key)
    assert take(statement(alliance, key.key)) == RevocationReply(site="jerusalem", key=key.key, entry=4)
    assert present(alliance) == newer.key


def test_a_key_that_the_hub_refuses_already_is_revoked_for_good(alliance: Alliance, join: Join, take: Revoke, key):
    join()
    take(None)
    assert take(statement(alliance, key.key)).entry == 3


def test_only_its_partner_revokes_a_key_and_only_one_that_was_given(alliance: Alliance, join: Join, take: Revoke, key):
    join()
    for said, path in (
        (statement(alliance, key.key, partner="azerbaijan"), "revocation.signature"),
        (statement(alliance, key.key, partner="hub"), "revocation.signature"),
        (statement(alliance, key.key, reason=""), "revocation.reason"),
        (statement(alliance, key.key, alliance="other"), "revocation.alliance"),
        (statement(alliance, key.key, site="baku", partner="azerbaijan"), "revocation.site"),
        (statement(alliance, ed25519.make().key), "revocation.key"),
        ({"payload": 1}, "revocation"),
    ):
        with pytest.raises(BadInput) as caught:
            take(said)
        assert [fault.path for fault in caught.value.faults] == [path]
    for who in ("orxan", "noa"):
        with pytest.raises(NotAllowed):
            take(statement(alliance, key.key), who=who)
    with pytest.raises(NotFound, match="the agreement has no site 'nowhere'"):
        take(None, site="nowhere", who="olga")
    assert (present(alliance), booked(alliance)) == (key.key, [("site-key", key.key)])


def test_the_key_of_one_site_is_not_given_to_another(alliance: Alliance, join: Join, key):
    join()
    with pytest.raises(BadInput, match="is already the key of site jerusalem"):
        join(site="baku", partner="azerbaijan")
    assert booked(alliance) == [("site-key", key.key)]
    assert present(alliance, "baku") == alliance.site_keys["baku"].key


def test_what_was_signed_with_it_is_booked_only_when_it_is_signed_anew(alliance: Alliance, join: Join, take: Revoke):
    alliance.submit(text=script(gpus=2))
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(120)
    alliance.run("jerusalem", "1")
    usage, old = alliance.usage("1"), alliance.site_keys["jerusalem"]
    join(site_key=old.key)
    item = alliance.record(usage)
    assert item.keyid == old.key

    take(statement(alliance, old.key))
    newer = ed25519.make()
    join(site_key=newer.key)
    text = "the record is not signed with the key of jerusalem"
    assert alliance.book(item) == ReportItem(job="1", attempt=1, accepted=False, text=text)
    alliance.site_keys["jerusalem"] = newer
    assert alliance.book(alliance.record(usage)) == ReportItem(job="1", attempt=1, accepted=True)


def test_a_record_loses_the_race_against_a_revocation(alliance: Alliance, join: Join, monkeypatch):
    """Between the check of its signature and the lock of the head the key is taken back."""
    alliance.submit(text=script(gpus=2))
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(120)
    alliance.run("jerusalem", "1")
    item = alliance.record(alliance.usage("1"))

    def interrupted(tx: Transaction) -> None:
        append = type(tx.ledger).append_all

        def first_revoked(self, bookings, at):
            tx.sites.revoke("jerusalem")
            return append(self, bookings, at)

        monkeypatch.setattr(type(tx.ledger), "append_all", first_revoked)
        book(tx, alliance.agreement, "jerusalem", [item], verify=ed25519.verify, now=alliance.now)

    with pytest.raises(Busy, match="the key of jerusalem changed in this very moment"):
        alliance.do(interrupted)
    with alliance.store.read() as tx:
        assert [entry.kind for entry in tx.ledger.entries(1, 10)] == [Kind.AGREEMENT]
