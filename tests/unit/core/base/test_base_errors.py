import inspect

from foedus.core.base import errors
from foedus.core.base.errors import BadInput, Fault, FoedusError, SiteTrouble


def all_errors():
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FoedusError)]


def test_every_error_has_a_code_of_its_own():
    codes = [kind.code for kind in all_errors()]
    assert sorted(codes) == sorted(set(codes))
    assert all("code" in vars(kind) for kind in all_errors())


def test_the_drawn_tree_names_every_error():
    assert [kind.__name__ for kind in all_errors() if kind.__name__ not in (errors.__doc__ or "")] == []


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
