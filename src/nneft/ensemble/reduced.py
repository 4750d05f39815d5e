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

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.chain import mean_kernel, preactivations
from nneft.ensemble.control import Control
from nneft.ensemble.cumulants import CentralSums
from nneft.ensemble.places import multisets
from nneft.ensemble.plan import Plan
from nneft.ensemble.reduction import Reduction

Array = NDArray[np.float64]


def reduced_block(plan: Plan, block: int, networks: int) -> tuple[Array, Reduction]:
    """The kernels (networks, L-1, P) that ``chain_block`` draws, bit by bit, and reduced sums."""
    net, control, count = plan.network, plan.control, len(plan.kernel)
    if control is None:
        raise ValueError("a plan with a control was wanted")
    streams = [plan.stream(block, layer) for layer in range(1, net.depth)]
    upper = np.triu_indices(count)
    size, held = len(upper[0]), 0 if plan.points < 4 else len(multisets(len(upper[0]), 2))
    samples = np.full((networks, net.depth - 1, size), np.nan)
    first, square, local = (np.zeros((networks, net.depth - 1, m)) for m in (size, held, held))
    exponent, chi = _units(control)
    for start in range(0, networks, plan.together):
        now = slice(start, min(start + plan.together, networks))
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
            z = _times(Z, chi[layer - 1])
            d = expected[:, upper[0], upper[1]] - control.centre[layer - 1]
            d = np.ldexp(d, -exponent[layer - 1])
            first[now, at] = d - z
            if held:
                square[now, at] = _products(d) - _products(z)
                local[now, at] = _spread(signal, np.ldexp(C_W, -exponent[layer - 1]))
            e = np.ldexp((kernel - expected)[:, upper[0], upper[1]], -exponent[layer - 1])
            # Z^(l) = chi_l Z^(l-1) + e^(l)
            Z = z + e
    second = _carried(square, local, chi) if held else None
    sums = CentralSums.of(first, 2)
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


def _products(d: Array) -> Array:
    """(B, M_2) ``d_A d_B``."""
    a, b = multisets(d.shape[-1], 2).T
    products: Array = np.take(d, a, axis=-1) * np.take(d, b, axis=-1)
    return products


def _spread(signal: Array, C_W: float) -> Array:
    """(B, M_2) ``s``, the unbiased covariance of the mean over neurons that G is, BCCZ (3)."""
    n, (a, b) = signal.shape[-1], np.triu_indices(signal.shape[-2])
    terms = np.take(signal * C_W, a, axis=1) * np.take(signal, b, axis=1)
    terms -= terms.mean(axis=-1, keepdims=True)
    A, B = multisets(len(a), 2).T
    # s = sum_j (y_j - mean)(y_j - mean)^T / (n (n-1))
    products = terms @ np.ascontiguousarray(np.swapaxes(terms, -1, -2))
    spread: Array = products[:, A, B] / (n * (n - 1))
    return spread


def _carried(square: Array, local: Array, chi: Array) -> CentralSums:
    """Sums of Q. W is linear in s, so that it need not be carried network by network."""
    size = chi.shape[-1]
    own, s = CentralSums.of(square, 1), CentralSums.of(local, 1)
    A, B = multisets(size, 2).T
    W = np.zeros((len(s.count), size, size))
    total = np.ldexp(own.mean, own.exponent[:, None])
    for at in range(total.shape[1]):
        # W^(l) = chi_l W^(l-1) chi_l^T + s^(l)
        W = chi[at + 1] @ W @ chi[at + 1].T
        added = np.ldexp(s.mean[:, at], s.exponent[at])
        W[:, A, B] += added
        W[:, B, A] = W[:, A, B]
        total[:, at] += W[:, A, B]
    exponent = np.frexp(np.abs(total).max(axis=(0, 2)))[1].astype(np.int64)
    return replace(own, exponent=exponent, mean=np.ldexp(total, -exponent[:, None]))
