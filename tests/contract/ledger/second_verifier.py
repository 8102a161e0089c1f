"""A verifier written from docs/reference/ledger-format.md alone: it shares no line with the one that it checks.

``python second_verifier.py LEDGER AGREEMENT`` writes ``sound`` or the first thing that is wrong.
"""

import base64
import hashlib
import io
import json
import re
import sys
import tomllib
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NAME = r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?"
KEY = r"ed25519:[0-9a-f]{64}"
DIGEST = r"[0-9a-f]{64}"
JOB = r"[1-9][0-9]{0,17}(_(0|[1-9][0-9]{0,6}))?"
NATIVE = r"([A-Za-z0-9][A-Za-z0-9._:+@/\[\]-]{0,127})?"
MODEL = r"([A-Za-z0-9]([A-Za-z0-9 ._:+/-]{0,62}[A-Za-z0-9])?)?"
TIME = r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(\.([0-9]{3}))?Z"
HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
PURPOSES = [
    "pretrain",
    "finetune",
    "rl",
    "synthetic-data",
    "evaluate",
    "explore",
    "distill-parent",
    "reward-model",
    "infer",
    "generate",
    "other",
]
OUTCOMES = ["completed", "failed", "timeout", "out-of-memory", "node-fail", "cancelled", "preempted", "requeued"]
LIMIT = 2**53 - 1


class Wrong(Exception):
    pass


def need(holds, what):
    if not holds:
        raise Wrong(what)


def matches(pattern, value):
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def whole(value, least=0):
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= LIMIT


def moment(value):
    found = re.fullmatch(TIME, value) if isinstance(value, str) else None
    need(found, "a time")
    year, month, day, hour, minute, second = (int(found[index]) for index in range(1, 7))
    need(found[8] != "000", "a time with .000")
    try:
        whole_second = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise Wrong("a time that does not exist") from error
    return whole_second + timedelta(milliseconds=int(found[8] or 0))


def sentence(value):
    return isinstance(value, str) and 1 <= len(value) <= 500 and not HIDDEN.search(value)


def exactly(thing, *names):
    need(isinstance(thing, dict) and set(thing) == set(names), f"members other than {names}")


def pae(kind, data):
    kind = kind.encode()
    return b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(data)).encode(), data])


def signers(signatures, kind, data):
    need(isinstance(signatures, list), "signatures")
    found = []
    for one in signatures:
        exactly(one, "keyid", "sig")
        need(matches(KEY, one["keyid"]) and isinstance(one["sig"], str), "a signature's members")
        try:
            raw = base64.b64decode(one["sig"], validate=True)
            need(base64.b64encode(raw).decode() == one["sig"], "base64")
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(one["keyid"][8:])).verify(raw, pae(kind, data))
        except (ValueError, InvalidSignature) as error:
            raise Wrong("a signature") from error
        need(one["keyid"] not in found, "signed twice")
        found.append(one["keyid"])
    return tuple(found)


@lru_cache(maxsize=4096)
def look(line):
    """Everything that one line tells by itself: what it is, its members, and who signed it."""
    need(line.endswith(b"\n"), "no newline")
    try:
        thing = json.loads(line)
        need(rfc8785.dumps(thing) + b"\n" == line, "not canonical")
    except (ValueError, RecursionError, rfc8785.CanonicalizationError) as error:
        raise Wrong("not canonical JSON") from error
    need(isinstance(thing, dict) and only_whole_numbers(thing), "not an object of the right sort")
    if set(thing) == {"alliance", "format"}:
        return "header", thing, ()
    if thing.get("kind") == "seal":
        exactly(thing, "head", "kind", "signatures", "site")
        a_head(thing["head"])
        head = rfc8785.dumps(thing["head"])
        return "seal", thing, signers(thing["signatures"], "application/vnd.foedus.head+json", head)
    if thing.get("kind") == "trailer":
        exactly(thing, "alliance", "at", "body", "hash", "kind", "seq", "signatures")
        said = {name: thing[name] for name in ("alliance", "at", "body", "hash", "seq")}
        return "trailer", thing, signers(thing["signatures"], "application/vnd.foedus.export+json", rfc8785.dumps(said))
    return "entry", thing, an_entry(thing)


