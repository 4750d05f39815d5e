"""The flow of polynomial activations against exact rational arithmetic (`rg.rational`)."""

from fractions import Fraction as F
from itertools import combinations_with_replacement

import numpy as np
import pytest
from rg.rational import Net, Series

import nneft

POLYNOMIALS = {
    "x + x**2/3": (F(0), F(1), F(1, 3)),
    "x**2": (F(0), F(0), F(1)),
    "x - x**3/6": (F(0), F(1), F(0), F(-1, 6)),
    "0.5 - x + x**2/4": (F(1, 2), F(-1), F(1, 4)),
    "x": (F(0), F(1)),
}
KERNELS = {
    1: [[F(3, 4)]],
    2: [[F(3, 4), F(-1, 2)], [F(-1, 2), F(5, 4)]],
    3: [
        [F(1), F(1, 2), F(-1, 4)],
        [F(1, 2), F(3, 4), F(1, 8)],
        [F(-1, 4), F(1, 8), F(1, 2)],
    ],
    "parallel": [[F(1, 2), F(1)], [F(1), F(2)]],
    "opposite": [[F(1), F(-1)], [F(-1), F(1)]],
    "rank two": [[F(2), F(1), F(1)], [F(1), F(1), F(0)], [F(1), F(0), F(1)]],
}
C_W = (F(1), F(3, 4), F(5, 4), F(1, 2), F(2))
C_b = (F(0), F(1, 4), F(1, 8), F(1, 16), F(1, 2))
WIDTHS = (3, 10, 4, 7, 5, 6)


def exact(name: str, kernel, layer: int, *, covariances: bool = True):
    """``K_0``, ``K_1`` by pairs and ``V_4`` by pairs of pairs, from series in 1/n."""
    inverse = [Series([F(0), F(1, n)]) for n in WIDTHS[1:]]
    net = Net(POLYNOMIALS[name], C_W, C_b, inverse)
    below = WIDTHS[layer - 1]
    listed = [*combinations_with_replacement(range(len(kernel)), 2)]
    means = {A: net.mean(layer, {(A,): F(1)}, kernel) for A in listed}
    K = {A: (m.c[0], m.c[1] * below) for A, m in means.items()}
    V = {}
    for A, B in combinations_with_replacement(listed, 2) if covariances else ():
        second = net.mean(layer, {(A, B): F(1)}, kernel)
        covariance = second - means[A] * means[B]
        assert covariance.c[0] == 0
        V[A, B] = covariance.c[1] * below
    return K, V


def compare(name: str, kernel, layer: int, *, covariances: bool = True) -> None:
    K, V = exact(name, kernel, layer, covariances=covariances)
    net = nneft.Network(WIDTHS, name, [float(c) for c in C_W], [float(c) for c in C_b])
    flow = nneft.flow(net, kernel=np.array(kernel, dtype=float))
    K_0, K_1, V_4 = (a[layer - 1] for a in (flow.K(0), flow.K(1), flow.V(4)))
    largest = max(abs(float(k)) for _, k in K.values())
    for A, (leading, next_order) in K.items():
        np.testing.assert_allclose(K_0[A], float(leading), rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(K_1[A], float(next_order), rtol=1e-12, atol=1e-12 * largest)
    largest = max((abs(float(v)) for v in V.values()), default=0.0)
    for (A, B), value in V.items():
        np.testing.assert_allclose(V_4[A + B], float(value), rtol=1e-12, atol=1e-12 * largest)


@pytest.mark.parametrize("name", POLYNOMIALS)
@pytest.mark.parametrize("inputs", KERNELS)
def test_third_layer(name, inputs):
    long = len(POLYNOMIALS[name]) > 3 and len(KERNELS[inputs]) > 2
    compare(name, KERNELS[inputs], 3, covariances=not long)


@pytest.mark.slow
@pytest.mark.parametrize("inputs", [3, "rank two"])
def test_third_layer_of_a_cubic_on_three_inputs(inputs):
    compare("x - x**3/6", KERNELS[inputs], 3)


@pytest.mark.parametrize("name", ["x + x**2/3", "x**2", "0.5 - x + x**2/4", "x"])
def test_fourth_layer_of_one_input(name):
    compare(name, KERNELS[1], 4)


@pytest.mark.parametrize("name", ["x + x**2/3", "x"])
@pytest.mark.parametrize("inputs", [2, "parallel"])
def test_fourth_layer_means_of_two_inputs(name, inputs):
    compare(name, KERNELS[inputs], 4, covariances=name == "x")


def test_fifth_layer_of_a_linear_network():
    compare("x", KERNELS[2], 5)
    compare("x", KERNELS["rank two"], 4)
