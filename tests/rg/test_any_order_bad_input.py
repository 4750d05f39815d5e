"""Wrong calls at order 2 and beyond: one sentence, before anything starts."""

import re
import time

import numpy as np
import pytest

import nneft
from nneft.rg import driver
from nneft.rg.accuracy import beyond_first_order
from nneft.rg.cost import check_cost, seconds_needed
from nneft.rg.recursion import Method

NETWORK = nneft.Network((2, 8, 9, 5), "tanh", 1.2, 0.1)
POLYNOMIAL = nneft.Network((6, 8, 9, 5), "x + x**2/3", 1.0)
X = np.array([[1.0, 0.4], [-0.7, 0.9]])
SIX = np.eye(6)


@pytest.fixture(scope="module")
def flow():
    return nneft.flow(NETWORK, X, order=2)


@pytest.mark.parametrize("method", [None, "series", "diagrams"])
def test_too_large_says_how_many_bytes(method):
    began = time.perf_counter()
    with pytest.raises(ValueError, match=r"order 6 on 6 distinct inputs .* needs \S+ bytes, .*GiB"):
        nneft.flow(POLYNOMIAL, SIX, order=6, method=method)
    assert time.perf_counter() - began < 2.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nneft.flow(NETWORK, X[:1], order=7, method="diagrams"), "diagrams.*series"),
        (lambda: nneft.flow(NETWORK, X[:1], order=40), "order 40"),
        (lambda: nneft.flow(NETWORK, X, order=2, method="serie"), '"series" or "diagrams".*serie'),
        (lambda: nneft.flow(NETWORK, X, order=2, method=3), '"series" or "diagrams"'),
        (lambda: nneft.flow(NETWORK, X, order=0, method="series"), "order 0"),
        (lambda: nneft.flow(NETWORK, X, order=-2), "order must be 0 or more, got -2"),
    ],
)
def test_orders_and_methods(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("order", [2.0, True, "2", None])
def test_orders_that_are_none(order):
    with pytest.raises(TypeError, match="order must be an integer"):
        nneft.flow(NETWORK, X, order=order)


@pytest.mark.parametrize("method", [None, "series", "diagrams"])
def test_too_many_inputs_for_the_expectations(method):
    net = nneft.Network((6, 8, 9), "tanh", 1.0)
    message = r"order 2 on 6 .* at 6 inputs at once.*; take order=1, or 4 inputs at a time"
    with pytest.raises(ValueError, match=message if method is None else "at 6 inputs at once"):
        nneft.flow(net, SIX, order=2, method=method)


@pytest.mark.parametrize("activation", ["tanh", "x + x**2/3", "relu", "elu"])
@pytest.mark.parametrize("order", [3, 5, 8, 30])
@pytest.mark.parametrize("count", [4, 5, 6])
def test_what_is_offered_is_not_refused(activation, order, count):
    """Every way out that a refusal names, taken."""
    net = nneft.Network((6, 8, 9, 5), activation, 1.0)
    try:
        check_cost(net, count, order, None)
    except ValueError as error:
        offered = str(error).split("; take ")[1]
    else:
        return
    for way in offered.split(" or "):
        match re.findall(r"\w+", way):
            case ["order", lower]:
                check_cost(net, count, int(lower), None)
            case ["method", other]:
                check_cost(net, count, order, Method(other))
            case [fewer, *_]:
                check_cost(net, int(fewer), order, None)


@pytest.mark.parametrize(("order", "method"), [(1, "series"), (2, None)])
def test_kinks_on_three_inputs(order, method):
    net = nneft.Network((2, 9, 9, 9), "selu", 1.0)
    x = [[1.0, 0.3], [0.2, 0.5], [-0.3, 0.4]]
    with pytest.raises(nneft.NumericsError, match=r"delta functions.*; take .*order=1 and no meth"):
        nneft.flow(net, x, order=order, method=method)
    assert np.isfinite(nneft.flow(net, x, order=1).K(1)).all()


def test_moments_that_diverge():
    net = nneft.Network((1, 5, 5, 5), "exp(x**2/9)", 1.0)
    nneft.flow(net, kernel=0.5, order=0)
    with pytest.raises(ValueError, match="diverge"):
        nneft.flow(net, kernel=0.5, order=6)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda f: f.K(3), r"K\(3\) is not held by a flow of order 2.*order=3"),
        (lambda f: f.K(-1), r"K\(-1\)"),
        (lambda f: f.V(8), r"V\(8, order=0\) is not held.*order=3"),
        (lambda f: f.V(6, 1), r"V\(6, order=1\) is not held.*order=3"),
        (lambda f: f.V(4, 2), r"V\(4, order=2\) is not held.*order=3"),
        (lambda f: f.V(5), r"even number of points"),
        (lambda f: f.V(2), r"even number of points from 4"),
        (lambda f: f.V(4, -1), r"order from 0"),
        (lambda f: f.V(6, at=(0, 1, 0, 1)), r"at must be 6 indices"),
        (lambda f: f.V(6, at=(0, 1, 0, 1, 0, 2)), r"from 0 to 1"),
        (lambda f: f.V(6, at=(0, 1, 0, 1, 0, -1)), r"from 0 to 1"),
        (lambda f: f.cumulant(8), r"not held"),
        (lambda f: f.cumulant(3), r"even number"),
        (lambda f: f.cumulant(6, at=(0,)), r"at must be 6 indices"),
        (lambda f: f.errors("V_8"), r"'V_8'"),
        (lambda f: f.correlator([(0, 0)] * 8, 2), r"up to 6 fields, got 8"),
        (lambda f: f.K(-1), r"orders are counted from 0"),
        (lambda f: f.resum(4, layer=99, order=17), r"layer must be from 1"),
        (lambda f: f.resum(4, width=-1, order=17), r"width must be a positive"),
        (lambda f: f.response(4, 1), r"layer must be from 2 to 3, got 1"),
        (lambda f: nneft.contributions(f, 4, 9, order=99), r"layer must be from 2"),
        (lambda f: nneft.contributions(f, 4, 3, order=99), r"more than 20000 diagrams"),
        (lambda f: nneft.contributions(f, 4, 3, (0, 1), order=3), r"at must be 4 indices"),
        (
            lambda f: nneft.contributions(f, 8, 3, (0, 1) * 4),
            r"^a diagram of layer 3 needs V\(\d, \d\) of layer 2, which the flow does not hold; "
            r"take one of order 3 or more$",
        ),
    ],
)
def test_what_is_not_held(flow, ask, message):
    with pytest.raises(ValueError, match=message):
        ask(flow)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda f: f.K("1"), r"order in 1/n of the kernel, must be an integer, got '1'"),
        (lambda f: f.K(1.0), r"must be an integer, got 1.0"),
        (lambda f: f.V("4"), r"points must be an integer, got '4'"),
        (lambda f: f.V(4.0), r"points must be an integer, got 4.0"),
        (lambda f: f.V(4, True), r"order must be an integer, got True"),
        (lambda f: f.cumulant("4"), r"points must be an integer"),
        (lambda f: f.correlator([0, 1], layer=2), r"legs must be pairs \(neuron, input\)"),
        (lambda f: f.correlator([(0, 0, 0)] * 2, layer=2), r"legs must be pairs"),
        (lambda f: f.correlator(3, layer=2), r"legs must be pairs .* got 3"),
        (lambda f: f.correlator([(0, 0)] * 2, layer="2"), r"layer must be an integer, got '2'"),
        (lambda f: f.validity("a"), r"tolerance must be between 0 and 1, got 'a'"),
        (lambda f: f.response("4", 2), r"points must be an integer"),
        (lambda f: f.response(4, 2.5), r"layer must be an integer, got 2.5"),
        (lambda f: f.save(3), r"path must be a string"),
        (lambda f: nneft.contributions(f, 4, "2"), r"layer must be an integer"),
        (lambda f: nneft.contributions(f, 4, 2, 3), r"at must be 4 indices of inputs, got 3"),
        (lambda f: nneft.diagrams(8).filter(3), r"wanted must be a function .* got 3"),
        (lambda f: nneft.load(3), r"path must be a string"),
    ],
)
def test_wrong_types(flow, ask, message):
    with pytest.raises(TypeError, match=message):
        ask(flow)


