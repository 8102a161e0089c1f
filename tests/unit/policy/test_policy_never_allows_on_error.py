"""Whatever is missing or broken in a question, Cedar's answer is never taken for a permission.

The clauses are those of the example agreement and one forbid for each attribute, so that every attribute matters. The
trap: asked without the schema, Cedar skips a forbid that it cannot evaluate, and allows. One test shows that this is
still so, and so that the others test something.
"""

import json
import random
from collections.abc import Iterator
from importlib.resources import files

import cedarpy
import pytest
from asked import REQUEST
from hypothesis import given, settings
from hypothesis import strategies as st

from foedus.core.agreement.model import Clause
from foedus.core.agreement.request import Applicant, RunRequest
from foedus.policy.cedar import CedarPolicy, schema, verdict
from foedus.policy.request import cedar_entities, cedar_request

FORBIDS = {
    "sector": 'context.project.sector == "mining"',
    "partner": 'principal.partner == Partner::"nowhere"',
    "site-partner": 'resource.partner == Partner::"nowhere"',
    "country": 'resource.country == "XX"',
    "project": 'context.project == Project::"none"',
    "guest": "!context.guest",
    "nodes": "context.nodes > 1000",
    "cpus": "context.cpus > 1000",
    "gpus": "context.gpus > 1000",
    "gpu-model": 'context.gpu_model == "none"',
    "memory": "context.memory_mib > 1000000",
    "time": "context.time_limit_s > 1000000",
    "purpose": 'context.purpose == "none"',
    "datasets": 'context.datasets.contains("none")',
    "labels": 'context.dataset_labels.contains("none")',
    "tasks": "context.array_tasks > 1000000",
}
CLAUSES = (
    Clause(id="open", text={}, policy='@id("open") permit (principal, action, resource);'),
    *(
        Clause(id=name, text={}, policy=f'@id("{name}") forbid (principal, action, resource) when {{ {condition} }};')
        for name, condition in FORBIDS.items()
    ),
)
IDS = frozenset(clause.id for clause in CLAUSES)
POLICY = CedarPolicy(CLAUSES)
POLICIES = cedarpy.PolicySet.from_str("\n".join(clause.policy for clause in CLAUSES))


def question():
    asked = cedar_request(REQUEST)
    entities = [entity.json() for entity in cedar_entities(REQUEST)]
    return asked | {"context": json.loads(asked["context"])}, entities


def allowed(asked, entities) -> bool:
    """Ask as `CedarPolicy` does: entities held against the schema, then the request."""
    try:
        known = cedarpy.Entities.from_json_str(json.dumps(entities), schema())
        result = cedarpy.is_authorized(asked, POLICIES, known, schema())
    except (ValueError, KeyError):
        return False
    return verdict(REQUEST, result, IDS).allowed


def allowed_without_entity_check(asked, entities) -> bool:
    """Ask with entities that nobody held against the schema before: Cedar's own check is the last line."""
    try:
        result = cedarpy.is_authorized(asked, POLICIES, entities, schema())
    except (ValueError, KeyError):
        return False
    return verdict(REQUEST, result, IDS).allowed


def drops() -> Iterator[tuple[str, dict[str, object], list[dict[str, object]]]]:
    """Yield the question with each part left out in turn."""
    asked, _ = question()
    for name in asked["context"]:
        found, entities = question()
        del found["context"][name]
        yield f"context.{name}", found, entities
    for name in asked:
        found, entities = question()
        del found[name]
        yield name, found, entities
    for index, entity in enumerate(question()[1]):
        if entity["uid"]["type"] == "Partner":
            continue
        kind = entity["uid"]["type"]
        found, entities = question()
        del entities[index]
        yield kind, found, entities
        for name in entity["attrs"]:
            found, entities = question()
            del entities[index]["attrs"][name]
            yield f"{kind}.{name}", found, entities


DROPS = list(drops())


def test_the_whole_question_is_allowed():
    assert allowed(*question())
    assert allowed_without_entity_check(*question())
    assert POLICY.judge([REQUEST])[0].allowed


