import inspect
import re
from pathlib import Path

from foedus.core.base import errors
from foedus.core.base.errors import BadInput, Fault, FoedusError, SiteTrouble


def all_errors():
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FoedusError)]


def test_every_error_has_a_code_of_its_own():
    codes = [kind.code for kind in all_errors()]
    assert sorted(codes) == sorted(set(codes))
    assert all("code" in vars(kind) for kind in all_errors())


def drawn(kind, bars=()):
    """Draw a class and those below it, as the module's docstring does."""
    branch = "".join("    " if last else "\u2502   " for last in bars[:-1])
    twig = ("\u2514\u2500\u2500 " if bars[-1] else "\u251c\u2500\u2500 ") if bars else ""
    below = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    yield f"{branch}{twig}{kind.__name__}"
    for number, one in enumerate(below, start=1):
        yield from drawn(one, (*bars, number == len(below)))


def test_the_drawn_tree_is_that_of_the_classes():
    lines = [line.removeprefix("    ") for line in errors.__doc__.partition("::\n")[2].splitlines() if line.strip()]

    assert [re.match(r"\W*\w+", line)[0] for line in lines] == list(drawn(FoedusError))


def test_no_other_module_makes_a_code():
    source = Path(errors.__file__).parents[2]
    code = re.compile(r'^    code = "[a-z-]+"$', re.MULTILINE)
    made = [path.name for path in source.rglob("*.py") if code.search(path.read_text())]

    assert made == ["errors.py"]


def test_bad_input_tells_all_faults_at_once():
    one = Fault(path="a", fault="is missing", remedy="give it")
    other = Fault(path="line 3", fault="is too long", remedy="shorten it")
    error = BadInput(one, other)
    assert (error.faults, error.message, str(error)) == (
        (one, other),
        "a: is missing; give it\nline 3: is too long; shorten it",
        "a: is missing; give it\nline 3: is too long; shorten it",
    )


def test_an_error_without_words_says_what_it_is():
    error = SiteTrouble(remedy="wait")
    assert (error.message, error.remedy, error.retryable) == (
        "The site's cluster failed or did not answer. Nothing is known: look before trying again.",
        "wait",
        True,
    )
