"""A square root of covariance matrices that may be singular, many at a time."""

from typing import Any


def square_root(kernel: Any) -> Any:
    """``R`` with ``R R^T = kernel`` for a stack of matrices: Cholesky with complete pivoting.

    Works on correlations, so inputs may differ in size by any factor. Once what is left of every
    variance is rounding (``8 (N + 4) eps`` of its own diagonal entry) the matrix is taken to have
    no more rank: equal and parallel inputs keep one common direction. Pivoting makes that safe:
    what is dropped is bounded, in every entry, by the largest variance left.

    Parameters
    ----------
    kernel : (B, N, N) array of any array-API library, symmetric positive semi-definite.

    Returns
    -------
    (B, N, N) array; not triangular, its columns come in the order of the pivots.
    """
    xp = kernel.__array_namespace__()
    size = kernel.shape[-1]
    if size == 1:
        return xp.sqrt(kernel)
    scale = xp.sqrt(xp.linalg.diagonal(kernel))
    present = scale > 0.0
    inverse = 1.0 / xp.where(present, scale, 1.0)
    correlation = kernel * inverse[:, :, None] * inverse[:, None, :]
    rounding = (size + 4) * float(xp.finfo(kernel.dtype).eps)
    index = xp.arange(size)[None, :]
    # All variances are 1 at first, so the first input is as good a pivot as any; if it is zero so
    # is its column, and there is one pivot less to find.
    column = correlation[:, 0, :]
    root = column[:, :, None]
    free = present & (index > 0)
    variance = xp.where(free, 1.0 - column * column, 0.0)
    for _ in range(1, size - 1):
        pivot = xp.argmax(variance, axis=1, keepdims=True)
        largest = xp.take_along_axis(variance, pivot, axis=1)
        enough = largest > 8.0 * rounding
        weight = xp.where(enough, 1.0 / xp.sqrt(xp.where(enough, largest, 1.0)), 0.0)
        # R_ik = (C_ip - sum_j<k R_ij R_pj) / sqrt(variance_p) for the inputs not taken before; a
        # covariance that is rounding would come out large over a small sqrt(variance_p).
        done = xp.take_along_axis(root, pivot[:, :, None], axis=1)
        left = xp.take_along_axis(correlation, pivot[:, :, None], axis=1)[:, 0, :]
        left = left - xp.matmul(root, xp.matrix_transpose(done))[:, :, 0]
        column = xp.where(free & (xp.abs(left) > rounding), left * weight, 0.0)
        root = xp.concat([root, column[:, :, None]], axis=2)
        free = free & (index != pivot)
        variance = xp.where(free, variance - column * column, 0.0)
    # At most one input is left, and what is left of it is its own.
    enough = variance > 8.0 * rounding
    column = xp.where(enough, xp.sqrt(xp.where(enough, variance, 0.0)), 0.0)
    return xp.concat([root, column[:, :, None]], axis=2) * scale[:, :, None]
