"""From what the user wrote to an :class:`Activation`."""

from __future__ import annotations

import copyreg
import difflib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from nneft.activations.base import Activation
from nneft.activations.builtin import ALIASES, BUILTIN, builtin, leaky_relu, polynomial
from nneft.activations.expression import from_expression

__all__ = ["names", "resolve"]

_NUMBER = r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?\s*"
_FAMILY = re.compile(rf"(leaky_?relu|polynomial)\s*\(({_NUMBER}(?:,{_NUMBER})*)\)")


def names() -> tuple[str, ...]:
    """Names of the built-in activations, without aliases."""
    return tuple(BUILTIN)


def resolve(spec: str | Activation | Callable[[Any], Any]) -> Activation:
    """The activation meant by ``spec``.

    Parameters
    ----------
    spec
        A built-in name or alias in any case (``"tanh"``), a member of a family
        (``"leaky_relu(0.2)"``, ``"leaky_relu(0.1, 0.9)"``, ``"polynomial(0, 1, 0.5)"``), an
        expression in ``x`` (``"x*sigmoid(1.702*x)"``), a callable on arrays without kinks, or an
        :class:`Activation`, returned as it is.

    Raises
    ------
    ValueError
        for an unknown name (the nearest is suggested), an expression that cannot be read (a
        caret points at the character) or is not finite on the real axis, a callable that does
        not act elementwise or is not smooth.
    TypeError
        for anything else.
    """
    if isinstance(spec, Activation):
        return spec
    if isinstance(spec, str):
        return _from_text(spec.strip())
    if callable(spec):
        return Activation(spec)
    raise TypeError(
        "the activation must be a name, an expression in x, a callable on arrays or an "
        f"Activation, got {spec!r}"
    )


@lru_cache(maxsize=256)
def _from_text(text: str) -> Activation:
    name = re.sub(r"[\s-]+", "_", text.lower())
    name = ALIASES.get(name, name)
    if name in BUILTIN:
        return builtin(name)
    if family := _FAMILY.fullmatch(text.lower()):
        return _member(family.group(1), [float(c) for c in family.group(2).split(",")])
    if re.fullmatch(r"[a-z_]\w*", text.lower()) and name not in ("x", "e", "pi"):
        raise ValueError(_unknown(text, name))
    return from_expression(text)


def _member(family: str, numbers: list[float]) -> Activation:
    if family == "polynomial":
        return polynomial(numbers)
    if len(numbers) > 2:
        raise ValueError(f"leaky_relu takes one or two slopes, got {len(numbers)}")
    return leaky_relu(*numbers)


def _unknown(text: str, name: str) -> str:
    near = difflib.get_close_matches(name, [*BUILTIN, *ALIASES], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(BUILTIN)}."
    return (
        f"unknown activation {text[:60]!r}; {hint} An expression in x, such as 'x*sigmoid(x)', or "
        "a callable on arrays works too"
    )


def _reduced(activation: Activation) -> tuple[Any, ...]:
    if activation._user is None:
        return resolve, (activation.name,)
    fn, scale = activation._user
    return _rebuilt, (fn, activation.kinks, activation.name, scale)


def _rebuilt(
    fn: Callable[[Any], Any], kinks: tuple[float, ...], name: str, scale: float | None
) -> Activation:
    return Activation(fn, kinks, name=name, scale=scale)


copyreg.pickle(Activation, _reduced)
