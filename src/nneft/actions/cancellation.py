"""The cancellation of loops that sum over neurons, BCCZ (19), in diagrams and in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nneft.actions.held import Correlators, Held
from nneft.blobs import Blob, cumulants
from nneft.conventions import pairs
from nneft.feynman.below import Below
from nneft.gaussian.base import Array

if TYPE_CHECKING:
    from nneft.feynman.drawing.effective import EffectiveDiagram

HEADINGS = ("with ghosts", "without", "mixed")


class Values(NamedTuple):
    """A contribution in three reckonings, two of which are right.

    Attributes
    ----------
    with_ghosts
        Couplings and loops with ghosts.
    without
        Couplings of the action without ghosts, and loops of fields alone.
    mixed
        Couplings with ghosts, and loops of fields alone: wrong, for comparison.
    """

    with_ghosts: float
    without: float
    mixed: float


class Term(NamedTuple):
    """One diagram's contribution.

    Attributes
    ----------
    name
        Of the diagram.
    values
        What it is worth.
    loop
        Whether it has a loop that sums over neurons: it carries ``n_l/n_{l-1}``.
    part
        Whether it is a part of the term before, and not to be added.
    """

    name: str
    values: Values
    loop: bool = False
    part: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class GhostCancellation:
    """A correlator of one layer from its effective action, diagram by diagram.

    Attributes
    ----------
    layer, width, width_below
        The layer's number, ``n_l`` and ``n_{l-1}``.
    at
        Indices of two inputs: the mean kernel at first order in ``1/n``; of four: the connected
        four-point correlator, ``V_4/n_{l-1}``, at first order in ``n_l/n_{l-1}``.
    terms
        Its diagrams' contributions.
    expected
        What they must sum to: what the flow holds.
    """

    layer: int
    width: int
    width_below: int
    at: tuple[int, ...]
    terms: tuple[Term, ...]
    expected: float

    @property
    def values(self) -> dict[str, Values]:
        """Contributions by the names of their diagrams."""
        return {term.name: term.values for term in self.terms}

    @property
    def total(self) -> Values:
        """The sum of all: as expected, unless couplings and loops are mixed."""
        return _sum([term for term in self.terms if not term.part])

    @property
    def loops(self) -> Values:
        """The sum of the terms that carry ``n_l/n_{l-1}``: zero with ghosts, and only there."""
        return _sum([term for term in self.terms if term.loop and not term.part])

    @cached_property
    def diagrams(self) -> tuple[EffectiveDiagram, ...]:
        """The diagrams of the terms, each with ``svg()``, ``tikz()`` and ``draw(path)``."""
        from nneft.actions.pictures import diagrams

        known = diagrams()
        return tuple(known[term.name] for term in self.terms)

    def draw(self, path: str | Path, *, style: str = "paper") -> None:
        """Diagrams, formulas and values as one table: ``.svg``, ``.pdf`` or ``.html``.

        Raises
        ------
        ValueError
            A style or a form that there is not, or a place where nothing can be written.
        """
        from nneft.feynman.drawing.many import write_sheet
        from nneft.feynman.drawing.sheet import Row

        rows = []
        for term, diagram in zip(self.terms, self.diagrams):
            worth = [(f"{value:.6g}",) for value in term.values]
            formula = f"{'' if diagram.factor == '1' else diagram.factor}{diagram.formula}"
            rows.append(Row(diagram.picture, (*worth, (formula,))))
        write_sheet(rows, ("diagram", *HEADINGS, "formula"), self._title, path, style)

    def __str__(self) -> str:
        """A table of the contributions, those with loops over neurons marked by a star."""
        rows = [(f"{_mark(term)} {term.name}", term.values) for term in self.terms]
        rows += [("  Sum", self.total), ("* of which loops over neurons", self.loops)]
        width = max(len(label) for label, _ in rows)
        heading = " " * width + "".join(f"{name:>16}" for name in HEADINGS)
        lines = [self._title, heading]
        lines += [
            f"{label:<{width}}" + "".join(f"{value:16.8g}" for value in values)
            for label, values in rows
        ]
        lines.append(f"{'  Expected':<{width}}{self.expected:16.8g}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"GhostCancellation(layer {self.layer}, at={self.at}, loops={self.loops})"

    @property
    def _title(self) -> str:
        what = "Mean kernel" if len(self.at) == 2 else "Four-point correlator"
        return (
            f"{what} of layer {self.layer} at inputs {self.at}, "
            f"n_l/n_(l-1) = {self.width}/{self.width_below}"
        )


def ghost_cancellation(
    flow: Correlators, layer: int, at: Sequence[int] = (0, 0)
) -> GhostCancellation:
    """Show that loops over a layer's neurons cancel with ghosts, and what happens without them.

    A loop of ``phi^(l)`` attached to operators of layer ``l-1`` counts ``+n_l``, one of the ghosts
    ``-n_l`` (BCCZ 19): no observable depends on what lies deeper. An action without ghosts (PDLT)
    has the loops of fields alone, and couplings that make up for them.

    Parameters
    ----------
    flow
        A flow of order 1 or more; of order 2 or more for four inputs.
    layer
        From 2 on, the first layer's kernel does not fluctuate.
    at
        Two inputs: diagrams of the mean kernel at first order in ``1/n`` (BCCZ 18). Four, two by
        two a pair: diagrams of the connected four-point correlator at first order in
        ``n_l/n_{l-1}`` (loops that sum over no neurons, of relative order ``1/n``, are left out,
        and legs are full propagators, to which the first kind of diagrams belongs).

    Returns
    -------
    GhostCancellation
        With ``diagrams``, ``values``, ``total`` and ``loops``; ``print`` shows a table.

    Raises
    ------
    ValueError, TypeError
        A layer or inputs that there are not; a flow that does not hold what is needed.
    """
    place = _checked_place(flow, at)
    held = Held.of(flow, layer, six=len(place) == 4)
    if held.layer == 1:
        raise ValueError(
            "layer must be 2 or more: the first layer's kernel does not fluctuate, its action has "
            "no couplings to close a loop on"
        )
    scale = float(np.prod(held.support.scale[list(place)]))
    if len(place) == 2:
        terms, expected = _mean_kernel(flow, held, place, scale)
    else:
        terms, expected = _four_point(held, place, scale)
    return GhostCancellation(held.layer, held.width, held.below, place, terms, expected)


def _mean_kernel(
    flow: Correlators, held: Held, at: tuple[int, ...], scale: float
) -> tuple[tuple[Term, ...], float]:
    """``K_0 + mu + exchange + loops`` (BCCZ 18, 19)."""
    K_0, K_1 = scale * float(held.K_0[at]), scale * float(held.K_1[at]) / held.below
    exchange, half = scale * float(held.exchange[at]), 0.5 * held.width
    loop = half * scale * float(held.loop[at])
    blob = half * _blob_loop(flow, held, at)
    mu = K_1 - exchange
    terms = (
        Term("Propagator", _same(K_0)),
        Term("Quadratic coupling", Values(mu, mu - loop, mu)),
        Term("Exchange between two fields of the same neuron", _same(exchange)),
        Term("Loop of fields", _same(loop), loop=True),
        Term("Loop of fields on a blob of the layer below", _same(blob), loop=True, part=True),
        Term("Loop of ghosts", _ghosts(loop), loop=True),
        Term("Loop of ghosts on a blob of the layer below", _ghosts(blob), loop=True, part=True),
    )
    return terms, K_0 + K_1


def _four_point(held: Held, at: tuple[int, ...], scale: float) -> tuple[tuple[Term, ...], float]:
    """Coupling, two couplings joined by a loop, sextic coupling with a loop."""
    if held.sextic is None:
        raise ValueError(
            "at four inputs V(6) of the layer is needed, which a flow of order 2 or more holds; "
            "call nneft.flow(network, inputs, order=2)"
        )
    vertex, half = scale * float(held.V_4[at]) / held.below, 0.5 * held.ratio
    bubble = half * scale * float(held.bubble[at])
    sextic = -half * scale * float(held.sextic[at])
    terms = (
        Term(
            "Quartic coupling",
            Values(vertex, vertex - bubble - sextic, vertex),
        ),
        Term("Two couplings joined by a loop of fields", _same(bubble), loop=True),
        Term("Two couplings joined by a loop of ghosts", _ghosts(bubble), loop=True),
        Term("Loop of fields on the sextic coupling", _same(sextic), loop=True),
        Term("Loop of ghosts on the sextic coupling", _ghosts(sextic), loop=True),
    )
    return terms, vertex


def _blob_loop(flow: Correlators, held: Held, at: tuple[int, ...]) -> float:
    """The part of a loop that is attached to a blob: ``(1/n) sum C_W^2 <Delta Delta> K_0^-1``."""
    below = Below(flow, held.layer)
    count = len(held.scale)
    inner = [p for p in pairs(count) if held.inverse[p] != 0.0]
    places = [(*at, *p) for p in inner]
    blobs = [Blob.of(below.pairs(place), ()) for place in places]
    network, l = flow.network, held.layer
    found: Array = cumulants(
        network.activation, below.kernel, blobs,
        C_W=float(network.C_W[l - 1]), C_b=float(network.C_b[l - 1]),
    ).values  # fmt: skip
    total = 0.0
    for place, (y, z), value in zip(places, inner, found):
        # C^+ is in standard deviations
        inverse = held.inverse[y, z] / (held.scale[y] * held.scale[z])
        total += (1.0 if y == z else 2.0) * below.scale(place) * float(value) * inverse
    return total / held.below


def _checked_place(flow: Correlators, at: Sequence[int]) -> tuple[int, ...]:
    count = flow.K(0).shape[-1]
    wanted = f"at must be two or four indices of inputs from 0 to {count - 1}, got {at!r}"
    try:
        place = tuple(index(a) for a in at)
    except TypeError:
        raise TypeError(wanted) from None
    if len(place) not in (2, 4) or not all(0 <= a < count for a in place):
        raise ValueError(wanted)
    return place


def _same(value: float) -> Values:
    return Values(value, value, value)


def _ghosts(fields: float) -> Values:
    """A loop of ghosts has the opposite sign, and is there with ghosts alone."""
    return Values(-fields, 0.0, 0.0)


def _sum(terms: Sequence[Term]) -> Values:
    return Values(*(float(sum(column)) for column in zip(*(term.values for term in terms))))


def _mark(term: Term) -> str:
    return ("*" if term.loop else " ") + ("  " if term.part else "")
