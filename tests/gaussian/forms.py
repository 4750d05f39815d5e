"""Activations once more, written down by hand: pieces in a differential algebra.

Each piece is a polynomial in a few functions of x whose derivatives are polynomials in them
again, such as ``t' = s``, ``s' = -2 t s`` for ``t = tanh``, ``s = sech^2``. Derivatives of any
power are then formal, exact, and free of cancellation as x -> 0 and in the tails; values are found
in multiple precision or on arrays in long double precision. Nothing here is taken from
`nneft.activations`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import mpmath
import numpy as np
import sympy
from scipy import special

mpmath.mp.dps = 40
#: Below long double's range.
TINY = mpmath.mpf("1e-4900")
Factor = tuple[int, int]
Terms = list[tuple[tuple[int, ...], Any]]


class Long:
    """The functions needed, in long double precision: 64 bits of mantissa."""

    exp, sin, cos, expm1 = np.exp, np.sin, np.cos, np.expm1
    tanh, log1p, sqrt, fabs, mpf = np.tanh, np.log1p, np.sqrt, np.abs, np.longdouble
    pi = np.longdouble("3.14159265358979323846264338327950288")

    @staticmethod
    def erf(z: np.ndarray) -> np.ndarray:
        """From exact values at multiples of 1/8, by the Taylor series about the nearest."""
        near = np.clip(np.rint(8 * z), -80, 80)
        h = np.clip(z, -10, 10) - near / 8
        index = near.astype(np.intp) + 80
        table = erf_table()
        result = table[-1][index]
        for row in table[-2::-1]:
            result *= h
            result += row[index]
        return result


class Double(Long):
    """The same in double precision."""

    erf, mpf, pi = special.erf, np.float64, np.float64(np.pi)


@cache
def erf_table() -> np.ndarray:
    """Taylor coefficients at k/8: those of ``g = 2/sqrt(pi) exp(-x^2)`` obey ``g' = -2 x g``."""
    columns = []
    for k in range(-80, 81):
        at = mpmath.mpf(k) / 8
        bells = [mpmath.mpf(0), 2 * mpmath.exp(-at * at) / mpmath.sqrt(mpmath.pi)]
        for n in range(16):
            bells.append(-2 * (at * bells[-1] + bells[-2]) / (n + 1))
        series = [bell / (n + 1) for n, bell in enumerate(bells[1:])]
        columns.append([long(value) for value in (mpmath.erf(at), *series)])
    return np.array(columns).T


def long(value: Any) -> np.longdouble:
    """Multiple precision or rational to long double."""
    if isinstance(value, sympy.Rational):
        value = mpmath.mpf(int(value.p)) / int(value.q)
    return np.longdouble(mpmath.nstr(value, 25) if abs(value) > TINY else "0")


@dataclass(frozen=True)
class Piece:
    """A polynomial in generators: `rules` are their derivatives, `values(x, m)` their values."""

    expression: Any
    rules: Mapping[sympy.Symbol, Any] = field(default_factory=dict)
    values: Callable[[Any, Any], Mapping[sympy.Symbol, Any]] = lambda u, m: {}


