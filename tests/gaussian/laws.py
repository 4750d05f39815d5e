"""The laws that every expectation obeys, and the terms that a flow asks for."""

import numpy as np
from gaussian.reference import Truth
from numpy.typing import ArrayLike

from nneft.gaussian.base import Moments, Terms

#: Rounding of the truths and of the last operations, below which no law is asked for.
ROUNDING = 1.5e-15
#: The estimate may be this much too small, and from `LARGE` on this much too large.
UNDER, OVER, LARGE = 10.0, 1000.0, 1e-13

ORDERS = ((0, 0), (1, 1), (2, 0), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4))
ONE: Terms = [((2,), (0,)), ((4,), (0,)), ((2,), (2,)), ((2,), (4,))]
TWO: Terms = [((1, 1), r) for r in ORDERS] + [((p, 4 - p), (0, 0)) for p in (1, 2, 3)]
THREE: Terms = [(p, (0, 0, 0)) for p in ((2, 1, 1), (1, 2, 1), (1, 1, 2))]
FOUR: Terms = [((1, 1, 1, 1), (0, 0, 0, 0))]
PLAIN = {1: ONE[:2], 2: [TWO[0], *TWO[-3:]], 3: THREE, 4: FOUR}


def holds(
    found: Moments, truth: Truth, terms: Terms, accuracy: float, doubt: ArrayLike = 0.0
) -> None:
    """Accuracy relative to the norms, and an error estimate neither too small nor too large.

    An error may be small by chance: overstating is judged by the worst term of the call.
    """
    values, errors = (np.asarray(array).reshape(len(terms), -1)[:, 0] for array in found)
    doubts = np.broadcast_to(np.asarray(doubt, dtype=float), values.shape)
    worst = worst_estimate = 0.0
    for term, value, error, true, norm, unsure in zip(
        terms, values, errors, truth.values, truth.norms, doubts, strict=True
    ):
        off = abs(float(value - true))
        wrong = max(0.0, off - unsure)
        where = f"{term}: {value!r} +- {error:.2g}, true {float(true)!r}, of norm {norm:.3g}"
        assert wrong <= accuracy * norm, f"off by {off:.2g}, {where}"
        assert error <= accuracy * norm, f"the estimate breaks the promise, {where}"
        assert wrong <= UNDER * error + ROUNDING * norm, f"understated, off by {off:.2g}, {where}"
        if norm > 0.0:
            worst = max(worst, (off + unsure) / norm)
            worst_estimate = max(worst_estimate, error / norm)
    if worst_estimate > LARGE:
        assert worst_estimate <= OVER * worst, f"overstated: {worst_estimate:.2g} for {worst:.2g}"


def agree(first: Moments, second: Moments, norms, accuracy: float) -> None:
    """Two methods agree within the sum of their errors, and to the accuracy promised."""
    apart = np.abs(np.asarray(first.values) - second.values)
    sum_of_errors = UNDER * (np.asarray(first.errors) + second.errors) + ROUNDING * norms
    np.testing.assert_array_less(apart, np.minimum(sum_of_errors, accuracy * norms) + 1e-300)


def kernel(variance: float, rho: float, ratio: float = 1.0) -> np.ndarray:
    """Two inputs, the second's deviation `ratio` times the first's."""
    off = rho * variance * ratio
    return np.array([[variance, off], [off, variance * ratio**2]])


def random_kernel(rng: np.random.Generator, size: int, rank: int, largest: float) -> np.ndarray:
    """``L L^T`` with a random (size, rank) L, its largest variance given."""
    factor = rng.normal(size=(size, rank))
    found = factor @ factor.T
    return found * (largest / np.max(np.diag(found)))
