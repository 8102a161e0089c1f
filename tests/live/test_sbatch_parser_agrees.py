"""The reader agrees with the real sbatch: the words that it finds, what it takes, what it makes of nodes and tasks.

``sbatch -vvv`` prints each word that it finds in a script, then the options as it understood them, checks them, and
only then calls slurmctld. So the program alone is enough, with a configuration whose controller is a closed port.
"""

import random
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from foedus.core.base.errors import BadInput
from foedus.core.base.units import Mebibytes, duration
from foedus.core.jobs.directives import scan
from foedus.core.jobs.options import OPTIONS, Takes
from foedus.core.jobs.sbatch import parse
from foedus.core.jobs.spec import Resources

pytestmark = pytest.mark.live


@pytest.fixture(scope="module", autouse=True)
def sbatch_is_here() -> None:
    """A machine without sbatch fails here, as the other live tests do: nothing live is skipped."""
    if shutil.which("sbatch") is None:
        pytest.fail("sbatch is not installed (apt: slurm-client)", pytrace=False)


SH = "#!/bin/sh\n"
CONFIG = """ClusterName=none
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=1
MessageTimeout=1
AuthType=auth/none
CredType=cred/none
SelectType=select/cons_tres
GresTypes=gpu,tmpdisk
PluginDir={plugins}
PlugStackConfig=/dev/null
NodeName=localhost
PartitionName=all Nodes=ALL Default=YES
MailProg=/bin/true
"""
_WORD = re.compile(r'^sbatch: debug2: Found in script, argument "(.*)"$')
_OPTION = re.compile(r"^sbatch: ([a-z-]+) +: (.*)$")
_SENT = "Unable to contact slurm controller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the real sbatch did with a script."""

    words: tuple[str, ...]
    options: dict[str, str]
    accepted: bool


