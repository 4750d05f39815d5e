"""``nneft sample`` and ``nneft verify``: what they print, and their exit codes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nneft
from nneft.cli.main import run
from nneft.ensemble import plan
from nneft.ensemble.runs import disk

SETTINGS = [
    *("--activation", "tanh", "--widths", "2,20,30,20", "--C-W", "1", "--C-b", "0.1"),
    *("--inputs", "1,1;-1.4,2", "--networks", "700", "--seed", "3", "--no-reduce"),
]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eleven blocks in a run."""
    monkeypatch.setattr(plan, "BLOCK", 2**9)


def sampled(folder: Path, *options: str) -> int:
    return run(["sample", *SETTINGS, "--run", str(folder), *options])


def test_a_run_and_the_same_command_again(tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "run"
    assert sampled(folder) == 0
    out, err = capsys.readouterr()
    assert out.startswith("tanh, 700 networks, 2 inputs\n")
    assert "V_4[0,0,0,0]" in out and out.endswith(f"wrote {folder / 'result.nc'}\n")
    assert "sampling: 700 networks, " in err
    first = (folder / "result.nc").read_bytes()
    assert sampled(folder, "--threads", "1", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (folder / "result.nc").read_bytes() == first
    kept = nneft.load(folder / "result.nc")
    assert isinstance(kept, nneft.Ensemble)
    assert report["networks"] == report["networks_wanted"] == 700
    assert (report["command"], report["blocks"], report["failed"]) == ("sample", 11, [])
    np.testing.assert_array_equal(report["kernel"], kept.kernel.mean)
    np.testing.assert_array_equal(report["error_V_4"], kept.V(4).error)
    # The folder alone says what it is.
    assert run(["sample", "--run", str(folder)]) == 0
    assert (folder / "result.nc").read_bytes() == first
    command = json.loads((folder / "manifest.json").read_text())["command"]
    assert command[0] == "nneft"


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["sample", *SETTINGS, "--points", "6", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    direct = nneft.sample(
        nneft.Network((2, 20, 30, 20), "tanh", 1.0, 0.1),
        [[1, 1], [-1.4, 2]],
        networks=700,
        seed=3,
        points=6,
        reduce=False,
    )
    for points in (4, 6):
        np.testing.assert_array_equal(report[f"V_{points}"], direct.V(points).mean)
        np.testing.assert_array_equal(report[f"error_V_{points}"], direct.V(points).error)
    drawn = (report["points"], report["seeds"], report["method"], report["dtype"])
    assert drawn == (6, [3], "chain", "float64")
    assert run(["sample", *SETTINGS, "--points", "6"]) == 0
    assert "V_6[0,0,0,0,0,0]" in capsys.readouterr().out
    assert run(["sample", *SETTINGS, "--networks", "1"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_tasks_then_gather(tmp_path: Path, capsys: Captured) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    assert sampled(whole) == 0
    assert sampled(shared, "--task", "1", "--of", "2") == 0
    out, _ = capsys.readouterr()
    assert "task 1 of 2: 5 of 11 blocks are in" in out
    assert out.endswith(f"when all tasks are done: nneft sample --run {shared} --gather\n")
    assert sampled(shared, "--gather") == 4
    err = capsys.readouterr().err
    assert "6 blocks are missing (0, 2, 4, 6, 8, 10); 5 of 11 blocks are kept" in err
    assert sampled(shared, "--task", "0", "--of", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["blocks"] == 6
    assert not (shared / "result.nc").exists()
    assert run(["sample", "--run", str(shared), "--gather"]) == 0
    assert (shared / "result.nc").read_bytes() == (whole / "result.nc").read_bytes()


def test_other_settings_are_refused_with_the_difference(tmp_path: Path, capsys: Captured) -> None:
    assert sampled(tmp_path) == 0
    before = (tmp_path / "result.nc").read_bytes()
    capsys.readouterr()
    assert sampled(tmp_path, "--networks", "800", "--seed", "5") == 2
    err = capsys.readouterr().err
    assert "networks is 700 there, 800 was asked for; seed is 3 there, 5 was asked for" in err
    assert (tmp_path / "result.nc").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--task", "0", "--of", "2"], "need --run FOLDER"),
        (["--gather"], "need --run FOLDER"),
        (["--run", "x", "--task", "2"], "give --task and --of together"),
        (["--run", "x", "--task", "2", "--of", "2"], "a task is a number from 0 to 1 of 2, got 2"),
        (["--run", "x", "--task", "1", "--of", "2", "--gather"], "leave out --task and --of"),
        (["--run", "x", "--task", "0", "--of", "0"], "--of is the number of jobs, 1 or more"),
        (["--run", "x", "--gather", "--dask", "2"], "--gather samples nothing: leave out --dask"),
        (["--run", "x", "--networks", "0"], "networks must be a positive integer, got 0"),
        (["--run", "x", "--threads", "0"], "--threads must be 1 or more, got 0"),
        (["--run", "x", "--seed", "-1"], "seed must be an integer, 0 or more, got -1"),
        (["--run", "x", "--points", "5"], "points must be 4, 6, 8, or 2"),
        (["--run", "no/x"], "there is no folder above it"),
    ],
)
def test_wrong_calls(
    options: list[str],
    said: str,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["sample", *SETTINGS, *options]) == 2
    assert said in capsys.readouterr().err


def test_missing_settings_are_named(tmp_path: Path, capsys: Captured) -> None:
    assert run(["sample", "--run", str(tmp_path)]) == 2
    assert "holds no run: there is no manifest.json in it" in capsys.readouterr().err
    assert run(["sample", *SETTINGS[:-5]]) == 2
    assert "--networks is missing" in capsys.readouterr().err
    assert sampled(tmp_path / "run") == 0
    capsys.readouterr()
    assert run(["sample", "--run", str(tmp_path / "run"), "--seed", "3"]) == 2
    assert "to go on with the run in" in capsys.readouterr().err
    assert run(["sample"]) == 2
    assert "--activation is missing" in capsys.readouterr().err


@pytest.mark.parametrize("kept", [4, 11])
def test_a_full_disk_can_be_gone_on_from(
    kept: int, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = disk.write, []

    def full(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) > kept + 1:  # the manifest is the first
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(disk, "write", full)
    assert sampled(tmp_path, "--threads", "1") == 4
    assert f"No space left on device; {kept} of 11 blocks are kept in" in capsys.readouterr().err
    assert not (tmp_path / "result.nc").exists()
    monkeypatch.setattr(disk, "write", write)
    assert sampled(tmp_path) == 0


def test_blocks_that_fail_are_told_and_are_in_no_average(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nneft.ensemble import sampling

    chain = sampling.BLOCKS["chain"]

    def broken(made: plan.Plan, block: int, networks: int) -> Any:
        samples = chain(made, block, networks)
        if block == 40:
            samples[0, 1, 0] = np.nan
        return samples

    monkeypatch.setitem(sampling.BLOCKS, "chain", broken)
    assert sampled(tmp_path) == 3
    out, err = capsys.readouterr()
    assert "tanh, 636 networks" in out
    assert err.count("block 2 failed, is recorded, others go on: the kernel at") == 1
    assert "block 2 failed: the kernel at layer 3, inputs (0, 0), is not finite" in err
    assert "64 networks of failed blocks are in no average" in err
    assert run(["verify", str(tmp_path), "--blocks", "2"]) == 0
    assert "block 2 sampled again: the same to the last bit" in capsys.readouterr().out
    assert sampled(tmp_path, "--json") == 3  # nothing new has failed
    captured = capsys.readouterr()
    assert "others go on" not in captured.err
    assert [f["block"] for f in json.loads(captured.out)["failed"]] == [2]
    for task, code in ((0, 3), (1, 0)):
        options = ["--task", str(task), "--of", "2", "--json"]
        assert sampled(tmp_path / "shared", *options) == code
        assert len(json.loads(capsys.readouterr().out)["failed"]) == (code == 3)


def test_verify(tmp_path: Path, capsys: Captured) -> None:
    assert sampled(tmp_path) == 0
    capsys.readouterr()
    assert run(["verify", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "11 of 11 blocks are there and whole",
        *(f"block {b} sampled again: the same to the last bit" for b in (0, 5, 10)),
        "result.nc is what the blocks merge to",
    ]
    path = next((tmp_path / "blocks").glob("00000004-*"))
    path.write_bytes(path.read_bytes()[:-1])
    assert run(["verify", str(tmp_path), "--blocks", "2-4,7", "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert report["damaged"] == {path.name: f"{path.name} does not match its checksum"}
    assert (report["good"], report["missing"]) == (False, [4])
    assert report["recomputed"] == {"2": None, "3": None, "7": None}
    assert path.exists()


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ("11", "11 is not among the blocks 0 to 10"),
        ("3-2", "3-2 is not among the blocks"),
        ("x", "wanted all, none, or blocks such as 0,5-7, got 'x'"),
    ],
)
def test_verify_wants_blocks_that_there_are(
    blocks: str, said: str, tmp_path: Path, capsys: Captured
) -> None:
    assert sampled(tmp_path, "--task", "0", "--of", "11") == 0
    assert run(["verify", str(tmp_path), "--blocks", blocks]) == 2
    assert said in capsys.readouterr().err


UNTIL = ["--until", "V4 < 10%"]


def test_until_ends_where_it_is_accurate(tmp_path: Path, capsys: Captured) -> None:
    folders = [tmp_path / name for name in ("one", "three", "shared")]
    most = ["--networks", "20000", *UNTIL]
    assert sampled(folders[0], *most, "--threads", "1") == 0
    out, err = capsys.readouterr()
    assert "V4 < 10% is reached\n" in out and " of 10%\n" in err
    assert sampled(folders[1], *most, "--threads", "3", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    until = report["until"]
    assert (until["wanted"], until["reached"]) == ("V4 < 10%", True)
    assert [reading["at"] for reading in until["readings"]] == [[0] * 4, [1] * 4]
    assert all(r["met"] and r["error"] < 0.1 * r["mean"] for r in until["readings"])
    assert report["networks"] == 64 * report["blocks"] < report["networks_wanted"] == 20000
    contents = [(folder / "result.nc").read_bytes() for folder in folders[:2]]
    assert contents[0] == contents[1]
    # Without a folder, the same networks.
    assert run(["sample", *SETTINGS, *most, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["until"]["reached"] and again["networks"] == report["networks"]
    np.testing.assert_allclose(again["V_4"], report["V_4"], rtol=1e-9, atol=1e-14)
    # Tasks of an array: the last to come finds it accurate enough.
    few = ["--networks", "3000", *most[2:]]
    assert sampled(folders[2], *few, "--task", "1", "--of", "2") == 0
    assert "blocks are in" in capsys.readouterr().out
    assert sampled(folders[2], *few, "--gather") == 4
    err = capsys.readouterr().err
    assert "without a gap is not accurate enough, next missing: 0, 2, 4" in err  # no block at all
    assert sampled(folders[2], *few, "--task", "0", "--of", "20") == 0
    assert sampled(folders[2], *few, "--gather") == 4
    err = capsys.readouterr().err
    assert "of 10%), next missing: 2, 4" in err
    assert sampled(folders[2], *few, "--task", "0", "--of", "2") == 0
    assert f"reached by the first {report['blocks']} blocks of all" in capsys.readouterr().out
    assert run(["sample", "--run", str(folders[2]), "--gather", "--json"]) == 0
    gathered = json.loads(capsys.readouterr().out)
    assert gathered["V_4"] == report["V_4"] and gathered["until"] == report["until"]


def test_a_cap_that_is_not_enough_is_said(tmp_path: Path, capsys: Captured) -> None:
    for where in (["--run", str(tmp_path)], []):
        assert run(["sample", *SETTINGS, "--until", "V4 < 1%", *where]) == 0
        out, err = capsys.readouterr()
        assert "nneft: V4 < 1% is not reached with all networks there may be: V4[" in err
        assert "reached" not in out
    assert run(["sample", *SETTINGS, "--until", "V6 < 1%"]) == 2
    assert "points=4 does not hold it: sample with points=6" in capsys.readouterr().err


def test_reduced_ensembles_tell_their_gain(tmp_path: Path, capsys: Captured) -> None:
    assert sampled(tmp_path, "--reduce", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    kept = nneft.load(tmp_path / "result.nc")
    assert isinstance(kept, nneft.Ensemble) and report["reduced"]
    gain = kept.gain
    np.testing.assert_array_equal(report["gain_V_4"], gain["V_4"])
    assert report["gain_kernel"][1] == [[None, None], [None, None]]  # exact
    np.testing.assert_array_equal(report["gain_kernel"][2], gain["kernel"][2])
    assert sampled(tmp_path, "--reduce") == 0
    out = capsys.readouterr().out
    assert "gain <G>[0,1]" in out and "gain V_4[0,0,0,0]" in out and "exact" in out
    assert sampled(tmp_path) == 2
    assert "reduce is true there, false was asked for" in capsys.readouterr().err
    assert run(["sample", *SETTINGS, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert not plain["reduced"] and plain["gain_V_4"] is None
    assert run(["verify", str(tmp_path), "--blocks", "all"]) == 0
    again = capsys.readouterr().out.count("sampled again: the same to the last bit")
    assert again == report["blocks"] > 11  # each takes longer, and holds fewer networks
