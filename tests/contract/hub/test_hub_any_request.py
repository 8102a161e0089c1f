"""Whatever is asked, by whomever: no fault of the hub's own, and nothing that its description does not say.

Requests are made from the hub's own OpenAPI description, good ones and bad ones. Left alone they would fail at the
first name; so names, scripts and signed statements are replaced by ones that exist, now and then, and an agent's
requests are signed as they are. `make fuzz` sends more of them.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.python import asgi
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from served import API, CLOCK, SCRIPT, Served, a_hub, free

from foedus.core.agreement.read import read
from foedus.core.agreement.revocation import Revocation
from foedus.core.agreement.revocation import make as make_revocation
from foedus.core.agreement.vouch import Vouch
from foedus.core.agreement.vouch import make as make_vouch
from foedus.core.base.canon import sha256
from foedus.core.jobs.state import AttemptState
from foedus.hub.app import create_app
from foedus.hub.begin import envelopes_beside
from foedus.hub.wiring import Hub, build
from foedus.keys import ed25519
from foedus.keys.http import EPOCH, SEQUENCE, sign_request

REQUESTS = int(os.environ.get("FOEDUS_FUZZ_N", "10"))
"""For each operation."""
SEED = int(os.environ.get("FOEDUS_FUZZ_SEED", "1"))
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
WHO = ("office", "operator", "lead", "narrowed", "reader", "nobody", "agent")
SITE = "jerusalem"
PIECE = b"hello"


@dataclass(repr=False)
class Alliance:
    """An alliance in the midst of its work, asked in this process and over no socket."""

    served: Served
    hub: Hub
    session: asgi.ASGIClient
    schema: schemathesis.BaseSchema
    known: dict[str, list]
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(10**6))

    def send(self, who: str, case: Case):
        return case.call(session=self.session, auth=lambda request: self._as(who, request))

    def ask(self, who: str, method: str, path: str, body: str):
        headers = {"content-type": "application/json"}
        return self.session.request(
            method, API + path, data=body, headers=headers, auth=lambda request: self._as(who, request)
        )

    def _as(self, who: str, request):
        if who == "agent":
            self._sign(request)
        elif who != "nobody":
            request.headers["Authorization"] = f"Bearer {self.served.tokens[who]}"
        return request

    def _sign(self, request) -> None:
        key = self.served.keys[SITE]
        with self.hub.store.begin() as tx:
            if tx.sites.get(SITE).key != key.key:  # a request before this one took it away
                tx.sites.enrol(SITE, key.key)
            epoch = tx.sites.get(SITE).epoch
        own = {EPOCH: str(epoch), SEQUENCE: str(next(self.numbers))}
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        with contextlib.suppress(ValueError):  # a path that cannot be signed goes as it is
            signed = sign_request(key, request.method, request.url, headers=own, body=body, created=CLOCK.now())
            request.headers.update(signed)


@pytest.fixture(scope="module")
def alliance(tmp_path_factory) -> Iterator[Alliance]:
    with a_hub(tmp_path_factory.mktemp("hub")) as served:
        known = at_work(served)
    hub = build(served.settings)
    app = create_app(hub)
    with asgi.get_client(app) as session:
        schema = schemathesis.openapi.from_asgi("/openapi.json", app)
        yield Alliance(served=served, hub=hub, session=session, schema=schema, known=known)
    asgi.shutdown_lifespans()


def at_work(served: Served) -> dict[str, list]:
    """Let a site run a job that writes something; return the values that there are, by the member that holds them."""
    agent, piece, array = served.agent(SITE), sha256(PIECE), SCRIPT.replace("--time=10", "--time=10 --array=0-2")
    agent.report(capacity=free())
    with served.client("lead") as client:
        ran, waits, many = (client.submit(text).id for text in (SCRIPT, SCRIPT, array))
    while not any(order["job"] == ran for order in agent.orders(wait_s=1)["starts"]):
        pass
    for state in (AttemptState.STARTING, AttemptState.RUNNING):
        agent.report({"job": ran, "attempt": 1, "state": state, "native_id": "7"})
    output = {"job": ran, "attempt": 1, "stream": "stdout", "offset": 0, "data": "aGVsbG8K"}
    assert agent.post("/logs", {"pieces": [output]}).status_code == 200
    assert agent.send("PUT", f"/projects/shield/pieces/{piece}", PIECE).status_code == 204
    jobs, people, numbers = [ran, waits, f"{many}_1", many], ["noa", "dan", "olga"], [1, 2, 2**31, 2**63, -1]
    envelopes, signed = envelopes_beside(served.laid_out.agreement), statements(served)
    return {
        "job": jobs,
        "array": jobs,
        "ids": [jobs, [many], [waits, "1_x"]],
        "project": ["shield", "other"],
        "site": [SITE, "baku"],
        "user": people,
        "lead": people,
        "partner": ["israel", "azerbaijan"],
        "sector": ["cybersecurity"],
        "script": [SCRIPT, array],
        "piece": [piece],
        "pieces": [[piece]],
        "vouch": signed,
        "statement": signed,
        "seal": signed,
        "text": ["", served.laid_out.agreement.read_text("utf-8")],
        "signatures": [{partner: envelope.json() for partner, envelope in envelopes.items()}],
        "stream": ["stdout"],
        "token": [served.tokens["lead"].split("_")[1]],
        "attempt": numbers,
        "requeued_as": numbers,
        "exit_code": numbers,
    }


def statements(served: Served) -> list[dict]:
    agreement = read(served.laid_out.agreement.read_bytes())
    partner = ed25519.load(served.laid_out.keys["israel"])
    key = served.keys[SITE].key
    return [
        make_vouch(partner, Vouch(alliance=agreement.id, site=SITE, key=key, not_before=CLOCK.now())).json(),
        make_revocation(partner, Revocation(alliance=agreement.id, site=SITE, key=key, reason="lost")).json(),
    ]


def speakers(path: str) -> list[str]:
    """Say who asks: what only agents may ask is asked by an agent, but for one time in a while."""
    return ["agent", "agent", "agent", "office"] if "/agents/{site}/" in path else list(WHO)


def aimed(found, name: str, known: dict[str, list], draw):
    """Replace what bears a name that is known, now and then; and never wait for anything."""
    if name == "wait_s":
        return 0 if isinstance(found, int | float) else found
    if name in known and draw(st.integers(0, 3)):
        return draw(st.sampled_from(known[name]))
    if isinstance(found, dict):
        return {key: aimed(value, key, known, draw) for key, value in found.items()}
    if isinstance(found, list):
        return [aimed(value, "", known, draw) for value in found]
    return found


@st.composite
def requests(draw, operation, alliance: Alliance) -> Case:
    """Make a request that the description allows, or one that it does not, with some names that exist."""
    case = draw(operation.as_strategy(generation_mode=draw(st.sampled_from(GenerationMode))))
    case.path_parameters = aimed(dict(case.path_parameters or {}), "", alliance.known, draw)
    case.query = aimed(dict(case.query or {}), "", alliance.known, draw)
    if isinstance(case.body, bytes):
        case.body = draw(st.sampled_from([case.body, PIECE]))
    else:
        case.body = aimed(case.body, "", alliance.known, draw)
    return case


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of the description, which nobody looks at
def test_any_request_is_answered_as_the_description_says(alliance: Alliance):
    for found in alliance.schema.get_all_operations():
        operation = found.ok()

        @seed(SEED)
        @settings(
            max_examples=REQUESTS,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(st.sampled_from(speakers(operation.path)), requests(operation, alliance))
        def ask(who: str, case: Case) -> None:
            case.validate_response(alliance.send(who, case), checks=CHECKS)

        ask()


NESTED = [
    ("office", "POST", "/agents/jerusalem/revocation", '{"statement": %s}'),
    ("nobody", "POST", "/agents/enrol", '{"code": "x", "site": "jerusalem", "vouch": %s}'),
    ("office", "PUT", "/agreement", '{"text": "x", "signatures": {"israel": %s}}'),
    ("lead", "POST", "/jobs", '{"jobs": [%s]}'),
    ("agent", "POST", "/agents/jerusalem/reports", '{"at": "2026-01-01T00:00:00Z", "usages": [%s]}'),
    (
        "agent",
        "POST",
        "/agents/jerusalem/reports",
        '{"at": "2026-01-01T00:00:00Z", "usages": [{"body": %s, "keyid": "", "sig": ""}]}',
    ),
]


@pytest.mark.parametrize("levels", [100, 200, 300, 480, 900, 20_000])
@pytest.mark.parametrize(("who", "method", "path", "body"), NESTED)
def test_what_is_nested_deeper_than_anybody_writes(alliance: Alliance, *, who, method, path, body, levels):
    answer = alliance.ask(who, method, path, body % ('{"in":' * levels + "1" + "}" * levels))
    assert answer.status_code in {200, 400, 401, 422}, answer.text
