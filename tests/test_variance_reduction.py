"""Reduced ensembles: right at their own precision, precise as promised, on where they help."""

import inspect
import pickle
import threading

import numpy as np
import pytest

import nneft
from nneft import ensemble
from nneft.variance_reduction import control, helps

X = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0], [0.6, -0.5]])


def exact(net, kernel):
    """<G> and V_4 of one input at finite width, (L,) each."""
    moments = nneft.exact(net, kernel=kernel, moments=2).moments
    return moments[0], np.array(net.widths[:-1]) * (moments[1] - moments[0] ** 2)


def linear(net, kernel):
    """<G> and V_4 of a linear network without biases at finite width: products of Wisharts."""
    mean, second = kernel, np.einsum("ab,cd->abcd", kernel, kernel)
    means, fours = [mean], [np.zeros_like(second)]
    for layer, n in enumerate(net.widths[1:-1], start=1):
        C_W = net.C_W[layer]
        # <G'_ab G'_cd> = C_W^2 [ <G_ab G_cd> + <G_ac G_bd + G_ad G_bc> / n ]
        crossed = np.einsum("acbd->abcd", second) + np.einsum("adbc->abcd", second)
        mean, second = C_W * mean, C_W**2 * (second + crossed / n)
        means.append(mean)
        fours.append(n * (second - np.einsum("ab,cd->abcd", mean, mean)))
    return np.array(means), np.array(fours)


def test_the_gain_promised():
    """Per network, against plain estimates: 100 for <G>, 30 for V_4, one tanh input."""
    net = nneft.Network((2, *[128] * 10), "tanh", 1.0)
    found = nneft.sample(net, kernel=1.0, networks=8000, seed=1)
    assert found.gain["kernel"][-1, 0, 0] > 100
    assert found.gain["V_4"][-1, 0, 0, 0, 0] > 30
    mean, v4 = exact(net, 1.0)
    assert np.abs(found.kernel[1:, 0, 0].pull(mean[1:])).max() < 4
    assert np.abs(found.V(4)[1:, 0, 0, 0, 0].pull(v4[1:])).max() < 4
    # Negative control: the infinite-width kernel is off by a relative 2e-3, ten errors and more.
    leading = nneft.flow(net, kernel=1.0, order=0).K(0)
    assert np.abs(found.kernel[-1].pull(leading[-1])).max() > 10


@pytest.mark.parametrize(
    ("activation", "C_W", "C_b"),
    [("silu", 2.0, 0.3), ("relu", 2.0, 0.0), ("elu", 1.0, 0.0), ("erf", 0.8, 0.1),
     ("x + x**2/4", 0.7, 0.2), ("sin", 1.0, 0.0), ("exp(-x**2)", 1.5, 0.1)],
)  # fmt: skip
def test_one_input_against_the_exact_law(activation, C_W, C_b):
    net = nneft.Network((2, 60, 80, 70, 60), activation, C_W, C_b)
    found = nneft.sample(net, kernel=0.8, networks=3000, seed=2, reduce=True)
    mean, v4 = exact(net, 0.8)
    assert found.reduction is not None
    # An error of rounding is no standard error: 1e-12 of the kernel is the least that counts.
    off = np.abs(found.kernel.mean[:, 0, 0] - mean)
    assert np.all(off < 4 * found.kernel.error[:, 0, 0] + 1e-12 * mean)
    assert np.abs(found.V(4)[1:, 0, 0, 0, 0].pull(v4[1:])).max() < 4
    assert np.all(found.gain["V_4"][1:] > 1.5)
    assert np.all(found.gain["kernel"][1:] > 10)


def test_several_linear_inputs_against_the_exact_law():
    net = nneft.Network((2, 40, 30, 50, 40), "linear", (1.0, 1.2, 0.9, 1.1))
    found = nneft.sample(net, X, networks=6000, seed=3)
    mean, v4 = linear(net, net.first_kernel(X))
    np.testing.assert_allclose(found.kernel.mean, mean, rtol=1e-12, atol=1e-13)
    pulls = found.V(4)[1:].pull(v4[1:])
    # 55 distinct components in 3 layers; those of rank-2 inputs depend on one another.
    assert np.abs(pulls).max() < 4.5
    assert 0.15 < np.mean(pulls**2) < 2.5


@pytest.mark.parametrize("activation", ["relu", "tanh", "erf"])
def test_several_inputs_at_the_second_layer(activation):
    """There the leading order is exact, at any width: the first kernel is not random."""
    net = nneft.Network((2, 30, 30), activation, 1.5, 0.1)
    found = nneft.sample(net, X, networks=20_000, seed=4, reduce=True)
    flow = nneft.flow(net, X, order=1)
    np.testing.assert_allclose(found.kernel.mean[1], flow.K(0)[1], rtol=1e-11, atol=1e-12)
    assert np.abs(found.V(4)[1].pull(flow.V(4)[1])).max() < 4.5


