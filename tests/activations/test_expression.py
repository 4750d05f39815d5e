"""Expressions: equal to what they say, and refused with a caret where they are wrong."""

import contextlib
import math
import time

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nneft.activations import resolve


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("x*sigmoid(x)", "silu"),
        ("x/(1 + exp(-x))", "silu"),
        ("x*(1 + erf(x/sqrt(2)))/2", "gelu"),
        ("x*tanh(log(1 + exp(x)))", "mish"),
        ("log(1 + exp(x))", "softplus"),
        ("exp(x)/(1 + exp(x))", "sigmoid"),
        ("(1 + tanh(x/2))/2", "sigmoid"),
        ("where(x > 0, x, exp(x) - 1)", "elu"),
        ("max(x, 0)", "relu"),
        ("(x + abs(x))/2", "relu"),
        ("max(x, x/100)", "leaky_relu"),
        ("2*sigmoid(2*x) - 1", "tanh"),
        ("X^2", "quadratic"),
        ("cos(x - pi/2)", "sin"),
        ("e**x", "exp"),
        ("x*0.5*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))", "gelu_tanh"),
        ("SELU(x)", "selu"),
    ],
)
def test_expression_equals_builtin(text: str, name: str) -> None:
    one, other = resolve(text), resolve(name)
    assert one.kinks == other.kinks
    assert one.parity == other.parity
    assert one.slopes == other.slopes
    assert one.scale == pytest.approx(other.scale, rel=0.4)
    x = np.linspace(-5.0, 5.0, 101)
    a, b = one.derivatives(x, 6), other.derivatives(x, 6)
    size = np.abs(b).max(axis=1, keepdims=True)
    assert np.all(np.abs(a - b) <= 1e-12 * size)
    np.testing.assert_allclose(one(x), other(x), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "kinks"),
    [
        ("relu(x - 0.1)", (0.1,)),
        ("abs(abs(x) - 1)", (-1.0, 0.0, 1.0)),
        ("relu(x*(x - 1e-4))", (0.0, 1e-4)),
        ("max(x**2, x + 1)", ((1 - 5**0.5) / 2, (1 + 5**0.5) / 2)),
        ("relu(x) - relu(-x)", ()),
        ("abs(x)**2", ()),
        ("sqrt(x**2)", (0.0,)),
        ("relu(x)**3", (0.0,)),
        ("where(x < 1, x**2, 2*x - 1)", (1.0,)),
        ("where(exp(x) >= 3, 1, 0)", (math.log(3.0),)),
        ("relu(relu(x - 1) - 1)", (2.0,)),
        ("min(max(x, -1), 1)", (-1.0, 1.0)),
        ("max(sin(x), x)", (0.0,)),
    ],
)
def test_kinks_are_found(text: str, kinks: tuple[float, ...]) -> None:
    np.testing.assert_allclose(resolve(text).kinks, kinks, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("x*sgmoid(x)", "unknown name 'sgmoid'; did you mean sigmoid?", 2),
        ("x + y", "unknown name 'y'", 4),
        ("2x", "expected an operator", 1),
        ("x*", "the expression ends here", 2),
        ("(x", "expected ')'", 2),
        ("x + )", "expected a number, x, a function", 4),
        ("sin(x, 2)", "sin takes 1 argument, got 2", 0),
        ("max(x)", "max takes 2 arguments, got 1", 0),
        ("where(x, 1, 2)", "expected a comparison", 7),
        ("where(x > 0, 1)", "expected ','", 14),
        ("x.real", "unexpected character '.'", 1),
        ("__import__('os')", "unexpected character", 11),
        ("x**65", "powers beyond 64", 1),
        ("x*exp(1000)", "not finite", 2),
        ("x + 1/0", "divides by zero", 5),
        ("x + (-8)**0.5", "not finite", 8),
        ("1 + sin", "sin needs its argument: sin(x)", 4),
        ("x == 1", "unexpected character '='", 2),
        ("x(3)", "x is not a function", 0),
        ("", "the expression ends here", 0),
        ("×", "unexpected character", 0),
    ],
)
def test_bad_expression_points_at_the_character(text: str, message: str, column: int) -> None:
    with pytest.raises(ValueError) as caught:
        resolve(text)
    first, shown, caret = str(caught.value).split("\n")
    assert message in first
    assert shown == f"    {text}"
    assert caret == " " * (4 + column) + "^"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("log(x)", "x = 0 "),
        ("1/x", "x = 0 "),
        ("sqrt(x)", "x = 0 "),
        ("1/(x - 0.123456)", "x = 0.123456 "),
        ("1/(x - 1/3)**2", "x = 0.333333 "),
        ("sin(x)/cos(x)", "x = 1.5708"),
        ("1/(exp(x) - 2)", "x = 0.693147 "),
        ("log(1 + x)", "x = -1 "),
        ("x**-3", "x = 0 "),
        ("abs(x)**0.3", "x = 0 "),
        ("sqrt(relu(x))", "x = 0 "),
        ("where(x > 2, 1/(x - 7), x)", "x = 7 "),
        ("log(1000 - x)", "x = 1000 "),
        ("x**x", "x = 0 "),
        ("exp(x**2)/exp(x**2) + 1/(exp(x**4)-exp(x**4)/2)*exp(x**4)", "x = "),
    ],
)
def test_not_finite_somewhere_is_refused_and_says_where(text: str, where: str) -> None:
    with pytest.raises(ValueError, match="cannot be used") as caught:
        resolve(text)
    assert where in str(caught.value).replace("-1.5708", "1.5708")


