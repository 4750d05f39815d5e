"""Panels, cells, spans and distributions: the parts of the quadrature, one by one."""

from itertools import pairwise

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nneft.activations import resolve
from nneft.gaussian.distribution import Distribution, at_points, hermite_sum, jumps, regular
from nneft.gaussian.mesh import advise, cells, span
from nneft.gaussian.panels import Advice, Cores, Resolution, no_cores, place, split
from nneft.gaussian.smoothing import Smoothing, Table

FINE = Resolution(nodes=18, length=4.0, tail=9.0)
PLAIN = Advice(np.empty(0), FINE.length, FINE.tail, clear=10.0, growth=0.0, even=True)
FINITE = st.floats(-12.0, 12.0)


def normal_moment(n):
    return 0.0 if n % 2 else float(mp.fac2(n - 1))


@given(st.lists(st.lists(FINITE, min_size=3, max_size=3), min_size=1, max_size=5))
def test_every_row_integrates_polynomials_wherever_it_is_broken(rows):
    breaks = np.array(rows)
    nodes = place(breaks, no_cores(len(rows)), 10.0, PLAIN, FINE).nodes(FINE)
    for n in range(7):
        sums = nodes.sum(nodes.z**n, len(rows))
        np.testing.assert_allclose(sums, normal_moment(n), atol=3e-14 * normal_moment(2 * n) ** 0.5)


@given(st.floats(1e-9, 2.0), FINITE)
def test_smoothed_steps_are_resolved_at_every_width(width, centre):
    cores = Cores(np.array([[centre]]), np.array([width]))
    nodes = place(np.empty((1, 0)), cores, 9.5, PLAIN, FINE).nodes(FINE)
    [found] = nodes.sum(np.vectorize(lambda z: float(mp.ncdf((z - centre) / width)))(nodes.z), 1)
    # E[Phi((z - c)/w)] = Phi(-c / sqrt(1 + w^2))
    assert found == pytest.approx(float(mp.ncdf(-centre / mp.sqrt(1 + width**2))), abs=2e-15)


def test_rows_without_breaks_take_one_hermite_rule():
    breaks = np.array([[0.0, 20.0], [30.0, 20.0]])
    panels = place(breaks, no_cores(2), 9.0, PLAIN, FINE)
    assert list(np.bincount(panels.row)) == [6, 1]
    assert list(panels.plain[panels.row == 1]) == [True]
    refused = place(breaks, no_cores(2), 9.0, PLAIN._replace(clear=2.0), FINE)
    assert list(np.bincount(refused.row)) == [6, 5]


def test_split_covers_each_interval_once_and_keeps_to_the_limit():
    edges = np.array([[0.0, 1.0, 1.0, 7.0], [-2.0, -2.0, 3.0, 3.0]])
    row, middle, half, fill = split(edges, np.full((2, 3), 2.5))
    assert list(row) == [0, 0, 0, 0, 1, 1]
    assert (2 * half).max() <= 2.5
    np.testing.assert_allclose(fill, 2 * half / 2.5)
    np.testing.assert_allclose(np.bincount(row, 2 * half), [7.0, 5.0])
    np.testing.assert_allclose(middle[1:4] - half[1:4], [1.0, 3.0, 5.0])


@pytest.mark.parametrize(
    "name", ["tanh", "gelu", "mish", "elu", "sin", "tanh(20*(x-3))", "abs(x)^3"]
)
def test_cells_resolve_the_activation(name):
    activation = resolve(name)
    edges = cells(activation, 1, 2, 32.0).edges
    assert set(activation.kinks) <= set(edges.tolist())
    # sixteen Chebyshev nodes of each cell interpolate to points between them
    nodes = np.cos(np.pi * (np.arange(16) + 0.5) / 16)
    for low, high in pairwise(edges.tolist()):
        x = 0.5 * (low + high) + 0.5 * (high - low) * nodes
        series = np.polynomial.chebyshev.chebfit(nodes, activation(x), 15)
        between = np.linspace(-0.99, 0.99, 7)
        exact = activation(0.5 * (low + high) + 0.5 * (high - low) * between)
        size = max(np.abs(exact).max(), 0.1)
        assert np.abs(np.polynomial.chebyshev.chebval(between, series) - exact).max() < 1e-6 * size


def test_spans_follow_growth_and_refuse_divergence():
    assert span(resolve("tanh"), 2, 0, 3.0) < 10.5
    # exp(2x) under N(0, 4) peaks at z = 4
    assert 12.5 < span(resolve("exp(x)"), 2, 0, 2.0) < 15.0
    # exp(x^2/5) has a mean below variance 5/2
    assert span(resolve("exp(x^2/10)"), 2, 0, 1.5) > 12.0
    with pytest.raises(ValueError, match="diverge at this kernel"):
        span(resolve("exp(x^2/10)"), 2, 0, 1.6)