def only_whole_numbers(value):
    if isinstance(value, dict):
        return all(name.isascii() and only_whole_numbers(part) for name, part in value.items())
    if isinstance(value, list):
        return all(only_whole_numbers(part) for part in value)
    return not isinstance(value, float)


def a_head(head):
    exactly(head, "alliance", "at", "hash", "seq")


def an_entry(entry):
    exactly(entry, "at", "body", "hash", "kind", "prev", "seq", "signatures")
    need(matches(DIGEST, entry["hash"]) and matches(DIGEST, entry["prev"]) and whole(entry["seq"], 1), "an entry")
    rest = {name: part for name, part in entry.items() if name != "hash"}
    need(hashlib.sha256(rfc8785.dumps(rest)).hexdigest() == entry["hash"], "the hash")
    kind, body, at = entry["kind"], entry["body"], moment(entry["at"])
    need(kind in BODIES and isinstance(body, dict), "the kind")
    BODIES[kind](body, at)
    if kind == "agreement":
        return signers(entry["signatures"], "application/vnd.foedus.agreement+toml", body["text"].encode())
    return signers(entry["signatures"], f"application/vnd.foedus.{kind}+json", rfc8785.dumps(body))


def agreement(body, at):
    exactly(body, "digest", "text")
    need(isinstance(body["text"], str), "the text")
    need(hashlib.sha256(body["text"].encode()).hexdigest() == body["digest"], "the agreement's digest")


def site_key(body, at):
    exactly(body, "alliance", "key", "not_before", "site")
    need(matches(NAME, body["alliance"]) and matches(NAME, body["site"]) and matches(KEY, body["key"]), "a site key")
    moment(body["not_before"])


def revoked(body, at):
    exactly(body, "alliance", "key", "reason", "site")
    need(matches(NAME, body["alliance"]) and matches(NAME, body["site"]) and matches(KEY, body["key"]), "a site key")
    need(sentence(body["reason"]), "a reason")


def project(body, at):
    need(matches(NAME, body.get("alliance")) and matches(NAME, body.get("project")), "a project")


def allocation(body, at):
    project(body, at)
    need(whole(body.get("gpu_seconds"), -LIMIT), "an allocation")


def correction(body, at):
    need(whole(body.get("corrects"), 1) and sentence(body.get("reason")), "a correction")
    usage({name: part for name, part in body.items() if name not in {"corrects", "reason"}}, at)


NAMES = ["alliance", "site", "site_partner", "user", "user_partner", "project", "sector", "source"]
COUNTS = ["exit_code", "signal", "elapsed", "nodes", "cpus", "memory", "cpu_seconds", "requested_gpus"]
MAYBE = ["energy", "requested_time_limit"]
OTHERS = [
    "agreement_version",
    "purpose",
    "job",
    "attempt",
    "native_id",
    "outcome",
    "submitted",
    "ended",
    "started",
    "gpus",
    "gpu_seconds",
    "energy_method",
]


