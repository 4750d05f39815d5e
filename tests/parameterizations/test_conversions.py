"""Conversions against definitions of the libraries, sampled variances, and back again."""

import math

import numpy as np
import pytest

import nneft
from nneft.parameterizations import calculate_gain, initialization, recipe
from nneft.parameterizations.table import SCHEMES, TRUNCATED

WIDTHS = (7, 300, 200, 500)
IN, OUT = np.array(WIDTHS[:-1]), np.array(WIDTHS[1:])

# (scheme, options, C_W, C_b) written out by hand from the libraries' definitions
ROWS = [
    ("bccz", {"C_W": [2, 1, 1.5], "C_b": 0.1}, [2, 1, 1.5], 0.1),
    ("pdlt", {"C_W": 2.0}, 2.0, 0.0),
    ("sigma", {"sigma_w": 1.5, "sigma_b": 0.2}, 2.25, 0.04),
    ("neural_tangents", {"W_std": 2**0.5, "b_std": 0.1}, 2.0, 0.01),
    ("torch.linear", {}, 1 / 3, 1 / (3 * IN)),
    ("torch.kaiming_normal", {}, 2.0, 0.0),
    ("torch.kaiming_uniform", {"a": 5**0.5}, 1 / 3, 0.0),
    ("torch.kaiming_normal", {"a": 0.5, "mode": "fan_out"}, 1.6 * IN / OUT, 0.0),
    ("torch.kaiming_normal", {"nonlinearity": "tanh"}, 25 / 9, 0.0),
    ("torch.kaiming_uniform", {"nonlinearity": "selu", "bias_std": 0.3}, 9 / 16, 0.09),
    ("torch.xavier_normal", {}, 2 * IN / (IN + OUT), 0.0),
    ("torch.xavier_uniform", {"gain": 5 / 3}, 50 / 9 * IN / (IN + OUT), 0.0),
    ("torch.normal", {"std": 0.02}, 0.0004 * IN, 0.0),
    ("torch.uniform", {"bound": 0.1}, 0.01 / 3 * IN, 0.0),
    ("keras.he_normal", {}, 2.0, 0.0),
    ("keras.he_uniform", {}, 2.0, 0.0),
    ("keras.lecun_normal", {}, 1.0, 0.0),
    ("keras.lecun_uniform", {"bias_std": 0.5}, 1.0, 0.25),
    ("keras.glorot_normal", {}, 2 * IN / (IN + OUT), 0.0),
    ("keras.glorot_uniform", {}, 2 * IN / (IN + OUT), 0.0),
    ("keras.variance_scaling", {"scale": 3.0, "mode": "fan_avg"}, 6 * IN / (IN + OUT), 0.0),
    ("keras.variance_scaling", {"mode": "fan_out", "distribution": "uniform"}, IN / OUT, 0.0),
    ("keras.random_normal", {}, 0.0025 * IN, 0.0),
    ("keras.random_uniform", {}, 0.0025 / 3 * IN, 0.0),
    ("keras.truncated_normal", {}, 0.0025 * 0.87962566103423978**2 * IN, 0.0),
]


@pytest.mark.parametrize(("scheme", "options", "C_W", "C_b"), ROWS)
def test_variances_are_the_libraries_own(scheme, options, C_W, C_b):
    found = initialization(scheme, WIDTHS, **options)
    np.testing.assert_allclose(found.C_W, np.broadcast_to(C_W, 3), rtol=1e-14)
    np.testing.assert_allclose(found.C_b, np.broadcast_to(C_b, 3), rtol=1e-14)
    network = found.network("tanh")
    assert network.widths == WIDTHS
    np.testing.assert_array_equal(network.C_W, found.C_W)


def test_every_scheme_has_a_row():
    assert {row[0] for row in ROWS} == set(SCHEMES)


@pytest.mark.parametrize(("scheme", "options", "C_W", "C_b"), ROWS)
def test_back_to_the_numbers_that_were_typed(scheme, options, C_W, C_b):
    words = {name: value for name, value in options.items() if isinstance(value, str)}
    back = recipe(initialization(scheme, WIDTHS, **options), scheme, **words)
    for name, value in options.items():
        if name not in words:
            np.testing.assert_allclose(back.numbers[name], np.broadcast_to(value, 3), rtol=1e-13)
    np.testing.assert_allclose(back.std, np.sqrt(np.broadcast_to(C_W, 3) / IN), rtol=1e-14)
    assert len(back.calls) == 3


