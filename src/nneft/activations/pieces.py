"""Cutting a formula into smooth pieces, and refusing it where it is not finite."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nneft.activations import roots, values
from nneft.activations.builder import Builder
from nneft.activations.nodes import CONDITIONS, Node, evaluate, evaluate_all, walk

__all__ = ["check_finite", "cut"]

FloatArray = NDArray[np.float64]

#: More kinks than this are refused: no method breaks its integrals at infinitely many points.
MAX_KINKS = 64


def _function(node: Node) -> Callable[[float], float]:
    numpy = values.algebra(np)

    def f(t: float) -> float:
        with np.errstate(all="ignore"):
            return float(evaluate(node, np.float64(t), numpy))

    return f


def _on_grid(root: Node, x: FloatArray) -> dict[int, FloatArray]:
    with np.errstate(all="ignore"):
        found = evaluate_all(root, x, values.algebra(np))
    return {key: np.broadcast_to(np.asarray(v, dtype=float), x.shape) for key, v in found.items()}


def _switch(node: Node, builder: Builder) -> Node | None:
    """The function whose sign decides between the node's branches."""
    if node.op in ("relu", "abs"):
        return node.args[0]
    if node.op in ("max", "min", *CONDITIONS):
        return builder.subtract(node.args[0], node.args[1])
    return None


def cut(root: Node, builder: Builder) -> tuple[tuple[float, ...], list[Node]]:
    """Kinks, ascending, and the smooth formula of each of the pieces between them."""
    switches = {s for node in walk(root) if (s := _switch(node, builder)) is not None}
    x = roots.grid()
    found: list[float] = []
    for switch in switches:
        on_grid = _on_grid(switch, x)[id(switch)]
        for kink in roots.sign_changes(_function(switch), x, on_grid):
            found.append(kink)
            if len(found) > 4 * MAX_KINKS:
                break
    kinks = _distinct(found)
    pieces = [_smooth(root, t, builder) for t in _inner_points(kinks)]
    keep = [i for i in range(len(kinks)) if pieces[i] is not pieces[i + 1]]
    if len(keep) > MAX_KINKS:
        one, two, *_ = sorted((kinks[i] for i in keep), key=abs)
        raise ValueError(
            f"it has more than {MAX_KINKS} kinks (x = {one:.6g}, {two:.6g}, ..); activations "
            "with fewer are taken"
        )
    return tuple(kinks[i] for i in keep), [*(pieces[i] for i in keep), pieces[-1]]


def _distinct(found: list[float]) -> list[float]:
    kinks: list[float] = []
    for kink in sorted(found):
        if not kinks or kink - kinks[-1] > 1e-12 * max(1.0, abs(kink)):
            kinks.append(kink + 0.0)  # no minus zero
    return kinks


def _inner_points(kinks: list[float]) -> list[float]:
    if not kinks:
        return [0.6180339887]
    between = [0.5 * (a + b) for a, b in itertools.pairwise(kinks)]
    first, last = kinks[0], kinks[-1]
    return [first - 0.5 * max(1.0, abs(first)), *between, last + 0.5 * max(1.0, abs(last))]


def _smooth(root: Node, t: float, builder: Builder) -> Node:
    """The formula with every branch decided as it is at ``t``."""
    with np.errstate(all="ignore"):
        at = evaluate_all(root, np.float64(t), values.algebra(np))
    made: dict[int, Node] = {}
    for node in walk(root):
        value = [at[id(a)] for a in node.args]
        args = [made[id(a)] for a in node.args]
        made[id(node)] = _decided(node, value, args, builder)
    return made[id(root)]


def _decided(node: Node, value: list[Any], args: list[Node], builder: Builder) -> Node:
    if node.op == "relu":
        return args[0] if value[0] > 0 else builder.const(0.0)
    if node.op == "abs":
        return args[0] if value[0] >= 0 else builder.negative(args[0])
    if node.op in ("max", "min"):
        return args[0] if (value[0] >= value[1]) == (node.op == "max") else args[1]
    if node.op in CONDITIONS:
        return args[2] if CONDITIONS[node.op](value[0], value[1]) else args[3]
    return builder.rebuild(node, args)


def check_finite(kinks: tuple[float, ...], pieces: list[Node], root: Node) -> None:
    """Refuse a formula that is not finite, or not smooth between kinks, somewhere.

    Raises
    ------
    ValueError
        naming what fails, and where.
    """
    ends = [-math.inf, *kinks, math.inf]
    for piece, low, high in zip(pieces, ends[:-1], ends[1:], strict=True):
        x = roots.grid()
        x = np.concatenate([x[(x > low) & (x < high)], [t for t in (low, high) if abs(t) < 1e9]])
        x.sort()
        for node in walk(piece):
            bad = min(_failures(node, x), key=abs, default=None)
            if bad is not None:
                raise ValueError(f"it is not finite and smooth at x = {bad:.6g} ({_why(node)})")
    x = roots.grid()
    x = x[np.abs(x) <= 100.0]
    nan = np.isnan(_on_grid(root, x)[id(root)])
    if np.any(nan):
        raise ValueError(
            f"it is not a number at x = {x[nan][np.argmin(np.abs(x[nan]))]:.6g} in double "
            "precision; write it in a form that does not overflow, such as sigmoid or tanh"
        )


def _why(node: Node) -> str:
    if node.op == "/" or (node.op == "power" and node.value == int(node.value)):
        return "division by zero"
    if node.op == "power":
        return f"a power {node.value:g} of something that is not positive"
    return f"{node.op} of something that is not positive"


def _failures(node: Node, x: FloatArray) -> Iterator[float]:
    """Points where a node needs its argument nonzero, or positive, and it is not."""
    integer = node.value == int(node.value)
    if node.op == "/" and node.args[1].op != "const":
        guard, positive = node.args[1], False
    elif node.op == "power" and not (integer and node.value > 0):
        guard, positive = node.args[0], not integer
    elif node.op in ("log", "sqrt") and node.args[0].op != "const":
        guard, positive = node.args[0], True
    else:
        return
    g = _on_grid(guard, x)[id(guard)]
    f = _function(guard)
    yield from roots.sign_changes(f, x, g)
    yield from roots.touches(f, x, g)
    if positive:
        yield from (float(t) for t in x[g < 0.0])
