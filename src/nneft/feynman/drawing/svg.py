"""Pictures as SVG: text alone, the same bytes on each run."""

from __future__ import annotations

from hashlib import sha256
from html import escape

from nneft.feynman.drawing.curves import is_straight, wave
from nneft.feynman.drawing.lettering import Lettering, letter
from nneft.feynman.drawing.plate import Plate, flipped
from nneft.feynman.drawing.primitives import DASHES, LINE, Cubic, Disc, Picture, Stroke
from nneft.feynman.drawing.sizes import BESIDE, INSIDE
from nneft.feynman.drawing.styles import Style


class Glyphs:
    """Outlines that are used several times, each under a name made from its shape."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def name(self, path: str) -> str:
        """The name of an outline, which is kept."""
        if path not in self.names:
            self.names[path] = "g" + sha256(path.encode()).hexdigest()[:10]
        return self.names[path]

    def definitions(self) -> str:
        """All outlines, to be written once before they are used."""
        shapes = "".join(f'<path id="{name}" d="{path}"/>' for path, name in self.names.items())
        return f"<defs>{shapes}</defs>" if shapes else ""


def svg(plate: Plate, *, glyphs: Glyphs | None = None) -> str:
    """A whole SVG; with `glyphs` one whose outlines are kept there, to be defined elsewhere."""
    kept = Glyphs() if glyphs is None else glyphs
    rules = "".join(
        f'<path d="M{_point(a)}L{_point(b)}" stroke="#000" stroke-width="0.5"/>'
        for a, b in plate.rules
    )
    drawn = "".join(_picture(p, origin, plate.style, kept) for p, origin in plate.pictures)
    text = "".join(lettering(formula, place, kept) for formula, place in plate.formulas)
    defined = kept.definitions() if glyphs is None else ""
    width, height = number(plate.width), number(plate.height)
    # The background is for screens that are dark: on paper and in other pictures there is none.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" style="background:#fff" '
        f'width="{width}pt" height="{height}pt" viewBox="0 0 {width} {height}">'
        f"<title>{escape(plate.title)}</title><desc>{escape(plate.description)}</desc>"
        f"{defined}{rules}{drawn}{text}</svg>"
    )


def lettering(formula: Lettering, place: complex, glyphs: Glyphs) -> str:
    """A formula, the left end of its baseline at a place."""
    used = "".join(
        f'<use href="#{glyphs.name(g.path)}" transform="translate({number(place.real + g.x)} '
        f'{number(place.imag + g.y)}) scale({number(g.scale, 4)})"/>'
        for g in formula.glyphs
    )
    return f"<g>{used}</g>"


def number(value: float, digits: int = 2) -> str:
    """A number in as few characters as say it."""
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _picture(picture: Picture, origin: complex, style: Style, glyphs: Glyphs) -> str:
    lines = "".join(_stroke(s, origin) for s in picture.strokes)
    discs = "".join(_disc(d, origin, style) for d in picture.discs)
    words = [(d.centre, d.name, INSIDE) for d in picture.discs if d.name]
    words += [(w.at, w.latex, BESIDE) for w in picture.words]
    text = "".join(
        lettering(letter(latex, size), centred(letter(latex, size), origin, at), glyphs)
        for at, latex, size in words
    )
    return (
        f'<g fill="none" stroke="#000" stroke-width="{LINE}" stroke-linecap="round" '
        f'stroke-linejoin="round">{lines}{discs}</g>{text}'
    )


def centred(formula: Lettering, origin: complex, at: complex) -> complex:
    """Where the baseline starts when the middle of the formula is at a point of a picture."""
    middle = complex(formula.left + formula.width / 2, formula.top + formula.height / 2)
    return origin + at.conjugate() - middle


def _stroke(stroke: Stroke, origin: complex) -> str:
    curve = wave(stroke.curve) if stroke.kind == "wavy" else stroke.curve
    dashes = f' stroke-dasharray="{DASHES[0]} {DASHES[1]}"' if stroke.kind == "dashed" else ""
    return f'<path d="{_path(flipped(curve, origin))}"{dashes}/>'


def _disc(disc: Disc, origin: complex, style: Style) -> str:
    centre = origin + disc.centre.conjugate()
    grey = f"{round(255 * style.lightness(disc.role)):02x}" * 3
    marks = "".join(_path(flipped(mark, origin)) for mark in style.marks(disc))
    return (
        f'<circle cx="{number(centre.real)}" cy="{number(centre.imag)}" '
        f'r="{number(disc.radius)}" fill="#{grey}"/>' + (f'<path d="{marks}"/>' if marks else "")
    )


def _path(curve: tuple[Cubic, ...]) -> str:
    straight = len(curve) == 1 and is_straight(curve[0])
    parts = [f"M{_point(curve[0][0])}"]
    for _, b, c, d in curve:
        parts.append(f"L{_point(d)}" if straight else f"C{_point(b)} {_point(c)} {_point(d)}")
    return "".join(parts)


def _point(p: complex) -> str:
    return f"{number(p.real)} {number(p.imag)}"
