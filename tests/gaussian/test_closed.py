"""Sums of ``c x^p exp(a x + b x^2)`` against rational arithmetic, mpmath and quadrature."""

from fractions import Fraction
from itertools import product
from math import comb, sqrt

import mpmath as mp
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from nneft.activations.polyexp import PolyExp
from nneft.errors import NumericsError
from nneft.gaussian import closed

SIN = PolyExp({(0, 1j, 0.0): -0.5j, (0, -1j, 0.0): 0.5j})
COS = PolyExp({(0, 1j, 0.0): 0.5, (0, -1j, 0.0): 0.5})
POLYNOMIALS = [(0, 1), (0, 0, 1), (0, 1, 0, -1 / 4), (0.5, -1, 0.25, 2, -0.125)]
#: An expression in x and the same as a sum of c x^p exp(a x + b x^2).
MIXED = {
    "exp(-x**2/2)*x": PolyExp({(1, 0j, -0.5): 1}),
    "1 - exp(-x**2)": PolyExp({(0, 0j, 0.0): 1, (0, 0j, -1.0): -1}),
    "exp(x/2) - 1": PolyExp({(0, 0.5 + 0j, 0.0): 1, (0, 0j, 0.0): -1}),
    "x + sin(x)**2": PolyExp({(1, 0j, 0.0): 1}) + SIN**2,
    "x**2*cos(2*x)*exp(-x**2/8)": PolyExp({(2, 2j, -0.125): 0.5, (2, -2j, -0.125): 0.5}),
    "exp(x**2/16) + x": PolyExp({(0, 0j, 0.0625): 1, (1, 0j, 0.0): 1}),
}
PAIR_TERMS = [((1, 1), r) for r in [(0, 0), (1, 1), (2, 0), (4, 0), (3, 1), (2, 2), (0, 4)]]
TERMS = {
    1: [((2,), (0,)), ((2,), (2,)), ((2,), (4,)), ((4,), (0,))],
    2: [*PAIR_TERMS, ((2, 2), (0, 0)), ((3, 1), (0, 0))],
    3: [((2, 1, 1), (0, 0, 0)), ((1, 2, 1), (0, 0, 0))],
    4: [((1, 1, 1, 1), (0, 0, 0, 0))],
}
PAPER = np.array([[1, 1], [-1.4, 2], [-2, -3], [0.6, -0.5]])


# Rational arithmetic


def wick(kernel, degrees):
    """``<prod x_i^{n_i}>`` in fractions: pair the first factor with each of the others."""
    degrees = list(degrees)
    first = next((i for i, n in enumerate(degrees) if n), None)
    if first is None:
        return Fraction(1)
    degrees[first] -= 1
    total = Fraction(0)
    for j, n in enumerate(degrees):
        if n:
            rest = degrees.copy()
            rest[j] -= 1
            total += n * kernel[first][j] * wick(kernel, rest)
    return total


def rational_moment(polynomial, kernel, term):
    """``<prod (sigma^p)^(r)>`` in fractions."""
    factors = []
    for p, r in zip(*term, strict=True):
        factor = [Fraction(1)]
        for _ in range(p):
            longer = [Fraction(0)] * (len(factor) + len(polynomial) - 1)
            for (i, a), (j, b) in product(enumerate(factor), enumerate(polynomial)):
                longer[i + j] += a * Fraction(b)
            factor = longer
        for _ in range(r):
            factor = [n * c for n, c in enumerate(factor)][1:]
        factors.append(factor)
    exact = [[Fraction(k) for k in row] for row in kernel.tolist()]
    return sum(
        (np.prod([f[n] for f, n in zip(factors, degrees, strict=True)]) * wick(exact, degrees))
        for degrees in product(*(range(len(f)) for f in factors))
        if sum(degrees) % 2 == 0
    )


def norm(polynomial, kernel, term):
    """``prod_a <f_a^2>^{1/2}``."""
    size = 1.0
    for a, (p, r) in enumerate(zip(*term, strict=True)):
        twice = np.full((2, 2), kernel[a, a])
        size *= sqrt(rational_moment(polynomial, twice, ((p, p), (r, r))))
    return size


@pytest.mark.parametrize("polynomial", POLYNOMIALS)
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_polynomials_are_exact(polynomial, size, rank):
    points = np.random.default_rng(size).integers(-3, 4, (size, rank)) / 4
    kernel = points @ points.T
    found = closed.moments(PolyExp.polynomial(polynomial), kernel, TERMS[size])
    for value, error, term in zip(*found, TERMS[size], strict=True):
        true = rational_moment(polynomial, kernel, term)
        assert abs(value - true) <= 10 * error
        assert (
            error <= 1e-12 * abs(true) or error <= 1e-13 * norm(polynomial, kernel, term) + 1e-300
        )


