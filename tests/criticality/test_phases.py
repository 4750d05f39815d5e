"""Phase diagrams: random points in multiple precision, the edge of chaos, other activations."""

import time

import numpy as np
import pytest
from criticality import truth
from mpmath import mp

from nneft.activations import resolve
from nneft.criticality import critical_point, fixed_points, phase_diagram
from nneft.criticality.averages import averages

C_W, C_b = np.linspace(0.1, 4.0, 60), np.linspace(0.0, 1.0, 50)


def _at(data, i: int, j: int) -> dict[str, float]:  # type: ignore[no-untyped-def]
    return {name: float(data[name][i, j]) for name in data.data_vars if data[name].ndim == 2}


@pytest.mark.parametrize("name", ["tanh", "gelu", "sigmoid"])
def test_random_points_against_multiple_precision(name: str) -> None:
    data = phase_diagram(name, C_W, C_b)
    rng = np.random.default_rng(1)
    finite = np.argwhere(np.isfinite(data.kernel.values) & (data.kernel.values > 0.0))
    for i, j in finite[rng.choice(len(finite), 5, replace=False)]:
        found = _at(data, i, j)
        w, b = mp.mpf(float(C_W[i])), mp.mpf(float(C_b[j]))
        with mp.workdps(17):
            K = mp.mpf(found["kernel"])
            for _ in range(2):  # Newton, from what was found
                square, gradient, curvature = truth.averages(name, K)
                K -= (b + w * square - K) / (w * (gradient + curvature) - 1)
            assert abs(found["kernel"] / K - 1) < 1e-9
            assert abs(found["chi_perp"] - w * gradient) < 1e-9
            assert abs(found["chi_par"] - w * (gradient + curvature)) < 1e-9
        assert found["xi_perp"] == pytest.approx(-1 / np.log(found["chi_perp"]), rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "erf", "selu", "gelu", "sin", "min(max(x, -1), 1)"])
def test_every_point_is_what_fixed_points_finds(name: str) -> None:
    """One by one, by other code: brackets on nodes, Brent's method, direct averages."""
    data = phase_diagram(name, C_W, C_b)
    rng = np.random.default_rng(3)
    for i, j in zip(rng.integers(0, 60, 12), rng.integers(0, 50, 12)):
        found = _at(data, i, j)
        every = fixed_points(name, C_W[i], C_b[j])
        assert found["fixed_points"] == len(every)
        if np.isinf(found["kernel"]):
            assert every.explodes_above is not None and every.explodes_above < 1.0
            assert data.phase[i, j] == 3
            continue
        point = min(every, key=lambda p: abs(p.kernel - found["kernel"]))
        assert point.kernel == pytest.approx(found["kernel"], rel=1e-11)
        assert point.stability == "stable"
        assert point.chi_par == pytest.approx(found["chi_par"], rel=1e-10)
        assert point.chi_perp == pytest.approx(found["chi_perp"], rel=1e-10)
        assert ["ordered", "critical", "chaotic"][int(found["phase"])] == point.phase
        assert found["correlation"] == pytest.approx(point.correlation, abs=1e-9)
        stable = [p for p in point.correlations if p.c == point.correlation]
        assert found["chi_c"] == pytest.approx(stable[0].chi, abs=1e-9)


def test_where_kernels_start_decides_between_fixed_points() -> None:
    point = critical_point("gelu")
    grid = ([point.C_W - 1e-6], [point.C_b - 1e-6])
    every = list(fixed_points("gelu", grid[0][0], grid[1][0]))
    low = phase_diagram("gelu", *grid, kernel=0.5)
    assert float(low.kernel[0, 0]) == pytest.approx(every[0].kernel, rel=1e-10)
    # quadratic: below the unstable one to the lower, above it away
    low, high = (phase_diagram("quadratic", [1.0], [0.01], kernel=K) for K in (0.3, 0.4))
    assert float(low.kernel[0, 0]) == pytest.approx(0.0103194746725524, rel=1e-12)
    assert np.isinf(high.kernel[0, 0]) and high.phase[0, 0] == 3


#: (C_b, C_W) of tanh's edge of chaos.
TANH = (2.01e-5, 0.0025, 0.04, 0.05, 0.09, 0.1, 0.3, 1.0)


