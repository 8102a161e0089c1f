"""People, tokens, projects, enrolment and the agreement."""

import pytest
from alliance import GRANTED, HOUR, Alliance

from foedus.core.agreement.amend import amend
from foedus.core.agreement.signatures import sign_agreement
from foedus.core.agreement.vouch import Vouch, make
from foedus.core.base.errors import BadInput, Conflict, NotAllowed, NotAuthenticated, NotFound
from foedus.core.ledger.entry import Kind
from foedus.flow.agreement import put_in_force
from foedus.flow.enrol import enrol, new_code
from foedus.flow.people import Secret, add_user, authenticate, new_token, revoke_token, tokens_of, touched
from foedus.flow.projects import grant, open_project, set_member
from foedus.hub.api.agreement import check_clauses
from foedus.keys import ed25519
from foedus.wire.agents import EnrolRequest
from foedus.wire.alliance import (
    AllocationRequest,
    MemberRequest,
    MemberView,
    ProjectRequest,
    ProjectRole,
    ProjectView,
    Scope,
    TokenRequest,
    UserRequest,
)

SECRET = Secret(id="abc", secret="x" * 40)


def token(alliance: Alliance, by: str = "noa", fresh: Secret = SECRET, **asked):
    who = alliance.caller(by)
    return alliance.do(lambda tx: new_token(tx, who, TokenRequest(**asked), fresh, alliance.now))


def enter(alliance: Alliance, text: str):
    return alliance.do(lambda tx: authenticate(tx, text, alliance.agreement, alliance.now))


def test_a_token_lets_in_until_it_ends(alliance: Alliance):
    made = token(alliance, days=1, scope=Scope.SUBMIT, label="cron")
    caller, found = enter(alliance, made.token)
    assert (caller.user.id, caller.scope, caller.only, caller.roles) == (
        "noa",
        Scope.SUBMIT,
        None,
        {"shield": ProjectRole.LEAD},
    )
    assert touched(found, alliance.now) is True
    alliance.do(lambda tx: tx.people.touch("abc", alliance.now))
    assert touched(enter(alliance, made.token)[1], alliance.now) is False
    alliance.later(86_399)
    enter(alliance, made.token)
    alliance.later(1)
    with pytest.raises(NotAuthenticated, match="expired"):
        enter(alliance, made.token)


def test_a_revoked_token(alliance: Alliance):
    made = token(alliance)
    owner = alliance.caller("noa")
    alliance.do(lambda tx: revoke_token(tx, owner, "abc", alliance.now))
    with pytest.raises(NotAuthenticated, match="revoked"):
        enter(alliance, made.token)


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"), str.upper, lambda text: text + "_"]
)
def test_a_token_with_a_wrong_letter(alliance: Alliance, change):
    made = token(alliance)
    with pytest.raises(NotAuthenticated, match="this token is not known"):
        enter(alliance, change(made.token))


def test_the_right_check_does_not_help_a_wrong_secret(alliance: Alliance):
    token(alliance)
    for guess in (Secret(id="abc", secret="y" * 40), Secret(id="abd", secret="x" * 40)):
        with pytest.raises(NotAuthenticated, match="this token is not known"):
            enter(alliance, guess.text)


def test_tokens_beget_no_more_than_they_are(alliance: Alliance):
    for scope in (Scope.READ, Scope.SUBMIT):
        weak = alliance.caller("noa", scope)
        with pytest.raises(NotAllowed, match=f"this token may {scope}; this needs manage"):
            alliance.do(lambda tx, weak=weak: new_token(tx, weak, TokenRequest(scope=Scope.READ), SECRET, 0))
    lead = alliance.caller("noa")
    with pytest.raises(NotAllowed, match="only the alliance's office"):
        alliance.do(lambda tx: new_token(tx, lead, TokenRequest(user="dan"), SECRET, 0))
    narrowed = alliance.caller("noa", only="shield")
    with pytest.raises(NotAllowed, match="narrowed to project shield"):
        alliance.do(lambda tx: new_token(tx, narrowed, TokenRequest(), SECRET, 0))
    with pytest.raises(BadInput, match="noa is in no project 'metro'"):
        token(alliance, project="metro")
    with pytest.raises(NotFound, match="there is no user 'nobody'"):
        token(alliance, "olga", user="nobody")
    assert token(alliance, "olga", user="dan").user == "dan"


