"""Expectations of one input by panels."""

from functools import lru_cache
from math import factorial, sqrt
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.distribution import at_points, jumps, regular
from nneft.gaussian.factors import Factor, highest_orders, refuse_unknown
from nneft.gaussian.mesh import NUMERICAL, advise, cells, span
from nneft.gaussian.panels import Panels, Resolution, no_cores, place

#: Both reach rounding where the cells resolve the activation; their difference says where not.
FINE = Resolution(nodes=18, length=4.0, tail=9.0)
COARSE = FINE.coarser(2)
_EPS = float(np.finfo(np.float64).eps)


def single(activation: Activation, variance: float, terms: Terms) -> Moments:
    """``< (sigma^p)^(r)(phi) >`` for phi ~ N(0, variance), delta functions included."""
    factors = [(powers[0], orders[0]) for powers, orders in terms]
    if variance == 0.0:
        values = at_points(activation, np.zeros(1), factors)[:, 0]
        return Moments(values, rounding(activation, factors) * np.abs(values))
    deviation = float(np.sqrt(variance))
    highest = highest_orders(factors)
    every = [(p, a) for p, most in highest.items() for a in range(most + 1)]
    sums = _Sums.of(activation, deviation, every, 1 + max(highest.values()))
    found = [_divided(activation, sums, every.index((p, 0)), p, r) for p, r in factors]
    values, errors = (np.array(part) for part in zip(*found, strict=True))
    orders = np.array([r for _, r in factors])
    sizes = np.array([sums.sizes[every.index((p, 0))] for p, _ in factors])
    column = Moments(values[:, None], errors[:, None])
    refuse_unknown(activation, np.array([variance]), orders, column, sizes[:, None])
    return Moments(values, errors)


class _Sums(NamedTuple):
    """All that the divisions of a derivative are made of, at one variance."""

    #: ``<[f] he_b>`` of regular parts f and orthonormal Hermite polynomials: (factors, b)
    values: Array
    errors: Array
    #: ``<[f]^2>^(1/2)``: (factors,)
    sizes: Array
    #: ``sqrt(b!) / s^b``: (b,)
    scale: Array
    #: ``He_m(y) p(k) / s^m``: (kinks, m); and the relative errors of jumps of derivatives
    peaks: Array
    relative: Array

    @classmethod
    def of(
        cls, activation: Activation, deviation: float, factors: list[Factor], length: int
    ) -> "_Sums":
        values, errors, sizes = _regular_sums(activation, deviation, factors, length)
        with np.errstate(over="ignore"):
            roots = np.sqrt([float(factorial(b)) for b in range(length)])
            scale = roots / deviation ** np.arange(length)
        y = np.array(activation.kinks) / deviation
        density = np.exp(-0.5 * y * y) / (np.sqrt(2.0 * np.pi) * deviation)
        with np.errstate(over="ignore", invalid="ignore"):
            peaks = (orthonormal(y, length) * scale[:, None] * density).T
        relative = rounding(activation, [(1, j) for j in range(length)]) + _EPS * length / 4
        return cls(values, errors, sizes, scale, peaks, relative)


def _regular_sums(
    activation: Activation, deviation: float, factors: list[Factor], length: int
) -> tuple[Array, Array, Array]:
    panels, resolution = _panels(activation, deviation, factors, length)
    fine, coarse = panels.nodes(resolution), panels.nodes(resolution.coarser(2))
    points = np.concatenate([fine.z, coarse.z])
    values = regular(activation, deviation * points, factors)
    # products of tails would be denormal, whose arithmetic is slow
    values[np.abs(values) < 1e-100 * np.max(np.abs(values), axis=1, keepdims=True)] = 0.0
    weighed = orthonormal(points, length) * np.concatenate([fine.weight, coarse.weight])
    mine, other = np.split(values, [fine.z.size], axis=1)
    my_weights, other_weights = np.split(weighed, [fine.z.size], axis=1)
    mean, size = mine @ my_weights.T, np.abs(other) @ np.abs(other_weights).T
    errors = np.abs(mean - other @ other_weights.T)
    errors += (rounding(activation, factors)[:, None] + _EPS * np.arange(length) / 4) * size
    # < |noise he_b| > by Cauchy-Schwarz
    sizes = np.sqrt(np.square(mine) @ fine.weight)
    return mean, errors + numerical(activation, deviation, factors)[:, None], sizes


