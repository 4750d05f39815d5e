"""The chain of kernels: an ensemble of networks without weights.

Given layer ``l-1`` the neurons of layer ``l`` are independent Gaussians with covariance ``G^(l)``
(BCCZ 2-4), so ``G^(1) -> phi^(1) ~ N(0, G^(1))^{n_1} -> G^(2) -> ..`` has exactly the law of the
network with its weights drawn, for ``n N`` random numbers a layer instead of ``n^2``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from nneft.ensemble.plan import Array, Plan
from nneft.ensemble.root import square_root


def step(
    kernel: Any,
    noise: Any,
    activation: Callable[[Any], Any],
    *,
    C_W: float,
    C_b: float,
) -> Any:
    """``G^(l)`` drawn given ``G^(l-1)``, for many networks at once.

    Pure array-API code: it runs wherever its arrays live. ``noise`` is used up: where arrays can
    change, its values may be overwritten.

    Parameters
    ----------
    kernel : (B, N, N) ``G^(l-1)``, float64; B may be 1 where it is the same for all.
    noise : (B, N, n_{l-1}) standard normal numbers, in the precision to sample with.
    activation : sigma, elementwise.
    C_W, C_b : of layer ``l``.

    Returns
    -------
    (B, N, N) in the precision of ``kernel``.
    """
    xp = kernel.__array_namespace__()
    signal = xp.astype(activation(preactivations(kernel, noise)), kernel.dtype, copy=False)
    return mean_kernel(signal, C_W=C_W, C_b=C_b)


def mean_kernel(signal: Any, *, C_W: float, C_b: float) -> Any:
    """(B, N, N) ``G_ab = (1/n) sum_j [ C_b + C_W sigma_ja sigma_jb ]``, BCCZ (3)."""
    xp = signal.__array_namespace__()
    # Weighted first: NumPy hands x @ x.T to a routine that is slow for small matrices.
    weighted = signal * (C_W / signal.shape[-1])
    return xp.matmul(weighted, xp.matrix_transpose(signal)) + C_b


def preactivations(kernel: Any, noise: Any) -> Any:
    """(B, N, n): n independent draws of ``N(0, kernel)`` for every network; uses up ``noise``."""
    xp = kernel.__array_namespace__()
    root = xp.astype(square_root(kernel), noise.dtype, copy=False)
    if kernel.shape[-1] == 1:
        noise *= root
        return noise
    return xp.matmul(root, noise)


def chain_block(plan: Plan, block: int, networks: int) -> Array:
    """(networks, L-1, P): the kernels of layers 2..L of the first networks of a block."""
    net, count, together = plan.network, len(plan.kernel), min(plan.together, networks)
    streams = [plan.stream(block, layer) for layer in range(1, net.depth)]
    drawn = np.empty(together * count * max(plan.hidden, default=0), plan.dtype)
    upper = np.triu_indices(count)
    samples = np.empty((networks, net.depth - 1, len(upper[0])))
    for first in range(0, networks, together):
        size = min(together, networks - first)
        kernel = plan.kernel[None]
        for layer, (n, stream) in enumerate(zip(plan.hidden, streams), start=1):
            noise = drawn[: size * count * n].reshape(size, count, n)
            stream.standard_normal(out=noise, dtype=noise.dtype)
            kernel = step(
                kernel, noise, net.activation, C_W=float(net.C_W[layer]), C_b=float(net.C_b[layer])
            )
            samples[first : first + size, layer - 1] = kernel[:, upper[0], upper[1]]
    return samples
