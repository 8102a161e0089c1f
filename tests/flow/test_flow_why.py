from alliance import RULES, Alliance, capacity, script

from foedus.core.jobs.state import Outcome
from foedus.flow.why import why
from foedus.wire.jobs import WhyView


def story_of(alliance: Alliance, job: str = "1", user: str = "noa", language: str = "en") -> WhyView:
    who = alliance.caller(user)
    return alliance.do(lambda tx: why(tx, who, job, alliance.agreement, RULES, language=language, now=alliance.now))


def told(alliance: Alliance, job: str = "1", **how) -> list[str]:
    return [line.text for line in story_of(alliance, job, **how).story]


def test_it_waits(alliance: Alliance):
    alliance.submit()
    assert story_of(alliance).answer == (
        "It waits: jerusalem: its agent has not reported lately; baku: its agent has not reported lately."
    )
    alliance.says("jerusalem", 0)
    alliance.says("baku", 0, draining=True)
    assert story_of(alliance).answer == (
        "It waits: jerusalem: it has no room now; baku: it takes no new jobs (drained by its operator)."
    )
    alliance.says("jerusalem", 1)
    assert story_of(alliance).answer == ("It waits: jerusalem: it has room, and gets the job unless an older one does.")
    assert told(alliance) == ["Submitted", "Admitted under version 1 for jerusalem, baku, at most 1 GPU-hours"]


def test_it_waits_for_another(alliance: Alliance):
    alliance.submit()
    alliance.submit(text=script(more=["--dependency=afterok:1"]))
    assert story_of(alliance, "2").answer == "It waits: waits for 1 to succeed."


def test_a_guest_to_its_end(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 0)
    alliance.says("baku", 1)
    alliance.place()
    assert story_of(alliance).answer == "It was given to baku as a guest; its agent has not confirmed yet."
    alliance.starting("baku", "1")
    assert story_of(alliance).answer == "It waits in the queue of baku as a guest: in the queue of baku."
    alliance.running("baku", "1")
    assert story_of(alliance).answer == "It runs at baku as a guest, attempt 1."
    alliance.ended("baku", "1", outcome=Outcome.FAILED, exit_code=3, signal=9)
    view = story_of(alliance)
    assert view.answer == "It ended at baku as a guest, attempt 1: failed (exit code 3)."
    assert [line.text for line in view.story] == [
        "Submitted",
        "Admitted under version 1 for jerusalem, baku, at most 1 GPU-hours",
        "Bound to baku as a guest, attempt 1: it could start it at once; jerusalem: it has no room now",
        "Handed to baku's scheduler as n1",
        "Running at baku",
        "Attempt 1 at baku: failed, exit code 3, signal 9",
    ]
    assert [(one.number, one.site, one.guest, one.state) for one in view.attempts] == [(1, "baku", True, "ended")]


def test_refused_by_a_clause_in_the_readers_language(alliance: Alliance):
    alliance.submit(text=script(purpose=None))
    english = "clause declared-purpose: A job that uses GPUs declares its purpose."
    assert told(alliance)[1] == f"Refused: jerusalem, baku: {english}"
    german = "clause declared-purpose: Ein Auftrag, der GPUs nutzt, nennt seinen Zweck."
    assert told(alliance, language="de-AT")[1] == f"Refused: jerusalem, baku: {german}"
    assert told(alliance, language="fr")[1] == f"Refused: jerusalem, baku: {english}"
    remedy = "Change what the clause speaks of, or take it up with the alliance's office."
    assert story_of(alliance).answer == (
        "It was refused: jerusalem, baku: clause declared-purpose forbids it: "
        f"A job that uses GPUs declares its purpose. {remedy}"
    )
    assert story_of(alliance, language="de").answer == (
        "It was refused: jerusalem, baku: clause declared-purpose forbids it: "
        f"Ein Auftrag, der GPUs nutzt, nennt seinen Zweck. {remedy}"
    )


