"""Two inputs of a smooth activation: Hermite series, for all pairs of inputs at once.

With ``he_n = He_n / sqrt(n!)`` orthonormal under the unit Gaussian, ``f_n = <f(s z) he_n(z)>`` and
``rho`` the correlation, Mehler's formula gives::

    < f(phi_a) g(phi_b) > = sum_n rho^n f_n g_n

The coefficients belong to one input each, so the cost for N inputs is N sets of one-dimensional sums
and a Horner scheme over the pairs. What is cut off after n terms is at most
``|rho|^(n+1) sqrt(tail_f tail_g)`` with ``tail_f = <f^2> - sum f_n^2`` (Cauchy-Schwarz): a bound, not
a guess, and a pair whose bound is too large is left to another method.
"""

from functools import lru_cache
from math import ceil, log2, pi, sqrt

import numpy as np

from nneft.activations.base import Activation
from nneft.gaussian.base import Array, Moments, Terms
from nneft.gaussian.factors import Factor, factor_values, is_odd
from nneft.gaussian.lattice import DIGITS, ROUNDING, spacing
from nneft.gaussian.roots import reach

#: Lengths of the series tried one after the other.
LENGTHS = (48, 144, 432, 1296)
#: A pair is accepted when the bound on what is cut off is below this fraction of the norms.
ACCEPTED = 3e-14
#: Inputs whose factors are held at once; memory stays bounded for any number of inputs.
BLOCK_ENTRIES = 4_000_000
#: Pairs times terms of the series up to which one array of all products is faster than Horner.
SMALL_ENTRIES = 100_000


def singles(activation: Activation, variances: Array, terms: Terms) -> Moments:
    """``<(sigma^p)^(r)>`` for many variances: values and errors of shape (terms, inputs).

    `terms` have one input each. Smooth activations only.
    """
    factors = [(p[0], r[0]) for p, r in terms]
    rule = _Rule.of(activation, variances, {f: f[0] for f in factors}, 0)
    values, errors = (np.zeros((len(terms), len(variances))) for _ in range(2))
    for block in _blocks(len(variances), len(rule.z)):
        x = np.sqrt(variances[block])[:, None] * rule.z
        found = factor_values(activation, x, set(factors))
        for t, f in enumerate(factors):
            if is_odd(activation, *terms[t]):
                continue
            values[t, block] = found[f] @ rule.weights
            norm = np.abs(found[f]) @ rule.weights
            coarse = found[f][:, ::2] @ (2.0 * rule.weights[::2])
            safe = np.where(norm > 0.0, norm, 1.0)
            wrong = ((values[t, block] - coarse) / safe) ** 2 + 3.0 * ROUNDING
            errors[t, block] = norm * (wrong + activation.derivative_error(f[1]))
    return Moments(values, errors)


def pairs(activation: Activation, kernel: Array, terms: Terms) -> tuple[Moments, np.ndarray]:
    """``<f_1(phi_a) f_2(phi_b)>_K`` for all ``a, b``: (terms, N, N), and which pairs converged.

    `terms` have two inputs each; entry ``[t, a, b]`` puts the first factor on input a. Entries whose
    bound is too large, and the diagonal, are left at zero and marked False in the second result, an
    (N, N) array of booleans. Smooth activations only.
    """
    size = len(kernel)
    deviations = np.sqrt(np.diag(kernel))
    scale = np.where(deviations > 0.0, deviations, 1.0)
    rho = np.clip(kernel / scale[:, None] / scale, -1.0, 1.0)
    live = [t for t, term in enumerate(terms) if not is_odd(activation, *term)]
    factors = sorted({(p[i], r[i]) for p, r in terms for i in (0, 1)})
    values, errors = (np.zeros((len(terms), size, size)) for _ in range(2))
    done = np.eye(size, dtype=bool)
    for length in LENGTHS:
        coefficients, tails, norms, noise = _coefficients(activation, deviations, factors, length)
        fresh = ~done & _settled(rho, tails, norms, terms, live, factors, length)
        if np.any(fresh):
            for t in live:
                (p1, p2), (r1, r2) = terms[t]
                i, j = factors.index((p1, r1)), factors.index((p2, r2))
                total = _horner(rho, coefficients[i], coefficients[j], _step(activation, p1, r1))
                size_ab = np.sqrt(norms[i][:, None] * norms[j])
                cut = np.abs(rho) ** length * np.sqrt(tails[i][:, None] * tails[j])
                relative = noise[i][:, None] + noise[j] + activation.derivative_error(max(r1, r2))
                wrong = cut + size_ab * relative
                values[t][fresh] = total[fresh]
                errors[t][fresh] = wrong[fresh]
            done |= fresh
        if np.all(done):
            break
    np.fill_diagonal(done, False)
    return Moments(values, errors), done


def _settled(rho, tails, norms, terms, live, factors, length):  # type: ignore[no-untyped-def]
    """Pairs for which every term's bound is small."""
    settled = np.ones(rho.shape, dtype=bool)
    power = np.abs(rho) ** length
    for i, j in {tuple(factors.index((terms[t][0][k], terms[t][1][k])) for k in (0, 1)) for t in live}:
        size = np.sqrt(norms[i][:, None] * norms[j])
        settled &= power * np.sqrt(tails[i][:, None] * tails[j]) <= ACCEPTED * size
    return settled


