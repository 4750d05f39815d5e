"""One Feynman diagram: its structure, its exact factor, its name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import factorial, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from nneft.feynman.canonical import Canonical, canonical_form
from nneft.feynman.enumeration import Kind
from nneft.feynman.formula import Form, Inputs, Options, formula
from nneft.feynman.latex import latex

if TYPE_CHECKING:
    from nneft.feynman.below import Correlators


@dataclass(frozen=True)
class Vertex:
    """A correlator of the layer below: ``V_2s``, or an insertion ``K_p`` of the mean kernel.

    Attributes
    ----------
    kind
        Number of its double lines, and its own order in 1/n.
    blobs
        The blob at the end of each of its double lines, in rising order.
    """

    kind: Kind
    blobs: tuple[int, ...]

    @property
    def name(self) -> str:
        """``V4``, ``V6`` .. or ``K1``, ``K2`` ..; ``V4.1`` is the part of V4 next to leading."""
        lines, order = self.kind
        if lines == 1:
            return f"K{order}"
        return f"V{2 * lines}" + (f".{order}" if order else "")


@dataclass(frozen=True)
class SymmetryOrigins:
    """Where a symmetry factor comes from: the three are multiplied.

    Attributes
    ----------
    double_lines
        1/2 for each: a second derivative by the preactivations is half counted, as a pair.
    equal_lines
        1/n! for n double lines between the same blob and the same vertex.
    permuted_parts
        1/n! for n vertices that are alike and joined to the same blobs.
    """

    double_lines: Fraction
    equal_lines: Fraction
    permuted_parts: Fraction


@dataclass(frozen=True)
class Diagram:
    """A contribution to the 2k-point connected correlator of layer l, from layer l-1.

    Attributes
    ----------
    blobs
        For each blob its external pairs: how many wavy legs it has (a topology), or which ones (a
        labelled diagram, pairs counted from 0).
    vertices
        The correlators of layer l-1 that join them.
    expanded
        Whether each vertex stands for one order in 1/n alone, not for the whole ``V_2s``.

    Notes
    -----
    With ``delta = G^(l-1) - K_0`` a blob of m wavy legs and r double lines stands for the r-th
    derivative by the kernel of the joint cumulant of m products ``C_W sigma sigma``, times
    ``n_{l-1}^(1-m)``; a vertex with s lines for the cumulant of s factors delta. BCCZ (20)-(23).
    """

    blobs: tuple[int | tuple[int, ...], ...]
    vertices: tuple[Vertex, ...] = ()
    expanded: bool = False

    @staticmethod
    def from_canonical(form: Canonical, *, expanded: bool) -> Diagram:
        """The diagram of an enumerated topology."""
        vertices = tuple(
            Vertex(kind, tuple(b for b, n in enumerate(column) for _ in range(n)))
            for kind, column in form.columns
        )
        return Diagram(form.rows, vertices, expanded)

    @property
    def labelled(self) -> bool:
        """Whether the external pairs are told apart."""
        return isinstance(self.blobs[0], tuple)

    @property
    def legs(self) -> tuple[int, ...]:
        """Number of wavy legs of each blob."""
        return tuple(b if isinstance(b, int) else len(b) for b in self.blobs)

    @property
    def lines(self) -> tuple[int, ...]:
        """Number of double lines of each blob."""
        count = Counter(b for v in self.vertices for b in v.blobs)
        return tuple(count[b] for b in range(len(self.blobs)))

    @property
    def points(self) -> int:
        """2k, twice the number of external pairs."""
        return 2 * sum(self.legs)

    @property
    def loops(self) -> int:
        """Independent loops of blobs and vertices."""
        return sum(self.lines) - len(self.blobs) - len(self.vertices) + 1

    @property
    def order(self) -> int:
        """Order in 1/n beyond the leading ``n^(1-k)``: loops, insertions, and vertices' own."""
        return self.loops + sum(v.kind.order for v in self.vertices)

    @property
    def width_powers(self) -> tuple[int, int]:
        """Powers of ``n_{l-1}`` and ``n_{l-2}`` in the cumulant ``kappa_k``; they add to 1-k-order.

        ``V_2k`` has ``k - 1`` powers of ``n_{l-1}`` more.
        """
        upper = -sum(m - 1 for m in self.legs)
        lower = -sum(v.kind.lines - 1 + v.kind.order for v in self.vertices)
        return upper, lower

    @cached_property
    def symmetry_origins(self) -> SymmetryOrigins:
        """The symmetry factor, factor by factor."""
        equal = prod(factorial(n) for v in self.vertices for n in Counter(v.blobs).values())
        permuted = prod(factorial(n) for n in Counter(self.vertices).values())
        return SymmetryOrigins(
            Fraction(1, 2 ** sum(self.lines)), Fraction(1, equal), Fraction(1, permuted)
        )

    @property
    def symmetry_factor(self) -> Fraction:
        """The prefactor 1/S with all external pairs fixed; multiplicity is apart."""
        origins = self.symmetry_origins
        return origins.double_lines * origins.equal_lines * origins.permuted_parts

    @cached_property
    def multiplicity(self) -> int:
        """Number of different ways to attach the external pairs; 1 for a labelled diagram."""
        if self.labelled:
            return 1
        ways = factorial(sum(self.legs)) // prod(factorial(m) for m in self.legs)
        return ways // self._canonical.symmetries

    @property
    def code(self) -> str:
        """A short name, the same on every machine; `parse` reads it back.

        The blobs' wavy legs, then each vertex with the blobs at its lines: ``2,1|V4:0,1`` is
        ``V_4`` between a blob of two legs and one of one. Labelled: ``[0 2],[1]|V4:0,1``.
        """
        blobs = ",".join(
            str(b) if isinstance(b, int) else f"[{' '.join(map(str, b))}]" for b in self.blobs
        )
        return "|".join(
            [blobs, *(f"{v.name}:{','.join(map(str, v.blobs))}" for v in self.vertices)]
        )

    def __str__(self) -> str:
        return self.code

    def latex(self, *, weight: bool = True, **options: Unpack[Options]) -> str:
        """The formula of what it contributes to ``V_2k``, as LaTeX.

        Parameters
        ----------
        weight
            Whether to write the number in front: the symmetry factor, and the multiplicity of a
            topology at equal inputs.
        **options
            ``inputs="equal"`` (as BCCZ table I) or ``"general"`` (as A.25-A.27), ``blobs="star"``
            (the paper's) or ``"cumulant"``, ``sums="integral"`` or ``"index"``,
            ``widths="equal"`` or ``"unequal"``. At general inputs a topology is written as one of
            its labelled diagrams, with the number of the others.

        Raises
        ------
        ValueError
            An option that there is not.
        """
        return latex(formula(self, Form(**options)), weight=weight)

    def sympy(self, **options: Unpack[Options]) -> Any:
        """The same as a sympy expression, see `nneft.feynman.symbols`; `sums` makes no difference.

        At general inputs a topology is the sum of all its labelled diagrams.
        """
        from nneft.feynman.labelling import labellings
        from nneft.feynman.symbols import expression

        form = Form(**options)
        general = form.inputs == Inputs.GENERAL
        written = labellings(self) if general and not self.labelled else [self]
        return sum(expression(formula(diagram, form)) for diagram in written)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex()}$"

    def value(self, flow: Correlators, layer: int, at: Sequence[int] | None = None) -> float:
        """What this diagram contributes to ``V_2k`` at one layer of a flow.

        Parameters
        ----------
        flow
            A `nneft.Flow` that holds the layer below to the order that the diagram needs.
        layer
            From 2 on.
        at
            2k indices of inputs, two by two an external pair; the first input everywhere if None.

        Returns
        -------
        The coefficient of ``n_{l-1}^-(k-1+order)`` in the cumulant ``kappa_k``. A topology counts
        for all its labelled diagrams; a whole ``V_2s`` counts with its leading order.

        Raises
        ------
        ValueError, TypeError
            A layer or indices that are none; something that the flow does not hold.
        nneft.NumericsError
            Overflow, or an expectation that cannot be had.
        """
        from nneft.feynman.values import Evaluator

        return Evaluator(flow, layer).values([self], at)[0].value

    def svg(self, *, style: str = "paper", labels: bool = False) -> str:
        """The picture as SVG, the same bytes each time, described in words for who cannot see it.

        Parameters
        ----------
        style
            ``"paper"``, grey discs with a star as in BCCZ, or ``"hatched"``.
        labels
            Whether to name the ends of the legs, ``x_1 .. x_2k``, and the blobs, ``B_1 ..``, in the
            order of `blobs`. A topology is drawn with the first of its labellings.

        Raises
        ------
        ValueError
            A style that there is not.
        """
        from nneft.feynman.drawing.geometry import picture
        from nneft.feynman.drawing.output import svg_text

        return svg_text(picture(self, labels=labels), style)

    def tikz(self, *, style: str = "paper", labels: bool = False) -> str:
        r"""The picture as a ``tikzpicture`` for TikZ-Feynman, with explicit coordinates.

        It needs ``\usepackage[compat=1.1.0]{tikz-feynman}``, under pdfLaTeX or LuaLaTeX.
        Parameters and errors as of `svg`.
        """
        from nneft.feynman.drawing.geometry import picture
        from nneft.feynman.drawing.output import tikz_text

        return tikz_text([picture(self, labels=labels)], style)

    def draw(self, path: str | Path, *, style: str = "paper", labels: bool = False) -> None:
        """Write the picture to a file: ``.svg``, ``.pdf``, ``.png``, or ``.tex``, a document.

        Parameters as of `svg`. Nothing half-written is left behind.

        Raises
        ------
        ValueError
            A style or a form that there is not, or a place where nothing can be written.
        """
        from nneft.feynman.drawing.geometry import picture
        from nneft.feynman.drawing.output import save_picture

        save_picture(picture(self, labels=labels), path, style)

    def _repr_svg_(self) -> str:
        return self.svg()

    @property
    def topology(self) -> Diagram:
        """The same diagram without labels, in canonical form."""
        return Diagram.from_canonical(self._canonical, expanded=self.expanded)

    def canonical(self) -> Diagram:
        """The same diagram with blobs and vertices in canonical order."""
        colours = [self._colour(b) for b in range(len(self.blobs))]
        form = canonical_form(colours, self._columns)
        ordered = Diagram.from_canonical(form, expanded=self.expanded)
        return Diagram(tuple(self.blobs[b] for b in form.order), ordered.vertices, self.expanded)

    @cached_property
    def _canonical(self) -> Canonical:
        return canonical_form(self.legs, self._columns)

    @property
    def _columns(self) -> list[tuple[Kind, tuple[int, ...]]]:
        blobs = range(len(self.blobs))
        return [(v.kind, tuple(v.blobs.count(b) for b in blobs)) for v in self.vertices]

    def _colour(self, blob: int) -> tuple[int, tuple[int, ...]]:
        held = self.blobs[blob]
        # Labels in falling order of preference: the blob with the smallest label comes first.
        return (held, ()) if isinstance(held, int) else (len(held), tuple(-i for i in held))


