"""Derivatives of a function known only by its values: Chebyshev interpolation between kinks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from nneft.activations.structure import AnalyticPiece, Parity, Structure

__all__ = ["NumericalPiece", "measure"]

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray], FloatArray]

DEGREE = 22
#: A window is resolved when its last coefficients are below this, relative to its largest.
RESOLVED = 1e-12
#: Coefficients below this, relative to the window's largest, are rounding.
CHOPPED = 1e-15
#: Kinks not declared are looked for within this distance of the origin.
REACH = 30.0
WIDEST, NARROWEST = 4.0, 2.0**-8


@cache
def _nodes() -> tuple[FloatArray, FloatArray]:
    """Chebyshev points of the first kind (never the ends), and values -> coefficients."""
    n = DEGREE + 1
    points: FloatArray = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    transform: Any = (2.0 / n) * chebyshev.chebvander(points, DEGREE)
    transform[:, 0] *= 0.5
    return points, transform


@final
@dataclass(frozen=True)
class NumericalPiece:
    """One smooth piece of ``fn`` on ``[low, high]``, interpolated in windows of ``width``."""

    fn: Function
    low: float
    high: float
    width: float

    def coefficients(self, x: FloatArray, shrink: float = 1.0) -> tuple[FloatArray, ...]:
        """Chebyshev coefficients (n, DEGREE+1) about every x, half widths, centres."""
        points, transform = _nodes()
        h = shrink * min(self.width, 0.5 * (self.high - self.low))
        centre = np.clip(x, self.low + h, self.high - h)
        values = self.fn(centre[:, None] + h * points)
        a = values @ transform
        # what is below rounding is noise, and derivatives would amplify it
        size = np.abs(a)
        above = size > CHOPPED * size.max(axis=1, keepdims=True)
        last = DEGREE - np.argmax(above[:, ::-1], axis=1)
        a[np.arange(DEGREE + 1) > last[:, None]] = 0.0
        return a, np.full(x.shape, h), centre

    def derivatives(self, x: FloatArray, order: int, shrink: float = 1.0) -> FloatArray:
        """Derivatives 0..order at ``x`` of shape (n,): (order+1, n)."""
        out = np.zeros((order + 1, *x.shape))
        a, h, centre = self.coefficients(x, shrink)
        t = (x - centre) / h
        for r in range(min(order, DEGREE) + 1):
            out[r] = chebyshev.chebval(t, a.T, tensor=False) / h**r
            a = np.asarray(chebyshev.chebder(a, axis=1), dtype=np.float64)
        inside = (x != self.low) & (x != self.high)
        out[0, inside] = self.fn(x[inside])  # the value itself, relatively exact near a zero
        return out

    def points(self, reach: float, count: int) -> FloatArray:
        """Points of the piece within ``reach`` of the origin, its ends included."""
        low, high = max(self.low, -reach), min(self.high, reach)
        return np.linspace(low, max(low, high), count)


@cache
def _measured_error(pieces: tuple[NumericalPiece, ...], order: int) -> float:
    """Two sets of windows against each other, relative to the largest derivative."""
    if order > DEGREE - 2:
        return math.inf
    gap, size = 0.0, 0.0
    for piece in pieces:
        x = piece.points(12.0 * piece.width, 97)
        one, two = piece.derivatives(x, order), piece.derivatives(x, order, shrink=0.77)
        # where a derivative vanishes, its natural size is that of the function
        natural = np.abs(one[:1]) / (2.0 * piece.width) ** order
        size = max(size, float(np.abs(one[-1]).max()), float(natural.max()))
        gap = max(gap, float(np.abs(one[-1] - two[-1]).max()))
    return max(10.0 * gap / max(size, 1e-300), 1e-15)


def measure(
    fn: Callable[[Any], Any], kinks: Iterable[float], name: str, scale: float | None
) -> Structure:
    """Check a callable and find out what can be known of it from its values."""
    with np.errstate(all="ignore"):  # what overflows is told by the checks
        return _measured(fn, kinks, name, scale)


def _measured(
    fn: Callable[[Any], Any], kinks: Iterable[float], name: str, scale: float | None
) -> Structure:
    points = _checked_kinks(kinks)
    _check_elementwise(fn, name)
    values = _plain(fn)
    if scale is not None and not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be positive and finite, got {scale!r}")
    slopes = _slopes(values, points)
    if slopes is not None:
        lines = tuple(AnalyticPiece(_line(a)) for a in slopes)
        if slopes[0] == slopes[1]:
            points, lines = (), lines[:1]
        return Structure(points, lines, scale or 1.0, _line_parity(slopes), slopes)
    width = 0.5 * scale if scale is not None else _widest(values, points)
    pieces = _pieces(values, points, width)
    worst, where = _worst(pieces)
    if worst > RESOLVED:
        raise ValueError(_unresolved(name, where, points, scale))

    def error(order: int) -> float:
        return max(_measured_error(pieces, r) for r in range(order + 1))

    return Structure(points, pieces, 2.0 * width, _parity(values, points), error=error)


def _unresolved(name: str, where: float, kinks: tuple[float, ...], scale: float | None) -> str:
    fix = "declare its kinks, Activation(fn, kinks=(..))"
    if scale is not None:
        fix = f"give a smaller scale= than {scale:g}, or none, or {fix}"
    return (
        f"the activation {name!r} is not smooth, in double precision, near x = {where:.4g}; "
        f"{fix} (now {kinks})"
    )


def _checked_kinks(kinks: Iterable[float]) -> tuple[float, ...]:
    try:
        points = tuple(sorted({float(k) + 0.0 for k in kinks}))
    except (TypeError, ValueError):
        raise ValueError(f"kinks must be a sequence of numbers, got {kinks!r}") from None
    if not all(math.isfinite(k) for k in points):
        raise ValueError(f"kinks must be finite, got {points}")
    return points


def _check_elementwise(fn: Callable[[Any], Any], name: str) -> None:
    if not callable(fn):
        raise TypeError(f"an activation must be callable on arrays, got {fn!r}")
    wrong = f"the activation {name!r} must act elementwise on arrays: "
    x = np.sqrt(np.arange(1.0, 25.0)).reshape(4, 6) * np.array([1, -1, 1, -1, -1, 1]) * 2.0
    y = _called(fn, x, wrong)
    if y.shape != x.shape:
        raise ValueError(f"{wrong}given shape {x.shape} it returned shape {y.shape}")
    if y.dtype.kind not in "fiub":
        raise ValueError(f"{wrong}it returned {y.dtype} values, not real numbers")
    if not np.all(np.isfinite(y)):
        raise ValueError(f"{wrong}it returned {y[~np.isfinite(y)][0]} at x = {_first_bad(x, y)}")
    if not np.array_equal(_called(fn, x, wrong), y):
        raise ValueError(f"{wrong}called twice on the same array it returned different values")
    for part, same in ((x[1:, ::2], y[1:, ::2]), (x[:1, :1], y[:1, :1])):
        if not np.allclose(_called(fn, part.copy(), wrong), same, rtol=1e-12, atol=1e-14):
            raise ValueError(f"{wrong}its value at a point depends on the other points")


def _first_bad(x: FloatArray, y: FloatArray) -> str:
    return f"{x[~np.isfinite(y)][0]:.6g}"


def _called(fn: Callable[[Any], Any], x: FloatArray, wrong: str) -> NDArray[Any]:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(fn(x.copy()))
    except Exception as error:
        raise ValueError(
            f"{wrong}called on one it raised {type(error).__name__}: {error}"
        ) from error


def _plain(fn: Callable[[Any], Any]) -> Function:
    def values(x: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return np.asarray(fn(x), dtype=np.float64)

    return values


def _test_points() -> FloatArray:
    return np.concatenate([np.geomspace(1e-6, 25.0, 60), np.sqrt(np.arange(2.0, 30.0))])


def _slopes(fn: Function, kinks: tuple[float, ...]) -> tuple[float, float] | None:
    x = _test_points()
    if kinks not in ((), (0.0,)) or np.any(fn(np.zeros(1)) != 0.0):
        return None
    slopes = []
    for sign in (-1.0, 1.0):
        ratio = fn(sign * x) / (sign * x)
        if np.ptp(ratio) > 1e-14 * np.abs(ratio).max():
            return None
        slopes.append(float(np.median(ratio)))
    return (slopes[0], slopes[1]) if kinks or slopes[0] == slopes[1] else None


def _line(slope: float) -> Callable[[Any], Any]:
    return lambda x: x * slope


def _line_parity(slopes: tuple[float, float]) -> Parity:
    if slopes[0] == slopes[1]:
        return "odd"
    return "even" if slopes[0] == -slopes[1] else None


def _parity(fn: Function, kinks: tuple[float, ...]) -> Parity:
    if not np.allclose(kinks, [-k for k in reversed(kinks)], rtol=1e-12, atol=0.0):
        return None
    x = _test_points()
    right, left = fn(x), fn(-x)
    bound = 1e-15 * (np.abs(right) + np.abs(left))
    if np.all(np.abs(right - left) <= bound):
        return "even"
    return "odd" if np.all(np.abs(right + left) <= bound) else None


def _pieces(fn: Function, kinks: tuple[float, ...], width: float) -> tuple[NumericalPiece, ...]:
    ends = [-math.inf, *kinks, math.inf]
    return tuple(NumericalPiece(fn, a, b, width) for a, b in itertools.pairwise(ends))


def _worst(pieces: tuple[NumericalPiece, ...]) -> tuple[float, float]:
    """The least resolved window: its last coefficients relative to the function, and where.

    The function's size is the largest up to there from the origin: noise in a tail that has
    decayed does not count.
    """
    x = [p.points(REACH, max(3, int(2 * REACH / p.width) + 2)) for p in pieces]
    a = np.abs(np.concatenate([p.coefficients(t)[0] for p, t in zip(pieces, x, strict=True)]))
    where = np.concatenate(x)
    outwards = np.argsort(np.abs(where), kind="stable")
    a, where = np.where(np.isfinite(a), a, np.inf)[outwards], where[outwards]
    size = np.maximum.accumulate(a.max(axis=1))
    with np.errstate(invalid="ignore"):
        tail = np.nan_to_num(a[:, -3:].max(axis=1) / np.maximum(size, 1e-300), nan=np.inf)
    worst = int(np.argmax(tail))
    return float(tail[worst]), float(where[worst])


def _widest(fn: Function, kinks: tuple[float, ...]) -> float:
    """Widest window half width that the degree resolves everywhere."""
    width = WIDEST
    while width > NARROWEST and _worst(_pieces(fn, kinks, width))[0] > RESOLVED:
        width *= 0.5**0.5
    return width
