"""Small charts as SVG, drawn alike everywhere: lines over an axis, and pairs of bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 480, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 52, 34
_NEAR_END = 0.95
_INK, _DIM, _LINE = "#1d2430", "#5b6472", "#e3e7ed"
COLOURS = ("#7a828e", "#e69f00", "#0072b2", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#000000")
"""Told apart by colour-blind people too (Okabe and Ito, 2008); grey is for what things are compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line: its label, colour, and points between 0 and 1 in both directions."""

    label: str
    colour: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark of an axis: where it is, between 0 and 1, and what it says."""

    at: float
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar: its row, label of the kind, colour, length between 0 and 1, and what is written beside it."""

    row: str
    label: str
    colour: str
    length: float
    says: str


def lines(title: str, found: Sequence[Line], across: Sequence[Tick], up: Sequence[Tick]) -> str:
    """Draw lines; the axes are named by their ticks."""
    parts = [_text(_LEFT, 20, title, size=15, bold=True), _legend([(line.label, line.colour) for line in found])]
    for tick in up:
        y = _y(tick.at)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{_LINE}"/>')
        parts.append(_text(_LEFT - 7, y + 4, tick.says, anchor="end"))
    for tick in across:
        x = _x(tick.at)
        parts.append(f'<path d="M{x:.1f} {_HEIGHT - _BOTTOM}v5" stroke="{_DIM}"/>')
        anchor = "end" if tick.at > _NEAR_END else "middle"
        parts.append(_text(x, _HEIGHT - _BOTTOM + 19, tick.says, anchor=anchor))
    for line in found:
        path = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"/>')
    return _svg(_HEIGHT, title, parts)


def bars(title: str, found: Sequence[Bar]) -> str:
    """Draw rows of bars, each row headed by its name."""
    kinds = list(dict.fromkeys((bar.label, bar.colour) for bar in found))
    parts = [_text(12, 20, title, size=15, bold=True), _legend(kinds, left=12)]
    y, row = 58, None
    for bar in found:
        if bar.row != row:
            y += 6 if row is not None else 0
            parts.append(_text(12, y + 12, bar.row, colour=_INK))
            y, row = y + 18, bar.row
        length = bar.length * (_WIDTH - 130)
        parts.append(f'<rect x="12" y="{y}" width="{max(length, 1):.1f}" height="13" fill="{bar.colour}"/>')
        parts.append(_text(18 + length, y + 11, bar.says))
        y += 16
    return _svg(y + 12, title, parts)


def _x(share: float) -> float:
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _legend(kinds: Sequence[tuple[str, str]], left: int = _LEFT) -> str:
    parts: list[str] = []
    x = float(left)
    for label, colour in kinds:
        parts.append(f'<rect x="{x:.0f}" y="31" width="12" height="9" fill="{colour}"/>')
        parts.append(_text(x + 17, 40, label))
        x += 30 + 7 * len(label)
    return "".join(parts)


def _text(
    x: float, y: float, text: str, *, size: int = 12, anchor: str = "start", colour: str = _DIM, bold: bool = False
) -> str:
    weight = ' font-weight="bold"' if bold else ""
    fill = _INK if bold else colour
    place = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{fill}"{weight}>{escape(text)}</text>'


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    size = f'viewBox="0 0 {_WIDTH} {height:.0f}"'
    font = 'font-family="system-ui, DejaVu Sans, Libertinus Serif, sans-serif"'
    label = escape(title, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{label}" {font}>{"".join(parts)}</svg>'
    )
