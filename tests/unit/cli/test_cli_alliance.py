import csv
import json

import httpx2
import pyarrow.parquet
import pytest
from wire_hub import HOUR, NOW

from foedus.cli.exits import Exit
from foedus.core.agreement.revocation import Revocation, make
from foedus.keys import ed25519
from foedus.wire.agents import CodeReply, RevocationReply
from foedus.wire.alliance import (
    AgreementView,
    NewTokenView,
    ProjectList,
    ProjectView,
    SiteList,
    TokenList,
    UserList,
    UserView,
)
from foedus.wire.ledger import BalanceView, SignedHead

KEY = "ed25519:" + "a" * 64
PROJECT = ProjectView(
    id="traffic",
    title="Traffic\x1b[2J",
    sector="mobility",
    opened=NOW - HOUR,
    granted=36_000,
    used=5400,
    reserved=3600,
    members=[{"user": "dana", "partner": "israel", "role": "lead"}],
)
DANA = UserView(id="dana", partner="israel", name="Dana", role="user", created=NOW - HOUR)
TOKEN = {
    "id": "t1",
    "user": "dana",
    "scope": "submit",
    "project": None,
    "label": "ci",
    "created": NOW,
    "expires": NOW + 24 * HOUR,
    "used": None,
    "revoked": None,
}
SITE = {
    "id": "baku",
    "partner": "azerbaijan",
    "title": {"en": "Baku"},
    "country": "AZ",
    "gpus": 16,
    "gpu_models": ["a100"],
    "pledge_gpu_seconds": 3_600_000,
    "pledge_period": "month",
    "enrolled": True,
    "draining": False,
    "seen": NOW - 5000,
    "reachable": True,
    "capacity": {
        "owner": {"name": "own", "free": [{"count": 2, "cpus": 8, "memory": 1, "gpus": 4}], "whole": []},
        "guest": {"name": "guest", "free": [], "whole": [], "open": False},
    },
    "running": 3,
    "waiting": 1,
}
BALANCE = BalanceView(
    alliance="caspian",
    seq=17,
    at=NOW - HOUR,
    lines=[
        {
            "partner": "israel",
            "period": "2026-11",
            "pledged": 360_000,
            "own": 1800,
            "gave": 7200,
            "took": 3601,
            "by_model": {"a100": 7200},
        }
    ],
)
HEAD = SignedHead(alliance="caspian", seq=17, hash="0" * 64, at=NOW - HOUR, keyid="k", sig="s")


def test_projects_are_listed_with_their_budgets_in_hours(foedus, hub):
    hub.routes["GET /projects"] = ProjectList(projects=[PROJECT])
    lines = foedus("project", "list").stdout.splitlines()
    assert lines[1].split() == "traffic Traffic\\x1b[2J mobility 1 10 h 1.5 h 1 h 7.5 h".split()  # noqa: SIM905 - as it is read


@pytest.mark.parametrize(
    ("words", "route", "body"),
    [
        (
            ["create", "traffic", "--title", "T", "--sector", "mobility", "--lead", "dana"],
            "POST /projects",
            {"id": "traffic", "title": "T", "sector": "mobility", "lead": "dana"},
        ),
        (
            ["grant", "traffic", "100", "--reason", "call 3"],
            "POST /projects/traffic/allocations",
            {"gpu_hours": 100, "reason": "call 3"},
        ),
        (
            ["grant", "traffic", "--", "-5"],
            "POST /projects/traffic/allocations",
            {"gpu_hours": -5, "reason": ""},
        ),
        (
            ["add-member", "traffic", "eli", "--role", "lead"],
            "PUT /projects/traffic/members",
            {"user": "eli", "role": "lead"},
        ),
    ],
)
def test_projects_are_changed(foedus, hub, words, route, body):
    hub.routes[route] = PROJECT
    done = foedus("project", *words)
    assert (done.exit_code, hub.body()) == (0, body)
    assert "GPU-hours: 10 h granted, 1.5 h used, 1 h reserved by jobs that live, 7.5 h left" in done.stdout
    assert json.loads(foedus("project", *words[:1], "--json", *words[1:]).stdout) == PROJECT.model_dump(mode="json")


