"""The picture of one flow: kernels and vertices against the layer."""

from __future__ import annotations

import os
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
    """Draw K_0 and V_4 against the layer, a line a component; written under another name first."""
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

    quantities = [q for q in ("K_0", "V_4") if any(c.quantity == q for c in components)]
    figure = Figure(figsize=(PAGE / 2 * len(quantities), 2.9), layout="constrained")
    figure.suptitle(title, fontsize=8.5)
    for place, quantity in enumerate(quantities):
        axes = figure.add_subplot(1, len(quantities), place + 1)
        _draw_panel(axes, quantity, [c for c in components if c.quantity == quantity])
    return figure


def _draw_panel(axes: Axes, quantity: str, components: Sequence[Component]) -> None:
    from matplotlib.ticker import MaxNLocator

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
            label=component.name.removeprefix(quantity),
        )
    _scale(axes, np.concatenate([c.values for c in components]))
    axes.set_xlabel("layer $l$")
    axes.set_ylabel(f"${quantity}$")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(title="inputs")


def _scale(axes: Axes, values: np.ndarray) -> None:
    """Logarithmic where the values span decades, symmetrically so where they change sign."""
    sizes = np.abs(values[values != 0.0])  # V_4 is 0 in layer 1
    span = sizes.max() / sizes.min() if sizes.size else 1.0
    if np.all(values >= 0.0) and span > 20.0:
        axes.set_yscale("log", nonpositive="mask")
        return
    axes.axhline(0.0, color="0.7", lw=0.6, zorder=0)
    if span > 1e3:
        axes.set_yscale("symlog", linthresh=float(sizes.min()))
