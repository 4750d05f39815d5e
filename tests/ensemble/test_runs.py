"""Runs lose nothing: whatever happens, the same command ends in the same bytes."""

import json
import os
import random
import re
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import nneft
from nneft.cli.main import run as main
from nneft.ensemble import looks, plan, sample
from nneft.ensemble.runs import Run, complete, disk, gather, open_run, read_run, verify, work
from nneft.ensemble.runs.arrays import flatten, restore
from nneft.ensemble.runs.blockfile import listed, read_block, write_block
from nneft.ensemble.runs.prefix import merged
from nneft.ensemble.runs.work import Share
from nneft.ensemble.sampling import checked
from nneft.errors import NumericsError
from nneft.network import Network
from nneft.variance_reduction import control

INPUTS = [[1.0, 1.0], [-1.4, 2.0]]
NET = Network((2, 20, 30, 20), "tanh", 1.0, 0.1)
SMALL, NETWORKS = 2**9, 700


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 64 networks: eleven in a run."""
    monkeypatch.setattr(plan, "BLOCK", SMALL)


def asked(net=NET, **settings):
    made = {"kernel": None, "seed": 3, "method": "chain", "dtype": "float64", "points": 4}
    return checked(net, INPUTS, batch=None, **(made | settings))


def begun(folder, **settings):
    return open_run(folder, asked(**settings), NETWORKS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "BLOCK", SMALL)
        run = begun(tmp_path_factory.mktemp("undisturbed") / "run")
        complete(run, workers=1)
        assert run.count == 11
        return run.result.read_bytes()


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_no_byte(workers, undisturbed, tmp_path):
    run = begun(tmp_path)
    complete(run, workers=workers)
    assert run.result.read_bytes() == undisturbed
    assert verify(run, range(run.count)).good


def test_the_result_is_the_ensemble_of_all_networks(undisturbed, tmp_path):
    (tmp_path / "r.nc").write_bytes(undisturbed)
    kept = nneft.load(tmp_path / "r.nc")
    direct = sample(NET, INPUTS, networks=NETWORKS, seed=3)
    assert kept.sources == direct.sources
    np.testing.assert_allclose(kept.kernel.mean, direct.kernel.mean, rtol=1e-13)
    np.testing.assert_allclose(kept.V(4).mean, direct.V(4).mean, rtol=1e-10, atol=1e-15)


def test_from_python(undisturbed, tmp_path):
    seen = []
    settings = {"networks": NETWORKS, "seed": 3, "run": tmp_path}
    first = sample(NET, INPUTS, **settings, progress=lambda *now: seen.append(now))
    assert (tmp_path / "result.nc").read_bytes() == undisturbed
    assert len(seen) == 12 and (seen[0], seen[-1]) == ((0, NETWORKS), (NETWORKS, NETWORKS))
    again = sample(NET, INPUTS, **settings, workers=1, progress=lambda *now: seen.append(now))
    assert seen[12:] == [(NETWORKS, NETWORKS)]
    assert again.moments.mean.tobytes() == first.moments.mean.tobytes()
    path = listed(tmp_path / "blocks")[3][0]
    path.write_bytes(b"")
    with pytest.warns(RuntimeWarning, match="does not match its checksum; set aside"):
        sample(NET, INPUTS, **settings)


@pytest.mark.parametrize("points", [2, 4, 8])
def test_any_accumulator_goes_through_a_file_unchanged(points, tmp_path):
    one, two = (begun(tmp_path / name, points=points) for name in "ab")
    found = complete(one, workers=2).ensemble
    complete(two, workers=1)
    assert one.result.read_bytes() == two.result.read_bytes()
    again = restore(type(found), "e", flatten(found, "e"))
    old, new = flatten(found, "e"), flatten(again, "e")
    assert old.keys() == new.keys()
    assert all(old[name].tobytes() == new[name].tobytes() for name in old)
    assert found.points == points


def test_what_cannot_be_kept_without_pickle_is_refused():
    @dataclass
    class Odd:
        thing: object

    with pytest.raises(TypeError, match="for odd.thing"):
        flatten(Odd(object()), "odd")


def test_tasks_in_any_order_and_in_other_processes(undisturbed, tmp_path):
    run = begun(tmp_path)
    for task in (2, 0):
        work(begun(tmp_path), Share(task, 3).blocks(run), workers=2)
    assert gather(run).missing == (1, 4, 7, 10)
    assert gather(run).ensemble is None
    work(begun(tmp_path), Share(1, 3).blocks(run), workers=1)
    complete(read_run(tmp_path))
    assert run.result.read_bytes() == undisturbed


@pytest.mark.parametrize("widths", [(2, 3, 2), (2, 128, 128, 128), (2, 3000, 3000, 2), (2, 2)])
@pytest.mark.parametrize("method", ["chain", "weights"])
def test_blocks_are_about_a_second_of_work_and_cover_every_network(widths, method, tmp_path):
    made = asked(Network(widths, "tanh", 1.0), method=method)
    run = Run(tmp_path, made, 10**9 + 1)
    assert run.per_block * made.work <= max(16 * SMALL, made.work)
    assert run.count * run.per_block >= run.networks > (run.count - 1) * run.per_block
    parts = [run.parts(block) for block in (0, 1, run.count - 1)]
    numbers = [part for block in parts for part, _ in block]
    assert numbers == sorted(set(numbers))
    assert parts[1][0][0] == parts[0][-1][0] + 1
    assert [sum(n for _, n in block) for block in parts[:2]] == [run.per_block] * 2
    assert sum(n for _, n in parts[2]) == run.networks_in(run.count - 1)
    assert parts[2][-1][0] == (run.networks - 1) // made.block


def test_a_task_is_one_of_those_there_are():
    for task, of in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="a task is a number from 0"):
            Share(task, of)


def test_two_at_once_on_one_folder(undisturbed, tmp_path):
    errors = []

    def one():
        try:
            complete(begun(tmp_path), workers=1)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (tmp_path / "result.nc").read_bytes() == undisturbed


def truncated(path, _):
    path.write_bytes(path.read_bytes()[:-20])


def flipped(path, _):
    content = bytearray(path.read_bytes())
    content[random.Random(1).randrange(len(content))] ^= 16
    path.write_bytes(content)


def emptied(path, _):
    path.write_bytes(b"")


def of_another_run(path, other):
    path.unlink()
    taken = listed(other.blocks)[4][0]
    (path.parent / taken.name).write_bytes(taken.read_bytes())


def of_another_block(path, _):
    taken = listed(path.parent)[5][0]
    path.unlink()
    (path.parent / taken.name.replace("00000005", "00000004")).write_bytes(taken.read_bytes())


def beyond_the_end(path, _):
    path.rename(path.parent / path.name.replace("00000004", "00000040"))


@pytest.mark.parametrize(
    "spoil", [truncated, flipped, emptied, of_another_run, of_another_block, beyond_the_end]
)
def test_a_damaged_block_is_found_and_sampled_again(spoil, undisturbed, tmp_path):
    run, other = begun(tmp_path / "run"), begun(tmp_path / "other", seed=4)
    complete(run)
    work(other, [4])
    spoil(listed(run.blocks)[4][0], other)
    verdict = verify(run)
    assert not verdict.good
    assert (len(verdict.damaged), verdict.missing) == (1, (4,))
    assert verdict.result == "result.nc is there, but blocks are missing or damaged"
    said = []
    complete(run, say=said.append)
    assert len(said) == 1 and len(list((run.folder / "damaged").iterdir())) == 1
    assert run.result.read_bytes() == undisturbed
    assert verify(run).good


def test_a_forged_block_is_found_by_sampling_it_again(tmp_path):
    run = begun(tmp_path)
    complete(run)
    path = listed(run.blocks)[2][0]
    arrays = read_block(path, run.digest)
    arrays["moments.mean"] = arrays["moments.mean"] * (1 + 1e-9)
    path.unlink()
    write_block(run.blocks, run.digest, 2, arrays)
    verdict = verify(run, [1, 2])
    assert verdict.recomputed[1] is None
    assert verdict.recomputed[2] == "differs by 1.0e-09 of its size"
    assert verdict.result == "result.nc is not what the blocks merge to"


def test_two_whole_files_of_one_block_are_refused(tmp_path):
    run = begun(tmp_path)
    work(run, [0])
    arrays = read_block(listed(run.blocks)[0][0], run.digest)
    write_block(run.blocks, run.digest, 0, arrays | {"moments.mean": arrays["moments.mean"] + 1})
    with pytest.raises(ValueError, match="block 0 of .* is there twice and differs"):
        gather(run)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seed": 4}, "seed is 3 there, 4 was asked for"),
        ({"points": 8}, "points is 4 there, 8 was asked for"),
        ({"net": Network((2, 20, 30, 20), "erf", 1.0, 0.1)}, 'activation is "tanh" there, "erf"'),
        ({"net": Network((2, 20, 30, 20), "tanh", 1.1, 0.1)}, r"C_W is \[1.0, 1.0, 1.0\] there"),
    ],
)
def test_other_settings_in_the_same_folder_are_refused(settings, said, tmp_path):
    begun(tmp_path)
    with pytest.raises(ValueError, match=said):
        begun(tmp_path, **settings)
    begun(tmp_path)


def test_blocks_keep_the_size_they_were_begun_with(undisturbed, tmp_path, monkeypatch):
    run = begun(tmp_path)
    work(run, range(4))
    assert run.per_block == 64
    monkeypatch.setattr(looks, "TOGETHER", 3)  # as another version may have it
    assert begun(tmp_path / "new").per_block == 12
    again = begun(tmp_path)
    assert (again.per_block, read_run(tmp_path).per_block) == (64, 64)
    complete(again)
    assert run.result.read_bytes() == undisturbed
    # The streams of random numbers are another matter.
    monkeypatch.setattr(plan, "BLOCK", 2 * SMALL)
    with pytest.raises(ValueError, match="networks_per_stream is 4 there, 9 was asked for"):
        begun(tmp_path)


def test_callables_of_one_name_are_told_apart(tmp_path):
    def wave(slope):
        def activation(x):
            return np.sin(slope * x)

        return Network((2, 20, 20), activation, 1.0)

    begun(tmp_path, net=wave(1.0))
    begun(tmp_path, net=wave(1.0))
    with pytest.raises(ValueError, match="activation_values"):
        begun(tmp_path, net=wave(1.1))


@pytest.mark.parametrize("reduce", [True, False])
def test_a_run_of_a_callable_is_gathered_without_it(reduce, tmp_path):
    def wave(x):
        return np.sin(0.7 * x)

    net = Network((2, 20, 20), wave, 1.0, 0.1)
    known = control(net, net.first_kernel(INPUTS, None)) if reduce else None
    run = open_run(tmp_path, asked(net, control=known), NETWORKS)
    complete(run)
    whole = run.result.read_bytes()
    run.result.unlink()
    again = read_run(tmp_path, control=control)
    assert again.digest == run.digest
    outcome = complete(again)  # nothing is to be sampled
    assert not outcome.missing and run.result.read_bytes() == whole
    assert verify(again, []).good
    with pytest.raises(ValueError, match="the activation wave of .* was a Python callable"):
        verify(again)
    listed(run.blocks)[2][0].unlink()
    with pytest.raises(ValueError, match="sample from Python, with"):
        complete(again)
    assert gather(again).missing == (2,)
    if reduce:
        (tmp_path / "control.npz").write_bytes(b"")
        with pytest.raises(ValueError, match=r"control.npz is missing or damaged"):
            read_run(tmp_path, control=control)
    complete(run)
    assert run.result.read_bytes() == whole


def test_a_changed_manifest_is_found(tmp_path):
    begun(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 5'))
    with pytest.raises(ValueError, match="settings do not match its digest"):
        read_run(tmp_path)


def test_wrong_folders_are_named(tmp_path):
    (tmp_path / "file").touch()
    for name, said in (("file", "it is a file"), ("no/run", "no folder above it")):
        with pytest.raises(ValueError, match=said):
            begun(tmp_path / name)
    with pytest.raises(ValueError, match="holds no run"):
        read_run(tmp_path)


def test_a_block_with_nan_is_recorded_and_never_averaged(tmp_path):
    edge = [np.inf]

    def broken(x):
        return np.where(np.abs(x) > edge[0], np.nan, np.tanh(x))

    net = Network((2, 20, 20), broken, 1.0, 0.1)
    edge[0] = 6.4  # for a few of 80,000 neurons
    run = open_run(tmp_path, asked(net), 2000)
    outcome = complete(run, workers=2)
    failed = outcome.failed
    assert 0 < len(failed) < run.count
    assert "the kernel at layer 2, inputs (" in failed[0].reason
    start = failed[0].block * run.per_block
    told = re.search(r"is not finite .* of networks (\d+) to (\d+) \(seed 3\)$", failed[0].reason)
    first, last = (int(number) for number in told.groups())
    assert start <= first < last < start + failed[0].networks and "block" not in failed[0].reason
    found = nneft.load(run.result)
    assert found.networks == 2000 - sum(failure.networks for failure in failed)
    assert np.isfinite(found.moments.mean).all()
    held = {n for source in found.sources for n in range(source.start, source.stop)}
    for failure in failed:
        start = failure.block * run.per_block
        assert not held & set(range(start, start + failure.networks))
    # The recorded stream is where it happened.
    sequence = np.random.SeedSequence(3, spawn_key=failed[0].spawn_keys[0])
    numbers = np.random.Generator(np.random.SFC64(sequence))
    noise = numbers.standard_normal((run.plan.block, 2, 20))
    assert np.abs(np.linalg.cholesky(run.plan.kernel) @ noise).max() > edge[0]
    with pytest.warns(RuntimeWarning, match="blocks failed and are in no average; block"):
        sample(net, INPUTS, networks=2000, seed=3, run=tmp_path)
    # Again the same, and verify says so; nothing else was marked as failed.
    again = open_run(tmp_path / "again", asked(net), 2000)
    assert complete(again, workers=1).failed == failed
    assert again.result.read_bytes() == run.result.read_bytes()
    assert verify(run).good and verify(run).failed == failed


def test_verify_tells_a_result_that_is_absent_from_one_that_is_good(tmp_path, capsys):
    run = begun(tmp_path)
    work(run, range(run.count))

    def told():
        code = main(["verify", str(tmp_path), "--blocks", "none", "--json"])
        return code, json.loads(capsys.readouterr().out)["result"]

    assert told() == (0, "absent")
    complete(run)
    assert told() == (0, "good")
    run.result.write_bytes(run.result.read_bytes() + b"0")
    assert told() == (3, "result.nc is not what the blocks merge to")


def test_sums_that_overflow_fail_by_name():
    one, two = (sample(NET, INPUTS, networks=30, seed=seed) for seed in (1, 2))
    assert merged(one, two).networks == 60
    huge = []
    for ensemble in (one, two):
        co = ensemble.moments.co
        moments = replace(ensemble.moments, co=replace(co, m22=np.full_like(co.m22, 1e308)))
        huge.append(replace(ensemble, moments=moments))
    with pytest.raises(NumericsError, match="the sums of networks 0..29 and those before overflow"):
        merged(*huge)


def test_nothing_but_failures_is_no_result(tmp_path):
    net = Network((2, 20, 20), "exp(x*x)", 1e6)
    run = open_run(tmp_path, asked(net), NETWORKS)
    with pytest.raises(NumericsError, match=r"all \d blocks of .* failed: the kernel at layer"):
        complete(run)
    assert not run.result.exists()
    verdict = verify(run)
    assert verdict.nothing_else and not verdict.good
    assert not any(verdict.recomputed.values())


def test_a_full_disk_loses_nothing(undisturbed, tmp_path, monkeypatch):
    run = begun(tmp_path)
    sync, calls = os.fsync, []

    def full(handle):
        calls.append(handle)
        if len(calls) > 9:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        work(run, range(run.count), workers=1)
    monkeypatch.setattr(disk.os, "fsync", sync)
    assert 0 < len(listed(run.blocks)) < run.count
    assert not list(run.blocks.glob(".*"))
    assert not verify(run).damaged
    complete(run)
    assert run.result.read_bytes() == undisturbed


def test_forgotten_temporary_files_are_swept_away(tmp_path):
    run = begun(tmp_path)
    for name, age in ((".old.tmp", 2 * disk.FORGOTTEN), (".new.tmp", 0.0)):
        (run.blocks / name).touch()
        os.utime(run.blocks / name, (time.time() - age,) * 2)
    begun(tmp_path)
    assert [path.name for path in run.blocks.iterdir()] == [".new.tmp"]


def test_the_result_names_no_place_time_or_worker(undisturbed, tmp_path):
    run = begun(tmp_path / "somewhere")
    complete(run)
    attributes = nneft.storage.open_dataset(run.result).attrs
    text = json.dumps({name: str(value) for name, value in attributes.items()})
    assert "somewhere" not in text and "worker" not in text and "thread" not in text
    assert b"somewhere" not in run.result.read_bytes()
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert attributes["run"] == manifest["digest"]
    assert Path(run.folder / "blocks").is_dir()


@pytest.fixture
def reduced():
    net = Network((2, 20, 30, 20), "tanh", 1.0, 0.1)
    return net, control(net, net.first_kernel(INPUTS, None))


def scaled(arrays):
    return {n: a * 1.0001 if a.dtype.kind == "f" else a for n, a in arrays.items()}


def without_reduction(arrays):
    return {n: a for n, a in arrays.items() if not n.startswith("reduction")}


def without_covariances(arrays):
    return {n: a for n, a in arrays.items() if not n.startswith("moments.co")}


@pytest.mark.parametrize("block", [0, 3])
@pytest.mark.parametrize("change", [scaled, without_reduction, without_covariances])
def test_a_block_of_another_control_is_a_damaged_one(change, block, reduced, tmp_path):
    """Its checksum and digest are right, but it would not add up with the others."""
    net, known = reduced
    run = open_run(tmp_path, asked(net, control=known), NETWORKS)
    complete(run)
    whole = run.result.read_bytes()
    path = listed(run.blocks)[block][0]
    arrays = change(read_block(path, run.digest))
    path.unlink()
    forged = write_block(run.blocks, run.digest, block, arrays)
    verdict = verify(run, [])
    assert not verdict.good and list(verdict.damaged) == [forged.name]
    said = []
    complete(run, say=said.append)
    assert len(said) == 1 and f"block {block} " in said[0]
    assert (run.folder / "damaged" / forged.name).exists()
    assert run.result.read_bytes() == whole and verify(run).good


@pytest.mark.parametrize("content", [b"", b'{"schema": 1,', None])
def test_a_spoilt_manifest_is_written_anew_where_blocks_bear_its_digest(
    content, undisturbed, tmp_path
):
    run = begun(tmp_path)
    work(run, range(3))
    path = tmp_path / "manifest.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged|no manifest.json in it"):
        read_run(tmp_path)
    for others in ({"seed": 4}, {"points": 2}):
        with pytest.raises(ValueError, match="give all settings that the blocks were sampled with"):
            begun(tmp_path, **others)
    assert not (tmp_path / "damaged").exists()
    again, said = begun(tmp_path), []
    assert again.digest == run.digest and len(again.mended) == 1
    assert not begun(tmp_path).mended
    if content is not None:
        assert (tmp_path / "damaged" / "manifest.json").read_bytes() == content
    complete(again, say=said.append)
    assert said == list(again.mended) and "written anew from the settings given" in said[0]
    assert run.result.read_bytes() == undisturbed
    assert verify(read_run(tmp_path)).good


def test_a_disk_too_full_for_the_control_leaves_a_run_to_go_on_with(reduced, tmp_path, monkeypatch):
    net, known = reduced
    whole = open_run(tmp_path / "whole", asked(net, control=known), NETWORKS)
    complete(whole)
    write = disk.write

    def full(path, content):
        if "control" in path.name:
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(disk, "write", full)
    run = open_run(tmp_path / "full", asked(net, control=known), NETWORKS)
    for attempt in (run, read_run(tmp_path / "full", control=control)):
        with pytest.raises(OSError, match="No space left"):
            complete(attempt)
    assert listed(run.blocks) == {}
    monkeypatch.setattr(disk, "write", write)
    complete(run)
    assert run.result.read_bytes() == whole.result.read_bytes()
    assert (run.folder / "control.npz").exists()