ANY = [
    ("bccz", {}), ("sigma", {}), ("neural_tangents", {}), ("torch.normal", {}),
    ("torch.uniform", {}), ("torch.xavier_normal", {}), ("torch.xavier_uniform", {}),
    ("keras.variance_scaling", {"mode": "fan_avg", "distribution": "untruncated_normal"}),
    ("keras.random_normal", {}), ("keras.random_uniform", {}), ("keras.truncated_normal", {}),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "words"), ANY)
def test_any_variances_can_be_typed_and_come_back(scheme, words):
    rng = np.random.default_rng(1)
    network = nneft.Network(WIDTHS, "gelu", rng.uniform(0.1, 4.0, 3), rng.uniform(0.0, 1.0, 3))
    back = recipe(network, scheme, **words)
    again = initialization(scheme, WIDTHS, **back.numbers, **words)
    np.testing.assert_allclose(again.C_W, network.C_W, rtol=1e-13)
    np.testing.assert_allclose(again.C_b, network.C_b, rtol=1e-13)


@pytest.mark.parametrize("distribution", ["truncated_normal", "untruncated_normal", "uniform"])
def test_sampled_weights_have_the_variance(distribution):
    """Drawn by NumPy with what Keras documents: within standard errors, and the law as named."""
    scale, fan, count = 2.0, 300, 200_000
    found = initialization("keras.variance_scaling", (300, 10), scale=scale,
                           distribution=distribution)  # fmt: skip
    rng = np.random.default_rng(5)
    if distribution == "uniform":
        drawn = rng.uniform(-1.0, 1.0, count) * math.sqrt(3.0 * scale / fan)
    else:
        drawn = rng.standard_normal(2 * count) * math.sqrt(scale / fan)
        if distribution == "truncated_normal":
            drawn = drawn[np.abs(drawn) < 2.0 * math.sqrt(scale / fan)] / 0.87962566103423978
        drawn = drawn[:count]
    squares = fan * drawn**2
    error = squares.std() / math.sqrt(count)
    assert abs(squares.mean() - found.C_W[0]) < 4.0 * error
    assert abs(squares.mean() - 1.1 * found.C_W[0]) > 4.0 * error
    law = {"truncated_normal": "truncated normal", "untruncated_normal": "normal"}
    assert found.law == law.get(distribution, distribution)


def test_a_truncated_normal_by_quadrature():
    x = np.linspace(-2.0, 2.0, 20001)
    weight = np.exp(-0.5 * x**2)
    assert np.trapezoid(x**2 * weight, x) / np.trapezoid(weight, x) == pytest.approx(
        TRUNCATED, rel=1e-8
    )


def test_the_gain_of_every_nonlinearity():
    assert calculate_gain("relu") == 2**0.5
    assert calculate_gain("leaky_relu") == pytest.approx((2 / 1.0001) ** 0.5, rel=1e-15)
    assert calculate_gain("leaky_relu", 0.2) == pytest.approx((2 / 1.04) ** 0.5, rel=1e-15)
    assert calculate_gain("tanh") == 5 / 3
    with pytest.raises(ValueError, match="no gain for 'gelu'"):
        calculate_gain("gelu")


def test_the_slope_that_kaiming_needs():
    network = nneft.Network((5, 9, 9), "tanh", 1.0)
    back = recipe(network, "torch.kaiming_normal")
    np.testing.assert_allclose(back.numbers["a"], 1.0)
    assert back.calls[0] == (
        "torch.nn.init.kaiming_normal_(layer.weight, a=1, mode='fan_in', "
        "nonlinearity='leaky_relu'); torch.nn.init.normal_(layer.bias, std=0)"
    )
    exact = recipe(nneft.Network((5, 9), "relu", 2.0), "torch.kaiming_uniform")
    assert exact.numbers["a"][0] == 0.0


