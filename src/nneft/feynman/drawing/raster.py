"""Pictures as PDF and PNG, through matplotlib; its state is not touched, nor its fonts needed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import count
from re import findall
from typing import TYPE_CHECKING, BinaryIO

from nneft.feynman.drawing.curves import wave
from nneft.feynman.drawing.lettering import Lettering, letter
from nneft.feynman.drawing.plate import Plate, flipped
from nneft.feynman.drawing.primitives import DASHES, LINE, Cubic, Picture
from nneft.feynman.drawing.sizes import BESIDE, INSIDE
from nneft.feynman.drawing.styles import Style
from nneft.feynman.drawing.svg import centred

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.path import Path

#: Dots per inch of a PNG.
DOTS = 200


def write_png(plate: Plate, file: BinaryIO) -> None:
    """One sheet as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(_figure(plate, dpi=DOTS))
    about = {"Title": plate.title, "Software": None}
    canvas.print_png(file, metadata=about)  # type: ignore[no-untyped-call]


def write_pdf(plates: Iterable[Plate], file: BinaryIO) -> None:
    """Sheets as the pages of one PDF, without the date, so that the same is the same."""
    from matplotlib.backends.backend_pdf import PdfPages

    plates = list(plates)
    about = {"Title": plates[0].title, "Creator": "nneft", "CreationDate": None}
    with PdfPages(file, metadata=about) as pages:
        for plate in plates:
            pages.savefig(_figure(plate, dpi=72))


def _figure(plate: Plate, dpi: float) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    figure = Figure(figsize=(plate.width / 72, plate.height / 72), dpi=dpi)
    # Points from the upper left corner to inches from the lower left one, then to dots.
    place = Affine2D().scale(1 / 72, -1 / 72).translate(0, plate.height / 72)
    ink = _Ink(figure, place + figure.dpi_scale_trans)
    for ends in plate.rules:
        ink.path(_lines([_straight(*ends)]), line=0.5)
    for picture, origin in plate.pictures:
        _draw(ink, picture, origin, plate.style)
    ink.fill([(formula, at) for formula, at in plate.formulas])
    return figure


class _Ink:
    """What is drawn on a figure, one on top of the other."""

    def __init__(self, figure: Figure, transform: object) -> None:
        self.figure, self.transform = figure, transform
        self.above = count()

    def path(
        self, path: Path, *, line: float = LINE, face: float | None = None, dashed: bool = False
    ) -> None:
        from matplotlib.patches import PathPatch

        self.figure.add_artist(
            PathPatch(
                path,
                transform=self.transform,
                facecolor="none" if face is None else str(face),
                edgecolor="black" if line else "none",
                linewidth=line,
                linestyle=(0, DASHES) if dashed else "solid",
                capstyle="butt" if dashed else "round",
                joinstyle="round",
                zorder=next(self.above),
            )
        )

    def fill(self, formulas: list[tuple[Lettering, complex]]) -> None:
        from matplotlib.path import Path

        outlines = [
            _placed(g.path, g.x + at.real, g.y + at.imag, g.scale)
            for formula, at in formulas
            for g in formula.glyphs
        ]
        if outlines:
            self.path(Path.make_compound_path(*outlines), line=0.0, face=0.0)


def _draw(ink: _Ink, picture: Picture, origin: complex, style: Style) -> None:
    for dashed in (False, True):
        curves = [
            flipped(wave(s.curve) if s.kind == "wavy" else s.curve, origin)
            for s in picture.strokes
            if (s.kind == "dashed") == dashed
        ]
        if curves:
            ink.path(_lines(curves), dashed=dashed)
    for disc in picture.discs:
        ink.path(
            _circle(origin + disc.centre.conjugate(), disc.radius), face=style.lightness(disc.role)
        )
        marks = [flipped(mark, origin) for mark in style.marks(disc)]
        if marks:
            ink.path(_lines(marks))
    words = [(d.centre, letter(d.name, INSIDE)) for d in picture.discs if d.name]
    words += [(w.at, letter(w.latex, BESIDE)) for w in picture.words]
    ink.fill([(formula, centred(formula, origin, at)) for at, formula in words])


def _straight(start: complex, end: complex) -> tuple[Cubic, ...]:
    return ((start, start, end, end),)


def _lines(curves: list[tuple[Cubic, ...]]) -> Path:
    from matplotlib.path import Path

    points: list[complex] = []
    codes: list[int] = []
    for curve in curves:
        points.append(curve[0][0])
        codes.append(int(Path.MOVETO))
        for _, b, c, d in curve:
            points += [b, c, d]
            codes += [int(Path.CURVE4)] * 3
    return Path([(p.real, p.imag) for p in points], codes)


def _circle(centre: complex, radius: float) -> Path:
    from matplotlib.path import Path

    return Path.circle((centre.real, centre.imag), radius)


def _placed(path: str, x: float, y: float, scale: float) -> Path:
    from matplotlib.path import Path

    vertices, codes = _outline(path)
    return Path([(x + scale * u, y + scale * v) for u, v in vertices], codes)


@lru_cache(maxsize=4096)
def _outline(path: str) -> tuple[list[tuple[float, float]], list[int]]:
    """Vertices and codes of a path in SVG's language, of those commands that letters use."""
    from matplotlib.path import Path

    needed = {"M": 1, "L": 1, "Q": 2, "C": 3}
    code = {"M": Path.MOVETO, "Q": Path.CURVE3, "C": Path.CURVE4}
    vertices: list[tuple[float, float]] = []
    codes: list[int] = []
    for command, rest in findall(r"([A-Za-z])([^A-Za-z]*)", path):
        values = [float(v) for v in findall(r"-?\d*\.?\d+(?:e-?\d+)?", rest)]
        if command == "Z":
            vertices.append(vertices[-1])
            codes.append(int(Path.CLOSEPOLY))
            continue
        points = list(zip(values[::2], values[1::2]))
        if command not in needed or len(points) % needed[command]:
            raise ValueError(f"an outline of a letter is not as expected: {path!r}")
        vertices += points
        codes += [int(code.get(command, Path.LINETO))] * len(points)
    return vertices, codes
