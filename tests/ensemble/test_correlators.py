"""Correlators with neuron indices: against neurons drawn, and closed forms."""

import numpy as np
import pytest

from nneft.ensemble import sample
from nneft.ensemble.chain import chain_block, preactivations
from nneft.ensemble.plan import Plan
from nneft.network import Network

INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0]])
NET = Network((2, 6, 8, 5), "tanh", [1.0, 1.6, 1.4], 0.1)


@pytest.fixture(scope="module")
def ensemble():
    return sample(NET, INPUTS, networks=40_000, seed=1, points=8)


@pytest.fixture(scope="module")
def neurons():
    """(networks, N, n_3): neurons of layer 3 of other networks."""
    plan = Plan(NET, NET.first_kernel(INPUTS), INPUTS, "chain", "float64", 2, 4)
    g = chain_block(plan, 0, 40_000)[:, 1]
    kernel = np.empty((len(g), 2, 2))
    kernel[:, [0, 0, 1], [0, 1, 1]] = g
    kernel[:, 1, 0] = g[:, 1]
    return preactivations(kernel, np.random.default_rng(3).standard_normal((len(g), 2, 5)))


LEGS = [
    [(0, 0), (0, 1)],
    [(0, 0), (0, 0), (1, 1), (1, 1)],
    [(2, 0), (2, 1), (2, 1), (2, 1)],
    [(0, 0), (0, 1), (1, 0), (1, 0), (3, 1), (3, 1)],
    [(1, 0), (1, 0), (1, 1), (1, 1), (2, 0), (2, 1)],
    [(0, 0)] * 4 + [(1, 1)] * 4,
]


@pytest.mark.parametrize("legs", LEGS)
def test_full_correlators_against_neurons_drawn(legs, ensemble, neurons):
    product = np.prod([neurons[:, a, i] for i, a in legs], axis=0)
    mean, error = product.mean(), product.std() / np.sqrt(len(product))
    found = ensemble.correlator(legs, 3, connected=False)
    assert abs(found.mean - mean) < 4 * np.hypot(error, found.error)
    # The average over neurons is exact, so the error is less; and the number is resolved.
    assert found.error < error
    assert abs(found.mean) > 8 * found.error


def test_connected_is_full_without_what_factorises(ensemble):
    """Four fields of one neuron: <1234> - <12><34> - <13><24> - <14><23>."""
    legs = LEGS[2]
    full = ensemble.correlator(legs, 3, connected=False).mean
    two = ensemble.kernel.mean[2]
    found = ensemble.correlator(legs, 3)
    assert found.mean == pytest.approx(full - 3 * two[0, 1] * two[1, 1], rel=1e-3, abs=1e-12)
    v4 = ensemble.V(4)[2]
    assert found.mean == pytest.approx(3 * v4.mean[0, 1, 1, 1] / 8, rel=1e-9)
    assert found.error == pytest.approx(3 * v4.error[0, 1, 1, 1] / 8, rel=0.3)


def test_eight_fields_of_one_neuron(ensemble):
    """105 pairings of one component: 105 V_8 / n^3."""
    found = ensemble.correlator([(0, 0)] * 8, 3)
    v8 = ensemble.V(8, at=(0,) * 8)[2]
    assert found.mean == pytest.approx(105 / 8**3 * v8.mean)
    assert found.error == pytest.approx(105 / 8**3 * v8.error)


def test_what_vanishes_or_is_fixed(ensemble):
    assert ensemble.correlator([(0, 0)] * 3, 2).mean == 0.0
    assert ensemble.correlator([(0, 0), (1, 0)], 2).mean == 0.0
    K = ensemble.first_kernel
    assert ensemble.correlator([(0, 0), (0, 1)], 1).mean == K[0, 1]
    assert ensemble.correlator([(0, 0)] * 4, 1).mean == 0.0
    found = ensemble.correlator([(0, 0)] * 4, 1, connected=False)
    assert found.mean == pytest.approx(3 * K[0, 0] ** 2)
    assert found.error == 0.0


def test_with_four_points_alone(ensemble):
    """Where one component says it all; the same numbers as with more points."""
    plain = sample(NET, INPUTS, networks=40_000, seed=1)
    for legs in ([(0, 0), (0, 1)], [(0, 0), (0, 0), (1, 1), (1, 1)], [(1, 1)] * 4):
        ours, theirs = plain.correlator(legs, 3), ensemble.correlator(legs, 3)
        assert ours.mean == pytest.approx(theirs.mean, rel=1e-10)
        assert ours.error == pytest.approx(theirs.error, rel=0.3)
    with pytest.raises(ValueError, match="sum of 2 terms .* sample with points=6"):
        plain.correlator([(0, 0), (0, 0), (0, 1), (0, 1)], 3)


@pytest.mark.parametrize(
    ("legs", "layer", "message"),
    [
        ([(0, 0)] * 10, 2, "1 to 8 fields, got 10 legs"),
        ([], 2, "got 0 legs"),
        ([(0, 0)] * 2, 4, "layer must be from 1 to 3"),
        ([(8, 0)] * 2, 2, "layer 2 has neurons 0 to 7"),
        ([(0, 2)] * 2, 2, "inputs 0 to 1"),
    ],
)
def test_wrong_calls(ensemble, legs, layer, message):
    with pytest.raises(ValueError, match=message):
        ensemble.correlator(legs, layer)
