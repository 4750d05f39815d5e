"""The estimators of BCCZ (A.35), (A.36): averages over the neurons of a layer, not over its kernel.

With ``g_ab = (1/n_l) sum_i phi_i(a) phi_i(b)`` of every network, they are

    <phi(1) phi(2)>  ~  mean of g_12                                              (A.35)
    V_4(1,2;3,4)     ~  (n_{l-1}/n_l^2) sum_ij <phi_i(1) phi_i(2) phi_j(3) phi_j(4)>_c   (A.36)
                     =  n_{l-1} [ cov(g_12, g_34) - (<g_13><g_24> + <g_14><g_23>) / n_l ]

where ``<.>`` averages over networks and the terms ``i = j`` are kept. With Wick's theorem given G,
``cov(g_12, g_34) = cov(G_12, G_34) + <G_13 G_24 + G_14 G_23> / n_l``, so that what (A.36) measures,
with many networks, is not ``V_4`` alone but ``V_4(12;34) + [V_4(13;24) + V_4(14;23)] / n_l``. The
averages subtracted are those of the same M networks, so that its mean is lower than that by

    (n_{l-1}/M) { cov(g_12, g_34) + [cov(g_13, g_24) + cov(g_14, g_23)] / n_l },

about ``M^-1/2`` of its error. And the neurons' own noise, of order one, is added to fluctuations of
order ``1/n``. :meth:`nneft.Ensemble.V` has none of the three: it is unbiased for ``V_4``.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nneft._version import __version__
from nneft.conventions import pairs
from nneft.ensemble.chain import preactivations
from nneft.ensemble.cumulants import CentralSums, jackknife_error
from nneft.ensemble.estimate import Estimate
from nneft.ensemble.numerics import check
from nneft.ensemble.ordered import in_order
from nneft.ensemble.plan import Plan
from nneft.ensemble.sampling import checked, positive, threads
from nneft.network import Network

if TYPE_CHECKING:
    import xarray

Array = NDArray[np.float64]
KIND = "neuron averages"


@dataclass(frozen=True, eq=False)
class NeuronEnsemble:
    """What BCCZ (A.35), (A.36) give for networks whose preactivations were looked at.

    Parameters
    ----------
    widths : ``n_0 .. n_L``.
    sums : of ``g`` of layers 1..L over unordered pairs of inputs.
    """

    widths: tuple[int, ...]
    sums: CentralSums

    @classmethod
    def of(cls, widths: Sequence[int], signals: Sequence[ArrayLike]) -> "NeuronEnsemble":
        """From preactivations, for every layer 1..L an array (networks, N, n_l).

        Raises
        ------
        ValueError
            if a layer is missing or of another width, or the layers differ in networks or inputs.
        """
        phi = [np.asarray(signal, dtype=np.float64) for signal in signals]
        first = phi[0].shape[:2] if phi and phi[0].ndim == 3 else ()
        if [p.shape for p in phi] != [(*first, n) for n in widths[1:]] or not first:
            raise ValueError(
                f"preactivations (networks, inputs, n_l) of widths {tuple(widths[1:])} were "
                f"wanted, got shapes {[p.shape for p in phi]}"
            )
        a, b = np.triu_indices(first[1])
        g = [(p @ np.swapaxes(p, -1, -2) / p.shape[-1])[:, a, b] for p in phi]
        return cls(tuple(widths), CentralSums.of(np.stack(g, axis=1), 2))

    @property
    def networks(self) -> int:
        """Number of networks."""
        return self.sums.samples

    @property
    def kernel(self) -> Estimate:
        """(L, N, N) ``<phi_i phi_i>``, averaged over neurons and networks (A.35)."""
        return self._estimate(lambda held: held.mean, 1)

    def V(self, points: int) -> Estimate:
        """(L, N, N, N, N) by (A.36), connected with the averages over networks themselves.

        Parameters
        ----------
        points : 4.

        Raises
        ------
        ValueError
            for other points, or one network alone.
        """
        if points != 4:
            raise ValueError(f"V({points}) was asked for, but (A.36) is V(4)")
        return self._estimate(self._four_points, 2)

    def merge(self, other: "NeuronEnsemble") -> "NeuronEnsemble":
        """All networks of both; the caller sees to it that they are different ones."""
        if self.widths != other.widths:
            raise ValueError(
                f"only ensembles of one network merge, but widths is {self.widths} and "
                f"{other.widths}"
            )
        return replace(self, sums=self.sums.merge(other.sums))

    def to_xarray(self) -> "xarray.Dataset":
        """Estimates over ``layer`` and inputs ``x1 .. x4`` with their errors, and what they are of.

        From one network alone, which has no errors, there are no estimates.
        """
        import xarray

        from nneft.ensemble.dataset import sums_variables

        variables: dict[str, Any] = sums_variables(self.sums, "sums", "group", "pair")
        if len(self.sums.count) > 1:
            for name, estimate in (("kernel", self.kernel), ("V_4", self.V(4))):
                dims = ("layer", "x1", "x2", "x3", "x4")[: estimate.mean.ndim]
                label = {"long_name": f"{name} by BCCZ {'(A.36)' if name == 'V_4' else '(A.35)'}"}
                variables[name] = (dims, estimate.mean, label)
                variables[f"error_{name}"] = (dims, estimate.error)
        attributes = {
            "kind": KIND,
            "nneft_version": __version__,
            "widths": json.dumps(self.widths),
            "networks": self.networks,
        }
        return xarray.Dataset(
            variables, coords={"layer": np.arange(1, len(self.widths))}, attrs=attributes
        )

    @classmethod
    def from_xarray(cls, dataset: "xarray.Dataset") -> "NeuronEnsemble":
        """What :meth:`to_xarray` wrote, to the last bit.

        Raises
        ------
        ValueError
            if the dataset is none of these.
        """
        from nneft.ensemble.dataset import sums_from

        kind = dataset.attrs.get("kind")
        if kind != KIND:
            raise ValueError(f"a dataset of kind {KIND!r} was wanted, got kind {kind!r}")
        raw = {str(name): np.array(value.values) for name, value in dataset.variables.items()}
        return cls(tuple(json.loads(dataset.attrs["widths"])), sums_from(raw, "sums"))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one netCDF file, all or nothing; :func:`nneft.load` reads it back.

        Raises
        ------
        ValueError
            if the path cannot be written; nothing is left behind.
        """
        from nneft.storage import save

        save(self.to_xarray(), os.fspath(path))

    def _four_points(self, held: CentralSums) -> Array:
        index = self._index()
        full = held.mean[..., index]
        square = held.sums[0] / held.count[:, None, None]
        places = np.empty((held.mean.shape[-1],) * 2, dtype=np.intp)
        a, b = np.triu_indices(len(places))
        places[a, b] = places[b, a] = np.arange(len(a))
        covariance = square[..., places[index[:, :, None, None], index]]
        wick = np.einsum("glac,glbd->glabcd", full, full)
        wick = wick + np.swapaxes(wick, -1, -2)
        above, here = (np.array(n, dtype=np.float64) for n in (self.widths[:-1], self.widths[1:]))
        axes = (slice(None), *(None,) * 4)
        value: Array = above[axes] * (covariance - wick / here[axes])
        return value

    def _estimate(self, of: Any, power: int) -> Estimate:
        if len(self.sums.count) < 2:
            raise ValueError("an estimate with its error needs 2 networks or more")
        whole = of(self.sums.pooled(np.zeros(1, dtype=np.intp)))[0]
        error = jackknife_error(whole, of(self.sums.one_left_out()), self.sums.count)
        if power == 1:
            whole, error = whole[:, self._index()], error[:, self._index()]
        unit = power * self.sums.exponent.reshape(-1, *(1,) * (whole.ndim - 1))
        return Estimate(np.ldexp(whole, unit), np.ldexp(error, unit), self.networks)

    def _index(self) -> NDArray[np.intp]:
        components = self.sums.mean.shape[-1]
        count = int((np.sqrt(8 * components + 1) - 1) / 2)
        index = np.empty((count, count), dtype=np.intp)
        for position, (a, b) in enumerate(pairs(count)):
            index[a, b] = index[b, a] = position
        return index


