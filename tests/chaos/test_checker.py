"""The checker finds each kind of wrong, and nothing in a sound run."""

from dataclasses import replace

import pytest

from chaos.checker import Accepted, AtHub, Booked, Marker, Run, Sources, Told, check

TOLD = Told(number=1, site="baku", state="ended", outcome="completed", entry=4)
RUN = Run(site="baku", job="7", order=1, native="31", started=True, gpu_seconds=6)
LATER = replace(RUN, gpu_seconds=7, state="NODE_FAIL")
ENTRY = Booked(site="baku", job="7", attempt=1, native="31", gpu_seconds=6)
BEGAN = Marker(tag="a", attempt=1, native="31")
SOUND = Sources(
    accepted=[Accepted(tag="a", job="7")],
    hub=[AtHub(job="7", tag="a", state="completed", attempts=(TOLD,))],
    markers=[BEGAN],
    runs=[RUN],
    booked=[ENTRY],
)


def job(**changes):
    return [replace(SOUND.hub[0], **changes)]


def test_a_sound_run_is_sound():
    assert check(SOUND).line == "lost 0 doubled 0 misbooked 0 stuck 0"


def test_a_job_that_was_queued_again_is_sound():
    first = replace(TOLD, outcome="requeued")
    second = replace(TOLD, number=2)
    again = replace(
        SOUND,
        hub=job(attempts=(first, second)),
        markers=[BEGAN, replace(BEGAN, attempt=2)],
        runs=[RUN, replace(RUN, gpu_seconds=9)],
        booked=[ENTRY, replace(ENTRY, attempt=2, gpu_seconds=9)],
    )
    assert check(again).line == "lost 0 doubled 0 misbooked 0 stuck 0"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"hub": [], "runs": [], "booked": []}, "lost 1 doubled 0 misbooked 0 stuck 0"),
        ({"markers": []}, "lost 1 doubled 0 misbooked 0 stuck 0"),
        ({"hub": job(state="node-fail")}, "lost 1 doubled 0 misbooked 0 stuck 0"),
        ({"hub": job(state="running")}, "lost 0 doubled 0 misbooked 0 stuck 1"),
        ({"markers": [BEGAN, replace(BEGAN, again=True, native="32")]}, "lost 0 doubled 1 misbooked 0 stuck 0"),
        ({"markers": [BEGAN, replace(BEGAN, attempt=2, native="32")]}, "lost 0 doubled 1 misbooked 0 stuck 0"),
        ({"hub": [*SOUND.hub, *job(job="8")]}, "lost 0 doubled 1 misbooked 0 stuck 0"),
        ({"runs": [RUN, replace(RUN, native="32")]}, "lost 0 doubled 1 misbooked 1 stuck 0"),
        ({"booked": []}, "lost 0 doubled 0 misbooked 1 stuck 0"),
        ({"booked": [ENTRY, ENTRY]}, "lost 0 doubled 0 misbooked 1 stuck 0"),
        ({"runs": []}, "lost 0 doubled 0 misbooked 1 stuck 0"),
        ({"runs": [LATER]}, "lost 0 doubled 0 misbooked 1 stuck 0"),
        ({"runs": [LATER], "readings": [LATER, replace(RUN, index=2)]}, "lost 0 doubled 0 misbooked 1 stuck 0"),
    ],
    ids=[
        "forgotten", "never began", "lost by the site", "stuck", "an attempt began twice", "began again after its end",
        "one submission, two jobs", "handed over twice", "not booked", "booked twice", "booked and never ran", "amount",
        "an amount that was never said",
    ],
)  # fmt: skip
def test_each_wrong_is_found(changes, line):
    verdict = check(replace(SOUND, **changes))

    assert verdict.line == line
    assert "job 7" in str(verdict) or "job 8" in str(verdict)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hub": job(state="node-fail"), "runs": [replace(RUN, state="NODE_FAIL")]}, "ended as node-fail"),
        (
            {
                "hub": job(state="node-fail"),
                "runs": [replace(RUN, over=False)],
                "booked": [replace(ENTRY, gpu_seconds=0, source="none")],
            },
            "ended as node-fail",
        ),
        ({"markers": [BEGAN, replace(BEGAN, again=True)]}, "attempt 1 began twice (31)"),
        (
            {"markers": [replace(BEGAN, native="30"), replace(BEGAN, again=True)], "hub": job(state="failed")},
            "ended as failed; attempt 1 began twice (31)",
        ),
        ({"markers": [BEGAN, replace(BEGAN, attempt=2)]}, "began again after attempt 1, which is completed"),
        (
            {"runs": [LATER], "readings": [RUN, LATER]},
            f"attempt 1 is booked as {ENTRY}, and the accounting has {LATER}",
        ),
    ],
    ids=[
        "a node failed",
        "the controller forgot it",
        "it began one job twice",
        "it forgot the first one",
        "it queued an ended job again",
        "it wrote over its accounting",
    ],
)
def test_what_the_cluster_did_itself_is_told_apart(changes, words):
    verdict = check(replace(SOUND, **changes))

    assert (verdict.line, verdict.cluster) == ("lost 0 doubled 0 misbooked 0 stuck 0", {"7": words.split("; ")})
    assert f"by the cluster itself: job 7: {words}" in str(verdict)