def test_only_the_branch_taken_must_be_finite() -> None:
    activation = resolve("where(x > 0, log(1 + x), -log(1 - x))")
    assert (activation.kinks, activation.parity) == ((0.0,), "odd")
    x = np.linspace(-3.0, 3.0, 13)
    np.testing.assert_allclose(activation(x), np.sign(x) * np.log1p(np.abs(x)), atol=1e-15)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 400 + "x" + ")" * 400,
        "-" * 900 + "x",
        "+".join(["x"] * 400),
        "**".join(["x"] * 50),
        "9**9**9**9**9",
        "relu(" * 39 + "x" + ")" * 39,
        "gelu(" * 39 + "x" + ")" * 39,
        "mish(" * 39 + "x" + ")" * 39,
        "x**64" * 1 + "*x**64" * 100,
        "*".join(["(x+sin(x)+exp(x))"] * 50),
        "*".join([f"relu(x-{k})" for k in range(60)]),
        "relu(sin(1e9*x))",
        "+".join([f"abs(sin({k}*x))" for k in range(50)]),
        "((x**64)**64)**64",
        "x" * 100_000,
        "1e" + "9" * 500,
    ],
)
def test_hostile_expressions_end_soon(text: str) -> None:
    begin = time.perf_counter()
    with contextlib.suppress(ValueError):
        resolve(text)
    assert time.perf_counter() - begin < 5.0


# An independent evaluation: the same random tree, in multiple precision.
UNARY = {
    "sin": mp.sin,
    "cos": mp.cos,
    "tanh": mp.tanh,
    "erf": mp.erf,
    "sigmoid": lambda u: 1 / (1 + mp.exp(-u)),
    "relu": lambda u: u if u > 0 else 0 * u,
    "abs": abs,
    "softplus": lambda u: mp.log1p(mp.exp(u)),
}


def _leaf(value: float) -> tuple[str, object]:
    return f"{value}", lambda x: mp.mpf(value)


def _unary(name: str, inner: tuple) -> tuple[str, object]:
    text, f = inner
    return f"{name}({text})", lambda x: UNARY[name](f(x))


def _binary(op: str, left: tuple, right: tuple) -> tuple[str, object]:
    (a, f), (b, g) = left, right
    both = {"+": lambda u, v: u + v, "-": lambda u, v: u - v, "*": lambda u, v: u * v}
    if op == "max":
        return f"max({a}, {b})", lambda x: max(f(x), g(x))
    if op == "/":
        return f"({a})/(2 + ({b})**2)", lambda x: f(x) / (2 + g(x) ** 2)
    return f"({a}) {op} ({b})", lambda x: both[op](f(x), g(x))


trees = st.recursive(
    st.one_of(
        st.just(("x", lambda x: x)),
        st.sampled_from([0.5, 2.0, 1.25, 0.75]).map(_leaf),
    ),
    lambda inner: st.one_of(
        st.builds(_unary, st.sampled_from(sorted(UNARY)), inner),
        st.builds(_binary, st.sampled_from(["+", "-", "*", "/", "max"]), inner, inner),
    ),
    max_leaves=6,
)


@given(trees, st.floats(-3.0, 3.0))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_random_expressions_against_multiple_precision(tree: tuple, x: float) -> None:
    text, f = tree
    try:
        activation = resolve(text)
    except ValueError as error:
        assert "more than 64 kinks" in str(error)
        return
    if any(abs(x - kink) < 1e-2 for kink in activation.kinks):
        return
    with mp.workdps(50):
        wanted = [float(d) for d in mp.diffs(f, mp.mpf(x), 3, h=mp.mpf(10) ** -12)]
    found = activation.derivatives(x, 3)
    size = np.abs(activation.derivatives(x + np.linspace(-0.5, 0.5, 9), 3)).max(axis=1)
    assert np.all(np.abs(found - wanted) <= 1e-9 * (size + np.abs(wanted)) + 1e-12)
    assert activation(np.array([x]))[0] == pytest.approx(wanted[0], rel=1e-12, abs=1e-12)
