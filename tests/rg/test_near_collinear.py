"""Two ReLU inputs as close as they may be, against recursions of hundreds of digits."""

from itertools import combinations_with_replacement
from math import cos, log10

import numpy as np
import pytest
from mpmath import mp
from rg.many_digits import flow as exact

import nneft

ANGLES = [0.3, 0.03, 1e-3, 1e-5, 1e-7, 4e-8]
#: Accuracy of every component, relative to that of one input alone.
ACCURACY = 1e-13


def kernel_of(angle):
    return np.array([[1.0, cos(angle)], [cos(angle), 1.0]])


def widths_of(depth):
    return (2, *[(30, 20, 45)[i % 3] for i in range(depth)])


def digits(angle, order):
    """What cancels goes as ``angle^(3-4P)``, and more on the way."""
    return 60 + int(20 * order * max(0.0, -log10(angle)))


def compare(kernel, order, depth, *, C_W=2.0, C_b=0.0, angle=1.0, method="series"):
    """Every component to the accuracy stated, and within its bound."""
    widths = widths_of(depth)
    found = nneft.flow(
        nneft.Network(widths, "relu", C_W, C_b), kernel=kernel, order=order, method=method
    )
    given = [kernel[0, 0], kernel[0, 1], kernel[1, 1]]
    truths = exact(given, C_W, C_b, widths, order, digits(angle, order))
    for layer, truth in enumerate(truths, start=2):
        for k in range(1, order + 2):
            for A in combinations_with_replacement(range(3), k):
                for p in range(k - 1, order + 1):
                    check(found, layer, k, A, p, truth)
    return found


def check(found, layer, k, A, p, truth):
    at = [a for pair in A for a in ((0, 0), (0, 1), (1, 1))[pair]]
    name = f"K_{p}" if k == 1 else f"V_{2 * k}" + (f"_{p - k + 1}" if p > k - 1 else "")
    value = float(found.K(p)[layer - 1][tuple(at)] if k == 1 else component(found, k, p, at, layer))
    error = found.errors(name)[layer - 1][tuple(at)]
    true = abs(float(mp.mpf(value) - truth[A][p]))
    size = max(abs(float(truth[(0,) * k][p])), abs(float(truth[A][p])), 1.0)
    assert true <= ACCURACY * size, (layer, name, at, value, truth[A][p])
    assert true <= error + 3e-16 * abs(value), (layer, name, at, true, error)


def component(found, k, p, at, layer):
    return found.V(2 * k, p - k + 1, at=tuple(at))[layer - 1]


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize(("order", "depth"), [(1, 12), (2, 5)])
def test_angles(angle, order, depth):
    compare(kernel_of(angle), order, depth, angle=angle)


@pytest.mark.parametrize("angle", [0.3, 1e-2, 1e-6])
def test_third_order(angle):
    compare(kernel_of(angle), 3, 3, angle=angle)


@pytest.mark.parametrize("angle", [0.1, 1e-5])
def test_diagrams_in_difference_coordinates(angle):
    compare(kernel_of(angle), 2, 4, angle=angle, method="diagrams")


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "selu", "abs(x)"])
@pytest.mark.parametrize("longer", [3e-7, 2e-8, 1e-9])
def test_lengths_close_to_one_another_are_told_apart(name, longer):
    """With biases each of two parallel inputs keeps its own kernel, to rounding."""
    x = np.array([1.0, -0.4])
    net = nneft.Network((2, 30, 30, 30), name, 1.1, 0.2)
    both = nneft.flow(net, np.array([x, x * (1.0 + longer)]), order=1)
    for a, factor in enumerate((1.0, 1.0 + longer)):
        one = nneft.flow(net, x * factor, order=1)
        np.testing.assert_allclose(both.K(0)[:, a, a], one.K(0)[:, 0, 0], rtol=1e-14)
        np.testing.assert_allclose(both.V(4)[:, a, a, a, a], one.V(4).ravel(), rtol=1e-12)
    middle = 0.5 * (both.K(0)[:, 0, 0] + both.K(0)[:, 1, 1])
    np.testing.assert_allclose(both.K(0)[:, 0, 1], middle, rtol=longer**2 + 1e-13)


@pytest.mark.parametrize("angle", [0.3, 1e-3, 1e-6])
def test_first_order_by_default(angle):
    compare(kernel_of(angle), 1, 12, angle=angle, method=None)


