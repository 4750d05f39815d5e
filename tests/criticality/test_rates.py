"""Exponential rates measured on flows against multiples of ln chi."""

from math import log

import pytest

import nneft
from nneft.criticality.decay import rates


def network(activation: str, C_W: float, C_b: float, depth: int = 40) -> nneft.Network:
    return nneft.Network((1,) * (depth + 1), activation, C_W, C_b)


# activation, C_W, C_b, first kernel: ordered, on the edge, chaotic, vanishing, exploding
CASES = [
    ("tanh", 1.5, 0.3, 0.3),
    ("tanh", 1.76095464, 0.05, 0.3),
    ("tanh", 4.0, 0.0, 1.0),
    ("sin", 2.0, 0.1, 1.0),
    ("erf", 0.5, 0.0, 1.0),
    ("tanh", 0.25, 0.0, 1.0),
    ("elu", 0.4, 0.0, 1.0),
    ("gelu", 1.5, 0.1, 1.0),
    ("linear", 0.7, 0.0, 1.0),
    ("relu", 0.5, 0.0, 1.0),
    ("relu", 8.0, 0.0, 1.0),
    ("relu", 1.0, 0.5, 0.2),
]


@pytest.mark.parametrize(("activation", "C_W", "C_b", "kernel"), CASES)
def test_measured_rates_are_multiples_of_log_chi(activation, C_W, C_b, kernel):
    found = rates(network(activation, C_W, C_b), kernel=kernel)
    for row in found.rows:
        assert row.agrees, row
        assert row.uncertainty < 0.05
        # The controls: one ln chi_par more or less, and another chi.
        assert row.excludes(row.expected + log(found.chi_par))
        assert row.excludes(row.expected + 0.1)
    for k in (1, 2, 3, 4):
        name = "K_0" if k == 1 else f"V_{2 * k}"
        row = found["response", name]
        assert row.expected == pytest.approx(k * log(found.chi_par), rel=1e-14)
        assert row.uncertainty < 1e-5


def test_decays_at_zero_have_the_rates_of_responses():
    found = rates(network("tanh", 0.25, 0.0))
    for k, name in ((2, "V_4"), (3, "V_6"), (4, "V_8")):
        assert found["decay", name].measured == pytest.approx(k * log(0.25), rel=1e-4)
    # two pairs of differences, one of them and one of the mean
    assert found["decay", "V_dddd"].expected == pytest.approx(2.0 * log(0.25))
    assert found["decay", "V_00dd"].expected == pytest.approx(2.0 * log(0.25))


def test_the_slowest_change_wins_where_correlators_stay():
    """V_2k tends to V_2k* at one ln chi_par for all k, from K* at two: not at k of them."""
    tanh = network("tanh", 4.0, 0.0)
    away, at = rates(tanh), rates(tanh, kernel=2.1214735683)
    for name in ("V_4", "V_6", "V_8"):
        assert away["approach", name].expected == pytest.approx(log(away.chi_par))
        assert at["approach", name].expected == pytest.approx(2.0 * log(at.chi_par))
        assert away["approach", name].agrees
        assert at["approach", name].agrees
        assert away["approach", name].excludes(2.0 * log(at.chi_par))
    with pytest.raises(KeyError):
        at["approach", "K_0"]


def test_the_numbers_at_tanh():
    found = rates(network("tanh", 4.0, 0.0))
    assert found.kernel == pytest.approx(2.121473568, abs=5e-10)
    assert found.chi_par == pytest.approx(0.3309671, abs=5e-8)
    assert found["response", "V_8"].measured == pytest.approx(4.0 * log(found.chi_par), rel=1e-10)
    assert found["decay", "K_dd"].measured == pytest.approx(log(1.3626734), abs=5e-8)


def test_a_readable_table():
    text = str(rates(network("relu", 0.5, 0.0), order=1))
    assert "2 ln chi_par" in text
    assert "response" in text
    assert "V_6" not in text


def test_wrong_calls():
    with pytest.raises(ValueError, match="critical_exponents"):
        rates(network("tanh", 1.0, 0.0))
    with pytest.raises(ValueError, match="same C_W and C_b"):
        rates(nneft.Network((1,) * 31, "tanh", [1.0] * 29 + [2.0]))
    with pytest.raises(ValueError, match="layers or more"):
        rates(network("tanh", 2.0, 0.0, depth=5))
    with pytest.raises(ValueError, match="no fixed point"):
        rates(network("relu", 2.5, 0.1))
    with pytest.raises(TypeError, match="Network"):
        rates("tanh")
