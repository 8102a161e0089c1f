"""Where the pages are."""

from pathlib import Path

import foedus

PACKAGE = Path(foedus.__file__).parent
ROOT = PACKAGE.parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = (README, ROOT / "AGENTS.md", *sorted(DOCS.rglob("*.md")))
"""Every page."""
