"""``nneft reproduce`` parses, calls and prints: with a stand-in for the experiment itself."""

import json
from pathlib import Path
from typing import Any

import pytest

import nneft.reproduce
from nneft.cli.main import run
from nneft.cli.progress import clock, told
from nneft.reproduce import Progress, Report


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the experiment was called with; ``interrupted`` in it decides how it ends."""
    seen: dict[str, Any] = {"interrupted": False}

    def stand_in(out: Path, **options: Any) -> Report:
        seen.update(options, out=out)
        progress = options["progress"]
        for done in range(101):
            progress(Progress("sampling", 600 * done, 60_000, 1520.4, 0.4 * (100 - done), "relu"))
        progress(Progress("figures", 1, 1, 1.0, 0.0, "figure 1"))
        files = (out / "figure-1.png", out / "summary.json")
        return Report(
            out, files, ("theory holds", "1.2(3)"), {"pulls": [0.5]}, 10, seen["interrupted"]
        )

    monkeypatch.setattr(nneft.reproduce, "reproduce", stand_in)
    return seen


def test_defaults_are_the_papers(
    called: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["reproduce"]) == 0
    out, err = capsys.readouterr()
    assert out == "theory holds\n1.2(3)\nwrote 2 files into nneft-reproduce\n"
    del called["progress"], called["interrupted"]
    assert called == {
        "out": Path("nneft-reproduce"),
        "networks": 10_000,
        "groups": 10,
        "seed": 0,
        "workers": None,
        "formats": ["png", "pdf"],
        "arithmetic": "numpy",
    }
    lines = err.splitlines()
    assert len(lines) == 12 and "sampling: 30,000/60,000 networks, 1,520/s, 0:20 left" in lines


def test_options_and_json(called: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--networks", "1_000", "--groups", "5", "--seed", "3", "--workers", "1"]
    assert run(["reproduce", "--out", "here", *args, "--formats", "svg, pdf", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["folder"] == "here" and report["files"][0] == str(Path("here/figure-1.png"))
    assert report["summary"] == {"pulls": [0.5]} and report["interrupted"] is False
    assert (called["networks"], called["groups"], called["seed"]) == (1000, 5, 3)
    assert (called["workers"], called["formats"]) == (1, ["svg", "pdf"])


def test_a_gpu_or_not_at_all(
    called: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("jax", reason="the extra [gpu] is not installed")
    assert run(["reproduce", "--gpu"]) == 2
    assert "JAX finds no GPU here" in capsys.readouterr().err and "out" not in called
    monkeypatch.setattr("nneft.ensemble.engines.device.need_gpu", lambda: None)
    assert run(["reproduce", "--gpu"]) == 0
    assert called["arithmetic"] == "jax"


def test_an_interruption_still_tells_what_was_finished(
    called: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    called["interrupted"] = True
    assert run(["reproduce"]) == 4
    out, err = capsys.readouterr()
    assert "wrote 2 files" in out
    assert err.endswith("nneft: interrupted; what was finished is written\n")


def test_told_and_clock() -> None:
    assert told(Progress("theory", 0, 6, 0.0, None, "relu")) == "0/6 flows"
    assert told(Progress("theory", 3, 6, 1.0, 3.0, "relu")) == "3/6 flows, 0:03 left"
    assert told(Progress("sampling", 5, 5, 2.0, 0.0, "x")) == "5/5 networks, 2/s"
    assert [clock(s) for s in (0.2, 59.6, 725, 10859)] == ["0:00", "1:00", "12:05", "3:00:59"]
