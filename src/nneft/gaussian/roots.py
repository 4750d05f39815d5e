"""Square roots of kernels, singular ones included, and how far out a Gaussian must be followed."""

from math import sqrt
from typing import NamedTuple

import numpy as np

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array

#: A variance left over below this fraction of its own diagonal entry is rounding.
RANK_TOLERANCE = 4e-15


class Root(NamedTuple):
    """``K = factor @ factor.T`` with rows in the inputs' order; `order` is the order of pivots."""

    factor: Array
    order: tuple[int, ...]


def pivoted_root(kernel: Array) -> Root:
    """Cholesky factor of a positive semi-definite kernel, largest remaining variance first.

    The factor is ``(d, rank)``, lower triangular once its rows are taken in `order`. Inputs that
    depend linearly on the earlier ones add no column, which is how coincident, opposite and
    otherwise dependent inputs are integrated over the support of the Gaussian alone.
    """
    size = len(kernel)
    left = np.diag(kernel).astype(float)
    start = left.copy()
    columns: list[Array] = []
    order: list[int] = []
    while len(order) < size:
        rest = [a for a in range(size) if a not in order]
        pivot = max(rest, key=lambda a: left[a])
        if left[pivot] <= RANK_TOLERANCE * start[pivot] or left[pivot] <= 0.0:
            return Root(np.array(columns).reshape(-1, size).T, (*order, *rest))
        column = kernel[:, pivot].astype(float)
        for earlier in columns:
            column = column - earlier * earlier[pivot]
        column = column / np.sqrt(left[pivot])
        column[order] = 0.0
        order.append(pivot)
        columns.append(column)
        left = left - column**2
    return Root(np.array(columns).T, tuple(order))


def reach(activation: Activation, deviation: float, power: int, digits: float) -> float:
    """Standard deviations beyond which ``|sigma(phi)|^power`` times the weight is negligible.

    Parameters
    ----------
    deviation
        Standard deviation of ``phi``.
    digits
        Natural logarithm of what counts as negligible, as a positive number.

    Raises
    ------
    ValueError
        The weighted power does not fall off: its Gaussian moments diverge.
    NumericsError
        It does, but too far out.
    """
    z = np.linspace(0.0, 60.0, 241)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(activation(deviation * z)), np.abs(activation(-deviation * z)))
        log_weighted = power * np.log(size) - 0.5 * z**2
    log_weighted = np.where(np.isneginf(log_weighted), -1e300, log_weighted)
    # An overflow of sigma itself is as large as anything: it must not count as small.
    log_weighted = np.where(np.isfinite(log_weighted), log_weighted, np.inf)
    if np.max(log_weighted) == -1e300:  # identically zero
        return 1.0
    needed = np.flatnonzero(log_weighted > np.max(log_weighted) - digits)
    if len(needed) == 0 or needed[-1] >= len(z) - 4:
        last = log_weighted[-4:]
        if np.all(np.isfinite(last)) and np.all(np.diff(last, 2) < 0.0):
            raise NumericsError(
                f"the Gaussian moments of {activation.name} at kernel {deviation**2:.6g} have "
                "their weight more than 60 standard deviations out; take a smaller kernel"
            )
        raise ValueError(
            f"the Gaussian moments of {activation.name} diverge: |sigma|^{power} still outgrows "
            f"the weight 60 standard deviations out at kernel {deviation**2:.6g}; take a smaller "
            "kernel or an activation that grows less fast"
        )
    # Never less than the bare Gaussian: of a sigma that decays, lower powers reach further out.
    return max(float(z[needed[-1]] + 0.5), sqrt(2.0 * digits))
