import json

import httpx2
import pytest
from wire_hub import job

from foedus.cli.exits import Exit
from foedus.core.base.canon import sha256
from foedus.wire.files import Manifest
from foedus.wire.jobs import StatusReply, SubmitReply, SubmittedView

SCRIPT = "#!/bin/sh\n#SBATCH --gpus=2\n#FOEDUS project=traffic\nhostname\n"


def taken(**more):
    fields = {"id": "1042", "state": "pending", "tasks": 1, "sites": ["baku"], "reasons": [], "notices": [], **more}
    return SubmitReply(jobs=[SubmittedView.model_validate(fields)])


@pytest.fixture
def script(foedus, tmp_path):
    file = tmp_path / "train.sbatch"
    file.write_text(SCRIPT)
    return file


def sent(hub):
    (one,) = hub.body()["jobs"]
    return one


def test_a_script_travels_byte_for_byte_with_what_stands_beside_it(foedus, hub, script):
    hub.routes["POST /jobs"] = taken()
    done = foedus("submit", "-N", "2", "--export=SEED", "train.sbatch", "--epochs", "3", "a b")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "Submitted batch job 1042\n", "")
    assert sent(hub) == {
        "script": SCRIPT,
        "overrides": ["--job-name=train.sbatch", "-N", "2", "--export=SEED"],
        "arguments": ["--epochs", "3", "a b"],
        "environment": {"SEED": "17"},
        "bundle": None,
    }
    assert hub.asked[-1].headers["idempotency-key"]


@pytest.mark.parametrize("words", [["-J", "mine"], ["--job-name=mine"], ["--job-n", "mine"]])
def test_a_name_of_ones_own_stays(foedus, hub, script, words):
    hub.routes["POST /jobs"] = taken()
    assert foedus("submit", *words, "train.sbatch").exit_code == 0
    assert sent(hub)["overrides"] == words


def test_parsable_prints_the_id_alone(foedus, hub, script):
    hub.routes["POST /jobs"] = taken(notices=["partition is the site's"])
    done = foedus("sbatch", "--parsable", "train.sbatch")
    assert (done.stdout, done.stderr) == ("1042\n", "note: partition is the site's\n")


def test_json_is_the_wire_model(foedus, hub, script):
    hub.routes["POST /jobs"] = taken(tasks=3)
    done = foedus("submit", "--json", "train.sbatch")
    assert json.loads(done.stdout) == taken(tasks=3).jobs[0].model_dump(mode="json")


def test_an_array_says_how_many_tasks_it_has(foedus, hub, script):
    hub.routes["POST /jobs"] = taken(tasks=3)
    assert foedus("submit", "-a", "1-3", "train.sbatch").stdout == "Submitted batch job 1042, 3 tasks\n"
    assert sent(hub)["overrides"] == ["--job-name=train.sbatch", "-a", "1-3"]


def test_quiet_prints_nothing(foedus, hub, script):
    hub.routes["POST /jobs"] = taken()
    done = foedus("submit", "-Q", "train.sbatch")
    assert (done.exit_code, done.output) == (0, "")


def test_a_refusal_names_its_clauses(foedus, hub, script):
    reasons = [
        {"code": "clause", "text": "no inference on weekends", "clause": "weekend", "remedy": "wait"},
        {"code": "clause", "text": "clause night forbids it", "clause": "night", "site": "baku"},
        {"code": "limit", "text": "has 4 GPUs, 8 are asked for", "site": "baku"},
    ]
    hub.routes["POST /jobs"] = taken(state="refused", reasons=reasons, sites=[])
    done = foedus("submit", "train.sbatch")
    assert (done.exit_code, done.stdout) == (Exit.REFUSED, "Refused job 1042\n")
    assert (
        done.stderr == "  clause weekend: no inference on weekends\n    wait\n"
        "  at baku: clause night forbids it\n  at baku: has 4 GPUs, 8 are asked for\n"
    )


def test_faults_of_the_script_show_before_anything_is_sent(foedus, hub, tmp_path):
    (tmp_path / "bad.sbatch").write_text("#!/bin/sh\n#SBATCH --nods=2\n#SBATCH --time=soon\n")
    done = foedus("submit", "bad.sbatch")
    assert (done.exit_code, hub.asked) == (Exit.USAGE, [])
    assert "error: bad.sbatch, line 2: --nods is not an option of sbatch" in done.stderr
    assert "error: bad.sbatch, line 3: --time:" in done.stderr


def test_what_is_no_text_is_refused_with_its_line(foedus, hub, tmp_path):
    (tmp_path / "bad.sbatch").write_bytes(b"#!/bin/sh\n\xff\n")
    done = foedus("submit", "bad.sbatch")
    assert done.exit_code == Exit.USAGE
    assert done.stderr.startswith("error: bad.sbatch, line 2: is not UTF-8 text\n")


def test_a_missing_script_is_said_so(foedus):
    done = foedus("submit", "none.sbatch")
    assert done.exit_code == Exit.USAGE
    assert done.stderr.startswith("error: none.sbatch: no such file or directory\n")


