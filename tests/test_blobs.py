"""Blobs and their derivatives: against Wick's theorem in exact arithmetic, Cauchy's integral over
complex kernels, closed forms of ReLU; conversion between cumulants and *-blobs."""

from fractions import Fraction
from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np
import pytest
from feynman.total_cumulance import derivatives, set_partitions

import nneft
from nneft import blobs
from nneft.activations import resolve
from nneft.blobs import Blob
from nneft.feynman.star import cumulant_in_stars, star_in_cumulants

KERNEL = np.array([[0.3, 0.1], [0.1, 0.2]])
BLOCKS = [((0, 0),), ((0, 1),), ((0, 1), (0, 1)), ((0, 0), (1, 1)), ((0, 0), (0, 1), (1, 1))]
ENTRIES = [(0, 0), (0, 1), (1, 1)]


def test_every_derivative_for_a_polynomial_is_exact():
    """Coefficients of delta in F_B(K + delta), Wick's theorem being a polynomial in the kernel."""
    sigma = [Fraction(1, 5), 1, Fraction(1, 2), Fraction(-1, 3)]
    exact = [[Fraction(3, 10), Fraction(1, 10)], [Fraction(1, 10), Fraction(1, 5)]]
    activation = resolve("0.2 + x + x**2/2 - x**3/3")
    for block in BLOCKS:
        wanted = derivatives(sigma, exact, block, 2)
        asked, values = [], []
        for order in range(4):
            for entries in combinations_with_replacement(ENTRIES, order):
                monomial = tuple(entries.count(pair) for pair in ENTRIES)
                asked.append(Blob.of(block, entries))
                values.append(float(wanted.get(monomial, 0)) * prod(map(factorial, monomial)))
        found = blobs.cumulants(activation, KERNEL, asked, C_W=1.0)
        np.testing.assert_allclose(found.values, values, rtol=1e-12, atol=1e-12)
        assert np.all(np.abs(found.values - values) <= 10.0 * found.errors + 1e-15)


