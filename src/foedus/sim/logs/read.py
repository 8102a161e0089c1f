"""Read a job log of whatever format, plain or gzip-compressed."""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

from foedus.core.base.errors import BadInput, Fault
from foedus.sim.logs import philly, sacct, swf
from foedus.sim.workload import Raw, Remarks, Workload, workload

_GZIP = b"\x1f\x8b"
_FORMATS: tuple[tuple[Callable[[str], bool], Callable[[list[str], Remarks], Raw]], ...] = (
    (philly.is_it, philly.read),
    (sacct.is_it, sacct.read),
    (swf.is_it, swf.read),
)
_KNOWN = "SWF, sacct --parsable2, or CSV with timestamp,duration,num_gpus,cluster"


def read(name: str, file: Path, capacity: int | None = None) -> Workload:
    """Read the jobs of a site, `capacity` units large; raises `BadInput`."""
    lines = _text(file).splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith(";")), "")
    for is_it, parse in _FORMATS:
        if is_it(first):
            remarks = Remarks()
            return workload(name, parse(lines, remarks), capacity, remarks)
    raise BadInput(Fault(path=str(file), fault="not a job log that is known", remedy=f"give {_KNOWN}"))


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
        raise BadInput(Fault(path=str(file), fault=fault, remedy="give a file that can")) from error
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise BadInput(
                Fault(path=str(file), fault=f"broken gzip data: {error}", remedy="fetch it again")
            ) from error
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
