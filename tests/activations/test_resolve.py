"""From what the user wrote to the activation meant."""

import numpy as np
import pytest

from nneft.activations import Activation, leaky_relu, names, polynomial, resolve


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("TANH", "tanh"),
        (" ReLU ", "relu"),
        ("Swish", "silu"),
        ("Leaky ReLU", "leaky_relu"),
        ("leaky-relu", "leaky_relu"),
        ("LeakyReLU", "leaky_relu"),
        ("identity", "linear"),
        ("leaky_relu(0.2)", "leaky_relu(0.2)"),
        ("LeakyReLU(0.1, 2)", "leaky_relu(0.1, 2.0)"),
        ("polynomial(0, 1, -.5e-1)", "polynomial(0.0, 1.0, -0.05)"),
    ],
)
def test_names_aliases_and_families(written: str, name: str) -> None:
    assert resolve(written).name == name


def test_same_text_is_the_same_activation() -> None:
    assert resolve("x*tanh(x)") is resolve("x*tanh(x)")
    assert resolve("swish") is resolve("silu")
    assert resolve("leaky_relu(0.2)") is leaky_relu(0.2)
    tanh = resolve("tanh")
    assert resolve(tanh) is tanh


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("tahn", "tanh"), ("gleu", "gelu"), ("Relu6", "relu"), ("sofplus", "softplus")],
)
def test_unknown_name_suggests_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"unknown activation '{wrong}'; did you mean '{near}'"):
        resolve(wrong)


def test_unknown_name_with_nothing_near_lists_all() -> None:
    with pytest.raises(ValueError) as caught:
        resolve("qqqq")
    assert all(name in str(caught.value) for name in names())


@pytest.mark.parametrize("text", ["x - e", "x-pi", "e", "x", "pi*x"])
def test_what_parses_is_an_expression(text: str) -> None:
    assert resolve(text).polynomial is not None


def test_other_things_are_refused() -> None:
    with pytest.raises(TypeError, match="a name, an expression in x, a callable"):
        resolve(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one or two slopes, got 3"):
        resolve("leaky_relu(1, 2, 3)")


def test_families() -> None:
    x = np.linspace(-2.0, 2.0, 9)
    np.testing.assert_array_equal(leaky_relu(0.5, 2.0)(x), np.where(x > 0, 2 * x, x / 2))
    assert leaky_relu(1.0, 1.0).kinks == ()
    assert leaky_relu(1.0, 1.0).slopes == (1.0, 1.0)
    cubic = polynomial([1, 0, 0, 2])
    np.testing.assert_array_equal(cubic(x), 1 + 2 * x**3)
    assert cubic.polynomial == (1.0, 0.0, 0.0, 2.0)
    assert polynomial((0.0, 0.0)).polynomial == (0.0,)
    with pytest.raises(ValueError, match="at least one coefficient"):
        polynomial(())
    with pytest.raises(ValueError, match="each slope must be finite"):
        leaky_relu(np.nan)
    with pytest.raises(ValueError, match="powers beyond 64"):
        polynomial([0.0] * 70 + [1.0])


def test_callable_becomes_an_activation() -> None:
    activation = resolve(np.tanh)
    assert isinstance(activation, Activation)
    assert activation.name == "tanh"
    assert activation.polyexp is None
