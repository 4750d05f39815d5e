"""Reduced errors: the gain, that nothing is biased by it, and that a wrong theory shows."""

import numpy as np
import pytest

import nneft
from nneft.ensemble import Control, Ensemble, sample
from nneft.network import Network

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
#: tanh at critical C_W: the paper's network.
WIDTH, DEPTH, K = 128, 10, 1.0
NET = Network((2, *[WIDTH] * DEPTH), "tanh", 1.0)


def one_input(net, kernel, factor=1.0):
    """Theory of one input by Gauss and Hermite; ``factor`` spoils the conditional mean."""

    def mean(layer, G):
        s = net.activation(np.sqrt(G) * NODES)
        return net.C_b[layer - 1] + factor * net.C_W[layer - 1] * (s * s @ WEIGHTS)[..., None]

    flow, response = [kernel], [0.0]
    for layer in range(2, net.depth + 1):
        s = net.activation(np.sqrt(flow[-1]) * NODES)
        # dF/dG = C_W <sigma^2 (z^2 - 1)> / (2 G)
        slope = (s * s * (NODES**2 - 1)) @ WEIGHTS / (2 * flow[-1])
        response.append(net.C_W[layer - 1] * slope)
        flow.append(net.C_b[layer - 1] + net.C_W[layer - 1] * (s * s) @ WEIGHTS)
    # 80 nodes are good to 4e-10 of tanh's average.
    return Control(mean, np.array(response)[:, None, None], np.array(flow)[:, None], 1e-9)


def exact(net, kernel):
    """<G> and V_4 at finite width, (L,) each."""
    moments = nneft.exact(net, kernel=kernel, moments=2).moments
    return moments[0], np.array(net.widths[:-1]) * (moments[1] - moments[0] ** 2)


@pytest.fixture(scope="module")
def reduced():
    return sample(NET, kernel=K, networks=4000, seed=1, control=one_input(NET, K))


def test_a_hundredth_of_the_networks(reduced):
    gain = reduced.gain
    assert gain["kernel"][-1, 0, 0] > 100
    assert gain["V_4"][-1, 0, 0, 0, 0] > 30
    assert np.all(gain["V_4"][0] == 1)
    # At layer 2 the conditional mean is a constant: no error is left but that of its arithmetic.
    assert gain["kernel"][1, 0, 0] == np.inf
    assert 0.0 < reduced.kernel.error[1, 0, 0] < 1e-9


def test_unbiased_at_its_own_precision(reduced):
    """Against the exact law of one input at this width; leading orders are far off."""
    mean, v4 = exact(NET, K)
    control = one_input(NET, K)
    assert np.abs(reduced.kernel[1:, 0, 0].pull(mean[1:])).max() < 4
    assert np.abs(reduced.kernel[2:, 0, 0].pull(control.centre[2:, 0])).min() > 5
    assert np.abs(reduced.V(4)[1:, 0, 0, 0, 0].pull(v4[1:])).max() < 4
    # To 2 %, which 4000 plain samples do not resolve.
    assert np.all(reduced.V(4).error[1:, 0, 0, 0, 0] < 0.02 * v4[1:])


def test_any_response_and_centre_are_unbiased():
    """Wrong by a half: less gain, the same mean."""
    net = Network((2, *[20] * 5), "tanh", 1.2, 0.1)
    right = one_input(net, 0.7)
    wrong = Control(right.mean, 0.5 * right.response, 1.5 * right.centre)
    mean, v4 = exact(net, 0.7)
    good, poor = (
        sample(net, kernel=0.7, networks=20_000, seed=5, control=c) for c in (right, wrong)
    )
    for found in (good, poor):
        assert np.abs(found.kernel[2:, 0, 0].pull(mean[2:])).max() < 4
        assert np.abs(found.V(4)[1:, 0, 0, 0, 0].pull(v4[1:])).max() < 4
    assert poor.gain["kernel"][-1, 0, 0] < good.gain["kernel"][-1, 0, 0]


def test_a_wrong_conditional_mean_shows():
    mean, _ = exact(NET, K)
    control = one_input(NET, K, factor=1.002)
    found = sample(NET, kernel=K, networks=4000, seed=1, control=control)
    assert np.abs(found.kernel[2:, 0, 0].pull(mean[2:])).max() > 8


