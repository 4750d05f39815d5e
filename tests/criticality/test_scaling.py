"""Deep laws of critical networks: fractions by other routes, amplitudes by hand."""

from fractions import Fraction as F
from math import comb, factorial, pi

import numpy as np
import pytest

import nneft
from nneft.criticality.asymptotics import scaling
from nneft.criticality.point import critical_point
from nneft.criticality.universal import AT, FLAT, HALF, KINKED, SMOOTH, Diffusion, moment, ratio

TERMS = 8


def power(series: list[F], exponent: F) -> list[F]:
    """Of a power series that starts with 1: J.C.P. Miller's recurrence."""
    found = [F(1)]
    for n in range(1, len(series)):
        total = sum(((exponent + 1) * j - n) * series[j] * found[n - j] for j in range(1, n + 1))
        found.append(F(total) / n)
    return found


def square(series: list[F]) -> list[F]:
    return [
        sum((series[i] * series[n - i] for i in range(n + 1)), F(0)) for n in range(len(series))
    ]


def tree(diffusion: Diffusion) -> tuple[list[F], list[F]]:
    """``s = sum_k V_2k u^k/k!`` in units in which everything else is 1, and s'."""
    sign = -1 if diffusion == HALF else 1
    s = [F(0)] + [ratio(diffusion, k) * sign**k / factorial(k) for k in range(1, TERMS)]
    return s, [j * s[j] for j in range(1, TERMS)]


def times_u(series: list[F], n: int = 1) -> list[F]:
    return ([F(0)] * n + series)[:TERMS]


@pytest.mark.parametrize("rho", [F(1), F(1, 2), F(2), F(3, 2)])
def test_leading_orders_solve_the_hamilton_jacobi_equation(rho):
    """-s + (1 - 1/rho) u s' = -(1/rho) u s'^(1+rho) + u^2 s'^2/2, in units of K and D l."""
    s, d = tree(Diffusion("power", rho))
    left = [-a + (1 - 1 / rho) * b for a, b in zip(s, times_u(d), strict=True)]
    drift, noise = times_u(power(d, 1 + rho)), times_u(square(d), 2)
    assert left == [-a / rho + b / 2 for a, b in zip(drift, noise, strict=True)]


def test_leading_orders_of_flat_and_half_stable_diffusions():
    s, d = tree(FLAT)
    noise = times_u(square(d), 2)
    assert [-a + b for a, b in zip(s, times_u(d), strict=True)] == [b / 2 for b in noise]
    for diffusion in (HALF, AT):
        s, d = tree(diffusion)
        left = [-3 * a + 2 * b for a, b in zip(s, times_u(d), strict=True)]
        right = times_u(square(d))
        right[2] += F(1, 2)
        assert left == right


@pytest.mark.parametrize("k", range(1, 9))
def test_closed_forms_of_leading_orders(k):
    # s = arcsin(sqrt(u))^2 at D = 2; of a lognormal: Cayley's number of trees
    assert 2 ** (k - 1) * ratio(SMOOTH, k) == F(factorial(k) * 4**k, 2 * k * k * comb(2 * k, k))
    assert ratio(FLAT, k) == (k ** (k - 2) if k > 1 else 1)


def test_numbers_of_the_class_at_zero():
    assert [2 ** (k - 1) * ratio(SMOOTH, k) for k in (2, 3, 4)] == [F(2, 3), F(16, 15), F(96, 35)]
    wanted = [F(-1, 3), F(1, 15), F(-4, 315), F(1, 315), F(-4, 3465)]
    assert [2**q * ratio(SMOOTH, 1, q) for q in range(1, 6)] == wanted
    assert ratio(KINKED, 2) == F(1, 3)
    assert ratio(KINKED, 1, 1) == F(-1, 8)


def test_a_flat_diffusion_is_lognormal():
    """``E[G^k] = exp(D k (k-1) l/2n)`` exactly."""
    for k in range(6):
        for m in range(6):
            assert moment(FLAT, k, m) == F(k * (k - 1), 2) ** m / factorial(m)
    assert not any(ratio(FLAT, 1, q) for q in range(1, 5))


def test_wrong_places_are_refused():
    for k, q in ((0, 1), (2, -1)):
        with pytest.raises(ValueError, match="k must be"):
            ratio(FLAT, k, q)


@pytest.mark.parametrize(("name", "a_1"), [("tanh", -2.0), ("sin", -1.0)])
def test_smooth_class(name, a_1):
    laws = scaling(name).laws
    K = -1.0 / a_1
    wanted = {
        "K_0": (-1, K), "K_1": (0, 1 / (3 * a_1)), "K_2": (1, K / 15), "V_4": (-1, 2 * K**2 / 3),
        "V_6": (-1, 16 * K**3 / 15), "V_8": (-1, 96 * K**4 / 35), "V_dddd/K_dd^2": (1, 8 / 3),
    }  # fmt: skip
    for quantity, (exponent, amplitude) in wanted.items():
        assert laws[quantity].exponent == exponent
        assert laws[quantity].amplitude == pytest.approx(amplitude, rel=1e-14)
    assert laws["K_dd"].exponent == -1.0


