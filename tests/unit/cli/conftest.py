import time

import pytest
from wire_hub import Shell, WireHub


@pytest.fixture
def hub():
    return WireHub()


@pytest.fixture
def foedus(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    for name in ("FOEDUS_HUB", "FOEDUS_TOKEN", "FOEDUS_PROFILE", "FOEDUS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    yield Shell(
        hub,
        {
            "FOEDUS_HUB": "http://127.0.0.1:1",
            "FOEDUS_TOKEN": "secret",
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "SEED": "17",
        },
    )
    monkeypatch.undo()
    time.tzset()
