"""The chain of kernels on JAX arrays: the same step, compiled, with counted random numbers.

The normal number that neuron ``j`` of network ``g`` (counted through the whole ensemble) has for
input ``a`` in layer ``l`` is a function of ``(seed, l, c)`` alone, ``c = (g N + a) n + j`` being a
64-bit counter: Threefry-2x32 with 20 rounds (Salmon et al. 2011) enciphers ``c`` under a key of
the seed and the layer, and the inverse error function makes a normal number of it. No two are ever
the same cipher, and blocks need no streams of their own.
"""

from __future__ import annotations

from collections.abc import Callable
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
#: Programs kept for the next block or call, and who may add to them.
PROGRAMS = 8
_programs: dict[Any, Callable[..., Any]] = {}
_compiling = Lock()


def device() -> Any:
    """The device that arrays are made on."""
    return next(iter(jnp.zeros(()).devices()))


def kernels(plan: Plan, first: int, networks: int) -> Array:
    """(networks, L-1, P): the kernels of networks ``first .. first + networks - 1``.

    They go through the layers in groups of one size, so that all are computed by one program; the
    rest of the last group is thrown away.
    """
    if not plan.hidden:
        count = len(plan.kernel)
        return np.empty((networks, 0, count * (count + 1) // 2))
    C_W, C_b = (np.array(values[1:]) for values in (plan.network.C_W, plan.network.C_b))
    keys, size = layer_keys(plan), group(plan)
    # 64 bits for these arrays and this program, not for whatever else the process does with JAX.
    with jax.enable_x64(True):
        program = _compiled(plan)
        starts = range(first, first + networks, size)
        groups = [program(plan.kernel, keys, C_W, C_b, np.uint64(start)) for start in starts]
        found = [np.asarray(group, dtype=np.float64) for group in groups]
    return np.concatenate(found)[:networks]


def group(plan: Plan) -> int:
    """Networks that go through the layers together."""
    return min(plan.together, plan.block)


def layer_keys(plan: Plan) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """(L-1, 2) the key of each layer, from every bit of the seed."""
    sequences = [
        np.random.SeedSequence(plan.seed, spawn_key=(layer,))
        for layer in range(1, plan.network.depth)
    ]
    words = [sequence.generate_state(2, np.uint32) for sequence in sequences]
    return np.array(words, dtype=np.uint32).reshape(-1, 2)


def _compiled(plan: Plan) -> Callable[..., Any]:
    """The program of this plan and of all that differ in numbers alone."""
    activation = plan.network.activation
    of = activation if activation.is_callable else activation.name
    key = (of, plan.hidden, len(plan.kernel), plan.dtype, group(plan), device())
    with _compiling:
        if key not in _programs:
            while len(_programs) >= PROGRAMS:
                del _programs[next(iter(_programs))]
            _programs[key] = _lowered(plan).compile(SAME_BITS)
        return _programs[key]


def _lowered(plan: Plan) -> Any:
    try:
        return lowered_program(plan)
    except TypeError as error:
        activation = plan.network.activation
        if not activation.is_callable:
            raise
        raise ValueError(
            f"JAX cannot compute the activation {activation.name!r} as it is written "
            f"({str(error).splitlines()[0]}): write it with operators and jax.numpy, or as an "
            "expression in x, or sample with NumPy"
        ) from error


def lowered_program(plan: Plan) -> Any:
    """``(kernel, keys, C_W, C_b, number of the first network) -> (size, L-1, P)``, not compiled.

    Keys, ``C_W`` and ``C_b`` (L-1, ..) are those of layers 1..L-1, 2..L and 2..L.
    """
    size = group(plan)
    upper = np.triu_indices(len(plan.kernel))
    # Neighbouring layers of one width are one loop, so that depth costs no time to compile.
    stretches = [(n, len(list(some))) for n, some in groupby(plan.hidden)]

    def chain(kernel: Any, keys: Any, C_W: Any, C_b: Any, first: Any) -> Any:
        network = first + jnp.arange(size, dtype=jnp.uint64)
        kernel = jnp.broadcast_to(kernel, (size, *kernel.shape))
        found, done = [], 0
        for n, length in stretches:

            def one(kernel: Any, of_layer: Any, n: int = n) -> tuple[Any, Any]:
                key, C_W, C_b = of_layer
                noise = normals(key, network, len(plan.kernel), n, plan.dtype)
                kernel = step(kernel, noise, plan.network.activation, C_W=C_W, C_b=C_b)
                return kernel, kernel[:, upper[0], upper[1]]

            some = slice(done, done + length)
            kernel, drawn = jax.lax.scan(one, kernel, (keys[some], C_W[some], C_b[some]))
            found.append(drawn)
            done += length
        return jnp.moveaxis(jnp.concatenate(found), 0, 1)

    numbers = np.zeros(len(plan.hidden))
    # Products in full: no TF32 on NVIDIA.
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        return jax.jit(chain).lower(plan.kernel, layer_keys(plan), numbers, numbers, np.uint64(0))


def normals(key: Any, network: Any, count: int, n: int, dtype: str) -> Any:
    """(B, N, n) standard normal numbers of the networks (B,), each by its own counter."""
    # Two numbers of float32 from one counter: of neuron j, and of neuron j + ceil(n/2).
    each = n if dtype == "float64" else -(-n // 2)
    within = jnp.arange(count * each, dtype=jnp.uint64).reshape(count, each)
    counter = network[:, None, None] * (count * each) + within
    high, low = (counter >> 32).astype(jnp.uint32), counter.astype(jnp.uint32)
    x, y = threefry(key[0], key[1], high, low)
    if dtype == "float64":
        odd = (x.astype(jnp.int64) << 21) | (y.astype(jnp.int64) >> 11) | 1
        uniform = (odd - 2**52) * 2.0**-52
    else:
        words = jnp.concatenate([x, y], axis=-1)[..., :n]
        odd = (words >> 8).astype(jnp.int32) | 1
        uniform = (odd - 2**23).astype(jnp.float32) * np.float32(2.0**-23)
    # z = sqrt(2) erf^-1(u), u odd multiples of 2^-52 (2^-23) in (-1, 1): |z| < 8.2 (5.42)
    return jax.lax.erf_inv(uniform) * np.sqrt(2.0).astype(dtype)
