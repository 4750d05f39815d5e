"""Loops over neurons: their values against integrals over neurons, and their cancellation."""

from itertools import pairwise, product

import numpy as np
import pytest
from actions.laws import Tanh, Wishart, exact_couplings, exponent
from feynman.pictures import faults, read

import nneft
from nneft.actions import effective_action, ghost_cancellation

EXCHANGE = "Exchange between two fields of the same neuron"
BUBBLE = "Two couplings joined by a loop of fields"
SEXTIC = "Loop of fields on the sextic coupling"
K = np.array([[1.0, 0.4], [0.4, 0.8]])


def gaussian(kernel, neurons, nodes):
    """Points (B, neurons, N), weights of a rule for N(0, kernel), exact to degree 2 nodes - 1."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    count = neurons * len(kernel)
    points = np.array(list(product(z, repeat=count))).reshape(-1, neurons, len(kernel))
    weights = np.prod(np.array(list(product(w / w.sum(), repeat=count))), axis=1)
    return points @ np.linalg.cholesky(kernel).T, weights


def first_correction(found, neurons):
    """``<phi phi>`` at first order in mu and lambda, no ghosts, so many neurons: by integration."""
    phi, w = gaussian(found.K_0, neurons, 4)
    own = np.einsum("bia,bic->bac", phi, phi)
    quartic = np.einsum("bac,acef,bef->b", own, found.lambda_, own) / 8
    pair = phi[:, 0, :, None] * phi[:, 0, None, :]
    connected = np.einsum("b,b,bac->ac", w, quartic, pair) - (w @ quartic) * found.K_0
    return found.mu + connected


@pytest.fixture(scope="module")
def tanh_flow():
    return nneft.flow(nneft.Network((2, 9, 12, 3), "tanh", 1.5, 0.2), kernel=K, order=1)


@pytest.mark.parametrize("at", [(0, 0), (0, 1), (1, 1)])
def test_the_terms_of_the_mean_kernel_are_the_integrals_over_fields(tanh_flow, at):
    found = ghost_cancellation(tanh_flow, 3, at)
    with_, without = (effective_action(tanh_flow, 3, ghosts=g) for g in (True, False))
    # Linear in the number of neurons, of which ghosts count negative: with both, none are left.
    one, two, three = (first_correction(with_, neurons)[at] for neurons in (1, 2, 3))
    loop = two - one
    assert three - two == pytest.approx(loop, rel=1e-10)
    values = found.values
    assert values["Loop of fields"].with_ghosts == pytest.approx(3 * loop, rel=1e-9)
    assert values[EXCHANGE].with_ghosts == pytest.approx(one - loop - with_.mu[at], rel=1e-9)
    kernel = with_.K_0[at]
    # PDLT: the network's three neurons, no ghosts, and couplings of their own; mixing is wrong.
    assert found.total.with_ghosts == pytest.approx(kernel + one - loop, rel=1e-12)
    without_ghosts = kernel + first_correction(without, 3)[at]
    assert found.total.without == pytest.approx(without_ghosts, rel=1e-12)
    assert found.total.mixed == pytest.approx(kernel + three, rel=1e-12)
    wanted = tanh_flow.mean()[2][at]
    assert found.expected == pytest.approx(wanted, rel=1e-13)
    assert found.total.with_ghosts == pytest.approx(wanted, rel=1e-12)
    assert found.total.without == pytest.approx(wanted, rel=1e-12)
    assert abs(found.total.mixed - wanted) > 0.01 * wanted


@pytest.mark.parametrize("at", [(0, 0), (0, 1)])
def test_the_terms_with_the_ratio_of_widths_vanish_with_ghosts_alone(at):
    # n_l/n_(l-1) from 1/4 to 4: the loops without ghosts grow with it, nothing else does.
    loops, totals = [], []
    for n_l in (3, 12, 48):
        net = nneft.Network((2, 9, 12, n_l), "tanh", 1.5, 0.2)
        found = ghost_cancellation(nneft.flow(net, kernel=K, order=1), 3, at)
        assert found.loops.with_ghosts == 0.0
        loops.append(found.loops.without)
        totals.append(found.total.with_ghosts)
    assert loops[2] / loops[1] == pytest.approx(4) == loops[1] / loops[0]
    assert totals == pytest.approx([totals[0]] * 3, rel=1e-13)


def test_one_input_of_a_linear_network():
    flow = nneft.flow(nneft.Network((1, 100, 20), "linear", 1.0), kernel=1.0, order=1)
    found = ghost_cancellation(flow, 2)
    assert found.values["Quadratic coupling"] == pytest.approx((-0.02, -0.22, -0.02), rel=1e-12)
    assert found.total == pytest.approx((1.0, 1.0, 1.2), rel=1e-12)
    assert found.loops == pytest.approx((0.0, 0.2, 0.2), rel=1e-12)
    # All of the loop is attached to a blob where the layer below does not fluctuate.
    names = ("Loop of fields on a blob of the layer below", "Loop of fields")
    assert found.values[names[0]] == pytest.approx(found.values[names[1]], rel=1e-12)


def test_the_part_of_a_loop_on_a_blob(tanh_flow):
    # V_4 of layer 3 without what layer 2 hands on: that of a network whose layer 2 stood still.
    frozen = nneft.flow(
        nneft.Network((2, 12, 3), "tanh", 1.5, 0.2), kernel=tanh_flow.K(0)[1], order=1
    )
    for at in product(range(2), repeat=2):
        part = ghost_cancellation(tanh_flow, 3, at).values
        whole = ghost_cancellation(frozen, 2, at).values
        for what in ("fields", "ghosts"):
            assert part[f"Loop of {what} on a blob of the layer below"] == pytest.approx(
                whole[f"Loop of {what}"], rel=1e-10
            )


def series(phi, w, observable, interaction):
    """``<O exp(I)>`` in powers of I, to the second."""
    return np.array([w @ (observable * interaction**k) / (1, 1, 2)[k] for k in range(3)])


def divided(a, b):
    """Quotient of two such series."""
    first = a[0] / b[0]
    second = (a[1] - first * b[1]) / b[0]
    return np.array([first, second, (a[2] - first * b[2] - second * b[1]) / b[0]])


def amputated(kernel, neurons, interaction):
    """``<phi_1 phi_1 phi_2 phi_2>_c`` by its four full propagators, in powers of I, one input."""
    phi, w = gaussian(np.array([[kernel]]), neurons, 8)
    phi = phi[:, :, 0]
    I = interaction(np.sum(phi**2, axis=1))
    norm = series(phi, w, np.ones(len(phi)), I)
    two = divided(series(phi, w, phi[:, 0] ** 2, I), norm)
    four = divided(series(phi, w, phi[:, 0] ** 2 * phi[:, 1] ** 2, I), norm)
    square = np.array([np.convolve(two, two)[k] for k in range(3)])
    legs = np.array([np.convolve(square, square)[k] for k in range(3)])
    return divided(four - square, legs)


def test_the_terms_of_the_four_point_correlator_are_the_integrals_over_fields():
    flow = Tanh(50, 7)
    found = ghost_cancellation(flow, 2, (0, 0, 0, 0))
    K_0, V_4, V_6 = (flow.held[points] for points in (2, 4, 6))
    # (lambda/8) (phi_i phi_i)^2 twice; what is linear in the number of neurons is the loop.
    quartic = V_4 / 50 / K_0**4
    orders = [amputated(K_0, neurons, lambda s: quartic / 8 * s**2) for neurons in (2, 3, 4)]
    (one, two) = (b - a for a, b in pairwise(order[2] for order in orders))
    assert two == pytest.approx(one, rel=1e-9)
    assert orders[0][1] == pytest.approx(quartic, rel=1e-9)
    assert found.values[BUBBLE].with_ghosts == pytest.approx(7 * one * K_0**4, rel=1e-9)
    # -(1/48) kappa_3(G^-1) (phi_i phi_i)^3, at leading order in 1/n:
    # kappa_3(1/G) = (-V_6 / K_0^6 + 6 V_4^2 / K_0^7) / n^2
    sextic = (-V_6 / K_0**6 + 6 * V_4**2 / K_0**7) / 50**2
    orders = [amputated(K_0, neurons, lambda s: -sextic / 48 * s**3) for neurons in (2, 3, 4)]
    (one, two) = (b - a for a, b in pairwise(order[1] for order in orders))
    assert two == pytest.approx(one, rel=1e-9)
    assert found.values[SEXTIC].with_ghosts == pytest.approx(7 * one * K_0**4, rel=1e-9)


def test_the_sextic_coupling_is_the_third_cumulant_of_the_inverse():
    widths, left = np.array([100, 200, 400]), []
    for n in widths:
        flow = Tanh(int(n), 7)
        exact = -7 / 2 * exact_couplings(int(n))[2] * flow.held[2] ** 5
        found = ghost_cancellation(flow, 2, (0, 0, 0, 0)).values[SEXTIC].with_ghosts
        left.append(abs(found / exact - 1))
    assert exponent(widths, left) == pytest.approx(-1.0, abs=0.15)
    assert left[-1] < 0.1


@pytest.mark.parametrize("at", [(0, 0, 1, 1), (0, 1, 0, 1), (0, 0, 0, 1)])
def test_the_four_point_correlator_comes_out_both_ways(at):
    flow = Wishart(K, 200, 50)
    found = ghost_cancellation(flow, 2, at)
    wanted = flow.V(4)[(1, *at)] / 200
    assert found.expected == pytest.approx(wanted, rel=1e-13)
    assert found.total.with_ghosts == pytest.approx(wanted, rel=1e-12)
    assert found.total.without == pytest.approx(wanted, rel=1e-12)
    assert found.loops.with_ghosts == 0.0
    assert abs(found.total.mixed - wanted) > 0.1 * abs(wanted)
    # The coupling without ghosts, with its legs put back.
    quartic = effective_action(flow, 2, ghosts=False).lambda_
    correlator = np.einsum("abcd,ae,bf,cg,dh->efgh", quartic, K, K, K, K)[at]
    assert found.values["Quartic coupling"].without == pytest.approx(correlator, rel=1e-10)


def test_every_term_has_its_diagram(tanh_flow, tmp_path):
    four = ghost_cancellation(Wishart(K, 200, 50), 2, (0, 0, 1, 1))
    for found in (ghost_cancellation(tanh_flow, 3), four):
        assert [d.name for d in found.diagrams] == list(found.values)
        for term, diagram in zip(found.terms, found.diagrams):
            text = diagram.svg()
            assert faults(read(text), 1.0) == []
            assert ("ghosts" in term.name) == ("stroke-dasharray" in text)
            assert ("ghosts" in term.name) == ("[ghost]" in diagram.tikz())
            assert term.loop == ("oop of" in term.name)
        loops = {t.name: d for t, d in zip(found.terms, found.diagrams) if t.loop}
        for name, fields in loops.items():
            if "fields" in name:
                ghosts = loops[name.replace("fields", "ghosts")]
                assert {fields.factor.strip("-"), ghosts.factor.strip("-")} == {r"\frac{n_\ell}{2}"}
                assert fields.factor.startswith("-") != ghosts.factor.startswith("-")
                assert fields.formula == ghosts.formula
                assert read(fields.svg()).discs == read(ghosts.svg()).discs
        for name in ("g.svg", "g.pdf", "g.html"):
            found.draw(tmp_path / name)


def test_the_table_says_what_is_what(tanh_flow):
    found = ghost_cancellation(tanh_flow, 3, (0, 1))
    lines = str(found).splitlines()
    assert lines[0] == "Mean kernel of layer 3 at inputs (0, 1), n_l/n_(l-1) = 3/12"
    assert lines[1].split() == ["with", "ghosts", "without", "mixed"]
    assert sum(line.startswith("*") for line in lines) == 5
    assert len({len(line) for line in lines[1:-1]}) == 1
    assert repr(found).startswith(
        "GhostCancellation(layer 3, at=(0, 1), loops=Values(with_ghosts=0"
    )


def test_equal_inputs_and_homogeneous_activations():
    x = np.array([[1.0, 0.5], [0.3, -1.0], [2.0, 1.0]])  # the third is twice the first
    flow = nneft.flow(nneft.Network((2, 30, 20, 10), "relu", 2.0), x, order=1)
    found = ghost_cancellation(flow, 3, (0, 1))
    twice = ghost_cancellation(flow, 3, (2, 1))
    assert found.total.without == pytest.approx(flow.mean()[2, 0, 1], rel=1e-10)
    for name, values in found.values.items():
        assert twice.values[name] == pytest.approx(tuple(2 * v for v in values), rel=1e-9), name


def test_wrong_calls_are_refused(tanh_flow):
    with pytest.raises(ValueError, match="layer must be 2 or more: the first layer's kernel"):
        ghost_cancellation(tanh_flow, 1)
    with pytest.raises(ValueError, match="layer must be from 1 to 3, got 4"):
        ghost_cancellation(tanh_flow, 4)
    for at in ((0,), (0, 2), (0, 0, 1), (-1, 0)):
        with pytest.raises(
            ValueError, match="at must be two or four indices of inputs from 0 to 1"
        ):
            ghost_cancellation(tanh_flow, 2, at)
    with pytest.raises(TypeError, match="at must be two or four indices"):
        ghost_cancellation(tanh_flow, 2, 0)
    with pytest.raises(ValueError, match=r"V\(6\) of the layer is needed, .* order=2"):
        ghost_cancellation(tanh_flow, 2, (0, 0, 0, 0))
