r"""Formulas as sympy expressions.

Equal inputs: symbols ``V_4, K_1, ..`` (of the layer below), ``C_W``, and blobs as functions of two
integers, ``Star(m, r)`` for ``<d^{2r} Delta^m>`` and ``Cumulant(m, r)`` for the r-th derivative of
``F_m`` by the kernel. General inputs: ``V_4(y1, y2, y3, y4)``; blobs of the external pairs and of
the inner inputs, ``Star(((x1, x2),), (y1, y2))``, and ``Cumulant(((x1, x2),), ((y1, y2),))``, by
ordered entries: ``1/2 <d_y1 d_y2 ..>``; sums over ``y = 1..N``, pairs being ordered.

Numbers go in by ``expression.replace(Star, function)`` and ``subs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy

from nneft.feynman.enumeration import Kind
from nneft.feynman.formula import Form, Formula, Inputs, factors
from nneft.feynman.star import Blob

C_W, C_b = sympy.symbols("C_W C_b", nonnegative=True)
#: ``n_{l-1}`` and ``n_{l-2}``.
UPPER, LOWER = sympy.Symbol("n_{l-1}", positive=True), sympy.Symbol("n_{l-2}", positive=True)
#: Number of inputs, where sums over them end.
N = sympy.Symbol("N", integer=True, positive=True)


class Star(sympy.Function):  # type: ignore[misc]
    """The paper's blob: ``Star(m, r) = <d^{2r} Delta^m>``, or of pairs and inner inputs."""

    nargs = 2

    @classmethod
    def eval(cls, of: Any, by: Any) -> Any:
        """A single Delta averages to zero."""
        pairs = len(of) if isinstance(of, sympy.Tuple) else of
        if pairs == 1 and (by == 0 or by == sympy.Tuple()):
            return sympy.S.Zero
        return None

    def _sympystr(self, printer: Any) -> str:
        of, by = self.args
        if isinstance(of, sympy.Tuple):
            shown = [*(f"d_{y}" for y in by), *(f"D({a},{b})" for a, b in of)]
            return f"E[{' '.join(map(str, shown))}]"
        return f"E[{f'd{2 * by} ' if by else ''}D{f'^{of}' if of != 1 else ''}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        of, by = self.args
        if isinstance(of, sympy.Tuple):
            inner = "".join(rf"\partial_{{{printer._print(y)}}}" for y in by)
            inner += "".join(rf"\Delta({printer._print(a)},{printer._print(b)})" for a, b in of)
        else:
            inner = rf"\partial^{{{2 * by}}}" if by else ""
            inner += r"\Delta" + (f"^{{{of}}}" if of != 1 else "")
        return rf"\langle {inner}\rangle" + (f"^{{{exp}}}" if exp else "")


class Cumulant(sympy.Function):  # type: ignore[misc]
    """``Cumulant(m, r)``: the r-th derivative of ``F_m`` by the kernel; or of pairs by pairs."""

    nargs = 2

    def _sympystr(self, printer: Any) -> str:
        of, by = self.args
        if isinstance(of, sympy.Tuple):
            shown = ",".join("".join(map(str, pair)) for pair in of)
            return f"F[{shown}{''.join(f'; {a}{b}' for a, b in by)}]"
        return f"F{of}" + "'" * int(by)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        of, by = self.args
        if isinstance(of, sympy.Tuple):
            shown = ";".join(",".join(printer._print(x) for x in pair) for pair in of)
            text = f"F({shown})"
            if by:
                under = "".join(
                    rf"\,\delta K({printer._print(a)},{printer._print(b)})" for a, b in by
                )
                text = rf"\frac{{\delta^{{{len(by)}}} {text}}}{{{under}}}"
        else:
            text = f"F_{{{of}}}" + (f"^{{({by})}}" if by else "")
        return rf"\left({text}\right)^{{{exp}}}" if exp else text


class Mean(sympy.Function):  # type: ignore[misc]
    """``<sigma_a sigma_b>``: ``Mean()`` at equal inputs, else ``Mean(x1, x2)``."""

    def _sympystr(self, printer: Any) -> str:
        return f"E[s{''.join(f'_{x}' for x in self.args)}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        shown = "".join(rf"\sigma({printer._print(x)})" for x in self.args) or r"\sigma^{2}"
        return rf"\langle {shown}\rangle" + (f"^{{{exp}}}" if exp else "")


def vertex(kind: Kind) -> sympy.Symbol:
    """The symbol of a vertex at equal inputs: ``V_4``, ``K_1``, or ``V_4_1``."""
    return sympy.Symbol(_name(kind), real=True)


def expression(formula: Formula) -> Any:
    """The formula as a sympy expression, the number in front included.

    Raises
    ------
    ValueError
        Others are left unwritten: a topology at general inputs is the sum of its labelled ones.
    """
    if formula.others:
        raise ValueError("a topology at general inputs is the sum of its labelled diagrams")
    weight = sympy.Rational(formula.weight.numerator, formula.weight.denominator)
    front = weight * C_W**formula.C_W * (UPPER / LOWER) ** formula.ratio
    value = sympy.Mul(front, *factors(formula, _Sympy()))
    if formula.form.inputs == Inputs.GENERAL and formula.lines:
        return sympy.Sum(value, *((_inner(n), 1, N) for n in range(1, 2 * formula.lines + 1)))
    return value


class _Sympy:
    def vertex(self, kind: Kind, lines: tuple[int, ...], form: Form) -> Any:
        if form.inputs == Inputs.EQUAL:
            return vertex(kind)
        return sympy.Function(_name(kind))(*(y for e in lines for y in _line(e)))

    def star(self, blob: Blob, form: Form) -> Any:
        if form.inputs == Inputs.EQUAL:
            return Star(len(blob.pairs), len(blob.lines))
        inner = sympy.Tuple(*(y for e in blob.lines for y in _line(e)))
        return Star(_external(blob), inner)

    def cumulant(self, blob: Blob, form: Form) -> Any:
        if form.inputs == Inputs.EQUAL:
            return Cumulant(len(blob.pairs), len(blob.lines))
        inner = sympy.Tuple(*(sympy.Tuple(*_line(e)) for e in blob.lines))
        return Cumulant(_external(blob), inner)

    def mean(self, form: Form) -> Any:
        at = () if form.inputs == Inputs.EQUAL else (_outer(1), _outer(2))
        return C_b + C_W * Mean(*at)

    def sum(self, terms: Sequence[tuple[Fraction, Sequence[Any]]]) -> list[Any]:
        return [
            sympy.Add(
                *(
                    sympy.Mul(sympy.Rational(c.numerator, c.denominator), *product)
                    for c, product in terms
                )
            )
        ]


def _name(kind: Kind) -> str:
    if kind.lines == 1:
        return f"K_{kind.order}"
    return f"V_{2 * kind.lines}" + (f"_{kind.order}" if kind.order else "")


def _line(e: int) -> tuple[Any, Any]:
    return _inner(2 * e + 1), _inner(2 * e + 2)


def _inner(n: int) -> Any:
    return sympy.Symbol(f"y{n}", integer=True)


def _outer(n: int) -> Any:
    return sympy.Symbol(f"x{n}", integer=True)


def _external(blob: Blob) -> Any:
    pairs = (sympy.Tuple(_outer(2 * i + 1), _outer(2 * i + 2)) for i in blob.pairs)
    return sympy.Tuple(*pairs)
