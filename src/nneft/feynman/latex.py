r"""Formulas as LaTeX, in BCCZ's notation: plain amsmath, which MathJax sets as well.

External pair i of a correlator is that of ``x_{2i+1}, x_{2i+2}``, and inner inputs are ``y_1 ..``.
As integrals they run over ordered pairs, and ``dF/dK(y, y')`` is by an ordered entry, half of that
by the unordered one. As sums in cumulants they run over unordered pairs ``C_1 ..``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from nneft.feynman.enumeration import Kind
from nneft.feynman.formula import Blobs, Form, Formula, Inputs, Sums, factors
from nneft.feynman.star import Blob


class Piece(NamedTuple):
    """Some LaTeX that no line break divides, and about how wide it is, in letters."""

    text: str
    width: float


def latex(formula: Formula, *, weight: bool = True) -> str:
    """The formula on one line; `weight` says whether to write the number in front."""
    return " ".join(piece.text for piece in pieces(formula, weight=weight)) or "1"


def pieces(formula: Formula, *, weight: bool = True) -> list[Piece]:
    """The formula's factors, between which lines may be broken."""
    front = _front(formula, weight=weight)
    written = factors(formula, _Latex())
    if formula.form.inputs == Inputs.EQUAL:
        written = _collected(written)
    if formula.others:
        plural = "s" if formula.others > 1 else ""
        more = rf"+ \text{{{formula.others} permutation{plural}}}\Bigr]"
        written = [Piece(r"\Bigl[", 0.5), *written, Piece(more, 11.0)]
    return [*front, *written]


def correlator(points: int, order: int) -> str:
    r"""``V_{8}``, ``K_{1}``, or ``V_{4,1}``, the part of ``V_4`` next to leading."""
    if points == 2:
        return f"K_{{{order}}}"
    return f"V_{{{points},{order}}}" if order else f"V_{{{points}}}"


def _front(formula: Formula, *, weight: bool) -> list[Piece]:
    """Number, constants, widths and the sum over inner inputs, never parted."""
    found = []
    if weight and formula.weight != 1:
        found.append(number(formula.weight))
    if formula.C_W:
        found.append(
            rf"\bigl(C_W^{{(\ell)}}\bigr)^{{{formula.C_W}}}" if formula.C_W > 1 else r"C_W^{(\ell)}"
        )
    if formula.ratio:
        ratio = r"\frac{n_{\ell-1}}{n_{\ell-2}}"
        found.append(_power(rf"\Bigl({ratio}\Bigr)" if formula.ratio > 1 else ratio, formula.ratio))
    if formula.lines and formula.form.inputs == Inputs.GENERAL:
        found.append(_sum_over(formula.lines, formula.form))
    return [Piece(" ".join(found), 3.5 * len(found))] if found else []


def _sum_over(lines: int, form: Form) -> str:
    symbols = [f"y_{{{n}}}" for n in range(1, 2 * lines + 1)]
    if form.sums == Sums.INTEGRAL:
        inner = [f"dy_{{{n}}}" for n in range(1, 2 * lines + 1)]
        shown = r"\,".join(inner) if lines == 1 else rf"{inner[0]}\cdots {inner[-1]}"
        return rf"\int {shown}\;"
    if form.blobs == Blobs.CUMULANT:
        symbols = [f"C_{{{n}}}" for n in range(1, lines + 1)]
    shown = ",".join(symbols) if len(symbols) < 3 else rf"{symbols[0]},\dots,{symbols[-1]}"
    return rf"\sum_{{{shown}}}"


