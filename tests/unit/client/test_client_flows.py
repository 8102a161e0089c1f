import asyncio
import inspect

import httpx2
import pytest
from hub_double import FakeClock, ScriptedHub, error, means, ok

from foedus.client import AsyncClient, Client, Filter
from foedus.client.jobs import LogChunk
from foedus.core.base.errors import NotFound
from foedus.core.jobs.state import JobState
from foedus.wire.jobs import JobPage, JobView, StatusReply, SubmitReply, SubmittedView
from foedus.wire.ledger import EntryPage


def client(hub, clock=None):
    clock = clock or FakeClock()
    return Client("http://127.0.0.1:1", "t", transport=httpx2.MockTransport(hub), sleep=clock.sleep, means=means(clock))


def job(name="1", state=JobState.RUNNING, attempt=1):
    return JobView(
        id=name,
        name="train",
        user="dana",
        partner="israel",
        project="traffic",
        purpose=None,
        state=state,
        reason="",
        site="baku",
        guest=True,
        attempt=attempt,
        nodes=1,
        cpus=1,
        gpus=0,
        gpu_model=None,
        time_limit_s=None,
        submitted=0,
        started=None,
        ended=None,
        exit_code=None,
        signal=None,
    )


def log(data, *, attempt, following, ended, truncated=False):
    return httpx2.Response(
        200,
        content=data,
        headers={
            "foedus-attempt": str(attempt),
            "foedus-offset": str(following),
            "foedus-ended": str(ended).lower(),
            "foedus-truncated": str(truncated).lower(),
        },
    )


def test_a_submission_is_what_sbatch_would_get():
    taken = SubmittedView(id="7", state="pending", tasks=1, sites=["baku"], reasons=[], notices=[])
    hub = ScriptedHub([ok(SubmitReply(jobs=[taken]), 201)])
    with client(hub) as foedus:
        came = foedus.submit("#!/bin/sh\n", overrides=["-N2"], arguments=["a b"], environment={"X": "1"}, bundle=None)
    assert came == taken
    assert hub.asked[0].content == (
        b'{"jobs":[{"script":"#!/bin/sh\\n","overrides":["-N2"],"arguments":["a b"],'
        b'"environment":{"X":"1"},"bundle":null}]}'
    )


def test_all_pages_are_gone_through():
    hub = ScriptedHub([ok(JobPage(jobs=[job("3"), job("2")], next="c 1")), ok(JobPage(jobs=[job("1")], next=None))])
    assert [one.id for one in client(hub).iter(Filter(project="p"), page_size=2)] == ["3", "2", "1"]
    assert hub.lines == [
        "GET /api/v1/jobs?project=p&limit=2",
        "GET /api/v1/jobs?project=p&cursor=c+1&limit=2",
    ]


def test_no_page_is_asked_for_before_it_is_wanted():
    hub = ScriptedHub([ok(JobPage(jobs=[job("3")], next="c"))])
    assert next(client(hub).iter()).id == "3"
    assert len(hub.asked) == 1


def test_the_ledger_is_read_to_its_head():
    hub = ScriptedHub([ok(EntryPage(entries=[{"seq": 4}], next=5)), ok(EntryPage(entries=[{"seq": 5}], next=None))])
    assert list(client(hub).iter_ledger(4, page_size=1)) == [{"seq": 4}, {"seq": 5}]
    assert hub.lines == ["GET /api/v1/ledger/entries?start=4&limit=1", "GET /api/v1/ledger/entries?start=5&limit=1"]


def test_more_than_one_call_holds_are_asked_for_in_parts():
    ids = [str(number) for number in range(1, 1502)]
    hub = ScriptedHub(
        [ok(StatusReply(jobs=[job("1")], absent=["2"])), ok(StatusReply(jobs=[job("1001")], absent=["1501"]))]
    )
    reply = client(hub).status(ids)
    assert ([one.id for one in reply.jobs], reply.absent) == (["1", "1001"], ["2", "1501"])


def test_waiting_ends_when_the_last_job_has_ended():
    done = [job("1", JobState.COMPLETED), job("2", JobState.FAILED)]
    hub = ScriptedHub(
        [
            ok(StatusReply(jobs=[job("1"), job("2")], absent=[])),
            ok(done[0]),
            ok(StatusReply(jobs=[done[0], job("2")], absent=[])),
            ok(done[1]),
            ok(StatusReply(jobs=done, absent=[])),
        ]
    )
    assert client(hub).wait(["1", "2"]) == tuple(done)
    assert hub.lines[1] == "GET /api/v1/jobs/1?wait_s=20"
    assert hub.lines[3] == "GET /api/v1/jobs/2?wait_s=20"


def test_waiting_gives_up_in_time_even_if_the_hub_does_not_hold_back():
    clock = FakeClock()
    hub = ScriptedHub([ok(StatusReply(jobs=[job()], absent=[])), ok(job())] * 20)
    assert client(hub, clock).wait(["1"], timeout_s=3) == (job(),)
    assert clock.at == 3


def test_waiting_for_what_is_not_there_is_an_error():
    hub = ScriptedHub([ok(StatusReply(jobs=[], absent=["9"]))])
    with pytest.raises(NotFound, match="no job 9"):
        client(hub).wait(["9"])


def test_output_is_read_to_its_present_end():
    hub = ScriptedHub([log(b"ab", attempt=1, following=2, ended=False), log(b"", attempt=1, following=2, ended=False)])
    assert list(client(hub).logs("5")) == [LogChunk(data=b"ab", attempt=1, next=2, ended=False, truncated=False)]
    assert hub.lines == [
        "GET /api/v1/jobs/5/logs/stdout?offset=0",
        "GET /api/v1/jobs/5/logs/stdout?attempt=1&offset=2",
    ]


