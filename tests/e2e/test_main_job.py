"""The main job through the command line as it is installed: real hubs, real agents, real processes as jobs."""

import json

import pytest
from trial_bed import on, script

from waiting import wait_for

pytestmark = on("sqlite", "postgres", "two-hubs")

TRAIN = script(
    "#SBATCH --output=report.txt",
    "wc -c < data/input.txt",
    "mkdir -p results/deep",
    "echo weights > results/deep/model.bin",
    "echo secret > private.txt",
    "echo finished",
    gpus=2,
).replace("evaluate", "finetune bundle=data output=results")


@pytest.fixture(scope="module")
def trained(running, tmp_path_factory):
    """One job that brings files, is waited for, and has its results fetched."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "data").mkdir()
    (folder / "data" / "input.txt").write_text("12345\n")
    (folder / "train.sbatch").write_text(TRAIN)
    done = running.foedus("dana", "submit", "--parsable", "train.sbatch", cwd=folder)
    assert (done.code, done.err) == (0, "")
    waited = running.foedus("dana", "wait", done.out.strip(), "--json")
    return done.out.strip(), waited, folder


def test_a_job_travels_with_its_files_and_comes_back_with_its_results(running, trained):
    job, waited, folder = trained

    assert waited.code == 0
    (view,) = waited.json["jobs"]
    assert (view["id"], view["state"], view["site"], view["guest"]) == (job, "completed", "jerusalem", False)
    assert running.foedus("dana", "logs", job).out == "6\nfinished\n"
    assert running.foedus("dana", "fetch", job, "--out", "back", cwd=folder).code == 0
    back = folder / "back"
    found = {str(path.relative_to(back)): path.read_text() for path in back.rglob("*") if path.is_file()}
    assert found == {"results/deep/model.bin": "weights\n"}


def test_it_is_metered_booked_and_explained(running, trained):
    job, _, _ = trained

    (story,) = running.settled([job])
    told = running.foedus("dana", "why", job, "--json").json

    # a short job may be over before anybody has seen it run, and its end and its record come in one report
    kinds = sorted({line.kind for line in story.story} - {"running"})
    assert kinds == ["admitted", "booked", "bound", "ended", "handed-over", "submitted"]
    assert told["answer"] == "It ended at jerusalem, attempt 1: completed (exit code 0)."
    assert running.foedus("dana", "why", job).out.count("\n") >= len(story.story)


def test_the_books_are_exported_and_checked_without_the_hub(running, trained):
    job, _, folder = trained
    running.settled([job])
    book = folder / "ledger.jsonl"

    assert running.foedus("dana", "ledger", "export", "--output", book).code == 0
    verified = running.foedus("", "ledger", "verify", book, "--agreement", running.alliance.agreement, FOEDUS_HUB="")

    bodies = [json.loads(line) for line in book.read_text().splitlines()]
    mine = [one["body"] for one in bodies if one.get("kind") == "usage" and one["body"]["job"] == job]
    assert verified.code == 0, verified
    assert [(one["attempt"], one["outcome"], one["gpus"]) for one in mine] == [(1, "completed", {"h100": 2})]
    flipped = book.read_bytes().replace(b'"outcome":"completed"', b'"outcome":"cancelled"', 1)
    book.write_bytes(flipped)
    assert running.foedus("", "ledger", "verify", book, "--agreement", running.alliance.agreement).code == 1


def test_every_table_is_json_too(running, trained):
    job, _, _ = trained

    status = running.foedus("dana", "status", job, "--json").json
    listed = running.foedus("dana", "list", "--all", "--json", "--name", "train.sbatch").json
    sites = running.foedus("dana", "sites", "--json").json
    balance = running.foedus("dana", "balance", "--json").json
    head = running.foedus("dana", "ledger", "head", "--json").json

    assert [one["id"] for one in status["jobs"]] == [one["id"] for one in listed["jobs"]] == [job]
    assert [one["id"] for one in sites["sites"]] == ["jerusalem", "baku"]
    assert {one["partner"] for one in balance["lines"]} == {"israel", "azerbaijan"}
    assert head["alliance"] == "caspian"


def test_arrays_spread_over_sites_and_others_wait_for_them(running):
    array = running.submit("dana", script("sleep 1; echo task $SLURM_ARRAY_TASK_ID", gpus=1, more="--array=0-7"))
    after = running.submit("dana", script("echo after", more=f"--dependency=afterok:{array}"))
    never = running.submit("dana", script("echo never", more=f"--dependency=afternotok:{array}"))

    waited = running.foedus("dana", "wait", after, never, "--json")
    tasks = running.foedus("dana", "list", "--all", "--array", array, "--json").json["jobs"]

    assert {view["id"]: view["state"] for view in waited.json["jobs"]} == {after: "completed", never: "cancelled"}
    assert waited.code == 1
    assert {task["state"] for task in tasks} == {"completed"}
    assert {task["site"] for task in tasks} == {"jerusalem", "baku"}
    assert {task["guest"] for task in tasks if task["site"] == "baku"} == {True}
    assert [running.foedus("dana", "logs", f"{array}_{index}").out for index in (0, 7)] == ["task 0\n", "task 7\n"]


def test_run_follows_and_ends_like_the_command(running):
    done = running.foedus(
        "aysel",
        *("run", "--follow", "--project=form-reader", "--time=1", "--mem=16", "--"),
        "sh",
        "-c",
        "echo a; exit 7",
    )

    assert (done.code, done.out.splitlines()[-1]) == (7, "a")


def test_logs_are_followed_while_the_job_runs(running):
    job = running.submit("dana", script("for i in 1 2 3; do echo $i; sleep 0.5; done"))
    followed = running.popen("dana", "logs", "-f", job)

    assert followed.stdout.readline() == b"1\n"
    assert followed.poll() is None
    with followed:
        assert followed.stdout.read() == b"2\n3\n"
    assert followed.returncode == 0


def test_a_running_job_and_a_waiting_one_are_cancelled(running):
    first = running.submit("dana", script("sleep 60"))
    second = running.submit("dana", script("true", more=f"--dependency=afterany:{first}"))
    with running.client("dana") as dana:
        wait_for(lambda: dana.get(first).state == "running", "it runs")

    said = running.foedus("dana", "cancel", first, second, "--json").json
    waited = running.foedus("dana", "wait", first, second, "--json").json

    assert said == {"cancelled": [second], "stopping": [first], "over": []}
    assert {view["state"] for view in waited["jobs"]} == {"cancelled"}
    assert running.foedus("dana", "cancel", first, "--json").json == {"cancelled": [], "stopping": [], "over": [first]}
