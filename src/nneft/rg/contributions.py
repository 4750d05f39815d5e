"""Where a correlator comes from: the contribution of each diagram, ranked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nneft.feynman import Diagram, diagrams
from nneft.feynman.below import Correlators
from nneft.feynman.values import Evaluator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Most diagrams that are ranked, and the highest ``k - 1 + order`` at which they are counted.
MOST_DIAGRAMS, HIGHEST_ORDER = 20_000, 12


@dataclass(frozen=True)
class Contribution:
    """One diagram, its value, and an estimate of the value's error.

    The error is that of the expectations in the diagram's blobs, not that of the layer below.
    """

    diagram: Diagram
    value: float
    error: float


@dataclass(frozen=True, repr=False)
class Contributions:
    """What each diagram contributes to one component of ``V_2k`` at one layer, largest first.

    Attributes
    ----------
    points, order
        2k, and the order in 1/n beyond the leading one.
    layer
        From 1.
    at
        2k indices of inputs, two by two an external pair.
    ranked
        The contributions, by falling magnitude.
    """

    points: int
    order: int
    layer: int
    at: tuple[int, ...]
    ranked: tuple[Contribution, ...]

    @property
    def total(self) -> float:
        """Their sum: the component itself, the coefficient of ``n_{l-1}^-(k-1+order)``."""
        # Smallest first, which rounds least.
        return sum(c.value for c in reversed(self.ranked))

    @property
    def error(self) -> float:
        """The sum of their errors."""
        return sum(c.error for c in self.ranked)

    def table(self) -> str:
        """Value, share of the total, error, weight and code of each diagram, as text."""
        heads = ("value", "share", "error", "factor", "times", "diagram")
        total = self.total
        rows = [
            (
                f"{c.value:.10g}",
                f"{100 * c.value / total:.1f}%" if total else "-",
                f"{c.error:.0e}",
                str(c.diagram.symmetry_factor),
                str(c.diagram.multiplicity),
                c.diagram.code,
            )
            for c in self.ranked
        ]
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        lines = [
            "  ".join(entry.rjust(w) for entry, w in zip(row[:-1], widths)) + f"  {row[-1]}"
            for row in (heads, *rows)
        ]
        return "\n".join([self._title(), "", *lines, "", f"total {total:.12g}"])

    def plot(self, axes: Axes | None = None) -> Axes:
        """Bars, the largest contribution on top; negative ones to the left.

        Parameters
        ----------
        axes
            Where to draw; a new figure if None.
        """
        if axes is None:
            from matplotlib.figure import Figure

            height = 1.2 + 0.28 * len(self.ranked)
            axes = Figure(figsize=(6.0, height), layout="constrained").add_subplot()
        places = range(len(self.ranked))
        values = [c.value for c in self.ranked]
        colours = ["C0" if value >= 0.0 else "C3" for value in values]
        axes.barh(places, values, color=colours)
        axes.set_yticks(places, [c.diagram.code for c in self.ranked])
        axes.invert_yaxis()
        axes.axvline(0.0, color="0.3", lw=0.8)
        axes.set_xlabel(f"contribution to ${self._name()}$")
        axes.set_title(self._title(), fontsize="medium")
        return axes

    def _title(self) -> str:
        pairs = ";".join(f"{a},{b}" for a, b in zip(self.at[::2], self.at[1::2], strict=True))
        where = f"at order {self.order}, layer {self.layer}"
        return f"V_{self.points}[{pairs}] {where}: {len(self.ranked)} diagrams"

    def _name(self) -> str:
        if self.points == 2:
            return f"K_{self.order}"
        return f"V_{{{self.points}}}" + (f",\\ n^{{-{self.order}}}" if self.order else "")

    def __getitem__(self, rank: int) -> Contribution:
        return self.ranked[rank]

    def __len__(self) -> int:
        return len(self.ranked)

    def __iter__(self) -> Iterator[Contribution]:
        return iter(self.ranked)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"Contributions({self._title()}, total={self.total:.10g})"


def contributions(
    flow: Correlators,
    points: int,
    layer: int,
    at: Sequence[int] | None = None,
    *,
    order: int = 0,
) -> Contributions:
    """What each diagram contributes to one component of ``V_2k`` at one layer.

    Parameters
    ----------
    flow
        A `nneft.Flow` that holds the layer below to the order that the diagrams need.
    points
        2k; for 2 the correlator is the mean kernel's coefficient ``K_order``.
    layer
        From 2 on.
    at
        2k indices of inputs, two by two an external pair; the first input everywhere if None.
    order
        Order in 1/n beyond the leading one. Every vertex stands for one order of its own.

    Returns
    -------
    Contributions
        Ranked by magnitude; `total` is the recursion's step, BCCZ (25)-(27), (A.19)-(A.27).

    Raises
    ------
    ValueError, TypeError
        Points, order, layer or indices that are none; something that the flow does not hold.
    nneft.NumericsError
        Overflow, or an expectation that cannot be had.
    """
    every = diagrams(points, order, expanded=True)
    evaluator = Evaluator(flow, layer)
    evaluator.check(points, at)
    power = points // 2 - 1 + order
    if power > HIGHEST_ORDER or every.count() > MOST_DIAGRAMS:
        raise ValueError(
            f"{points} points at order {order} have more than {MOST_DIAGRAMS} diagrams; "
            "take fewer points or a lower order"
        )
    found = list(every)
    values = evaluator.values(found, at)
    each = [Contribution(diagram, *value) for diagram, value in zip(found, values, strict=True)]
    return Contributions(
        points,
        order,
        layer,
        tuple(int(i) for i in at) if at is not None else (0,) * points,
        tuple(sorted(each, key=lambda c: -abs(c.value))),
    )
