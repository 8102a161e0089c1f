"""Two hub processes on one PostgreSQL."""

import threading
import time
from collections.abc import Iterator

import pytest
from served import CLOCK, SCRIPT, Agent, Served, a_hub, free, serving

import postgres
from foedus.core.base.errors import Forgotten
from foedus.flow.recover import begin_recovery, finish
from foedus.hub.api.agents import Signed, orders_now
from foedus.hub.wiring import Hub, build
from foedus.wire.agents import OrdersReply, OrdersRequest
from waiting import PATIENCE_S


@pytest.fixture
def first(postgres_server: postgres.Server, tmp_path, request) -> Iterator[Served]:
    with a_hub(tmp_path, postgres_server.create(f"foedus_cluster_{request.node.name[:30].lower()}")) as one:
        yield one


@pytest.fixture
def second(first: Served) -> Iterator[tuple[Hub, str]]:
    hub = build(first.settings)
    with serving(hub) as url:
        yield hub, url


def bound_within(served: Served, url: str, job: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    with served.http("lead", url) as http:
        while time.monotonic() < deadline:
            if http.get(f"/jobs/{job}").json()["state"] == "bound":
                return True
            time.sleep(0.05)
    return False


def submit(served: Served, url: str) -> str:
    with served.http("lead", url) as http:
        return http.post("/jobs", json={"jobs": [{"script": SCRIPT}]}).json()["jobs"][0]["id"]


def gone(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a process lose its connection, and with it the lead, for good."""
    lead = served.hub.leader

    class Lost:
        def hold(self) -> bool:
            return False

        def release(self) -> None:
            lead.release()

    monkeypatch.setattr(served.hub, "leader", Lost())
    time.sleep(1)  # a look that is under way ends
    lead.release()


def test_a_submit_here_wakes_an_agent_that_waits_there(first: Served, second: tuple[Hub, str]):
    agent = first.agent()
    there = Agent(served=first, site=agent.site, key=agent.key, epoch=agent.epoch, url=second[1])
    agent.report(capacity=free())
    found: list[tuple[float, dict]] = []

    def wait() -> None:
        reply = there.orders(wait_s=20)
        found.append((time.monotonic(), reply))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(1)
    job = submit(first, first.url)
    submitted = time.monotonic()
    waiting.join(30)
    at, reply = found[0]
    assert [order["job"] for order in reply["starts"]] == [job]
    assert at - submitted < 1.5


def test_one_places_at_a_time_and_the_other_takes_over(first: Served, second: tuple[Hub, str], monkeypatch):
    onlooker = second[0].store.leader()
    assert onlooker.hold() is False
    agent = first.agent()
    agent.report(capacity=free())
    assert bound_within(first, second[1], submit(first, second[1]), PATIENCE_S)
    gone(first, monkeypatch)
    agent.report(capacity=free())
    assert bound_within(first, first.url, submit(first, first.url), PATIENCE_S)
    assert onlooker.hold() is False
    onlooker.release()


def test_a_process_that_stops_gives_up_the_lead(first: Served, monkeypatch):
    gone(first, monkeypatch)
    onlooker = first.hub.store.leader()
    with serving(build(first.settings)):
        time.sleep(1)
        assert onlooker.hold() is False
    assert onlooker.hold() is True
    onlooker.release()


def test_a_key_counts_in_both(first: Served, second: tuple[Hub, str]):
    asked = {"jobs": [{"script": SCRIPT}]}
    answers = []

    def ask(url: str) -> None:
        with first.http("lead", url) as http:
            answers.append(http.post("/jobs", json=asked, headers={"Idempotency-Key": "both"}))

    threads = [threading.Thread(target=ask, args=(url,)) for url in (first.url, second[1]) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("foedus-repeated" not in answer.headers for answer in answers) == 1


def test_no_process_gives_orders_from_the_moment_in_which_one_begins_to_recover(first: Served):
    agent = first.agent()
    agent.report(capacity=free())
    job = submit(first, first.url)
    assert bound_within(first, first.url, job, PATIENCE_S)
    other = build(first.settings)  # nothing but a question makes this one look at the database
    other.look_whether_whole()

    def ask() -> OrdersReply:
        asks = Signed(site=agent.site, epoch=agent.epoch, key=agent.key.key, series="orders", sequence=0)
        return orders_now(other, asks, OrdersRequest(wait_s=0))

    first.hub.write(lambda tx: begin_recovery(tx, CLOCK.now(), "restored", CLOCK.now()))
    with pytest.raises(Forgotten, match="does not know epoch 1"):
        ask()
    agent.hello()
    with pytest.raises(Forgotten, match="wants to know what jerusalem has"):
        ask()
    assert agent.post("/recovery", {"last": True}).json()["faults"] == []
    assert ask() == OrdersReply(starts=[], stops=[], head=None, recovering=True)
    assert other.recovering is False

    assert first.hub.write(lambda tx: finish(tx, [], CLOCK.now())) == 0
    assert [(order.job, order.attempt) for order in ask().starts] == [(job, 1)]
    other.store.close()
