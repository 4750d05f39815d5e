"""Grids and sheets of the diagrams of one correlator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from nneft.feynman.diagram import Diagram
from nneft.feynman.drawing.geometry import picture
from nneft.feynman.drawing.output import ending_of, replacing, save
from nneft.feynman.drawing.sheet import Row, grid, html, sheet
from nneft.feynman.drawing.styles import style_named
from nneft.feynman.drawing.svg import svg

#: Endings of the names of files that hold sheets.
SHEETS = (".svg", ".pdf", ".html")

HEADINGS = ("diagram", "factor", "permutations", "formula")


def grid_text(
    diagrams: Sequence[Diagram], title: str, *, style: str, labels: bool, columns: int | None
) -> str:
    """All diagrams in one SVG, factor and multiplicity below each."""
    pictures = [picture(d, labels=labels) for d in diagrams]
    captions = [_caption(d) for d in diagrams]
    return svg(grid(pictures, captions, style_named(style), title=title, columns=columns))


def save_grid(
    diagrams: Sequence[Diagram],
    title: str,
    path: str | Path,
    *,
    style: str,
    labels: bool,
    columns: int | None,
) -> None:
    """The same as a file, see `save`."""
    pictures = [picture(d, labels=labels) for d in diagrams]
    captions = [_caption(d) for d in diagrams]
    plate = grid(pictures, captions, style_named(style), title=title, columns=columns)
    save([plate], pictures, path, style)


def save_sheet(
    diagrams: Sequence[Diagram],
    title: str,
    path: str | Path,
    formula: Callable[[Diagram], tuple[Fraction, Sequence[str]]],
    *,
    style: str,
    labels: bool,
) -> None:
    """A row for each diagram, with the factor and the lines of its formula, see `write_sheet`."""
    ending_of(path, SHEETS), style_named(style)  # before any work is done
    rows = []
    for diagram in diagrams:
        factor, lines = formula(diagram)
        cells = (_fraction(factor),), (str(diagram.multiplicity),), tuple(lines)
        rows.append(Row(picture(diagram, labels=labels), cells))
    write_sheet(rows, HEADINGS, title, path, style)


def write_sheet(
    rows: Sequence[Row], headings: Sequence[str], title: str, path: str | Path, style: str
) -> None:
    """Write a table in the form that the file's name asks for: PDF in pages."""
    ending, look = ending_of(path, SHEETS), style_named(style)
    if ending == ".html":
        with replacing(path) as file:
            file.write(html(rows, headings, look, title=title).encode())
    else:
        pages = sheet(rows, headings, look, title=title, paged=ending == ".pdf")
        save(pages, [row.picture for row in rows], path, style)


def _caption(diagram: Diagram) -> str:
    times = rf"\times {diagram.multiplicity}" if diagram.multiplicity > 1 else ""
    return f"{diagram.symmetry_factor}{times}"


def _fraction(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value)
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