@pytest.mark.parametrize("polynomial", POLYNOMIALS[:3])
def test_four_inputs_of_a_polynomial(polynomial):
    points = np.round(4 * PAPER) / 8
    kernel = points @ points.T
    found = closed.moments(PolyExp.polynomial(polynomial), kernel, TERMS[4])
    true = rational_moment(polynomial, kernel, TERMS[4][0])
    assert abs(found.values[0] - true) <= 10 * found.errors[0]
    assert found.errors[0] <= 1e-13 * norm(polynomial, kernel, TERMS[4][0])


@pytest.mark.parametrize("polynomial", POLYNOMIALS)
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([1e-20, 1e-6, 1.0, 1e3]))
@settings(max_examples=10, deadline=None)
def test_all_pairs_of_a_polynomial(polynomial, seed, scale):
    points = np.random.default_rng(seed).normal(size=(4, 2)) * sqrt(scale)
    points[2] = -points[0]
    kernel = points @ points.T
    found = closed.pair_products(polynomial, kernel)
    for a, b in np.ndindex(4, 4):
        two = kernel[np.ix_([a, b], [a, b])]
        true = rational_moment(polynomial, two, ((1, 1), (0, 0)))
        assert abs(found.values[a, b] - true) <= 10 * found.errors[a, b]
        assert found.errors[a, b] <= 1e-14 * norm(polynomial, two, ((1, 1), (0, 0)))


# Sines


def sine_moment(kernel, term):
    """``<prod (sin^p)^(r)>`` from the characteristic function, in mpmath's current precision."""
    factors = []
    for p, r in zip(*term, strict=True):
        # sin^p = (2i)^-p sum_k C(p, k) (-1)^k e^{i (p - 2k) x}
        factors.append(
            [
                (w := p - 2 * k, comb(p, k) * (-1) ** k * mp.mpc(0, 2) ** -p * mp.mpc(0, w) ** r)
                for k in range(p + 1)
            ]
        )
    exact = mp.matrix(kernel.tolist())
    total = mp.mpc(0)
    for choice in product(*factors):
        w = mp.matrix([frequency for frequency, _ in choice])
        total += mp.fprod(c for _, c in choice) * mp.exp(-(w.T * exact * w)[0] / 2)
    return total.real


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [1e-20, 1e-8, 1e-3, 0.03, 0.3, 3.0])
@pytest.mark.parametrize("inputs", ["regular", "plane", "opposite", "mixed"])
def test_sines(size, scale, inputs):
    points = np.random.default_rng(3).normal(size=(4, 4))
    points /= np.linalg.norm(points, axis=1)[:, None]
    if inputs == "plane":
        points = PAPER / np.linalg.norm(PAPER, axis=1)[:, None]
    if inputs == "opposite":
        points[1] = -points[0]
    points = points[:size] * sqrt(scale)
    if inputs == "mixed":
        points[0] *= 1e-6
    kernel = points @ points.T
    found = closed.moments(SIN, kernel, TERMS[size])
    with mp.workdps(120):
        for value, error, term in zip(*found, TERMS[size], strict=True):
            true = sine_moment(kernel, term)
            alone = [
                sine_moment(kernel[a : a + 1, a : a + 1], ((p,), (r,)))
                if p % 2 == r % 2 == 0
                else min(1, kernel[a, a]) ** (0.5 * p if r == 0 else 0.5 * (r % 2 == 0))
                for a, (p, r) in enumerate(zip(*term, strict=True))
            ]
            assert abs(value - true) <= 10 * error
            assert error <= 2e-11 * abs(mp.fprod(alone))


# Any sum, against quadrature in whitened coordinates


def quadrature(expression, vectors, term):
    """``x_i = v_i . z`` with ``z`` in one or two dimensions: Gauss-Legendre on a wide square."""
    node, weight = np.polynomial.legendre.leggauss(220)
    z, w = 14 * node, 14 * weight * np.exp(-((14 * node) ** 2) / 2) / sqrt(2 * np.pi)
    grids = np.meshgrid(*[z] * vectors.shape[1], indexing="ij")
    total = w if vectors.shape[1] == 1 else np.multiply.outer(w, w)
    x = sympy.Symbol("x")
    for v, p, r in zip(vectors, *term, strict=True):
        function = sympy.lambdify(x, sympy.diff(sympy.sympify(expression) ** p, x, r), "numpy")
        total = total * function(sum(c * grid for c, grid in zip(v, grids, strict=True)))
    return np.sum(total)


