"""What a diagram's formula is made of, before it is written as text, LaTeX or sympy.

With the symmetry factor 1/S and ``rho = n_{l-1}/n_{l-2}``, a diagram contributes to ``V_2k``::

    1/S C_W^k rho^j  sum_y  prod_vertices V(y ..)  prod_blobs 2^r F^(r) / C_W^m

where the last factor, in *-blobs, is ``<d^{2r} Delta^m>`` with its subtractions (`star`). In
cumulants it is written ``F^(r)``: then the 1/2 of each double line goes with the derivative, and
all ``C_W`` with the blobs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypedDict, TypeVar

from nneft.feynman.enumeration import Kind
from nneft.feynman.star import Blob, Polynomial, cumulant_in_stars

if TYPE_CHECKING:
    from nneft.feynman.diagram import Diagram

T = TypeVar("T")


class Inputs(StrEnum):
    """At which inputs: all equal, as BCCZ table I, or any, as BCCZ (A.25)-(A.27)."""

    EQUAL = "equal"
    GENERAL = "general"


class Blobs(StrEnum):
    """In which blobs: the paper's moments ``<d^{2r} Delta^m>``, or derivatives of cumulants."""

    STAR = "star"
    CUMULANT = "cumulant"


class Sums(StrEnum):
    """How inner inputs are summed over at general inputs: integrals over y, or indices."""

    INTEGRAL = "integral"
    INDEX = "index"


class Widths(StrEnum):
    """Whether all widths are equal, or powers of ``n_{l-1}/n_{l-2}`` are written."""

    EQUAL = "equal"
    UNEQUAL = "unequal"


class Options(TypedDict, total=False):
    """Keywords of everything that writes formulas: see `Form`."""

    inputs: str
    blobs: str
    sums: str
    widths: str


@dataclass(frozen=True)
class Form:
    """How a formula is written.

    Parameters
    ----------
    inputs
        ``"equal"`` or ``"general"``.
    blobs
        ``"star"`` or ``"cumulant"``.
    sums
        ``"integral"`` or ``"index"``, at general inputs.
    widths
        ``"equal"`` or ``"unequal"``.

    Raises
    ------
    ValueError
        None of those.
    """

    inputs: str = Inputs.EQUAL
    blobs: str = Blobs.STAR
    sums: str = Sums.INTEGRAL
    widths: str = Widths.EQUAL

    def __post_init__(self) -> None:
        for name, choices in (
            ("inputs", Inputs),
            ("blobs", Blobs),
            ("sums", Sums),
            ("widths", Widths),
        ):
            chosen = getattr(self, name)
            if chosen not in list(choices):
                known = " or ".join(repr(str(choice)) for choice in choices)
                raise ValueError(f"{name} must be {known}, got {chosen!r}")


@dataclass(frozen=True)
class Formula:
    """What one diagram contributes, in parts.

    Attributes
    ----------
    weight
        The rational number in front; without the multiplicity where `others` are left unwritten.
    C_W, ratio
        Powers of ``C_W`` and of ``n_{l-1}/n_{l-2}``.
    vertices
        Each with the numbers of its double lines; line e runs over inputs ``y_{2e+1}, y_{2e+2}``.
    blobs
        Each as a polynomial in blobs, or None for the mean kernel ``K_0``.
    lines
        Number of double lines.
    others
        How many labelled diagrams there are besides the one that is written.
    multiplicity
        How many there are in all.
    """

    form: Form
    weight: Fraction
    C_W: int
    ratio: int
    vertices: tuple[tuple[Kind, tuple[int, ...]], ...]
    blobs: tuple[Polynomial | None, ...]
    lines: int
    others: int
    multiplicity: int

    @property
    def factor(self) -> Fraction:
        """The number in front of each labelled diagram: 1/S, in *-blobs."""
        return self.weight / (self.multiplicity if self.form.inputs == Inputs.EQUAL else 1)