def _step(activation: Activation, power: int, derivatives: int) -> tuple[int, int]:
    """First index and step of the coefficients that do not vanish by parity."""
    if activation.parity is None:
        return 0, 1
    odd = (derivatives + (power if activation.parity == "odd" else 0)) % 2
    return odd, 2


def _horner(rho: Array, f: Array, g: Array, parity: tuple[int, int]) -> Array:
    """``sum_n rho^n f_n g_n`` over all pairs, from the smallest terms to the largest."""
    first, step = parity
    if rho.size * f.shape[1] <= SMALL_ENTRIES:
        n = np.arange(first, f.shape[1], step)
        products: Array = f[:, None, n] * g[None, :, n] * rho[..., None] ** n
        return products.sum(axis=-1)
    ratio = rho**step
    total = np.zeros_like(rho)
    for n in reversed(range(first, f.shape[1], step)):
        total *= ratio
        total += f[:, n, None] * g[None, :, n]
    return total * rho if first else total


def _coefficients(
    activation: Activation, deviations: Array, factors: list[Factor], length: int
) -> tuple[list[Array], list[Array], list[Array], list[Array]]:
    """Hermite coefficients, what of the norm lies beyond them, norms, and their relative noise."""
    variances = deviations**2
    rule = _Rule.of(activation, variances, {f: 2 * f[0] for f in factors}, length)
    hermite = hermite_functions(rule.key, length)
    shape = (len(factors), len(deviations))
    found = [np.zeros((len(deviations), length)) for _ in factors]
    norms, tails, noise = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    moments = np.stack([rule.weights, rule.z * rule.weights], axis=1)
    for block in _blocks(len(deviations), len(rule.z)):
        values = factor_values(activation, deviations[block, None] * rule.z, set(factors))
        for i, f in enumerate(factors):
            found[i][block] = values[f] @ hermite
            norms[i, block] = values[f] ** 2 @ rule.weights
            # Aliasing, from the rule of twice the spacing: e(h) = e(2h)^2.
            coarse = values[f] @ moments - values[f][:, ::2] @ (2.0 * moments[::2])
            safe = np.where(norms[i, block] > 0.0, norms[i, block], 1.0)
            noise[i, block] = np.max(coarse**2, axis=1) / safe + 4.0 * ROUNDING
            left = norms[i, block] - np.sum(found[i][block] ** 2, axis=1)
            tails[i, block] = np.maximum(left, 2.0 * ROUNDING * norms[i, block])
    return found, list(tails), list(norms), list(noise)


class _Rule:
    """A trapezoidal rule on the line that serves inputs of all the variances asked for."""

    def __init__(self, step: float, count: int) -> None:
        self.key = (step, count)
        self.z = step * np.arange(-count, count + 1)
        self.weights = step / sqrt(2.0 * pi) * np.exp(-0.5 * self.z**2)

    @staticmethod
    def of(
        activation: Activation, variances: Array, factors: dict[Factor, int], length: int
    ) -> "_Rule":
        """`factors` and the power of sigma that must be integrable for each; `length` of a series."""
        deviation = float(np.sqrt(np.max(variances, initial=0.0)))
        furthest = reach(activation, deviation, max(factors.values()), DIGITS[0])
        if length:
            # |he_n(z)| exp(-z^2/4) is bounded, so only exp(-z^2/4) is left to cut the sum off.
            furthest = max(furthest, sqrt(2.0) * furthest)
        # Squares are summed too: twice the pole. And the error is judged by the square of that of
        # twice the spacing, whatever multiplies the exponentials: half the digits more, cheap in
        # one dimension.
        pole = 2 * max(p + r for p, r in factors)
        digits = 1.5 * DIGITS[0]
        strip = activation.scale / deviation if deviation > 0.0 else np.inf
        # he_n(z) exp(-z^2/4) oscillates with wave numbers up to sqrt(n + 1/2).
        wave = 2.0 * pi / spacing(strip, digits, pole) + (sqrt(length + 0.5) if length else 0.0)
        # Rounded down to a power of 2^(1/4), so that the Hermite functions can be kept.
        step = 2.0 ** (-ceil(4.0 * log2(wave / (2.0 * pi))) / 4.0)
        return _Rule(step, 2 * ceil(0.5 * furthest / step))


@lru_cache(maxsize=24)
def hermite_functions(key: tuple[float, int], length: int) -> Array:
    """``weight(z) he_n(z)`` on the nodes of a rule, shape (nodes, length)."""
    step, count = key
    z = step * np.arange(-count, count + 1)
    # he_{n+1} = (z he_n - sqrt(n) he_{n-1}) / sqrt(n+1), times exp(-z^2/4) throughout.
    table = np.empty((length, len(z)))
    table[0] = np.exp(-0.25 * z**2)
    if length > 1:
        table[1] = z * table[0]
    for n in range(1, length - 1):
        table[n + 1] = (z * table[n] - sqrt(n) * table[n - 1]) / sqrt(n + 1.0)
    table *= step / sqrt(2.0 * pi) * np.exp(-0.25 * z**2)
    return np.ascontiguousarray(table.T)


def _blocks(inputs: int, nodes: int) -> list[slice]:
    rows = max(1, BLOCK_ENTRIES // nodes)
    return [slice(i, min(i + rows, inputs)) for i in range(0, inputs, rows)]
