"""Ids that are guessed, and tokens that are not, or no longer, good."""

import base64
import json

import pytest
from served import API, SCRIPT, Served, a_hub

from foedus.core.base.instant import Instant
from foedus.process.clock import SystemClock

ABSENT = {"job": "999999", "project": "no-project", "token": "notoken", "user": "nobody", "partner": "nowhere"}
BODIES = {
    ("post", "/projects/{project}/pieces/missing"): {"pieces": []},
    ("put", "/projects/{project}/members"): {"user": "dan"},
    ("post", "/projects/{project}/allocations"): {"gpu_hours": 1},
    ("post", "/partners/{partner}/revocation"): {"reason": "stolen"},
}
DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture(scope="module")
def ids(served: Served) -> dict[str, str]:
    """Things of the project `shield`, the lead and the lead's token."""
    with served.client("lead") as lead:
        job, user = lead.submit(SCRIPT).id, lead.whoami().user.id
    token = served.tokens["lead"].split("_")[1]
    return {"job": job, "project": "shield", "token": token, "user": user, "partner": "israel"}


def routes(served: Served) -> list[tuple[str, str]]:
    with served.http() as http:
        paths = http.get(served.url + "/openapi.json").json()["paths"]
    return sorted(
        (method, path.removeprefix(API))
        for path, methods in paths.items()
        for method in methods
        if "{" in path and "/agents/" not in path
    )


def told(served: Served, who: str, method: str, path: str, ids: dict[str, str]) -> tuple[int, str]:
    """Return an answer without the request's own id, with the names that were asked for taken out."""
    where = path.format(**ids, stream="stdout", piece=DIGEST)
    body = BODIES.get((method, path))
    with served.http(who) as http:
        answer = http.request(method, where, **({"json": body} if body else {"content": b""}))
    found = answer.json()
    del found["request"]
    text = json.dumps(found)
    for kind, name in ids.items():
        text = text.replace(f"job {name} " if kind == "job" else f"'{name}'", f"<{kind}>")
    return answer.status_code, text


@pytest.mark.parametrize("who", ["outsider", "narrowed", "operator"])
def test_what_is_foreign_is_as_if_it_were_absent(served: Served, ids: dict[str, str], who: str):
    """Abuse 12: ids of another project, guessed, on every route that takes one: the same answer as for none."""
    asked = routes(served)
    assert len(asked) >= 12
    for method, path in asked:
        if "{token}" in path and who == "narrowed":
            continue  # its own person's: see the table of who may do what
        foreign = told(served, who, method, path, ids)
        assert foreign == told(served, who, method, path, ABSENT), (method, path)
        assert foreign[0] in {403, 404}, (method, path)


def test_lists_searches_and_dependencies_betray_nothing(served: Served, ids: dict[str, str]):
    """Abuse 12: by filters, by many ids at once, by naming a foreign job as a dependency, by a foreign bundle."""
    with served.http("outsider") as http:
        for query in ("", "?project=shield", "?user=noa", "?name=sbatch", f"?array={ids['job']}", "?state=pending"):
            assert http.get(f"/jobs{query}").json() == {"jobs": [], "next": None}
        for names in ([ids["job"], "999999"], ["999999", ids["job"]]):
            assert http.post("/jobs/status", json={"ids": names}).json() == {"jobs": [], "absent": names}
        answers = []
        for job in (ids["job"], "999999"):
            answer = http.post("/jobs/cancel", json={"ids": [job]})
            answers.append((answer.status_code, answer.json()["message"].replace(job, "JOB")))
        assert answers == [(404, "there is no job JOB that you could see")] * 2
    with served.http("narrowed") as http:
        faults = []
        for job in (ids["job"], "999999"):
            text = SCRIPT.replace(
                "#FOEDUS project=shield", f"#SBATCH --dependency=afterok:{job}\n#FOEDUS project=other"
            )
            answer = http.post("/jobs", json={"jobs": [{"script": text}]})
            faults.append([one["fault"].replace(job, "JOB") for one in answer.json()["faults"]])
        assert faults == [["there is no job JOB that you could see"]] * 2
        missing = http.post("/projects/shield/pieces/missing", json={"pieces": [DIGEST]})
        assert missing.status_code == 404


def refused(served: Served, token: str, url: str = "") -> tuple[int, str]:
    with served.http(url=url) as http:
        answer = http.get("/whoami", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("message", "")


def b64(part: dict) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


class Later:
    """A clock that is ahead."""

    def __init__(self, days: int) -> None:
        self._clock, self._ahead = SystemClock(), days * 86_400_000

    def now(self) -> Instant:
        return Instant(self._clock.now() + self._ahead)


def test_a_token_that_is_over_or_revoked(served: Served):
    """Abuse 14: a stolen token after its end, and after its owner has revoked it."""
    with served.client("member") as client:
        short, long = client.create_token(days=1), client.create_token(days=90)
        gone = client.create_token()
        client.revoke_token(gone.id)
    assert refused(served, gone.token) == (401, "this token was revoked")
    clock = served.hub.clock
    served.hub.clock = Later(2)
    try:
        assert refused(served, short.token) == (401, "this token has expired")
        assert refused(served, long.token) == (200, "")
    finally:
        served.hub.clock = clock
    with served.http("member") as http:
        asked = http.post("/tokens", json={"scope": "read", "days": 91})
    assert (asked.status_code, asked.json()["faults"][0]["path"]) == (422, "days")


def test_a_token_of_another_hub_or_of_none(served: Served, tmp_path):
    """Abuse 14: another hub's token (wrong audience), and what passes for one elsewhere: alg=none, kid injection."""
    with a_hub(tmp_path) as other:
        assert refused(served, other.tokens["office"]) == (401, "this token is not known")
        assert refused(other, served.tokens["office"]) == (401, "this token is not known")
    claims = {"sub": "olga", "iss": served.url, "aud": "foedus", "scope": "manage", "exp": 4102444800}
    good = served.tokens["office"]
    name, secret = good.split("_")[1:3]
    for wrong in (
        f"{b64({'alg': 'none', 'typ': 'JWT'})}.{b64(claims)}.",
        f"{b64({'alg': 'HS256', 'kid': '../../hub.key'})}.{b64(claims)}.c2ln",
        f"{b64({'alg': 'HS256', 'kid': chr(39) + ' OR 1=1 --'})}.{b64(claims)}.c2ln",
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        f"fds_{name}_{secret}",
        f"fds_{name}__00000000",
        f"{good}_",
        good.upper(),
        "%",
        "fds_' OR 1=1 --_x_y",
    ):
        assert refused(served, wrong) == (401, "this token is not known"), wrong


def test_a_token_reaches_no_further_than_its_scope_and_project(served: Served):
    """Abuse 14: a token to read submits; one of another project reads, and makes itself a wider one."""
    with served.http("reader") as http:
        answer = http.post("/jobs", json={"jobs": [{"script": SCRIPT}]})
        assert (answer.status_code, answer.json()["message"]) == (403, "this token may read; this needs submit")
        answer = http.post("/tokens", json={"scope": "manage"})
        assert (answer.status_code, answer.json()["message"]) == (403, "this token may read; this needs manage")
    with served.http("narrowed") as http:
        answer = http.post("/jobs", json={"jobs": [{"script": SCRIPT}]})
        assert (answer.status_code, answer.json()["faults"][0]["fault"]) == (422, "you are in no project 'shield'")
        answer = http.post("/tokens", json={"scope": "read"})
        assert (answer.status_code, answer.json()["message"]) == (403, "this token is narrowed to project other")
