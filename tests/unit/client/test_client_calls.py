import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.client import alliance, jobs
from foedus.client.address import base_url
from foedus.client.calls import Failed, failed, params, path
from foedus.client.jobs import Filter, LogChunk
from foedus.client.steps import Answer
from foedus.core.base import errors
from foedus.core.base.errors import BadInput, Broken, Fault, FoedusError, NotFound, Unreachable
from foedus.wire.errors import ErrorView, FaultView, error_of, view_of
from foedus.wire.jobs import CancelReply, Submission


def answer(status, body=b"", **headers):
    return Answer(status=status, headers={name.replace("_", "-"): value for name, value in headers.items()}, body=body)


def test_every_part_of_a_path_is_quoted_whole():
    assert path("jobs", "10/../../tokens", "why") == "/jobs/10%2F..%2F..%2Ftokens/why"


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_a_part_that_would_climb_is_refused(part):
    with pytest.raises(BadInput) as caught:
        path("projects", part)
    assert caught.value.faults == (Fault(path="name", fault=f"{part!r} names nothing", remedy="give an id or a name"),)


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."} and text.isprintable()))
def test_no_id_reaches_another_resource(part):
    assert path("jobs", part).count("/") == 2
    assert "?" not in path("jobs", part)


def test_params_leave_none_out_and_repeat_tuples():
    assert params(state=("pending", "running"), user=None, limit=5) == (
        ("state", "pending"),
        ("state", "running"),
        ("limit", "5"),
    )


def test_a_page_asks_with_every_filter():
    which = Filter(states=("failed",), project="p", user="u", site="s", name="n", array="7")
    assert jobs.page(which, "c", 3).params == (
        ("state", "failed"),
        ("project", "p"),
        ("user", "u"),
        ("site", "s"),
        ("name", "n"),
        ("array", "7"),
        ("cursor", "c"),
        ("limit", "3"),
    )


def test_only_what_changes_something_carries_a_key():
    keyed = {
        "submit": jobs.submit([Submission(script="#!/bin/sh\n")]).keyed,
        "cancel": jobs.cancel(["1"]).keyed,
        "grant": alliance.grant("p", 5, "").keyed,
        "status": jobs.status(["1"]).keyed,
        "missing": alliance.missing("p", []).keyed,
        "page": jobs.page(Filter(), None, None).keyed,
    }
    assert keyed == {
        "submit": True,
        "cancel": True,
        "grant": True,
        "status": False,
        "missing": False,
        "page": False,
    }


def test_a_long_poll_waits_longer_than_the_hub():
    call = jobs.get("5", wait_s=45)
    assert (call.params, call.timeout_s) == ((("wait_s", "45"),), 75)


def test_faults_of_a_request_are_all_reported():
    with pytest.raises(BadInput) as caught:
        alliance.create_token(user=None, scope="everything", project=None, days=1000, label="x" * 200)
    assert [fault.path for fault in caught.value.faults] == ["scope", "days", "label"]


def test_a_message_is_read():
    reply = CancelReply(cancelled=["1"], stopping=[], over=["2"])
    assert jobs.cancel(["1", "2"]).read(answer(200, reply.model_dump_json().encode())) == reply


def test_an_answer_of_another_version_is_no_guess():
    with pytest.raises(Broken) as caught:
        jobs.cancel(["1"]).read(answer(200, b'{"cancelled": [], "stopping": []}'))
    assert caught.value.message == "the hub's answer is not a CancelReply as this client knows it (over)"


def test_a_log_chunk_is_read_from_body_and_headers():
    call = jobs.log("5", "stdout", attempt=2, offset=10, limit=None, wait_s=0)
    assert call.params == (("attempt", "2"), ("offset", "10"))
    came = answer(200, b"\xffab", foedus_attempt="2", foedus_offset="13", foedus_ended="true", foedus_truncated="false")
    assert call.read(came) == LogChunk(data=b"\xffab", attempt=2, next=13, ended=True, truncated=False)


def test_a_log_answer_without_its_headers_is_broken():
    with pytest.raises(Broken):
        jobs.log("5", "stdout", attempt=None, offset=0, limit=None, wait_s=0).read(answer(200, b"x"))


def kinds(kind=FoedusError):
    return [kind, *(below for one in kind.__subclasses__() for below in kinds(one))]


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.__module__ == errors.__name__])
def test_every_error_comes_through_the_wire(kind):
    fault = Fault(path="line 3", fault="is odd", remedy="mend it")
    sent = kind(fault) if issubclass(kind, BadInput) else kind("what happened", remedy="do this")
    came = failed(answer(400, view_of(sent).model_dump_json().encode()))
    assert type(came.error) is kind
    assert view_of(came.error) == view_of(sent)
    assert came.retryable == kind.retryable


def test_the_hubs_word_on_retrying_counts():
    view = ErrorView(code="conflict", message="in flight", retryable=True)
    assert failed(answer(409, view.model_dump_json().encode())).retryable


def test_a_code_of_a_later_version_is_still_an_error():
    error = error_of(ErrorView(code="teapot", message="short and stout", remedy="pour", request="r-1"))
    assert (type(error), error.message, error.remedy, error.__notes__) == (
        FoedusError,
        "short and stout",
        "pour",
        ["request r-1"],
    )


def test_bad_input_without_faults_still_says_something():
    view = ErrorView(code="bad-input", message="no", remedy="yes", faults=[])
    assert error_of(view).faults == (Fault(path="request", fault="no", remedy="yes"),)
    view = ErrorView(code="bad-input", message="", faults=[FaultView(path="a", fault="b", remedy="c")])
    assert error_of(view).faults == (Fault(path="a", fault="b", remedy="c"),)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (404, NotFound, False),
        (401, errors.NotAuthenticated, False),
        (418, FoedusError, False),
        (502, Unreachable, True),
        (503, Unreachable, True),
        (504, Unreachable, True),
        (429, Unreachable, True),
        (500, FoedusError, False),
    ],
)
def test_what_is_not_a_hubs_answer_is_read_by_its_status(status, kind, retryable):
    came = failed(answer(status, b"<html>nginx</html>"))
    assert isinstance(came, Failed)
    assert (type(came.error), came.retryable) == (kind, retryable)


@pytest.mark.parametrize(
    "hub", ["hub.example.org", "ftp://hub.example.org", "https://", "https://a@hub", "https://h/?x=1", "https://h:0"]
)
def test_what_is_no_address_is_refused(hub):
    with pytest.raises(BadInput) as caught:
        base_url(hub)
    assert [fault.path for fault in caught.value.faults] == ["hub"]


def test_a_token_never_leaves_the_machine_readable():
    with pytest.raises(BadInput, match="no TLS"):
        base_url("http://hub.example.org")
    assert base_url("http://hub.example.org", plain=True) == "http://hub.example.org/api/v1"
    assert base_url("http://127.0.0.1:8000/") == "http://127.0.0.1:8000/api/v1"
    assert base_url("http://[::1]:8000") == "http://[::1]:8000/api/v1"
    assert base_url("https://hub.example.org/foedus/") == "https://hub.example.org/foedus/api/v1"
