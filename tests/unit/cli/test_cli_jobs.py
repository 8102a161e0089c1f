import json

import httpx2
import pytest
from wire_hub import HOUR, NOW, job

from foedus.cli.exits import Exit
from foedus.core.base.canon import sha256
from foedus.wire.alliance import UserView, WhoView
from foedus.wire.files import FileEntry, Manifest
from foedus.wire.jobs import CancelReply, JobPage, StatusReply, WhyView

ME = WhoView(
    user=UserView(id="dana", partner="israel", name="Dana", role="user", created=NOW),
    scope="submit",
    project=None,
    projects=[{"project": "traffic", "role": "lead"}],
)


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_status_shows_jobs_and_names_those_that_are_absent(foedus, hub):
    hub.routes["POST /jobs/status"] = StatusReply(jobs=[job(reason="runs")], absent=["7"])
    done = foedus("status", "1042", "7")
    assert (done.exit_code, done.stderr) == (Exit.NOT_FOUND, "error: no job 7\n")
    line = ["1042", "train", "dana", "traffic", "running", "baku", "(guest)", "2", "01:00:00"]
    assert rows(done.stdout)[1][: len(line)] == line
    assert "  1 h ago" in done.stdout


def test_status_without_ids_shows_ones_newest(foedus, hub):
    hub.routes["GET /whoami"] = ME
    hub.routes["GET /jobs"] = JobPage(jobs=[job("3")], next="more")
    done = foedus("status", "--json")
    assert json.loads(done.stdout) == StatusReply(jobs=[job("3")], absent=[]).model_dump(mode="json")
    assert str(hub.asked[-1].url.query, "ascii") == "user=dana&limit=10"


def test_what_is_no_id_never_leaves(foedus, hub):
    done = foedus("status", "../tokens")
    assert (done.exit_code, hub.asked) == (Exit.USAGE, [])


def test_a_name_cannot_steer_the_terminal(foedus, hub):
    hub.routes["POST /jobs/status"] = StatusReply(jobs=[job(name="1042", reason="\x1b[2J\u202e[red]x")], absent=[])
    assert "\\x1b[2J\\u202e[red]x" in foedus("status", "1042").stdout


def test_a_site_that_does_not_answer_is_said_so(foedus, hub):
    hub.routes["POST /jobs/status"] = StatusReply(jobs=[job(unreachable_since=NOW - HOUR)], absent=[])
    assert "site unreachable since" in foedus("status", "1042").stdout


def test_a_long_reason_is_cut_and_lines_end_with_their_last_word(foedus, hub):
    hub.routes["POST /jobs/status"] = StatusReply(jobs=[job(reason="x" * 161), job(reason="short")], absent=[])
    lines = foedus("status", "1", "2").stdout.splitlines()
    assert lines[1].endswith("  " + "x" * 159 + "…")
    assert lines[2].endswith("  short")


def test_an_array_shows_its_tasks(foedus, hub):
    hub.routes["POST /jobs/status"] = StatusReply(jobs=[job(tasks={"running": 2, "completed": 3})], absent=[])
    assert "running (2 running, 3 completed)" in foedus("status", "1042").stdout


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ([], "state=pending&state=bound&state=starting&state=running&limit=51"),
        (["--all"], "limit=51"),
        (["-t", "FAILED,out_of_memory", "--limit", "2"], "state=failed&state=out-of-memory&limit=3"),
        (["-a", "--project", "p", "-u", "u", "--site", "s", "-n", "x", "--array", "7"],
         "project=p&user=u&site=s&name=x&array=7&limit=51"),
        (["-a", "--me"], "user=dana&limit=51"),
    ],
)  # fmt: skip
def test_a_list_is_filtered(foedus, hub, words, query):
    hub.routes["GET /whoami"] = ME
    hub.routes["GET /jobs"] = JobPage(jobs=[], next=None)
    assert foedus("squeue", *words).exit_code == 0
    assert str(hub.asked[-1].url.query, "ascii") == query


