"""The chain on JAX arrays: its random numbers, its law, and that it leaves JAX as it was."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

import nneft
from nneft.activations import Activation
from nneft.ensemble import plan as cutting
from nneft.ensemble.chain import step
from nneft.ensemble.engines import EngineLost, device
from nneft.ensemble.runs import complete, open_run, read_run
from nneft.ensemble.sampling import checked, sampled_block
from nneft.errors import NumericsError
from nneft.network import Network
from nneft.reproduce import Experiment
from nneft.reproduce.sampling import sampling

jax = pytest.importorskip("jax", reason="the extra [gpu] is not installed")

from nneft.ensemble.engines import jax_chain  # noqa: E402

INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [-2.0, -3.0]])
NET = Network((2, 7, 7, 5, 4), "tanh", C_W=[1.0, 3.0, 1.5, 2.0], C_b=[0.0, 0.3, 0.1, 0.2])


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(cutting, "DEVICE_CHUNK", 2**16)


def asked(net=NET, inputs=INPUTS, arithmetic="jax", **settings):
    made = {"seed": 5, "method": "chain", "dtype": "float64", "batch": None, "points": 4}
    return checked(net, inputs, None, **(made | settings), arithmetic=arithmetic)


def drawn(seed=5, networks=4000, first=0, layer=1, n=25, dtype="float64"):
    """Numbers of one layer, (networks, 2, n), as a program draws them."""
    made = replace(asked(), seed=seed)
    with jax.enable_x64(True):
        key = jax_chain.layer_keys(made)[layer - 1]
        network = np.uint64(first) + np.arange(networks, dtype=np.uint64)
        return np.asarray(jax_chain.normals(key, jax.numpy.asarray(network), 2, n, dtype))


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_the_cipher_is_threefry_2x32_20(key, counter, expected):
    # Known answers of Random123 (Salmon et al., SC 2011).
    words = jax_chain.threefry(*(np.array([word], np.uint32) for word in (*key, *counter)))
    assert tuple(int(word[0]) for word in words) == expected


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_numbers_are_normal_and_independent(dtype):
    numbers = drawn(dtype=dtype)
    assert numbers.dtype == dtype
    flat = numbers.ravel().astype(float)
    assert stats.kstest(flat, "norm").pvalue > 1e-3
    for k, exact in ((1, 0), (2, 1), (3, 0), (4, 3), (6, 15), (8, 105)):
        powers = flat**k
        assert abs(powers.mean() - exact) < 4 * powers.std() / np.sqrt(len(powers))
    # Neighbours in any direction, and layers and seeds next to each other.
    other = [drawn(dtype=dtype, layer=2), drawn(dtype=dtype, seed=6)]
    shifted = [np.roll(numbers, 1, axis) for axis in range(3)] + [numbers[..., ::-1]] + other
    for again in shifted:
        correlation = (flat * again.ravel()).mean() * np.sqrt(len(flat))
        assert abs(correlation) < 4.5 or again is shifted[3]


def test_no_two_numbers_are_the_same():
    numbers = [
        drawn(seed=s, layer=layer).ravel()
        for s in (5, 6, 5 + 2**32, 5 + 2**64, 5 + 2**128)
        for layer in (1, 2, 3)
    ]
    assert len(np.unique(np.concatenate(numbers))) == sum(map(len, numbers))


@pytest.mark.parametrize("first", [2**31 - 3, 2**32 - 3, 2**40, 2**58 - 8])
def test_counters_have_64_bits(first):
    found = drawn(first=first, networks=8)
    assert len(np.unique(np.concatenate([found, drawn(first=first % 2**30, networks=8)]))) == 800
    alone = [drawn(first=first + i, networks=1)[0] for i in range(8)]
    np.testing.assert_array_equal(found, alone)


def test_the_inverse_error_function_of_jax_reaches_its_tails():
    u = np.concatenate([np.linspace(-1, 1, 42)[1:-1], 1 - 2.0 ** -np.arange(2, 53, 3)])
    with jax.enable_x64(True), mp.workdps(40):
        found = np.asarray(jax.lax.erf_inv(u))
        exact = np.array([float(mp.erfinv(mp.mpf(float(x)))) for x in u])
    np.testing.assert_allclose(found, exact, rtol=1e-9)


@pytest.mark.parametrize(
    "activation", ["tanh", "relu", "gelu", "softplus", "x*sigmoid(1.702*x)", "sin(x)+x**2/3"]
)
def test_the_step_is_the_same_step(activation):
    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 3, 3))
    kernel = root @ np.swapaxes(root, 1, 2)
    kernel[2, :, 1] = kernel[2, :, 0]  # two equal inputs
    kernel[2, 1] = kernel[2, 0]
    kernel[2, 1, 1] = kernel[2, 0, 0]
    noise = rng.normal(size=(6, 3, 9))
    sigma = Network((1, 1, 1), activation, 1.0).activation
    expected = step(kernel, noise.copy(), sigma, C_W=1.3, C_b=0.2)
    with jax.enable_x64(True):
        found = step(jax.numpy.asarray(kernel), jax.numpy.asarray(noise), sigma, C_W=1.3, C_b=0.2)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12, atol=1e-13)


def pulls(one, other):
    found = []
    for a, b in ((one.kernel, other.kernel), (one.V(4), other.V(4))):
        difference, error = (a.mean - b.mean)[1:], np.hypot(a.error, b.error)[1:]
        found.append((difference / error).ravel())
    return np.abs(np.concatenate(found)).max()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_law_is_that_of_the_chain_in_numpy(dtype):
    found = sampled_block(asked(dtype=dtype), 0, 20_000)
    there = sampled_block(asked(arithmetic="numpy", seed=9), 0, 20_000)
    wrong = Network(NET.widths, "tanh", NET.C_W * [1, 1.03, 1, 1], NET.C_b)
    assert pulls(found, there) < 4
    assert pulls(found, sampled_block(asked(wrong, arithmetic="numpy", seed=9), 0, 20_000)) > 5


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_exact_moments(activation):
    net = Network((1, 6, 6, 6, 6), activation, 2.0)
    exact = nneft.exact(net, kernel=1.2, moments=2).moments
    found = sampled_block(asked(net, [[np.sqrt(0.6)]]), 0, 40_000)
    for mean, error, wanted in (
        (found.kernel.mean, found.kernel.error, exact[0]),
        (found.V(4).mean, found.V(4).error, 6 * (exact[1] - exact[0] ** 2)),
    ):
        pull = (mean.ravel() - wanted)[1:] / error.ravel()[1:]
        assert np.abs(pull).max() < 4


def test_blocks_are_pieces_of_one_sequence(monkeypatch):
    monkeypatch.setattr(cutting, "DEVICE_CHUNK", 2**9)
    made = asked()
    whole = jax_chain.kernels(made, 0, 200)
    size = made.together
    assert size == 24 and whole.shape == (200, 3, 6)
    np.testing.assert_array_equal(jax_chain.kernels(made, 0, 5), whole[:5])
    np.testing.assert_array_equal(jax_chain.kernels(made, 2 * size, 100), whole[2 * size :][:100])
    assert np.all(np.isfinite(whole)) and len(np.unique(whole[:, -1])) == 200 * 6


def test_six_and_eight_points_and_no_hidden_layer():
    made = asked(points=8)
    both = sampled_block(made, 0, 300).merge(sampled_block(replace(made, seed=6), 0, 300))
    assert both.V(8, at=(0,) * 8).mean.shape == (4,) and both.networks == 600
    assert sampled_block(asked(Network((2, 3), "tanh", 1.0)), 0, 10).kernel.mean.shape == (1, 3, 3)


def test_the_same_seed_in_numpy_is_other_networks():
    one, other = sampled_block(asked(), 0, 50), sampled_block(asked(arithmetic="numpy"), 0, 50)
    assert one.merge(other).networks == 100
    with pytest.raises(ValueError, match="both ensembles hold networks 0..49"):
        one.merge(sampled_block(asked(), 0, 50))


def test_nothing_of_jax_is_changed_and_nothing_is_tf32():
    sampled_block(asked(), 0, 10)
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(1).dtype == np.float32
    for dtype in ("float64", "float32"):
        text = jax_chain.lowered_program(asked(dtype=dtype)).as_text()
        products = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
        assert products and all("precision = [HIGHEST, HIGHEST]" in line for line in products)


def test_a_run_by_any_number_of_threads(monkeypatch, tmp_path):
    monkeypatch.setattr(cutting, "DEVICE_BLOCK", 2**12)
    monkeypatch.setattr(cutting, "BLOCK", 2**8)
    runs = [open_run(tmp_path / str(workers), asked(), 900) for workers in (1, 3)]
    for run, workers in zip(runs, (1, 3)):
        complete(run, workers=workers)
    assert runs[0].count == 19
    assert runs[0].result.read_bytes() == runs[1].result.read_bytes()
    with pytest.raises(ValueError, match='arithmetic is "jax" there, "numpy" was asked for'):
        open_run(runs[0].folder, asked(arithmetic="numpy"), 900)
    assert runs[0].notes == ()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(device, "name", lambda: "NVIDIA H100")
        assert read_run(runs[0].folder).notes == ("accelerator was cpu, is NVIDIA H100",)
    again = nneft.load(runs[0].result)
    assert again.sources[0].method == "chain, jax"


def test_a_callable_in_jax_and_one_that_is_not():
    own = Activation(lambda x: 0.5 * x * abs(x), name="own", kinks=(0.0,))
    found = sampled_block(asked(Network(NET.widths, own, 1.0)), 0, 10_000)
    there = sampled_block(asked(Network(NET.widths, own, 1.0), arithmetic="numpy"), 0, 10_000)
    assert pulls(found, there) < 4
    numpy = Activation(lambda x: np.where(x > 0, x, 0.1 * x), kinks=(0.0,), name="mine")
    with pytest.raises(ValueError, match="JAX cannot compute the activation 'mine' as it is wri"):
        sampled_block(asked(Network((2, 3, 3), numpy, 1.0)), 0, 5)


def test_not_a_number_is_told_by_layer():
    with pytest.raises(NumericsError, match="the kernel at layer 3, .* of networks 0 to "):
        sampled_block(asked(Network((2, 5, 5, 5), "exp(x)", [1.0, 300.0, 1e300])), 0, 50)


def fails(said):
    def kernels(*_):
        raise jax.errors.JaxRuntimeError(said)

    return kernels


def test_a_device_that_fails_is_named(monkeypatch):
    monkeypatch.setattr(jax_chain, "kernels", fails("RESOURCE_EXHAUSTED: Out of memory: 8 bytes"))
    with pytest.raises(EngineLost, match="cpu is out of memory"):
        sampled_block(asked(), 0, 5)
    monkeypatch.setattr(jax_chain, "kernels", fails("INTERNAL: it is on fire\nmore"))
    with pytest.raises(EngineLost, match="cpu failed: INTERNAL: it is on fire$"):
        sampled_block(asked(), 0, 5)


def test_sampled_by_name(tmp_path):
    settings = {"networks": 100, "seed": 5, "arithmetic": "jax"}
    found = nneft.sample(NET, INPUTS, **settings)
    assert found.reduction is None and found.networks == 100
    direct = sampled_block(asked(), 0, 100)
    assert found.moments.mean.tobytes() == direct.moments.mean.tobytes()
    kept = nneft.sample(NET, INPUTS, **settings, run=tmp_path)
    assert kept.moments.mean.tobytes() == direct.moments.mean.tobytes()
    with pytest.raises(ValueError, match="reduce=True needs .* arithmetic='numpy'"):
        nneft.sample(NET, INPUTS, **settings, reduce=True)
    with pytest.raises(ValueError, match="an engine samples into a folder: give run=folder"):
        nneft.sample(NET, INPUTS, **settings, engine=object())


def test_the_papers_experiment(monkeypatch):
    monkeypatch.setattr(cutting, "DEVICE_CHUNK", 2**10)
    small = Experiment(width=8, depth=3)
    blocks = sampling(small, networks=2400, groups=2, seed=1, workers=1, arithmetic="jax")
    found = [(index, block.networks, block.sources[0].method) for index, block in blocks]
    # Rounds are groups: no shorter ones, which would leave groups of networks half empty.
    assert found == 2 * [(index, 1200, "chain, jax") for index in range(6)]


def test_wrong_calls(monkeypatch):
    with pytest.raises(ValueError, match="arithmetic must be 'numpy' or 'jax', got 'cupy'"):
        asked(arithmetic="cupy")
    with pytest.raises(ValueError, match="there is method='chain' alone"):
        asked(method="weights")
    with pytest.raises(ValueError, match="beyond the 2\\^64 of one seed"):
        sampled_block(asked(), 10**18, 5)
    with pytest.raises(ValueError, match="JAX finds no GPU here, only the processor"):
        device.need_gpu()
    monkeypatch.setitem(sys.modules, "nneft.ensemble.engines.jax_chain", None)
    monkeypatch.delattr("nneft.ensemble.engines.jax_chain")
    with pytest.raises(ValueError, match=r"pip install 'nneft\[gpu\]'"):
        sampled_block(asked(), 0, 5)
