"""Pictures for TikZ-Feynman: explicit coordinates, so that pdfLaTeX and LuaLaTeX draw the same."""

from __future__ import annotations

from collections.abc import Iterable

from nneft.feynman.drawing.curves import is_straight
from nneft.feynman.drawing.primitives import (
    DASHES,
    LINE,
    WAVE_HEIGHT,
    WAVE_LENGTH,
    Cubic,
    Disc,
    Picture,
    Stroke,
)
from nneft.feynman.drawing.sizes import BESIDE, INSIDE
from nneft.feynman.drawing.styles import STAR, Style
from nneft.feynman.drawing.svg import number

#: What a document loads before it draws a picture.
PREAMBLE = r"""\usepackage[compat=1.1.0]{tikz-feynman}
\tikzfeynmanset{warn luatex=false}"""


def tikz(picture: Picture, style: Style) -> str:
    """One ``tikzpicture``; the document loads `PREAMBLE`. Coordinates are in points."""
    lines = [_stroke(s) for s in picture.strokes]
    discs = [_disc(n, d) for n, d in enumerate(picture.discs, 1)]
    words = [
        rf"\node [beside] at {_point(w.at)} {{${w.latex}$}};" for w in picture.words
    ]  # fmt: skip
    inside = "\n".join(f"    {text}" for text in [*lines, *discs, *words])
    return (
        f"% {picture.title}\n"
        rf"\begin{{tikzpicture}}[x=1pt, y=1pt, line width={LINE}pt, line cap=round," + "\n"
        f"{_styles(style)}]\n"
        rf"  \begin{{feynman}}" + f"\n{inside}\n" + r"  \end{feynman}" + "\n"
        r"\end{tikzpicture}" + "\n"
    )


def document(pictures: Iterable[Picture], style: Style) -> str:
    """A whole document, one picture a page of its own size."""
    pages = "\n".join(tikz(picture, style) for picture in pictures)
    return (
        r"\documentclass[tikz, border=3pt]{standalone}" + f"\n{PREAMBLE}\n"
        r"\begin{document}" + f"\n{pages}" + r"\end{document}" + "\n"
    )


def _styles(style: Style) -> str:
    """The looks of lines and discs; a wave is TikZ-Feynman's, a little narrower."""
    rays = " ".join(
        rf"\draw ([shift={{({angle}:{STAR}pt)}}]path picture bounding box.center)"
        rf" -- ([shift={{({angle + 180}:{STAR}pt)}}]path picture bounding box.center);"
        for angle in (30, 90, 150)
    )
    mark = {
        "star": rf"fill=black!{_percent(style.blob)}, path picture={{{rays}}}",
        "hatching": "preaction={/tikz/fill=white}, pattern=north east lines",
    }[style.mark]
    fonts = {role: rf"font=\fontsize{{{size:g}}}{{{size + 1:g}}}\selectfont, inner sep=0pt"
             for role, size in (("inside", INSIDE), ("beside", BESIDE))}  # fmt: skip
    # "complete sines" goes half its amplitude to either side, and has as many waves as there is
    # room for: a little shorter ones, so that rounding does not lose one.
    wave = f"amplitude={2 * WAVE_HEIGHT:g}pt, segment length={0.98 * WAVE_LENGTH:g}pt"
    looks = {
        "wavy": f"decorate, decoration={{complete sines, {wave}}}",
        "ghost": f"dash pattern=on {DASHES[0]:g}pt off {DASHES[1]:g}pt, line cap=butt",
        "disc": f"shape=circle, draw, fill=white, outer sep=0pt, {fonts['inside']}",
        "blob disc": f"disc, {mark}",
        "beside": f"shape=rectangle, {fonts['beside']}",
    }
    return ",\n".join(f"    {name}/.style={{{look}}}" for name, look in looks.items())


def _percent(lightness: float) -> str:
    return number(100 * (1 - lightness))


def _stroke(stroke: Stroke) -> str:
    look = {"plain": "plain", "wavy": "wavy", "dashed": "ghost"}[stroke.kind]
    return rf"\draw [{look}] {_path(stroke.curve)};"


def _disc(count: int, disc: Disc) -> str:
    look = {"blob": "blob disc", "dot": "dot"}.get(disc.role, "disc")
    size = f"minimum size={number(2 * disc.radius)}pt"
    name = f"${disc.name}$" if disc.name else ""
    return rf"\vertex [{look}, {size}] (n{count}) at {_point(disc.centre)} {{{name}}};"


def _path(curve: tuple[Cubic, ...]) -> str:
    parts = [_point(curve[0][0])]
    for cubic in curve:
        _, b, c, d = cubic
        if is_straight(cubic):
            parts.append(f"-- {_point(d)}")
        else:
            parts.append(f".. controls {_point(b)} and {_point(c)} .. {_point(d)}")
    return " ".join(parts)


def _point(p: complex) -> str:
    return f"({number(p.real)}, {number(p.imag)})"
