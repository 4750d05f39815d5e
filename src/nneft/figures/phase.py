"""The phase diagram: C_W to the right, C_b upwards, depth scales as shades.

Two panels: how deep differences of two inputs reach, ``xi_c = -1/ln chi_c`` at the correlation that
they tend to, and how deep the memory of an input's length reaches, ``xi_par = -1/ln |chi_par|``.
One panel where the two are equal everywhere, as for ReLU-like activations.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nneft.figures.curve import Array
from nneft.figures.regions import name_regions
from nneft.figures.style import PAGE, activation_name, style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")
ORDERED, CRITICAL, CHAOTIC, EXPLODING, VANISHING = range(5)
#: Limits of the shades, in layers: the deeper, the darker.
LEVELS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
#: Part of the colour map in use: on the darkest shade a black line is still seen.
LIGHTEST, DARKEST = 0.03, 0.72
EDGE: dict[str, Any] = {"color": "black", "linewidth": 1.5}
UNSTABLE: dict[str, Any] = {"color": "black", "linewidth": 1.1, "linestyle": (0, (3.5, 1.8))}
NOTHING: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.55", "hatch": "////"}
SEVERAL: dict[str, Any] = {"facecolor": "none", "edgecolor": "0.3", "hatch": "..."}
VANISHED: dict[str, Any] = {"color": "#D55E00", "linewidth": 3.0, "solid_capstyle": "butt"}
LABELS = {"C_W": "variance of weights times fan-in, $C_W$", "C_b": "variance of biases, $C_b$"}


def check_format(path: Path) -> None:
    """Refuse a file whose name does not say a format that is drawn.

    Raises
    ------
    ValueError
        Neither .png, .pdf nor .svg.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"wanted a file named .png, .pdf or .svg, got {path}")


