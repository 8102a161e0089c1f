"""Logs: a job's output as it arrives from its site."""

import base64
import binascii
from dataclasses import dataclass

from foedus.core.base.errors import BadInput, Fault, TooLarge
from foedus.core.base.ids import JobId, SiteId
from foedus.core.jobs.state import ENDED, LIVE_ATTEMPT
from foedus.flow.access import Caller, visible_job
from foedus.flow.ports import Transaction, job_topic
from foedus.wire.agents import LogPiece


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStretch:
    """Part of one stream of one attempt."""

    attempt: int
    data: bytes
    next: int
    """Where to go on."""
    over: bool
    """Nothing more will come."""
    truncated: bool
    """The job wrote more than its site passes on, and this stretch reaches the last of what it did."""


def read_log(
    tx: Transaction, caller: Caller, name: JobId, stream: str, *, number: int | None, offset: int, limit: int
) -> LogStretch:
    """Read from `offset` on; of the newest attempt that there is, unless one is asked for."""
    job = visible_job(tx, caller, name)
    wanted = number or max(job.attempt, 1)
    attempt = tx.attempts.get(name, wanted)
    data, length, truncated = tx.logs.read(name, wanted, stream, offset, limit)
    reached = offset + len(data)
    live = attempt is not None and attempt.state in LIVE_ATTEMPT
    waiting = attempt is None and job.state not in ENDED
    over = reached >= length and not live and not waiting
    cut = truncated and reached >= length
    return LogStretch(attempt=wanted, data=data, next=reached, over=over, truncated=cut)


def append_log(tx: Transaction, site: SiteId, piece: LogPiece, most: int) -> int:
    """Keep a stretch from a job's own site; return how far the stream has come.

    Of one stream at most `most` bytes are kept: the stretch that reaches the end is cut and says so, and what begins
    beyond it is `TooLarge`.
    """
    attempt = tx.attempts.get(piece.job, piece.attempt)
    if attempt is None or attempt.site != site:
        fault = f"attempt {piece.attempt} of job {piece.job} was not given to {site}"
        raise BadInput(Fault(path="pieces", fault=fault, remedy="send the output of the site's own jobs"))
    try:
        data = base64.b64decode(piece.data, validate=True)
    except binascii.Error as error:
        raise BadInput(Fault(path="pieces.data", fault=f"is not base64 ({error})", remedy="encode it")) from error
    if piece.offset >= most and data:
        words = f"the hub keeps {most} bytes of the {piece.stream} of job {piece.job}, and no more"
        raise TooLarge(words, remedy="lower the site's `log_cap_mib`")
    room = most - piece.offset
    cut = piece.truncated or len(data) > room
    tx.ring(job_topic(piece.job))
    return tx.logs.append(piece.job, piece.attempt, piece.stream, piece.offset, data[:room], truncated=cut)
