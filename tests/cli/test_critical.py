"""``nneft critical`` from end to end: verdicts, numbers known from elsewhere, wrong calls."""

import json
import time
from math import pi

import pytest

from nneft.activations.builtin import BUILTIN
from nneft.cli.main import run


def called(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert run(["critical", *args]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def report(capsys: pytest.CaptureFixture[str], *args: str) -> list[dict[str, object]]:
    found = json.loads(called(capsys, *args, "--json"))
    assert list(found) == ["nneft", "command", "activations"] and found["command"] == "critical"
    records: list[dict[str, object]] = found["activations"]
    return records


def test_the_verdict_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    first, advice, empty, *rows = called(capsys, "gelu").splitlines()
    assert first == (
        "gelu is critical at C_W = 1.98305826, C_b = 0.172922391 with K* = 3.56155281: "
        "kernels above K* tend to it, those below leave."
    )
    assert advice == (
        "Draw weights with standard deviation 1.40821/sqrt(fan_in), biases with 0.415839."
    )
    assert empty == ""
    heads = [row[:19].strip() for row in rows]
    assert heads == [
        *("class", "because", "C_W", "C_b", "K*", "stability", "chi_par", "chi_perp"),
        *("curvature", "powers of depth", "which set in", "critical too"),
    ]
    assert "C_W = 4, C_b = 0, K* = 0" in rows[-1] and "unstable" in rows[-1]


#: C_W, C_b, K*, class: theory's closed forms, and numbers of the literature.
KNOWN = {
    "tanh": (1.0, 0.0, 0.0, "K*=0"),
    "erf": (pi / 4.0, 0.0, 0.0, "K*=0"),
    "relu": (2.0, 0.0, None, "scale-invariant"),
    "elu": (1.0, 0.0, 0.0, "K*=0 with a kink"),
    "gelu": (1.98305826, 0.17292239, 3.56155281, "half-stable"),
    "swish": (1.98800468, 0.55514317, 14.32017362, "half-stable"),
    "x*sigmoid(x)": (1.98800468, 0.55514317, 14.32017362, "half-stable"),
    "3*x": (1.0 / 9.0, 0.0, None, "scale-invariant"),
}


def test_json_of_several_activations(capsys: pytest.CaptureFixture[str]) -> None:
    records = report(capsys, *KNOWN)
    for record, (C_W, C_b, kernel, name) in zip(records, KNOWN.values(), strict=True):
        assert list(record) == [
            *("activation", "universality_class", "C_W", "C_b", "kernel", "stability"),
            *("chi_par", "chi_perp", "coefficients", "exponents", "verdict", "reason"),
            *("alternatives", "edge", "compromise", "at"),
        ]
        assert record["universality_class"] == name
        assert record["C_W"] == pytest.approx(C_W, abs=6e-9)
        assert record["C_b"] == pytest.approx(C_b, abs=6e-9)
        assert record["kernel"] == (None if kernel is None else pytest.approx(kernel, abs=6e-9))
        assert record["edge"] is None and record["compromise"] is None and record["at"] is None


def test_where_there_is_none_it_says_why_and_what_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sigmoid, softplus = report(capsys, "sigmoid", "softplus")
    for record in (sigmoid, softplus):
        assert record["universality_class"] == "none" and record["C_W"] is None
        assert "is not 0" in str(record["reason"])
    assert len(sigmoid["edge"]["C_W"]) > 10 and softplus["edge"]["C_W"] == []  # type: ignore[index]
    assert softplus["compromise"]["kernel"] is None  # type: ignore[index]
    out = called(capsys, "sigmoid", "softplus")
    assert "sigmoid has no critical point.\nThe best compromise: C_W = " in out
    assert "softplus has no critical point.\nThe nearest to it: C_W -> 2 from below" in out
    assert "chi_perp = 1 needs C_b < 0" in out


def test_where_a_network_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """tanh at C_W = 4: K* and chi's known to many digits."""
    out = called(capsys, "tanh", "--C-W", "4")
    assert (
        "At C_W = 4, C_b = 0 it is chaotic: close inputs part, and a first kernel of 1 tends to "
        "K* = 2.12147357." in out
    )
    [record] = report(capsys, "tanh", "--C-W", "4")
    at = record["at"]
    assert isinstance(at, dict)
    zero, far = at["fixed_points"]
    assert (zero["kernel"], zero["stability"]) == (0.0, "unstable")
    assert far["kernel"] == pytest.approx(2.121473568, abs=6e-10)
    assert far["chi_par"] == pytest.approx(0.3309671, abs=6e-8)
    assert far["chi_perp"] == pytest.approx(1.3626733, abs=1e-7)
    assert far["xi_perp"] < 0.0 < far["xi_par"]
    assert at["phase"] == "chaotic"
    assert at["kernel"] == pytest.approx(far["kernel"], rel=1e-12)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["relu", "--C-W", "3"], "it is exploding: kernels grow without end, from any first"),
        (["relu", "--C-W", "1"], "it is vanishing: kernels fall to zero, from any first kernel."),
        (["relu", "--C-W", "2"], "it is critical: close inputs neither merge nor part"),
        (["relu", "--C-W", "1", "--C-b", "0.5"], "it is ordered: close inputs merge"),
        (["gelu", "--C-W", "3", "--C-b", "0.3"], "it is exploding: kernels grow without end"),
        (["gelu", "--C-W", "2.5"], "exploding: kernels grow without end from a first kernel of 1"),
        (["gelu", "--C-W", "2.5", "--kernel", "0.5"], "it is ordered: close inputs merge"),
        (["gelu", "--kernel", "5"], "it is critical: close inputs neither merge nor part"),
        (["tanh", "--C-b", "0.05"], "At C_W = 1.76095464, C_b = 0.05 it is critical"),
        (["tanh", "--C-W", "1", "--C-b", "0.1"], "At C_W = 1, C_b = 0.1 it is ordered"),
        (["relu", "--C-b", "0.5"], "At C_W = 2, C_b = 0.5 it is exploding"),
        (["softplus", "--C-b", "0.3"], "At C_W = 2, C_b = 0.3 it is exploding"),
    ],
)
def test_every_phase_is_told(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in called(capsys, *args)
    [record] = report(capsys, *args)
    assert str(record["at"]["phase"]) in said  # type: ignore[index]


def test_the_edge_of_chaos_at_a_bias(capsys: pytest.CaptureFixture[str]) -> None:
    """tanh at C_b = 0.05: C_W, K* and chi_par known to many digits."""
    out = called(capsys, "tanh", "--C-b", "0.05")
    told = next(line for line in out.splitlines() if line.startswith("The edge of chaos at"))
    assert told.startswith("The edge of chaos at C_b = 0.05: C_W = 1.7609546396")
    assert "K* = 0.5700478816" in told and "chi_par = 0.518186" in told
    [record] = report(capsys, "tanh", "--C-b", "0.05")
    [edge] = record["at"]["edge"]  # type: ignore[index]
    assert edge["C_W"] == record["at"]["C_W"]  # type: ignore[index]
    assert "there is no edge of chaos: no C_W makes" in called(capsys, "relu", "--C-b", "0.5")
    assert ", which repels, and chi_par = 1.085" in called(capsys, "gelu", "--C-b", "0.05")
    [record] = report(capsys, "tanh", "--C-W", "2", "--C-b", "0.05")
    assert record["at"]["edge"] is None  # type: ignore[index]


@pytest.mark.parametrize(("C_W", "phase"), [("2.2", "exploding"), ("1.8", "vanishing")])
def test_the_table_of_fixed_points_says_what_the_verdict_says(
    C_W: str, phase: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ReLU-like activation: around K* = 0 lengths change as distances do."""
    out = called(capsys, "relu", "--C-W", C_W)
    assert f"it is {phase}" in out and out.splitlines()[-1].split()[-1] == phase
    assert "chaotic" not in out and "ordered" not in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "Missing argument"),
        (["nothing"], "unknown activation 'nothing'"),
        (["1"], "constant"),
        (["where(x > 0, 1, -1)"], "discontinuous"),
        (["exp(x*x)"], "grows too fast"),
        (["tanh", "--C-b", "-1"], "C_b must not be negative"),
        (["tanh", "--C-W", "1", "--kernel", "0"], "must be positive"),
        (["tanh", "--C-W", "1e300"], "at most 1e+100"),
        (["tanh", "--C-W", "-1"], "C_W must be positive"),
        (["tanh", "--C-W", "1", "--C-b", "-1"], "C_b must not be negative"),
        (["tanh", "--C-W", "x"], "not a valid float"),
        (["tanh", "--C-W", "nan"], "finite"),
        (["tanh", "relu", "nothing"], "unknown activation 'nothing'"),
    ],
)
def test_wrong_calls_take_one_line(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["critical", *args]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("nneft: ") and err.count("\n") == 1 and said in err


def test_failed_numerics_have_a_code_of_their_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nneft import criticality
    from nneft.errors import NumericsError

    def fails(_: str) -> None:
        raise NumericsError("averages of it are not to be had")

    monkeypatch.setattr(criticality, "critical_point", fails)
    assert run(["critical", "tanh"]) == 3
    assert capsys.readouterr() == ("", "nneft: averages of it are not to be had\n")


@pytest.mark.parametrize("name", BUILTIN)
def test_every_builtin_activation_has_a_verdict(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = called(capsys, name, "--C-W", "0.01", "--C-b", "0.001").splitlines()[0]
    assert first.startswith(f"{name} is critical at C_W = ") or first == (
        f"{name} has no critical point."
    )
    [record] = report(capsys, name)
    assert record["verdict"] == first


def test_it_takes_no_time_after_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    called(capsys, "tanh")
    start = time.perf_counter()
    called(capsys, "silu")
    assert time.perf_counter() - start < 5.0  # 0.2 s alone; machines are shared
