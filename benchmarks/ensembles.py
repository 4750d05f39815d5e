"""Random networks a second, and seconds to a standard error of V_4, against drawing the weights.

Against NumPy, JAX and neural-tangents' ``monte_carlo_kernel_fn``, each on the same one processor
core: sides take turns, ratios are taken turn by turn, seconds are processor seconds, so that other
work on the machine slows no side. Every side's kernels are held against those of the others. JAX
and neural-tangents run in an environment of their own, see kernels.py; without it they are skipped.

Ends with code 1 where a bound is missed or two sides disagree.
"""

from __future__ import annotations

import os

for threads in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

import argparse  # noqa: E402
import json  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from functools import partial  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

import nneft  # noqa: E402
from nneft.ensemble import sample as sample_plainly  # noqa: E402
from nneft.ensemble.cumulants import CentralSums  # noqa: E402
from nneft.ensemble.neurons import NeuronEnsemble, sample_neurons  # noqa: E402

HERE = Path(__file__).parent
PYTHON = os.environ.get("NEURAL_TANGENTS_PYTHON", str(HERE.parent / ".venv-nt/bin/python"))
PRECISIONS = ("float32", "float64")
INPUTS = np.array([(1.0, 1.0), (-1.4, 2.0), (-2.0, -3.0), (0.6, -0.5)])

#: Processor seconds of one turn, and the estimate of a mean that sides may differ by.
TURN, STANDARD_ERRORS = 0.4, 5.0
#: How many times less time a standard error of V_4 is to take; networks that estimate the error.
LESS_TIME, MANY = 100.0, 100_000
#: The standard error wanted, relative.
PRECISELY = 1e-3


@dataclass(frozen=True)
class Case:
    """A critical tanh network; ``bound`` is how many times faster than weights it should be."""

    layers: int
    width: int
    count: int
    bound: float | None

    @property
    def net(self) -> nneft.Network:
        return nneft.Network((2, *[self.width] * self.layers), "tanh", C_W=1.0, C_b=0.0)

    @property
    def inputs(self) -> np.ndarray:
        return INPUTS[: self.count]


CASES = (
    Case(3, 32, 4, None),
    Case(5, 128, 4, 10.0),
    Case(10, 256, 4, None),
    Case(10, 512, 1, 50.0),
)
ERROR_CASE = CASES[1]


@dataclass(frozen=True)
class Turn:
    """What one side did in one turn; ``found`` is whatever its estimates are made from."""

    networks: int
    seconds: float
    found: Any


#: From a number of networks and a seed to what came of them.
Side = Callable[[int, int], Turn]


def timed(work: Callable[[], Any], networks: int) -> Turn:
    start = time.process_time()
    found = work()
    return Turn(networks, time.process_time() - start, found)


def ours(case: Case, sampler: Callable[..., Any], **options: Any) -> Side:
    def side(networks: int, seed: int) -> Turn:
        call = partial(sampler, case.net, case.inputs, networks=networks, seed=seed, workers=1)
        return timed(lambda: call(**options), networks)

    return side


