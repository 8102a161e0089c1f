"""Lets libFuzzer, guided by what each input reaches in the code, look for one that a reader cannot bear.

::

    python tests/fuzz/guided.py                          # names the readers
    python tests/fuzz/guided.py READER [SECONDS] [SEED]

It ends with 0 if it found none. One that it found it leaves in ``.fuzz/READER/`` and shows; ``python
tests/fuzz/guided.py READER FILE`` runs it again. What it learned stays in that folder for the next time.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["foedus", "http_message_signatures", "http_sf"]):
    import targets

FOLDER = Path(".fuzz")
LONGEST_S = 120
"""An input that takes longer hangs its reader."""


def dictionary(words: tuple[str, ...]) -> str:
    """Write words as libFuzzer reads them."""
    found = [word.encode() for word in dict.fromkeys(words) if word]
    return "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in found)


def prepare(name: str, target: targets.Target) -> list[str]:
    """Lay out the reader's folder: what it begins with, and its words; return libFuzzer's arguments."""
    folder = FOLDER / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, good in enumerate(target.seeds):
        (corpus / f"good-{number}").write_bytes(good)
    (folder / "words").write_text(dictionary(target.words), encoding="ascii")
    return [f"-dict={folder / 'words'}", f"-artifact_prefix={folder}/", f"-timeout={LONGEST_S}", str(corpus)]


def main(name: str = "", until: str = "60", seed: str = "1") -> None:
    """Fuzz one reader for some seconds, or show what one input does."""
    if not name:
        sys.stdout.write("\n".join(targets.targets()) + "\n")
        return
    target = targets.targets()[name]
    if Path(until).is_file():
        target.holds(Path(until).read_bytes())
        return
    longest = 4 * max(len(good) for good in target.seeds)
    limits = [f"-max_total_time={until}", f"-seed={seed}", f"-max_len={longest}", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *limits, *prepare(name, target)], target.holds)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
