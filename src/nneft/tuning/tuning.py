"""The front door: which C_W and C_b, for this network at this width and depth."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.driver import flow
from nneft.tuning.balance import Balance
from nneft.tuning.layers import solve_layers
from nneft.tuning.profile import Profile, measure
from nneft.tuning.shift import shift, shifted
from nneft.tuning.signal import Signal, signal
from nneft.tuning.words import kept, percent, warnings

#: What each can be told, beside the network and its inputs.
TARGETS = {
    "shift": ("by",),
    "layers": ("goal",),
    "spread": ("goal", "weights", "shared", "iterations"),
}
#: Most steps of the optimiser, if nothing else is said.
ITERATIONS = 60


@dataclass(frozen=True, eq=False)
class Tuning:
    """A network before and after tuning; index 0 is layer 1.

    Attributes
    ----------
    target
        "shift", "layers" or "spread", as asked for.
    before, after
        The networks; ``after.C_W`` and ``after.C_b`` are the answer.
    goal : (L, N, N)
        The mean kernel wanted.
    profiles
        Mean kernels to first order in 1/n, and spreads, of the two.
    signals
        What the two do to differences between inputs, at infinite width: correlations, chi's.
    numbers
        "shift": ``c`` of ``C_W (1 + c/n)`` and ``d`` of ``C_b + d/n``; "spread": the weighted sum
        before and after.
    """

    target: str
    before: Network
    after: Network
    goal: Array
    profiles: tuple[Profile, Profile]
    signals: tuple[Signal, Signal]
    numbers: Mapping[str, float]

    @property
    def departure(self) -> tuple[Array, Array]:
        """(L,) each: how far the mean kernel is off the goal before and after, relative."""
        before, after = self.profiles
        return before.departure(self.goal), after.departure(self.goal)

    def __str__(self) -> str:
        rows = ["layer           C_W           C_b   kernel off by      seeds spread by"]
        off, (was, now) = self.departure, self.profiles
        for l in _shown(self.after.depth):
            change = f"{percent(off[0][l])} -> {percent(off[1][l])}"
            spread = f"{percent(was.spread[l])} -> {percent(now.spread[l])}"
            w, b = self.after.C_W[l], self.after.C_b[l]
            rows.append(f"{l + 1:>5}  {w:>12.8g}  {b:>12.8g}  {change:>15}  {spread:>15}")
        told = [*self.warnings, kept(self.profiles, self.signals), *self._doubts()]
        return "\n".join([self._verdict(), *told, "", *rows])

    @property
    def warnings(self) -> list[str]:
        """What tuning made worse, in plain words: spread, differences of inputs, criticality."""
        return warnings(self.profiles, self.signals)

    def _doubts(self) -> list[str]:
        layers = [profile.doubtful for profile in self.profiles if profile.doubtful]
        if not layers:
            return []
        return [
            f"from layer {min(layers)} on seeds spread by more than 50%, and orders beyond the "
            "first in 1/n count (nneft.flow(.., order=2).validity() tells how much)"
        ]

    def _verdict(self) -> str:
        off = self.departure
        name, depth = self.before.activation.name, self.before.depth
        if self.target == "shift":
            if not any(self.numbers.values()):
                return f"{name}: the mean kernel does not drift with 1/n; nothing to shift"
            typed = {"c": "C_W (1 {} {:.6g}/n)", "d": "C_b {} {:.6g}/n"}
            how = " and ".join(
                typed[k].format("-" if v < 0.0 else "+", abs(v)) for k, v in self.numbers.items()
            )
            left, was_off = percent(off[1][-1]), percent(off[0][-1])
            return (
                f"{name}: take {how}, n the width below; the mean kernel of layer {depth} is then "
                f"off its infinite-width value by {left} instead of {was_off}"
            )
        held = (
            f"the mean kernel stays within {percent(float(np.max(off[1])))} of the one wanted "
            f"(before: {percent(float(np.max(off[0])))})"
        )
        return f"{name}: {held}"


def tune(
    network: Network,
    inputs: ArrayLike | None = None,
    *,
    kernel: ArrayLike | None = None,
    target: str = "layers",
    by: str | tuple[str, ...] | None = None,
    goal: ArrayLike | None = None,
    weights: Mapping[str, float] | None = None,
    shared: bool | None = None,
    iterations: int | None = None,
) -> Tuning:
    """The best C_W and C_b at finite width and depth, to first order in 1/n.

    Layer 1 is left as it is: its kernel is not random, and is what all others are tuned to.

    Parameters
    ----------
    network
        Where to start from; at a critical point, most often.
    inputs, kernel
        A few inputs, or the first layer's kernel. "layers" keeps what tells the inputs given
        apart, and no others.
    target
        "shift": one ``C_W (1 + c/n_{l-1})`` (and ``C_b + d/n_{l-1}``, see `by`) for all layers, so
        that the mean kernel of the last layer is the infinite-width one to first order in 1/n.
        "layers": each layer's own, so that the mean kernel is `goal` at every layer; one input
        keeps its C_b. "spread": the least of ``weights["kernel"]`` times the squared departure
        from `goal`, added over layers, plus ``weights["spread"]`` times the mean relative variance
        of the last layer between random seeds, among networks that move the correlations 0.5 and
        0.99 no further from layer 1 to the last than `network` does, and spread no more: biases
        vary less than signals, but are none.
    by
        For "shift": "C_W" (the default), "C_b" or both.
    goal : (N, N) or (L, N, N)
        Mean kernel wanted, for "layers" and "spread"; by default the first layer's.
    weights
        For "spread"; by default 1 each.
    shared
        For "spread": one C_W and one C_b for all layers; by default each layer its own.
    iterations
        For "spread": most steps of SLSQP, by default 60.

    Returns
    -------
    Tuning
        Before and after; ``str()`` of it says in words what was gained, and warns of what was lost:
        a larger spread, differences between inputs, criticality.

    Raises
    ------
    ValueError
        A wrong call, an argument that the target has no use for among them; a goal that no
        positive C_W reaches.
    nneft.NumericsError
        As of `nneft.flow`.

    Notes
    -----
    Scale-invariant networks without biases have no shift: ``K_p = 0`` for all p >= 1. At K* = 0 it
    tends to ``c = 2/3`` with depth, whatever the activation.
    """
    if not isinstance(network, Network):
        raise TypeError(
            f"tune() wants a nneft.Network first, got {type(network).__name__}; "
            "nneft.advise takes an activation, a depth and a width"
        )
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, got {target!r}")
    given = {"by": by, "goal": goal, "weights": weights, "shared": shared}
    given["iterations"] = iterations
    _check_used(target, [name for name, value in given.items() if value is not None])
    first = network.first_kernel(inputs=inputs, kernel=kernel)
    if np.any(np.diag(first) <= 0.0):
        raise ValueError("each input must have a positive first kernel; leave out zero inputs")
    if network.depth < 2:
        raise ValueError("one layer has nothing to tune: its kernel is not random")
    if target == "shift":
        return _by_shift(network, first, _shifting("C_W" if by is None else by))
    wanted = _goal(network, first, goal)
    numbers: dict[str, float] = {}
    if target == "layers":
        after = solve_layers(network, first, wanted)
    else:
        w, steps = _weights(weights), _steps(iterations)
        problem = Balance(network, first, wanted, w["kernel"], w["spread"], _is_shared(shared))
        after, numbers["before"], numbers["after"] = problem.solved(steps)
    return _compared(target, (network, after), first, wanted, numbers)


def _compared(
    target: str, both: tuple[Network, Network], first: Array, goal: Array, numbers: dict[str, float]
) -> Tuning:
    (before, after), size = both, float(np.mean(np.diag(first)))
    profiles = measure(before, first), measure(after, first)
    signals = signal(before, size), signal(after, size)
    return Tuning(target, before, after, goal, profiles, signals, numbers)


def _check_used(target: str, given: list[str]) -> None:
    """Refuse what the target has no use for: it would be left out without a word."""
    for name in given:
        if name in TARGETS[target]:
            continue
        users = " and ".join(f'"{other}"' for other, names in TARGETS.items() if name in names)
        shifts = (target, name) == ("shift", "goal")
        why = ", whose goal is the infinite-width kernel" if shifts else ""
        raise ValueError(
            f'target="{target}" has no use for {name}={why}: leave it out, or take target={users}'
        )


def _shifting(by: str | tuple[str, ...]) -> tuple[str, ...]:
    names = (by,) if isinstance(by, str) else tuple(by)
    if not names or len(set(names)) < len(names) or not set(names) <= {"C_W", "C_b"}:
        raise ValueError(f'by must be "C_W", "C_b" or both, got {by!r}')
    return names


def _is_shared(shared: bool | None) -> bool:
    if shared is not None and not isinstance(shared, bool):
        raise TypeError(f"shared must be True or False, got {shared!r}")
    return bool(shared)


def _steps(iterations: int | None) -> int:
    steps = ITERATIONS if iterations is None else iterations
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise TypeError(f"iterations must be an integer, got {iterations!r}")
    if steps < 1:
        raise ValueError(f"iterations must be 1 or more, got {iterations}")
    return steps


def _by_shift(network: Network, first: Array, by: tuple[str, ...]) -> Tuning:
    found = shift(network, first, by)
    after = shifted(network, found)
    goal = flow(network, kernel=first, order=0).K()
    letters = {"C_W": "c", "C_b": "d"}
    numbers = {letters[name]: value for name, value in found.items()}
    return _compared("shift", (network, after), first, goal, numbers)


def _goal(network: Network, first: Array, goal: ArrayLike | None) -> Array:
    shape = (network.depth, *first.shape)
    given = np.asarray(first if goal is None else goal, dtype=np.float64)
    if given.shape not in ((), first.shape, shape):
        raise ValueError(f"goal must have shape {first.shape} or {shape}, got {given.shape}")
    if given.ndim == 0 and len(first) > 1:
        raise ValueError("goal must be a kernel (N, N) where there are several inputs")
    wanted = np.array(np.broadcast_to(given, shape))
    # Layer 1 is what it is.
    wanted[0] = first
    diagonal = np.diagonal(wanted, axis1=1, axis2=2)
    if not np.all(np.isfinite(wanted)) or np.any(diagonal <= 0.0):
        raise ValueError("goal must be finite, with a positive diagonal")
    return wanted


def _weights(weights: Mapping[str, float] | None) -> dict[str, float]:
    found = {"kernel": 1.0, "spread": 1.0} | dict(weights or {})
    if set(found) != {"kernel", "spread"} or any(not 0.0 <= w < np.inf for w in found.values()):
        raise ValueError(f'weights are "kernel" and "spread", not negative, got {weights!r}')
    return found


def _shown(depth: int) -> list[int]:
    """A few layers of many."""
    return (
        list(range(depth))
        if depth <= 12
        else sorted({0, 1, 2, *range(4, depth, depth // 8), depth - 1})
    )
