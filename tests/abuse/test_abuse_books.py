"""A hub that edits its books, or tells different sites different things."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from served import Served, a_hub, serving
from typer.testing import CliRunner
from whole import Whole, script, wait_for

from chaos.proxy import Fault, Proxy
from foedus.agent.exchange import KEPT_BACK_S
from foedus.cli.main import app
from foedus.core.base.canon import canonical
from foedus.core.base.dsse import Signature
from foedus.core.base.instant import Instant, after
from foedus.core.ledger.chain import Head, SignedHead, head_of, sign_head
from foedus.core.ledger.entry import Entry, entry_from_json
from foedus.flow.books import Countersigned, countersign
from foedus.flow.recover import finish, standing
from foedus.hub.wiring import Hub, build
from foedus.wire.ledger import SealView

FORK = "the hub's other history"


def run(served: Served, *words: object, url: str = "") -> tuple[int, dict]:
    environment = {"FOEDUS_HUB": url or served.url, "FOEDUS_TOKEN": served.tokens["reader"]}
    done = CliRunner().invoke(app, [*map(str, words), "--json"], env=environment)
    return done.exit_code, json.loads(done.stdout)


def database(state: Path) -> sqlite3.Connection:
    return sqlite3.connect(state / "hub.db")


def rechain(state: Path, seq: int, change) -> None:
    """Change an entry as the operator of a hub can: in the database, with all hashes after it made anew."""
    with database(state) as db:
        rows = db.execute("SELECT seq, line FROM ledger WHERE seq >= ? ORDER BY seq", (seq,)).fetchall()
        prev = None
        for number, line in rows:
            entry = entry_from_json(json.loads(line))
            body = change(dict(entry.body)) if number == seq else entry.body
            made = Entry(
                seq=number,
                prev=prev or entry.prev,
                at=entry.at,
                kind=entry.kind,
                body=json.loads(canonical(body)),
                signatures=entry.signatures,
            )
            prev = made.hash
            db.execute("UPDATE ledger SET hash = ?, line = ? WHERE seq = ?", (made.hash, made.line(), number))
        head = head_of("caspian", made)
        db.execute("UPDATE ledger_head SET hash = ?", (head.hash,))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Whole, dict[str, Proxy]]]:
    """A hub with the real agents of both sites; between each and the hub a line that can be led elsewhere."""
    with Proxy([]) as one, Proxy([]) as other, a_hub(tmp_path) as served:
        lines = {"jerusalem": one, "baku": other}
        whole = Whole(served, tmp_path)
        try:
            for site, line in lines.items():
                line.aim([served.url])
                whole.join(site, line.url, poll_s=1)
            yield whole, lines
        finally:
            for site in whole.sites.values():
                site.stop()


def lead(line: Proxy, url: str) -> None:
    """Lead a line to another hub, at once."""
    line.aim([url])
    line.fault = Fault.CUT
    line.fault = Fault.NONE


def sealed(whole: Whole, site: str) -> dict:
    return json.loads(whole.sites[site].note("sealed") or '{"seq": 0, "hash": ""}')


def newest(served: Served, url: str = "") -> tuple[int, str]:
    with served.http("reader", url) as http:
        found = http.get("/ledger/head").json()
    return found["seq"], found["hash"]


def wait_sealed(whole: Whole, site: str, url: str = "") -> None:
    """Wait until a site has sealed the newest entry."""

    def done() -> bool:
        found = sealed(whole, site)
        return (found["seq"], found["hash"]) == newest(whole.served, url)

    wait_for(done, f"{site} seals the newest entry")


@pytest.fixture
def fork(two: tuple[Whole, dict[str, Proxy]], tmp_path: Path) -> Iterator[tuple[Hub, str]]:
    """A second hub with the same key and a copy of the books as they are now: what a lying operator runs."""
    whole, _ = two
    for site in ("jerusalem", "baku"):
        wait_sealed(whole, site)
    state = tmp_path / "fork"
    settings = whole.served.settings.model_copy(update={"state": state})
    shutil.copytree(whole.served.settings.state, state, ignore=shutil.ignore_patterns("hub.db*"))
    with database(whole.served.settings.state) as here, database(state) as there:
        here.backup(there)
    hub = build(settings)
    with serving(hub) as url:
        yield hub, url


def open_project(whole: Whole, name: str, url: str = "") -> None:
    """Have something booked."""
    with whole.served.http("office", url) as http:
        body = {"id": name, "title": FORK, "sector": "cybersecurity", "lead": "noa"}
        assert http.post("/projects", json=body).status_code == 201


def test_an_edited_record_is_found_by_everybody(two: tuple[Whole, dict[str, Proxy]], tmp_path: Path):
    """Abuse 10: the operator raises what a job used, and makes all hashes and signatures of its own anew."""
    whole, _ = two
    whole.run(script("true", options="--gpus=1"))
    with whole.served.client("lead") as lead:
        wait_for(lambda: lead.ledger_gaps().sites[0].booked == 1, "it is booked")
    wait_sealed(whole, "jerusalem")
    agreement = whole.served.laid_out.agreement
    sound, kept, forged = tmp_path / "sound.jsonl", tmp_path / "head.json", tmp_path / "forged.jsonl"
    assert run(whole.served, "ledger", "export", "-o", sound)[0] == 0
    with whole.served.client("reader") as reader:
        head = reader.ledger_head()
    shown = Head(alliance=head.alliance, seq=head.seq, hash=head.hash, at=head.at)
    kept.write_bytes(SignedHead(head=shown, signature=Signature(keyid=head.keyid, sig=head.sig)).write())
    verify = ("ledger", "verify", sound, "--agreement", agreement)
    assert run(whole.served, *verify)[0] == 0

    (seq,) = [
        entry["seq"] for entry in map(json.loads, sound.read_bytes().splitlines()) if entry.get("kind") == "usage"
    ]

    def dearer(body: dict) -> dict:
        more = body["elapsed"] + 1
        figures = {"elapsed": more, "cpu_seconds": body["cpus"] * more, "gpu_seconds": {"h100": more}}
        return {**body, **figures, "started": body["submitted"]}

    rechain(whole.served.settings.state, seq, dearer)
    assert run(whole.served, "ledger", "export", "-o", forged)[0] == 0
    code, found = run(whole.served, "ledger", "verify", forged, "--agreement", agreement, "--head", kept)
    words = [fault["fault"] for fault in found["faults"]]
    assert (code, found["sound"]) == (1, False)
    assert "is not signed with a key that stands for site jerusalem, alone" in words
    assert any(one.startswith(f"entry {head.seq} is not the one whose head you hold") for one in words)

    code, seals = run(whole.served, "ledger", "seals")
    assert (code, {one["agrees"] for one in seals["seals"]}) == (1, {False})
    open_project(whole, "after")  # the books go on, and the sites do not
    for site in whole.sites.values():
        alarm = wait_for(lambda site=site: site.note("alarm"), "the alarm")
        assert "two heads with number" in alarm or "does not follow from the entry before it" in alarm


def test_two_histories_for_two_sites(two: tuple[Whole, dict[str, Proxy]], fork: tuple[Hub, str]):
    """Abuse 11: the hub shows Baku another ledger than Jerusalem. One look at each other's seals is enough."""
    whole, lines = two
    _, other = fork
    lead(lines["baku"], other)
    open_project(whole, "here")
    open_project(whole, "there", other)
    wait_sealed(whole, "jerusalem")
    wait_sealed(whole, "baku", other)
    assert sealed(whole, "jerusalem")["seq"] == sealed(whole, "baku")["seq"]
    assert [whole.sites[site].note("alarm") for site in whole.sites] == ["", ""]

    seal = sealed(whole, "baku")
    with database(whole.served.settings.state) as db, database(fork[0].settings.state) as there:
        its = "SELECT * FROM seals WHERE site = 'baku' AND seq = ?"
        # a site writes down that it has sealed, and sends the seal then
        row = wait_for(lambda: there.execute(its, (seal["seq"],)).fetchone(), "the other hub has Baku's seal")
        db.execute("INSERT INTO seals VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # somebody passes Baku's seal on
    open_project(whole, "next")

    jerusalem = whole.sites["jerusalem"]
    alarm = wait_for(lambda: jerusalem.note("alarm"), "Jerusalem raises the alarm")
    mine = json.loads(jerusalem.note("sealed"))
    words = f"baku has sealed entry {seal['seq']} as {seal['hash']}, and here it is {mine['hash']}"
    assert alarm.endswith(words)
    evidence = json.loads(jerusalem.note("evidence"))
    assert (evidence["shown"]["seq"], json.loads(evidence["sealed"])) == (mine["seq"] + 1, mine)
    assert sealed(whole, "jerusalem") == mine  # it seals nothing of that any more
    code, found = run(whole.served, "ledger", "seals")
    assert (code, {one["site"]: one["agrees"] for one in found["seals"]}) == (1, {"baku": False, "jerusalem": True})
    page = httpx2.get(f"{whole.served.url}/metrics", trust_env=False).text
    (family,) = [one for one in text_string_to_metric_families(page) if one.name == "foedus_ledger_seal_contradicts"]
    assert {sample.labels["site"]: sample.value for sample in family.samples} == {"baku": 1, "jerusalem": 0}


def led_astray(two: tuple[Whole, dict[str, Proxy]], fork: tuple[Hub, str]) -> dict:
    """Show Baku alone an entry that the common hub does not have; return what it has sealed then."""
    whole, lines = two
    _, other = fork
    lead(lines["baku"], other)
    open_project(whole, "there", other)
    wait_sealed(whole, "baku", other)
    return sealed(whole, "baku")


def test_a_site_that_comes_back_from_the_other_history_brings_the_proof(
    two: tuple[Whole, dict[str, Proxy]], fork: tuple[Hub, str]
):
    """Abuse 11: Baku alone was shown more; back at the common hub it says so, and all the others hear of it."""
    whole, lines = two
    far = led_astray(two, fork)
    for number in range(2):
        open_project(whole, f"here-{number}")
    lead(lines["baku"], whole.served.url)
    wait_for(lambda: whole.sites["baku"].note("alarm"), "Baku raises the alarm", 90)
    words = "does not follow from the entry before it"
    assert words in whole.sites["baku"].note("alarm")
    wait_for(lambda: run(whole.served, "ledger", "seals")[0] == 1, "the hub has the proof")
    open_project(whole, "here-2")
    alarm = wait_for(lambda: whole.sites["jerusalem"].note("alarm"), "Jerusalem hears of it")
    assert f"baku has sealed entry {far['seq']} as {far['hash']}, and here it is " in alarm


def test_a_hub_that_lost_entries_learns_them_back_from_a_site_and_nobody_is_alarmed(
    two: tuple[Whole, dict[str, Proxy]], fork: tuple[Hub, str]
):
    """Abuse 11: what looks like the other history is the rest of this one. The hub adds nothing before it has it."""
    whole, lines = two
    far = led_astray(two, fork)
    lead(lines["baku"], whole.served.url)

    def ready() -> bool:
        with whole.served.hub.store.read() as tx:
            found = standing(tx)
        return found is not None and not (found.missing or found.faults)

    wait_for(ready, "both sites have told what they have", 90)
    hub = whole.served.hub
    assert hub.write(lambda tx: finish(tx, (), hub.clock.now())) == 0
    assert newest(whole.served) == (far["seq"], far["hash"])
    for site in whole.sites:
        wait_sealed(whole, site)
    assert [whole.sites[site].note("alarm") for site in whole.sites] == ["", ""]


def test_seals_that_are_kept_back_are_missed(whole: Whole):
    """Abuse 11: the hub keeps a site's seals to itself, and cannot keep its records back without being noticed."""
    site = whole.sites["jerusalem"]
    context = site.agent.context
    (step,) = [loop.step for loop in site.agent.loops if loop.name == "heads"]
    exchange = step.__self__.exchange
    whole.served.agent("baku")
    wait_for(
        lambda: "baku" in json.loads(site.note("site-keys") or '{"standing": {}}')["standing"].values(), "the keys"
    )
    exchange._unsealed["baku"] = [(10**9, Instant(after(context.clock.now(), -KEPT_BACK_S - 1)))]
    exchange._notice_kept_back()
    (words,) = [text for name, text in context.trouble.items() if name == "seals of baku"]
    assert words.startswith("baku reports and is not shown to seal anything since 20")
    exchange._unsealed["baku"] = []
    exchange._notice_kept_back()
    assert "seals of baku" not in context.trouble


def test_a_site_cannot_cry_wolf(whole: Whole):
    """Abuse 11: a site seals what nobody showed it, so that the others take the hub for a liar."""
    hub, key = whole.served.hub, whole.sites["jerusalem"].folder.key()
    head = Head(alliance="caspian", seq=2, hash="ab" * 32, at=Instant(0))
    view = SealView(site="jerusalem", seq=2, hash=head.hash, at=head.at, keyid=key.key, sig=sign_head(key, head).sig)
    for hub_sig in ("", view.sig, "AAAA"):
        made = view.model_copy(update={"hub_sig": hub_sig})
        with hub.store.begin() as tx:
            found = countersign(tx, "jerusalem", made, hub_keys=hub.keys.all(), verify=hub.verify)
        assert found is Countersigned.REFUSED
