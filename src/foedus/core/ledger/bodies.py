"""What the entries other than usage records say."""

from collections.abc import Mapping
from typing import Final

from foedus.core.base.canon import Json
from foedus.core.base.errors import Fault
from foedus.core.base.ids import AllianceId, ProjectId
from foedus.core.ledger.entry import Kind
from foedus.core.ledger.members import Check, a_text_file, digest, from_one, key, member_faults, name, text, time, whole

_REMEDY: Final = "ask whoever signed it to sign a sound statement"
_EXACT: Final[dict[Kind, dict[str, Check]]] = {
    Kind.AGREEMENT: {"digest": digest, "text": a_text_file},
    Kind.SITE_KEY: {"alliance": name, "key": key, "not_before": time, "site": name},
    Kind.SITE_KEY_REVOKED: {"alliance": name, "key": key, "reason": text, "site": name},
}
_LEAST: Final[dict[Kind, dict[str, Check]]] = {
    Kind.PROJECT: {"alliance": name, "project": name},
    Kind.ALLOCATION: {"alliance": name, "gpu_seconds": whole, "project": name},
}
CORRECTION: Final[dict[str, Check]] = {"corrects": from_one, "reason": text}
"""Members that a correction has beside those of a usage record."""


def body_faults(kind: Kind, body: Mapping[str, object]) -> list[Fault]:
    """Say what is wrong with the shape of a body; usage records and corrections are read elsewhere.

    A project or an allocation may say more than what is checked here.
    """
    if kind in _EXACT:
        return member_faults(body, _EXACT[kind], "body", _REMEDY)
    least = _LEAST[kind]
    return member_faults({part: body[part] for part in least if part in body}, least, "body", _REMEDY)


def agreement_body(file: str, file_digest: str) -> dict[str, Json]:
    """Return the body that books a version of the agreement: its file as text, and the SHA-256 of that."""
    return {"digest": file_digest, "text": file}


def project_body(alliance: AllianceId, project: ProjectId, more: Mapping[str, Json]) -> dict[str, Json]:
    """Return the body that books the opening of a project; `more` holds its title, sector and the like."""
    return {**more, "alliance": alliance, "project": project}


def allocation_body(alliance: AllianceId, project: ProjectId, gpu_seconds: int, reason: str) -> dict[str, Json]:
    """Return the body that books a grant. Grants add up; a negative one takes back."""
    return {"alliance": alliance, "gpu_seconds": gpu_seconds, "project": project, "reason": reason}
