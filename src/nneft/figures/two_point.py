"""Two-point functions against layer: equal inputs on the left, different ones on the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nneft.figures.curve import Curve
from nneft.figures.legends import figure_key, panel_key
from nneft.figures.panels import Scale, draw, label, panel
from nneft.figures.style import CORRECTED, LEADING, LOOKS, PAGE, activation_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("equal", "different")


def two_point_figure(
    ensembles: Sequence[Sequence[Curve]], scales: Sequence[tuple[Scale, Scale]]
) -> Figure:
    """A row of panels for every ensemble: ``<phi phi>`` of equal inputs, and of different ones.

    Parameters
    ----------
    ensembles
        The curves of all pairs of inputs, ensemble by ensemble.
    scales
        The scales of each row's two panels.
    """
    from matplotlib.figure import Figure

    height = 0.6 + 2.6 * len(ensembles)
    figure = Figure(figsize=(PAGE, height))
    grid = figure.add_gridspec(
        len(ensembles), 2, left=0.105, right=0.99, bottom=0.34 / height, top=1 - 0.66 / height,
        wspace=0.27, hspace=0.27,
    )  # fmt: skip
    for row, curves in enumerate(ensembles):
        for column, kind in enumerate(KINDS):
            chosen = [c for c in curves if (len(set(c.component)) == 1) == (kind == "equal")]
            letter = "abcdefgh"[2 * row + column]
            title = f"({letter}) {ensemble_name(curves[0])}, {kind} inputs"
            target = panel(figure, grid[row, column], title)
            scale = scales[row][column]
            draw(target, chosen, LOOKS, scale)
            mean = r"\langle\phi(x_a)\,\phi(x_b)\rangle"
            shown = rf"\left|{mean}\right|" if scale.absolute(chosen) else mean
            label(target, f"${shown}$", "dev. from\n$K_0$ (%)")
            if row == 0:
                labels = [rf"$({c.name[0]},{c.name[1]})$" for c in chosen]
                panel_key(target.main, labels, LOOKS)
    lines = {"$K_0$": LEADING, "$K_0+K_1/n$ (strips)": CORRECTED}
    figure_key(figure, [c for curves in ensembles for c in curves], lines)
    return figure


def ensemble_name(curve: Curve) -> str:
    """``ReLU, C_W = 2 (critical)``."""
    return f"{activation_name(curve.activation)}, $C_W={curve.C_W:g}$ ({curve.regime})"
