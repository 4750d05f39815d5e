"""Targets in words, how far ensembles are from them, and when that is looked at."""

import numpy as np
import pytest

import nneft
from nneft.ensemble import accuracy as wanted
from nneft.ensemble import looks, plan, sample, sample_blocks
from nneft.ensemble.accuracy import accuracy, worst
from nneft.ensemble.control import Control
from nneft.ensemble.sampling import checked
from nneft.ensemble.subset import of_inputs
from nneft.network import Network

INPUTS = [[1.0, 1.0], [-1.4, 2.0], [0.3, -1.0]]
NET = Network((2, 12, 9, 12), "tanh", 1.2, 0.1)
LINEAR = Network((2, 8, 8), "x", 1.0)


def asked(net=NET, inputs=INPUTS, points=4, **settings):
    made = {"kernel": None, "seed": 3, "method": "chain", "dtype": "float64", "batch": None}
    return checked(net, inputs, points=points, **(made | settings))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("V4 < 1%", "V4 < 1%"),
        ("  V_4<1 % ", "V4 < 1%"),
        ("V4[0,1,0,1]@2 < 0.5%", "V4[0,1,0,1]@2 < 0.5%"),
        ("V4[0, 1, 0, 1] @ 2<1e-3", "V4[0,1,0,1]@2 < 0.001"),
        ("G < 0.1% and V4 < 2%", "G < 0.1%, V4 < 2%"),
        ("<G>[0,2] < .01, V6[0,0,0,0,0,0] < 10%", "G[0,2] < 0.01, V6[0,0,0,0,0,0] < 10%"),
        ("K@2 < 3%", "G@2 < 3%"),
        ("V8 < 12.5%", "V8 < 12.5%"),
    ],
)
def test_targets_are_read_and_written(text, canonical):
    found = accuracy(text, asked(points=8))
    assert str(found) == canonical
    assert accuracy(str(found), asked(points=8)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "wants targets such as 'V4 < 1%'"),
        ("V5 < 1%", "got 'V5 < 1%'"),
        ("K_1 < 1%", "got 'K_1 < 1%'"),
        ("V4 > 1%", "got 'V4 > 1%'"),
        ("V4 < 1% V6 < 1%", "got 'V4 < 1% V6 < 1%'"),
        ("V4 < 1%,", "got '' in 'V4 < 1%,'"),
        ("V4 < 0%", "smaller than a number above 0, got V4 < 0%"),
        ("V4 < 1e999", "smaller than a number above 0"),
        ("V4 < nan", "wants targets"),
        ("V6 < 1%", "points=4 does not hold it: sample with points=6"),
        ("V4[0,1] < 1%", r"V4\[..\] wants 4 inputs from 0 to 2, got 'V4\[0,1\] < 1%'"),
        ("V4[] < 1%", r"V4\[..\] wants 4 inputs"),
        ("V4[0,0,0,3] < 1%", r"V4\[..\] wants 4 inputs from 0 to 2"),
        ("V4@1 < 1%", "layers 2 to 3 fluctuate, 'V4@1 < 1%' asks for layer 1"),
        ("V4@4 < 1%", "layers 2 to 3 fluctuate"),
    ],
)
def test_what_cannot_be_read_is_named(text, said):
    with pytest.raises(ValueError, match=said):
        accuracy(text, asked())


def test_no_text_and_no_layers():
    with pytest.raises(TypeError, match="until must be text such as 'V4 < 1%', got 0.01"):
        accuracy(0.01, asked())
    with pytest.raises(ValueError, match="layers 2 to 1 fluctuate"):
        accuracy("G < 1%", asked(Network((2, 5), "tanh", 1.0)))


def linear_control(net, first):
    """``F(G) = C_W G + C_b``, exactly, and its response."""
    size = len(first) * (len(first) + 1) // 2
    kernel, centre = first, []
    for C_W, C_b in zip(net.C_W, net.C_b):
        kernel = first if not centre else C_W * kernel + C_b
        centre.append(kernel[np.triu_indices(len(first))])
    response = np.array([C_W * np.eye(size) for C_W in net.C_W])
    return Control(lambda layer, G: net.C_W[layer - 1] * G, response, np.array(centre))


@pytest.mark.parametrize(("points", "reduced"), [(4, False), (4, True), (6, False), (8, False)])
def test_an_ensemble_of_some_inputs_is_part_of_the_whole(points, reduced):
    net = Network((2, 12, 9, 12), "x", 1.2) if reduced else NET
    control = linear_control(net, asked(net).kernel) if reduced else None
    whole = sample(net, INPUTS, networks=400, points=points, control=control)
    for chosen in ([1], [0, 2]):
        part = of_inputs(whole, chosen)
        where = np.ix_(range(net.depth), chosen, chosen)
        np.testing.assert_array_equal(part.kernel.mean, whole.kernel.mean[where])
        np.testing.assert_array_equal(part.kernel.error, whole.kernel.error[where])
        at = (0,) * (points - 1) + (len(chosen) - 1,)
        ours = part.V(points, at=at)
        theirs = whole.V(points, at=tuple(chosen[i] for i in at))
        np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-13)
        np.testing.assert_allclose(ours.error, theirs.error, rtol=1e-13)


