"""The built-in activations: one row each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np

from nneft.activations.base import Activation
from nneft.activations.builder import Builder
from nneft.activations.expression import structure_of, values_of
from nneft.activations.nodes import Node
from nneft.activations.syntax import SELU_ALPHA, SELU_SCALE, parse

__all__ = ["ALIASES", "BUILTIN", "builtin", "leaky_relu", "polynomial"]


@final
@dataclass(frozen=True)
class Row:
    """One activation: its formula, a fast form for NumPy, and the nearest singularity."""

    formula: str
    fast: Callable[[Any], Any] | None = None
    #: Half width of the strip of analyticity; None where every piece is entire.
    strip: float | None = None


# In place from the first temporary on: each further one costs as much as an exponential.


def _over_one_plus_exp(numerator: Any, u: Any) -> Any:
    # numerator/(1 + exp(u)), in u; overflow to inf gives the 0 that is right to rounding
    with np.errstate(over="ignore"):
        np.exp(u, out=u)
    u += 1.0
    return np.divide(numerator, u, out=u)


def _softplus(x: Any) -> Any:
    out = np.abs(x)
    np.negative(out, out=out)
    np.exp(out, out=out)
    np.log1p(out, out=out)
    out += np.maximum(x, 0.0)
    return out


def _mish(x: Any) -> Any:
    # tanh(log(1 + w)) = m/(m + 2),  m = w (w + 2),  w = e^x;  1 to rounding from x = 20 on
    w = np.minimum(x, 20.0)
    np.exp(w, out=w)
    m = w + 2.0
    w *= m
    np.add(w, 2.0, out=m)
    w /= m
    w *= x
    return w


def _elu(x: Any) -> Any:
    out = np.minimum(x, 0.0)
    np.expm1(out, out=out)
    out += np.maximum(x, 0.0)
    return out


def _selu(x: Any) -> Any:
    out = np.minimum(x, 0.0)
    np.expm1(out, out=out)
    out *= SELU_ALPHA
    out += np.maximum(x, 0.0)
    out *= SELU_SCALE
    return out


def _gelu(x: Any) -> Any:
    from scipy.special import ndtr

    out = ndtr(x)
    out *= x
    return out


def _gelu_tanh(x: Any) -> Any:
    # x sigmoid(2 v),  v = sqrt(2/pi) (x + 0.044715 x^3)
    c = -2.0 * math.sqrt(2.0 / math.pi)
    u = np.square(x)
    u *= 0.044715 * c
    u += c
    u *= x
    return _over_one_plus_exp(x, u)


def _gelu_tanh_strip() -> float:
    # poles of tanh(v): sqrt(2/pi) (z + 0.044715 z^3) = i pi (m + 1/2); the lowest of all
    nearest = math.inf
    for m in range(60):
        z = np.roots([0.044715, 0.0, 1.0, -1j * math.pi * (m + 0.5) / math.sqrt(2.0 / math.pi)])
        nearest = min(nearest, float(np.abs(z.imag).min()))
    return nearest


BUILTIN: Mapping[str, Row] = {
    "linear": Row("x", lambda x: x.copy()),
    "relu": Row("relu(x)", lambda x: np.maximum(x, 0.0)),
    "leaky_relu": Row("leaky_relu(x)", lambda x: np.maximum(x, 0.01 * x)),
    "tanh": Row("tanh(x)", np.tanh, math.pi / 2),
    "sin": Row("sin(x)", np.sin),
    "cos": Row("cos(x)", np.cos),
    "exp": Row("exp(x)"),
    "erf": Row("erf(x)"),
    "gelu": Row("gelu(x)", _gelu),
    "gelu_tanh": Row("gelu_tanh(x)", _gelu_tanh, _gelu_tanh_strip()),
    "silu": Row("silu(x)", lambda x: _over_one_plus_exp(x, -x), math.pi),
    "mish": Row("mish(x)", _mish, 0.75 * math.pi),
    "softplus": Row("softplus(x)", _softplus, math.pi),
    "sigmoid": Row("sigmoid(x)", lambda x: _over_one_plus_exp(1.0, -x), math.pi),
    "elu": Row("elu(x)", _elu),
    "selu": Row("selu(x)", _selu),
    "quadratic": Row("x**2", np.square),
}

ALIASES: Mapping[str, str] = {
    "identity": "linear",
    "id": "linear",
    "leakyrelu": "leaky_relu",
    "swish": "silu",
    "sine": "sin",
    "cosine": "cos",
    "geluexact": "gelu",
    "gelu_exact": "gelu",
    "gelutanh": "gelu_tanh",
    "gelu_approx": "gelu_tanh",
    "logistic": "sigmoid",
    "square": "quadratic",
    "exponential": "exp",
}


@cache
def builtin(name: str) -> Activation:
    """The built-in activation of that exact name."""
    row = BUILTIN[name]
    builder = Builder()
    return _made(name, parse(row.formula, builder), builder, row.fast, row.strip)


def _made(
    name: str,
    root: Node,
    builder: Builder,
    fast: Callable[[Any], Any] | None = None,
    strip: float | None = None,
) -> Activation:
    general = values_of(root)

    def call(x: Any, xp: Any) -> Any:
        return fast(x) if fast is not None and xp is np else general(x, xp)

    return Activation._known(name, call, structure_of(root, builder, strip))


def leaky_relu(a_minus: float = 0.01, a_plus: float = 1.0) -> Activation:
    """``a_plus x`` for ``x > 0`` and ``a_minus x`` for ``x < 0``.

    Raises
    ------
    ValueError
        if a slope is not finite.
    """
    return _leaky_relu(_finite(a_minus, "slope"), _finite(a_plus, "slope"))


@cache
def _leaky_relu(a_minus: float, a_plus: float) -> Activation:
    b = Builder()
    lines = [b.multiply(b.const(a), b.x) for a in (a_plus, a_minus)]
    root = b.where(">", b.x, b.const(0.0), *lines)
    name = f"leaky_relu({a_minus!r}, {a_plus!r})" if a_plus != 1.0 else f"leaky_relu({a_minus!r})"

    def fast(x: Any) -> Any:
        return np.where(x > 0, a_plus * x, a_minus * x)

    return _made(name, root, b, fast)


def polynomial(coefficients: Iterable[float]) -> Activation:
    """``c_0 + c_1 x + c_2 x^2 + ..``.

    Raises
    ------
    ValueError
        if there is none, or one that is not finite, or the degree is beyond 64.
    """
    c = tuple(_finite(c, "coefficient") for c in coefficients)
    if not c:
        raise ValueError("a polynomial needs at least one coefficient, got none")
    return _polynomial(c)


@cache
def _polynomial(c: tuple[float, ...]) -> Activation:
    b = Builder()
    root = b.const(0.0)
    for p, value in enumerate(c):
        monomial = b.power(b.x, b.const(float(p)))
        root = b.add(root, b.multiply(b.const(value), monomial))
    name = f"polynomial({', '.join(repr(value) for value in c)})"

    def fast(x: Any) -> Any:
        out = np.full_like(x, c[-1])
        for value in reversed(c[:-1]):  # Horner
            out *= x
            out += value
        return out

    return _made(name, root, b, fast)


def _finite(value: float, what: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"each {what} must be finite, got {value!r}")
    return number
