"""Correlators with neuron indices, against fields drawn from a law known exactly."""

import numpy as np
import pytest

import nneft

INPUTS = [[1.0, 0.5], [-0.3, 1.2]]
NETWORK = nneft.Network((2, 40, 40), "linear", C_W=1.0, C_b=0.0)
LEGS = [
    [(0, 0), (0, 1)],
    [(0, 0), (1, 1)],
    [(0, 0), (0, 0), (1, 1), (1, 1)],
    [(0, 0), (0, 1), (1, 0), (1, 1)],
    [(2, 0), (2, 1), (2, 1), (2, 1)],
    [(0, 0), (1, 0), (2, 1), (2, 1)],
    [(0, 0), (0, 1), (0, 0)],
]


def drawn_fields(networks, seed, scale=1.0):
    """Second layer of a linear network with explicit weights: (networks, neurons, inputs)."""
    rng = np.random.default_rng(seed)
    x = np.array(INPUTS)
    first = np.einsum("sij,aj->sia", rng.normal(size=(networks, 40, 2)), x) / np.sqrt(2.0)
    weights = rng.normal(size=(networks, 3, 40)) / np.sqrt(40.0)
    return scale * np.einsum("sij,sja->sia", weights, first)


@pytest.fixture(scope="module")
def flow():
    return nneft.flow(NETWORK, INPUTS)


def pull(flow, legs, fields):
    samples = np.prod([fields[:, i, a] for i, a in legs], axis=0)
    error = samples.std(ddof=1) / np.sqrt(len(samples))
    return (samples.mean() - flow.correlator(legs, 2, connected=False)) / error


@pytest.mark.parametrize("legs", LEGS)
def test_full_correlators_of_a_linear_network(flow, legs):
    # A linear network's <G> and covariance at layer 2 have no higher orders: this is exact.
    assert abs(pull(flow, legs, drawn_fields(100_000, seed=3))) < 4.0


def test_a_wrong_law_is_seen(flow):
    assert abs(pull(flow, LEGS[4], drawn_fields(100_000, seed=3, scale=1.05))) > 4.0


def test_connected_is_full_without_what_factorises(flow):
    legs = [(0, 0), (0, 1), (1, 0), (1, 1)]
    mean = flow.mean()[1, 0, 1]
    # BCCZ (12): one pairing only, and the mean squared is all that factorises.
    connected = flow.correlator(legs, 2)
    assert connected == pytest.approx(flow.V(4, at=(0, 1, 0, 1))[1] / 40, rel=1e-14)
    full = flow.correlator(legs, 2, connected=False)
    assert full == pytest.approx(mean**2 + connected, rel=1e-14)


@pytest.mark.parametrize(
    ("legs", "layer", "message"),
    [
        ([(0, 0)] * 6, 2, "up to 4 fields, got 6"),
        ([(0, 0)] * 2, 3, "layer must be from 1 to 2, got 3"),
        ([(40, 0)] * 2, 2, "neurons 0 to 39, got 40"),
        ([(0, 2)] * 2, 2, "inputs 0 to 1, got 2"),
    ],
)
def test_wrong_legs_say_what_there_is(flow, legs, layer, message):
    with pytest.raises(ValueError, match=message):
        flow.correlator(legs, layer)
