"""``nneft tune``: what it prints, its JSON, and wrong calls."""

import json

import pytest

import nneft
from nneft.cli.main import run

ASKED = ["tune", "--activation", "tanh", "--depth", "12", "--width", "64"]


def test_the_verdict_comes_first(capsys):
    assert run(ASKED) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("tanh: 12 layers of width 64 are within budget")
    assert any(line.startswith("tanh is critical") for line in lines)
    assert any("take C_W (1 +" in line for line in lines)
    assert any("torch.nn.init.normal_" in line for line in lines)


def test_json_holds_a_network_whose_mean_kernel_is_kept(capsys):
    assert run([*ASKED, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["command"] == "tune"
    assert told["universality_class"] == "K*=0"
    widths = (64,) * 13
    mean = {}
    for name, C_W, C_b in (
        ("tuned", told["C_W"], told["C_b"]),
        ("untuned", told["untuned"]["C_W"], told["untuned"]["C_b"]),
    ):
        network = nneft.Network(widths, "tanh", C_W, C_b)
        wide = nneft.Network(widths, "tanh", told["untuned"]["C_W"], told["untuned"]["C_b"])
        goal = nneft.flow(wide, kernel=[[1.0]], order=0).K(0)[-1, 0, 0]
        found = nneft.flow(network, kernel=[[1.0]], order=3).mean()[-1, 0, 0]
        mean[name] = abs(found / goal - 1.0)
    assert mean["tuned"] < 0.2 * mean["untuned"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--depth", "0"], "depth"),
        (["--width", "-3"], "width"),
        (["--activation", "tangh"], "tanh"),
        (["--scheme", "torch.kaimming"], "torch.kaiming"),
        (["--target", "all"], "shift"),
        (["--bound", "0"], "bound"),
    ],
)
def test_wrong_calls_are_one_line(capsys, changed, message):
    assert run([*ASKED, *changed]) == 2
    told = capsys.readouterr()
    assert told.out == "" and message in told.err
    assert "Traceback" not in told.err


def test_the_signal_is_kept_and_told(capsys):
    asked = ["tune", "--activation", "tanh", "--depth", "8", "--width", "100", "--json"]
    assert run([*asked, "--target", "spread"]) == 0
    told = json.loads(capsys.readouterr().out)
    now, was = told["signal"]["correlations"], told["untuned"]["signal"]["correlations"]
    assert abs(now["0.5"][-1] - 0.5) < abs(was["0.5"][-1] - 0.5) + 0.01
    assert told["spread"][-1] < told["untuned"]["spread"][-1]


def test_what_tuning_loses_is_a_warning(capsys):
    asked = ["tune", "--activation", "gelu", "--depth", "15", "--width", "128"]
    assert run([*asked, "--target", "layers"]) == 0
    out = capsys.readouterr().out
    assert "warning: tuning makes random seeds spread more" in out
    assert "chi_par = " in out
