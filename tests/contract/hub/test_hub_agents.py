"""What an agent may say, and what is refused."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest
from served import API, CLOCK, SCRIPT, Agent, Served, free

from foedus.core.agreement.read import read
from foedus.core.agreement.revocation import Revocation, make
from foedus.core.base.errors import Conflict, NotFound
from foedus.core.jobs.state import AttemptState
from foedus.core.ledger.entry import Kind
from foedus.core.ledger.verify import verify
from foedus.keys import ed25519
from foedus.keys.http import EPOCH, SEQUENCE, sign_request
from foedus.wire.agents import RevocationReply
from waiting import PATIENCE_S, wait_for

SECOND_VERIFIER = Path(__file__).parents[1] / "ledger" / "second_verifier.py"


@pytest.fixture(scope="module")
def enrolled(served: Served) -> Agent:
    return served.agent("jerusalem")


@pytest.fixture
def agent(enrolled: Agent) -> Agent:
    """The site's newest agent, with nothing left to start of what other tests submitted."""
    enrolled.hello()
    while starts := enrolled.orders()["starts"]:
        left = [{"job": order["job"], "attempt": order["attempt"], "state": "returned"} for order in starts]
        enrolled.report(*({**one, "final": True} for one in left))
    return enrolled


def refusal(answer) -> tuple[int, str, str]:
    body = answer.json()
    assert body["request"] == answer.headers["x-request-id"]
    return answer.status_code, body["code"], body["message"]


def test_a_number_counts_once(served: Served, agent: Agent):
    number = next(served.sequences)
    assert agent.post("/orders", {"wait_s": 0}, sequence=number).status_code == 200
    for again in (number, number - 1):
        assert refusal(agent.post("/orders", {"wait_s": 0}, sequence=again)) == (
            409,
            "stale",
            f"message {again} of jerusalem was seen before, or is older than one that was",
        )
    assert agent.post("/logs", {"pieces": []}, sequence=number).status_code == 200  # a series of its own


def test_an_old_epoch_is_refused(agent: Agent):
    old = agent.epoch
    agent.hello()
    assert agent.epoch == old + 1
    for path, body in (("/orders", {"wait_s": 0}), ("/logs", {"pieces": []})):
        assert refusal(agent.post(path, body, epoch=old)) == (
            409,
            "stale",
            f"this is epoch {old} of jerusalem's agent, and the hub has begun epoch {old + 1} with a newer one",
        )
    assert agent.send("GET", "/agreement", epoch=old).status_code == 409


def test_a_waiting_agent_learns_that_a_newer_one_has_begun(served: Served, agent: Agent):
    found = []
    waiting = threading.Thread(target=lambda: found.append(agent.post("/orders", {"wait_s": 8}, timeout=30)))
    waiting.start()
    time.sleep(0.5)
    newer = Agent(served=served, site=agent.site, key=agent.key)
    newer.hello()
    waiting.join(2)
    words = f"this is epoch {newer.epoch - 1} of {agent.site}'s agent, and the hub has begun epoch {newer.epoch}"
    assert refusal(found[0]) == (409, "stale", f"{words} with a newer one")
    agent.epoch = newer.epoch


def test_only_the_sites_own_key(served: Served, agent: Agent):
    other = served.agent("baku")
    for key in (other.key, ed25519.make()):
        status, code, message = refusal(agent.post("/orders", {"wait_s": 0}, key=key))
        assert (status, code) == (401, "not-authenticated")
        assert message.startswith("the request is not signed by the site's key as it should be")
    assert agent.post("/orders", {"wait_s": 0}).status_code == 200


@pytest.mark.parametrize(("off", "direction"), [(200, "ahead of"), (-200, "behind")])
def test_a_clock_that_is_off_is_told_so(agent: Agent, *, off: float, direction: str):
    answer = agent.post("/orders", {"wait_s": 0}, off_s=off)
    status, code, message = refusal(answer)
    assert (status, code) == (401, "not-authenticated")
    assert f"s {direction} the hub's clock; the hub says 20" in message
    assert "set the site's clock" in answer.json()["remedy"]


def test_a_body_that_was_changed_on_the_way(agent: Agent):
    status, code, message = refusal(agent.send("POST", "/orders", b'{"wait_s": 0}', sent=b'{"wait_s": 1}'))
    assert (status, code) == (401, "not-authenticated")
    assert message.startswith("the body is not the one that was signed")
    assert agent.orders()["stops"] == []  # the number was not used up