def test_numpy_integers_are_integers(flow):
    two = np.int64(2)
    assert np.array_equal(flow.K(two), flow.K(2))
    assert np.array_equal(flow.V(two * 2, two - 1), flow.V(4, 1))


def test_what_cannot_be_read(tmp_path):
    text = tmp_path / "notes.md"
    text.write_text("no numbers")
    with pytest.raises(ValueError, match="it is a folder; give a netCDF file"):
        nneft.load(tmp_path)
    with pytest.raises(ValueError, match="it is no netCDF file"):
        nneft.load(text)


def test_a_callable_is_told_when_it_is_saved(tmp_path):
    made = nneft.flow(nneft.Network((1, 5, 5), np.tanh, 1.0), kernel=0.5)
    with pytest.warns(RuntimeWarning, match="callable.*nneft.load will refuse"):
        made.save(tmp_path / "flow.nc")
    with pytest.raises(ValueError, match="was a Python callable"):
        nneft.load(tmp_path / "flow.nc")


def test_indices_that_are_none(flow):
    with pytest.raises(TypeError, match="at must be 6 indices"):
        flow.V(6, at=(0.5,) * 6)


@pytest.mark.parametrize("method", [None, "series", "diagrams"])
@pytest.mark.parametrize(("kernel", "what"), [(1e60, "overflows"), (1e-60, "underflows")])
def test_nothing_wrong_is_silent(kernel, what, method):
    net = nneft.Network((1, 5, 5, 5), "relu", 1.0)
    with pytest.raises(nneft.NumericsError, match=f"V_12 {what} .* at layer 2"):
        nneft.flow(net, kernel=kernel, order=5, method=method)