def usage(body, at):
    exactly(body, *NAMES, *COUNTS, *MAYBE, *OTHERS)
    need(all(matches(NAME, body[name]) for name in NAMES), "a name")
    need(all(whole(body[name]) for name in COUNTS), "a figure")
    need(all(body[name] is None or whole(body[name]) for name in MAYBE), "a figure")
    need(whole(body["agreement_version"], 1) and whole(body["attempt"], 1), "a version or attempt")
    need(body["purpose"] is None or body["purpose"] in PURPOSES, "a purpose")
    need(body["outcome"] in OUTCOMES, "an outcome")
    need(matches(JOB, body["job"]) and matches(NATIVE, body["native_id"]), "a job")
    need(body["energy_method"] in {None, "accounting"}, "a method")
    need((body["energy"] is None) == (body["energy_method"] is None), "energy without method")
    times(body, at)
    for name in ("gpus", "gpu_seconds"):
        models = body[name]
        need(isinstance(models, dict) and len(models) <= 64, name)
        need(all(matches(MODEL, model) and whole(count) for model, count in models.items()), name)
    need(body["cpu_seconds"] == body["cpus"] * body["elapsed"], "cpu_seconds")
    wanted = {model: count * body["elapsed"] for model, count in body["gpus"].items()}
    need(body["gpu_seconds"] == wanted, "gpu_seconds")
    need(body["nodes"] or not body["elapsed"], "nodes")


def times(body, at):
    second = timedelta(seconds=1)
    submitted, ended = moment(body["submitted"]), moment(body["ended"])
    need(ended >= submitted - second and ended <= at + timedelta(seconds=120), "ended")
    if body["started"] is None:
        need(body["elapsed"] == 0, "elapsed")
        return
    started = moment(body["started"])
    need(submitted - second <= started <= ended, "started")
    # Compared as whole seconds first: a duration of 2**53 seconds is more than the calendar holds.
    need(body["elapsed"] <= (ended - started).total_seconds() + 1, "elapsed")


BODIES = {
    "agreement": agreement,
    "site-key": site_key,
    "site-key-revoked": revoked,
    "project": project,
    "allocation": allocation,
    "usage": usage,
    "correction": correction,
}


def has_room(site, body):
    pools = [(pool["nodes"], pool.get("gpus_per_node", 0)) for pool in site["pools"]]
    gpus, most = sum(body["gpus"].values()), sum(nodes * each for nodes, each in pools)
    return body["nodes"] <= sum(nodes for nodes, _ in pools) and (
        gpus <= min(most, body["nodes"] * max(each for _, each in pools))
    )


