"""Four-point functions against layer: one panel for each component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nneft.figures.curve import Curve
from nneft.figures.legends import figure_key
from nneft.figures.panels import Scale, draw, label, panel
from nneft.figures.style import EXACT, LEADING, LOOKS, PAGE
from nneft.figures.two_point import ensemble_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 3


def four_point_figure(curves: Sequence[Curve], scale: Scale, width: int) -> Figure:
    """A panel for every component of ``V_4`` of one ensemble.

    Parameters
    ----------
    curves
        The components.
    scale
        Of all panels.
    width
        Of the hidden layers, for the key.
    """
    from matplotlib.figure import Figure

    rows = -(-len(curves) // COLUMNS)
    height = 0.46 + 2.25 * rows
    figure = Figure(figsize=(PAGE, height))
    grid = figure.add_gridspec(
        rows, COLUMNS, left=0.1, right=0.99, bottom=0.34 / height, top=1 - 0.46 / height,
        wspace=0.3, hspace=0.3,
    )  # fmt: skip
    for index, curve in enumerate(curves):
        place = divmod(index, COLUMNS)
        target = panel(figure, grid[place], f"({'abcdefghi'[index]}) {vertex(curve)}")
        draw(target, [curve], LOOKS, scale)
        if place[1] == 0:
            shown = r"$\left|V_4\right|$" if scale.absolute(curves) else "$V_4$"
            label(target, shown, "dev. from\nLO (%)")
    lines = {f"{ensemble_name(curves[0])}, leading order (LO)": LEADING}
    if any(c.exact is not None for c in curves):
        lines[f"exact at $n={width}$"] = EXACT
    figure_key(figure, curves, lines)
    return figure


def vertex(curve: Curve) -> str:
    """``V_4(x_1,x_2;x_3,x_4)``."""
    a, b, c, d = (i + 1 for i in curve.component)
    return rf"$V_4(x_{a},x_{b};\,x_{c},x_{d})$"
