"""Wrong calls and failing numerics of networks and flows: one sentence that says what and where."""

import numpy as np
import pytest

import nneft

GOOD = {"widths": (2, 5, 5), "activation": "tanh", "C_W": 1.0, "C_b": 0.0}
NAN, INF = float("nan"), float("inf")


def net(**changes):
    return nneft.Network(**(GOOD | changes))


def sentence(error) -> str:
    """The message, which must be one readable line."""
    text = str(error.value)
    assert text and "Traceback" not in text
    return text


@pytest.mark.parametrize(
    ("changes", "came"),
    [
        ({"widths": (2, 0, 5)}, "0"),
        ({"widths": (2, -3, 5)}, "-3"),
        ({"widths": (2, 2.5, 5)}, "2.5"),
        ({"widths": (2, 5.0, 5)}, "5.0"),
        ({"widths": (2, True, 5)}, "True"),
        ({"widths": (2, NAN, 5)}, "nan"),
        ({"widths": ("two", 5)}, "two"),
        ({"widths": (2,)}, "2"),
        ({"widths": ()}, r"\(\)"),
        ({"widths": 7}, "7"),
        ({"C_W": -1.0}, "-1.0"),
        ({"C_W": NAN}, "nan"),
        ({"C_W": INF}, "inf"),
        ({"C_W": (1.0, -2.0)}, "-2.0"),
        ({"C_b": -0.1}, "-0.1"),
        ({"C_b": NAN}, "nan"),
        ({"C_b": INF}, "inf"),
        ({"C_W": (1.0, 1.0, 1.0)}, "3"),
        ({"C_b": (0.1,)}, "1"),
        ({"C_W": "one"}, "one"),
        ({"C_W": 1 + 2j}, "j"),
        ({"C_W": None}, "None"),
        ({"activation": 3}, "3"),
        ({"activation": None}, "None"),
    ],
)
def test_networks_that_cannot_be(changes, came):
    with pytest.raises((ValueError, TypeError), match=came) as error:
        net(**changes)
    [name] = changes
    assert name.rstrip("s") in sentence(error)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("tahn", "tanh"), ("rleu", "relu"), ("swihs", "swish"), ("leaky-rel", "leaky"), ("slu", "l")],
)
def test_unknown_activation_gets_the_nearest(wrong, meant):
    with pytest.raises(ValueError, match=meant) as error:
        net(activation=wrong)
    assert wrong in sentence(error)


@pytest.mark.parametrize(
    "expression",
    ["x +", "foo(x)", "__import__('os')", "x.real", "y + 1", "tanh(x", "x**x**x**", "lambda x: x",
     "log(x)", "sqrt(x)", "1/x", "tan(x)"],
)  # fmt: skip
def test_expressions_that_are_none(expression):
    with pytest.raises(ValueError, match=r".") as error:
        net(activation=expression)
    sentence(error)


@pytest.mark.parametrize(
    ("inputs", "came"),
    [
        (np.ones((3, 4)), r"\(3, 4\)"),
        (np.ones(3), r"\(1, 3\)|\(3,\)"),
        (np.ones((2, 2, 2)), r"\(2, 2, 2\)"),
        (np.ones((0, 2)), "none|0"),
        ([[1.0, NAN]], "NaN|nan"),
        ([[1.0, 2.0], [INF, 1.0]], "inf"),
        ([[1.0, 2.0], [3.0]], r"\[\[1"),
        ([["a", "b"]], "a"),
        ([[1j, 2.0]], "j"),
        ([[1e200, 1e200]], "overflow"),
        (1.0, r"\(\)|shape"),
    ],
)
def test_wrong_inputs(inputs, came):
    with pytest.raises((ValueError, TypeError), match=came) as error:
        nneft.flow(net(), inputs)
    assert "inputs" in sentence(error)


@pytest.mark.parametrize(
    ("kernel", "came"),
    [
        ([[1.0, 0.2]], r"\(1, 2\)"),
        ([[1.0, 0.2], [0.3, 1.0]], "symmetric"),
        ([[1.0, 1.5], [1.5, 1.0]], "-0.5"),
        ([[-1.0]], "-1"),
        (-1.0, "-1"),
        ([[NAN]], "nan"),
        ([[INF]], "inf"),
        (np.ones((2, 2, 2)), r"\(2, 2, 2\)"),
        (np.zeros((0, 0)), r"\(0, 0\)"),
        ("large", "large"),
    ],
)
def test_wrong_kernels(kernel, came):
    with pytest.raises((ValueError, TypeError), match=came) as error:
        nneft.flow(net(), kernel=kernel)
    assert "kernel" in sentence(error)


