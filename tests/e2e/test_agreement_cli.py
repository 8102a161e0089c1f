"""The way of an agreement from the first draft to an amendment, through the command line as installed."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from foedus.cli.main import app
from foedus.cli.session import Session
from foedus.core.base.instant import parse_iso
from foedus.core.base.units import HOUR

GUESTS = "{}, at most 1-00:00:00, preempted by owners"
NOW = parse_iso("2026-11-23T12:00:00.123Z")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def foedus(*words, now=NOW):
        found = CliRunner().invoke(app, [str(word) for word in words], obj=Session(now=lambda: now))
        return found.exit_code, found.stdout, found.stderr

    return foedus


@pytest.fixture
def drafted(run):
    assert run("agreement", "new", ".")[0] == 0
    return run


def key_of(run, party):
    code, out, err = run("keys", "show", f"keys/{party}.pem")
    assert (code, err) == (0, "")
    return out.strip()


def digest_of(run, file="agreement.toml"):
    return json.loads(run("agreement", "check", file, "--json")[1])["digest"]


def edit(file, old, new):
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new, 1))


def sign(run, file="agreement.toml", *more):
    for partner in ("israel", "azerbaijan"):
        assert run("agreement", "sign", file, "--as", partner, "--key", f"keys/{partner}.pem", *more)[0] == 0


def test_new_writes_an_unsigned_draft_with_private_keys(run):
    files = [
        "agreement.toml",
        "baku.cedar",
        "jerusalem.cedar",
        "keys/azerbaijan.pem",
        "keys/hub.pem",
        "keys/israel.pem",
    ]
    code, out, err = run("agreement", "new", "x")
    assert (code, sorted(out.split()), err) == (0, [f"x/{file}" for file in files], "")
    assert {stat.S_IMODE(path.stat().st_mode) for path in Path("x/keys").iterdir()} == {0o600}
    code, out, err = run("agreement", "new", "x")
    assert (code, out) == (3, "")
    assert err.startswith("error: these files exist already: x/agreement.toml, ")


def test_check_counts_and_names_the_digest(drafted):
    digest = digest_of(drafted)
    assert drafted("agreement", "check", "agreement.toml", "--policy", "baku.cedar") == (
        0,
        (
            "caspian, version 1, is sound: 2 partners, 2 sites, 3 sectors, 8 clauses\n"
            "baku.cedar is sound: 2 policies\n"
            f"sha256 {digest}\n"
        ),
        "",
    )


def test_check_prints_every_fault_with_its_remedy(drafted):
    edit("agreement.toml", "nodes = 32", "nodes = 0")
    edit("agreement.toml", 'country = "AZ"', 'county = "AZ"')
    assert drafted("agreement", "check", "agreement.toml") == (
        2,
        "",
        (
            "error: sites[0].pools[0].nodes: 0 is out of range\n"
            "       use a whole number of at least 1 and at most 2^53 - 1\n"
            "error: sites[1].country: is missing\n"
            "       add a text\n"
            "error: sites[1].county: is not known here\n"
            "       did you mean 'country'?\n"
        ),
    )


def test_check_holds_clauses_and_policies_against_the_schema(drafted):
    edit("agreement.toml", 'resource.country != "IL"', 'resource.contry != "IL"')
    remedy = "       mend the policy; what it may speak of is in foedus/policy/schema.cedarschema\n"
    fault = "attribute `contry` on entity type `Site` not found"
    assert drafted("agreement", "check", "agreement.toml") == (
        2,
        "",
        f"error: clauses[3].policy: {fault}\n{remedy}",
    )
    edit("agreement.toml", "resource.contry", "resource.country")
    edit("baku.cedar", "context.guest", "resource.contry")
    assert drafted("agreement", "check", "agreement.toml", "--policy", "baku.cedar") == (
        2,
        "",
        f"error: baku.cedar: line 8: {fault}\n{remedy}",
    )


def test_show_in_a_language(drafted):
    code, out, err = drafted("agreement", "show", "agreement.toml", "--lang", "de")
    assert (code, err) == (0, "")
    lines = [re.sub(r" {2,}", " | ", line.rstrip()) for line in out.splitlines()]
    assert (
        lines
        == f"""\