def test_first_order_among_others():
    """Of close pairs among five inputs, and of one that is not close."""
    turns = np.array([0.0, 1e-5, 0.7, 0.7 + 1e-3, 0.7 + 3e-7])
    x = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    net = nneft.Network(widths_of(12), "relu", 2.0)
    found = nneft.flow(net, x)
    for a, b in ((0, 1), (2, 3), (2, 4), (3, 4), (0, 2)):
        alone = nneft.flow(net, x[[a, b]], order=1, method="series")
        K_1 = alone.K(1)[:, 0, 1]
        np.testing.assert_allclose(found.K(1)[:, a, b], K_1, rtol=1e-8, atol=1e-12)
        assert np.all(found.errors("K_1")[:, a, b] < 1e-10)
        V = found.V(4, at=(a, b, a, b))
        np.testing.assert_allclose(V, alone.V(4)[:, 0, 1, 0, 1], rtol=1e-12)


@pytest.mark.parametrize("angle", [0.2, 1e-6])
def test_many_layers(angle):
    """Digits are not lost with depth: fifty layers, bounds and all."""
    found = nneft.flow(
        nneft.Network((2, *[30] * 50), "relu", 2.0), kernel=kernel_of(angle), order=3
    )
    assert np.all(found.error < 1e-9), found.error


def test_second_order_of_twenty_layers():
    compare(kernel_of(0.2), 2, 20, angle=1e-3)


@pytest.mark.parametrize("C_b", [0.0, 0.15])
@pytest.mark.parametrize("distance", [0.1, 1e-4, 1e-6])
def test_different_lengths_and_biases(distance, C_b):
    kernel = np.array([[1.3, 1.3 + 0.4 * distance], [0.0, 1.3 + 0.8 * distance + distance**2]])
    kernel[1, 0] = kernel[0, 1]
    compare(kernel, 2, 4, C_W=1.7, C_b=C_b, angle=distance)


@pytest.mark.parametrize(("order", "limit"), [(1, 30.0), (2, 300.0), (3, 3000.0)])
def test_close_inputs_tend_to_one(order, limit):
    """Everything moves by the squared angle, and more the higher the order."""
    net = nneft.Network((2, *[30] * 6), "relu", 2.0)
    one = nneft.flow(net, np.array([1.0, 0.0]), order=order, method="series")
    for angle in (1e-3, 1e-5, 1e-7, 1e-8, 1e-9):
        x = np.array([[1.0, 0.0], [cos(angle), np.sin(angle)]])
        found = nneft.flow(net, x, order=order, method="series")
        for p in range(order + 1):
            same = np.broadcast_to(one.K(p), found.K(p).shape)
            np.testing.assert_allclose(found.K(p), same, rtol=0, atol=limit * angle**2 + 1e-11)
        for k in range(2, order + 2):
            for q in range(order + 2 - k):
                size = np.max(np.abs(one.V(2 * k, q)))
                same = np.broadcast_to(one.V(2 * k, q), found.V(2 * k, q).shape)
                change = np.max(np.abs(found.V(2 * k, q) - same)) / size
                assert change <= limit * angle**2 + 1e-11, (angle, k, q, change)


def held(order):
    """Names of what a flow of this order holds, half the points, and the order in 1/n."""
    yield from ((f"K_{p}", 1, p) for p in range(order + 1))
    for k in range(2, order + 2):
        yield from ((f"V_{2 * k}" + f"_{q}" * (q > 0), k, q) for q in range(order + 2 - k))


def fan(*turns):
    return np.array([[cos(t), np.sin(t)] for t in turns])


@pytest.mark.parametrize("angle", [0.1, 0.01])
def test_close_pair_among_three(angle):
    """Two methods, each with its own rounding, within the bounds; the pair as if it were alone."""
    net = nneft.Network(widths_of(4), "relu", 2.0)
    one, other = (
        nneft.flow(net, fan(0.0, angle, 1.5), order=2, method=method)
        for method in ("series", "diagrams")
    )
    alone = nneft.flow(net, fan(0.0, angle), order=2)
    for name, k, order in held(2):
        first, second = (f.K(order) if k == 1 else f.V(2 * k, order) for f in (one, other))
        bound = one.errors(name) + other.errors(name)
        assert np.all(np.abs(first - second) <= bound + 1e-14 * np.abs(first)), name
        pair = (slice(None), *[slice(2)] * (2 * k))
        truth = alone.K(order) if k == 1 else alone.V(2 * k, order)
        np.testing.assert_allclose(first[pair], truth, rtol=1e-12, atol=1e-14)


