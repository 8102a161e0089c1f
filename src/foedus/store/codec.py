"""What is only ever read whole, to and from JSON."""

import json
from functools import lru_cache
from typing import Final, cast

from pydantic import TypeAdapter

from foedus.core.base.canon import Json, JsonObject, sha256, written
from foedus.core.base.ids import Digest, SiteId
from foedus.core.jobs.spec import JobSpec, Resources
from foedus.core.placement.capacity import Capacity

_SPEC: Final = TypeAdapter(JobSpec)
_RESOURCES: Final = TypeAdapter(Resources)
_CAPACITY: Final = TypeAdapter(Capacity)


def spec_text(spec: JobSpec) -> tuple[Digest, str]:
    """Write a spec canonically; return the digest of that, and the text."""
    data = written(cast("Json", _SPEC.dump_python(spec, mode="json")))  # of numbers and texts that were checked
    return sha256(data), data.decode("utf-8")


def spec_from(text: str) -> JobSpec:
    """Read a spec."""
    return _SPEC.validate_json(text)


@lru_cache(maxsize=4096)
def resources_text(resources: Resources) -> str:
    """Write what a job needs; the same few shapes come again and again."""
    return _RESOURCES.dump_json(resources, exclude_defaults=True).decode("utf-8")


@lru_cache(maxsize=4096)
def resources_from(text: str) -> Resources:
    """Read what a job needs."""
    return _RESOURCES.validate_json(text)


def capacity_text(capacity: Capacity) -> str:
    """Write a site's capacity."""
    return _CAPACITY.dump_json(capacity).decode("utf-8")


@lru_cache(maxsize=1024)
def capacity_from(text: str | None) -> Capacity | None:
    """Read a site's capacity."""
    return None if text is None else _CAPACITY.validate_json(text)


@lru_cache(maxsize=4096)
def sites_text(sites: tuple[SiteId, ...]) -> str:
    """Write the sites that a job may run at."""
    return json_text(sites)


@lru_cache(maxsize=4096)
def sites_from(text: str) -> tuple[SiteId, ...]:
    """Read the sites that a job may run at."""
    return tuple(cast("list[SiteId]", json.loads(text)))


def json_text(value: Json) -> str:
    """Write any JSON, in ASCII, so that no database stumbles over what is in its texts."""
    return json.dumps(value, separators=(",", ":"))


def object_from(text: str) -> JsonObject:
    """Read a JSON object."""
    return cast("JsonObject", json.loads(text))
