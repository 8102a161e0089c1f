import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.cli.screen import Screen
from foedus.cli.show import age, gpu_hours, moment, plain, print_json, since, size, when, zone


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb\nc\r", "a\\tb\\nc\\r"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u202eb\u2066c\u200f", "a\\u202eb\\u2066c\\u200f"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800", "\\ud800"),
        ("שלום Bakı 東京", "שלום Bakı 東京"),  # noqa: RUF001 - real words
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001 - real words
    ],
)
def test_what_steers_is_made_visible_and_words_stay(text, shown):
    assert plain(text) == shown


@given(st.text())
def test_nothing_that_steers_passes(text):
    shown = plain(text)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)
    assert plain(shown) == shown


def test_json_is_ascii(capsys):
    print_json({"name": "\x9b31m\u202e"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"name": "\x9b31m\u202e"}


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (172_800, "2 d"), (-5, "0 s")]
)
def test_an_age_has_a_unit(seconds, shown):
    assert age(0, seconds * 1000) == shown


def test_a_time_has_its_offset_and_age(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "Asia/Baku")
    time.tzset()
    assert when(0, 3_600_000) == "1970-01-01 04:00:00 +0400 (1 h ago)"
    assert since(0, 3_600_000) == "1 h ago"
    assert (moment(0), zone(0)) == ("1970-01-01 04:00:00", "times are +0400")
    assert when(3_600_000, 0) == "1970-01-01 05:00:00 +0400 (in 1 h)"
    monkeypatch.undo()
    time.tzset()
    assert (when(None, 0), since(None, 0)) == ("-", "-")


def test_figures_have_units():
    assert (gpu_hours(5400), size(17), size(1536), size(5 * 1024**3)) == ("1.5 h", "17 B", "1.5 KiB", "5.0 GiB")


def screened(*parts):
    screen = Screen()
    return "".join(screen.text(part) for part in parts) + screen.end()


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"epoch 1\r\nepoch 2\tdone\n", "epoch 1\r\nepoch 2\tdone\n"),
        (b"\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m"),
        (b"a\x1b[2Jb\x1b[10;10Hc", "abc"),
        (b"\x1b]0;title\x07x\x1b]8;;http://evil\x1b\\link", "xlink"),
        (b"\x1bPq#0\x1b\\x\x1bcy\x1b(Bz", "xyz"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("\u202eevil\x9b2J".encode(), "\\u202eevil\\x9b2J"),
        (b"bell\x07\x08", "bell\\x07\\x08"),
        (b"cut \x1b[3", "cut \\x1b[3"),
        (b"cut \xe6\x9d", "cut \\xe6\\x9d"),
        ("東京".encode(), "東京"),
    ],
)
def test_a_terminal_gets_text_and_colours_only(data, shown):
    assert screened(data) == shown


@given(st.lists(st.sampled_from([b"\x1b", b"[", b"]", b"3", b"1m", b"\x07", b"\\", b"x", b";", b"\xe6\x9d\xb1", b"P"])))
def test_where_the_bytes_are_cut_makes_no_difference(parts):
    whole = b"".join(parts)
    assert screened(*parts) == screened(whole)
    assert screened(*(whole[at : at + 1] for at in range(len(whole)))) == screened(whole)


@given(st.binary())
def test_no_sequence_but_colours_passes(data):
    import re

    rest = re.sub(r"\x1b\[[0-9;:]*m", "", screened(data))
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest)


def test_an_endless_sequence_does_not_hold_everything_back():
    screen = Screen()
    assert len(screen.text(b"\x1b]" + b"x" * 10_000)) > 10_000
