"""``nneft phase`` from end to end: words, figure, data, ranges, wrong calls."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import nneft
from nneft.activations.builtin import BUILTIN
from nneft.activations.resolving import resolve
from nneft.cli.main import run
from nneft.cli.ranges import axis, default_axes
from nneft.files import save_phase_diagram

SMALL = ["--C-W", "0.1:4:40", "--C-b", "0:1:30"]


def called(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert run(["phase", *args]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_words_figure_and_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure, data = tmp_path / "phase.pdf", tmp_path / "phase.nc"
    lines = called(capsys, "tanh", *SMALL, "--out", str(figure), "--data", str(data)).splitlines()
    assert lines[0] == "tanh is critical at C_W = 1, C_b = 0, K* = 0."
    assert lines[1].startswith("The edge of chaos runs from C_W = 1, C_b = 0 to C_W = 3.4")
    assert lines[2] == "Of 40 x 30 points, C_W from 0.1 to 4, C_b from 0 to 1:"
    assert [line.split()[0] for line in lines[3:-2]] == ["ordered", "critical", "chaotic"]
    assert lines[-2:] == [f"wrote {figure}", f"wrote {data}"]
    assert figure.read_bytes().startswith(b"%PDF")
    stored = nneft.load(data)
    assert isinstance(stored, xr.Dataset)
    direct = nneft.phase_diagram("tanh", np.linspace(0.1, 4.0, 40), np.linspace(0.0, 1.0, 30))
    xr.testing.assert_identical(stored, direct)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["phase.nc", "phase.pdf"]


@pytest.mark.parametrize("name", ["relu", "gelu", "softplus"])
def test_diagrams_are_read_back_as_they_were(name: str, tmp_path: Path) -> None:
    """Infinite kernels, an edge without points, no critical point."""
    data = nneft.phase_diagram(name, [0.5, 2.0, 3.0], [0.0, 0.5])
    save_phase_diagram(data, tmp_path / "x.nc")
    xr.testing.assert_identical(nneft.load(tmp_path / "x.nc"), data)


def test_a_file_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    data = nneft.phase_diagram("relu", [0.5, 2.0], [0.0, 0.5])
    save_phase_diagram(data.drop_vars("kernel"), tmp_path / "x.nc")
    with pytest.raises(ValueError, match="not whole"):
        nneft.load(tmp_path / "x.nc")
    with pytest.raises(ValueError, match="wanted a dataset of nneft"):
        save_phase_diagram(xr.Dataset(), tmp_path / "y.nc")


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = str(tmp_path / "x.svg")
    report = json.loads(called(capsys, "tanh", *SMALL, "--out", name, "--json"))
    assert list(report) == [
        *("nneft", "command", "activation", "C_W", "C_b", "start_kernel", "universality_class"),
        *("critical", "phases", "edge", "verdict", "files"),
    ]
    assert report["files"] == [name]
    assert len(report["C_W"]) == 40 and len(report["C_b"]) == 30
    assert report["critical"]["C_W"] == 1.0 and report["critical"]["kernel"] == 0.0
    assert sum(report["phases"].values()) == 1200
    edge = np.array([report["edge"][key] for key in ("C_W", "C_b")])
    assert np.all(np.diff(edge) >= 0.0)


def test_json_without_a_critical_point_or_finite_kernels(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = json.loads(called(capsys, "softplus", "--C-W", "1,3", "--C-b", "0.1", "--json"))
    assert report["critical"]["C_W"] is None and report["critical"]["reason"]
    assert report["edge"]["C_W"] == [] and report["phases"]["exploding"] == 1
    relu = json.loads(called(capsys, "relu", "--C-W", "1,2,3", "--C-b", "0,1", "--json"))
    assert relu["phases"] == {
        "ordered": 1, "critical": 1, "chaotic": 0, "exploding": 3, "vanishing": 1
    }  # fmt: skip
    assert relu["edge"]["kernel"] == [0.0, None]


def test_where_kernels_start_decides(capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["quadratic", "--C-W", "1", "--C-b", "0.01", "--json"]
    low = json.loads(called(capsys, *grid, "--kernel", "0.3"))
    high = json.loads(called(capsys, *grid, "--kernel", "0.4"))
    assert low["phases"]["ordered"] == high["phases"]["exploding"] == 1


def test_the_edge_is_told_honestly(capsys: pytest.CaptureFixture[str]) -> None:
    quadratic = called(capsys, "quadratic", "--C-W", "0.1:0.8:9", "--C-b", "0:1:9")
    assert "at fixed points that repel: no signal stays on it" in quadratic
    assert "several fixed points; shown is that which K = 1 tends to" in quadratic
    assert "on part of it" in called(capsys, "gelu", "--C-W", "1:3:9", "--C-b", "0:1:9")
    assert "No edge of chaos" in called(capsys, "tanh", "--C-W", "0.1:0.9:9", "--C-b", "0,1")
    assert "this point alone" in called(capsys, "relu", "--C-W", "1:3:9", "--C-b", "0,1")


@pytest.mark.parametrize("name", BUILTIN)
def test_by_default_everything_of_interest_is_in_the_box(name: str) -> None:
    point = nneft.critical_point(name)
    w, b = default_axes(resolve(name), point)
    assert len(w) == len(b) == 200 and w[0] > 0.0 and b[0] == 0.0
    assert np.all(np.diff(w) > 0.0) and np.all(np.diff(b) > 0.0)
    if point.C_W is not None and point.C_b is not None:
        assert w[0] < 0.5 * point.C_W and w[-1] > 1.2 * point.C_W
        assert point.C_b < 0.6 * b[-1]
    data = nneft.phase_diagram(name, w[9::10], b[9::10])
    assert len(np.unique(data.phase)) > 1  # something to see


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0:1:5", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("0.5", [0.5]),
        ("0,0.1,3", [0.0, 0.1, 3.0]),
    ],
)
def test_ranges(text: str, expected: list[float]) -> None:
    assert axis("--C-W", text).tolist() == expected


def test_a_range_without_a_number_has_two_hundred() -> None:
    assert len(axis("--C-W", "1:2")) == 200


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "Missing argument"),
        (["nothing"], "unknown activation"),
        (["tanh", "--C-W", "1:2:x"], "--C-W: wanted first:last:number"),
        (["tanh", "--C-W", "1:2:3:4"], "--C-W: wanted first:last:number"),
        (["tanh", "--C-W", "2:1:9"], "first < last"),
        (["tanh", "--C-W", "1:2:1"], "2 to 100000 values"),
        (["tanh", "--C-W", "1:2:1000000000000"], "2 to 100000 values"),
        (["tanh", "--C-W", "1:inf:9"], "--C-W: wanted"),
        (["tanh", "--C-b", "a,b"], "--C-b: wanted"),
        (["tanh", "--C-W", "0:2:9"], "C_W must be positive"),
        (["tanh", "--C-b", "-1:2:9"], "C_b must not be negative"),
        (["tanh", "--C-W", "2,1"], "ascending"),
        (["tanh", "--C-W", "1:2:90000", "--C-b", "0:1:90000"], "too large"),
        (["tanh", *SMALL, "--kernel", "0"], "must be positive"),
        (["tanh", *SMALL, "--out", "x.jpg"], "--out: wanted a file named .png"),
        (["tanh", *SMALL, "--out", "no/x.pdf"], "no folder"),
        (["tanh", "--C-W", "1", "--out", "x.pdf"], "two values"),
        (["tanh", *SMALL, "--out", "x.pdf", "--data", "x.pdf"], "different files"),
        (["where(x > 0, 1, -1)"], "discontinuous"),
    ],
)
def test_wrong_calls_take_one_line(
    args: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["phase", *args]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("nneft: ") and err.count("\n") == 1 and said in err
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "notes.txt"
    mine.write_text("mine")
    assert run(["phase", "tanh", *SMALL, "--data", str(mine)]) == 2
    assert "netCDF files (.nc) only" in capsys.readouterr().err and mine.read_text() == "mine"
