"""Leading-order kernels of a 10-layer tanh network on 100 inputs, against neural-tangents.

Ratio of times and of errors in one run, the two programs taking turns; the errors are against a
third route, tensor Gauss-Hermite quadrature with 300 nodes a direction, on some of the inputs.
Neural-tangents needs its own environment: set NEURAL_TANGENTS_PYTHON to its interpreter, made by

    python3.11 -m venv .venv-nt
    .venv-nt/bin/pip install --no-deps -r benchmarks/neural_tangents/requirements.txt
"""

import os
import subprocess
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

import nneft

DEPTH, INPUTS, DIMENSION, REPEATS = 10, 100, 32, 5
HERE = Path(__file__).parent
PYTHON = os.environ.get("NEURAL_TANGENTS_PYTHON", str(HERE.parent / ".venv-nt/bin/python"))


def network() -> nneft.Network:
    return nneft.Network((DIMENSION, *[100] * DEPTH), "tanh", C_W=1.0, C_b=0.0)


def reference(x: np.ndarray) -> np.ndarray:
    """Last layer's kernel by tensor Gauss-Hermite quadrature, node by node."""
    z, w = np.polynomial.hermite_e.hermegauss(300)
    w = w / np.sqrt(2.0 * np.pi)
    kernel = x @ x.T / DIMENSION
    for _ in range(DEPTH - 1):
        following = np.empty_like(kernel)
        for a in range(len(kernel)):
            for b in range(len(kernel)):
                rho = kernel[a, b] / np.sqrt(kernel[a, a] * kernel[b, b])
                f = np.tanh(np.sqrt(kernel[a, a]) * z)
                mixed = rho * z[:, None] + np.sqrt(max(0.0, 1.0 - rho**2)) * z
                g = np.tanh(np.sqrt(kernel[b, b]) * mixed)
                following[a, b] = w @ (f * (g @ w))
        kernel = following
    return kernel


def largest_error(kernel: np.ndarray, truth: np.ndarray) -> float:
    size = np.sqrt(np.diag(truth))
    part = kernel[: len(truth), : len(truth)]
    return float(np.max(np.abs(part - truth) / size / size[:, None]))


def memory_growth() -> float:
    """Exponent of peak memory against the number of pairs of inputs."""
    peaks = []
    for count in (200, 400):
        x = np.random.default_rng(1).normal(size=(count, DIMENSION))
        tracemalloc.start()
        nneft.flow(network(), x, order=0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return float(np.log(peaks[1] / peaks[0]) / np.log(4.0))


def main() -> None:
    rng = np.random.default_rng(0)
    net = network()
    print(f"memory against pairs of inputs, order 0: exponent {memory_growth():.2f}")
    if not Path(PYTHON).exists():
        print(f"neural-tangents: skipped, no interpreter {PYTHON}")
        return
    command = [PYTHON, str(HERE / "neural_tangents/kernels.py"), str(DEPTH)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
    ):
        assert other.stdin is not None and other.stdout is not None
        ratios = []
        for repeat in range(REPEATS + 1):
            x = rng.normal(size=(INPUTS, DIMENSION))
            name = f"{folder}/{repeat}.npy"
            np.save(name, x)
            start = time.perf_counter()
            ours = nneft.flow(net, x, order=0).K(0)[-1]
            here = time.perf_counter() - start
            other.stdin.write(name + "\n")
            other.stdin.flush()
            there = float(other.stdout.readline())
            if repeat:  # the first compiles there and fills tables here
                ratios.append(there / here)
        theirs = np.load(name + ".out.npy")
        other.stdin.close()
    truth = reference(x[:4])
    mine, nt = largest_error(ours, truth), largest_error(theirs, truth)
    print(
        f"kernels of {DEPTH} tanh layers on {INPUTS} inputs: {np.median(ratios):.1f} times faster "
        f"than neural-tangents at degree 25 (from {min(ratios):.1f} to {max(ratios):.1f}); "
        f"largest relative error {mine:.1e} against {nt:.1e}, {nt / mine:.1e} times smaller"
    )


if __name__ == "__main__":
    main()
