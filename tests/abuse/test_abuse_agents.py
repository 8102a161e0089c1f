"""Agents that repeat themselves, speak for others, or whose key was stolen."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from alliance import Alliance, script
from prometheus_client.parser import text_string_to_metric_families
from served import API, CLOCK, SCRIPT, Agent, Served, a_hub, free
from whole import wait_for

from foedus.core.base.instant import after
from foedus.core.jobs.state import AttemptState, JobState
from foedus.flow.enrol import revoke
from foedus.flow.evacuate import requeue_all
from foedus.keys import ed25519
from foedus.keys.http import EPOCH, SEQUENCE, sign_request
from foedus.wire.agents import ReportItem


@dataclass
class Sites:
    """A hub of its own with agents of both sites, and a job at Jerusalem."""

    served: Served
    jerusalem: Agent
    baku: Agent
    job: str

    def head(self) -> int:
        with self.served.client("reader") as reader:
            return reader.ledger_head().seq

    def refused(self, site: str, what: str) -> float:
        page = httpx2.get(f"{self.served.url}/metrics", trust_env=False).text
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == "foedus_reports_refused_total" and sample.labels == {"site": site, "what": what}:
                    return sample.value
        return 0


@contextlib.contextmanager
def two_sites(folder: Path) -> Iterator[Sites]:
    with a_hub(folder) as served:
        jerusalem, baku = served.agent("jerusalem"), served.agent("baku")
        jerusalem.report(capacity=free())
        with served.client("lead") as lead:
            job = lead.submit(SCRIPT).id
        wait_for(lambda: [one for one in jerusalem.orders(wait_s=1)["starts"] if one["job"] == job], "it is ordered")
        yield Sites(served, jerusalem, baku, job)


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    with two_sites(tmp_path_factory.mktemp("sites")) as made:
        yield made


@pytest.fixture
def robbed(tmp_path: Path) -> Iterator[Sites]:
    """The same for one test alone, which takes the key of Jerusalem back."""
    with two_sites(tmp_path) as made:
        yield made


def refusal(answer) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status_code, body["code"], body["message"]


def signed(agent: Agent, path: str, body: bytes, sequence: int) -> tuple[str, dict[str, str]]:
    """Sign a request as the agent does, to be sent as often and wherever one likes."""
    url = f"{agent.served.url}{API}/agents/{agent.site}{path}"
    headers = {"content-type": "application/json", EPOCH: str(agent.epoch), SEQUENCE: str(sequence)}
    return url, sign_request(agent.key, "POST", url, headers=headers, body=body, created=CLOCK.now())


def test_a_recorded_report_played_again(sites: Sites):
    """Abuse 5: a signed report is sent again: the same, after a newer one, and under another site's name."""
    status = {"job": sites.job, "attempt": 1, "state": "starting", "native_id": "7"}
    body = json.dumps({"at": "2026-11-23T08:00:00Z", "statuses": [status]}).encode()
    number = next(sites.served.sequences)
    url, headers = signed(sites.jerusalem, "/reports", body, number)
    older = signed(sites.jerusalem, "/reports", body, number - 1)[1]
    before = sites.head()

    assert httpx2.post(url, content=body, headers=headers).status_code == 200
    assert refusal(httpx2.post(url, content=body, headers=headers)) == (
        409,
        "stale",
        f"message {number} of jerusalem was seen before, or is older than one that was",
    )
    assert refusal(httpx2.post(url, content=body, headers=older))[:2] == (409, "stale")
    elsewhere = refusal(httpx2.post(url.replace("jerusalem", "baku"), content=body, headers=headers))
    assert (elsewhere[:2], elsewhere[2].split(":")[0]) == (
        (401, "not-authenticated"),
        "the request is not signed by the site's key as it should be",
    )
    changed = body.replace(b"starting", b"returned")
    assert refusal(httpx2.post(url, content=changed, headers=headers))[1:2] == ("not-authenticated",)
    assert sites.head() == before


