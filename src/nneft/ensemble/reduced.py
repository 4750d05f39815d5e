"""Blocks of chains whose leading fluctuations are known: controls whose mean is exactly zero.

Given layer ``l-1``, the noise ``e^(l) = G^(l) - F_l(G^(l-1))`` about the conditional mean ``F_l``
has mean zero, whatever came before. Carried on by any fixed matrices ``chi_l``,

    Z^(l) = chi_l Z^(l-1) + e^(l),                 <Z> = 0
    W^(l) = chi_l W^(l-1) chi_l^T + s^(l),         <Z Z^T - W> = 0

where ``s^(l)`` is the unbiased covariance of a mean over neurons, from the neurons themselves. The
last step of each is averaged exactly: with ``z = chi_l Z^(l-1)``, the average of z without its own
noise, and d = F_l - c,

    <G>               = c + <H>,   H = d - z
    <(G-c)(G-c)^T>    = <Q>,       Q = d d^T - z z^T + chi_l W^(l-1) chi_l^T + s^(l)

hold for any ``chi`` and ``c``. With ``chi = dF/dG`` at the mean kernel z is what fluctuates in d at
leading order in 1/n, and what is left is smaller by ``n^-1/2``: of order n times fewer networks.

``F`` and ``chi`` are theory and are handed in: :class:`nneft.ensemble.control.Control`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.chain import mean_kernel, preactivations
from nneft.ensemble.control import Control
from nneft.ensemble.cumulants import PIECES, CentralSums, group_size
from nneft.ensemble.places import multisets
from nneft.ensemble.plan import Plan
from nneft.ensemble.reduction import Reduction

Array = NDArray[np.float64]

#: Products of activations held at once, few enough for caches.
CACHED = 2**16


def reduced_block(plan: Plan, block: int, networks: int) -> tuple[Array, Reduction]:
    """The kernels (networks, L-1, P) that ``chain_block`` draws, bit by bit, and reduced sums."""
    net, control, count = plan.network, plan.control, len(plan.kernel)
    if control is None:
        raise ValueError("a plan with a control was wanted")
    streams = [plan.stream(block, layer) for layer in range(1, net.depth)]
    upper = np.triu_indices(count)
    size, group = len(upper[0]), group_size(networks)
    samples = np.full((networks, net.depth - 1, size), np.nan)
    first = np.zeros((networks, net.depth - 1, size))
    squares = _Squares.empty(net.depth - 1, size, group) if plan.points >= 4 else None
    exponent, chi = _units(control)
    # Whole groups at a time: their sums are made in one order, whatever else is carried along.
    rows = max(1, plan.together // group) * group
    for start in range(0, networks, rows):
        now = slice(start, min(start + rows, networks))
        kernel, Z = plan.kernel[None], np.zeros((now.stop - now.start, size))
        for at, (n, stream) in enumerate(zip(plan.hidden, streams, strict=True)):
            layer = at + 2
            noise = stream.standard_normal((len(Z), count, n))
            signal = net.activation(preactivations(kernel, noise))
            C_W, C_b = float(net.C_W[layer - 1]), float(net.C_b[layer - 1])
            expected = control.mean(layer, kernel)
            kernel = mean_kernel(signal, C_W=C_W, C_b=C_b)
            samples[now, at] = kernel[:, upper[0], upper[1]]
            if not np.isfinite(samples[now, at]).all():
                break  # told by layer where the block is checked
            unit = -exponent[layer - 1]
            z = _times(Z, chi[layer - 1])
            d = expected[:, upper[0], upper[1]] - control.centre[layer - 1]
            d = np.broadcast_to(np.ldexp(d, unit), z.shape)
            first[now, at] = d - z
            if squares is not None:
                squares.add(start, at, d, z, _spread(signal, np.ldexp(C_W, unit)))
            # Z^(l) = chi_l Z^(l-1) + e^(l)
            Z = z + np.ldexp((kernel - expected)[:, upper[0], upper[1]], unit)
    sums = CentralSums.of(first, 2)
    second = None if squares is None else squares.carried(chi, sums)
    return samples, Reduction(control.centre, exponent, sums, second, control.accuracy)


def _units(control: Control) -> tuple[NDArray[np.int64], Array]:
    """Powers of two near the kernel of each layer (L,), and the responses in these units."""
    exponent = np.frexp(np.abs(control.centre).max(axis=1))[1].astype(np.int64)
    below = np.concatenate([exponent[:1], exponent[:-1]])
    return exponent, np.ldexp(control.response, (below - exponent)[:, None, None])


def _times(Z: Array, chi: Array) -> Array:
    """``chi Z`` for every network, in an order of sums that knows nothing of the others."""
    product: Array = np.matmul(chi, Z[:, :, None])[..., 0]
    return product


def _spread(signal: Array, C_W: float) -> Array:
    """(B, P, P) ``s``, the unbiased covariance of the mean over neurons that G is, BCCZ (3)."""
    n, (a, b) = signal.shape[-1], np.triu_indices(signal.shape[-2])
    spread = np.empty((len(signal), len(a), len(a)))
    rows = max(1, CACHED // (len(a) * n))
    for start in range(0, len(signal), rows):
        some = signal[start : start + rows]
        terms: Array = np.take(some * C_W, a, axis=1) * np.take(some, b, axis=1)
        terms -= terms.mean(axis=-1, keepdims=True)
        # s = sum_j (y_j - mean)(y_j - mean)^T / (n (n-1))
        transposed = np.ascontiguousarray(np.swapaxes(terms, -1, -2))
        np.matmul(terms, transposed, out=spread[start : start + rows])
    spread /= n * (n - 1)
    return spread


@dataclass(frozen=True, eq=False)
class _Squares:
    """Means by group of ``d d^T - z z^T`` and of s: (PIECES, L-1, P, P) each."""

    group: int
    square: Array
    local: Array

    @classmethod
    def empty(cls, layers: int, size: int, group: int) -> "_Squares":
        square, local = (np.zeros((PIECES, layers, size, size)) for _ in range(2))
        return cls(group, square, local)

    def add(self, start: int, at: int, d: Array, z: Array, s: Array) -> None:
        """The networks from ``start`` on, the first of a group, at one layer."""
        for first in range(0, len(d), self.group):
            some, place = slice(first, first + self.group), (start + first) // self.group
            mine, theirs = np.ascontiguousarray(d[some]), np.ascontiguousarray(z[some])
            self.square[place, at] = (mine.T @ mine - theirs.T @ theirs) / len(mine)
            self.local[place, at] = s[some].mean(axis=0)

    def carried(self, chi: Array, groups: CentralSums) -> CentralSums:
        """Means of Q. W is linear in s, so that it need not be carried network by network."""
        count = len(groups.count)
        total, W = self.square[:count].copy(), np.zeros_like(self.local[:count, 0])
        for at in range(total.shape[1]):
            # W^(l) = chi_l W^(l-1) chi_l^T + s^(l)
            W = chi[at + 1] @ W @ chi[at + 1].T + self.local[:count, at]
            total[:, at] += W
        a, b = multisets(total.shape[-1], 2).T
        means = total[..., a, b]
        exponent = np.frexp(np.abs(means).max(axis=(0, 2)))[1].astype(np.int64)
        return CentralSums(
            exponent, groups.count, np.ldexp(means, -exponent[:, None]), (), groups.size
        )