@pytest.mark.parametrize("number", ["9" * 5000, str(2**53), "-1", "1e3"])
def test_a_number_that_is_none(served: Served, agent: Agent, number: str):
    url, own = f"{served.url}{API}/agents/{agent.site}/orders", {EPOCH: str(agent.epoch), SEQUENCE: number}
    signed = sign_request(agent.key, "POST", url, headers=own, body=b"{}", created=CLOCK.now())
    with served.http() as http:
        answer = http.post(url, content=b"{}", headers=signed)
    assert refusal(answer) == (422, "bad-input", f"{SEQUENCE}: {number[:64]!r} is no number; send a whole number")


@pytest.mark.parametrize("wrong", [{"attempt": 2**63}, {"exit_code": 2**31}, {"requeued_as": 0}])
def test_figures_that_no_database_holds_are_refused(agent: Agent, wrong: dict):
    message = {"at": "2026-01-01T00:00:00Z", "statuses": [{**status("1", AttemptState.RUNNING), **wrong}]}
    answer = agent.post("/reports", message)
    assert refusal(answer)[:2] == (422, "bad-input")
    assert [fault["path"] for fault in answer.json()["faults"]] == [f"statuses[0].{name}" for name in wrong]


def test_unsigned_and_unknown(served: Served):
    with served.http() as http:
        answer = http.post("/agents/jerusalem/orders", json={"wait_s": 0})
        assert refusal(answer)[:2] == (401, "not-authenticated")
        answer = http.post("/agents/nowhere/orders", json={"wait_s": 0})
        assert refusal(answer) == (
            401,
            "not-authenticated",
            "no agent is enrolled for site 'nowhere', or its key was revoked",
        )


def test_orders_arrive_before_anybody_looks_again(served: Served, agent: Agent):
    agent.report(capacity=free())
    found: list[tuple[float, dict]] = []

    def wait() -> None:
        reply = agent.orders(wait_s=20)
        found.append((time.monotonic(), reply))

    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(0.5)
    before = time.monotonic()
    with served.client("lead") as client:
        job = client.submit(SCRIPT).id
        waiting.join(30)
        ((at, reply),) = found
        assert [order["job"] for order in reply["starts"]] == [job]
        assert client.get(job).state == "bound"
    assert at - before < 3  # without being woken the hub looks 5 s after it was asked


def test_an_agent_that_has_hung_up_is_given_nothing(served: Served, agent: Agent):
    agent.report(capacity=free())
    with pytest.raises(httpx2.ReadTimeout):
        agent.post("/orders", {"wait_s": 60}, timeout=1)

    with served.client("lead") as client:
        job = client.submit(SCRIPT).id
        wait_for(lambda: client.get(job).state == "bound")
    time.sleep(1)  # whoever waits has looked by now

    assert agent.hello()["board"] == []  # what was given to the agent before would have to be looked for
    assert [order["job"] for order in agent.orders()["starts"]] == [job]


def run(served: Served, agent: Agent) -> str:
    agent.report(capacity=free())
    with served.client("lead") as client:
        job = client.submit(SCRIPT).id
    deadline = time.monotonic() + PATIENCE_S
    while job not in [order["job"] for order in agent.orders(wait_s=1)["starts"]]:
        assert time.monotonic() < deadline
    return job


def status(job: str, state: AttemptState, **facts) -> dict:
    return {"job": job, "attempt": 1, "state": state, "native_id": "7", **facts}


def test_a_job_from_submit_to_its_output(served: Served, agent: Agent):
    job = run(served, agent)
    done: list[tuple[float, str]] = []

    def wait() -> None:
        with served.client("lead") as client:
            view = client.get(job, wait_s=30)
        done.append((time.monotonic(), view.state))

    waiting = threading.Thread(target=wait)
    waiting.start()
    agent.report(status(job, AttemptState.STARTING))
    agent.report(status(job, AttemptState.RUNNING))
    piece = {"job": job, "attempt": 1, "stream": "stdout", "offset": 0, "data": "aGVsbG8K"}
    assert agent.post("/logs", {"pieces": [piece]}).json() == {"offsets": [6]}
    with served.client("lead") as client:
        chunk = client.log(job)
        assert chunk.data == b"hello\n"
    reply = agent.report(status(job, AttemptState.ENDED, outcome="completed", exit_code=0))
    ended = time.monotonic()
    assert reply == {"statuses": [{"job": job, "attempt": 1, "accepted": True, "text": ""}], "usages": []}
    waiting.join(30)
    assert [state for _, state in done] == ["completed"]
    assert done[0][0] - ended < 1


