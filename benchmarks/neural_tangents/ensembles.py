"""Worker of benchmarks/ensembles.py, run by the Python that has JAX and neural-tangents.

Each line of standard input is a JSON object ``{side, layers, width, inputs, networks, seed, out}``,
answered by a line with the processor seconds that so many networks took. The first call of a side
on a network compiles, and chooses how many networks JAX carries at once: whichever is fastest.
With ``networks`` 0 that is all; with ``out`` the kernels are saved there, after the clock stops.

The argument is the precision, ``float32`` or ``float64``.
"""

import json
import math
import os
import sys
import time
import warnings
from functools import partial

PRECISION = sys.argv[1]
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["JAX_ENABLE_X64"] = str(PRECISION == "float64").lower()
warnings.simplefilter("ignore")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import neural_tangents as nt  # noqa: E402
import numpy as np  # noqa: E402
from neural_tangents import stax  # noqa: E402

#: Networks side by side in one pass through the layers, tried in turn; networks in one call.
GROUPS, CALL = (1, 4, 32), 256
#: Weights in one call, at most, so that the wide networks' calls do not take seconds.
WEIGHTS = 2**25


def network(key, x, case, neurons):
    """Kernels of layers 2..L, or with ``neurons`` the averages over neurons of layers 1..L."""
    layers, width = case
    signal, kept = x.T, []
    for layer in range(layers if neurons else layers - 1):
        weights = jax.random.normal(jax.random.fold_in(key, layer), (width, len(signal)), x.dtype)
        phi = (weights * math.sqrt(1.0 / len(signal))) @ signal
        signal = jnp.tanh(phi)
        seen = phi if neurons else signal
        kept.append(seen.T @ seen / width)
    return jnp.stack(kept)


def compiled(x, case, neurons, group, call):
    """jit of a loop over groups of networks, each group under vmap."""

    def many(key):
        one = jax.vmap(lambda k: network(k, x, case, neurons))
        return jax.lax.map(one, jax.random.split(key, (call // group, group)))

    return jax.jit(many)


def monte_carlo(x, case, call, as_documented):
    """neural-tangents' own estimate of the last kernel, averaged over ``call`` networks.

    As documented, its generator of running means, which compiles once and goes on; or, beyond what
    its documentation asks for, the whole loop compiled.
    """
    layers, width = case
    parts = []
    for _ in range(1, layers):
        parts += [stax.Dense(width), stax.ElementwiseNumerical(jnp.tanh, deg=25)]
    init, apply, _ = stax.serial(*parts, stax.Dense(1))

    def sampled(key, samples):
        return nt.monte_carlo_kernel_fn(init, apply, key, samples, device_count=0)(x, None, "nngp")

    if not as_documented:
        keys = partial(jax.random.split, num=call)
        loop = jax.jit(lambda key: jax.lax.map(lambda k: sampled(k, 1), keys(key)))
        return lambda key: loop(key).mean(axis=0)
    running, done = sampled(jax.random.PRNGKey(0), range(1, 10**6)), [0, 0.0]

    def more(key):
        total = [(done[0] + n) * mean for n, mean in zip(range(1, call + 1), running)][-1]
        found = (total - done[1]) / call
        done[:] = done[0] + call, total
        return found

    return more


def seconds(function, key):
    start = time.process_time()
    found = jax.block_until_ready(function(key))
    return time.process_time() - start, found


def prepared(side, case, x):
    """(networks a call, function of a key), the fastest of what there is, compiled."""
    layers, width = case
    most = max(1, WEIGHTS // ((layers - 1) * width**2))
    call = min(CALL, 2 ** int(math.log2(most)))
    if side == "neural-tangents":
        call = min(call, 4)
        choices = [monte_carlo(x, case, call, True)]
    elif side == "neural-tangents, compiled":
        choices = [monte_carlo(x, case, call, False)]
    else:
        neurons = side == "JAX, neurons"
        choices = [compiled(x, case, neurons, group, call) for group in GROUPS if group <= call]
    for function in choices:
        seconds(function, jax.random.PRNGKey(0))
    return call, min(choices, key=lambda f: min(seconds(f, jax.random.PRNGKey(1))[0] for _ in "ab"))


known = {}
for line in sys.stdin:
    asked = json.loads(line)
    case = asked["layers"], asked["width"]
    x = jnp.array(asked["inputs"], PRECISION)
    name = (asked["side"], *case, len(x))
    if name not in known:
        known[name] = prepared(asked["side"], case, x)
    call, function = known[name]
    calls = -(-asked["networks"] // call)
    found, taken = [], 0.0
    for number in range(calls):
        key = jax.random.fold_in(jax.random.PRNGKey(asked["seed"]), number)
        more, kernels = seconds(function, key)
        taken += more
        found.append(kernels)
    if asked["out"]:
        kernels = np.asarray(jnp.stack(found))
        if asked["side"].startswith("JAX"):
            kernels = kernels.reshape(-1, *kernels.shape[-3:])
        np.save(asked["out"], kernels)
    print(json.dumps({"networks": calls * call, "seconds": taken}), flush=True)
