"""The picture of one flow: kernels and correlators against the layer."""

from __future__ import annotations

import os
from math import ceil, floor, log10
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nneft.figures.style import LOOKS, PAGE, style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nneft.cli.components import Component

FORMATS = (".png", ".pdf", ".svg")

#: Most markers on one line.
MARKERS = 30

#: Most panels in one row, of which there is one more where there are many panels; the height of a
#: row in inches, of two panels and of more.
COLUMNS, MANY = 3, 12
HEIGHT, SMALL_HEIGHT = 2.9, 2.1
#: Letters of a legend's row above a small panel.
LETTERS = 40

#: Decades below the largest value where a symmetrically logarithmic axis becomes linear, and the
#: most powers of ten named on one side of zero.
DECADES, TICKS = 5, 3


def check_format(path: Path) -> None:
    """Refuse a file whose name does not say a format that is drawn.

    Raises
    ------
    ValueError
        Neither .png, .pdf nor .svg.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"--plot: wanted a file named .png, .pdf or .svg, got {path}")


def draw(path: Path, title: str, components: Sequence[Component]) -> None:
    """Draw a panel for each quantity, a line for each component; written under another name first.

    A panel's only component is named at its axis, several in a legend.
    """
    with style():
        figure = _figure(title, components)
        partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            figure.savefig(partial, format=path.suffix[1:].lower(), dpi=200)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def _figure(title: str, components: Sequence[Component]) -> Figure:
    from matplotlib.figure import Figure

    quantities = list(dict.fromkeys(c.quantity for c in components))
    columns = min(len(quantities), COLUMNS if len(quantities) <= MANY else COLUMNS + 1)
    rows = -(-len(quantities) // columns)
    few = len(quantities) <= 2
    size = (PAGE / 2 * columns, HEIGHT) if few else (PAGE / 3 * columns, SMALL_HEIGHT * rows)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(_mathematical(title), fontsize=8.5)
    for place, quantity in enumerate(quantities):
        axes = figure.add_subplot(rows, columns, place + 1)
        _draw_panel(axes, quantity, [c for c in components if c.quantity == quantity])
        if place + columns >= len(quantities):
            axes.set_xlabel("layer $l$")
        several = len(axes.get_legend_handles_labels()[1]) > 1
        if several and few:
            axes.legend(title="inputs")
        elif several:
            _legend_above(axes)
    return figure


def _draw_panel(axes: Axes, quantity: str, components: Sequence[Component]) -> None:
    for i, component in enumerate(components):
        layers = np.arange(1, len(component.values) + 1)
        look = LOOKS[i % len(LOOKS)]
        axes.plot(
            layers,
            component.values,
            color=look.color,
            marker=look.marker,
            markersize=3,
            markevery=max(1, len(layers) // MARKERS),
            label=component.brief.removeprefix(quantity),
        )
    _scale(axes, np.concatenate([c.values for c in components]))
    only = components[0].brief.removeprefix(quantity) if len(components) == 1 else ""
    axes.set_ylabel(f"{_label(quantity)} {only}".strip())
    axes.set_xticks(_layers(len(components[0].values)))


def _layers(depth: int) -> list[int]:
    """The first layer, and others at round distances from 0."""
    from matplotlib.ticker import MaxNLocator

    places = MaxNLocator(nbins=5, integer=True).tick_values(0, depth)
    step = places[1] - places[0]
    return [1, *(int(x) for x in places if 1.0 + 0.4 * step < x <= depth)]


def _mathematical(title: str) -> str:
    """``C_W`` and ``C_b`` as such, and nothing else read as mathematics."""
    escaped = title.replace("$", r"\$")
    return escaped.replace("C_W", "$C_W$").replace("C_b", "$C_b$")


def _legend_above(axes: Axes) -> None:
    """In rows above a small panel, where no line is covered."""
    longest = max(map(len, axes.get_legend_handles_labels()[1]))
    axes.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=max(1, LETTERS // (longest + 4)),
        fontsize=6.5,
        handlelength=1.6,
        handletextpad=0.4,
        columnspacing=0.8,
        borderpad=0.1,
    )


def _label(quantity: str) -> str:
    """``V_4_1`` as ``$V_{4,1}$``."""
    letter, *numbers = quantity.split("_")
    return f"${letter}_{{{','.join(numbers)}}}$"


def _scale(axes: Axes, values: np.ndarray) -> None:
    """Logarithmic where the values span decades, symmetrically so where they change sign."""
    sizes = np.abs(values[values != 0.0])  # V_4 is 0 in layer 1
    span = sizes.max() / sizes.min() if sizes.size else 1.0
    if np.all(values >= 0.0) and span > 20.0:
        axes.set_yscale("log", nonpositive="mask")
        return
    axes.axhline(0.0, color="0.7", lw=0.6, zorder=0)
    if span > 1e3:
        largest = float(sizes.max())
        linear = max(float(sizes.min()), largest / 10**DECADES)
        axes.set_yscale("symlog", linthresh=linear, linscale=0.5)
        axes.set_yticks(_ticks(linear, float(values.min()), float(values.max())))
        axes.minorticks_off()
        axes.set_ylim(*_limits(axes, values))


def _limits(axes: Axes, values: np.ndarray) -> np.ndarray:
    """Limits with a margin on the scale that is drawn; those of the axes come from another one."""
    scale = axes.yaxis.get_transform()
    ends = scale.transform(np.array([values.min(), values.max()]))
    margin = 0.06 * (ends[1] - ends[0])
    limits: np.ndarray = scale.inverted().transform(ends + margin * np.array([-1, 1]))
    return limits


def _ticks(linear: float, lowest: float, highest: float) -> list[float]:
    """Zero and powers of ten on both sides, at most `TICKS` on each, from the largest down."""
    powers = list(range(ceil(log10(linear)), floor(log10(max(-lowest, highest))) + 1))
    sizes = [10.0**power for power in powers[:: -ceil(len(powers) / TICKS) or -1]]
    return [0.0] + [x for size in sizes for x in (-size, size) if lowest <= x <= highest]
