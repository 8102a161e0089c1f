"""How long jobs wait is measured once each, when it is true: not in a transaction that came to nothing."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from served import CLOCK, SCRIPT, Served, free

from foedus.core.base.errors import NotFound
from foedus.flow.ports import Stage


def counts(served: Served) -> dict[str, float]:
    with served.http() as http:
        page = http.get(served.url + "/metrics").text
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name in {"foedus_job_bind_wait_seconds_count", "foedus_job_start_wait_seconds_count"}
    }


def moved(before: dict[str, float], after: dict[str, float]) -> list[float]:
    return [after[name] - before[name] for name in sorted(before)]


def test_waits_are_counted_once(served: Served):
    agent = served.agent("jerusalem")
    agent.report(capacity=free())
    before = counts(served)
    with served.client("lead") as client:
        job = client.submit(SCRIPT).id
    starts = []
    for _ in range(60):
        starts = [one for one in agent.orders(wait_s=1)["starts"] if one["job"] == job]
        if starts:
            break
    bound = counts(served)
    running = {"job": job, "attempt": 1, "state": "running", "native_id": "7", "started": CLOCK.now()}
    agent.report(running)
    agent.report(running)

    assert len(starts) == 1
    assert moved(before, bound) == [1, 0]
    assert moved(bound, counts(served)) == [0, 1]


def test_what_came_to_nothing_is_not_counted(served: Served):
    before = counts(served)

    def fail() -> None:
        with served.hub.store.begin() as tx:
            tx.waited(Stage.BIND, 1)
            raise NotFound

    with pytest.raises(NotFound):
        fail()

    assert moved(before, counts(served)) == [0, 0]
