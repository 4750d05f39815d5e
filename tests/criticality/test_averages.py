"""Averages of one input against multiple precision and closed forms, delta functions included."""

import numpy as np
import pytest
from criticality import truth
from mpmath import mp

from nneft.activations import Activation, leaky_relu, names, resolve
from nneft.criticality.averages import at_zero, averages
from nneft.criticality.table import table
from nneft.gaussian import expectations

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("name", truth.FORMS)
def test_averages_are_those_of_multiple_precision(name: str) -> None:
    with mp.workdps(20):
        for K in (1e-6, 0.37, 30.0):
            found = averages(resolve(name), np.array([K]))
            square, gradient, curvature = (float(v) for v in truth.averages(name, mp.mpf(K)))
            assert found.square[0] == pytest.approx(square, rel=1e-14)
            assert found.gradient[0] == pytest.approx(gradient, rel=1e-14)
            assert abs(found.curvature[0] - curvature) < 1e-14 * found.size[0]


def test_relu_like_activations_have_closed_forms() -> None:
    K = np.geomspace(1e-20, 1e9, 60)
    for minus, plus in ((0.0, 1.0), (0.01, 1.0), (-1.0, 1.0), (0.2, 1.5)):
        found = averages(leaky_relu(minus, plus), K)
        half = 0.5 * (minus**2 + plus**2)
        assert found.square == pytest.approx(half * K, rel=2e-15)
        assert found.gradient == pytest.approx(half, rel=2e-15)
        assert np.all(found.curvature == 0.0)


def test_elu_has_closed_forms() -> None:
    # x < 0: <(e^x - 1)^2> = E(2) - 2 E(1) + 1/2,  E(a) = <e^{ax}; x<0> = e^{a^2 K/2} Phi(-a sqrt K)
    for K in (1e-3, 0.5, 4.0):
        with mp.workdps(30):
            E = [mp.exp(mp.mpf(a * a) * K / 2) * mp.ncdf(-a * mp.sqrt(mp.mpf(K))) for a in range(3)]
            square = float(mp.mpf(K) / 2 + E[2] - 2 * E[1] + E[0])
            gradient, curvature = float(E[2] + E[0]), float(E[2] - E[1])
        found = averages(resolve("elu"), np.array([K]))
        assert found.square[0] == pytest.approx(square, rel=1e-14)
        assert found.gradient[0] == pytest.approx(gradient, rel=1e-14)
        assert found.curvature[0] == pytest.approx(curvature, rel=1e-13)


@pytest.mark.parametrize(
    "activation",
    ["min(max(x, -1), 1)", "1 + relu(x)", "where(x > 0.5, 2*x - 0.5, x)", "selu", "x/(1 + abs(x))"],
)
def test_delta_functions_of_kinks_are_counted(activation: str) -> None:
    sigma = resolve(activation)
    K = np.array([0.05, 0.8, 7.0])
    found = averages(sigma, K)
    # independent: half the second derivative of sigma^2, as a distribution
    other = expectations.singles(sigma, K, [((2,), (2,))]).values[0]
    assert found.slope == pytest.approx(0.5 * other, rel=1e-12)
    # and a difference quotient, which knows of no delta functions
    h = 1e-4 * K
    quotient = (averages(sigma, K + h).square - averages(sigma, K - h).square) / (2.0 * h)
    assert found.slope == pytest.approx(quotient, rel=1e-7)


@pytest.mark.parametrize("name", names())
def test_the_table_is_as_good_as_it_says(name: str) -> None:
    sigma = resolve(name)
    known = table(sigma)
    rng = np.random.default_rng(5)
    K = np.exp(rng.uniform(np.log(1e-20), np.log(min(known.high, 1e6)), 200))
    truth_ = averages(sigma, K)
    assert np.all(known.error < 1e-12)
    unit = averages(sigma, np.ones(1)).gradient[0]
    size = np.maximum(truth_.gradient, unit)
    bound = 3.0 * known.error + 2e-14
    assert np.all(
        np.abs(known.square(K) - truth_.square) <= bound[0] * np.maximum(truth_.square, K * size)
    )
    assert np.all(np.abs(known.gradient(K) - truth_.gradient) <= bound[1] * size)
    assert np.all(np.abs(known.curvature(K) - truth_.curvature) <= bound[2] * (size + truth_.size))


def test_limits_at_zero() -> None:
    assert at_zero(resolve("tanh")) == (0.0, 1.0, 0.0, 0.0)
    assert at_zero(resolve("relu")) == (0.0, 0.5, 0.0, 0.0)
    assert at_zero(resolve("exp")) == (1.0, 1.0, 1.0, 1.0)
    assert at_zero(resolve("1 + relu(x)"))[2] == np.inf
    small = averages(resolve("selu"), np.array([1e-14]))
    assert small.gradient[0] == pytest.approx(at_zero(resolve("selu"))[1], rel=1e-6)


def test_a_callable_is_as_good_as_its_derivatives() -> None:
    mine = Activation(lambda x: x / (1 + np.exp(-x)), name="my silu")
    K = np.array([0.01, 1.0, 14.0])
    one, two = averages(mine, K), averages(resolve("silu"), K)
    assert one.square == pytest.approx(two.square, rel=1e-14)
    assert one.gradient == pytest.approx(two.gradient, rel=1e-10)
    assert one.curvature == pytest.approx(two.curvature, abs=1e-9)


def test_a_steep_activation_is_a_scaled_one() -> None:
    # wherever on the axis the step is
    K = np.array([1e-5, 0.01, 1.0])
    one, two = averages(resolve("tanh(100*x)"), K), averages(resolve("tanh"), 1e4 * K)
    assert one.square == pytest.approx(two.square, rel=1e-14)
    assert one.gradient == pytest.approx(1e4 * two.gradient, rel=1e-14)
    far = averages(resolve("tanh(100*(x - 3.3))"), K)
    step = 1e4 * 4 / 3 / 100 * np.exp(-(3.3**2) / (2 * K[2])) / np.sqrt(2 * np.pi * K[2])
    # int (1 - tanh^2)^2 = 4/3: a narrow peak at 3.3
    assert far.gradient[2] == pytest.approx(step, rel=2e-3)
