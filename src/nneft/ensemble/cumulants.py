"""Third and fourth cumulants of the kernel operator: mergeable sums, unbiased estimates, errors.

For the components ``x_A`` of one layer (A an unordered pair of inputs), groups of samples are held
by count, mean and the central sums ``S_AB = sum d_A d_B``, ``S_ABC``, ``S_ABCD``, ``d = x - mean``,
distinct components only. Groups are pooled about their common mean, so that an offset costs no
digits and no sum of raw powers is ever formed. A bounded number of groups is kept, all of about the
same size: leaving each out in turn gives the standard error of whatever is computed from all.
"""

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.accumulate import common_unit
from nneft.ensemble.estimate import Estimate
from nneft.ensemble.places import Places, multisets, rank, without

Array = NDArray[np.float64]
Exponents = NDArray[np.int64]
Counts = NDArray[np.int64]

#: Groups that one block of samples is cut into.
PIECES = 32
#: Groups kept at most; when there are more, neighbours are pooled into groups twice as large.
GROUPS = 128


@dataclass(frozen=True, eq=False)
class CentralSums:
    """Central sums of several groups of samples of shape ``(L, P)``.

    Parameters
    ----------
    exponent : (L,) the unit of each layer is ``2**exponent``; everything below is in that unit.
    count : (G,) samples in each group.
    mean : (G, L, P) mean of each group.
    sums : for k = 2, 3, .. the (G, L, M_k) sums of products of k deviations from the group's mean,
        over the multisets of k components in the order of :func:`nneft.ensemble.places.multisets`.
    size : samples to which a group is filled up before the next begins.
    """

    exponent: Exponents
    count: Counts
    mean: Array
    sums: tuple[Array, ...]
    size: int

    @classmethod
    def of(cls, samples: Array, order: int) -> "CentralSums":
        """Of ``samples`` (count, L, P), cut into ``PIECES`` groups; k = 2 .. ``order`` (1 to 4)."""
        count = len(samples)
        size = group_size(count)
        full = count // size * size
        exponent = np.frexp(np.abs(samples).max(axis=(0, 2), initial=0.0))[1].astype(np.int64)
        parts = [samples[:full].reshape(full // size, size, *samples.shape[1:])]
        if full < count:
            parts.append(samples[None, full:])
        found = [_group(part, exponent, order) for part in parts]
        counts = [part.shape[1] for part in parts for _ in part]
        return cls(
            exponent,
            np.array(counts, dtype=np.int64),
            np.concatenate([mean for mean, _ in found]),
            tuple(np.concatenate(of_k) for of_k in zip(*(sums for _, sums in found), strict=True)),
            size,
        )

    @property
    def order(self) -> int:
        """The largest k whose sums are held; 1 where there are means alone."""
        return len(self.sums) + 1

    @property
    def samples(self) -> int:
        """Number of samples in all groups."""
        return int(self.count.sum())

    def merge(self, other: "CentralSums") -> "CentralSums":
        """The groups of both, pooled where there are too many or where one is not filled up."""
        if self.mean.shape[1:] != other.mean.shape[1:] or self.order != other.order:
            raise ValueError(
                f"sums of one kind were wanted, got components {self.mean.shape[1:]} and "
                f"{other.mean.shape[1:]}, orders {self.order} and {other.order}"
            )
        unit = common_unit(self.exponent, self.mean, other.exponent, other.mean)
        self, other = self.in_units(unit), other.in_units(unit)
        size = max(self.size, other.size)
        joined = replace(
            self,
            count=np.concatenate([self.count, other.count]),
            mean=np.concatenate([self.mean, other.mean]),
            sums=tuple(map(np.concatenate, zip(self.sums, other.sums, strict=True))),
        )
        starts = _starts(joined.count, size)
        while len(starts) > GROUPS:
            size *= 2
            starts = _starts(joined.count, size)
        return replace(joined.pooled(starts), size=size)

    def pooled(self, starts: Places) -> "CentralSums":
        """Neighbouring groups together, each run beginning at one of ``starts``."""
        if len(starts) == len(self.count):
            return self
        runs = np.diff(np.append(starts, len(self.count)))
        together = np.repeat(runs > 1, runs)
        mean, sums = self.mean[starts], [s[starts] for s in self.sums]
        pooled = self._only(together)._pooled(runs[runs > 1])
        mean[runs > 1] = pooled.mean
        for whole, part in zip(sums, pooled.sums, strict=True):
            whole[runs > 1] = part
        count = np.add.reduceat(self.count, starts)
        return replace(self, count=count, mean=mean, sums=tuple(sums))

    def _pooled(self, runs: Places) -> "CentralSums":
        """As many neighbouring groups together as ``runs`` says, 2 or more each."""
        starts = np.concatenate([[0], np.cumsum(runs)[:-1]])
        first = np.repeat(self.mean[starts], runs, axis=0)
        weight = self.count[:, None, None]
        total = np.add.reduceat(self.count, starts)
        # mean = mean_first + sum_g n_g (mean_g - mean_first) / n: small differences only.
        moved = np.add.reduceat(weight * (self.mean - first), starts) / total[:, None, None]
        mean = self.mean[starts] + moved
        about = self._about(np.repeat(mean, runs, axis=0))
        sums = tuple(np.add.reduceat(s, starts) for s in about)
        return replace(self, count=total, mean=mean, sums=sums)

    def _only(self, groups: NDArray[np.bool_]) -> "CentralSums":
        sums = tuple(s[groups] for s in self.sums)
        return replace(self, count=self.count[groups], mean=self.mean[groups], sums=sums)

    def in_units(self, exponent: Exponents) -> "CentralSums":
        """The same sums in the units ``2**exponent``; exact."""
        change = (self.exponent - exponent)[:, None]
        if not change.any():
            return self
        sums = tuple(np.ldexp(s, k * change) for k, s in enumerate(self.sums, start=2))
        mean = np.ldexp(self.mean, change)
        return replace(self, exponent=exponent, mean=mean, sums=sums)

    def of_components(self, components: Places) -> "CentralSums":
        """The sums of the components named alone, in ascending order."""
        count = self.mean.shape[-1]
        sums = tuple(
            s[..., rank(components[multisets(len(components), k)], count)]
            for k, s in enumerate(self.sums, start=2)
        )
        return replace(self, mean=self.mean[..., components], sums=sums)

    def of_layer(self, index: int) -> "CentralSums":
        """The sums of one layer alone."""
        at = slice(index, index + 1)
        sums = tuple(s[:, at] for s in self.sums)
        return replace(self, exponent=self.exponent[at], mean=self.mean[:, at], sums=sums)

    def one_left_out(self) -> "CentralSums":
        """For every group, the sums over all the others."""
        total = self.pooled(np.zeros(1, dtype=np.intp))
        count = self.samples - self.count
        n = count[:, None, None]
        shift = -(self.count[:, None, None] * (self.mean - total.mean)) / n
        about = [
            all_of - own for all_of, own in zip(total.sums, self._about(total.mean), strict=True)
        ]
        sums: list[Array] = []
        for k, s in enumerate(about, start=2):
            sums.append(s - _moved(k, sums, n, shift))
        return replace(self, count=count, mean=total.mean + shift, sums=tuple(sums))

    def _about(self, centre: Array) -> list[Array]:
        """The same sums with deviations from ``centre``, not from each group's mean."""
        shift, n = self.mean - centre, self.count[:, None, None]
        return [s + _moved(k, self.sums, n, shift) for k, s in enumerate(self.sums, start=2)]


def group_size(count: int) -> int:
    """Samples in each of the groups that ``count`` of them are cut into; the last may be short."""
    return -(-count // PIECES)


def _group(samples: Array, exponent: Exponents, order: int) -> tuple[Array, tuple[Array, ...]]:
    """Means and central sums of groups (G, size, L, P) of one size."""
    mean = samples.mean(axis=1)
    deviation = samples - mean[:, None]
    # The mean rounds; what it missed is the mean of the deviations.
    missed = deviation.mean(axis=1)
    deviation = np.ldexp(np.moveaxis(deviation - missed[:, None], 1, -1), -exponent[:, None, None])
    mean = np.ldexp(mean + missed, -exponent[:, None])
    if order == 1:
        return mean, ()
    a, b = multisets(samples.shape[-1], 2).T
    if order == 2:
        transposed = np.ascontiguousarray(np.swapaxes(deviation, -1, -2))
        return mean, ((deviation @ transposed)[..., a, b],)
    products = deviation[..., a, :] * deviation[..., b, :]
    sums = [products.sum(axis=-1)]
    for k, factors in ((3, deviation), (4, products))[: order - 2]:
        # S_ABC = sum (d_A d_B) d_C,  S_ABCD = sum (d_A d_B)(d_C d_D)
        sets = multisets(samples.shape[-1], k)
        left = rank(sets[:, :2], samples.shape[-1])
        right = rank(sets[:, 2:], samples.shape[-1])
        transposed = np.ascontiguousarray(np.swapaxes(factors, -1, -2))
        sums.append((products @ transposed)[..., left, right])
    return mean, tuple(sums)


def _moved(k: int, central: "tuple[Array, ...] | list[Array]", n: Counts, h: Array) -> Array:
    """What the sums of k deviations gain when every ``d_A`` becomes ``d_A + h_A``.

    Where ``sum d = 0``, with sums over the distinct choices of indices::

        S_AB   += n h_A h_B
        S_ABC  += h_A S_BC (3 terms)  + n h_A h_B h_C
        S_ABCD += h_A S_BCD (4 terms) + h_A h_B S_CD (6 terms) + n h_A h_B h_C h_D
    """
    gained: Array = n * np.prod(h[..., multisets(h.shape[-1], k)], axis=-1)
    for taken in range(1, k - 1):
        entries, rest = without(h.shape[-1], k, taken)
        for way in range(rest.shape[1]):
            factor = np.prod(h[..., entries[:, way]], axis=-1)
            gained = gained + factor * central[k - taken - 2][..., rest[:, way]]
    return gained


def _starts(count: Counts, size: int) -> Places:
    """Where runs of neighbours begin that hold ``size`` samples or more, all but the last."""
    starts, held = [0], 0
    for group, samples in enumerate(count.tolist()):
        if held >= size:
            starts.append(group)
            held = 0
        held += samples
    return np.array(starts, dtype=np.intp)


def k_statistic(k: int, held: CentralSums) -> Array:
    """(G, L, M_k) the unbiased estimate of the joint cumulant ``kappa_k`` from every group alone.

    Fisher's k-statistics of several variables (Kendall and Stuart, The Advanced Theory of
    Statistics, vol. 1, ch. 13), in the units of ``held``; k = 2, 3, 4, from k samples or more.
    """
    n = held.count[:, None, None].astype(np.float64)
    if k == 2:
        return held.sums[0] / (n - 1)
    if k == 3:
        # k_ABC = n S_ABC / ((n-1)(n-2))
        third: Array = held.sums[1] * (n / ((n - 1) * (n - 2)))
        return third
    # k_ABCD = n/((n-1)(n-2)(n-3)) [ (n+1) S_ABCD - (n-1)/n (S_AB S_CD + S_AC S_BD + S_AD S_BC) ]
    components = held.mean.shape[-1]
    sets, square = multisets(components, 4), held.sums[0]
    products = sum(
        square[..., rank(sets[:, left], components)] * square[..., rank(sets[:, right], components)]
        for left, right in (([0, 1], [2, 3]), ([0, 2], [1, 3]), ([0, 3], [1, 2]))
    )
    fourth: Array = (n / ((n - 1) * (n - 2) * (n - 3))) * (
        (n + 1) * held.sums[2] - (n - 1) / n * products
    )
    return fourth


def cumulant_estimate(held: CentralSums, k: int) -> Estimate:
    """(L, M_k) ``kappa_k`` and its standard error, unbiased.

    The error is found by leaving out one group at a time, but is no less than for a normal law of
    the same covariances: few samples do not show the tails that make it larger.

    Raises
    ------
    ValueError
        where fewer than k samples are left when a group is left out.
    """
    least = held.samples - int(held.count.max())
    if least < k:
        raise ValueError(
            f"kappa_{k} with its error needs {k + 1} networks or more, this ensemble has "
            f"{held.samples}"
        )
    pooled = held.pooled(np.zeros(1, dtype=np.intp))
    whole = k_statistic(k, pooled)[0]
    error = jackknife_error(whole, k_statistic(k, held.one_left_out()), held.count)
    error = np.maximum(error, np.sqrt(normal_variance(k, pooled)))
    unit = k * held.exponent[:, None]
    return Estimate(np.ldexp(whole, unit), np.ldexp(error, unit), held.samples)


def normal_variance(k: int, held: CentralSums) -> Array:
    """(L, M_k) the variance that :func:`k_statistic` has where samples are normal; one group.

    A factor times the sum over permutations p of ``prod_i S_{A_i A_p(i)}``, S the covariances. For
    one component ``6 n S^3 / ((n-1)(n-2))``, ``24 n (n+1) S^4 / ((n-1)(n-2)(n-3))`` (Kendall and
    Stuart, vol. 1, ch. 12).
    """
    n, components = float(held.count[0]), held.mean.shape[-1]
    factor = {2: 1 / (n - 1), 3: n / ((n - 1) * (n - 2))}.get(k)
    if factor is None:
        factor = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3))
    covariance = held.sums[0][0] / (n - 1)
    sets = multisets(components, k)
    total = np.zeros((len(covariance), len(sets)))
    for order in permutations(range(k)):
        product = np.full_like(total, factor)
        for i, j in enumerate(order):
            product *= covariance[:, rank(sets[:, [i, j]], components)]
        total += product
    # A sum of squares, which rounding may say is not.
    return np.maximum(total, 0.0)


def jackknife_error(whole: Array, left_out: Array, count: Counts) -> Array:
    """Standard error of ``whole`` from its values with each of G groups left out.

    For groups of unequal sizes (Busing, Meijer and van der Leeden 1999, Statistics and Computing 9,
    eq. 5): ``var = (1/G) sum_g (theta~_g - theta_J)^2 / (h_g - 1)``, ``h_g = n / n_g``,
    ``theta~_g = h_g theta - (h_g - 1) theta_(g)``,
    ``theta_J = G theta - sum_g (1 - 1/h_g) theta_(g)``.
    """
    groups = len(count)
    h = (count.sum() / count).reshape(-1, *(1,) * whole.ndim)
    # Differences from the whole: theta~_g - theta_J without the cancellation of G theta.
    change = left_out - whole
    own = -(h - 1) * change
    together = -((1 - 1 / h) * change).sum(axis=0)
    variance = ((own - together) ** 2 / (h - 1)).sum(axis=0) / groups
    error: Array = np.sqrt(variance)
    return error