def test_tanh_logarithm():
    """``<tanh^2> = K - 2 K^2 + 17/3 K^3``."""
    assert scaling("tanh").logarithm == pytest.approx(5 / 12, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "rho", "first"), [("tanh", 1.0, 1.0), ("sin", 1.0, 1.0), ("elu", 0.5, 1.0)]
)
def test_logarithms_of_flows(name, rho, first):
    """``K_0^-rho = amplitude^-rho l (1 - rho e log(l)/l + ..)``."""
    found, depth = scaling(name), 600
    net = nneft.Network((1,) * (depth + 1), name, found.C_W, found.C_b)
    y = nneft.flow(net, kernel=first, order=0).K(0).ravel() ** -rho
    l = np.arange(60.0, depth + 1)
    log = np.log(l)
    columns = [l, log, *(log**j / l**m for m in range(4) for j in range(m + 1))]
    A = np.stack(columns, axis=1)
    slope, got = np.linalg.lstsq(A / A[-1], y[59:], rcond=1e-15)[0][:2] / A[-1, :2]
    assert slope == pytest.approx(found.laws["K_0"].amplitude ** -rho, rel=1e-6)
    assert got == pytest.approx(-rho * found.logarithm * slope, rel=1e-3)


def test_scale_invariant_class():
    for name, D in (("linear", 2.0), ("relu", 5.0)):
        found = scaling(name, kernel=2.0)
        assert found.noise == D
        got = [(found.laws[v].exponent, found.laws[v].amplitude) for v in ("V_4", "V_6", "V_8")]
        assert got == [(1.0, 4.0 * D), (2.0, 8.0 * 3.0 * D**2), (3.0, 16.0 * 16.0 * D**3)]
        assert "K_1" not in found.laws


def test_kinked_class():
    laws = scaling("elu").laws
    assert laws["K_0"].exponent == -2.0
    assert laws["K_0"].amplitude == pytest.approx(2.0 * pi, rel=1e-14)
    # K_1 = -D/(2 c^2 l), V_4 = 2/3 K_0^2 l
    assert (laws["K_1"].exponent, laws["V_4"].exponent) == (-1.0, -3.0)
    assert laws["K_1"].amplitude == pytest.approx(-pi / 2.0, rel=1e-14)
    assert laws["V_4"].amplitude == pytest.approx(8.0 * pi**2 / 3.0, rel=1e-14)
    assert [laws[v].exponent for v in ("V_6", "V_8")] == [-4.0, -5.0]


def test_half_stable_class():
    """Exponents 2k - 3 both from K* and beside it, with V_4 = D l and D l/5."""
    at = scaling("gelu")
    beside = scaling("gelu", kernel=1.001 * at.fixed)
    assert at.laws["V_4"].amplitude == pytest.approx(at.noise, rel=1e-14)
    assert beside.laws["V_4"].amplitude == pytest.approx(at.noise / 5.0, rel=1e-12)
    for found in (at, beside):
        exponents = [found.laws[v].exponent for v in ("K_1", "V_4", "V_6", "V_8")]
        assert exponents == [2.0, 1.0, 3.0, 5.0]
    beta = -1.0 / beside.laws["K_0"].amplitude
    assert at.laws["K_1"].amplitude == pytest.approx(beta * at.noise / 2.0, rel=1e-12)
    assert beside.laws["K_1"].amplitude == pytest.approx(beta * at.noise / 20.0, rel=1e-12)
    assert at.laws["V_6"].amplitude == pytest.approx(2.0 * beta * at.noise**2, rel=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sin", "elu", "selu", "relu", "linear", "gelu", "mish"])
def test_critical_points_say_the_same(name):
    point = critical_point(name)
    side = 1.001 if point.stability == "stable from above" else 0.999
    laws = scaling(name, kernel=side * point.kernel if point.kernel else None).laws
    assert point.exponents
    for quantity, exponent in point.exponents.items():
        # Of ReLU's two inputs the angle falls, although the difference of close ones stays.
        same = {"difference": "1-c" if name == "relu" else "K_dd"}.get(quantity, quantity)
        assert laws[same].exponent == pytest.approx(exponent, abs=1e-12), quantity


def test_angles_of_relu():
    """``theta' = theta (1 - theta/3 pi)``, so ``theta -> 3 pi/l`` and ``1 - c = theta^2/2``."""
    law = scaling("relu").laws["1-c"]
    assert (law.exponent, law.amplitude) == (-2.0, pytest.approx(4.5 * pi**2, rel=1e-14))
    assert "1-c" not in scaling("linear").laws
    assert "1-c" not in scaling("elu").laws


def test_what_has_no_deep_law():
    with pytest.raises(ValueError, match="no critical point"):
        scaling("softplus")
    with pytest.raises(ValueError, match="unstable"):
        scaling("x + x**3/6")
    with pytest.raises(ValueError, match="leave K"):
        scaling("gelu", kernel=3.0)
    with pytest.raises(ValueError, match="order"):
        scaling("tanh", order=0)
    with pytest.raises(ValueError, match="depends on where"):
        scaling("tanh").laws["K_dd"]([10.0])


def test_a_readable_table():
    text = str(scaling("relu"))
    assert "scale-invariant" in text
    assert "V_8" in text
    assert scaling("relu").laws["V_4"](10.0) == 50.0
