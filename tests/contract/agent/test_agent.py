import time

import pytest
from agent_hub import usage_of

from foedus.client.bundle import pack, read_manifest, read_piece, unpack
from foedus.core.base.dsse import Signature, signed_by
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.state import AttemptState, Outcome
from foedus.core.ledger.chain import Head, head_of, head_signed_by
from foedus.core.ledger.entry import Kind, payload, payload_type
from foedus.core.ledger.plausible import implausible
from foedus.core.ledger.usage_json import usage_from_body
from foedus.keys import ed25519
from foedus.process.clock import SystemClock
from waiting import until_there


class WrongClock:
    """A clock that is some milliseconds ahead."""

    ahead = 0

    def now(self):
        return SystemClock().now() + self.ahead


def test_a_job_runs_is_reported_metered_and_its_output_passed_on(hub, run, order, tmp_path):
    run()
    hub.order(order("1", "echo hello\necho oops >&2\nexit 3", overrides=("--error=err.txt",)))

    item = hub.wait_state("1", "ended")

    assert (item.outcome, item.exit_code, item.signal) == (Outcome.FAILED, 3, 0)
    assert hub.log("1") == b"hello\n"
    assert hub.log("1", stream="stderr") == b"oops\n"
    hub.wait(lambda: hub.usages)
    usage = hub.usages["1", 1]
    assert usage.keyid == hub.site_key
    assert signed_by(
        ed25519.verify,
        hub.site_key,
        payload_type(Kind.USAGE),
        payload(Kind.USAGE, usage.body),
        [Signature(keyid=usage.keyid, sig=usage.sig)],
    )
    record = usage_from_body(usage_of(hub, "1"))
    assert (record.site, record.site_partner, record.user, record.attempt) == ("jerusalem", "israel", "dana", 1)
    assert implausible(record, int(time.time() * 1000)) == ()
    assert [state for job, _, state in hub.history if job == "1"][-1] is AttemptState.ENDED
    assert (tmp_path / "work" / "transit" / "1" / "1").stat().st_mode & 0o777 == 0o700


def test_the_first_byte_comes_while_the_job_runs(hub, run, order):
    run()
    hub.order(order("1", "echo early\nsleep 60"))

    hub.wait_state("1", "running")
    since = time.monotonic()
    hub.wait(lambda: hub.log("1") == b"early\n")

    assert time.monotonic() - since < 3
    hub.stop("1", 1, StopReason.CANCEL)
    assert hub.wait_state("1", "ended").outcome is Outcome.CANCELLED


def test_capacity_comes_first_and_full_boards_follow_a_greeting(hub, run):
    run()

    hub.wait(lambda: hub.reports)

    assert hub.reports[0].full
    assert hub.reports[0].capacity is not None
    assert hub.reports[0].capacity.owner.free


def test_a_clock_that_is_set_back_keeps_nothing_from_being_said(hub, run):
    agent = run().agent
    clock = WrongClock()
    agent.context.clock = clock

    def measured():
        return sum(report.capacity is not None for report in hub.reports)

    clock.ahead = 3_600_000
    now = measured()
    hub.wait(lambda: measured() > now + 1)
    clock.ahead = 0
    now = measured()

    hub.wait(lambda: measured() > now + 1)


def test_local_policy_has_the_last_word(hub, run, order, tmp_path):
    run()
    hub.order(order("1", "#!/bin/sh\n#FOEDUS --purpose=pretrain\ntrue"))

    item = hub.wait_state("1", "returned")

    assert item.policy == ["no-pretraining"]
    assert item.final
    assert item.reason == "the site's policy forbids it: no-pretraining"
    assert not (tmp_path / "work").exists()
    assert hub.usages == {}


def test_a_broken_policy_file_lets_nothing_run(hub, run, order, tmp_path):
    run()
    (tmp_path / "site.cedar").write_text("permit (principal, action, resource) when { context.nothing };")
    hub.order(order("1", "true"))

    item = hub.wait_state("1", "returned")

    assert item.reason.startswith("the site's policy could not be evaluated")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"user": "nobody-here"}, "the site has no account for nobody-here of israel in project transit"),
        ({"user_partner": "azerbaijan"}, "the order says guest where the agreement says owner, or the other way round"),
        ({"project": "../../etc"}, "the order is malformed"),
        ({"agreement_version": 7}, "this site has not accepted version 7 of the agreement"),
    ],
)
def test_an_order_that_does_not_hold_here_goes_back(hub, run, order, more, reason):
    run()
    hub.order(order("1", "true", **more))

    item = hub.wait_state("1", "returned")

    assert item.reason.startswith(reason)