def test_a_role_that_does_not_exist_is_refused_before_it_is_sent(foedus, hub):
    done = foedus("project", "add-member", "traffic", "eli", "--role", "king")
    assert (done.exit_code, hub.asked) == (Exit.USAGE, [])
    assert done.stderr.startswith("error: role: is not 'lead' or 'member'\n")


def test_people_are_added_and_listed(foedus, hub):
    hub.routes["POST /users"] = DANA
    hub.routes["GET /users"] = UserList(users=[DANA])
    assert foedus("user", "add", "dana", "--partner", "israel", "--name", "Dana").stdout == "dana of israel, user\n"
    assert hub.body() == {"id": "dana", "partner": "israel", "name": "Dana", "role": "user"}
    assert foedus("user", "list").stdout.splitlines()[1].startswith("dana  Dana  israel   user  1 h ago")
    assert json.loads(foedus("user", "list", "--json").stdout) == {"users": [DANA.model_dump(mode="json")]}


def test_a_new_token_is_alone_on_standard_output(foedus, hub):
    hub.routes["POST /tokens"] = NewTokenView.model_validate({**TOKEN, "token": "fdt_secret"})
    done = foedus("token", "create", "--label", "ci", "--days", "5")
    assert done.stdout == "fdt_secret\n"
    assert done.stderr.startswith("token t1 for dana, may submit, until 2026-")
    assert hub.body() == {"user": None, "scope": "submit", "project": None, "days": 5, "label": "ci"}


def test_tokens_are_listed_and_revoked(foedus, hub):
    hub.routes["GET /tokens"] = TokenList.model_validate(
        {"tokens": [TOKEN, {**TOKEN, "id": "t0", "revoked": NOW - HOUR}]}
    )
    hub.routes["DELETE /tokens/t1"] = httpx2.Response(204)
    lines = foedus("token", "list").stdout.splitlines()
    assert "in 1 d" in lines[1]
    assert "revoked 1 h ago" in lines[2]
    assert foedus("token", "revoke", "t1").stdout == "token t1 is revoked\n"


def test_sites_say_what_can_start_now(foedus, hub):
    hub.routes["GET /sites"] = SiteList.model_validate(
        {
            "sites": [
                SITE,
                {**SITE, "id": "jerusalem", "enrolled": False, "reachable": False, "capacity": None, "seen": None},
                {**SITE, "id": "c", "reachable": False},
                {**SITE, "id": "d", "draining": True},
            ]
        }
    )
    lines = foedus("sites").stdout.splitlines()
    assert "owners: 8 GPUs, 16 CPUs; guests: closed" in lines[1]
    assert "1000 h per month" in lines[1]
    assert "  5 s ago" in lines[1]
    states = ["up", "not enrolled", "unreachable", "draining"]
    assert [state in line for state, line in zip(states, lines[1:], strict=True)] == [True] * 4


def test_an_enrolment_code_is_alone_on_standard_output(foedus, hub):
    hub.routes["POST /agents/codes"] = CodeReply(code="abc-def", site="baku", expires=NOW + HOUR)
    done = foedus("site", "code", "baku")
    assert (done.stdout, hub.body()) == ("abc-def\n", {"site": "baku"})
    assert "(in 1 h)" in done.stderr


def test_a_sites_key_is_revoked(foedus, hub):
    hub.routes["POST /agents/baku/revocation"] = RevocationReply(site="baku", key=KEY, entry=None)
    done = foedus("site", "revoke", "baku")
    assert (done.exit_code, done.stdout) == (0, f"the hub takes nothing signed with {KEY} any more\n")
    assert "a new code lets the same key enrol again" in done.stderr
    assert hub.body() == {"statement": None, "requeue": False}


@pytest.mark.parametrize("given", [None, "ed25519:" + "b" * 64])
def test_a_sites_key_is_revoked_for_good_with_its_partners_key(foedus, hub, tmp_path, given):
    partner = ed25519.make()
    ed25519.save(partner, tmp_path / "partner.key")
    hub.routes["GET /sites"] = SiteList.model_validate({"sites": [{**SITE, "id": "jerusalem"}, {**SITE, "key": KEY}]})
    hub.routes["GET /agreement"] = AgreementView(
        id="caspian", version=1, digest="0" * 64, text="", signatures={}, entry=1
    )
    hub.routes["POST /agents/baku/revocation"] = RevocationReply(site="baku", key=given or KEY, entry=12)
    options = ["--reason", "the machine was stolen", *(["--site-key", given] if given else [])]
    done = foedus("site", "revoke", "baku", "--partner-key", str(tmp_path / "partner.key"), *options)
    assert done.exit_code == 0, done.stderr
    assert "ledger entry 12 says so, for good" in done.stderr
    said = Revocation(alliance="caspian", site="baku", key=given or KEY, reason="the machine was stolen")
    assert hub.body() == {"statement": make(partner, said).json(), "requeue": False}


