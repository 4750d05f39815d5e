"""The step by diagrams against the law of total cumulance, which knows no diagrams, on tensors of
random integers in exact arithmetic; its error bounds; a real flow, component by component."""

import random
from fractions import Fraction
from functools import cache
from itertools import combinations_with_replacement, permutations
from math import factorial, prod

import numpy as np
import pytest
from feynman.total_cumulance import ONE, Ring, _counted_partitions, _product
from hypothesis import given, settings
from hypothesis import strategies as st

import nneft
from nneft.blobs import Blob, cumulants
from nneft.conventions import pairs
from nneft.rg import contraction
from nneft.rg.contraction import (
    bytes_needed,
    contracted,
    contracted_bound,
    diagram_count,
    needed,
    outputs,
)
from nneft.rg.contraction_plan import terms

SEEDS = st.integers(0, 2**32 - 1)
#: count, order
SMALL = [(1, 0), (1, 1), (1, 5), (2, 2), (2, 3), (3, 1), (3, 2)]


class Given:
    """Random small integers for what a step is made of, symmetric: by sorted indices, and dense."""

    def __init__(self, seed, count, order):
        draw = random.Random(seed)
        self.count, self.order = count, order
        self.blobs = {kind: self._values(draw, *kind) for kind in needed(order)}
        self.vertices = {(k, q): self._values(draw, k) for k, q in outputs(order)[1:]}
        self.below = {key: self._dense(value, key[0]) for key, value in self.vertices.items()}
        self._tensors = {kind: self._dense(v, *kind) for kind, v in self.blobs.items()}

    def _values(self, draw, m, r=0):
        return {
            (left, right): Fraction(draw.choice([-3, -2, -1, 1, 2, 3]))
            for left in combinations_with_replacement(range(self.count), m)
            for right in combinations_with_replacement(range(self.count), r)
        }

    def _dense(self, values, m, r=0):
        array = np.empty((self.count,) * (m + r))
        for place in np.ndindex(array.shape):
            array[place] = values[tuple(sorted(place[:m])), tuple(sorted(place[m:]))]
        return array

    def tensors(self, m, r):
        return self._tensors[m, r]

    def found(self):
        return contracted(self.tensors, self.below, self.order, self.count)

    def sizes(self):
        """Sums of absolute values, the scale of rounding."""
        below = {key: np.abs(value) for key, value in self.below.items()}
        return contracted(lambda m, r: np.abs(self.tensors(m, r)), below, self.order, self.count)


class Brute:
    """Cumulants of G by moments: G's given delta, delta's average, then cumulants again."""

    def __init__(self, given_):
        self.given, self.order = given_, given_.order
        self.ring = Ring(given_.count, given_.order)
        self.moment, self.average = cache(self._moment), cache(self._average)

    def blob(self, block):
        """F(K_0 + delta): sum over monomials of derivative times prod delta^n / n!."""
        found = {}
        for r in range(2 * (self.order + 1 - len(block)) + 1):
            for entries in combinations_with_replacement(range(self.given.count), r):
                powers = tuple(map(entries.count, range(self.given.count)))
                value = self.given.blobs[len(block), r][block, entries]
                found[0, powers] = value / prod(map(factorial, powers))
        return found

    def conditional(self, block):
        """<prod G_A> given delta: a block of m carries e^(m-1)."""
        terms = []
        for partition, ways in _counted_partitions(block).items():
            term = self.ring.constant(ways)
            for part in partition:
                term = self.ring.times(term, self.ring.width(len(part) - 1))
                if term:
                    term = self.ring.times(term, self.blob(part))
            terms.append(term)
        return self.ring.add(*terms)

    def _average(self, items):
        """<prod delta>: the first one shares a cumulant with some of the others."""
        if not items:
            return [ONE] + [Fraction(0)] * self.order
        total = [Fraction(0)] * (self.order + 1)
        for mask in range(2 ** (len(items) - 1)):
            part = items[:1] + tuple(x for i, x in enumerate(items[1:]) if mask >> i & 1)
            rest = tuple(x for i, x in enumerate(items[1:]) if not mask >> i & 1)
            product = _product(self.cumulant_below(part), self.average(rest))
            total = [x + y for x, y in zip(total, product)]
        return total

    def cumulant_below(self, part):
        k = len(part)
        series = [Fraction(0)] * (self.order + 1)
        for (lines, q), values in self.given.vertices.items():
            if lines == k:
                series[k - 1 + q] = values[part, ()]
        return series

    def _moment(self, block):
        total = [Fraction(0)] * (self.order + 1)
        for (power, monomial), value in self.conditional(block).items():
            items = tuple(i for i, n in enumerate(monomial) for _ in range(n))
            for i, x in enumerate(self.average(items)[: self.order + 1 - power]):
                total[i + power] += value * x
        return total

    def cumulant(self, block):
        """Coefficients of e^0, e^1 .. in the joint cumulant of these entries of G."""
        total = [Fraction(0)] * (self.order + 1)
        for partition, ways in _counted_partitions(block).items():
            blocks = len(partition)
            sign = (-1) ** (blocks - 1) * factorial(blocks - 1)
            term = [Fraction(sign * ways)] + [Fraction(0)] * self.order
            for part in partition:
                term = _product(term, self.moment(part))
            total = [x + y for x, y in zip(total, term)]
        return total


