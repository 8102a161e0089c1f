"""Verifying a ledger of a million usage entries with the command that anybody would use, on two cores.

Beside it stands what nobody can go below: checking as many Ed25519 signatures, and nothing else.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from hashlib import sha256
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests/contract/ledger"))

from books import FILE, KEYS, START, Books, a_usage, opened
from nacl.bindings import crypto_sign_open
from parts.figures import figure, size

from foedus.cli.trial.processes import foedus
from foedus.core.base.canon import canonical
from foedus.core.base.dsse import sign
from foedus.core.base.instant import iso
from foedus.core.ledger.chain import Head
from foedus.core.ledger.entry import Kind, payload, sign_body, signed_bytes
from foedus.core.ledger.lines import EXPORT_TYPE, trailer_payload
from foedus.core.ledger.usage_json import usage_body

ENTRIES = 1_000_000
CORES = 2
MOST_S = 60.0
LEAST_SHARE = 70.0
CHECKS = 20_000
BATCH = 2000


def records(first: int) -> list[tuple[bytes, bytes]]:
    """Return the body and the signatures of so many usage records, as an entry holds them."""
    found: list[tuple[bytes, bytes]] = []
    for number in range(first, first + BATCH):
        elapsed = number * 7919 % 86_400
        body = usage_body(a_usage(job=str(number), elapsed=elapsed, user=f"user{number % 997}", native_id=str(number)))
        signature = sign_body(KEYS["baku"], Kind.USAGE, body)
        found.append((payload(Kind.USAGE, body), canonical([signature.json()])))
    return found


def lines(books: Books, count: int) -> Iterator[bytes]:
    """Write a ledger of `count` usage entries behind those that every ledger begins with."""
    opening = books.export()[:-1]
    yield from opening
    body = sha256(b"".join(opening))
    head = books.head
    assert head is not None
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        made = chain.from_iterable(pool.map(records, range(1, count + 1, BATCH)))
        for record, signatures in islice(made, count):
            head = replace(head, seq=head.seq + 1, at=START + 1000 * head.seq)
            front = b'{"at":"%b","body":%b,' % (iso(head.at).encode(), record)
            back = b'"kind":"usage","prev":"%b","seq":%d,"signatures":%b}' % (
                head.hash.encode(), head.seq, signatures
            )  # fmt: skip
            head = replace(head, hash=sha256(front + back).hexdigest())
            line = b'%b"hash":"%b",%b\n' % (front, head.hash.encode(), back)
            body.update(line)
            yield line
    yield trailer(head, body.hexdigest())


def trailer(head: Head, body: str) -> bytes:
    """Close the book, as the hub does."""
    signature = sign(KEYS["hub"], EXPORT_TYPE, trailer_payload(head, body))
    return canonical({**head.json(), "body": body, "kind": "trailer", "signatures": [signature.json()]}) + b"\n"


def checks(count: int) -> float:
    """Return how many signatures a second of one core can be checked."""
    body = usage_body(a_usage())
    message, key = signed_bytes(Kind.USAGE, body), bytes.fromhex(KEYS["baku"].key.removeprefix("ed25519:"))
    signed = KEYS["baku"].sign(message) + message
    began = time.process_time()
    for _ in range(count):
        crypto_sign_open(signed, key)
    return count / (time.process_time() - began)


def bare(count: int) -> float:
    """Return the same of each core while all are at it."""
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(checks, [count] * CORES)) / CORES


def processor() -> float:
    """Return the processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure."""
    count = max(1, int(ENTRIES * size()))
    share = max(100, int(CHECKS * size()))
    with tempfile.TemporaryDirectory(prefix="foedus-bench-") as name:
        book, agreement = Path(name) / "ledger.jsonl", Path(name) / "agreement.toml"
        agreement.write_text(FILE, encoding="utf-8")
        with book.open("wb") as file:
            file.writelines(lines(opened(), count))
        before = bare(share)
        used, began = processor(), time.perf_counter()
        told = foedus("ledger", "verify", str(book), "--agreement", str(agreement), f"--processes={CORES}", "--json")
        seconds, used = time.perf_counter() - began, processor() - used
        entries = json.loads(told)["kinds"]["usage"]
        if entries != count:
            raise SystemExit(f"{entries} usage entries were found, not {count}")
        raw = (before + bare(share)) / 2
    figure("ed25519", raw, "checks/s/core")
    figure("ledger-verify", seconds * ENTRIES / count, "s/1000000-entries", most=MOST_S)
    figure("ledger-verify-speed", count / used, "entries/s/core")
    figure("ledger-verify-share-of-ed25519", 100 * count / used / raw, "%", least=LEAST_SHARE)


if __name__ == "__main__":
    main()
