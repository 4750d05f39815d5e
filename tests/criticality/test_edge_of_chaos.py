"""The edge of chaos at a given C_b, against solutions that know nothing of C_W either."""

import numpy as np
import pytest
from criticality import truth
from mpmath import mp
from scipy.optimize import brentq

from nneft.activations import Activation
from nneft.criticality import critical_point, edge_of_chaos, fixed_points, phase_diagram


def _solved(name: str, bias: float, guess: float) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    """C_W, K*, chi_par from ``K - <sigma^2>/<sigma'^2> = C_b``, by secants on mpmath's averages."""

    def excess(K: mp.mpf) -> mp.mpf:
        square, gradient, _ = truth.averages(name, K)
        return K - square / gradient - mp.mpf(bias)

    K = mp.findroot(excess, (guess, guess * 1.1), tol=1e-40)
    _, gradient, curvature = truth.averages(name, K)
    return 1 / gradient, K, 1 + curvature / gradient


@pytest.mark.parametrize("bias", [2.01e-5, 0.0025, 0.04, 0.05, 0.09, 0.1, 0.3, 1.0])
def test_tanh_in_multiple_precision(bias: float) -> None:
    [point] = edge_of_chaos("tanh", bias)
    # at small K C_b = (4/3) K^3, and the guess owes nothing to what was found
    guess = (0.75 * bias) ** (1 / 3) * 1.05 if bias < 0.01 else bias + 0.5
    with mp.workdps(20):
        C_W, K, chi_par = _solved("tanh", bias, guess)
    assert point.C_b == bias
    assert point.C_W == pytest.approx(float(C_W), rel=1e-12)
    assert point.kernel == pytest.approx(float(K), rel=1e-12)
    assert point.chi_par == pytest.approx(float(chi_par), rel=1e-12)
    assert point.stable


@pytest.mark.parametrize(("name", "bias", "guess"), [("erf", 0.1, 0.5), ("gelu", 0.05, 0.7)])
def test_others_in_multiple_precision(name: str, bias: float, guess: float) -> None:
    [point] = edge_of_chaos(name, bias)
    with mp.workdps(20):
        C_W, K, chi_par = _solved(name, bias, guess)
    assert (point.C_W, point.kernel, point.chi_par) == pytest.approx(
        (float(C_W), float(K), float(chi_par)), rel=1e-12
    )
    assert point.stable == (name == "erf")


@pytest.mark.parametrize("bias", [1e-30, 1e-12, 1e-6, 0.1, 3.0])
def test_sine_in_closed_form(bias: float) -> None:
    """``<sin^2>, <cos^2> = (1 -+ e)/2`` with ``e = exp(-2K)``: ``C_b = K - tanh K``."""

    def excess(K: float) -> float:  # the series where tanh cancels
        small = K**3 / 3.0 - 2.0 * K**5 / 15.0 + 17.0 * K**7 / 315.0
        return (small if K < 1e-2 else K - np.tanh(K)) - bias

    K = brentq(excess, 1e-12, bias + 2.0, xtol=1e-300, rtol=1e-14)
    [point] = edge_of_chaos("sin", bias)
    assert point.kernel == pytest.approx(K, rel=1e-12 if bias > 1e-20 else 1e-6)
    # C_W = 1 + tanh K
    assert point.C_W - 1.0 == pytest.approx(np.tanh(K), rel=1e-12, abs=1e-14)
    assert point.chi_par == pytest.approx(1.0 - np.tanh(K), abs=1e-12)


@pytest.mark.parametrize(("name", "C_W"), [("tanh", 1.0), ("relu", 2.0), ("gelu", 4.0)])
def test_without_biases_it_starts_at_zero(name: str, C_W: float) -> None:
    [point] = edge_of_chaos(name, 0.0)
    assert (*point,) == pytest.approx((C_W, 0.0, 0.0, 1.0), abs=1e-12)


def test_where_there_is_none_and_where_there_are_several() -> None:
    assert edge_of_chaos("softplus", 0.3) == ()
    assert edge_of_chaos("relu", 0.1) == ()
    # every C_b between its extrema, for a C_b(K) that turns: roots are simple and all there
    name = "x + 2*sin(3*x)"
    edge = phase_diagram(name, [0.01, 4.0], [0.0, 4.0])
    turns = np.flatnonzero(np.diff(np.sign(np.diff(edge.edge_C_b.values))))
    points = edge_of_chaos(name, 0.2)
    expected = np.count_nonzero(np.diff(np.sign(edge.edge_C_b.values - 0.2)))
    assert len(points) == expected and len(points) <= len(turns) + 1
    assert [p.kernel for p in points] == sorted(p.kernel for p in points)


def test_a_critical_line_passes_there() -> None:
    point = critical_point("relu(x-1)")
    assert point.C_b is not None
    [found] = edge_of_chaos("relu(x-1)", point.C_b)
    assert (found.C_W, found.kernel) == pytest.approx((point.C_W, 1.0), rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "elu", "mish", "sigmoid", "x/(1+abs(x))"])
def test_its_points_are_critical_fixed_points(name: str) -> None:
    for point in edge_of_chaos(name, 0.07):
        every = fixed_points(name, point.C_W, 0.07)
        near = min(every, key=lambda p: abs(p.kernel - point.kernel))
        assert near.kernel == pytest.approx(point.kernel, rel=1e-10)
        assert near.chi_perp == pytest.approx(1.0, abs=1e-12) and near.phase == "critical"
        assert (near.stability == "stable") == point.stable


def test_callables_too() -> None:
    [found] = edge_of_chaos(Activation(np.tanh, name="mine"), 0.05)
    [exact] = edge_of_chaos("tanh", 0.05)
    assert found.C_W == pytest.approx(exact.C_W, rel=1e-10)
    assert str(found).startswith("C_W = 1.76095463")


@pytest.mark.parametrize("bias", [-0.1, np.inf, np.nan])
def test_wrong_biases(bias: float) -> None:
    with pytest.raises(ValueError, match="C_b must"):
        edge_of_chaos("tanh", bias)
