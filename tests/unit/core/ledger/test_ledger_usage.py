import json
from dataclasses import fields, replace

import pytest
from books import START, a_usage
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.base.canon import canonical
from foedus.core.base.errors import BadInput
from foedus.core.base.ids import JOB_ID, NAME
from foedus.core.base.instant import Instant, after
from foedus.core.jobs.spec import Purpose
from foedus.core.jobs.state import Outcome
from foedus.core.ledger.booked import correction_body, correction_from_body
from foedus.core.ledger.plausible import implausible
from foedus.core.ledger.usage import EnergyMethod, Usage
from foedus.core.ledger.usage_json import usage_body, usage_from_body

NAMES = st.from_regex(NAME, fullmatch=True)
COUNTS = st.integers(0, 2**53 - 1)
INSTANTS = st.integers(0, 2**41).map(Instant)
MODELS = st.dictionaries(st.sampled_from(["", "a100", "h100-80gb", "NVIDIA A100"]), COUNTS)
USAGES = st.builds(
    Usage,
    alliance=NAMES,
    agreement_version=st.integers(1, 9),
    site=NAMES,
    site_partner=NAMES,
    job=st.from_regex(JOB_ID, fullmatch=True),
    attempt=st.integers(1, 99),
    user=NAMES,
    user_partner=NAMES,
    project=NAMES,
    sector=NAMES,
    purpose=st.none() | st.sampled_from(Purpose),
    native_id=st.sampled_from(["", "1234", "1234_5", "77+0"]),
    source=st.sampled_from(["sacct", "local"]),
    outcome=st.sampled_from(Outcome),
    exit_code=COUNTS,
    signal=COUNTS,
    submitted=INSTANTS,
    started=st.none() | INSTANTS,
    ended=INSTANTS,
    elapsed=COUNTS,
    nodes=COUNTS,
    cpus=COUNTS,
    gpus=MODELS,
    cpu_seconds=COUNTS,
    gpu_seconds=MODELS,
    memory=COUNTS,
    energy=st.none() | COUNTS,
    energy_method=st.none() | st.sampled_from(EnergyMethod),
    requested_gpus=COUNTS,
    requested_time_limit=st.none() | COUNTS,
)


@given(USAGES)
def test_records_read_back(usage):
    assert usage_from_body(json.loads(canonical(usage_body(usage)))) == usage


def test_a_body_has_every_field_always():
    assert sorted(usage_body(a_usage())) == sorted(field.name for field in fields(Usage))


@given(USAGES, st.integers(1, 99))
def test_corrections_read_back(usage, corrects):
    body = json.loads(canonical(correction_body(usage, corrects, "Ölwechsel")))
    assert correction_from_body(body) == (usage, corrects, "Ölwechsel")


def faults_of(read, body):
    with pytest.raises(BadInput) as refusal:
        read(body)
    return [(fault.path, fault.fault) for fault in refusal.value.faults]


def test_every_fault_of_a_record_is_named_at_once():
    body = usage_body(a_usage()) | {
        "elapsed": -1,
        "cpus": 1.0,
        "nodes": True,
        "user": "Noa",
        "job": "0",
        "outcome": "lost",
        "ended": "2026-11-23",
        "gpus": {"a100\n": 1},
        "gpu_seconds": {"a100": None},
        "native_id": "=cmd()",
        "more": 1,
    }
    del body["site"]
    assert faults_of(usage_from_body, body) == [
        ("body.site", "is missing"),
        ("body.cpus", "1.0 is not a whole number from 0 to 9007199254740991"),
        ("body.elapsed", "-1 is not a whole number from 0 to 9007199254740991"),
        ("body.ended", "'2026-11-23' is not a UTC time such as 2026-11-23T08:00:00Z"),
        ("body.gpu_seconds", "'a100': None is not a whole number from 0 to 9007199254740991"),
        ("body.gpus", "'a100\\n': 'a100\\n' is not a GPU model"),
        ("body.job", "'0' is not a job id"),
        ("body.native_id", '"=cmd()" is not a scheduler\'s job id'.replace('"', "'", 2)),
        ("body.nodes", "True is not a whole number from 0 to 9007199254740991"),
        (
            "body.outcome",
            "'lost' is none of cancelled, completed, failed, node-fail, out-of-memory, preempted, requeued, timeout",
        ),
        ("body.user", "'Noa' is not a name"),
        ("body.more", "does not belong here"),
    ]


