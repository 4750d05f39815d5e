"""The chain on a GPU: ``python benchmarks/gpu.py``; skipped by name where JAX finds none.

Sampling time of ``nneft reproduce --networks 1000000`` (2e11 random numbers), from a part of it,
host's sums included; the rate of random numbers against what the device draws when it does nothing
else, by this package's counters and by ``jax.random``; and the numbers against those of the chain
in NumPy.
"""

from __future__ import annotations

import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from functools import reduce  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    print("skipped: pip install 'nneft[gpu]' 'jax[cuda12]' first")
    sys.exit(0)

from nneft.ensemble import Ensemble, sample  # noqa: E402
from nneft.ensemble.engines.device import about  # noqa: E402
from nneft.ensemble.engines.jax_chain import normals  # noqa: E402
from nneft.ensemble.plan import Precision  # noqa: E402
from nneft.network import Network  # noqa: E402
from nneft.reproduce import PAPER  # noqa: E402
from nneft.reproduce.sampling import sampling  # noqa: E402

#: Seconds for the million networks of each of the paper's six ensembles.
WANTED = 60.0
#: Numbers drawn at a time where only the drawing is timed.
DRAWN = 2**26


def seconds(work: Callable[[], Any], repeats: int = 3) -> float:
    """The least of some times, once it is compiled."""
    work()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def drawing(dtype: Precision) -> dict[str, float]:
    """Normal numbers a second that the device draws and adds up, by whose generator."""

    def ours(first: Any) -> Any:
        network = first + jnp.arange(DRAWN // 1024, dtype=jnp.uint64)
        return normals(jnp.array([1, 2], jnp.uint32), network, 1, 1024, dtype).sum()

    def theirs(kind: str) -> Callable[[Any], Any]:
        def draw(first: Any) -> Any:
            key = jax.random.key(first.astype(jnp.int32), impl=kind)
            return jax.random.normal(key, (DRAWN,), dtype).sum()

        return draw

    found = {}
    for name, draw in {
        "counters": ours,
        "jax threefry": theirs("threefry2x32"),
        "jax rbg": theirs("rbg"),
    }.items():
        with jax.enable_x64(True):
            program = jax.jit(draw)
            spent = seconds(lambda: program(np.uint64(7)).block_until_ready())  # noqa: B023
        found[name] = DRAWN / spent
    return found


def chain_rate(count: int, width: int, layers: int, dtype: Precision) -> float:
    """Random numbers a second of whole blocks, sums on the host included."""
    inputs = np.array(PAPER.inputs)[:count]
    net = Network((inputs.shape[1], *[width] * layers), "tanh", 1.0)
    per_network = count * width * (layers - 1)
    networks = 4 * 2**31 // per_network
    spent = seconds(
        lambda: sample(net, inputs, networks=networks, arithmetic="jax", dtype=dtype), 1
    )
    return networks * per_network / spent


def reproduction(networks: int) -> float:
    """Seconds that sampling takes for a million networks, from fewer."""

    def work(many: int) -> None:
        held: dict[int, Ensemble] = {}
        blocks = sampling(PAPER, networks=many, groups=10, seed=0, workers=None, arithmetic="jax")
        for index, block in blocks:
            held[index] = reduce(Ensemble.merge, [*([held[index]] if index in held else []), block])

    work(20)
    begun = time.perf_counter()
    work(networks)
    return (time.perf_counter() - begun) * 1e6 / networks


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=1_000_000, help="of each ensemble")
    asked = parser.parse_args()
    if jax.devices()[0].platform == "cpu":
        print("skipped: JAX finds no GPU here (for NVIDIA: pip install 'jax[cuda12]')")
        return 0
    print(
        ", ".join(f"{name} {value}" for name, value in about().items()), f"{os.cpu_count()} cores"
    )
    alone = {}
    for dtype in ("float64", "float32"):
        rates = drawing(dtype)
        alone[dtype] = rates
        told = ", ".join(f"{name} {rate:.2e}" for name, rate in rates.items())
        print(f"normal numbers a second, {dtype}: {told}")
    print("the chain's random numbers a second, and the fraction of those drawn alone (counters)")
    for dtype in ("float64", "float32"):
        for count, width, layers in ((1, 128, 10), (1, 512, 10), (4, 128, 5), (4, 300, 30)):
            rate = chain_rate(count, width, layers, dtype)
            fraction = rate / alone[dtype]["counters"]
            print(f"  {dtype} N={count} width {width} layers {layers}: {rate:.2e}, {fraction:.2f}")
    spent = reproduction(asked.networks)
    print(f"sampling of nneft reproduce --networks 1000000 --gpu (wanted: {WANTED:.0f} s at most)")
    print(f"  {spent:.1f} s, from {asked.networks} networks of each ensemble")
    return 0 if spent <= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
