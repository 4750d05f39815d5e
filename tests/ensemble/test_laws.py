"""The samplers' law: exact results, chain against weights, and wrong samplers that must fail.

Seeds are fixed; bounds are in standard errors.
"""

import array_api_strict
import numpy as np
import pytest

from nneft.ensemble import chain, sample
from nneft.network import Network

INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0]])


def pulls(one, other):
    """Differences in standard errors of all components of <G> and V_4, layers 2..L."""
    found = []
    for a, b in ((one.kernel, other.kernel), (one.V(4), other.V(4))):
        difference, error = (a.mean - b.mean)[1:], np.hypot(a.error, b.error)[1:]
        assert np.all(error > 0)
        found.append((difference / error).ravel())
    return np.abs(np.concatenate(found))


NETWORKS = {
    "relu": Network((2, 7, 5, 9, 4), "relu", C_W=[1.7, 2.0, 1.5, 2.5]),
    "tanh": Network((2, 6, 8, 3), "tanh", C_W=[1.0, 3.0, 1.5], C_b=[0.0, 0.3, 0.1]),
    "gelu": Network((2, 5, 7, 3), "gelu", C_W=2.0, C_b=[0.2, 0.0, 0.4]),
}


@pytest.fixture(scope="module")
def weighed():
    return {
        name: sample(net, INPUTS, networks=20_000, seed=1, method="weights")
        for name, net in NETWORKS.items()
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_chain_and_weights_agree(name, weighed):
    chained = sample(NETWORKS[name], INPUTS, networks=20_000, seed=2)
    assert pulls(chained, weighed[name]).max() < 4


def short_sum(kernel, noise, activation, *, C_W, C_b):
    """One neuron fewer, with the sum still divided by n - 1."""
    return chain_step(kernel, noise[..., 1:].copy(), activation, C_W=C_W, C_b=C_b)


def wrong_factor(kernel, noise, activation, *, C_W, C_b):
    """C_W is 5 % off."""
    return chain_step(kernel, noise, activation, C_W=1.05 * C_W, C_b=C_b)


def independent_inputs(kernel, noise, activation, *, C_W, C_b):
    """The off-diagonal entries of G are forgotten."""
    return chain_step(kernel * np.eye(kernel.shape[-1]), noise, activation, C_W=C_W, C_b=C_b)


def frozen(kernel, noise, activation, *, C_W, C_b):
    """The fluctuations of G are not passed on: each layer starts from the mean."""
    mean = kernel.mean(axis=0, keepdims=True)
    return chain_step(mean, noise, activation, C_W=C_W, C_b=C_b)


def random_bias(kernel, noise, activation, *, C_W, C_b):
    """The bias variance is added to the diagonal only."""
    step = chain_step(kernel, noise, activation, C_W=C_W, C_b=0.0)
    return step + C_b * np.eye(kernel.shape[-1])


chain_step = chain.step


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("relu", short_sum),
        ("tanh", short_sum),
        ("gelu", short_sum),
        ("tanh", wrong_factor),
        ("relu", independent_inputs),
        ("tanh", independent_inputs),
        ("tanh", frozen),
        ("tanh", random_bias),
    ],
)
def test_a_wrong_sampler_fails(name, wrong, weighed, monkeypatch):
    monkeypatch.setattr(chain, "step", wrong)
    chained = sample(NETWORKS[name], INPUTS, networks=20_000, seed=2)
    assert pulls(chained, weighed[name]).max() > 5


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("activation", "C_W", "a"), [("linear", 1.0, 2), ("relu", 2.0, 5)])
def test_one_input_exactly(activation, C_W, a, dtype):
    """<G> = K and Var G / K^2 = (1 + a/n)^t - 1 at critical C_W, t = l - 1, any width."""
    n, depth, K = 40, 5, 1.7
    net = Network((3, *[n] * depth), activation, C_W)
    ensemble = sample(net, kernel=K, networks=40_000, seed=4, dtype=dtype)
    t = np.arange(depth)
    kernel, v4 = ensemble.kernel[:, 0, 0], ensemble.V(4)[:, 0, 0, 0, 0]
    assert np.abs(kernel.pull(K)[1:]).max() < 4
    assert np.abs(v4.pull(n * K**2 * ((1 + a / n) ** t - 1))[1:]).max() < 4
    # The numbers resolve it from its leading order n K^2 a t / n.
    assert np.abs(v4.pull(a * t * K**2)[1:]).max() > 4
    assert (kernel.mean[0], kernel.error[0]) == (K, 0.0)
    assert (v4.mean[0], v4.error[0]) == (0.0, 0.0)


def test_unequal_widths_exactly():
    """Linear, one input: 1 + Var G/K^2 = prod_l (1 + 2/n_l) over the layers before."""
    widths = (4, 30, 10, 50, 7)
    ensemble = sample(Network(widths, "linear", 1.0), kernel=1.0, networks=40_000, seed=5)
    variance = np.cumprod(1 + 2 / np.array(widths[1:-1])) - 1
    expected = np.array(widths[1:-1]) * variance
    assert np.abs(ensemble.V(4)[1:, 0, 0, 0, 0].pull(expected)).max() < 4


