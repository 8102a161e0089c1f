"""Orders and records for tests."""

from foedus.core.base.instant import Instant
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.state import Outcome
from foedus.drivers.base import Record
from foedus.wire.agents import StartOrder

T0 = Instant(1_700_000_000_000)


def make_order(job="7", attempt=1, script="#!/bin/sh\ntrue\n", **more):
    fields = {
        "job": job,
        "attempt": attempt,
        "user": "dana",
        "user_partner": "israel",
        "project": "transit",
        "sector": "mobility",
        "guest": False,
        "agreement_version": 1,
        "spec": parse(script),
        **more,
    }
    return StartOrder(**fields)


def make_record(restart=0, outcome="completed", elapsed=5, **more):
    fields = {
        "restart": restart,
        "native_id": "n1",
        "outcome": Outcome(outcome),
        "exit_code": 0,
        "signal": 0,
        "submitted": T0,
        "started": Instant(T0 + 1000) if elapsed else None,
        "ended": Instant(T0 + 1000 + elapsed * 1000),
        "elapsed": elapsed,
        "nodes": 1,
        "cpus": 2,
        "cpu_seconds": 2 * elapsed,
        "gpus": {"a100": 1},
        "gpu_seconds": {"a100": elapsed},
        **more,
    }
    return Record(**fields)