def test_a_record_sent_again_in_a_new_report_is_booked_once(alliance: Alliance):
    """Abuse 5: the signed usage record itself is sent again, by its own site and by another one."""
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()
    alliance.later(60)
    alliance.run("jerusalem", "1")
    item = alliance.record(alliance.usage("1"))

    yes = ReportItem(job="1", attempt=1, accepted=True)
    no = ReportItem(job="1", attempt=1, accepted=False, text="attempt 1 of job 1 was not given to baku")
    assert [alliance.book(item, site) for site in ("jerusalem", "jerusalem", "baku")] == [yes, yes, no]
    assert alliance.budget()[1] == 60
    with alliance.store.read() as tx:
        assert tx.ledger.head().seq == 2


def test_one_site_speaks_of_anothers_jobs(sites: Sites):
    """Abuse 6: with its own good signature. Nothing moves, and the hub counts it."""
    before, counted = sites.head(), sites.refused("baku", "status")
    with sites.served.client("lead") as lead:
        story = lead.why(sites.job).story
    words = f"attempt 1 of job {sites.job} was not given to baku"
    for state in ("starting", "running", "returned"):
        reply = sites.baku.report({"job": sites.job, "attempt": 1, "state": state, "native_id": "9"})
        assert reply["statuses"] == [{"job": sites.job, "attempt": 1, "accepted": False, "text": words}]
    assert sites.refused("baku", "status") == counted + 3

    piece = {"job": sites.job, "attempt": 1, "stream": "stdout", "offset": 0, "data": "aGVsbG8K"}
    assert refusal(sites.baku.post("/logs", {"pieces": [piece]})) == (
        422,
        "bad-input",
        f"pieces: {words}; send the output of the site's own jobs",
    )
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    for project in ("shield", "absent"):  # one answer, whether the project exists or not
        no = (403, "not-allowed", f"baku has no job of project {project}")
        path = f"/projects/{project}/pieces"
        assert refusal(sites.baku.send("PUT", f"{path}/{digest}", b"hello")) == no
        assert refusal(sites.baku.send("GET", f"{path}/{digest}")) == no
        assert refusal(sites.baku.post(f"{path}/missing", {"pieces": [digest]})) == no
    with sites.served.client("lead") as lead:
        assert lead.why(sites.job).story == story
        assert lead.get(sites.job).site == "jerusalem"
    assert sites.head() == before


@pytest.mark.parametrize(("off", "direction"), [(3600, "ahead of"), (-3600, "behind"), (125, "ahead of")])
def test_a_clock_that_is_off_is_refused_and_told_by_how_much(sites: Sites, *, off: int, direction: str):
    """Abuse 9: a site's clock is an hour off; what it says then changes nothing, and its numbers are not used up."""
    number = next(sites.served.sequences)
    status, code, message = refusal(sites.jerusalem.post("/orders", {"wait_s": 0}, off_s=off, sequence=number))
    assert (status, code) == (401, "not-authenticated")
    assert f" s {direction} the hub's clock; the hub says 20" in message
    assert abs(int(message.split("signed ")[1].split(" s ")[0]) - abs(off)) <= 5
    assert sites.jerusalem.post("/orders", {"wait_s": 0}, off_s=off / 100, sequence=number).status_code == 200


def at_jerusalem(alliance: Alliance) -> None:
    """One job runs at Jerusalem, one was offered to it, one only bound; one runs in Baku."""
    alliance.says("baku", 1)
    alliance.submit()
    alliance.place()
    alliance.fetch("baku")
    alliance.running("baku", "1")
    alliance.says("baku", 0)
    alliance.says("jerusalem", 8)
    alliance.submit_all("noa", [script()] * 2)
    alliance.place()
    alliance.fetch("jerusalem")
    alliance.running("jerusalem", "2")
    alliance.submit()
    alliance.place()
    assert [(alliance.job(one).state, alliance.job(one).site) for one in "1234"] == [
        (JobState.RUNNING, "baku"),
        (JobState.RUNNING, "jerusalem"),
        (JobState.BOUND, "jerusalem"),
        (JobState.BOUND, "jerusalem"),
    ]