def _on_complex_kernel(activation, kernel, block):
    """F_B at a complex kernel: Gauss-Hermite through its complex Cholesky factor."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(50)
    x, y = np.meshgrid(nodes, nodes)
    weight = np.multiply.outer(weights, weights) / weights.sum() ** 2
    (a, b), (_, c) = kernel
    phi = [np.sqrt(a) * x, b / np.sqrt(a) * x + np.sqrt(c - b * b / a) * y]
    s = {pair: activation(phi[pair[0]]) * activation(phi[pair[1]]) for pair in set(block)}
    total = 0.0
    for partition in set_partitions(list(block)):
        sign = (-1) ** (len(partition) - 1) * factorial(len(partition) - 1)
        total += sign * prod(np.sum(weight * prod(s[p] for p in part)) for part in partition)
    return total


@pytest.mark.parametrize(
    ("name", "function"), [("tanh", np.tanh), ("silu", lambda x: x / (1.0 + np.exp(-x)))]
)
@pytest.mark.parametrize("block", [BLOCKS[1], BLOCKS[3], BLOCKS[4]])
def test_derivatives_are_those_of_the_blob_on_complex_kernels(name, function, block):
    """No heat equation and no Leibniz rule here: Cauchy's integral over two entries."""
    points, radius = 12, 0.02
    circle = radius * np.exp(2j * np.pi * np.arange(points) / points)
    for first, second in [((0, 0), (0, 1)), ((0, 0), (1, 1))]:
        values = np.empty((points, points), dtype=complex)
        for i, t in enumerate(circle):
            for j, u in enumerate(circle):
                kernel = KERNEL.astype(complex)
                for (a, b), shift in ((first, t), (second, u)):
                    kernel[a, b] += shift
                    kernel[b, a] = kernel[a, b]
                values[i, j] = _on_complex_kernel(function, kernel, block)
        taylor = np.fft.fft2(values).real / points**2
        orders = [(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (2, 1), (2, 2)]
        asked = [Blob.of(block, (first,) * i + (second,) * j) for i, j in orders]
        wanted = [taylor[i, j] * factorial(i) * factorial(j) / radius ** (i + j) for i, j in orders]
        found = blobs.cumulants(resolve(name), KERNEL, asked, C_W=1.0)
        tolerances = [1e-12 * (20.0 ** (i + j)) for i, j in orders]
        assert np.all(np.abs(found.values - wanted) < tolerances)
        assert np.all(found.errors < 1e-12)


@pytest.mark.parametrize("K", [1.0, 1e-6, 40.0])
def test_relu_blobs_are_powers_of_the_kernel(K):
    """``<relu^2m> = (2m-1)!! K^m / 2``, so that every derivative of F_m is known."""
    moment = [1.0, *(prod(range(1, 2 * m, 2)) / 2.0 for m in range(1, 5))]
    for m in range(1, 5):
        cumulant = sum(
            (-1) ** (len(p) - 1) * factorial(len(p) - 1) * prod(moment[len(b)] for b in p)
            for p in set_partitions(list(range(m)))
        )
        for r in range(m + 2):
            blob = Blob.of(((0, 0),) * m, ((0, 0),) * r)
            found = blobs.cumulants(resolve("relu"), np.array([[K]]), [blob], C_W=2.0)
            wanted = 2.0**m * cumulant * prod(range(m - r + 1, m + 1)) * K ** (m - r)
            scale = 2.0**m * moment[m] * factorial(m) * K ** (m - r)
            assert found.values[0] == pytest.approx(wanted, abs=1e-13 * scale)


def test_derivatives_across_a_kink_are_those_of_the_closed_form():
    """``<s_12>`` of ReLU by K_11: C_W sqrt(det) / (4 pi K_11), where autodiff gives 0."""
    K = np.array([[1.0, 0.3], [0.3, 0.8]])
    asked = [Blob.of(((0, 1),), ((0, 0),)), Blob.of(((0, 1),), ((0, 1),))]
    found = blobs.cumulants(resolve("relu"), K, asked, C_W=2.0)
    root = np.sqrt(0.8 - 0.09)
    assert found.values[0] == pytest.approx(2.0 * root / (4.0 * np.pi), rel=1e-14)
    assert found.values[0] == pytest.approx(0.134106, abs=5e-7)
    angle = 0.5 * np.pi + np.arcsin(0.3 / np.sqrt(0.8))
    assert found.values[1] == pytest.approx(2.0 * angle / (2.0 * np.pi), rel=1e-14)


def test_four_point_blobs_of_relu_beyond_the_closed_forms():
    """``d F_AB / dK`` by differences of the closed forms of F_AB itself."""
    K, h = np.array([[1.0, 0.3], [0.3, 0.8]]), 1e-3
    block = ((0, 1), (1, 1))

    def value(shift, entry):
        moved = K.copy()
        moved[entry] += shift
        moved[entry[::-1]] = moved[entry]
        return blobs.cumulants(resolve("relu"), moved, [Blob.of(block)], C_W=1.0).values[0]

    for entry in ENTRIES:
        found = blobs.cumulants(resolve("relu"), K, [Blob.of(block, (entry,))], C_W=1.0)
        slopes = [(value(s, entry) - value(-s, entry)) / (2.0 * s) for s in (h, 2.0 * h)]
        assert found.values[0] == pytest.approx((4.0 * slopes[0] - slopes[1]) / 3.0, rel=1e-9)
        assert found.errors[0] < 1e-12


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "x + x**2"])
@pytest.mark.parametrize(
    ("block", "lines"), [((0, 1, 2, 2), ()), ((0, 1, 2), (0,)), ((0, 1), (0, 1))]
)
def test_star_blobs_and_cumulants_convert_into_each_other(name, block, lines):
    """The exact polynomials, with numbers from two separate evaluations."""
    activation, C_W = resolve(name), 1.7
    pairs, entries = [(0, 0), (0, 1), (1, 1)], [(0, 1), (1, 1)]
    kernel = np.array([[1.0, 0.3], [0.3, 0.8]])

    def star(blob):
        asked = Blob.of([pairs[i] for i in blob.pairs], [entries[i] for i in blob.lines])
        return blobs.stars(activation, kernel, [asked]).values[0]

    def cumulant(blob):
        here = [entries[i] for i in blob.lines]
        asked = Blob.of([pairs[i] for i in blob.pairs], here)
        found = blobs.cumulants(activation, kernel, [asked], C_W=C_W).values[0]
        # by an ordered pair, as double lines are: half of that by the unordered entry if c != d
        return found * 0.5 ** sum(c != d for c, d in here) / C_W ** len(blob.pairs)

    whole = (tuple(block), tuple(lines))
    for value, polynomial, parts in (
        (cumulant, cumulant_in_stars(*whole), star),
        (star, star_in_cumulants(*whole), cumulant),
    ):
        terms = [float(c) * prod(map(parts, product)) for product, c in polynomial.items()]
        wanted = value(type(next(iter(polynomial))[0])(*whole))
        assert sum(terms) == pytest.approx(wanted, abs=1e-12 * sum(map(abs, terms)))