Absichtserklärung über gemeinsames Höchstleistungsrechnen und künstliche Intelligenz
caspian, version 1, from 2026-01-01 to 2030-12-31
sha256 | {digest_of(drafted)}

PARTNER | TITLE | KEY
israel | Israel | {key_of(drafted, "israel")}
azerbaijan | Aserbaidschan | {key_of(drafted, "azerbaijan")}

SITE | TITLE | PARTNER | COUNTRY | GPUS | PLEDGE | GUESTS
jerusalem | Rechner Jerusalem | israel | IL | 256 | 50000 GPU-hours a month | {GUESTS.format("pools gpu and cpu")}
baku | Rechner Baku | azerbaijan | AZ | 64 | 30000 GPU-hours a month | {GUESTS.format("pool gpu")}

SITE | POOL | NODES | CPUS/NODE | MEMORY/NODE | GPUS/NODE | MODEL
jerusalem | gpu | 32 | 96 | 1T | 8 | h100
jerusalem | cpu | 64 | 128 | 512G | 0 | -
baku | gpu | 16 | 64 | 512G | 4 | a100
baku | cpu | 24 | 64 | 256G | 0 | -

SECTOR | TITLE
cybersecurity | Cybersicherheit
urban-mobility | Städtische Mobilität
digital-administration | Digitale Verwaltung

