"""How long a user waits: ``nneft --help``, a flow of the paper's inputs, ``nneft reproduce``.

Seconds, not ratios: each against the bound that it is built to. The flow is timed inside one
process, on inputs not seen before, after one call that fills the tables.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import nneft

NNEFT = Path(sys.executable).with_name("nneft")
INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0], [0.6, -0.5]])


def prompt(*args: str) -> tuple[float, float]:
    """Seconds and peak memory in GiB of one command, its output thrown away."""
    start = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    child = os.posix_spawn(NNEFT, [str(NNEFT), *args], os.environ, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"nneft {' '.join(args)} ended with {os.waitstatus_to_exitcode(status)}")
    return seconds, used.ru_maxrss / 2**20


def one_flow(activation: str, C_W: float) -> float:
    net = nneft.Network((2, *[300] * 30), activation, C_W=C_W)
    times = []
    for scale in (1.0, 1.1, 0.9, 1.05):
        start = time.perf_counter()
        nneft.flow(net, scale * INPUTS, order=1)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def report(what: str, measured: float, bound: float, unit: str) -> bool:
    good = measured < bound
    print(f"{what:<44} {measured:8.3g} {unit:<4} bound {bound:g} {'' if good else 'MISSED'}")
    return good


def main() -> int:
    helps = [prompt("--help")[0] for _ in range(5)]
    good = [report("nneft --help", statistics.median(helps), 0.3, "s")]
    for activation, C_W in (("tanh", 1.0), ("relu", 2.0)):
        seconds = one_flow(activation, C_W)
        good.append(report(f"flow, 4 inputs, 30 layers, {activation}", seconds, 2.0, "s"))
    with tempfile.TemporaryDirectory() as folder:
        seconds, memory = prompt("reproduce", "--out", folder)
    good.append(report("nneft reproduce, 10,000 networks", seconds, 60.0, "s"))
    good.append(report("nneft reproduce, peak memory", memory, 2.0, "GiB"))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
