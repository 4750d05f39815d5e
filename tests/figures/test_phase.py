"""The phase diagram's figure: regions where they belong, nothing covered, readable in grey."""

import io
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.transforms import Bbox

from nneft.criticality import phase_diagram
from nneft.figures.phase import phase_figure, save_phase_figure
from nneft.figures.style import PAGE, style

#: Activation, C_W and C_b up to: odd, bounded; half-stable; ReLU-like; with a kink; no edge; no
#: critical point; growing faster than linear; oscillating.
CASES = {
    "tanh": (4.0, 1.0),
    "gelu": (2.5, 1.0),
    "relu": (2.5, 1.0),
    "linear": (1.3, 1.0),
    "selu": (2.3, 1.0),
    "softplus": (2.5, 1.0),
    "sigmoid": (400.0, 300.0),
    "quadratic": (0.8, 1.0),
    "cos": (6.0, 1.0),
    "x*sigmoid(1.702*x)": (2.5, 1.0),
    "x/sqrt(1 + x**2) + 0*x": (4.0, 1.0),
}


def diagram(name: str, points: int = 40):  # type: ignore[no-untyped-def]
    right, top = CASES[name]
    return phase_diagram(
        name, right * np.arange(1, points + 1) / points, np.linspace(0.0, top, points)
    )


@pytest.fixture(params=CASES, scope="module")
def drawn(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    data = diagram(request.param)
    with style():
        figure = phase_figure(data)
        FigureCanvasAgg(figure).draw()
        yield figure, data


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_xlabel()]


def words(figure: Figure) -> list[tuple[str, Bbox]]:
    """All text that is shown, with its box on the page; the key as a whole."""
    found = [("key", legend.get_window_extent()) for legend in figure.legends]
    for axes in figure.axes:
        texts = [axes.xaxis.label, axes.yaxis.label, axes._left_title, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if low <= tick.get_loc() <= high:
                    texts += [t for t in (tick.label1, tick.label2) if t.get_visible()]
        found += [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text()]
    return found


def overlap(a: Bbox, b: Bbox) -> float:
    common = Bbox.intersection(a, b)
    return 0.0 if common is None else common.width * common.height * (72 / 100) ** 2


def test_no_text_is_clipped_and_no_two_overlap(drawn) -> None:  # type: ignore[no-untyped-def]
    figure, _ = drawn
    shown = words(figure)
    for text, box in shown:
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1, text
    for (text, box), (other, place) in combinations(shown, 2):
        assert overlap(box, place) < 0.5, (text, other)


def test_the_key_covers_no_panel(drawn) -> None:  # type: ignore[no-untyped-def]
    figure, _ = drawn
    for legend in figure.legends:
        assert all(overlap(legend.get_window_extent(), a.bbox) == 0.0 for a in figure.axes)


def test_axes_are_labelled_with_units(drawn) -> None:  # type: ignore[no-untyped-def]
    figure, data = drawn
    shown = panels(figure)
    assert all("$C_W$" in axes.get_xlabel() for axes in shown)
    assert "$C_b$" in shown[0].get_ylabel()
    assert "layers" in figure.axes[-1].get_ylabel()
    for axes in shown:
        assert axes.get_xlim() == (data.C_W[0], data.C_W[-1])
        assert axes.get_ylim() == (data.C_b[0], data.C_b[-1])
    assert figure.get_figwidth() == (PAGE if len(shown) == 2 else pytest.approx(0.6 * PAGE))


def test_every_name_stands_in_its_phase(drawn) -> None:  # type: ignore[no-untyped-def]
    """All four corners of a name, and its middle."""
    figure, data = drawn
    meanings = data.phase.attrs["flag_meanings"].split()
    for axes in panels(figure):
        names = [text.get_text() for text in axes.texts]
        assert len(set(names)) == len(names)
        for text in axes.texts:
            box = text.get_window_extent()
            corners = [*box.corners(), [0.5 * (box.x0 + box.x1), 0.5 * (box.y0 + box.y1)]]
            for x, y in axes.transData.inverted().transform(corners):
                found = data.phase.sel(C_W=x, C_b=y, method="nearest")
                assert meanings[int(found)] == text.get_text()


def test_every_large_phase_is_named(drawn) -> None:  # type: ignore[no-untyped-def]
    figure, data = drawn
    key = " ".join(t.get_text() for legend in figure.legends for t in legend.get_texts())
    for number, name in enumerate(data.phase.attrs["flag_meanings"].split()):
        share = float((data.phase == number).mean())
        if share > 0.25 and name != "critical":
            for axes in panels(figure):
                assert name in key or name in [text.get_text() for text in axes.texts]


def test_homogeneous_activations_explode_and_vanish() -> None:
    with style():
        figure = phase_figure(diagram("relu"))
    assert len(panels(figure)) == 1
    key = [t.get_text() for t in figure.legends[0].get_texts()]
    assert key[0] == r"critical point $(2,\,0)$"
    assert any("exploding" in text for text in key) and any("vanishing" in text for text in key)
    line = panels(figure)[0].lines[-1]
    assert np.all(line.get_ydata() == 0.0) and np.max(line.get_xdata()) < 2.0


def test_tanh_as_schoenholz_and_others_describe_it() -> None:
    """The edge leaves (1, 0) to the upper right; ordered left and above, chaotic right and below"""
    with style():
        figure = phase_figure(diagram("tanh", 60))
        FigureCanvasAgg(figure).draw()
    axes = panels(figure)[0]
    edge, star = axes.lines
    x, y = edge.get_data()
    assert (x[0], y[0]) == (1.0, 0.0) == (star.get_xdata()[0], star.get_ydata()[0])
    assert np.all(np.diff(x) >= 0.0) and np.all(np.diff(y) >= 0.0) and y[-1] > 0.99
    at = {text.get_text(): text.get_position() for text in axes.texts}
    assert set(at) == {"ordered", "chaotic"}
    assert at["ordered"][1] > np.interp(at["ordered"][0], x, y)
    assert at["chaotic"][1] < np.interp(at["chaotic"][0], x, y)


def test_where_chi_perp_is_one_at_a_repelling_fixed_point_the_line_is_broken() -> None:
    with style():
        figure = phase_figure(diagram("gelu"))
    whole, broken = panels(figure)[0].lines[:2]
    if whole.get_linestyle() != "-":
        whole, broken = broken, whole
    assert (whole.get_linestyle(), broken.get_linestyle()) == ("-", "--")
    # they meet at the half-stable critical point
    assert np.max(broken.get_ydata()) == pytest.approx(0.17292239, abs=0.02)
    assert np.min(whole.get_ydata()) == pytest.approx(0.17292239, abs=0.02)


def test_deeper_is_darker_in_grey() -> None:
    with style():
        figure = phase_figure(diagram("tanh"))
    [mesh, *_] = panels(figure)[0].collections
    greys = [np.dot(to_rgb(c), (0.299, 0.587, 0.114)) for c in mesh.cmap.colors]
    assert np.all(np.diff(greys) < -0.02)
    assert greys[-1] > 0.25  # a black line is still seen


def test_shades_are_the_depth_scales() -> None:
    data = diagram("tanh")
    with style():
        figure = phase_figure(data)
    for axes, name in zip(panels(figure), ("xi_c", "xi_par")):
        shown = axes.collections[0].get_array().reshape(40, 40)
        depth = np.minimum(np.abs(data[name].values), 1e300)
        np.testing.assert_allclose(shown.T, depth, rtol=1e-12)


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_files_are_whole_and_the_same_each_time(kind: str, tmp_path: Path) -> None:
    data = diagram("gelu", 12)
    for name in ("a", "b"):
        save_phase_figure(data, tmp_path / f"{name}.{kind}")
    first, second = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("a", "b"))
    assert first == second
    assert {"png": b"PNG", "pdf": b"%PDF", "svg": b"<svg"}[kind] in first[:1500]
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{kind}", f"b.{kind}"]
    if kind == "png":
        assert imread(io.BytesIO(first)).shape[1] == PAGE * 250
    if kind == "pdf":
        assert b"/Type3" not in first


