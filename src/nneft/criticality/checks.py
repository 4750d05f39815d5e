"""What criticality can be asked of: an activation with averages, and variances that make sense."""

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from nneft.activations import Activation, resolve

#: Steps below this, relative to the function beside them, are rounding.
STEP = 1e-11
#: Bisections after which a change that is still this fraction of the first, and this one of the
#: function (more than the rounding of single precision), is a jump; and by how
#: much they start beside round numbers.
HALVINGS, STAYS, SEEN, OFF = 36, 1e-3, 1e-6, 0.0417
#: Variances beyond this make kernels overflow.
MOST = 1e100


def checked(activation: str | Activation | Callable[[Any], Any]) -> Activation:
    """The activation meant, if it has a criticality.

    Raises
    ------
    ValueError
        It is constant (no signal), discontinuous (``<sigma'^2>`` is infinite), grows too fast
        (``<sigma^2>`` diverges), random, or not an activation at all.
    """
    try:
        found = resolve(activation)
    except ValueError as error:
        # of one that is elementwise and deterministic, at least
        if callable(activation) and "not smooth" in str(error):
            _explain(activation)
        raise
    beside = np.add.outer(np.array(found.kinks), [-1.0, 0.0, 1.0]).ravel()
    x = np.concatenate([np.linspace(-40.0, 40.0, 801), beside])
    with np.errstate(over="ignore"):
        values = np.asarray(found(x), dtype=np.float64)
    if np.all(values == values[0]):
        raise ValueError(
            f"the activation {found.name} is constant, {values[0] + 0.0:.6g} at every x: it "
            "carries no signal, chi_perp = C_W <sigma'^2> = 0 for every C_W; give one that varies"
        )
    if found.kinks:
        _check_steps(found)
    _check_growth(found, found.name)
    return found


def _check_steps(activation: Activation) -> None:
    kinks = np.array(activation.kinks)
    steps = activation.jumps(0)[0]
    around = kinks + activation.scale * np.linspace(-1.0, 1.0, 8)[:, None]
    size = np.abs(np.asarray(activation(around))).max(axis=0)
    wrong = np.flatnonzero(np.abs(steps) > STEP * size)
    if len(wrong):
        raise _jumps(activation.name, float(steps[wrong[0]]), float(kinks[wrong[0]]))


def _jumps(name: str, step: float, x: float) -> ValueError:
    return ValueError(
        f"the activation {name} is discontinuous: it jumps by {step:.6g} at x = {x:.6g}, so "
        "chi_perp = C_W <sigma'^2> is infinite for every C_W > 0 and close inputs always part; "
        "give a continuous one"
    )


def _explain(fn: Callable[[Any], Any]) -> None:
    """Of a callable that is not smooth, raise what no declared kink would mend, if it is that."""
    name = repr(getattr(fn, "__name__", fn))
    _check_growth(fn, name)
    low = np.linspace(-40.0, 40.0, 801) + OFF
    high = low + (low[1] - low[0])
    with np.errstate(all="ignore"):
        first, last = np.asarray(fn(low)), np.asarray(fn(high))
        start = np.abs(last - first)
        for _ in range(HALVINGS):  # the half in which it changes more
            middle = 0.5 * (low + high)
            value = np.asarray(fn(middle))
            left = np.abs(value - first) >= np.abs(last - value)
            low, first = np.where(left, low, middle), np.where(left, first, value)
            high, last = np.where(left, middle, high), np.where(left, value, last)
        step, size = np.abs(last - first), np.abs(first) + np.abs(last)
        stays = (step > STAYS * start) & (step > SEEN * size)
    if np.any(stays):
        i = int(np.argmax(np.where(stays, step, 0.0)))
        x = float(np.round(high[i], 9)) + 0.0
        raise _jumps(name, float(last[i] - first[i]), x)


def _check_growth(activation: Activation | Callable[[Any], Any], name: str) -> None:
    """Refuse growth like ``exp(r x^2)``: ``<sigma^2>_K`` has a pole at ``K = 1/(4 r)``."""
    x = 2.0 ** np.arange(-6.0, 12.0, 0.5)
    for side in (1.0, -1.0):
        with np.errstate(all="ignore"):
            logs = np.log(np.maximum(np.abs(activation(side * x)), 1.0))
        logs = logs[: int(np.argmin(np.isfinite(logs)))] if not np.isfinite(logs[-1]) else logs
        if len(logs) < 3 or logs[-1] < 10.0 or logs[-1] < 3.5 * logs[-3]:
            continue
        raise ValueError(
            f"the activation {name} grows too fast: <sigma^2>_K diverges from a kernel "
            f"of about {x[len(logs) - 1] ** 2 / (4.0 * logs[-1]):.3g} on; give one that grows no "
            "faster than exp(|x|)"
        )


def check_variances(C_W: float, C_b: float) -> tuple[float, float]:
    """``C_W > 0`` and ``C_b >= 0``, finite and at most `MOST`.

    Raises
    ------
    ValueError, TypeError
        They are not.
    """
    w, b = _number("C_W", C_W), _number("C_b", C_b)
    if w <= 0.0:
        raise ValueError(f"C_W must be positive, got {w:g}: without weights no signal passes")
    if b < 0.0:
        raise ValueError(f"C_b must not be negative, got {b:g}: it is a variance")
    return w, b


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | str | complex) or np.ndim(value) != 0:
        raise TypeError(f"{name} must be one number, got {value!r}")
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be one number, got {value!r}") from error
    if not isfinite(number):
        raise ValueError(f"{name} must be finite, got {value!r}")
    if number > MOST:
        raise ValueError(f"{name} must be at most {MOST:g}, got {number:g}: kernels overflow")
    return number
