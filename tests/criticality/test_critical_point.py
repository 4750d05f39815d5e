"""Critical points: the literature's numbers, the conditions themselves, and who has none."""

import numpy as np
import pytest
from criticality import truth
from mpmath import mp

from nneft.activations import Activation, leaky_relu, names, polynomial, resolve
from nneft.criticality import critical_point
from nneft.criticality.averages import averages
from nneft.network import Network
from nneft.rg.driver import flow

#: class, C_W, C_b, K*
POINTS = {
    "linear": ("scale-invariant", 1.0, 0.0, None),
    "relu": ("scale-invariant", 2.0, 0.0, None),
    "leaky_relu(0.2)": ("scale-invariant", 2.0 / 1.04, 0.0, None),
    "abs(x)": ("scale-invariant", 1.0, 0.0, None),
    "tanh": ("K*=0", 1.0, 0.0, 0.0),
    "sin": ("K*=0", 1.0, 0.0, 0.0),
    "erf": ("K*=0", np.pi / 4, 0.0, 0.0),
    "x*exp(-x**2)": ("K*=0", 1.0, 0.0, 0.0),
    "min(max(x, -1), 1)": ("K*=0", 1.0, 0.0, 0.0),
    "elu": ("K*=0 with a kink", 1.0, 0.0, 0.0),
    "selu": ("K*=0 with a kink", 0.476771, 0.0, 0.0),
    "x/(1 + abs(x))": ("K*=0 with a kink", 1.0, 0.0, 0.0),
    "gelu": ("half-stable", 1.98305826, 0.17292239, 3.56155281),
    "silu": ("half-stable", 1.98800468, 0.55514317, 14.32017362),
    "mish": ("half-stable", 2.01352407, 0.09452179, 1.67016913),
}


@pytest.mark.parametrize("name", POINTS)
def test_numbers_of_the_literature(name: str) -> None:
    kind, C_W, C_b, kernel = POINTS[name]
    found = critical_point(name)
    assert found.universality_class == kind
    assert pytest.approx(C_W, abs=6e-9 if name != "selu" else 5e-7) == found.C_W
    assert found.C_b == pytest.approx(C_b, abs=6e-9)
    if kernel is None:
        assert found.kernel is None and found.stability == "line"
    else:
        assert found.kernel == pytest.approx(kernel, abs=6e-9)
    assert found.chi_par == pytest.approx(1.0, abs=1e-12)
    assert found.chi_perp == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish"])
def test_half_stable_points_satisfy_their_conditions_in_multiple_precision(name: str) -> None:
    found = critical_point(name)
    with mp.workdps(20):
        K = mp.mpf(found.kernel)
        square, gradient, curvature = truth.averages(name, K)
        # how far K* is off: <sigma sigma''> over its slope in K
        h = K / 1000
        slope = (truth.averages(name, K + h)[2] - truth.averages(name, K - h)[2]) / (2 * h)
        assert abs(curvature / slope / K) < 1e-10
        assert abs(found.C_W * gradient - 1) < 1e-10
        assert abs((found.C_b + found.C_W * square) / K - 1) < 1e-10


@pytest.mark.parametrize(
    ("name", "side"), [("gelu", "above"), ("silu", "below"), ("mish", "below")]
)
def test_half_stable_means_stable_from_one_side(name: str, side: str) -> None:
    found = critical_point(name)
    assert found.stability == f"stable from {side}"
    bend = found.coefficients["curvature"]
    assert (bend > 0) == (side == "below")
    # K' - K* = curvature (K - K*)^2: from kernels on both sides, which know of no derivatives
    h = found.kernel * np.array([0.02, 0.04])
    at = found.kernel + h * np.array([[-1.0], [0.0], [1.0]])
    down, here, up = found.C_b + found.C_W * averages(resolve(name), at).square - at
    near, far = (up + down - 2.0 * here) / (2.0 * h**2)
    assert (4.0 * near - far) / 3.0 == pytest.approx(bend, rel=1e-2)
    assert here == pytest.approx(0.0, abs=1e-14 * found.kernel)
    [other] = found.alternatives
    assert (other.universality_class, other.kernel, other.C_b) == ("K*=0", 0.0, 0.0)
    assert other.stability == "unstable"
    assert pytest.approx(1.0 / resolve(name).derivatives(0.0, 1)[1] ** 2, rel=1e-15) == other.C_W


