"""One panel: theory as lines, measurements as points, and below it how far the two are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nneft.figures.curve import Array, Curve
from nneft.figures.style import CORRECTED, EXACT, LEADING, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

#: Every which layer the strip below a panel shows where several curves share it.
EVERY = 3

#: Distance of a vertical axis from its label, in inches.
LABEL = 0.36


class Scale(NamedTuple):
    """Scale of a panel: linear, logarithmic, or logarithmic but for ``|y| < threshold``."""

    kind: Literal["linear", "log", "symlog"] = "linear"
    threshold: float = 1.0

    def absolute(self, curves: Sequence[Curve]) -> bool:
        """Whether negative values of these curves are shown by their absolute ones."""
        return self.kind == "log" and any((c.leading < 0.0).any() for c in curves)


class Panel(NamedTuple):
    """A main plot and the strip of deviations below it."""

    main: Axes
    strip: Axes


def panel(figure: Figure, place: SubplotSpec, title: str, strip: float = 0.42) -> Panel:
    """Empty axes of a panel at its place in the figure; `strip` is the strip's relative height."""
    grid = place.subgridspec(2, 1, height_ratios=(1.0, strip), hspace=0.07)
    main = figure.add_subplot(grid[0])
    below = figure.add_subplot(grid[1], sharex=main)
    main.set_title(title, loc="left", pad=3.5, y=1.0)
    main.tick_params(labelbottom=False)
    below.axhline(0.0, color="0.45", linewidth=0.6, zorder=1)
    below.set_xlabel(r"layer $\ell$", labelpad=1.5)
    return Panel(main, below)


def label(target: Panel, main: str, strip: str) -> None:
    """Label both vertical axes of a panel, in line and clear of the ticks' labels."""
    for axes, text in zip(target, (main, strip)):
        axes.set_ylabel(text, linespacing=1.1, verticalalignment="bottom")
        width = axes.bbox.width / axes.figure.dpi
        # Set, not found: matplotlib would lay out every tick of the figure once more to align them.
        axes.yaxis.set_label_coords(-LABEL / width, 0.5)


def draw(target: Panel, curves: Sequence[Curve], looks: Sequence[Look], scale: Scale) -> None:
    """Draw curves into a panel; on a logarithmic axis as absolute values, negative ones open."""
    _set_scale(target.main, scale)
    for index, (curve, look) in enumerate(zip(curves, looks)):
        _draw_main(target.main, curve, look, log=scale.kind == "log")
        _draw_strip(target.strip, curve, look, _dodge(index, len(curves)), len(curves))
    first, last = int(curves[0].layers[0]), int(curves[0].layers[-1])
    margin = 0.04 * (last - first) + 0.4
    target.main.set_xlim(first - margin, last + margin)
    step = max(1, round((last - first) / 6))
    target.main.set_xticks([first, *(l for l in range(step, last + 1, step) if l > first)])
    _fit(target.strip, curves)
    if scale.kind == "log":
        _label_decades(target.main)


def _set_scale(axes: Axes, scale: Scale) -> None:
    if scale.kind == "symlog":
        axes.set_yscale("symlog", linthresh=scale.threshold)
        axes.axhline(0.0, color="0.45", linewidth=0.6, zorder=1)
    else:
        axes.set_yscale(scale.kind)


def _label_decades(axes: Axes) -> None:
    """Label a logarithmic axis at round powers of ten, or at 1, 2, 5 where it has few of them."""
    from matplotlib.ticker import FixedLocator, FormatStrFormatter, LogLocator, NullFormatter

    low, high = np.log10(axes.get_ylim())
    if high - low < 2.0:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    elif high - low > 6.0:
        step = next((s for s in (2, 5, 10, 20, 50) if high - low < 6 * s), 100)
        first, last = int(np.ceil(low)), int(np.floor(high))
        powers = [p for p in range(first, last + 1) if p % step == 0]
        axes.yaxis.set_major_locator(FixedLocator([10.0**p for p in powers]))
        axes.yaxis.set_minor_locator(FixedLocator([10.0**p for p in range(first, last + 1)]))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _dodge(index: int, count: int) -> float:
    """Shift in layers that keeps the points of several curves apart."""
    return 0.0 if count == 1 else 0.72 * EVERY * ((index + 0.5) / count - 0.5)


