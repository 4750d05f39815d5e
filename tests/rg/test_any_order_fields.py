"""Correlators of up to eight fields with neuron indices, against Wick contractions of the weights.

In the second layer ``kappa_k(G) = n^{1-k} F`` exactly, so that a flow of order 3 has all
correlators of eight fields of the narrowest network. Here they are summed from the weights::

    <prod_m phi_{i_m}(x_m)> = sum_{j_1 ..} <prod_m W_{i_m j_m}> <prod_m sigma(phi'_{j_m}(x_m))>

with ``W_{i0} = b_i``, and connected ones are the joint cumulants of the fields.
"""

from collections import Counter
from fractions import Fraction as F
from functools import cache
from itertools import product
from math import prod

import numpy as np
import pytest
from rg.rational import set_partitions, wick

import nneft

SIGMA, COEFFICIENTS = "0.5 + x + x**2/4", (F(1, 2), F(1), F(1, 4))
KERNEL = ((F(1), F(1, 3)), (F(1, 3), F(3, 4)))
N, C_W, C_b = 2, F(3, 4), F(1, 4)
METHODS = ("series", "diagrams")
LEGS = [
    ((0, 0), (0, 1)),
    ((0, 0), (1, 1)),
    ((0, 0), (0, 1), (1, 0), (1, 1)),
    ((0, 0), (0, 1), (0, 1), (0, 0)),
    ((0, 0), (0, 1), (0, 1), (1, 0)),
    ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 1)),
    ((0, 0), (1, 1), (0, 1), (1, 0), (0, 1), (0, 0)),
    ((2, 1), (2, 1), (2, 1), (2, 0), (2, 0), (2, 0)),
    ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 1), (3, 0), (3, 1)),
    ((0, 0), (1, 1), (0, 1), (1, 0), (0, 1), (1, 0), (1, 1), (0, 0)),
    ((0, 0), (0, 1), (0, 1), (0, 0), (0, 0), (0, 1), (4, 1), (4, 0)),
    ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (2, 1), (2, 0), (3, 1)),
    ((1, 0),) * 8,
]


@cache
def neuron(inputs: tuple[int, ...]) -> F:
    """``<prod_a sigma(phi(x_a))>`` of one neuron of the first layer."""
    total = F(0)
    for powers in product(range(3), repeat=len(inputs)):
        fields = tuple(sorted(a for a, p in zip(inputs, powers, strict=True) for _ in range(p)))
        contracted = sum(
            (c * prod((KERNEL[a][b] for a, b in pairs), start=F(1)) for pairs, c in wick(fields)),
            F(0),
        )
        total += prod((COEFFICIENTS[p] for p in powers), start=F(1)) * contracted
    return total


@cache
def full(legs) -> F:
    """Sum over the neurons of the first layer that the weights lead to; 0 is the bias."""
    total = F(0)
    for j in product(range(N + 1), repeat=len(legs)):
        weights = Counter((i, m) for (i, _), m in zip(legs, j, strict=True))
        if any(c % 2 for c in weights.values()):
            continue
        value = prod(
            ((C_W / N if m else C_b) ** (c // 2) * prod(range(1, c, 2))
             for (_, m), c in weights.items()),
            start=F(1),
        )  # fmt: skip
        for m in set(j) - {0}:
            value *= neuron(tuple(sorted(a for (_, a), n in zip(legs, j, strict=True) if n == m)))
        total += value
    return total


@cache
def connected(legs) -> F:
    """``kappa(legs) = <legs> - sum over blocks of the first leg, smaller than all``."""
    total = full(legs)
    for mask in range(2 ** (len(legs) - 1) - 1):
        inside = [0, *(m for m in range(1, len(legs)) if mask >> (m - 1) & 1)]
        block = tuple(legs[m] for m in inside)
        rest = tuple(leg for m, leg in enumerate(legs) if m not in inside)
        if len(block) % 2 == 0:
            total -= connected(tuple(sorted(block))) * full(tuple(sorted(rest)))
    return total


@pytest.fixture(scope="module", params=METHODS)
def flow(request):
    net = nneft.Network((2, N, 6), SIGMA, [1.0, float(C_W)], [0.0, float(C_b)])
    kernel = np.array(KERNEL, dtype=float)
    return nneft.flow(net, kernel=kernel, order=3, method=request.param)


@pytest.mark.parametrize("legs", LEGS, ids=str)
def test_sums_over_weights(flow, legs):
    legs_sorted = tuple(sorted(legs))
    for exact, is_connected in ((full, False), (connected, True)):
        want = float(exact(legs_sorted))
        got = flow.correlator(legs, 2, connected=is_connected)
        assert got == pytest.approx(want, rel=1e-12, abs=1e-14), is_connected


def test_the_two_are_not_the_same():
    """The control: connected and full ones, or one neuron's index another, are far apart."""
    legs = LEGS[8]
    other = ((1, 0), *legs[1:])
    assert abs(full(legs) / connected(legs) - 1) > 0.1
    assert full(tuple(sorted(other))) == 0
    assert abs(full(tuple(sorted(LEGS[9]))) / full(legs) - 1) > 0.1


def test_cumulants_by_all_partitions():
    """The recursion here against the sum over set partitions with (-1)^(b-1) (b-1)!."""
    legs = LEGS[6]
    total = F(0)
    for blocks in set_partitions(legs):
        sign = (-1) ** (len(blocks) - 1) * prod(range(1, len(blocks)))
        total += sign * prod((full(tuple(sorted(b))) for b in blocks), start=F(1))
    assert connected(tuple(sorted(legs))) == total


def test_permuted_legs_and_neurons(flow):
    legs, rng = LEGS[11], np.random.default_rng(2)
    want = flow.correlator(legs, 2), flow.correlator(legs, 2, connected=False)
    for _ in range(5):
        order, renamed = rng.permutation(len(legs)), rng.permutation(6)
        other = [(int(renamed[legs[m][0]]), legs[m][1]) for m in order]
        got = flow.correlator(other, 2), flow.correlator(other, 2, connected=False)
        assert got == pytest.approx(want, rel=1e-12)


def test_drawn_fields_of_the_third_layer():
    """A tanh network, every weight drawn; full correlators within 4 standard errors."""
    widths, rate, bias, x = (2, 16, 20, 4), 1.0, 0.05, np.array([[1.0, 0.4], [-0.7, 0.9]])
    flow = nneft.flow(nneft.Network(widths, "tanh", rate, bias), x, order=3)
    rng, samples = np.random.default_rng(3), []
    for _ in range(10):
        below = np.broadcast_to(x.T, (10_000, 2, 2))
        for layer in (1, 2, 3):
            shape = (10_000, widths[layer], widths[layer - 1])
            weights = rng.standard_normal(shape) * np.sqrt(rate / widths[layer - 1])
            phi = weights @ below + np.sqrt(bias) * rng.standard_normal((10_000, widths[layer], 1))
            below = np.tanh(phi)
        samples.append(phi)
    phi = np.concatenate(samples)
    infinite = nneft.flow(nneft.Network((2, 10**6, 10**6, 4), "tanh", rate, bias), x, order=3)
    pulls, control = [], []
    for legs in LEGS:
        if all(i < 4 for i, _ in legs):
            values = np.prod([phi[:, i, a] for i, a in legs], axis=0)
            error = values.std(ddof=1) / np.sqrt(len(values))
            for theory, found in ((flow, pulls), (infinite, control)):
                want = theory.correlator(legs, 3, connected=False)
                found.append(abs(values.mean() - want) / error)
    assert max(pulls) < 4.0, pulls
    # The control: products of means are not enough.
    assert max(control) > 6.0, control
