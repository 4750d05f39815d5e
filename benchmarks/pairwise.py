"""The 1/n-corrected kernel of 300 x 300 inputs, 5 layers: seconds, and the peak of memory.

Each case is timed in a process of its own, twice, the second time with new inputs: image-like ones
(ten templates and noise, 784 numbers, all of one length) and Gaussian ones of 10 numbers, whose
lengths differ. The errors are against flows of single pairs, relative to the kernel's diagonal.
Ends with code 1 where a bound is missed.
"""

import resource
import subprocess
import sys
import time

import numpy as np

import nneft
from nneft.rg.pairwise import kernel

INPUTS, DEPTH, WIDTH = 300, 5, 300
#: Activation, C_W, C_b, kind of inputs; the first ones are built to the bounds.
CASES = (
    ("tanh", 1.5, 0.1, "image"),
    ("tanh", 1.0, 0.0, "gauss"),
    ("relu", 2.0, 0.0, "image"),
    ("gelu", 1.98, 0.17, "image"),
    ("erf", 1.0, 0.05, "gauss"),
    ("selu", 1.0, 0.1, "image"),
)
BOUNDED = ("tanh",)
#: Seconds, GiB, relative error.
SECONDS, MEMORY, ERROR = 120.0, 4.0, 1e-10


def inputs(kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "gauss":
        return rng.normal(size=(INPUTS, 10))
    templates = np.abs(rng.normal(size=(10, 784)))
    x = templates[rng.integers(10, size=INPUTS)] * (1.0 + 0.3 * rng.normal(size=(INPUTS, 784)))
    return x / np.sqrt(np.mean(x**2, axis=1))[:, None]


def measure(name: str, C_W: str, C_b: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    seconds = []
    for _ in range(2):
        x, y = inputs(kind, rng), inputs(kind, rng)
        net = nneft.Network((x.shape[1], *[WIDTH] * DEPTH), name, float(C_W), float(C_b))
        start = time.perf_counter()
        found = kernel(net, x, y)
        seconds.append(time.perf_counter() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    worst = 0.0
    for a, b in rng.integers(INPUTS, size=(5, 2)):
        flow = nneft.flow(net, [x[a], y[b]])
        size = np.sqrt(np.prod(np.diag(flow.K(0)[-1])))
        worst = max(worst, abs(found[a, b] - flow.mean()[-1, 0, 1]) / size)
    print(*seconds, memory, worst)


def main() -> int:
    missed = False
    print(f"kernel of {INPUTS} x {INPUTS} inputs, {DEPTH} layers, order 1:")
    for name, *rest in CASES:
        command = [sys.executable, __file__, name, *map(str, rest)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        first, later, memory, worst = map(float, text.split())
        bounds = f" (bounds {SECONDS:.0f} s, {MEMORY:.0f} GiB)" if name in BOUNDED else ""
        print(
            f"{name}, {rest[-1]}: {later:.2f} s, first call {first:.2f} s, {memory:.2f} GiB"
            f"{bounds}, error {worst:.0e} (bound {ERROR:.0e})"
        )
        missed |= worst > ERROR
        if name in BOUNDED:
            missed |= max(first, later) > SECONDS or memory > MEMORY
    return int(missed)


if __name__ == "__main__":
    if len(sys.argv) == 5:
        measure(*sys.argv[1:])
    else:
        sys.exit(main())