def test_a_cut_is_told_once_also_if_nothing_comes_with_it():
    end = [log(b"", attempt=1, following=2, ended=True, truncated=True)] * 2
    hub = ScriptedHub([log(b"ab", attempt=1, following=2, ended=True, truncated=True), *end])
    cut = LogChunk(data=b"ab", attempt=1, next=2, ended=True, truncated=True)
    assert list(client(hub).logs("5")) == [cut]
    late = ScriptedHub([log(b"ab", attempt=1, following=2, ended=False), *end])
    assert [(one.data, one.truncated) for one in client(late).logs("5")] == [(b"ab", False), (b"", True)]


def test_following_goes_on_through_a_later_attempt():
    hub = ScriptedHub(
        [
            error(404, code="not-found"),
            ok(job(state=JobState.PENDING, attempt=0)),
            log(b"one", attempt=1, following=3, ended=True),
            log(b"", attempt=1, following=3, ended=True),
            ok(job(state=JobState.RUNNING, attempt=1)),
            ok(job(state=JobState.STARTING, attempt=2)),
            log(b"two", attempt=2, following=3, ended=True),
            log(b"", attempt=2, following=3, ended=True),
            ok(job(state=JobState.COMPLETED, attempt=2)),
            log(b"last words", attempt=2, following=13, ended=True),
            log(b"", attempt=2, following=13, ended=True),
        ]
    )
    chunks = list(client(hub).logs("5", "stderr", follow=True))
    assert [(one.attempt, one.data) for one in chunks] == [(1, b"one"), (2, b"two"), (2, b"last words")]
    assert hub.lines[0] == "GET /api/v1/jobs/5/logs/stderr?offset=0&wait_s=20"
    assert hub.lines[6] == "GET /api/v1/jobs/5/logs/stderr?attempt=2&offset=0&wait_s=20"
    assert hub.replies == []


def test_following_a_named_attempt_ends_with_it():
    hub = ScriptedHub([log(b"", attempt=1, following=0, ended=True) for _ in range(2)])
    assert list(client(hub).logs("5", attempt=1, follow=True)) == []


def test_following_a_job_that_never_ran_ends():
    hub = ScriptedHub([error(404, code="not-found"), ok(job(state=JobState.REFUSED, attempt=0))])
    with pytest.raises(NotFound):
        list(client(hub).logs("5", follow=True))


def test_following_takes_a_breath_where_the_hub_does_not_hold_back():
    clock = FakeClock()
    hub = ScriptedHub(
        [
            log(b"", attempt=1, following=0, ended=False),
            log(b"", attempt=1, following=0, ended=False),
            log(b"", attempt=1, following=0, ended=True),
            ok(job(state=JobState.COMPLETED)),
            log(b"", attempt=1, following=0, ended=True),
        ]
    )
    assert list(client(hub, clock).logs("5", follow=True)) == []
    assert clock.slept == [1, 1]


def test_an_export_begins_anew_when_it_was_cut(tmp_path):
    class Cut(httpx2.SyncByteStream):
        def __iter__(self):
            yield b"half of the"
            raise httpx2.ReadError("cut")

    hub = ScriptedHub([httpx2.Response(200, stream=Cut()), httpx2.Response(200, content=b"whole\n")])
    file = tmp_path / "ledger.jsonl"
    assert client(hub).ledger_export(file).read_bytes() == b"whole\n"
    assert list(tmp_path.iterdir()) == [file]


def test_an_export_that_fails_leaves_nothing(tmp_path):
    hub = ScriptedHub([error(403, code="not-allowed")])
    file = tmp_path / "ledger.jsonl"
    file.write_text("older")
    with pytest.raises(Exception, match="no"):
        client(hub).ledger_export(file)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("ledger.jsonl", "older")]


def test_the_asynchronous_face_does_the_same_steps(tmp_path):
    clock = FakeClock()
    hub = ScriptedHub(
        [
            httpx2.ConnectError("refused"),
            ok(StatusReply(jobs=[job()], absent=[])),
            ok(job(state=JobState.COMPLETED)),
            ok(StatusReply(jobs=[job(state=JobState.COMPLETED)], absent=[])),
            log(b"ab", attempt=1, following=2, ended=True),
            log(b"", attempt=1, following=2, ended=True),
            httpx2.Response(200, content=b"book"),
        ]
    )

    async def go():
        async with AsyncClient(
            "http://127.0.0.1:1",
            "t",
            transport=httpx2.MockTransport(hub),
            sleep=clock.asleep,
            means=means(clock),
        ) as foedus:
            ended = await foedus.wait(["1"])
            chunks = [chunk.data async for chunk in foedus.logs("1")]
            file = await foedus.ledger_export(tmp_path / "book")
            return ended, chunks, file.read_bytes()

    assert asyncio.run(go()) == ((job(state=JobState.COMPLETED),), [b"ab"], b"book")
    assert clock.slept == [0.25]


def words(kind):
    return {
        name: str(inspect.signature(member)).replace("AsyncIterator", "Iterator")
        for name, member in vars(kind).items()
        if not name.startswith("_") and callable(member)
    }


def test_both_faces_have_the_same_words():
    ours, others = words(Client), words(AsyncClient)
    assert ours.pop("close") == others.pop("aclose")
    assert ours == others
    assert len(ours) > 35
