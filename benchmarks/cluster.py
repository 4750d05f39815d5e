"""What Dask costs, against threads: ``python benchmarks/cluster.py``.

Efficiency: time of a run by threads over its time by as many of Dask's workers, both from the first
block to the last, so that neither the start of processes nor an odd block at the end counts.
Overhead: time for each block where there is next to nothing to sample; what the client and the
scheduler, here in its process, need for a block bounds how many workers they can feed. Medians over
repeats in which both sides run one after the other, so that a busy machine slows both.
"""

from __future__ import annotations

import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse  # noqa: E402
import logging  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

try:
    import cloudpickle
    import distributed
    import psutil
except ImportError:
    print("skipped: pip install 'nneft[dask]' first")
    sys.exit(0)

from nneft.ensemble import plan  # noqa: E402
from nneft.ensemble.engines import Dask, Engine  # noqa: E402
from nneft.ensemble.runs import complete, open_run  # noqa: E402
from nneft.ensemble.sampling import checked  # noqa: E402
from nneft.network import Network  # noqa: E402

INPUTS = [[1.0, 1.0], [-1.4, 2.0]]
WANTED = 0.9
TINY = 2**9
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Tiny(distributed.WorkerPlugin):
    """Blocks that take no time."""

    def setup(self, worker: object) -> None:
        plan.BLOCK = TINY


def processor_time() -> float:
    """Of this process and its children, so far."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def rate(
    width: int, blocks: int, warm: int, engine: Engine | None, workers: int
) -> tuple[float, float]:
    """Blocks a second, of the clock and of a processor, after the first ``warm`` of them."""
    made = checked(
        Network((2, *[width] * 4), "tanh", 1.0), INPUTS, None, 1, "chain", "float64", None, 4
    )
    with tempfile.TemporaryDirectory() as folder:
        per_block = open_run(Path(folder) / "size", made, 1).per_block
        run = open_run(Path(folder) / "run", made, blocks * per_block)
        ends: list[tuple[float, float]] = []

        def progress(done: int, wanted: int) -> None:
            ends.append((time.monotonic(), processor_time()))

        complete(run, engine=engine, workers=workers, progress=progress)
    clock, processor = ((ends[-1][i] - ends[warm - 1][i]) / (len(ends) - warm) for i in (0, 1))
    return 1.0 / clock, 1.0 / processor


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--blocks", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    many = asked.workers
    print(f"{many} of Dask's workers over {many} threads (wanted: at least {WANTED})")
    found, seconds = [], []
    for _ in range(asked.repeats):
        there = rate(128, asked.blocks, many, Dask(many), many)
        here = rate(128, asked.blocks, many, None, many)
        found.append((there[0] / here[0], there[1] / here[1]))
        seconds.append(1.0 / here[1])
    efficiency, of_processors = np.median(found, axis=0)
    print(f"  blocks of {np.median(seconds):.2f} s  {efficiency:.2f}")
    print(f"  in processor time, which a busy machine disturbs less  {of_processors:.2f}")
    plan.BLOCK = TINY
    with (
        distributed.LocalCluster(
            n_workers=many,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.register_plugin(Tiny())
        begun = time.process_time()
        there, _ = rate(8, 300, 20, Dask(cluster.scheduler_address), many)
        spent = (time.process_time() - begun) / 300
    here, _ = rate(8, 300, 20, None, many)
    print("a block with nothing to sample: time, and the client's processor time with all it does")
    print(f"  Dask {1e3 / there:.1f} ms, threads {1e3 / here:.1f} ms; client {1e3 * spent:.1f} ms")
    return 0 if efficiency >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