class _Latex:
    def vertex(self, kind: Kind, lines: tuple[int, ...], form: Form) -> Piece:
        name = correlator(2 * kind.lines, kind.order) + r"^{(\ell-1)}"
        if form.inputs == Inputs.EQUAL:
            return Piece(name, 4.0)
        shown = [_line(e, form) for e in lines]
        return Piece(f"{name}({';'.join(shown)})", 5.0 + 0.35 * sum(map(len, shown)))

    def star(self, blob: Blob, form: Form) -> Piece:
        m, r = len(blob.pairs), len(blob.lines)
        operator = rf"\partial^{{{2 * r}}}" if r else ""
        if form.inputs == Inputs.EQUAL:
            delta = _power(r"\Delta", m)
            return Piece(rf"\langle {operator}{delta}\rangle", 2.5 + (r > 0))
        deltas = "".join(rf"\Delta{_pair(i, form)}" for i in blob.pairs)
        width = m * (5.5 if form.sums == Sums.INTEGRAL else 2.2)
        if r == 0:
            return Piece(rf"\langle {deltas}\rangle", 1.0 + width)
        inputs = [n for e in blob.lines for n in (2 * e + 1, 2 * e + 2)]
        if form.sums == Sums.INDEX:
            by = "".join(rf"\partial_{{y_{{{n}}}}}" for n in inputs)
            return Piece(rf"\langle {by}{deltas}\rangle", 1.0 + 2.0 * len(inputs) + width)
        by = r"\,".join(rf"\partial\phi(y_{{{n}}})" for n in inputs)
        upper = f"{operator}{deltas}" if m == 1 else rf"{operator}[{deltas}]"
        text = rf"\Bigl\langle\frac{{{upper}}}{{{by}}}\Bigr\rangle"
        return Piece(text, 1.5 + max(width + 2.0, 4.2 * len(inputs)))

    def cumulant(self, blob: Blob, form: Form) -> Piece:
        m, r = len(blob.pairs), len(blob.lines)
        if form.inputs == Inputs.EQUAL:
            return Piece(f"F_{{{m}}}" + (f"^{{({r})}}" if r else ""), 2.0)
        lines = [_line(e, form) for e in blob.lines]
        if form.sums == Sums.INTEGRAL:
            name = f"F({';'.join(_pair(i, form)[1:-1] for i in blob.pairs)})"
            operator, by = r"\delta", [rf"\delta K({line})" for line in lines]
            width, below = 1.5 + 3.5 * m, 5.5 * r
        else:
            name = f"F_{{{','.join(_digits(i) for i in blob.pairs)}}}"
            operator, by = r"\partial", [rf"\partial K_{{{line}}}" for line in lines]
            width, below = 1.0 + 1.5 * m, 2.5 * r
        if r == 0:
            return Piece(name, width)
        upper, lower = f"{_power(operator, r)} {name}", r"\,".join(by)
        return Piece(rf"\frac{{{upper}}}{{{lower}}}", max(width + 1.5, below))

    def mean(self, form: Form) -> Piece:
        s = r"\sigma^{2}" if form.inputs == Inputs.EQUAL else r"\sigma(x_1)\sigma(x_2)"
        return Piece(rf"C_b^{{(\ell)}} + C_W^{{(\ell)}}\langle {s}\rangle", 14.0)

    def sum(self, terms: Sequence[tuple[Fraction, Sequence[Piece]]]) -> list[Piece]:
        if len(terms) == 1:
            return list(terms[0][1])
        found: list[Piece] = []
        for c, product in terms:
            sign = "-" if c < 0 else "+" if found else ""
            times = number(abs(c)) if abs(c) != 1 else ""
            text = " ".join(piece.text for piece in _collected(list(product)))
            found.append(Piece(f"{sign}{times}{text}", 2.0 + sum(p.width for p in product)))
        size = "Big" if any(r"\frac" in piece.text for piece in found) else "big"
        first, last = found[0], found[-1]
        found[0] = first._replace(text=rf"\{size}l({first.text}")
        found[-1] = Piece(rf"{last.text}\{size}r)", last.width + 0.5)
        if len(found) > 2 or sum(piece.width for piece in found) > 30.0:
            return found
        return [Piece(" ".join(p.text for p in found), sum(p.width for p in found))]


def number(value: Fraction) -> str:
    """An integer or a fraction."""
    if value.denominator == 1:
        return str(value)
    return rf"\frac{{{value.numerator}}}{{{value.denominator}}}"


def _collected(product: list[Piece]) -> list[Piece]:
    """Equal factors as powers, each where it first stands."""
    return [
        Piece(_power(piece.text, n), piece.width + (n > 1)) for piece, n in Counter(product).items()
    ]


def _power(text: str, n: int) -> str:
    if n == 1:
        return text
    if "^{(" in text and not text.startswith((r"\langle", r"\bigl")):
        text = rf"\bigl({text}\bigr)"
    return f"{text}^{{{n}}}"


def _line(e: int, form: Form) -> str:
    """The two inner inputs of a double line."""
    if form.sums == Sums.INDEX:
        if form.blobs == Blobs.CUMULANT:
            return f"C_{{{e + 1}}}"
        return f"y_{{{2 * e + 1}}}y_{{{2 * e + 2}}}"
    return f"y_{{{2 * e + 1}}},y_{{{2 * e + 2}}}"


def _pair(i: int, form: Form) -> str:
    """The two inputs of an external pair, as arguments or as indices."""
    if form.sums == Sums.INDEX:
        return f"_{{{_digits(i)}}}"
    return f"(x_{{{2 * i + 1}}},x_{{{2 * i + 2}}})"


def _digits(i: int) -> str:
    apart = r"\," if i > 3 else ""
    return f"{2 * i + 1}{apart}{2 * i + 2}"
