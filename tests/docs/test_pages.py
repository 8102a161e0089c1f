"""The pages hold together: their links lead somewhere, and nothing in them is of one machine."""

import re
import tomllib
from urllib.parse import unquote

import pytest
from console import blocks
from doc_pages import DOCS, PAGES, README, ROOT

from foedus.policy.local import read_local

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
HOSTS = {
    "127.0.0.1",
    "docs.cedarpolicy.com",
    "hub.example.org",
}


def prose(page):
    """Return a page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """Name a page's headings as links do."""
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in HEADING.findall(prose(page))}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    wrong = []
    for link in LINK.findall(prose(page)):
        path, _, anchor = unquote(link).partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)

    assert wrong == []


def test_every_page_is_linked():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in LINK.findall(prose(page))
        if "://" not in link
    }
    indexed = {one for folder in linked if folder.is_dir() for one in folder.glob("*.md")}

    assert [page for page in PAGES if page not in {*linked, *indexed, README}] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_nothing_is_of_one_machine(page):
    text = page.read_text(encoding="utf-8")

    assert set(re.findall(r"https?://([\w.-]*\w)", text)) - HOSTS == set()
    assert re.findall(r"(?:/home/|/root/|/work/|/tmp/)\S*", text) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_blocks_are_closed_and_named(page):
    text = page.read_text(encoding="utf-8")

    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(list(blocks(text)))
    assert [block.line for block in blocks(text) if not block.language] == []


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("*.md")), ids=lambda page: page.stem)
def test_decisions_have_one_shape(page):
    text = page.read_text(encoding="utf-8")

    assert text.startswith(f"# {page.stem[:4]} ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
    assert len(text.splitlines()) <= 60


def test_the_agents_page_fits_a_screen():
    assert len((ROOT / "AGENTS.md").read_text(encoding="utf-8").splitlines()) <= 70


def test_examples_are_well_formed():
    for page in PAGES:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.language == "python":
                compile(block.text, f"{page.name}:{block.line}", "exec")
            elif block.language == "toml":
                tomllib.loads(block.text)


def test_policies_are_sound():
    texts = [block.text for page in PAGES for block in blocks(page.read_text(encoding="utf-8")) if "@id(" in block.text]

    assert [len(read_local(text.encode())) for text in texts] == [1, 2]
