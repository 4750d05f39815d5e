"""The declared structure against what is known by hand, and as laws."""

import numpy as np
import pytest
from activations.table import NAMES, TABLE

from nneft.activations import PolyExp, names, resolve
from nneft.activations.polyexp import PolyExpTooLarge


@pytest.mark.parametrize("name", NAMES)
def test_structure_by_hand(name: str) -> None:
    activation, row = TABLE[name].made(), TABLE[name]
    np.testing.assert_allclose(activation.kinks, row.kinks, rtol=1e-15)
    assert activation.parity == row.parity
    assert activation.slopes == row.slopes
    assert activation.polynomial == row.polynomial
    assert 0.3 < activation.scale < 10
    if row.strip is not None:
        assert activation.scale == pytest.approx(row.strip, rel=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_parity_and_homogeneity_laws(name: str) -> None:
    activation = TABLE[name].made()
    x = np.random.default_rng(1).normal(0.0, 3.0, 200)
    if activation.parity is not None:
        sign = 1.0 if activation.parity == "even" else -1.0
        tolerance = {"rtol": 1e-14, "atol": 1e-15}
        np.testing.assert_allclose(activation(-x), sign * activation(x), **tolerance)
    if activation.slopes is not None:
        minus, plus = activation.slopes
        np.testing.assert_allclose(activation(x), np.where(x > 0, plus, minus) * x, rtol=1e-15)


def test_every_builtin_is_in_the_table() -> None:
    assert set(names()) <= set(NAMES)


# Nearest singularities: i pi/2 of tanh, i pi of exp = -1, the roots of 1 + x^2, ..
@pytest.mark.parametrize(
    ("text", "strip"),
    [
        ("tanh(3*x)", np.pi / 6),
        ("x*sigmoid(1.702*x)", np.pi / 1.702),
        ("log(1 + x**2)", 1.0),
        ("x/sqrt(1 + x**2/16)", 4.0),
        ("1/(1 + (x - 5)**2)", 1.0),
        ("softplus(20*x)/20", np.pi / 20),
        ("where(x > 0, log(1 + x), x)", 1.0),
        ("relu(x)*tanh(x)", np.pi / 2),
        ("tanh(x/50)", 25 * np.pi),
    ],
)
def test_scale_of_expressions_is_the_strip_of_analyticity(text: str, strip: float) -> None:
    assert resolve(text).scale == pytest.approx(strip, rel=0.15)


@pytest.mark.parametrize("factor", [1e-3, 0.1, 10.0, 1e3])
@pytest.mark.parametrize("text", ["sin({}*x)", "erf({}*x)", "exp(-({}*x)**2)", "tanh({}*x)"])
def test_scale_scales(text: str, factor: float) -> None:
    one, other = resolve(text.format(1.0)).scale, resolve(text.format(factor)).scale
    assert other * factor == pytest.approx(one, rel=0.35)


def test_gelu_tanh_strip_is_a_pole() -> None:
    # z on the strip's edge with sqrt(2/pi) (z + 0.044715 z^3) = i pi/2 (odd): tanh diverges
    strip = resolve("gelu_tanh").scale
    z = np.linspace(-8, 8, 4001) + 1j * strip
    size = np.abs(np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    inside = np.abs(
        np.tanh(np.sqrt(2 / np.pi) * (z.conj() + 0.3j + 0.044715 * (z.conj() + 0.3j) ** 3))
    )
    assert size.max() > 100 > 20 > inside.max()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("sin(2*x + 1)", 2),
        ("x**2*exp(-x**2/2)*cos(x)", 2),
        ("(1 + x)**3 - exp(0.3*x)", 5),
        ("sin(x)**2", 3),
        ("2**x", 1),
        ("exp(-(x - 1)**2)", 1),
    ],
)
def test_polyexp_against_the_formula(text: str, terms: int) -> None:
    activation = resolve(text)
    form = activation.polyexp
    assert form is not None
    assert len(list(form.terms)) == terms
    x = np.linspace(-3.0, 3.0, 61)
    derivatives = activation.derivatives(x, 5)
    for r in range(6):
        size = np.abs(derivatives[r]).max()
        np.testing.assert_allclose(form.derivative(r)(x), derivatives[r], atol=1e-13 * size)
        direct = sum((c * x**p * np.exp(a * x + b * x**2) for c, p, a, b in form.terms), 0j * x)
        np.testing.assert_allclose(form(x), direct.real, atol=1e-14 * np.abs(direct).max())


@pytest.mark.parametrize("text", ["tanh", "relu", "sin(x**2)", "erf", "exp(x**3)", "elu"])
def test_no_polyexp_where_there_is_none(text: str) -> None:
    assert resolve(text).polyexp is None


def test_polyexp_algebra() -> None:
    x, wave = PolyExp.monomial(p=1), PolyExp.monomial(0.5, 0, 1j) + PolyExp.monomial(0.5, 0, -1j)
    f = 2 - (x * wave + 3.0) ** 2 / 2.0
    t = np.linspace(-2.0, 2.0, 21)
    np.testing.assert_allclose(f(t), 2 - (t * np.cos(t) + 3) ** 2 / 2, rtol=1e-14)
    assert (f - f).coefficients == {}
    assert hash(f) == hash(f + 0.0)
    assert PolyExp.polynomial((1.0, 0.0, 2.0)).as_polynomial() == (1.0, 0.0, 2.0)
    with pytest.raises(ValueError, match="power"):
        f ** (-1)
    with pytest.raises(PolyExpTooLarge):
        (x + wave + 1.0) ** 40
