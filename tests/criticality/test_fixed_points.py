"""Fixed points of the kernel and of the correlation, against solutions in multiple precision."""

import numpy as np
import pytest
from criticality import truth
from mpmath import mp

from nneft.activations import resolve
from nneft.criticality import critical_point, fixed_points
from nneft.criticality.averages import averages
from nneft.errors import NumericsError
from nneft.network import Network
from nneft.rg.driver import flow


def test_tanh_at_four_times_critical() -> None:
    zero, found = fixed_points("tanh", 4.0, 0.0)
    assert (zero.kernel, zero.stability, zero.chi_perp) == (0.0, "unstable", 4.0)
    assert found.kernel == pytest.approx(2.121473568, abs=5e-10)
    assert found.chi_par == pytest.approx(0.3309671, abs=5e-8)
    assert found.chi_perp == pytest.approx(1.3626733, abs=5e-8)
    assert (found.stability, found.phase) == ("stable", "chaotic")
    # an odd map: the correlation forgets everything
    assert [p.c for p in found.correlations] == [-1.0, 0.0, 1.0]
    assert found.correlation == 0.0


@pytest.mark.parametrize(
    ("C_W", "C_b"), [(0.5, 0.3), (1.76, 0.05), (4.0, 0.0), (4.0, 0.4), (1.001, 0.0)]
)
def test_kernels_to_ten_digits(C_W: float, C_b: float) -> None:
    found = fixed_points("tanh", C_W, C_b)[-1]
    with mp.workdps(20):

        def excess(K: mp.mpf) -> mp.mpf:
            return C_b + C_W * truth.averages("tanh", K)[0] - K

        guess = found.kernel
        exact = mp.findroot(excess, (guess * 0.999, guess * 1.001), tol=1e-16)
        _square, gradient, curvature = truth.averages("tanh", exact)
        assert abs(found.kernel / exact - 1) < 1e-10
        assert abs(found.chi_perp - C_W * gradient) < 1e-10
        assert abs(found.chi_par - C_W * (gradient + curvature)) < 1e-10


def test_one_sided_stability_at_a_half_stable_point() -> None:
    point = critical_point("mish")
    found = fixed_points("mish", point.C_W, point.C_b)
    at = [p for p in found if abs(p.kernel - point.kernel) < 1e-4]
    # to rounding it is one double root, or two that touch
    assert {p.stability for p in at} <= {"stable from below", "stable", "unstable"}
    assert found.explodes_above is not None
    # a little less bias: two apart, the lower stable
    low, high = fixed_points("mish", point.C_W, point.C_b - 1e-4)[-2:]
    assert (low.stability, high.stability) == ("stable", "unstable")
    assert low.kernel < point.kernel < high.kernel
    # a little more: none, and every kernel grows for ever
    none = fixed_points("mish", point.C_W, point.C_b + 1e-4)
    assert len(none) == 0 and none.explodes_above == 0.0
    assert "none up to K" in none.reason


def test_gelu_at_its_half_stable_point_has_a_stable_one_below() -> None:
    """So kernels that start below end up there, not at the critical point."""
    point = critical_point("gelu")
    below, half = fixed_points("gelu", point.C_W, point.C_b)
    assert half.kernel == pytest.approx(point.kernel, rel=1e-6)
    assert half.stability == "stable from above"
    assert below.stability == "stable" and below.kernel < 0.9 * point.kernel
    K = below.kernel
    assert point.C_b + point.C_W * averages(resolve("gelu"), np.array([K])).square[0] == (
        pytest.approx(K, rel=1e-12)
    )


def test_silu_at_its_half_stable_point_has_a_stable_one_close_above() -> None:
    """Two per cent apart: C_W d<sigma^2>/dK is 1 twice in between."""
    point = critical_point("silu")
    half, above = fixed_points("silu", point.C_W, point.C_b)
    assert half.kernel == pytest.approx(point.kernel, rel=1e-5)
    assert (half.stability, above.stability) == ("stable from below", "stable")
    assert above.kernel == pytest.approx(14.593, abs=1e-3)


def test_relu_has_a_line_or_nothing_or_zero() -> None:
    line = fixed_points("relu", 2.0, 0.0)
    assert line.line and line[0].stability == "line" and line.explodes_above is None
    up = fixed_points("relu", 2.5, 0.0)
    assert [p.stability for p in up] == ["unstable"] and up.explodes_above == 0.0
    off = fixed_points("relu", 2.0, 0.1)
    assert (
        len(off) == 0 and "chi = C_W (a_-^2 + a_+^2)/2 = 1 >= 1: none, as C_b = 0.1" in off.reason
    )
    [down] = fixed_points("relu", 1.5, 0.1)
    assert down.kernel == pytest.approx(0.4, rel=1e-15)
    assert (down.phase, down.correlation) == ("ordered", 1.0)


def test_quadratic_explodes_above_its_unstable_point() -> None:
    # K = C_b + 3 C_W K^2
    low, high = fixed_points("quadratic", 1.0, 0.01)
    roots = np.sort(np.roots([3.0, -1.0, 0.01]))
    assert [low.kernel, high.kernel] == pytest.approx(roots, rel=1e-13)
    assert (low.stability, high.stability) == ("stable", "unstable")
    assert fixed_points("quadratic", 1.0, 0.01).explodes_above == high.kernel
    assert len(fixed_points("quadratic", 1.0, 0.1)) == 0


