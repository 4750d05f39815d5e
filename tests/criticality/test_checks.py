"""Callables that no declared kink makes smooth are refused for what they are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nneft.criticality import critical_point, fixed_points


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (np.sign, "'sign' is discontinuous: it jumps by 2 at x = 0,"),
        (lambda x: np.where(x > 0.3, x, 0.0), "it jumps by 0.3 at x = 0.3,"),
        (lambda x: x**3 - 5.0 * (x > -2.5), "it jumps by -5 at x = -2.5,"),
        (np.floor, "is discontinuous: it jumps by 1 at x = "),
        (
            lambda x: np.exp(x**2),
            "grows too fast: .* of about 0.25 on",
        ),
        (lambda x: np.exp(x**2 / 8), "grows too fast: .* of about 2 on"),
        # these a kink or nothing mends
        (np.abs, "declare its kinks"),
        (lambda x: np.maximum(x - 1.0, 0.0), "declare its kinks"),
        (lambda x: np.sqrt(np.abs(x)), "declare its kinks"),
        (lambda x: np.tanh(x.astype(np.float32)), "declare its kinks"),
        (lambda x: np.tanh(1e4 * x), "declare its kinks"),
    ],
)
def test_what_is_wrong_with_a_callable(fn: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        critical_point(fn)
    with pytest.raises(ValueError, match=said):
        fixed_points(fn, 1.0)


def test_a_random_one_is_called_random_and_not_discontinuous() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="different values"):
        critical_point(lambda x: x + rng.normal(size=x.shape))


def test_a_kink_far_out_is_no_constant() -> None:
    """Seen by kernels of some 10^4 alone."""
    found = critical_point("relu(x-100)")
    assert found.universality_class == "half-stable line"
    assert found.kernel is not None and found.kernel > 1e3