def test_narrowed_tokens_reach_no_wider_ones(alliance: Alliance):
    token(alliance)
    token(alliance, fresh=Secret(id="def", secret="z" * 40), project="shield")
    narrowed, wide, other = alliance.caller("noa", only="shield"), alliance.caller("noa"), alliance.caller("dan")
    assert [one.id for one in alliance.do(lambda tx: tokens_of(tx, narrowed)).tokens] == ["def"]
    assert {one.id for one in alliance.do(lambda tx: tokens_of(tx, wide)).tokens} == {"abc", "def"}
    assert alliance.do(lambda tx: tokens_of(tx, other)).tokens == []
    for who in (narrowed, other):
        with pytest.raises(NotFound):
            alliance.do(lambda tx, who=who: revoke_token(tx, who, "abc", alliance.now))


def test_an_operators_narrowed_token_operates_nothing(alliance: Alliance):
    alliance.do(lambda tx: tx.projects.set_member("shield", "oren", ProjectRole.MEMBER))
    assert alliance.caller("oren").sites == ("jerusalem",)
    narrowed = alliance.caller("oren", only="shield")
    assert narrowed.sites == ()
    with pytest.raises(NotAllowed):
        alliance.do(lambda tx: new_code(tx, narrowed, alliance.agreement, "jerusalem", code="c", now=alliance.now))


def test_people(alliance: Alliance):
    office = alliance.caller("olga")

    def add(request: UserRequest) -> None:
        alliance.do(lambda tx: add_user(tx, office, request, alliance.agreement, alliance.now))

    with pytest.raises(BadInput) as caught:
        add(UserRequest(id="Not A Name", partner="france"))
    assert [fault.path for fault in caught.value.faults] == ["id", "partner"]
    with pytest.raises(Conflict, match="there is a user noa already"):
        add(UserRequest(id="noa", partner="israel"))


def allot(alliance: Alliance, hours: int) -> ProjectView:
    office, hub = alliance.caller("olga"), alliance.signed.keys["hub"]
    request = AllocationRequest(gpu_hours=hours)
    return alliance.do(
        lambda tx: grant(tx, office, "shield", request, alliance.agreement, signer=hub, now=alliance.now)
    )


def test_grants_add_up_and_what_is_promised_is_not_taken_back(alliance: Alliance):
    alliance.submit()
    view = allot(alliance, 5)
    assert (view.granted, view.used, view.reserved) == (GRANTED + 5 * HOUR, 0, HOUR)
    with pytest.raises(BadInput, match="only 1004 GPU-hours are neither used nor set aside"):
        allot(alliance, -1005)
    view = allot(alliance, -1004)
    assert (view.granted, view.used, view.reserved) == (HOUR, 0, HOUR)
    with alliance.store.read() as tx:
        booked = [entry.body["gpu_seconds"] for entry in tx.ledger.entries(2, 10) if entry.kind is Kind.ALLOCATION]
    assert booked == [5 * HOUR, -1004 * HOUR]


