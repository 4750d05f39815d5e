"""The O(1/n) shift against exact finite-width means, ensembles and universal numbers."""

import numpy as np
import pytest

import nneft
from nneft.tuning import critical_network, tune


def network(activation, depth, width):
    return critical_network(activation, depth, width)


@pytest.mark.parametrize("activation", ["relu", "linear", "leaky_relu(0.3)"])
def test_scale_invariant_networks_need_none(activation):
    found = tune(*network(activation, 6, 40)[:1], kernel=1.3, target="shift")
    assert found.numbers == {"c": 0.0}
    np.testing.assert_array_equal(found.after.C_W, found.before.C_W)
    assert "nothing to shift" in str(found)


@pytest.mark.parametrize("by", ["C_W", "C_b"])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "sin"])
def test_what_is_left_of_the_exact_mean_falls_a_power_faster(activation, by):
    """Against the law of the kernel at finite width, which knows nothing of expansions."""
    left = []
    # K_2 of GELU is 140 times K_1
    for width in (2000, 4000) if activation == "gelu" else (60, 120):
        net, kernel = network(activation, 6, width)
        found = tune(net, kernel=kernel, target="shift", by=by)
        goal = found.goal[-1, 0, 0]
        means = [nneft.exact(n, kernel=kernel, moments=1).moments[0, -1]
                 for n in (net, found.after)]  # fmt: skip
        left.append([abs(mean - goal) for mean in means])
    slopes = np.log2(left[0]) - np.log2(left[1])
    assert slopes[0] == pytest.approx(1.0, abs=0.1)
    assert slopes[1] == pytest.approx(2.0, abs=0.2)
    assert left[1][1] < 0.1 * left[1][0]


def test_against_the_derivative_of_the_kernel_by_finite_differences():
    net = nneft.Network((5, 30, 60, 40, 20), "tanh", [1.0, 1.3, 0.9, 1.1], 0.05)
    found = tune(net, kernel=0.7, target="shift")
    below, h = np.array(net.widths[:-1]), 1e-5

    def kernel(c):
        C_W = net.C_W * (1.0 + np.array([0.0, c, c, c]) / below)
        moved = nneft.Network(net.widths, "tanh", C_W, 0.05)
        return nneft.flow(moved, kernel=0.7, order=0).K()[-1, 0, 0]

    slope = (kernel(h) - kernel(-h)) / (2.0 * h)
    drift = nneft.flow(net, kernel=0.7).K(1)[-1, 0, 0] / below[-1]
    assert found.numbers["c"] == pytest.approx(-drift / slope, rel=1e-8)


@pytest.mark.parametrize("activation", ["tanh", "sin"])
def test_it_tends_to_two_thirds_at_zero(activation):
    """c = 2/3 + O(log l / l): two depths tell the limit to a percent."""
    found = [
        tune(network(activation, depth, 10**6)[0], kernel=1.0, target="shift").numbers["c"]
        for depth in (50, 200)
    ]
    off = [2.0 / 3.0 - c for c in found]
    assert 0.0 < off[1] < 0.36 * off[0] < 0.04


def test_two_inputs_and_both_constants():
    net, kernel = critical_network("tanh", 6, 100, correlation=0.4)
    one, both = (tune(net, kernel=kernel, target="shift", by=by) for by in ("C_W", ("C_W", "C_b")))
    assert set(both.numbers) == {"c", "d"}
    start, left, least = one.departure[0][-1], one.departure[1][-1], both.departure[1][-1]
    assert least < 0.1 * left < 0.1 * start


def test_an_ensemble_has_the_mean_of_infinite_width():
    net, kernel = network("tanh", 10, 64)
    found = tune(net, kernel=kernel, target="shift")
    goal = found.goal[-1, 0, 0]
    for tuned, inside in ((found.after, True), (net, False)):
        drawn = nneft.sample(tuned, kernel=kernel, networks=40000, seed=4).kernel[-1, 0, 0]
        assert (abs(drawn.pull(goal)) < 4.0) == inside


def test_wrong_calls():
    net, kernel = network("tanh", 4, 50)
    with pytest.raises(ValueError, match='by must be "C_W", "C_b" or both'):
        tune(net, kernel=kernel, target="shift", by="C")
    with pytest.raises(ValueError, match="target must be one of"):
        tune(net, kernel=kernel, target="mean")
    with pytest.raises(ValueError, match="infinite-width kernel: leave it out"):
        tune(net, kernel=kernel, target="shift", goal=1.0)
    with pytest.raises(ValueError, match="one layer has nothing to tune"):
        tune(nneft.Network((2, 3), "tanh", 1.0), kernel=1.0, target="shift")
    with pytest.raises(ValueError, match="positive first kernel"):
        tune(net, kernel=0.0, target="shift")
    edge = nneft.Network((9, 9, 9, 9, 9), "exp(x)", 0.05, 0.0)
    with pytest.raises(ValueError, match="C_b negative"):
        tune(edge, kernel=1.0, target="shift", by="C_b")
