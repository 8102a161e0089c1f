"""Usage records in the OGF's Usage Record format 2.0 (GFD-R-P.204), for sites that report to a grid as well.

What the format has no element for (GPUs, allocated memory, energy, the partners) stands in elements of the namespace
`EXTENSION` at the end of each record, which the format allows. ``CpuDuration`` is, as in all of Foedus, allocated CPUs
times elapsed time, and says so.
"""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from foedus.core.base.ids import Marker
from foedus.core.base.instant import iso
from foedus.core.ledger.booked import Booked

NAMESPACE: Final = "http://schema.ogf.org/urf/2013/04/urf"
EXTENSION: Final = "urn:foedus:usage:1"

_START: Final = (
    f'<?xml version="1.0" encoding="UTF-8"?>\n<urf:UsageRecords xmlns:urf="{NAMESPACE}" xmlns:foedus="{EXTENSION}">\n'
)
_END: Final = "</urf:UsageRecords>\n"


def usage_records(records: Iterable[Booked]) -> Iterator[bytes]:
    """Write a document, record by record."""
    yield _START.encode("utf-8")
    for record in records:
        yield f"<urf:UsageRecord>{_record(record)}</urf:UsageRecord>\n".encode()
    yield _END.encode("utf-8")


def _record(record: Booked) -> str:
    blocks = (_identity(record), _subject(record), _compute(record), _job(record), _extension(record))
    return "".join(blocks)


def _identity(record: Booked) -> str:
    usage = record.usage
    return _element(
        "urf:RecordIdentityBlock",
        _text("urf:RecordId", f"{_marker(record)}/{record.seq}"),
        _text("urf:CreateTime", iso(record.at)),
        _text("urf:Site", usage.site),
        _text("urf:Infrastructure", usage.alliance),
    )


def _subject(record: Booked) -> str:
    usage = record.usage
    return _element(
        "urf:SubjectIdentityBlock",
        _text("urf:GlobalUserId", usage.user),
        _text("urf:GlobalGroupId", usage.project),
        _text("urf:GlobalGroupAttribute", usage.user_partner, type="partner"),
        _text("urf:GlobalGroupAttribute", usage.sector, type="sector"),
    )


def _compute(record: Booked) -> str:
    usage = record.usage
    allocated = "allocated CPUs times elapsed time"
    return _element(
        "urf:ComputeUsageBlock",
        _text("urf:CpuDuration", f"PT{usage.cpu_seconds}S", usageType="all", description=allocated),
        _text("urf:WallDuration", f"PT{usage.elapsed}S"),
        "" if usage.started is None else _text("urf:StartTime", iso(usage.started)),
        _text("urf:EndTime", iso(usage.ended)),
        _text("urf:Processors", usage.cpus),
        _text("urf:NodeCount", usage.nodes),
        _text("urf:ExitStatus", usage.exit_code),
    )


def _job(record: Booked) -> str:
    usage = record.usage
    return _element(
        "urf:JobUsageBlock",
        _text("urf:GlobalJobId", _marker(record)),
        _text("urf:LocalJobId", usage.native_id) if usage.native_id else "",
        _text("urf:MachineName", usage.site),
        _text("urf:TimeInstant", iso(usage.submitted), type="submit"),
        _text("urf:Status", usage.outcome),
    )


def _extension(record: Booked) -> str:
    usage = record.usage
    gpus = (
        _element(f'foedus:Gpus model="{escape(model)}"', _text("foedus:Count", count), _gpu_seconds(record, model))
        for model, count in usage.gpus.items()
    )
    energy = "" if usage.energy is None else f'<foedus:Energy unit="J" method="{usage.energy_method}">{usage.energy}'
    return _element(
        "foedus:Extension",
        _text("foedus:Entry", record.seq),
        _text("foedus:EntryHash", record.hash),
        "" if record.corrects is None else _text("foedus:Corrects", record.corrects),
        _text("foedus:SitePartner", usage.site_partner),
        "" if usage.purpose is None else _text("foedus:Purpose", usage.purpose),
        _text("foedus:Signal", usage.signal),
        _text("foedus:MemoryMiB", usage.memory),
        *gpus,
        energy and f"{energy}</foedus:Energy>",
    )


def _gpu_seconds(record: Booked, model: str) -> str:
    return _text("foedus:GpuSeconds", record.usage.gpu_seconds.get(model, 0))


def _marker(record: Booked) -> str:
    usage = record.usage
    return Marker(alliance=usage.alliance, job=usage.job, attempt=usage.attempt).text


def _text(name: str, value: str | int, **attributes: str) -> str:
    written = "".join(f' urf:{key}="{escape(text)}"' for key, text in attributes.items())
    return f"<{name}{written}>{escape(str(value))}</{name}>"


def _element(name: str, *parts: str) -> str:
    return f"<{name}>{''.join(parts)}</{name.partition(' ')[0]}>"