def test_projects(alliance: Alliance):
    office, hub = alliance.caller("olga"), alliance.signed.keys["hub"]

    def make_one(**changes) -> ProjectView:
        given = {"id": "lights", "title": "Lights", "sector": "urban-mobility", "lead": "dan"} | changes
        request = ProjectRequest(**given)
        return alliance.do(
            lambda tx: open_project(tx, office, request, alliance.agreement, signer=hub, now=alliance.now)
        )

    with pytest.raises(BadInput) as caught:
        make_one(id="-", sector="mining", lead="nobody")
    assert [fault.path for fault in caught.value.faults] == ["id", "lead", "sector"]
    assert make_one() == ProjectView(
        id="lights",
        title="Lights",
        sector="urban-mobility",
        opened=alliance.now,
        granted=0,
        used=0,
        reserved=0,
        members=[MemberView(user="dan", partner="israel", role=ProjectRole.LEAD)],
    )
    with pytest.raises(Conflict, match="there is a project lights already"):
        make_one()
    lead, outsider = alliance.caller("dan"), alliance.caller("eve")
    added = alliance.do(lambda tx: set_member(tx, lead, "lights", MemberRequest(user="aysel")))
    assert [member.user for member in added.members] == ["aysel", "dan"]
    with pytest.raises(NotFound):
        alliance.do(lambda tx: set_member(tx, outsider, "lights", MemberRequest(user="eve")))
    with pytest.raises(BadInput, match="there is no user 'nobody'"):
        alliance.do(lambda tx: set_member(tx, lead, "lights", MemberRequest(user="nobody")))


def test_enrolment(alliance: Alliance):
    key, now = ed25519.make(), alliance.now
    operator, foreign = alliance.caller("oren"), alliance.caller("orxan")
    with pytest.raises(NotAllowed):
        alliance.do(lambda tx: new_code(tx, foreign, alliance.agreement, "jerusalem", code="c", now=now))
    alliance.do(lambda tx: new_code(tx, operator, alliance.agreement, "jerusalem", code="c", now=now))

    def come(partner: str = "israel", site: str = "jerusalem", code: str = "c"):
        said = Vouch(alliance="caspian", site="jerusalem", key=key.key, not_before=alliance.now)
        vouch = make(alliance.signed.keys[partner], said)
        request = EnrolRequest(code=code, site=site, vouch=vouch.json())
        return alliance.do(
            lambda tx: enrol(tx, request, alliance.agreement, hub_key="hub", verify=ed25519.verify, now=alliance.now)
        )

    with pytest.raises(BadInput, match="is not made with the key of israel"):
        come("azerbaijan")
    with pytest.raises(BadInput, match="is for jerusalem, and baku is to have the key"):
        come(site="baku")
    with pytest.raises(NotAuthenticated, match="the code is not good"):
        come(code="other")
    assert come().entry == 2
    with pytest.raises(NotAuthenticated, match="the code is not good"):
        come()
    alliance.do(lambda tx: new_code(tx, operator, alliance.agreement, "jerusalem", code="d", now=now))
    alliance.later(15 * 60)
    with pytest.raises(NotAuthenticated, match="the code is not good"):
        come(code="d")


def force(alliance: Alliance, text: bytes, *signers: str, hub_key: str = ""):
    envelopes = {partner: sign_agreement(alliance.signed.keys[partner], text, None) for partner in signers}
    return alliance.do(
        lambda tx: put_in_force(
            tx,
            text,
            envelopes,
            hub_keys={hub_key or alliance.signed.keys["hub"].key},
            check=check_clauses,
            verify=ed25519.verify,
            now=alliance.now,
        )
    )


def test_an_amendment_needs_everybody(alliance: Alliance):
    text = amend(alliance.signed.text)
    with pytest.raises(BadInput, match="azerbaijan"):
        force(alliance, text, "israel")
    with pytest.raises(BadInput, match=r"hub\.key: is ed25519"):
        force(alliance, text, "israel", "azerbaijan", hub_key=ed25519.make().key)
    assert force(alliance, text, "israel", "azerbaijan").version == 2
    assert force(alliance, text, "israel", "azerbaijan").entry == 2  # the same again: nothing happens
    with pytest.raises(BadInput):
        force(alliance, alliance.signed.text, "israel", "azerbaijan")
