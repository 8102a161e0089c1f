"""A document as one HTML file that needs nothing else: no scripts, no fonts, no requests."""

from html import escape

from foedus.render.document import Block, Charts, Document, Grid, Heading, Points, Text

_STYLE = """
:root { color-scheme: light; --ink: #1d2430; --dim: #5b6472; --line: #d8dde5; --soft: #f4f6f9; }
body { margin: 0; color: var(--ink); background: #fff; font: 17px/1.55 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 1.5rem; }
h2 { font-size: 1.3rem; margin: 2.75rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p, ul { max-width: 46rem; }
li { margin: .35rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; margin: 1rem 0; }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--dim); font-weight: 600; background: var(--soft); }
.figure { text-align: right; }
figure { margin: 1.25rem 0; }
figure > div { display: flex; flex-wrap: wrap; gap: 1rem; }
figure svg { width: 30rem; max-width: 100%; height: auto; }
figcaption { color: var(--dim); font-size: .92rem; max-width: 46rem; margin-top: .5rem; }
@media print { main { padding: 0; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""


def html_page(document: Document) -> str:
    """Write a document."""
    title = escape(document.title)
    body = "\n".join(_block(block) for block in document.blocks)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading(text=text):
            return f"<h2>{escape(text)}</h2>"
        case Text(text=text):
            return f"<p>{escape(text)}</p>"
        case Points(points=points):
            return f"<ul>{''.join(f'<li>{escape(point)}</li>' for point in points)}</ul>"
        case Grid():
            return _grid(block)
        case Charts(charts=charts, caption=caption):
            return f"<figure><div>{''.join(charts)}</div><figcaption>{escape(caption)}</figcaption></figure>"


def _grid(grid: Grid) -> str:
    head = _row("th", grid.columns, grid.figures)
    body = "".join(_row("td", row, grid.figures) for row in grid.rows)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def _row(tag: str, cells: tuple[str, ...], figures: int) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    marks = [' class="figure"' if place >= figures else "" for place in range(len(cells))]
    found = (f"<{tag}{scope}{mark}>{escape(cell)}</{tag}>" for mark, cell in zip(marks, cells, strict=True))
    return f"<tr>{''.join(found)}</tr>"
