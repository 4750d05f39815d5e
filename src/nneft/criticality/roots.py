"""A root between two places, if there is one."""

from collections.abc import Callable

from scipy.optimize import brentq


def root_between(f: Callable[[float], float], low: float, high: float) -> float | None:
    """Where `f` vanishes between two places, to rounding; None where it does not change sign.

    A table may have seen a change of sign in its own rounding that `f` itself does not have.
    """
    first, last = f(low), f(high)
    if first == 0.0:
        return low
    if last == 0.0:
        return high
    if (first > 0.0) == (last > 0.0):
        return None
    return float(brentq(f, low, high, xtol=1e-300, rtol=1e-14))