def test_a_list_stops_at_its_limit(foedus, hub):
    hub.routes["GET /jobs"] = [JobPage(jobs=[job("3"), job("2")], next="c"), JobPage(jobs=[job("1")], next=None)]
    done = foedus("list", "--limit", "2")
    assert [line[0] for line in rows(done.stdout)] == ["JOB", "3", "2"]
    assert done.stderr == "there are more than 2; --limit shows more\n"


def test_every_unknown_state_is_named(foedus):
    done = foedus("list", "-t", "odd", "-t", "strange")
    assert done.exit_code == Exit.USAGE
    assert "'odd' is not a state" in done.stderr
    assert "'strange' is not a state" in done.stderr


def test_cancel_tells_what_became_of_each(foedus, hub):
    hub.routes["POST /jobs/cancel"] = CancelReply(cancelled=["1"], stopping=["2_3"], over=["4"])
    done = foedus("scancel", "1", "2_3", "4")
    assert done.stdout == "1: cancelled\n2_3: being stopped at its site\n4: over already\n"
    assert hub.body() == {"ids": ["1", "2_3", "4"]}


@pytest.mark.parametrize(("state", "code"), [("completed", 0), ("failed", 1), ("refused", 1)])
def test_wait_says_whether_all_completed(foedus, hub, state, code):
    hub.routes["POST /jobs/status"] = StatusReply(jobs=[job("1", "completed"), job("2", state)], absent=[])
    assert foedus("wait", "1", "2").exit_code == code


@pytest.mark.parametrize(
    ("words", "note"),
    [
        (["wait", "5"], "job 5 goes on; see `foedus status 5`, `foedus wait 5`\n"),
        (["wait", "5", "6"], "jobs 5, 6 go on; see `foedus status 5 6`, `foedus wait 5 6`\n"),
    ],
)
def test_who_stops_waiting_learns_that_the_jobs_go_on(foedus, hub, words, note):
    hub.routes["POST /jobs/status"] = [KeyboardInterrupt()]
    done = foedus(*words)
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", note)


def test_wait_gives_up_in_time(foedus, hub):
    hub.routes["POST /jobs/status"] = StatusReply(jobs=[job("1")], absent=[])
    hub.routes["GET /jobs/1"] = job("1")
    done = foedus("wait", "1", "--timeout", "5")
    assert (done.exit_code, done.stderr) == (Exit.FAILED, "the time is up, and not all have ended\n")


def test_a_script_comes_back_byte_for_byte(foedus, hub):
    hub.routes["GET /jobs/5/script"] = httpx2.Response(200, text="#!/bin/sh\necho \x1b[31mé\n")
    assert foedus("script", "5").stdout_bytes == "#!/bin/sh\necho \x1b[31mé\n".encode()


def log(data, *, attempt=1, offset, ended=True, truncated=False):
    headers = {
        "foedus-attempt": str(attempt),
        "foedus-offset": str(offset),
        "foedus-ended": str(ended).lower(),
        "foedus-truncated": str(truncated).lower(),
    }
    return httpx2.Response(200, content=data, headers=headers)


def test_logs_give_a_pipe_the_bytes_as_they_are(foedus, hub):
    hub.routes["GET /jobs/5/logs/stderr"] = [
        log(b"\x1b[2J\xff\n", offset=6, truncated=True),
        log(b"", offset=6),
    ]
    done = foedus("logs", "5", "--stderr", "--attempt", "1")
    assert done.stdout_bytes == b"\x1b[2J\xff\n"
    assert done.stderr == "--- the job wrote more than its site passes on ---\n"


def test_logs_as_json_are_lines(foedus, hub):
    hub.routes["GET /jobs/5/logs/stdout"] = [log(b"a\xff", offset=2), log(b"", offset=2)]
    assert json.loads(foedus("logs", "5", "--json").stdout) == {
        "attempt": 1,
        "data": "a\\xff",
        "next": 2,
        "ended": True,
        "truncated": False,
    }


