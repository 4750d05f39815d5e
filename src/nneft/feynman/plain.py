"""Formulas as plain text, for the terminal: ``V4 (E[d2 D^3] - 3 E[D^2] E[d2 D]) E[d2 D]``.

``E = <.>_K0``, ``D = Delta``, ``d`` a derivative by the preactivation. At general inputs pair i
of the correlator is that of the inputs ``2i+1, 2i+2``, ``D_12`` its Delta, and inner inputs are
``y1, y2 ..``, summed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from nneft.feynman.enumeration import Kind
from nneft.feynman.formula import Form, Formula, Inputs, factors
from nneft.feynman.star import Blob


class _Plain:
    def vertex(self, kind: Kind, lines: tuple[int, ...], form: Form) -> str:
        name = f"K{kind.order}" if kind.lines == 1 else f"V{2 * kind.lines}"
        if kind.lines > 1 and kind.order:
            name += f".{kind.order}"
        if form.inputs == Inputs.EQUAL:
            return name
        return f"{name}({';'.join(f'y{2 * e + 1} y{2 * e + 2}' for e in lines)})"

    def star(self, blob: Blob, form: Form) -> str:
        m, r = len(blob.pairs), len(blob.lines)
        if form.inputs == Inputs.EQUAL:
            return f"E[{f'd{2 * r} ' if r else ''}{_power('D', m)}]"
        by = [f"d_y{2 * e + 1} d_y{2 * e + 2}" for e in blob.lines]
        return f"E[{' '.join([*by, *(f'D_{_pair(i)}' for i in blob.pairs)])}]"

    def cumulant(self, blob: Blob, form: Form) -> str:
        m, r = len(blob.pairs), len(blob.lines)
        if form.inputs == Inputs.EQUAL:
            return f"F{m}" + "'" * r
        by = [f"y{2 * e + 1} y{2 * e + 2}" for e in blob.lines]
        return f"F[{' '.join(map(_pair, blob.pairs))}{''.join(f'; {pair}' for pair in by)}]"

    def mean(self, form: Form) -> str:
        return "(C_b + C_W E[s])"

    def sum(self, terms: Sequence[tuple[Fraction, Sequence[str]]]) -> list[str]:
        if len(terms) == 1:
            return list(terms[0][1])
        text = ""
        for c, product in terms:
            sign = (" - " if text else "-") if c < 0 else (" + " if text else "")
            text += sign + ("" if abs(c) == 1 else f"{abs(c)} ") + collected(product)
        return [f"({text})"]


def plain(formula: Formula) -> str:
    """The formula without the number in front: powers of ``C_W`` and widths, vertices, blobs."""
    front = [] if formula.C_W == 0 else [_power("C_W", formula.C_W)]
    if formula.ratio:
        front.append(_power("(n_{l-1}/n_{l-2})", formula.ratio))
    rest = f" + {formula.others} permutations" if formula.others else ""
    return " ".join([*front, collected(factors(formula, _Plain()))]) + rest


def collected(product: Sequence[str]) -> str:
    """Equal factors as powers, each where it first stands."""
    return " ".join(_power(text, n) for text, n in Counter(product).items())


def _power(text: str, n: int) -> str:
    if n == 1:
        return text
    return f"({text})^{n}" if text.endswith("'") else f"{text}^{n}"


def _pair(i: int) -> str:
    """The two inputs of an external pair: ``12``, ``34`` .. and ``9,10``."""
    return f"{2 * i + 1}{',' if i > 3 else ''}{2 * i + 2}"
