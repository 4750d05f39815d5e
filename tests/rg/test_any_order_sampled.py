"""V_4, V_6, V_8 and K_p of narrow networks, measured on drawn weights and at several widths."""

from itertools import chain

import numpy as np
import pytest
from scipy.optimize import curve_fit
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


# Several widths: what the theory holds to order P misses what is measured by n^-(P+1).
#
# Of one layer's ensembles only noise is reduced, by means over the next layer given its kernel:
# these are exact at whatever kernel came up, and nothing of them is expanded in 1/n.
TWO = ((1.0, 0.4), (0.4, 0.8))
SEVERAL = (4, 6, 8, 12, 16, 24)


def over_widths(name, C_W, C_b, kernel, networks, widths=SEVERAL, points=4):
    """Ensembles of several widths and the flow of one: coefficients in 1/n are those of all."""
    made = [nneft.Network((2, n, n, 4), name, C_W, C_b) for n in widths]
    found = [
        nneft.sample(net, kernel=kernel, networks=networks, seed=s, reduce=True, points=points)
        for s, net in enumerate(made, start=90)
    ]
    return found, nneft.flow(made[0], kernel=kernel, order=5)


def coefficient(flow, at, p):
    """Of ``n^-p`` in ``<G>`` or ``n^(k-1) kappa_k`` of layer 3."""
    return (flow.K(p)[2] if len(at) == 2 else flow.V(len(at), order=p)[2])[at]


def falls_as(ensembles, flow, at, P, off=0.0):
    """(s, its error) of ``A n^-s (1 + B/n)`` fitted to what is left after order P.

    The second term stands for the next order; the coefficient of order P is taken wrong by `off`.
    """
    n = np.array([float(e.widths[1]) for e in ensembles])
    held = [coefficient(flow, at, p) for p in range(P + 1)]
    held[P] *= 1.0 + off
    found = [(e.kernel if len(at) == 2 else e.V(len(at)))[(2, *at)] for e in ensembles]
    left = np.array([float(f.mean) for f in found]) - sum(c * n**-p for p, c in enumerate(held))
    scale, start = np.abs(left[0]), P + 1.0

    def law(n, A, s, B):
        return A * (n / n[0]) ** -s * (1.0 + B / n)

    best, covariance = curve_fit(
        law, n, left / scale, p0=[np.sign(left[0]), start, 0.0],
        sigma=np.array([float(f.error) for f in found]) / scale, absolute_sigma=True,
        bounds=([-np.inf, 0.0, -0.9 * n[0]], [np.inf, 8.0, 10.0]),
    )  # fmt: skip
    return best[1], np.sqrt(covariance[1, 1])


def check_slope(ensembles, flow, at, P, off, sharp):
    """The power is P + 1, known to `sharp`; with a coefficient that is `off` it is not."""
    power, error = falls_as(ensembles, flow, at, P)
    assert error < sharp
    assert abs(power - (P + 1)) < 4.0 * error, (at, P, power, error)
    wrong, its = falls_as(ensembles, flow, at, P, off)
    assert abs(wrong - (P + 1)) > 4.0 * max(error, its), (at, P, wrong, its)


@pytest.fixture(scope="module")
def one_tanh():
    return over_widths("tanh", 2.5, 0.0, 1.0, 600_000)


@pytest.fixture(scope="module")
def one_sin():
    return over_widths("sin", 1.5, 0.05, 1.0, 600_000)


def check_extrapolated(ensembles, flow, seen):
    """K_1 and K_2 with errors, fitted to four orders of which K_0 is known; and K_1 5% wrong."""
    fit = nneft.extrapolate(ensembles, 3, leading=flow.K(0))
    for p, least in zip((1, 2), seen, strict=True):
        assert np.max(np.abs(fit[p][2].pull(flow.K(p)[2]))) < 4.0
        assert np.max(np.abs(fit[p][2].pull(0.0))) > least
    assert np.max(np.abs(fit[1][2].pull(1.05 * flow.K(1)[2]))) > 6.0
    # Four standard deviations of chi^2
    assert np.max(fit.chi2) < fit.freedom + 4.0 * np.sqrt(2.0 * fit.freedom)


def test_k1_and_k2_of_one_input_are_measured(one_tanh, one_sin):
    check_extrapolated(*one_tanh, (200.0, 6.0))
    check_extrapolated(*one_sin, (200.0, 4.0))


def test_what_is_left_of_the_mean_kernel_falls_as_it_must(one_tanh, one_sin):
    for ensembles, flow in (one_tanh, one_sin):
        check_slope(ensembles, flow, (0, 0), 0, 0.01, 0.01)
        check_slope(ensembles, flow, (0, 0), 1, 0.2, 0.25)


def test_what_is_left_of_v4_falls_as_it_must():
    found = over_widths("gelu", 2.0, 0.05, 1.0, 300_000, (6, 8, 12, 16, 24, 32))
    check_slope(*found, (0,) * 4, 0, 0.1, 0.1)


@pytest.mark.slow
def test_k1_and_k2_of_two_inputs_are_measured():
    ensembles, flow = over_widths("tanh", 2.5, 0.05, TWO, 1_000_000)
    check_extrapolated(ensembles, flow, (300.0, 8.0))
    for at in ((0, 0), (0, 1), (1, 1)):
        check_slope(ensembles, flow, at, 0, 0.05, 0.05)
        check_slope(ensembles, flow, at, 1, 0.4, 0.5)
    check_slope(ensembles, flow, (0, 1, 0, 1), 0, 0.1, 0.1)


@pytest.mark.slow
def test_what_is_left_after_the_second_order_falls_as_the_third():
    """Of GELU, whose K_3 is 130 times K_2."""
    found = over_widths("gelu", 2.0, 0.05, 1.0, 2_000_000, (12, 16, 24, 32, 48))
    check_slope(*found, (0, 0), 2, 20.0, 0.3)


@pytest.mark.slow
def test_what_is_left_of_v4_after_the_first_order_falls_as_the_second():
    found = over_widths("sin", 1.5, 0.05, 1.0, 4_000_000)
    check_slope(*found, (0,) * 4, 1, 1.0, 0.5)


@pytest.mark.slow
def test_what_is_left_of_v6_and_v8_falls_as_it_must():
    found = over_widths("gelu", 2.0, 0.05, 1.0, 4_000_000, (8, 12, 16, 24, 32), points=8)
    check_slope(*found, (0,) * 6, 0, 0.5, 0.15)
    check_slope(*found, (0,) * 8, 0, 0.9, 0.4)
