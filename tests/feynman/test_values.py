"""Values of diagrams: against the flow, exact rational arithmetic, closed forms, the numbers of
tanh networks; and ranked contributions."""

from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from feynman.held import Held, tower
from feynman.total_cumulance import following

import nneft
from nneft.feynman import parse
from nneft.feynman.values import Evaluator

INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [0.6, -0.5]])
WIDTHS = (2, 50, 70, 30, 90)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(
    ("activation", "C_W"), [("tanh", 1.2), ("gelu", 1.9), ("relu", 2.0), ("x + x**2/3", 0.5)]
)
def test_sums_are_the_steps_of_the_flow(activation, C_W, count):
    network = nneft.Network(WIDTHS, activation, [1.0, C_W, 0.9 * C_W, C_W], 0.1)
    flow = nneft.flow(network, INPUTS[:count])
    V_4, K_0, K_1 = flow.V(4), flow.K(0), flow.K(1)
    for layer in (2, 4):
        evaluator = Evaluator(flow, layer)
        deviation = np.sqrt(np.einsum("abab->ab", V_4[layer - 1]))
        for at in product(range(count), repeat=4):
            value, error = _sum(evaluator, nneft.diagrams(4), at)
            scale = deviation[at[:2]] * deviation[at[2:]]
            # quadrature over three inputs depends on what it is asked together: within its error
            assert abs(value - V_4[layer - 1][at]) <= 1e-12 * scale + error
            assert error <= 1e-10 * scale
        deviation = np.sqrt(np.diag(K_0[layer - 1]))
        for a, b in product(range(count), repeat=2):
            value, error = _sum(evaluator, nneft.diagrams(2, 1), (a, b))
            assert abs(value - K_1[layer - 1, a, b]) <= 1e-12 * deviation[a] * deviation[b]


def _sum(evaluator, diagrams, at):
    found = evaluator.values(list(diagrams), at)
    return sum(one.value for one in found), sum(one.error for one in found)


def test_parallel_and_equal_inputs_of_a_homogeneous_network():
    network = nneft.Network((2, 40, 60, 50), "relu", 2.0)
    inputs = [[1.0, 2.0], [3.0, 6.0], [1.0, 2.0], [-2.0, 0.5]]
    flow = nneft.flow(network, inputs)
    for at in [(0, 1, 1, 2), (1, 3, 0, 2), (1, 1, 1, 1)]:
        values = nneft.contributions(flow, 4, 3, at)
        assert values.total == pytest.approx(flow.V(4, at=at)[2], rel=1e-13)
    # everything of two parallel inputs is that of one of them, times their lengths
    one = nneft.contributions(flow, 4, 3, (0, 0, 0, 0)).total
    assert nneft.contributions(flow, 4, 3, (0, 1, 1, 1)).total == pytest.approx(27.0 * one)


@cache
def _rational(size, highest):
    """Exact state of three layers of a quadratic network of unequal widths, as a flow."""
    sigma = [Fraction(1, 10), 1, Fraction(1, 4)]
    kernel = [[Fraction(1), Fraction(1, 3)], [Fraction(1, 3), Fraction(3, 4)]]
    kernel = [row[:size] for row in kernel[:size]]
    widths, C_W, C_b = (3, 60, 90, 40, 1), Fraction(3, 4), Fraction(1, 5)
    kernels, states = [kernel], [{}]
    for below in widths[1:-1]:
        state = following(sigma, kernels[-1], states[-1], highest, C_W, C_b, Fraction(1, below))
        kernels.append(state[0])
        states.append(state[1])
    network = nneft.Network(widths, "0.1 + x + x**2/4", float(C_W), float(C_b))
    flow = Held(network, [np.array(kernel, dtype=float) for kernel in kernels])
    for layer, state in enumerate(states, start=1):
        below = widths[layer - 1]
        for block, coefficients in state.items():
            for power in range(max(1, len(block) - 1), highest + 1):
                exact = coefficients[power] * Fraction(below) ** power
                flow.put(layer, block, power - len(block) + 1, exact)
    return flow


@pytest.mark.parametrize(("size", "highest"), [(1, 4), (2, 2)])
def test_every_order_agrees_with_exact_total_cumulance(size, highest):
    """All cumulants to all orders held, at unequal widths: loops, insertions, split vertices."""
    flow = _rational(size, highest)
    pairs = list(combinations_with_replacement(range(size), 2))
    for layer in (3, 4):
        evaluator = Evaluator(flow, layer)
        for k in range(1, highest + 2):
            for order in range(1 if k == 1 else 0, highest - k + 2):
                diagrams = list(nneft.diagrams(2 * k, order, expanded=True))
                for block in combinations_with_replacement(pairs, k):
                    at = tuple(a for pair in block for a in pair)
                    values = [one.value for one in evaluator.values(diagrams, at)]
                    exact = flow.V(2 * k, order, at=at)[layer - 1]
                    assert sum(values) == pytest.approx(exact, abs=1e-12 * sum(map(abs, values)))


def test_eight_points_at_two_inputs_agree_with_exact_total_cumulance():
    flow = _rational(2, 3)
    diagrams, evaluator = list(nneft.diagrams(8)), Evaluator(flow, 4)
    for at in [(0, 1) * 4, (0, 0, 0, 1, 0, 1, 1, 1), (0, 0, 1, 1, 1, 1, 1, 1)]:
        values = [one.value for one in evaluator.values(diagrams, at)]
        assert sum(values) == pytest.approx(flow.V(8, at=at)[3], rel=1e-12)


