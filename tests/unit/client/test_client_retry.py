import httpx2
import pytest
from hub_double import FakeClock, ScriptedHub, error, means, ok

from foedus.client import Client, Retry
from foedus.client.retry import retry_after
from foedus.client.steps import Answer
from foedus.core.base.errors import Conflict, KeyReused, NotFound, SiteTrouble, Unreachable
from foedus.wire.jobs import CancelReply

DONE = CancelReply(cancelled=["1"], stopping=[], over=[])


def client(hub, clock, retry=None):
    return Client(
        "http://127.0.0.1:1",
        "secret",
        transport=httpx2.MockTransport(hub),
        sleep=clock.sleep,
        means=means(clock, retry),
    )


def test_a_lost_answer_is_asked_for_again_under_the_same_key():
    clock = FakeClock()
    hub = ScriptedHub(
        [httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow"), httpx2.RemoteProtocolError("cut"), ok(DONE)]
    )
    assert client(hub, clock).cancel(["1"]) == DONE
    assert [one.headers["idempotency-key"] for one in hub.asked] == ["key-1"] * 4
    assert {one.content for one in hub.asked} == {b'{"ids":["1"]}'}
    assert clock.slept == [0.25, 0.5, 1.0]
    assert clock.told == ["no answer from http://127.0.0.1:1: the connection failed (refused); trying again for 30 s"]


def test_a_key_of_ones_own_is_kept():
    hub = ScriptedHub([ok(DONE)])
    client(hub, FakeClock()).cancel(["1"], key="mine")
    assert hub.asked[0].headers["idempotency-key"] == "mine"
    assert hub.asked[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    "reply",
    [
        lambda: error(409, code="conflict", retryable=True),
        lambda: error(503, code="unreachable", retryable=True),
        lambda: error(502, code="site-trouble", retryable=True),
        lambda: httpx2.Response(503, text="<html>"),
        lambda: httpx2.Response(429, text="slow down"),
        lambda: httpx2.Response(504),
    ],
)
def test_what_may_pass_is_tried_again(reply):
    hub = ScriptedHub([reply(), ok(DONE)])
    assert client(hub, FakeClock()).cancel(["1"]) == DONE


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (lambda: error(409, code="conflict"), Conflict),
        (lambda: error(422, code="idempotency-key-reused"), KeyReused),
        (lambda: error(404, code="not-found"), NotFound),
        (lambda: httpx2.Response(404, text="<html>"), NotFound),
    ],
)
def test_what_will_not_change_is_raised_at_once(reply, kind):
    clock = FakeClock()
    hub = ScriptedHub([reply()])
    with pytest.raises(kind):
        client(hub, clock).cancel(["1"])
    assert (len(hub.asked), clock.slept) == (1, [])


def test_retry_after_is_honoured():
    clock = FakeClock()
    hub = ScriptedHub(
        [
            httpx2.Response(503, headers={"retry-after": "7"}),
            httpx2.Response(503, headers={"retry-after": "0"}),
            ok(DONE),
        ]
    )
    client(hub, clock).cancel(["1"])
    assert clock.slept == [7, 0.5]


def test_a_wait_beyond_the_deadline_is_not_begun():
    clock = FakeClock()
    hub = ScriptedHub([httpx2.Response(503, headers={"retry-after": "3600"})])
    with pytest.raises(Unreachable):
        client(hub, clock).cancel(["1"])
    assert clock.slept == []


def test_after_the_deadline_the_hub_is_unreachable():
    clock = FakeClock()
    hub = ScriptedHub([httpx2.ConnectError("refused")] * 100)
    with pytest.raises(Unreachable) as caught:
        client(hub, clock, Retry(deadline_s=10)).cancel(["1"])
    assert caught.value.message == "no answer from http://127.0.0.1:1: the connection failed (refused)"
    assert caught.value.remedy
    assert caught.value.__notes__ == [
        "it is not known whether the hub did it; the same call under the key key-1 is done only once"
    ]
    assert 5 <= clock.at <= 10


def test_the_last_error_of_a_hub_that_answers_is_kept():
    hub = ScriptedHub([error(502, code="site-trouble", retryable=True)] * 100)
    with pytest.raises(SiteTrouble):
        client(hub, FakeClock(), Retry(deadline_s=2)).cancel(["1"])


def test_a_deadline_of_nothing_means_one_try():
    hub = ScriptedHub([httpx2.ConnectError("refused")] * 2)
    with pytest.raises(Unreachable):
        client(hub, FakeClock(), Retry(deadline_s=0)).cancel(["1"])
    assert len(hub.asked) == 1


def test_the_pauses_stop_growing_and_chance_shortens_them():
    clock = FakeClock()
    hub = ScriptedHub([httpx2.ConnectError("refused")] * 7 + [ok(DONE)])
    with Client(
        "http://127.0.0.1:1",
        "t",
        transport=httpx2.MockTransport(hub),
        sleep=clock.sleep,
        means=means(clock, draw=lambda: 0.0),
    ) as foedus:
        foedus.cancel(["1"])
    assert clock.slept == [0.125, 0.25, 0.5, 1.0, 2.0, 2.5, 2.5]


def test_a_redirect_takes_no_token_anywhere():
    hub = ScriptedHub([httpx2.Response(307, headers={"location": "http://evil.example/"})])
    with pytest.raises(Exception, match="HTTP 307"):
        client(hub, FakeClock()).cancel(["1"])
    assert len(hub.asked) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:30 GMT", "date": "Mon, 23 Nov 2026 09:00:10 GMT"}, 20),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": "Mon, 23 Nov 2026 09:00:10 GMT"}, 0),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:30 GMT"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "٣"}, 0),
        ({}, 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers, seconds):
    assert retry_after(Answer(status=503, headers=headers, body=b"")) == seconds
