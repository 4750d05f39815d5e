"""The functions of formulas on arrays: of NumPy, or of any array-API namespace."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

__all__ = ["algebra"]

Function = Callable[..., Any]

#: Where namespaces without ``erf`` of their own keep one.
_SPECIAL = {
    "numpy": "scipy.special",
    "jax.numpy": "jax.scipy.special",
    "cupy": "cupyx.scipy.special",
}


@cache
def algebra(xp: Any) -> Mapping[str, Function]:
    """Functions on arrays of the namespace ``xp``; they keep the dtype and do not overflow."""

    def sigmoid(u: Any) -> Any:
        decay = xp.exp(-xp.abs(u))
        return xp.where(u < 0, decay, xp.ones_like(decay)) / (1 + decay)

    def softplus(u: Any) -> Any:
        return xp.maximum(u, xp.zeros_like(u)) + xp.log1p(xp.exp(-xp.abs(u)))

    def of_two(function: Function) -> Function:
        return lambda a, b: function(*_arrays(a, b, xp))

    functions: dict[str, Function] = {
        name: getattr(xp, name)
        for name in ("exp", "expm1", "log", "sqrt", "sin", "cos", "tanh", "abs")
    }
    return functions | {
        "sigmoid": sigmoid,
        "softplus": softplus,
        "relu": lambda u: xp.maximum(u, xp.zeros_like(u)),
        "max": of_two(xp.maximum),
        "min": of_two(xp.minimum),
        "where": lambda c, left, right, a, b: xp.where(c, *_arrays(a, b, xp, left, right)),
        "power": lambda u, p: u**p,
        "erf": lambda u: _special("erf", xp)(u),
        "ndtr": lambda u: _ndtr(u, xp),
    }


def _arrays(a: Any, b: Any, xp: Any, *others: Any) -> tuple[Any, Any]:
    """Both as arrays of one dtype: the standard's functions of two arrays take no numbers."""
    like = next(v for v in (a, b, *others) if type(v) is not float)
    a, b = (xp.full_like(like, v) if type(v) is float else v for v in (a, b))
    return a, b


def _ndtr(u: Any, xp: Any) -> Any:
    if xp is np:
        return _special("ndtr", xp)(u)
    return 0.5 * (1 + _special("erf", xp)(u / math.sqrt(2.0)))


def _special(name: str, xp: Any) -> Function:
    own = getattr(xp, name, None)
    if own is not None:
        return own  # type: ignore[no-any-return]
    module = _SPECIAL.get(xp.__name__)
    if module is None:
        raise TypeError(
            f"arrays of {xp.__name__} have no error function; use NumPy arrays, or an activation "
            "without erf (for GELU: 'gelu_tanh')"
        )
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
