"""Expectations of one input by panels."""

from functools import lru_cache

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.distribution import Distribution, Factor, at_points, regular
from nneft.gaussian.mesh import NUMERICAL, advise, cells, span
from nneft.gaussian.panels import Panels, Resolution, no_cores, place

#: Both reach rounding where the cells resolve the activation; their difference says where not.
FINE = Resolution(nodes=18, length=4.0, tail=9.0)
COARSE = FINE.coarser(2)


def single(activation: Activation, variance: float, terms: Terms) -> Moments:
    """``< (sigma^p)^(r)(phi) >`` for phi ~ N(0, variance), delta functions included."""
    factors = [(powers[0], orders[0]) for powers, orders in terms]
    if variance == 0.0:
        values = at_points(activation, np.zeros(1), factors)[:, 0]
        return Moments(values, rounding(activation, factors) * np.abs(values))
    deviation = float(np.sqrt(variance))
    panels = _panels(activation, deviation, factors)
    fine, coarse = panels.nodes(FINE), panels.nodes(COARSE)
    points = np.concatenate([fine.z, coarse.z])
    values = regular(activation, deviation * points, factors)
    weighted = values[:, : fine.z.size] * fine.weight
    mean, size = weighted.sum(axis=1), np.abs(weighted).sum(axis=1)
    other = values[:, fine.z.size :] @ coarse.weight
    singular = _singular(activation, deviation, factors)
    errors = np.abs(mean - other) + numerical(activation, deviation, factors)
    errors += rounding(activation, factors) * (size + np.abs(singular))
    return Moments(mean + singular, errors)


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
    rule = _panels(activation, deviation, factors).nodes(COARSE)
    values = regular(activation, deviation * rule.z, factors)
    return np.asarray(np.sqrt(np.einsum("fn,fn,n->f", values, values, rule.weight)))


def _panels(activation: Activation, deviation: float, factors: list[Factor]) -> Panels:
    order, power = max(r for _, r in factors), max(p for p, _ in factors)
    reach = span(activation, power, order, deviation)
    mesh = cells(activation, power, order, extent(reach * deviation))
    advice = advise(activation, mesh, deviation, FINE, window=reach * deviation)
    return place(advice.edges[None] / deviation, no_cores(1), reach, advice, FINE)


def extent(reach: float) -> float:
    """A power of two not below: neighbouring kernels share their cells."""
    return float(2.0 ** np.ceil(np.log2(reach)))


def _singular(activation: Activation, deviation: float, factors: list[Factor]) -> Array:
    parts = [Distribution.of(activation, p, r) for p, r in factors]
    zero = np.zeros(1)
    return np.array([0.0 if d.is_function else d.singular_mean(zero, deviation)[0] for d in parts])