def test_every_fault_of_a_correction_is_named_at_once():
    body = usage_body(a_usage()) | {"elapsed": -1, "corrects": 0, "reason": "a\nb"}
    assert [path for path, _ in faults_of(correction_from_body, body)] == [
        "body.corrects",
        "body.reason",
        "body.elapsed",
    ]


@pytest.mark.parametrize("read", [usage_from_body, correction_from_body])
@pytest.mark.parametrize("body", [None, [], "x", 1])
def test_what_is_no_object_is_no_record(read, body):
    assert faults_of(read, body) == [("body", "is not an object")]


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists), st.data())
def test_any_other_value_is_a_fault_and_never_a_crash(value, data):
    name = data.draw(st.sampled_from(sorted(usage_body(a_usage()))))
    body = usage_body(a_usage()) | {name: value}
    try:
        read = usage_from_body(body)
    except BadInput as refusal:
        assert [fault.path for fault in refusal.faults] == [f"body.{name}"]  # noqa: PT017 (some values are right)
    else:
        assert usage_body(read) == body


def test_a_true_record_is_plausible():
    assert implausible(a_usage(), START) == ()
    never = replace(a_usage(elapsed=0, gpus={}, cpus=0), started=None, nodes=0)
    assert implausible(never, START) == ()


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"started": None}, ["elapsed is 3600 s, but the attempt never started"]),
        ({"started": after(START, 1)}, ["ended 2026-11-23T08:00:00Z is before the start at 2026-11-23T08:00:01Z"]),
        ({"started": after(START, -3599)}, []),
        ({"started": after(START, -3598)}, ["elapsed 3600 s do not fit between start and end (3598 s)"]),
        ({"started": after(START, -9999), "submitted": after(START, -9999)}, []),
        (
            {"submitted": after(START, -3598)},
            ["started 2026-11-23T07:00:00Z is before the submission at 2026-11-23T07:00:02Z"],
        ),
        (
            {"submitted": after(START, 2), "started": None, "elapsed": 0, "cpu_seconds": 0, "gpu_seconds": {"h100": 0}},
            ["ended 2026-11-23T08:00:00Z is before the submission at 2026-11-23T08:00:02Z"],
        ),
        ({"cpu_seconds": 1}, ["cpu_seconds is 1, not 16 CPUs times 3600 s"]),
        ({"gpu_seconds": {"h100": 1}}, ["gpu_seconds is 1 of 'h100', not 2 times 3600 s"]),
        ({"gpu_seconds": {"a100": 7200}}, ["gpu_seconds names other GPU models than gpus does"]),
        ({"energy": 1}, ["energy_method must be given exactly where energy is"]),
        ({"energy_method": EnergyMethod.ACCOUNTING}, ["energy_method must be given exactly where energy is"]),
        ({"nodes": 0}, ["nodes is 0, but the attempt ran"]),
    ],
)
def test_what_cannot_be_true(changes, wanted):
    found = implausible(replace(a_usage(), **changes), START)
    assert [f"{fault.path.removeprefix('body.')} {fault.fault}" for fault in found] == wanted


@pytest.mark.parametrize(("ahead", "count"), [(0, 0), (120, 0), (121, 1)])
def test_a_sites_clock_may_be_a_little_ahead(ahead, count):
    assert len(implausible(a_usage(ended=after(START, ahead)), START)) == count
