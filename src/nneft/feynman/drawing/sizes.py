"""Sizes that the layout and the drawing share, in points."""

from cmath import exp
from math import pi

#: Radius of a blob; of a vertex, whose name is set in it; of an insertion; of the end of a leg.
BLOB, VERTEX, INSERTION, DOT = 10.0, 10.0, 8.5, 1.6

#: Length of the wavy part of a leg: whole waves.
WAVY = 20.0

#: Length of the two lines into which it forks, and the direction of the first of them.
FORK, FORK_ANGLE = 11.0, exp(1j * pi * 38 / 180)

#: Half the distance between the two lines of a double line, and between double lines side by side.
HALF_GAP, FAN = 1.5, 15.0

#: Room between the end of a leg and its label.
OFF = 2.8

#: Size of the letters inside discs, and beside them.
INSIDE, BESIDE = 9.0, 8.0


def label_box(name: str) -> tuple[float, float]:
    """Width and height that are kept free for a letter with an index, such as ``x_12``."""
    return 5.0 + 3.6 * (len(name) - 2), 7.0


def label_place(end: complex, out: complex, box: tuple[float, float]) -> complex:
    """The middle of a box that stands off a point in a direction, a complex number of modulus 1."""
    return end + out * (OFF + (abs(out.real) * box[0] + abs(out.imag) * box[1]) / 2)


def radius_of(kind: str) -> float:
    """Radius of the disc of a node: ``blob``, ``V4``, ``V4.1``, ``K1`` .."""
    if kind == "blob":
        return BLOB
    return max(INSERTION if kind[0] == "K" else VERTEX, 3.0 + 2.3 * len(kind))