def test_several_inputs_of_a_linear_network():
    """Linear: F(G) = C_W G, chi = 1, so G - Z = K without any error; V_4 in closed form."""
    x = np.array([[1.0, 1.0], [-1.4, 2.0], [0.6, -0.5]])
    net = Network((2, 30, 40, 50), "linear", 1.0)
    first = net.first_kernel(x, None)
    upper = first[np.triu_indices(3)]
    control = Control(
        lambda layer, G: G, np.broadcast_to(np.eye(6), (3, 6, 6)), np.tile(upper, (3, 1))
    )
    found = sample(net, x, networks=4000, seed=2, control=control)
    np.testing.assert_allclose(found.kernel.mean, np.tile(first, (3, 1, 1)), atol=1e-13)
    wishart = np.einsum("ac,bd->abcd", first, first) + np.einsum("ad,bc->abcd", first, first)
    assert np.abs(found.V(4)[1].pull(wishart)).max() < 4
    plain = sample(net, x, networks=4000, seed=2)
    np.testing.assert_allclose(
        found.gain["V_4"][1], (plain.V(4).error[1] / found.V(4).error[1]) ** 2, rtol=1e-12
    )
    many = sample(net, x, networks=100_000, seed=3)
    for layer in (1, 2):
        error = np.hypot(found.V(4).error[layer], many.V(4).error[layer])
        assert np.abs((found.V(4).mean - many.V(4).mean)[layer] / error).max() < 4
    assert found.gain["V_4"][1:].min() > 3