def _equal_inputs(m, r):
    found = cumulant_in_stars((0,) * m, (0,) * r)
    return {
        tuple((2 * len(b.lines), len(b.pairs)) for b in product): c * 2**r
        for product, c in found.items()
    }


def test_subtractions_of_eight_points_appear_by_themselves():
    # BCCZ table I: (derivatives, power of Delta) of each factor
    assert _equal_inputs(4, 0) == {((0, 4),): 1, ((0, 2), (0, 2)): -3}
    assert _equal_inputs(3, 1) == {((2, 3),): 1, ((2, 1), (0, 2)): -3}
    assert _equal_inputs(2, 2) == {((4, 2),): 1, ((2, 1), (2, 1)): -2}
    assert _equal_inputs(1, 3) == {((6, 1),): 1}
    for m, r in [(2, 0), (3, 0), (2, 1), (1, 1), (1, 2)]:
        assert _equal_inputs(m, r) == {((2 * r, m),): 1}


@pytest.mark.parametrize(("m", "r"), [(m, r) for m in range(1, 5) for r in range(4) if m + r > 1])
def test_conversion_there_and_back_is_the_identity(m, r):
    total = {}
    for product, c in cumulant_in_stars(range(m), range(r)).items():
        terms = {(): c}
        for blob in product:
            terms = {
                (*left, *right): x * y
                for left, x in terms.items()
                for right, y in star_in_cumulants(*blob).items()
            }
        for factors, x in terms.items():
            total[tuple(sorted(factors))] = total.get(tuple(sorted(factors)), 0) + x
    left = {factors: x for factors, x in total.items() if x}
    assert left == {((tuple(range(m)), tuple(range(r))),): 1}


def test_only_entries_of_inputs_in_the_block_matter():
    asked = [Blob.of(((0, 0),), ((0, 1),)), Blob.of(((0, 0), (0, 0)), ((1, 1),))]
    found = blobs.cumulants(resolve("tanh"), KERNEL, asked, C_W=1.0, C_b=1.0)
    assert list(found.values) == [0.0, 0.0] and list(found.errors) == [0.0, 0.0]


def test_the_mean_holds_the_bias_and_nothing_else_does():
    mean, variance, slope = (
        blobs.cumulants(resolve("linear"), KERNEL, [blob], C_W=2.0, C_b=0.5).values[0]
        for blob in (Blob.of(((0, 1),)), Blob.of(((0, 1), (0, 1))), Blob.of(((0, 1),), ((0, 1),)))
    )
    assert mean == pytest.approx(0.5 + 2.0 * 0.1)
    assert variance == pytest.approx(4.0 * (0.3 * 0.2 + 0.1**2))
    assert slope == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Blob.of(()), "at least one pair"),
        (lambda: Blob.of(((0, 1, 2),)), "pairs of inputs"),
        (
            lambda: blobs.cumulants(resolve("tanh"), KERNEL, [Blob.of(((0, 2),))], C_W=1.0),
            r"\(0, 2\) is out of range: there are 2 inputs",
        ),
        (lambda: cumulant_in_stars((0,), ()), "two pairs, or one pair and a double line"),
        (lambda: star_in_cumulants((), (0,)), "two pairs, or one pair and a double line"),
    ],
)
def test_wrong_calls_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_moments_that_diverge_are_a_wrong_call():
    activation = nneft.Network((1, 1, 1), "exp(x**2/10)", 1.0).activation
    with pytest.raises(ValueError):
        blobs.cumulants(activation, np.eye(1), [Blob.of(((0, 0),) * 3)], C_W=1.0)
