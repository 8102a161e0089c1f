"""Files that travel, seen from the hub: which pieces a project has, and whose they are."""

from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Fault, NotFound, TooLarge
from foedus.core.base.ids import Digest, JobId, ProjectId
from foedus.core.base.instant import Instant
from foedus.flow.access import Caller, visible_job
from foedus.flow.ports import PieceStore, Store, Transaction
from foedus.wire.files import PIECE, Manifest


def put_piece(
    store: Store, pieces: PieceStore, project: ProjectId, piece: Digest, *, data: bytes, now: Instant
) -> None:
    """Keep a piece: the bytes first, then the note that they are there, so that a note never points at nothing."""
    if len(data) > PIECE:
        raise TooLarge(f"a piece has at most {PIECE} bytes, and this has {len(data)}", remedy="send smaller pieces")
    if sha256(data) != piece:
        fault = "its content has another SHA-256"
        raise BadInput(Fault(path="piece", fault=fault, remedy="send it again; it changed on the way"))
    pieces.put(project, piece, data)
    with store.begin() as tx:
        tx.pieces.add(project, piece, len(data), now)


def outputs(tx: Transaction, caller: Caller, pieces: PieceStore, name: JobId, number: int | None) -> Manifest:
    """Return the manifest of a job's outputs: of its newest attempt, or of the one asked for."""
    job = visible_job(tx, caller, name)
    digest = tx.attempts.outputs(name, number or job.attempt)
    data = pieces.get(job.project, digest) if digest else None
    if data is None:
        raise NotFound(f"job {name} has no outputs (yet)", remedy="declare them with `#FOEDUS output=PATTERN`")
    try:
        return Manifest.model_validate_json(data)
    except ValueError as error:
        message = f"the list of the outputs of job {name} cannot be read"
        raise NotFound(message, remedy=f"tell the operators of {job.site}: their agent sent it") from error


def output_piece(
    tx: Transaction, caller: Caller, pieces: PieceStore, name: JobId, *, number: int | None, piece: Digest
) -> bytes:
    """Return one piece of a job's outputs; pieces of anything else are absent."""
    manifest = outputs(tx, caller, pieces, name, number)
    job = visible_job(tx, caller, name)
    listed = any(piece in file.pieces for file in manifest.files)
    data = pieces.get(job.project, piece) if listed else None
    if data is None:
        raise NotFound(f"job {name} has no such output", remedy="see `foedus fetch`")
    return data
