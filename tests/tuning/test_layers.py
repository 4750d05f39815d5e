"""A kernel kept layer by layer: closed forms, exact means, ensembles."""

import math

import numpy as np
import pytest

import nneft
from nneft.tuning import critical_network, tune


def test_relu_at_infinite_width_in_closed_form():
    """Two inputs of unit kernel: <s_12> = (sin t + (pi - t) cos t) / (2 pi), t = arccos K_12."""
    c, net = 0.3, nneft.Network((4, *[10**9] * 5), "relu", 2.0)
    found = tune(net, kernel=[[1.0, c], [c, 1.0]])
    t = math.acos(c)
    cross = (math.sin(t) + (math.pi - t) * c) / (2.0 * math.pi)
    # 1 = C_b + C_W/2, c = C_b + C_W <s_12>: only C_b < 0 would do, so it is 0
    assert (1.0 - c) / (0.5 - cross) > 2.0
    np.testing.assert_array_equal(found.after.C_b[1:], 0.0)
    # min (w/2 - 1)^2 twice + (w <s_12> - c)^2, relative sizes 1
    w = (2 * 0.5 + cross * c) / (2 * 0.25 + cross**2)
    assert found.after.C_W[1] == pytest.approx(w, rel=1e-7)


def test_linear_networks_stay_as_they_are():
    net = nneft.Network((4, 30, 20, 50, 30), "linear", 1.4, 0.0)
    found = tune(net, kernel=[[1.0, 0.3], [0.3, 2.0]])
    np.testing.assert_allclose(found.after.C_W[1:], 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.after.C_b[1:], 0.0, atol=1e-12)
    assert found.after.C_W[0] == 1.4


@pytest.mark.parametrize("activation", ["tanh", "gelu", "selu"])
def test_the_exact_mean_is_kept_to_second_order(activation):
    left = []
    for width in (80, 160):
        net, kernel = critical_network(activation, 5, width)
        found = tune(net, kernel=kernel)
        mean = nneft.exact(found.after, kernel=kernel, moments=1).moments[0]
        left.append(np.max(np.abs(mean / kernel[0, 0] - 1.0)))
    assert math.log2(left[0] / left[1]) == pytest.approx(2.0, abs=0.2)
    assert left[1] < 1e-3


def test_a_kernel_for_each_layer():
    net = nneft.Network((4, 50, 60, 70), "tanh", 1.0, 0.02)
    found = tune(net, kernel=1.0, goal=np.array([1.0, 0.5, 0.8]).reshape(3, 1, 1))
    np.testing.assert_allclose(found.profiles[1].mean.ravel(), [1.0, 0.5, 0.8], rtol=1e-13)
    np.testing.assert_array_equal(found.after.C_b, 0.02)


def test_an_ensemble_keeps_both_inputs():
    net, kernel = critical_network("tanh", 8, 100, correlation=0.5)
    found = tune(net, kernel=kernel)
    assert np.all(found.after.C_b[1:] > 0.0)
    for tuned, inside in ((found.after, True), (net, False)):
        drawn = nneft.sample(tuned, kernel=kernel, networks=4000, seed=2).kernel[1:]
        worst = np.max(np.abs(drawn.pull(kernel)))
        assert (worst < 4.0) == inside


def test_what_cannot_be_is_said():
    net = nneft.Network((4, 50, 60, 70), "tanh", 1.0, 0.9)
    with pytest.raises(ValueError, match="at layer 2 the kernel wanted needs C_W = 0"):
        tune(net, kernel=1.0, goal=0.5)
    with pytest.raises(ValueError, match="goal must have shape"):
        tune(net, kernel=1.0, goal=[1.0, 2.0])
    with pytest.raises(ValueError, match="positive diagonal"):
        tune(net, kernel=1.0, goal=-1.0)
    narrow = nneft.Network((4, *[3] * 30), "tanh", 1.0)
    with pytest.raises(nneft.NumericsError, match="too narrow for its depth"):
        tune(narrow, kernel=1.0, goal=nneft.flow(narrow, kernel=1.0, order=0).K())


@pytest.mark.parametrize(
    ("target", "given"),
    [
        ("layers", {"by": "garbage"}),
        ("layers", {"by": "C_W"}),
        ("layers", {"weights": {"kernel": 1.0}}),
        ("layers", {"shared": True}),
        ("layers", {"iterations": 5}),
        ("shift", {"goal": 1.0}),
        ("shift", {"shared": False}),
        ("spread", {"by": "C_b"}),
    ],
)
def test_what_a_target_has_no_use_for_is_refused(target, given):
    net = nneft.Network((4, 8, 8, 8), "tanh", 1.0)
    [name] = given
    with pytest.raises(ValueError, match=f'target="{target}" has no use for {name}=.*leave it out'):
        tune(net, kernel=1.0, target=target, **given)


@pytest.mark.parametrize(
    ("target", "given", "kind"),
    [
        ("shift", {"by": "garbage"}, ValueError),
        ("shift", {"by": ("C_W", "C_W")}, ValueError),
        ("spread", {"iterations": 0}, ValueError),
        ("spread", {"iterations": 2.5}, TypeError),
        ("spread", {"shared": "yes"}, TypeError),
    ],
)
def test_what_a_target_uses_is_checked(target, given, kind):
    net = nneft.Network((4, 8, 8, 8), "tanh", 1.0)
    [name] = given
    with pytest.raises(kind, match=f"^{name} must be"):
        tune(net, kernel=1.0, target=target, **given)