@pytest.mark.parametrize("expression", MIXED)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_sums_of_any_kind(expression, size):
    """Regular kernels for one and two inputs, of rank 2 for three and four."""
    vectors = 0.8 * PAPER[:size] / np.linalg.norm(PAPER[:size], axis=1)[:, None]
    vectors = vectors[:, :1] if size == 1 else vectors
    found = closed.moments(MIXED[expression], vectors @ vectors.T, TERMS[size])
    for value, error, term in zip(*found, TERMS[size], strict=True):
        true = quadrature(expression, vectors, term)
        assert value == pytest.approx(true, rel=1e-11, abs=1e-13)
        assert abs(value - true) <= 10 * error + 1e-13 * max(1, abs(true))
        assert error <= 1e-12 * max(abs(true), 1e-2)


@pytest.mark.parametrize("variance", [1e-20, 1e-12, 1e-6, 1e-3, 1e-2, 0.1])
def test_small_kernels_do_not_cancel(variance):
    kernel = np.array([[variance, -0.7 * variance], [-0.7 * variance, 2 * variance]])
    with mp.workdps(80):
        xx, yy, xy = (mp.mpf(kernel[i]) for i in ((0, 0), (1, 1), (0, 1)))
        exponential = mp.exp((xx + yy) / 8) * mp.expm1(xy / 4)
        exponential += mp.expm1(xx / 8) * mp.expm1(yy / 8)
        # <(1 - e^{-x^2})(1 - e^{-y^2})>
        determinant = (1 + 2 * xx) * (1 + 2 * yy) - 4 * xy**2
        gaussian = 1 - (1 + 2 * xx) ** -0.5 - (1 + 2 * yy) ** -0.5 + determinant**-0.5
        cases = {"exp(x/2) - 1": exponential, "1 - exp(-x**2)": gaussian}
        for expression, true in cases.items():
            found = closed.moments(MIXED[expression], kernel, [((1, 1), (0, 0))])
            assert abs(found.values[0] - true) <= 10 * found.errors[0]
            assert found.errors[0] <= 1e-12 * abs(true)


def test_no_variance():
    found = closed.moments(SIN, np.zeros((2, 2)), TERMS[2])
    expected = [float(r == (1, 1)) - float(r in ((3, 1), (1, 3))) for _, r in TERMS[2]]
    assert found.values.tolist() == expected
    assert closed.moments(COS, np.zeros((1, 1)), TERMS[1]).values.tolist() == [1, -2, 8, 1]


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
@pytest.mark.parametrize("expression", MIXED)
def test_order_of_the_inputs(expression, seed):
    points = np.random.default_rng(seed).normal(size=(3, 2)) / 2
    kernel = points @ points.T
    order = [2, 0, 1]
    before = closed.moments(MIXED[expression], kernel, [((2, 1, 1), (0, 2, 0))])
    after = closed.moments(
        MIXED[expression], kernel[np.ix_(order, order)], [((1, 2, 1), (0, 0, 2))]
    )
    assert abs(before.values[0] - after.values[0]) <= before.errors[0] + after.errors[0]


def test_all_pairs_of_exponentials():
    points = np.random.default_rng(1).normal(size=(7, 3)) * np.logspace(-8, 0.5, 7)[:, None]
    kernel = points @ points.T
    for sigma in (SIN, MIXED["x**2*cos(2*x)*exp(-x**2/8)"]):
        found = closed.exponential_pair_products(sigma, kernel)
        for a, b in np.ndindex(7, 7):
            one = closed.moments(sigma, kernel[np.ix_([a, b], [a, b])], [((1, 1), (0, 0))])
            close = one.errors[0] + found.errors[a, b]
            assert abs(found.values[a, b] - one.values[0]) <= close


def test_divergence_is_a_wrong_call():
    growing = PolyExp({(0, 0j, 0.25): 1})
    fine = closed.moments(growing, np.array([[0.9]]), [((2,), (0,))])
    assert fine.values[0] == pytest.approx(0.1**-0.5, rel=1e-14)
    for variance in (1.0, 1.5):
        with pytest.raises(ValueError, match="Gaussian moments diverge"):
            closed.moments(growing, np.array([[variance]]), [((2,), (0,))])
    # each input alone is fine, their correlation is not
    kernel = np.array([[1.2, 1.1], [1.1, 1.2]])
    with pytest.raises(ValueError, match="Gaussian moments diverge"):
        closed.moments(growing, kernel, [((1, 1), (0, 0))])


def test_overflow_is_named():
    with pytest.raises(NumericsError, match="too large"):
        closed.moments(PolyExp({(0, 1 + 0j, 0.0): 1}), np.array([[2000.0]]), [((1,), (0,))])
