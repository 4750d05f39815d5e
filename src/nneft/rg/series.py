"""One layer by truncated power series: the law of total cumulance, evaluated without diagrams.

Given ``H = K_0 + delta``, the mean over the layer's neurons of ``s_A``, A a pair of inputs, has
joint cumulants ``eps^{|B|-1} F_B(H)``, with eps the inverse width between the layers. So

    E[ prod_{A in M} s_A | delta ] = sum over set partitions of M of prod_B eps^{|B|-1} F_B,

polynomials in delta and eps; their averages follow from the moments of delta, those from its
cumulants, and the cumulants of the mean from its moments. ``<delta^d> = O(eps^{ceil(d/2)})`` cuts
everything off. The value at ``delta = 0`` is subtracted first: cumulants do not depend on it. In
the end ``G = C_b + C_W s``.

With an extra degree in delta, derivatives are had as well: a change of ``K_0`` is a change of the
first cumulant of delta, at order zero.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from nneft.gaussian.base import Array
from nneft.rg.algebra import combine, convolve, multiplier
from nneft.rg.expansion import EPS, Cut, Expansion
from nneft.rg.multisets import number, start

#: Joint cumulants of one layer, or changes of them, for each k = 1, 2, ..: (.., number(count, k),
#: order + 1), by powers of eps. The constant term of the first is ``K_0``.
Cumulants = tuple[Array, ...]


@dataclass(frozen=True)
class Conditional:
    """``E[prod_{A in M} (s_A - <s_A>_K0) | delta]`` of the means over neurons.

    Attributes
    ----------
    mean, mean_error : (.., count)
        ``<s_A>_K0``.
    terms, errors
        For each size k of M and power j of eps: (.., number(count, k), monomials in delta).
    """

    count: int
    cut: Cut
    mean: Array
    mean_error: Array
    terms: dict[tuple[int, int], Array]
    errors: dict[tuple[int, int], Array]

    def at(self, layer: int) -> "Conditional":
        """Of one of the layers alone, without their axis."""
        mean, error = self.mean[layer], self.mean_error[layer]
        terms, errors = ({k: v[layer] for k, v in d.items()} for d in (self.terms, self.errors))
        return Conditional(self.count, self.cut, mean, error, terms, errors)


def conditional(expansion: Expansion) -> Conditional:
    """Sum over set partitions, block by block: the one that holds the first pair, then the rest."""
    count, cut = expansion.count, expansion.cut
    blobs = [expansion.blobs[0].copy(), *expansion.blobs[1:]]
    uncertain = [expansion.errors[0].copy(), *expansion.errors[1:]]
    mean, mean_error = blobs[0][..., 0].copy(), uncertain[0][..., 0].copy()
    blobs[0][..., 0] = uncertain[0][..., 0] = 0.0
    lead = mean.shape[:-1]
    terms, errors = {(0, 0): np.ones((*lead, 1, 1))}, {(0, 0): np.zeros((*lead, 1, 1))}
    for k in range(1, cut.order + 2):
        for j in range(k):
            total = cut.degree(j)
            shape = (*lead, number(count, k), start(count, total + 1))
            value, error = np.zeros(shape), np.zeros(shape)
            for b in range(1, j + 2):
                rest = (k - b, j - b + 1)
                if rest not in terms:
                    continue
                # Of k - j blocks all but j, at least, hold one pair and so a factor delta.
                lowest = max(0, rest[0] - 2 * rest[1])
                highest = cut.degree(rest[1]) if rest[0] else 0
                degrees = ((int(b == 1), total), (lowest, highest))
                product = partial(combine, count, k, b, degrees=degrees, total=total)
                left, e_left = blobs[b - 1], uncertain[b - 1]
                right, e_right = terms[rest], errors[rest]
                value += product(left, right)
                error += product(np.abs(left), e_right + EPS * np.abs(right))
                error += product(e_left, np.abs(right))
            terms[k, j], errors[k, j] = value, error
    return Conditional(count, cut, mean, mean_error, terms, errors)


@dataclass(frozen=True)
class Averages:
    """What one step finds on its way; polynomials in eps, (.., order + 1).

    Attributes
    ----------
    delta, size
        ``<delta^d>`` of all monomials, and the same from the absolute values of the cumulants.
    means, cumulants
        For each size k: moments and joint cumulants of the means over neurons.
    """

    delta: Array
    size: Array
    means: Cumulants
    cumulants: Cumulants


def average(given: Conditional, below: Cumulants) -> Averages:
    """Of one layer, from the cumulants of the one below in powers of this layer's eps."""
    count, order = given.count, given.cut.order
    delta = _moments(count, 2 * order, _fluctuating(below))
    size = _moments(count, 2 * order, tuple(np.abs(v) for v in _fluctuating(below)))
    means = _contracted(count, order, given.terms, delta)
    return Averages(delta, size, means, _logarithm(count, means))


def scaled(found: Averages, mean: Array, C_W: float, C_b: float) -> Cumulants:
    """Cumulants of ``G = C_b + C_W s``: ``C_W^k kappa_k``."""
    values = [C_W**k * v for k, v in enumerate(found.cumulants, start=1)]
    values[0][:, 0] = C_b + C_W * mean
    return tuple(values)


