import unicodedata

from foedus.core.base.letters import has_control, has_unseen

LETTERS = [chr(code) for code in range(0x10000)]


def test_controls_are_those_of_unicode_and_its_line_breaks():
    wanted = {letter for letter in LETTERS if unicodedata.category(letter) in {"Cc", "Zl", "Zp"}}

    assert {letter for letter in LETTERS if has_control(f"a{letter}b")} == wanted


def test_unseen_are_the_controls_and_what_embeds_overrides_or_isolates_a_direction():
    turning = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    wanted = {letter for letter in LETTERS if unicodedata.bidirectional(letter) in turning or has_control(letter)}

    assert {letter for letter in LETTERS if has_unseen(f"a{letter}b")} == wanted
