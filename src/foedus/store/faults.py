"""The one spot where a database's own errors become ours."""

import sqlite3
from typing import Final

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext

from foedus.core.base.errors import BadInput, Broken, Busy, Conflict, Fault, FoedusError, Unreachable

_LOST: Final = "another transaction won"
_UNDONE: Final = {
    "40001": _LOST,
    "40P01": _LOST,
    "55P03": _LOST,
    "25P03": "this process stood still in the middle of a transaction",
}
"""Serialisation failure, deadlock, lock not available, idle in a transaction: PostgreSQL has undone it."""
_UNIQUE: Final = "23505"
_FOREIGN: Final = "23503"
_NO_TEXT: Final = frozenset({"22021", "22P05"})
"""Characters that PostgreSQL's text does not hold: NUL, half of a surrogate pair."""

_SQLITE_UNIQUE: Final = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_SQLITE_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_SQLITE_AWAY: Final = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL})


def translate_errors(engine: Engine) -> None:
    """Have an engine raise our errors in place of the driver's, wherever they arise: connect, statement, commit."""
    event.listen(engine, "handle_error", _translate)


def _translate(context: ExceptionContext) -> FoedusError | None:
    if context.is_pre_ping:
        # The pool asks whether an idle connection still lives, and replaces it itself.
        return None
    return ours(context.original_exception)


def ours(error: BaseException) -> FoedusError | None:
    """Return our error for a driver's; `None` for one that is not a driver's."""
    if isinstance(error, psycopg.Error):
        return _from_postgres(error)
    if isinstance(error, sqlite3.Error):
        return _from_sqlite(error)
    return None


def _from_postgres(error: psycopg.Error) -> FoedusError:
    state = error.sqlstate
    if state in _UNDONE:
        return Busy(f"{_UNDONE[state]} ({error.diag.message_primary}); nothing happened")
    if state == _UNIQUE:
        return Conflict(f"this exists already ({error.diag.constraint_name})")
    if state == _FOREIGN:
        return Conflict(f"this names something that does not exist ({error.diag.constraint_name})")
    if isinstance(error, psycopg.DataError) and (state is None or state in _NO_TEXT):
        fault = f"cannot be kept: {_first_line(error)}"
        return BadInput(Fault(path="text", fault=fault, remedy="leave the character out"))
    if isinstance(error, psycopg.OperationalError):
        return Unreachable(f"the database did not answer: {_first_line(error)}")
    return Broken(f"the database refused: {_first_line(error)}")


def _from_sqlite(error: sqlite3.Error) -> FoedusError:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    primary = code & 0xFF
    if primary in _SQLITE_BUSY:
        return Busy("another transaction holds the database; nothing happened")
    if code in _SQLITE_UNIQUE:
        return Conflict(f"this exists already ({error})")
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return Conflict("this names something that does not exist")
    if primary in _SQLITE_AWAY:
        return Unreachable(f"the database file cannot be used: {error}")
    return Broken(f"the database refused: {error}")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