def _edge_of_tanh(bias: float) -> tuple[mp.mpf, mp.mpf, mp.mpf]:
    """K*, C_W, chi_par with ``C_W <sigma'^2> = 1`` and ``K = C_b + C_W <sigma^2>``."""

    def excess(K: mp.mpf) -> mp.mpf:
        square, gradient, _ = truth.averages("tanh", K)
        return K - square / gradient - bias

    # at small K, C_b = K - K (1 - 2K + 17/3 K^2)/(1 - 2K + 5..) ~ (4/3) K^3
    guess = mp.cbrt(mp.mpf(bias) * 3 / 4) if bias < 0.01 else mp.mpf(bias) + mp.mpf("0.5")
    K = mp.findroot(excess, (guess, guess * mp.mpf("1.2")), tol=1e-15)
    _square, gradient, curvature = truth.averages("tanh", K)
    return K, 1 / gradient, 1 + curvature / gradient


@pytest.mark.parametrize("bias", TANH)
def test_the_edge_of_chaos_of_tanh_in_multiple_precision(bias: float) -> None:
    with mp.workdps(17):
        K, C_W_, chi_par = _edge_of_tanh(bias)
    point = fixed_points("tanh", float(C_W_), bias)[-1]
    # chi_perp = 1 to the rounding of C_W and what it does to K*
    assert point.chi_perp == pytest.approx(1.0, abs=1e-12)
    assert point.kernel == pytest.approx(float(K), rel=1e-9)
    assert point.chi_par == pytest.approx(float(chi_par), rel=1e-9)
    if bias == 0.05:
        assert float(C_W_) == pytest.approx(1.76095464, abs=5e-9)
        assert float(K) == pytest.approx(0.57004788, abs=5e-9)
        assert float(chi_par) == pytest.approx(0.518186, abs=5e-7)
    # and the curve of a diagram that holds it passes there
    data = phase_diagram("tanh", [0.9, float(C_W_) + 0.1], [0.0, bias * 1.05])
    at = np.interp(np.log(float(K)), np.log(data.edge_kernel[1:]), data.edge_C_W[1:])
    assert at == pytest.approx(float(C_W_), rel=1e-4)


def test_the_edge_of_chaos_is_a_curve_of_its_own() -> None:
    coarse = phase_diagram("tanh", [0.5, 4.0], [0.0, 1.0])
    K, w, b = (coarse[f"edge_{n}"].values for n in ("kernel", "C_W", "C_b"))
    assert (K[0], w[0], b[0]) == (0.0, 1.0, 0.0)
    assert np.all(np.diff(K) > 0.0) and len(K) > 100
    # to the upper right
    assert np.all(np.diff(w) >= 0.0) and np.all(np.diff(b) >= 0.0)
    assert b[-1] > 1.0 or w[-1] > 4.0
    at = averages(resolve("tanh"), K)
    assert w * at.gradient == pytest.approx(1.0, rel=1e-12)
    assert b + w * at.square == pytest.approx(K, abs=1e-13)
    assert coarse.edge_chi_par.values == pytest.approx(w * at.slope, rel=1e-12)
    inside = (w < 4.0) & (b < 1.0)
    steps = np.hypot(np.diff(w) / 3.5, np.diff(b))
    assert np.max(steps[inside[:-1]]) < 0.02


def test_tanh_is_ordered_above_and_left_and_chaotic_below_and_right() -> None:
    data = phase_diagram("tanh", C_W, C_b)
    phase = data.phase.values
    assert phase[0, -1] == 0 and phase[-1, 0] == 2
    w, b = data.edge_C_W.values, data.edge_C_b.values
    for i in np.flatnonzero(C_W > 1.05):
        line = np.interp(C_W[i], w, b)
        assert np.all(phase[i, C_b < line * 0.999 - 1e-9] == 2)
        assert np.all(phase[i, C_b > line * 1.001 + 1e-9] == 0)
    assert np.all(phase[C_W < 1.0] == 0)
    assert np.all(data.correlation.values[phase == 0] == 1.0)
    assert np.all(data.correlation.values[phase == 2] < 1.0)
    assert np.all(data.chi_c.values[phase == 2] < 1.0)
    assert (data.attrs["critical_C_W"], data.attrs["critical_C_b"]) == (1.0, 0.0)


def test_relu_like_activations() -> None:
    data = phase_diagram("relu", [1.0, 2.0, 3.0], [0.0, 0.5])
    meanings = data.phase.attrs["flag_meanings"].split()
    names = [[meanings[p] for p in row] for row in data.phase.values]
    assert names == [["vanishing", "ordered"], ["critical", "exploding"], ["exploding"] * 2]
    assert data.kernel.values.tolist() == [[0.0, 1.0], [1.0, np.inf], [np.inf, np.inf]]
    assert data.fixed_points.values.tolist() == [[1, 1], [-1, 0], [1, 0]]
    assert np.all(data.edge_C_W == 2.0)
    assert np.isinf(data.xi_par[1, 0])