def test_gelu_also_has_an_unstable_one_at_four() -> None:
    [other] = critical_point("gelu").alternatives
    assert other.C_W == 4.0
    assert other.coefficients["a_1"] == pytest.approx(0.75 * (np.sqrt(2 / np.pi) / 0.5) ** 2)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "exp", "cos", "quadratic", "x**3"])
def test_some_have_none_and_say_why(name: str) -> None:
    found = critical_point(name)
    assert found.universality_class == "none"
    assert found.C_W is None and found.C_b is None and found.kernel is None
    assert found.alternatives == () and found.exponents == {}
    assert "<sigma sigma''>" in found.reason and (
        "sigma(0)" in found.reason or "sigma'(0)" in found.reason
    )
    assert found.edge is not None and found.compromise is not None
    assert np.all(found.edge.C_b >= 0.0)


def test_softplus_has_not_even_an_edge_of_chaos() -> None:
    found = critical_point("softplus")
    assert len(found.edge) == 0
    # large kernels see a ReLU
    assert found.compromise[:3] == (2.0, 0.0, np.inf)


def test_the_compromise_is_the_best_of_all_fixed_points() -> None:
    found = critical_point("sigmoid").compromise
    chi = np.abs(np.log([abs(found.chi_par), found.chi_perp]))
    assert found.measure == pytest.approx(chi.max(), rel=1e-12)
    rng = np.random.default_rng(0)
    K = np.exp(rng.uniform(-5.0, 8.0, 4000))
    at = averages(resolve("sigmoid"), K)
    C_W = rng.uniform(0.0, 1.0, 4000) * K / at.square  # C_b = K - C_W <sigma^2> >= 0
    measure = np.maximum(np.abs(np.log(C_W * at.slope)), np.abs(np.log(C_W * at.gradient)))
    assert measure.min() >= found.measure - 1e-9
    assert measure.min() < found.measure + 0.05


def test_the_slopes_at_the_origin_decide_the_kinked_class() -> None:
    elu, selu = critical_point("elu"), critical_point("selu")
    assert elu.coefficients["c"] == pytest.approx(np.sqrt(2 / np.pi), rel=1e-14)
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    assert pytest.approx(2.0 / (scale**2 * (1 + alpha**2)), rel=1e-14) == selu.C_W
    assert elu.stability == selu.stability == "stable"
    assert "a_1" not in elu.coefficients


