"""Blobs as polynomials, multisets and the sums over their partings."""

from itertools import combinations, combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nneft.activations import resolve
from nneft.blobs import Blob, cumulants
from nneft.conventions import pairs
from nneft.rg.algebra import combine, convolve, multiplier
from nneft.rg.expansion import Cut, expand
from nneft.rg.multisets import dense_places, multisets, number, rank, splits, start


@pytest.mark.parametrize("count", [1, 3, 6])
@pytest.mark.parametrize("size", range(5))
def test_ranks_are_places_in_the_lexicographic_list(count, size):
    rows = multisets(count, size)
    assert len(rows) == number(count, size)
    assert rank(rows, count).tolist() == list(range(len(rows)))
    assert start(count, size) == sum(number(count, d) for d in range(size))


def test_dense_places_are_symmetric():
    places = dense_places(3, 3)
    listed = list(combinations_with_replacement(range(3), 3))
    for index, place in np.ndenumerate(places):
        assert listed[place] == tuple(sorted(index))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("count", "size", "part"), [(1, 5, 2), (2, 4, 2), (3, 4, 3), (3, 3, 3)])
def test_splits_count_the_labelled_ways(count, size, part, first):
    found = splits(count, size, part, first=first)
    wanted = {}
    listed = list(combinations_with_replacement(range(count), size))
    for w, whole in enumerate(listed):
        for labels in combinations(range(size), part):
            if first and 0 not in labels:
                continue
            some = tuple(whole[i] for i in labels)
            others = tuple(whole[i] for i in range(size) if i not in labels)
            key = (w, some, others)
            wanted[key] = wanted.get(key, 0) + 1
    parts = [tuple(row) for row in multisets(count, part).tolist()]
    rests = [tuple(row) for row in multisets(count, size - part).tolist()]
    keys = zip(found.whole, found.part, found.rest, found.ways, strict=True)
    assert {(w, parts[p], rests[r]): ways for w, p, r, ways in keys} == wanted


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), total=st.integers(0, 3))
def test_combined_polynomials_are_products_of_their_values(seed, total):
    """Polynomials of the degree kept exactly, at a random point."""
    rng = np.random.default_rng(seed)
    count, size, part = 3, 3, 1
    left = np.zeros((number(count, part), start(count, total + 1)))
    # The blob of pair (0, 0) depends on that entry alone, that of (0, 1) and (1, 1) likewise.
    left[:, 0] = rng.normal(size=3)
    right = np.zeros((number(count, size - part), start(count, total + 1)))
    right[:, :] = rng.normal(size=right.shape)
    found = combine(count, size, part, left, right, degrees=((0, total), (0, total)), total=total)
    point = rng.normal(size=count)
    powers = np.concatenate([np.prod(point[multisets(count, d)], axis=1) for d in range(total + 1)])
    wanted = np.zeros(number(count, size))
    for whole, p, r, ways in zip(*splits(count, size, part)[:4], strict=True):
        wanted[whole] += ways * (left[p] @ powers) * (right[r] @ powers)
    np.testing.assert_allclose(found @ powers, wanted, rtol=1e-12, atol=1e-12)


def test_convolved_series_are_cut_products():
    rng = np.random.default_rng(3)
    left, right = rng.normal(size=(3, 4)), rng.normal(size=(6, 4))
    found = convolve(3, 3, 1, multiplier(left), right)
    wanted = np.zeros((10, 4))
    for whole, p, r, ways in zip(*splits(3, 3, 1)[:4], strict=True):
        wanted[whole] += ways * np.convolve(left[p], right[r])[:4]
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


@pytest.mark.parametrize("activation", ["tanh", "relu", "selu", "gelu", "x+x**2/3"])
@pytest.mark.parametrize("order", [1, 2])
def test_polynomials_hold_the_blobs_derivatives(activation, order):
    """`expand` divides a whole table at once; `blobs.cumulants` finds one blob at a time."""
    sigma, kernel = resolve(activation), np.array([[1.0, 0.3], [0.3, 0.8]])
    found = expand(sigma, kernel[None], cut=Cut(order, extra=1), layer=2).at(0)
    rng, listed = np.random.default_rng(5), pairs(2)
    blobs, values = [], []
    for m in range(1, order + 2):
        for r in range(found.cut.degree(m - 1) + 1):
            tensor, error = found.tensor(m, r), found.tensor_error(m, r)
            for _ in range(3):
                at = tuple(rng.integers(0, 3, m + r))
                blobs.append(Blob.of([listed[i] for i in at[:m]], [listed[i] for i in at[m:]]))
                values.append((tensor[at], error[at]))
    wanted = cumulants(sigma, kernel, blobs, C_W=1.0)
    for (value, error), exact, uncertain in zip(values, *wanted, strict=True):
        assert abs(value - exact) <= 3.0 * (error + uncertain) + 1e-14 * abs(exact)
        assert error <= 1e-7 * max(1.0, abs(exact))


def test_a_layer_that_does_not_fluctuate_needs_no_derivatives():
    kernel = np.array([[[1.0, 1.0], [1.0, 1.0]]])  # singular
    found = expand(resolve("relu"), kernel, cut=Cut(2, random=False), layer=2)
    assert [blob.shape[-1] for blob in found.blobs] == [1, 1, 1]
