"""What a command needs from its surroundings: which hub, which token, which clock. Nothing is read until asked for."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from foedus.core.base.errors import BadInput, Fault, NotAuthenticated
from foedus.core.base.ids import name_fault
from foedus.core.base.instant import Instant
from foedus.process.clock import SystemClock

if TYPE_CHECKING:
    import httpx2

    from foedus.client import Client, Means

_READABLE_BY_OTHERS = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A hub and a token."""

    hub: str
    token: str


@dataclass(slots=True)
class Session:
    """One run of the command line."""

    profile: str | None = None
    hub: str | None = None
    json: bool = False
    """Whether ``--json`` was given, for what is far from the command: errors, progress."""
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    now: Callable[[], Instant] = SystemClock().now
    transport: "httpx2.BaseTransport | None" = None
    """Replaces the network."""
    means: "Means | None" = None
    """Replaces the clock, chance and patience of the client."""
    sleep: Callable[[float], None] = time.sleep

    def client(self) -> "Client":
        """Return a client of the hub; raises `NotAuthenticated` where nothing says which hub or who."""
        return self.client_for(self.login())

    def client_for(self, login: Login) -> "Client":
        """Return a client for this login."""
        from foedus.cli.show import note
        from foedus.client import Client, Means, Retry

        return Client(
            login.hub,
            login.token,
            plain=self.environment.get("FOEDUS_PLAIN_HTTP") == "1",
            transport=self.transport,
            means=self.means or Means(hub=login.hub, retry=Retry(deadline_s=self.patience_s), tell=note),
            sleep=self.sleep,
        )

    def login(self) -> Login:
        """Find hub and token: option or environment first, then the file that ``foedus login`` writes.

        The file's token goes to the file's hub only.
        """
        token = self.environment.get("FOEDUS_TOKEN", "")
        if self.hub and token and self.profile is None:
            return Login(hub=self.hub, token=token)
        kept = read_logins(self.file).get(self.profile or "default")
        if kept is None and self.profile is not None:
            raise NotAuthenticated(
                f"there is no login {self.profile!r}", remedy=f"foedus --profile {self.profile} login"
            )
        hub = self.hub or (kept.hub if kept else "")
        if not hub:
            raise NotAuthenticated(
                "no hub is named", remedy="foedus login --hub URL, or set FOEDUS_HUB and FOEDUS_TOKEN"
            )
        if not token and kept is not None and kept.hub.rstrip("/") == hub.rstrip("/"):
            token = kept.token
        if not token:
            raise NotAuthenticated(f"no token for {hub}", remedy=f"foedus login --hub {hub}, or set FOEDUS_TOKEN")
        return Login(hub=hub, token=token)

    @property
    def patience_s(self) -> float:
        """How long a hub that does not answer is asked again: ``FOEDUS_DEADLINE_S``, 30 seconds by default."""
        text = self.environment.get("FOEDUS_DEADLINE_S", "30")
        if not (text.isascii() and text.isdigit()):
            fault = Fault(
                path="FOEDUS_DEADLINE_S", fault=f"{text!r} is no number of seconds", remedy="write it like 30"
            )
            raise BadInput(fault)
        return float(text)

    @property
    def file(self) -> Path:
        """Where logins are kept."""
        base = self.environment.get("XDG_CONFIG_HOME") or str(Path(self.environment.get("HOME", "~")) / ".config")
        return Path(base).expanduser() / "foedus" / "config.toml"


def read_logins(file: Path) -> dict[str, Login]:
    """Read the kept logins by profile; raises `BadInput` for a file that is malformed, or that others can read."""
    import tomllib

    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    if mode & _READABLE_BY_OTHERS:
        raise BadInput(
            Fault(path=str(file), fault="can be read by others, and holds your token", remedy=f"chmod 600 {file}")
        )
    try:
        found = cast("dict[str, object]", tomllib.loads(text))
        profiles = cast("dict[str, dict[str, object]]", found.get("profiles", {}))
        return {name: Login(hub=str(one["hub"]), token=str(one["token"])) for name, one in profiles.items()}
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        fault = Fault(path=str(file), fault=f"is malformed ({error})", remedy="mend it, or remove it and log in again")
        raise BadInput(fault) from error


def keep_login(file: Path, profile: str, login: Login) -> None:
    """Write a login beside the others, readable by its owner alone."""
    fault = name_fault(profile, "--profile")
    if fault is not None:
        raise BadInput(fault)
    logins = read_logins(file) | {profile: login}
    text = "# Written by `foedus login`.\n" + "".join(
        f"\n[profiles.{json.dumps(name)}]\nhub = {json.dumps(one.hub)}\ntoken = {json.dumps(one.token)}\n"
        for name, one in sorted(logins.items())
    )
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = file.with_suffix(f".{os.getpid()}.new")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    unfinished.replace(file)


def session_of(ctx: typer.Context) -> Session:
    """Return the run that a command belongs to."""
    return ctx.ensure_object(Session)


def _set_json(ctx: typer.Context, value: bool) -> bool:
    if value:
        session_of(ctx).json = True
    return value


Json = Annotated[bool, typer.Option("--json", callback=_set_json, help="Print JSON.")]
"""The option that every command has."""
