"""Small ledgers with real signatures, for the tests."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from foedus.core.agreement.model import Agreement
from foedus.core.agreement.read import read
from foedus.core.agreement.revocation import Revocation
from foedus.core.agreement.vouch import Vouch
from foedus.core.base.canon import JsonObject, canonical, sha256
from foedus.core.base.dsse import Signature, sign
from foedus.core.base.instant import Instant, iso, parse_iso
from foedus.core.jobs.spec import Purpose
from foedus.core.jobs.state import Outcome
from foedus.core.ledger.bodies import agreement_body, allocation_body, project_body
from foedus.core.ledger.booked import correction_body
from foedus.core.ledger.chain import Head, Seal, append, head_of, sign_head
from foedus.core.ledger.entry import Entry, Kind, sign_body
from foedus.core.ledger.export import export, seal
from foedus.core.ledger.lines import EXPORT_TYPE, FORMAT, trailer_payload
from foedus.core.ledger.usage import EnergyMethod, Usage
from foedus.core.ledger.usage_json import usage_body

START = parse_iso("2026-11-23T08:00:00Z")


class Key:
    """A private key made from a name: the same in every run."""

    def __init__(self, name: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sha256(name.encode())))
        self.key = "ed25519:" + self._private.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


KEYS = {name: Key(name) for name in ("hub", "hub2", "israel", "azerbaijan", "jerusalem", "baku", "baku2", "stranger")}

AGREEMENT = """\
id = "caspian"
version = {version}
{previous}
title = {{ en = "Test alliance" }}
starts = 2026-11-01
ends = 2027-10-31
hub_key = "{hub}"

[[partners]]
id = "israel"
title = {{ en = "Israel" }}
key = "{israel}"

[[partners]]
id = "azerbaijan"
title = {{ en = "Azerbaijan" }}
key = "{azerbaijan}"

[[sites]]
id = "jerusalem"
partner = "israel"
title = {{ en = "Jerusalem" }}
country = "IL"
pools = [
  {{ id = "gpu", nodes = 4, cpus_per_node = 32, memory_per_node = "512G", gpus_per_node = 8, gpu_model = "a100" }},
]
pledge = {{ gpu_hours = 1000, period = "month" }}
guests = {{ pools = ["gpu"], preempted = true }}

[[sites]]
id = "baku"
partner = "azerbaijan"
title = {{ en = "Baku" }}
country = "AZ"
pools = [
  {{ id = "gpu", nodes = 2, cpus_per_node = 32, memory_per_node = "512G", gpus_per_node = 4, gpu_model = "h100" }},
]
pledge = {{ gpu_hours = 12000, period = "year" }}
guests = {{ pools = ["gpu"], preempted = true }}

[[sectors]]
id = "mobility"
title = {{ en = "Urban mobility" }}

[[clauses]]
id = "partners-run"
text = {{ en = "Partners' people may run jobs." }}
policy = '@id("partners-run") permit (principal, action, resource);'
"""


def agreement_file(version: int = 1, previous: str | None = None, **keys: str) -> str:
    used = {name: KEYS[name].key for name in ("hub", "israel", "azerbaijan")} | keys
    return AGREEMENT.format(version=version, previous=f'previous = "{previous}"' if previous else "", **used)


FILE = agreement_file()
TRUSTED: Agreement = read(FILE.encode())


def check(key: str, message: bytes, signature: bytes) -> bool:
    """A plain verifier: cryptography and nothing else."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.removeprefix("ed25519:"))).verify(signature, message)
    except (ValueError, InvalidSignature):
        return False
    return True


def a_usage(**changes) -> Usage:
    """One GPU job of an Israeli user as a guest in Baku: one hour on two GPUs; change what the test needs."""
    given = {"elapsed": 3600, "cpus": 16, "gpus": {"h100": 2}, "ended": START} | changes
    elapsed = given["elapsed"]
    started = Instant(given["ended"] - elapsed * 1000)
    plain = Usage(
        alliance="caspian",
        agreement_version=1,
        site="baku",
        site_partner="azerbaijan",
        job="1042",
        attempt=1,
        user="noa",
        user_partner="israel",
        project="lights",
        sector="mobility",
        purpose=Purpose.FINETUNE,
        native_id="77",
        source="sacct",
        outcome=Outcome.COMPLETED,
        exit_code=0,
        signal=0,
        submitted=Instant(started - 60_000),
        started=started,
        ended=given["ended"],
        elapsed=elapsed,
        nodes=1,
        cpus=given["cpus"],
        gpus=given["gpus"],
        cpu_seconds=given["cpus"] * elapsed,
        gpu_seconds={model: count * elapsed for model, count in given["gpus"].items()},
        memory=64 * 1024,
        energy=None,
        energy_method=None,
        requested_gpus=2,
        requested_time_limit=7200,
    )
    return replace(plain, **changes)