def formula(diagram: Diagram, form: Form) -> Formula:
    """The formula of a diagram; of a topology at general inputs that of one labelled diagram."""
    equal, star = form.inputs == Inputs.EQUAL, form.blobs == Blobs.STAR
    weight = diagram.symmetry_factor * (diagram.multiplicity if equal else 1)
    if not star:
        weight *= 2 ** sum(diagram.lines)
    shown = _shown(diagram)
    number = count()
    at_blob: list[list[int]] = [[] for _ in shown.blobs]
    vertices = []
    for kind, ends in shown.vertices:
        lines = [next(number) for _ in ends]
        vertices.append((kind, tuple(lines)))
        for b, line in zip(ends, lines, strict=True):
            at_blob[b].append(line)
    blobs = [Blob(pairs, tuple(lines)) for pairs, lines in zip(shown.blobs, at_blob, strict=True)]
    if equal:
        blobs = [Blob((0,) * len(pairs), (0,) * len(lines)) for pairs, lines in blobs]
    polynomials = [_polynomial(blob, star=star) for blob in blobs]
    return Formula(
        form=form,
        weight=weight,
        C_W=sum(diagram.legs) if star and None not in polynomials else 0,
        ratio=-diagram.width_powers[1] if form.widths == Widths.UNEQUAL else 0,
        vertices=tuple(vertices),
        blobs=tuple(polynomials),
        lines=sum(diagram.lines),
        others=0 if equal else diagram.multiplicity - 1,
        multiplicity=diagram.multiplicity,
    )


class _Shown(NamedTuple):
    """Pairs of each blob and the blobs at each vertex, in the order in which they are written."""

    blobs: list[tuple[int, ...]]
    vertices: list[tuple[Kind, tuple[int, ...]]]


def _shown(diagram: Diagram) -> _Shown:
    """Labelled blobs by their first pair; others by falling size, pairs running through them."""
    sizes = list(zip(diagram.legs, diagram.lines, strict=True))
    labels = [() if isinstance(held, int) else held for held in diagram.blobs]
    order = sorted(range(len(sizes)), key=lambda b: (labels[b], -sizes[b][0], -sizes[b][1]))
    blobs: list[tuple[int, ...]] = []
    start = 0
    for b in order:
        blobs.append(labels[b] or tuple(range(start, start + sizes[b][0])))
        start += sizes[b][0]
    place = {b: i for i, b in enumerate(order)}
    vertices = [(v.kind, tuple(sorted(place[b] for b in v.blobs))) for v in diagram.vertices]
    return _Shown(blobs, sorted(vertices, key=lambda v: (-v[0].lines, v[0].order, v[1])))


def _polynomial(blob: Blob, *, star: bool) -> Polynomial | None:
    """``2^r F^(r) / C_W^m`` in *-blobs, None for the mean; or ``F^(r)`` itself."""
    if not star:
        return {(blob,): Fraction(1)}
    if len(blob.pairs) == 1 and not blob.lines:
        return None
    twos = 2 ** len(blob.lines)
    return {factors: twos * c for factors, c in cumulant_in_stars(*blob).items()}


class Notation(Protocol[T]):
    """How the parts of a formula are written."""

    def vertex(self, kind: Kind, lines: tuple[int, ...], form: Form) -> T:
        """A vertex, with the numbers of its double lines."""

    def star(self, blob: Blob, form: Form) -> T:
        """A *-blob."""

    def cumulant(self, blob: Blob, form: Form) -> T:
        """A derivative of a cumulant."""

    def mean(self, form: Form) -> T:
        """``C_b + C_W <s>``."""

    def sum(self, terms: Sequence[tuple[Fraction, Sequence[T]]]) -> Sequence[T]:
        """A sum of products as factors of a larger product: one, or more to break lines at."""


def factors(formula: Formula, notation: Notation[T]) -> list[T]:
    """The formula's vertices and blobs, one after the other; all but the number in front."""
    form = formula.form
    found: list[T] = [notation.vertex(kind, lines, form) for kind, lines in formula.vertices]
    write = notation.star if form.blobs == Blobs.STAR else notation.cumulant
    for polynomial in formula.blobs:
        if polynomial is None:
            found.append(notation.mean(form))
        else:
            # Largest power first: the moment, then what is subtracted.
            terms = sorted(polynomial.items(), key=lambda term: (len(term[0]), term[0]))
            found += notation.sum([(c, [write(blob, form) for blob in bs]) for bs, c in terms])
    return found
