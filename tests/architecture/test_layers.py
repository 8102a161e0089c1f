"""The shape of the code is checked by machine: layers, purity of the core, sizes."""

import ast
import sys
from pathlib import Path

import grimp
from importlinter import configuration
from importlinter.application.use_cases import lint_imports

import foedus

ROOT = Path(foedus.__file__).parents[2]
SOURCE = ROOT / "src" / "foedus"
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60


def modules():
    return sorted(path for path in SOURCE.rglob("*.py") if "migrations/versions" not in path.as_posix())


def test_layers_hold():
    configuration.configure()

    kept = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)

    assert kept


def test_core_imports_the_standard_library_only_and_placement_what_makes_it_fast():
    graph = grimp.build_graph("foedus", include_external_packages=True, cache_dir=None)
    core = {"foedus.core", *graph.find_descendants("foedus.core")}
    outside = {
        (module.startswith("foedus.core.placement."), package)
        for module in core
        for imported in graph.find_modules_directly_imported_by(module)
        if (package := imported.partition(".")[0]) not in {"foedus", *sys.stdlib_module_names}
    }

    assert outside == {(True, "numpy")}


def test_no_module_is_too_long():
    long = {path.relative_to(SOURCE).as_posix(): len(path.read_text().splitlines()) for path in modules()}

    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_no_function_is_too_long():
    long = {
        f"{path.relative_to(SOURCE).as_posix()}:{node.name}": node.end_lineno - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {name: lines for name, lines in long.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


def test_no_module_is_called_utils():
    assert [path for path in modules() if path.stem in {"utils", "util", "helpers", "misc", "common"}] == []


def test_nothing_connects_or_reads_at_import():
    """Importing every module of the package opens no file for writing, no socket and no process."""
    code = (
        "import sys, pkgutil, importlib\n"
        "bad = []\n"
        "def hook(event, args):\n"
        "    if event in {'socket.connect', 'subprocess.Popen', 'os.mkdir', 'sqlite3.connect'}: bad.append(event)\n"
        "sys.addaudithook(hook)\n"
        "import foedus\n"
        "skip = ('foedus.__main__', 'foedus.store.migrations', 'foedus.examples')\n"
        "for info in pkgutil.walk_packages(foedus.__path__, 'foedus.'):\n"
        "    if not info.name.startswith(skip): importlib.import_module(info.name)\n"
        "print(sorted(set(bad)))\n"
    )
    import subprocess

    done = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=False, timeout=120)

    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
