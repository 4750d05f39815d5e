"""The activations the laws are tested on: a new one is a new row."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np

from nneft.activations import Activation, leaky_relu, polynomial, resolve


@dataclass(frozen=True)
class Row:
    """An activation, its truth in multiple precision, and what is known of it by hand."""

    made: Callable[[], Activation]
    truth: Callable[[Any], Any]
    kinks: tuple[float, ...] = ()
    parity: str | None = None
    slopes: tuple[float, float] | None = None
    #: Half width of the strip of analyticity, where there is a singularity.
    strip: float | None = None
    polynomial: tuple[float, ...] | None = None
    #: A bare callable has numerical derivatives.
    exact: bool = True


def _logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _gelu(x: Any) -> Any:
    return x * mp.erfc(-x / mp.sqrt(2)) / 2


def _gelu_tanh(x: Any) -> Any:
    return x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x**3)))


def _elu(x: Any) -> Any:
    return x if x > 0 else mp.expm1(x)


def _selu(x: Any) -> Any:
    # arXiv:1706.02515 (14): the fixed point of (mean, variance) = (0, 1)
    a, b, root_e = mp.erfc(1 / mp.sqrt(2)), mp.erfc(mp.sqrt(2)), mp.sqrt(mp.e)
    alpha = -mp.sqrt(2 / mp.pi) / (a * root_e - 1)
    inner = 2 * b * mp.e**2 + mp.pi * a**2 * mp.e - 2 * (2 + mp.pi) * a * root_e + mp.pi + 2
    scale = (1 - a * root_e) * mp.sqrt(2 * mp.pi / inner)
    return scale * (x if x > 0 else alpha * mp.expm1(x))


def _hard(x: Any) -> Any:
    return min(max(x, mp.mpf(-1)), mp.mpf(1))


TABLE: dict[str, Row] = {
    "linear": Row(lambda: resolve("linear"), lambda x: x, (), "odd", (1.0, 1.0), None, (0.0, 1.0)),
    "relu": Row(lambda: resolve("relu"), lambda x: max(x, 0), (0.0,), None, (0.0, 1.0)),
    "leaky_relu": Row(
        lambda: resolve("leaky_relu"),
        lambda x: x if x > 0 else mp.mpf(0.01) * x,
        (0.0,),
        None,
        (0.01, 1.0),
    ),
    "leaky_relu(0.2, 1.5)": Row(
        lambda: leaky_relu(0.2, 1.5),
        lambda x: mp.mpf(1.5 if x > 0 else 0.2) * x,
        (0.0,),
        None,
        (0.2, 1.5),
    ),
    "tanh": Row(lambda: resolve("tanh"), mp.tanh, (), "odd", None, math.pi / 2),
    "sin": Row(lambda: resolve("sin"), mp.sin, (), "odd"),
    "cos": Row(lambda: resolve("cos"), mp.cos, (), "even"),
    "exp": Row(lambda: resolve("exp"), mp.exp),
    "erf": Row(lambda: resolve("erf"), mp.erf, (), "odd"),
    "gelu": Row(lambda: resolve("gelu"), _gelu),
    "gelu_tanh": Row(lambda: resolve("gelu_tanh"), _gelu_tanh),
    "silu": Row(lambda: resolve("silu"), lambda x: x * _logistic(x), strip=math.pi),
    "mish": Row(
        lambda: resolve("mish"),
        lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
        strip=3 * math.pi / 4,
    ),
    "softplus": Row(lambda: resolve("softplus"), lambda x: mp.log1p(mp.exp(x)), strip=math.pi),
    "sigmoid": Row(lambda: resolve("sigmoid"), _logistic, strip=math.pi),
    "elu": Row(lambda: resolve("elu"), _elu, (0.0,)),
    "selu": Row(lambda: resolve("selu"), _selu, (0.0,)),
    "quadratic": Row(
        lambda: resolve("quadratic"), lambda x: x * x, (), "even", None, None, (0.0, 0.0, 1.0)
    ),
    "polynomial": Row(
        lambda: polynomial((0.5, -1.0, 0.0, 0.25)),
        lambda x: mp.mpf(0.5) - x + x**3 / 4,
        polynomial=(0.5, -1.0, 0.0, 0.25),
    ),
    "abs": Row(lambda: resolve("abs(x)"), lambda x: abs(x), (0.0,), "even", (-1.0, 1.0)),
    "hard tanh": Row(lambda: resolve("min(max(x, -1), 1)"), _hard, (-1.0, 1.0), "odd"),
    "softsign": Row(
        lambda: resolve("x/(1 + abs(x))"), lambda x: x / (1 + abs(x)), (0.0,), "odd", None, 1.0
    ),
    "cut parabola": Row(
        lambda: resolve("relu(x**2 - 2)"),
        lambda x: max(x * x - 2, 0),
        (-math.sqrt(2), math.sqrt(2)),
        "even",
    ),
    "step": Row(
        lambda: resolve("where(x > 0.3, 1 + x, tanh(x))"),
        lambda x: 1 + x if x > mp.mpf(0.3) else mp.tanh(x),
        (0.3,),
        strip=math.pi / 2,
    ),
    "callable": Row(
        lambda: Activation(lambda x: x / (1 + np.exp(-x)), name="my silu"),
        lambda x: x * _logistic(x),
        strip=math.pi,
        exact=False,
    ),
    "kinked callable": Row(
        lambda: Activation(
            lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), kinks=(0.0,), name="my elu"
        ),
        _elu,
        (0.0,),
        exact=False,
    ),
}
NAMES = list(TABLE)
EXACT = [name for name, row in TABLE.items() if row.exact]
