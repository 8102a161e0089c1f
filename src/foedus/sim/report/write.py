"""The files of a report."""

from collections.abc import Callable, Sequence
from pathlib import Path

from foedus.core.base.errors import BadInput, Fault
from foedus.render.csv_file import csv_lines
from foedus.render.html_page import html_page
from foedus.render.parquet_file import write_parquet
from foedus.render.pdf_file import pdf_file
from foedus.sim.cases import Result, Work
from foedus.sim.report.story import story
from foedus.sim.rows import figures_table


def write_report(folder: Path, work: Work, results: Sequence[Result]) -> list[Path]:
    """Write what people and programs read of a sweep; raises `BadInput` where it cannot be written."""
    document = story(work, results)
    files: dict[str, Callable[[Path], object]] = {
        "report.html": lambda path: path.write_text(html_page(document), encoding="utf-8"),
        "report.pdf": lambda path: path.write_bytes(pdf_file(document)),
        "figures.csv": lambda path: path.write_bytes(b"".join(csv_lines(figures_table(results)))),
        "figures.parquet": lambda path: _parquet(path, results),
    }
    for name, write in files.items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write(path)
        except OSError as error:
            fault = Fault(path=str(path), fault=f"cannot be written ({error.strerror})", remedy="give another --out")
            raise BadInput(fault) from error
    return [folder / name for name in files]


def _parquet(path: Path, results: Sequence[Result]) -> None:
    with path.open("wb") as sink:
        write_parquet(figures_table(results), sink)
