"""V_4, V_6 and V_8 of narrow networks of two inputs, measured on drawn weights."""

from itertools import chain

import numpy as np
import pytest
from scipy.special import erf

import nneft

X = np.array([[1.0, 0.4], [-0.7, 0.9]])
ACTIVATIONS = {
    "tanh": np.tanh,
    "gelu": lambda x: 0.5 * x * (1.0 + erf(x / np.sqrt(2.0))),
}
COMPONENTS = {
    4: [(0, 0, 0, 0), (0, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1)],
    6: [(0, 0, 0, 0, 0, 0), (0, 1, 0, 1, 0, 1), (0, 0, 0, 1, 1, 1), (0, 0, 0, 0, 1, 1)],
    8: [(0,) * 8, (0, 1) * 4, (0, 0, 1, 1, 0, 0, 1, 1), (0, 0, 0, 1, 0, 1, 1, 1)],
}
BATCHES = 64


def gaussian(rng, shape):
    return rng.standard_normal(shape)


def uniform(rng, shape):
    """Of the same variance: not what the theory is about."""
    return np.sqrt(3.0) * rng.uniform(-1.0, 1.0, shape)


def drawn(name, widths, C_W, C_b, networks, seed, draw=gaussian):
    """``G_00, G_01, G_11`` of layer 3, from the weights of layers 1 and 2: (networks, 3)."""
    rng, sigma = np.random.default_rng(seed), ACTIVATIONS[name]
    found = []
    for count in [networks // 20] * 20:
        below = np.broadcast_to(X.T, (count, 2, 2))
        for layer in (1, 2):
            shape = (count, widths[layer], widths[layer - 1])
            weights = np.sqrt(C_W / widths[layer - 1]) * draw(rng, shape)
            biases = np.sqrt(C_b) * draw(rng, (count, widths[layer], 1))
            phi = weights @ below + biases
            below = sigma(phi)
        G = C_b + C_W * np.einsum("sia,sib->sab", below, below) / widths[2]
        found.append(G[:, [0, 0, 1], [0, 1, 1]])
    return np.concatenate(found)


def k_statistic(samples) -> float:
    """Unbiased joint cumulant of the columns of (samples, k), k = 1..4.

    With m the central moments of n samples, all joint (Fisher; Stuart and Ord 12 and 13):
    ``k_2 = n m_12 / (n-1)``, ``k_3 = n^2 m_123 / ((n-1)(n-2))`` and
    ``k_4 = n^2 [(n+1) m_1234 - (n-1)(m_12 m_34 + m_13 m_24 + m_14 m_23)] / ((n-1)(n-2)(n-3))``.
    """
    n, k = samples.shape
    if k == 1:
        return float(samples.mean())
    d = samples - samples.mean(axis=0)

    def m(*columns: int) -> float:
        return float(np.mean(np.prod(d[:, columns], axis=1)))

    if k == 2:
        return n / (n - 1) * m(0, 1)
    if k == 3:
        return n**2 / ((n - 1) * (n - 2)) * m(0, 1, 2)
    pairs = m(0, 1) * m(2, 3) + m(0, 2) * m(1, 3) + m(0, 3) * m(1, 2)
    total = (n + 1) * m(0, 1, 2, 3) - (n - 1) * pairs
    return n**2 * total / ((n - 1) * (n - 2) * (n - 3))


def measured(G, at) -> tuple[float, float]:
    """Joint cumulant of the entries of G that `at` names, and its standard error by batches."""
    columns = [a + b for a, b in zip(at[::2], at[1::2], strict=True)]
    found = [k_statistic(part[:, columns]) for part in np.array_split(G, BATCHES)]
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(BATCHES))


def pulls(G, theory, *points: int) -> dict[tuple[int, ...], float]:
    """Measured without theory in standard errors; of these numbers of points, or of all."""
    found = {}
    for at in chain.from_iterable(COMPONENTS[p] for p in points or COMPONENTS):
        value, error = measured(G, at)
        found[at] = (value - theory(at)) / error
    return found


def largest(found, points) -> float:
    return max(abs(p) for at, p in found.items() if len(at) in points)


def test_k_statistics_are_unbiased():
    """All means over samples of five of a small population with known cumulants."""
    values = np.array([[0.0, 1.0], [1.0, -1.0], [3.0, 0.5]])
    rows = np.stack(np.meshgrid(*[np.arange(3)] * 5, indexing="ij"), axis=-1).reshape(-1, 5)
    d = values - values.mean(axis=0)
    x, y = d.T
    third = np.mean(x * x * y)
    fourth = np.mean(x * x * y * y) - np.mean(x * x) * np.mean(y * y) - 2 * np.mean(x * y) ** 2
    for columns, want in (([0, 0, 1], third), ([0, 0, 1, 1], fourth), ([0, 1], np.mean(x * y))):
        found = np.mean([k_statistic(values[row][:, columns]) for row in rows])
        assert found == pytest.approx(want, rel=1e-12)


TANH = (1.0, 0.05)


def cumulant(order, widths, C_W=TANH[0], C_b=TANH[1], name="tanh"):
    """Of layer 3, by the inputs, all orders held summed."""
    flow = nneft.flow(nneft.Network(widths, name, C_W, C_b), X, order=order)
    return lambda at: flow.cumulant(len(at), at=at)[2]


def test_a_tanh_network_at_order_three():
    widths = (2, 16, 20, 4)
    G, theory = drawn("tanh", widths, *TANH, 300_000, 5), cumulant(3, widths)
    found = pulls(G, theory)
    assert largest(found, (4, 6, 8)) < 4.0, found
    for at in ((0, 0), (0, 1), (1, 1)):
        value, error = measured(G, at)
        assert abs(value - theory(at)) < 4.0 * error
    # The control: each of the correlators is seen.
    nothing = pulls(G, lambda _: 0.0)
    assert all(largest(nothing, (points,)) > 8.0 for points in (4, 6, 8)), nothing


def test_a_narrower_one_needs_order_five():
    widths = (2, 8, 10, 4)
    G = drawn("tanh", widths, *TANH, 300_000, 5)
    found = pulls(G, cumulant(5, widths))
    assert largest(found, (4, 6, 8)) < 4.0, found
    # The control: V_8 to its leading order alone.
    assert largest(pulls(G, cumulant(3, widths)), (8,)) > 5.0


def test_other_weights_are_seen():
    widths = (2, 8, 10, 4)
    found = pulls(drawn("tanh", widths, *TANH, 300_000, 5, uniform), cumulant(5, widths))
    assert all(largest(found, (points,)) > 5.0 for points in (4, 6, 8)), found


def test_a_gelu_network_needs_more_than_the_leading_order():
    widths, rates = (2, 24, 30, 4), (2.0, 0.05)
    G = drawn("gelu", widths, *rates, 100_000, 8)
    found = pulls(G, cumulant(4, widths, *rates, "gelu"))
    assert largest(found, (4, 6)) < 4.0, found
    # The control: leading orders alone, which is what a flow of order k - 1 holds of kappa_k.
    for points in (4, 6):
        theory = cumulant(points // 2 - 1, widths, *rates, "gelu")
        assert largest(pulls(G, theory, points), (points,)) > 5.0