def test_following_says_where_a_later_attempt_begins(foedus, hub):
    hub.routes["GET /jobs/5/logs/stdout"] = [
        log(b"one\n", offset=4),
        log(b"", offset=4),
        log(b"two\n", attempt=2, offset=4),
        log(b"", attempt=2, offset=4),
        log(b"", attempt=2, offset=4),
    ]
    hub.routes["GET /jobs/5"] = [job("5", attempt=2), job("5", "completed", attempt=2)]
    done = foedus("logs", "5", "-f")
    assert (done.stdout, done.stderr) == ("one\ntwo\n", "--- attempt 2 ---\n")


def test_who_stops_following_learns_that_the_job_goes_on(foedus, hub):
    hub.routes["GET /jobs/5/logs/stdout"] = [log(b"one\n", offset=4), KeyboardInterrupt()]
    done = foedus("logs", "5", "-f")
    assert (done.stdout, done.exit_code) == ("one\n", 130)
    assert done.stderr == "job 5 goes on; see `foedus logs -f 5`, `foedus cancel 5`\n"


def test_fetch_writes_the_outputs_and_lists_them(foedus, hub, tmp_path):
    hub.routes["GET /jobs/5/outputs"] = Manifest(
        files=[FileEntry(path="out/a", mode=0o644, size=3, pieces=[sha256(b"abc")])]
    )
    hub.routes[f"GET /jobs/5/outputs/pieces/{sha256(b'abc')}"] = httpx2.Response(200, content=b"abc")
    done = foedus("fetch", "5")
    assert done.stdout == "foedus-5/out/a  3 B\n1 file, 3 B\n"
    assert (tmp_path / "foedus-5" / "out" / "a").read_bytes() == b"abc"


def test_fetch_into_a_file_is_refused_before_anything_is_asked(foedus, hub, tmp_path):
    (tmp_path / "there").write_text("mine")
    done = foedus("fetch", "5", "-o", "there")
    assert (done.exit_code, hub.asked, (tmp_path / "there").read_text()) == (Exit.USAGE, [], "mine")
    assert done.stderr == (
        "error: --out: there is a file, and what is fetched goes into a folder\n"
        "       name a folder; it is made if need be\n"
    )


WHY = WhyView.model_validate(
    {
        "job": job().model_dump(),
        "attempts": [
            {
                "number": 1,
                "site": "baku",
                "guest": True,
                "state": "running",
                "native_id": "77",
                "bound": NOW - 2 * HOUR,
                "handed": NOW - 2 * HOUR,
                "started": NOW - HOUR,
                "ended": None,
                "outcome": None,
                "exit_code": None,
                "signal": None,
                "reason": "",
                "entry": None,
            }
        ],
        "story": [
            {
                "at": NOW - 2 * HOUR,
                "kind": "admitted",
                "text": "Admitted to baku; not jerusalem: clause night: closed to guests at night; not c: has 4 GPUs",
                "data": {},
            }
        ],
        "answer": "It runs at baku, as a guest.",
    }
)


def test_why_gives_the_answer_first_then_sites_clauses_and_attempts(foedus, hub):
    hub.routes["GET /jobs/1042/why"] = WHY
    text = foedus("why", "1042", "--lang", "he").stdout
    parts = [
        "It runs at baku, as a guest.\n",
        "Job 1042 (train) of dana from israel, project traffic: 1 node, 4 CPUs, 2 GPUs",
        "State: running at baku, as a guest",
        "What happened (times are +0000)\n",
        "  2026-11-23 07:00:00  Admitted to baku\n",
        "                       not jerusalem: clause night: closed to guests at night\n",
        "                       not c: has 4 GPUs\n",
        "Attempts",
        "baku (guest)",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert places[0] == 0
    assert hub.asked[-1].headers["accept-language"] == "he"


def test_why_as_json_is_the_wire_model(foedus, hub):
    hub.routes["GET /jobs/1042/why"] = WHY
    assert WhyView.model_validate_json(foedus("why", "1042", "--json").stdout) == WHY
