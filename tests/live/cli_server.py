"""Runs ``foedus`` command lines, each in a process of its own, without paying for the imports every time.

The server process imports the command line once; for each line of JSON on its standard input it forks, takes on the
environment, folder and standard input that the line names, runs the command, and answers with its exit status.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self


class CommandLine:
    """A place to type ``foedus`` commands; safe to use from several threads, which take turns."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="foedus-cli-")
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._server.communicate(timeout=30)
        self._folder.cleanup()

    def run(self, *words: str, env: Mapping[str, str], cwd: Path, feed: bytes = b"") -> str:
        """Run ``foedus WORDS`` and return what it printed, without the last line break; fails if the command does."""
        assert self._server.stdin
        assert self._server.stdout
        with self._turn:
            paths = {name: Path(self._folder.name) / name for name in ("in", "out", "err")}
            paths["in"].write_bytes(feed)
            order = {"words": words, "env": dict(env), "cwd": str(cwd), "folder": self._folder.name}
            self._server.stdin.write(json.dumps(order) + "\n")
            self._server.stdin.flush()
            status = int(self._server.stdout.readline())
            assert status == 0, f"{words}: {status}\n{paths['out'].read_text()}{paths['err'].read_text()}"
            return paths["out"].read_text().removesuffix("\n")


def serve() -> None:
    from foedus.cli.main import main

    for name in ("foedus.cli.submit", "foedus.client", "httpx2"):  # what the command line imports late
        importlib.import_module(name)

    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            os.environ.clear()
            os.environ.update(order["env"])
            os.chdir(order["cwd"])
            for number, name in enumerate(("in", "out", "err")):
                flags = os.O_RDONLY if name == "in" else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                os.dup2(os.open(Path(order["folder"]) / name, flags), number)
            sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
            sys.stderr = os.fdopen(2, "w", closefd=False)
            sys.argv = ["foedus", *order["words"]]
            try:
                main()
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else int(end.code is not None)
            else:
                status = 0
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
