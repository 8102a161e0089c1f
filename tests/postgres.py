"""A throw-away PostgreSQL server from nothing: its data, its socket and its log lie in one temporary folder.

It listens on a free loopback port, trusts whoever connects, and does not sync to disk: it is for tests alone.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

PACKAGE = "postgresql"
"""The apt package that brings the programs."""

_SECONDS_TO_START = 60
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
}


class PostgresMissing(RuntimeError):
    """The server's programs are not installed."""


@dataclass(slots=True)
class Server:
    """A running server. `restart` and `stop` are for tests of what happens then."""

    folder: Path
    port: int
    programs: Path
    account: str | None
    process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """URL of the database ``postgres``."""
        return f"postgresql://foedus@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start and wait until it answers."""
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        place = ["-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.programs / "postgres"), *place, *settings],
                stdout=log,
                stderr=log,
                user=self.account,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + _SECONDS_TO_START
        while True:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.dsn, connect_timeout=5):
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop at once, cutting all connections, as a crash does."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=_SECONDS_TO_START)
            self.process = None

    def kill(self) -> None:
        """Kill every process of the server at once, as a power cut does."""
        if self.process is None:
            return
        family = self.family()
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(family, timeout=_SECONDS_TO_START)
        self.process.wait(timeout=_SECONDS_TO_START)
        self.process = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def family(self) -> list[psutil.Process]:
        """Return the server's own process and, after it, one for each of its connections and duties."""
        with contextlib.suppress(psutil.NoSuchProcess):
            if self.process is not None:
                head = psutil.Process(self.process.pid)
                return [head, *head.children(recursive=True)]
        return []

    def restart(self) -> None:
        """Stop at once and start again on the same port."""
        self.stop()
        self.start()

    def create(self, name: str, *, template: str = "template0") -> str:
        """Make a database, empty or a copy of another; return its URL."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.dsn.removesuffix("postgres") + name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextlib.contextmanager
def server(folder: Path | None = None) -> Iterator[Server]:
    """Make and run a server, in a folder of its own or in an empty one that is given; its data are gone afterwards."""
    programs, account = _programs(), _account()
    folder = folder or Path(tempfile.mkdtemp(prefix="foedus-postgres-"))
    try:
        if account:
            shutil.chown(folder, account)
        initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "foedus", "--auth=trust", "--no-sync"]
        made = subprocess.run(
            [*initdb, "--encoding=UTF8", "--locale=C"], user=account, cwd=folder, capture_output=True, check=False
        )
        if made.returncode:
            raise RuntimeError(f"initdb failed: {made.stderr.decode()}")
        running = Server(folder=folder, port=_free_port(), programs=programs, account=account)
        try:
            running.start()
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Find the newest version's programs."""
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    found = sorted(versions, key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("postgres")
    if on_path and shutil.which("initdb", path=str(Path(on_path).parent)):
        return Path(on_path).parent
    raise PostgresMissing(f"these tests need PostgreSQL's server: run `apt-get install {PACKAGE}`")


def _account() -> str | None:
    """Name the account to run as: the server refuses root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise PostgresMissing(f"PostgreSQL refuses root, and there is no account for it: run `apt-get install {PACKAGE}`")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