class Sigma:
    """An activation: pieces between kinks, and a length over which every piece is smooth."""

    def __init__(self, *pieces: Piece, kinks: tuple[str, ...] = (), size: float = 1.5) -> None:
        self.pieces, self.size = pieces, size
        self.kinks = [mpmath.mpf(int(k.p)) / int(k.q) for k in map(sympy.Rational, kinks)]
        self._found: dict[Any, Any] = {}

    def terms(self, piece: int, factor: Factor) -> Terms:
        """Monomials and coefficients of ``(sigma^p)^(r)`` on one piece."""
        key = (piece, factor)
        if key not in self._found:
            form, (power, order) = self.pieces[piece], factor
            rules = {X: sympy.Integer(1), **form.rules}
            found = sympy.sympify(form.expression) ** power
            for _ in range(order):
                found = sum(sympy.diff(found, v) * rule for v, rule in rules.items())
                found = sympy.expand(found)
            self._found[key] = sympy.Poly(found, *rules).terms()
        return self._found[key]

    def evaluate(self, at: Any, piece: int, factors: list[Factor], m: Any) -> list[Any]:
        """Regular parts on one piece, in the arithmetic of `m`: `Long`, `Double` or mpmath's."""
        form = self.pieces[piece]
        known = {X: at, **form.values(at, m)}
        known = [known[v] for v in (X, *form.rules)]
        powers: dict[tuple[int, int], Any] = {}

        def power(i: int, n: int) -> Any:
            if (i, n) not in powers:
                powers[i, n] = known[i] if n == 1 else power(i, n - 1) * known[i]
            return powers[i, n]

        out = []
        for factor in factors:
            total = 0 * at
            for exponents, coefficient in self.terms(piece, factor):
                monomial = (
                    m.mpf(long(coefficient))
                    if m is not mpmath.mp
                    else (m.mpf(coefficient.p) / coefficient.q)
                )
                for i, n in enumerate(exponents):
                    if n:
                        monomial = monomial * power(i, n)
                total = total + monomial
            out.append(total)
        return out

    def value(self, at: Any, factor: Factor, piece: int | None = None) -> Any:
        """``(sigma^p)^(r)`` at one point in multiple precision: its regular part."""
        if piece is None:
            piece = sum(at > k for k in self.kinks)
        return self.evaluate(mpmath.mpf(at), piece, [factor], mpmath.mp)[0]

    def values(self, at: np.ndarray, factors: list[Factor]) -> list[np.ndarray]:
        """Regular parts on an array, in long double or double precision, off the kinks."""
        m = Double if at.dtype == np.float64 else Long
        if not self.kinks:
            return self.evaluate(at, 0, factors, m)
        place = np.searchsorted(np.array([long(k) for k in self.kinks]), at)
        out = [np.zeros_like(at) for _ in factors]
        for i in range(len(self.pieces)):
            inside = place == i
            for whole, part in zip(out, self.evaluate(at[inside], i, factors, m), strict=True):
                whole[inside] = part
        return out

    def jumps(self, factor: Factor, kink: int) -> list[Any]:
        """Jumps at a kink of the derivatives 0 .. r-1 of ``sigma^p``."""
        at, (power, order) = self.kinks[kink], factor
        return [
            self.value(at, (power, j), kink + 1) - self.value(at, (power, j), kink)
            for j in range(order)
        ]


X, t, s, p, q, P, b, E, e, g, c, u1, u2, v, w = sympy.symbols("x t s p q P b E e g c u1 u2 v w")
R = sympy.Rational
HALF = R(1, 2)


def sech2(u: Any, m: Any) -> Any:
    """``sech(u)^2`` without cancellation."""
    decay = m.exp(-2 * m.fabs(u))
    return 4 * decay / (1 + decay) ** 2


def half_tanh(u: Any, m: Any) -> dict[Any, Any]:
    return {t: m.tanh(u / 2), s: sech2(u / 2, m)}


def softplus(u: Any, m: Any) -> Any:
    return (u + m.fabs(u)) / 2 + m.log1p(m.exp(-m.fabs(u)))


def cubic(u: Any, m: Any) -> dict[Any, Any]:
    constant = m.sqrt(2 / m.pi)
    inner = constant * (u + 44715 * u**3 / m.mpf(10) ** 6)
    return {t: m.tanh(inner), s: sech2(inner, m), c: constant + 0 * u}


def normal(u: Any, m: Any) -> dict[Any, Any]:
    bell = m.exp(-u * u / 2) / m.sqrt(2 * m.pi)
    return {P: (1 + m.erf(u / m.sqrt(m.mpf(2)))) / 2, b: bell}


def erf_values(u: Any, m: Any) -> dict[Any, Any]:
    return {e: m.erf(u), g: 2 * m.exp(-u * u) / m.sqrt(m.pi)}


def mish(u: Any, m: Any) -> dict[Any, Any]:
    w = softplus(u, m)
    decay = m.exp(-m.fabs(u))
    # 1 and exp(-|x|) over 1 + exp(-|x|), the larger one where it belongs
    large, small = 1 / (1 + decay), decay / (1 + decay)
    right = (u > 0) + 0 * u
    return {
        t: m.tanh(w),
        s: sech2(w, m),
        p: right * large + (1 - right) * small,
        q: right * small + (1 - right) * large,
    }


def constant(text: str) -> Callable[[Any, Any], dict[Any, Any]]:
    return lambda u, m: {c: m.mpf(text) + 0 * u}


