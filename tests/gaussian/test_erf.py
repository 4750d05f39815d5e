"""Closed forms of the error function against mpmath."""

from math import sqrt

import mpmath as mp
import numpy as np
import pytest

from nneft.gaussian import erf

ORDERS = [(0, 0), (1, 1), (2, 0), (0, 2), (4, 0), (3, 1), (2, 2), (1, 3), (0, 4), (5, 3), (2, 6)]


def pair(xx, yy, xy):
    """(2/pi) asin(2 K_xy / sqrt((1 + 2 K_xx)(1 + 2 K_yy)))."""
    return 2 / mp.pi * mp.asin(2 * xy / mp.sqrt((1 + 2 * xx) * (1 + 2 * yy)))


def correlated(scale, rho):
    off = rho * sqrt(2.3) * scale
    return np.array([[scale, off], [off, 2.3 * scale]])


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0])
@pytest.mark.parametrize("rho", [0.6, -0.999])
def test_pair_function_is_the_integral(scale, rho):
    kernel = correlated(scale, rho)
    xx, yy, xy = (mp.mpf(kernel[i]) for i in ((0, 0), (1, 1), (0, 1)))
    rest = yy - xy**2 / xx

    def integrand(z):
        # <erf(y)> given x, of mean m and variance s, is erf(m / sqrt(1 + 2 s))
        x = z * mp.sqrt(xx)
        given = mp.erf(xy / xx * x / mp.sqrt(1 + 2 * rest))
        return mp.erf(x) * given * mp.exp(-(z**2) / 2) / mp.sqrt(2 * mp.pi)

    true = mp.quad(integrand, [-12, -2, 0, 2, 12])
    found = erf.moments(kernel, [((1, 1), (0, 0))])
    assert found.values[0] == pytest.approx(float(true), rel=1e-13)


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("rho", [0.0, 0.6, 1 - 1e-12, 1e-12 - 1, 1.0])
@pytest.mark.parametrize("orders", ORDERS)
def test_derivatives_are_those_of_the_pair_function(scale, rho, orders):
    kernel = correlated(scale, rho)
    found = erf.moments(kernel, [((1, 1), orders)])
    mixed = min(orders)
    counts = ((orders[0] - mixed) // 2, (orders[1] - mixed) // 2, mixed)
    with mp.workdps(60):
        at = [mp.mpf(kernel[i]) for i in ((0, 0), (1, 1), (0, 1))]
        step = mp.mpf(10) ** -8
        # 2 d/dK_xx for two derivatives by x, d/dK_xy for one by each
        true = mp.diff(pair, at, counts, h=step**2) if sum(counts) else pair(*at)
        true *= 2 ** (counts[0] + counts[1])
    assert abs(found.values[0] - true) <= 10 * found.errors[0] + 1e-14 * abs(true)
    assert found.errors[0] <= 1e-13 * abs(true)


@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1.0, 1e3])
@pytest.mark.parametrize("order", [0, 2, 4, 6])
def test_square(scale, order):
    found = erf.moments(np.array([[scale]]), [((2,), (order,))])
    n = order // 2
    with mp.workdps(60):
        true = 2**n * mp.diff(lambda k: pair(k, k, k), mp.mpf(scale), n, h=mp.mpf(10) ** -16)
    assert found.values[0] == pytest.approx(float(true), rel=2e-14)
    assert found.errors[0] <= 1e-13 * abs(true)


def test_all_pairs_at_once():
    points = np.random.default_rng(0).normal(size=(5, 3)) * np.logspace(-9, 2, 5)[:, None]
    points[4] = -points[3]
    kernel = points @ points.T
    found = erf.pair_products(kernel)
    for a, b in np.ndindex(5, 5):
        one = erf.moments(kernel[np.ix_([a, b], [a, b])], [((1, 1), (0, 0))])
        assert found.values[a, b] == pytest.approx(one.values[0], rel=1e-15)


def test_odd_and_unknown_terms():
    found = erf.moments(np.eye(2), [((1, 1), (2, 1)), ((1, 1), (0, 3))])
    assert not found.values.any()
    assert not erf.moments(np.eye(1), [((2,), (3,))]).values.any()
    with pytest.raises(ValueError, match="no closed form"):
        erf.moments(np.eye(1), [((4,), (0,))])
