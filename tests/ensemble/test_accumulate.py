"""Moments against exact rational arithmetic, whatever the offset, the scale and the order."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nneft.ensemble.accumulate import Moments

LAYERS, PAIRS = 2, 3


def samples(count, seed=0, offset=0.0, scale=1.0):
    generator = np.random.default_rng(seed)
    skewed = generator.standard_exponential((count, LAYERS, PAIRS))
    skewed[..., 1] += 0.5 * skewed[..., 0]
    return offset + scale * skewed


def exact_sums(x):
    """Mean, M11, M21, M22 of one layer (count, P), in rational arithmetic."""
    rows = [[Fraction(float(v)) for v in row] for row in x]
    size = range(x.shape[1])
    mean = [sum(row[a] for row in rows) / len(rows) for a in size]
    d = [[row[a] - mean[a] for a in size] for row in rows]
    sums = [
        [[float(sum(r[a] ** p * r[b] ** q for r in d)) for b in size] for a in size]
        for p, q in ((1, 1), (2, 1), (2, 2))
    ]
    return [float(m) for m in mean], *sums


def assert_exact(moments, x, rtol, scale=1.0):
    assert moments.count == len(x)
    plain = moments.in_units(np.zeros(LAYERS, dtype=np.int64))
    for layer in range(LAYERS):
        mean, m11, m21, m22 = exact_sums(x[:, layer] / scale)
        np.testing.assert_allclose(plain.mean[layer] / scale, mean, rtol=1e-15)
        bound = rtol * len(x)
        np.testing.assert_allclose(plain.co.m11[layer] / scale**2, m11, atol=bound)
        np.testing.assert_allclose(plain.co.m21[layer] / scale**3, m21, atol=20 * bound)
        np.testing.assert_allclose(plain.co.m22[layer] / scale**4, m22, atol=100 * bound)
        np.testing.assert_allclose(plain.square[layer] / scale**2, np.diag(m11), atol=bound)


def merged(x, cuts):
    edges = [0, *sorted(cuts), len(x)]
    parts = [Moments.of(x[a:b]) for a, b in pairwise(edges) if b > a]
    total = parts[0]
    for part in parts[1:]:
        total = total.merge(part)
    return total


# At offset 1e6 the samples themselves are rounded to 1e-10, which their exact sums share; what is
# left is the rounding of the mean, of order 1e-10 per sample.
@pytest.mark.parametrize(("offset", "rtol"), [(0.0, 1e-14), (1e6, 1e-9)])
def test_one_block_and_many(offset, rtol):
    x = samples(150, offset=offset)
    assert_exact(Moments.of(x), x, rtol)
    assert_exact(merged(x, [1, 2, 40, 41, 90]), x, rtol)


@given(st.lists(st.integers(1, 29), max_size=5), st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_any_cuts(cuts, seed):
    x = samples(30, seed=seed)
    assert_exact(merged(x, cuts), x, 1e-13)


def test_merging_is_associative():
    a, b, c = (
        Moments.of(samples(n, seed=n, offset=o)) for n, o in ((5, 0.0), (80, 3.0), (33, 1.0))
    )
    left, right = a.merge(b).merge(c), a.merge(b.merge(c))
    for name in ("m11", "m21", "m22"):
        np.testing.assert_allclose(getattr(left.co, name), getattr(right.co, name), rtol=1e-12)
    np.testing.assert_allclose(left.mean, right.mean, rtol=1e-15)


def test_a_naive_sum_would_fail_at_that_offset():
    x = samples(150, offset=1e6)[:, 0, 0]
    naive = np.sum(x**2) - np.sum(x) ** 2 / len(x)
    exact = exact_sums(x[:, None])[1][0][0]
    ours = Moments.of(x[:, None, None])
    held = np.ldexp(ours.square[0, 0], 2 * ours.exponent[0])
    assert abs(naive / exact - 1) > 1e-5
    assert abs(held / exact - 1) < 1e-9


@pytest.mark.parametrize("scale", [1e-100, 1e-18, 1e100])
def test_fourth_powers_neither_overflow_nor_underflow(scale):
    x = samples(40, scale=scale)
    moments = Moments.of(x[:20]).merge(Moments.of(x[20:]))
    rescaled = moments.in_units(moments.exponent - np.array([3, 5]))
    for held in (moments, rescaled):
        unit = np.ldexp(1.0, held.exponent)
        for layer in range(LAYERS):
            _, m11, _, m22 = exact_sums(x[:, layer] / unit[layer])
            np.testing.assert_allclose(held.co.m11[layer], m11, rtol=1e-12)
            np.testing.assert_allclose(held.co.m22[layer], m22, rtol=1e-12)


def test_change_of_unit_is_exact():
    moments = Moments.of(samples(10))
    back = moments.in_units(moments.exponent + 7).in_units(moments.exponent)
    np.testing.assert_array_equal(back.co.m22, moments.co.m22)
    np.testing.assert_array_equal(back.mean, moments.mean)


def test_without_pairs_the_mean_and_its_spread_are_the_same():
    x = samples(60, offset=10.0)
    full = Moments.of(x[:17]).merge(Moments.of(x[17:]))
    small = Moments.of(x[:17], pairs=False).merge(Moments.of(x[17:], pairs=False))
    assert small.co is None
    np.testing.assert_array_equal(small.mean, full.mean)
    np.testing.assert_allclose(small.square, full.square, rtol=1e-13)


def test_different_kinds_do_not_merge():
    x = samples(5)
    with pytest.raises(ValueError, match="one kind"):
        Moments.of(x).merge(Moments.of(x, pairs=False))
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 2\)"):
        Moments.of(x).merge(Moments.of(x[:, :, :2]))
