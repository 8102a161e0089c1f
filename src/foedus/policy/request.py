"""A question as Cedar takes it: the request and the entities that it speaks of."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from foedus.core.agreement.request import RunRequest

CedarJson: TypeAlias = "bool | int | str | Sequence[CedarJson] | dict[str, CedarJson]"
Uid: TypeAlias = "dict[str, CedarJson]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One thing that policies look at."""

    type: str
    id: str
    attributes: tuple[tuple[str, CedarJson], ...] = ()
    parents: tuple[tuple[str, str], ...] = ()

    def json(self) -> dict[str, CedarJson]:
        """Return what Cedar reads."""
        return {
            "uid": uid(self.type, self.id),
            "attrs": dict(self.attributes),
            "parents": [uid(kind, name) for kind, name in self.parents],
        }


def uid(kind: str, name: str) -> Uid:
    """Name an entity; this form takes any text as a name, where Cedar's own syntax does not."""
    return {"type": kind, "id": name}


def reference(kind: str, name: str) -> CedarJson:
    """Name an entity as the value of an attribute."""
    return {"__entity": uid(kind, name)}


def cedar_request(request: RunRequest) -> dict[str, object]:
    """Return the request: who, what, where, and everything about the job."""
    applicant = request.applicant
    context: dict[str, CedarJson] = {
        "project": reference("Project", applicant.project),
        "guest": request.guest,
        "nodes": request.nodes,
        "cpus": request.cpus,
        "gpus": request.gpus,
        "gpu_model": request.gpu_model,
        "memory_mib": request.memory_mib,
        "time_limit_s": request.time_limit_s,
        "purpose": request.purpose,
        "datasets": list(request.datasets),
        "dataset_labels": list(request.dataset_labels),
        "array_tasks": request.array_tasks,
    }
    return {
        "principal": uid("User", applicant.user),
        "action": uid("Action", "run"),
        "resource": uid("Site", request.site),
        "context": json.dumps(context),
    }


def cedar_entities(request: RunRequest) -> tuple[Entity, ...]:
    """Return the entities that the request speaks of."""
    applicant = request.applicant
    own, theirs = applicant.partner, request.site_partner
    return (
        *(Entity(type="Partner", id=partner) for partner in dict.fromkeys((own, theirs))),
        Entity(
            type="User",
            id=applicant.user,
            attributes=(("partner", reference("Partner", own)),),
            parents=(("Partner", own),),
        ),
        Entity(type="Project", id=applicant.project, attributes=(("sector", applicant.sector),)),
        Entity(
            type="Site",
            id=request.site,
            attributes=(("partner", reference("Partner", theirs)), ("country", request.site_country)),
        ),
    )
