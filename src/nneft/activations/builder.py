"""Building formula trees: shared nodes, folded constants, and forms that do not overflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, final

from nneft.activations.nodes import CONDITIONS, SMOOTH, Node, apply

__all__ = ["MAX_NODES", "MAX_POWER", "Builder"]

#: Largest power; a larger one is refused.
MAX_POWER = 64
#: Largest number of distinct nodes: keeps the time to analyse a hostile expression bounded.
MAX_NODES = 400

_SCALAR: Mapping[str, Callable[..., Any]] = {
    **SMOOTH,
    "relu": lambda u: max(u, 0.0),
    "abs": abs,
    "max": max,
    "min": min,
    "where": lambda c, left, right, a, b: a if c else b,
    "power": lambda u, p: u**p,
}


@final
class Builder:
    """Makes nodes, each distinct one once: equal formulas are the same object."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, tuple[int, ...], float], Node] = {}
        self.x = self._node("x")

    def _node(self, op: str, args: tuple[Node, ...] = (), value: float = 0.0) -> Node:
        key = (op, tuple(id(a) for a in args), value)
        if key not in self._made:
            if len(self._made) >= MAX_NODES:
                raise ValueError(f"the formula is too long (more than {MAX_NODES} operations)")
            self._made[key] = Node(op, args, value)
        return self._made[key]

    def const(self, value: float) -> Node:
        """A constant, which must be finite."""
        if not math.isfinite(value):
            raise ValueError(f"a constant in it is not finite ({value})")
        return self._node("const", (), float(value))

    def _folded(self, op: str, *args: Node, value: float = 0.0) -> Node:
        if not args or any(a.op != "const" for a in args):
            return self._node(op, args, value)
        try:
            out = apply(Node(op, args, value), [a.value for a in args], None, _SCALAR)
        except ZeroDivisionError:
            raise ValueError("it divides by zero") from None
        except (OverflowError, ValueError):
            raise ValueError("a constant in it is not finite") from None
        if isinstance(out, complex):
            raise ValueError("a constant in it is not real")
        return self.const(out)

    def add(self, a: Node, b: Node) -> Node:
        """``a + b``."""
        if is_const(a, 0.0):
            return b
        if is_const(b, 0.0):
            return a
        if is_const(b, -1.0) and a.op == "exp":
            return self.call("expm1", a.args[0])
        if is_const(a, -1.0) and b.op == "exp":
            return self.call("expm1", b.args[0])
        return self._folded("+", a, b)

    def subtract(self, a: Node, b: Node) -> Node:
        """``a - b``."""
        if a is b:
            return self.const(0.0)
        if b.op == "const":
            return self.add(a, self.const(-b.value))
        if is_const(a, 0.0):
            return self.negative(b)
        return self._folded("-", a, b)

    def negative(self, a: Node) -> Node:
        """``-a``."""
        return self.multiply(self.const(-1.0), a)

    def multiply(self, a: Node, b: Node) -> Node:
        """``a b``."""
        if is_const(a, 0.0) or is_const(b, 0.0):
            return self.const(0.0)
        if is_const(a, 1.0):
            return b
        if is_const(b, 1.0):
            return a
        if a.op == "const" and b.op == "*" and b.args[0].op == "const":
            return self.multiply(self._folded("*", a, b.args[0]), b.args[1])
        return self._folded("*", a, b)

    def divide(self, a: Node, b: Node) -> Node:
        """``a / b``; exponentials below the line are turned so that they do not overflow."""
        if is_const(b, 0.0):
            raise ValueError("it divides by zero")
        if is_const(a, 0.0):
            return a
        if b.op == "exp":
            return self.multiply(a, self.call("exp", self.negative(b.args[0])))
        u = one_plus_exp(b)
        if u is not None:
            if a.op == "exp" and a.args[0] is u:
                return self.call("sigmoid", u)
            return self.multiply(a, self.call("sigmoid", self.negative(u)))
        return self._folded("/", a, b)

    def power(self, a: Node, b: Node) -> Node:
        """``a ** b``."""
        if b.op != "const":
            if is_const(a, math.e):
                return self.call("exp", b)
            return self.call("exp", self.multiply(b, self.call("log", a)))
        p = b.value
        if abs(p) > MAX_POWER:
            raise ValueError(f"powers beyond {MAX_POWER} are not taken, got {p:g}")
        if p == 0.0:
            return self.const(1.0)
        if p == 1.0:
            return a
        if p == 0.5:
            return self.call("sqrt", a)
        return self._folded("power", a, value=p)

    def call(self, name: str, *args: Node) -> Node:
        """A function of `SMOOTH`, or relu, abs, max, min."""
        u = args[0]
        if name == "sqrt" and u.op == "power" and u.value == 2.0:
            return self.call("abs", u.args[0])
        if name == "sqrt" and u.op == "*" and u.args[0] is u.args[1]:
            return self.call("abs", u.args[0])
        inner = one_plus_exp(u)
        if name == "log" and inner is not None:
            return self.call("softplus", inner)
        if name in ("max", "min") and args[0] is args[1]:
            return u
        return self._folded(name, *args)

    def where(self, condition: str, left: Node, right: Node, then: Node, other: Node) -> Node:
        """``then`` where ``left < right`` (or another of `CONDITIONS`), ``other`` elsewhere."""
        if left.op == right.op == "const":
            return then if CONDITIONS[condition](left.value, right.value) else other
        if then is other:
            return then
        return self._node(condition, (left, right, then, other))

    def rebuild(self, node: Node, args: list[Node]) -> Node:
        """The same operation on other arguments."""
        match node.op:
            case "x" | "const":
                return node
            case "+":
                return self.add(*args)
            case "-":
                return self.subtract(*args)
            case "*":
                return self.multiply(*args)
            case "/":
                return self.divide(*args)
            case "power":
                return self.power(args[0], self.const(node.value))
            case _ if node.op in CONDITIONS:
                return self.where(node.op, *args)
            case _:
                return self.call(node.op, *args)


def is_const(node: Node, value: float) -> bool:
    """Whether the node is that constant."""
    return node.op == "const" and node.value == value


def one_plus_exp(node: Node) -> Node | None:
    """``u`` if the node is ``1 + exp(u)``."""
    if node.op == "+":
        a, b = node.args
        if is_const(a, 1.0) and b.op == "exp":
            return b.args[0]
        if is_const(b, 1.0) and a.op == "exp":
            return a.args[0]
    return None