def test_coarse_and_uneven_grids_are_drawn() -> None:
    with style():
        figure = phase_figure(phase_diagram("tanh", [0.5, 1.0, 3.0], [0.0, 0.7]))
        FigureCanvasAgg(figure).draw()
    assert panels(figure)


def test_wrong_calls(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least two values"):
        save_phase_figure(phase_diagram("tanh", [1.0], [0.0, 1.0]), tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"\.png, \.pdf or \.svg"):
        save_phase_figure(diagram("tanh", 3), tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="no folder"):
        save_phase_figure(diagram("tanh", 3), tmp_path / "none" / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_drawing_leaves_pyplot_alone() -> None:
    code = (
        "import sys, nneft; from nneft.figures.phase import save_phase_figure as save\n"
        "import io, tempfile, os\n"
        "with tempfile.TemporaryDirectory() as d:\n"
        "    save(nneft.phase_diagram('relu', [1.0, 2.0], [0.0, 1.0]), os.path.join(d, 'a.svg'))\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_phase_too_thin_for_its_name_is_in_the_key() -> None:
    """GELU's chaotic strip lies between its edge, at C_W = 1.96 and more, and 2."""
    w = 2.5 * np.arange(1, 201) / 200
    for name, thin in (("gelu", True), ("tanh", False)):
        data = phase_diagram(name, w, np.linspace(0.0, 1.0, 40))
        with style():
            figure = phase_figure(data)
        said = [text.get_text() for text in figure.legends[0].get_texts()]
        found = [text for text in said if text.startswith("chaotic: thin")]
        assert found == (["chaotic: thin, $C_W=1.96$ to $1.99$"] if thin else [])
