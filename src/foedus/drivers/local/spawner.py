"""The process that starts supervisors: small, single-threaded, so that a fork costs little and copies no locks.

It reads one line for each run (``<restart> <folder of the attempt>``) until its standard input closes, which it does
when the agent is gone. The supervisors that it forked live on.
"""

import gc
import os
import signal
import sys
from pathlib import Path

from foedus.drivers.local import processes
from foedus.drivers.local.supervisor import supervise


def main() -> None:
    """Fork a supervisor for every line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries the supervisors
    processes.boot()  # loads once what every supervisor would load for itself
    gc.freeze()  # a collection in a fork would copy every page
    while line := sys.stdin.buffer.readline():
        restart, _, folder = line.removesuffix(b"\n").partition(b" ")
        if os.fork() == 0:
            try:
                supervise(Path(os.fsdecode(folder)), int(restart))
            finally:
                os._exit(0)


if __name__ == "__main__":
    main()