def test_gelu_explodes_beyond_two() -> None:
    data = phase_diagram("gelu", [1.9, 2.1], [0.5])
    assert np.isfinite(data.kernel[0, 0]) and np.isinf(data.kernel[1, 0])
    assert data.phase[1, 0] == 3
    assert data.chi_par[1, 0] == pytest.approx(1.05, rel=1e-12)
    assert data.attrs["critical_kernel"] == pytest.approx(3.56155281, abs=5e-9)


@pytest.mark.parametrize(
    ("w", "b", "said"),
    [
        ([0.0, 1.0], [0.0], "C_W must be positive, got 0"),
        ([-1.0, 1.0], [0.0], "C_W must be positive, got -1"),
        ([1.0], [-0.1, 0.1], "C_b must not be negative"),
        ([2.0, 1.0], [0.0], "ascending"),
        ([], [0.0], "at least one"),
        ([[1.0]], [0.0], "one axis"),
        ([np.nan], [0.0], "finite"),
    ],
)
def test_grids_that_make_no_sense(w: list[float], b: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        phase_diagram("tanh", w, b)


def test_other_wrong_calls() -> None:
    with pytest.raises(ValueError, match="discontinuous"):
        phase_diagram("where(x > 0, 1, -1)", [1.0], [0.0])
    with pytest.raises(ValueError, match="start from"):
        phase_diagram("tanh", [1.0], [0.0], kernel=0.0)
    with pytest.raises(ValueError, match="too large"):
        phase_diagram("tanh", np.linspace(1, 2, 4000), np.linspace(0, 1, 4000))


def test_a_grid_of_forty_thousand_takes_seconds() -> None:
    phase_diagram("tanh", [1.0], [0.0])  # the table is made once
    start = time.perf_counter()
    data = phase_diagram("tanh", np.linspace(0.1, 4.0, 200), np.linspace(0.0, 1.0, 200))
    assert time.perf_counter() - start < 20.0  # 1.5 s alone; machines are shared
    assert data.phase.shape == (200, 200)
    assert np.all(np.isfinite(data.kernel))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tanh", "erf", "gelu", "silu", "mish", "sigmoid", "elu", "sin"])
def test_many_random_points_against_multiple_precision(name: str) -> None:
    data = phase_diagram(name, C_W, C_b)
    rng = np.random.default_rng(11)
    finite = np.argwhere((data.kernel.values < 100.0) & (data.kernel.values > 0.0))
    for i, j in finite[rng.choice(len(finite), 40, replace=False)]:
        found = _at(data, i, j)
        w, b = mp.mpf(float(C_W[i])), mp.mpf(float(C_b[j]))
        with mp.workdps(17):
            K = mp.mpf(found["kernel"])
            for _ in range(2):
                square, gradient, curvature = truth.averages(name, K)
                K -= (b + w * square - K) / (w * (gradient + curvature) - 1)
            assert abs(found["kernel"] / K - 1) < 1e-9
            assert abs(found["chi_perp"] - w * gradient) < 1e-9
            assert abs(found["chi_par"] - w * (gradient + curvature)) < 1e-9


def test_the_number_of_fixed_points_has_no_false_border() -> None:
    """exp: ``K = C_b + C_W exp(2K)`` has two solutions or none, known to the table or not."""
    w, b = np.geomspace(1e-4, 0.4, 40), np.linspace(0.0, 0.9, 10)
    data = phase_diagram("exp", w, b, kernel=1e-6)
    W, B = np.meshgrid(w, b, indexing="ij")
    there = -0.5 * np.log(2.0 * W) - 0.5 > B
    np.testing.assert_array_equal(data.fixed_points.values, np.where(there, 2, 0))
    np.testing.assert_array_equal(np.isinf(data.kernel.values), ~there)


def test_where_slopes_are_one_far_out_kernels_that_grow_explode() -> None:
    """GELU at ``C_W = 2``: ``K' - K`` tends to C_b > 0, which rounding hides at large K."""
    data = phase_diagram("gelu", [2.0], [0.05, 0.3], kernel=30.0)
    assert data.phase.attrs["flag_meanings"].split()[int(data.phase[0, 1])] == "exploding"
    found = fixed_points("gelu", 2.0, 0.3)
    assert found.explodes_above is not None and found.reached(30.0) is None
