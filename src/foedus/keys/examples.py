"""Lays out the agreements that come with the package, with fresh keys: nothing secret is ever shipped."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from foedus.core.agreement.read import read
from foedus.core.agreement.signatures import file_name, sign_agreement
from foedus.core.base.errors import Conflict, NotFound
from foedus.keys.ed25519 import PrivateKey, make, save

HUB = "hub"
"""The party that signs the heads of the ledger."""

_BLANK = re.compile(r"\{key of ([a-z0-9-]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LaidOut:
    """What was written."""

    agreement: Path
    keys: Mapping[str, Path]
    """Party (a partner's id, or `HUB`) -> file of its private key."""
    signatures: tuple[Path, ...]
    """The partners' envelopes; empty if nobody signed."""
    policies: tuple[Path, ...]
    """Local policies of the sites, one ``<site>.cedar`` each."""


def names() -> tuple[str, ...]:
    """List the examples."""
    return tuple(sorted(entry.name for entry in _home().iterdir() if entry.is_dir()))


def lay_out(example: str, folder: Path, *, sign: bool) -> LaidOut:
    """Write an example into `folder` with new keys for every party, and sign it for all of them if asked.

    Everybody's keys in one folder is right for trying out, and for nothing else. Raises `NotFound` for an unknown
    example, `Conflict` if a file is in the way; then nothing is written.
    """
    if example not in names():
        raise NotFound(f"there is no example {example!r}", remedy=f"use one of: {', '.join(names())}")
    home = _home() / example
    template = (home / "agreement.toml").read_text(encoding="utf-8")
    keys = {party: make() for party in dict.fromkeys(_BLANK.findall(template))}
    data = _BLANK.sub(lambda blank: keys[blank[1]].key, template).encode("utf-8")
    policies = {entry.name: entry.read_bytes() for entry in home.iterdir() if entry.name.endswith(".cedar")}
    contents = {"agreement.toml": data, **dict(sorted(policies.items())), **(_signatures(data, keys) if sign else {})}
    places = {party: folder / "keys" / f"{party}.pem" for party in keys}
    _nothing_in_the_way([folder / name for name in contents] + list(places.values()))
    (folder / "keys").mkdir(parents=True, exist_ok=True)
    for party, place in places.items():
        save(keys[party], place)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return LaidOut(
        agreement=folder / "agreement.toml",
        keys=places,
        signatures=tuple(folder / name for name in contents if name.endswith(".dsse.json")),
        policies=tuple(folder / name for name in contents if name.endswith(".cedar")),
    )


def _signatures(data: bytes, keys: Mapping[str, PrivateKey]) -> dict[str, bytes]:
    return {
        file_name("agreement.toml", partner.id): sign_agreement(keys[partner.id], data, None).write()
        for partner in read(data).partners
    }


def _nothing_in_the_way(paths: list[Path]) -> None:
    found = [str(path) for path in paths if path.exists()]
    if found:
        raise Conflict(f"these files exist already: {', '.join(found)}", remedy="name an empty folder")


def _home() -> Traversable:
    return files("foedus").joinpath("agreements")