class Sbatch:
    """The real program, with nobody to submit to."""

    def __init__(self, folder: Path) -> None:
        self._script = folder / "job.sh"
        self._environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}

    def messages(self, script: str, *words: str) -> list[str]:
        """Run it; returns the lines of its standard error."""
        self._script.write_text(script, encoding="utf-8", newline="")
        done = subprocess.run(
            ["sbatch", *words, self._script.name],
            cwd=self._script.parent,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.stderr.split("\n")

    def ask(self, script: str, *overrides: str) -> Answer:
        words, options = [], {}
        lines = self.messages(script, "-vvv", *overrides)
        for line in lines:
            if found := _WORD.match(line):
                words.append(found[1])
            elif found := _OPTION.match(line):
                options[found[1]] = found[2]
        return Answer(words=tuple(words), options=options, accepted=any(_SENT in line for line in lines))


@pytest.fixture(scope="module")
def sbatch(tmp_path_factory) -> Sbatch:
    folder = tmp_path_factory.mktemp("sbatch")
    plugins = next(path.parent for path in Path("/usr").glob("lib/**/slurm*/select_cons_tres.so"))
    (folder / "slurm.conf").write_text(CONFIG.format(plugins=plugins))
    return Sbatch(folder)


def accepted(script: str, *overrides: str) -> Resources | None:
    try:
        return parse(script, overrides).resources
    except BadInput:
        return None


LINES = [
    "#SBATCH -n 4",
    "#SBATCH-n4",
    "#SBATCHN --time=4",
    "#SLURM -n4",
    " #SBATCH -n4",
    "##SBATCH -n4",
    "# text\n\t\n#SBATCH -n4",
    "echo\n#SBATCH -n4",
    "\x0b: x\n#SBATCH -n4",
    "#SBATCH -J 'a b' -n4",
    '#SBATCH -J"a b"c',
    '#SBATCH -J "it\'s"',
    '#SBATCH -J "a\\"b"',
    "#SBATCH -J 'a\\'b'",
    "#SBATCH -J a\\#b",
    "#SBATCH -J a\\\\b",
    "#SBATCH -J a\\ -n4",
    "#SBATCH -J a\\",
    "#SBATCH -n4 # -N2",
    "#SBATCH -n4#-N2",
    '#SBATCH -J "a#b"',
    '#SBATCH -J "" -n4\n#SBATCH x -n2',
    "#SBATCH\t-n4\x0b-N2\x0c-c1 \r -t5",
    "#SBATCH -J naïve",
    "#SBATCH -J 'a",
    "#SBATCH -J a'b\" -n4",
    "#SBATCH : -n4",
    "#SBATCH -n4 :",
    "#SBATCH --job-name\n#SBATCH --mem=5",
    "#SBATCH -n",
    "#SBATCH foo -N2",
    "#SBATCH -N2 --",
    "#SBATCH -N2 -- foo",
    "#SBATCH -sON2",
    "#SBATCH -koff -k",
    "#SBATCH --exclusive user",
    "#SBATCH --exclusive=user",
    "#SBATCH --contiguous=1",
    "#SBATCH --gpu=3",
    "#SBATCH --exp=ALL",
    "#SBATCH --ntasks-per-n=3 --cpus-per-t=2 --ti=5",
    "#SBATCH --bogus",
    "#SBATCH -Z",
    "#SBATCH -t=5",
    "#SBATCH --time=5 --time=x",
]


@pytest.mark.parametrize("body", LINES)
def test_words_and_their_acceptance(sbatch, body):
    script = f"{SH}{body}\nhostname\n#SBATCH --bogus\n"
    real, found = sbatch.ask(script), scan(script)
    if not found.faults:
        assert tuple(word.text for word in found.sbatch) == real.words
    assert (accepted(script) is not None) == real.accepted


SHAPES = [
    *(f"-t {text}" for text in ("5", "5:30", "1:00:00", "1-", "1-0", "1-2:3", "1-2:3:4", "0:1", "90:00", "007")),
    *(f"-t {text}" for text in ("x", "1:", ":1", "1::2", "1-2:", "--1", "1:2-3", "1:2:3:4", "5m", "' 5'", "1-2-3")),
    *(f"--mem={text}" for text in ("5", "5M", "5mb", "1K", "1025k", "2G", "2gB", "1T", "+3", "' 3'")),
    *(f"--mem={text}" for text in ("G", "-1", "1.5G", "5P", "5GiB", "'5 G'", "''")),
    *(
        f"-N {text}"
        for text in ("2", "2-4", "-4", "1k", "1-1K", "' 3 '", "4-2", "2-", "x", "2-x", "1,3", "1-2-3", "''")
    ),
    *(f"-n {text}" for text in ("4", "+4", "' 4'", "0", "-1", "2k", "x", "1.0", "'4 '", "''")),
    "-N2 -n4",
    "-n2 -N4",
    "-n3 -N2-8",
    "-N2 --ntasks-per-node=4",
    "-N2-3 --ntasks-per-node=4",
    "--ntasks-per-node=4",
    "-N2 --sockets-per-node=2 --cores-per-socket=4",
    "-N2 -B 2:4",
    "-B 2:*:1",
    "-n3 -B 2-4:4",
    "-c4 -N2",
    "--mem=5 --mem-per-cpu=4",
    "--mem-per-gpu=4",
    "--gpus=1 --mem-per-gpu=4",
    "--exclusive=me",
    *(f"--gpus={text}" for text in ("2", "a100", "a100:2", "1k", "a100:x", "a100:", ":2", "a:b:c", "2,3", "2,a100:1")),
    *(
        f"--gres={text}"
        for text in ("gpu", "gpu:2", "gpu:a100", "gpu:a100:2", "gres:gpu:2", "gpu:2,tmpdisk:10", "none")
    ),
    *(
        f"--gres={text}"
        for text in ("gpu:", "gpu:x:y", "gpu::1", "gpu=2", "GPU:2", "gres/gpu:2", ":2", "gpu:2,gpu:v:1")
    ),
    "--gpus=a100:8 --gpus-per-node=4",
    "--gpus=a100:8 --gpus-per-node=a100:4",
    "--gpus=8 --gpus-per-node=4",
    "--gpus=7 --gpus-per-node=4",
    "-N1 --gpus=8 --gres=gpu:4",
    "-N1-4 --gpus=8 --gpus-per-node=4",
    "--gpus=7 --gpus-per-task=2",
    "--gpus=8 --gpus-per-task=2",
    "-n3 --gpus=8 --gpus-per-task=2",
    "--gpus-per-task=1",
    "-N2 --gpus-per-task=1",
    "-N2 -c2 --gpus-per-task=1",
    "-N2 --ntasks-per-node=4 --gpus-per-task=1",
    "--gpus-per-socket=1",
    "-N2 --gpus-per-socket=2 --sockets-per-node=2",
    "-N2 --gpus=1",
    "--ntasks-per-gpu=2",
    "-n8 --ntasks-per-gpu=2",
    "-N2 --ntasks-per-gpu=2",
    "--gpus=4 --ntasks-per-gpu=2",
    "--gpus=1 --ntasks-per-gpu=2 --ntasks-per-node=2",
    "--gpus=1 -c2 --cpus-per-gpu=2",
    "--gpus=4 --cpus-per-gpu=8",
    "-n2 --gpus-per-task=2 --cpus-per-gpu=8",
]


@pytest.mark.parametrize("options", SHAPES)
def test_values_and_what_sbatch_makes_of_them(sbatch, options):
    script = f"{SH}#SBATCH {options}\n"
    real, mine = sbatch.ask(script), accepted(script)
    assert (mine is not None) == real.accepted
    if mine is None:
        return
    if "time" in real.options:
        assert mine.time_limit is not None
        assert duration(mine.time_limit) == real.options["time"]
    if "mem" in real.options:
        assert mine.memory_per_node == _memory(real.options["mem"])
    if "nodes" in real.options and "gpus-per-node" not in real.options and "gres" not in real.options:
        fewest, _, most = real.options["nodes"].partition("-")
        assert (mine.nodes, mine.nodes_max) == (int(fewest), int(most) if most else None)
    if "ntasks" in real.options:
        assert mine.tasks == int(real.options["ntasks"])


def _memory(text: str) -> Mebibytes:
    """Read what sbatch prints: a number, perhaps with G or T."""
    return Mebibytes(int(text.rstrip("MGT")) * {"G": 1024, "T": 1024 * 1024}.get(text[-1], 1))


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_the_table_has_each_option_with_its_letter_and_its_need_of_a_value(sbatch, option):
    for spelling in (f"--{option.name}", f"-{option.short}") if option.short else (f"--{option.name}",):
        followed = sbatch.messages(f"{SH}#SBATCH {spelling} stray\n")
        alone = sbatch.messages(f"{SH}#SBATCH {spelling}\n")
        assert any("Invalid directive found in batch script: stray" in line for line in followed) == (
            option.takes is not Takes.VALUE
        )
        assert any("requires an argument" in line for line in alone) == (option.takes is Takes.VALUE)
        assert not any("unrecognized option" in line or "invalid option" in line for line in alone)


def test_random_lines_are_split_alike(sbatch):
    """One sbatch call for many lines: a word never spans two, so each is checked by its place."""
    seed = random.Random(22058)
    pieces = ["a", "b", " ", "\t", "'", '"', "\\", "#", "=", "-", "é", "''", '""', "\\\\", " x "]
    compared = 0
    while compared < 300:
        lines = ["".join(seed.choices(pieces, k=seed.randint(1, 12))) for _ in range(60)]
        good = [line for line in lines if not scan(f"{SH}#SBATCH {line}\n").faults]
        script = SH + "".join(f"#SBATCH {line}\n" for line in good)
        found = scan(script)
        assert found.faults == ()
        assert tuple(word.text for word in found.sbatch) == sbatch.ask(script).words
        compared += len(good)
        for line in [line for line in lines if line not in good][:3]:
            assert not sbatch.ask(f"{SH}#SBATCH {line}\n").accepted


def test_options_beside_the_script_are_read_alike(sbatch):
    words = ["-J", "two", "--time=7", "-N2", "--gres", "gpu:2", "-sk"]
    mine = parse(SH, words)
    assert sbatch.ask(SH, *words).options == sbatch.ask(SH, *mine.overrides).options


POOL = {
    "-N": ["1", "2", "3", "1-2", "2-4", "4"],
    "-n": ["1", "2", "4", "6", "8"],
    "-c": ["1", "2", "4"],
    "--ntasks-per-node": ["1", "2", "4"],
    "--sockets-per-node": ["1", "2"],
    "--cores-per-socket": ["2"],
    "--gpus": ["1", "2", "4", "6", "8", "a:4", "0"],
    "--gpus-per-node": ["1", "2", "4", "a:2"],
    "--gres": ["gpu", "gpu:2", "gpu:a:2", "tmpdisk:3", "none"],
    "--gpus-per-task": ["1", "2"],
    "--gpus-per-socket": ["1", "2"],
    "--ntasks-per-gpu": ["1", "2"],
    "--cpus-per-gpu": ["2", "4"],
    "--mem-per-gpu": ["1G"],
    "--mem": ["2G"],
    "--exclusive": [""],
}


def test_random_requests_are_taken_or_refused_alike(sbatch):
    seed = random.Random(22059)
    taken = 0
    for _ in range(600):
        names = seed.sample(list(POOL), seed.randint(1, 5))
        options = " ".join(
            f"{name}{'=' if name[1] == '-' and value else ''}{value}"
            for name in names
            for value in [seed.choice(POOL[name])]
        )
        script = f"{SH}#SBATCH {options}\n"
        real, mine = sbatch.ask(script), accepted(script)
        assert (mine is not None) == real.accepted, options
        taken += real.accepted
    assert 200 < taken < 550
