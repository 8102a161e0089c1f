"""What happened in a run, as JSON lines: what was asked for, what was broken and mended, what was found."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class History:
    """An append-only file of events, each with its seconds since the beginning and its time; safe for threads."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.counts: Counter[str] = Counter()
        """How many events of each kind there were."""
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def note(self, kind: str, **facts: Any) -> None:
        with self._lock, self.file.open("a", encoding="utf-8") as out:
            self.counts[kind] += 1
            facts = {"at": round(self.seconds, 3), "unix": round(time.time(), 3), "kind": kind, **facts}
            out.write(json.dumps(facts) + "\n")

    def events(self, kind: str | None = None, **facts: Any) -> Iterator[dict[str, Any]]:
        """Go through those of a kind that have these facts, in order."""
        for line in self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else ():
            event = json.loads(line)
            if kind in {None, event["kind"]} and all(event.get(name) == value for name, value in facts.items()):
                yield event
