"""What holds for whatever comes in, for each reader of what others write: one function each, which takes any bytes.

A function returns if all is well; it raises what the reader should not have raised, or `AssertionError`. A reader may
refuse: the agreement with `BadInput` or `TooLarge`, a scheduler's answer with `SiteTrouble`, a signature with
`NotAuthenticated`. Whatever it takes must go on its way: be written and read back as the same, be stored, be booked.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

from pydantic import TypeAdapter

sys.path.append(str(Path(__file__).parents[1] / "contract" / "ledger"))

from books import KEYS, TRUSTED

from foedus.client.bundle import Caps, read_manifest, unpack
from foedus.core.agreement.read import read as read_agreement
from foedus.core.base.canon import canonical, sha256
from foedus.core.base.dsse import Envelope
from foedus.core.base.errors import BadInput, NotAuthenticated, SiteTrouble, TooLarge
from foedus.core.base.instant import Instant, iso
from foedus.core.jobs.options import OPTIONS
from foedus.core.jobs.sbatch import options_of, parse
from foedus.core.jobs.spec import JobSpec
from foedus.core.ledger.usage import Usage
from foedus.core.ledger.usage_json import usage_body, usage_from_body
from foedus.core.ledger.verify import verify
from foedus.core.placement.capacity import Capacity
from foedus.drivers.base import Record
from foedus.drivers.slurm import directives, look, room, sacct, scontrol, squeue
from foedus.drivers.slurm.records import records
from foedus.drivers.slurm.settings import LaneSettings, Settings
from foedus.keys.http import verify_request
from foedus.policy.cedar import clause_faults

MARK = "|0123456789abcdef|"
"""Separator of the recorded answers of squeue and sacct."""
CUT = b"\0"
"""Parts the inputs that have several parts."""
PIECES = {sha256(piece): piece for piece in (b"", b"hello", b"x" * 300)}
"""What a bundle's reader can be given."""
NOW = Instant(1_795_430_000_000)
SITE = Settings(owner=LaneSettings(partition="owner"), guest=LaneSettings(partition="guest"))
_SPEC = TypeAdapter(JobSpec)
_CAPACITY = TypeAdapter(Capacity)


def whole(refusal: BadInput) -> None:
    """Want a refusal that helps: with faults, each with its place, what is wrong and what to do."""
    assert refusal.faults
    assert all(fault.path and fault.fault and fault.remedy for fault in refusal.faults)


def sbatch(data: bytes) -> None:
    """Read a script, and options beside it."""
    script, *overrides = data.decode("utf-8", "replace").split("\0")
    blanked = directives.blank(script, ("qos", "account"))
    assert [len(line) for line in blanked.split("\n")] == [len(line) for line in script.split("\n")]
    try:
        found = parse(script, overrides)
    except BadInput as refusal:
        whole(refusal)
        return
    assert found.script == script
    assert _SPEC.validate_json(_SPEC.dump_json(found)) == found
    beside = parse(script, found.overrides)
    assert (beside.resources, beside.overrides) == (found.resources, found.overrides)
    assert set(options_of(found)) <= {option.name for option in OPTIONS}


def agreement(data: bytes) -> None:
    """Read an agreement, and have its clauses checked."""
    try:
        found = read_agreement(data)
    except BadInput as refusal:
        whole(refusal)
        return
    except TooLarge:
        return
    assert found.digest == sha256(data)
    assert found.partners
    assert found.sites
    for fault in clause_faults(found.clauses):
        assert fault.path.startswith("clauses[")


def bundle(data: bytes) -> None:
    """Read a manifest and write its files, into a folder that somebody has laid links and folders in."""
    try:
        manifest = read_manifest(data, sha256(data))
    except BadInput as refusal:
        whole(refusal)
        return
    assert read_manifest(manifest.write(), manifest.digest) == manifest
    with tempfile.TemporaryDirectory(prefix="foedus-fuzz-") as name:
        outside, inside = Path(name, "outside"), Path(name, "inside")
        _lay_traps(outside, inside)
        with contextlib.suppress(BadInput, TooLarge):
            unpack(manifest, lambda piece: PIECES.get(piece, b""), inside, caps=Caps(size=1 << 20, files=100))
            for entry in manifest.files:
                assert (inside / entry.path).read_bytes() == b"".join(PIECES[piece] for piece in entry.pieces)
        assert {path.name for path in Path(name).iterdir()} == {"inside", "outside"}
        assert {path.name: path.read_bytes() for path in outside.iterdir()} == {"secret": b"secret"}
        written = {str(path.relative_to(inside)) for path in inside.rglob("*") if path.is_file()} - {"file", "folder/f"}
        assert written <= {entry.path for entry in manifest.files} | {"link"}