def _divided(
    activation: Activation, sums: _Sums, start: int, power: int, order: int
) -> tuple[float, float]:
    """``<(sigma^p)^(r)>`` and its error, ``r = a + b`` divided where the error is least.

    With ``J_j`` the jumps of the j-th derivative at a kink k, ``y = k/s`` and p the density,

        <f^(a+b)> = <[f^(a)] he_b> sqrt(b!) / s^b + sum_k sum_{j<a} J_j He_m(y) p(k) / s^m,

    ``m = r - 1 - j``.
    """
    a = np.arange(order + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        values = sums.values[start + a, order - a] * sums.scale[order - a]
        errors = sums.errors[start + a, order - a] * sums.scale[order - a]
        if order:
            steps = np.array(jumps(activation, power, order - 1))
            parts = np.where(steps != 0.0, steps * sums.peaks[:, order - 1 :: -1], 0.0)
            values[1:] += np.cumsum(parts.sum(axis=0))
            errors[1:] += np.cumsum(sums.relative[:order] * np.abs(parts).sum(axis=0))
    known = np.where(np.isfinite(values) & np.isfinite(errors), errors, np.inf)
    best = int(np.argmin(known))
    return float(values[best]), float(known[best])


def orthonormal(z: Array, length: int) -> Array:
    """``he_b(z) = He_b(z) / sqrt(b!)``, b below `length`: (length, points)."""
    found = np.ones((max(length, 2), z.size))
    found[1] = z
    for n in range(1, length - 1):
        found[n + 1] = (z * found[n] - sqrt(n) * found[n - 1]) / sqrt(n + 1.0)
    return found[:length]


def rounding(activation: Activation, factors: list[Factor]) -> Array:
    """Relative error of the factors' values, and of summing them."""
    return np.array([_rounding(activation, r) for _, r in factors])


@lru_cache(maxsize=256)
def _rounding(activation: Activation, order: int) -> float:
    # values come from the function itself, derivatives perhaps from fits to it
    own = activation.derivative_error(order) if order else 0.0
    return float(own + 2 * np.finfo(np.float64).eps)


def numerical(activation: Activation, deviation: float, factors: list[Factor]) -> Array:
    """Absolute errors of the factors that come from derivatives found by differences.

    They are relative to what the function makes on its own scale, so that where a derivative
    happens to be small its relative error is not.
    """
    errors = np.zeros(len(factors))
    for i, (p, r) in enumerate(factors):
        noise = activation.derivative_error(r) if r else 0.0
        if noise > NUMERICAL:
            lower = norms(activation, deviation, [(p, j) for j in range(r)])
            errors[i] = noise * (lower * activation.scale ** (np.arange(r) - float(r))).max()
    return errors


def norms(activation: Activation, deviation: float, factors: list[Factor]) -> Array:
    """``sqrt < [f]^2 >`` of the regular parts: what errors are relative to."""
    if deviation == 0.0:
        return np.abs(at_points(activation, np.zeros(1), factors)[:, 0])
    panels, _ = _panels(activation, deviation, factors)
    rule = panels.nodes(COARSE)
    values = regular(activation, deviation * rule.z, factors)
    return np.asarray(np.sqrt(np.einsum("fn,fn,n->f", values, values, rule.weight)))


def _panels(
    activation: Activation, deviation: float, factors: list[Factor], length: int = 1
) -> tuple[Panels, Resolution]:
    order, power = max(r for _, r in factors), max(p for p, _ in factors)
    # he_b turns from waves of number sqrt(b) to growth at 2 sqrt(b)
    reach = span(activation, power, order, deviation) + 2.0 * sqrt(length - 1)
    resolution = FINE._replace(length=FINE.length / (1.0 + sqrt(length - 1) / 4.0))
    mesh = cells(activation, power, order, extent(reach * deviation))
    advice = advise(activation, mesh, deviation, resolution, window=reach * deviation)
    panels = place(advice.edges[None] / deviation, no_cores(1), reach, advice, resolution)
    return panels, resolution


def extent(reach: float) -> float:
    """A power of two not below: neighbouring kernels share their cells."""
    return float(2.0 ** np.ceil(np.log2(reach)))
