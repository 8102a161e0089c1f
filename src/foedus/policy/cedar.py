"""Answers requests with Cedar policies.

Cedar is always given the schema. Without it a ``forbid`` whose condition cannot be evaluated is skipped, and the
request is allowed; with it the request has no decision. Here whatever is not a clean "allow" is a refusal: no
decision, any error in any policy, a decision that no clause answers for.
"""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import cast

import cedarpy

from foedus.core.agreement.clauses import statements
from foedus.core.agreement.model import Clause
from foedus.core.agreement.request import RunRequest, Verdict
from foedus.core.base.errors import BadInput, Fault
from foedus.core.base.ids import ClauseId
from foedus.policy.request import Entity, cedar_entities, cedar_request

_LAYOUT = str.maketrans("", "", "\n\r\t")
_REMEMBERED = 10_000
"""Answers that are kept."""


@cache
def schema() -> cedarpy.Schema:
    """Return the schema of ``schema.cedarschema``, read once."""
    return cedarpy.Schema.from_str(files("foedus.policy").joinpath("schema.cedarschema").read_text(encoding="utf-8"))


def clause_faults(clauses: Sequence[Clause]) -> tuple[Fault, ...]:
    """Check clauses strictly against the schema; return every fault, with paths into the agreement."""
    return tuple(fault for index, clause in enumerate(clauses) for fault in _faults(clause, f"clauses[{index}].policy"))


class CedarPolicy:
    """A set of clauses, compiled once, that judges any number of requests.

    Raises `BadInput` with every fault of every clause.
    """

    def __init__(self, clauses: Sequence[Clause]) -> None:
        faults = clause_faults(clauses)
        if faults:
            raise BadInput(*faults)
        self.clauses = tuple(clauses)
        self._ids = frozenset(clause.id for clause in clauses)
        self._policies = cedarpy.PolicySet.from_str("\n".join(clause.policy for clause in clauses))
        self._judged: dict[RunRequest, Verdict] = {}

    def judge(self, requests: Sequence[RunRequest]) -> tuple[Verdict, ...]:
        """Answer each request, in order. Never raises: what cannot be evaluated is refused, with its fault.

        An answer follows from the clauses and the request alone, so equal requests are put to Cedar once.
        """
        judged = {request: known for request in requests if (known := self._judged.get(request)) is not None}
        new = [request for request in dict.fromkeys(requests) if request not in judged]
        answers = [verdict for batch in _batches(new) for verdict in self._judge_batch(*batch)]
        judged.update(zip(new, answers, strict=True))
        if len(self._judged) + len(new) > _REMEMBERED:
            self._judged.clear()
        self._judged.update(zip(new, answers, strict=True))
        return tuple(judged[request] for request in requests)

    def _judge_batch(self, requests: list[RunRequest], entities: dict[tuple[str, str], Entity]) -> Iterator[Verdict]:
        try:
            known = cedarpy.Entities.from_json_str(json.dumps([one.json() for one in entities.values()]), schema())
            asked = [cedar_request(request) for request in requests]
            results = cedarpy.is_authorized_batch(asked, self._policies, known, schema())
        except ValueError as error:
            for request in requests:
                yield Verdict(site=request.site, allowed=False, fault=f"Cedar does not take the question: {error}")
            return
        for request, result in zip(requests, results, strict=True):
            yield verdict(request, result, self._ids)


def verdict(request: RunRequest, result: cedarpy.AuthzResult, known: frozenset[ClauseId]) -> Verdict:
    """Turn Cedar's answer into ours; whatever is not a clean "allow" is a refusal."""
    errors: list[str] = result.diagnostics.errors
    names = cast("dict[str, str]", result.diagnostics.id_annotations_by_reason)
    clauses = tuple(sorted(ClauseId(name) for name in names.values()))
    untraced = [reason for reason in result.diagnostics.reasons if names.get(reason) not in known]
    fault = ""
    if errors:
        fault = "; ".join(sorted(errors))
    elif untraced:
        fault = f"policies without a clause decided: {', '.join(sorted(untraced))}"
    elif result.decision is cedarpy.Decision.NoDecision:
        fault = "Cedar came to no decision"
    elif result.allowed and not clauses:
        fault = "allowed, but by no clause"
    return Verdict(site=request.site, allowed=result.allowed and not fault, clauses=clauses, fault=fault)


def _batches(
    requests: Sequence[RunRequest],
) -> Iterator[tuple[list[RunRequest], dict[tuple[str, str], Entity]]]:
    """Group requests that agree on what each entity is: usually all of one job, so that Cedar reads them once."""
    batch: list[RunRequest] = []
    entities: dict[tuple[str, str], Entity] = {}
    for request in requests:
        own = {(entity.type, entity.id): entity for entity in cedar_entities(request)}
        if any(entities.get(name, entity) != entity for name, entity in own.items()):
            yield batch, entities
            batch, entities = [], {}
        batch.append(request)
        entities |= own
    if batch:
        yield batch, entities


def _faults(clause: Clause, path: str) -> Iterator[Fault]:
    remedy = "mend the policy; what it may speak of is in foedus/policy/schema.cedarschema"
    parts = statements(clause.policy)
    if len(parts) != 1:
        fault = f"holds {len(parts)} policies"
        yield Fault(path=path, fault=fault, remedy="write one policy for each clause, so that a refusal can name it")
        return
    if not clause.policy.translate(_LAYOUT).isprintable():
        fault = "holds control characters, or such as let it read differently from what it says"
        yield Fault(path=path, fault=fault, remedy="write plain text")
        return
    try:
        noted = annotations(clause.policy)
    except ValueError as error:
        yield Fault(path=path, fault=f"is not Cedar: {error}", remedy=remedy)
        return
    if noted is None:
        yield Fault(path=path, fault="is a template", remedy="write out the principal and the resource")
        return
    if noted.get("id") != clause.id:
        fault = f"Cedar reads the @id {noted.get('id')!r}, but the clause is {clause.id!r}"
        yield Fault(path=path, fault=fault, remedy=f'begin the policy with @id("{clause.id}")')
    for error in cedarpy.validate_policies(clause.policy, schema()).errors:
        yield Fault(path=path, fault=error.error.removeprefix("for policy `policy0`, "), remedy=remedy)


def annotations(source: str) -> dict[str, str] | None:
    """Return the annotations of the one policy, `None` for a template; raises `ValueError` if it is no Cedar."""
    found = cast("dict[str, dict[str, dict[str, dict[str, str]]]]", json.loads(cedarpy.policies_to_json_str(source)))
    policies = list(found["staticPolicies"].values())
    return policies[0].get("annotations", {}) if policies else None
