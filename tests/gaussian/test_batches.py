"""Averages over very many kernels: against the other methods, and one kernel at a time."""

from math import sqrt

import mpmath
import numpy as np
import pytest

from nneft.activations import Activation, resolve
from nneft.errors import NumericsError
from nneft.gaussian import batches, expectations

NAMES = ["tanh", "relu", "erf", "gelu", "silu", "sin", "cos", "softplus", "linear", "x + x**2/3",
         "exp(-x**2)", "exp(x/4)", "x*sigmoid(1.702*x)"]  # fmt: skip
ONE = [*NAMES, "elu", "selu"]


def kernels(count, inputs, size, seed=0):
    """Random ones about one of rank 2, and that itself: singular for three inputs or more."""
    rng = np.random.default_rng(seed)
    x = sqrt(size) * rng.standard_normal((2, inputs)) / sqrt(2)
    noise = rng.standard_normal((count, 30, 2)) / sqrt(30)
    fields = noise @ x + 0.1 * sqrt(size) * rng.standard_normal((count, 30, inputs)) / sqrt(30)
    found = np.swapaxes(fields, -1, -2) @ fields
    return np.concatenate([(x.T @ x)[None], found])


@pytest.mark.parametrize("size", [1e-30, 0.01, 0.4, 2.0])
@pytest.mark.parametrize(
    ("name", "inputs"), [*((n, 1) for n in ONE), *((n, 3) for n in NAMES)], ids=str
)
def test_as_by_the_other_methods(name, inputs, size):
    activation = resolve(name)
    given = kernels(5, inputs, size)
    found = batches.pair_products(activation, inputs)(given)
    for kernel, values in zip(given, found, strict=True):
        expected = expectations.pair_products(activation, kernel).values
        deviation = np.sqrt(np.diag(expected))
        np.testing.assert_array_less(
            np.abs(values - expected), 3e-13 * np.outer(deviation, deviation) + 1e-300
        )


def test_against_integrals():
    """Two inputs of tanh by integration in 30 digits; parallel inputs are one."""
    products = batches.pair_products(resolve("tanh"), 2)
    a, b, rho = 1.3, 0.4, 0.7
    found = products(np.array([[[a, rho * sqrt(a * b)], [rho * sqrt(a * b), b]]]))[0]

    def given(z):
        # the inner average by the trapezoidal rule, whose error falls as an exponential
        steps = [mpmath.mpf(k) / 12 for k in range(-110, 111)]
        total = mpmath.fsum(
            mpmath.exp(-w * w / 2)
            * mpmath.tanh(mpmath.sqrt(b) * (rho * z + mpmath.sqrt(1 - mpmath.mpf(rho) ** 2) * w))
            for w in steps
        )
        return total / 12 / mpmath.sqrt(2 * mpmath.pi)

    with mpmath.workdps(20):
        nodes = [mpmath.mpf(k) / 10 for k in range(-95, 96)]
        expected = mpmath.fsum(
            mpmath.tanh(mpmath.sqrt(a) * z) * given(z) * mpmath.exp(-z * z / 2) for z in nodes
        ) / (10 * mpmath.sqrt(2 * mpmath.pi))
    assert abs(found[0, 1] - float(expected)) < 1e-14
    same = products(np.array([[[a, 2 * a], [2 * a, 4 * a]], [[a, -a], [-a, a]]]))
    one = batches.pair_products(resolve("tanh"), 1)(np.array([[[a]]]))[0, 0, 0]
    np.testing.assert_allclose(same[1], one * np.array([[1, -1], [-1, 1]]), rtol=1e-13)


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu", "erf", "elu"])
def test_no_kernel_knows_the_others(name):
    inputs = 1 if name == "elu" else 4
    activation = resolve(name)
    # over many levels
    given = np.concatenate([kernels(40, inputs, size, seed=i) for i, size in enumerate((0.2, 3.0))])
    whole = batches.pair_products(activation, inputs)(given)
    for step in (1, 7):
        parts = [
            batches.pair_products(activation, inputs)(given[i : i + step])
            for i in range(0, len(given), step)
        ]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_callable_and_inputs_that_vanish():
    swish = Activation(lambda x: x / (1.0 + np.exp(-x)), name="own")
    kernel = np.array([[[0.0, 0.0], [0.0, 0.7]], [[0.5, 0.1], [0.1, 0.7]]])
    found, known = (batches.pair_products(a, 2)(kernel) for a in (swish, resolve("silu")))
    np.testing.assert_allclose(found, known, rtol=1e-12, atol=1e-15)
    assert found[0, 0, 0] == 0.0


def test_large_variances_take_the_slow_way():
    """Beyond the largest level, and not otherwise."""
    activation = resolve("tanh")
    assert batches.work(activation, 2, 0.5) < batches.work(activation, 2, 8.0) < np.inf
    assert batches.work(activation, 2, 1e4) == np.inf
    kernel = np.array([[900.0, 100.0], [100.0, 400.0]])
    found = batches.pair_products(activation, 2)(kernel[None])[0]
    expected = expectations.pair_products(activation, kernel).values
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_what_there_is_no_fast_way_for():
    with pytest.raises(ValueError, match="elu over two inputs are slow"):
        batches.pair_products(resolve("elu"), 2)
    with pytest.raises((ValueError, NumericsError), match="diverge"):
        batches.pair_products(resolve("exp(x**2)"), 1)(np.array([[[2.0]]]))