def test_readings_are_the_estimates_of_the_ensemble():
    found = sample(NET, INPUTS, networks=2000)
    made = accuracy("V4 < 1%, V4[0,1,0,2]@2 < 0.01, G@2 < 0.1%", asked())
    readings = made.readings(found)
    assert [r.at for r in readings[:3]] == [(a,) * 4 for a in range(3)]
    v4, kernel = found.V(4), found.kernel
    for a in range(3):
        equal = v4[2, a, a, a, a]
        assert readings[a].reached == pytest.approx(float(equal.error / equal.mean), rel=1e-12)
        assert readings[a].distance == pytest.approx(100 * readings[a].reached, rel=1e-12)
        error = kernel.error[1, a, a] / kernel.mean[1, a, a]
        assert readings[4 + a].reached == pytest.approx(error, rel=1e-12)
    assert readings[3].reached == pytest.approx(v4.error[1, 0, 1, 0, 2], rel=1e-12)
    assert readings[3].distance == pytest.approx(100 * readings[3].reached, rel=1e-12)
    assert worst(readings).distance == max(r.distance for r in readings)
    assert str(readings[3]).startswith("V4[0,1,0,2]@2 to 0.")
    assert str(readings[3]).endswith(" of 0.01") and str(readings[0]).endswith("% of 1%")


def test_what_vanishes_is_never_relatively_exact_and_what_is_exact_is_reached():
    target = wanted.Target(4, None, None, 0.01, True)
    assert wanted.Reading(target, (0,) * 4, 3, 0.0, 1e-3).distance == np.inf
    assert wanted.Reading(target, (0,) * 4, 3, 0.0, 0.0).distance == 0.0
    assert str(wanted.Reading(target, (0,) * 4, 3, 2.0, 0.026)) == "V4[0,0,0,0]@3 to 1.3% of 1%"
    assert worst(None) is None


def test_looks_are_eight_in_every_factor_of_two():
    found = [n for n in range(10_000) if looks.is_look(n)]
    assert found[:16] == list(range(1, 17))
    ratios = np.array(found[16:]) / np.array(found[15:-1])
    assert ratios.max() <= 1.125 and ratios.min() > 1.06


def stopped(seed, bound, workers=1, networks=20_000):
    text = f"V4 < {bound}"
    made = asked(LINEAR, None, kernel=[[1.0]], seed=seed)
    blocks = sample_blocks(LINEAR, kernel=[[1.0]], networks=networks, seed=seed, workers=workers)
    return looks.first_enough(blocks, made, accuracy(text, made))


def pulls(bound, repeats):
    """Of ``V_4 = 2 C_W^2 K^2``, one linear layer after the first."""
    found = [stopped(seed, bound) for seed in range(repeats)]
    assert all(enough for _, enough in found)
    return np.array([float(e.V(4, at=(0,) * 4).pull(2.0)[1]) for e, _ in found])


def test_errors_are_right_where_they_stopped_the_sampling(monkeypatch):
    monkeypatch.setattr(plan, "BLOCK", 2**9)
    found = pulls("4%", repeats=150)
    assert abs(found.mean()) < 4 / np.sqrt(len(found))
    assert abs(found.std() - 1) < 4 / np.sqrt(2 * len(found))
    # Were few networks trusted to know their error, it would often be far too small.
    monkeypatch.setattr(plan, "BLOCK", 36)
    monkeypatch.setattr(looks, "FEWEST", 8)
    monkeypatch.setattr(looks, "TOGETHER", 1)
    found = pulls("40%", repeats=150)
    assert found.std() > 3.0


def test_enough_does_not_depend_on_the_workers(monkeypatch):
    monkeypatch.setattr(plan, "BLOCK", 2**9)
    one, three = (stopped(1, "3%", workers)[0] for workers in (1, 3))
    assert one.moments.mean.tobytes() == three.moments.mean.tobytes()
    assert one.sources == three.sources
    made = asked(LINEAR, None, kernel=[[1.0]])
    assert one.networks % looks.piece(made) == 0 and looks.is_look(
        one.networks // looks.piece(made)
    )


def test_the_cap_is_the_end_and_that_it_is_not_enough_is_told(monkeypatch):
    monkeypatch.setattr(plan, "BLOCK", 2**9)
    made = asked(LINEAR, None, kernel=[[1.0]])
    seen = []
    blocks = sample_blocks(LINEAR, kernel=[[1.0]], networks=2000, seed=3)
    target = accuracy("V4 < 1%", made)
    found, enough = looks.first_enough(blocks, made, target, lambda *now: seen.append(now))
    assert (found.networks, enough) == (2000, False)
    assert [networks for networks, _ in seen] == [looks.piece(made), 2 * looks.piece(made)]
    assert worst(seen[-1][1]).distance > 1.0


def test_until_from_python(monkeypatch, tmp_path):
    monkeypatch.setattr(plan, "BLOCK", 2**9)
    settings = {"kernel": [[1.0]], "networks": 20_000, "seed": 1, "until": "V4 < 3%"}
    one, kept = (
        nneft.sample(LINEAR, **settings, reduce=False, run=run) for run in (None, tmp_path)
    )
    assert one.sources == kept.sources == stopped(1, "3%")[0].sources
    np.testing.assert_allclose(one.V(4).mean, kept.V(4).mean, rtol=1e-12)
    with pytest.raises(ValueError, match="until wants targets"):
        nneft.sample(LINEAR, kernel=[[1.0]], networks=10, until="V4")
    for run in (None, tmp_path / "new"):
        with pytest.warns(RuntimeWarning, match=r"V4 < 1% is not reached with all 1500 networks"):
            nneft.sample(
                LINEAR, kernel=[[1.0]], networks=1500, until="V4 < 1%", reduce=False, run=run
            )
