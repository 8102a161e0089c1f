"""People, projects, sites and agreements."""

from dataclasses import replace

import pytest
from store_samples import ALICE, AZERBAIJAN, BABEK, BAKU, FORMS, JERUSALEM, NOW, TRAFFIC, digest, project, user

from foedus.core.base.errors import Broken, Conflict, NotFound
from foedus.core.base.ids import PartnerId, ProjectId, SiteId, UserId
from foedus.core.base.instant import Instant
from foedus.core.base.units import GpuSeconds, Mebibytes, Seconds
from foedus.core.jobs.spread import NodeGroup
from foedus.core.placement.capacity import Capacity, Lane
from foedus.flow.ports import AgreementRecord, SiteRecord, Token
from foedus.store.unit import SqlStore
from foedus.wire.alliance import ProjectRole, Scope

LATER = Instant(NOW + 5000)
CAPACITY = Capacity(
    owner=Lane(
        name="owner",
        free=(NodeGroup(count=2, cpus=8, memory=Mebibytes(16000), gpus=4, gpu_model="a100"),),
        whole=(NodeGroup(count=3, cpus=8, memory=Mebibytes(16000)),),
        time_limit=Seconds(3600),
        nodes_per_job=2,
        queued=1,
        open=False,
    ),
    guest=None,
)


