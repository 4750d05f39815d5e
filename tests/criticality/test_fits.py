"""Exponents fitted from flows against the analytic ones, within their own uncertainty."""

import numpy as np
import pytest

from nneft.criticality.fits import critical_exponents

# activation, first kernel, depth, uncertainty of exponents that is reached by all rows, but for ..
CASES = [
    ("tanh", None, 300, 1e-3, ()),
    ("tanh", 0.2, 200, 1e-2, ()),
    ("sin", None, 200, 1e-2, ()),
    ("erf", None, 200, 1e-2, ()),
    ("tanh(x) + 0.25*tanh(x)**2", 0.3, 200, 1e-2, ()),
    ("linear", None, 150, 1e-3, ()),
    ("relu", None, 150, 1e-3, ()),
    ("leaky_relu", None, 150, 1e-3, ()),
    ("x/(1 + abs(x))", None, 300, 5e-2, ()),
    ("elu", None, 500, 5e-2, ()),
    ("mish", None, 400, 0.2, ("K_2", "K_3")),
    ("gelu", None, 400, 0.1, ("K_2", "K_3", "V_6", "V_8", "V_00dd/K_dd", "V_dddd/K_dd^2")),
    ("mish", 0.1, 800, 0.2, ("K_3",)),
    # slopes that differ at the origin: two inputs take their time
    pytest.param("tanh(x) + 0.3*abs(tanh(x))", None, 200, 0.1, (), marks=pytest.mark.slow),
    pytest.param("selu", None, 300, 5e-2, (), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("activation", "kernel", "depth", "reached", "but"), CASES)
def test_fitted_and_analytic_agree(activation, kernel, depth, reached, but):
    found = critical_exponents(activation, depth=depth, kernel=kernel)
    for name, row in found.rows.items():
        if name in but:
            continue
        assert row.fitted is not None, name
        assert row.agrees, (name, row)
        assert row.uncertainty < reached
        # The control: an exponent a little off is excluded.
        assert row.excludes(row.law.exponent + 2.5 * reached)
        assert row.excludes(row.law.exponent - 2.5 * reached)
    # What is not told well is not told wrongly.
    assert all(found[name].fitted is None or found[name].agrees for name in but)


def test_a_flow_that_is_not_deep_tells_no_exponent():
    """GELU's law sets in after 10^4 layers and more: the fit says nothing rather than nonsense."""
    found = critical_exponents("gelu", depth=300, kernel=5.0)
    assert found.scaling.crossover > 1e4
    assert all(row.fitted is None for row in found.rows.values())
    assert "-" in str(found)


def test_a_wrong_law_does_not_agree():
    """The kinked class is not mistaken for the smooth one, nor tanh's numbers for sin's."""
    elu, tanh, sin = (critical_exponents(a, depth=150) for a in ("elu", "tanh", "sin"))
    assert elu["K_0"].excludes(-1.0)
    assert elu["V_4"].excludes(-1.0)
    gap = abs(sin["V_6"].amplitude - tanh["V_6"].law.amplitude)
    assert gap > 100.0 * sin["V_6"].amplitude_uncertainty


def test_a_readable_table():
    text = str(critical_exponents("relu", depth=100, order=1))
    assert text.splitlines()[0].startswith("relu: scale-invariant")
    assert "V_4" in text
    assert "V_6" not in text


def test_wrong_calls():
    with pytest.raises(ValueError, match="depth must be"):
        critical_exponents("tanh", depth=50)
    with pytest.raises(ValueError, match="no critical point"):
        critical_exponents("sigmoid")
    with pytest.raises(ValueError, match=r"after about .* layers"):
        critical_exponents("gelu", kernel=3.0)


def test_what_is_missing_is_told():
    found = critical_exponents("gelu", depth=400)
    told = str(found)
    for name, row in found.rows.items():
        # an exponent or a reason, and before the crossover none that is uncertain by 0.1
        assert (row.fitted is None) == bool(row.reason), name
        assert row.uncertainty is None or row.uncertainty < 0.1
        assert (f"{name}: {row.reason}" in told) == bool(row.reason)
    assert found["K_2"].reason.startswith("not settled, as the flow ends before the crossover")
    assert "K_0: no row, as the flow starts at K*" in told
    assert "All powers hold for layers large against 10,462" in told
    assert "for layers large against 10,462" in str(found.scaling)
    assert critical_exponents("tanh", depth=150, order=1).notes == []


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "sin", "elu", "selu", "relu", "mish"])
def test_two_thousand_layers(activation):
    found = critical_exponents(activation, depth=2000)
    assert np.all([row.agrees for row in found.rows.values() if row.fitted is not None])
    assert found["V_8"].uncertainty < 1e-2