def exact(given_):
    """All that a step gives, dense, in rational arithmetic."""
    brute = Brute(given_)
    highest = given_.order + 1
    known = {
        block: brute.cumulant(block)
        for k in range(1, highest + 1)
        for block in combinations_with_replacement(range(given_.count), k)
    }
    found = {}
    for k, q in outputs(given_.order):
        found[k, q] = np.empty((given_.count,) * k, dtype=object)
        for place in np.ndindex(found[k, q].shape):
            found[k, q][place] = known[tuple(sorted(place))][k - 1 + q]
        # a joint cumulant of k has no powers below k - 1
        assert all(not any(series[: len(block) - 1]) for block, series in known.items())
    return found


def worst(found, wanted, sizes):
    """Largest deviation in units of the sums of absolute values."""
    return max(
        float(np.max(np.abs(found[key] - wanted[key].astype(float)) / sizes[key])) for key in wanted
    )


@pytest.mark.parametrize(("count", "order"), SMALL)
@given(seed=SEEDS)
@settings(max_examples=4, deadline=None)
def test_all_components_are_those_of_total_cumulance(count, order, seed):
    given_ = Given(seed, count, order)
    found = given_.found()
    assert list(found) == outputs(order)
    assert worst(found, exact(given_), given_.sizes()) < 1e-13


@pytest.mark.slow
@pytest.mark.parametrize(("count", "order"), [(1, 6), (2, 4), (3, 3), (6, 2)])
def test_higher_orders_are_those_of_total_cumulance(count, order):
    given_ = Given(1, count, order)
    assert worst(given_.found(), exact(given_), given_.sizes()) < 1e-13


@pytest.mark.parametrize("count", [1, 2])
def test_one_wrong_weight_is_caught(count, monkeypatch):
    """Every single diagram counts: each one's weight by itself, made one per cent too large."""
    given_ = Given(5, count, 2)
    wanted, sizes = exact(given_), given_.sizes()
    name = "monomials" if count == 1 else "terms"
    original = getattr(contraction, name)
    for key in outputs(2):
        for place, term in enumerate(original(*key)):
            wrong = list(original(*key))
            wrong[place] = term._replace(weight=1.01 * term.weight)
            plans = {other: original(*other) for other in outputs(2)} | {key: wrong}
            with monkeypatch.context() as patch:
                patch.setattr(contraction, name, lambda k, q, plans=plans: plans[k, q])
                assert worst(given_.found(), wanted, sizes) > 1e-5, term


@given(seed=SEEDS)
@settings(max_examples=5, deadline=None)
def test_what_comes_out_is_symmetric_and_can_go_in_again(seed):
    given_ = Given(seed, 3, 3)
    found = given_.found()
    for key, value in found.items():
        assert value.shape == (3,) * key[0]
        for order in permutations(range(key[0])):
            np.testing.assert_array_equal(value, value.transpose(order))
    assert list(contracted(given_.tensors, found, 3, 3)) == outputs(3)


def test_without_fluctuations_below_no_derivative_is_asked_for():
    given_ = Given(2, 3, 3)
    asked = []

    def tensors(m, r):
        asked.append((m, r))
        return given_.tensors(m, r)

    zeros = {key: np.zeros((3,) * key[0]) for key in given_.below}
    for below in ({}, zeros):
        asked.clear()
        found = contracted(tensors, below, 3, 3)
        assert sorted(asked) == [(m, 0) for m in range(1, 5)]
        for (k, q), value in found.items():
            np.testing.assert_array_equal(value, 0.0 if q else given_.tensors(k, 0))


