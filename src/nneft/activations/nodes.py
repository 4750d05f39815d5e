"""The formula of an activation as a tree, evaluated in any algebra.

The same tree is evaluated on arrays (values), on Taylor series (derivatives) and on PolyExps
(closed forms): an *algebra* is a table of functions, arithmetic being Python's own operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

__all__ = ["CONDITIONS", "SMOOTH", "Node", "apply", "evaluate", "evaluate_all", "walk"]

#: Smooth functions of one argument.
SMOOTH: Mapping[str, Callable[[float], float]] = {
    "exp": math.exp,
    "expm1": math.expm1,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "erf": math.erf,
    "sigmoid": lambda u: math.exp(min(u, 0.0)) / (1.0 + math.exp(-abs(u))),
    "softplus": lambda u: max(u, 0.0) + math.log1p(math.exp(-abs(u))),
    "ndtr": lambda u: 0.5 * math.erfc(-u / math.sqrt(2.0)),
}

CONDITIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@final
@dataclass(frozen=True, eq=False)
class Node:
    """``op`` applied to ``args``; ``value`` is the constant, or the power's exponent.

    ``op``: x, const, +, -, *, /, power, a name of `SMOOTH`, relu, abs, max, min, or one of
    `CONDITIONS` with args (left, right, then, otherwise).
    """

    op: str
    args: tuple[Node, ...] = ()
    value: float = 0.0


def walk(root: Node) -> Iterator[Node]:
    """Every node once, arguments before what they are arguments of."""
    seen: set[int] = set()
    stack = [(root, False)]
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((arg, False) for arg in node.args)


def evaluate(root: Node, x: Any, algebra: Mapping[str, Callable[..., Any]]) -> Any:
    """The tree at ``x``; a function that the algebra lacks raises KeyError."""
    return evaluate_all(root, x, algebra)[id(root)]


def evaluate_all(root: Node, x: Any, algebra: Mapping[str, Callable[..., Any]]) -> dict[int, Any]:
    """Every node's value at ``x``, keyed by ``id(node)``."""
    values: dict[int, Any] = {}
    for node in walk(root):
        values[id(node)] = apply(node, [values[id(a)] for a in node.args], x, algebra)
    return values


def apply(node: Node, args: list[Any], x: Any, algebra: Mapping[str, Callable[..., Any]]) -> Any:
    """One node, its arguments known."""
    match node.op:
        case "x":
            return x
        case "const":
            return node.value
        case "+":
            return args[0] + args[1]
        case "-":
            return args[0] - args[1]
        case "*":
            return args[0] * args[1]
        case "/":
            return args[0] / args[1]
        case "power":
            return _power(args[0], node.value, algebra)
        case _ if node.op in CONDITIONS:
            return algebra["where"](CONDITIONS[node.op](args[0], args[1]), *args)
        case _:
            return algebra[node.op](*args)


def _power(base: Any, exponent: float, algebra: Mapping[str, Callable[..., Any]]) -> Any:
    if exponent != int(exponent):
        return algebra["power"](base, exponent)
    out: Any = None
    n = abs(int(exponent))
    while n:  # by squaring
        if n & 1:
            out = base if out is None else out * base
        n >>= 1
        if n:
            base = base * base
    return 1.0 / out if exponent < 0 else out
