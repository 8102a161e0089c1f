"""The stories that ``foedus why`` has to tell truly, each lived through on two real Slurm clusters."""

import os
import signal
import time
from contextlib import contextmanager

import pytest
from alliance_bed import PARTNER, PEOPLE, alliance_on, told

from foedus.cli.trial.processes import foedus
from foedus.core.base.errors import NotFound
from foedus.flow.call_home import call_home
from foedus.process.clock import SystemClock
from foedus.store.unit import open_store
from waiting import PATIENCE_S, wait_for

POLICY = """
@id("open")
permit (principal, action == Action::"run", resource);
@id("no-guest-pretraining")
forbid (principal, action == Action::"run", resource)
when { context.guest && context.purpose == "pretrain" };
"""

GPUS = 12
"""What each site has, on three nodes."""


@pytest.fixture(scope="module")
def alliance(slurm_bed):
    hub = {"promise_s": "10", "rest_s": "20"}
    policies = {"baku": POLICY, "jerusalem": POLICY}
    with alliance_on(slurm_bed, "stories", hub_settings=hub, policies=policies) as running:
        yield running


def script(*lines, project="phishing-watch", purpose="finetune", gpus=1, time="00:05:00"):
    head = ["#!/bin/bash", f"#SBATCH --gpus={gpus} --time={time}", f"#FOEDUS project={project} purpose={purpose}"]
    return "\n".join([*head, *lines, ""])