def test_several_inputs_against_many_plain_networks():
    net = nneft.Network((2, *[40] * 5), "tanh", 1.0)
    found = nneft.sample(net, X[:3], networks=3000, seed=5)
    many = nneft.sample(net, X[:3], networks=100_000, seed=6, reduce=False)
    assert found.reduction is not None and many.reduction is None
    for one, other in ((found.kernel, many.kernel), (found.V(4), many.V(4))):
        error = np.hypot(one.error, other.error)[2:]
        assert np.abs((one.mean - other.mean)[2:] / error).max() < 4.5
    assert np.median(found.gain["kernel"][-1]) > 100
    assert np.median(found.gain["V_4"][-1]) > 8
    # Inputs in a plane: the first kernel is singular, and so are those of parallel inputs.
    parallel = np.array([[1.0, 0.5], [2.0, 1.0], [-1.0, -0.5]])
    same = nneft.sample(net, parallel, networks=500, seed=5)
    assert same.reduction is not None
    np.testing.assert_allclose(same.kernel.mean[:, 0, 2], -same.kernel.mean[:, 0, 0], rtol=1e-12)


@pytest.mark.parametrize("size", [1e-30, 1e-8, 1e4])
def test_kernels_of_any_size(size):
    net = nneft.Network((2, 32, 32, 32), "tanh", 1.0)
    first = size * np.array([[1.0, 0.4], [0.4, 0.6]])
    found = nneft.sample(net, kernel=first, networks=500, seed=7, reduce=True)
    flow = nneft.flow(net, kernel=first, order=0).K(0)
    assert np.all(found.gain["kernel"][2:] > 10)
    np.testing.assert_allclose(found.kernel.mean, flow, rtol=0.05)


def test_bits_do_not_depend_on_workers_or_batches():
    net = nneft.Network((2, *[32] * 4), "tanh", 1.0)
    one, other = (
        nneft.sample(net, X, networks=12_345, seed=8, workers=w, batch=b)
        for w, b in ((1, None), (3, 11))
    )
    for a, b in ((one.kernel, other.kernel), (one.V(4), other.V(4))):
        np.testing.assert_array_equal(a.mean, b.mean)
        np.testing.assert_array_equal(a.error, b.error)


def test_on_where_it_helps():
    def chosen(net, networks=1000, **settings):
        return nneft.sample(net, networks=networks, **settings).reduction is not None

    deep = nneft.Network((2, *[64] * 5), "tanh", 1.0)
    assert chosen(deep, kernel=1.0)
    assert chosen(deep, kernel=1.0, points=2) and chosen(deep, kernel=1.0, points=6)
    assert not chosen(deep, kernel=1.0, reduce=False)
    assert not chosen(deep, kernel=1.0, networks=20)
    assert not chosen(deep, kernel=1.0, dtype="float32")
    assert not chosen(deep, networks=100, inputs=X, method="weights")
    assert not chosen(nneft.Network((2, *[16] * 9), "tanh", 1.0), kernel=1.0)  # too deep
    assert not chosen(nneft.Network((2, 8, 8), "tanh", 1.0), kernel=1.0)
    assert not chosen(nneft.Network((2, 64), "tanh", 1.0), kernel=1.0)  # nothing fluctuates
    elu = nneft.Network((2, *[64] * 4), "elu", 1.0)
    assert chosen(elu, kernel=1.0) and not chosen(elu, networks=100, inputs=X)
    # Large kernels at every layer: averages would cost more than the networks.
    chaotic = nneft.Network((2, *[64] * 4), "tanh", 30.0)
    assert not helps(chaotic, chaotic.first_kernel(X), 1000)
    assert helps(chaotic, chaotic.first_kernel(X[:1]), 1000)


def test_wrong_calls():
    net = nneft.Network((2, *[64] * 3), "tanh", 1.0)
    with pytest.raises(ValueError, match="reduce=True needs method='chain', dtype='float64'"):
        nneft.sample(net, kernel=1.0, networks=100, dtype="float32", reduce=True)
    with pytest.raises(ValueError, match="elu over two inputs are slow.*leave reduce out"):
        elu = nneft.Network((2, 64, 64), "elu", 1.0)
        nneft.sample(elu, X, networks=100, reduce=True)
    with pytest.raises(ValueError, match="one layer does not fluctuate"):
        nneft.sample(nneft.Network((2, 64), "tanh", 1.0), kernel=1.0, networks=100, reduce=True)
    with pytest.raises(TypeError, match="reduce must be True, False or None, got 'yes'"):
        nneft.sample(net, kernel=1.0, networks=100, reduce="yes")
    with pytest.raises(ValueError, match="networks must be a positive integer"):
        nneft.sample(net, kernel=1.0, networks=0)
    with pytest.raises(TypeError, match="wants a nneft.Network"):
        nneft.sample("tanh", kernel=1.0, networks=10)
    with pytest.raises(ValueError, match="either inputs= or kernel="):
        nneft.sample(net, networks=10)