def test_an_order_that_says_less_than_its_script_goes_back(hub, run, order):
    from dataclasses import replace

    whole = order("1", "#!/bin/sh\n#SBATCH --cpus-per-task=64\ntrue")
    lying = whole.model_copy(update={"spec": replace(whole.spec, resources=order("2", "true").spec.resources)})
    run()
    hub.order(lying)

    assert hub.wait_state("1", "returned").reason == "the script says something else than the order about resources"


def test_what_the_scheduler_refuses_goes_back_with_its_words(hub, run, order):
    run()
    hub.order(order("1", "#!/bin/sh\n#SBATCH --cpus-per-task=60000\ntrue"))

    item = hub.wait_state("1", "returned")

    assert item.final
    assert item.reason
    assert hub.usages == {}


def test_a_bundle_is_unpacked_and_outputs_come_back(hub, run, order, tmp_path):
    (tmp_path / "here" / "data").mkdir(parents=True)
    (tmp_path / "here" / "data" / "x.txt").write_text("41\n")
    packed = pack(tmp_path / "here", ["."])
    hub.pieces = {piece: read_piece(packed, piece) for piece in packed.pieces}
    run()
    script = """#!/bin/sh
#FOEDUS --output=out/*.txt
#FOEDUS --output=absent
mkdir out
ln -s /etc/passwd out/bad.txt
: > "$(printf 'out/\\377.txt')"
sed s/41/42/ data/x.txt > out/y.txt
"""
    hub.order(order("1", script, bundle=packed.manifest.digest))

    item = hub.wait_state("1", "ended")

    assert (item.outcome, item.exit_code) == (Outcome.COMPLETED, 0)
    manifest = read_manifest(hub.pieces[item.outputs], item.outputs)
    (tmp_path / "back").mkdir()
    unpack(manifest, hub.pieces.__getitem__, tmp_path / "back")
    assert {path.name: path.read_text() for path in (tmp_path / "back" / "out").iterdir()} == {"y.txt": "42\n"}
    assert "no file matches the declared output absent" in item.reason
    assert "out/bad.txt" in item.reason
    assert r"out/\xff.txt" in item.reason


def test_an_attempt_that_cannot_be_prepared_holds_up_no_other(hub, run, order, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "x").write_text("x")
    packed = pack(tmp_path / "here", ["."])
    hub.pieces = {piece: read_piece(packed, piece) for piece in packed.pieces}
    hub.denied = set(hub.pieces)
    run()
    hub.order(order("1", "cat x", bundle=packed.manifest.digest), order("2", "true"))

    assert hub.wait_state("2", "ended").outcome is Outcome.COMPLETED
    assert hub.state("1") is None
    hub.denied = set()
    assert hub.wait_state("1", "ended").outcome is Outcome.COMPLETED


def test_a_bundle_that_is_not_there_sends_the_order_back(hub, run, order):
    run()
    hub.order(order("1", "true", bundle="0" * 64))

    assert hub.wait_state("1", "returned").reason.startswith("the bundle cannot be used")


def test_output_over_the_cap_is_cut_and_says_so(hub, run, order):
    run(log_cap_mib=1)
    hub.order(order("1", "head -c 3000000 /dev/zero | tr '\\0' x"))

    hub.wait_state("1", "ended")

    assert hub.log("1") == b"x" * 1024 * 1024
    assert ("1", 1, "stdout") in hub.truncated


def one_cpu(tmp_path):
    nodes = [{"cpus": 1, "memory_mib": 512}]
    return {"kind": "local", "state": str(tmp_path / "one-cpu"), "nodes": nodes, "grace": 1}


def test_a_cancel_of_what_waits_ends_it_with_an_empty_record(hub, run, order, settings, tmp_path):
    run(table=one_cpu(tmp_path))
    hub.order(order("1", "sleep 60"))
    hub.wait_state("1", "running")
    hub.order(order("2", "true"))
    hub.wait_state("2", "starting")

    hub.stop("2", 1, StopReason.CANCEL)

    assert hub.wait_state("2", "ended").outcome is Outcome.CANCELLED
    hub.wait(lambda: ("2", 1) in hub.usages)
    assert (usage_of(hub, "2")["elapsed"], usage_of(hub, "2")["started"]) == (0, None)
    hub.stop("1", 1, StopReason.CANCEL)
    hub.wait_state("1", "ended")