def test_a_refusal_names_all_its_reasons_and_each_remedy_once(alliance: Alliance):
    alliance.submit(
        "aysel", script(gpus=8, time="20:00:00", project="metro", purpose=None, more=["--gpus-per-node=8", "--nodes=1"])
    )
    assert story_of(alliance, user="aysel").answer == (
        "It was refused: baku, jerusalem: clause declared-purpose forbids it: "
        "A job that uses GPUs declares its purpose; baku: pool gpu: needs 8 GPUs on a node, has 4; "
        "pool cpu: needs 8 GPUs on a node, has none. "
        "Change what the clause speaks of, or take it up with the alliance's office. "
        "Ask for less on a node or for fewer nodes."
    )


def test_refused_by_local_policy_and_placed_elsewhere(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 1)
    alliance.says("baku", 1)
    alliance.place()
    alliance.returned("jerusalem", "1", reason="local policy", policy=["jerusalem-quiet"], final=True)
    alliance.place()
    given_back = (
        "Given back by jerusalem (attempt 1): local policy; local policy: jerusalem-quiet; "
        "it will not take this job later either"
    )
    assert told(alliance)[2:] == [
        "Bound to jerusalem, attempt 1: it could start it at once",
        given_back,
        "Bound to baku as a guest, attempt 2: it could start it at once",
    ]


def test_too_big_for_its_home(alliance: Alliance):
    alliance.submit("aysel", script(gpus=8, more=["--gpus-per-node=8", "--nodes=1"], project="metro"))
    assert told(alliance, user="aysel")[1] == (
        "Admitted under version 1 for jerusalem, at most 8 GPU-hours; not baku: pool gpu: needs 8 GPUs on a node, "
        "has 4; pool cpu: needs 8 GPUs on a node, has none"
    )
    alliance.says("jerusalem", capacity(4, "h100", nodes=1))
    assert story_of(alliance, user="aysel").answer == "It waits: jerusalem: it has no room now."


def test_cancelled_before_it_ran(alliance: Alliance):
    alliance.submit()
    alliance.cancel("noa", "1")
    assert story_of(alliance).answer == "It was cancelled: cancelled by noa."
    assert told(alliance)[-1] == "Cancelled: cancelled by noa"


def test_cancelled_at_its_site_before_it_ran(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 1)
    alliance.place()
    alliance.fetch("jerusalem")
    alliance.starting("jerusalem", "1")
    alliance.cancel("noa", "1")
    alliance.ended("jerusalem", "1", outcome=Outcome.CANCELLED, exit_code=None)
    assert story_of(alliance).answer == "It ended at jerusalem, attempt 1: cancelled."
    assert told(alliance)[-2:] == ["noa asked to cancel it; jerusalem was told", "Attempt 1 at jerusalem: cancelled"]


def test_requeued_and_revived(alliance: Alliance):
    alliance.submit()
    alliance.says("jerusalem", 1)
    alliance.place()
    alliance.running("jerusalem", "1")
    alliance.ended("jerusalem", "1", outcome=Outcome.PREEMPTED, requeued_as=2)
    alliance.ended("jerusalem", "1", 2)
    alliance.ended("jerusalem", "1", 2, requeued_as=3)
    assert told(alliance)[-3:] == [
        "Attempt 1 at jerusalem was preempted; the site queued the job again",
        "Attempt 2 at jerusalem: completed, exit code 0",
        "jerusalem ran it again after it had ended, as attempt 3",
    ]


def test_an_array_and_one_of_its_tasks(alliance: Alliance):
    alliance.submit(text=script(more=["--array=4-9"]))
    view = story_of(alliance)
    assert view.answer == "It is an array of 6 tasks: 6 pending. See `foedus why 1_4` for one of them."
    assert (view.attempts, view.job.id, view.job.tasks) == ([], "1", {"pending": 6})
    assert told(alliance, "1_5") == [line.text for line in view.story]
    assert view.story[0].text == "Submitted as an array of 6 tasks"
