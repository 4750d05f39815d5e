"""Values of the factors ``(sigma^p)^(r)`` of an expectation."""

from collections.abc import Collection, Iterator, Mapping
from math import factorial
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Moments

Factor = tuple[int, int]

#: Taylor coefficients multiplied at once, in points: so many stay in a processor's cache.
_POINTS = 2048
#: Where a pilot looks, in standard deviations.
_PILOT = np.linspace(-6.0, 6.0, 61)
#: Derivatives with relative errors above this are not known.
_UNKNOWN = 0.1
_EPS = float(np.finfo(np.float64).eps)


def factor_values(
    activation: Activation, x: Array, factors: Collection[Factor], side: int | None = None
) -> dict[Factor, Array]:
    """The regular part of ``(sigma^p)^(r)(x)`` for each ``(p, r)`` asked for, shaped as `x`.

    On a kink the limit from the `side` asked for, +1 or -1; if it does not matter, either or
    sigma's own value.
    """
    factors = set(factors)
    highest = max(r for _, r in factors)
    if highest == 0 and side is None:
        sigma = np.asarray(activation(x), dtype=np.float64)
        powers = power_series(np.reshape(sigma, (1, -1)), {p: 0 for p, _ in factors})
        return {(p, r): powers[p].reshape(sigma.shape) for p, r in factors}
    orders = highest_orders(factors)
    flat = np.ascontiguousarray(x, dtype=np.float64).ravel()
    found = {f: np.empty(flat.size) for f in factors}
    factorials = np.array([float(factorial(r)) for r in range(highest + 1)])
    for start in range(0, flat.size, _POINTS):
        part = slice(start, start + _POINTS)
        taylor = activation.derivatives(flat[part], highest, side or 1) / factorials[:, None]
        powers = power_series(taylor, orders)
        for p, r in factors:
            np.multiply(powers[p][r], factorials[r], out=found[p, r][part])
    return {f: values.reshape(np.shape(x)) for f, values in found.items()}


def highest_orders(factors: Collection[Factor]) -> dict[int, int]:
    """The highest derivative of each power."""
    found: dict[int, int] = {}
    for p, r in factors:
        found[p] = max(found.get(p, 0), r)
    return found


def power_series(taylor: Array, orders: Mapping[int, int]) -> dict[int, Array]:
    """Taylor coefficients of powers of ``sigma`` from those of ``sigma`` itself.

    Parameters
    ----------
    taylor
        (R+1, ...): coefficients 0..R of ``sigma``.
    orders
        For each power wanted the highest coefficient wanted, at most R.

    Returns
    -------
    dict
        For each of these powers (order + 1, ...), or more.
    """
    zeroth = np.zeros_like(taylor[: orders.get(0, 0) + 1])
    zeroth[0] = 1.0
    found = {0: zeroth, 1: taylor}
    steps = list(_steps(orders))
    needed = dict(orders)
    for power, low in reversed(steps):
        for part in (low, power - low):
            needed[part] = max(needed.get(part, 0), needed[power])
    for power, low in steps:
        found[power] = _product(found[low], found[power - low], needed[power])
    return found


def _steps(powers: Collection[int]) -> Iterator[tuple[int, int]]:
    """Powers in the order in which each is the product of two known ones: (power, one of them)."""
    known = {0, 1}
    for power in sorted(powers):
        yield from _steps_to(power, known)


def _steps_to(power: int, known: set[int]) -> Iterator[tuple[int, int]]:
    if power in known:
        return
    splits = [low for low in known if low and power - low in known]
    low = max(splits, default=power // 2)
    if not splits:
        for part in (low, power - low):
            yield from _steps_to(part, known)
    known.add(power)
    yield power, low


def _product(f: Array, g: Array, order: int) -> Array:
    # (f g)_n = sum_k f_k g_{n-k}
    found = np.empty((order + 1, *f.shape[1:]))
    for n in range(order + 1):
        np.einsum("k...,k...->...", f[: n + 1], g[n::-1], out=found[n])
    return found


class Pilot(NamedTuple):
    """What a few points tell of ``(sigma^p)^(r)``, r = 0, 1, ..: each (orders, deviations)."""

    #: ``log <f^2>^(1/2)``
    logs: Array
    #: relative error of the values, the rounding of sums that cancel in powers included
    noise: Array


def pilots(
    activation: Activation, deviations: Array, orders: Mapping[int, int]
) -> dict[int, Pilot]:
    """A look at ``(sigma^p)^(r)``, ``r <= orders[p]``, under Gaussians of these deviations.

    The coefficients of ``sigma`` itself are accurate each; those of its powers are sums that may
    cancel, and lose what the same sums of absolute values exceed them by.
    """
    highest = max(orders.values())
    x = np.asarray(deviations)[:, None] * _PILOT
    scale = np.array([float(factorial(r)) for r in range(highest + 1)])
    own = np.array([activation.derivative_error(r) for r in range(highest + 1)])
    found = {}
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        taylor = activation.derivatives(x, highest) / scale[:, None, None]
        signed, whole = (power_series(t, orders) for t in (taylor, np.abs(taylor)))
        for p, order in orders.items():
            weight = np.exp(-0.5 * _PILOT**2)
            norms, sizes = (
                np.sqrt(np.square(t[p][: order + 1]) @ weight / weight.sum())
                for t in (signed, whole)
            )
            ratio = np.where((norms > 0.0) & (sizes > norms), sizes / norms, 1.0)
            logs = np.log(norms) + np.log(scale[: order + 1, None])
            logs = np.where(np.isnan(logs), np.inf, logs)
            found[p] = Pilot(logs, own[: order + 1, None] + _EPS * (ratio - 1.0))
    return found


def refuse_unknown(
    activation: Activation, variances: Array, orders: Array, found: Moments, size: Array
) -> None:
    """Refuse derivatives that neither the function's values nor its derivatives determine.

    Parameters
    ----------
    orders : (T,)
        The derivatives r of ``(sigma^p)^(r)``.
    found
        Their means and errors, (T, N).
    size : (T, N)
        ``<sigma^2p>^(1/2)``: over the scale to the power of r what counts as no garbage.

    Raises
    ------
    nneft.NumericsError
        An estimated error is not finite, or as large as value and size both, where derivatives
        come from differences.
    """
    values, errors = found
    own = np.array([activation.derivative_error(int(r)) for r in orders])
    natural = np.maximum(np.abs(values), size * activation.scale ** (-1.0 * orders[:, None]))
    lost = (own[:, None] > _UNKNOWN) & (errors > _UNKNOWN * natural)
    bad = np.argwhere(lost | ~np.isfinite(values) | ~np.isfinite(errors))
    if bad.size:
        t, i = bad[0]
        raise NumericsError(
            f"derivative {int(orders[t])} of a moment of {activation.name} at the variance "
            f"{variances[i]:.3g} cannot be had in double precision; take a lower order"
        )


def is_odd(activation: Activation, powers: tuple[int, ...], derivatives: tuple[int, ...]) -> bool:
    """Whether the whole product changes sign under ``phi -> -phi``, so that its mean is zero."""
    if activation.parity is None:
        return False
    flips = sum(derivatives) + (sum(powers) if activation.parity == "odd" else 0)
    return flips % 2 == 1
