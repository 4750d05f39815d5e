"""The chain of kernels on JAX arrays: the same step, compiled, with counted random numbers.

The normal number that neuron ``j`` of network ``g`` (counted through the whole ensemble) has for
input ``a`` in layer ``l`` is a function of ``(seed, l, c)`` alone, ``c = (g N + a) n + j`` being a
64-bit counter: Threefry-2x32 with 20 rounds (Salmon et al. 2011) enciphers ``c`` under a key of
the seed and the layer, and the inverse error function makes a normal number of it. No two are ever
the same cipher, and blocks need no streams of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import groupby
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.random import threefry2x32_p

from nneft.ensemble.chain import step
from nneft.ensemble.plan import Array, Plan

#: What a failing device raises.
DeviceError = jax.errors.JaxRuntimeError

#: On GPUs: sums in one order, products by one algorithm, whatever else runs there.
SAME_BITS: dict[str, Any] = {"xla_gpu_deterministic_ops": True, "xla_gpu_autotune_level": 0}

#: Threefry-2x32-20: (key, key, counter's high word, low word) -> two words of 32 bits.
threefry: Callable[..., Any] = threefry2x32_p.bind
_compiling = Lock()


def device() -> Any:
    """The device that arrays are made on."""
    return next(iter(jnp.zeros(()).devices()))


def kernels(plan: Plan, first: int, networks: int) -> Array:
    """(networks, L-1, P): the kernels of networks ``first .. first + networks - 1``.

    They go through the layers in groups of one size, so that all are computed by one program; the
    rest of the last group is thrown away.
    """
    keys, size = layer_keys(plan), plan.together
    # 64 bits for these arrays and this program, not for whatever else the process does with JAX.
    with jax.enable_x64(True):
        with _compiling:
            program = _program(plan)
        starts = range(first, first + networks, size)
        groups = [program(plan.kernel, keys, np.uint64(start)) for start in starts]
        found = [np.asarray(group, dtype=np.float64) for group in groups]
    return np.concatenate(found)[:networks]


def layer_keys(plan: Plan) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """(L-1, 2) the key of each layer, from every bit of the seed."""
    sequences = [
        np.random.SeedSequence(plan.seed, spawn_key=(layer,))
        for layer in range(1, plan.network.depth)
    ]
    words = [sequence.generate_state(2, np.uint32) for sequence in sequences]
    return np.array(words, dtype=np.uint32).reshape(-1, 2)


@lru_cache(maxsize=8)
def _program(plan: Plan) -> Callable[..., Any]:
    """The compiled ``(kernel, keys, number of the first network) -> (size, L-1, P)``."""
    net, size = plan.network, plan.together
    upper = np.triu_indices(len(plan.kernel))
    # Neighbouring layers of one width are one loop, so that depth costs no time to compile.
    layers = [(n, layer) for layer, n in enumerate(plan.hidden, start=1)]
    runs = [(n, [layer for _, layer in some]) for n, some in groupby(layers, key=lambda at: at[0])]
    C_W, C_b = net.C_W, net.C_b

    def chain(kernel: Any, keys: Any, first: Any) -> Any:
        network = first + jnp.arange(size, dtype=jnp.uint64)
        kernel = jnp.broadcast_to(kernel, (size, *kernel.shape))
        found = []
        for n, layers in runs:

            def one(kernel: Any, of_layer: Any, n: int = n) -> tuple[Any, Any]:
                key, weight, bias = of_layer
                noise = normals(key, network, len(plan.kernel), n, plan.dtype)
                kernel = step(kernel, noise, net.activation, C_W=weight, C_b=bias)
                return kernel, kernel[:, upper[0], upper[1]]

            index = np.array(layers)
            kernel, drawn = jax.lax.scan(one, kernel, (keys[index - 1], C_W[index], C_b[index]))
            found.append(drawn)
        return jnp.moveaxis(jnp.concatenate(found), 0, 1)

    # Products in full: no TF32 on NVIDIA.
    with jax.default_matmul_precision("highest"):
        lowered = jax.jit(chain).lower(plan.kernel, layer_keys(plan), np.uint64(0))
        return lowered.compile(SAME_BITS)


def normals(key: Any, network: Any, count: int, n: int, dtype: str) -> Any:
    """(B, N, n) standard normal numbers of the networks (B,), each by its own counter."""
    # Two numbers of float32 from one counter: of neuron j, and of neuron j + ceil(n/2).
    each = n if dtype == "float64" else -(-n // 2)
    within = jnp.arange(count * each, dtype=jnp.uint64).reshape(count, each)
    counter = network[:, None, None] * (count * each) + within
    high, low = (counter >> 32).astype(jnp.uint32), counter.astype(jnp.uint32)
    keys = (jnp.broadcast_to(word, low.shape) for word in key)
    x, y = threefry(*keys, high, low)
    if dtype == "float64":
        odd = (x.astype(jnp.int64) << 21) | (y.astype(jnp.int64) >> 11) | 1
        uniform = (odd - 2**52) * 2.0**-52
    else:
        words = jnp.concatenate([x, y], axis=-1)[..., :n]
        odd = (words >> 8).astype(jnp.int32) | 1
        uniform = (odd - 2**23).astype(jnp.float32) * np.float32(2.0**-23)
    # z = sqrt(2) erf^-1(u), u odd multiples of 2^-52 (2^-23) in (-1, 1): |z| < 8.2 (5.42)
    return jax.lax.erf_inv(uniform) * np.sqrt(2.0).astype(dtype)
