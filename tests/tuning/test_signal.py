"""Differences between inputs: against flows and closed forms; kept by the tuning of spread."""

import numpy as np
import pytest

import nneft
from nneft.tuning import advise, critical_network, tune
from nneft.tuning.signal import ALLOWANCE, moved, signal


def leaving(network, kernel, r):
    """The last layer's correlation of two inputs at r, by the flow."""
    K = nneft.flow(network, kernel=kernel * np.array([[1.0, r], [r, 1.0]]), order=0).K()[-1]
    return K[0, 1] / np.sqrt(K[0, 0] * K[1, 1])


@pytest.mark.parametrize("activation", ["tanh", "relu", "selu", "x+x**2/3"])
def test_against_the_flow(activation):
    net = nneft.Network((3, 30, 50, 40), activation, [1.2, 0.9, 1.1], [0.1, 0.05, 0.2])
    found = signal(net, 0.8)
    for i, r in enumerate((0.5, 0.99)):
        wanted = leaving(net, 0.8, r)
        assert found.correlations[-1, i] == pytest.approx(wanted, rel=1e-10)
        assert found.moved[i] == pytest.approx(np.log((1 - wanted) / (1 - r)), abs=1e-7)


def test_chis_of_relu_are_half_of_C_W():
    net = nneft.Network((3, 30, 50, 40), "relu", [1.0, 1.5, 2.5], 0.1)
    found = signal(net, 1.3)
    np.testing.assert_allclose(found.parallel, [0.75, 1.25], rtol=1e-13)
    np.testing.assert_allclose(found.perpendicular, [0.75, 1.25], rtol=1e-13)
    assert found.rates == pytest.approx((np.sqrt(0.75 * 1.25),) * 2)


@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
def test_derivatives_by_finite_differences(activation):
    C_W, C_b = np.array([1.2, 0.9, 1.1, 1.4]), np.array([0.1, 0.05, 0.2, 0.02])

    def of(x):
        return nneft.Network((3, 30, 50, 40, 9), activation, [1.2, *x[::2]], [0.1, *x[1::2]])

    x, h = np.ravel(np.column_stack([C_W[1:], C_b[1:]])), 1e-5
    slopes = moved(of(x), 0.8)[1]
    for i, step in enumerate(h * np.eye(len(x))):
        wanted = (moved(of(x + step), 0.8)[0] - moved(of(x - step), 0.8)[0]) / (2.0 * h)
        np.testing.assert_allclose(slopes[:, i], wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("activation", "depth", "correlation"),
    [("tanh", 12, None), ("tanh", 6, 0.9), ("gelu", 6, None), ("relu", 6, 0.9)],
)
def test_the_spread_is_not_bought_with_the_signal(activation, depth, correlation):
    net, kernel = critical_network(activation, depth, 100, correlation=correlation)
    found = tune(net, kernel=kernel, target="spread", iterations=30)
    size = kernel[0, 0]
    was, now = (
        np.array([np.log((1 - leaving(n, size, r)) / (1 - r)) for r in (0.5, 0.7, 0.9, 0.99)])
        for n in (net, found.after)
    )
    for ends in (0, -1):
        assert abs(now[ends]) < abs(was[ends]) + ALLOWANCE + 1e-5
    # Correlations between are kept with them.
    assert np.all(np.diff(now) > -1e-9) and np.all(np.diff(was) > -1e-9)
    was, now = found.profiles
    assert now.spread[-1] <= 1.001 * was.spread[-1]
    assert found.numbers["after"] < found.numbers["before"]
    assert "differences between inputs are lost" not in str(found)
    # What would be taken otherwise: biases only, that spread nothing and say nothing.
    C_W, C_b = net.C_W.copy(), net.C_b.copy()
    C_W[-1], C_b[-1] = 1e-4, size
    mute = nneft.Network(net.widths, activation, C_W, C_b)
    assert leaving(mute, size, 0.5) > 0.999


def test_a_network_of_one_input_keeps_its_signal():
    net = nneft.Network([100] * 13, "tanh", C_W=1.0)
    found = tune(net, kernel=1.0, target="spread")
    now = leaving(found.after, 1.0, 0.5)
    assert abs(now - 0.5) < 1.1 * abs(leaving(net, 1.0, 0.5) - 0.5)
    assert found.profiles[1].spread[-1] < 0.7 * found.profiles[0].spread[-1]
    drawn = nneft.sample(found.after, kernel=[[1.0, 0.5], [0.5, 1.0]], networks=1000, seed=3)
    G = drawn.kernel.mean[-1]
    assert G[0, 1] / np.sqrt(G[0, 0] * G[1, 1]) == pytest.approx(now, abs=0.03)


def test_what_is_lost_is_said():
    found = advise("gelu", depth=20, width=128, target="layers")
    warnings = found.tuning.warnings
    assert warnings == found.as_dict()["warnings"]
    assert any("random seeds spread more" in w for w in warnings)
    assert any("away from criticality" in w for w in warnings)
    assert all(w.startswith("warning: ") and w in str(found) for w in warnings)
    parted = tune(*critical_network("tanh", 15, 100)[:1], kernel=[[1.0, 0.9], [0.9, 1.0]])
    assert any("differences between inputs are lost" in w for w in parted.warnings)


@pytest.mark.parametrize("target", ["shift", "layers", "spread"])
def test_signal_and_spread_are_always_told(target):
    correlation = None if target == "shift" else 0.9
    net, kernel = critical_network("tanh", 4, 200, correlation=correlation)
    found = tune(net, kernel=kernel, target=target, **({} if target != "spread" else SHORT))
    text = str(found)
    assert "chi_par = " in text and "chi_perp = " in text and "inputs of correlation 0.5" in text
    assert "random seeds spread by" in text
    if target == "shift":
        assert found.warnings == []


SHORT = {"iterations": 3}
