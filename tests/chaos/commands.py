"""Slurm's commands as a bad day has them: wrappers that stand before the real ones on an agent's path."""

from collections import Counter
from pathlib import Path

NAMES = ("sbatch", "scancel", "squeue", "sacct")
_WRAPPER = """#!/bin/sh
# {name}: mostly itself; of each 1000 calls 50 are carried out and never answered, 15 never sent, 15 held up before they
# are sent, 20 answered with garbage
[ -e "{on}" ] || exec /usr/bin/{name} "$@"
draw=$(printf '%s' "{seed} $$ $*" | cksum)
draw=$((${{draw%% *}} % 1000))
say() {{ echo "{name} $1" >> "{log}"; }}
if [ "$draw" -lt 50 ]; then
    say "carried out, never answered"
    /usr/bin/{name} "$@" > /dev/null 2>&1
    exec sleep {late} > /dev/null 2>&1
elif [ "$draw" -lt 65 ]; then
    say "never sent"
    exec sleep {late} > /dev/null 2>&1
elif [ "$draw" -lt 80 ]; then
    say "held up"
    sleep {late} > /dev/null 2>&1
elif [ "$draw" -lt 90 ] && [ {name} != sbatch ]; then
    say "answered with a torn line"
    /usr/bin/{name} "$@" 2> /dev/null | head -c -4
    exit 0
elif [ "$draw" -lt 100 ]; then
    say "answered with garbage"
    /usr/bin/{name} "$@" > /dev/null 2>&1
    printf '\\001\\377slurm_load error: Insane message length\\n\\n?\\n'
    exit $((draw % 2))
fi
exec /usr/bin/{name} "$@"
"""


class BadCommands:
    """The wrappers in a folder: they fail while they are `on`."""

    def __init__(self, folder: Path, seed: int, late_s: float) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self._on = folder / "on"
        self._log = folder / "log"
        self._log.touch()
        self._log.chmod(0o666)
        for name in NAMES:
            program = folder / name
            words = {"name": name, "on": self._on, "seed": seed, "log": self._log, "late": late_s}
            program.write_text(_WRAPPER.format(**words))
            program.chmod(0o755)

    def begin(self) -> None:
        """Let them fail from now on."""
        self._on.touch()

    def end(self) -> None:
        """Let them work from now on."""
        self._on.unlink(missing_ok=True)

    def counts(self) -> Counter[str]:
        """Count what they did wrong, such as ``sbatch never sent``."""
        return Counter(self._log.read_text().splitlines())
