"""A usage record as JSON: the body of a ``usage`` entry, and what the site's key signs.

Every member is always there; times are RFC 3339 text, figures are whole numbers, an unknown is ``null``.
"""

import re
from collections.abc import Mapping
from typing import Final, cast

from foedus.core.base.canon import Json
from foedus.core.base.ids import (
    AllianceId,
    JobId,
    PartnerId,
    ProjectId,
    SectorId,
    SiteId,
    UserId,
)
from foedus.core.base.instant import Instant, exact_instant, iso
from foedus.core.base.units import CpuSeconds, GpuSeconds, Joules, Mebibytes, Seconds
from foedus.core.jobs.spec import Purpose
from foedus.core.jobs.state import Outcome
from foedus.core.ledger.members import (
    Check,
    checked,
    count,
    from_one,
    job,
    maybe,
    name,
    one_of,
    spelled,
    table,
    time,
)
from foedus.core.ledger.usage import EnergyMethod, Usage

NATIVE = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._:+@/\[\]-]{0,127})?")
"""A scheduler's job id; empty for an attempt that was never handed over."""
MODEL = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9 ._:+/-]{0,62}[A-Za-z0-9])?)?")
"""A GPU model; empty where the site does not name one."""
_MOST_MODELS = 64


def usage_body(usage: Usage) -> dict[str, Json]:
    """Return the body of the entry that books `usage`."""
    return {
        "agreement_version": usage.agreement_version,
        "alliance": usage.alliance,
        "attempt": usage.attempt,
        "cpu_seconds": usage.cpu_seconds,
        "cpus": usage.cpus,
        "elapsed": usage.elapsed,
        "ended": iso(usage.ended),
        "energy": usage.energy,
        "energy_method": None if usage.energy_method is None else str(usage.energy_method),
        "exit_code": usage.exit_code,
        "gpu_seconds": dict(usage.gpu_seconds),
        "gpus": dict(usage.gpus),
        "job": usage.job,
        "memory": usage.memory,
        "native_id": usage.native_id,
        "nodes": usage.nodes,
        "outcome": str(usage.outcome),
        "project": usage.project,
        "purpose": None if usage.purpose is None else str(usage.purpose),
        "requested_gpus": usage.requested_gpus,
        "requested_time_limit": usage.requested_time_limit,
        "sector": usage.sector,
        "signal": usage.signal,
        "site": usage.site,
        "site_partner": usage.site_partner,
        "source": usage.source,
        "started": None if usage.started is None else iso(usage.started),
        "submitted": iso(usage.submitted),
        "user": usage.user,
        "user_partner": usage.user_partner,
    }


def usage_from_body(body: object, path: str = "body") -> Usage:
    """Read a body; raises `BadInput` with everything that is wrong with it."""
    return _usage(checked(path, body, _CHECKS, _REMEDY))


def _usage(parts: Mapping[str, object]) -> Usage:
    """Build the record out of parts that were all checked."""
    text = cast("Mapping[str, str]", parts)
    number = cast("Mapping[str, int]", parts)
    maybe = cast("Mapping[str, int | None]", parts)
    purpose, method = parts["purpose"], parts["energy_method"]
    energy, limit = maybe["energy"], maybe["requested_time_limit"]
    return Usage(
        alliance=AllianceId(text["alliance"]),
        agreement_version=number["agreement_version"],
        site=SiteId(text["site"]),
        site_partner=PartnerId(text["site_partner"]),
        job=JobId(text["job"]),
        attempt=number["attempt"],
        user=UserId(text["user"]),
        user_partner=PartnerId(text["user_partner"]),
        project=ProjectId(text["project"]),
        sector=SectorId(text["sector"]),
        purpose=None if purpose is None else Purpose(purpose),
        native_id=text["native_id"],
        source=text["source"],
        outcome=Outcome(text["outcome"]),
        exit_code=number["exit_code"],
        signal=number["signal"],
        submitted=cast("Instant", exact_instant(parts["submitted"])),
        started=exact_instant(parts["started"]),
        ended=cast("Instant", exact_instant(parts["ended"])),
        elapsed=Seconds(number["elapsed"]),
        nodes=number["nodes"],
        cpus=number["cpus"],
        gpus=dict(cast("Mapping[str, int]", parts["gpus"])),
        cpu_seconds=CpuSeconds(number["cpu_seconds"]),
        gpu_seconds=dict(cast("Mapping[str, GpuSeconds]", parts["gpu_seconds"])),
        memory=Mebibytes(number["memory"]),
        energy=None if energy is None else Joules(energy),
        energy_method=None if method is None else EnergyMethod(method),
        requested_gpus=number["requested_gpus"],
        requested_time_limit=None if limit is None else Seconds(limit),
    )


_REMEDY: Final = "let the site's agent measure and sign the record again"
_CHECKS: Final[dict[str, Check]] = {
    "agreement_version": from_one,
    "alliance": name,
    "attempt": from_one,
    "cpu_seconds": count,
    "cpus": count,
    "elapsed": count,
    "ended": time,
    "energy": maybe(count),
    "energy_method": maybe(one_of(EnergyMethod)),
    "exit_code": count,
    "gpu_seconds": table(spelled(MODEL, "a GPU model"), count, _MOST_MODELS),
    "gpus": table(spelled(MODEL, "a GPU model"), count, _MOST_MODELS),
    "job": job,
    "memory": count,
    "native_id": spelled(NATIVE, "a scheduler's job id"),
    "nodes": count,
    "outcome": one_of(Outcome),
    "project": name,
    "purpose": maybe(one_of(Purpose)),
    "requested_gpus": count,
    "requested_time_limit": maybe(count),
    "sector": name,
    "signal": count,
    "site": name,
    "site_partner": name,
    "source": name,
    "started": maybe(time),
    "submitted": time,
    "user": name,
    "user_partner": name,
}
