"""An attempt that is called home: it hears its signal, saves, goes back with its progress, and goes on elsewhere."""

import pytest
from agent_hub import usage_of

from foedus.client.bundle import pack, read_manifest, read_piece
from foedus.core.jobs.job import StopReason
from foedus.core.jobs.state import AttemptState, Outcome

SAVES = """#!/bin/bash
#SBATCH --signal=B:USR1@60
#FOEDUS checkpoint=saved output=result
step=$(cat saved/step 2>/dev/null || echo 0)
mkdir -p saved
trap 'echo $step > saved/step; ln -sf /etc/passwd saved/link; exit 9' USR1
echo "from $step, restart ${SLURM_RESTART_COUNT:-0}"
while [ $step -lt 3 ] && [ ! -e stop ]; do step=$((step + 1)); echo "step $step"; [ $step = 2 ] && sleep 60 & wait; done
echo $step > result
"""


def called(hub, job="1", attempt=1):
    hub.wait(lambda: b"\n" in hub.log(job, attempt))
    hub.stop(job, attempt, StopReason.HOME)
    return hub.wait_state(job, "ended", attempt)


def test_it_saves_and_goes_on_elsewhere_where_it_was(hub, run, order):
    run()
    hub.order(order("1", SAVES))
    hub.wait(lambda: b"step 2\n" in hub.log("1"))
    item = called(hub)

    assert (item.outcome, item.back, item.outputs, item.exit_code) == (Outcome.PREEMPTED, True, None, 9)
    manifest = read_manifest(hub.pieces[item.checkpoint], item.checkpoint)
    assert [(file.path, hub.pieces[file.pieces[0]]) for file in manifest.files] == [("saved/step", b"2\n")]
    hub.wait(lambda: ("1", 1) in hub.usages)
    assert usage_of(hub, "1")["outcome"] == "preempted"

    hub.order(order("1", SAVES, attempt=2, restarts=1, checkpoint=item.checkpoint))
    done = hub.wait_state("1", "ended", 2)
    assert (done.outcome, done.back, done.checkpoint) == (Outcome.COMPLETED, False, None)
    assert hub.log("1", 2) == b"from 2, restart 1\nstep 3\n"
    manifest = read_manifest(hub.pieces[done.outputs], done.outputs)
    assert [file.path for file in manifest.files] == ["result"]


def test_who_ends_well_meanwhile_has_completed(hub, run, order):
    run()
    hub.order(order("1", "#!/bin/bash\n#FOEDUS checkpoint=saved\ntrap 'exit 0' TERM\necho ready\nsleep 60\n"))
    item = called(hub)
    assert (item.outcome, item.back) == (Outcome.COMPLETED, False)


def test_who_does_not_listen_is_ended_after_its_grace(hub, run, order):
    run(grace_s=0.5)
    hub.order(order("1", "#!/bin/bash\n#FOEDUS checkpoint=saved\ntrap '' TERM\necho ready\nsleep 60\nsleep 60\n"))
    item = called(hub)
    assert (item.outcome, item.back, item.checkpoint) == (Outcome.PREEMPTED, True, None)
    assert "no file matches the declared checkpoint saved" in item.reason
    hub.wait(lambda: ("1", 1) in hub.usages)
    assert usage_of(hub, "1")["outcome"] == "preempted"


def test_an_agent_that_starts_anew_in_the_grace_goes_on_with_it(hub, run, order):
    agent = run()
    script = "#!/bin/bash\n#FOEDUS checkpoint=saved\ntrap 'mkdir saved; echo x > saved/x' TERM\necho ready\n"
    hub.order(order("1", f"{script}sleep 60\nsleep 60\n"))
    hub.wait(lambda: b"\n" in hub.log("1"))
    hub.stop("1", 1, StopReason.HOME)
    hub.wait(lambda: agent.journal.row("1", 1).heard)
    agent.stop()
    run.release()
    run(grace_s=0.5)
    item = hub.wait_state("1", "ended")
    assert (item.outcome, item.back) == (Outcome.PREEMPTED, True)
    manifest = read_manifest(hub.pieces[item.checkpoint], item.checkpoint)
    assert [file.path for file in manifest.files] == ["saved/x"]


@pytest.mark.parametrize("path", ["train.py", "saved-too/x", "saved"])
def test_a_checkpoint_that_would_change_anything_else_is_not_taken(hub, run, order, tmp_path, path):
    (tmp_path / "here" / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "here" / path).write_text("evil")
    packed = pack(tmp_path / "here", ["."])
    hub.pieces = {piece: read_piece(packed, piece) for piece in packed.pieces}
    run()
    hub.order(order("1", SAVES, attempt=2, checkpoint=packed.manifest.digest))
    item = hub.wait_state("1", AttemptState.RETURNED, 2)
    assert (item.final, item.reason.startswith("the checkpoint cannot be used: ")) == (True, True)
    assert path in item.reason
