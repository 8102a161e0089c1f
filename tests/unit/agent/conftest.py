import pytest
from agent_rows import T0, make_order, make_record

from foedus.agent.reconcile import ordered
from foedus.core.base.instant import Instant


@pytest.fixture
def order():
    return make_order


@pytest.fixture
def record():
    return make_record


@pytest.fixture
def row():
    def make(job="7", attempt=1, **update):
        return ordered(make_order(job, attempt), T0).model_copy(update=update)

    return make


@pytest.fixture
def at():
    return lambda seconds: Instant(T0 + round(seconds * 1000))
