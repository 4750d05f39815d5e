"""Runs that end where they are accurate enough: the same bytes, whoever did what and when."""

import json
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import nneft
from nneft.ensemble import looks, plan, sample
from nneft.ensemble.control import Control
from nneft.ensemble.runs import Run, complete, disk, gather, open_run, read_run, verify, work
from nneft.ensemble.runs.blockfile import listed
from nneft.ensemble.runs.engine import sampled
from nneft.ensemble.runs.prefix import Prefix
from nneft.ensemble.runs.work import Share
from nneft.ensemble.sampling import checked
from nneft.network import Network
from nneft.variance_reduction import control

INPUTS = [[1.0, 1.0], [-1.4, 2.0]]
NET = Network((2, 20, 30, 20), "tanh", 1.0, 0.1)
CAP, UNTIL = 6400, "V4 < 6%"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 64 networks: a hundred at most."""
    monkeypatch.setattr(plan, "BLOCK", 2**9)


def begun(folder, net=NET, networks=CAP, until=UNTIL, **settings):
    made = {"kernel": None, "seed": 3, "method": "chain", "dtype": "float64", "points": 4}
    made = checked(net, INPUTS, batch=None, **(made | settings))
    return open_run(folder, made, networks, until=until)


def look_always(monkeypatch):
    """At the folder and at what it has come to, after every block."""
    module = import_module("nneft.ensemble.runs.work")
    monkeypatch.setattr(module, "LOOK", 0.0)
    monkeypatch.setattr(module, "REST", 0.0)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "BLOCK", 2**9)
        run = begun(tmp_path_factory.mktemp("undisturbed") / "run")
        outcome = complete(run, workers=1)
        assert outcome.reached
        return outcome.blocks, run.result.read_bytes()


def test_it_ends_at_the_first_look_that_is_accurate(undisturbed, tmp_path):
    blocks, content = undisturbed
    (tmp_path / "r.nc").write_bytes(content)
    kept = nneft.load(tmp_path / "r.nc")
    assert kept.networks == 64 * blocks < CAP and looks.is_look(blocks)
    run = begun(tmp_path / "run")
    assert all(reading.distance < 1.0 for reading in run.until.readings(kept))
    for earlier in filter(looks.is_look, range(1, blocks)):
        shorter = sample(NET, INPUTS, networks=64 * earlier, seed=3)
        assert not looks.enough(run.until, shorter)
    attributes = nneft.storage.open_dataset(tmp_path / "r.nc").attrs
    assert (attributes["until"], attributes["until_reached"]) == (UNTIL, 1)
    assert attributes["networks_wanted"] == CAP


@pytest.mark.parametrize("workers", [2, 3])
def test_threads_change_no_byte(workers, undisturbed, tmp_path):
    run = begun(tmp_path)
    outcome = complete(run, workers=workers)
    assert (outcome.blocks, run.result.read_bytes()) == undisturbed
    verdict = verify(run)
    assert verdict.good and (verdict.blocks, verdict.missing) == (undisturbed[0], ())
    seen = []
    complete(read_run(tmp_path), progress=lambda *now: seen.append(now))
    assert len(seen) == 1 and run.result.read_bytes() == undisturbed[1]


def test_blocks_beyond_the_end_are_in_no_result(undisturbed, tmp_path):
    run = begun(tmp_path)
    work(begun(tmp_path, until=UNTIL), range(undisturbed[0] + 2, run.count, 7))
    assert gather(run).reached is None
    outcome = complete(run, workers=2)
    assert (outcome.blocks, run.result.read_bytes()) == undisturbed
    assert verify(run).good


def test_tasks_look_at_what_all_of_them_finished(undisturbed, tmp_path):
    run = begun(tmp_path)
    first, second = (Share(task, 2).blocks(run) for task in (0, 1))
    assert not work(run, first, workers=2).whole  # alone it does all it may have to
    assert len(listed(run.blocks)) == len(first) == 50
    assert gather(run).missing[:3] == (1, 3, 5)
    prefix = work(run, second, workers=1)
    assert prefix.whole and prefix.reached and prefix.blocks == undisturbed[0]
    assert len(listed(run.blocks)) < 50 + undisturbed[0] // 2 + 3
    complete(run)
    assert run.result.read_bytes() == undisturbed[1]


def test_what_others_finish_meanwhile_counts(undisturbed, tmp_path, monkeypatch):
    look_always(monkeypatch)
    run = begun(tmp_path)
    done = []

    def other(*_):
        if not done:
            done.append(True)
            work(begun(tmp_path), range(1, run.count, 2), workers=1)

    prefix = work(run, range(0, run.count, 2), workers=1, progress=other)
    assert prefix.whole and prefix.blocks == undisturbed[0]
    assert complete(run).blocks == undisturbed[0]
    assert run.result.read_bytes() == undisturbed[1]


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_damaged_block_is_sampled_again(when, undisturbed, tmp_path):
    run = begun(tmp_path)
    work(run, range(8))

    def spoil(*_):
        for block in (2, 6):
            path = listed(run.blocks).get(block, [None])[0]
            if path is not None and not (run.folder / "damaged" / path.name).exists():
                path.write_bytes(path.read_bytes()[:-9])

    spoil()
    complete(run, workers=2, progress=spoil if when == "meanwhile" else None)
    assert run.result.read_bytes() == undisturbed[1]
    assert len(list((run.folder / "damaged").iterdir())) == 2


def test_what_is_unfinished_is_counted(tmp_path):
    run = begun(tmp_path)
    work(run, [0, 1, 2, 5])
    verdict = verify(run)
    assert verdict.good and (verdict.blocks, verdict.missing) == (7, (3, 4, 6))
    assert list(verdict.recomputed) == [0, 2, 5]
    outcome = gather(run)
    assert outcome.ensemble is None and outcome.reached is None
    assert max(reading.distance for reading in outcome.readings) > 1.0  # of blocks 0 to 2


def test_a_disk_that_keeps_nothing_whole_is_named(tmp_path, monkeypatch):
    run, write = begun(tmp_path), disk.write

    def spoilt(path, content):
        write(path, content[:-9] if path.name.startswith("00000002") else content)

    monkeypatch.setattr(disk, "write", spoilt)
    with pytest.raises(OSError, match="block 2 of .* does not stay whole on this disk"):
        complete(run, workers=1)


def test_the_cap_is_the_end(tmp_path):
    run = begun(tmp_path, until="V4 < 0.1%", networks=1500)
    outcome = complete(run)
    assert outcome.reached is False and outcome.ensemble.networks == 1500
    assert max(reading.distance for reading in outcome.readings) > 1.0
    attributes = nneft.storage.open_dataset(run.result).attrs
    assert attributes["until_reached"] == 0


def test_a_cap_out_of_reach_costs_nothing(undisturbed, tmp_path):
    begun_at = time.monotonic()
    outcome = complete(begun(tmp_path, networks=10**15))
    assert outcome.blocks == undisturbed[0]
    assert time.monotonic() - begun_at < 20.0


def test_until_is_a_setting(tmp_path):
    begun(tmp_path)
    begun(tmp_path, until=" V_4<6 % ")
    for other, said in ((None, "null"), ("V4 < 5%", '"V4 < 5%"')):
        with pytest.raises(ValueError, match=f'until is "V4 < 6%" there, {said} was asked for'):
            begun(tmp_path, until=other)
    assert read_run(tmp_path).until == begun(tmp_path).until
    with pytest.raises(ValueError, match="until wants targets"):
        begun(tmp_path / "new", until="V4")
    assert not (tmp_path / "new").exists()


def test_it_is_shown_how_far_the_target_is(undisturbed, tmp_path, monkeypatch):
    look_always(monkeypatch)
    seen = []
    run = begun(tmp_path)
    complete(run, workers=1, watch=lambda *now: seen.append(now))
    networks = [now for now, _ in seen]
    assert networks == sorted(networks) and networks[-1] == 64 * undisturbed[0]
    distances = [max(reading.distance for reading in readings) for _, readings in seen]
    assert distances[-1] < 1.0 < distances[0]


def test_failed_blocks_count_as_finished_and_are_in_no_average(tmp_path):
    edge = [np.inf]

    def broken(x):
        return np.where(np.abs(x) > edge[0], np.nan, np.tanh(x))

    net = Network((2, 20, 20), broken, 1.0, 0.1)
    edge[0] = 6.4  # for a few of 80,000 neurons
    runs = [begun(tmp_path / name, net, until="V4 < 9%") for name in "ab"]
    one, two = (complete(run, workers=workers) for run, workers in zip(runs, (1, 3)))
    assert one.reached and one.failed and one.failed == two.failed
    lost = sum(failure.networks for failure in one.failed)
    assert one.ensemble.networks == one.blocks * runs[0].per_block - lost
    assert runs[0].result.read_bytes() == runs[1].result.read_bytes()


def linear_control(net, first, wrong=0.0):
    """``F(G) = C_W G + C_b``, exactly, and its response, which may be a little off."""
    size = len(first) * (len(first) + 1) // 2
    kernel, centre = first, []
    for C_W, C_b in zip(net.C_W, net.C_b):
        kernel = first if not centre else C_W * kernel + C_b
        centre.append(kernel[np.triu_indices(len(first))] * (1.0 + wrong))
    response = np.array([C_W * np.eye(size) for C_W in net.C_W])
    return Control(lambda layer, G: net.C_W[layer - 1] * G, response, np.array(centre))


@pytest.fixture
def reduced():
    net = Network((2, 20, 30, 20), "x", 0.9)
    return net, linear_control(net, net.first_kernel(INPUTS, None))


def test_reduced_runs_end_sooner(reduced, tmp_path):
    net, control = reduced
    runs = [begun(tmp_path / name, net, until="V4 < 4%", control=control) for name in "ab"]
    one, _ = (complete(run, workers=workers) for run, workers in zip(runs, (1, 3)))
    plain = complete(begun(tmp_path / "plain", net, until="V4 < 4%"))
    assert one.reached and 2 * one.ensemble.networks < plain.ensemble.networks
    assert one.ensemble.reduction is not None
    assert runs[0].result.read_bytes() == runs[1].result.read_bytes()
    direct = sample(net, INPUTS, networks=one.ensemble.networks, seed=3, control=control)
    np.testing.assert_allclose(one.ensemble.V(4).mean, direct.V(4).mean, rtol=1e-10, atol=1e-14)


def test_reducing_is_a_setting(reduced, tmp_path):
    net, control = reduced
    begun(tmp_path, net, control=control)
    with pytest.raises(ValueError, match="reduce is true there, false was asked for"):
        begun(tmp_path, net)
    with pytest.raises(ValueError, match="are reduced: give read_run a control"):
        read_run(tmp_path)


def test_a_run_keeps_the_control_it_was_begun_with(reduced, tmp_path):
    net, control = reduced
    run, elsewhere = (begun(tmp_path / name, net, control=control) for name in "ab")
    complete(elsewhere)
    work(run, range(3))
    asked = []

    def other(*given):
        asked.append(given)
        return linear_control(*given, wrong=1e-15)

    again = read_run(tmp_path / "a", control=other)
    assert [(net.widths, first.shape) for net, first in asked] == [(net.widths, (2, 2))]
    assert again.plan.control.centre.tobytes() == control.centre.tobytes()
    complete(again)
    assert run.result.read_bytes() == elsewhere.result.read_bytes()
    assert verify(again, range(5)).good


@pytest.mark.parametrize("content", [b"", b"PK not a file", None])
def test_a_spoilt_control_is_made_again(content, reduced, tmp_path):
    net, control = reduced
    run = begun(tmp_path, net, control=control)
    path = tmp_path / "control.npz"
    whole = path.read_bytes()
    path.unlink() if content is None else path.write_bytes(content)
    begun(tmp_path, net, control=control)
    assert path.read_bytes() == whole
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 1
    path.write_bytes(changed)
    assert begun(tmp_path, net, control=control).digest == run.digest
    assert path.read_bytes() == whole


def test_the_manifest_says_what_was_asked_for(tmp_path):
    begun(tmp_path)
    settings = json.loads(Path(tmp_path / "manifest.json").read_text())["settings"]
    assert (settings["until"], settings["reduce"], settings["networks"]) == (UNTIL, False, CAP)


def test_a_prefix_that_is_whole_takes_no_more(tmp_path):
    run = begun(tmp_path, networks=64, until=None)
    found = sample(NET, INPUTS, networks=64, seed=3)
    prefix = Prefix(run)
    prefix.add(found)
    assert prefix.whole and prefix.reached is None and prefix.networks == 64
    prefix.add(found)
    assert prefix.blocks == 1 and prefix.readings() is None


@pytest.mark.slow
@pytest.mark.parametrize("reduced", [False, True])
@pytest.mark.parametrize(("layers", "width", "inputs"), [(3, 32, 4), (10, 512, 1), (30, 300, 4)])
def test_blocks_take_about_a_second(layers, width, inputs, reduced, tmp_path, monkeypatch):
    monkeypatch.undo()
    x = np.random.default_rng(0).standard_normal((inputs, 5))
    net = Network((5, *[width] * layers), "tanh", 1.0)
    known = control(net, net.first_kernel(x, None)) if reduced else None
    made = checked(net, x, None, 0, "chain", "float64", None, 4, control=known)
    run = open_run(tmp_path, made, 10**9)
    sampled(Run(tmp_path, made, 1), 0)  # what is made once
    begun_at = time.thread_time()
    sampled(run, 0)
    assert 0.1 < time.thread_time() - begun_at < 6.0