def test_advice_breaks_at_kinks_always_and_elsewhere_only_where_the_gaussian_is_wide():
    elu = resolve("elu")
    mesh = cells(elu, 1, 0, 32.0)
    assert list(advise(elu, mesh, 0.01, FINE).edges) == [0.0]
    assert advise(elu, mesh, 0.01, FINE, smoothing=1e-3).edges.size == 0
    wide = advise(elu, mesh, 8.0, FINE)
    assert 0.0 in wide.edges
    assert wide.edges.size > 1 or wide.length < FINE.length
    assert wide.clear < FINE.around_line


@pytest.mark.parametrize("name", ["elu", "tanh", "max(-1, min(1, x))", "where(x>1, 1, 0)"])
@pytest.mark.parametrize("width", [1e-7, 0.1, 3.0])
def test_tables_and_common_nodes_agree_with_panels_around_each_mean(name, width):
    activation = resolve(name)
    mesh = cells(activation, 1, 0, 128.0)
    reach = span(activation, 1, 0, width)
    smoothing = Smoothing(activation, [(1, 0), (2, 0)], width, mesh, reach, FINE)
    offsets = np.array([0.0, 1.0, -3.0, 2.0]) * width
    mean = np.clip(np.concatenate([np.linspace(-4, 4, 33), offsets, 1.0 + offsets]), -4.5, 4.5)
    each = np.concatenate([smoothing(m[None]) for m in mean], axis=1)
    assert np.abs(smoothing(mean) - each).max() < 2e-14
    for digits in (18.0, 28.0):
        table = Table.of(smoothing, -4.5, 4.5, digits)
        # where the function is steep, means are known no better than to rounding
        tolerance = 20.0 * np.exp(-digits) + 4e-16 / width
        assert np.abs(table(mean) - each).max() < tolerance * max(1.0, np.abs(each).max())


def test_derivatives_of_kinked_powers_are_distributions():
    relu, selu = resolve("relu"), resolve("selu")
    assert Distribution.of(relu, 1, 2).deltas == ((1.0, 0.0),)
    # (relu^2)''' = 2 delta
    assert Distribution.of(relu, 2, 3).deltas == ((2.0, 0.0, 0.0),)
    assert Distribution.of(relu, 2, 2).is_function
    assert Distribution.of(resolve("tanh"), 1, 4).is_function
    once = Distribution.of(selu, 1, 2)
    assert once.derivative() == Distribution.of(selu, 1, 3)
    # the derivative of a regular part forgets the delta functions of the part itself
    assert Distribution.function(selu, 1, 1).derivative().deltas == ((once.deltas[0][0],),)


def test_jumps_of_powers_are_not_rounding():
    # both pieces pass through (1, 1) with slopes 2 and 1
    activation = resolve("where(x > 1, x^2, x)")
    [column] = jumps(activation, 3, 2)
    assert column[0] == 0.0
    np.testing.assert_allclose(column[1:], [3.0, 24.0])


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), st.floats(-4, 4))
def test_hermite_sums(coefficients, y):
    exact = np.polynomial.hermite_e.hermeval(y, coefficients)
    assert hermite_sum(coefficients, np.array(y)) == pytest.approx(exact, abs=1e-10)


def test_means_of_delta_functions_are_derivatives_of_the_density():
    third = Distribution.of(resolve("elu"), 1, 4)
    m, t = 0.3, 0.7
    # E[f''''] over the regular part and the delta functions is d^4/dm^4 of E[f]
    exact = mp.diff(
        lambda m: (
            m * mp.ncdf(m / t)
            + t * mp.npdf(m / t)
            + mp.exp(m + t * t / 2) * mp.ncdf(-(m + t * t) / t)
            - mp.ncdf(-m / t)
        ),
        m,
        4,
    )
    peak = third.singular_mean(np.array([m]), t)[0]
    tail = mp.exp(m + t * t / 2) * mp.ncdf(-(m + t * t) / t)
    assert peak + tail == pytest.approx(exact, rel=1e-12)


def test_on_a_kink_the_mean_of_both_sides_counts():
    relu = resolve("relu")
    values = at_points(relu, np.array([0.0, 1.0, -1.0]), [(1, 1), (2, 2)])
    np.testing.assert_array_equal(values, [[0.5, 1.0, 0.0], [1.0, 2.0, 0.0]])


@given(st.integers(1, 5), st.integers(0, 5), st.floats(-3, 3))
def test_powers_are_differentiated_by_leibniz(power, order, x):
    found = regular(resolve("x + x^2/3"), np.array([x]), [(power, order)])[0, 0]
    polynomial = np.polynomial.Polynomial([0, 1, 1 / 3]) ** power
    exact = polynomial.deriv(order)(x) if order else polynomial(x)
    assert found == pytest.approx(exact, rel=1e-11, abs=1e-9)
