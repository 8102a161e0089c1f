"""The runner of the pages' sessions fails where it should."""

import pytest
from console import Block, Command, Session, blocks, commands, matches


def test_blocks_have_their_line_language_and_file():
    page = "text\n\n```toml file=a.toml\nx = 1\n```\n\n```console\n$ ls\n```\n"

    assert list(blocks(page)) == [
        Block(line=4, language="toml", file="a.toml", text="x = 1\n"),
        Block(line=8, language="console", file=None, text="$ ls\n"),
    ]


def test_commands_have_their_continuations_codes_and_output():
    text = "$ a \\\n>   b\nx\n\ny\n$ c   # ends with 3\n$ d # after a moment\nz\n"

    assert list(commands(Block(line=10, language="console", file=None, text=text))) == [
        Command(line=10, text="a \\\n  b", code=0, patient=False, output=("x", "", "y")),
        Command(line=15, text="c", code=3, patient=False, output=()),
        Command(line=16, text="d", code=0, patient=True, output=("z",)),
    ]


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (("a",), "a\n", True),
        (("a",), "b\n", False),
        (("a",), "a\nb\n", False),
        (("a  b",), "a b\n", True),
        (("took ... s",), "took 12 s\n", True),
        (("took ... s",), "took 12 s\nmore s\n", False),
        (("a", "...", "b"), "a\nx\ny\nb\n", True),
        (("a", "...", "b"), "a\nb\n", True),
        (("a", "..."), "b\na\n", False),
        (("a.b",), "axb\n", False),
        ((), "", True),
        ((), "a\n", False),
    ],
)
def test_dots_stand_for_what_varies(expected, printed, same):
    assert matches(expected, printed) is same


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("$ echo a\nb\n", "printed:\na"),
        ("$ false\n", "ended with 1"),
        ("$ true # ends with 1\n", "ended with 0"),
    ],
)
def test_a_page_that_is_wrong_fails(tmp_path, text, fault):
    page = tmp_path / "page.md"
    page.write_text(f"```console\n{text}```\n")
    with Session(home=tmp_path) as session, pytest.raises(AssertionError, match=fault):
        session.play(page)


def test_a_session_keeps_folder_variables_and_files(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```text file=note\nhello\n```\n"
        "```console\n$ mkdir x; cd x\n$ word=you\n$ cat ../note; echo $word\nhello\nyou\n$ pwd\n/...x\n```\n"
    )
    with Session(home=tmp_path) as session:
        assert session.play(page) == 4
