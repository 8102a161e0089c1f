"""A file that appears only when it is whole."""

from io import BufferedRandom
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import TracebackType
from typing import Self, cast


class SinkFile:
    """Takes a long answer while it arrives; the file appears under its name when the block ends without an error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Self:
        self._file = cast(
            "BufferedRandom",
            NamedTemporaryFile(dir=self.path.parent, prefix=f".{self.path.name}.", delete=False),
        )
        return self

    def restart(self) -> None:
        """Forget what came so far."""
        self._file.seek(0)
        self._file.truncate()

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self._file.write(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._file.close()
        unfinished = Path(self._file.name)
        if kind is None:
            unfinished.replace(self.path)
        else:
            unfinished.unlink()
