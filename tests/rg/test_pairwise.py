"""The pairwise kernel against the flow of each pair, exact arithmetic and samples."""

import tracemalloc
from fractions import Fraction as F

import mpmath as mp
import numpy as np
import pytest
from rg.rational import Net, Series

import nneft
from nneft.gaussian import expectations
from nneft.rg import pairwise, pairwise_series, pairwise_step
from nneft.rg.pairwise import kernel

#: Activations with C_W and C_b.
TABLE = {
    "tanh": (1.5, 0.1),
    "relu": (2.0, 0.0),
    "gelu": (2.0, 0.2),
    "erf": (1.0, 0.05),
    "sin": (1.0, 0.0),
    "selu": (0.8, 0.1),
    "x + x**2/3": (0.7, 0.1),
    "leaky_relu": (1.7, 0.1),
    "elu": (1.0, 0.0),
    "softplus": (0.5, 0.1),
    "cos": (1.0, 0.1),
    "exp": (0.1, 0.1),
    "linear": (1.1, 0.1),
}
WIDTHS = (5, 30, 12, 50, 7)


def inputs(seed: int, count: int = 3, dimension: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dimension))


def by_flows(net, x1, x2, order=1):
    """The law: each entry by its own flow; and the scale errors are relative to."""
    found, scale = (np.zeros((len(x1), len(x2))) for _ in range(2))
    for a, x in enumerate(x1):
        for b, y in enumerate(x2):
            flow = nneft.flow(net, [x, y], order=order)
            found[a, b] = flow.mean()[-1, 0, 1]
            scale[a, b] = np.sqrt(np.prod(np.diag(flow.K(0)[-1])))
    return found, scale


def agree(net, x1, x2, order=1, tolerance=1e-10) -> None:
    found = kernel(net, x1, x2, order=order)
    expected, scale = by_flows(net, x1, x2, order)
    assert found.shape == expected.shape and found.dtype == np.float64
    assert np.all(np.abs(found - expected) <= tolerance * scale)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", TABLE)
def test_each_entry_is_a_flow(name, order):
    C_W, C_b = TABLE[name]
    agree(nneft.Network(WIDTHS, name, C_W, C_b), inputs(0), inputs(1, 2), order)


@pytest.mark.parametrize("name", TABLE)
def test_coincident_opposite_parallel_and_vanishing_inputs(name):
    C_W, C_b = TABLE[name]
    x = inputs(2, 2)
    others = np.array([x[0], -x[0], 2.0 * x[1], np.zeros(5)])
    agree(nneft.Network(WIDTHS, name, C_W, C_b), x, others)


@pytest.mark.parametrize("name", ["tanh", "relu", "selu"])
def test_coincident_inputs_are_one_input(name):
    net = nneft.Network(WIDTHS, name, *TABLE[name])
    x = inputs(3, 4)
    alone = [nneft.flow(net, row).mean()[-1, 0, 0] for row in x]
    np.testing.assert_allclose(np.diag(kernel(net, x)), alone, rtol=1e-12)
    np.testing.assert_allclose(np.diag(kernel(net, x, x.copy())), alone, rtol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "selu"])
@pytest.mark.parametrize("distance", [1e-2, 1e-4])
def test_close_inputs(name, distance):
    x, y = inputs(4, 2), inputs(5, 2)
    agree(nneft.Network(WIDTHS, name, *TABLE[name]), x, x + distance * y)


@pytest.mark.parametrize("C_b", ["0", "0.2"])
@pytest.mark.parametrize("distance", [1.0, 1e-3, 1e-5, 1e-6, 3e-8, 1e-9])
def test_close_inputs_of_relu_in_many_digits(distance, C_b):
    widths = (5, 10, 20, 15, 10, 10)
    x = inputs(21, 1)[0]
    y = x + distance * inputs(22, 1)[0]
    with mp.workdps(50):
        expected, scale = relu_kernel(x, y, widths, mp.mpf("1.75"), mp.mpf(C_b))
        found = kernel(nneft.Network(widths, "relu", 1.75, float(C_b)), x, y)[0, 0]
        assert abs(found - expected) <= 2e-11 * scale


