"""What a picture is made of: discs, strokes and words, in points, y upwards.

A point of the plane is a complex number: turning it by an angle is one multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

#: Thickness of all lines.
LINE = 0.8

#: Drawn and left out in a dashed line.
DASHES = (3.0, 2.2)

#: Length of one wave, and how far it goes to either side.
WAVE_LENGTH, WAVE_HEIGHT = 5.0, 1.8

#: Room between what is drawn and the edge of the picture.
MARGIN = 3.0

#: A cubic Bézier curve: start, two control points, end.
Cubic = tuple[complex, complex, complex, complex]


@dataclass(frozen=True)
class Disc:
    """A disc drawn over the lines that end in it.

    Attributes
    ----------
    centre, radius
        Where, and how large.
    role
        ``"blob"``, ``"vertex"``, ``"insertion"``, or ``"dot"`` for the end of a leg.
    name
        LaTeX set inside it, without dollars; may be empty.
    """

    centre: complex
    radius: float
    role: str
    name: str = ""


@dataclass(frozen=True)
class Stroke:
    """A line.

    Attributes
    ----------
    curve
        Cubic Bézier curves, each starting where the one before ended: the middle of the wave where
        the line is wavy.
    kind
        ``"plain"``, ``"wavy"``, or ``"dashed"`` for a ghost.
    """

    curve: tuple[Cubic, ...]
    kind: str = "plain"


@dataclass(frozen=True)
class Word:
    """A piece of mathematics, centred at a point.

    Attributes
    ----------
    at
        Centre of its box.
    latex
        Without dollars.
    width, height
        Of the box that is kept free for it.
    """

    at: complex
    latex: str
    width: float
    height: float


class Box(NamedTuple):
    """A rectangle: what is in a picture, or kept free for a word."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From bottom to top."""
        return self.top - self.bottom


@dataclass(frozen=True)
class Picture:
    """Primitives in the order in which they are drawn: strokes, discs, words.

    Attributes
    ----------
    strokes, discs, words
        What is drawn.
    title, description
        The same in a few and in many words, for who does not see it.
    """

    strokes: tuple[Stroke, ...]
    discs: tuple[Disc, ...]
    words: tuple[Word, ...]
    title: str
    description: str

    @property
    def box(self) -> Box:
        """Everything that is drawn, with a margin."""
        reach: list[tuple[complex, float, float]] = [
            (d.centre, d.radius + LINE / 2, d.radius + LINE / 2) for d in self.discs
        ]
        reach += [(w.at, w.width / 2, w.height / 2) for w in self.words]
        for stroke in self.strokes:
            # A Bézier curve stays inside the hull of its four points.
            room = LINE / 2 + (WAVE_HEIGHT if stroke.kind == "wavy" else 0.0)
            reach += [(p, room, room) for cubic in stroke.curve for p in cubic]
        return Box(
            min(p.real - x for p, x, _ in reach) - MARGIN,
            min(p.imag - y for p, _, y in reach) - MARGIN,
            max(p.real + x for p, x, _ in reach) + MARGIN,
            max(p.imag + y for p, _, y in reach) + MARGIN,
        )
