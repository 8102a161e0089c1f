import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.cli import table as tables
from foedus.cli.table import Layout, fit, fold, paragraph, table

COLUMNS = ("JOB", "NAME", "PROJECT", "REASON")
ROWS = [("1", "train", "traffic", "waits for its turn at baku"), ("1042", "מודל", "city", "-")]


@pytest.fixture
def window(monkeypatch, capsys):
    """Print to a window of so many columns, or to a pipe."""

    def shown(columns, *rows, **settings):
        monkeypatch.setattr("sys.stdout.isatty", lambda: columns is not None)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("NO_COLOR", "1")
        table(COLUMNS, rows or ROWS, **settings)
        return capsys.readouterr()

    return shown


def test_a_pipe_gets_every_column_and_a_line_for_each_row(window):
    done = window(None, text="REASON", spare=("PROJECT",))
    assert (done.out.splitlines(), done.err) == (
        [
            "JOB   NAME   PROJECT  REASON",
            "1     train  traffic  waits for its turn at baku",
            "1042  מודל   city     -",
        ],
        "",
    )


def test_the_last_column_is_folded_at_words_while_there_is_room(window):
    assert window(46, text="REASON", spare=("PROJECT",)).out.splitlines() == [
        "JOB   NAME   PROJECT  REASON",
        "1     train  traffic  waits for its turn at",
        "                      baku",
        "1042  מודל   city     -",
    ]


def test_then_it_stands_below_its_row_if_it_says_something(window):
    done = window(28, text="REASON", spare=("PROJECT",))
    assert (done.out.splitlines(), done.err) == (
        ["JOB   NAME   PROJECT", "1     train  traffic", "    waits for its turn at", "    baku", "1042  מודל   city"],
        "",
    )


def test_then_columns_are_left_out_and_named(window):
    done = window(15, text="REASON", spare=("PROJECT",), right=("JOB",))
    assert done.out.splitlines()[:2] == [" JOB  NAME", "   1  train"]
    assert done.err == "(not shown in so narrow a window: PROJECT)\n"


def test_ids_are_never_broken(window):
    assert window(5).out.splitlines()[1] == "1     train  traffic  waits for its turn at baku"


def test_headings_are_bold_where_that_is_wanted(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    table(("A",), [("1",)])
    assert capsys.readouterr().out == "\x1b[1mA\x1b[0m\n1\n"


def test_a_paragraph_is_folded_in_a_window_only(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "14")
    paragraph("at ", "one two three \x1b")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    paragraph("at ", "one two three \x1b")
    assert capsys.readouterr().out == "at one two three \\x1b\nat one two\n   three \\x1b\n"


def test_a_long_text_stands_below_even_where_it_could_be_folded():
    widths = {"A": 3, "B": 52}
    assert [fit(widths, room, "B") for room in (31, 30)] == [
        Layout(shown=("A", "B"), folded=26),
        Layout(shown=("A",), below="B"),
    ]


def test_what_fits_is_left_alone():
    assert fit({"A": 3, "B": 4}, 9, "B", ("A",)) == Layout(shown=("A", "B"))


@given(st.text(), st.integers(1, 40))
def test_folding_loses_no_word(text, room):
    assert " ".join(fold(text, room)).split() == text.split()


@given(st.lists(st.text("ab", min_size=1, max_size=9), min_size=1), st.integers(9, 40))
def test_folded_lines_fit(words, room):
    assert max(map(len, fold(" ".join(words), room))) <= room


def test_wide_letters_count_twice():
    assert tables.fold("東京 東京", 8) == ["東京", "東京"]