def relu_kernel(x, y, widths, C_W, C_b):
    """``K_0 + K_1/n`` of two inputs by arc-cosines, in mpmath; and ``sqrt(K_aa K_bb)``."""
    x, y = ([mp.mpf(float(v)) for v in u] for u in (x, y))
    a, c, b = (C_b + C_W * mp.fdot(u, v) / widths[0] for u, v in ((x, x), (x, y), (y, y)))
    V, K_1, q, half = mp.zeros(3, 3), mp.zeros(3, 1), mp.mpf(1) / 4, mp.mpf(1) / 2
    for above, below in zip(widths[1:-1], widths[:-2], strict=True):
        root, u = mp.sqrt(a * b - c * c), 2 / mp.pi
        angle, ratio = u * mp.asin(c / mp.sqrt(a * b)), mp.mpf(above) / below
        s = mp.matrix([a / 2, q * c + q * (u * root + c * angle), b / 2])
        # derivatives of q (c + |x||y|) by a, c, b; q u = 1/(2 pi)
        first = [half * q * u * root / a, q + q * angle, half * q * u * root / b]
        aa = half * q * u * (b / (2 * root * a) - root / a**2)
        bb = half * q * u * (a / (2 * root * b) - root / b**2)
        ac, bc, ab = -q * u * c / (2 * a * root), -q * u * c / (2 * b * root), q * u / (4 * root)
        second = mp.matrix([[aa, ac, ab], [ac, q * u / root, bc], [ab, bc, bb]])
        plain = a * b + 2 * c * c
        two = q * (plain * (1 + angle) + 3 * u * c * root)
        three, one = (
            q * (3 * p * c * (1 + angle) + 2 * u * p * root + c * c * u * root / r)
            for p, r in ((a, b), (b, a))
        )
        Q = mp.matrix([[1.5 * a * a, three, two], [three, two, one], [two, one, 1.5 * b * b]])
        chi = C_W * mp.matrix([[half, 0, 0], first, [0, 0, half]])
        shift = chi * K_1
        shift[1] += C_W / 2 * sum(second[i, j] * V[i, j] for i in range(3) for j in range(3))
        K_1, V = ratio * shift, C_W**2 * (Q - s * s.T) + ratio * chi * V * chi.T
        a, c, b = (C_b + C_W * v for v in s)
    return c + K_1[1] / widths[-2], mp.sqrt(a * b)


@pytest.mark.parametrize("name", ["tanh", "relu", "x + x**2/3"])
def test_constants_of_their_own_for_each_layer(name):
    net = nneft.Network(WIDTHS, name, (1.0, 0.5, 1.3, 0.7), (0.0, 0.2, 0.0, 0.4))
    agree(net, inputs(6), inputs(7))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_shallow_networks(depth):
    agree(nneft.Network(WIDTHS[: depth + 1], "tanh", 1.2, 0.1), inputs(8), inputs(9))


@pytest.mark.parametrize("size", [1e-3, 30.0])
@pytest.mark.parametrize("name", ["tanh", "gelu", "sin", "selu"])
def test_small_and_large_inputs(name, size):
    agree(nneft.Network(WIDTHS, name, *TABLE[name]), size * inputs(10, 2), inputs(11, 2))


def test_kinks_away_from_zero():
    clip = nneft.Activation(lambda x: np.clip(x, -1.0, 1.0), kinks=(-1.0, 1.0))
    x = inputs(12, 2)
    agree(nneft.Network(WIDTHS[:4], clip, 1.5, 0.1), x, inputs(13, 2))


@pytest.mark.parametrize("correlation", [0.3, 0.9, 0.97, 0.983, -0.97, 1.0])
@pytest.mark.parametrize("name", ["selu", "elu", "tanh", "gelu"])
def test_series_against_panels_and_lattices(name, correlation, monkeypatch):
    monkeypatch.setattr(pairwise_series, "_worthwhile", lambda *_: 0.0)
    activation = nneft.Network((1, 1), name, 1.0).activation
    variances = np.array([0.7, 2.0])
    first, second = np.array([0]), np.array([1])
    covariance = np.array([correlation * np.sqrt(1.4)])
    pairs = pairwise_series.Pairs(variances, first, second, covariance)
    terms = [((1, 1), r) for r in pairwise_step.ORDERS] + pairwise_step.QUARTIC
    found = pairwise_series.mehler(activation, pairs, terms)
    # a kink's derivatives diverge at coincident inputs, where no series can do
    assert found.done[0] == (not activation.kinks or correlation < 1.0)
    if found.done[0]:
        truth = expectations.moments(activation, pairs.kernels[0], terms)
        wrong = np.abs(found.values[:, 0] - truth.values)
        # the law of all estimates: never short by more than a factor of ten
        assert np.all(wrong <= 10.0 * (found.errors[:, 0] + truth.errors))
        assert np.all(found.errors[:, 0] <= 1e-11)