def textbook(case: Case, precision: str, neurons: bool) -> Side:
    """Weights in NumPy, as many networks at once as is fastest."""

    def batch(rng: np.random.Generator, size: int) -> np.ndarray:
        signal = np.broadcast_to(case.inputs.T.astype(precision), (size, *case.inputs.T.shape))
        kept = []
        for _ in range(case.layers if neurons else case.layers - 1):
            n = signal.shape[-2]
            weights = rng.standard_normal((size, case.width, n), dtype=np.dtype(precision).type)
            weights *= n**-0.5
            phi = weights @ signal
            signal = np.tanh(phi)
            seen = phi if neurons else signal
            kept.append(np.swapaxes(seen, -1, -2) @ seen / case.width)
        return np.stack(kept, axis=1)

    def side(networks: int, seed: int, size: int) -> Turn:
        rng = np.random.Generator(np.random.SFC64(seed))
        sizes = [min(size, networks - first) for first in range(0, networks, size)]
        return timed(lambda: np.concatenate([batch(rng, some) for some in sizes]), networks)

    few = max(16, 2**22 // (case.layers * case.width**2))
    return min(
        (partial(side, size=size) for size in (1, 4, 16, 64)), key=lambda s: s(few, 0).seconds
    )


def theirs(worker: subprocess.Popen[str], case: Case, side: str, folder: str) -> Side:
    """A side in the other environment; its first call compiles."""
    asking, telling = worker.stdin, worker.stdout
    assert asking is not None and telling is not None
    given: dict[str, Any] = {"side": side, "layers": case.layers, "width": case.width}
    given["inputs"] = case.inputs.tolist()

    def turn(networks: int, seed: int) -> Turn:
        out = f"{folder}/kernels.npy" if networks else None
        asked = {**given, "networks": networks, "seed": seed, "out": out}
        asking.write(json.dumps(asked) + "\n")
        asking.flush()
        reply = json.loads(telling.readline())
        return Turn(reply["networks"], reply["seconds"], np.load(out) if out else None)

    turn(0, 0)
    return turn


@contextmanager
def workers() -> Iterator[dict[str, subprocess.Popen[str]]]:
    """One process for each precision, or none where there is no environment for it."""
    if not Path(PYTHON).exists():
        print(f"JAX, neural-tangents: skipped, no interpreter {PYTHON}")
        yield {}
        return
    script = str(HERE / "neural_tangents/ensembles.py")
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = {p: subprocess.Popen([PYTHON, script, p], **pipes) for p in PRECISIONS}
    try:
        yield started
    finally:
        for worker in started.values():
            worker.communicate()


def in_turns(sides: dict[str, Side], turns: int) -> dict[str, list[Turn]]:
    """Every side once in every turn, with as many networks as take about ``TURN`` seconds."""
    networks = {}
    for name, side in sides.items():
        tried = side(1, 1)
        if tried.seconds < tried.networks * TURN / 64:
            tried = side(64, 1)
        networks[name] = max(1, round(tried.networks * TURN / max(tried.seconds, 1e-3)))
    done: dict[str, list[Turn]] = {name: [] for name in sides}
    for turn in range(turns):
        for number, (name, side) in enumerate(sides.items()):
            done[name].append(side(networks[name], 1000 * number + turn + 2))
    return done


def ratios(slow: list[Turn], fast: list[Turn]) -> np.ndarray:
    """Time per network of the one over the other, turn by turn."""
    return np.array(
        [s.seconds / s.networks / (f.seconds / f.networks) for s, f in zip(slow, fast, strict=True)]
    )


def last_kernel(turns: list[Turn]) -> tuple[float, float]:
    """``<G_11>`` of the last layer and its standard error."""
    if isinstance(turns[0].found, nneft.Ensemble):
        estimates = [turn.found.kernel[-1, 0, 0] for turn in turns]
        mean = np.mean([e.mean for e in estimates])
        return float(mean), float(np.hypot.reduce([e.error for e in estimates]) / len(turns))
    if turns[0].found.ndim == 3:  # neural-tangents: averages over one output of every network
        means = np.concatenate([turn.found[:, 0, 0] for turn in turns])
        networks = sum(turn.networks for turn in turns)
        return float(means.mean()), float(2.0 * means.mean() / networks**0.5)
    all_of_them = np.concatenate([turn.found for turn in turns])[:, -1, 0, 0].astype(float)
    return float(all_of_them.mean()), float(all_of_them.std() / len(all_of_them) ** 0.5)


def disagreement(done: dict[str, list[Turn]]) -> str | None:
    """The first side whose last kernel is not that of the first side."""
    first = last_kernel(next(iter(done.values())))
    for name, turns in done.items():
        mean, error = last_kernel(turns)
        if abs(mean - first[0]) > STANDARD_ERRORS * np.hypot(error, first[1]):
            return f"{name}: <G> = {mean} +- {error}, wanted {first[0]} +- {first[1]}"
    return None


def speed(case: Case, others: dict[str, subprocess.Popen[str]], turns: int, folder: str) -> bool:
    """Networks a second; whether the bound holds and all sides agree."""
    chains = [f"chain, {p}" for p in PRECISIONS]
    sides: dict[str, Side] = {
        name: ours(case, sample_plainly, dtype=p) for name, p in zip(chains, PRECISIONS)
    }
    sides |= {f"weights in NumPy, {p}": textbook(case, p, False) for p in PRECISIONS}
    for name in ("JAX", "neural-tangents", "neural-tangents, compiled"):
        for precision, worker in others.items():
            label = "weights in JAX" if name == "JAX" else name
            sides[f"{label}, {precision}"] = theirs(worker, case, name, folder)
    done = in_turns(sides, turns)
    print(f"{case.layers} layers, width {case.width}, {case.count} inputs: networks a second")
    least = np.inf
    for name, seen in done.items():
        rate = np.median([turn.networks / turn.seconds for turn in seen])
        line = f"  {name:36s} {rate:10.4g}"
        if name not in chains:
            # In the same precision.
            times = ratios(seen, done[f"chain, {name.rpartition(' ')[2]}"])
            least = min(least, float(np.median(times)))
            line += f"   chain {np.median(times):6.1f} times faster"
            line += f" ({times.min():.1f} to {times.max():.1f})"
        print(line, flush=True)
    wrong = disagreement(done)
    if wrong:
        print(f"  DISAGREE: {wrong}")
    wanted = "none" if case.bound is None else f"{case.bound:g}"
    print(f"  chain over the best of them in its precision: {least:.1f} times (bound {wanted})")
    return wrong is None and (case.bound is None or least >= case.bound)


def law_of_neurons(case: Case, kernels: list[np.ndarray]) -> NeuronEnsemble:
    a, b = np.triu_indices(case.count)
    g = np.concatenate(kernels).astype(np.float64)[..., a, b]
    return NeuronEnsemble(case.net.widths, CentralSums.of(g, 2))


def needed(found: Any, truth: np.ndarray) -> np.ndarray:
    """Networks to a standard error of ``PRECISELY`` of V_4 at the last layer, by components."""
    wanted: np.ndarray = (found.V(4).error[-1] / truth / PRECISELY) ** 2 * found.networks
    return wanted


def time_to_error(others: dict[str, subprocess.Popen[str]], turns: int, folder: str) -> bool:
    """Core seconds to a standard error of V_4; whether the bound holds and all sides agree.

    Seconds per network times networks needed. The second is a property of the estimator and of the
    law that all weights are drawn from: (A.36)'s is measured once, on many networks.
    """
    case, mine = ERROR_CASE, "nneft.sample"
    whole: dict[str, Any] = {
        mine: nneft.sample(case.net, case.inputs, networks=MANY, seed=1),
        "plain chain": sample_plainly(case.net, case.inputs, networks=MANY, seed=1),
        "chain, (A.36)": sample_neurons(case.net, case.inputs, networks=MANY, seed=1),
    }
    truth = whole[mine].V(4).mean[-1]
    networks = {name: needed(found, truth) for name, found in whole.items()}
    sides: dict[str, Side] = {
        mine: ours(case, nneft.sample),
        "plain chain": ours(case, sample_plainly),
        "chain, (A.36)": ours(case, sample_neurons),
    }
    sides |= {f"weights in NumPy, (A.36), {p}": textbook(case, p, True) for p in PRECISIONS}
    for precision, worker in others.items():
        sides[f"weights in JAX, (A.36), {precision}"] = theirs(worker, case, "JAX, neurons", folder)
    done = in_turns(sides, turns)
    print(
        f"{case.layers} layers, width {case.width}, {case.count} inputs: core seconds to "
        f"{PRECISELY:.1%} of V_4[0,0,0,0] at the last layer, and networks"
    )
    least, wrong = np.inf, False
    for name, seen in done.items():
        wanted = networks[name if name in networks else "chain, (A.36)"]
        each = np.median([turn.seconds / turn.networks for turn in seen])
        one = wanted[0, 0, 0, 0]
        line = f"  {name:36s} {each * one:10.3g} s {one:10.3g}"
        if name != mine:
            times = np.median(ratios(seen, done[mine])) * wanted / networks[mine]
            line += f"   {times[0, 0, 0, 0]:6.0f} times longer ({times.min():.0f} to "
            line += f"{times.max():.0f} over all components)"
            if name.startswith("weights"):
                least = min(least, float(times[0, 0, 0, 0]))
                drawn = law_of_neurons(case, [turn.found for turn in seen])
                wrong |= differ(drawn, whole["chain, (A.36)"])
        print(line, flush=True)
    if wrong:
        print("  DISAGREE: (A.36) of weights is not that of the chain")
    print(f"  weights over nneft.sample: {least:.0f} times longer (bound {LESS_TIME:g})")
    return bool(least >= LESS_TIME) and not wrong


def differ(one: NeuronEnsemble, other: NeuronEnsemble) -> bool:
    a, b = one.V(4), other.V(4)
    gap = np.abs(a.mean[-1] - b.mean[-1])
    return bool((gap > STANDARD_ERRORS * np.hypot(a.error[-1], b.error[-1])).any())


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--core", type=int, help="processor core to run on; by default the first")
    parser.add_argument("--only", choices=["speed", "error"], help="one of the two alone")
    given = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        core = min(os.sched_getaffinity(0)) if given.core is None else given.core
        os.sched_setaffinity(0, {core})
    good = True
    with workers() as others, tempfile.TemporaryDirectory() as folder:
        if given.only != "error":
            for case in CASES:
                good &= speed(case, others, given.turns, folder)
        if given.only != "speed":
            good &= time_to_error(others, given.turns, folder)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
