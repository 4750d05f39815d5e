"""Two inputs, for all pairs of inputs at once.

With Hermite coefficients ``f_n`` and the correlation ``rho``, Mehler's formula gives::

    < f(phi_a) g(phi_b) > = sum_n rho^n f_n g_n

The coefficients belong to one input each, so the cost for N inputs is N sets of one-dimensional
sums and a Horner scheme over the pairs. What is cut off after n terms is at most
``|rho|^(n+1) sqrt(tail_f tail_g)`` with ``tail_f = <f^2> - sum f_n^2`` (Cauchy-Schwarz): a bound,
not a guess, and a pair whose bound is too large is left to another method.
"""

import numpy as np
from numpy.typing import NDArray

from nneft.activations.base import Activation
from nneft.errors import NumericsError
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.factors import is_odd
from nneft.gaussian.hermite import Coefficients, coefficients

#: Lengths of the series tried one after the other.
LENGTHS = (48, 144, 432, 1296)
#: A pair is accepted when the bound on what is cut off is below this fraction of the norms.
ACCEPTED = 3e-14
#: Pairs times terms of the series up to which one array of all products is faster than Horner.
SMALL_ENTRIES = 100_000


def pairs(activation: Activation, kernel: Array, terms: Terms) -> tuple[Moments, NDArray[np.bool_]]:
    """``<f_1(phi_a) f_2(phi_b)>_K`` for all ``a, b``: (terms, N, N), and which pairs converged.

    `terms` have two inputs each; entry ``[t, a, b]`` puts the first factor on input a. Entries
    whose bound is too large, and the diagonal, are left at zero and are False in the second
    result, (N, N). Without derivatives activations may have kinks.
    """
    size = len(kernel)
    variances = np.diag(kernel)
    deviations = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    rho = np.clip(kernel / deviations[:, None] / deviations, -1.0, 1.0)
    factors = sorted({(p[i], r[i]) for p, r in terms for i in (0, 1)})
    live = {
        t: (factors.index((p[0], r[0])), factors.index((p[1], r[1])))
        for t, (p, r) in enumerate(terms)
        if not is_odd(activation, p, r)
    }
    values, errors = (np.zeros((len(terms), size, size)) for _ in range(2))
    done = np.eye(size, dtype=bool)
    for length in LENGTHS:
        try:
            found = coefficients(activation, variances, factors, length)
        except NumericsError:  # longer ones would be too long as well
            break
        bounds = {ij: _relative_bound(rho, found, *ij) for ij in set(live.values())}
        fresh = ~done & np.all([b <= ACCEPTED for b in bounds.values()], axis=0)
        if np.any(fresh):
            for t, (i, j) in live.items():
                sizes = np.sqrt(found.norms[i][:, None] * found.norms[j])
                own = activation.derivative_error(max(terms[t][1]))
                relative = bounds[i, j] + found.noise[i][:, None] + found.noise[j] + own
                total = _sum(rho, found.values[i], found.values[j], _parity(activation, terms[t]))
                values[t][fresh] = total[fresh]
                errors[t][fresh] = (sizes * relative)[fresh]
            done |= fresh
        if np.all(done):
            break
    np.fill_diagonal(done, False)
    return Moments(values, errors), done


def _relative_bound(rho: Array, found: Coefficients, i: int, j: int) -> Array:
    """Bound on what is cut off, relative to the norms of the two factors."""
    shares = [
        np.sqrt(found.tails[k] / np.where(found.norms[k] > 0.0, found.norms[k], 1.0))
        for k in (i, j)
    ]
    bound: Array = np.abs(rho) ** found.values[i].shape[1] * shares[0][:, None] * shares[1]
    return bound


def _parity(
    activation: Activation, term: tuple[tuple[int, ...], tuple[int, ...]]
) -> tuple[int, int]:
    """First index and step of the coefficients that do not vanish by parity."""
    if activation.parity is None:
        return 0, 1
    power, derivatives = term[0][0], term[1][0]
    return (derivatives + (power if activation.parity == "odd" else 0)) % 2, 2


def _sum(rho: Array, f: Array, g: Array, parity: tuple[int, int]) -> Array:
    """``sum_n rho^n f_n g_n`` over all pairs, from the smallest terms to the largest."""
    first, step = parity
    indices = np.arange(first, f.shape[1], step)
    if rho.size * f.shape[1] <= SMALL_ENTRIES:
        products = f[:, None, indices] * g[None, :, indices] * rho[..., None] ** indices
        return np.asarray(np.sum(products, axis=-1), dtype=np.float64)
    ratio = rho**step
    total: Array = np.zeros_like(rho)
    for n in indices[::-1]:
        total *= ratio
        total += f[:, n, None] * g[None, :, n]
    return total * rho if first else total
