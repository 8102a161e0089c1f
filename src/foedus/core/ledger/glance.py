"""Usage entries at a glance: nearly every line of a long ledger is one, and nothing is wrong with it.

One pattern says how such a line must look, byte for byte, so that no object has to be built to know it. What passes
here, `foedus.core.ledger.lines.examine` finds no fault with either; what does not pass proves nothing: it is examined,
which has the words for what is wrong. The rarer shapes of a sound entry (an attempt that never started, several GPU
models, figures of 16 digits) are left to it as well.
"""

import re
from binascii import a2b_base64
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from foedus.core.base.canon import sha256
from foedus.core.base.dsse import Verifier, pae
from foedus.core.base.ids import DIGEST, JOB_ID, KEY, NAME, AllianceId, Digest, PartnerId, SiteId
from foedus.core.base.instant import CLOCK_SLACK_S, SPELLING, Instant, instant
from foedus.core.jobs.spec import Purpose
from foedus.core.jobs.state import Outcome
from foedus.core.ledger.entry import GENESIS, Kind, payload_type
from foedus.core.ledger.lines import Whose
from foedus.core.ledger.plausible import ROUNDING_S
from foedus.core.ledger.usage import EnergyMethod
from foedus.core.ledger.usage_json import MODEL, NATIVE


class Glanced(NamedTuple):
    """A usage entry that has no fault of its own."""

    seq: int
    prev: Digest
    hash: Digest
    at: Instant
    attempt: str
    """Job and number, as ``1042/1``."""
    whose: Whose
    signer: str


def glance(line: bytes, check: Verifier) -> Glanced | None:
    """Recognise a sound usage entry of the usual shape; `None` if it takes a closer look."""
    try:
        found = _LINE.fullmatch(line.decode("ascii"))
        if found is None:
            return None
        at, submitted, started, ended = map(datetime.fromisoformat, found.group(*_TIMES))
    except ValueError:
        return None
    elapsed = int(found["elapsed"])
    if not (
        int(found["cpu_seconds"]) == int(found["cpus"]) * elapsed
        and int(found["gpu_seconds"] or 0) == int(found["gpus"] or 0) * elapsed
        and started <= ended
        and elapsed <= (ended - started).total_seconds() + ROUNDING_S
        and started - submitted >= -_ROUNDING
        and ended - at <= _SLACK
    ):
        return None
    digest, signer = found.group("hash", "keyid")
    start, end = found.span("body")
    if sha256(line[: end + 1] + line[end + _AFTER_HASH : -1]) != digest:
        return None
    if not check(signer, pae(_TYPE, line[start:end]), a2b_base64(found["sig"])):
        return None
    alliance, version, site, site_partner, user_partner = found.group(*_WHOSE)
    share = int(found["nodes"]), int(found["gpus"] or 0)
    partners = PartnerId(site_partner), PartnerId(user_partner)
    whose = Whose(AllianceId(alliance), int(version), SiteId(site), *partners, *share)
    seq, prev, job, number = found.group("seq", "prev", "job", "attempt")
    return Glanced(int(seq), Digest(prev), Digest(digest), instant(at), f"{job}/{number}", whose, signer)


def _one_of(words: type[StrEnum]) -> str:
    return f'"(?:{"|".join(words)})"'


def _text(pattern: re.Pattern[str], group: str = "") -> str:
    return f'"(?P<{group}>{pattern.pattern})"' if group else f'"{pattern.pattern}"'


_TYPE: Final = payload_type(Kind.USAGE)
_ROUNDING: Final = timedelta(seconds=ROUNDING_S)
_SLACK: Final = timedelta(seconds=CLOCK_SLACK_S)
_TIMES: Final = ("at", "submitted", "started", "ended")
_WHOSE: Final = ("alliance", "agreement_version", "site", "site_partner", "user_partner")
_AFTER_HASH: Final = len(f',"hash":"{GENESIS}",')
_COUNT: Final = "(?:0|[1-9][0-9]{0,14})"
_FROM_ONE: Final = "[1-9][0-9]{0,14}"
_SIGNATURE: Final = "[A-Za-z0-9+/]{85}[AQgw]=="
"""64 bytes in base64, with no spare bits set."""

BODY: Final[dict[str, str]] = {
    "agreement_version": f"(?P<agreement_version>{_FROM_ONE})",
    "alliance": _text(NAME, "alliance"),
    "attempt": f"(?P<attempt>{_FROM_ONE})",
    "cpu_seconds": f"(?P<cpu_seconds>{_COUNT})",
    "cpus": f"(?P<cpus>{_COUNT})",
    "elapsed": f"(?P<elapsed>{_COUNT})",
    "ended": _text(SPELLING, "ended"),
    "energy": f"(?:null|(?P<energy>{_COUNT}))",
    "energy_method": f"(?(energy){_one_of(EnergyMethod)}|null)",
    "exit_code": _COUNT,
    "gpu_seconds": rf'\{{(?:"(?P<model>{MODEL.pattern})":(?P<gpu_seconds>{_COUNT}))?\}}',
    "gpus": rf'\{{(?(model)"(?P=model)":(?P<gpus>{_COUNT}))\}}',
    "job": _text(JOB_ID, "job"),
    "memory": _COUNT,
    "native_id": _text(NATIVE),
    "nodes": f"(?P<nodes>{_FROM_ONE})",
    "outcome": _one_of(Outcome),
    "project": _text(NAME),
    "purpose": f"(?:null|{_one_of(Purpose)})",
    "requested_gpus": _COUNT,
    "requested_time_limit": f"(?:null|{_COUNT})",
    "sector": _text(NAME),
    "signal": _COUNT,
    "site": _text(NAME, "site"),
    "site_partner": _text(NAME, "site_partner"),
    "source": _text(NAME),
    "started": _text(SPELLING, "started"),
    "submitted": _text(SPELLING, "submitted"),
    "user": _text(NAME),
    "user_partner": _text(NAME, "user_partner"),
}
"""Members of a usage record, in canonical order, and what each looks like."""
_MEMBERS: Final = ",".join(f'"{name}":{pattern}' for name, pattern in BODY.items())
_LINE: Final = re.compile(
    rf'\{{"at":{_text(SPELLING, "at")},"body":(?P<body>\{{{_MEMBERS}\}}),"hash":{_text(DIGEST, "hash")},'
    rf'"kind":"{Kind.USAGE}","prev":{_text(DIGEST, "prev")},"seq":(?P<seq>{_FROM_ONE}),'
    rf'"signatures":\[\{{"keyid":{_text(KEY, "keyid")},"sig":"(?P<sig>{_SIGNATURE})"\}}\]\}}\n'
)