@pytest.mark.parametrize(("count", "order"), [(1, 3), (3, 2)])
@given(seed=SEEDS, size=st.sampled_from([0.0, 1e-15, 1e-12, 1e-6, 1e-3]))
@settings(max_examples=6, deadline=None)
def test_bounds_hold_and_are_first_order(count, order, seed, size):
    """Against the same step of what is wrong by random amounts, and against finite differences."""
    given_, rng = Given(seed, count, order), np.random.default_rng(seed)
    shapes = {kind: (count,) * sum(kind) for kind in needed(order)}
    e_F = {kind: size * rng.uniform(0.0, 1.0, shape) for kind, shape in shapes.items()}
    e_below = {key: size * rng.uniform(0.0, 1.0, v.shape) for key, v in given_.below.items()}
    bound = contracted_bound(
        given_.tensors, given_.below, lambda *kind: e_F[kind], e_below, order, count
    )
    sizes, found = given_.sizes(), given_.found()
    moved_F = {kind: given_.tensors(*kind) + e * rng.choice([-1, 1]) for kind, e in e_F.items()}
    moved = {key: v + e_below[key] * rng.choice([-1, 1]) for key, v in given_.below.items()}
    other = contracted(lambda *kind: moved_F[kind], moved, order, count)
    # what is linear in |x| + t e, by a central difference of its own
    h = 1e-5 / max(size, 1e-300)

    def shifted(t):
        below = {key: np.abs(v) + t * e_below[key] for key, v in given_.below.items()}
        return contracted(
            lambda *kind: np.abs(given_.tensors(*kind)) + t * e_F[kind], below, order, count
        )

    up, down = shifted(h), shifted(-h)
    for key, value in bound.items():
        first = (up[key] - down[key]) / (2.0 * h)
        # the second order, of which there is no bound, is of this size
        second = 100.0 * size**2 * sizes[key]
        assert np.all(np.abs(other[key] - found[key]) <= value + second)
        assert np.all(value <= 1.01 * first + second + 1e-14 * sizes[key])
        assert np.all(value >= 0.99 * first)


@pytest.mark.parametrize(("count", "order"), [(1, 5), (3, 2)])
def test_rounding_is_bounded_where_nothing_else_is_uncertain(count, order):
    given_ = Given(3, count, order)
    third = {kind: given_.tensors(*kind) / 3.0 for kind in needed(order)}
    below = {key: value / 7.0 for key, value in given_.below.items()}
    for kind, values in given_.blobs.items():
        given_.blobs[kind] = {at: Fraction(x / 3.0) for at, x in _floats(values)}
    for key, values in given_.vertices.items():
        given_.vertices[key] = {at: Fraction(x / 7.0) for at, x in _floats(values)}
    found = contracted(lambda *kind: third[kind], below, order, count)
    bound = contracted_bound(
        lambda *kind: third[kind],
        below,
        lambda *kind: 0.0 * third[kind],
        {key: 0.0 * value for key, value in below.items()},
        order,
        count,
    )
    for key, value in exact(given_).items():
        deviation = np.abs([Fraction(x) - y for x, y in zip(found[key].flat, value.flat)])
        assert np.all(deviation.astype(float) <= bound[key].ravel())


def _floats(values):
    return [(at, float(x)) for at, x in values.items()]


