"""Laws of every figure: nothing clipped, nothing covered, labelled, readable in grey."""

import io
import re
import subprocess
import sys
import zlib
from itertools import combinations

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from nneft.conventions import pairs
from nneft.figures.curve import Curve, Measured
from nneft.figures.four_point import four_point_figure
from nneft.figures.panels import Scale
from nneft.figures.style import LOOKS, PAGE, style
from nneft.figures.two_point import two_point_figure

LAYERS = np.arange(1, 31)
SIX = ((0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 2, 2), (0, 1, 0, 3), (0, 0, 2, 3), (0, 1, 2, 3))


def curve(component: tuple[int, ...], rate: float, *, measured: bool = True) -> Curve:
    """A flow that grows or decays by `rate` a layer, of either sign, with something to correct."""
    rng = np.random.default_rng(sum(component))
    sign = -1.0 if component[-1] == 2 else 1.0
    leading = sign * (1.0 + sum(component)) * rate ** (LAYERS - 1.0)
    scale = np.abs(leading)
    two = len(component) == 2
    error = np.where(LAYERS == 1, 0.0, 0.01 * scale)
    found = leading * (1.0 + 0.004 * LAYERS) + error * rng.standard_normal(30)
    by_group = found + np.sqrt(5) * error * rng.standard_normal((5, 30))
    return Curve(
        "relu",
        "critical",
        2.0,
        component,
        LAYERS,
        leading,
        scale,
        corrected=leading * (1.0 + 0.004 * LAYERS) if two else None,
        exact=leading * (1.0 + 0.005 * LAYERS) if component == (0, 0, 0, 0) else None,
        measured=Measured(found, error, by_group, 10_000) if measured else None,
    )


def two(rate: float, kind: str, *, measured: bool = True) -> Figure:
    curves = [curve(pair, rate, measured=measured) for pair in pairs(4)]
    scale = Scale(kind, 0.01)  # type: ignore[arg-type]
    return two_point_figure([curves, curves], [(scale, scale)] * 2)


def four(rate: float, kind: str, *, measured: bool = True) -> Figure:
    curves = [curve(at, rate, measured=measured) for at in SIX]
    return four_point_figure(curves, Scale(kind, 0.01), 300)  # type: ignore[arg-type]


FIGURES = {
    "two-linear": lambda: two(1.03, "linear"),
    "two-log": lambda: two(0.25, "log"),
    "two-symlog": lambda: two(0.8, "symlog"),
    "two-unmeasured": lambda: two(0.9, "log", measured=False),
    "four-linear": lambda: four(1.1, "linear"),
    "four-decaying": lambda: four(0.06, "log"),
    "four-growing": lambda: four(16.0, "log"),
    "four-unmeasured": lambda: four(1.1, "linear", measured=False),
}


@pytest.fixture(params=FIGURES, scope="module")
def figure(request: pytest.FixtureRequest) -> Figure:
    with style():
        made = FIGURES[request.param]()
        FigureCanvasAgg(made).draw()
        yield made


