"""Any order against networks whose kernel's law is known in closed form."""

from fractions import Fraction as F
from functools import cache
from itertools import combinations_with_replacement
from math import comb, prod

import numpy as np
import pytest
from rg.any_order_exact import Tower, convolved

import nneft

METHODS = ("series", "diagrams")
#: Moments ``C_W^k <sigma^2k>`` in units of K^k at criticality: chi^2 products, halved for ReLU.
NEURONS = {
    "linear": (1.0, [F(prod(range(1, 2 * k, 2))) for k in range(8)]),
    "relu": (2.0, [F(1), *[F(2 ** (k - 1) * prod(range(1, 2 * k, 2))) for k in range(1, 8)]]),
}


@cache
def mean_moment(name: str, k: int, n: int, order: int) -> tuple[F, ...]:
    """``E[(mean of n neurons' s)^k]`` in powers of t, ``1/n -> t/n``: a sum over partitions."""
    moments, size = NEURONS[name][1], order + 1

    @cache
    def partitions(m: int, blocks: int) -> F:
        if m == 0 or blocks == 0:
            return F(int(m == blocks == 0))
        return sum(
            (
                comb(m - 1, b - 1) * moments[b] * partitions(m - b, blocks - 1)
                for b in range(1, m - blocks + 2)
            ),
            F(0),
        )

    total = [F(0)] * size
    for blocks in range(1, k + 1):
        # n (n-1) .. (n-blocks+1) / n^k as a polynomial in 1/n
        series = tuple(F(int(i == k - blocks), n**i) for i in range(size))
        for j in range(1, blocks):
            shifted = (F(0), *series[:-1])
            series = tuple(a - F(j, n) * b for a, b in zip(series, shifted, strict=True))
        for i, value in enumerate(series):
            total[i] += partitions(k, blocks) * value
    return tuple(total)


def cumulants(name: str, widths, layer: int, order: int) -> list[tuple[F, ...]]:
    """Of ``G^(layer)/K``, a product of independent means: moments multiply, layer by layer."""
    moments = [(F(1), *[F(0)] * order)] * (order + 2)
    for n in widths[1:layer]:
        moments = [convolved(m, mean_moment(name, k, n, order)) for k, m in enumerate(moments)]
    found: list[tuple[F, ...]] = [(F(0),) * (order + 1)]
    for k in range(1, order + 2):
        total = moments[k]
        for j in range(1, k):
            both = convolved(found[j], moments[k - j])
            total = tuple(a - comb(k - 1, j - 1) * b for a, b in zip(total, both, strict=True))
        found.append(total)
    return found


