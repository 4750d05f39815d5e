"""All diagrams of one correlator at one order: sized, indexable, filterable, self-checking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Unpack, overload

from nneft.feynman.counting import count_labelled, count_topologies
from nneft.feynman.diagram import Diagram
from nneft.feynman.document import LINE, broken, display, document
from nneft.feynman.enumeration import Kind, topologies
from nneft.feynman.formula import Form, Options, formula
from nneft.feynman.labelling import labellings
from nneft.feynman.latex import correlator, pieces
from nneft.feynman.zero_dimensional import content_of, content_sums

#: A notebook draws no more diagrams than this unless it is asked to.
SHOWN = 100


class Diagrams(Sequence[Diagram]):
    """The diagrams of one 2k-point connected correlator at one order, in a stable order.

    They are made as they are asked for, and kept: iteration starts at once and can be interrupted;
    what was found stays found.
    """

    def __init__(self, points: int, order: int, *, labelled: bool, expanded: bool) -> None:
        self.points, self.order = points, order
        self.labelled, self.expanded = labelled, expanded
        self._found: list[Diagram] = []
        self._source = self._generate()

    def _generate(self) -> Iterator[Diagram]:
        for form in topologies(self.points // 2, self.order, expanded=self.expanded):
            topology = Diagram.from_canonical(form, expanded=self.expanded)
            if self.labelled:
                yield from labellings(topology)
            else:
                yield topology

    def count(self, value: object = None) -> int:
        """Number of diagrams, without building any; with a diagram, how often it occurs."""
        if value is not None:
            return super().count(value)
        counted = count_labelled if self.labelled else count_topologies
        return counted(self.points // 2, self.order, expanded=self.expanded)

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[Diagram]:
        place = 0
        while True:
            if place == len(self._found):
                try:
                    following = next(self._source, None)
                except BaseException:
                    # A generator that was interrupted is spent: the next one starts where it was.
                    self._source = islice(self._generate(), len(self._found), None)
                    raise
                if following is None:
                    return
                self._found.append(following)
            yield self._found[place]
            place += 1

    @overload
    def __getitem__(self, index: int) -> Diagram: ...

    @overload
    def __getitem__(self, index: slice) -> list[Diagram]: ...

    def __getitem__(self, index: int | slice) -> Diagram | list[Diagram]:
        if isinstance(index, slice):
            return list(self)[index]
        if index < 0:
            index += len(self)
        for diagram in islice(self, index, index + 1) if index >= 0 else ():
            return diagram
        raise IndexError(f"there are {len(self)} diagrams, no number {index}")

    def filter(self, wanted: Callable[[Diagram], bool]) -> list[Diagram]:
        """The diagrams for which `wanted` is true, for instance ``lambda d: d.loops == 0``."""
        if not callable(wanted):
            raise TypeError(
                "wanted must be a function of a diagram, for example lambda d: d.loops == 0, "
                f"got {wanted!r}"
            )
        return [diagram for diagram in self if wanted(diagram)]

    def sums(self) -> dict[tuple[Kind, ...], Fraction]:
        """Sum of multiplicity times symmetry factor, by content of vertices."""
        total: dict[tuple[Kind, ...], Fraction] = {}
        for diagram in self:
            content = content_of(Counter(v.kind for v in diagram.vertices))
            weight = diagram.multiplicity * diagram.symmetry_factor
            total[content] = total.get(content, Fraction(0)) + weight
        return total

    def verify(self) -> None:
        """Compare count and weights with two routes that know no graphs.

        Raises
        ------
        ArithmeticError
            The number differs from Burnside's, or a sum of weights from the zero-dimensional
            theory's.
        """
        found = sum(1 for _ in self)
        if found != self.count():
            raise ArithmeticError(f"enumerated {found} diagrams, counted {self.count()}")
        wanted = content_sums(self.points // 2, self.order, expanded=self.expanded)
        sums = self.sums()
        for content in sorted({*wanted, *sums}):
            if wanted.get(content) != sums.get(content):
                raise ArithmeticError(
                    f"diagrams with vertices {content} weigh {sums.get(content)}, the "
                    f"zero-dimensional theory says {wanted.get(content)}"
                )

    def latex(self, **options: Unpack[Options]) -> str:
        """The sum of all, as an ``aligned`` environment: ``V_8 = ..``, a diagram a line or more.

        Options as of `Diagram.latex`. Where vertices have orders in 1/n of their own that the
        diagrams do not split (``expanded=False``), the sum is a part: ``V_4,1`` contains it.
        """
        return display(*self._equation(), self, Form(**options))

    def latex_document(self, **options: Unpack[Options]) -> str:
        """A document that compiles: every diagram's code, factor, multiplicity and formula."""
        return document(*self._equation(), self, Form(**options))

    def sympy(self, **options: Unpack[Options]) -> Any:
        """The sum of all as a sympy expression; options as of `Diagram.sympy`."""
        return sum(diagram.sympy(**options) for diagram in self)

    def svg(self, *, style: str = "paper", labels: bool = False, columns: int | None = None) -> str:
        """All pictures in one SVG, with symmetry factor and multiplicity below each.

        Parameters as of `Diagram.svg`; `columns` is how many stand side by side, by default as many
        as there is room for.
        """
        from nneft.feynman.drawing.many import grid_text

        return grid_text(self, self._title(), style=style, labels=labels, columns=columns)

    def tikz(self, *, style: str = "paper", labels: bool = False) -> str:
        """All pictures as TikZ-Feynman, one ``tikzpicture`` each; parameters as of `svg`."""
        return "\n".join(diagram.tikz(style=style, labels=labels) for diagram in self)

    def draw(
        self,
        path: str | Path,
        *,
        style: str = "paper",
        labels: bool = False,
        columns: int | None = None,
    ) -> None:
        """Write all pictures to one file, as `svg` does, as ``.svg``, ``.pdf`` or ``.png``.

        As ``.tex`` it is a document with a page for each.

        Raises
        ------
        ValueError
            A style or a form that there is not, or a place where nothing can be written.
        """
        from nneft.feynman.drawing.many import save_grid

        save_grid(self, self._title(), path, style=style, labels=labels, columns=columns)

    def sheet(
        self,
        path: str | Path,
        *,
        style: str = "paper",
        labels: bool = False,
        **options: Unpack[Options],
    ) -> None:
        """Write a table like BCCZ's table I: picture, factor, permutations, formula.

        The factor is the symmetry factor; in cumulants without the 1/2 of each double line, which
        the derivatives there hold.

        Parameters
        ----------
        path
            ``.svg``, ``.pdf`` (broken into pages) or ``.html`` (nothing that is elsewhere).
        style, labels
            As of `Diagram.svg`.
        **options
            As of `Diagram.latex`.

        Raises
        ------
        ValueError
            A style, a form or an option that there is not, or a place where nothing can be written.
        """
        from nneft.feynman.drawing.many import save_sheet

        form = Form(**options)

        def written(diagram: Diagram) -> tuple[Fraction, list[str]]:
            parts = formula(diagram, form)
            return parts.factor, broken(pieces(parts, weight=False), LINE)

        save_sheet(self, self._title(), path, written, style=style, labels=labels)

    def _repr_svg_(self) -> str | None:
        # A notebook shows the formulas alone where the pictures would be a book.
        return self.svg() if len(self) <= SHOWN else None

    def _title(self) -> str:
        return repr(self).strip("<>")

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex()}$"

    def _equation(self) -> tuple[str, str]:
        r"""``V_{8}^{(\ell)}`` and ``=``, or ``\supset`` where the diagrams are not all there is."""
        left = correlator(self.points, self.order) + r"^{(\ell)}"
        split = Diagrams(self.points, self.order, labelled=self.labelled, expanded=True)
        return left, "=" if self.count() == split.count() else r"\supset"

    def __repr__(self) -> str:
        what = "labelled diagrams" if self.labelled else "topologies"
        return f"<{len(self)} {what} of the {self.points}-point correlator at order {self.order}>"


def diagrams(
    points: int, order: int = 0, *, labelled: bool = False, expanded: bool = False
) -> Diagrams:
    """All diagrams of a connected correlator at one order in 1/n.

    Parameters
    ----------
    points
        2k: even, positive.
    order
        Order in 1/n beyond the leading ``n^(1-k)``: loops plus the orders of insertions.
    labelled
        Whether to tell the external pairs apart; otherwise each topology comes once, with its
        multiplicity.
    expanded
        Whether to split each ``V_2s`` into its own orders in 1/n, which a strict expansion needs;
        otherwise each stands for the whole vertex, as in BCCZ.

    Raises
    ------
    ValueError, TypeError
        Odd or non-positive points, a negative order, numbers that are not integers.

    Notes
    -----
    BCCZ section 4 and table I; beyond their orders, the law of total cumulance.
    """
    for name, value in (("points", points), ("order", order)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an integer, got {value!r}")
    if points < 2 or points % 2:
        raise ValueError(f"points must be even and positive (2, 4, 6 ..), got {points}")
    if order < 0:
        raise ValueError(f"order must be 0 or more, got {order}")
    return Diagrams(points, order, labelled=labelled, expanded=expanded)