def test_a_stolen_key_is_revoked_and_its_jobs_go_elsewhere(alliance: Alliance):
    """Abuse 25: in one call the key is refused, the site's open jobs go to others, and what it says of them is void."""
    at_jerusalem(alliance)
    office = alliance.caller("olga")
    reply = alliance.do(
        lambda tx: revoke(
            tx, office, alliance.agreement, "jerusalem", None, requeue=True, verify=ed25519.verify, now=alliance.now
        )
    )
    assert (reply.site, reply.requeued) == ("jerusalem", 3)
    assert alliance.states("1", "2", "3", "4") == [JobState.RUNNING, *[JobState.PENDING] * 3]
    assert alliance.place() == 0  # not back to where they came from, though it said a moment ago that it has room
    stolen = alliance.ended("jerusalem", "2")
    assert (stolen.accepted, alliance.job("2").state) == (True, JobState.PENDING)  # noted of the old attempt alone

    alliance.later(31)
    alliance.says("baku", 8)
    assert alliance.place() == 3
    assert [alliance.job(one).site for one in "234"] == ["baku"] * 3
    assert [attempt.number for attempt in alliance.attempts("2")] == [1, 2]
    alliance.run("baku", "1")
    assert alliance.job("1").state is JobState.COMPLETED

    alliance.ended("jerusalem", "3", outputs="ab" * 32)  # an old attempt says that all is done
    assert alliance.job("3").state is JobState.BOUND
    alliance.report("baku", "3", 2, AttemptState.RUNNING, native_id="b3", started=alliance.now)
    alliance.ended("baku", "3", 2)
    assert alliance.job("3").state is JobState.COMPLETED
    told = alliance.story("2")
    taken = {"attempt": 1, "site": "jerusalem", "by": "olga", "reason": "the site's key was revoked"}
    assert ("returned", taken) in told


def test_when_the_site_is_back_it_is_told_to_stop_what_was_taken_from_it(alliance: Alliance):
    """Abuse 25: what it ran meanwhile is booked as usage, and never becomes the job's result."""
    at_jerusalem(alliance)
    office = alliance.caller("olga")
    assert alliance.do(lambda tx: requeue_all(tx, "jerusalem", office, alliance.now)) == 3
    assert {(stop.job, stop.attempt) for stop in alliance.stops("jerusalem")} == {("2", 1), ("3", 1)}
    assert alliance.fetch("jerusalem") == []
    alliance.later(60)
    alliance.ended("jerusalem", "2", started=after(alliance.now, -60))
    item = alliance.record(alliance.usage("2", site="jerusalem", site_partner="israel"))
    assert alliance.book(item) == ReportItem(job="2", attempt=1, accepted=True)
    assert alliance.job("2").state is JobState.PENDING
    assert alliance.budget()[1] == 60


def test_one_command_and_the_other_site_notices_nothing(robbed: Sites):
    """Abuse 25: over the real hub; the thief gets one answer for everything."""
    with robbed.served.client("office") as office:
        reply = office.revoke_site("jerusalem", requeue=True)
        assert (reply.site, reply.key, reply.requeued) == ("jerusalem", robbed.jerusalem.key.key, 1)
    words = "no agent is enrolled for site 'jerusalem', or its key was revoked"
    for path, body in (
        ("/orders", {"wait_s": 0}),
        ("/logs", {"pieces": []}),
        ("/hello", {"version": "1", "driver": "x"}),
    ):
        assert refusal(robbed.jerusalem.post(path, body)) == (401, "not-authenticated", words)
    assert refusal(robbed.jerusalem.send("GET", "/heads?since=0")) == (401, "not-authenticated", words)
    assert robbed.baku.post("/orders", {"wait_s": 0}).status_code == 200
    with robbed.served.client("lead") as lead:
        wait_for(lambda: lead.get(robbed.job).state == "pending", "it waits again")
        assert lead.why(robbed.job).story[-1].text == (
            "Taken back from jerusalem by olga (attempt 1): the site's key was revoked"
        )
