"""Sums of diagrams as displays, broken into lines, and as LaTeX documents that compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nneft.feynman.formula import Blobs, Form, Inputs, Sums, formula
from nneft.feynman.latex import Piece, number, pieces

if TYPE_CHECKING:
    from nneft.feynman.diagram import Diagram

#: Width of a line, in letters.
LINE = 56.0

HEAD = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=2cm]{geometry}
\usepackage{amsmath}
\allowdisplaybreaks
\setlength{\parindent}{0pt}
\begin{document}
"""
TAIL = "\\end{document}\n"


def display(left: str, relation: str, diagrams: Sequence[Diagram], form: Form) -> str:
    """``left = sum of the diagrams``, an ``aligned`` environment, every line broken to width."""
    rows: list[str] = []
    for diagram in diagrams:
        first, *others = broken(pieces(formula(diagram, form)), LINE)
        rows.append(f"&{'+' if rows else f'{left} {relation}'} {first}")
        rows += [rf"&\qquad {row}" for row in others]
    body = " \\\\\n".join(rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def document(left: str, relation: str, diagrams: Sequence[Diagram], form: Form) -> str:
    """A whole document: what is added up, then every diagram with its factor and multiplicity."""
    parts = [HEAD, rf"$\displaystyle {left} {relation}{{}}$ the sum of these diagrams. "]
    parts.append(_conventions(form))
    for place, diagram in enumerate(diagrams, start=1):
        times = f", {diagram.multiplicity} permutations" if diagram.multiplicity > 1 else ""
        code = diagram.code.replace("|", r"\textbar ")
        factor = number(diagram.symmetry_factor)
        parts.append(
            f"\n\\medskip\\textbf{{{place}.}} \\texttt{{{code}}}, factor ${factor}${times}\n"
        )
        rows = broken(pieces(formula(diagram, form)), LINE)
        body = " \\\\\n".join([f"& {rows[0]}", *(rf"&\quad {row}" for row in rows[1:])])
        parts.append(f"\\begin{{align*}}\n{body}\n\\end{{align*}}\n")
    return "".join([*parts, TAIL])


def lines(diagram: Diagram, form: Form, *, width: float = LINE) -> list[str]:
    """The formula without the number in front, in lines of about so many letters, for tables."""
    return broken(pieces(formula(diagram, form), weight=False), width)


def broken(formula: Sequence[Piece], line: float) -> list[str]:
    """Rows of pieces that are no wider than a line, where no single piece is."""
    rows: list[list[str]] = [[]]
    used = 0.0
    for piece in formula:
        if rows[-1] and used + piece.width > line:
            rows.append([])
            used = 0.0
        rows[-1].append(piece.text)
        used += piece.width
    return [" ".join(row) for row in rows]


def _conventions(form: Form) -> str:
    """What the symbols mean, in a sentence or two."""
    text = r"$\Delta = \sigma\sigma - \langle\sigma\sigma\rangle$ with the mean held fixed"
    if form.blobs == Blobs.CUMULANT:
        text = r"$F$ is the joint cumulant of $C_W\sigma\sigma$ for its pairs"
    text += r"; averages are over layer $\ell-1$ with the kernel $K_0^{(\ell-1)}$."
    if form.inputs == Inputs.GENERAL:
        if form.sums == Sums.INTEGRAL:
            text += r" Integrals run over the inputs, pairs being ordered."
        elif form.blobs == Blobs.STAR:
            text += r" Indices $y$ run over the inputs, pairs being ordered."
        else:
            text += r" Indices $C$ run over unordered pairs of inputs."
    return text + "\n"
