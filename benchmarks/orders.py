"""Flows to high orders in 1/n: seconds, first call and later ones, peak memory, digits; growth.

Each case is timed in a process of its own: its first call, then a later one with new inputs.
`python benchmarks/orders.py --plot FILE` also measures how the processor time of a later call grows
with order, inputs and depth, prints the exponents and draws them; that takes some minutes more.
Ends with code 1 where a bound is missed.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import nneft

#: Inputs, order, layers; bounds in seconds and GiB for a later call.
CASES = (
    (1, 4, 100, 0.5, 8.0),
    (1, 8, 100, 2.0, 8.0),
    (1, 12, 30, 10.0, 8.0),
    (2, 3, 30, 10.0, 8.0),
    (4, 3, 10, 120.0, 8.0),
)
#: The paper's four inputs.
INPUTS = np.array([(1.0, 1.0), (-1.4, 2.0), (-2.0, -3.0), (0.6, -0.5)])
#: (inputs, order, layers) along which the time's growth is measured.
GROWTH = {
    "order, 1 input, 30 layers": [(1, order, 30) for order in (1, 2, 3, 4, 6, 8, 12)],
    "order, 2 inputs, 10 layers": [(2, order, 10) for order in (1, 2, 3, 4, 5)],
    "inputs, order 2, 5 layers": [(inputs, 2, 5) for inputs in (1, 2, 3, 4)],
    "layers, 1 input, order 4": [(1, 4, depth) for depth in (25, 50, 100, 200, 400)],
}


def network(depth: int) -> nneft.Network:
    return nneft.Network((2, *[300] * depth), "tanh", 1.0, 0.0)


def seconds(inputs: np.ndarray, order: int, depth: int) -> tuple[float, float, nneft.Flow]:
    """Of the clock and of the processor."""
    start, work = time.perf_counter(), time.process_time()
    flow = nneft.flow(network(depth), inputs, order=order)
    return time.perf_counter() - start, time.process_time() - work, flow


def measure(count: int, order: int, depth: int) -> None:
    first, _, _ = seconds(INPUTS[:count], order, depth)
    later = []
    for factor in (0.97, 1.03, 0.95, 1.05):
        *taken, flow = seconds(factor * INPUTS[:count], order, depth)
        later.append(taken)
        if sum(taken) > 20.0:
            break
    worst = max(np.max(flow.error), 1e-16)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(first, *np.min(later, axis=0), memory, worst)


def measured(count: int, order: int, depth: int) -> list[float]:
    """Seconds of the first call and of later ones, processor seconds, GiB, relative error."""
    command = [sys.executable, __file__, "--case", str(count), str(order), str(depth)]
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    text = subprocess.run(
        command, check=True, capture_output=True, text=True, env=os.environ | one
    ).stdout
    return [float(word) for word in text.split()]


def growth(path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import LogLocator

    figure, axes = plt.subplots(1, 4, figsize=(13.0, 3.4), layout="constrained")
    for panel, (name, cases) in zip(axes, GROWTH.items(), strict=True):
        along = {"order": 1, "inputs": 0, "layers": 2}[name.split(",")[0]]
        at = np.array([case[along] for case in cases], dtype=float)
        later = np.array([measured(*case)[2] for case in cases])
        exponent, offset = np.polyfit(np.log(at[-3:]), np.log(later[-3:]), 1)
        print(f"{name}: " + ", ".join(f"{a:.0f}: {t:.3g} s" for a, t in zip(at, later)), flush=True)
        print(f"    exponent over the last three: {exponent:.1f}")
        panel.loglog(at, later, "o-")
        fit = np.exp(offset) * at[-3:] ** exponent
        panel.loglog(at[-3:], fit, "k--", lw=1, label=f"exponent {exponent:.1f}")
        panel.set_xticks(at, [f"{a:.0f}" for a in at])
        panel.xaxis.minorticks_off()
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.minorticks_off()
        variable, _, fixed = name.partition(", ")
        panel.set(xlabel=variable, title=fixed)
        panel.title.set_fontsize("medium")
        panel.legend(loc="upper left", fontsize="small")
        panel.grid(alpha=0.3)
    axes[0].set_ylabel("processor seconds a flow, tanh")
    figure.savefig(path, dpi=150)
    print(f"wrote {path}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs=3, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--plot", type=Path, help="measure the growth, and draw it here")
    given = parser.parse_args()
    if given.case:
        measure(*given.case)
        return 0
    missed = False
    for count, order, depth, bound, most in CASES:
        first, later, _, memory, worst = measured(count, order, depth)
        print(
            f"{count} input{'s' * (count > 1)}, order {order}, {depth} layers: first call "
            f"{first:.2f} s, later {later:.2f} s (bound {bound:g} s), {memory:.2f} GiB (bound "
            f"{most:g}); digits left at the worst layer: {-np.log10(worst):.1f}",
            flush=True,
        )
        missed |= later > bound or memory > most
    if given.plot:
        growth(given.plot)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