def derivative(
    given: Conditional, found: Averages, changes: Cumulants, *, absolute: bool = False
) -> Cumulants:
    """First-order changes of the means' cumulants with those of the layer below.

    Parameters
    ----------
    given
        Of one layer; an extra degree makes the derivative by ``K_0`` complete.
    changes
        For each k: (T, number(count, k), order + 1), T changes at once; the constant term of the
        first is that of ``K_0``.
    absolute
        Bound the changes instead, by absolute values everywhere.
    """
    count, order = given.count, given.cut.order
    size: Callable[[Array], Array] = np.abs if absolute else np.asarray
    top = 2 * order + min(given.cut.extra, 1)
    delta = [
        size(multiplier(found.delta[start(count, d) : start(count, d + 1)])) for d in range(top)
    ]
    lead = changes[0].shape[:-2]
    moments = [np.zeros((*lead, 1, order + 1))]
    for d in range(1, top + 1):
        value = np.zeros((*lead, number(count, d), order + 1))
        for b in range(1, min(d, order + 1) + 1):
            value += convolve(count, d, d - b, delta[d - b], changes[b - 1], first=False)
        moments.append(value)
    terms = {place: size(term) for place, term in given.terms.items()} if absolute else given.terms
    means = _contracted(count, order, terms, np.concatenate(moments, axis=-2))
    return _divided(count, found.means, means, size)


def local_error(given: Conditional, found: Averages) -> Cumulants:
    """Errors of the means' cumulants from this step alone: of its expectations, and rounding."""
    count, order = given.count, given.cut.order
    sizes = {place: np.abs(term) for place, term in given.terms.items()}
    uncertain = {place: e + EPS * sizes[place] for place, e in given.errors.items()}
    errors = _contracted(count, order, uncertain, np.abs(found.delta))
    rounding = _contracted(count, order, sizes, EPS * found.size)
    means = tuple(
        e + r + EPS * np.abs(m) for e, r, m in zip(errors, rounding, found.means, strict=True)
    )
    total = _divided(count, found.means, means, np.abs)
    total[0][:, 0] += given.mean_error
    return total


def _fluctuating(below: Cumulants) -> Cumulants:
    """Of ``delta = H - K_0``, whose mean has no constant term."""
    first = below[0].copy()
    first[..., 0] = 0.0
    return (first, *below[1:])


def _moments(count: int, degree: int, cumulants: Cumulants) -> Array:
    """``<delta^d>`` of all monomials up to a degree: (monomials, order + 1)."""
    order = cumulants[0].shape[-1] - 1
    Y = [multiplier(v) for v in cumulants]
    moments = [np.eye(1, order + 1)]
    for d in range(1, degree + 1):
        value = np.zeros((number(count, d), order + 1))
        for b in range(1, min(d, len(Y)) + 1):
            value += convolve(count, d, b, Y[b - 1], moments[d - b])
        value[:, : (d + 1) // 2] = 0.0  # <delta^d> = O(eps^{ceil(d/2)})
        moments.append(value)
    return np.concatenate(moments)


def _contracted(
    count: int, order: int, terms: Mapping[tuple[int, int], Array], delta: Array
) -> Cumulants:
    """Moments of the means from those of delta, (.., monomials, order + 1).

    Each term's eps^j comes from its blocks.
    """
    means = []
    for k in range(1, order + 2):
        value = np.zeros((*delta.shape[:-2], number(count, k), order + 1))
        for j in range(k):
            term = terms[k, j]
            size = min(term.shape[-1], delta.shape[-2])
            value[..., j:] += term[:, :size] @ delta[..., :size, : order + 1 - j]
        means.append(value)
    return tuple(means)


def _logarithm(count: int, means: Cumulants) -> Cumulants:
    """``kappa(M) = mean(M) - sum_{first in S < M} kappa(S) mean(M - S)``."""
    found: list[Array] = []
    for k, mean in enumerate(means, start=1):
        value = mean.copy()
        for b in range(1, k):
            value -= convolve(count, k, b, multiplier(found[b - 1]), means[k - b - 1])
        value[:, : k - 1] = 0.0  # kappa_k = O(eps^{k-1}): what is lower cancels identically
        found.append(value)
    return tuple(found)


def _divided(
    count: int, means: Cumulants, changes: Cumulants, size: Callable[[Array], Array]
) -> Cumulants:
    """Changes of the cumulants from those of the moments: ``d log mu = d mu / mu``."""
    order = means[0].shape[-1] - 1
    inverse = [np.eye(1, order + 1)]  # sum_S mu(S) inverse(M - S) = 0
    for k in range(1, order + 1):
        value = np.zeros((number(count, k), order + 1))
        for b in range(1, k + 1):
            value -= convolve(count, k, b, multiplier(means[b - 1]), inverse[k - b], first=False)
        inverse.append(value)
    factors = [size(multiplier(v)) for v in inverse]
    found = []
    for k in range(1, order + 2):
        value = np.zeros_like(changes[k - 1])
        for b in range(1, k + 1):
            value += convolve(count, k, k - b, factors[k - b], changes[b - 1], first=False)
        value[..., : k - 1] = 0.0
        found.append(value)
    return tuple(found)