def test_first_order_is_that_of_a_real_flow():
    network = nneft.Network((2, 50, 70, 30), "tanh", [1.0, 1.3, 1.1], 0.1)
    flow = nneft.flow(network, [[1.0, 1.0], [-1.4, 2.0]], order=1)
    places, layer = pairs(2), 3
    a, b = np.array(places).T
    rows = np.ix_(range(3), range(3))
    K_1, V_4 = flow.K(1)[:, a, b], flow.V(4)[:, a[:, None], b[:, None], a, b]
    C_W, C_b = network.C_W[layer - 1], network.C_b[layer - 1]

    def tensors(m, r):
        shape = (len(places),) * (m + r)
        blobs = [
            Blob.of([places[i] for i in at[:m]], [places[i] for i in at[m:]])
            for at in np.ndindex(shape)
        ]
        found = cumulants(network.activation, flow.K(0)[layer - 2], blobs, C_W=C_W, C_b=C_b)
        return found.values.reshape(shape)

    ratio = network.widths[layer - 1] / network.widths[layer - 2]
    below = {(1, 1): ratio * K_1[layer - 2], (2, 0): ratio * V_4[layer - 2]}
    found = contracted(tensors, below, 1, 3)
    np.testing.assert_allclose(found[1, 0], flow.K(0)[layer - 1, a, b], rtol=1e-12)
    np.testing.assert_allclose(found[1, 1], K_1[layer - 1], rtol=1e-11)
    np.testing.assert_allclose(found[2, 0], V_4[layer - 1][rows], rtol=1e-11)
    for i, j in np.ndindex(3, 3):
        at = (*places[i], *places[j])
        assert nneft.contributions(flow, 4, layer, at).total == pytest.approx(found[2, 0][i, j])
        total = nneft.contributions(flow, 2, layer, at[:2], order=1).total
        assert total == pytest.approx(found[1, 1][i])


def test_layers_of_a_critical_tanh_network():
    """What a step gives is what the next one takes: V_4, V_6, V_8 and K_1 of the fifth layer."""
    network = nneft.Network((1, *[300] * 5), "tanh", 1.0)
    kernels, below = nneft.flow(network, kernel=1.0, order=0).K(0), {}
    for kernel in kernels[:-1]:

        def tensors(m, r, kernel=kernel):
            blob = Blob.of([(0, 0)] * m, [(0, 0)] * r)
            found = cumulants(network.activation, kernel, [blob], C_W=1.0)
            return found.values.reshape((1,) * (m + r))

        below = contracted(tensors, below, 3, 1)
    found = [below[key].item() for key in [(2, 0), (3, 0), (4, 0), (1, 1)]]
    wanted = [0.0393984430, 0.0203806147, 0.0121886280, -0.0682253714]
    np.testing.assert_allclose(found, wanted, rtol=5e-9)


def test_plans_stay_as_small_as_the_memory_says():
    for order in range(1, 5):
        ranks = [term.ranks for key in outputs(order) for term in terms(*key)]
        widest, most = (max(each) for each in zip(*ranks))
        assert widest <= max(order + 1, 2 * order - 1)
        assert most <= 2 * order + 1
        # what is asked for, and no more
        asked = {kind for key in outputs(order) for term in terms(*key) for kind in term.blobs}
        assert asked == set(needed(order))
    assert [diagram_count(order) for order in range(4)] == [1, 5, 22, 100]
    assert bytes_needed(10, 3) > 8e7
    assert bytes_needed(10, 3, errors=True) < 3 * 2**30 < bytes_needed(21, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": -1}, "order must be 0 or more"),
        ({"count": 0}, "count 1 or more"),
        ({"below": {(1, 1): np.zeros(2)}}, "needs the cumulant"),
        ({"below": {(1, 1): np.zeros(2), (2, 0): np.zeros(4)}}, r"below\[\(2, 0\)\] must have"),
        ({"tensors": lambda m, r: np.zeros(m + r)}, "must have shape"),
    ],
)
def test_wrong_calls(change, message):
    given_ = Given(1, 2, 1)
    call = {"tensors": given_.tensors, "below": given_.below, "order": 1, "count": 2}
    with pytest.raises(ValueError, match=message):
        contracted(**{**call, **change})


def test_errors_of_another_shape():
    given_ = Given(1, 2, 1)
    with pytest.raises(ValueError, match="both"):
        contracted_bound(given_.tensors, given_.below, given_.tensors, {}, 1, 2)
    with pytest.raises(ValueError, match=r"tensor_errors\(1, 0\) must have shape"):
        contracted_bound(given_.tensors, {}, lambda m, r: np.zeros(1), {}, 1, 2)


def test_what_is_not_finite_is_told_by_name():
    given_ = Given(1, 2, 1)
    for bad in (np.nan, np.inf, 1e200):
        below = {key: np.full_like(value, bad) for key, value in given_.below.items()}
        with pytest.raises(nneft.NumericsError, match="2-point"):
            contracted(lambda m, r: 1e200 * given_.tensors(m, r), below, 1, 2)