@pytest.mark.parametrize("name", ["elu", "selu"])
def test_kinked_kernels_fall_as_the_inverse_square_of_the_depth(name: str) -> None:
    found = critical_point(name)
    c, depth = found.coefficients["c"], 2000
    K = flow(Network((1,) * (depth + 1), name, found.C_W), kernel=0.1, order=0).K(0)[:, 0, 0]
    # sqrt(K) = 2/(c l) (1 + O(log l / l)): the inverse root's slope in l is c/2
    slope = (K[-1] ** -0.5 - K[depth // 2 - 1] ** -0.5) / (depth - depth // 2)
    assert slope == pytest.approx(c / 2.0, rel=3e-3)
    if name == "elu":
        assert (1 / slope) ** 2 == pytest.approx(2 * np.pi, rel=6e-3)


@pytest.mark.parametrize(("name", "a_1"), [("tanh", -2.0), ("sin", -1.0), ("erf", -2.0)])
def test_smooth_kernels_at_zero_fall_as_the_inverse_depth(name: str, a_1: float) -> None:
    found = critical_point(name)
    assert found.coefficients["a_1"] == pytest.approx(a_1, rel=1e-14)
    depth = 1000
    K = flow(Network((1,) * (depth + 1), name, found.C_W), kernel=1.0, order=0).K(0)[:, 0, 0]
    slope = (1 / K[-1] - 1 / K[depth // 2 - 1]) / (depth - depth // 2)
    assert slope == pytest.approx(-a_1, rel=2e-3)


@pytest.mark.parametrize("name", ["elu", "tanh"])
def test_exponents_are_those_of_a_deep_flow(name: str) -> None:
    found, depth = critical_point(name), 400
    deep = flow(Network((1,) * (depth + 1), name, found.C_W), kernel=0.3, order=1)
    curves = {
        "K_0": deep.K(0)[:, 0, 0],
        "K_1": deep.K(1)[:, 0, 0],
        "V_4": deep.V(4)[:, 0, 0, 0, 0],
    }
    for key, curve in curves.items():
        slope = np.log(curve[-1] / curve[depth // 2 - 1]) / np.log(2.0)
        assert slope == pytest.approx(found.exponents[key], abs=0.03)


def test_polynomials_have_rational_coefficients() -> None:
    # sigma = x - 3/10 x^2 - x^3/10: a_1 = -6/10 + 3/4 (36/100) = -33/100
    found = critical_point(polynomial((0.0, 1.0, -0.3, -0.1)))
    assert found.coefficients["a_1"] == pytest.approx(-0.33, rel=1e-13)
    assert found.coefficients["b_1"] == pytest.approx(-0.24, rel=1e-13)
    assert found.exponents["difference"] == pytest.approx(-24 / 33, rel=1e-13)
    # cubic growth wins at large K: <sigma sigma''> changes sign, but C_b would be negative
    assert critical_point(polynomial((0.0, 1.0, 0.3))).stability == "unstable"


def test_scaling_the_activation_scales_the_weights_alone() -> None:
    one, three = critical_point("gelu"), critical_point("3*gelu(x)")
    assert pytest.approx(one.C_W / 9.0, rel=1e-11) == three.C_W
    assert three.kernel == pytest.approx(one.kernel, rel=1e-10)
    # sigma(s x): K* -> K*/s^2, C_b likewise, C_W / s^2
    wide = critical_point("gelu(2*x)")
    assert wide.kernel == pytest.approx(one.kernel / 4.0, rel=1e-10)
    assert pytest.approx(one.C_W / 4.0, rel=1e-11) == wide.C_W
    assert wide.C_b == pytest.approx(one.C_b / 4.0, rel=1e-9)


def test_callables_and_kinked_callables() -> None:
    silu = critical_point(Activation(lambda x: x / (1 + np.exp(-x)), name="mine"))
    assert silu.kernel == pytest.approx(critical_point("silu").kernel, rel=1e-6)
    elu = critical_point(
        Activation(lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), kinks=(0.0,))
    )
    assert elu.universality_class == "K*=0 with a kink"
    assert elu.coefficients["c"] == pytest.approx(np.sqrt(2 / np.pi), rel=1e-6)
    leaky = critical_point(leaky_relu(0.3, 1.1))
    assert pytest.approx(2 / (0.09 + 1.21), rel=1e-15) == leaky.C_W


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("3", "constant, 3"),
        ("where(x > 1, 1, 0)", "jumps by 1 at x = 1"),
        ("exp(x**2/8)", "diverges from a kernel of about 2"),
        ("tnah", "unknown activation"),
        ("leaky_relu(0, 0)", "constant, 0"),
    ],
)
def test_what_cannot_be_critical_is_refused_by_name(wrong: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        critical_point(wrong)


def test_a_random_activation_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="different values"):
        critical_point(lambda x: x + rng.normal(size=x.shape))


@pytest.mark.parametrize("name", names())
def test_every_built_in_activation_has_an_answer(name: str) -> None:
    found = critical_point(name)
    assert found.reason
    assert (found.C_W is None) == (found.universality_class == "none")
