"""What the broker does beside placing jobs."""

import time
from pathlib import Path

from served import CLOCK, serving
from sqlalchemy import select

from foedus.core.base.instant import after
from foedus.hub.begin import begin
from foedus.hub.settings import HubSettings
from foedus.hub.wiring import Hub, build
from foedus.keys.examples import lay_out
from foedus.store.tables import requests
from waiting import PATIENCE_S

WEEK = 7 * 24 * 3600
BODY = "a" * 64


def remembered(hub: Hub) -> list[str]:
    with hub.store.change() as session:
        return list(session.connection.execute(select(requests.c.key).order_by(requests.c.key)).scalars())


def test_answers_are_forgotten_after_a_week(tmp_path: Path):
    laid_out = lay_out("caspian", tmp_path / "agreement", sign=True)
    settings = HubSettings(state=tmp_path / "hub", pass_s=0.05)
    begin(settings, laid_out.agreement, "olga", "israel", key=laid_out.keys["hub"])
    hub = build(settings)
    now = CLOCK.now()
    with hub.store.begin() as tx:
        for key, age in (("old", WEEK + 60), ("young", WEEK - 60)):
            tx.requests.claim("olga", key, BODY, after(now, -age))
            tx.requests.answer("olga", key, 200, b"{}")
    assert remembered(hub) == ["old", "young"]
    with serving(hub):
        deadline = time.monotonic() + PATIENCE_S
        while "old" in remembered(hub) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert remembered(hub) == ["young"]
