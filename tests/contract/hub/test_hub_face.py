"""What every answer has in common, and what the hub says of itself."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from served import API, SCRIPT, Served

from foedus.client import Filter

ERROR = {"code", "message", "remedy", "retryable", "faults", "request"}


@pytest.mark.parametrize(
    ("method", "path", "how", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "not-found"),
        ("DELETE", "/jobs", {}, 405, "bad-input"),
        ("POST", "/jobs", {"json": {}}, 422, "bad-input"),
        ("POST", "/jobs", {"content": b"{", "headers": {"content-type": "application/json"}}, 422, "bad-input"),
        ("POST", "/jobs", {"json": {"jobs": []}}, 422, "bad-input"),
        ("POST", "/jobs", {"json": {"jobs": [{"script": SCRIPT}] * 1001}}, 422, "bad-input"),
        ("POST", "/jobs", {"json": {"jobs": [{"script": "#!/bin/sh\n" + "x" * 5_000_000}]}}, 413, "too-large"),
        ("POST", "/jobs", {"json": {"jobs": [{"script": "echo no shebang"}]}}, 422, "bad-input"),
        ("GET", "/jobs/x", {}, 422, "bad-input"),
        ("GET", "/jobs/1_", {}, 422, "bad-input"),
        ("GET", "/jobs?limit=0", {}, 422, "bad-input"),
        ("GET", "/jobs?cursor=x", {}, 422, "bad-input"),
        ("GET", "/jobs?cursor=99999999999999999999999.0", {}, 422, "bad-input"),
        ("GET", "/jobs?array=99999999999999999999999", {}, 422, "bad-input"),
        ("GET", "/jobs?state=sleeping", {}, 422, "bad-input"),
        ("GET", "/jobs/999999999999999999", {}, 404, "not-found"),
        ("GET", "/jobs/1/logs/stdin", {}, 422, "bad-input"),
        ("GET", "/jobs/1/logs/stdout?attempt=99999999999", {}, 422, "bad-input"),
        ("GET", "/jobs/1/logs/stdout?offset=99999999999999999999", {}, 422, "bad-input"),
        ("GET", "/jobs/1/outputs?attempt=99999999999", {}, 422, "bad-input"),
        ("GET", "/ledger/entries?start=99999999999999999999", {}, 422, "bad-input"),
        ("GET", "/balance?period=soon", {}, 422, "bad-input"),
        ("PUT", "/projects/shield/pieces/" + "ab" * 32, {"content": b"x" * (8 * 1024 * 1024 + 1)}, 413, "too-large"),
        ("PUT", "/projects/shield/pieces/" + "ab" * 32, {"content": b"x"}, 422, "bad-input"),
    ],
)
def test_every_refusal_has_one_shape(served: Served, *, method, path, how, status, code):
    with served.http("lead") as http:
        http.post("/jobs", json={"jobs": [{"script": SCRIPT}]})
        answer = http.request(method, path, **how)
    body = answer.json()
    assert (answer.status_code, body["code"], set(body)) == (status, code, ERROR)
    assert body["request"] == answer.headers["x-request-id"]
    assert body["message"]


def test_a_fault_names_its_field_as_the_rules_do(served: Served):
    with served.http("lead") as http:
        answer = http.post("/jobs", json={"jobs": [{"script": SCRIPT}, {"scripts": SCRIPT}]})
    assert [fault["path"] for fault in answer.json()["faults"]] == ["jobs[1].script", "jobs[1].scripts"]


def test_characters_that_no_name_has(served: Served):
    """Odd, and no fault of the hub's: nothing is found, or the database's own limit is named."""
    with served.http("lead") as http:
        found = [
            http.get("/jobs?name=%00"),
            http.get("/jobs?user=%00&site=%00"),
            http.post("/jobs/status", json={"ids": ["\x00", "\ud800".encode("utf-8", "replace").decode(), "1_x"]}),
            http.post("/projects/shield/allocations", json={"gpu_hours": 1, "reason": "\x00"}),
        ]
    assert [answer.status_code in {200, 403, 422} for answer in found] == [True] * 4


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large(served: Served, *, chunked: bool):
    size = served.settings.largest_body + 1

    def pieces():
        for _ in range(0, size, 1 << 20):
            yield b"x" * (1 << 20)

    with served.http("lead") as http:
        body = pieces() if chunked else b"x" * size
        answer = http.post("/jobs", content=body, headers={"content-type": "application/json"})
    found = answer.json()
    assert (answer.status_code, found["code"], set(found)) == (413, "too-large", ERROR)
    assert found["request"] == answer.headers["x-request-id"]


def test_the_id_of_a_request_is_echoed(served: Served):
    with served.http("lead") as http:
        assert http.get("/whoami", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
        for odd in ("a b", "x" * 65, "<i>"):
            assert http.get("/whoami", headers={"X-Request-ID": odd}).headers["x-request-id"] != odd


def test_a_fault_of_the_hub_itself(served: Served, monkeypatch):
    def fail(tx):
        raise RuntimeError("secret")

    monkeypatch.setattr(type(served.hub), "balance", lambda self, tx: fail(tx))
    with served.http("lead") as http:
        answer = http.get("/balance", headers={"X-Request-ID": "mine-2"})
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] == "mine-2"
    assert answer.json() == {
        "code": "broken",
        "message": "the hub met a fault of its own",
        "remedy": "tell the alliance's office, with the request's id",
        "retryable": False,
        "faults": [],
        "request": "mine-2",
    }


def test_health_and_figures(served: Served):
    with served.http("lead") as http:
        http.get("/whoami")
        health = http.get(served.url + "/healthz")
        page = http.get(served.url + "/metrics").text
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    families = {family.name: family for family in text_string_to_metric_families(page)}
    assert {"foedus_http_requests", "foedus_jobs", "foedus_ledger_entries", "foedus_broker_leader"} <= set(families)
    routes = {sample.labels["route"] for sample in families["foedus_http_requests"].samples}
    assert "/whoami" in routes or f"{API}/whoami" in routes


def test_once(served: Served):
    asked = {"jobs": [{"script": SCRIPT}]}
    with served.http("lead") as http:
        first = http.post("/jobs", json=asked, headers={"Idempotency-Key": "once-1"})
        again = http.post("/jobs", json=asked, headers={"Idempotency-Key": "once-1"})
        other = http.post("/jobs", json={"jobs": asked["jobs"] * 2}, headers={"Idempotency-Key": "once-1"})
        route = http.post("/jobs/cancel", json={"ids": ["1"]}, headers={"Idempotency-Key": "once-1"})
    assert (first.status_code, first.headers.get("foedus-repeated")) == (201, None)
    assert (again.status_code, again.headers.get("foedus-repeated"), again.content) == (201, "true", first.content)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert (route.status_code, route.json()["code"]) == (422, "idempotency-key-reused")
    with served.http("member") as http:
        others = http.post("/jobs", json=asked, headers={"Idempotency-Key": "once-1"})
    assert (others.status_code, others.headers.get("foedus-repeated")) == (201, None)


def test_a_failed_call_leaves_its_key_free(served: Served):
    with served.http("lead") as http:
        bad = http.post("/jobs", json={"jobs": [{"script": "x"}]}, headers={"Idempotency-Key": "once-2"})
        good = http.post("/jobs", json={"jobs": [{"script": SCRIPT}]}, headers={"Idempotency-Key": "once-2"})
    assert (bad.status_code, good.status_code) == (422, 201)


def test_users_through_the_real_client(served: Served):
    array = SCRIPT.replace("--time=10", "--time=10 --array=0-4%2 --job-name=five")
    with served.client("lead") as client:
        view = client.submit(array)
        assert (view.state, view.tasks) == ("pending", 5)
        assert client.script(view.id) == client.script(f"{view.id}_3") == array
        whole = client.get(view.id)
        assert (whole.state, whole.tasks, whole.name) == ("pending", {"pending": 5}, "five")
        found = client.list(Filter(name="five"), limit=2)
        assert [job.id for job in found.jobs] == [f"{view.id}_4", f"{view.id}_3"]
        names = [job.id for job in client.iter(Filter(name="five"), page_size=2)]
        assert names == [f"{view.id}_{task}" for task in (4, 3, 2, 1, 0)]
        why = client.why(view.id)
        assert why.answer == f"It is an array of 5 tasks: 5 pending. See `foedus why {view.id}_0` for one of them."
        assert [line.kind for line in why.story] == ["submitted", "admitted"]
        assert "no room" in client.why(f"{view.id}_0").answer or "not reported" in client.why(f"{view.id}_0").answer
        assert len(client.cancel([view.id]).cancelled) == 5
        assert client.get(view.id).state == "cancelled"
        assert client.ledger_head().seq == client.balance().seq


_KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def faults_of(schema: dict, parts: dict, value, where: str = "") -> list[str]:
    """Check a value against the few words of JSON Schema that the hub's description uses."""
    if "$ref" in schema:
        return faults_of(parts[schema["$ref"].rsplit("/", 1)[1]], parts, value, where)
    if "anyOf" in schema:
        tries = [faults_of(option, parts, value, where) for option in schema["anyOf"]]
        return [] if [] in tries else [fault for faults in tries for fault in faults]
    if "type" in schema and not isinstance(value, _KINDS[schema["type"]]):
        return [f"{where}: {value!r} is no {schema['type']}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is none of {schema['enum']}"]
    if isinstance(value, list):
        return [fault for one in value for fault in faults_of(schema.get("items", {}), parts, one, f"{where}[]")]
    return _faults_of_members(schema, parts, value, where) if isinstance(value, dict) else []


