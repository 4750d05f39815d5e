"""Pictures and formulas with places on one sheet: what SVG, PDF and PNG are written from."""

from __future__ import annotations

from dataclasses import dataclass

from nneft.feynman.drawing.lettering import Lettering
from nneft.feynman.drawing.primitives import Cubic, Picture
from nneft.feynman.drawing.styles import Style


@dataclass(frozen=True)
class Plate:
    """A sheet, y downwards from its upper left corner.

    Attributes
    ----------
    width, height
        In points.
    pictures
        Each with the place of its origin.
    formulas
        Each with the place of the left end of its baseline.
    rules
        Thin lines across, each with its two ends.
    style
        How discs look.
    title, description
        In a few and in many words.
    """

    width: float
    height: float
    pictures: tuple[tuple[Picture, complex], ...]
    style: Style
    title: str
    description: str
    formulas: tuple[tuple[Lettering, complex], ...] = ()
    rules: tuple[tuple[complex, complex], ...] = ()


def plate_of(picture: Picture, style: Style) -> Plate:
    """One picture alone."""
    box = picture.box
    origin = complex(-box.left, box.top)
    return Plate(
        box.width, box.height, ((picture, origin),), style, picture.title, picture.description
    )


def flipped(curve: tuple[Cubic, ...], origin: complex) -> tuple[Cubic, ...]:
    """A curve of a picture on the sheet: y downwards, moved to its place."""
    return tuple(
        (
            origin + a.conjugate(),
            origin + b.conjugate(),
            origin + c.conjugate(),
            origin + d.conjugate(),
        )
        for a, b, c, d in curve
    )