def test_every_attribute_of_the_schema_is_dropped_once():
    names = [name for name, _, _ in DROPS]
    assert names == [
        "context.project",
        "context.guest",
        "context.nodes",
        "context.cpus",
        "context.gpus",
        "context.gpu_model",
        "context.memory_mib",
        "context.time_limit_s",
        "context.purpose",
        "context.datasets",
        "context.dataset_labels",
        "context.array_tasks",
        "principal",
        "action",
        "resource",
        "context",
        "User",
        "User.partner",
        "Project",
        "Project.sector",
        "Site",
        "Site.partner",
        "Site.country",
    ]
    text = files("foedus.policy").joinpath("schema.cedarschema").read_text()
    written = {line.strip().split(":")[0] for line in text.splitlines() if line.startswith("  ") and ":" in line}
    dropped = {name.rpartition(".")[2] for name in names if "." in name}
    assert written - {"principal", "resource", "context"} == dropped


@pytest.mark.parametrize(("asked", "entities"), [part[1:] for part in DROPS], ids=[part[0] for part in DROPS])
def test_with_any_part_left_out_it_is_never_allowed(asked, entities):
    assert not allowed(asked, entities)
    assert not allowed_without_entity_check(asked, entities)


def test_without_the_schema_cedar_allows_what_it_could_not_evaluate():
    asked, entities = question()
    del asked["context"]["gpus"]
    found = cedarpy.is_authorized(asked, POLICIES, entities)
    assert (found.allowed, len(found.diagnostics.errors)) == (True, 1)
    assert not verdict(REQUEST, found, IDS).allowed


def test_ten_thousand_broken_contexts_and_not_one_is_allowed():
    dice = random.Random(20261123)
    junk = [None, True, 7, "text", [1], ["text"], {"a": 1}, {"__entity": {"type": "Site", "id": "baku"}}]
    whole, entities = question()
    names = sorted(whole["context"])
    broken: list[dict[str, object]] = []
    for _ in range(10_000):
        context = dict(whole["context"])
        for name in dice.sample(names, dice.randint(1, 4)):
            if dice.random() < 0.4:
                del context[name]
            else:
                context[name] = dice.choice([value for value in junk if not same_type(value, context[name])])
        broken.append(whole | {"context": context})
    known = cedarpy.Entities.from_json_str(json.dumps(entities), schema())
    results = cedarpy.is_authorized_batch(broken, POLICIES, known, schema())
    assert [verdict(REQUEST, result, IDS).allowed for result in results] == [False] * 10_000


def same_type(one: object, other: object) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return {type(part) for part in one} == {type(part) for part in other}
    if isinstance(one, dict) and isinstance(other, dict):
        return False  # the only record is a reference to a project, and none of the junk is one
    return type(one) is type(other)


TEXT = st.text(max_size=12)
NUMBER = st.integers(-(2**70), 2**70)


@settings(max_examples=150)
@given(
    st.lists(
        st.builds(
            RunRequest,
            applicant=st.builds(Applicant, user=TEXT, partner=TEXT, project=TEXT, sector=TEXT),
            site=TEXT,
            site_partner=TEXT,
            site_country=TEXT,
            guest=st.booleans(),
            nodes=NUMBER,
            cpus=NUMBER,
            gpus=NUMBER,
            gpu_model=TEXT,
            memory_mib=NUMBER,
            time_limit_s=NUMBER,
            purpose=TEXT,
            datasets=st.lists(TEXT, max_size=3).map(tuple),
            array_tasks=NUMBER,
        ),
        max_size=4,
    )
)
def test_any_request_gets_an_answer_and_only_a_clean_one_allows(requests):
    verdicts = POLICY.judge(requests)
    assert [found.site for found in verdicts] == [request.site for request in requests]
    for request, found in zip(requests, verdicts, strict=True):
        numbers = (request.nodes, request.cpus, request.gpus, request.memory_mib, request.time_limit_s)
        whole = all(-(2**63) <= number < 2**63 for number in (*numbers, request.array_tasks))
        assert not found.allowed or (found.clauses == ("open",) and not found.fault and request.guest and whole)
