"""Critical points and phase diagrams: seconds, peak memory, accuracy, and against scipy's quad.

Each diagram is timed in a process of its own: the first call, which makes the activation's tables,
and a later one on another grid. The loop over `scipy.integrate.quad` does at some points of the
grid what the diagram holds of all: it iterates the kernel's map to 1e-10, finds the two chi's, and
where chaotic iterates the correlation's map by `dblquad` to 1e-8; what it takes for all points is
extrapolated, with and without the correlations. The accuracy of K* and the chi's is against mpmath
at random points, through formulas of their own. Ends with code 1 where a bound is missed.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from math import exp, pi, sqrt, tanh
from typing import Any

import numpy as np
from mpmath import mp
from scipy.integrate import dblquad, quad

import nneft
from nneft.activations.builtin import BUILTIN

#: Bounds: seconds of a critical point, of 200 x 200 and 1000 x 1000 points, GiB, times faster.
POINT, SMALL, LARGE, MEMORY, FASTER = 0.5, 5.0, 60.0, 2.0, 100.0
#: And the largest relative error of K*, absolute of the chi's.
ERROR = 1e-9
#: Largest C_W and C_b of the diagrams.
BOXES = {"tanh": (4.0, 1.0), "gelu": (2.5, 1.0), "selu": (2.3, 1.0), "sigmoid": (420.0, 330.0)}
#: Points of the loop over quad, of that over dblquad, and of the comparison with mpmath.
LOOPED, DOUBLED, COMPARED = 40, 4, 12

Function = Callable[[Any], tuple[Any, Any]]


def grid(name: str, count: int, shrink: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    right, top = BOXES[name]
    return (
        shrink * right * np.arange(1, count + 1) / count,
        shrink * np.linspace(0.0, top, count),
    )


def measure(name: str, count: int) -> None:
    """Seconds of the first call and of a later one, peak memory in GiB."""
    nneft.phase_diagram("relu", [1.0, 2.0], [0.0, 1.0])  # imports are no part of it
    seconds = []
    for shrink in (1.0, 0.97) if count < 500 else (1.0,):
        axes = grid(name, count, shrink)
        start = time.perf_counter()
        nneft.phase_diagram(name, *axes)
        seconds.append(time.perf_counter() - start)
    print(seconds[0], seconds[-1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def report(what: str, measured: float, bound: float, unit: str, *, least: bool = False) -> bool:
    good = measured >= bound if least else measured < bound
    said = "at least" if least else "bound"
    print(f"{what:<52} {measured:9.3g} {unit:<5} {said} {bound:g}{'' if good else ' MISSED'}")
    return good


def critical_points() -> list[bool]:
    nneft.critical_point("x + 0.5*tanh(x)")  # the first
    seconds = {}
    for name in BUILTIN:
        start = time.perf_counter()
        nneft.critical_point(name)
        seconds[name] = time.perf_counter() - start
    slowest = max(seconds, key=seconds.__getitem__)
    what = f"critical point of {len(BUILTIN)} activations, slowest: {slowest}"
    return [report(what, seconds[slowest], POINT, "s")]


def diagrams() -> list[bool]:
    good = []
    for name in BOXES:
        for count, bound in ((200, SMALL), (1000, LARGE)):
            command = [sys.executable, __file__, name, str(count)]
            text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            first, later, memory = map(float, text.split())
            what = f"{name}, {count} x {count}"
            good.append(report(f"{what}, first call", first, bound, "s"))
            if count < 500:
                good.append(report(f"{what}, later, on another grid", later, bound, "s"))
            else:
                good.append(report(f"{what}, peak memory", memory, MEMORY, "GiB"))
    return good


def _tanh(x: float) -> tuple[float, float]:
    t = tanh(x)
    return t, 1.0 - t * t


def by_quad(f: Function, C_W: float, C_b: float) -> tuple[float, float, float]:
    """K*, chi_par and chi_perp as one writes them down, at most 200 steps."""
    gauss = 1.0 / sqrt(2.0 * pi)

    def mean(g: Callable[[float], float]) -> float:
        return quad(lambda z: gauss * exp(-0.5 * z * z) * g(z), -9.0, 9.0, epsabs=1e-11)[0]

    K = 1.0
    for _ in range(200):
        s = sqrt(K)
        following = C_b + C_W * mean(lambda z, s=s: f(s * z)[0] ** 2)
        done, K = abs(following - K) < 1e-10 * K, following
        if done:
            break
    s = sqrt(K)
    # d<f^2>/dK = <(z^2 - 1) f^2>/(2K)
    par = C_W * mean(lambda z: (z * z - 1.0) * f(s * z)[0] ** 2) / (2.0 * K)
    return K, par, C_W * mean(lambda z: f(s * z)[1] ** 2)


def by_dblquad(f: Function, C_W: float, C_b: float, K: float, ours: float) -> float:
    """c* and chi_c, from c = 1/2 on, at most 100 steps; by how much its map moves `ours`."""
    size = sqrt(K)

    def mean(c: float, which: int) -> float:
        s = sqrt(1.0 - c * c)

        def inside(y: float, x: float) -> float:
            both = f(size * x)[which] * f(size * (c * x + s * y))[which]
            return both * exp(-0.5 * (x * x + y * y)) / (2.0 * pi)

        return dblquad(inside, -8.0, 8.0, -8.0, 8.0, epsabs=1e-9, epsrel=1e-9)[0]

    c = 0.5
    for _ in range(100):
        following = (C_b + C_W * mean(c, 0)) / K
        done, c = abs(following - c) < 1e-8, following
        if done:
            break
    mean(c, 1)
    return abs((C_b + C_W * mean(ours, 0)) / K - ours)


def against_quad() -> list[bool]:
    rng = np.random.default_rng(5)
    w, b = grid("tanh", 200)
    nneft.phase_diagram("tanh", *grid("tanh", 200, 0.9))
    start = time.perf_counter()
    data = nneft.phase_diagram("tanh", w, b)
    ours = time.perf_counter() - start

    places = rng.choice(np.argwhere(data.kernel.values > 1e-3), LOOPED, replace=False)
    start = time.perf_counter()
    found = [by_quad(_tanh, float(w[i]), float(b[j])) for i, j in places]
    single = (time.perf_counter() - start) / LOOPED * data.phase.size
    apart = max(
        abs(kernel / float(data.kernel[i, j]) - 1.0)
        for (kernel, *_), (i, j) in zip(found, places, strict=True)
    )

    chaotic = np.argwhere(data.phase.values == 2)
    places = rng.choice(chaotic, DOUBLED, replace=False)
    start = time.perf_counter()
    moved = max(
        by_dblquad(
            _tanh, *(float(v) for v in (w[i], b[j], data.kernel[i, j], data.correlation[i, j]))
        )
        for i, j in places
    )
    double = (time.perf_counter() - start) / DOUBLED * len(chaotic)
    print(f"    K*, chi: {single:.0f} s, {single / ours:.0f} times; K* apart by {apart:.0e}")
    print(f"    c*, chi_c: {double:.0f} s; the loop's map moves c* by {moved:.0e}")
    what = "tanh, 200 x 200, over the loop of quad"
    return [report(what, (single + double) / ours, FASTER, "times", least=True)]


def _mp_tanh(x: Any) -> tuple[Any, Any]:
    t = mp.tanh(x)
    return t, 1 - t * t


def _mp_gelu(x: Any) -> tuple[Any, Any]:
    return x * mp.ncdf(x), mp.ncdf(x) + x * mp.npdf(x)


def _mp_selu(x: Any) -> tuple[Any, Any]:
    alpha, scale = mp.mpf("1.6732632423543772848170429916717"), mp.mpf("1.0507009873554804934")
    if x > 0:
        return scale * x, scale
    return scale * alpha * mp.expm1(x), scale * alpha * mp.exp(x)


def _mp_sigmoid(x: Any) -> tuple[Any, Any]:
    s = 1 / (1 + mp.exp(-x))
    return s, s * (1 - s)


def _errors(f: Function, C_W: float, C_b: float, found: tuple[float, ...]) -> tuple[float, ...]:
    """Of K*, relative, by one Newton step; of chi_par and chi_perp."""
    K, w = mp.mpf(found[0]), mp.mpf(C_W)
    s = mp.sqrt(K)
    breaks = [mp.mpf(i) / 2 for i in range(-18, 19)]

    def mean(g: Callable[[Any], Any]) -> Any:
        return mp.quad(lambda z: g(z) * mp.npdf(z), breaks, method="gauss-legendre")

    square = mean(lambda z: f(s * z)[0] ** 2)
    par = w * mean(lambda z: (z * z - 1) * f(s * z)[0] ** 2) / (2 * K)
    perp = w * mean(lambda z: f(s * z)[1] ** 2)
    step = (C_b + w * square - K) / (1 - par)
    return abs(float(step / K)), abs(float(par - found[1])), abs(float(perp - found[2]))


def accuracy() -> list[bool]:
    rng = np.random.default_rng(7)
    forms = {"tanh": _mp_tanh, "gelu": _mp_gelu, "selu": _mp_selu, "sigmoid": _mp_sigmoid}
    good = []
    for name, f in forms.items():
        right, top = BOXES[name]
        w = np.sort(rng.uniform(0.02, 1.0, 40)) * right
        b = np.sort(rng.uniform(0.0, 1.0, 40)) * top
        data = nneft.phase_diagram(name, w, b)
        finite = np.argwhere(np.isfinite(data.kernel.values))
        worst = np.zeros(3)
        with mp.workdps(20):
            for i, j in finite[rng.choice(len(finite), COMPARED, replace=False)]:
                at = [float(data[v][i, j]) for v in ("kernel", "chi_par", "chi_perp")]
                worst = np.maximum(worst, _errors(f, float(w[i]), float(b[j]), tuple(at)))
        what = f"{name}, error of K*, chi_par, chi_perp at {COMPARED} points"
        good.append(report(what, float(worst.max()), ERROR, ""))
    return good


def main() -> int:
    good = [*critical_points(), *diagrams(), *against_quad(), *accuracy()]
    return 0 if all(good) else 1


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], int(sys.argv[2]))
    else:
        sys.exit(main())
