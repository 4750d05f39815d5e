"""Callables: what they must do, and how good their derivatives are."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nneft.activations import Activation, resolve

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("fn", "kinks", "name", "tolerance"),
    [
        (np.tanh, (), "tanh", 1e-8),
        (lambda x: x / (1 + np.exp(-x)), (), "silu", 1e-8),
        (np.sin, (), "sin", 1e-8),
        (lambda x: np.tanh(20 * x), (), "tanh(20*x)", 1e-7),
        (lambda x: x / (1 + np.abs(x)), (0,), "x/(1 + abs(x))", 1e-5),
        (lambda x: np.exp(-np.abs(x)), (0,), "exp(-abs(x))", 1e-6),
        (lambda x: np.clip(x, -1, 1) + np.tanh(x), (-1, 1), "min(max(x,-1),1)+tanh(x)", 1e-4),
    ],
)
def test_derivatives_and_jumps_of_callables(
    fn: Callable[[Any], Any], kinks: tuple[float, ...], name: str, tolerance: float
) -> None:
    activation, exact = Activation(fn, kinks), resolve(name)
    x = np.linspace(-8.0, 8.0, 161)
    found, wanted = activation.derivatives(x, 4), exact.derivatives(x, 4)
    size = np.abs(wanted).max(axis=1)
    error = np.abs(found - wanted).max(axis=1) / size
    assert error[0] < 1e-13
    assert error[4] < tolerance
    for r in range(5):
        assert error[r] < 10 * activation.derivative_error(r)
    np.testing.assert_allclose(activation.jumps(4), exact.jumps(4), atol=tolerance * size.max())
    assert activation.parity == exact.parity
    assert activation.kinks == exact.kinks
    assert exact.scale / 4 < activation.scale < 4 * exact.scale


def test_values_keep_their_relative_accuracy_at_a_zero() -> None:
    x = np.array([1e-20, 1e-9])
    np.testing.assert_array_equal(Activation(np.tanh).derivatives(x, 1)[0], np.tanh(x))


def test_homogeneous_callable_is_recognised() -> None:
    leaky = Activation(lambda x: np.where(x > 0, x, 0.2 * x), kinks=(0.0,))
    assert leaky.slopes == (0.2, 1.0)
    np.testing.assert_array_equal(leaky.jumps(2)[:, 0], [0, 0.8, 0])
    identity = Activation(lambda x: 3 * x, kinks=(0.0,))
    assert (identity.slopes, identity.kinks, identity.parity) == ((3.0, 3.0), (), "odd")


def test_high_orders_are_not_promised() -> None:
    activation = Activation(np.tanh)
    errors = [activation.derivative_error(r) for r in range(0, 26, 5)]
    assert errors == sorted(errors)
    assert errors[0] < 1e-13
    assert errors[-1] > 1.0
    assert np.all(np.isfinite(activation.derivatives(0.3, 25)))


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda x: x + RNG.normal(size=x.shape), "called twice .* different values"),
        (lambda x: x.sum(), r"given shape \(4, 6\) it returned shape \(\)"),
        (lambda x: x - x.mean(), "depends on the other points"),
        (lambda x: np.sort(x, axis=None).reshape(x.shape), "depends on the other points"),
        (lambda x: 1j * x, "complex128 values"),
        (np.sqrt, "returned nan at x = -"),
        (lambda x: x if x > 0 else 0 * x, "raised ValueError"),
        (lambda x: None, r"returned shape \(\)"),
        (lambda x: np.maximum(x, 0), "near x = -0.00.*declare its kinks"),
        (lambda x: np.tanh(x) + 1e-3 * np.abs(x - 1.234), "near x = 1.23"),
        (lambda x: np.abs(x - 17.3), "near x = 17.3"),
        (lambda x: np.tanh(x.astype(np.float32)), "not smooth, in double precision"),
        (lambda x: np.where(np.abs(x) > 20, np.nan, x), "near x = "),
    ],
)
def test_bad_callables(fn: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Activation(fn)


def test_bad_options() -> None:
    with pytest.raises(TypeError, match="callable on arrays"):
        Activation(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kinks must be a sequence of numbers"):
        Activation(np.tanh, kinks=("a",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="kinks must be finite"):
        Activation(np.tanh, kinks=(np.nan,))
    with pytest.raises(ValueError, match="scale must be positive"):
        Activation(np.tanh, scale=-1.0)
    with pytest.raises(ValueError, match="give a smaller scale= than 50"):
        Activation(np.tanh, scale=50.0)
