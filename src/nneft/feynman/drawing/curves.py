"""Lines, arcs and waves as cubic Bézier curves."""

from __future__ import annotations

from cmath import exp, phase
from itertools import pairwise
from math import asin, ceil, hypot, pi, tan

from nneft.feynman.drawing.primitives import WAVE_HEIGHT, WAVE_LENGTH, Cubic


def line(start: complex, end: complex) -> tuple[Cubic, ...]:
    """A straight line."""
    third = (end - start) / 3
    return ((start, start + third, end - third, end),)


def arc(start: complex, end: complex, bow: float, offset: float = 0.0) -> tuple[Cubic, ...]:
    """The circular arc from one point to another, or the parallel to it at a distance.

    Parameters
    ----------
    bow
        How far the middle lies to the left of the straight line; at most half its length.
    offset
        Distance of the parallel, to the left.
    """
    along = (end - start) / abs(end - start)
    if abs(bow) < 1e-9:
        shift = 1j * along * offset
        return line(start + shift, end + shift)
    half = abs(end - start) / 2
    # Radius R and half opening angle a of the arc: R sin a = half, R (1 - cos a) = bow.
    radius = (half**2 + bow**2) / (2 * abs(bow))
    side = 1.0 if bow > 0 else -1.0
    centre = (start + end) / 2 + 1j * along * (bow - side * radius)
    opening = asin(min(1.0, half / radius))
    first = phase(start - centre)
    return circle(centre, radius + side * offset, first, first - side * 2 * opening)


def circle(centre: complex, radius: float, first: float, last: float) -> tuple[Cubic, ...]:
    """The part of a circle between two angles, in pieces of at most 60 degrees."""
    count = max(1, ceil(abs(last - first) / (pi / 3) - 1e-9))
    step = (last - first) / count
    # The cubic that touches the circle at both ends and in the middle: handles 4/3 tan(step/4).
    handle = 4 / 3 * tan(step / 4) * 1j
    ends = [exp(1j * (first + n * step)) for n in range(count + 1)]
    return tuple(
        (
            centre + radius * a,
            centre + radius * a * (1 + handle),
            centre + radius * b * (1 - handle),
            centre + radius * b,
        )
        for a, b in pairwise(ends)
    )


def wave(curve: tuple[Cubic, ...]) -> tuple[Cubic, ...]:
    """A wave about a line or an arc, of whole waves from end to end."""
    points = sample(curve, 33)
    lengths = [0.0]
    for a, b in pairwise(points):
        lengths.append(lengths[-1] + abs(b - a))
    quarters = 4 * max(1, round(lengths[-1] / WAVE_LENGTH))
    size = lengths[-1] / quarters
    # y = h sin(x): at whole quarters it is 0, h, 0, -h with slopes h, 0, -h, 0 (by the angle).
    knots = []
    for n in range(quarters + 1):
        at, along = _at_length(points, lengths, n * size)
        rise = (0.0, 1.0, 0.0, -1.0)[n % 4] * WAVE_HEIGHT
        slope = (1.0, 0.0, -1.0, 0.0)[n % 4] * WAVE_HEIGHT * (pi / 2) / size
        knots.append((at + 1j * along * rise, along * (1 + 1j * slope) * size / 3))
    return tuple((p, p + u, q - v, q) for (p, u), (q, v) in pairwise(knots))


def sample(curve: tuple[Cubic, ...], count: int) -> list[complex]:
    """Points on a curve, both ends among them, equally many on each of its pieces."""
    each = max(2, ceil((count - 1) / len(curve)) + 1)
    points = [curve[0][0]]
    for a, b, c, d in curve:
        for n in range(1, each):
            t = n / (each - 1)
            s = 1 - t
            points.append(s * s * s * a + 3 * s * s * t * b + 3 * s * t * t * c + t * t * t * d)
    return points


def is_straight(cubic: Cubic) -> bool:
    """Whether a curve is a straight line."""
    a, b, c, d = cubic
    across = 1j * (d - a) / (abs(d - a) or 1.0)
    return all(abs(((p - a) * across.conjugate()).real) < 1e-9 for p in (b, c))


def fan(count: int, step: float) -> list[float]:
    """Places of equal distance about zero."""
    return [step * (n - (count - 1) / 2) for n in range(count)]


def _at_length(
    points: list[complex], lengths: list[float], where: float
) -> tuple[complex, complex]:
    """The point at this length, and the direction there."""
    n = next((n for n in range(1, len(lengths)) if lengths[n] >= where), len(lengths) - 1)
    a, b = points[n - 1], points[n]
    along = (b - a) / (hypot((b - a).real, (b - a).imag) or 1.0)
    return a + along * (where - lengths[n - 1]), along