def components(flow, k: int, q: int):
    name = f"K_{q}" if k == 1 else f"V_{2 * k}" + f"_{q}" * (q > 0)
    values = flow.K(q) if k == 1 else flow.V(2 * k, q)
    return values.reshape(len(values), -1)[:, 0], flow.errors(name).reshape(len(values), -1)[:, 0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", NEURONS)
def test_products_of_chi_squares(name, method):
    order, widths, K = 5, (2, 7, 3, 12, 5, 9, 4, 6), 1.75
    net = nneft.Network(widths, name, NEURONS[name][0])
    flow = nneft.flow(net, kernel=K, order=order, method=method)
    for layer in range(1, len(widths)):
        exact = cumulants(name, widths, layer, order)
        for k in range(1, order + 2):
            for q in range(order + 2 - k):
                power = k - 1 + q
                want = float(exact[k][power] * widths[layer - 1] ** power) * K**k
                got, error = (part[layer - 1] for part in components(flow, k, q))
                assert abs(got - want) <= error + 1e-15 * abs(want), (layer, k, q)
                assert error <= 1e-11 * abs(want) + 1e-13 * K**k, (layer, k, q)


@pytest.mark.parametrize(("name", "c"), [("linear", 2), ("relu", 5)])
def test_variance_to_order_eight(name, c):
    """``Var G / G^2 = (1 + c/n)^t - 1``: ``V_4,q = comb(t, q + 1) c^(q+1)``; and every K_p = 0."""
    order, depth = 8, 31
    net = nneft.Network((1, *[50] * depth), name, NEURONS[name][0])
    flow = nneft.flow(net, kernel=1.0, order=order)
    np.testing.assert_allclose(flow.K(0)[:, 0, 0], 1.0, rtol=1e-13)
    for p in range(1, order + 1):
        values, errors = components(flow, 1, p)
        assert np.all(np.abs(values) <= errors)
        # Terms of this size have cancelled.
        assert np.all(errors <= 1e-12 * float(comb(depth, p) * c**p) + 1e-15)
    for q in range(order):
        want = [float(comb(t, q + 1) * c ** (q + 1)) for t in range(depth)]
        np.testing.assert_allclose(components(flow, 2, q)[0], want, rtol=1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_leading_orders_printed(method):
    """With ``t = l - 1``: 2t, 4t(3t-1), 16t(2t-1)(4t-1), and 5t, t(75t-31), .. for ReLU."""
    t = np.arange(40.0)
    printed = {
        "linear": (2 * t, 4 * t * (3 * t - 1), 16 * t * (2 * t - 1) * (4 * t - 1)),
        "relu": (5 * t, t * (75 * t - 31), 2 * t * (20 * t - 11) * (50 * t - 19)),
    }
    for name, wanted in printed.items():
        net = nneft.Network((1, *[30] * 40), name, NEURONS[name][0])
        flow = nneft.flow(net, kernel=2.0, order=3, method=method)
        for k, want in enumerate(wanted, start=2):
            np.testing.assert_allclose(components(flow, k, 0)[0], want * 2.0**k, rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_two_layers_of_a_linear_network_are_wishart(method):
    """``G^(2)`` is Wishart: ``kappa_k = n^(1-k)`` times a sum over cycles of traces."""
    K = np.array([[1.0, 0.3], [0.3, 0.7]])
    flow = nneft.flow(nneft.Network((2, 9, 4), "linear", 1.0), kernel=K, order=3, method=method)
    for at in [(0, 0, 0, 1, 1, 1), (0, 1, 0, 1, 0, 1), (0, 0, 1, 1, 0, 1)]:
        assert flow.V(6, at=at)[1] == pytest.approx(wishart(K, at), rel=1e-13)
        assert abs(flow.V(6, 1, at=at)[1]) <= flow.errors("V_6_1")[(1, *at)]
    for at in [(0, 0, 0, 1, 1, 1, 0, 1), (0, 0, 1, 1, 0, 0, 1, 1)]:
        assert flow.V(8, at=at)[1] == pytest.approx(wishart(K, at), rel=1e-13)


def wishart(K, at) -> float:
    """Connected Wick contractions of ``phi_a phi_b`` pairs: all cycles through them."""
    pairs = list(zip(at[::2], at[1::2], strict=True))

    def walk(end: int, left, start: int) -> float:
        if not left:
            return float(K[end, start])
        return sum(
            K[end, i] * walk(j, left[:m] + left[m + 1 :], start)
            for m, pair in enumerate(left)
            for i, j in (pair, pair[::-1])
        )

    (first, second), *rest = pairs

    return walk(second, rest, first)


@pytest.mark.parametrize("method", METHODS)
def test_products_of_wisharts(method):
    """Linear networks on two inputs, five layers of unequal widths, to order 3."""
    kernel, widths, order = [[F(1), F(1, 3)], [F(1, 3), F(3, 4)]], (2, 6, 3, 8, 5, 4), 3
    tower = Tower((F(0), F(1)), kernel, widths, [F(1)] * 5, [F(0)] * 5, order)
    net = nneft.Network(widths, "linear", 1.0)
    flow = nneft.flow(net, kernel=np.array(kernel, dtype=float), order=order, method=method)
    for p in range(1, order + 1):
        assert np.all(np.abs(flow.K(p)) <= flow.errors(f"K_{p}"))
    for k in range(2, order + 2):
        for q in range(order + 2 - k):
            values, errors = flow.V(2 * k, q)[4], flow.errors(f"V_{2 * k}" + f"_{q}" * (q > 0))[4]
            for pairs in combinations_with_replacement(tower.pairs, k):
                at = tuple(i for A in pairs for i in A)
                want = float(tower.coefficient(5, pairs, q))
                assert abs(values[at] - want) <= errors[at] + 1e-15 * abs(want)
