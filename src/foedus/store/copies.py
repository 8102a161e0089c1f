"""Copies of a database that is in use, and their way back: SQLite's online backup, PostgreSQL's own tools."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from foedus.core.base.errors import BadInput, Broken, Conflict, Fault, NotFound

SQLITE, POSTGRES = "database.sqlite", "database.pgdump"
"""Names of the two kinds of copy."""


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy an SQLite file as it is at one moment, whoever writes to it meanwhile; the copy is checked.

    Raises `NotFound` if there is none, `Broken` if it is damaged.
    """
    if not source.is_file():
        raise NotFound(f"there is no database {source}", remedy="name the state folder")
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")
            (said,) = new.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error as error:
        raise Broken(f"{source} cannot be copied: {error}", remedy="check the disk") from error
    if said != "ok":
        raise Broken(f"{source} is damaged: {said}", remedy="check the disk; restore an earlier backup")


def copy_database(url: str, folder: Path) -> str:
    """Copy a hub's database into a folder, as it is at one moment; return the name of the copy."""
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        copy_sqlite(Path(str(parts.database)), folder / SQLITE)
        return SQLITE
    target = folder / POSTGRES
    _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")
    _run("pg_restore", None, "--list", str(target))
    return POSTGRES


def put_back(url: str, folder: Path) -> None:
    """Fill an empty database from the copy in a folder; raises `Conflict` if it is not empty or of the other kind."""
    parts = make_url(url)
    if parts.get_backend_name() == "sqlite":
        path = Path(str(parts.database))
        _needs(folder / SQLITE, "SQLite")
        if path.exists():
            raise Conflict(f"{path} exists; a backup is restored beside it, never over it", remedy="move it away first")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        copy_sqlite(folder / SQLITE, path)
        return
    _needs(folder / POSTGRES, "PostgreSQL")
    if "alembic_version" in _run("psql", url, "--no-align", "--tuples-only", "--command=\\dt"):
        raise Conflict(
            "the database has tables already; a backup is restored into an empty one", remedy="make a new one"
        )
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    _run("pg_restore", url, *options, f"--dbname={parts.database}", str(folder / POSTGRES))


def _needs(copy: Path, kind: str) -> None:
    if not copy.exists():
        fault = Fault(path="database", fault=f"is {kind}, and the backup is not", remedy="name a database of its kind")
        raise BadInput(fault)


def _run(program: str, url: str | None, *arguments: str) -> str:
    found = _program(program)
    environment = {**os.environ, **(_address(url) if url else {})}
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        said = done.stderr.strip() or f"ended with {done.returncode}"
        raise Broken(f"{program} failed: {said}", remedy="see what it says; it has to be as new as the server")
    return done.stdout


def _program(name: str) -> str:
    """Find a program of PostgreSQL's: the newest of those that Debian keeps side by side, which reads every server."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    found = str(versions[-1]) if versions else shutil.which(name)
    if found is None:
        raise NotFound(f"{name} is not installed", remedy="install PostgreSQL's client programs")
    return found


def _address(url: str) -> Mapping[str, str]:
    """Say where the database is by the environment, where no other user can read the password."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    parts = conninfo_to_dict(plain)
    return {names[name]: str(value) for name, value in parts.items() if name in names and value is not None}
