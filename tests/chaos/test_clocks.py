"""A process that goes by a false clock follows it while it runs."""

import os
import subprocess
import sys
import time

from chaos.clocks import HOUR_S, FalseClock

TELL = """import sys, time
from foedus.process.clock import SystemClock
for line in sys.stdin:
    time.sleep(0.3)
    print(round(SystemClock().now() / 1000 - float(line)), flush=True)
"""


def test_a_process_follows_its_false_clock(tmp_path):
    clock = FalseClock("hub", tmp_path / "hub.clock")
    told = []
    with subprocess.Popen(
        [sys.executable, "-c", TELL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **clock.environment},
        text=True,
    ) as process:
        for ahead in (0, HOUR_S, -HOUR_S):
            clock.set(ahead)
            process.stdin.write(f"{time.time()}\n")
            process.stdin.flush()
            told.append(int(process.stdout.readline()) - ahead)
        process.stdin.close()

    assert all(0 <= late < 60 for late in told), told
