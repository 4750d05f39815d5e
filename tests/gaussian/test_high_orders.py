"""Powers up to 26, derivatives up to 50: against Hermite weights in multiple precision."""

import numpy as np
import pytest
from gaussian import weights
from gaussian.laws import holds

from nneft.activations import resolve
from nneft.gaussian import expectations
from nneft.gaussian.base import Moments, Terms

TABLE: Terms = [((p,), (r,)) for p in (1, 2, 3, 6, 10) for r in (0, 1, 2, 3, 8, 13, 20)]


def recursion(order: int) -> Terms:
    """What one input needs at this order: ``p = 2m``, even r up to ``4 (order + 2 - m)``."""
    return [
        ((2 * m,), (r,)) for m in range(1, order + 2) for r in range(0, 4 * (order + 1 - m) + 5, 2)
    ]


def check_single(name: str, variances: list[float], terms: Terms, accuracy: float = 1e-10) -> None:
    found = expectations.singles(resolve(name), np.array(variances), terms)
    for i, variance in enumerate(variances):
        here = Moments(found.values[:, i], found.errors[:, i])
        holds(here, weights.single(name, variance, terms), terms, accuracy)


@pytest.mark.parametrize("name", ["tanh", "gelu", "sin", "x + x**2/3"])
def test_one_input(name):
    check_single(name, [0.01, 1.0], TABLE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "gelu", "sin", "silu", "erf", "x*exp(-x**2/2)"])
@pytest.mark.parametrize("variance", [1e-6, 1e-3, 0.1, 0.6, 3.0, 20.0])
def test_one_input_at_order_twelve(name, variance):
    check_single(name, [variance], recursion(12))
