"""The law of one input's kernel at any finite width: all orders in 1/n at once.

The chain ``G^(1) -> G^(2) -> ..`` is a Markov chain of one number: given ``G^(l-1) = g``::

    G^(l) = C_b + (C_W / n) sum_{j=1}^n sigma(sqrt(g) z_j)^2                          (BCCZ 3)

with ``n = n_{l-1}`` and ``z_j ~ N(0, 1)``, a mean of n independent terms. Its law is carried from
layer to layer as a Gauss quadrature: for each node g the law of the mean by doubling sums, then
their mixture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nneft.errors import NumericsError
from nneft.finite_width.homogeneous import exact_moments
from nneft.finite_width.law import Law, gauss, mean_of, mixture
from nneft.gaussian.base import Array
from nneft.gaussian.hermite import rule_for
from nneft.network import Network

#: Nodes of the quadratures, and of the coarser ones that tell the error.
FINE, COARSE = 20, 14
#: A power of the activation whose moments the nodes of a single neuron resolve.
POWER = 8
#: Nodes of less weight are left out: no moment sees them, and the furthest cost the most.
NEGLIGIBLE = 1e-30


@dataclass(frozen=True, eq=False)
class Exact:
    """Moments of one input's kernel at the network's own widths; index 0 is layer 1.

    Attributes
    ----------
    moments : (k, L)
        ``E[(G^(l))^p]`` for p = 1..k.
    variance : (L,)
        ``Var G^(l)``: ``V_4 / n_{l-1}`` with all orders in 1/n.
    error : (k, L)
        Estimate of the numerical error of `moments`.
    variance_error : (L,)
        The same for `variance`.
    """

    moments: Array
    variance: Array
    error: Array
    variance_error: Array


def exact(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    moments: int = 4,
) -> Exact:
    """Moments of ``G^(l)`` for one input at finite width, to all orders in 1/n.

    Parameters
    ----------
    network
        Any widths, activation, ``C_W``, ``C_b``.
    inputs, kernel
        The input, (n_0,), or the first layer's kernel, a number or (1, 1).
    moments
        Highest power, from 1 to 12.

    Returns
    -------
    Exact
        With its numerical error: the difference to quadratures with fewer nodes. Positively
        homogeneous activations without biases have closed forms, which are used.

    Raises
    ------
    ValueError
        More than one input, a number of moments out of range, diverging Gaussian moments.
    nneft.NumericsError
        Overflow or underflow, with the layer's number.
    """
    if isinstance(moments, bool) or not isinstance(moments, int) or not 1 <= moments <= 12:
        raise ValueError(f"moments must be an integer from 1 to 12, got {moments!r}")
    first = network.first_kernel(inputs=inputs, kernel=kernel)
    if first.shape != (1, 1):
        raise ValueError(f"the exact law is known for one input, got {len(first)}")
    start = float(first[0, 0])
    slopes = network.activation.slopes
    if slopes is not None and any(slopes) and not np.any(network.C_b):
        closed = exact_moments(network, start, moments)
        rounding = 1e-15 * np.arange(1, network.depth + 1)
        return Exact(
            closed.moments, closed.variance, rounding * closed.moments, rounding * closed.variance
        )
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):  # told by name
        fine, coarse = (_moments(network, start, moments, count) for count in (FINE, COARSE))
    rounding = 4e-15 * np.arange(1, network.depth + 1)
    return Exact(
        fine[:-1],
        fine[-1],
        np.abs(fine - coarse)[:-1] + rounding * np.abs(fine[:-1]),
        np.abs(fine - coarse)[-1] + rounding * fine[0] * np.sqrt(fine[-1]),
    )


def _moments(network: Network, start: float, moments: int, count: int) -> Array:
    """Moments and, in the last row, the variance of every layer."""
    law = Law(np.array([start]), np.ones(1))
    found = [_row(law, moments)]
    for layer in range(2, network.depth + 1):
        law = _next(network, law, layer, count)
        row = _row(law, moments)
        if not np.all(np.isfinite(row)):
            raise NumericsError(f"a moment of the kernel overflows at layer {layer}")
        if np.any((row[:-1] < np.finfo(np.float64).tiny) & (found[-1][:-1] > 0.0)):
            raise NumericsError(f"a moment of the kernel underflows at layer {layer}")
        found.append(row)
    return np.array(found).T


def _row(law: Law, moments: int) -> Array:
    powers = [float(law.weights @ law.nodes**p) for p in range(1, moments + 1)]
    return np.array([*powers, float(law.weights @ (law.nodes - powers[0]) ** 2)])


def _next(network: Network, law: Law, layer: int, count: int) -> Law:
    """The law of ``G^(layer)`` from that of the layer before."""
    C_W, C_b = network.C_W[layer - 1], network.C_b[layer - 1]
    counts = law.weights > NEGLIGIBLE
    # Rounding may put a node of little weight below zero, where no kernel is.
    single = _squares(network, np.maximum(law.nodes[counts], 0.0), count)
    mean = mean_of(single, network.widths[layer - 1], count)
    mixed = mixture(mean, law.weights[counts], count)
    return Law(C_b + C_W * mixed.nodes, mixed.weights)


def _squares(network: Network, kernels: Array, size: int) -> Law:
    """For each kernel g the law of ``sigma(sqrt(g) z)^2``, z ~ N(0, 1)."""
    rules = [rule_for(network.activation, np.array([g]), [(POWER, 0)]) for g in kernels]
    kept = [rule.weights > NEGLIGIBLE for rule in rules]
    # Rules differ in length: the shorter ones end in nodes without weight.
    nodes, weights = (np.zeros((len(kernels), max(k.sum() for k in kept))) for _ in range(2))
    for i, (g, rule, keep) in enumerate(zip(kernels, rules, kept, strict=True)):
        count = int(keep.sum())
        nodes[i, :count] = np.asarray(network.activation(np.sqrt(g) * rule.z[keep])) ** 2
        weights[i, :count] = rule.weights[keep] / np.sum(rule.weights[keep])
    return gauss(Law(nodes, weights), size)
