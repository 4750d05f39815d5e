"""Enumerating, counting and drawing Feynman diagrams: seconds, and the peak of memory.

Each enumeration is timed in a process of its own, from an empty cache, beside its count by
Burnside's lemma. Drawing is timed once the fonts are loaded, which the first picture of a process
pays for. Ends with code 1 where a bound is missed.
"""

import resource
import subprocess
import sys
import time

import nneft

#: Points, order, bound in seconds.
CASES = ((8, 0, 0.05), (12, 0, 2.0), (14, 0, 30.0), (6, 2, 10.0))
DRAWING, MEMORY = 0.05, 500.0


def enumerate_one(points: int, order: int) -> None:
    make = nneft.diagrams  # imported now
    start = time.perf_counter()
    found = sum(1 for _ in make(points, order))
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    counted = nneft.diagrams(points, order).count()
    print(found, seconds, counted, time.perf_counter() - start, peak())


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def main() -> int:
    missed = False
    for points, order, bound in CASES:
        command = [sys.executable, __file__, str(points), str(order)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found, seconds, counted, counting, memory = map(float, text.split())
        print(
            f"{points} points, order {order}: {found:.0f} topologies in {seconds:.3f} s "
            f"(bound {bound} s), counted {counted:.0f} in {counting:.4f} s, {memory:.0f} MiB"
        )
        missed |= seconds > bound or found != counted or memory > MEMORY
    diagrams = [d for p, q in ((8, 0), (6, 1), (4, 2)) for d in nneft.diagrams(p, q)]
    for diagram in diagrams:  # loads the fonts' letters
        diagram.svg()
    for form in ("svg", "tikz"):
        times = []
        for diagram in diagrams:
            once = []
            for _ in range(3):
                start = time.perf_counter()
                getattr(diagram, form)()
                once.append(time.perf_counter() - start)
            times.append(min(once))
        times.sort()
        print(
            f"{form} of {len(times)} diagrams: median {1e3 * times[len(times) // 2]:.1f} ms, "
            f"longest {1e3 * times[-1]:.1f} ms (bound {1e3 * DRAWING:.0f} ms)"
        )
        missed |= times[-1] > DRAWING
    print(f"peak memory {peak():.0f} MiB (bound {MEMORY:.0f} MiB)")
    return int(missed or peak() > MEMORY)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        enumerate_one(int(sys.argv[1]), int(sys.argv[2]))
    else:
        sys.exit(main())
