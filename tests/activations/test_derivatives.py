"""Laws of derivatives, for every row of the table."""

import itertools

import mpmath as mp
import numpy as np
import pytest
from activations.table import EXACT, NAMES, TABLE

from nneft.activations import Activation, resolve
from nneft.activations.taylor import variable

POINTS = (1e-9, 2e-3, 0.17, 0.61, 1.13, 1.9, 3.3, 6.1, 11.0)


def truth(name: str, x: float, order: int) -> list[float]:
    """Derivatives 0..order in multiple precision, by finite differences on the right side."""
    with mp.workdps(60):
        direction = 1 if x >= 0 else -1
        found = list(mp.diffs(TABLE[name].truth, mp.mpf(x), order, direction=direction))
        return [float(d) for d in found]


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("sign", [1, -1])
def test_derivatives_against_multiple_precision(name: str, sign: int) -> None:
    activation = TABLE[name].made()
    points = sign * np.array(POINTS)
    found = activation.derivatives(points, 8)
    for i, x in enumerate(points):
        wanted = np.array(truth(name, float(x), 8))
        # relative, but for the neighbourhood of a derivative's zero away from the origin
        near = np.abs(activation.derivatives(x * np.array([0.98, 1.02]), 8)).max(axis=1)
        bound = 1e-14 * np.maximum(np.abs(wanted), near) + 1e-120
        assert np.all(np.abs(found[:, i] - wanted) <= bound), (x, found[:, i], wanted)


@pytest.mark.parametrize("name", ["tanh", "gelu", "mish", "softplus", "erf"])
def test_high_derivatives_against_multiple_precision(name: str) -> None:
    activation, order = TABLE[name].made(), 24
    for x in (0.17, -2.3):
        wanted = np.array(truth(name, x, order))
        near = np.abs(activation.derivatives([0.9 * x, 1.1 * x], order)).max(axis=1)
        found = activation.derivatives(x, order)
        assert np.all(np.abs(found - wanted) <= 3e-14 * np.maximum(np.abs(wanted), near))


@pytest.mark.parametrize("name", EXACT)
def test_far_out_all_is_finite_and_decays(name: str) -> None:
    activation = TABLE[name].made()
    if name == "exp":
        pytest.skip("exp does overflow")
    x = np.array([-1e6, -1e3, -100.0, 100.0, 1e3, 1e6])
    found = activation.derivatives(x, 24)
    assert np.all(np.isfinite(found))
    assert np.all(np.isfinite(activation(x)))
    if name in ("tanh", "erf", "sigmoid", "softplus", "silu", "mish", "gelu", "gelu_tanh"):
        assert np.all(np.abs(found[2:, 1:-1]) < 1e-30)


@pytest.mark.parametrize("name", NAMES)
def test_values_and_derivatives_agree(name: str) -> None:
    activation = TABLE[name].made()
    x = np.concatenate([np.linspace(-7.0, 7.0, 141) + 0.0123, [1e-12, -1e-12]])
    value = activation.derivatives(x, 0)[0]
    np.testing.assert_allclose(activation(x), value, rtol=4e-14, atol=1e-300)


@pytest.mark.parametrize("name", NAMES)
def test_fundamental_theorem_with_jumps(name: str) -> None:
    # f^(r)(b) - f^(r)(a) = int f^(r+1) + the jumps of f^(r) in between
    activation, order = TABLE[name].made(), 4
    a, b = -2.7, 3.1
    ends = [a, *activation.kinks, b]
    nodes, weights = np.polynomial.legendre.leggauss(60)
    integral = np.zeros(order + 1)
    for low, high in itertools.pairwise(ends):
        half = 0.5 * (high - low)
        integral += half * activation.derivatives(low + half * (1 + nodes), order + 1)[1:] @ weights
    change = activation.derivatives(b, order) - activation.derivatives(a, order)
    size = 1.0 + np.abs(activation.derivatives(np.linspace(a, b, 50), order)).max(axis=1)
    error = [1e-12 + 20 * activation.derivative_error(r + 1) for r in range(order + 1)]
    gap = change - integral - activation.jumps(order).sum(axis=1)
    assert np.all(np.abs(gap) <= size * error), gap


