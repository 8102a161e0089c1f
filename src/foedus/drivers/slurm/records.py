"""Turns the accounting's runs into usage records. Pure."""

from collections.abc import Sequence

from foedus.core.base.canon import LARGEST
from foedus.core.base.errors import SiteTrouble
from foedus.core.base.units import CpuSeconds, GpuSeconds, Joules, Seconds
from foedus.core.ledger.usage import EnergyMethod
from foedus.core.ledger.usage_json import MODEL
from foedus.drivers.base import Record
from foedus.drivers.slurm import states, tres
from foedus.drivers.slurm.sacct import Run


def records(runs: Sequence[Run], models: tuple[tuple[str, str], ...]) -> tuple[Record, ...]:
    """Return a record for each run that is over, oldest first; restarts are numbered from 0.

    A job that changed its size has one row for each size; they are one restart, whose parts are added up.
    """
    found: list[Record] = []
    parts: list[Run] = []
    restart = 0
    for run in runs:
        parts.append(run)
        if states.is_part(run.state):
            continue
        record = _record(restart, parts, models)
        if record is not None:
            found.append(record)
        restart += 1
        parts = []
    return tuple(found)


def _record(restart: int, parts: Sequence[Run], models: tuple[tuple[str, str], ...]) -> Record | None:
    last = parts[-1]
    outcome = states.outcome(last.state)
    if outcome is None or last.ended is None or not (last.complete or last.never_ran):
        return None
    resources = tres.parse(last.tres)
    gpu_seconds: dict[str, GpuSeconds] = {}
    cpu_seconds = energy = 0
    for part in parts:
        allocated = tres.parse(part.tres)
        cpu_seconds += tres.count(allocated.get("cpu", "0")) * part.elapsed
        energy += part.energy
        for model, number in tres.named(tres.gpus(allocated), part.nodes, models).items():
            gpu_seconds[model] = GpuSeconds(gpu_seconds.get(model, 0) + number * part.elapsed)
    record = Record(
        restart=restart,
        native_id=last.native_id,
        outcome=outcome,
        exit_code=last.exit_code,
        signal=last.signal,
        submitted=parts[0].submitted,
        started=parts[0].began,
        ended=last.ended,
        elapsed=Seconds(sum(part.elapsed for part in parts)),
        nodes=tres.count(resources.get("node", "0")),
        cpus=tres.count(resources.get("cpu", "0")),
        cpu_seconds=CpuSeconds(cpu_seconds),
        gpus=tres.named(tres.gpus(resources), last.nodes, models),
        gpu_seconds=gpu_seconds,
        memory=tres.memory(resources.get("mem", "0")),
        energy=Joules(energy) if energy else None,
        energy_method=EnergyMethod.ACCOUNTING if energy else None,
        node_names=last.nodes,
    )
    return _possible(record)


def _possible(record: Record) -> Record:
    """Refuse what no ledger takes: it would be signed, sent, and refused for ever. Raises `SiteTrouble`."""
    figures = (
        *(record.elapsed, record.cpus, record.cpu_seconds, record.nodes, record.memory, record.energy or 0),
        *(*record.gpus.values(), *record.gpu_seconds.values()),
    )
    if max(figures) > LARGEST or not all(MODEL.fullmatch(model) for model in record.gpus.keys() | record.gpu_seconds):
        raise SiteTrouble(f"sacct printed figures for job {record.native_id} that cannot be")
    return record
