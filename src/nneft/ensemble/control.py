"""Estimates with the leading fluctuations taken out: control variates whose mean is exactly zero.

Given layer ``l-1``, the noise ``e^(l) = G^(l) - F_l(G^(l-1))`` about the conditional mean ``F_l``
has mean zero, whatever came before. Carried on by any fixed matrices ``chi_l``,

    Z^(l) = chi_l Z^(l-1) + e^(l),                 <Z> = 0
    W^(l) = chi_l W^(l-1) chi_l^T + s^(l),         <Z Z^T - W> = 0

where ``s^(l)`` is the unbiased covariance of a mean over neurons, from the neurons themselves. So

    <G> = <G - Z>
    <(G-c)(G-c)^T> = <(G-c)(G-c)^T - Z Z^T + W>

hold for any ``chi`` and ``c``. With ``chi = dF/dG`` at the mean kernel Z is what fluctuates in G
at leading order in 1/n, and what is left is smaller by ``n^-1/2``: of order n times fewer networks.
The last layer is averaged exactly: ``G^(L) - Z^(L) = F_L(G^(L-1)) - chi_L Z^(L-1)``.

``F`` and ``chi`` are theory and are handed in: see :class:`Control`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft.conventions import pairs
from nneft.ensemble.accumulate import Moments
from nneft.ensemble.chain import preactivations
from nneft.ensemble.cumulants import CentralSums, jackknife_error
from nneft.ensemble.estimate import (
    Estimate,
    after_first_layer,
    covariance_estimate,
    mean_estimate,
)
from nneft.ensemble.numerics import check
from nneft.ensemble.ordered import in_order
from nneft.ensemble.places import dense_places, multisets
from nneft.ensemble.plan import Plan
from nneft.ensemble.sampling import checked, positive, threads
from nneft.network import Network

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Control:
    """What a theory knows of the chain of kernels.

    Parameters
    ----------
    mean : ``mean(l, G)``, l = 2..L: from kernels (B, N, N) of layer ``l-1`` to the conditional
        means ``<G^(l)>`` given them, (B, N, N): ``C_b + C_W <sigma_a sigma_b>_G``. Its errors are
        the estimates' errors: it must be exact to well below the standard error wanted.
    response : (L, P, P) ``chi_l = dF_l,A / dG_B`` over unordered pairs at some typical kernel,
        index 0 unused. Need not be exact: it decides the gain, not the mean.
    centre : (L, P) roughly ``<G>``, likewise.
    """

    mean: Callable[[int, Array], Array]
    response: Array
    centre: Array


@dataclass(frozen=True, eq=False)
class ReducedEnsemble:
    """``<G>`` and ``V_4`` with small errors, and how many networks that saved.

    Parameters
    ----------
    widths : ``n_0 .. n_L``.
    first_kernel : (N, N), not random.
    centre : (L, P) the ``c`` that squares were taken about.
    plain : moments of the kernels themselves.
    reduced : sums of ``G - Z`` and of ``(G-c)(G-c) - Z Z + W``, over pairs and pairs of pairs.
    """

    widths: tuple[int, ...]
    first_kernel: Array
    centre: Array
    plain: Moments
    reduced: CentralSums

    @property
    def networks(self) -> int:
        """Number of networks sampled."""
        return self.plain.count

    @property
    def kernel(self) -> Estimate:
        """``<G>``, (L, N, N); layer 1 is exact."""
        return self._estimate(self._mean, self.first_kernel, self._index(), "<G>")

    def V(self, points: int) -> Estimate:
        """``V_4 = n_{l-1} Cov(G_12, G_34)``, (L, N, N, N, N), unbiased; layer 1 is exactly 0.

        Parameters
        ----------
        points : 4.

        Raises
        ------
        ValueError
            for other points, or fewer than 3 networks.
        NumericsError
            where it overflows, naming the layer.
        """
        if points != 4:
            raise ValueError(f"V({points}) was asked for, but only V(4) is held with less noise")
        index = self._index()
        places = dense_places(self.plain.mean.shape[-1], 2)
        at = places[index[:, :, None, None], index]
        return self._estimate(self._v4, np.zeros(4 * (len(self.first_kernel),)), at, "V_4")

    @property
    def gain(self) -> tuple[Array, Array]:
        """How many times fewer networks give the error of ``<G>``, ``V_4``: layers 2..L only.

        (L-1, N, N) and (L-1, N, N, N, N). Infinite where no error is left, as for ``<G>`` at layer
        2, whose conditional mean is a constant; 1 where nothing fluctuates.
        """
        index = self._index()
        above = np.array(self.widths[1:-1], dtype=np.float64)[:, None, None]
        kernel = mean_estimate(self.plain).error[:, index]
        v4 = (covariance_estimate(self.plain) * above).error
        v4 = v4[:, index[:, :, None, None], index]
        return _gain(kernel, self.kernel.error[1:]), _gain(v4, self.V(4).error[1:])

    def merge(self, other: "ReducedEnsemble") -> "ReducedEnsemble":
        """All networks of both; of one call of :func:`sample_reduced`, or of different seeds."""
        for name in ("widths", "first_kernel", "centre"):
            if not np.array_equal(getattr(self, name), getattr(other, name)):
                raise ValueError(f"only ensembles of one network and control merge, {name} differs")
        return replace(
            self, plain=self.plain.merge(other.plain), reduced=self.reduced.merge(other.reduced)
        )

    def _mean(self, held: CentralSums) -> Array:
        size = self.plain.mean.shape[-1]
        return np.ldexp(held.mean[..., :size], held.exponent[:, None])

    def _v4(self, held: CentralSums) -> Array:
        size = self.plain.mean.shape[-1]
        unit = held.exponent[:, None]
        a, b = multisets(size, 2).T
        n = held.count[:, None, None].astype(np.float64)
        square = np.ldexp(held.mean[..., size:], unit)
        offset = np.ldexp(held.mean[..., :size], unit) - self.centre[1:]
        # Pairs of the first components, among all pairs: the square of a mean is too large by this.
        own = dense_places(held.mean.shape[-1], 2)[a, b]
        excess = np.ldexp(held.sums[0][..., own], 2 * unit) / (n * (n - 1))
        above = np.array(self.widths[1:-1], dtype=np.float64)[:, None]
        value: Array = above * (square - offset[..., a] * offset[..., b] + excess)
        return value

    def _estimate(
        self, of: Callable[[CentralSums], Array], first: Array, at: NDArray[np.intp], name: str
    ) -> Estimate:
        held = self.reduced
        if held.samples - int(held.count.max()) < 2:
            raise ValueError("an estimate with its error needs 3 networks or more")
        whole = of(held.pooled(np.zeros(1, dtype=np.intp)))[0]
        error = jackknife_error(whole, of(held.one_left_out()), held.count)
        return Estimate(
            after_first_layer(first, whole[:, at], name),
            after_first_layer(np.zeros_like(first), error[:, at], f"the error of {name}"),
            self.networks,
        )

    def _index(self) -> NDArray[np.intp]:
        index = np.empty(self.first_kernel.shape, dtype=np.intp)
        for position, (a, b) in enumerate(pairs(len(index))):
            index[a, b] = index[b, a] = position
        return index


def _gain(plain: Array, reduced: Array) -> Array:
    gain: Array = np.where(plain > 0.0, np.inf, 1.0)
    np.divide(plain, reduced, out=gain, where=reduced > 0.0)
    return gain**2


def sample_reduced(
    net: Network,
    inputs: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    networks: int,
    seed: int = 0,
    workers: int | None = None,
    control: Control,
) -> ReducedEnsemble:
    """Draw the networks of :func:`nneft.sample` and estimate with a control variate.

    Parameters
    ----------
    net, inputs, kernel, networks, seed, workers : as :func:`nneft.sample` takes them.
    control : conditional means and responses of this network; ``mean`` is called from the threads.

    Raises
    ------
    ValueError, TypeError, NumericsError
        as :func:`nneft.sample`; and for arrays of the wrong shape, or a hidden layer of one neuron.
    """
    wanted = positive("networks", networks)
    plan = checked(net, inputs, kernel, seed, "chain", "float64", None, 4)
    size = len(plan.kernel) * (len(plan.kernel) + 1) // 2
    shapes = (control.response.shape, control.centre.shape)
    if shapes != ((net.depth, size, size), (net.depth, size)):
        raise ValueError(
            f"control.response and control.centre must be of shapes {(net.depth, size, size)} and "
            f"{(net.depth, size)}, got {shapes[0]} and {shapes[1]}"
        )
    if min(plan.hidden, default=2) < 2:
        raise ValueError(f"hidden layers of 2 neurons or more were wanted, got {plan.hidden}")

    def block(start: int) -> ReducedEnsemble:
        many = min(plan.block, wanted - start)
        return reduced_block(plan, control, start // plan.block, many)

    blocks = in_order(block, range(0, wanted, plan.block), threads(plan, workers))
    return reduce(ReducedEnsemble.merge, blocks)


def reduced_block(plan: Plan, control: Control, block: int, networks: int) -> ReducedEnsemble:
    """The first networks of one block, from the random numbers that ``sample`` draws."""
    net, count = plan.network, len(plan.kernel)
    streams = [plan.stream(block, layer) for layer in range(1, net.depth)]
    a, b = np.triu_indices(count)
    size = len(a)
    A, B = multisets(size, 2).T
    kernels = np.empty((networks, net.depth - 1, size))
    reduced = np.empty((networks, net.depth - 1, size + len(A)))
    for first in range(0, networks, plan.together):
        now = slice(first, min(first + plan.together, networks))
        kernel = np.broadcast_to(plan.kernel, (now.stop - first, count, count))
        Z, W = np.zeros((len(kernel), size)), np.zeros((len(kernel), size, size))
        for at, (n, stream) in enumerate(zip(plan.hidden, streams, strict=True)):
            layer = at + 2
            noise = stream.standard_normal((len(kernel), count, n))
            expected = control.mean(layer, kernel)[:, a, b]
            with np.errstate(all="ignore"):
                signal = net.activation(preactivations(kernel, noise))
                G, s = _mean_over_neurons(signal, net.C_W[layer - 1], net.C_b[layer - 1])
            chi, deviation = control.response[layer - 1], G - control.centre[layer - 1]
            # Z^(l) = chi Z^(l-1) + e^(l),  W^(l) = chi W^(l-1) chi^T + s^(l)
            Z = Z @ chi.T + (G - expected)
            W = chi @ W @ chi.T + s
            kernels[now, at] = G
            reduced[now, at, :size] = G - Z
            reduced[now, at, size:] = (
                deviation[:, A] * deviation[:, B] - Z[:, A] * Z[:, B] + W[:, A, B]
            )
            kernel = np.empty((len(G), count, count))
            kernel[:, a, b] = kernel[:, b, a] = G
    check(kernels, plan, block)
    sums = CentralSums.of(reduced, 2)
    return ReducedEnsemble(net.widths, plan.kernel, control.centre, Moments.of(kernels), sums)


def _mean_over_neurons(signal: Array, C_W: float, C_b: float) -> tuple[Array, Array]:
    """G over pairs (B, P), BCCZ (3), and the unbiased covariance of that mean (B, P, P)."""
    n, (a, b) = signal.shape[-1], np.triu_indices(signal.shape[-2])
    terms = C_W * signal[:, a] * signal[:, b]
    mean = terms.mean(axis=-1)
    terms -= mean[..., None]
    # s = sum_j (y_j - mean)(y_j - mean)^T / (n (n-1))
    return mean + C_b, terms @ np.ascontiguousarray(np.swapaxes(terms, -1, -2)) / (n * (n - 1))
