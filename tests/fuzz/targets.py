"""What is fuzzed: each reader with its property, good inputs to begin with, and the words of its language."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import properties
from books import FILE, KEYS, a_ledger, agreement_file

from foedus.core.agreement.vouch import Vouch
from foedus.core.agreement.vouch import make as make_vouch
from foedus.core.jobs.options import OPTIONS
from foedus.keys.http import EPOCH, SEQUENCE, sign_request
from foedus.wire.files import FileEntry, Manifest

RECORDED = Path(__file__).parents[1] / "contract" / "drivers" / "recorded"
MARK = properties.MARK.encode()
JSON = ('"', "{", "}", "[", "]", ":", ",", "null", "true", "-1", "1e9", "9" * 17, "\\u0000", "\\ud800")
NUMBERS = ("0", "-1", "1", "4294967294", "9" * 17, "1.5", "2K", "1_0", "٣", "")


@dataclass(frozen=True)
class Target:
    """One reader."""

    holds: Callable[[bytes], None]
    """Raises if what has to hold does not."""
    seeds: tuple[bytes, ...]
    words: tuple[str, ...]


def _files(*paths: str) -> bytes:
    """Write a manifest of these files, small ones all."""
    pieces = dict(zip(paths, 40 * list(properties.PIECES.items()), strict=False))
    entries = [
        FileEntry(path=path, mode=0o644, size=len(data), pieces=[digest] if data else [])
        for path, (digest, data) in sorted(pieces.items())
    ]
    return Manifest(files=entries).write()


def _recorded(*names: str) -> bytes:
    return b"\0".join((RECORDED / name).read_bytes() for name in names)


def _request() -> bytes:
    url, body = "https://hub.example/api/v1/agents/baku/orders?wait=20", b'{"wait_s": 20}'
    own = {EPOCH: "3", SEQUENCE: "7"}
    signed = sign_request(KEYS["baku"], "POST", url, headers=own, body=body, created=properties.NOW)
    return b"\0".join([url.encode(), "\n".join(f"{name}: {text}" for name, text in signed.items()).encode(), body])


@cache
def targets() -> dict[str, Target]:
    """Return all, by name."""
    options = tuple(word for one in OPTIONS for word in (f"--{one.name}", *([f"-{one.short}"] if one.short else [])))
    lines = a_ledger().export()
    vouch = make_vouch(KEYS["azerbaijan"], Vouch(alliance="caspian", site="baku", key=KEYS["baku"].key, not_before=0))
    states = ("RUNNING", "PENDING", "COMPLETED", "CANCELLED by 0", "RESIZING", "REQUEUED", "FAILED", "Unknown", "None")
    return {
        "sbatch": Target(
            properties.sbatch,
            (
                b"#!/bin/sh\n#SBATCH --gpus=a100:2 -t 1-0 --mem=4G\n#FOEDUS project=shield purpose=infer\ntrue\n",
                b"#!/bin/sh\n#SBATCH -a 0-9:3%2 -N2-4 -n 8 -c2 --gres=gpu:1\n#SBATCH -d afterok:1_2?afterany:3\n",
                b"#!/bin/sh\n#SBATCH -J 'a b' -o %x.out\n#FOEDUS bundle=a,b output=out/*.bin\n\0--time=5\0--export=A",
            ),
            (
                "#SBATCH ",
                "#FOEDUS ",
                "hetjob",
                "gpu:",
                "%",
                "afterok:",
                "UNLIMITED",
                "\0",
                "'",
                "\\",
                *options,
                *NUMBERS,
            ),
        ),
        "agreement": Target(
            properties.agreement,
            (FILE.encode(), agreement_file(2, "ab" * 32).encode()),
            (
                "[[sites]]",
                "[[clauses]]",
                '"""',
                "'",
                "\\u0000",
                "@id(",
                "forbid",
                "inf",
                "1979-05-27T07:32:00Z",
                *NUMBERS,
            ),
        ),
        "bundle": Target(
            properties.bundle,
            (
                _files("a", "b/c", "b/d/e"),
                _files("file", "folder", "new", "out/secret"),
                _files("link", "é", "file/x", "out"),
            ),
            ("..", "/", "./", "link", "out/secret", "folder/f", "file", *properties.PIECES, *JSON),
        ),
        "squeue": Target(properties.squeue_answer, (_recorded("squeue.txt"),), (MARK.decode(), *states, *NUMBERS)),
        "sacct": Target(
            properties.sacct_answer,
            (_recorded("sacct.txt"),),
            (MARK.decode(), "cpu=", "gres/gpu=", "gres/gpu:a100=", "mem=1.50G", "0:9", "gn1", *states, *NUMBERS),
        ),
        "capacity": Target(
            properties.capacity,
            (_recorded("scontrol-nodes.txt", "scontrol-partitions.txt", "squeue-load.txt"),),
            (
                *("NodeName=", "State=", "IDLE", "Gres=", "gpu:", "CPUTot=", "MaxTime=", "1-00:00:00", "[0-99999]"),
                *(MARK.decode(), "\0", "\n", ",", "j[1-3]", *NUMBERS),
            ),
        ),
        "envelope": Target(properties.envelope, (vouch.write(),), ("payload", "signatures", "keyid", "====", *JSON)),
        "ledger": Target(
            properties.ledger,
            (b"".join(lines), b"".join(lines[:2]), *lines[4:8]),
            ('"kind":"seal"', '"corrects":', "usage", "correction", "\n", "2026-02-30T00:00:00Z", *JSON),
        ),
        "request": Target(
            properties.request,
            (_request(),),
            ("signature-input: ", ";created=", ";alg=", "sha-256=:", '"@path"', "?1", "(", ")", "\n", "\0", *NUMBERS),
        ),
    }