CLAUSE | TEXT
joint-work | Angehörige beider Partner dürfen Aufträge gemeinsamer Projekte der vereinbarten Bereiche an jedem \
Standort ausführen.
declared-purpose | Ein Auftrag, der GPUs nutzt, nennt seinen Zweck.
personal-registers | Personenregister werden nie auf gemeinsam genutzten Maschinen verarbeitet.
residency-il | Mit 'il' gekennzeichnete Datensätze werden nur in Israel verarbeitet.
residency-az | Mit 'az' gekennzeichnete Datensätze werden nur in Aserbaidschan verarbeitet.
guest-gpus | Der Auftrag eines Gastes nutzt höchstens 16 GPUs.
guest-time | Der Auftrag eines Gastes verlangt höchstens 24 Stunden.
guest-arrays | Das Auftragsfeld eines Gastes hat höchstens 1.000 Aufgaben.
""".splitlines()
    )


def test_show_as_json_is_the_words_of_the_file(drafted):
    found = json.loads(drafted("agreement", "show", "agreement.toml", "--json")[1])
    assert found["sites"][1] == {
        "id": "baku",
        "partner": "azerbaijan",
        "title": {"en": "Baku cluster", "he": "אשכול באקו", "az": "Bak\u0131 klasteri", "de": "Rechner Baku"},
        "country": "AZ",
        "pledge": {"gpu_hours": 30000, "period": "month"},
        "guests": {"pools": ["gpu"], "preempted": True, "time_limit_s": 24 * HOUR},
        "pools": [
            {
                "id": "gpu",
                "nodes": 16,
                "cpus_per_node": 64,
                "memory_per_node_mib": 524288,
                "gpus_per_node": 4,
                "gpu_model": "a100",
            },
            {
                "id": "cpu",
                "nodes": 24,
                "cpus_per_node": 64,
                "memory_per_node_mib": 262144,
                "gpus_per_node": 0,
                "gpu_model": None,
            },
        ],
    }
    assert list(found) == [
        "id",
        "version",
        "previous",
        "digest",
        "title",
        "starts",
        "ends",
        "hub_key",
        "partners",
        "sites",
        "sectors",
        "clauses",
    ]


def test_it_may_come_into_force_once_every_partner_has_signed(drafted):
    israel, azerbaijan = key_of(drafted, "israel"), key_of(drafted, "azerbaijan")
    words = ("agreement", "sign", "agreement.toml", "--as", "israel", "--key", "keys/israel.pem")
    assert drafted(*words) == (
        0,
        f"israel signed caspian, version 1 (sha256 {digest_of(drafted)}): agreement.israel.dsse.json\n",
        "",
    )
    code, out, err = drafted("agreement", "verify", "agreement.toml")
    assert (code, [line.rstrip() for line in out.splitlines()], err) == (
        3,
        [
            "PARTNER     SIGNATURE  KEY",
            f"israel      signed     {israel}",
            f"azerbaijan  missing    {azerbaijan}",
            (
                f"signatures.azerbaijan: is missing; azerbaijan signs this very file with {azerbaijan[:16]}... "
                "(`foedus agreement sign`)"
            ),
        ],
        "",
    )
    sign(drafted)
    code, out, err = drafted("agreement", "verify", "agreement.toml")
    assert (code, out.splitlines()[-1], err) == (0, "caspian, version 1, may come into force", "")


@pytest.mark.parametrize(
    ("now", "fault"),
    [
        ("2025-12-31T23:59:59Z", ("starts", "the term begins on 2026-01-01, and it is 2025-12-31")),
        ("2031-01-01T00:00:00Z", ("ends", "the term ended on 2030-12-31, and it is 2031-01-01")),
    ],
)
def test_out_of_term_it_may_not(drafted, now, fault):
    sign(drafted)
    code, out, _ = drafted("agreement", "verify", "agreement.toml", "--json", now=parse_iso(now))
    assert code == 3
    assert [(one["path"], one["fault"]) for one in json.loads(out)["faults"]] == [fault]


def test_a_change_after_signing_is_found(drafted):
    sign(drafted)
    edit("agreement.toml", "gpu_hours = 50000", "gpu_hours = 10000")
    Path("agreement.azerbaijan.dsse.json").write_text("{}")
    code, out, _ = drafted("agreement", "verify", "agreement.toml", "--json")
    found = json.loads(out)
    assert code == 3
    assert [(one["partner"], one["standing"]) for one in found["signatures"]] == [
        ("israel", "other-text"),
        ("azerbaijan", "missing"),
    ]
    assert [fault["path"] for fault in found["faults"]] == [
        "agreement.azerbaijan.dsse.json",
        "signatures.israel",
        "signatures.azerbaijan",
    ]


def test_only_a_partners_own_key_signs_for_it(drafted):
    code, out, err = drafted("agreement", "sign", "agreement.toml", "--as", "israel", "--key", "keys/azerbaijan.pem")
    assert (code, out) == (2, "")
    assert err == (
        f"error: keys/azerbaijan.pem: holds {key_of(drafted, 'azerbaijan')}, but israel signs with "
        f"{key_of(drafted, 'israel')}\n       give the key file of israel\n"
    )
    code, _, err = drafted("agreement", "sign", "agreement.toml", "--as", "france", "--key", "keys/israel.pem")
    assert (code, err) == (
        5,
        "error: 'france' is no partner of caspian\n       use one of: israel, azerbaijan\n",
    )
    assert list(Path().glob("*.dsse.json")) == []


def test_an_amendment_from_draft_to_force(drafted):
    sign(drafted)
    digest = digest_of(drafted)
    assert drafted("agreement", "amend", "agreement.toml") == (
        0,
        (
            "draft of version 2: agreement-v2.toml\n"
            "next: change it, then: foedus agreement diff agreement.toml agreement-v2.toml\n"
        ),
        "",
    )
    edit("agreement-v2.toml", "gpu_hours = 30000", "gpu_hours = 20000")
    text = Path("agreement-v2.toml").read_text()
    removed = re.search(r'\[\[clauses\]\]\nid = "residency-az".*?(?=\n\[\[clauses)', text, re.DOTALL)[0]
    Path("agreement-v2.toml").write_text(text.replace(removed, ""))
    code, out, err = drafted("agreement", "diff", "agreement.toml", "agreement-v2.toml")
    assert (code, err) == (0, "")
    assert out.startswith(
        "version\n  - 1\n  + 2\n"
        "sites.baku.pledge\n  - 30000 GPU-hours a month\n  + 20000 GPU-hours a month\n"
        "clauses.residency-az\n  - text.en Datasets labelled 'az' are processed in Azerbaijan only.; "
    )
    assert json.loads(drafted("agreement", "diff", "agreement.toml", "agreement-v2.toml", "--json")[1])["changes"][
        :2
    ] == [
        {"path": "version", "before": "1", "after": "2"},
        {"path": "sites.baku.pledge", "before": "30000 GPU-hours a month", "after": "20000 GPU-hours a month"},
    ]
    sign(drafted, "agreement-v2.toml")
    code, out, err = drafted("agreement", "verify", "agreement-v2.toml", "--previous", "agreement.toml")
    assert (code, out.splitlines()[-1]) == (0, "caspian, version 2, may come into force")
    assert json.loads(drafted("agreement", "show", "agreement-v2.toml", "--json")[1])["previous"] == digest
    code, out, _ = drafted("agreement", "verify", "agreement.toml", "--previous", "agreement-v2.toml", "--json")
    assert (code, [fault["path"] for fault in json.loads(out)["faults"]]) == (3, ["version"])
    assert drafted("agreement", "amend", "agreement.toml")[0] == 3


def test_a_partner_changes_its_key_with_both_keys(drafted):
    drafted("agreement", "amend", "agreement.toml")
    old = key_of(drafted, "israel")
    new = drafted("keys", "new", "keys/israel-2.pem")[1].strip()
    edit("agreement-v2.toml", old, new)
    verify = ("agreement", "verify", "agreement-v2.toml", "--previous", "agreement.toml", "--json")
    words = ("agreement", "sign", "agreement-v2.toml", "--previous", "agreement.toml", "--as")
    assert drafted(*words, "azerbaijan", "--key", "keys/azerbaijan.pem")[0] == 0
    assert drafted(*words, "israel", "--key", "keys/israel-2.pem")[0] == 0
    standing = [one["standing"] for one in json.loads(drafted(*verify)[1])["signatures"]]
    assert standing == ["signed", "signed", "wrong"]
    assert drafted(*words, "israel", "--key", "keys/israel.pem")[0] == 0
    code, out, _ = drafted(*verify)
    assert (code, [one["standing"] for one in json.loads(out)["signatures"]]) == (0, ["signed"] * 3)


def test_a_partner_vouches_for_the_key_of_its_own_site(drafted):
    key = drafted("keys", "new", "site.pem")[1].strip()
    words = ("agreement", "vouch", "agreement.toml", "baku", key, "--key")
    assert drafted(*words, "keys/azerbaijan.pem") == (0, f"{key} speaks for baku: baku.vouch.dsse.json\n", "")
    found = json.loads(Path("baku.vouch.dsse.json").read_text())
    assert found["signatures"][0]["keyid"] == key_of(drafted, "azerbaijan")
    assert drafted(*words, "keys/israel.pem", "--out", "other.json") == (
        2,
        "",
        (
            "error: vouch.signature: is not made with the key of azerbaijan, to whom baku belongs\n"
            "       ask the site's partner for a new statement (`foedus agreement vouch`)\n"
        ),
    )
    assert drafted(*words, "keys/azerbaijan.pem")[0] == 3
    code, _, err = drafted(*words, "keys/azerbaijan.pem", "--not-before", "tomorrow")
    assert (code, err.splitlines()[1]) == (2, "       write it like 2026-12-01T00:00:00Z")


def test_keys(run):
    code, out, err = run("keys", "new", "a.pem")
    assert (code, err) == (0, "")
    assert re.fullmatch(r"ed25519:[0-9a-f]{64}\n", out)
    assert run("keys", "show", "a.pem") == (0, out, "")
    assert json.loads(run("keys", "show", "a.pem", "--json")[1]) == {"file": "a.pem", "key": out.strip()}
    assert run("keys", "new", "a.pem")[0] == 3


def test_as_installed(tmp_path):
    words = [sys.executable, "-m", "foedus.cli.main", "agreement", "new", str(tmp_path / "a"), "--sign"]
    assert subprocess.run(words, check=False, capture_output=True).returncode == 0
    words = [sys.executable, "-m", "foedus.cli.main", "agreement", "check", str(tmp_path / "a" / "agreement.toml")]
    found = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("caspian, version 1, is sound: 2 partners")
