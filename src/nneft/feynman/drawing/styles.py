"""The looks of a picture, and the forms in which it can be written."""

from __future__ import annotations

from cmath import exp
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, pi, sqrt

from nneft.feynman.drawing.curves import line
from nneft.feynman.drawing.primitives import Cubic, Disc


@dataclass(frozen=True)
class Style:
    """How discs look.

    Attributes
    ----------
    blob, vertex
        Colour of the discs, as lightness from 0 to 1.
    mark
        What is drawn in a blob: ``"star"`` or ``"hatching"``.
    """

    blob: float
    vertex: float
    mark: str

    def lightness(self, role: str) -> float:
        """From 0, black, to 1, white."""
        return {"blob": self.blob, "dot": 0.0}.get(role, self.vertex)

    def marks(self, disc: Disc) -> list[tuple[Cubic, ...]]:
        """Lines drawn upon a disc."""
        if disc.role != "blob":
            return []
        return _star(disc) if self.mark == "star" else _hatching(disc)


#: BCCZ's look, a grey disc with a star; and the hatched discs of many textbooks.
STYLES = {"paper": Style(0.83, 1.0, "star"), "hatched": Style(1.0, 1.0, "hatching")}

#: Distance of the lines of a hatching, and the radius of a star.
HATCHING, STAR = 3.2, 3.7


def style_named(name: str) -> Style:
    """The style of this name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in STYLES:
        raise ValueError(f"unknown style {name!r}: there are {listed(STYLES)}")
    return STYLES[name]


def listed(names: Iterable[str]) -> str:
    """``'a', 'b' and 'c'``."""
    *first, last = (repr(name) for name in names)
    return f"{', '.join(first)} and {last}" if first else last


def _star(disc: Disc) -> list[tuple[Cubic, ...]]:
    rays = [STAR * exp(1j * pi * (1 / 2 + n / 3)) for n in range(3)]
    return [line(disc.centre - ray, disc.centre + ray) for ray in rays]


def _hatching(disc: Disc) -> list[tuple[Cubic, ...]]:
    """Chords from the lower left to the upper right."""
    along, chords = exp(1j * pi / 4), []
    count = ceil(disc.radius / HATCHING)
    for n in range(-count, count + 1):
        off = (n + 0.5) * HATCHING
        if abs(off) < disc.radius:
            half = sqrt(disc.radius**2 - off**2)
            foot = disc.centre + 1j * along * off
            chords.append(line(foot - half * along, foot + half * along))
    return chords