def test_expectations_that_overflow():
    net = nneft.Network((1, 5, 5, 5), "x**2", 1.0)
    with pytest.raises(nneft.NumericsError, match="overflows at layer 2"):
        nneft.flow(net, kernel=1e60, order=5)


def test_what_an_expectation_was_needed_for_is_told():
    net = nneft.Network((1, 20, 20, 20), "exp", 1.0)
    with pytest.raises(nneft.NumericsError, match=r"at layer \d, order 6 in 1/n: .* too large"):
        nneft.flow(net, kernel=1.0, order=6)
    # the control: it is the order that is too high
    assert np.isfinite(nneft.flow(net, kernel=1.0, order=1).K(1)).all()


def test_no_layer_beyond_the_first_without_digits_is_worked_on(monkeypatch):
    net = nneft.Network((1, *[300] * 9), "tanh", 1.0)
    held, taken = nneft.flow(net, kernel=1.0, order=8).states, []

    def counted():
        for state in held:
            taken.append(state.layer)
            yield state

    assert list(driver._reached(net, 8, counted())) == list(held)
    assert taken == list(range(1, 10))
    taken.clear()
    losses = [beyond_first_order(state) for state in held]
    monkeypatch.setattr(driver, "MOST_ERROR", 0.999 * losses[4])
    first = 1 + next(i for i, loss in enumerate(losses) if loss > 0.999 * losses[4])
    with pytest.raises(nneft.NumericsError, match=f"at layer {first} order 8 is known"):
        list(driver._reached(net, 8, counted()))
    assert taken == list(range(1, first + 1))
    assert first < 9


def test_too_long_is_refused_at_once_and_says_what_would_do():
    x = np.random.default_rng(0).normal(size=(50, 8))
    net = nneft.Network((8, 100, 100, 100), "tanh", 1.5, 0.1)
    began = time.perf_counter()
    message = r"order 1 on 50 .*about 6 hours, more than 10 minutes.*nneft.kernel.*most_seconds="
    with pytest.raises(ValueError, match=message):
        nneft.flow(net, x)
    assert time.perf_counter() - began < 2.0
    assert nneft.flow(net, x, order=0).K(0).shape == (3, 50, 50)
    assert nneft.kernel(net, x[:3], order=1).shape == (3, 3)


def test_too_long_is_what_the_caller_says():
    net = nneft.Network((2, 8, 9), "relu", 1.2, 0.1)
    x = np.random.default_rng(0).normal(size=(6, 2))
    with pytest.raises(ValueError, match=r"more than 0.001 seconds"):
        nneft.flow(net, x, most_seconds=1e-3)
    assert nneft.flow(net, x, most_seconds=None).V(4).shape == (2, 6, 6, 6, 6)
    for wrong in ("1", True):
        with pytest.raises(TypeError, match="most_seconds"):
            nneft.flow(net, x, most_seconds=wrong)
    with pytest.raises(ValueError, match="most_seconds"):
        nneft.flow(net, x, most_seconds=-1)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["tanh", "relu", "elu", "x - x**3/6", "sin"])
def test_the_estimate_of_the_time_is_fair(activation):
    net = nneft.Network((8, 9, 9, 9), activation, 1.5, 0.1)
    began = time.perf_counter()
    nneft.flow(net, np.random.default_rng(0).normal(size=(9, 8)))
    took = time.perf_counter() - began
    assert took / 8 < seconds_needed(net, 9, 1) < 8 * took
