"""Where the time of ``nneft reproduce`` goes: ``python benchmarks/reproduce.py``.

Seconds by stage at the paper's statistics, and the sampling of it as a ratio to drawing its
Gaussian numbers alone, in seconds of processor time, right after it. With ``--million`` also how
the time grows from 30,000 to 100,000 networks, and what follows for 1,000,000 on free cores.
"""

from __future__ import annotations

import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from nneft.reproduce import PAPER, Progress, reproduce  # noqa: E402

CHUNK = 2**17

#: Seconds that the whole may take at so many networks; sampling over the drawing of its numbers.
NETWORKS, WHOLE, RATIO = 10_000, 60.0, 2.0
#: Networks to measure growth with, and networks and seconds it is to end with.
FROM, TO, MANY, LONG = 30_000, 100_000, 1_000_000, 3600.0


class Clock:
    """When each stage was first and last heard of, by the clock and in processor time."""

    def __init__(self) -> None:
        self.stages: dict[str, list[np.ndarray]] = {}

    def __call__(self, progress: Progress) -> None:
        now = np.array([time.perf_counter(), time.process_time()])
        self.stages.setdefault(progress.stage, [now, now])[1] = now

    def seconds(self, stage: str) -> np.ndarray:
        """Seconds and processor seconds of one stage."""
        first, last = self.stages[stage]
        return np.asarray(last - first)


def draw(count: int, seed: int) -> None:
    generator = np.random.Generator(np.random.SFC64(seed))
    buffer = np.empty(CHUNK)
    for _ in range(count // CHUNK):
        generator.standard_normal(out=buffer)


def measured(networks: int, workers: int) -> tuple[Clock, float]:
    """One reproduction: when its stages were, and its seconds by the clock."""
    clock = Clock()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        reproduce(Path(folder), networks=networks, workers=workers, seed=1, progress=clock)
    whole = time.perf_counter() - start
    print(f"{networks:,} networks")
    for stage in clock.stages:
        print("  {:<10} {:6.1f} s, {:6.1f} s of processors".format(stage, *clock.seconds(stage)))
    print(f"  {'whole':<10} {whole:6.1f} s", flush=True)
    return clock, whole


def million(workers: int) -> bool:
    """Extrapolate from two sizes, in processor seconds; whether the bound holds."""
    few, _ = measured(FROM, workers)
    many, _ = measured(TO, workers)
    each = (many.seconds("sampling")[1] - few.seconds("sampling")[1]) / (TO - FROM)
    exponent = np.log(many.seconds("sampling")[1] / few.seconds("sampling")[1]) / np.log(TO / FROM)
    rest = sum(many.seconds(stage)[1] for stage in many.stages if stage != "sampling")
    sampling = many.seconds("sampling")[1] + each * (MANY - TO)
    whole = rest + sampling / workers
    print(
        f"processor seconds of sampling grow as networks^{exponent:.2f}; extrapolated to {MANY:,}: "
        f"{whole / 60:.0f} minutes on {workers} free cores (bound {LONG / 60:g})"
    )
    return bool(whole < LONG)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=NETWORKS)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--million", action="store_true", help="measure how the time grows")
    args = parser.parse_args()
    if args.million:
        return 0 if million(args.workers) else 1
    clock, whole = measured(args.networks, args.workers)
    per_network = len(PAPER.x) * PAPER.width * (PAPER.depth - 1)
    numbers = len(PAPER.settings) * args.networks * per_network
    begun = time.process_time()
    with ThreadPoolExecutor(args.workers) as pool:
        list(pool.map(draw, [numbers // args.workers] * args.workers, range(args.workers)))
    ratio = clock.seconds("sampling")[1] / (time.process_time() - begun)
    print(f"the whole: {whole:.0f} s, bound {WHOLE:g} for {NETWORKS:,} networks")
    print(f"sampling over the drawing of its {numbers:.3g} numbers: {ratio:.2f}, bound {RATIO:g}")
    return 0 if (whole < WHOLE or args.networks > NETWORKS) and ratio < RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
