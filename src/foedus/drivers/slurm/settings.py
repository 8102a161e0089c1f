"""What a site says about its Slurm: the ``[driver]`` table of the agent's settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from foedus.core.base.errors import BadInput, Fault
from foedus.drivers.nodes import LOGIN_PATH

_LANE_WORDS = ("partition", "account", "qos")
_FORBIDDEN = frozenset(" ,\t\n\r\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneSettings:
    """Where one class of jobs goes. What is not named here is cleared, whatever the script says about it."""

    partition: str
    """``--partition`` of these jobs."""
    account: str = ""
    """``--account`` of these jobs."""
    qos: str = ""
    """``--qos`` of these jobs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Checked settings of the driver."""

    owner: LaneSettings | None
    """Where jobs of the site's own partner go. Left out, the site takes no such jobs."""
    guest: LaneSettings | None
    """Where jobs of other partners go. Left out, the site takes no such jobs."""
    guests_preempted: bool = True
    """Owner jobs displace guests here, so that what guests hold is free for owners."""
    conf: Path | None = None
    """What ``SLURM_CONF`` is set to; left out, the machine's own."""
    timeout: float = 30.0
    """Seconds that one command may take before the site counts as not answering."""
    path: str = LOGIN_PATH
    """``PATH`` of the jobs' login environment; the Slurm commands are found on it too."""
    environment: tuple[tuple[str, str], ...] = ()
    """Further variables of the login environment, such as ``MODULEPATH``."""
    gpu_models: tuple[tuple[str, str], ...] = ()
    """Pattern of node names -> model, for nodes whose Slurm names no GPU type. The first match counts."""

    def lane(self, *, guest: bool) -> LaneSettings | None:
        """Pick the lane of a job."""
        return self.guest if guest else self.owner


class _Reader:
    """Reads one table and collects what is wrong with it."""

    def __init__(self, found: Mapping[str, object], path: str, faults: list[Fault]) -> None:
        self._found, self._path, self.faults = found, path, faults

    def fault(self, name: str, fault: str, remedy: str) -> None:
        self.faults.append(Fault(path=f"{self._path}.{name}", fault=fault, remedy=remedy))

    def only(self, *names: str) -> None:
        for name in self._found:
            if name not in names:
                self.fault(name, "is not a setting", f"use one of {', '.join(names)}")

    def text(self, name: str, default: str) -> str:
        found = self._found.get(name, default)
        if isinstance(found, str) and "\0" not in found and "\n" not in found:
            return found
        self.fault(name, f"{found!r} is not a line of text", "write it in quotes, on one line")
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        found = self._found.get(name, default)
        if isinstance(found, bool):
            return found
        self.fault(name, f"{found!r} is neither true nor false", "write true or false")
        return default

    def seconds(self, name: str, default: float) -> float:
        found = self._found.get(name, default)
        if isinstance(found, int | float) and not isinstance(found, bool) and 0 < found <= 600:  # noqa: PLR2004
            return float(found)
        self.fault(name, f"{found!r} is not a time", "write seconds, more than 0 and at most 600")
        return default

    def texts(self, name: str) -> tuple[tuple[str, str], ...]:
        found = self._found.get(name, {})
        if not isinstance(found, Mapping):
            self.fault(name, f"{found!r} is not a table", "write NAME = 'text' lines below it")
            return ()
        table = _Reader(cast("Mapping[str, object]", found), f"{self._path}.{name}", self.faults)
        return tuple((key, table.text(key, "")) for key in cast("Mapping[str, object]", found))

    def lane(self, name: str) -> LaneSettings | None:
        found = self._found.get(name)
        if found is None:
            return None
        if not isinstance(found, Mapping):
            self.fault(name, f"{found!r} is not a table", "write partition = '...', and account and qos if needed")
            return None
        table = _Reader(cast("Mapping[str, object]", found), f"{self._path}.{name}", self.faults)
        table.only(*_LANE_WORDS)
        words = {word: table.text(word, "") for word in _LANE_WORDS}
        for word, text in words.items():
            if _FORBIDDEN & set(text):
                table.fault(word, f"{text!r} is not one Slurm name", "name exactly one, without blanks and commas")
        if not words["partition"]:
            table.fault("partition", "is missing", "name the partition that these jobs go to")
        return LaneSettings(**words)


def read(found: Mapping[str, object], path: str = "driver") -> Settings:
    """Check the settings; raises `BadInput` with everything that is wrong."""
    faults: list[Fault] = []
    table = _Reader(found, path, faults)
    table.only("owner", "guest", "guests_preempted", "conf", "timeout", "path", "environment", "gpu_models")
    conf = table.text("conf", "")
    if conf and not Path(conf).is_absolute():
        table.fault("conf", f"{conf!r} is not an absolute path", "write the whole path of slurm.conf")
    settings = Settings(
        owner=table.lane("owner"),
        guest=table.lane("guest"),
        guests_preempted=table.flag("guests_preempted", default=True),
        conf=Path(conf) if conf else None,
        timeout=table.seconds("timeout", 30.0),
        path=table.text("path", LOGIN_PATH),
        environment=table.texts("environment"),
        gpu_models=table.texts("gpu_models"),
    )
    if "owner" not in found and "guest" not in found:
        table.fault("owner", "is missing, and so is guest", "name the partition of owner jobs, of guest jobs, or both")
    if faults:
        raise BadInput(*faults)
    return settings
