"""Values of the factors ``(sigma^p)^(r)`` of an expectation."""

from math import factorial

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian.base import Array

Factor = tuple[int, int]


def factor_values(activation: Activation, x: Array, factors: set[Factor]) -> dict[Factor, Array]:
    """The regular part of ``(sigma^p)^(r)(x)`` for each ``(p, r)`` asked for, shaped as `x`."""
    highest = max(r for _, r in factors)
    if highest == 0:
        sigma = np.asarray(activation(x), dtype=np.float64)
        return {(p, r): _power(sigma, p) for p, r in factors}
    derivatives = activation.derivatives(x, highest)
    taylor = [derivatives[j] / factorial(j) for j in range(highest + 1)]
    powers = taylor_powers(taylor, max(p for p, _ in factors))
    return {(p, r): factorial(r) * powers[p][r] for p, r in factors}


def taylor_powers(taylor: list[Array], highest: int) -> list[list[Array]]:
    """Taylor coefficients of ``sigma^0 .. sigma^highest`` from those of ``sigma``."""
    size = len(taylor)
    powers = [[np.ones_like(taylor[0])] + [np.zeros_like(taylor[0])] * (size - 1), taylor]
    while len(powers) <= highest:
        last = powers[-1]
        product = []
        for order in range(size):
            # (f g)_n = sum_k f_k g_{n-k}
            product.append(sum((last[k] * taylor[order - k] for k in range(order + 1)), start=0.0))
        powers.append(product)  # type: ignore[arg-type]
    return powers


def _power(values: Array, p: int) -> Array:
    """Integer powers by products: ``**`` on arrays goes through ``pow``, ten times slower."""
    if p == 0:
        return np.ones_like(values)
    result = values
    for _ in range(p - 1):
        result = result * values
    return result


def is_odd(activation: Activation, powers: tuple[int, ...], derivatives: tuple[int, ...]) -> bool:
    """Whether the whole product changes sign under ``phi -> -phi``, so that its mean is zero."""
    if activation.parity is None:
        return False
    flips = sum(derivatives) + (sum(powers) if activation.parity == "odd" else 0)
    return flips % 2 == 1
