"""BCCZ's own estimators: their law in closed form, and that they agree with the kernel's."""

import numpy as np
import pytest

import nneft
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


@pytest.mark.parametrize(("activation", "C_W", "C_b"), [("tanh", 1.5, 0.1), ("silu", 2.0, 0.2)])
def test_one_input_against_the_exact_law(activation, C_W, C_b):
    """(A.35) is <G>, (A.36) is (1 + 2/n_l) V_4, V_4 = n_{l-1} var(G), with exact moments of G."""
    net = Network((3, 6, 10, 7, 5), activation, C_W, C_b)
    found = sample_neurons(net, kernel=0.9, networks=150_000, seed=5)
    moments = nneft.exact(net, kernel=0.9, moments=2).moments
    below, here = np.array(net.widths[:-1]), np.array(net.widths[1:])
    v4 = below * (moments[1] - moments[0] ** 2)
    assert np.abs(found.kernel[:, 0, 0].pull(moments[0])).max() < 4
    measured = found.V(4)[:, 0, 0, 0, 0]
    assert np.abs(measured.pull((1 + 2 / here) * v4)).max() < 4
    assert np.abs(measured.pull(v4)).max() > 5
    # The same law, unbiased and without the neurons' noise.
    kernels = sample(net, kernel=0.9, networks=150_000, seed=5)
    assert np.abs(kernels.V(4)[1:, 0, 0, 0, 0].pull(v4[1:])).max() < 4
    assert np.all(kernels.V(4).error[1:] < 0.8 * found.V(4).error[1:])


def test_the_bias_of_few_networks():
    """(n_{l-1}/M) (1 + 2/n_l) var(g) below, for M networks; ten of them, twenty thousand times."""
    n, M, K = 5, 10, 1.0
    net = Network((3, n, n), "linear", 1.0)
    whole = sample_neurons(net, kernel=K, networks=20_000 * M, seed=6)
    phi = np.random.default_rng(7).standard_normal((20_000, M, 1, n))
    # G^(2) given phi^(1), and phi^(2) given G^(2).
    G = (phi**2).mean(axis=-1, keepdims=True)
    phi = np.sqrt(G) * np.random.default_rng(8).standard_normal(phi.shape)
    g = (phi**2).mean(axis=(2, 3))
    # (A.36) with averages over M networks
    few = n * (g.var(axis=1) - 2 * g.mean(axis=1) ** 2 / n)
    limit = (1 + 2 / n) * 2 * K**2
    # var(g) = var(G) + 2 <G^2>/n, var(G) = 2 K^2/n
    variance = 2 / n + 2 * (1 + 2 / n) / n
    bias = -n / M * (1 + 2 / n) * variance
    error = few.std() / np.sqrt(len(few))
    assert abs(few.mean() - limit - bias) < 4 * error
    assert abs(few.mean() - limit) > 15 * error
    assert abs(whole.V(4)[1, 0, 0, 0, 0].pull(limit)) < 4


def test_saved_and_read_back(tmp_path):
    found = sample_neurons(Network((2, 6, 9), "tanh", 1.0), INPUTS, networks=100)
    found.save(tmp_path / "n.nc")
    read = nneft.load(tmp_path / "n.nc")
    assert isinstance(read, NeuronEnsemble)
    assert (read.widths, read.networks) == (found.widths, 100)
    for one, other in ((found.kernel, read.kernel), (found.V(4), read.V(4))):
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.error, other.error)
    with pytest.raises(ValueError, match="kind 'neuron averages' was wanted, got kind 'ensemble'"):
        NeuronEnsemble.from_xarray(sample(Network((2, 3, 3), "tanh", 1.0), INPUTS,
                                          networks=9).to_xarray())  # fmt: skip


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
