"""Gradients against finite differences and the flow's own; optima against what cannot be better."""

import numpy as np
import pytest
from scipy.optimize import nnls

import nneft
from nneft.rg.components import Components
from nneft.rg.sensitivity import every_layer
from nneft.tuning import critical_network, tune
from nneft.tuning.balance import Balance

WIDTHS = (3, 30, 50, 40, 20)
C_W, C_B = [1.2, 0.9, 1.1, 1.3], [0.1, 0.05, 0.2, 0.01]
KERNELS = {1: [[0.8]], 2: [[1.0, 0.3], [0.3, 0.7]]}


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu", "selu"])
def test_every_layer_has_the_last_layers_derivatives_of_a_shorter_network(activation, inputs):
    net, kernel = nneft.Network(WIDTHS, activation, C_W, C_B), KERNELS[inputs]
    found = nneft.flow(net, kernel=kernel)
    for layer, changes in every_layer(found):
        if layer == 1:
            continue
        cut = nneft.Network(WIDTHS[: layer + 1], activation, C_W[:layer], C_B[:layer])
        wanted = nneft.flow(cut, kernel=kernel).sensitivity()
        for p in (0, 1):
            mine = Components(found.reduction).dense(list(changes[0][..., p]), 1)
            for i, by in enumerate(("C_W", "C_b")):
                np.testing.assert_allclose(mine[i::2], wanted.K(p, by=by), atol=1e-12)


@pytest.mark.parametrize("inputs", [1, 2])
@pytest.mark.parametrize("activation", ["tanh", "relu", "x+x**2/3"])
def test_the_gradient_by_finite_differences(activation, inputs):
    net, kernel = nneft.Network(WIDTHS, activation, C_W, C_B), np.array(KERNELS[inputs])
    goal = np.broadcast_to(kernel, (4, inputs, inputs)).copy()
    problem = Balance(net, kernel, goal, 0.7, 1.9, False)
    x = np.ravel(np.column_stack([net.C_W[1:], net.C_b[1:]]))
    _, slope = problem.value(x)
    for i, step in enumerate(np.eye(len(x))):
        h = 1e-3
        ends = [problem.value(x + s * h * step)[0] for s in (1.0, -1.0, 2.0, -2.0)]
        wanted = (8.0 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / (12.0 * h)
        assert slope[i] == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_without_weight_on_the_spread_the_kernel_is_kept():
    """As far as the signal allows, which a network of two layers does: C_W <s^2> = K."""
    net, kernel = critical_network("tanh", 2, 10**6)
    found = tune(net, kernel=kernel, target="spread", weights={"spread": 0.0})
    assert found.departure[1][-1] < 1e-4 * found.departure[0][-1]


def test_the_optimum_is_one():
    """First order: where J falls, a constraint or a bound is in the way (Karush, Kuhn, Tucker)."""
    net, kernel = critical_network("tanh", 4, 60, correlation=0.5)
    found = tune(net, kernel=kernel, target="spread", weights={"kernel": 10.0}, iterations=400)
    goal = np.broadcast_to(kernel, (4, 2, 2)).copy()
    problem = Balance(net, kernel, goal, 10.0, 1.0, False)
    x = problem._constants(found.after)
    best, slope = problem.value(x)
    assert best == pytest.approx(found.numbers["after"], rel=1e-12)
    left, change = problem.kept()(x, problem.parts(x)[1])
    assert np.all(left >= -1e-6) and np.any(left < 1e-4)
    walls = [*change[left < 1e-4], *np.eye(len(x))[x == 0.0]]
    _, rest = nnls(np.stack(walls, axis=1), slope)
    assert rest < 1e-3 * np.linalg.norm(slope)
    rng, inside = np.random.default_rng(3), 0
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(20):
            near = np.maximum(x * (1.0 + size * rng.standard_normal(len(x))), 0.0)
            if np.all(problem.kept()(near, problem.parts(near)[1])[0] >= 0.0):
                inside += 1
                assert problem.value(near)[0] > best
    assert inside > 5
    assert best < found.numbers["before"]


def test_shared_constants_are_shared():
    net, kernel = critical_network("gelu", 5, 100, correlation=0.8)
    found = tune(net, kernel=kernel, target="spread", shared=True)
    assert len({*found.after.C_W[1:].tolist()}) == len({*found.after.C_b[1:].tolist()}) == 1
    assert found.numbers["after"] < found.numbers["before"]
    free = tune(net, kernel=kernel, target="spread")
    assert free.numbers["after"] < found.numbers["after"]


def test_an_ensemble_spreads_less():
    net, kernel = critical_network("tanh", 6, 300, correlation=0.5)
    found = tune(net, kernel=kernel, target="spread")
    measured = []
    for tuned in (net, found.after):
        drawn = nneft.sample(tuned, kernel=kernel, networks=4000, seed=6)
        mean = drawn.kernel.mean[-1, 0, 0]
        measured.append(drawn.V(4)[-1, 0, 0, 0, 0] * (1.0 / 300 / mean**2))
        exact = nneft.exact(tuned, kernel=1.0)
        relative = exact.variance[-1] / exact.moments[0, -1] ** 2
        assert abs(measured[-1].pull(relative)) < 4.0
    gap = measured[0].mean - measured[1].mean
    assert gap > 6.0 * np.hypot(measured[0].error, measured[1].error)


def test_what_the_spread_leaves_out_falls_with_the_width():
    """Against the law at finite width, of one of the two inputs: relative to it as 1/n."""
    off = []
    for width in (300, 600):
        net, kernel = critical_network("tanh", 6, width, correlation=0.5)
        found = tune(net, kernel=kernel, target="layers")
        exact = nneft.exact(found.after, kernel=1.0)
        relative = exact.variance[-1] / exact.moments[0, -1] ** 2
        off.append(abs(found.profiles[1].spreads[-1, 0] ** 2 / relative - 1.0))
    assert np.log2(off[0] / off[1]) == pytest.approx(1.0, abs=0.2)


def test_wrong_weights():
    net, kernel = critical_network("tanh", 3, 60, correlation=0.5)
    with pytest.raises(ValueError, match='weights are "kernel" and "spread"'):
        tune(net, kernel=kernel, target="spread", weights={"angle": 1.0})
    with pytest.raises(ValueError, match='weights are "kernel" and "spread"'):
        tune(net, kernel=kernel, target="spread", weights={"kernel": -1.0})