def exponential(scale: str) -> Callable[[Any, Any], dict[Any, Any]]:
    """``e = scale (exp(x) - 1)`` and ``E = scale exp(x)``."""
    return lambda u, m: {e: m.mpf(scale) * m.expm1(u), E: m.mpf(scale) * m.exp(u)}


# tanh(x/2) and its sech^2; tanh and sech^2 of softplus; the polynomial inside of gelu_tanh
HALVES = {t: s / 2, s: -t * s}
MISH = {t: s * p, s: -2 * t * s * p, p: p * q, q: -p * q}
INNER = c * (1 + 3 * R(44715, 10**6) * X**2)
CUBIC = {t: s * INNER, s: -2 * t * s * INNER, c: R(0)}
WAVES = {u1: u2, u2: -u1}
BENT = {e: E, E: E}
ENTIRE = 1.2
#: lambda and lambda * alpha of SELU (Klambauer et al., arXiv:1706.02515).
SELU = ("1.0507009873554804934193349852946", "1.7580993408473768599402175208123")


def waves(u: Any, m: Any) -> dict[Any, Any]:
    return {u1: m.sin(u), u2: m.cos(u)}


SIGMAS: dict[str, Sigma] = {
    "linear": Sigma(Piece(X)),
    "relu": Sigma(Piece(R(0)), Piece(X), kinks=("0",)),
    "leaky_relu": Sigma(Piece(X / 100), Piece(X), kinks=("0",)),
    "tanh": Sigma(
        Piece(t, {t: s, s: -2 * t * s}, lambda u, m: {t: m.tanh(u), s: sech2(u, m)}), size=1.2
    ),
    "sin": Sigma(Piece(u1, WAVES, waves), size=ENTIRE),
    "cos": Sigma(Piece(u2, WAVES, waves), size=ENTIRE),
    "exp": Sigma(Piece(E, {E: E}, lambda u, m: {E: m.exp(u)}), size=ENTIRE),
    "erf": Sigma(Piece(e, {e: g, g: -2 * X * g}, erf_values), size=1.0),
    "gelu": Sigma(Piece(X * P, {P: b, b: -X * b}, normal), size=1.0),
    "gelu_tanh": Sigma(Piece(X * (1 + t) / 2, CUBIC, cubic), size=1.0),
    "silu": Sigma(Piece(X * (1 + t) / 2, HALVES, half_tanh), size=2.5),
    "mish": Sigma(Piece(X * t, MISH, mish), size=1.8),
    "softplus": Sigma(
        Piece(v, {v: (1 + t) / 2, **HALVES}, lambda u, m: {v: softplus(u, m), **half_tanh(u, m)}),
        size=2.5,
    ),
    "sigmoid": Sigma(Piece((1 + t) / 2, HALVES, half_tanh), size=2.5),
    "elu": Sigma(Piece(e, BENT, exponential("1")), Piece(X), kinks=("0",), size=ENTIRE),
    "selu": Sigma(
        Piece(e, BENT, exponential(SELU[1])),
        Piece(c * X, {c: R(0)}, constant(SELU[0])),
        kinks=("0",),
        size=ENTIRE,
    ),
    "quadratic": Sigma(Piece(X**2)),
    "x*sigmoid(1.702*x)": Sigma(
        Piece(
            X * (1 + t) / 2,
            {t: R(851, 1000) * s, s: -R(1702, 1000) * t * s},
            lambda u, m: half_tanh(1702 * u / m.mpf(1000), m),
        ),
        size=1.5,
    ),
    "x*exp(-x**2/2)": Sigma(
        Piece(X * w, {w: -X * w}, lambda u, m: {w: m.exp(-u * u / 2)}), size=0.7
    ),
    "tanh(x)*exp(-x**2)": Sigma(
        Piece(
            t * w,
            {t: s, s: -2 * t * s, w: -2 * X * w},
            lambda u, m: {t: m.tanh(u), s: sech2(u, m), w: m.exp(-u * u)},
        ),
        size=0.6,
    ),
    "abs(x)": Sigma(Piece(-X), Piece(X), kinks=("0",)),
    "max(x, 0.1*x+0.3)": Sigma(Piece(X / 10 + R(3, 10)), Piece(X), kinks=("1/3",)),
    "x + x**2/3": Sigma(Piece(X + X**2 / 3)),
    "x - x**3/6": Sigma(Piece(X - X**3 / 6)),
}