def test_a_recall_takes_back_what_waits_and_leaves_what_runs(hub, run, order, tmp_path):
    run(table=one_cpu(tmp_path))
    hub.order(order("1", until_there(tmp_path / "go")))
    hub.wait_state("1", "running")
    hub.order(order("2", "true"))
    hub.wait_state("2", "starting")

    hub.stop("1", 1, StopReason.RECALL)
    hub.stop("2", 1, StopReason.RECALL)

    item = hub.wait_state("2", "returned")
    assert (item.final, item.reason) == (False, "recalled before it ran")
    (tmp_path / "go").touch()
    hub.wait(lambda: ("2", 1) in hub.usages)
    assert usage_of(hub, "2")["elapsed"] == 0
    assert hub.wait_state("1", "ended").outcome is Outcome.COMPLETED


def test_draining_gives_new_orders_back_and_lets_the_old_ones_end(hub, run, order, until, enrolled):
    from foedus.agent.desk import look, set_flag

    agent = run()
    hub.order(order("1", "sleep 2"))
    hub.wait_state("1", "running")
    set_flag(enrolled, "draining", on=True)
    until(lambda: agent.agent.context.flags.draining)
    hub.order(order("2", "true"))

    item = hub.wait_state("2", "returned")

    assert (item.final, item.reason) == (False, "the site is draining")
    assert hub.wait_state("1", "ended").outcome is Outcome.COMPLETED
    hub.wait(lambda: hub.reports[-1].draining)
    view = look(enrolled)
    assert (view.running, view.draining, view.severed, view.alarm) == (True, True, False, "")
    set_flag(enrolled, "draining", on=False)
    until(lambda: not agent.agent.context.flags.draining)
    hub.order(order("3", "true"))
    hub.wait_state("3", "ended")


def test_a_severed_site_is_silent_until_it_rejoins_and_then_tells_all(hub, run, order, until, enrolled, tmp_path):  # noqa: PLR0917
    from foedus.agent.desk import set_flag

    agent = run()
    hub.order(order("1", f"{until_there(tmp_path / 'go')}; echo late"))
    hub.wait_state("1", "running")
    set_flag(enrolled, "severed", on=True)
    until(lambda: agent.agent.context.flags.severed)
    time.sleep(0.3)
    calls = len(hub.calls)
    hub.order(order("2", "true"))
    (tmp_path / "go").touch()
    until(lambda: agent.journal.row("1", 1).step == "ended")
    time.sleep(1)

    assert len(hub.calls) == calls
    assert agent.journal.row("2", 1) is None
    set_flag(enrolled, "severed", on=False)
    assert hub.wait_state("1", "ended").outcome is Outcome.COMPLETED
    assert hub.log("1") == b"late\n"
    hub.wait_state("2", "ended")
    assert hub.epoch == 3


def test_when_the_hub_is_gone_jobs_go_on_and_are_reported_later(hub, run, order, until, tmp_path):
    agent = run()
    hub.order(order("1", f"{until_there(tmp_path / 'go')}; echo late"))
    hub.wait_state("1", "running")
    hub.down = True
    (tmp_path / "go").touch()
    until(lambda: agent.journal.row("1", 1).step == "ended")
    hub.down = False

    assert hub.wait_state("1", "ended").outcome is Outcome.COMPLETED
    assert hub.log("1") == b"late\n"


def test_an_agent_that_was_superseded_stops(hub, run, until):
    from foedus.core.base.errors import Stale

    agent = run()
    hub.wait(lambda: hub.reports)
    with hub.lock:
        hub.epoch += 1

    until(lambda: not agent.thread.is_alive())

    assert isinstance(agent.error, Stale)


def test_a_refused_signature_is_shown_and_overcome(hub, run, order, until):
    agent = run()
    hub.wait(lambda: hub.reports)
    hub.refuse_code = "not-authenticated"

    until(lambda: "the clock is off by 500 s" in str(agent.agent.context.trouble))

    hub.refuse_code = ""
    hub.order(order("1", "true"))
    hub.wait_state("1", "ended")


def test_heads_that_follow_are_sealed_and_others_never(hub, run, until):
    agent = run()
    hub.wait(lambda: hub.seals)
    hub.book({"n": 2})
    hub.book({"n": 3})
    hub.wait(lambda: hub.seals[-1].seq == 3)
    seal = hub.seals[-1]
    assert head_signed_by(
        ed25519.verify,
        hub.site_key,
        Head(alliance="pact", seq=3, hash=seal.hash, at=seal.at),
        Signature(keyid=seal.keyid, sig=seal.sig),
    )

    with hub.lock:
        from foedus.core.ledger.chain import append

        forged = append(head_of("pact", hub.entries[0]), kind=Kind.USAGE, body={"n": 99}, signatures=(), at=seal.at)
        later = append(head_of("pact", forged), kind=Kind.USAGE, body={"n": 100}, signatures=(), at=seal.at)
        last = append(head_of("pact", later), kind=Kind.USAGE, body={"n": 101}, signatures=(), at=seal.at)
        hub.entries = [hub.entries[0], forged, later, last]
        hub.shown = hub.signed(head_of("pact", last))

    alarm = until(lambda: agent.journal.note("alarm"))
    assert "does not follow" in alarm
    time.sleep(0.5)
    assert max(one.seq for one in hub.seals) == 3


