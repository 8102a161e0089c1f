"""Who may do what: every route of users, for everybody."""

import pytest
from served import SCRIPT, Served

WHO = ("office", "operator", "lead", "member", "outsider", "narrowed", "reader", None)
OPEN = (200, 200, 200, 200, 200, 200, 200, 401)
SEEN = (200, 404, 200, 200, 404, 404, 200, 401)
OFFICE = (403, 403, 403, 403, 403, 403, 401)
DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""Of nothing at all."""
PARTS = {
    "{stream}": "stdout",
    "{project}": "shield",
    "{piece}": DIGEST,
    "{token}": "absent",
    "{site}": "jerusalem",
    "{user}": "zoe",
    "{partner}": "nobody",
}
"""What stands for each part of a route that is a name."""

TABLE = [
    ("GET", "/jobs", None, OPEN),
    ("GET", "/jobs/{job}", None, SEEN),
    ("GET", "/jobs/{job}/why", None, SEEN),
    ("GET", "/jobs/{job}/script", None, SEEN),
    ("GET", "/jobs/{job}/logs/stdout", None, SEEN),
    ("GET", "/jobs/{job}/outputs", None, (404, 404, 404, 404, 404, 404, 404, 401)),
    ("GET", f"/jobs/{{job}}/outputs/pieces/{DIGEST}", None, (404, 404, 404, 404, 404, 404, 404, 401)),
    ("POST", "/jobs/status", {"ids": ["{job}"]}, OPEN),
    ("POST", "/jobs", {"jobs": [{"script": SCRIPT}]}, (422, 422, 201, 201, 422, 422, 403, 401)),
    ("POST", "/jobs/cancel", {"ids": ["{job}"]}, (200, 404, 200, 403, 404, 404, 403, 401)),
    ("GET", "/projects", None, OPEN),
    ("GET", "/projects/shield", None, SEEN),
    ("POST", "/projects", {"id": "x", "title": "X", "sector": "none", "lead": "noa"}, (422, *OFFICE)),
    ("PUT", "/projects/shield/members", {"user": "dan"}, (200, 404, 200, 403, 404, 404, 403, 401)),
    ("POST", "/projects/shield/allocations", {"gpu_hours": 1}, (201, *OFFICE)),
    ("POST", "/projects/shield/pieces/missing", {"pieces": []}, (200, 404, 200, 200, 404, 404, 403, 401)),
    ("PUT", f"/projects/shield/pieces/{DIGEST}", b"", (204, 404, 204, 204, 404, 404, 403, 401)),
    ("GET", "/sites", None, OPEN),
    ("GET", "/agreement", None, OPEN),
    ("PUT", "/agreement", {"text": "", "signatures": {}}, (422, *OFFICE)),
    ("GET", "/balance", None, OPEN),
    ("GET", "/waits", None, OPEN),
    ("GET", "/ledger/head", None, OPEN),
    ("GET", "/ledger/entries", None, OPEN),
    ("GET", "/ledger/seals", None, OPEN),
    ("GET", "/ledger/gaps", None, OPEN),
    ("GET", "/ledger/export", None, OPEN),
    ("GET", "/whoami", None, OPEN),
    ("GET", "/users", None, (200, *OFFICE)),
    ("POST", "/users", {"id": "zoe", "partner": "france"}, (422, *OFFICE)),
    ("POST", "/users/zoe/revocation", None, (404, *OFFICE)),
    ("DELETE", "/users/zoe/revocation", None, (404, *OFFICE)),
    ("POST", "/partners/nobody/revocation", {}, (422, *OFFICE)),
    ("GET", "/tokens", None, (200, 200, 200, 200, 200, 200, 403, 401)),
    ("POST", "/tokens", {"scope": "read"}, (201, 201, 201, 201, 201, 403, 403, 401)),
    ("DELETE", "/tokens/absent", None, (404, 404, 404, 404, 404, 404, 403, 401)),
    ("POST", "/agents/codes", {"site": "jerusalem"}, (201, 201, 403, 403, 403, 403, 403, 401)),
    ("POST", "/agents/codes", {"site": "baku"}, (201, *OFFICE)),
    ("POST", "/agents/jerusalem/revocation", None, (404, 404, 403, 403, 403, 403, 403, 401)),
]


@pytest.fixture(scope="module")
def job(served: Served) -> str:
    with served.client("lead") as client:
        return client.submit(SCRIPT).id


@pytest.mark.parametrize(("method", "path", "body", "expected"), TABLE)
def test_who_may(served: Served, job: str, *, method, path, body, expected):
    found = []
    for who in WHO:
        with served.http(who) as http:
            given = {"content": body} if isinstance(body, bytes) else {}
            if isinstance(body, dict):
                given = {"json": body if "ids" not in body else {"ids": [job]}}
            answer = http.request(method, path.format(job=job), **given)
        found.append(answer.status_code)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"code", "message", "remedy", "retryable", "faults", "request"}
            assert answer.json()["request"] == answer.headers["x-request-id"]
    assert dict(zip(WHO, found, strict=True)) == dict(zip(WHO, expected, strict=True))


def test_every_route_of_users_is_in_the_table(served: Served):
    with served.http() as http:
        paths = http.get(served.url + "/openapi.json").json()["paths"]
    known = {
        (path.removeprefix("/api/v1"), method.upper())
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/v1")
        and path != "/api/v1/agents/enrol"
        and ("/agents/{site}/" not in path or path.endswith("/revocation"))
    }
    for part, value in PARTS.items():
        known = {(path.replace(part, value), method) for path, method in known}
    assert known == {(path, method) for method, path, _, _ in TABLE}


def test_absent_and_foreign_are_one_answer(served: Served, job: str):
    def told(answer) -> dict:
        return {key: value for key, value in answer.json().items() if key != "request"}

    with served.http("outsider") as http:
        for path in ("/jobs/{}", "/jobs/{}/why", "/jobs/{}/script", "/jobs/{}/logs/stdout", "/jobs/{}/outputs"):
            foreign, absent = http.get(path.format(job)), http.get(path.format("999999"))
            assert foreign.status_code == absent.status_code == 404
            assert told(foreign) == {
                key: value.replace("999999", job) if isinstance(value, str) else value
                for key, value in told(absent).items()
            }
        assert told(http.get("/projects/shield")) == {
            key: value.replace("nowhere", "shield") if isinstance(value, str) else value
            for key, value in told(http.get("/projects/nowhere")).items()
        }
        both = http.post("/jobs/status", json={"ids": [job, "999999"]}).json()
        assert both == {"jobs": [], "absent": [job, "999999"]}


def test_lists_show_only_what_is_ones_own(served: Served, job: str):
    with served.client("outsider") as client:
        assert client.list().jobs == []
        assert client.projects() == ()
    with served.client("narrowed") as client:
        assert client.list().jobs == []
        assert [project.id for project in client.projects()] == ["other"]
    with served.client("member") as client:
        assert job in [one.id for one in client.list().jobs]


def test_no_way_up(served: Served):
    with served.http("lead") as http:
        assert http.post("/tokens", json={"user": "olga"}).status_code == 403
    with served.http("narrowed") as http:
        narrowed = http.post("/tokens", json={"scope": "read", "project": "other"})
        assert narrowed.status_code == 201
        listed = http.get("/tokens").json()["tokens"]
        assert {one["project"] for one in listed} == {"other"}
        wider = served.tokens["lead"].split("_")[1]
        assert http.delete(f"/tokens/{wider}").status_code == 404
        assert http.delete(f"/tokens/{narrowed.json()['id']}").status_code == 204
    for wrong in ("-", "x", "fds_a_b_c", served.tokens["lead"][:-1] + "g", served.tokens["lead"] + "_x"):
        with served.http() as http:
            answer = http.get("/whoami", headers={"Authorization": f"Bearer {wrong}"})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_revoked_token_is_refused_at_once(served: Served):
    with served.client("member") as client:
        made = client.create_token(scope="manage")
        client.revoke_token(made.id)
    with served.http() as http:
        answer = http.get("/whoami", headers={"Authorization": f"Bearer {made.token}"})
    assert (answer.status_code, answer.json()["message"]) == (401, "this token was revoked")
