"""The square root of singular covariances: R R^T = K, for any rank, size and array library."""

import array_api_strict
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nneft.ensemble.root import square_root


def covariances(seed, count, size, rank, decades=0.0):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal((count, size, rank))
    x *= 10.0 ** (generator.uniform(-decades, decades, (count, size, 1)) / 2)
    return x @ np.swapaxes(x, -1, -2)


def relative(matrix, kernel):
    """Largest entry relative to the square roots of the diagonal entries."""
    scale = np.sqrt(np.diagonal(kernel, axis1=-2, axis2=-1))
    scale = np.where(scale > 0, scale, 1.0)
    return np.abs(matrix / scale[..., :, None] / scale[..., None, :]).max()


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.floats(0.0, 60.0))
@settings(max_examples=60, deadline=None)
def test_squares_to_the_kernel(seed, size, rank, decades):
    kernel = covariances(seed, 5, size, min(rank, size), decades)
    root = square_root(kernel)
    assert relative(root @ np.swapaxes(root, -1, -2) - kernel, kernel) < 1e-12
    if rank < size:
        # The rank is found: as many columns are exactly zero as it lacks.
        assert np.all((root != 0).any(axis=1).sum(axis=-1) <= rank)


def test_more_inputs_than_neurons():
    kernel = covariances(1, 3, 40, 7)
    root = square_root(kernel)
    assert relative(root @ np.swapaxes(root, -1, -2) - kernel, kernel) < 1e-12
    assert np.all((root != 0).any(axis=1).sum(axis=-1) == 7)


@pytest.mark.parametrize("size", [1e-18, 1e-300, 1.0, 1e300])
def test_coincident_opposite_parallel_and_zero_inputs(size):
    x = np.array([[1.0, 2.0], [1.0, 2.0], [-1.0, -2.0], [3.0, 6.0], [0.0, 0.0], [0.3, -1.0]])
    root = square_root((size * (x @ x.T))[None])[0] / np.sqrt(size)
    np.testing.assert_allclose(root[1], root[0], rtol=1e-15, atol=0)
    np.testing.assert_allclose(root[2], -root[0], rtol=1e-15, atol=0)
    np.testing.assert_allclose(root[3], 3 * root[0], rtol=1e-14, atol=0)
    assert not root[4].any()
    np.testing.assert_allclose(root[5] @ root[0], x[5] @ x[0], rtol=1e-14)


def test_a_small_difference_keeps_its_correlations():
    """x2 - x1 is 1e-9 of x1 and along x3: without pivoting the covariance with x3 would go."""
    x = np.array([[1.0, 0.0], [1.0, 1e-9], [0.0, 1.0]])
    root = square_root((x @ x.T)[None])[0]
    assert (root[1] - root[0]) @ root[2] == pytest.approx(1e-9, rel=1e-6)


def test_close_inputs_tend_to_coincident_ones():
    for gap in (1e-3, 1e-5, 1e-6):
        root = square_root(np.array([[[1.0, 1.0 - gap**2 / 2], [1.0 - gap**2 / 2, 1.0]]]))[0]
        assert np.linalg.norm(root[1] - root[0]) == pytest.approx(gap, rel=1e-3)


def test_each_matrix_is_treated_alone():
    kernel = covariances(5, 300, 4, 3)
    root = square_root(kernel)
    for first, last in ((0, 1), (7, 9), (100, 300)):
        np.testing.assert_array_equal(square_root(kernel[first:last]), root[first:last])


def test_any_array_library():
    kernel = covariances(2, 6, 4, 3)
    strict = square_root(array_api_strict.asarray(kernel))
    np.testing.assert_array_equal(np.asarray(strict), square_root(kernel))