def _faults_of_members(schema: dict, parts: dict, value: dict, where: str) -> list[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    faults = [f"{where}: no {name}" for name in schema.get("required", ()) if name not in value]
    for name, one in value.items():
        rule = known.get(name, others)
        if rule is False:
            faults.append(f"{where}: unknown {name}")
        elif isinstance(rule, dict):
            faults += faults_of(rule, parts, one, f"{where}.{name}")
    return faults


def test_the_description_is_true(served: Served):
    with served.http("office") as http, served.client("lead") as client:
        job = client.submit(SCRIPT).id
        described = http.get(served.url + "/openapi.json").json()
        parts = described["components"]["schemas"]
        calls = [
            ("/jobs", "/jobs", "get", None),
            (f"/jobs/{job}", "/jobs/{job}", "get", None),
            (f"/jobs/{job}/why", "/jobs/{job}/why", "get", None),
            ("/jobs/status", "/jobs/status", "post", {"ids": [job, "77777"]}),
            ("/jobs/cancel", "/jobs/cancel", "post", {"ids": [job]}),
            ("/projects", "/projects", "get", None),
            ("/sites", "/sites", "get", None),
            ("/agreement", "/agreement", "get", None),
            ("/balance", "/balance", "get", None),
            ("/ledger/head", "/ledger/head", "get", None),
            ("/ledger/entries", "/ledger/entries", "get", None),
            ("/whoami", "/whoami", "get", None),
            ("/users", "/users", "get", None),
            ("/tokens", "/tokens", "get", None),
        ]
        for path, template, method, body in calls:
            answer = http.request(method, path, json=body)
            said = described["paths"][API + template][method]["responses"][str(answer.status_code)]
            assert faults_of(said["content"]["application/json"]["schema"], parts, answer.json(), template) == []
        refused = http.get("/jobs/99999")
        said = described["paths"][f"{API}/jobs/{{job}}"]["get"]["responses"]["4XX"]
        assert faults_of(said["content"]["application/json"]["schema"], parts, json.loads(refused.text)) == []
        assert faults_of(said["content"]["application/json"]["schema"], parts, {"code": 1}) != []


def test_the_description_says_that_refusals_are_json_and_what_is_not(served: Served):
    with served.http() as http:
        paths = http.get(served.url + "/openapi.json").json()["paths"]
    answers = [
        (code, kind)
        for methods in paths.values()
        for operation in methods.values()
        for code, answer in operation["responses"].items()
        for kind in answer.get("content", {})
    ]
    assert {kind for code, kind in answers if code in {"4XX", "5XX"}} == {"application/json"}
    other = {"application/octet-stream", "application/jsonl", "text/plain"}
    assert {kind for code, kind in answers if code.startswith("2")} == {"application/json", *other}
    piece = paths[f"{API}/projects/{{project}}/pieces/{{piece}}"]["put"]
    assert list(piece["requestBody"]["content"]) == ["application/octet-stream"]