def parse(code: str) -> Diagram:
    """The diagram with this code, brought to canonical form.

    Raises
    ------
    ValueError
        The code does not parse, or does not name a connected diagram; the message says where.
    """
    parts = code.strip().split("|")
    blobs = tuple(_blob(text, code) for text in re.findall(r"\[[^\]]*\]|[^,]+", parts[0]))
    if not blobs or len({type(b) for b in blobs}) != 1:
        raise _bad(code, parts[0], "blobs such as 2,1 or [0 2],[1]")
    labels = sorted(i for b in blobs if isinstance(b, tuple) for i in b)
    if labels != list(range(len(labels))):
        raise _bad(code, parts[0], "every external pair 0, 1, .. once")
    vertices = tuple(_vertex(text, len(blobs), code) for text in parts[1:])
    expanded = any(v.kind.lines > 1 and v.kind.order for v in vertices)
    diagram = Diagram(blobs, vertices, expanded)
    if not _connected(diagram):
        raise _bad(code, code, "a connected diagram: every blob joined to the others by vertices")
    return diagram.canonical()


def _blob(text: str, code: str) -> int | tuple[int, ...]:
    if re.fullmatch(r"[1-9][0-9]{0,3}", text):
        return int(text)
    if re.fullmatch(r"\[[0-9]+( [0-9]+)*\]", text):
        return tuple(sorted(int(i) for i in text[1:-1].split()))
    raise _bad(code, text, "a number of wavy legs such as 2, or labels such as [0 2]")