def test_close_pair_among_three_tends_to_one():
    net = nneft.Network(widths_of(4), "relu", 2.0)
    limit = nneft.flow(net, fan(0.0, 0.0, 1.5), order=2)
    found = nneft.flow(net, fan(0.0, 3e-4, 1.5), order=2)
    for name, k, order in held(2):
        here, there = (f.K(order) if k == 1 else f.V(2 * k, order) for f in (found, limit))
        size = np.max(np.abs(there))
        assert np.all(np.abs(here - there) <= 1e-2 * size + found.errors(name)), name


@pytest.mark.parametrize(
    ("name", "C_W", "inputs", "order"),
    [
        ("relu", 2.0, fan(0.0, 1e-6, 1.5), 2),
        ("selu", 0.476771, fan(0.0, 1e-3), 2),
        ("selu", 0.476771, fan(0.0, 1e-2), 3),
        ("elu", 1.0, fan(0.0, 1e-2), 3),
    ],
)
def test_lost_digits_are_refused_by_name(name, C_W, inputs, order):
    net = nneft.Network(widths_of(5), name, C_W)
    with pytest.raises(nneft.NumericsError, match=r"order \d is known .* a correlation of"):
        nneft.flow(net, inputs, order=order)


@pytest.mark.parametrize(("name", "C_W"), [("selu", 0.476771), ("elu", 1.0)])
def test_bounds_of_close_inputs_at_a_kink(name, C_W):
    """K_2 is even in the angle: what is left of that is within the bounds."""
    net = nneft.Network(widths_of(5), name, C_W)
    angles = np.array([0.03, 0.02, 0.01])
    found = [nneft.flow(net, fan(0.0, angle), order=2) for angle in angles]
    values = np.array([f.K(2)[-1, 0, 1] for f in found])
    bounds = np.array([f.errors("K_2")[-1, 0, 1] for f in found])
    limit = nneft.flow(net, fan(0.0), order=2).K(2)[-1, 0, 0]
    slopes, uncertain = (values - limit) / angles**2, bounds / angles**2
    # c (1 + O(theta)), of which the widest angle tells the size
    assert np.all(np.abs(slopes - slopes[0]) <= 0.1 * abs(slopes[0]) + uncertain), slopes


@pytest.mark.parametrize("name", ["selu", "elu", "max(x, 0.1*x+0.3)"])
@pytest.mark.parametrize("angle", [5e-6, 1e-7])
def test_first_order_at_a_kink(name, angle):
    """K_1 moves by the squared angle; its bound and the others stay small."""
    net = nneft.Network((2, *[10] * 20), name, 0.6, 0.1)
    found, one = nneft.flow(net, fan(0.0, angle)), nneft.flow(net, fan(0.0))
    move = np.abs(found.K(1)[:, 0, 1] - one.K(1)[:, 0, 0])
    assert np.all(move <= found.errors("K_1")[:, 0, 1] + one.errors("K_1")[:, 0, 0] + 50 * angle**2)
    assert np.all(found.error < 1e-6)


@pytest.mark.parametrize("C_b", [0.0, 0.2])
@pytest.mark.parametrize("longer", [[1e5, 1e5], [3.0, 1.0], [1.1, 0.0]])
def test_a_much_longer_input_costs_no_digits(longer, C_b):
    net = nneft.Network(widths_of(5), "relu", 1.7, C_b)
    short = np.array([1.0, 0.0])
    both = nneft.flow(net, np.array([longer, short]), order=2)
    one = nneft.flow(net, short, order=2)
    np.testing.assert_allclose(both.K(0)[:, 1, 1], one.K(0).ravel(), rtol=1e-13)
    for order in (0, 1):
        alone = one.V(4, order).ravel()
        np.testing.assert_allclose(both.V(4, order)[:, 1, 1, 1, 1], alone, rtol=1e-11, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "C_W", "others", "order", "depth", "apart"),
    [
        ("relu", 2.0, (), 2, 8, 6e-16),
        ("relu", 2.0, (), 3, 8, 6e-16),
        ("relu", 2.0, (1.5,), 2, 8, 2e-7),
        ("relu", 2.0, (1.5,), 3, 4, 2e-3),
        ("selu", 0.476771, (), 2, 8, 5e-5),
        ("selu", 0.476771, (), 3, 5, 5e-3),
        ("elu", 1.0, (), 2, 8, 2e-8),
        ("elu", 1.0, (), 3, 5, 5e-4),
    ],
)
def test_stated_correlations_hold(name, C_W, others, order, depth, apart):
    angle = np.sqrt(2.0 * apart)
    inputs = fan(0.0, angle, *others)
    nneft.flow(nneft.Network(widths_of(depth), name, C_W), inputs, order=order)