class Ledger:
    def __init__(self, trusted):
        self.trusted = trusted
        self.id = tomllib.loads(trusted.decode())["id"]
        self.met = False
        self.versions = []
        self.keys = {}
        self.gone = set()
        self.attempts = {}
        self.last = None
        self.sealed_by = ""

    @property
    def now(self):
        need(self.versions, "no agreement")
        return self.versions[-1]

    def entry(self, entry, by):
        last = self.last
        need(entry["seq"] == (last["seq"] + 1 if last else 1), "seq")
        need(entry["prev"] == (last["hash"] if last else "0" * 64), "prev")
        need(last is None or moment(entry["at"]) >= moment(last["at"]), "at")
        self.last, self.sealed_by = entry, ""
        kind, body = entry["kind"], entry["body"]
        if kind == "agreement":
            self.amend(body, by)
            return
        need(body["alliance"] == self.now["id"] == self.id, "alliance")
        if kind == "site-key":
            self.vouch(body, by)
        elif kind == "site-key-revoked":
            need(self.owner_key(body["site"]) in by, "revoked by another")
            need(body["key"] in self.keys.get(body["site"], {}), "revoked, but never given")
            del self.keys[body["site"]][body["key"]]
            self.gone.add(body["key"])
        elif kind in {"project", "allocation"}:
            allowed = {self.now["hub_key"], *(partner["key"] for partner in self.now["partners"])}
            need(allowed.intersection(by), "a project by another")
        else:
            self.used(entry, body, by)

    def amend(self, body, by):
        found = parsed(body["text"])
        before = self.versions[-1] if self.versions else None
        need(found["id"] == self.id, "id")
        need(found["version"] == len(self.versions) + 1, "version")
        need(found.get("previous") == (before["digest"] if before else None), "previous")
        partners = found["partners"] + (before["partners"] if before else [])
        need({partner["key"] for partner in partners} <= set(by), "a partner did not sign")
        self.met = self.met or body["text"].encode() == self.trusted
        self.versions.append({**found, "digest": body["digest"]})

    def owner_key(self, site):
        owner = next((one["partner"] for one in self.now["sites"] if one["id"] == site), None)
        need(owner, "no such site")
        return next(partner["key"] for partner in self.now["partners"] if partner["id"] == owner)

    def vouch(self, body, by):
        site, key, begins = body["site"], body["key"], moment(body["not_before"])
        need(self.owner_key(site) in by, "vouched for by another")
        need(key not in self.gone, "given after it was revoked")
        need(not any(key in keys for other, keys in self.keys.items() if other != site), "another site's key")
        keys = self.keys.setdefault(site, {})
        keys[key] = min(begins, keys.get(key, begins))

    def by_site(self, site, by, at):
        need(len(by) == 1 and by[0] in self.keys.get(site, {}), "not the site's key")
        need(moment(at) >= self.keys[site][by[0]], "before its time")

    def used(self, entry, body, by):
        need(1 <= body["agreement_version"] <= len(self.versions), "agreement_version")
        under = self.versions[body["agreement_version"] - 1]
        sites = {site["id"]: site["partner"] for site in under["sites"]}
        need(sites.get(body["site"]) == body["site_partner"], "site_partner")
        need(body["user_partner"] in [partner["id"] for partner in under["partners"]], "user_partner")
        since = [site for version in self.versions[body["agreement_version"] - 1 :] for site in version["sites"]]
        need(any(has_room(site, body) for site in since if site["id"] == body["site"]), "more than the site has")
        self.by_site(body["site"], by, entry["at"])
        attempt = (body["job"], body["attempt"])
        need(self.attempts.get(attempt) == body.get("corrects"), "an attempt")
        self.attempts[attempt] = entry["seq"]

    def seal(self, seal, by):
        need(self.last, "seals nothing")
        need(seal["head"] == self.head(), "another head")
        need(isinstance(seal["site"], str) and self.sealed_by < seal["site"], "order of seals")
        self.sealed_by = seal["site"]
        hub = self.now["hub_key"]
        need(len(by) == 2 and hub in by, "a seal without the hub")
        self.by_site(seal["site"], tuple(key for key in by if key != hub), seal["head"]["at"])

    def head(self):
        return {"alliance": self.id, **{name: self.last[name] for name in ("at", "hash", "seq")}}

    def close(self, trailer, by, before):
        need(self.last and {name: trailer[name] for name in self.head()} == self.head(), "the trailer's head")
        need(trailer["body"] == before, "the trailer's body")
        need(by == (self.now["hub_key"],), "the trailer's signature")
        need(self.met, "not the agreement that is trusted")


@lru_cache(maxsize=64)
def parsed(text):
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise Wrong("the agreement") from error


def wrong(data, trusted):
    """Say what is wrong with a ledger, or nothing."""
    try:
        lines = io.BytesIO(data).readlines()
        need(len(lines) > 2, "too short")
        ledger = Ledger(trusted)
        kind, header, _ = look(lines[0])
        need(kind == "header" and header == {"alliance": ledger.id, "format": "foedus-ledger/1"}, "the header")
        for line in lines[1:-1]:
            kind, thing, by = look(line)
            need(kind in {"entry", "seal"}, "the order of lines")
            (ledger.entry if kind == "entry" else ledger.seal)(thing, by)
        kind, trailer, by = look(lines[-1])
        need(kind == "trailer", "no trailer")
        ledger.close(trailer, by, hashlib.sha256(b"".join(lines[:-1])).hexdigest())
    except Wrong as found:
        return str(found)
    return None


if __name__ == "__main__":
    verdict = wrong(Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]).read_bytes())
    sys.stdout.write(f"{verdict or 'sound'}\n")
    sys.exit(1 if verdict else 0)
