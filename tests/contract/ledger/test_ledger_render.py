"""Usage records and balances in the formats that others read."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow.parquet as pq
from books import a_ledger, a_usage
from defusedxml import ElementTree

from foedus.core.base.instant import parse_iso
from foedus.core.ledger.booked import Booked, booked
from foedus.core.ledger.usage import EnergyMethod
from foedus.render.csv_file import csv_lines
from foedus.render.parquet_file import write_parquet
from foedus.render.table import balance_table, usage_table
from foedus.render.usage_record import usage_records
from foedus.wire.ledger import BalanceLine, BalanceView

AT = parse_iso("2026-11-23T08:00:05Z")
ONE = Booked(
    seq=7,
    hash="ab" * 32,
    at=AT,
    usage=a_usage(gpus={"h100": 2, "": 1}, energy=12, energy_method=EnergyMethod.ACCOUNTING),
)
NEVER = Booked(
    seq=9,
    hash="cd" * 32,
    at=AT,
    usage=replace(
        a_usage(elapsed=0, gpus={}, cpus=0), started=None, native_id="", purpose=None, requested_time_limit=None
    ),
    corrects=7,
    reason="=1+1, said <the site>",
)


def rows(table):
    data = b"".join(csv_lines(table)).decode()
    assert data.count("\r\n") == data.count("\n")
    return list(csv.DictReader(io.StringIO(data)))


def test_usage_as_csv():
    first, second = rows(usage_table([ONE, NEVER]))
    assert first == {
        "entry": "7",
        "booked": "2026-11-23T08:00:05Z",
        "corrects": "",
        "alliance": "caspian",
        "agreement_version": "1",
        "job": "1042",
        "attempt": "1",
        "site": "baku",
        "site_partner": "azerbaijan",
        "user": "noa",
        "user_partner": "israel",
        "project": "lights",
        "sector": "mobility",
        "purpose": "finetune",
        "native_id": "77",
        "source": "sacct",
        "outcome": "completed",
        "exit_code": "0",
        "signal": "0",
        "submitted": "2026-11-23T06:59:00Z",
        "started": "2026-11-23T07:00:00Z",
        "ended": "2026-11-23T08:00:00Z",
        "elapsed_s": "3600",
        "nodes": "1",
        "cpus": "16",
        "cpu_seconds": "57600",
        "gpus": '{"":1,"h100":2}',
        "gpu_seconds": '{"":3600,"h100":7200}',
        "gpu_seconds_total": "10800",
        "memory_mib": "65536",
        "energy_j": "12",
        "energy_method": "accounting",
        "requested_gpus": "2",
        "requested_time_limit_s": "7200",
        "reason": "",
        "hash": "ab" * 32,
    }
    names = ("corrects", "purpose", "native_id", "started", "energy_j", "requested_time_limit_s", "gpus", "reason")
    assert [second[name] for name in names] == ["7", "", "", "", "", "", "{}", "'=1+1, said <the site>"]


def test_usage_as_parquet_says_the_same_as_csv():
    records = [record for entry in a_ledger().entries if (record := booked(entry))] * 3 + [NEVER]
    sink = io.BytesIO()
    assert write_parquet(usage_table(records), sink) == len(records)
    found = pq.read_table(sink)
    assert found.num_rows == len(records)
    assert str(found.schema.field("ended").type) == "timestamp[ms, tz=UTC]"
    as_csv = rows(usage_table(records))
    for name, kind in (("entry", int), ("gpu_seconds_total", int), ("memory_mib", int), ("job", str), ("hash", str)):
        assert found.column(name).to_pylist() == [kind(row[name]) for row in as_csv]
    last = found.slice(found.num_rows - 1).to_pylist()[0]
    assert (last["started"], last["gpus"], last["corrects"]) == (None, [], 7)
    assert last["booked"].astimezone(UTC) == datetime(2026, 11, 23, 8, 0, 5, tzinfo=UTC)
    assert found.slice(0, 1).to_pylist()[0]["gpus"] == [("h100", 2)]


def test_an_empty_table_still_has_its_columns():
    sink = io.BytesIO()
    assert write_parquet(usage_table([]), sink) == 0
    heading = b"".join(csv_lines(usage_table([]))).decode().strip().split(",")
    assert pq.read_table(sink).column_names == heading


def test_balance_as_csv():
    took = {"partner": "israel", "period": "2026-11", "pledged": 3600000, "own": 0, "gave": 0, "took": 7200}
    gave = {"partner": "azerbaijan", "period": "2026-11", "pledged": 0, "own": 5, "gave": 7200, "took": 0}
    lines = [BalanceLine(**took, by_model={}), BalanceLine(**gave, by_model={"h100": 7200})]
    one, other = rows(balance_table(BalanceView(alliance="caspian", seq=1, at=AT, lines=lines)))
    assert one == {
        "alliance": "caspian",
        "period": "2026-11",
        "partner": "israel",
        "pledged": "3600000",
        "own": "0",
        "gave": "0",
        "took": "7200",
        "net": "-7200",
        "gave_by_model": "{}",
    }
    assert (other["partner"], other["gave"], other["net"], other["gave_by_model"]) == (
        "azerbaijan",
        "7200",
        "7200",
        '{"h100":7200}',
    )


def shape(element):
    """An element as nested tuples: name without namespace, attributes, text or children."""
    name = element.tag.rpartition("}")[2]
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    return (name, attributes, [shape(child) for child in element] or element.text)


def test_usage_records_of_the_ogf():
    document = b"".join(usage_records([ONE, NEVER]))
    root = ElementTree.fromstring(document)
    spaces = {element.tag.partition("}")[0][1:] for element in root.iter()}
    assert spaces == {"http://schema.ogf.org/urf/2013/04/urf", "urn:foedus:usage:1"}
    assert (root.tag.rpartition("}")[2], len(root)) == ("UsageRecords", 2)
    assert shape(root[0]) == (
        "UsageRecord",
        {},
        [
            (
                "RecordIdentityBlock",
                {},
                [
                    ("RecordId", {}, "foedus:caspian/1042/1/7"),
                    ("CreateTime", {}, "2026-11-23T08:00:05Z"),
                    ("Site", {}, "baku"),
                    ("Infrastructure", {}, "caspian"),
                ],
            ),
            (
                "SubjectIdentityBlock",
                {},
                [
                    ("GlobalUserId", {}, "noa"),
                    ("GlobalGroupId", {}, "lights"),
                    ("GlobalGroupAttribute", {"type": "partner"}, "israel"),
                    ("GlobalGroupAttribute", {"type": "sector"}, "mobility"),
                ],
            ),
            (
                "ComputeUsageBlock",
                {},
                [
                    (
                        "CpuDuration",
                        {"usageType": "all", "description": "allocated CPUs times elapsed time"},
                        "PT57600S",
                    ),
                    ("WallDuration", {}, "PT3600S"),
                    ("StartTime", {}, "2026-11-23T07:00:00Z"),
                    ("EndTime", {}, "2026-11-23T08:00:00Z"),
                    ("Processors", {}, "16"),
                    ("NodeCount", {}, "1"),
                    ("ExitStatus", {}, "0"),
                ],
            ),
            (
                "JobUsageBlock",
                {},
                [
                    ("GlobalJobId", {}, "foedus:caspian/1042/1"),
                    ("LocalJobId", {}, "77"),
                    ("MachineName", {}, "baku"),
                    ("TimeInstant", {"type": "submit"}, "2026-11-23T06:59:00Z"),
                    ("Status", {}, "completed"),
                ],
            ),
            (
                "Extension",
                {},
                [
                    ("Entry", {}, "7"),
                    ("EntryHash", {}, "ab" * 32),
                    ("SitePartner", {}, "azerbaijan"),
                    ("Purpose", {}, "finetune"),
                    ("Signal", {}, "0"),
                    ("MemoryMiB", {}, "65536"),
                    ("Gpus", {"model": "h100"}, [("Count", {}, "2"), ("GpuSeconds", {}, "7200")]),
                    ("Gpus", {"model": ""}, [("Count", {}, "1"), ("GpuSeconds", {}, "3600")]),
                    ("Energy", {"unit": "J", "method": "accounting"}, "12"),
                ],
            ),
        ],
    )


def test_what_is_not_known_is_left_out_of_a_usage_record():
    root = ElementTree.fromstring(b"".join(usage_records([NEVER])))
    names = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert {"StartTime", "LocalJobId", "Purpose", "Gpus", "Energy"}.isdisjoint(names)
    assert names.count("Corrects") == 1


def test_names_from_a_site_cannot_break_out_of_the_document():
    odd = Booked(seq=1, hash="00" * 32, at=AT, usage=a_usage(gpus={'"><x a="': 1}, native_id="<&>"))
    root = ElementTree.fromstring(b"".join(usage_records([odd])))
    found = {element.tag.rpartition("}")[2]: element for element in root.iter()}
    assert (found["Gpus"].attrib, found["LocalJobId"].text) == ({"model": '"><x a="'}, "<&>")