def _draw_main(axes: Axes, curve: Curve, look: Look, *, log: bool) -> None:
    shown = np.abs if log else np.asarray
    there = curve.leading != 0.0 if log else np.full(len(curve.layers), True)
    x = curve.layers[there]
    axes.plot(x, shown(curve.leading[there]), color=look.color, zorder=2, **LEADING)
    if curve.exact is not None and np.any(curve.exact != curve.leading):
        axes.plot(x, shown(curve.exact[there]), color="black", zorder=4, **EXACT)
    if curve.measured is None:
        return
    mean, error = curve.measured.mean, curve.measured.error
    for sign, face in ((mean >= 0.0, look.color), (mean < 0.0, "white")):
        if np.any(sign & there):
            at = sign & there
            _points(axes, curve.layers[at], shown(mean[at]), error[at], look, face)


def _points(axes: Axes, x: Array, y: Array, error: Array, look: Look, face: str) -> None:
    axes.errorbar(
        x,
        y,
        yerr=error,
        linestyle="none",
        marker=look.marker,
        markersize=2.6,
        markerfacecolor=face,
        markeredgecolor=look.color,
        markeredgewidth=0.5,
        ecolor=look.color,
        elinewidth=0.6,
        capsize=0,
        zorder=3,
    )


def _draw_strip(axes: Axes, curve: Curve, look: Look, dodge: float, count: int) -> None:
    """Deviations from leading order in per cent: of what was measured and of better theory."""
    percent = 100.0 * curve.deviation(curve.best)
    if np.any(percent != 0.0):
        line = EXACT if curve.exact is not None else CORRECTED
        color = "black" if curve.exact is not None else look.color
        axes.plot(curve.layers, percent, color=color, zorder=2, **line)
    if curve.measured is None:
        return
    chosen = np.flatnonzero(curve.measured.error > 0.0)
    if count > 1:
        chosen = chosen[curve.layers[chosen] % EVERY == 0]
    at = curve.layers[chosen].astype(np.float64) + dodge
    values = 100.0 * curve.deviation(curve.measured.mean)[chosen]
    error = 100.0 * (curve.measured.error / curve.scale)[chosen]
    negative = curve.measured.mean[chosen] < 0.0
    for sign, face in ((~negative, look.color), (negative, "white")):
        if np.any(sign):
            _points(axes, at[sign], values[sign], error[sign], look, face)


def _fit(axes: Axes, curves: Sequence[Curve]) -> None:
    """Limits of the strip from everything in it, with room for the ticks' labels."""
    low, high = 0.0, 0.0
    for curve in curves:
        found = [curve.deviation(curve.best)]
        if curve.measured is not None:
            spread = np.where(np.isfinite(curve.measured.error), curve.measured.error, 0.0)
            found += [curve.deviation(curve.measured.mean + s * spread) for s in (-1, 1)]
        low = min(low, *(float(np.nanmin(values)) for values in found))
        high = max(high, *(float(np.nanmax(values)) for values in found))
    room = 0.16 * (high - low) or 1e-2
    low, high = 100.0 * (low - room), 100.0 * (high + room)
    axes.set_ylim(low, high)
    axes.set_yticks(_inner_ticks(low, high))


def _inner_ticks(low: float, high: float) -> list[float]:
    """Two to four round numbers, none so near an end that its label meets the panel above."""
    from matplotlib.ticker import MaxNLocator

    edge = 0.1 * (high - low)
    for bins in (3, 4, 5, 6):
        ticks = MaxNLocator(nbins=bins, steps=[1, 2, 5, 10]).tick_values(low, high)
        inner = [float(t) for t in ticks if low + edge < t < high - edge]
        if len(inner) > 1:
            break
    return inner