def two_inputs(net, kernel):
    """Theory of two inputs by Gauss and Hermite on a grid; responses by central differences."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    z = np.stack(np.meshgrid(nodes, nodes, indexing="ij")).reshape(2, -1)
    w = np.outer(weights, weights).ravel() / weights.sum() ** 2

    def mean(layer, G):
        s = net.activation(np.linalg.cholesky(G) @ z)
        return net.C_b[layer - 1] + net.C_W[layer - 1] * (s * w) @ np.swapaxes(s, -1, -2)

    upper, h, flow = np.triu_indices(2), 1e-5, [kernel]
    response = [np.zeros((3, 3))]
    for layer in range(2, net.depth + 1):
        steps = h * np.array([[[1.0, 0], [0, 0]], [[0, 1.0], [1.0, 0]], [[0, 0], [0, 1.0]]])
        up, down = mean(layer, flow[-1] + steps), mean(layer, flow[-1] - steps)
        response.append((((up - down) / (2 * h))[:, *upper]).T)
        flow.append(mean(layer, flow[-1][None])[0])
    return Control(mean, np.array(response), np.array(flow)[:, *upper])


def test_two_inputs_of_a_tanh_network():
    """Every component gains, and agrees with many plain networks."""
    net = Network((2, 60, 50, 60, 60, 60), "tanh", 1.2, 0.05)
    first = np.array([[0.9, 0.2], [0.2, 0.6]])
    control = two_inputs(net, first)
    found = sample(net, kernel=first, networks=3000, seed=6, control=control)
    assert found.gain["kernel"][2:].min() > 40
    assert found.gain["V_4"][1:].min() > 8
    many = sample(net, kernel=first, networks=150_000, seed=7)
    for one, other in ((found.kernel, many.kernel), (found.V(4), many.V(4))):
        error = np.hypot(one.error, other.error)[2:]
        assert np.abs((one.mean - other.mean)[2:] / error).max() < 4
    # Negative control: the leading order differs from the mean by less than 0.5 %, which shows.
    leading = control.centre[-1][[[0, 1], [1, 2]]]
    assert np.abs(found.kernel[-1].pull(leading)).max() > 20


def test_pulls_are_standard_normal():
    net = Network((2, *[20] * 4), "tanh", 1.2, 0.1)
    control = one_input(net, 0.7)
    mean, v4 = exact(net, 0.7)
    pulls = []
    for seed in range(300):
        found = sample(net, kernel=0.7, networks=1000, seed=seed, control=control)
        kernel, four = found.kernel[3, 0, 0], found.V(4)[3, 0, 0, 0, 0]
        pulls.append([float(kernel.pull(mean[3])), float(four.pull(v4[3]))])
    # Of 300 numbers the mean is known to 0.058, the spread to 0.041; skewness moves the mean too.
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 5 * 0.058)
    assert np.all(np.abs(np.std(pulls, axis=0) - 1) < 4 * 0.041)


def test_the_networks_are_those_of_sample(reduced):
    """Bit by bit: without the reduction the two ensembles are one."""
    plain = sample(NET, kernel=K, networks=4000, seed=1, points=4)
    np.testing.assert_array_equal(reduced.plain.kernel.mean, plain.kernel.mean)
    np.testing.assert_array_equal(reduced.plain.V(4).error, plain.V(4).error)
    np.testing.assert_array_equal(reduced.moments.mean, plain.moments.mean)


def test_saved_and_read_back(reduced, tmp_path):
    reduced.save(tmp_path / "e.nc")
    read = nneft.load(tmp_path / "e.nc")
    assert isinstance(read, Ensemble)
    for one, other in ((reduced.kernel, read.kernel), (reduced.V(4), read.V(4))):
        np.testing.assert_array_equal(one.mean, other.mean)
        np.testing.assert_array_equal(one.error, other.error)
    assert repr(read) == repr(reduced)
    assert "times fewer networks" in repr(read)
    dataset = reduced.to_xarray()
    np.testing.assert_array_equal(dataset["gain_V_4"], reduced.gain["V_4"])


def test_without_v4():
    mean = sample(NET, kernel=K, networks=500, seed=1, control=one_input(NET, K), points=2)
    four = sample(NET, kernel=K, networks=500, seed=1, control=one_input(NET, K))
    np.testing.assert_array_equal(mean.kernel.mean, four.kernel.mean)
    assert set(mean.gain) == {"kernel"}


def test_six_points_beside_it():
    """V_6 comes from the kernels as they are."""
    found, plain = (
        sample(NET, kernel=K, networks=2000, seed=3, points=6, control=c)
        for c in (one_input(NET, K), None)
    )
    np.testing.assert_array_equal(found.V(6).mean, plain.V(6).mean)
    assert found.V(4).error[-1] < 0.3 * plain.V(4).error[-1]


def test_kernels_of_any_size():
    """Fourth powers of 1e-80 are lost in double precision, those of deviations in units are not."""
    net = Network((2, 20, 20, 20), "linear", 1.0)
    small, one = (
        sample(net, kernel=k, networks=200, control=Control(
            lambda layer, G: G, np.ones((3, 1, 1)), np.full((3, 1), k)))
        for k in (2.0**-270, 1.0)
    )  # fmt: skip
    np.testing.assert_array_equal(small.V(4).mean, np.ldexp(one.V(4).mean, -540))
    np.testing.assert_array_equal(small.gain["V_4"], one.gain["V_4"])


def test_workers_and_batches_change_nothing():
    control, networks = one_input(NET, K), 10_000
    one, other = (
        sample(NET, kernel=K, networks=networks, control=control, workers=w, batch=b)
        for w, b in ((1, None), (3, 7))
    )
    assert one.networks == other.networks == networks
    np.testing.assert_array_equal(one.V(4).error, other.V(4).error)
    np.testing.assert_array_equal(one.kernel.mean, other.kernel.mean)


def test_centres_of_other_last_bits_merge():
    """One below a power of two, one at it: the same but for rounding."""
    net = Network((2, 20, 20, 20), "linear", 1.0)
    low, high = np.nextafter(1.0, 0.0), 1.0
    one, other = (
        sample(net, kernel=1.0, networks=300, seed=s, control=Control(
            lambda layer, G: G, np.ones((3, 1, 1)), np.full((3, 1), c)))
        for s, c in enumerate((low, high))
    )  # fmt: skip
    assert np.any(one.reduction.exponent != other.reduction.exponent)
    merged = one.merge(other)
    mean = (one.V(4).mean + other.V(4).mean) / 2
    np.testing.assert_allclose(merged.V(4).mean, mean, rtol=1e-12)
    np.testing.assert_allclose(merged.kernel.mean, 1.0, rtol=1e-15)


def test_wrong_calls(reduced):
    control = one_input(NET, K)
    with pytest.raises(ValueError, match=r"shapes \(10, 3, 3\) and \(10, 3\), got \(10, 1, 1\)"):
        sample(NET, np.eye(2), networks=5, control=control)
    thin = Network((2, 1, 3), "tanh", 1.0)
    with pytest.raises(ValueError, match="2 neurons or more"):
        sample(thin, kernel=1.0, networks=5, control=one_input(thin, 1.0))
    with pytest.raises(ValueError, match="3 networks or more"):
        _ = sample(NET, kernel=K, networks=2, control=control).kernel
    other = Control(control.mean, control.response, control.centre + 1)
    with pytest.raises(ValueError, match="leave them out"):
        sample(NET, kernel=K, networks=5, control=control, dtype="float32")
    with pytest.raises(ValueError, match="not reduced"):
        _ = reduced.plain.gain
    with pytest.raises(ValueError, match="one without reduction and one with"):
        reduced.merge(sample(NET, kernel=K, networks=5))
    with pytest.raises(ValueError, match="with the same control"):
        reduced.merge(sample(NET, kernel=K, networks=2, control=other))
