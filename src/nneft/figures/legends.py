"""Keys of the figures: what lines and points are, outside of the panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nneft.figures.curve import Curve
from nneft.figures.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure_key(
    figure: Figure, curves: Sequence[Curve], lines: Mapping[str, Mapping[str, Any]]
) -> None:
    """One row across the top: the theory's lines, the measured points, and open ones if any."""
    from matplotlib.lines import Line2D

    handles: list[Any] = [Line2D([], [], color="black", **look) for look in lines.values()]
    labels = [*lines, measured_label(curves)]
    handles.append(_points(figure.axes[0]))
    if any((c.leading < 0.0).any() for c in curves):
        labels.append("open: negative")
        handles.append(_open())
    figure.legend(
        handles, labels, loc="upper center", bbox_to_anchor=(0.5, 1.0), ncols=len(labels),
        borderaxespad=0.2, columnspacing=1.8, handletextpad=0.5,
    )  # fmt: skip


def panel_key(axes: Axes, labels: Sequence[str], looks: Sequence[Look]) -> None:
    """Which marker is which curve, above a panel and outside of it."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=look.color, marker=look.marker, markersize=4, linestyle="none")
        for look in looks[: len(labels)]
    ]
    axes.legend(
        handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.1), ncols=len(labels),
        handletextpad=0.1, columnspacing=0.75, borderpad=0.0, borderaxespad=0.3, handlelength=1.2,
    )  # fmt: skip


def measured_label(curves: Sequence[Curve]) -> str:
    """``10,000 networks``, or that there are none."""
    counts = sorted({c.measured.networks if c.measured else 0 for c in curves})
    if counts == [0]:
        return "nothing sampled"
    span = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    return f"{span} networks, $\\pm$ standard error"


def _points(axes: Axes) -> Any:
    """A point with its error bar; the axes take an empty one."""
    nothing = [float("nan")]
    return axes.errorbar(
        nothing, nothing, yerr=nothing, color="0.15", marker="o", markersize=2.6,
        linestyle="none", elinewidth=0.6,
    )  # fmt: skip


def _open() -> Any:
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], color="0.15", marker="o", markersize=3.0, markerfacecolor="white",
        markeredgewidth=0.6, linestyle="none",
    )  # fmt: skip
