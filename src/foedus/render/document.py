"""A document of a few kinds of blocks, to be read in a browser or printed; charts are SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Begins a part."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Sentences that stand side by side."""

    points: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table; the columns from `figures` on hold figures."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """Charts that stand side by side where there is room, and what they show."""

    charts: tuple[str, ...]
    """SVG."""
    caption: str


Block: TypeAlias = Heading | Text | Points | Grid | Charts


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A title and what is below it."""

    title: str
    blocks: Sequence[Block]