def test_a_linear_network_has_no_correction():
    net = nneft.Network(WIDTHS, "linear", 1.1, 0.2)
    x, y = inputs(14), inputs(15)
    expected = x @ y.T / 5
    for _ in range(net.depth):
        expected = 0.2 + 1.1 * expected
    for order in (0, 1):
        np.testing.assert_allclose(kernel(net, x, y, order=order), expected, rtol=1e-13)


@pytest.mark.parametrize("name", ["tanh", "relu", "selu"])
def test_the_result_does_not_depend_on_tiles(name, monkeypatch):
    net = nneft.Network(WIDTHS, name, *TABLE[name])
    x, y = inputs(16, 7), inputs(17, 5)
    whole = kernel(net, x, y), kernel(net, x)
    monkeypatch.setattr(pairwise, "TILE", 3)
    for one, other in zip(whole, (kernel(net, x, y), kernel(net, x)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)


def test_memory_does_not_grow_with_the_number_of_inputs(monkeypatch):
    monkeypatch.setattr(pairwise, "TILE", 64)
    net = nneft.Network(WIDTHS[:4], "tanh", 1.5, 0.1)
    x = np.tile(inputs(24, 64), (5, 1))  # every tile is as hard as the first
    peaks = []
    kernel(net, x[:64], x[:64])  # fills the tables
    for count in (64, 320):
        tracemalloc.start()
        kernel(net, x[:count], x[:count])
        peaks.append(tracemalloc.get_traced_memory()[1] - 8 * count**2)
        tracemalloc.stop()
    # 25 times as many pairs
    assert peaks[1] < 2.0 * peaks[0]


@pytest.mark.parametrize("name", ["tanh", "relu", "selu", "x + x**2/3"])
def test_one_set_is_symmetric_and_equal_to_two(name):
    net = nneft.Network(WIDTHS, name, *TABLE[name])
    x = inputs(18, 6)
    found = kernel(net, x)
    assert np.array_equal(found, found.T)
    np.testing.assert_allclose(found, kernel(net, x, x), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(kernel(net, x[:2], x), kernel(net, x, x[:2]).T, rtol=1e-12)


@pytest.mark.parametrize("name", ["x + x**2/3", "x**2"])
def test_against_exact_rational_arithmetic(name):
    sigma = {"x + x**2/3": (F(0), F(1), F(1, 3)), "x**2": (F(0), F(0), F(1))}[name]
    C_W, C_b = (F(1), F(3, 4), F(5, 4), F(1, 2)), (F(0), F(1, 4), F(1, 8), F(1, 16))
    widths, depth = (2, 10, 4, 7), 3
    x = [[F(1), F(1, 2)], [F(-1, 2), F(3, 4)], [F(1, 4), F(1)]]
    net = nneft.Network(
        widths, name, [float(c) for c in C_W[:depth]], [float(c) for c in C_b[:depth]]
    )
    found = kernel(net, np.array(x, dtype=float))
    inverse = [Series([F(0), F(1, n)]) for n in widths[1:]]
    for a in range(3):
        for b in range(a + 1, 3):
            first = [[sum(p * q for p, q in zip(x[i], x[j], strict=True)) / 2 for j in (a, b)]
                     for i in (a, b)]  # fmt: skip
            mean = Net(sigma, C_W, C_b, inverse).mean(depth, {((0, 1),): F(1)}, first)
            assert mean.c[1] != 0
            np.testing.assert_allclose(found[a, b], float(mean.c[0] + mean.c[1]), rtol=1e-12)


def test_the_mean_of_narrow_networks():
    net = nneft.Network((3, *[24] * 5), "tanh", 1.6, 0.05)
    x = np.array([[1.0, 0.5, -1.0], [0.8, -1.5, 0.3], [-0.2, 1.1, 1.0]])
    measured = nneft.sample(net, x, networks=100_000, seed=1, reduce=False).kernel
    mean, error = measured.mean[-1], measured.error[-1]
    pulls = {order: np.abs(kernel(net, x, order=order) - mean) / error for order in (0, 1)}
    assert np.all(pulls[1] <= 4.0), pulls[1]
    # what has no correction is told apart
    assert np.max(pulls[0]) > 10.0


def test_many_kernels_of_a_leading_order_flow():
    net = nneft.Network((6, *[50] * 4), "tanh", 1.3, 0.1)
    x = inputs(19, 40, 6)
    expected = nneft.flow(net, x, order=0).K(0)[-1]
    np.testing.assert_allclose(kernel(net, x, order=0), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [1e-70, 1e70])
def test_lengths_that_only_the_leading_order_can_have(size):
    net = nneft.Network((5, 9, 9), "relu", 2.0)
    x = size * inputs(23, 2)
    size_squared = np.max(np.abs(kernel(net, x, order=0)))
    agree(net, x, x[::-1], order=0)
    assert 0.1 * size**2 < size_squared < 10.0 * size**2
    x = 1e90 * inputs(23, 2)
    with pytest.raises(nneft.NumericsError, match="V_4 overflows double precision at layer 2"):
        kernel(net, x)
    assert np.all(np.isfinite(kernel(net, x, order=0)))


def test_one_input_and_plain_lists():
    net = nneft.Network((2, 9, 9), "tanh", 1.5, 0.1)
    one = kernel(net, [1, 2], [[1, 2], [3, 4]])
    assert one.shape == (1, 2)
    np.testing.assert_allclose(one[0, 0], nneft.flow(net, [1, 2]).mean()[-1, 0, 0], rtol=1e-13)


NET = nneft.Network((3, 10, 10), "tanh", 1.0, 0.0)
X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("arguments", "order", "error", "match"),
    [
        ((None, X), 1, TypeError, "must be a nneft.Network"),
        ((NET, X), 2, ValueError, "order must be 0 or 1, got 2"),
        ((NET, X), -1, ValueError, "order must be 0 or 1, got -1"),
        ((NET, X), 1.0, TypeError, "the integer 0 or 1, got 1.0"),
        ((NET, X), True, TypeError, "the integer 0 or 1, got True"),
        ((NET, np.ones((2, 4))), 1, ValueError, r"x1 must have shape \(N, 3\).*got shape \(2, 4\)"),
        ((NET, X, np.ones((2, 2))), 1, ValueError, r"x2 must have shape \(N, 3\).*\(2, 2\)"),
        ((NET, np.ones((2, 2, 3))), 1, ValueError, "x1 must have shape"),
        ((NET, 1.0), 1, ValueError, "x1 must have shape"),
        ((NET, np.ones((0, 3))), 1, ValueError, "x1 must hold at least one input"),
        ((NET, X, np.full((1, 3), np.nan)), 1, ValueError, "x2 must be finite, but input 0"),
        ((NET, "text"), 1, ValueError, "x1 must be real numbers"),
        ((NET, 1e200 * X), 1, ValueError, "overflows double precision: the inputs are too large"),
        ((NET, 1e-200 * X), 1, nneft.NumericsError, "underflows double precision at layer 1"),
    ],
)
def test_wrong_calls(arguments, order, error, match):
    with pytest.raises(error, match=match):
        kernel(*arguments, order=order)


@pytest.mark.parametrize(
    ("name", "C_W", "match"),
    [
        ("relu", 1e12, "overflows double precision at layer"),
        ("relu", 1e-12, "underflows double precision at layer"),
        ("exp(x**2/4)", 4.0, "at layer 2: the Gaussian moments"),
    ],
)
def test_numerics_fail_with_the_layer(name, C_W, match):
    net = nneft.Network((3, *[10] * 40), name, C_W, 0.0)
    with pytest.raises((nneft.NumericsError, ValueError), match=match):
        kernel(net, inputs(20, 2, 3))
