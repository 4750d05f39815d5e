"""The same seed gives the same bits; wrong calls and bad numbers are named; nothing is lost."""

import numpy as np
import pytest

from nneft.activations import Activation
from nneft.ensemble import Ensemble, plan, sample, sample_blocks
from nneft.ensemble.chain import chain_block
from nneft.errors import NumericsError
from nneft.network import Network

INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0], [0.6, -0.5]])
NET = Network((2, 20, 30, 20), "tanh", 1.0, 0.1)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of a few dozen networks, to have many."""
    monkeypatch.setattr(plan, "BLOCK", 2**13)


def bits(ensemble):
    moments = ensemble.moments
    held = (moments.exponent, moments.mean, moments.square)
    co = moments.co
    extra = () if co is None else (co.m11, co.m21, co.m22)
    return [a.tobytes() for a in (*held, *extra)]


@pytest.mark.parametrize("method", ["chain", "weights"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("count", [1, 4])
def test_batch_and_workers_change_no_bit(count, dtype, method, small_blocks):
    settings = {"networks": 150, "seed": 3, "method": method, "dtype": dtype}
    reference = sample(NET, INPUTS[:count], **settings, workers=1)
    for batch in (1, 7, 1000):
        for workers in (1, 3):
            again = sample(NET, INPUTS[:count], **settings, batch=batch, workers=workers)
            assert bits(again) == bits(reference)


def test_wide_weights_drawn_in_pieces_change_no_bit():
    net = Network((2, 600, 600, 2), "tanh", 1.0)
    one, two = (sample(net, INPUTS, networks=3, method="weights", batch=batch) for batch in (1, 3))
    assert bits(one) == bits(two)


def test_seeds_and_blocks_are_different_streams(small_blocks):
    blocks = list(sample_blocks(NET, INPUTS, networks=150, seed=3, workers=2))
    other = next(sample_blocks(NET, INPUTS, networks=150, seed=4))
    means = [b.moments.in_units(np.zeros(2, np.int64)).mean[0, 0] for b in [*blocks, other]]
    assert len(blocks) > 2
    assert len(set(means)) == len(means)


def test_more_networks_keep_the_earlier_blocks(small_blocks):
    few = list(sample_blocks(NET, INPUTS, networks=150, seed=3))
    many = list(sample_blocks(NET, INPUTS, networks=400, seed=3, workers=2))
    full = [b for b in few if b.networks == many[0].networks]
    assert len(full) >= 2
    for one, other in zip(full, many):
        assert bits(one) == bits(other)


CHAIN = plan.Plan(NET, NET.first_kernel(INPUTS), INPUTS, "chain", "float64", 0, 4)


def test_a_short_block_is_the_beginning_of_the_full_one():
    samples = chain_block(CHAIN, 2, 10)
    np.testing.assert_array_equal(chain_block(CHAIN, 2, 4), samples[:4])


def test_blocks_merge_to_the_whole(small_blocks):
    total = None
    for block in sample_blocks(NET, INPUTS, networks=150, seed=3):
        total = block if total is None else total.merge(block)
    whole = sample(NET, INPUTS, networks=150, seed=3)
    assert bits(total) == bits(whole)
    assert total.sources == whole.sources
    assert [(s.start, s.stop) for s in whole.sources] == [(0, 150)]


def test_block_size_is_a_function_of_the_settings():
    assert CHAIN.block == plan.BLOCK // (4 * (20 + 4) + 4 * (30 + 4))


def test_progress_and_interruption(small_blocks):
    told = []
    sample(NET, INPUTS, networks=100, progress=lambda done, wanted: told.append((done, wanted)))
    assert told[-1] == (100, 100)
    assert len(told) > 1

    def interrupt(done, wanted):
        raise KeyboardInterrupt

    for workers in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            sample(NET, INPUTS, networks=100, workers=workers, progress=interrupt)


def test_what_is_finished_before_an_interruption_can_be_kept(small_blocks):
    done = None
    try:
        for block in sample_blocks(NET, INPUTS, networks=150, seed=3, workers=2):
            done = block if done is None else done.merge(block)
            if done.networks > 50:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert bits(done) == bits(sample(NET, INPUTS, networks=done.networks, seed=3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": 0}, "networks must be a positive integer, got 0"),
        ({"networks": -3}, "networks must be a positive integer, got -3"),
        ({"networks": 10.0}, "networks must be a positive integer, got 10.0"),
        ({"networks": True}, "networks must be a positive integer, got True"),
        ({"batch": 0}, "batch must be a positive integer"),
        ({"workers": 0}, "workers must be a positive integer"),
        ({"seed": -1}, "seed must be an integer, 0 or more, got -1"),
        ({"seed": None}, "seed must be an integer"),
        ({"method": "magic"}, "method must be 'chain' or 'weights', got 'magic'"),
        ({"dtype": "float16"}, "dtype must be 'float64' or 'float32', got 'float16'"),
        ({"points": 5}, "points must be 4, 6, 8, or 2"),
        ({"inputs": None}, "either inputs= or kernel="),
        ({"kernel": [[1.0]]}, "either inputs= or kernel="),
        ({"inputs": [[np.nan, 1.0]]}, "finite"),
        ({"inputs": None, "kernel": [[1.0, 2.0], [2.0, 1.0]]}, "positive semi-definite"),
        ({"inputs": None, "kernel": [[1.0]], "method": "weights"}, "give inputs, not a kernel"),
    ],
)
def test_wrong_calls(change, message):
    with pytest.raises(ValueError, match=message):
        sample(NET, **({"inputs": INPUTS, "networks": 10} | change))


def test_wrong_calls_are_refused_before_the_first_block():
    with pytest.raises(ValueError, match="networks"):
        sample_blocks(NET, INPUTS, networks=0)
    with pytest.raises(TypeError, match="nneft.Network"):
        sample((2, 3), INPUTS, networks=10)


def test_too_many_inputs_for_v4_say_what_it_takes():
    x = np.random.default_rng(0).standard_normal((80, 2))
    with pytest.raises(ValueError, match=r"needs sums of \d{10} bytes.*points=2"):
        sample(NET, x, networks=2)
    ensemble = sample(NET, x, networks=4, points=2)
    assert ensemble.kernel.mean.shape == (3, 80, 80)
    with pytest.raises(ValueError, match=r"holds <G> \(.kernel\)$"):
        ensemble.V(4)


def test_points_2_gives_the_same_mean():
    full = sample(NET, INPUTS, networks=500, seed=1)
    small = sample(NET, INPUTS, networks=500, seed=1, points=2)
    np.testing.assert_array_equal(small.kernel.mean, full.kernel.mean)
    np.testing.assert_allclose(small.kernel.error, full.kernel.error, rtol=1e-13)


def test_one_layer_has_nothing_random():
    ensemble = sample(Network((2, 5), "tanh", 1.0), INPUTS, networks=3)
    assert ensemble.kernel.mean.shape == (1, 4, 4)
    assert not ensemble.kernel.error.any()
    assert not ensemble.V(4).mean.any()


def test_chaotic_relu_overflows_by_name():
    net = Network((2, *[30] * 600), "relu", 8.0)
    with pytest.raises(
        NumericsError, match=r"kernel at layer 5\d\d, inputs \(0, 0\).*of networks 0 to "
    ):
        sample(net, INPUTS[:1], networks=20)


def test_v4_beyond_double_precision_is_refused_at_its_layer():
    net = Network((2, *[30] * 400), "relu", 8.0)
    ensemble = sample(net, INPUTS[:1], networks=20, seed=1)
    assert np.isfinite(ensemble.kernel.mean).all()
    with pytest.raises(NumericsError, match=r"V_4 overflows double precision at layer 2\d\d"):
        ensemble.V(4)
    deep = sample(Network((2, *[30] * 400), "relu", 0.5), INPUTS[:1], networks=20, seed=1)
    with pytest.raises(NumericsError, match=r"V_4 underflows double precision at layer 2\d\d"):
        deep.V(4)


@pytest.mark.parametrize(("dtype", "depth"), [("float64", 600), ("float32", 200)])
def test_underflow_by_name(dtype, depth):
    net = Network((2, *[30] * depth), "relu", 0.5)
    with pytest.raises(NumericsError, match=f"underflows {dtype}"):
        sample(net, INPUTS[:1], networks=20, dtype=dtype)
    with pytest.raises(NumericsError, match="underflows float64 in 5 of networks 0 to 4 "):
        sample(Network((2, *[30] * 12), "x**2", 1.0), 1e-3 * INPUTS, networks=5)


def test_silent_relu_neurons_are_no_underflow():
    """With two neurons a quarter of the networks is dead after every layer: G = 0, lawfully."""
    ensemble = sample(Network((2, *[2] * 10), "relu", 2.0), INPUTS, networks=100)
    assert np.isfinite(ensemble.V(4).mean).all()


def test_nan_of_a_users_activation_names_layer_and_networks(small_blocks):
    def breaks(x):
        return np.where(np.abs(x) > 4.5, np.nan, x)

    activation = Activation._known("breaks", lambda x, xp: breaks(x), None)
    with pytest.raises(
        NumericsError, match=r"layer \d, inputs .* is not finite .* of networks [\d,]+ to "
    ):
        sample(Network((2, 20, 20, 20), activation, 1.0), INPUTS, networks=5000)


def test_nothing_is_left_of_a_failed_or_dropped_run(small_blocks):
    import threading

    blocks = sample_blocks(NET, INPUTS, networks=1000, workers=3)
    next(blocks)
    blocks.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("nneft-sample")]


def test_global_random_state_is_untouched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    sample(NET, INPUTS, networks=5)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_first_kernel_is_the_networks():
    ensemble = sample(NET, INPUTS, networks=2)
    assert isinstance(ensemble, Ensemble)
    np.testing.assert_array_equal(ensemble.kernel.mean[0], 0.1 + INPUTS @ INPUTS.T / 2)
