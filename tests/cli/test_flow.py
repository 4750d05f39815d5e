"""``nneft flow`` from end to end, against closed forms of the linear network."""

import json
from functools import reduce
from operator import mul
from pathlib import Path

import numpy as np
import pytest
from numpy.polynomial import Polynomial

import nneft
from nneft.cli.components import first
from nneft.cli.main import run

INPUTS = [[1.0, 1.0], [-1.4, 2.0], [0.5, 3.0]]
TEXT = "1,1;-1.4,2;0.5,3"
LINEAR = ["flow", "--activation", "linear", "--widths", "2,300*5", "--C-W", "1", "--inputs", TEXT]


def called(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[str, str]:
    assert run(list(args)) == 0
    return capsys.readouterr()


def linear_kernel() -> np.ndarray:
    x = np.array(INPUTS)
    return x @ x.T / 2


def linear_vertex(layer: int) -> np.ndarray:
    """Wick: each layer adds K_13 K_24 + K_14 K_23, and chi is the identity at C_W = 1."""
    K = linear_kernel()
    once = np.einsum("ac,bd->abcd", K, K) + np.einsum("ad,bc->abcd", K, K)
    return (layer - 1) * once


def test_json_holds_the_whole_flow(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = called(capsys, *LINEAR, "--json")
    report = json.loads(out)
    assert err == ""
    assert list(report) == [
        *("nneft", "command", "activation", "widths", "C_W", "C_b", "inputs", "order", "method"),
        *("layers", "K_0", "K_1", "V_4", "error", "files"),
    ]
    assert report["widths"] == [2, 300, 300, 300, 300, 300]
    assert (report["C_W"], report["C_b"], report["order"]) == ([1.0] * 5, [0.0] * 5, 1)
    assert report["inputs"] == INPUTS and report["layers"] == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(report["K_0"], [linear_kernel()] * 5, rtol=1e-12)
    np.testing.assert_allclose(report["K_1"], np.zeros((5, 3, 3)), atol=1e-12)
    vertices = [linear_vertex(layer) for layer in range(1, 6)]
    np.testing.assert_allclose(report["V_4"], vertices, rtol=1e-11, atol=1e-12)
    assert len(report["error"]) == 5 and max(report["error"]) < 1e-10


def test_json_of_chosen_layers_and_components(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = called(capsys, *LINEAR, "--json", "--layers", "2,5", "--at", "0,2", "--at", "0,1;1,2")
    report = json.loads(out)
    assert report["layers"] == [2, 5] and "V_4" not in report and "K_0" not in report
    np.testing.assert_allclose(report["K_0[0,2]"], [linear_kernel()[0, 2]] * 2, rtol=1e-12)
    expected = [linear_vertex(layer)[0, 1, 1, 2] for layer in (2, 5)]
    np.testing.assert_allclose(report["V_4[0,1;1,2]"], expected, rtol=1e-11)


def test_order_0_from_a_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--activation", "relu", "--widths", "7,10*3", "--C-W", "2", "--kernel", "4"]
    out, _ = called(capsys, "flow", *args, "--order", "0", "--json")
    report = json.loads(out)
    assert "V_4" not in report and report["inputs"] is None
    np.testing.assert_allclose(report["K_0"], np.full((3, 1, 1), 4.0), rtol=1e-12)


def test_table_says_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    out, err = called(capsys, *LINEAR, "--layers", "1,5", "--at", "0,1", "--at", "0,0;0,0")
    title, _, head, *rows = out.splitlines()
    assert err == ""
    assert title == "linear, widths 2,300*5, C_W = 1, C_b = 0, 3 inputs"
    assert head.split() == ["layer", "K_0[0,1]", "K_1[0,1]", "V_4[0,0;0,0]", "error"]
    assert rows[0].split()[:2] == ["1", "0.3"] and rows[1].split()[:2] == ["5", "0.3"]
    assert float(rows[1].split()[3]) == pytest.approx(8.0)
    assert "2 of 5 layers" in out and "inputs 0 to 2" in out


def linear_cumulants(layer: int) -> list[Polynomial]:
    """kappa_1 .. kappa_4 of G in eps = 1/n: one input, K = C_W = 1, a product of chi^2_n / n."""
    eps = Polynomial([0.0, 1.0])
    rising = [1 + 0 * eps, 1 + 2 * eps, 1 + 4 * eps, 1 + 6 * eps]
    m1, m2, m3, m4 = (reduce(mul, rising[:k]) ** (layer - 1) for k in (1, 2, 3, 4))
    return [m1, m2 - 1, m3 - 3 * m2 + 2, m4 - 4 * m3 - 3 * m2**2 + 12 * m2 - 6]


@pytest.mark.parametrize("method", ["series", "diagrams"])
def test_any_order_against_chi_squared_factors(
    method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["flow", "--activation", "linear", "--widths", "1,8*4", "--C-W", "1", "--kernel", "1"]
    out, _ = called(capsys, *args, "--order", "3", "--method", method, "--json")
    report = json.loads(out)
    held = ["K_0", "K_1", "K_2", "K_3", "V_4", "V_4_1", "V_4_2", "V_6", "V_6_1", "V_8"]
    assert [key for key in report if key[:2] in ("K_", "V_")] == held
    assert (report["method"], np.shape(report["V_6_1"])) == (method, (4, *[1] * 6))
    for layer in (1, 2, 3, 4):
        cumulants = [np.pad(kappa.coef, (0, 4))[:4] for kappa in linear_cumulants(layer)]
        expected = np.concatenate([kappa[k:] for k, kappa in enumerate(cumulants)])
        found = [np.ravel(report[key])[layer - 1] for key in held]
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_components_of_six_points_at_all_orders(capsys: pytest.CaptureFixture[str]) -> None:
    """At layer 2 of a linear network kappa_3 is exactly Wick's: no corrections."""
    args = ["--order", "3", "--at", "(0,1)*3", "--at", "0,1;1,1;2,2", "--at", "0,2", "--json"]
    out, _ = called(capsys, *LINEAR, *args)
    report = json.loads(out)
    shown = [key for key in report if "[" in key]
    assert shown == [
        *("K_0[0,2]", "K_1[0,2]", "K_2[0,2]", "K_3[0,2]"),
        *("V_6[0,1;0,1;0,1]", "V_6[0,1;1,1;2,2]", "V_6_1[0,1;0,1;0,1]", "V_6_1[0,1;1,1;2,2]"),
    ]
    K = linear_kernel()
    for place, key in (((0, 1) * 3, shown[4]), ((0, 1, 1, 1, 2, 2), shown[5])):
        a, b, c = (place[i : i + 2] for i in (0, 2, 4))
        # the eight cycles through the three pairs
        expected = sum(
            K[a[1], p[0]] * K[p[1], q[0]] * K[q[1], a[0]]
            for two, three in ((b, c), (c, b))
            for p in (two, two[::-1])
            for q in (three, three[::-1])
        )
        assert report[key][1] == pytest.approx(expected, rel=1e-11)
    assert report[shown[6]][1] == pytest.approx(0.0, abs=1e-10)


def test_table_of_one_input_names_quantities_alone(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["flow", "--activation", "linear", "--widths", "1,8*3", "--C-W", "1", "--kernel", "1"]
    out, err = called(capsys, *args, "--order", "2")
    assert err == ""
    head = out.splitlines()[2].split()
    assert head == ["layer", "K_0", "K_1", "K_2", "V_4", "V_4_1", "V_6", "error"]
    assert "V_4_1 is the 1/n correction to V_4" in out and "held too" not in out
    out, _ = called(capsys, *args, "--order", "8")
    assert "held too: V_4_1 and 27 more; --at '0,0;0,0' shows V_4 at all orders" in out
    out, _ = called(capsys, *args, "--order", "8", "--at", "0,0;0,0")
    assert out.splitlines()[2].split()[1:-1] == ["V_4", *(f"V_4_{q}" for q in range(1, 8))]


def test_dense_json_that_nobody_can_read_is_refused_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def computed(*_: object, **__: object) -> None:
        raise AssertionError("it was computed")

    monkeypatch.setattr("nneft.rg.driver.flow", computed)
    wide = ["--widths", "2,300*200"]
    assert run([*LINEAR, *wide, "--order", "3", "--layers", "all", "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert "more than 1,000,000 numbers; choose components with --at or fewer --layers" in err
    for fits in (["--layers", "99"], ["--at", "0,1"], ["--order", "1"]):
        with pytest.raises(AssertionError, match="it was computed"):
            run([*LINEAR, *wide, "--order", "3", "--layers", "all", "--json", *fits])


def test_settings_file_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.toml"
    path.write_text(f'activation = "tanh"\nwidths = "2,300*5"\nC_W = 3\ninputs = {INPUTS}\n')
    by_file, _ = called(capsys, "flow", str(path), "--activation", "linear", "--C-W", "1", "--json")
    by_options, _ = called(capsys, *LINEAR, "--json")
    assert by_file == by_options


def test_files_are_written_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(tmp_path / name) for name in ("x.nc", "x.png", "x.pdf")]
    out, _ = called(capsys, *LINEAR, "--out", names[0], "--plot", names[1], "--json")
    assert json.loads(out)["files"] == names[:2]
    called(capsys, *LINEAR, "--order", "0", "--plot", names[2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.nc", "x.pdf", "x.png"]
    stored = nneft.load(names[0])
    assert isinstance(stored, nneft.Flow)
    np.testing.assert_allclose(stored.V(4), json.loads(out)["V_4"], rtol=1e-14)
    assert Path(names[1]).read_bytes().startswith(b"\x89PNG")
    assert Path(names[2]).read_bytes().startswith(b"%PDF")


def test_files_hold_and_show_any_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept, picture = str(tmp_path / "x.nc"), str(tmp_path / "x.svg")
    args = ["flow", "--activation", "tanh", "--widths", "2,30*4", "--C-W", "1", "--order", "3"]
    out, _ = called(capsys, *args, "--inputs", "1,1;-1.4,2", "--out", kept, "--plot", picture)
    assert f"wrote {kept}" in out and f"wrote {picture}" in out
    stored = nneft.load(kept)
    direct = nneft.flow(
        nneft.Network((2, 30, 30, 30, 30), "tanh", 1.0), [[1, 1], [-1.4, 2]], order=3
    )
    assert isinstance(stored, nneft.Flow)
    np.testing.assert_array_equal(stored.V(6, 1), direct.V(6, 1))
    panels = Path(picture).read_text().count('<g id="axes_')
    assert panels == len({shown.quantity for shown in first(2, 3)}) == 10


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--widths", "2,0"], 2, "positive integer, got 0"),
        (["--widths", "2"], 2, "at least one layer"),
        (["--C-W", "-1"], 2, "not negative, got -1"),
        (["--C-b", "inf"], 2, "must be finite"),
        (["--C-W", "1,2"], 2, "each of the 5 layers"),
        (["--inputs", "1,2,3"], 2, "shape"),
        (["--inputs", "nan,1"], 2, "finite"),
        (["--kernel", "1"], 2, "got both"),
        (["--activation", "tahn"], 2, "did you mean 'tanh'"),
        (["--activation", "x*foo(x)"], 2, "  x*foo(x)\n      ^"),
        (["--activation", "exp(x**2)"], 2, "diverge"),
        (["--order", "9"], 2, "bytes"),
        (["--order", "1000000000"], 2, "got --order 1000000000; use --json"),
        (["--order", "15"], 2, "--order 14, got --order 15; use --json"),
        (
            ["--order", "12"],
            2,
            "--out: everything held of 3 inputs at --order 12",
        ),
        (["--order", "-1"], 2, "order must be 0 or more, got -1"),
        (["--order", "7", "--method", "diagrams", "--inputs", "1,1"], 2, "up to order 6"),
        (["--order", "0", "--method", "series"], 2, "order 0 has one method only"),
        (["--order", "2", "--method", "serie"], 2, "'serie' is not one of 'series', 'diagrams'"),
        (["--at", "0,0;0,0;0,0"], 2, "V_6[(0,0)*3] is not held at --order 1; use --order 2"),
        (["--order", "2", "--at", "(0,0)*900"], 2, "V_1800[(0,0)*900] is not held at --order 2"),
        (["--order", "2", "--at", "(0,1)*3;0"], 2, "--at: wanted pairs of inputs"),
        (["--order", "2", "--at", "0,1;0,1;0,3"], 2, "from 0 to 2, got [0,1;0,1;0,3]"),
        (["--at", "0,3"], 2, "numbered from 0 to 2, got [0,3]"),
        (["--order", "0", "--at", "0,0;0,0"], 2, "use --order 1"),
        (["--layers", "6"], 2, "layers 1 to 5"),
        (["--out", "absent/x.nc"], 2, "there is no folder absent"),
        (["--out", "."], 2, "it is a folder"),
        (["--plot", "x.jpg"], 2, ".png, .pdf or .svg, got x.jpg"),
        (["--plot", "absent/x.png"], 2, "there is no folder absent"),
        (["--widths", "2,9*500", "--C-W", "40"], 3, "overflows double precision at layer"),
        (["--widths", "2,9*500", "--C-W", "0.01"], 3, "underflows double precision at layer"),
    ],
)
def test_wrong_calls_say_what_was_wanted_and_what_came(
    args: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*LINEAR, "--out", "kept.nc", *args]) == code
    out, err = capsys.readouterr()
    assert out == "" and said in err
    assert err.startswith("nneft: ") and "Traceback" not in err
    assert err.count("\n") == 1 or "x*foo(x)" in args
    assert list(tmp_path.iterdir()) == []


def test_pictures_name_what_they_show() -> None:
    """The only component of a panel at its axis, several in a legend; layers start at 1."""
    from nneft.cli.components import Component
    from nneft.cli.plots import _figure, _layers

    values = np.linspace(1.0, 2.0, 20)
    alone = [Component("K_0", (0, 1), values), Component("K_1", (0, 1), values)]
    figure = _figure("cost $5, C_W = 1", alone)
    assert [axes.get_ylabel() for axes in figure.axes] == ["$K_{0}$ [0,1]", "$K_{1}$ [0,1]"]
    assert figure.get_suptitle() == r"cost \$5, $C_W$ = 1"
    several = [Component("V_4", place, values) for place in ((0, 0, 0, 0), (0, 1, 0, 1))]
    [axes] = _figure("x", several).axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["[0,0;0,0]", "[0,1;0,1]"]
    assert axes.get_xticks().tolist() == [1, 4, 8, 12, 16, 20]
    for depth in (1, 2, 3, 7, 12, 31, 100, 2000):
        ticks = _layers(depth)
        assert ticks[0] == 1 and ticks == sorted(set(ticks)) and ticks[-1] <= depth


def test_a_limit_of_seconds_refuses_and_lets_through(capsys: pytest.CaptureFixture[str]) -> None:
    four = ["flow", "--activation", "tanh", "--widths", "2,9*3", "--C-W", "1"]
    four += ["--inputs", "1,1;-1.4,2;0.5,-1;2,0.3"]
    assert run([*four, "--most-seconds", "1e-6"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "more than" in err
    out, _ = called(capsys, *four, "--most-seconds", "inf", "--json")
    assert np.shape(json.loads(out)["V_4"]) == (3, 4, 4, 4, 4)
