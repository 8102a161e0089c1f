import time

import pytest
from agent_hub import usage_of
from scripted_cluster import ScriptedCluster

from foedus.core.jobs.job import StopReason
from foedus.core.jobs.state import AttemptState, Outcome


@pytest.fixture
def cluster():
    return ScriptedCluster()


def facts(hub, job):
    return [
        (item.attempt, item.state, item.outcome, item.requeued_as)
        for (name, _), item in sorted(hub.statuses.items())
        if name == job
    ]


def test_each_restart_is_reported_and_booked_as_an_attempt_of_its_own(hub, run, order, cluster):
    run(driver=cluster)
    hub.order(order("1", "true", attempt=2))
    hub.wait_state("1", "starting", attempt=2)
    cluster.show("1", "running", attempt=2)
    hub.wait_state("1", "running", attempt=2)

    cluster.show("1", "pending", attempt=2, restarts=1)
    time.sleep(0.5)
    assert facts(hub, "1") == [(2, AttemptState.RUNNING, None, None)]
    cluster.record("1", 0, "preempted", 7, attempt=2)

    hub.wait_state("1", "starting", attempt=3)
    cluster.show("1", "ended", attempt=2, restarts=1)
    cluster.record("1", 1, "completed", 9, attempt=2)
    hub.wait_state("1", "ended", attempt=3)
    hub.wait(lambda: len(hub.usages) == 2)
    assert facts(hub, "1") == [
        (2, AttemptState.ENDED, Outcome.PREEMPTED, 3),
        (3, AttemptState.ENDED, Outcome.COMPLETED, None),
    ]
    assert [usage_of(hub, "1", attempt)["elapsed"] for attempt in (2, 3)] == [7, 9]
    assert cluster.starts == ["foedus:pact/1/2"]


def test_a_stop_reaches_the_attempt_that_the_cluster_queued_again(hub, run, order, cluster):
    run(driver=cluster)
    hub.order(order("1", "true"))
    hub.wait_state("1", "starting")
    cluster.show("1", "pending", restarts=1)
    cluster.record("1", 0, "requeued", 3)
    hub.wait_state("1", "starting", attempt=2)

    hub.stop("1", 2, StopReason.CANCEL)

    hub.wait(lambda: cluster.stops == ["foedus:pact/1/1"])
    cluster.show("1", "ended", restarts=1)
    cluster.record("1", 1, "cancelled", 0)
    assert hub.wait_state("1", "ended", attempt=2).outcome is Outcome.CANCELLED


@pytest.mark.parametrize("swallow", [True, False])
def test_a_hand_over_in_doubt_happens_once(hub, run, order, cluster, swallow):
    run(driver=cluster)
    hub.wait(lambda: hub.reports)
    cluster.broken, cluster.swallow = {"start"}, swallow
    hub.order(order("1", "true"))
    time.sleep(0.3)
    cluster.broken = set()

    hub.wait_state("1", "starting")

    assert cluster.starts == ["foedus:pact/1/1"]


def test_a_look_that_fails_changes_nothing(hub, run, order, cluster):
    run(driver=cluster)
    hub.order(order("1", "true"))
    hub.wait_state("1", "starting")
    cluster.show("1", "running")
    hub.wait_state("1", "running")
    cluster.broken = {"look"}
    cluster.forget("1")
    looks = cluster.looks
    hub.wait(lambda: cluster.looks > looks + 1)

    assert facts(hub, "1") == [(1, AttemptState.RUNNING, None, None)]
    assert hub.usages == {}


def test_what_the_cluster_forgets_is_said_and_then_given_up(hub, run, order, cluster):
    run(driver=cluster, lost_after_s=2)
    hub.order(order("1", "true"))
    hub.wait_state("1", "starting")
    cluster.show("1", "running")
    hub.wait_state("1", "running")
    cluster.forget("1")

    hub.wait(lambda: "neither the cluster's queue" in hub.statuses["1", 1].reason)
    item = hub.wait_state("1", "ended")

    assert item.outcome is Outcome.NODE_FAIL
    assert item.reason.startswith("the cluster lost it")
    hub.wait(lambda: hub.usages)
    assert (usage_of(hub, "1")["source"], usage_of(hub, "1")["elapsed"]) == ("none", 0)


def test_what_the_cluster_forgets_before_it_runs_is_given_back_unless_it_may_not_begin_again(hub, run, order, cluster):
    run(driver=cluster, lost_after_s=1)
    hub.order(order("1", "true"), order("2", "#!/bin/sh\n#SBATCH --no-requeue\ntrue\n"))
    hub.wait_state("1", "starting")
    hub.wait_state("2", "starting")
    cluster.forget("1")
    cluster.forget("2")

    back, over = hub.wait_state("1", "returned"), hub.wait_state("2", "ended")

    lost = "the cluster lost it: neither its queue nor its accounting knows it since "
    assert (back.reason.startswith(lost), over.reason.startswith(lost)) == (True, True)
    assert (back.reason.endswith("; it was never seen to run"), back.final) == (True, False)
    hub.wait(lambda: len(hub.usages) == 2)
    assert [(usage_of(hub, job)["source"], usage_of(hub, job)["elapsed"]) for job in ("1", "2")] == [("none", 0)] * 2


def test_an_operators_requeue_of_an_ended_job_is_followed(hub, run, order, cluster):
    run(driver=cluster)
    hub.order(order("1", "true"))
    hub.wait_state("1", "starting")
    cluster.show("1", "ended")
    cluster.record("1", 0, "failed", 4)
    hub.wait_state("1", "ended")

    cluster.show("1", "pending", restarts=1)

    hub.wait_state("1", "starting", attempt=2)
    hub.wait(lambda: hub.statuses["1", 1].requeued_as == 2)


def test_a_stop_that_fails_is_repeated(hub, run, order, cluster, until):
    from dataclasses import replace

    agent = run(driver=cluster)
    agent.agent.context.rules = replace(agent.agent.context.rules, stop_again_s=0.2)
    hub.order(order("1", "true"))
    hub.wait_state("1", "starting")
    cluster.broken = {"stop"}
    hub.stop("1", 1, StopReason.CANCEL)

    until(lambda: len(cluster.stops) > 2)

    cluster.broken = set()
    cluster.show("1", "ended")
    cluster.record("1", 0, "cancelled", 0)
    hub.wait_state("1", "ended")


def test_a_cluster_that_does_not_say_what_is_free_is_reported_without(hub, run, cluster):
    cluster.broken = {"capacity"}
    run(driver=cluster)

    hub.wait(lambda: hub.reports)

    assert hub.reports[0].capacity is None