def test_a_script_comes_from_standard_input(foedus, hub):
    hub.routes["POST /jobs"] = taken()
    assert foedus("submit", "-N2", given=SCRIPT).exit_code == 0
    assert (sent(hub)["script"], sent(hub)["overrides"]) == (SCRIPT, ["-N2"])


def test_a_command_line_is_wrapped(foedus, hub):
    hub.routes["POST /jobs"] = taken()
    assert foedus("submit", "--wrap", "echo $HOME", "--gpus", "1").exit_code == 0
    assert sent(hub)["script"] == "#!/bin/sh\n# This script was created by sbatch --wrap.\n\necho $HOME\n"
    assert sent(hub)["overrides"] == ["--job-name=wrap", "--gpus", "1"]


def test_wrap_and_a_script_do_not_go_together(foedus, script):
    assert "--wrap: is given beside the script 'train.sbatch'" in foedus("submit", "--wrap=x", "train.sbatch").stderr


def test_the_same_key_goes_on_with_a_submission(foedus, hub, script):
    hub.routes["POST /jobs"] = taken()
    foedus("submit", "--idempotency-key", "k-7", "train.sbatch")
    assert hub.asked[0].headers["idempotency-key"] == "k-7"


def test_files_travel_before_the_job(foedus, hub, script, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("a")

    class Missing:
        def model_dump_json(self):
            return json.dumps({"missing": hub.body()["pieces"]})

    hub.routes["POST /projects/traffic/pieces/missing"] = Missing()
    hub.routes["POST /jobs"] = taken()
    expected = Manifest.model_validate(
        {"files": [{"path": "src/a.py", "mode": 0o644, "size": 1, "pieces": [sha256(b"a")]}]}
    )
    (tmp_path / "src" / "a.py").chmod(0o644)
    for piece in (sha256(b"a"), expected.digest):
        hub.routes[f"PUT /projects/traffic/pieces/{piece}"] = httpx2.Response(204)
    done = foedus("submit", "--bundle", "src", "train.sbatch")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [one.method for one in hub.asked] == ["POST", "PUT", "PUT", "POST"]
    assert sent(hub)["bundle"] == expected.digest


def test_a_bundle_that_names_nothing_stops_the_submission(foedus, hub, script):
    done = foedus("submit", "--bundle", "nothing", "train.sbatch")
    assert (done.exit_code, hub.asked) == (Exit.USAGE, [])
    assert done.stderr.startswith("error: nothing: names no file below ")


def test_waiting_gives_the_jobs_own_exit_code(foedus, hub, script):
    hub.routes["POST /jobs"] = taken()
    ended = job(state="failed", exit_code=7, reason="exit 7")
    hub.routes["POST /jobs/status"] = StatusReply(jobs=[ended], absent=[])
    done = foedus("submit", "-W", "train.sbatch")
    assert (done.exit_code, done.stderr) == (7, "job 1042: failed (exit 7)\n")


def test_help_is_shown_before_the_script_only(foedus, hub, script):
    assert foedus("submit", "--help").stdout.startswith("Usage: foedus submit [SBATCH OPTIONS]")
    hub.routes["POST /jobs"] = taken()
    foedus("submit", "train.sbatch", "--help")
    assert sent(hub)["arguments"] == ["--help"]


def test_run_makes_a_script_of_a_command(foedus, hub):
    hub.routes["POST /jobs"] = taken()
    done = foedus("run", "--gpus", "2", "--time", "1:00:00", "--", "python", "train.py", "--name", "it's $HOME")
    assert (done.exit_code, done.stdout) == (0, "Submitted batch job 1042\n")
    assert sent(hub)["script"] == "#!/bin/sh\n\nexec python train.py --name 'it'\"'\"'s $HOME'\n"
    assert sent(hub)["overrides"] == ["--job-name=python", "--gpus", "2", "--time", "1:00:00"]


def test_run_without_a_command_says_how(foedus):
    done = foedus("run", "--gpus", "2")
    assert done.exit_code == Exit.USAGE
    assert done.stderr == "error: COMMAND: is not given\n       write it after --, with its arguments\n"


def log(data, *, offset, ended):
    headers = {
        "foedus-attempt": "1",
        "foedus-offset": str(offset),
        "foedus-ended": str(ended).lower(),
        "foedus-truncated": "false",
    }
    return httpx2.Response(200, content=data, headers=headers)


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        ({"state": "completed", "exit_code": 0}, 0),
        ({"state": "failed", "exit_code": 3}, 3),
        ({"state": "failed", "exit_code": 0, "signal": 9}, 137),
        ({"state": "timeout", "exit_code": 0}, 1),
        ({"state": "cancelled"}, 1),
    ],
)
def test_run_follows_and_ends_like_the_job(foedus, hub, ended, code):
    hub.routes["POST /jobs"] = taken()
    hub.routes["GET /jobs/1042/logs/stdout"] = [
        log(b"hi\n", offset=3, ended=True),
        *(log(b"", offset=3, ended=True) for _ in range(2)),
    ]
    hub.routes["GET /jobs/1042"] = job(**ended)
    done = foedus("run", "--follow", "--", "true")
    assert (done.exit_code, done.stdout) == (code, "Submitted batch job 1042\nhi\n")
