"""Close pairs against flows of two inputs that come together, and by hand."""

import numpy as np
import pytest

import nneft
from nneft.criticality.close import close_pair

MEAN = np.full((2, 2), 0.25)  # G_00 of phi_0 = (phi_1 + phi_2)/2
MIXED = np.diag([0.5, -0.5])  # G_0d
APART = np.array([[1.0, -1.0], [-1.0, 1.0]])  # G_dd of phi_d = phi_1 - phi_2


def network(activation: str, depth: int = 12) -> nneft.Network:
    rng = np.random.default_rng(5)
    widths = (1, *rng.integers(20, 90, depth).tolist())
    C_b = 0.0 if activation == "relu" else 0.1
    return nneft.Network(widths, activation, rng.uniform(0.8, 2.0, depth), C_b)


def of_two(net: nneft.Network, squared: float) -> np.ndarray:
    """(4, L): the same from two inputs at this squared distance."""
    c = 1.0 - 0.5 * squared
    flow = nneft.flow(net, kernel=[[1.0, c], [c, 1.0]], order=1)
    K, V = flow.K(0), flow.V(4)
    dd = np.einsum("lab,ab->l", K, APART)
    found = [np.log(dd / dd[0])]
    for one, other, power in ((MEAN, APART, 1), (MIXED, MIXED, 1), (APART, APART, 2)):
        found.append(np.einsum("labcd,ab,cd->l", V, one, other) / dd**power)
    return np.array(found)


@pytest.mark.parametrize(
    ("activation", "power", "squared"),
    [("tanh", 1.0, 2e-2), ("gelu", 1.0, 2e-2), ("relu", 0.5, 1e-3), ("elu", 0.5, 1e-3)],
)
def test_two_inputs_that_come_together(activation, power, squared):
    net = network(activation)
    pair = close_pair(nneft.flow(net, kernel=1.0, order=1))
    wanted = np.array([pair.log_K_dd, pair.V_00dd, pair.V_0d0d, pair.V_dddd])
    size = np.abs(wanted).max(axis=1, keepdims=True)
    near, nearer = (np.abs(of_two(net, s) - wanted).max(axis=1) for s in (squared, squared / 16.0))
    # What is left falls as the squared distance, with kinks as its root at the slowest.
    assert np.all(nearer <= 1.3 * near / 16.0**power + 1e-9 * size[:, 0])
    assert np.all(nearer <= 2e-2 * size[:, 0])


def test_linear_networks_by_hand():
    """Two orthogonal inputs of a linear network: ``Var(G_dd) = 2t``, ``Var(G_0d) = t``."""
    pair = close_pair(nneft.flow(nneft.Network((1,) * 11, "linear", 1.0), kernel=3.0, order=1))
    t = np.arange(10.0)
    np.testing.assert_allclose(pair.V_dddd, 2.0 * t, atol=1e-12)
    np.testing.assert_allclose(pair.V_0d0d, 3.0 * t, atol=1e-12)
    np.testing.assert_allclose(pair.V_00dd, 0.0, atol=1e-12)
    np.testing.assert_allclose(pair.log_K_dd, 0.0, atol=1e-12)


def test_wrong_calls():
    net = nneft.Network((1, 5, 5), "tanh", 1.0)
    with pytest.raises(ValueError, match="one input"):
        close_pair(nneft.flow(net, kernel=[[1.0, 0.5], [0.5, 1.0]], order=1))
    with pytest.raises(ValueError, match="order 0"):
        close_pair(nneft.flow(net, kernel=1.0, order=0))
    with pytest.raises(ValueError, match="become one"):
        close_pair(nneft.flow(nneft.Network((1, 5, 5), "tanh", 0.0, 0.1), kernel=1.0))
