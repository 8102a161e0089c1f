"""What a script would do, for drivers that run nothing.

It is read out of its ``echo``, ``sleep``, ``exit``, ``kill -N $$`` and ``trap 'exit N' SIGNAL`` lines.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from foedus.core.jobs.state import Outcome
from foedus.drivers.base import Launch

_NAME = re.compile(r"\$\{?(\w+)\}?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What one attempt does when it runs."""

    seconds: int
    output: str
    exit_code: int
    signal: int
    trapped: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    """Signals that do not end it as they do anybody: the exit code that it ends with, `None` where it goes on."""

    @property
    def outcome(self) -> Outcome:
        """How it ends if nobody interferes."""
        return Outcome.FAILED if self.exit_code or self.signal else Outcome.COMPLETED

    def outputs(self, launch: Launch, native_id: str) -> tuple[Path, Path]:
        """Return the files of standard output and standard error."""
        task = launch.task
        values = {
            "j": native_id,
            "A": str(task.array) if task else native_id,
            "a": str(task.index) if task else "4294967294",
            "x": launch.spec.name,
            "%": "%",
        }

        def fill(pattern: str) -> Path:
            folder = launch.work / (launch.spec.chdir or "")
            return folder / re.sub(r"%(.)", lambda match: values.get(match[1], match[0]), pattern)

        stdout = fill(launch.spec.output or ("slurm-%A_%a.out" if task else "slurm-%j.out"))
        return stdout, fill(launch.spec.error) if launch.spec.error else stdout


def pretend(launch: Launch) -> Conduct:
    """Read a script; commands that it does not know take no time and do nothing."""
    names = _variables(launch)
    seconds = 0
    said: list[str] = []
    trapped: dict[str, int | None] = {}
    code = signal = 0
    for line in launch.spec.script.splitlines():
        words = shlex.split(_NAME.sub(lambda match: names.get(match[1], ""), line), comments=True)
        match words:
            case ["echo", *rest]:
                said.append(f"{' '.join(rest)}\n")
            case ["sleep", length]:
                seconds += int(float(length))
            case ["trap", action, *names_of]:
                trapped |= dict.fromkeys(names_of, int(action.rpartition(" ")[2]) if action else None)
            case ["exit", number]:
                code = int(number)
                break
            case ["kill", number, _]:
                signal = -int(number)
                break
            case _:
                pass
    return Conduct(seconds=seconds, output="".join(said), exit_code=code, signal=signal, trapped=trapped)


def _variables(launch: Launch) -> Mapping[str, str]:
    names = {str(number): text for number, text in enumerate(launch.spec.arguments, start=1)}
    names |= dict(launch.spec.environment)
    names |= {"SLURM_RESTART_COUNT": str(launch.restarts)} if launch.restarts else {}
    task = launch.task
    if task is not None:
        names |= {
            "SLURM_ARRAY_JOB_ID": task.array,
            "SLURM_ARRAY_TASK_ID": str(task.index),
            "SLURM_ARRAY_TASK_COUNT": str(task.count),
            "SLURM_ARRAY_TASK_MIN": str(task.lowest),
            "SLURM_ARRAY_TASK_MAX": str(task.highest),
            "SLURM_ARRAY_TASK_STEP": str(task.step),
        }
    return names