def test_a_key_to_revoke_has_to_be_there(foedus, hub, tmp_path):
    ed25519.save(ed25519.make(), tmp_path / "partner.key")
    hub.routes["GET /sites"] = SiteList.model_validate({"sites": [SITE]})
    done = foedus("site", "revoke", "baku", "--partner-key", str(tmp_path / "partner.key"))
    assert (done.exit_code, "site baku has no key now" in done.stderr) == (Exit.NOT_FOUND, True)
    done = foedus("site", "revoke", "baku", "--reason", "lost")
    assert (done.exit_code, "--partner-key: is missing" in done.stderr) == (Exit.USAGE, True)


def test_the_balance_is_shown_in_hours_and_written_in_seconds(foedus, hub, tmp_path):
    hub.routes["GET /balance"] = BALANCE
    done = foedus("balance", "--period", "2026-11", "--csv", "b.csv", "--parquet", "b.parquet")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("caspian, in GPU-hours: from the ledger up to entry 17, booked 2026-")
    assert lines[2].split() == "2026-11 israel 100 0.5 2 1.0003 0.9997 a100 2".split()  # noqa: SIM905 - as it is read
    assert str(hub.asked[-1].url.query, "ascii") == "period=2026-11"
    with (tmp_path / "b.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    figures = {"pledged": 360_000, "own": 1800, "gave": 7200, "took": 3601, "net": 3599}
    words = {"alliance": "caspian", "period": "2026-11", "partner": "israel"}
    assert row == {**words, **{name: str(value) for name, value in figures.items()}, "gave_by_model": '{"a100":7200}'}
    (found,) = pyarrow.parquet.read_table(tmp_path / "b.parquet").to_pylist()
    assert found == {**words, **figures, "gave_by_model": [("a100", 7200)]}
    assert json.loads(foedus("balance", "--json").stdout) == BALANCE.model_dump(mode="json")


def test_the_head_can_be_kept(foedus, hub):
    hub.routes["GET /ledger/head"] = HEAD
    assert json.loads(foedus("ledger", "head", "--json").stdout) == HEAD.model_dump(mode="json")
    assert foedus("ledger", "head").stdout.startswith(f"caspian: entry 17, {'0' * 64}, booked 2026-")


def test_the_book_is_exported_to_a_file_or_a_pipe(foedus, hub, tmp_path):
    hub.routes["GET /ledger/export"] = [httpx2.Response(200, content=b'{"a":1}\n') for _ in range(2)]
    done = foedus("ledger", "export", "-o", "book.jsonl")
    assert (done.stdout, done.stderr) == ("", "wrote book.jsonl\n")
    assert (tmp_path / "book.jsonl").read_bytes() == b'{"a":1}\n'
    assert foedus("ledger", "export").stdout_bytes == b'{"a":1}\n'


def test_a_script_is_told_which_file_was_written(foedus, hub):
    hub.routes["GET /ledger/export"] = httpx2.Response(200, content=b"")
    done = foedus("ledger", "export", "--format", "csv", "-o", "usage.csv", "--json")
    assert json.loads(done.stdout) == {"file": "usage.csv", "format": "csv"}
    refused = foedus("ledger", "export", "--format", "csv", "--json")
    assert [fault["path"] for fault in json.loads(refused.stdout)["faults"]] == ["--output"]


@pytest.mark.parametrize(("to", "begins"), [("csv", b"entry,booked,"), ("ogf-ur", b"<?xml"), ("parquet", b"PAR1")])
def test_usage_records_are_exported_for_other_programs(foedus, hub, to, begins):
    hub.routes["GET /ledger/export"] = httpx2.Response(200, content=b"")
    done = foedus("ledger", "export", "--format", to)
    assert (done.exit_code, done.stdout_bytes[: len(begins)]) == (0, begins)