def words(figure: Figure) -> list[tuple[str, Bbox]]:
    """All text that is shown, with its box on the page; legends as a whole."""
    found = [("legend", box) for box in legends(figure)]
    for axes in figure.axes:
        labels = [axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks()
            labels += [t.label1 for t in ticks if low <= t.get_loc() <= high]
        for text in labels:
            if text.get_visible() and text.get_text():
                found.append((text.get_text(), text.get_window_extent()))
    return found


def legends(figure: Figure) -> list[Bbox]:
    held = [*figure.legends, *(a.get_legend() for a in figure.axes if a.get_legend())]
    return [legend.get_window_extent() for legend in held]


def overlap(a: Bbox, b: Bbox) -> float:
    """Common area in square points."""
    common = Bbox.intersection(a, b)
    return 0.0 if common is None else common.width * common.height * (72 / 100) ** 2


def test_no_text_is_clipped(figure: Figure) -> None:
    page = figure.bbox
    for text, box in words(figure):
        assert page.x0 <= box.x0 and box.x1 <= page.x1, text
        assert page.y0 <= box.y0 and box.y1 <= page.y1, text


def test_no_two_texts_overlap(figure: Figure) -> None:
    for (text, box), (other, place) in combinations(words(figure), 2):
        assert overlap(box, place) < 0.5, (text, other)


def test_no_legend_covers_data(figure: Figure) -> None:
    for legend in legends(figure):
        assert all(overlap(legend, axes.bbox) == 0.0 for axes in figure.axes)


def test_every_panel_is_labelled(figure: Figure) -> None:
    mains, strips = figure.axes[0::2], figure.axes[1::2]
    letters = [axes.get_title(loc="left")[:3] for axes in mains]
    assert letters == [f"({letter})" for letter in "abcdef"[: len(mains)]]
    assert all("layer" in axes.get_xlabel() for axes in strips)
    for axes in (*mains, *strips):
        left = axes.get_subplotspec().get_topmost_subplotspec().colspan.start == 0
        assert axes.get_ylabel() or not (left or len(mains) == 4)


def test_all_points_are_in_their_panels(figure: Figure) -> None:
    for axes in figure.axes:
        low, high = sorted(axes.get_ylim())
        first, last = axes.get_xlim()
        for x, y in plotted(axes):
            assert np.all((low <= y) & (y <= high)) and np.all((first <= x) & (x <= last))


def plotted(axes: Axes) -> list[tuple[np.ndarray, np.ndarray]]:
    lines = [c.lines[0] for c in axes.containers if isinstance(c, ErrorbarContainer)]
    data = [np.asarray(line.get_xydata(), dtype=float) for line in lines]
    return [(xy[:, 0], xy[:, 1]) for xy in data if np.isfinite(xy).all()]


def test_every_axis_has_ticks_to_read(figure: Figure) -> None:
    for axes in figure.axes:
        low, high = sorted(axes.get_ylim())
        assert sum(low <= t <= high for t in axes.get_yticks()) >= 2


@pytest.mark.parametrize("name", ["two-log", "four-decaying"])
def test_negative_values_are_open_on_a_logarithmic_axis(name: str) -> None:
    with style():
        figure = FIGURES[name]()
    assert "open: negative" in [t.get_text() for t in figure.legends[0].get_texts()]
    faces = {
        same_color(c.lines[0].get_markerfacecolor(), "white")
        for axes in figure.axes[0::2]
        for c in axes.containers
    }
    assert faces == {True, False}


def test_curves_differ_by_more_than_colour() -> None:
    assert len({look.marker for look in LOOKS}) == len({look.color for look in LOOKS}) == len(LOOKS)


def test_the_width_is_a_pages(figure: Figure) -> None:
    assert figure.get_figwidth() == PAGE


def test_settings_are_as_before() -> None:
    before = dict(matplotlib.rcParams)
    with style():
        assert matplotlib.rcParams["font.family"] == ["STIXGeneral"]
    assert dict(matplotlib.rcParams) == before


def test_pdf_embeds_its_fonts() -> None:
    with style():
        page = io.BytesIO()
        four(1.1, "linear").savefig(page, format="pdf")
    raw = page.getvalue()
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", raw, re.DOTALL)
    text = raw + b"".join(inflated(stream) for stream in streams)
    assert b"/FontFile2" in text and b"/Type3" not in text


def inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return b""


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys; from nneft.figures.style import style\n"
        "import nneft.figures.two_point, nneft.figures.four_point\n"
        "from matplotlib.figure import Figure\n"
        "with style(): Figure()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_group_error_needs_two_groups() -> None:
    one = Measured(np.ones(3), np.ones(3), np.ones((1, 3)), 10)
    assert np.isnan(one.group_error).all()
    two_groups = Measured(np.ones(1), np.ones(1), np.array([[1.0], [3.0]]), 10)
    assert two_groups.group_error == pytest.approx([1.0])  # sqrt(2) / sqrt(2)
