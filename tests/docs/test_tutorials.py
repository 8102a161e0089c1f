"""Each tutorial, run from its first line to its last."""

import pytest
from doc_pages import DOCS

TUTORIALS = DOCS / "tutorials"


@pytest.mark.timeout(600)
def test_the_researchers(reader):
    assert reader.play(TUTORIALS / "researcher.md") == 19