@pytest.mark.parametrize("activation", ["tanh", "relu", "erf", "x + x**2/3"])
def test_a_control_can_be_sent(activation):
    net = nneft.Network((2, 20, 20, 20), activation, 1.0)
    known = control(net, net.first_kernel(X))
    sent = pickle.loads(pickle.dumps(known))
    kernel = net.first_kernel(X)[None] * np.array([0.5, 1.0])[:, None, None]
    np.testing.assert_array_equal(sent.mean(3, kernel), known.mean(3, kernel))
    np.testing.assert_array_equal(sent.response, known.response)


def test_a_variance_that_comes_out_negative():
    """Far beyond where it helps the noise is larger than V_4: no underflow, and no failure."""
    net = nneft.Network((2, *[4] * 30), "relu", 2.0)
    found = nneft.sample(net, X[:2], networks=60, seed=1, reduce=True).V(4)
    assert np.isfinite(found.mean).all() and np.isfinite(found.error).all()
    assert np.einsum("labab->lab", found.mean).min() < 0


def test_orders_in_the_width():
    """K_1 from two widths, with a hundredth of the error that plain ensembles leave."""
    nets = [nneft.Network((2, *[n] * 4), "tanh", 1.0) for n in (60, 120, 240)]
    K_0, K_1 = (nneft.flow(nets[0], X[:2], order=1).K(p) for p in (0, 1))
    errors = {}
    for reduce in (True, False):
        runs = [
            nneft.sample(net, X[:2], networks=3000, seed=i, reduce=reduce)
            for i, net in enumerate(nets)
        ]
        found = nneft.extrapolate(runs, 2, leading=K_0)
        errors[reduce] = found[1].error[-1]
        assert np.abs(found[1].pull(K_1))[2:].max() < 4
        np.testing.assert_allclose(found[1].mean[1], 0.0, atol=1e-9 if reduce else 1.0)
    assert np.all(errors[True] < 0.1 * errors[False])


def test_a_callable_that_overflows_where_no_neuron_is():
    """Averages reach further out than samples, and warn no more than these."""
    own = nneft.Activation(lambda x: x / (1.0 + np.exp(-x)), name="own")
    nets = [nneft.Network((2, *[32] * 3), a, 2.0) for a in (own, "silu")]
    for size in (1.0, 3e4):
        found, known = (
            nneft.sample(n, kernel=size, networks=200, seed=1, reduce=True).kernel for n in nets
        )
        np.testing.assert_allclose(found.mean, known.mean, rtol=1e-9)


def test_one_signature():
    """What the sampler takes, but for the control, which is found."""
    ours, theirs = (inspect.signature(f).parameters for f in (nneft.sample, ensemble.sample))
    assert {k: p.default for k, p in ours.items() if k != "reduce"} == {
        k: p.default for k, p in theirs.items() if k != "control"
    }


def test_a_control_of_ones_own():
    """The theory's, without the default's rule; its mean is called from several threads."""
    net = nneft.Network((2, *[16] * 9), "tanh", 1.0)
    known, called = control(net, 1.0), set()

    def mean(layer, kernel):
        called.add((layer, threading.get_ident()))
        return known.mean(layer, kernel)

    own = nneft.Control(mean, known.response, known.centre, known.accuracy)
    found = ensemble.sample(net, kernel=1.0, networks=40_000, control=own, workers=2)
    same = nneft.sample(net, kernel=1.0, networks=40_000, reduce=True)
    np.testing.assert_array_equal(found.kernel.mean, same.kernel.mean)
    assert {layer for layer, _ in called} == set(range(2, 10))


def test_pulls_of_a_thousand_repeats():
    """Standard normal, but for what 32 groups know of an error: Student's t of 31."""
    net = nneft.Network((2, *[24] * 4), "tanh", 1.2, 0.1)
    mean, v4 = exact(net, 0.7)
    pulls = []
    for seed in range(1000):
        found = nneft.sample(net, kernel=0.7, networks=640, seed=seed, reduce=True)
        kernel, four = found.kernel[3, 0, 0], found.V(4)[3, 0, 0, 0, 0]
        pulls.append([float(kernel.pull(mean[3])), float(four.pull(v4[3]))])
    # Of 1000 numbers the mean is known to 0.032, the spread to 0.022.
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 4 * 0.032)
    wanted = np.array([1.0, np.sqrt(31 / 29)])
    assert np.all(np.abs(np.std(pulls, axis=0) - wanted) < 4 * 0.022)
    assert np.all(np.abs(np.mean(np.abs(pulls) < 2, axis=0) - 0.954) < 0.03)
