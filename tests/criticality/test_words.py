"""What results say of themselves when printed: words and numbers, never arrays."""

import pytest

import nneft
from nneft.cli.main import run
from nneft.criticality import close_pair, critical_point, fixed_points, susceptibility


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "elu", "sigmoid", "softplus"])
def test_a_critical_point_says_what_the_command_line_says(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    point = critical_point(name)
    assert run(["critical", name]) == 0
    assert capsys.readouterr().out == f"{point}\n"
    assert "array(" not in str(point) + repr(point)
    assert repr(point).startswith(f"CriticalPoint(activation='{name}'")
    if point.C_W is not None:
        assert f"{point.C_W:.10g}" in str(point)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish"])
def test_half_stable_points_say_when_their_powers_set_in(name: str) -> None:
    """``x' = x - a x^2`` from ``x = K*``: the local power of l is ten per cent off -1 there."""
    point = critical_point(name)
    [line] = [line for line in str(point).splitlines() if line.startswith("  which set in")]
    late = float(line.split("some ")[1].split()[0].replace(",", ""))
    assert point.kernel is not None
    bend = abs(point.coefficients["curvature"])
    power = bend * late / (1.0 / point.kernel + bend * late)
    assert power == pytest.approx(0.9, abs=0.05)
    assert "which set in" not in str(critical_point("tanh"))


def test_an_edge_is_a_line_of_text() -> None:
    edge = critical_point("sigmoid").edge
    assert repr(edge).startswith(
        f"Edge({len(edge)} points, from C_W=103.008, C_b=0, kernel=45.6243"
    )
    assert len(repr(edge)) < 150 and "array(" not in str(edge)
    assert repr(critical_point("softplus").edge) == "Edge(empty)"


def test_fixed_points_are_listed() -> None:
    found = fixed_points("tanh", 4.0)
    head, *lines = str(found).splitlines()
    assert head == found.reason and len(lines) == len(found)
    assert lines[1].startswith("  K* = 2.12147357: stable, chaotic, chi_par = 0.3309671")
    assert str(found[1]) == lines[1].strip()


def test_a_susceptibility_says_how_far_it_is_from_the_identity() -> None:
    chi = susceptibility("relu", C_W=2.0, kernel=[[1.0, 1.0], [1.0, 1.0]])
    head, *lines = str(chi).splitlines()
    assert head.startswith(f"chi on the kernel of 2 inputs: {chi.distance:.6g} off the identity")
    assert [line.split("  ")[1] for line in lines] == [
        *("chi_par", "chi_perp", "spectrum", "depth scales")
    ]
    many = susceptibility(
        "relu", C_W=1.0, kernel=[[2.0 if i == j else 1.0 for j in range(9)] for i in range(9)]
    )
    assert max(map(len, str(many).splitlines())) < 120


def test_a_close_pair_is_a_table() -> None:
    pair = close_pair(nneft.flow(nneft.Network((1, *[9] * 40), "tanh", 1.0), kernel=1.0))
    lines = str(pair).splitlines()
    assert lines[0].split() == ["layer", "log_K_dd", "V_00dd", "V_0d0d", "V_dddd"]
    assert len(lines) < 15 and lines[-1].split()[0] == "40"
    assert float(lines[-1].split()[1]) == pytest.approx(float(pair.log_K_dd[-1]), rel=1e-5)
