"""A document as PDF, set by typst, which brings its own fonts."""

import json
from dataclasses import asdict
from importlib import import_module
from typing import Any

from foedus.render.document import Document

_TEMPLATE = """
#let given = json(bytes(sys.inputs.document))
#set document(title: given.title, date: none)
#set page(paper: "a4", margin: 2cm, numbering: "1")
#set text(size: 10pt, lang: "en")
#set par(leading: 0.65em)
#show heading: it => block(above: 1.6em, below: 0.8em, it)
= #given.title
#for part in given.blocks {
  if part.kind == "Heading" [== #part.text]
  else if part.kind == "Text" { par(part.text) }
  else if part.kind == "Points" { list(..part.points, spacing: 0.7em) }
  else if part.kind == "Grid" {
    set text(size: 7.5pt)
    table(
      columns: part.columns.len(),
      stroke: (bottom: 0.4pt + luma(200)),
      inset: (x: 3.5pt, y: 4pt),
      align: (column, row) => if column >= part.figures { right } else { left },
      table.header(..part.columns.map(strong)),
      ..part.rows.flatten(),
    )
  }
  else if part.kind == "Charts" {
    let charts = part.charts.map(chart => image(bytes(chart), format: "svg", width: 100%))
    block(breakable: charts.len() > 2, {
      grid(columns: if charts.len() == 1 { 1 } else { 2 }, gutter: 8pt, ..charts)
      text(size: 8.5pt, fill: luma(90), part.caption)
    })
  }
}
"""


def pdf_file(document: Document) -> bytes:
    """Set a document; the same document gives the same bytes."""
    # typst is heavy and only needed here
    typst: Any = import_module("typst")
    blocks = [{"kind": type(block).__name__, **asdict(block)} for block in document.blocks]
    data = json.dumps({"title": document.title, "blocks": blocks})
    return typst.compile(_TEMPLATE.encode(), sys_inputs={"document": data})
