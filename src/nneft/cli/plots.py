"""The picture of one flow: kernels and vertices against the layer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from nneft.cli.components import Component

FORMATS = (".png", ".pdf", ".svg")
_LINES = ("o-", "s--", "D-.", "^:")


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
    from matplotlib.figure import Figure

    quantities = [q for q in ("K_0", "V_4") if any(c.quantity == q for c in components)]
    figure = Figure(figsize=(4.6 * len(quantities), 3.6), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    for place, quantity in enumerate(quantities):
        axes = figure.add_subplot(1, len(quantities), place + 1)
        _draw_panel(axes, quantity, [c for c in components if c.quantity == quantity])
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(partial, format=path.suffix[1:].lower(), dpi=200)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _draw_panel(axes: Axes, quantity: str, components: Sequence[Component]) -> None:
    from matplotlib.ticker import MaxNLocator

    for i, component in enumerate(components):
        layers = np.arange(1, len(component.values) + 1)
        every = max(1, len(layers) // 30)
        label = component.name.removeprefix(quantity)
        style = _LINES[i % len(_LINES)]
        axes.plot(layers, component.values, style, markevery=every, ms=3, lw=1.2, label=label)
    _scale(axes, np.concatenate([c.values for c in components]))
    axes.set_xlabel("layer $l$")
    axes.set_ylabel(f"${quantity}$")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(title="inputs", frameon=False, fontsize="small")


def _scale(axes: Axes, values: np.ndarray) -> None:
    """Logarithmic where every value has one sign and they span decades (V_4 is 0 in layer 1)."""
    sizes = np.abs(values[values != 0.0])
    one_sign = np.all(values >= 0.0)
    if sizes.size and one_sign and sizes.max() > 20.0 * sizes.min():
        axes.set_yscale("log", nonpositive="mask")
    else:
        axes.axhline(0.0, color="0.7", lw=0.6, zorder=0)
