"""Mathematics as outlines of glyphs: the same letters in SVG, PDF and PNG, no font needed there."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ziamath.zmath import Latex


#: Letters that are slanted in TeX, and upright in ziamath.
SLANTED = {"phi": "𝜙", "partial": "𝜕"}


@dataclass(frozen=True)
class Glyph:
    """One closed outline, filled.

    Attributes
    ----------
    path
        In SVG's path language, y downwards.
    x, y, scale
        Where its origin goes, and how much it is enlarged.
    """

    path: str
    x: float
    y: float
    scale: float


@dataclass(frozen=True)
class Lettering:
    """A formula as outlines, y downwards, the baseline at 0.

    Attributes
    ----------
    glyphs
        What is filled.
    left, top, right, bottom
        Of the box around it.
    """

    glyphs: tuple[Glyph, ...]
    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top


@lru_cache(maxsize=4096)
def letter(latex: str, size: float) -> Lettering:
    """A formula, without dollars, in letters of a size in points.

    Raises
    ------
    ValueError
        It is not LaTeX that can be set.
    """
    Latex = _setter()
    known = re.sub(r"(\\[Bb]igg?[lr]?)\\([lr])angle", _bracket, latex)
    for command, character in SLANTED.items():
        known = re.sub(rf"\\{command}(?![A-Za-z])", character, known)
    try:
        formula = Latex(known, size=size)
        drawn = formula.svgxml()
    except Exception as error:  # whatever the parser trips over
        raise ValueError(f"cannot set the formula {latex!r}: {error}") from error
    left, top, width, height = (float(v) for v in drawn.attrib["viewBox"].split())
    margin = formula.margin
    return Lettering(
        tuple(_glyphs(drawn)),
        left + margin,
        top + margin,
        left + width - margin,
        top + height - margin,
    )


@cache
def _setter() -> type[Latex]:
    with warnings.catch_warnings():
        # ziamath finds its font by a function that Python 3.11 and 3.12 call deprecated, and 3.13
        # does not; where warnings are errors that must not stop a picture.
        warnings.simplefilter("ignore", DeprecationWarning)
        from ziamath.zmath import Latex
    return Latex


def _bracket(found: re.Match[str]) -> str:
    """An angle bracket of a given size, which ziamath knows as a character alone."""
    return found[1] + {"l": "⟨", "r": "⟩"}[found[2]]


def _glyphs(drawn: ElementTree.Element) -> Iterator[Glyph]:
    """Outlines of letters (each a symbol and its use), and of the bars of fractions and roots."""
    symbols = {}
    for element in drawn:
        if element.tag == "symbol":
            path = element.find("path")
            box = [float(v) for v in element.attrib["viewBox"].split()]
            symbols[f"#{element.attrib['id']}"] = (box, path)
        elif element.tag == "use":
            box, path = symbols[element.attrib["href"]]
            x, y, height = (float(element.attrib[k]) for k in ("x", "y", "height"))
            scale = height / box[3]
            if path is not None and path.attrib["d"].strip():  # a space has none
                yield Glyph(_tidy(path.attrib["d"]), x - scale * box[0], y - scale * box[1], scale)
        elif element.tag == "rect":
            x, y, width, height = (float(element.attrib[k]) for k in ("x", "y", "width", "height"))
            bar = f"M0 0L{width:g} 0L{width:g} {height:g}L0 {height:g}Z"
            yield Glyph(bar, x, y, 1.0)
        elif element.tag == "path":
            yield Glyph(_tidy(element.attrib["d"]), 0.0, 0.0, 1.0)


def _tidy(path: str) -> str:
    """The same path in fewer characters."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", re.sub(r"\s+", " ", path)).strip()