def test_neither_or_both_of_inputs_and_kernel():
    with pytest.raises(ValueError, match="neither"):
        nneft.flow(net())
    with pytest.raises(ValueError, match="both"):
        nneft.flow(net(), [[1.0, 2.0]], kernel=1.0)


@pytest.mark.parametrize("order", [-1, 99, 1.0, "one", True, None])
def test_orders_that_are_not_available(order):
    with pytest.raises((ValueError, TypeError), match="order") as error:
        nneft.flow(net(), [[1.0, 2.0]], order=order)
    assert str(order).strip("'") in sentence(error)


def test_a_network_is_wanted():
    with pytest.raises(TypeError, match="Network") as error:
        nneft.flow((2, 5, 5), [[1.0, 2.0]])
    assert "tuple" in sentence(error)


@pytest.mark.parametrize("order", [0, 1])
def test_what_a_flow_does_not_hold(order):
    flow = nneft.flow(net(), [[1.0, 2.0], [0.3, 0.1]], order=order)
    calls = [
        lambda: flow.K(order + 1),
        lambda: flow.K(-1),
        lambda: flow.V(2 * order + 4),
        lambda: flow.V(4, order=order),
        lambda: flow.V(3),
        lambda: flow.V(0),
        lambda: flow.V(4, at=(0, 1, 1)),
        lambda: flow.V(4, at=(0, 1, 1, 2)),
        lambda: flow.errors("K_9"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r".") as error:
            call()
        sentence(error)


@pytest.mark.parametrize("name", ["exp(x**2)", "exp(x**2/2)", "x*exp(0.6*x**2)", "exp(exp(x))"])
@pytest.mark.parametrize("order", [0, 1])
def test_diverging_moments_are_a_wrong_call(name, order):
    with pytest.raises(ValueError, match="diverge") as error:
        nneft.flow(net(activation=name), [[1.0, 1.0], [-1.4, 2.0]], order=order)
    assert "layer 2" in sentence(error)


def test_moments_that_diverge_only_at_a_deeper_layer():
    wide = nneft.Network((1, *[10] * 6), "exp(x**2/20)", 1.0, 1.0)
    assert np.isfinite(nneft.flow(wide, kernel=0.5, order=0).K(0)[1]).all()
    with pytest.raises((ValueError, nneft.NumericsError), match=r"layer [3-6]"):
        nneft.flow(nneft.Network((1, *[10] * 12), "exp(x**2/20)", 3.0, 1.0), kernel=0.5)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize(("name", "C_W"), [("relu", 8.0), ("linear", 10.0), ("x + x**2/3", 4.0)])
def test_chaotic_networks_overflow_by_name(name, C_W, order):
    deep = nneft.Network((2, *[10] * 2000), name, C_W)
    with pytest.raises(nneft.NumericsError, match="overflow") as error:
        nneft.flow(deep, [[1.0, 1.0], [-1.4, 2.0]], order=order)
    text = sentence(error)
    layer = int(text.split("layer ")[1].split(":")[0].split(",")[0].split(" ")[0])
    # ... and it is the layer where it happens: one less is fine
    short = nneft.Network((2, *[10] * (layer - 1)), name, C_W)
    flow = nneft.flow(short, [[1.0, 1.0], [-1.4, 2.0]], order=order)
    assert np.isfinite(flow.K(0)).all()


def test_chaotic_relu_at_depth_500():
    # C_W = 8: K grows fourfold a layer, from 8 to 1.8e308 in 511 layers, V_4 in half as many
    deep = nneft.Network((1, *[10] * 600), "relu", 8.0)
    with pytest.raises(nneft.NumericsError, match=r"K_0 overflows .* layer 512"):
        nneft.flow(deep, [[1.0]], order=0)
    with pytest.raises(nneft.NumericsError, match=r"V_4 overflows .* layer 2\d\d"):
        nneft.flow(deep, [[1.0]], order=1)


@pytest.mark.parametrize(("name", "C_W"), [("relu", 0.5), ("tanh", 0.25), ("sin", 0.1)])
@pytest.mark.parametrize("order", [0, 1])
def test_ordered_networks_underflow_by_name(name, C_W, order):
    deep = nneft.Network((2, *[10] * 2000), name, C_W)
    with pytest.raises(nneft.NumericsError, match="underflow") as error:
        nneft.flow(deep, [[1.0, 1.0], [-1.4, 2.0]], order=order)
    assert "layer" in sentence(error)


def test_a_kernel_that_is_zero_is_no_underflow():
    flow = nneft.flow(net(C_W=0.0), [[1.0, 2.0]])
    assert not flow.K(0).any() and not flow.V(4).any()
    flow = nneft.flow(net(), [[0.0, 0.0]])
    assert not flow.K(0).any()
