"""Worker of benchmarks/kernels.py, run by the Python that has neural-tangents.

Reads the name of an .npy file of inputs from each line of standard input and writes the seconds
that the kernel took; the kernel itself goes into a file beside the inputs.
"""

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
from neural_tangents import stax  # noqa: E402

DEPTH, DEGREE = int(sys.argv[1]), 25

layers = [stax.Dense(1, W_std=1.0, b_std=0.0)]
for _ in range(DEPTH - 1):
    layers += [stax.ElementwiseNumerical(jnp.tanh, deg=DEGREE), stax.Dense(1, W_std=1.0, b_std=0.0)]
_, _, kernel_fn = stax.serial(*layers)
kernel = jax.jit(lambda x: kernel_fn(x, None, "nngp"))

for line in sys.stdin:
    x = np.load(line.strip())
    start = time.perf_counter()
    result = np.asarray(kernel(x).block_until_ready())
    seconds = time.perf_counter() - start
    np.save(line.strip() + ".out.npy", result)
    print(seconds, flush=True)