@dataclass
class Books:
    """A ledger in the making."""

    entries: list[Entry] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    at: Instant = START

    @property
    def head(self) -> Head | None:
        return head_of("caspian", self.entries[-1]) if self.entries else None

    def book(self, kind: Kind, body: JsonObject, *signers: str) -> Entry:
        signatures = tuple(sign_body(KEYS[name], kind, body) for name in signers)
        return self.chain(kind, body, signatures)

    def chain(self, kind: Kind, body: JsonObject, signatures: Sequence[Signature]) -> Entry:
        self.at = Instant(self.at + 1000)
        entry = append(self.head, kind=kind, body=body, signatures=tuple(signatures), at=self.at)
        self.entries.append(entry)
        return entry

    def agree(self, file: str = FILE, signers: Sequence[str] = ("israel", "azerbaijan")) -> Entry:
        return self.book(Kind.AGREEMENT, agreement_body(file, sha256(file.encode())), *signers)

    def vouch(self, site: str, key: str, signer: str, not_before: Instant = START) -> Entry:
        vouch = Vouch(alliance="caspian", site=site, key=KEYS[key].key, not_before=not_before)
        body = {"alliance": "caspian", "key": vouch.key, "not_before": iso(not_before), "site": site}
        return self.book(Kind.SITE_KEY, body, signer)

    def revoke(self, site: str, key: str, signer: str) -> Entry:
        said = Revocation(alliance="caspian", site=site, key=KEYS[key].key, reason="lost")
        return self.book(Kind.SITE_KEY_REVOKED, said.body(), signer)

    def use(self, usage: Usage, signer: str | None = None) -> Entry:
        return self.book(Kind.USAGE, usage_body(usage), signer or usage.site)

    def correct(self, usage: Usage, corrects: int, signer: str | None = None) -> Entry:
        body = correction_body(usage, corrects, "the clock of one node was wrong")
        return self.book(Kind.CORRECTION, body, signer or usage.site)

    def seal(self, site: str, key: str | None = None) -> Seal:
        one = seal(KEYS["hub"], site, self.head, sign_head(KEYS[key or site], self.head))
        self.seals.append(one)
        return one

    def export(self, signer: str = "hub") -> list[bytes]:
        """Write everything as it is, as no honest hub would: all seals, and whatever else was put in."""
        lines = [canonical({"alliance": "caspian", "format": FORMAT}) + b"\n"]
        for entry in self.entries:
            seals = [one for one in self.seals if one.head.seq == entry.seq]
            lines += [entry.line(), *(one.line() for one in sorted(seals, key=lambda one: one.site))]
        body = sha256(b"".join(lines))
        signature = sign(KEYS[signer], EXPORT_TYPE, trailer_payload(self.head, body)).json()
        trailer = {**self.head.json(), "body": body, "kind": "trailer", "signatures": [signature]}
        return [*lines, canonical(trailer) + b"\n"]

    def honest_export(self) -> list[bytes]:
        return list(export("caspian", self.entries, self.seals, KEYS["hub"]))


def opened() -> Books:
    """Agreement and both sites' keys: nothing used yet."""
    books = Books()
    books.agree()
    books.vouch("jerusalem", "jerusalem", "israel")
    books.vouch("baku", "baku", "azerbaijan")
    return books


def a_ledger() -> Books:
    """About thirty entries of every kind, with seals in the middle and at the end."""
    books = opened()
    books.book(Kind.PROJECT, project_body("caspian", "lights", {"title": "Lights, רמזור", "sector": "mobility"}), "hub")
    books.book(Kind.ALLOCATION, allocation_body("caspian", "lights", 3_600_000, "first call"), "hub")
    for number in range(1, 9):
        books.use(a_usage(job=str(number), elapsed=60 * number))
    books.seal("baku")
    books.seal("jerusalem")
    home = {"site": "jerusalem", "site_partner": "israel", "nodes": 2, "gpus": {"a100": 8, "": 1}}
    for number in range(1, 6):
        outcome = Outcome.PREEMPTED if number % 2 else Outcome.REQUEUED
        books.use(a_usage(job=f"20_{number}", outcome=outcome, **home))
        books.use(
            a_usage(job=f"20_{number}", attempt=2, energy=5_000_000, energy_method=EnergyMethod.ACCOUNTING, **home)
        )
    never = a_usage(job="31", elapsed=0, gpus={}, outcome=Outcome.CANCELLED, user_partner="azerbaijan", cpus=0)
    books.use(replace(never, started=None, nodes=0, native_id="", purpose=None, requested_time_limit=None))
    books.correct(a_usage(job="3", elapsed=90), corrects=8)
    books.correct(a_usage(job="3", elapsed=95), corrects=books.head.seq)
    books.vouch("baku", "baku2", "azerbaijan")
    books.revoke("baku", "baku", "azerbaijan")
    books.use(a_usage(job="40"), "baku2")
    books.agree(agreement_file(2, TRUSTED.digest, hub=KEYS["hub"].key))
    books.use(a_usage(job="41", agreement_version=2, user_partner="azerbaijan"), "baku2")
    books.seal("baku", "baku2")
    books.use(a_usage(job="42", agreement_version=1, user_partner="azerbaijan"), "baku2")
    return books