def token(name: str = "t1", **changes: object) -> Token:
    made = Token(
        id=name, user=ALICE, secret=digest(1), scope=Scope.SUBMIT, project=None, label="laptop", created=NOW,
        expires=LATER,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_people(store: SqlStore):
    with store.begin() as tx:
        tx.people.add(user(BABEK, AZERBAIJAN))
        tx.people.add(user())
        with pytest.raises(Conflict, match="there is a user alice already"):
            tx.people.add(user())
    with store.read() as tx:
        assert (tx.people.get(ALICE), tx.people.get(UserId("nobody"))) == (user(), None)
        assert tx.people.all() == [user(), user(BABEK, AZERBAIJAN)]


def test_tokens(store: SqlStore):
    newer = token("t2", created=LATER, project=TRAFFIC)
    other = token("t3", user=BABEK)
    with store.begin() as tx:
        tx.people.add(user())
        tx.people.add(user(BABEK, AZERBAIJAN))
        for one in (token(), newer, other):
            tx.people.add_token(one)
        with pytest.raises(Conflict):
            tx.people.add_token(token())
        tx.people.touch("t1", LATER)
        assert [tx.people.revoke("t2", LATER), tx.people.revoke("t2", NOW), tx.people.revoke("t9", NOW)] == [
            True, False, False,
        ]  # fmt: skip
        assert tx.people.token("t1") == token(used=LATER)
        assert tx.people.token("t9") is None
        assert tx.people.tokens(ALICE) == [replace(newer, revoked=LATER), token(used=LATER)]
        assert tx.people.tokens(None) == [replace(newer, revoked=LATER), token(used=LATER), other]


def test_a_token_needs_its_user(store: SqlStore):
    with pytest.raises(Conflict, match="does not exist"), store.begin() as tx:
        tx.people.add_token(token())


def test_projects(store: SqlStore):
    forms = project(FORMS, members={})
    with store.begin() as tx:
        tx.people.add(user())
        tx.people.add(user(BABEK, AZERBAIJAN))
        tx.projects.add(project())
        tx.projects.add(forms)
        with pytest.raises(Conflict, match="there is a project traffic already"):
            tx.projects.add(project())
        tx.projects.set_member(TRAFFIC, BABEK, ProjectRole.MEMBER)
        tx.projects.set_member(TRAFFIC, ALICE, ProjectRole.MEMBER)
        tx.projects.set_member(TRAFFIC, BABEK, ProjectRole.LEAD)
    members = {ALICE: ProjectRole.MEMBER, BABEK: ProjectRole.LEAD}
    with store.read() as tx:
        assert tx.projects.get(TRAFFIC) == project(members=members)
        assert tx.projects.get(ProjectId("nothing")) is None
        assert tx.projects.of(None) == [forms, project(members=members)]
        assert tx.projects.of(BABEK) == [project(members=members)]
        assert tx.projects.of(UserId("nobody")) == []


def test_a_member_must_exist(store: SqlStore):
    with store.begin() as tx:
        tx.projects.add(project(members={}))
    with pytest.raises(Conflict, match="does not exist"), store.begin() as tx:
        tx.projects.set_member(TRAFFIC, UserId("nobody"), ProjectRole.MEMBER)


def test_budgets(store: SqlStore):
    with store.begin() as tx:
        tx.projects.add(project(granted=100, members={}))
        reserved = [tx.projects.reserve(TRAFFIC, GpuSeconds(amount)) for amount in (60, 41, 40, 1, 0)]
        tx.projects.settle(TRAFFIC, released=GpuSeconds(60), used=GpuSeconds(75))
        tx.projects.grant(TRAFFIC, GpuSeconds(-10))
        over = [tx.projects.reserve(TRAFFIC, GpuSeconds(amount)) for amount in (1, 0)]
        found = tx.projects.get(TRAFFIC)
    budget = {"granted": GpuSeconds(90), "used": GpuSeconds(75), "reserved": GpuSeconds(40)}
    assert (reserved, over) == ([True, False, True, False, True], [False, True])
    assert found == project(members={}, **budget)


def test_a_budget_of_no_project(store: SqlStore):
    with store.begin() as tx:
        assert not tx.projects.reserve(TRAFFIC, GpuSeconds(1))
        with pytest.raises(NotFound):
            tx.projects.grant(TRAFFIC, GpuSeconds(1))
        with pytest.raises(NotFound):
            tx.projects.settle(TRAFFIC, released=GpuSeconds(0), used=GpuSeconds(1))


def test_more_cannot_be_released_than_was_reserved(store: SqlStore):
    with store.begin() as tx:
        tx.projects.add(project(members={}))
    with pytest.raises(Broken, match="budget"), store.begin() as tx:
        tx.projects.settle(TRAFFIC, released=GpuSeconds(1), used=GpuSeconds(0))


def test_sites(store: SqlStore):
    with store.begin() as tx:
        tx.sites.enrol(JERUSALEM, "ed25519:aa")
        assert [tx.sites.next_epoch(JERUSALEM), tx.sites.next_epoch(JERUSALEM), tx.sites.next_epoch(BAKU)] == [1, 2, 1]
        tx.sites.saw(JERUSALEM, NOW, CAPACITY, draining=True)
        tx.sites.saw(JERUSALEM, LATER)
        tx.sites.saw(SiteId("ganja"), NOW)
    seen = SiteRecord(
        site=JERUSALEM, key="ed25519:aa", epoch=2, seen=LATER, draining=True, capacity=CAPACITY, capacity_at=NOW
    )
    with store.read() as tx:
        assert tx.sites.get(JERUSALEM) == seen
        assert tx.sites.get(SiteId("nowhere")) == SiteRecord(site=SiteId("nowhere"), key=None)
        assert tx.sites.all() == [
            SiteRecord(site=BAKU, key=None, epoch=1),
            SiteRecord(site=SiteId("ganja"), key=None, seen=NOW),
            seen,
        ]
    with store.begin() as tx:
        tx.sites.enrol(JERUSALEM, "ed25519:bb")
        assert tx.sites.get(JERUSALEM) == replace(seen, key="ed25519:bb")
        assert [tx.sites.revoke(JERUSALEM), tx.sites.revoke(JERUSALEM), tx.sites.revoke(BAKU)] == [True, False, False]
        assert tx.sites.get(JERUSALEM) == replace(seen, key=None)


def test_sequences(store: SqlStore):
    def accept(series: str, *numbers: int) -> list[bool]:
        return [tx.sites.accept(JERUSALEM, series, number) for number in numbers]

    with store.begin() as tx:
        assert accept("report", 1, 1, 5, 4, 6) == [True, False, True, False, True]
        assert accept("sync", 2) == [True]
        assert tx.sites.accept(BAKU, "report", 1)
        tx.sites.enrol(JERUSALEM, "ed25519:aa")
        assert accept("report", 1) == [True]
        assert not tx.sites.accept(BAKU, "report", 1)


def test_codes_are_used_once_by_their_site_in_time(store: SqlStore):
    with store.begin() as tx:
        tx.sites.add_code(digest(1), JERUSALEM, LATER)
        tries = [(digest(2), JERUSALEM, NOW), (digest(1), BAKU, NOW), (digest(1), JERUSALEM, LATER)]
        assert [tx.sites.use_code(*one) for one in tries] == [False, False, False]
        assert [tx.sites.use_code(digest(1), JERUSALEM, NOW) for _ in range(2)] == [True, False]


def test_agreements(store: SqlStore):
    def version(number: int) -> AgreementRecord:
        envelopes = {PartnerId("israel"): {"payloadType": "x", "signatures": [{"keyid": "k", "sig": "s"}]}}
        return AgreementRecord(
            version=number, digest=digest(number), text="id = 'ə'\n".encode(), envelopes=envelopes, entry=number
        )

    with store.begin() as tx:
        assert (tx.agreements.current(), tx.agreements.version()) == (None, None)
        tx.agreements.add(version(1))
        tx.agreements.add(version(3))
        for number in (1, 2, 3):
            with pytest.raises(Conflict, match="version 3 of the agreement is in force already"):
                tx.agreements.add(version(number))
    with store.read() as tx:
        assert (tx.agreements.current(), tx.agreements.version()) == (version(3), 3)
