"""Finite sums of ``c x^p exp(a x + b x^2)``: polynomials, sines, exponentials and Gaussians.

They are closed under sums, products and derivatives, and every one of their Gaussian
expectations is known in closed form, in any number of dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

__all__ = ["PolyExp", "PolyExpTooLarge"]

#: Products grow; beyond this many terms the closed form is slower than quadrature.
MAX_TERMS = 256

Key = tuple[int, complex, float]


class PolyExpTooLarge(ValueError):
    """More terms than are worth keeping."""


@final
@dataclass(frozen=True)
class PolyExp:
    """``sum c x^p exp(a x + b x^2)``, keyed ``(p, a, b) -> c``.

    ``p`` is a non-negative integer, ``a`` and ``c`` complex, ``b`` real; the sum itself is real.
    """

    coefficients: Mapping[Key, complex] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {k: complex(c) for k, c in self.coefficients.items() if c != 0}
        if len(kept) > MAX_TERMS:
            raise PolyExpTooLarge(f"more than {MAX_TERMS} terms")
        object.__setattr__(self, "coefficients", kept)

    def __hash__(self) -> int:
        return hash(frozenset(self.coefficients.items()))

    @staticmethod
    def monomial(c: complex = 1.0, p: int = 0, a: complex = 0.0, b: float = 0.0) -> PolyExp:
        """``c x^p exp(a x + b x^2)``."""
        return PolyExp({(p, complex(a), float(b)): c})

    @staticmethod
    def polynomial(coefficients: tuple[float, ...]) -> PolyExp:
        """``c_0 + c_1 x + ..``."""
        return PolyExp({(p, 0j, 0.0): c for p, c in enumerate(coefficients)})

    @property
    def terms(self) -> Iterator[tuple[complex, int, complex, float]]:
        """The terms, one tuple ``(c, p, a, b)`` each."""
        return ((c, p, a, b) for (p, a, b), c in self.coefficients.items())

    def __add__(self, other: PolyExp | complex) -> PolyExp:
        other = other if isinstance(other, PolyExp) else PolyExp.monomial(other)
        out = dict(self.coefficients)
        for key, c in other.coefficients.items():
            out[key] = out.get(key, 0.0) + c
        return PolyExp(out)

    __radd__ = __add__

    def __neg__(self) -> PolyExp:
        return self * -1.0

    def __sub__(self, other: PolyExp | complex) -> PolyExp:
        return self + (-other)

    def __rsub__(self, other: complex) -> PolyExp:
        return -self + other

    def __mul__(self, other: PolyExp | complex) -> PolyExp:
        other = other if isinstance(other, PolyExp) else PolyExp.monomial(other)
        out: dict[Key, complex] = {}
        for c, p, a, b in self.terms:
            for d, q, e, f in other.terms:
                key = (p + q, a + e, b + f)
                out[key] = out.get(key, 0.0) + c * d
        return PolyExp(out)

    __rmul__ = __mul__

    def __truediv__(self, other: complex) -> PolyExp:
        return PolyExp({key: c / other for key, c in self.coefficients.items()})

    def __pow__(self, exponent: int) -> PolyExp:
        if exponent < 0:
            raise ValueError(f"the power must be 0 or more, got {exponent}")
        out = PolyExp.monomial()
        for _ in range(exponent):
            out = out * self
        return out

    def derivative(self, order: int = 1) -> PolyExp:
        """The derivative of any order, a PolyExp again."""
        out = self
        for _ in range(order):
            out = out._first_derivative()
        return out

    def _first_derivative(self) -> PolyExp:
        # (x^p e^{ax + bx^2})' = (p x^{p-1} + a x^p + 2 b x^{p+1}) e^{ax + bx^2}
        out: dict[Key, complex] = {}
        for c, p, a, b in self.terms:
            for key, d in (((p - 1, a, b), p), ((p, a, b), a), ((p + 1, a, b), 2 * b)):
                if d != 0:
                    out[key] = out.get(key, 0.0) + c * d
        return PolyExp(out)

    def as_polynomial(self) -> tuple[float, ...] | None:
        """``(c_0, c_1, ..)`` without trailing zeros, if there is no exponential; else None."""
        if any(a != 0 or b != 0 for _, _, a, b in self.terms):
            return None
        degree = max((p for _, p, _, _ in self.terms), default=0)
        return tuple(self.coefficients.get((p, 0j, 0.0), 0j).real for p in range(degree + 1))

    def __call__(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """The value, elementwise, float64 of the shape of ``x``."""
        x = np.asarray(x, dtype=np.float64)
        total = np.zeros(x.shape, dtype=np.complex128)
        for c, p, a, b in self.terms:
            total += c * x**p * np.exp(a * x + b * x * x)
        return total.real
