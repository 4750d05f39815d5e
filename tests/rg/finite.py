"""Cumulants of one input's kernel at finite width, all orders in 1/n, as truth for series."""

from functools import cache

import numpy as np

import nneft
from nneft.criticality import critical_point

#: name -> activation, layers, widths.
CASES = {
    "tanh": ("tanh", 16, (6, 20, 60, 150)),
    "sin": ("sin", 16, (10, 40)),
    "relu": ("relu", 20, (15, 40, 100, 250, 1000)),
    "gelu": ("gelu", 8, (25, 60, 150)),
}


@cache
def flow(name: str, order: int = 8) -> nneft.Flow:
    activation, depth, _ = CASES[name]
    return nneft.flow(network(activation, depth, 100), kernel=1.0, order=order)


def network(activation: str, depth: int, width: int) -> nneft.Network:
    """At its critical point, the hidden layers equally wide."""
    point = critical_point(activation)
    return nneft.Network((1, *[width] * depth), activation, point.C_W, point.C_b)


@cache
def cumulants(name: str, width: int) -> tuple[np.ndarray, np.ndarray]:
    """``kappa_1, kappa_2, kappa_3`` of G, (3, L), and bounds on their numerical errors."""
    activation, depth, _ = CASES[name]
    found = nneft.exact(network(activation, depth, width), kernel=1.0, moments=3)
    (mean, _, third), variance = found.moments, found.variance
    errors = found.error[2] + 4.0 * found.error[1] * mean + 12.0 * found.error[0] * mean**2
    return (
        np.array([mean, variance, third - 3.0 * mean * variance - mean**3]),
        np.array([found.error[0], found.variance_error, errors]),
    )