@pytest.mark.parametrize(
    ("name", "C_W", "C_b"), [("tanh", 3.0, 0.3), ("selu", 0.8, 0.2), ("sigmoid", 60.0, 0.0)]
)
def test_flows_of_two_inputs_end_at_the_fixed_points(name: str, C_W: float, C_b: float) -> None:
    found = [p for p in fixed_points(name, C_W, C_b) if p.stability == "stable"][-1]
    kernel = found.kernel * np.array([[1.02, 0.6], [0.6, 0.98]])
    end = flow(Network((1,) * 301, name, C_W, C_b), kernel=kernel, order=0).K(0)[-1]
    assert end[0, 0] == pytest.approx(found.kernel, rel=1e-4)
    assert end[0, 1] / end[0, 0] == pytest.approx(found.correlation, abs=1e-6)


def test_correlations_solve_their_equation_for_erf() -> None:
    # <erf erf> = (2/pi) asin(2 K c / (1 + 2 K))
    C_W, C_b = 2.0, 0.1
    point = fixed_points("erf", C_W, C_b)[0]
    K = point.kernel
    with mp.workdps(25):
        exact = mp.findroot(
            lambda c: C_b + C_W * 2 / mp.pi * mp.asin(2 * K * c / (1 + 2 * K)) - K * c, 0.5
        )
    assert point.chi_perp > 1.0
    assert point.correlation == pytest.approx(float(exact), rel=1e-12)
    stable = next(p for p in point.correlations if p.c == point.correlation)
    assert stable.stable and stable.chi < 1.0


@pytest.mark.parametrize(("C_W", "C_b"), [(0.0, 0.0), (-1.0, 0.0), (1.0, -0.1), (np.inf, 0.0)])
def test_variances_that_make_no_sense(C_W: float, C_b: float) -> None:
    with pytest.raises(ValueError, match="C_W|C_b"):
        fixed_points("tanh", C_W, C_b)


def test_types() -> None:
    with pytest.raises(TypeError, match="one number"):
        fixed_points("tanh", [1.0, 2.0], 0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("C_W", [1e-120, 1e-40, 1e-5, 0.01, 0.1, 0.18, 0.2])
def test_exponential_by_lamberts_function(C_W: float) -> None:
    """``K = C_W exp(2K)``: ``-2K = W(-2 C_W)``, two of them up to ``C_W = 1/(2e)``, then none."""
    found = fixed_points("exp", C_W)
    largest = 0.5 / np.e
    if largest < C_W:
        assert len(found) == 0 and found.explodes_above == 0.0
        assert found.reached(1.0) is None
        return
    with mp.workdps(30):
        low, high = (float(-mp.lambertw(-2 * mp.mpf(C_W), k).real / 2) for k in (0, -1))
    assert found[0].kernel == pytest.approx(low, rel=1e-12)
    assert found[0].stability == "stable"
    if high < found.searched:
        assert found.explodes_above == pytest.approx(high, rel=1e-12)
    else:
        assert len(found) == 1 and found.explodes_above is None
        assert "one more lies beyond K = 2" in found.reason


@pytest.mark.parametrize(
    ("name", "C_W", "C_b"),
    [
        ("tanh", 4.0, 0.1),
        ("gelu", 2.5, 0.0),
        ("relu", 2.2, 0.0),
        ("relu", 1.0, 0.5),
        ("silu", 2.1, 0),
    ],
)
def test_the_fixed_point_reached_is_where_kernels_end(name: str, C_W: float, C_b: float) -> None:
    found, starts = fixed_points(name, C_W, C_b), np.array([1e-3, 0.5, 1.0, 30.0])
    last = starts.copy()
    for _ in range(400):
        last = np.minimum(C_b + C_W * averages(resolve(name), last).square, 1e6)
    for start, end in zip(starts, last, strict=True):
        reached = found.reached(start)
        if reached is None:
            assert end == 1e6
        else:
            assert end == pytest.approx(reached.kernel, rel=1e-6, abs=1e-12)


def test_from_where_nothing_is_known_is_said() -> None:
    with pytest.raises(NumericsError, match="grow beyond"):
        fixed_points("tanh", 1e90).reached()
    for wrong in (0.0, -1.0, np.nan, np.inf, 1e30):
        with pytest.raises(ValueError, match="kernel that flows start from"):
            fixed_points("tanh", 2.0).reached(wrong)
    line = fixed_points("relu", 2.0).reached(3.0)
    assert line is not None and (line.kernel, line.phase) == (3.0, "critical")


def test_large_variances_overflow_nowhere() -> None:
    """Warnings are errors here."""
    fixed_points("tanh", 1e100)
    fixed_points("x**7", 1e100, 1e100)
    with pytest.raises(ValueError, match=r"C_W must be at most 1e\+100, got 1e\+300"):
        fixed_points("tanh", 1e300)
