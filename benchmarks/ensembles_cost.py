"""How the cost of sampling grows with width, depth, inputs, networks and what is asked for.

Processor seconds on one core, the least of some repeats, so that other work on the machine counts
little. The cost of a network is that of one more: what a call takes for few networks is subtracted.
An exponent is that of the last three points of a curve. `python benchmarks/ensembles_cost.py
--plot FILE` draws what it prints.
"""

from __future__ import annotations

import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse  # noqa: E402
import time  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

import nneft  # noqa: E402

#: Processor seconds of one measurement, about, and how many the least is taken of.
LONG, REPEATS = 0.4, 3
#: Networks of a call whose time is taken for that of any call.
FEW = 64
#: Inputs of no special geometry, all of about one size.
INPUTS = np.random.default_rng(5).normal(size=(32, 8))


Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Case:
    """What is sampled; ``networks`` None for as many as take a while."""

    layers: int = 5
    width: int = 128
    count: int = 4
    points: int = 4
    reduce: bool = False
    networks: int | None = None


@dataclass(frozen=True)
class Curve:
    """One line of a panel: ``along`` is the field of a case that changes."""

    panel: str
    along: str
    label: str
    color: str
    values: tuple[int, ...]
    fixed: Case

    def cases(self) -> list[Case]:
        """The cases, in order."""
        return [Case(**{**vars(self.fixed), self.along: value}) for value in self.values]


def both(
    panel: str, along: str, color: str, values: Numbers, count: int = 4, width: int = 128
) -> list[Curve]:
    """Without reduction and with it."""
    label = f"{count} input{'s' * (count > 1)}"
    plain, reduced = (Case(count=count, width=width, reduce=reduce) for reduce in (False, True))
    return [
        Curve(panel, along, label, color, values, plain),
        Curve(panel, along, f"{label}, reduced", color, values, reduced),
    ]


def counted(label: str, color: str, values: Numbers, points: int, reduce: bool = False) -> Curve:
    case = Case(points=points, reduce=reduce)
    return Curve("5 layers, width 128", "count", label, color, values, case)


WIDTHS, DEPTHS = (32, 64, 128, 256, 512, 1024), (3, 5, 9, 17, 33, 65)
MANY = (100, 1000, 10_000, 100_000)
CURVES = (
    *both("5 layers", "width", "C0", WIDTHS, count=1),
    *both("5 layers", "width", "C1", WIDTHS),
    *both("width 256", "layers", "C0", DEPTHS, width=256, count=1),
    *both("width 256", "layers", "C1", DEPTHS, width=256),
    counted("<G> alone", "C0", (1, 2, 4, 8, 16, 32), 2),
    counted("V_4", "C1", (1, 2, 4, 8, 16), 4),
    counted("V_4, reduced", "C1", (1, 2, 4, 8, 12), 4, reduce=True),
    counted("V_6", "C2", (1, 2, 4, 6, 8), 6),
    counted("V_8", "C3", (1, 2, 3, 4, 5), 8),
    *both("5 layers, width 128", "networks", "C1", MANY),
)
NAMES = {"width": "width", "layers": "layers", "count": "inputs", "networks": "networks"}


def seconds(case: Case, networks: int) -> float:
    """Processor seconds of one call."""
    net = nneft.Network((8, *[case.width] * case.layers), "tanh", C_W=1.5, C_b=0.1)
    start = time.process_time()
    nneft.sample(
        net,
        INPUTS[: case.count],
        networks=networks,
        points=case.points,
        reduce=case.reduce,
        workers=1,
    )
    return time.process_time() - start


def enough(case: Case) -> int:
    """Networks that take about ``LONG`` seconds more than ``FEW``."""
    if case.networks is not None:
        return case.networks
    always, networks = seconds(case, FEW), 4 * FEW
    while (taken := seconds(case, networks) - always) < LONG / 4:
        networks *= 4
    return max(networks, round(networks * LONG / taken))


def measured(cases: list[Case]) -> list[float]:
    """Microseconds of one more network; or seconds of a call with so many networks as asked for.

    The least of some rounds through all cases, so that a moment in which the machine does other
    work falls on none of them alone.
    """
    networks = [enough(case) for case in cases]
    least = np.full((2, len(cases)), np.inf)
    for _ in range(REPEATS):
        for at, (case, many) in enumerate(zip(cases, networks, strict=True)):
            for which, number in enumerate((FEW, many)):
                least[which, at] = min(least[which, at], seconds(case, number))
    return [
        (most if case.networks else 1e6 * (most - few) / (many - FEW))
        for case, many, few, most in zip(cases, networks, *least, strict=True)
    ]


def by_panel() -> dict[tuple[str, str], list[Curve]]:
    """Curves of each panel, by its title and what changes along it."""
    panels: dict[tuple[str, str], list[Curve]] = {}
    for curve in CURVES:
        panels.setdefault((curve.panel, curve.along), []).append(curve)
    return panels


def drawn(results: list[tuple[Curve, np.ndarray, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    panels = list(by_panel())
    figure, frames = plt.subplots(1, len(panels), figsize=(13.0, 3.8), layout="constrained")
    for frame, (panel, along) in zip(frames, panels, strict=True):
        lines = [r for r in results if (r[0].panel, r[0].along) == (panel, along)]
        for curve, costs, exponent in lines:
            style = "s--" if curve.fixed.reduce else "o-"
            label = f"{curve.label}: {exponent:.1f}"
            frame.loglog(curve.values, costs, style, color=curve.color, ms=4, label=label)
        ticks = sorted({value for curve, _, _ in lines for value in curve.values})
        if along != "networks":
            some = [t for t in ticks if t not in (3, 5, 6, 12)] if along == "count" else ticks
            frame.set_xticks(some, [f"{tick}" for tick in some])
            frame.xaxis.set_minor_formatter("")
            frame.tick_params(axis="x", which="minor", bottom=False)
        frame.set(xlabel=NAMES[along], title=panel)
        frame.set_ylabel("seconds a call" if along == "networks" else "µs a network")
        frame.title.set_fontsize("medium")
        frame.grid(alpha=0.3)
        frame.legend(fontsize="x-small", title="exponent", title_fontsize="x-small")
    figure.savefig(path, dpi=150)
    print(f"wrote {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--plot", type=Path, help="draw it here")
    given = parser.parse_args()
    seconds(Case(), FEW)  # whatever is loaded when first asked for
    results = []
    for (panel, along), curves in by_panel().items():
        print(f"{panel}, tanh, one core: against {NAMES[along]}", flush=True)
        taken = iter(measured([case for curve in curves for case in curve.cases()]))
        for curve in curves:
            costs = np.array([next(taken) for _ in curve.values])
            exponent = float(np.polyfit(np.log(curve.values[-3:]), np.log(costs[-3:]), 1)[0])
            unit = "s" if along == "networks" else "us a network"
            told = ", ".join(f"{v}: {c:.3g}" for v, c in zip(curve.values, costs, strict=True))
            print(f"  {curve.label:18s} {told} {unit}; exponent {exponent:.2f}", flush=True)
            results.append((curve, costs, exponent))
    if given.plot:
        drawn(results, given.plot)


if __name__ == "__main__":
    main()
