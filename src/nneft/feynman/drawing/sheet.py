"""Many pictures at once: a grid, and a sheet like BCCZ's table I."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import inf
from typing import NamedTuple

from nneft.feynman.drawing.lettering import Lettering, letter
from nneft.feynman.drawing.plate import Plate, plate_of
from nneft.feynman.drawing.primitives import Picture
from nneft.feynman.drawing.styles import Style
from nneft.feynman.drawing.svg import Glyphs, svg

#: Width that a grid fills if its pictures do, and room between what stands side by side.
WIDTH, GAP = 720.0, 18.0

#: Size of the letters of formulas, and of what stands below a picture.
TEXT, CAPTION = 10.0, 8.5

#: Room above and below a row, between the lines of a formula, and what its further lines leave out.
LEADING, BETWEEN, INDENT = 6.0, 5.0, 12.0

#: Height of a page by its width, where a sheet is broken into pages.
PAGE = 2**0.5


@dataclass(frozen=True)
class Row:
    """One diagram of a sheet.

    Attributes
    ----------
    picture
        Its picture.
    cells
        What is written beside it, column by column, line by line, as LaTeX.
    """

    picture: Picture
    cells: tuple[tuple[str, ...], ...]


def grid(
    pictures: Sequence[Picture],
    captions: Sequence[str],
    style: Style,
    *,
    title: str,
    columns: int | None = None,
) -> Plate:
    """Pictures in rows, each in the middle of its place, its caption below.

    Raises
    ------
    ValueError
        No pictures, or no column.
    """
    if not pictures:
        raise ValueError("there are no diagrams to draw")
    if columns is not None and columns < 1:
        raise ValueError(f"columns must be 1 or more, got {columns}")
    boxes = [picture.box for picture in pictures]
    widths = _grid_columns([box.width + GAP for box in boxes], columns)
    middles = [sum(widths[:n]) + width / 2 for n, width in enumerate(widths)]
    placed, written, y, across = [], [], GAP / 2, len(widths)
    for start in range(0, len(pictures), across):
        row = range(start, min(start + across, len(pictures)))
        height = max(boxes[n].height for n in row)
        for n in row:
            middle = complex(middles[n - start], y + height / 2)
            placed.append((pictures[n], _origin(pictures[n], middle)))
            caption = letter(captions[n], CAPTION)
            written.append((caption, complex(middle.real, y + height + 12.0) - caption.width / 2))
        y += height + 12.0 + GAP
    return Plate(
        sum(widths), y, tuple(placed), style, title, _all(pictures), formulas=tuple(written)
    )


def _grid_columns(widths: list[float], columns: int | None) -> list[float]:
    """Widths of the columns: as many as asked for, or as there is room for."""
    for count in [columns] if columns else range(len(widths), 0, -1):
        found = [max(widths[n::count]) for n in range(min(count, len(widths)))]
        if columns or sum(found) <= WIDTH:
            break
    return found


def sheet(
    rows: Sequence[Row],
    headings: Sequence[str],
    style: Style,
    *,
    title: str,
    paged: bool = False,
) -> list[Plate]:
    """A table with a row for each diagram, on one sheet or broken into pages."""
    if not rows:
        raise ValueError("there are no diagrams to draw")
    columns = _columns(rows, headings)
    width = columns[-1].right + GAP / 2
    limit = PAGE * max(width, 595.0) if paged else inf
    plates, shown, y = [], _Shown(columns, headings, width), 0.0
    y = shown.heading()
    for row in rows:
        height = _height(row) + 2 * LEADING
        if y + height + GAP > limit and shown.pictures:
            plates.append(shown.plate(y, style, title))
            shown = _Shown(columns, headings, width)
            y = shown.heading()
        shown.row(row, y + height / 2)
        y += height
    plates.append(shown.plate(y, style, title))
    return plates


def html(rows: Sequence[Row], headings: Sequence[str], style: Style, *, title: str) -> str:
    """The same as a page for a browser, with nothing that is elsewhere."""
    glyphs = Glyphs()
    body = "\n".join(_html_row(row, style, glyphs) for row in rows)
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in headings)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style></head>\n<body>"
        f'<svg class="letters" aria-hidden="true">{glyphs.definitions()}</svg>\n'
        f"<h1>{escape(title)}</h1>\n<table><thead><tr>{names}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></body></html>\n"
    )


CSS = (
    "body{font-family:serif;margin:2em;background:#fff;color:#000}h1{font-size:1.2em}"
    ".letters{position:absolute;width:0;height:0}"
    "table{border-collapse:collapse;border-top:1.5px solid;border-bottom:1.5px solid}"
    "th{border-bottom:1px solid;font-weight:normal}th,td{padding:.4em 1em;text-align:center}"
    "th:last-child,td:last-child{text-align:left}svg{vertical-align:middle;overflow:visible}"
)


class _Column(NamedTuple):
    left: float
    right: float

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


class _Shown:
    """One page of a sheet, as it fills."""

    def __init__(self, columns: list[_Column], headings: Sequence[str], width: float) -> None:
        self.columns, self.headings, self.width = columns, headings, width
        self.pictures: list[tuple[Picture, complex]] = []
        self.formulas: list[tuple[Lettering, complex]] = []
        self.rules: list[tuple[complex, complex]] = []

    def heading(self) -> float:
        """Write the first row; how far down it reaches."""
        self.rule(2.0)
        for heading, column in zip(self.headings, self.columns):
            text = _text(heading)
            left = column.left if column is self.columns[-1] else column.middle - text.width / 2
            self.formulas.append((text, complex(left, 15.0)))
        self.rule(22.0)
        return 22.0 + LEADING

    def rule(self, y: float) -> None:
        self.rules.append((complex(GAP / 2, y), complex(self.width - GAP / 2, y)))

    def row(self, row: Row, middle: float) -> None:
        """One diagram, its middle at a height."""
        at = complex(self.columns[0].middle, middle)
        self.pictures.append((row.picture, _origin(row.picture, at)))
        for cell, column in zip(row.cells, self.columns[1:]):
            last = column is self.columns[-1]
            text, _, height = _block(cell)
            for lettering, place in text:
                left = column.left if last else column.middle - lettering.width / 2
                self.formulas.append((lettering, complex(left, middle - height / 2) + place))

    def plate(self, y: float, style: Style, title: str) -> Plate:
        """What the page has become."""
        self.rule(y + LEADING)
        shown = [picture for picture, _ in self.pictures]
        return Plate(
            self.width, y + LEADING + 2.0, tuple(self.pictures), style, title, _all(shown),
            tuple(self.formulas), tuple(self.rules),
        )  # fmt: skip


def _text(words: str) -> Lettering:
    return letter(rf"\text{{{words}}}", TEXT)


def _columns(rows: Sequence[Row], headings: Sequence[str]) -> list[_Column]:
    """As wide as what stands in them, and as their headings."""
    widths = [max(row.picture.box.width for row in rows)]
    widths += [max(_block(row.cells[n])[1] for row in rows) for n in range(len(headings) - 1)]
    columns, left = [], GAP / 2
    for width, heading in zip(widths, headings):
        right = left + max(width, _text(heading).width)
        columns.append(_Column(left, right))
        left = right + GAP
    return columns


def _block(lines: Sequence[str]) -> tuple[list[tuple[Lettering, complex]], float, float]:
    """Lines below each other, the upper left corner at 0, with their width and height."""
    placed, width, y = [], 0.0, 0.0
    for n, line in enumerate(lines):
        text = letter(line, TEXT)
        left = INDENT if n else 0.0
        placed.append((text, complex(left - text.left, y - text.top)))
        width = max(width, left + text.width)
        y += text.height + BETWEEN
    return placed, width, max(0.0, y - BETWEEN)


def _height(row: Row) -> float:
    return max(row.picture.box.height, *(_block(cell)[2] for cell in row.cells))


def _origin(picture: Picture, middle: complex) -> complex:
    """Where a picture's origin goes so that its middle is at a point of the sheet."""
    box = picture.box
    return middle - complex((box.left + box.right) / 2, -(box.bottom + box.top) / 2)


def _html_row(row: Row, style: Style, glyphs: Glyphs) -> str:
    cells = [svg(plate_of(row.picture, style), glyphs=glyphs)]
    for cell in row.cells:
        text, width, height = _block(cell)
        said = " ".join(cell)
        plate = Plate(width, height, (), style, said, "", formulas=tuple(text))
        cells.append(svg(plate, glyphs=glyphs) if cell else "")
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _all(pictures: Sequence[Picture]) -> str:
    return " ".join(f"{n}. {picture.description}" for n, picture in enumerate(pictures, 1))