@contextmanager
def full(alliance, user, project):
    """Keep the home of a user full with jobs of their own, which no site takes as guests."""
    home = next(site for site, partner in PARTNER.items() if partner == PEOPLE[user])
    text = script("sleep 1000", gpus=GPUS // 3, project=project, purpose="pretrain", time="00:30:00")
    with alliance.client(user) as client:
        wait_for(lambda: _free_gpus(client, home) == GPUS, "the hub knows that it is empty")
        fillers = [client.submit(text).id for _ in range(3)]
        try:
            wait_for(lambda: all(job.state == "running" for job in client.status(fillers).jobs))
            wait_for(lambda: not _free_gpus(client, home), "the hub knows that it is full")
            yield
        finally:
            client.cancel(fillers)
            client.wait(fillers, timeout_s=PATIENCE_S)


def _free_gpus(client, site):
    """Count the GPUs that a site last said are free to its owners."""
    capacity = next(one.capacity for one in client.sites() if one.id == site)
    return sum(group.count * group.gpus for group in capacity.owner.free)


def output(client, job):
    return b"".join(chunk.data for chunk in client.logs(job)).decode()


def booked(client, job):
    """Wait until every attempt that was not given back is booked, and return the job's story."""

    def story():
        found = client.why(job)
        return found if all(one.entry for one in found.attempts if one.state != "returned") else None

    return wait_for(story, "every attempt is booked")


def test_an_owner_job_runs_at_home_as_its_own_account(alliance, slurm_bed):
    with alliance.client("dana") as dana:
        job = dana.submit(script("id -un; echo $SLURM_JOB_PARTITION; pwd"))
        (done,) = dana.wait([job.id], timeout_s=PATIENCE_S)
        output = b"".join(chunk.data for chunk in dana.logs(job.id)).decode().split()
        story = booked(dana, job.id)

    account = slurm_bed.clusters["jerusalem"].people["alice"]
    assert (done.state, done.site, done.guest, done.exit_code) == ("completed", "jerusalem", False, 0)
    assert output[:2] == [account, "owner"]
    assert story.answer == "It ended at jerusalem, attempt 1: completed (exit code 0)."


def test_a_job_becomes_a_guest_while_its_home_is_full(alliance, slurm_bed):
    with alliance.client("dana") as dana, full(alliance, "dana", "phishing-watch"):
        job = dana.submit(script("id -un; echo $SLURM_JOB_PARTITION"))
        (done,) = dana.wait([job.id], timeout_s=PATIENCE_S)
        words = output(dana, job.id).split()
        (bound,) = told(dana, job.id, "bound")

    assert (done.state, done.site, done.guest) == ("completed", "baku", True)
    assert words == [slurm_bed.clusters["baku"].people["guest"], "guest"]
    assert bound.startswith("Bound to baku as a guest, attempt 1: it could start it at once; jerusalem: it has no room")


def test_a_job_refused_by_a_clause_says_which(alliance):
    text = script("true").replace("purpose=finetune", "purpose=finetune dataset=personal-register-2026")

    with alliance.client("dana") as dana:
        job = dana.submit(text)
        story = dana.why(job.id)

    assert job.state == "refused"
    assert {reason.clause for reason in job.reasons} == {"personal-registers"}
    assert story.attempts == []
    assert "clause personal-registers: Registers of persons are never processed on shared machines." in (
        story.story[-1].text
    )


def test_a_job_too_big_for_its_home_runs_at_the_other_site(alliance):
    """Baku pledges 16 nodes with GPUs, jerusalem 32; as the clusters stand, only one of them has its partition open."""
    with alliance.client("aysel") as aysel:
        job = aysel.submit(script("sleep 1", project="form-reader").replace("--gpus=1", "--gpus-per-node=8 --nodes=1"))

    assert [(one.site, one.code) for one in job.reasons] == [("baku", "too-large")]
    assert job.sites == ["jerusalem"]
    with alliance.client("aysel") as aysel:
        assert aysel.why(job.id).answer == "It waits: jerusalem: the job is larger than what it has: guest."
        assert aysel.cancel([job.id]).cancelled == [job.id]


def test_a_job_that_a_sites_own_policy_refuses_runs_elsewhere_later(alliance):
    """Jerusalem is full, and baku's own policy takes no guests that pretrain: the job waits for its home."""
    with alliance.client("dana") as dana:
        with full(alliance, "dana", "phishing-watch"):
            job = dana.submit(script("echo done").replace("finetune", "pretrain"))
            (returned,) = wait_for(lambda: told(dana, job.id, "returned"))
            waits = dana.why(job.id)
        (done,) = dana.wait([job.id], timeout_s=PATIENCE_S)
        story = booked(dana, job.id)

    assert job.sites == ["jerusalem", "baku"]
    assert "no-guest-pretraining" in returned
    assert returned.startswith("Given back by baku (attempt 1): ")
    assert returned.endswith("; it will not take this job later either")
    assert waits.job.state == "pending"
    assert waits.answer.startswith("It waits: jerusalem: it has no room now")
    assert (done.state, done.site, done.guest, done.attempt) == ("completed", "jerusalem", False, 2)
    assert [(one.site, one.state, one.entry is None) for one in story.attempts] == [
        ("baku", "returned", True),
        ("jerusalem", "ended", False),
    ]


def test_output_arrives_while_the_job_runs(alliance):
    with alliance.client("dana") as dana:
        job = dana.submit(script("date +%s.%N", "sleep 15", "echo last"))
        first = next(iter(dana.logs(job.id, follow=True)))
        arrived = time.time()
        shown = dana.get(job.id)
        rest = b"".join(chunk.data for chunk in dana.logs(job.id, follow=True)).decode()

    written = float(first.data.decode())
    assert 0 <= arrived - written < 3
    assert shown.state in {"bound", "starting", "running"}
    assert rest == f"{first.data.decode()}last\n"


def test_declared_outputs_come_back_whole(alliance, tmp_path):
    lines = (
        "mkdir -p results/deep; seq 1 200000 > results/numbers; printf 'salam' > results/deep/söz.txt",
        "ln -s /etc/passwd results/link; echo no > kept-at-the-site; exit 5",
    )
    text = script(*lines).replace("purpose=finetune", "purpose=finetune output=results")
    with alliance.client("dana") as dana:
        job = dana.submit(text)
        (done,) = dana.wait([job.id], timeout_s=PATIENCE_S)
        manifest = dana.fetch(job.id, tmp_path)

    assert (done.state, done.exit_code) == ("failed", 5)
    assert [file.path for file in manifest.files] == ["results/deep/söz.txt", "results/numbers"]
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {
        "results/deep/söz.txt": "salam",
        "results/numbers": "".join(f"{number}\n" for number in range(1, 200_001)),
    }


def test_a_running_job_is_cancelled_at_its_site(alliance, slurm_bed):
    with alliance.client("dana") as dana:
        job = dana.submit(script("echo begun; sleep 300", gpus=2))
        wait_for(lambda: dana.get(job.id).state == "running")
        reply = dana.cancel([job.id])
        (done,) = dana.wait([job.id], timeout_s=PATIENCE_S)
        story = booked(dana, job.id)
        words = output(dana, job.id)
        asked = told(dana, job.id, "cancel-asked")

    (attempt,) = story.attempts
    assert reply.stopping == [job.id]
    assert (done.state, attempt.outcome) == ("cancelled", "cancelled")
    assert words.startswith("begun\n")
    assert slurm_bed.state("jerusalem", attempt.native_id) == "CANCELLED"
    assert len(asked) == 1


def test_a_job_stuck_in_a_sites_own_queue_is_called_back_and_runs_elsewhere(alliance, slurm_bed):
    """Somebody fills jerusalem by plain sbatch just before the agent hands over what the hub had room for."""
    avi = slurm_bed.clusters["jerusalem"].people["avi"]
    beside = "#!/bin/sh\n#SBATCH --nodes=3 --exclusive --time=5\nsleep 200\n"
    agent = alliance.agents["jerusalem"].pid
    with alliance.client("dana") as dana:
        os.kill(agent, signal.SIGSTOP)
        try:
            filler = slurm_bed.sbatch("jerusalem", beside, account=avi)
            slurm_bed.wait("jerusalem", filler, "RUNNING")
            job = dana.submit(script("id -un"))
            wait_for(lambda: dana.get(job.id).state == "bound")
        finally:
            os.kill(agent, signal.SIGCONT)
        (done,) = dana.wait([job.id], timeout_s=PATIENCE_S)
        slurm_bed.run("jerusalem", "scancel", filler)
        story = dana.why(job.id)
        (recalled,) = told(dana, job.id, "recalled")

    assert (done.state, done.site, done.guest, done.attempt) == ("completed", "baku", True, 2)
    assert [(one.site, one.state) for one in story.attempts] == [("jerusalem", "returned"), ("baku", "ended")]
    assert "jerusalem" in recalled
    assert "baku" in recalled
    stuck = story.attempts[0].native_id
    assert slurm_bed.state("jerusalem", stuck) == "CANCELLED"
    slurm_bed.wait("jerusalem", filler)


def test_a_guest_that_owners_displace_runs_again_and_both_attempts_are_booked(alliance, slurm_bed):
    with alliance.client("dana") as dana:
        with full(alliance, "dana", "phishing-watch"):
            guest = dana.submit(
                script(
                    "echo restart ${SLURM_RESTART_COUNT:-0}; cat saved/mark; mkdir -p saved; echo mine > saved/mark",
                    '[ "$SLURM_RESTART_COUNT" ] || sleep 200',
                    gpus=4,
                )
            )
            wait_for(lambda: dana.get(guest.id).state == "running")
            time.sleep(1.5)
            with full(alliance, "aysel", "form-reader"):
                wait_for(lambda: told(dana, guest.id, "requeued"))
            (done,) = dana.wait([guest.id], timeout_s=PATIENCE_S)
        story = booked(dana, guest.id)
        words = output_of(dana, guest.id, done.attempt)
        records = usage_of(alliance, guest.id)

    displaced = done.attempt - 1  # the owners' jobs start one by one, and a guest may have to go twice
    runs = [*((number, "preempted") for number in range(1, displaced + 1)), (done.attempt, "completed")]
    assert (done.state, done.site, done.guest, displaced >= 1) == ("completed", "baku", True, True)
    assert [(one.number, one.outcome) for one in story.attempts] == runs
    assert len({one.native_id for one in story.attempts}) == 1
    assert [(body["attempt"], body["outcome"]) for body in records] == runs
    assert [body["gpu_seconds"] for body in records] == [{"a100": 4 * body["elapsed"]} for body in records]
    assert records[0]["elapsed"] >= 1
    assert f"restart {displaced}\nmine\n" in words  # what it saved is there: the site queued it in the same folder


def output_of(client, job, attempt):
    try:
        return b"".join(chunk.data for chunk in client.logs(job, attempt=attempt)).decode()
    except NotFound:
        return ""


def usage_of(alliance, job):
    """Return the ledger's usage records of a job, oldest first."""
    with alliance.client("office") as office:
        numbers = [one.entry for one in office.why(job).attempts]
        found = {entry["seq"]: entry["body"] for entry in office.iter_ledger()}
    return [found[number] for number in numbers]


def test_a_drained_site_takes_nothing_until_it_resumes(alliance):
    state = ("--state", str(alliance.folder / "jerusalem" / "state"))
    with alliance.client("dana") as dana:
        foedus("agent", "drain", *state)
        try:
            wait_for(lambda: next(one for one in dana.sites() if one.id == "jerusalem").draining)
            away = dana.submit(script("true"))
            (elsewhere,) = dana.wait([away.id], timeout_s=PATIENCE_S)
            (bound,) = told(dana, away.id, "bound")
        finally:
            foedus("agent", "resume", *state)
        wait_for(lambda: not next(one for one in dana.sites() if one.id == "jerusalem").draining)
        back = dana.submit(script("true"))
        (home,) = dana.wait([back.id], timeout_s=PATIENCE_S)

    assert (elsewhere.state, elsewhere.site, elsewhere.guest) == ("completed", "baku", True)
    assert bound.endswith("jerusalem: it takes no new jobs (drained by its operator)")
    assert (home.state, home.site, home.guest) == ("completed", "jerusalem", False)


STEPS = """
mkdir -p saved
step=$(cat saved/step 2>/dev/null || echo 0)
trap 'echo "saved $step"; exit 7' TERM
echo "restart ${SLURM_RESTART_COUNT:-0} from $step"
while [ $step -lt 6 ]; do
  step=$((step + 1)); echo "step $step"; echo $step > saved/step
  [ $step = 3 ] && { sleep 600 & wait; }
done
cp saved/step result
"""


def test_a_guest_that_is_called_home_goes_on_there_with_its_progress(alliance, slurm_bed, tmp_path):
    """It writes its checkpoint on TERM; no step is repeated, and both attempts are booked."""
    text = script("#SBATCH --signal=B:TERM@60", "#FOEDUS checkpoint=saved output=result", STEPS, gpus=2)
    with alliance.client("dana") as dana:
        with full(alliance, "dana", "phishing-watch"):
            job = dana.submit(text)
            wait_for(lambda: "step 3\n" in output_of(dana, job.id, 1))
        wait_for(lambda: _free_gpus(dana, "jerusalem") == GPUS, "its home has room for it")
        wait_for(lambda: dana.get(job.id).state == "running")
        assert call_home_now(alliance, job.id)
        (done,) = dana.wait([job.id], timeout_s=PATIENCE_S)
        story = booked(dana, job.id)
        said = [output_of(dana, job.id, number) for number in (1, 2)]
        told_home, ended, _ = told(dana, job.id, "called-home", "ended")
        dana.fetch(job.id, tmp_path)
        records = usage_of(alliance, job.id)

    assert (done.state, done.site, done.guest, done.attempt) == ("completed", "jerusalem", False, 2)
    assert [without_slurms_words(text) for text in said] == [
        "restart 0 from 0\nstep 1\nstep 2\nstep 3\nsaved 3\n",
        "restart 1 from 3\nstep 4\nstep 5\nstep 6\n",
    ]
    assert (tmp_path / "result").read_text() == "6\n"
    assert [(one.site, one.outcome) for one in story.attempts] == [("baku", "preempted"), ("jerusalem", "completed")]
    assert [(body["site"], body["attempt"], body["outcome"]) for body in records] == [
        ("baku", 1, "preempted"),
        ("jerusalem", 2, "completed"),
    ]
    assert [sum(body["gpu_seconds"].values()) for body in records] == [2 * body["elapsed"] for body in records]
    assert told_home == "Called home from baku while it ran: a test wants it there"
    assert ended.startswith("Attempt 1 ran ")
    assert ended.endswith(" at baku, called home with its checkpoint")


def without_slurms_words(text):
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("slurmstepd"))


def call_home_now(alliance, job):
    """Call a job home as the broker does, by the hub's own database."""
    store = open_store(f"sqlite:///{alliance.folder / 'hub' / 'hub.db'}")
    with store.begin() as tx:
        found = tx.jobs.get([job])[job]
        return call_home(tx, found, tx.attempts.get(job, found.attempt), SystemClock().now(), "a test wants it there")