def test_against_torch_itself():
    torch = pytest.importorskip("torch")
    for name in ("relu", "tanh", "selu", "sigmoid", "leaky_relu", "linear", "conv2d"):
        assert calculate_gain(name) == torch.nn.init.calculate_gain(name)
    torch.manual_seed(0)
    widths = (400, 600)
    network = nneft.Network(widths, "gelu", 1.98305826, 0.17292239)
    for scheme in ("torch.xavier_normal", "torch.xavier_uniform", "torch.normal",
                   "torch.uniform", "torch.kaiming_normal", "torch.kaiming_uniform"):  # fmt: skip
        layer = torch.nn.Linear(*widths)
        exec(recipe(network, scheme).calls[0], {"torch": torch, "layer": layer})
        weights = layer.weight.detach().double().numpy().ravel()
        squares = 400.0 * weights**2
        error = squares.std() / squares.size**0.5
        assert abs(squares.mean() - 1.98305826) < 4.0 * error
        bias = layer.bias.detach().double().numpy() ** 2
        assert abs(bias.mean() - 0.17292239) < 4.0 * bias.std() / bias.size**0.5
    fan_out = initialization("torch.kaiming_uniform", widths, a=0.3, mode="fan_out")
    layer = torch.nn.Linear(*widths)
    torch.nn.init.kaiming_uniform_(layer.weight, a=0.3, mode="fan_out")
    squares = 400.0 * layer.weight.detach().double().numpy().ravel() ** 2
    assert abs(squares.mean() - fan_out.C_W[0]) < 4.0 * squares.std() / squares.size**0.5
    layer = torch.nn.Linear(*widths)
    found = initialization("torch", widths)
    for tensor, variance in ((layer.weight, found.C_W[0] / 400), (layer.bias, found.C_b[0])):
        squares = tensor.detach().double().numpy().ravel() ** 2
        assert abs(squares.mean() - variance) < 4.0 * squares.std() / squares.size**0.5


KERAS = [name for name in SCHEMES if name.startswith("keras")]


# Keras' own, in its torch backend
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("scheme", KERAS)
def test_against_keras_itself(scheme):
    keras = pytest.importorskip("keras", exc_type=ImportError)
    keras.utils.set_random_seed(0)
    found = initialization(scheme, (400, 600), bias_std=0.3)
    names = vars(keras.initializers) | {"keras": keras}
    layer = eval(recipe(found, scheme).calls[0], dict(names))
    layer.build((None, 400))
    wanted = (found.C_W[0] / 400, 0.09)
    for tensor, variance in zip(layer.weights, wanted, strict=True):
        squares = np.asarray(keras.ops.convert_to_numpy(tensor), dtype=np.float64).ravel() ** 2
        assert abs(squares.mean() - variance) < 4.0 * squares.std() / squares.size**0.5


def test_what_cannot_be_had_is_said():
    critical = nneft.Network((5, 9, 9), "tanh", [2.0, 1.5])
    with pytest.raises(ValueError, match="keras.he_normal cannot give C_W = 1.5 at layer 2"):
        recipe(critical, "he_normal")
    with pytest.raises(ValueError, match="torch.kaiming_normal cannot give C_W = 3 at layer 1"):
        recipe(nneft.Network((5, 9), "tanh", 3.0), "torch.kaiming_normal")
    with pytest.raises(ValueError, match="torch.linear cannot give"):
        recipe(critical, "torch.linear")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: initialization("kaimin_normal", (2, 3)), "did you mean 'kaiming_normal'"),
        (lambda: initialization("sigma", (2, 3)), "sigma needs sigma_w="),
        (lambda: initialization("sigma", (2, 3), sigma_w=-1.0), "not negative"),
        (lambda: initialization("sigma", (2, 3), sigma_w=[1.0, 2.0]), "one for each of the 1"),
        (lambda: initialization("sigma", (2, 3), gain=1.0), "sigma has no option 'gain'"),
        (lambda: initialization("kaiming_normal", (2, 3), mode="fan"), "must be one of fan_in"),
        (lambda: recipe(nneft.Network((2, 3), "tanh", 1.0), "sigma", sigma_w=1.0), "words alone"),
    ],
)
def test_wrong_calls(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_words():
    text = str(initialization("torch.linear", (100, 300)))
    assert text.startswith("torch.linear: C_W = 0.333333333 in every layer")
    assert "uniform law" in text
    typed = str(recipe(nneft.Network((3, 3, 3, 3), "tanh", [4.0, 1.0, 1.0]), "sigma"))
    assert typed.splitlines() == [
        "sigma:",
        "  layer 1: sigma_w = 2, sigma_b = 0",
        "  layers 2 to 3: sigma_w = 1, sigma_b = 0",
    ]
