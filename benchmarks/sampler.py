"""How fast the sampler is, as ratios within one run: ``python benchmarks/sampler.py``.

Every ratio is the median over repeats in which both sides run one after the other, so that a busy
machine slows both.
"""

from __future__ import annotations

import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402

import numpy as np  # noqa: E402

from nneft.ensemble import sample  # noqa: E402
from nneft.ensemble.plan import CHUNK  # noqa: E402
from nneft.network import Network  # noqa: E402

LAYERS = 10
INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0], [0.6, -0.5]])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(work: Callable[[], object], unit: Callable[[], object], repeats: int) -> float:
    """Median of time of ``work`` over time of ``unit``, interleaved."""
    work(), unit()
    return float(np.median([seconds(work) / seconds(unit) for _ in range(repeats)]))


def draw(count: int) -> None:
    """The generator alone: ``count`` normal numbers, into memory that stays in cache."""
    generator = np.random.Generator(np.random.SFC64(0))
    buffer = np.empty(CHUNK)
    for _ in range(count // CHUNK):
        generator.standard_normal(out=buffer)
    generator.standard_normal(out=buffer[: count % CHUNK])


def network(width: int, activation: str) -> Network:
    return Network((2, *[width] * LAYERS), activation, C_W=2.0 if activation == "relu" else 1.0)


def chain_over_draws(count: int, width: int, activation: str, repeats: int) -> float:
    per_network = count * width * (LAYERS - 1)
    networks = max(1, 4 * 2**20 // per_network)
    net, x = network(width, activation), INPUTS[:count]
    return ratio(
        lambda: sample(net, x, networks=networks, workers=1),
        lambda: draw(networks * per_network),
        repeats,
    )


def weights_over_draws(count: int, width: int, repeats: int) -> float:
    per_network = width * (2 + 1) + (LAYERS - 2) * width * (width + 1)
    networks = max(1, 2 * 2**20 // per_network)
    net, x = network(width, "tanh"), INPUTS[:count]
    return ratio(
        lambda: sample(net, x, networks=networks, method="weights", workers=1),
        lambda: draw(networks * per_network),
        repeats,
    )


def weights_over_chain(count: int, width: int, repeats: int) -> float:
    """Time per network."""
    net, x = network(width, "tanh"), INPUTS[:count]
    many = 500
    return many * ratio(
        lambda: sample(net, x, networks=2, method="weights", workers=1),
        lambda: sample(net, x, networks=2 * many, workers=1),
        repeats,
    )


def one_thread_over_two(repeats: int) -> float:
    net = network(512, "tanh")
    return ratio(
        lambda: sample(net, INPUTS[:1], networks=10_000, workers=1),
        lambda: sample(net, INPUTS[:1], networks=10_000, workers=2),
        repeats,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(f"chain / its own random numbers ({LAYERS} layers; wanted: at most 2)")
    for count in (1, 4):
        for width in (128, 512):
            for activation in ("tanh", "relu"):
                value = chain_over_draws(count, width, activation, repeats)
                print(f"  N={count} width {width} {activation:5s} {value:6.2f}")
    print("weights / its own random numbers (tanh; wanted: at most 2)")
    for count, width in ((1, 128), (4, 128), (1, 512), (4, 512)):
        print(f"  N={count} width {width} {weights_over_draws(count, width, repeats):12.2f}")
    print("weights / chain, time per network (tanh; wanted: at least 200 at N=1, width 512)")
    for count, width in ((1, 128), (1, 512), (4, 512)):
        print(f"  N={count} width {width} {weights_over_chain(count, width, repeats):12.0f}")
    print("chain, one thread / two threads (N=1, width 512; only meaningful on two free cores)")
    print(f"  {one_thread_over_two(repeats):.2f}")


if __name__ == "__main__":
    main()
