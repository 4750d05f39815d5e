"""BCCZ's own estimators: their law in closed form, and that they agree with the kernel's."""

import numpy as np
import pytest

from nneft.ensemble import sample
from nneft.ensemble.neurons import NeuronEnsemble, sample_neurons
from nneft.network import Network

INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [0.6, -0.5]])


def test_relu_measures_more_than_v4():
    """One input, ReLU at C_W = 2: (A.36) tends to (n + 2) K^2 [(1 + 5/n)^(l-1) - 1], exactly.

    The negative control: V_4 itself has n in the place of n + 2.
    """
    n, depth, K = 8, 4, 1.3
    net = Network((3, *[n] * depth), "relu", 2.0)
    found = sample_neurons(net, kernel=K, networks=200_000, seed=1)
    growth = (1 + 5 / n) ** np.arange(depth) - 1
    v4 = found.V(4)[1:, 0, 0, 0, 0]
    assert np.abs(v4.pull((n + 2) * K**2 * growth[1:])).max() < 4
    assert np.abs(v4.pull(n * K**2 * growth[1:])).max() > 5
    assert np.abs(found.kernel[:, 0, 0].pull(K)).max() < 4
    assert abs(found.V(4)[0, 0, 0, 0, 0].pull(0.0)) < 4


def test_all_components_against_the_kernels():
    """V_4(12;34) + [V_4(13;24) + V_4(14;23)] / n_l, unequal widths, tanh."""
    net = Network((2, 6, 9, 5), "tanh", [1.0, 2.0, 1.5], 0.1)
    found = sample_neurons(net, INPUTS, networks=60_000, seed=2)
    ensemble = sample(net, INPUTS, networks=60_000, seed=3)
    v4, here = ensemble.V(4), np.array([6, 9, 5])[:, None, None, None, None]
    crossed = [np.einsum(f"l{order}->labcd", v4.mean) for order in ("acbd", "adbc")]
    expected = v4.mean + sum(crossed) / here
    measured = found.V(4)
    pulls = (measured.mean - expected)[1:] / np.hypot(measured.error, v4.error)[1:]
    assert np.abs(pulls).max() < 4.5
    difference = found.kernel.mean - ensemble.kernel.mean
    error = np.hypot(found.kernel.error, ensemble.kernel.error)
    assert np.abs(difference / error).max() < 4
    # Averages over neurons are noisier than their kernel.
    assert np.all(found.kernel.error[1:] > ensemble.kernel.error[1:])
    wrong = (measured.mean - v4.mean)[1:] / np.hypot(measured.error, v4.error)[1:]
    assert np.abs(wrong).max() > 8


def test_from_preactivations_literally():
    """The sums over i and j of (A.36), written out."""
    generator = np.random.default_rng(4)
    phi = [
        generator.standard_normal((50, 2, n)) * (1 + generator.random((50, 1, 1))) for n in (3, 4)
    ]
    found = NeuronEnsemble.of((7, 3, 4), phi)
    for layer, (p, below) in enumerate(zip(phi, (7, 3), strict=True)):
        n = p.shape[-1]
        two = np.einsum("sai,sbi->ab", p, p) / (50 * n)
        np.testing.assert_allclose(found.kernel.mean[layer], two)
        total = np.zeros((2,) * 4)
        for i in range(n):
            for j in range(n):
                full = np.einsum("sa,sb,sc,sd->abcd", p[..., i], p[..., i], p[..., j], p[..., j])
                term = full / 50 - np.einsum("ab,cd->abcd", two, two)
                if i == j:
                    term -= np.einsum("ac,bd->abcd", two, two) + np.einsum("ad,bc->abcd", two, two)
                total += term
        np.testing.assert_allclose(found.V(4).mean[layer], below / n**2 * total, atol=1e-13)


def test_blocks_and_merging():
    net = Network((2, 6, 9), "tanh", 1.0)
    one, other = (sample_neurons(net, INPUTS, networks=100, seed=s) for s in (0, 1))
    both = one.merge(other)
    assert both.networks == 200
    mean = (one.kernel.mean + other.kernel.mean) / 2
    np.testing.assert_allclose(both.kernel.mean, mean, rtol=1e-13)
    with pytest.raises(ValueError, match="widths is"):
        one.merge(sample_neurons(Network((2, 6, 8), "tanh", 1.0), INPUTS, networks=2))


def test_workers_change_nothing():
    net = Network((2, 300, 300, 300), "tanh", 1.0)
    one, two = (sample_neurons(net, INPUTS, networks=4000, workers=w) for w in (1, 2))
    assert one.networks == 4000
    np.testing.assert_array_equal(one.V(4).mean, two.V(4).mean)


@pytest.mark.parametrize(
    "signals", [[], [np.ones((5, 2, 4))], [np.ones((5, 2, 4)), np.ones((5, 2))]]
)
def test_wrong_preactivations(signals):
    with pytest.raises(ValueError, match=r"of widths \(4, 3\) were wanted"):
        NeuronEnsemble.of((2, 4, 3), signals)


def test_one_network_has_no_error():
    with pytest.raises(ValueError, match="2 networks or more"):
        _ = sample_neurons(Network((2, 3), "tanh", 1.0), INPUTS, networks=1).kernel
