"""The textbook ensemble: every weight and bias drawn. The honest check on the chain, and slow."""

import math

import numpy as np

from nneft.ensemble.plan import CHUNK, Array, Plan


def weights_block(plan: Plan, block: int, networks: int) -> Array:
    """(networks, L-1, P): the kernels of layers 2..L of the first networks of a block."""
    net, inputs = plan.network, plan.inputs
    if inputs is None:
        raise ValueError("method='weights' multiplies inputs by weights: give inputs, not a kernel")
    streams = [plan.stream(block, layer) for layer in range(1, net.depth)]
    upper = np.triu_indices(len(inputs))
    samples = np.empty((networks, net.depth - 1, len(upper[0])))
    together = min(plan.together, networks)
    for first in range(0, networks, together):
        size = min(together, networks - first)
        signal = np.broadcast_to(inputs.T, (size, *inputs.T.shape)).astype(plan.dtype)
        for layer, stream in enumerate(streams, start=1):
            incoming = _incoming(signal, float(net.C_W[layer - 1]), float(net.C_b[layer - 1]))
            signal = net.activation(_multiplied(stream, plan.hidden[layer - 1], incoming))
            # BCCZ (3), layer l+1: C_b + (C_W/n) sum_j s_ja s_jb is the square of what comes in.
            following = _incoming(signal, float(net.C_W[layer]), float(net.C_b[layer]))
            following = following.astype(np.float64, copy=False)
            kernel = np.matmul(np.swapaxes(following, -1, -2), following)
            samples[first : first + size, layer - 1] = kernel[:, upper[0], upper[1]]
    return samples


def _incoming(signal: Array, C_W: float, C_b: float) -> Array:
    """(B, n+1, N) what unit normal weights multiply: ``sqrt(C_W/n) s_j``, and ``sqrt(C_b)``.

    Scaling the signals instead of the weights, and taking the bias for one more weight, leaves
    nothing to do to the random numbers but to multiply them.
    """
    batch, n, count = signal.shape
    incoming = np.empty((batch, n + 1, count), signal.dtype)
    np.multiply(signal, math.sqrt(C_W / n), out=incoming[:, :n])
    incoming[:, n] = math.sqrt(C_b)
    return incoming


def _multiplied(stream: np.random.Generator, n: int, incoming: Array) -> Array:
    """(B, n, N) preactivations: unit normal weights, drawn a cache's worth at a time, times it."""
    batch, below, count = incoming.shape
    rows = min(n, max(1, CHUNK // below))
    group = min(batch, max(1, CHUNK // (below * n)))
    drawn = np.empty(group * rows * below, incoming.dtype)
    preactivations = np.empty((batch, n, count), incoming.dtype)
    for first in range(0, batch, group):
        some = slice(first, min(first + group, batch))
        for row in range(0, n, rows):
            out = preactivations[some, row : row + rows]
            size = len(out) * out.shape[1] * below
            weights = drawn[:size].reshape(len(out), out.shape[1], below)
            stream.standard_normal(out=weights, dtype=weights.dtype)
            out[...] = np.matmul(weights, incoming[some])
    return preactivations
