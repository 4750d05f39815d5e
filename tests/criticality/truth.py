"""Averages of one and two inputs in multiple precision, by formulas of their own."""

from collections.abc import Callable
from typing import Any

from mpmath import mp
from mpmath.calculus.quadrature import GaussLegendre

Function = Callable[[Any], Any]


def _logistic(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _tanh(x: Any) -> tuple[Any, Any, Any]:
    t = mp.tanh(x)
    return t, 1 - t * t, -2 * t * (1 - t * t)


def _sin(x: Any) -> tuple[Any, Any, Any]:
    return mp.sin(x), mp.cos(x), -mp.sin(x)


def _erf(x: Any) -> tuple[Any, Any, Any]:
    d = 2 / mp.sqrt(mp.pi) * mp.exp(-x * x)
    return mp.erf(x), d, -2 * x * d


def _gelu(x: Any) -> tuple[Any, Any, Any]:
    p = mp.npdf(x)
    return x * mp.ncdf(x), mp.ncdf(x) + x * p, (2 - x * x) * p


def _silu(x: Any) -> tuple[Any, Any, Any]:
    s = _logistic(x)
    d = s * (1 - s)
    return x * s, s + x * d, d * (2 + x * (1 - 2 * s))


def _mish(x: Any) -> tuple[Any, Any, Any]:
    # t = tanh(u), u = softplus(x), u' = s:  t' = (1 - t^2) s
    s, t = _logistic(x), mp.tanh(mp.log1p(mp.exp(x)))
    d = (1 - t * t) * s
    dd = -2 * t * d * s + (1 - t * t) * s * (1 - s)
    return x * t, t + x * d, 2 * d + x * dd


def _softplus(x: Any) -> tuple[Any, Any, Any]:
    s = _logistic(x)
    return mp.log1p(mp.exp(x)), s, s * (1 - s)


def _sigmoid(x: Any) -> tuple[Any, Any, Any]:
    s = _logistic(x)
    d = s * (1 - s)
    return s, d, d * (1 - 2 * s)


def _elu(x: Any) -> tuple[Any, Any, Any]:
    return (x, 1, 0) if x > 0 else (mp.expm1(x), mp.exp(x), mp.exp(x))


#: sigma, sigma', sigma'' away from kinks.
FORMS: dict[str, Callable[[Any], tuple[Any, Any, Any]]] = {
    "tanh": _tanh,
    "sin": _sin,
    "erf": _erf,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "elu": _elu,
}


def means(f: Callable[[Any], tuple[Any, ...]], K: Any, digits: int = 9) -> list[Any]:
    """``<f>_K`` of one input, for every entry of f: 24 Gauss-Legendre nodes between breaks, the
    origin, where kinks are, among them."""
    s = mp.sqrt(K)
    step = min(mp.mpf("1.5"), 1 / s)
    count = int(digits / step) + 1
    half = mp.mpf(digits) / count / 2
    rule = GaussLegendre(mp).get_nodes(-1, 1, 4, mp.prec)
    totals: list[Any] = []
    for i in range(-count, count):
        for node, weight in rule:
            z = half * (2 * i + 1 + node)
            share = half * weight * mp.npdf(z)
            values = [share * v for v in f(s * z)]
            totals = [t + v for t, v in zip(totals, values, strict=True)] if totals else values
    return totals


def averages(name: str, K: Any) -> list[Any]:
    """``<sigma^2>, <sigma'^2>, <sigma sigma''>``, the last its regular part."""
    form = FORMS[name]

    def products(x: Any) -> tuple[Any, Any, Any]:
        value, first, second = form(x)
        return value**2, first**2, value * second

    return means(products, K)