@pytest.mark.parametrize("name", NAMES)
def test_jumps_are_differences_of_one_sided_limits(name: str) -> None:
    activation = TABLE[name].made()
    jumps = activation.jumps(4)
    assert jumps.shape == (5, len(activation.kinks))
    for k, kink in enumerate(activation.kinks):
        right, left = (activation.derivatives(kink + s, 4) for s in (1e-9, -1e-9))
        size = 1 + np.abs(right) + np.abs(left)
        tolerance = 1e-7 + activation.derivative_error(4)
        assert np.all(np.abs(jumps[:, k] - (right - left)) < tolerance * size)
        for side in (1, -1):
            there = activation.derivatives(kink, 4, side)
            beside = activation.derivatives(kink + side * 1e-9, 4)
            assert np.all(np.abs(there - beside) < tolerance * size)
        assert np.any(jumps[:, k] != 0)


def test_jumps_by_hand() -> None:
    np.testing.assert_array_equal(resolve("relu").jumps(3)[:, 0], [0, 1, 0, 0])
    np.testing.assert_array_equal(resolve("elu").jumps(3)[:, 0], [0, 0, -1, -1])
    np.testing.assert_array_equal(resolve("where(x > 0, 1, -1)").jumps(2)[:, 0], [2, 0, 0])
    np.testing.assert_array_equal(resolve("relu(x)**3").jumps(4)[:, 0], [0, 0, 0, 6, 0])
    np.testing.assert_allclose(
        resolve("relu(x**2 - 2)").jumps(2), [[0, 0], [8**0.5, 8**0.5], [-2, 2]], rtol=1e-15
    )


@pytest.mark.parametrize("name", NAMES)
def test_error_estimates_of_derivatives_hold(name: str) -> None:
    activation, row = TABLE[name].made(), TABLE[name]
    points = (np.array(POINTS)[:, None] * [1, -1]).ravel()
    found = activation.derivatives(points, 4)
    with mp.workdps(40):
        wanted = np.array([truth(name, float(x), 4) for x in points]).T
    assert row.exact or activation.derivative_error(2) < 1e-9
    for r in range(5):
        size = np.abs(wanted[r]).max()
        if size > 0:
            true = np.abs(found[r] - wanted[r]).max() / size
            assert true < 10 * activation.derivative_error(r)
            assert activation.derivative_error(r) < 1000 * max(true, 1e-13)


def test_shapes_and_sides() -> None:
    relu = resolve("relu")
    assert relu.derivatives(np.zeros((2, 3)), 2).shape == (3, 2, 3)
    assert relu.derivatives(0.0, 1, side=1).tolist() == [0.0, 1.0]
    assert relu.derivatives(-0.0, 1, side=-1).tolist() == [0.0, 0.0]
    assert relu.derivatives(np.zeros((0,)), 1).shape == (2, 0)
    with pytest.raises(ValueError, match="order must be 0 or more and side 1 or -1"):
        relu.derivatives(0.0, -1)
    with pytest.raises(ValueError, match="side"):
        relu.derivatives(0.0, 1, side=0)


def test_taylor_arithmetic() -> None:
    x = variable(np.array([0.3, -1.2]), 6)
    np.testing.assert_allclose(((1 + x) * (1 - x)).padded(), (1 - x * x).padded(), atol=1e-16)
    product = ((2.0 / (3.0 + x)) * (3.0 + x)).padded()
    np.testing.assert_allclose(product[0], 2.0, rtol=1e-15)
    np.testing.assert_allclose(product[1:], 0.0, atol=1e-15)
    assert np.array([1.0, 2.0]).__mul__(x) is NotImplemented


def test_activation_is_frozen() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        resolve("tanh").name = "other"  # type: ignore[misc]
    assert isinstance(resolve("tanh"), Activation)
