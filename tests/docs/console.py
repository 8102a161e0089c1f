"""Runs the console sessions of a Markdown page, as docs/README.md describes them, and compares what they print."""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"\bfile=(\S+)")
_ENDS = re.compile(r"\s+# ends with (\d+)$")
_SOON = re.compile(r"\s+# after a moment$")
_ENOUGH_S = 240
_MOMENT_S = 60
_GRACE_S = 20
_MARK = "-=- done -=-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    line: int
    language: str
    file: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a session, and what the page says that it prints."""

    line: int
    text: str
    code: int
    patient: bool
    """Whether it may be run again until it prints what the page says."""
    output: tuple[str, ...]


def blocks(page: str) -> Iterator[Block]:
    """Find the fenced blocks of a page."""
    for found in _FENCE.finditer(page):
        file = _FILE.search(found[2])
        line = page.count("\n", 0, found.start()) + 2
        yield Block(line=line, language=found[1], file=file[1] if file else None, text=found[3])


def commands(block: Block) -> Iterator[Command]:
    """Split a session into commands: ``$`` begins one, ``>`` continues it, everything else is output."""
    words: list[str] = []
    output: list[str] = []
    start = block.line
    for number, line in enumerate([*block.text.splitlines(), "$ "], start=block.line):
        if line.startswith("$ "):
            if words:
                yield _command(start, "\n".join(words), output)
            words, output, start = [line[2:]], [], number
        elif line.startswith("> ") and words and not output:
            words.append(line[2:])
        else:
            output.append(line)


def _command(line: int, text: str, output: list[str]) -> Command:
    ends, soon = _ENDS.search(text), _SOON.search(text)
    plain = _SOON.sub("", _ENDS.sub("", text))
    return Command(line=line, text=plain, code=int(ends[1]) if ends else 0, patient=bool(soon), output=tuple(output))


def matches(expected: tuple[str, ...], printed: str) -> bool:
    """Compare: ``...`` stands for anything in a line, alone on a line for any lines; blanks in a row count as one."""
    lines = "".join(f"{_squeezed(line)}\n" for line in printed.splitlines())
    pattern = "".join("(?:.*\n)*?" if line.strip() == "..." else f"{_line(line)}\n" for line in expected)
    return re.fullmatch(pattern, lines) is not None


def _line(line: str) -> str:
    return ".*".join(re.escape(part) for part in _squeezed(line).split("..."))


def _squeezed(line: str) -> str:
    return re.sub(" +", " ", line.rstrip())


@dataclass(slots=True, kw_only=True)
class Session:
    """A shell in a fresh home, in which the sessions of one page run one after the other."""

    home: Path
    replaced: Mapping[str, str] = field(default_factory=dict)
    """What the page writes -> what stands for it here, such as the address of a hub."""
    _shell: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        self._shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.home,
            env={
                **kept,
                "HOME": str(self.home),
                "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
                "TZ": "UTC",
                # a page speaks of ordinary accounts; whoever runs the tests may be root
                "FOEDUS_AGENT_ALLOW_ROOT": "true",
                "FOEDUS_AGENT_LOWEST_UID": "1",
            },
            start_new_session=True,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        shell = self._shell
        assert shell is not None
        assert shell.stdin is not None
        assert shell.stdout is not None
        with contextlib.suppress(TimeoutError, EOFError, BrokenPipeError):
            self.run("kill $(jobs -p) 2> /dev/null; wait", seconds=_GRACE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
        shell.stdin.close()
        shell.stdout.close()

    def run(self, command: str, seconds: float = _ENOUGH_S) -> tuple[int, str]:
        """Run a command; returns its exit code and what it printed, on both streams."""
        for there, here in self.replaced.items():
            command = command.replace(there, here)
        shell = self._shell
        assert shell is not None
        assert shell.stdin is not None
        shell.stdin.write(f"{{\n{command}\n}} < /dev/null\nprintf '\\n%s %d\\n' '{_MARK}' $?\n")
        shell.stdin.flush()
        printed, code = self._read(seconds)
        for there, here in self.replaced.items():
            printed = printed.replace(here, there)
        return code, printed

    def _read(self, seconds: float) -> tuple[str, int]:
        shell = self._shell
        assert shell is not None
        assert shell.stdout is not None
        found = b""
        ending = re.compile(rb"\n%s (\d+)\n$" % _MARK.encode())
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(shell.stdout, selectors.EVENT_READ)
            while not (over := ending.search(found)):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError(f"no end after {seconds} s; printed so far:\n{found.decode()}")
                part = os.read(shell.stdout.fileno(), 65536)
                if not part:
                    raise EOFError(f"the shell ended; printed so far:\n{found.decode()}")
                found += part
        return found[: over.start()].decode(), int(over[1])

    def play(self, page: Path) -> int:
        """Run a page; raises `AssertionError` at the first command that does something else. Returns how many ran."""
        count = 0
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.file is not None:
                code, printed = self.run(f"cat > {block.file} <<'END OF FILE'\n{block.text}END OF FILE")
                assert (code, printed) == (0, ""), f"{page.name}:{block.line}"
            elif block.language == "console":
                for command in commands(block):
                    self._play(page, command)
                    count += 1
        return count

    def _play(self, page: Path, command: Command) -> None:
        deadline = time.monotonic() + (_MOMENT_S if command.patient else 0)
        while True:
            code, printed = self.run(command.text)
            if (code == command.code and matches(command.output, printed)) or time.monotonic() >= deadline:
                break
            time.sleep(0.5)
        where = f"{page.name}:{command.line}: $ {command.text}"
        assert code == command.code, f"{where}\nended with {code}:\n{printed}"
        if not matches(command.output, printed):
            wanted = "\n".join(command.output)
            raise AssertionError(f"{where}\nprinted:\n{printed}\nand the page has:\n{wanted}")
