"""Theory against ensemble: exact theory passes, wrong theory fails, others are refused."""

from dataclasses import dataclass

import numpy as np
import pytest

import nneft
from nneft.comparison import Comparison, compare
from nneft.ensemble import sample
from nneft.network import Network
from nneft.rg.driver import flow as run_flow

INPUTS = np.array([[1.0, 1.0], [-1.4, 2.0], [0.6, -0.5]])
NET = Network((2, 40, 25, 9), "linear", 1.0)


@dataclass(frozen=True)
class Exact:
    """The exact moments of a linear network, with the face of a flow of order 1.

    ``E[G G] - K K`` of a product of Wishart matrices: with ``w = K_ac K_bd + K_ad K_bc``, one layer
    maps ``E[G_ab G_cd]`` to itself plus ``(E[G_ac G_bd] + E[G_ad G_bc]) / n``.
    """

    network: Network
    first: np.ndarray
    factor: float = 1.0
    order: int = 1

    @property
    def error(self):
        return np.full(self.network.depth, 1e-15)

    def K(self, p):
        return np.repeat(self.first[None], self.network.depth, axis=0) * (p == 0)

    def V(self, points):
        return self.cumulant(points) * self.network.widths[1]

    def mean(self):
        return self.K(0)

    def cumulant(self, points):
        K = self.first
        second = disconnected = np.einsum("ab,cd->abcd", K, K)
        layers = [0.0 * second]
        for n in self.network.widths[1:-1]:
            crossed = second.transpose(0, 2, 1, 3) + second.transpose(0, 3, 2, 1)
            second = second + self.factor * crossed / n
            layers.append(second - disconnected)
        return np.array(layers)


@pytest.fixture(scope="module")
def ensemble():
    return sample(NET, INPUTS, networks=40_000, seed=3)


@pytest.fixture(scope="module")
def exact():
    return Exact(NET, NET.first_kernel(INPUTS))


def test_exact_theory_is_within_errors(exact, ensemble):
    comparison = compare(exact, ensemble)
    assert comparison.max_pull < 4
    assert 0.2 < comparison.chi2 < 2.5
    assert len(comparison.rows) == 2 * (6 + 21)


def test_wrong_theory_is_not(ensemble):
    wrong = Exact(NET, NET.first_kernel(INPUTS), factor=1.1)
    comparison = compare(wrong, ensemble)
    assert comparison.where(quantity="V_4").max_pull > 5
    assert comparison.where(quantity="<G>").max_pull < 4


def test_rows_hold_the_components(exact, ensemble):
    comparison = compare(exact, ensemble)
    rows = {(r.quantity, r.layer, r.inputs): r for r in comparison.rows}
    row = rows["V_4", 3, (0, 1, 1, 2)]
    v4 = ensemble.V(4)[2, 0, 1, 1, 2]
    assert row.theory == 25 * exact.cumulant(4)[2, 0, 1, 1, 2]
    assert (row.measured, row.error) == (v4.mean, v4.error)
    assert row.pull == pytest.approx((row.measured - row.theory) / row.error)
    row = rows["<G>", 2, (0, 2)]
    assert row.theory == exact.first[0, 2]
    assert row.measured == ensemble.kernel.mean[1, 0, 2]


def test_neglected_orders(exact, ensemble):
    """g = V_4/(n K^2) = 2/n at layer 2 of a linear network, whatever the input."""
    assert not np.any(compare(exact, ensemble).where(layer=2).neglected)
    comparison = compare(exact, ensemble).where(layer=3)
    rows = {r.inputs: r for r in comparison.rows}
    K, g = exact.K(0)[2], 2 / 40
    assert rows[0, 2].neglected == pytest.approx(np.sqrt(K[0, 0] * K[2, 2]) * g**2)
    v = 25 * exact.cumulant(4)[2]
    size = np.sqrt(v[0, 1, 0, 1] * v[2, 2, 2, 2])
    assert rows[0, 1, 2, 2].neglected == pytest.approx(size * g)


def test_leading_order_alone(ensemble):
    flow = run_flow(NET, INPUTS, order=0)
    comparison = compare(flow, ensemble)
    assert set(comparison.quantity) == {"<G>"}
    assert comparison.order == 0
    # g is then measured: 2/n at layer 2.
    row = comparison.where(layer=3).rows[0]
    assert row.neglected == pytest.approx(flow.K(0)[2, 0, 0] * 2 / 40, rel=0.05)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_flow_of_order_1(activation):
    """At small l/n, errors and the neglected order explain what differs."""
    net = Network((2, 60, 60, 60, 60), activation, 2.0 if activation == "relu" else 1.0)
    ensemble = sample(net, INPUTS, networks=20_000, seed=1)
    flow = run_flow(net, INPUTS, order=1)
    comparison = compare(flow, ensemble)
    assert comparison.max_unexplained < 4
    assert "V_4" in str(comparison)


