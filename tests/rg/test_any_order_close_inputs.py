"""Second corrections of two close inputs at a kink, against many digits.

In the third layer, with equal widths and G^(2) from the law of one neuron's ``s_A = C_W sigma_a
sigma_b`` (V_4 its covariance, V_6 its third cumulant, no corrections), expanding K_0 about K^(2)::

    K_2 = 1/6 sum V_6(C;D;E) d_C d_D d_E K_0 + 1/8 sum V_4(C;D) V_4(E;F) d_C d_D d_E d_F K_0 .

ReLU moments are one integral over an angle; derivatives by mpmath.
"""

from functools import cache
from itertools import product
from math import prod

import mpmath as mp
import pytest

import nneft

C_W, C_b = 2, mp.mpf("0.125")
PAIRS = ((0, 0), (0, 1), (1, 1))
CORRELATIONS = (
    *("0", "0.5", "-0.5", "0.9", "-0.9", "0.99", "-0.99", "0.999", "0.9999", "0.999999"),
    *("-0.999", "-0.9999"),
)


def moment(p: int, q: int, k):
    """``<relu(x)^p relu(y)^q>`` for the kernel entries 11, 12, 22: the radius apart, an angle."""
    a, b, c = k
    angle = mp.acos(b / mp.sqrt(a * c))
    radius = 2 ** (mp.mpf(p + q) / 2) * mp.gamma(mp.mpf(p + q) / 2 + 1)
    turned = mp.quad(
        lambda t: mp.cos(t) ** p * mp.cos(t - angle) ** q, [angle - mp.pi / 2, mp.pi / 2]
    )
    return mp.sqrt(a) ** p * mp.sqrt(c) ** q * radius * turned / (2 * mp.pi)


def mean(a, b, c):
    """``<relu relu>``, the arc-cosine kernel."""
    angle = mp.acos(b / mp.sqrt(a * c))
    both = mp.sin(angle) + (mp.pi - angle) * mp.cos(angle)
    return mp.sqrt(a * c) * both / (2 * mp.pi)


@cache
def exact(correlation: str):
    """K_0 of layer 3 of the two inputs together, and its K_1 and K_2."""
    with mp.workdps(60):
        first = (mp.mpf(1), mp.mpf(correlation), mp.mpf(1))

        @cache
        def E(*places: int):
            return C_W ** len(places) * moment_of([PAIRS[p] for p in places], first)

        second = tuple(C_b + E(p) for p in range(3))

        def V_4(C, D):
            return E(C, D) - E(C) * E(D)

        def V_6(C, D, F):
            pairs = E(C, D) * E(F) + E(C, F) * E(D) + E(D, F) * E(C)
            return E(C, D, F) - pairs + 2 * E(C) * E(D) * E(F)

        @cache
        def derivative(*orders: int):
            return C_W * mp.diff(mean, second, orders)

        def by(*places: int):
            return derivative(*(places.count(p) for p in range(3)))

        every = range(3)
        K_1 = sum(V_4(C, D) * by(C, D) for C, D in product(every, repeat=2)) / 2
        cubic = sum(V_6(*p) * by(*p) for p in product(every, repeat=3)) / 6
        quartic = sum(V_4(*p[:2]) * V_4(*p[2:]) * by(*p) for p in product(every, repeat=4)) / 8
        return float(C_b + C_W * mean(*second)), float(K_1), float(cubic + quartic)


def moment_of(pairs, kernel):
    """Of a product of pairs; of one input alone half of the Gaussian's."""
    q = sum(b for pair in pairs for b in pair)
    p = 2 * len(pairs) - q
    if p and q:
        return moment(p, q, kernel)
    return mp.mpf(prod(range(1, 2 * len(pairs), 2))) / 2


@pytest.mark.parametrize("method", ["series", "diagrams"])
@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_second_correction(correlation, method):
    rho = float(correlation)
    net = nneft.Network((2, 7, 7, 7), "relu", C_W, [0.0, float(C_b), float(C_b)])
    flow = nneft.flow(net, kernel=[[1.0, rho], [rho, 1.0]], order=2, method=method)
    for p, want in enumerate(exact(correlation)):
        value, error = (a[2, 0, 1] for a in (flow.K(p), flow.errors(f"K_{p}")))
        assert abs(value - want) <= 3.0 * error + 1e-15 * abs(want), (p, value, want, error)
        # Bounds stay small beside K_0, although derivatives diverge as (1 - rho^2)^(3/2 - 2p).
        assert error <= 1e-8 if p == 0 else error <= 1e-11, (p, error)
