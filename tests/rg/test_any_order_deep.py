"""Deep critical networks: printed numbers of tanh, and the limits that its whole class shares.

Where K* = 0 (tanh, sin) the deep kernel is a diffusion with ``dG = -a G^2 dl + sqrt(2/n) G dW``,
``a = -a_1``. With ``E[G^k] = (a l)^-k sum_p c_kp (l/n)^p`` its moments obey

    k c_{k+1,p} = (k - p) c_{k,p} + k (k - 1) c_{k,p-1} ,    c_{k,0} = 1 ,

and c_kp is a polynomial in k of degree 2p without a constant term (``log E[G^k]`` is a series in
cumulants of log G), which with k = p, p + 1, .. fixes it. So ``K_p / (K_0 l^p) -> c_1p``: -1/3,
1/15, -4/315, 1/315, ..; and the cumulants give 2/3, 16/15, 96/35.
"""

from fractions import Fraction as F
from functools import cache
from math import comb

import numpy as np
import pytest

import nneft

METHODS = ("series", "diagrams")
# layer: K_0, V_4, V_6, V_8, K_1 of tanh at C_W = 1, C_b = 0, K^(1) = 1, equal widths
PRINTED = {
    5: (0.1279047353, 0.0393984430, 0.0203806147, 0.0121886280, -0.0682253714),
    30: (0.01776080341, 0.005836560938, 0.004368866892, 0.005074416402, -0.1426909222),
}


@cache
def c(k: int, p: int) -> F:
    """By the recursion in k from ``k = p + 1`` on, and by interpolation below."""
    if p == 0:
        return F(1)
    if k == p + 1:
        return (p - 1) * c(p, p - 1)
    if k > p:
        j = k - 1
        return ((j - p) * c(j, p) + j * (j - 1) * c(j, p - 1)) / j
    nodes = [0, *range(p + 1, 3 * p + 1)]
    values = [F(0), *(c(j, p) for j in nodes[1:])]
    total = F(0)
    for a, value in zip(nodes, values, strict=True):
        for b in nodes:
            value *= F(k - b, a - b) if a != b else 1
        total += value
    return total


def limit(k: int, q: int) -> F:
    """Of ``V_2k,q / (K_0^k l^(k-1+q))``."""
    order = k - 1 + q
    kappa: list[list[F]] = [[F(0)] * (order + 1)]
    for m in range(1, k + 1):
        row = [c(m, p) for p in range(order + 1)]
        for j in range(1, m):
            for p in range(order + 1):
                row[p] -= comb(m - 1, j - 1) * sum(
                    (kappa[j][i] * c(m - j, p - i) for i in range(p + 1)), F(0)
                )
        kappa.append(row)
    assert not any(kappa[k][: k - 1])
    return kappa[k][order]


def extrapolated(values, powers: int) -> float:
    """The constant of a fit in ``log(l)^j / l^m``, ``j <= m <= powers``, from l = L/8 on."""
    layers = np.arange(1.0, len(values) + 1)[len(values) // 8 :]
    columns = [np.log(layers) ** j / layers**m for m in range(powers + 1) for j in range(m + 1)]
    A = np.stack(columns, axis=1)
    sizes = np.linalg.norm(A, axis=0)
    found = np.linalg.lstsq(A / sizes, values[len(values) // 8 :], rcond=None)[0]
    return float(found[0] / sizes[0])


def ratios(activation: str, C_W: float, depth: int, order: int):
    """By k and q, for each layer: ``V_2k,q / (K_0^k l^(k-1+q))``, K_q among them as k = 1."""
    net = nneft.Network((1, *[64] * depth), activation, C_W, 0.0)
    flow = nneft.flow(net, kernel=1.0, order=order)
    K, layers = flow.K(0).ravel(), np.arange(1.0, depth + 1)
    found = {(1, q): flow.K(q).ravel() / K / layers**q for q in range(1, order + 1)}
    for k in range(2, order + 2):
        for q in range(order + 2 - k):
            found[k, q] = flow.V(2 * k, q).ravel() / K**k / layers ** (k - 1 + q)
    return K * layers, found


@pytest.mark.parametrize("method", METHODS)
def test_printed_numbers_of_tanh(method):
    flow = nneft.flow(
        nneft.Network((1, *[20] * 30), "tanh", 1.0), kernel=1.0, order=3, method=method
    )
    for layer, wanted in PRINTED.items():
        got = [flow.K(0), flow.V(4), flow.V(6), flow.V(8), flow.K(1)]
        for value, want in zip(got, wanted, strict=True):
            # ten digits are printed
            np.testing.assert_allclose(value.reshape(30, -1)[layer - 1, 0], want, atol=6e-11)
    assert flow.V(8).reshape(30, -1)[1, 0] == pytest.approx(-0.01187638604, abs=6e-12)


def test_the_limits_of_the_leading_orders():
    assert [limit(k, 0) for k in (2, 3, 4)] == [F(2, 3), F(16, 15), F(96, 35)]
    assert [c(1, p) for p in range(1, 6)] == [
        F(-1, 3), F(1, 15), F(-4, 315), F(1, 315), F(-4, 3465)
    ]  # fmt: skip


@pytest.mark.parametrize(("activation", "C_W", "a"), [("tanh", 1.0, 2.0), ("sin", 1.0, 1.0)])
def test_deep_layers(activation, C_W, a):
    scaled, found = ratios(activation, C_W, 300, 3)
    assert extrapolated(scaled, 3) == pytest.approx(1.0 / a, rel=1e-5)
    for (k, q), values in found.items():
        got, want = extrapolated(values, 3), float(limit(k, q))
        assert got == pytest.approx(want, rel=1e-4), (k, q)
        # The control: the last layer alone is not there yet.
        assert values[-1] != pytest.approx(want, rel=1e-3)


def test_a_network_with_an_even_part_is_of_the_class():
    """``a_1 = sigma_3 + 3/4 sigma_2^2`` with ``sigma_3 = -2`` and ``sigma_2 = 1/2``."""
    depth = 400
    net = nneft.Network((1, *[64] * depth), "tanh(x) + 0.25*tanh(x)**2", 1.0, 0.0)
    flow = nneft.flow(net, kernel=0.3, order=2)
    K, layers = flow.K(0).ravel(), np.arange(1.0, depth + 1)
    a_1 = -2.0 + 0.75 * 0.5**2
    assert extrapolated(K * layers, 3) == pytest.approx(-1.0 / a_1, rel=1e-4)
    assert extrapolated(flow.K(1).ravel(), 3) == pytest.approx(1.0 / (3.0 * a_1), rel=1e-3)
    second = extrapolated(flow.K(2).ravel() / K / layers**2, 3)
    assert second == pytest.approx(1.0 / 15.0, rel=1e-3)


@pytest.mark.slow
def test_the_second_correction_of_tanh_is_one_fifteenth():
    _, found = ratios("tanh", 1.0, 2000, 3)
    assert extrapolated(found[1, 2], 3) == pytest.approx(1.0 / 15.0, rel=2e-8)
    assert extrapolated(found[1, 3], 3) == pytest.approx(-4.0 / 315.0, rel=1e-7)
    assert extrapolated(found[1, 2], 3) != pytest.approx(0.0667, rel=1e-4)