def test_output_of_other_sites_jobs_is_refused(served: Served, agent: Agent):
    job = run(served, agent)
    piece = {"job": job, "attempt": 1, "stream": "stdout", "offset": 0, "data": "aGVsbG8K"}
    other = served.agent("baku")
    assert refusal(other.post("/logs", {"pieces": [piece]}))[:2] == (422, "bad-input")
    assert refusal(agent.post("/logs", {"pieces": [{**piece, "data": "no base64"}]}))[:2] == (422, "bad-input")
    assert refusal(agent.post("/logs", {"pieces": [{**piece, "stream": "stdin"}]}))[:2] == (422, "bad-input")


def test_files_of_projects_whose_jobs_the_site_has(served: Served, agent: Agent):
    run(served, agent)
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert agent.send("PUT", f"/projects/shield/pieces/{digest}", b"hello").status_code == 204
    assert agent.send("GET", f"/projects/shield/pieces/{digest}").content == b"hello"
    assert agent.post("/projects/shield/pieces/missing", {"pieces": [digest, "ab" * 32]}).json() == {
        "missing": ["ab" * 32]
    }
    assert refusal(agent.send("PUT", f"/projects/shield/pieces/{digest}", b"other"))[:2] == (422, "bad-input")
    assert refusal(agent.send("GET", f"/projects/shield/pieces/{'ab' * 32}"))[:2] == (404, "not-found")
    assert refusal(agent.send("GET", f"/projects/other/pieces/{digest}"))[:2] == (403, "not-allowed")


def test_the_books_for_sites(served: Served, agent: Agent):
    first = agent.send("GET", "/heads?since=0").json()
    assert [entry["seq"] for entry in first["entries"]] == list(range(1, first["head"]["seq"] + 1))
    last = agent.send("GET", f"/heads?since={first['head']['seq']}").json()
    assert last == {"head": first["head"], "entries": [], "seals": []}
    with served.client("reader") as client:
        assert agent.send("GET", "/agreement").json() == client.agreement().model_dump(mode="json")


def test_a_code_is_good_once(served: Served):
    with served.http() as http:
        body = {"code": "used", "site": "baku", "vouch": {}}
        assert refusal(http.post("/agents/enrol", json=body))[:2] == (422, "bad-input")


def test_a_key_is_taken_back(served: Served):
    first = served.agent("baku")
    with served.client("office") as office:
        reply = office.revoke_site("baku")
        assert reply == RevocationReply(site="baku", key=first.key.key, entry=None)
        assert refusal(first.post("/orders", {"wait_s": 0}))[:2] == (401, "not-authenticated")
        with pytest.raises(NotFound, match="site baku has no key"):
            office.revoke_site("baku")
    with served.http("office") as http:  # a body is not asked for
        assert refusal(http.post("/agents/baku/revocation"))[:2] == (404, "not-found")


def test_a_key_is_taken_back_for_good_and_the_books_say_so(served: Served, tmp_path):
    agent = served.agent("baku")
    partner = ed25519.load(served.laid_out.keys["azerbaijan"])
    said = Revocation(alliance="caspian", site="baku", key=agent.key.key, reason="stolen")
    with served.client("office") as office:
        (shown,) = [site for site in office.sites() if site.id == "baku"]
        assert (shown.enrolled, shown.key) == (True, agent.key.key)
        reply = office.revoke_site("baku", make(partner, said).json(), key="once")
        assert office.revoke_site("baku", make(partner, said).json(), key="once") == reply
        assert (reply.site, reply.key, reply.entry) == ("baku", agent.key.key, office.ledger_head().seq)
        with pytest.raises(Conflict, match=f"was revoked already, by ledger entry {reply.entry}"):
            office.revoke_site("baku", make(partner, said).json())
        assert refusal(agent.post("/orders", {"wait_s": 0}))[:2] == (401, "not-authenticated")
        (shown,) = [site for site in office.sites() if site.id == "baku"]
        assert (shown.enrolled, shown.key) == (False, None)
    served.agent("baku")  # with another key
    with served.http("office") as http:
        export = http.get("/ledger/export").content
    trusted = served.laid_out.agreement.read_bytes()
    report = verify(export.splitlines(keepends=True), agreement=read(trusted), check=ed25519.verify)
    assert (report.faults, report.kinds[Kind.SITE_KEY_REVOKED]) == ((), 1)
    (tmp_path / "ledger").write_bytes(export)
    command = [sys.executable, SECOND_VERIFIER, tmp_path / "ledger", served.laid_out.agreement]
    assert subprocess.run(command, capture_output=True, check=False).stdout == b"sound\n"