def _vertex(text: str, blobs: int, code: str) -> Vertex:
    found = re.fullmatch(
        r"(?:V([1-9][0-9]*)(?:\.([0-9]+))?|K([1-9][0-9]*)):([0-9]+(?:,[0-9]+)*)", text
    )
    if found is None:
        raise _bad(code, text, "a vertex such as V4:0,1 or K1:0")
    points, own, insertion, ends = found.groups()
    at = tuple(sorted(int(b) for b in ends.split(",")))
    kind = Kind(1, int(insertion)) if insertion else Kind(int(points) // 2, int(own or 0))
    if points and (int(points) % 2 or int(points) < 4):
        raise _bad(code, text, "V4, V6, V8 ..")
    if len(at) != kind.lines:
        raise _bad(code, text, f"{kind.lines} double lines, a blob for each")
    if at[-1] >= blobs:
        raise _bad(code, text, f"blobs from 0 to {blobs - 1}")
    return Vertex(kind, at)


def _connected(diagram: Diagram) -> bool:
    reached, size = {0}, 0
    while len(reached) != size:
        size = len(reached)
        for vertex in diagram.vertices:
            if reached & set(vertex.blobs):
                reached |= set(vertex.blobs)
    return size == len(diagram.blobs)


def _bad(code: str, part: str, wanted: str) -> ValueError:
    return ValueError(f"the diagram code {code!r} does not parse: wanted {wanted}, got {part!r}")
