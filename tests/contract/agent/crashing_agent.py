"""An agent that kills itself: ``crashing_agent.py STATE CONFIG POINT``.

POINT is ``commit:N`` (right after its Nth commit), ``rollback:N`` (right before it), ``before-start``,
``after-start`` or ``never``.
"""

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

from foedus.agent.folder import StateFolder
from foedus.agent.settings import read_settings
from foedus.agent.wiring import build, load_driver
from foedus.drivers.base import Phase, Ref
from foedus.store.journal import Journal


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def count_commits(number, *, before):
    seen = 0
    change = Journal._change

    @contextmanager
    def counted(self):
        nonlocal seen
        with change(self) as db:
            yield db
            seen += 1
            if before and seen == number:
                die()
        if not before and seen == number:
            die()

    Journal._change = counted


class Watched:
    """The cluster, which tells when it is handed an attempt that it has already."""

    def __init__(self, driver, book, point):
        self.driver, self.book, self.point = driver, book, point

    def __getattr__(self, name):
        return getattr(self.driver, name)

    def start(self, launch):
        ref = Ref(marker=launch.marker, native_id=None, folder=launch.folder, since=0)
        again = self.driver.look([ref])[launch.marker].phase is not Phase.UNKNOWN
        with self.book.open("a") as book:
            book.write(f"{launch.marker.text} {'AGAIN' if again else 'once'}\n")
        if self.point == "before-start":
            die()
        native_id = self.driver.start(launch)
        if self.point == "after-start":
            die()
        return native_id


def main(state, config, point):
    kind, _, number = point.partition(":")
    if number:
        count_commits(int(number), before=kind == "rollback")
    settings = read_settings(Path(config))
    driver = load_driver(settings.driver_kind, settings.driver_settings)
    folder = StateFolder(path=Path(state))
    agent = build(folder, settings, driver=Watched(driver, Path(config).parent / "starts", point))
    agent.stop_on(signal.SIGTERM)
    agent.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
