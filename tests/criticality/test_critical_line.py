"""Shifted ReLUs: sigma bends only where it is 0, and all of the edge of chaos is critical."""

from math import erfc, exp, pi, sqrt

import numpy as np
import pytest

from nneft.activations import Activation
from nneft.cli.main import run
from nneft.criticality import critical_exponents, critical_point, fixed_points, phase_diagram


def closed(shift: float, kernel: float, slope: float = 0.0) -> tuple[float, float, float]:
    """C_W, C_b and curvature of ``sigma = y (y > 0), slope y (y < 0)`` with ``y = x - shift``.

    ``u = shift/sqrt(K)``: ``<sigma'^2> = P + a^2 (1 - P)`` with ``P = Phi(-u)``, and from
    ``<(x - t)^2; x > t> = (K + t^2) P - t sqrt(K) phi``  the kernel map.
    """
    u = shift / sqrt(kernel)
    above, density = 0.5 * erfc(u / sqrt(2.0)), exp(-0.5 * u * u) / sqrt(2.0 * pi)
    size, cross = kernel + shift**2, shift * sqrt(kernel) * density
    gradient = above + slope**2 * (1.0 - above)
    square = size * above - cross + slope**2 * (size * (1.0 - above) + cross)
    bend = 0.5 * (1.0 - slope**2) * density * shift / (2.0 * kernel**1.5) / gradient
    return 1.0 / gradient, kernel - square / gradient, bend


#: Expression, shift, slope on the left, and by how much other pieces add up.
SHIFTED = {
    "relu(x-1)": (1.0, 0.0, 1.0),
    "relu(x-2)": (2.0, 0.0, 1.0),
    "max(x-0.5,0)": (0.5, 0.0, 1.0),
    "max(3*x-0.7,0)": (0.7 / 3.0, 0.0, 9.0),
    "leaky_relu(x-1)": (1.0, 0.01, 1.0),
    "max(x-1,0)-max(-x-1,0)": (1.0, 0.0, 2.0),  # softshrink: both sides alike
}


@pytest.mark.parametrize("name", SHIFTED)
def test_the_point_that_stands_for_the_line(name: str) -> None:
    shift, slope, times = SHIFTED[name]
    w, b, bend = closed(shift, 1.0, slope)
    found = critical_point(name)
    assert found.universality_class == "half-stable line"
    assert found.kernel == 1.0 and found.stability == "stable from below"
    assert pytest.approx(w / times, rel=1e-13) == found.C_W
    assert found.C_b == pytest.approx(b, rel=1e-12)
    assert found.coefficients["curvature"] == pytest.approx(bend, rel=1e-11)
    assert found.chi_par == pytest.approx(1.0, abs=1e-13)
    assert "<sigma sigma''>_K = 0 at every K" in found.reason and "K* = 1" in found.reason
    assert found.alternatives == () and found.compromise is None


@pytest.mark.parametrize("name", SHIFTED)
def test_the_line_is_the_edge_of_chaos(name: str) -> None:
    shift, slope, times = SHIFTED[name]
    edge = critical_point(name).edge
    assert edge is not None and len(edge) > 50
    assert edge.chi_par == pytest.approx(1.0, abs=1e-12)
    for K, w, b in list(zip(edge.kernel, edge.C_W, edge.C_b, strict=True))[::20]:
        expected = closed(shift, float(K), slope)
        assert w == pytest.approx(expected[0] / times, rel=1e-5)  # faint at its lower end
        if 0.1 < K < 1e4:
            assert w == pytest.approx(expected[0] / times, rel=1e-11)
            assert b == pytest.approx(expected[1], abs=1e-11 * K)


@pytest.mark.parametrize("kernel", [1.0, 10.0])
def test_fixed_points_on_the_line(kernel: float) -> None:
    w, b, _ = closed(1.0, kernel)
    [point] = fixed_points("relu(x-1)", w, b)
    assert point.kernel == pytest.approx(kernel, rel=1e-6)  # a double root
    assert (point.chi_par, point.chi_perp) == pytest.approx((1.0, 1.0), abs=1e-6)


@pytest.mark.parametrize("shift", [1.0, 0.7])
def test_callables_have_no_roots_in_their_rounding(shift: float) -> None:
    mine = Activation(lambda x: np.maximum(x - shift, 0.0), kinks=(shift,))
    found = critical_point(mine)
    w, b, bend = closed(shift, 1.0)
    assert (found.universality_class, found.kernel) == ("half-stable line", 1.0)
    assert (found.C_W, found.C_b) == pytest.approx((w, b), rel=1e-10)
    assert found.coefficients["curvature"] == pytest.approx(bend, rel=1e-8)


def test_a_line_that_is_seen_by_large_kernels_alone() -> None:
    found = critical_point("relu(x-9)")
    assert found.kernel is not None and found.kernel > 9.0
    w, b, _ = closed(9.0, found.kernel)
    assert (found.C_W, found.C_b) == pytest.approx((w, b), rel=1e-10)
    assert "the nearest to 1 with C_b >= 0" in found.reason


@pytest.mark.parametrize("name", ["max(x+1,0)", "x+1", "abs(x-1)"])
def test_equal_everywhere_yet_never_one(name: str) -> None:
    """``sigma(0) = 1``, ``C_b = K - <sigma^2>/<sigma'^2> < 0`` at every K: at x + 1 it is -1."""
    found = critical_point(name)
    assert found.universality_class == "none" and len(found.edge) == 0
    assert "chi_par = chi_perp, but both are 1 only where C_b < 0" in found.reason
    bias = -1.0 if "max" not in name else closed(-1.0, 1.0)[1]
    assert f"with C_b = {bias:.6g}" in found.reason


def test_deep_flows_obey_the_class(capsys: pytest.CaptureFixture[str]) -> None:
    found = critical_exponents("relu(x-1)", depth=300, order=1)
    assert found["K_1"].agrees and found["V_4"].agrees
    assert found["V_4"].uncertainty is not None and found["V_4"].uncertainty < 1e-3


def test_what_is_said_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["critical", "relu(x-1)"]) == 0
    assert capsys.readouterr().out.startswith(
        "relu(x-1) is critical all along its edge of chaos, for one at C_W = 6.30297438, "
        "C_b = 0.525135276 with K* = 1: "
    )
    assert run(["phase", "max(x-1,0)", "--C-W", "1:7:20", "--C-b", "0:3:20"]) == 0
    assert "is critical all along its edge of chaos, for one at" in capsys.readouterr().out
    data = phase_diagram("max(x-1,0)", [1.0, 7.0], [0.0, 3.0])
    assert data.attrs["universality_class"] == "half-stable line"
    assert "negative" not in data.attrs["critical_reason"]


def test_exponentials_of_any_rate() -> None:
    """``exp(r x)``: ``C_W = exp(-2 r^2 K)/r^2``, ``C_b = K - 1/r^2``, as exp with K r^2 for K."""
    edge = critical_point("exp(5*x)").edge
    assert edge is not None
    assert edge.kernel[0] == pytest.approx(0.04, rel=1e-12)
    assert edge.C_W == pytest.approx(np.exp(-50.0 * edge.kernel) / 25.0, rel=1e-9)
    assert edge.C_b == pytest.approx(edge.kernel - 0.04, abs=1e-10)