def test_linear_covariances_exactly():
    """Layer 2 of a linear network is Wishart: V_4(ab;cd) = K_ac K_bd + K_ad K_bc."""
    net = Network((2, 25, 6), "linear", 1.0)
    ensemble = sample(net, INPUTS, networks=40_000, seed=6)
    K = ensemble.first_kernel
    wishart = np.einsum("ac,bd->abcd", K, K) + np.einsum("ad,bc->abcd", K, K)
    assert np.abs(ensemble.V(4)[1].pull(wishart)).max() < 4
    assert np.abs(ensemble.kernel[1].pull(K)).max() < 4


def test_pulls_of_v4_are_standard_normal():
    """200 ensembles of 1500 networks, V_4 and <G> of a linear network at layers 2 and 3."""
    n = 30
    net = Network((1, n, n, n), "linear", 1.0)
    exact = n * np.array([2 / n, (1 + 2 / n) ** 2 - 1])
    found = []
    for seed in range(200):
        ensemble = sample(net, kernel=1.0, networks=1500, seed=seed, workers=1)
        v4 = ensemble.V(4)[1:, 0, 0, 0, 0].pull(exact)
        found.append([*v4, *ensemble.kernel[1:, 0, 0].pull(1.0)])
    found = np.array(found)
    # Standard errors of mean and spread of 200 numbers: 0.07 and 0.05. A variance's pull is
    # skewed: its mean lies about 2/sqrt(1500) below 0, well within the bound.
    assert np.all(np.abs(found.mean(axis=0)) < 4 * 0.07)
    assert np.all(np.abs(found.std(axis=0) - 1) < 4 * 0.05)


@pytest.mark.parametrize("method", ["chain", "weights"])
@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_coincident_and_opposite_inputs_stay_so(activation, method):
    x = np.array([[1.0, 2.0], [1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])
    net = Network((2, *[20] * 30), activation, 2.0)
    kernel = sample(net, x, networks=50, seed=1, method=method).kernel.mean
    np.testing.assert_allclose(kernel[:, 0, 1], kernel[:, 0, 0], rtol=1e-12)
    np.testing.assert_allclose(kernel[:, 1, 1], kernel[:, 0, 0], rtol=1e-12)
    assert not kernel[:, 3].any()
    if activation == "tanh":
        np.testing.assert_allclose(kernel[:, 0, 2], -kernel[:, 0, 0], rtol=1e-12)
    if activation == "relu":
        assert abs(kernel[1, 0, 2]) < 1e-14 * kernel[1, 0, 0]  # never both active at layer 1


def test_more_inputs_than_neurons():
    """N > n: every G is singular. Compared with weights, which never take a root."""
    net = Network((3, 4, 4, 4), "tanh", 1.5)
    x = np.random.default_rng(0).standard_normal((7, 3))
    chained = sample(net, x, networks=10_000, seed=1)
    weighed = sample(net, x, networks=10_000, seed=1, method="weights")
    assert pulls(chained, weighed).max() < 4.5  # 2 x (28 + 406) components


def test_tiny_kernels_scale():
    """tanh is linear at 1e-9: kernels of 1e-18 have the law of larger ones."""
    net = Network((2, 30, 30, 30), "tanh", 1.0)
    small = sample(net, 1e-9 * INPUTS, networks=2000, seed=3)
    linear = sample(Network((2, 30, 30, 30), "linear", 1.0), INPUTS, networks=2000, seed=3)
    np.testing.assert_allclose(small.kernel.mean * 1e18, linear.kernel.mean, rtol=1e-12)
    np.testing.assert_allclose(small.V(4).mean * 1e36, linear.V(4).mean, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(small.V(4).error * 1e36, linear.V(4).error, rtol=1e-11)


def test_float32_agrees_with_float64():
    net = NETWORKS["tanh"]
    single = sample(net, INPUTS, networks=20_000, seed=1, dtype="float32")
    double = sample(net, INPUTS, networks=20_000, seed=2)
    assert pulls(single, double).max() < 4
    assert single.kernel.mean.dtype == np.float64


@pytest.mark.parametrize("count", [1, 3])
def test_the_step_runs_on_any_array_library(count):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((5, count, 2))
    kernel, noise = x @ np.swapaxes(x, -1, -2), generator.standard_normal((5, count, 8))
    strict = chain.step(
        array_api_strict.asarray(kernel),
        array_api_strict.asarray(noise.copy()),
        Network((1, 1), "tanh", 1.0).activation,
        C_W=1.3,
        C_b=0.2,
    )
    plain = chain.step(kernel, noise.copy(), np.tanh, C_W=1.3, C_b=0.2)
    np.testing.assert_allclose(np.asarray(strict), plain, rtol=1e-15)


def test_the_step_by_hand():
    """One network, one input, three neurons, digit by digit."""
    kernel, noise = np.array([[[4.0]]]), np.array([[[0.5, -1.0, 2.0]]])
    stepped = chain.step(kernel, noise, lambda x: np.maximum(x, 0.0), C_W=1.5, C_b=0.25)
    assert stepped[0, 0, 0] == pytest.approx(0.25 + 1.5 * (1.0 + 16.0) / 3)