def _lay_traps(outside: Path, inside: Path) -> None:
    for folder in (outside, inside, inside / "folder"):
        folder.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (inside / "file").write_bytes(b"")
    (inside / "folder" / "f").write_bytes(b"")
    (inside / "link").symlink_to(outside / "secret")
    (inside / "out").symlink_to(outside)


def squeue_answer(data: bytes) -> None:
    """Read what squeue shows of jobs."""
    with contextlib.suppress(SiteTrouble):
        for job in squeue.parse(_text(data), MARK):
            assert job.native_id
            assert job.restarts >= 0
            assert job.start is None or iso(job.start)
            look.sighting(look.Found(live=job, runs=()))


def sacct_answer(data: bytes) -> None:
    """Read what sacct shows of runs: each record that comes of them can be signed, sent and booked."""
    with contextlib.suppress(SiteTrouble):
        runs = sacct.parse(_text(data), MARK)
        for native_id in {run.native_id for run in runs}:
            own = [run for run in runs if run.native_id == native_id]
            look.sighting(look.Found(live=None, runs=tuple(own)))
            for record in records(own, (("gn*", "a100"),)):
                body = usage_body(_usage(record))
                assert canonical(body)
                assert usage_body(usage_from_body(body)) == body


def _usage(record: Record) -> Usage:
    return Usage(
        alliance="pact",
        agreement_version=1,
        site="baku",
        site_partner="azerbaijan",
        job="1",
        attempt=1 + record.restart,
        user="noa",
        user_partner="israel",
        project="shield",
        sector="none",
        purpose=None,
        native_id=record.native_id,
        source="sacct",
        outcome=record.outcome,
        exit_code=record.exit_code,
        signal=record.signal,
        submitted=record.submitted,
        started=record.started,
        ended=record.ended,
        elapsed=record.elapsed,
        nodes=record.nodes,
        cpus=record.cpus,
        gpus=record.gpus,
        cpu_seconds=record.cpu_seconds,
        gpu_seconds=record.gpu_seconds,
        memory=record.memory,
        energy=record.energy,
        energy_method=record.energy_method,
        requested_gpus=0,
        requested_time_limit=None,
    )


def capacity(data: bytes) -> None:
    """Read nodes, partitions and load, and say what is free: figures that a hub takes, none below nothing."""
    nodes, partitions, load, *_ = [*_text(data).split("\0"), "", ""]
    with contextlib.suppress(SiteTrouble):
        scontrol.parse_hosts(nodes)
        found = room.capacity(
            SITE, scontrol.parse_nodes(nodes), scontrol.parse_partitions(partitions), squeue.parse_load(load, MARK)
        )
        assert _CAPACITY.validate_json(_CAPACITY.dump_json(found)) == found
        for lane in (found.owner, found.guest):
            assert lane is not None
            assert lane.time_limit is None or lane.time_limit >= 0
            for group in (*lane.free, *lane.whole):
                assert group.count > 0
                assert min(group.cpus, group.memory, group.gpus) >= 0
            assert sum(group.count for group in lane.free) <= sum(group.count for group in lane.whole)


def envelope(data: bytes) -> None:
    """Read a signed statement."""
    try:
        found = Envelope.read(data, "statement")
    except BadInput as refusal:
        whole(refusal)
        return
    assert Envelope.read(found.write(), "statement") == found


def ledger(data: bytes) -> None:
    """Verify a ledger whose every signature matches: what is left is what a partner can get wrong by himself."""
    report = verify(data.splitlines(keepends=True), agreement=TRUSTED, check=lambda *_: True)
    assert report.entries == sum(report.kinds.values())
    assert all(fault.line >= 1 and fault.fault for fault in report.faults)


def request(data: bytes) -> None:
    """Check the signature of a request with these headers, path and body."""
    url, lines, body, *_ = [*data.split(CUT), b"", b""]
    pairs = [line.partition(": ") for line in lines.decode("latin-1").split("\n")]
    headers = {name: value for name, _, value in pairs if name}
    with contextlib.suppress(NotAuthenticated):
        verify_request(KEYS["baku"].key, "POST", url.decode("latin-1"), headers=headers, body=body, now=NOW)


def _text(data: bytes) -> str:
    """Decode as the drivers do what a command prints."""
    return data.decode("utf-8", "replace")