def test_two_heads_with_one_number_raise_the_alarm(hub, run, until):
    agent = run()
    hub.wait(lambda: hub.seals)
    with hub.lock:
        from dataclasses import replace

        hub.shown = hub.signed(replace(hub.head, hash="f" * 64))

    assert "two heads with number 1" in until(lambda: agent.journal.note("alarm"))
    assert {one.hash for one in hub.seals} == {hub.head.hash}


def test_a_hub_that_goes_on_showing_less_after_the_proof_raises_the_alarm(hub, run, until):
    agent = run()
    hub.wait(lambda: hub.seals)
    hub.book({"n": 2})
    hub.wait(lambda: hub.seals[-1].seq == 2)
    with hub.lock:
        whole, hub.entries = hub.shown, hub.entries[:1]
        hub.shown = hub.signed(head_of("pact", hub.entries[0]))

    hub.wait(lambda: hub.proofs == [whole])
    alarm = until(lambda: agent.journal.note("alarm"))
    assert alarm.endswith("the ledger ends at entry 1, and entry 2 was sealed: entries have vanished")
    hub.wait(lambda: hub.seals[-1].hub_sig == whole.sig)
    assert (hub.seals[-1].seq, hub.seals[-1].hash) == (2, whole.hash)


def test_a_new_agreement_is_taken_when_all_partners_signed_it(hub, run, order):
    agent = run()
    hub.wait(lambda: hub.reports)
    hub.amend()
    hub.order(order("1", "true", agreement_version=2))

    hub.wait_state("1", "ended")

    assert agent.agent.context.agreement.version == 2
    assert usage_of(hub, "1")["agreement_version"] == 2


def test_an_agreement_with_another_partners_key_is_not_taken(hub, run, order, until):
    agent = run()
    hub.wait(lambda: hub.reports)
    hub.amend()
    hub.keys["azerbaijan"] = ed25519.make()
    hub.order(order("1", "true", agreement_version=2))

    assert hub.wait_state("1", "returned").reason == "this site has not accepted version 2 of the agreement"
    assert "an agreement was not accepted" in agent.journal.note("alarm")
    assert agent.agent.context.agreement.version == 1


def test_a_second_agent_with_the_same_folder_is_refused(hub, run):
    from foedus.core.base.errors import Conflict

    run()
    with pytest.raises(Conflict, match="another agent already runs"):
        run()


def test_a_restart_in_the_middle_loses_and_doubles_nothing(hub, run, order, tmp_path):
    agent = run()
    for number in range(5):
        hub.order(order(str(number + 1), f"mkdir {tmp_path}/once-{number} && sleep 1"))
    hub.wait_state("3", "running")
    agent.stop()
    run.release()
    run()

    for number in range(5):
        item = hub.wait_state(str(number + 1), "ended", seconds=40)
        assert (item.outcome, item.exit_code) == (Outcome.COMPLETED, 0)
    hub.wait(lambda: len(hub.usages) == 5)
    assert set(hub.usage_count.values()) == {1}


def test_a_lost_journal_is_made_up_from_the_hubs_board(hub, run, order, tmp_path, enrolled):
    agent = run()
    hub.order(order("1", f"mkdir {tmp_path}/once && sleep 2 && echo end"))
    hub.wait_state("1", "running")
    agent.stop()
    run.release()
    for file in enrolled.path.glob("journal.sqlite*"):
        file.unlink()
    run()

    item = hub.wait_state("1", "ended")

    assert (item.outcome, item.exit_code) == (Outcome.COMPLETED, 0)
    assert hub.log("1") == b"end\n"
    assert hub.usage_count == {("1", 1): 1}


def test_a_journal_lost_before_the_hub_heard_starts_nothing_twice(  # noqa: PLR0917
    hub, run, order, tmp_path, enrolled, until
):
    agent = run()
    hub.wait(lambda: hub.reports)
    hub.order(order("1", f"mkdir {tmp_path}/once && sleep 2"))
    until(lambda: (row := agent.journal.row("1", 1)) is not None and row.step in {"handed", "running"})
    agent.stop()
    with hub.lock:
        hub.statuses.clear()
    run.release()
    for file in enrolled.path.glob("journal.sqlite*"):
        file.unlink()
    run()

    item = hub.wait_state("1", "ended")

    assert (item.outcome, item.exit_code) == (Outcome.COMPLETED, 0)
    assert hub.usage_count == {("1", 1): 1}