@pytest.mark.parametrize(("activation", "C_W"), [("linear", 1.0), ("relu", 2.0)])
def test_closed_forms_of_homogeneous_networks(activation, C_W):
    flow = tower(nneft.Network((1, *[20] * 12), activation, C_W), [np.ones((1, 1))] * 12, 8)
    for layer in range(1, 13):
        t = layer - 1
        if activation == "linear":
            wanted = 2 * t, 4 * t * (3 * t - 1), 16 * t * (2 * t - 1) * (4 * t - 1)
        else:
            wanted = 5 * t, t * (75 * t - 31), 2 * t * (20 * t - 11) * (50 * t - 19)
        found = [flow.V(2 * k, at=(0,) * 2 * k)[layer - 1] for k in (2, 3, 4)]
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_numbers_of_a_critical_tanh_network():
    network = nneft.Network((1, *[300] * 30), "tanh", 1.0)
    kernels = nneft.flow(network, kernel=1.0, order=0).K(0)
    flow = tower(network, kernels, 8)
    table = {
        5: (0.0393984430, 0.0203806147, 0.0121886280),
        30: (0.005836560938, 0.004368866892, 0.005074416402),
    }
    for layer, wanted in table.items():
        found = [flow.V(2 * k, at=(0,) * 2 * k)[layer - 1] for k in (2, 3, 4)]
        np.testing.assert_allclose(found, wanted, rtol=5e-9)
    assert flow.V(8, at=(0,) * 8)[1] == pytest.approx(-0.01187638604, rel=1e-9)


def test_a_topology_is_worth_its_labelled_diagrams():
    flow = _rational(2, 3)
    at = (0, 0, 0, 1, 1, 1, 1, 1)
    labelled = {}
    for d in nneft.diagrams(8, labelled=True):
        labelled[d.topology] = labelled.get(d.topology, 0.0) + d.value(flow, 4, at)
    for d in nneft.diagrams(8):
        assert d.value(flow, 4, at) == pytest.approx(labelled[d], rel=1e-12)
    one = parse("[0 1],[2],[3]|V6:0,1,2")
    assert one.value(flow, 4, at) != pytest.approx(one.value(flow, 4, at[::-1]), rel=1e-3)


def test_contributions_are_ranked_and_add_up():
    flow = _rational(1, 3)
    found = nneft.contributions(flow, 6, 4)
    sizes = [abs(c.value) for c in found]
    assert sizes == sorted(sizes, reverse=True) and len(found) == 4
    assert found.total == pytest.approx(flow.V(6, at=(0,) * 6)[3], rel=1e-13)
    assert found[0] == next(iter(found)) and 0.0 < found.error < 1e-10 * abs(found.total)
    text = str(found).splitlines()
    assert text[0] == "V_6[0,0;0,0;0,0] at order 0, layer 4: 4 diagrams"
    assert text[3].split()[-1] == found[0].diagram.code
    assert float(text[-1].removeprefix("total ")) == pytest.approx(found.total, rel=1e-11)
    shares = [float(line.split()[1].rstrip("%")) for line in text[3:-2]]
    assert sum(shares) == pytest.approx(100.0, abs=0.3)


def test_contributions_as_bars():
    found = nneft.contributions(_rational(1, 3), 8, 4)
    axes = found.plot()
    bars = [patch.get_width() for patch in axes.patches]
    assert bars == [c.value for c in found]
    assert [t.get_text() for t in axes.get_yticklabels()] == [c.diagram.code for c in found]
    assert found.plot(axes) is axes


def test_the_second_layer_needs_nothing_of_the_first_but_its_kernel():
    network = nneft.Network((1, 20, 20), "relu", 2.0)
    flow = nneft.flow(network, kernel=3.0, order=0)
    found = nneft.contributions(flow, 8, 2)
    # Closed form at t = 1, in units of the kernel: 2 (20 - 11) (50 - 19)
    assert found.total == pytest.approx(2 * 9 * 31 * 3.0**4, rel=1e-13)
    assert [c.value for c in found][1:] == [0.0] * 9


FLOW = nneft.flow(nneft.Network((1, 20, 20, 20), "relu", 2.0), kernel=1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nneft.contributions(FLOW, 6, 3), r"layer 3 needs V\(6, 0\) of layer 2"),
        (lambda: nneft.contributions(FLOW, 2, 3, order=2), "needs "),
        (lambda: parse("1|K2:0").value(FLOW, 3), r"needs K\(2\) of layer 2"),
        (lambda: parse("2").value(FLOW, 1), "layer must be from 2 to 3, got 1"),
        (lambda: parse("2").value(FLOW, 4), "layer must be from 2 to 3, got 4"),
        (lambda: parse("2").value(FLOW, 2, (0, 0, 0)), "at must be 4 indices of inputs, got 3"),
        (lambda: parse("2").value(FLOW, 2, (0, 0, 0, 1)), "from 0 to 0"),
        (lambda: nneft.contributions(FLOW, 3, 2), "points must be even"),
    ],
)
def test_wrong_calls_say_what_was_wanted(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_layer_is_an_integer():
    with pytest.raises(TypeError):
        parse("2").value(FLOW, 2.5)
    with pytest.raises(TypeError, match="layer must be an integer"):
        parse("2").value(FLOW, True)
