"""Exact moments of the kernel at any width: one input, homogeneous activation, no biases.

With ``sigma(z) = a_+ z`` for ``z > 0`` and ``a_- z`` below, and ``C_b = 0``, the size of one
input's kernel factors out of its layer, ``phi_j = sqrt(G) z_j`` with ``z_j ~ N(0, 1)``:

    G^(l) = (C_W G^(l-1) / n) sum_{j=1}^n sigma(z_j)^2 ,   n = n_{l-1}               (BCCZ 3)

so that ``G^(l) / G^(1)`` is a product of independent factors, one a layer, and every moment of it
is a product of theirs. All orders in 1/n are in it.
"""

from dataclasses import dataclass
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from nneft.errors import NumericsError
from nneft.network import Network

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ExactMoments:
    """Moments of one input's kernel at the network's own widths; index 0 is layer 1.

    Attributes
    ----------
    moments : (k, L)
        ``E[(G^(l))^p]`` for p = 1..k.
    variance : (L,)
        ``Var G^(l)``, without the cancellation of ``E[G^2] - E[G]^2``.
    """

    moments: Array
    variance: Array


def exact_moments(network: Network, kernel: float, moments: int = 4) -> ExactMoments:
    """Moments and variance of ``G^(l)`` for one input, exact at any width.

    Parameters
    ----------
    network
        Its activation positively homogeneous (linear, ReLU, leaky ReLU, |x|), its C_b zero.
    kernel
        ``G^(1)`` of the input, not negative.
    moments
        Highest power k, 1 or more.

    Returns
    -------
    ExactMoments
        For ReLU at ``C_W = 2`` and equal widths ``Var G / G^2 = (1 + 5/n)^(l-1) - 1``, for linear
        at 1 ``(1 + 2/n)^(l-1) - 1``.

    Raises
    ------
    ValueError
        for another activation, for biases, for a kernel that is negative or not finite.
    nneft.NumericsError
        where a moment overflows or underflows double precision, naming the layer.
    """
    slopes = _checked(network, kernel, moments)
    scales = np.ones((moments, network.depth))
    spread = np.zeros(network.depth)
    with np.errstate(over="ignore", under="ignore"):
        for layer, (n, C_W) in enumerate(zip(network.widths[1:], network.C_W[1:]), start=1):
            powers = np.arange(1, moments + 1)
            scales[:, layer] = (
                scales[:, layer - 1] * C_W**powers * _mean_moments(slopes, n, moments)
            )
            # E[s^2] / E[s]^2 of a mean s of n terms is 1 + Var(s_1) / (n E[s_1]^2)
            growth = np.log1p(_relative_variance(slopes) / n)
            spread[layer] = spread[layer - 1] + growth
        found = scales * np.power(kernel, np.arange(1.0, moments + 1))[:, None]
        variance = np.expm1(spread) * found[0] ** 2
    _check_range(found, kernel, network)
    return ExactMoments(found, variance)


def square_moments(slopes: tuple[float, float], highest: int) -> list[float]:
    """``E[sigma(z)^{2p}] = (a_+^{2p} + a_-^{2p}) (2p-1)!! / 2`` for p = 0..highest."""
    below, above = slopes
    return [
        (above ** (2 * p) + below ** (2 * p)) * prod(range(1, 2 * p, 2)) / 2
        for p in range(highest + 1)
    ]


def _mean_moments(slopes: tuple[float, float], n: int, highest: int) -> Array:
    """``E[( (1/n) sum_j sigma(z_j)^2 )^p]`` for p = 1..highest, the mean over n neurons."""
    # Generating function: f(t/n)^n with f(t) = sum_q E[sigma^{2q}] t^q / q!. By repeated squaring,
    # so that only positive numbers are added, whatever n.
    single = square_moments(slopes, highest)
    factor = np.array([m / (factorial(q) * float(n) ** q) for q, m in enumerate(single)])
    power = np.zeros(highest + 1)
    power[0] = 1.0
    while n:
        if n % 2:
            power = np.convolve(power, factor)[: highest + 1]
        factor = np.convolve(factor, factor)[: highest + 1]
        n //= 2
    return np.array([power[p] * factorial(p) for p in range(1, highest + 1)])


def _relative_variance(slopes: tuple[float, float]) -> float:
    """``Var(s) / E[s]^2`` of ``s = sigma(z)^2``: 5 for ReLU, 2 for linear."""
    _, first, second = square_moments(slopes, 2)
    return second / first**2 - 1.0


def _checked(network: Network, kernel: float, moments: int) -> tuple[float, float]:
    slopes = network.activation.slopes
    if slopes is None or slopes == (0.0, 0.0):
        raise ValueError(
            "exact moments at finite width need a positively homogeneous activation (linear, relu, "
            f"leaky relu), got {network.activation.name}"
        )
    if np.any(network.C_b != 0.0):
        raise ValueError("exact moments at finite width need C_b = 0 in every layer")
    if not (np.isfinite(kernel) and kernel >= 0.0):
        raise ValueError(f"the kernel of one input must be finite and not negative, got {kernel!r}")
    if isinstance(moments, bool) or not isinstance(moments, int) or moments < 1:
        raise ValueError(f"moments must be a positive integer, got {moments!r}")
    return slopes


def _check_range(found: Array, kernel: float, network: Network) -> None:
    positive = kernel > 0.0
    for layer in range(network.depth):
        positive = positive and (layer == 0 or network.C_W[layer] > 0.0)
        if not np.all(np.isfinite(found[:, layer])):
            raise NumericsError(f"a moment of the kernel overflows at layer {layer + 1}")
        if positive and np.any(found[:, layer] < np.finfo(np.float64).tiny):
            raise NumericsError(f"a moment of the kernel underflows at layer {layer + 1}")