def sample_neurons(
    net: Network,
    inputs: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    networks: int,
    seed: int = 0,
    workers: int | None = None,
) -> NeuronEnsemble:
    """Draw networks and measure them as BCCZ do, by (A.35) and (A.36).

    Preactivations of all layers, the last included, are drawn given their kernels, which has
    exactly the law of networks with weights.

    Parameters
    ----------
    net, inputs, kernel, networks, seed, workers : as :func:`nneft.sample` takes them.

    Raises
    ------
    ValueError, TypeError, NumericsError
        as :func:`nneft.sample`.
    """
    wanted = positive("networks", networks)
    plan = checked(net, inputs, kernel, seed, "chain", "float64", None, 4)

    def block(start: int) -> NeuronEnsemble:
        return neurons_block(plan, start // plan.block, min(plan.block, wanted - start))

    blocks = in_order(block, range(0, wanted, plan.block), threads(plan, workers))
    return reduce(NeuronEnsemble.merge, blocks)


def neurons_block(plan: Plan, block: int, networks: int) -> NeuronEnsemble:
    """The first networks of one block."""
    net, count = plan.network, len(plan.kernel)
    streams = [plan.stream(block, layer) for layer in range(1, net.depth + 1)]
    a, b = np.triu_indices(count)
    g = np.empty((networks, net.depth, len(a)))
    kernels = np.empty((networks, net.depth, len(a)))
    for first in range(0, networks, plan.together):
        now = slice(first, min(first + plan.together, networks))
        kernel = np.broadcast_to(plan.kernel, (now.stop - first, count, count))
        for layer, (n, stream) in enumerate(zip(net.widths[1:], streams, strict=True)):
            kernels[now, layer] = kernel[:, a, b]
            phi = preactivations(kernel, stream.standard_normal((len(kernel), count, n)))
            g[now, layer] = (phi @ np.swapaxes(phi, -1, -2) / n)[:, a, b]
            if layer + 1 < net.depth:
                signal = net.activation(phi)
                weighted = signal * (net.C_W[layer + 1] / n)
                kernel = weighted @ np.swapaxes(signal, -1, -2) + net.C_b[layer + 1]
    check(kernels[:, 1:], plan, block)
    return NeuronEnsemble(net.widths, CentralSums.of(g, 2))
