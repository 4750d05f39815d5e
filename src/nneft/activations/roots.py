"""Where a function of one variable changes sign or touches zero, on a wide part of the axis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["CENTRE", "grid", "sign_changes", "touches"]

FloatArray = NDArray[np.float64]
Scalar = Callable[[float], float]

#: Dense within this distance of the origin, geometric beyond, to 1e6.
CENTRE = 40.0


@cache
def grid() -> FloatArray:
    """Points of the axis, ascending, both signs and the origin: about 1e4 of them."""
    near, middle, far = (
        np.geomspace(1e-9, 1e-2, 120, endpoint=False),
        np.arange(1, 4001) * (CENTRE / 4000),
        np.geomspace(CENTRE, 1e6, 1500)[1:],
    )
    positive = np.concatenate([near, middle, far])
    points = np.concatenate([-positive[::-1], [0.0], positive])
    points.flags.writeable = False
    return points


def sign_changes(f: Scalar, x: FloatArray, values: FloatArray) -> Iterator[float]:
    """Points where ``f`` changes sign, ``values`` being ``f`` on the ascending ``x``."""
    keep = np.isfinite(values) & (values != 0.0)
    xs, signs = x[keep], np.sign(values[keep])
    index = np.flatnonzero(keep)
    for i in np.flatnonzero(signs[1:] != signs[:-1]):
        zeros = x[index[i] + 1 : index[i + 1]]
        zeros = zeros[values[index[i] + 1 : index[i + 1]] == 0.0]
        if len(zeros):
            yield float(zeros[len(zeros) // 2])
        else:
            yield _polished(f, float(xs[i]), float(xs[i + 1]))
    for left, right in _dips(f, x, values):
        yield _polished(f, *left)
        yield _polished(f, *right)


def _polished(f: Scalar, low: float, high: float) -> float:
    from scipy import optimize  # a slow import, for few activations

    root = float(optimize.brentq(f, low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps))
    for digits in (0, 1, 2, 3, 6, 9, 12):  # the decimal that was written, if it is one
        near = round(root, digits)
        if abs(near - root) <= 1e-14 * abs(root) and low <= near <= high:
            return near
    return root


def _minima(f: Scalar, x: FloatArray, values: FloatArray) -> Iterator[tuple[int, float, float]]:
    """Interior minima of ``|f|`` where ``f`` keeps its sign: (index, where, value of ``|f|``)."""
    size = np.where(np.isfinite(values), np.abs(values), np.inf)
    inner = np.flatnonzero((size[1:-1] <= size[:-2]) & (size[1:-1] < size[2:])) + 1
    for i in inner:
        same = np.sign(values[i - 1]) == np.sign(values[i]) == np.sign(values[i + 1])
        # only minima deep enough to reach zero between the points, were f a parabola
        if same and size[i] < 2 * (max(size[i - 1], size[i + 1]) - size[i]):
            sign = float(np.sign(values[i]))
            low, high = float(x[i - 1]), float(x[i + 1])
            from scipy import optimize

            best = optimize.minimize_scalar(
                lambda t, s=sign: s * f(t),
                bounds=(low, high),
                method="bounded",
                options={"xatol": 1e-12 * max(1.0, abs(low))},
            )
            yield int(i), float(best.x), float(best.fun)


def _dips(
    f: Scalar, x: FloatArray, values: FloatArray
) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    """Brackets of two roots that fall between neighbouring points."""
    for i, where, least in _minima(f, x, values):
        if least < 0.0:
            yield (float(x[i - 1]), where), (where, float(x[i + 1]))


def touches(f: Scalar, x: FloatArray, values: FloatArray) -> Iterator[float]:
    """Points where ``f`` reaches zero without changing sign."""
    for i in np.flatnonzero(values == 0.0):
        if abs(x[i]) <= 100.0:  # further out, what underflows is not a zero
            yield float(x[i])
    for j, where, least in _minima(f, x, values):
        size = max(abs(values[j - 1]), abs(values[j + 1]))
        if 0.0 <= least < 1e-9 * size and abs(where) <= 100.0:
            yield where
