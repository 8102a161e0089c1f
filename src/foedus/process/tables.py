"""Tables that people write: TOML files of settings and of accounts."""

import tomllib
from pathlib import Path
from typing import Any

from foedus.core.base.errors import BadInput, Fault


def read_table(path: Path, remedy: str) -> dict[str, Any]:
    """Read a TOML file; raises `BadInput`, with the remedy for a file that is not there or may not be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(Fault(path=str(path), fault=f"cannot be read ({error.strerror})", remedy=remedy)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(Fault(path=str(path), fault=f"is not TOML ({error})", remedy="mend the line")) from error