def save_phase_figure(data: xr.Dataset, path: str | Path) -> None:
    """Draw the diagram into a file; written under another name first.

    Raises
    ------
    ValueError
        A file that cannot be written or is of no known format, or a grid with a single row.
    """
    from nneft.storage import temporary_beside

    target = Path(path)
    check_format(target)
    kind = target.suffix[1:].lower()
    # no date inside: the same diagram gives the same file
    about = {"png": {}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    with style():
        figure = phase_figure(data)
        with temporary_beside(target) as partial:
            figure.savefig(partial, format=kind, dpi=250, metadata=about)


def phase_figure(data: xr.Dataset) -> Figure:
    """The figure of a diagram, in the style in force.

    Parameters
    ----------
    data
        What `nneft.phase_diagram` returned, at least two values along either axis.

    Returns
    -------
    matplotlib.figure.Figure
        A page wide; half a page where one panel says everything.

    Raises
    ------
    ValueError
        A grid with a single row or column.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if min(data.sizes["C_W"], data.sizes["C_b"]) < 2:
        raise ValueError(
            "a figure needs at least two values of C_W and of C_b, got "
            f"{data.sizes['C_W']} and {data.sizes['C_b']}"
        )
    fields = {
        r"differences of inputs, $\xi_c$": _differences(data),
        r"length of an input, $\xi_\parallel$": _lengths(data),
    }
    if np.array_equal(np.abs(_differences(data)), np.abs(_lengths(data)), equal_nan=True):
        fields = {r"lengths and differences, $\xi$": _lengths(data)}
    count = len(fields)
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.04)
    figure = Figure(figsize=(PAGE if count == 2 else 0.6 * PAGE, 3.6), layout=layout)
    panels = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    name = activation_name(str(data.attrs["activation"]))
    for axes, letter, (title, rates) in zip(panels, "ab", fields.items()):
        start = f"({letter}) " if count == 2 else ""
        axes.set_title(f"{start}{_short(name)}: {title}", loc="left", pad=4.0)
        shades = _draw(axes, data, rates)
    panels[0].set_ylabel(LABELS["C_b"])
    bar = figure.colorbar(shades, ax=list(panels), extend="both", pad=0.015, aspect=28)
    bar.set_label(r"depth scale $\xi$ (layers)")
    bar.set_ticks(list(LEVELS), labels=[f"{level:g}" for level in LEVELS])
    bar.minorticks_off()
    _key(figure, panels[0], data, columns=3 if count == 2 else 2)
    return figure


def _differences(data: xr.Dataset) -> Array:
    """``1/xi_c``, with a sign that makes it smooth across the edge: positive where chaotic."""
    with np.errstate(divide="ignore"):
        rate = np.log(np.abs(data.chi_c.values))
    found = np.where(data.phase.values == CHAOTIC, -rate, rate)
    return np.where(data.phase.values == EXPLODING, np.nan, found)


def _lengths(data: xr.Dataset) -> Array:
    """``-1/xi_par``."""
    with np.errstate(divide="ignore"):
        rate = np.log(np.abs(data.chi_par.values))
    return np.where(data.phase.values == EXPLODING, np.nan, rate)


def _draw(axes: Axes, data: xr.Dataset, rates: Array) -> Any:
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    w, b = data.C_W.values, data.C_b.values
    parts = np.linspace(LIGHTEST, DARKEST, len(LEVELS) + 1)
    colors = ListedColormap(colormaps["YlGnBu"](parts))
    norm = BoundaryNorm(LEVELS, len(LEVELS) + 1, extend="both")
    with np.errstate(divide="ignore"):
        depth = np.minimum(1.0 / np.abs(rates), 1e300)
    shades = axes.pcolormesh(
        w, b, depth.T, cmap=colors, norm=norm, shading="nearest", rasterized=True, zorder=0
    )
    axes.set_facecolor("white")
    _hatch(axes, data)
    _contours(axes, w, b, rates)
    axes.set_xlim(float(w[0]), float(w[-1]))
    axes.set_ylim(float(b[0]), float(b[-1]))
    _edge(axes, data)
    _points(axes, data)
    name_regions(axes, data)
    axes.set_xlabel(LABELS["C_W"])
    axes.tick_params(pad=5.5)
    return shades


def _hatch(axes: Axes, data: xr.Dataset) -> None:
    """Where kernels explode, and where there is more than one fixed point to tend to."""
    from matplotlib.patches import Rectangle

    w, b = data.C_W.values, data.C_b.values
    corner, width, height = (w[0], b[0]), w[-1] - w[0], b[-1] - b[0]
    axes.add_patch(Rectangle(corner, width, height, zorder=-1, linewidth=0.0, **NOTHING))
    several = _several(data)
    if several.any() and not several.all():
        found = axes.contourf(
            w, b, several.T.astype(float), levels=[0.5, 1.5], colors="none",
            hatches=[SEVERAL["hatch"]],
        )  # fmt: skip
        found.set_edgecolor(SEVERAL["edgecolor"])
        found.set_linewidth(0.0)


def _several(data: xr.Dataset) -> np.ndarray:
    """Where kernels can stay finite or not, or end at several places, as they start."""
    biased = data.C_b.values > 0.0  # without biases K* = 0 is one more
    found: np.ndarray = (data.fixed_points.values > 1) & biased
    return found


def _contours(axes: Axes, w: Array, b: Array, rates: Array) -> None:
    """Lines of equal depth scale, on either side of the edge."""
    levels = np.array([s / x for s, xs in ((-1.0, LEVELS), (1.0, LEVELS[::-1])) for x in xs])
    finite = np.ma.masked_invalid(np.clip(rates, -1e3, 1e3).T)
    inside = levels[(levels > finite.min()) & (levels < finite.max())]
    if len(inside):
        axes.contour(
            w, b, finite, levels=inside, colors="0.35", linewidths=0.35, linestyles="solid"
        )


def _edge(axes: Axes, data: xr.Dataset) -> None:
    """The curve in black on white; broken where its fixed point is unstable."""
    from matplotlib.patheffects import withStroke

    x, y, chi, piece = (data[f"edge_{n}"].values for n in ("C_W", "C_b", "chi_par", "branch"))
    for number in np.unique(piece):
        here = piece == number
        unstable = chi[here] > 1.0 + 1e-9
        starts = np.flatnonzero(np.diff(unstable, prepend=~unstable[:1]))
        for first, last in zip(starts, [*(starts[1:] + 1), here.sum()]):
            look = UNSTABLE if unstable[first] else EDGE
            casing = withStroke(linewidth=look["linewidth"] + 1.2, foreground="white")
            axes.plot(
                x[here][first:last], y[here][first:last], path_effects=[casing], zorder=3, **look
            )


def _points(axes: Axes, data: xr.Dataset) -> None:
    """The critical point, drawn over the frame; and the line on which kernels vanish."""
    if "critical_C_W" in data.attrs:
        x, y = data.attrs["critical_C_W"], data.attrs["critical_C_b"]
        inside = axes.get_xlim()[0] <= x <= axes.get_xlim()[1]
        if inside and axes.get_ylim()[0] <= y <= axes.get_ylim()[1]:
            axes.plot([x], [y], zorder=5, clip_on=False, **_star())
    for j in np.flatnonzero((data.phase.values == VANISHING).any(axis=0)):
        where = data.C_W.values[data.phase.values[:, j] == VANISHING]
        axes.plot(where, np.full(len(where), data.C_b.values[j]), clip_on=False, **VANISHED)


def _star() -> dict[str, Any]:
    return {
        "marker": "*", "markersize": 9, "linestyle": "none", "markerfacecolor": "#E69F00",
        "markeredgecolor": "black", "markeredgewidth": 0.7,
    }  # fmt: skip


def _key(figure: Figure, axes: Axes, data: xr.Dataset, columns: int) -> None:
    """Above the panels: what lines, marks and hatches are, of what there is."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    chi, phases, shown = data.edge_chi_par.values, np.unique(data.phase.values), _shown(data)
    handles: list[tuple[str, Any]] = []
    if np.any(shown & (chi <= 1.0 + 1e-9)):
        line = data.attrs["universality_class"] == "half-stable line"
        said = "edge of chaos, critical all along" if line else r"edge of chaos, $\chi_\perp=1$"
        handles.append((said, Line2D([], [], **EDGE)))
    if np.any(shown & (chi > 1.0 + 1e-9)):
        said = r"$\chi_\perp=1$ at a $K^*$ that repels"
        handles.append((said, Line2D([], [], **UNSTABLE)))
    if any(line.get_marker() == "*" for line in axes.lines):
        at = f"{data.attrs['critical_C_W']:.5g},\\,{data.attrs['critical_C_b']:.4g}"
        handles.append((f"critical point $({at})$", Line2D([], [], **_star())))
    if CHAOTIC in phases and not any(text.get_text() == "chaotic" for text in axes.texts):
        # too thin for its name, and may be hidden under the edge
        w = data.C_W.values[(data.phase.values == CHAOTIC).any(axis=1)]
        said = f"chaotic: thin, $C_W={w[0]:.3g}$ to ${w[-1]:.3g}$"
        handles.append((said, Line2D([], [], linestyle="none")))
    if EXPLODING in phases:
        handles.append((r"exploding: $K\to\infty$", Patch(linewidth=0.5, **NOTHING)))
    if VANISHING in phases:
        handles.append((r"vanishing: $K\to 0$", Line2D([], [], **VANISHED)))
    several = _several(data)
    if several.any() and not several.all():
        handles.append(("several fixed points $K^*$", Patch(linewidth=0.5, **SEVERAL)))
    if handles:
        figure.legend(
            [handle for _, handle in handles],
            [text for text, _ in handles],
            loc="outside upper center",
            ncols=min(columns, len(handles)),
            columnspacing=1.6,
            handletextpad=0.6,
        )


def _shown(data: xr.Dataset) -> np.ndarray:
    """Which points of the edge lie in the box."""
    x, y = data.edge_C_W.values, data.edge_C_b.values
    w, b = data.C_W.values, data.C_b.values
    inside: np.ndarray = (x >= w[0]) & (x <= w[-1]) & (y >= b[0]) & (y <= b[-1])
    # one point alone is no curve: of a ReLU-like activation, the critical point
    return inside & (np.ptp(x) + np.ptp(y) > 0.0) if len(x) else inside


def _short(name: str) -> str:
    """A long expression cut, with nothing that would be read as mathematics."""
    plain = re.sub(r"([$\\])", r"\\\1", name)
    return plain if len(plain) <= 22 else f"{plain[:20]}.."