def test_six_and_eight_points():
    """Every distinct component once, where both sides hold them."""
    net = Network((2, 100, 100, 100), "tanh", 1.0)
    ensemble = sample(net, INPUTS[:2], networks=40_000, seed=1, points=8)
    flow = run_flow(net, INPUTS[:2], order=3)
    comparison = compare(flow, ensemble)
    rows = {(r.quantity, r.layer, r.inputs): r for r in comparison.rows}
    assert {r.quantity for r in comparison.rows} == {"<G>", "V_4", "V_6", "V_8"}
    assert len(rows) == 2 * (3 + 6 + 10 + 15)
    six, eight = (0, 1, 0, 1, 1, 1), (0, 0, 0, 1, 0, 1, 1, 1)
    for name, points, at in (("V_6", 6, six), ("V_8", 8, eight)):
        row, measured = rows[name, 3, at], ensemble.V(points, at=at)[2]
        assert (row.measured, row.error) == (measured.mean, measured.error)
        assert row.theory == pytest.approx(
            100 ** (points // 2 - 1) * flow.cumulant(points, at=at)[2], rel=1e-12
        )
    assert comparison.max_pull < 5
    assert comparison.max_unexplained < 4.5
    assert comparison.where(quantity="V_8", layer=2).max_pull < 4.5
    # To order 1 there are no six points; to order 2 they are at leading order.
    assert set(compare(run_flow(net, INPUTS[:2], order=1), ensemble).quantity) == {"<G>", "V_4"}
    leading = compare(run_flow(net, INPUTS[:2], order=2), ensemble).where(quantity="V_6")
    assert leading.max_unexplained < 4
    assert "0,1;0,1;1,1" in str(leading.where(layer=3))


def test_many_inputs_at_six_points(monkeypatch):
    """Of more components than are compared, those of the first inputs."""
    monkeypatch.setattr("nneft.comparison.MOST_COMPONENTS", 10)
    monkeypatch.setattr("nneft.comparison.DENSE", 1)
    net = Network((2, 50, 50), "tanh", 1.0)
    ensemble = sample(net, INPUTS, networks=2000, seed=1, points=6)
    comparison = compare(run_flow(net, INPUTS, order=2), ensemble)
    assert len(comparison.where(quantity="V_4").layer) == 21
    six = comparison.where(quantity="V_6")
    assert len(six.layer) == 10
    assert six.inputs.max() == 1
    assert six.max_pull < 4.5


def test_reduced_ensembles():
    """Errors are a tenth and less; at layer 2 those of <G> are rounding, and so is what differs."""
    net = Network((2, 100, 100, 100, 100), "tanh", 1.0)
    ensemble = nneft.sample(net, INPUTS, networks=4000, seed=1)
    assert ensemble.reduction is not None
    flow = run_flow(net, INPUTS, order=2)
    reduced, plain = compare(flow, ensemble), compare(flow, ensemble.plain)
    assert reduced.max_unexplained < 4
    deep = reduced.where(quantity="<G>", layer=4).error / plain.where(quantity="<G>", layer=4).error
    assert np.all(deep < 0.1)
    second = reduced.where(quantity="<G>", layer=2)
    assert np.all((second.error > 0) & (second.error < 1e-11)) and second.max_pull < 2
    wrong = compare(run_flow(net, INPUTS, order=0), ensemble).where(layer=4)
    assert wrong.max_pull > 30


def test_zero_and_coincident_inputs():
    x = np.array([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    net = Network((2, 50, 50, 50), "tanh", 1.0)
    comparison = compare(run_flow(net, x, order=1), sample(net, x, networks=5000))
    assert comparison.max_pull < 4.5
    zero = [r for r in comparison.rows if 2 in r.inputs]
    assert all((r.measured, r.pull) == (0.0, 0.0) for r in zero)


def test_mean_only_ensembles_compare_their_mean(exact):
    ensemble = sample(NET, INPUTS, networks=500, points=2)
    assert set(compare(exact, ensemble).quantity) == {"<G>"}


@pytest.mark.parametrize(
    ("net", "inputs", "message"),
    [
        (Network((2, 40, 25, 8), "linear", 1.0), INPUTS, r"widths differ: \(2, 40, 25, 8\) and"),
        (Network((2, 40, 25, 9), "relu", 1.0), INPUTS, "activation differ: relu and linear"),
        (Network((2, 40, 25, 9), "linear", 1.1), INPUTS, "C_W differ"),
        (Network((2, 40, 25, 9), "linear", 1.0, 0.1), INPUTS, "C_b differ"),
        (NET, INPUTS[:2], "number of inputs differ: 2 and 3"),
        (NET, 2 * INPUTS, "same first kernel"),
    ],
)
def test_other_networks_are_refused(net, inputs, message, ensemble):
    with pytest.raises(ValueError, match=message):
        compare(Exact(net, net.first_kernel(inputs)), ensemble)


def test_printed_table(exact, ensemble):
    text = str(compare(exact, ensemble))
    lines = text.splitlines()
    assert lines[0] == "theory to order 1 in 1/n, 40000 networks"
    assert lines[1] == "the 24 largest pulls of 54 components"
    assert len(lines) == 3 + 24 + 1
    assert len({len(line) for line in lines[2:-1]}) == 1
    few = str(compare(exact, ensemble).where(quantity="<G>", layer=2))
    assert len(few.splitlines()) == 1 + 1 + 6 + 1


def test_saved_and_read_back(exact, ensemble, tmp_path):
    comparison = compare(exact, ensemble)
    comparison.save(tmp_path / "c.nc")
    read = nneft.load(tmp_path / "c.nc")
    assert isinstance(read, Comparison)
    assert read.rows == comparison.rows
    assert str(read) == str(comparison)
    with pytest.raises(ValueError, match="kind 'comparison' was wanted, got kind 'ensemble'"):
        Comparison.from_xarray(ensemble.to_xarray())


def test_labelled_arrays(exact, ensemble):
    comparison = compare(exact, ensemble)
    dataset = comparison.to_xarray()
    assert dataset.sizes == {"row": 54, "position": 4}
    np.testing.assert_array_equal(dataset["pull"].values, comparison.pull)
    assert dataset.attrs["max_pull"] == comparison.max_pull
