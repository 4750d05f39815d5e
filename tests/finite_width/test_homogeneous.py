"""Exact moments against enumeration in rational arithmetic, closed forms and the flow."""

from fractions import Fraction
from itertools import product
from math import comb

import numpy as np
import pytest

import nneft
from nneft.finite_width import exact_moments
from nneft.finite_width.homogeneous import square_moments

SLOPES = {"linear": (1, 1), "relu": (0, 1), "abs(x)": (-1, 1)}


def double_factorial(odd: int) -> int:
    return 1 if odd <= 0 else odd * double_factorial(odd - 2)


def enumerated(slopes: tuple[int, int], widths: tuple[int, ...], C_W: Fraction, p: int) -> Fraction:
    """E[G^p] / G1^p: the product over layers of E[(sum_j s_j)^p], index tuple by index tuple."""
    below, above = slopes

    def single(q: int) -> Fraction:
        return Fraction((above ** (2 * q) + below ** (2 * q)) * double_factorial(2 * q - 1), 2)

    total = Fraction(1)
    for n in widths:
        layer = Fraction(0)
        for neurons in product(range(n), repeat=p):
            term = Fraction(1)
            for j in range(n):
                term *= single(neurons.count(j)) if j in neurons else 1
            layer += term
        total *= layer * (C_W / n) ** p
    return total


@pytest.mark.parametrize("activation", SLOPES)
def test_moments_are_those_of_the_enumeration(activation: str) -> None:
    widths = (3, 1, 2, 4)
    net = nneft.Network((5, *widths, 7), activation, 1.5)
    found = exact_moments(net, 2.0).moments
    for p in range(1, 5):
        expected = enumerated(SLOPES[activation], widths, Fraction(3, 2), p) * 2**p
        assert found[p - 1, -1] == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize("n", [1, 2, 17, 1000])
def test_linear_is_a_product_of_chi_squares(n: int) -> None:
    # E[(chi2_n / n)^p] = n (n+2) .. (n+2p-2) / n^p
    net = nneft.Network((1, n, n, n), "linear", 1.0)
    found = exact_moments(net, 1.0, moments=6).moments
    for p in range(1, 7):
        one = Fraction(int(np.prod([n + 2 * i for i in range(p)], dtype=object)), n**p)
        for layer in range(3):
            assert found[p - 1, layer] == pytest.approx(float(one**layer), rel=1e-13)


@pytest.mark.parametrize("n", [1, 2, 3, 40])
def test_relu_is_a_chi_square_of_a_binomial_number_of_neurons(n: int) -> None:
    net = nneft.Network((1, n, n), "relu", 2.0)
    found = exact_moments(net, 1.0, moments=5).moments[:, 1]
    for p in range(1, 6):
        active = (
            comb(n, m) * int(np.prod([m + 2 * i for i in range(p)], dtype=object))
            for m in range(n + 1)
        )
        expected = Fraction(sum(active) * 2**p, 2**n * n**p)
        assert found[p - 1] == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize(("activation", "C_W", "rate"), [("relu", 2.0, 5), ("linear", 1.0, 2)])
@pytest.mark.parametrize("n", [3, 300, 10**7])
def test_the_variance_at_criticality(activation: str, C_W: float, rate: int, n: int) -> None:
    net = nneft.Network((2, *[n] * 30), activation, C_W)
    found = exact_moments(net, 0.7)
    for layer in range(30):
        expected = float((1 + Fraction(rate, n)) ** layer - 1) * 0.7**2
        assert found.variance[layer] == pytest.approx(expected, rel=1e-13, abs=0.0)
    assert found.moments[0] == pytest.approx(0.7, rel=1e-13)


def test_the_variance_is_that_of_the_moments() -> None:
    net = nneft.Network((2, 5, 80, 7, 9), "leaky_relu", [1.0, 2.0, 0.3, 5.0])
    found = exact_moments(net, 3.0)
    expected = found.moments[1] - found.moments[0] ** 2
    assert found.variance == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_what_leading_order_misses_falls_as_one_over_the_width() -> None:
    # V_4 at finite width less its leading order, relative: (1 + 5/n)^t - 1 - 5 t/n ~ 1/n
    misses = []
    for n in (100, 200, 400, 800):
        net = nneft.Network((1, *[n] * 6), "relu", 2.0)
        leading = nneft.flow(net, kernel=[[1.0]]).V(4)[-1, 0, 0, 0, 0]
        misses.append(n * exact_moments(net, 1.0).variance[-1] / leading - 1)
    slope = np.polyfit(np.log([100, 200, 400, 800]), np.log(misses), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.03)


def test_square_moments_of_a_leaky_relu() -> None:
    # E[sigma^2] = (a_+^2 + a_-^2)/2 and E[sigma^4] = 3 (a_+^4 + a_-^4)/2
    assert square_moments((0.5, 2.0), 2) == pytest.approx([1.0, 4.25 / 2, 3 * 16.0625 / 2])


def test_wrong_calls_say_what_is_wanted() -> None:
    relu = nneft.Network((2, 3, 3), "relu", 2.0)
    with pytest.raises(ValueError, match="positively homogeneous"):
        exact_moments(nneft.Network((2, 3, 3), "tanh", 1.0), 1.0)
    with pytest.raises(ValueError, match="C_b = 0"):
        exact_moments(nneft.Network((2, 3, 3), "relu", 2.0, 0.1), 1.0)
    with pytest.raises(ValueError, match="not negative"):
        exact_moments(relu, -1.0)
    with pytest.raises(ValueError, match="positive integer"):
        exact_moments(relu, 1.0, moments=0)


def test_moments_beyond_double_precision_name_the_layer() -> None:
    deep = nneft.Network((2, *[3] * 500), "relu", 8.0)
    with pytest.raises(nneft.NumericsError, match=r"overflows at layer \d+"):
        exact_moments(deep, 1.0)
    shrinking = nneft.Network((2, *[3] * 500), "relu", 0.5)
    with pytest.raises(nneft.NumericsError, match=r"underflows at layer \d+"):
        exact_moments(shrinking, 1.0)


def test_silent_inputs_stay_silent() -> None:
    net = nneft.Network((2, 3, 3), "relu", 2.0)
    assert np.all(exact_moments(net, 0.0).moments == 0.0)
