"""Names of the phases, each written inside its region where there is room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

#: Pixels along either side of the picture in which room is looked for.
PIXELS = 160
#: Sizes of letters in points, and whether upright, in the order in which they are tried.
TRIED = ((10.0, False), (8.0, False), (10.0, True), (8.0, True))
#: Of the letters' size: the width of one, the height of a line with what is left free around it.
LETTER, LINE = 0.5, 1.3
NAMED = ("ordered", "chaotic", "exploding")


def name_regions(axes: Axes, data: xr.Dataset) -> None:
    """Write ``ordered``, ``chaotic``, ``exploding`` where they are farthest from other phases."""
    from matplotlib.patheffects import withStroke

    meanings = str(data.phase.attrs["flag_meanings"]).split()
    w = np.linspace(data.C_W.values[0], data.C_W.values[-1], PIXELS)
    b = np.linspace(data.C_b.values[0], data.C_b.values[-1], PIXELS)
    picture = data.phase.values[np.ix_(_nearest(data.C_W.values, w), _nearest(data.C_b.values, b))]
    panel = axes.get_position()
    figure = axes.get_figure(root=True)
    assert figure is not None
    size = 72.0 * figure.get_size_inches() * (panel.width, panel.height)
    for name in NAMED:
        for letters, upright in TRIED:
            box = ((LETTER * len(name) + 0.8) * letters, LINE * letters)
            box = box[::-1] if upright else box
            place = _roomiest(picture == meanings.index(name), box[0] / size[0], box[1] / size[1])
            if place is not None:
                axes.text(
                    w[place[0]], b[place[1]], name, fontsize=letters, zorder=6,
                    ha="center", va="center", rotation=90 if upright else 0,
                    path_effects=[withStroke(linewidth=2.5, foreground="white")],
                )  # fmt: skip
                break


def _nearest(axis: np.ndarray, places: np.ndarray) -> np.ndarray:
    middles = 0.5 * (axis[1:] + axis[:-1])
    return np.searchsorted(middles, places)


def _roomiest(region: np.ndarray, width: float, height: float) -> tuple[int, int] | None:
    """Where a box, in parts of the picture's, fits best, in pixels; None where it does not."""
    from scipy.ndimage import distance_transform_cdt, zoom

    # squeezed so that the name is a square, whose room the chessboard's metric measures
    squeeze = height / width
    squeezed = zoom(region.astype(np.uint8), (squeeze, 1.0), order=0)
    padded = np.pad(squeezed, 1)
    room = distance_transform_cdt(padded, metric="chessboard")[1:-1, 1:-1]
    if 2 * room.max() < height * PIXELS:
        return None
    # of places that are about as good, the one in their middle
    good = np.argwhere(room >= max(0.8 * room.max(), 0.5 * height * PIXELS))
    i, j = good[np.argmin(np.abs(good - good.mean(axis=0)).max(axis=1))]
    return min(int((i + 0.5) / squeeze), PIXELS - 1), int(j)
