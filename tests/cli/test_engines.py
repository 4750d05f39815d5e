"""``nneft sample`` on other engines: what it prints, and its exit codes."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import nneft
from nneft.cli.main import run
from nneft.ensemble import plan

SETTINGS = [
    *("--activation", "tanh", "--widths", "2,20,20,20", "--C-W", "1", "--C-b", "0.1"),
    *("--inputs", "1,1;-1.4,2", "--networks", "700", "--seed", "3"),
]
Captured = pytest.CaptureFixture[str]
SCHEDULER = """
import sys
from distributed import LocalCluster
from nneft.ensemble import plan
if __name__ == "__main__":
    plan.BLOCK = 2**9
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0",
        protocol="tcp://", host="127.0.0.1")
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def scheduler() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A scheduler with a worker, in a process that may be killed."""
    pytest.importorskip("distributed", reason="the extra [dask] is not installed")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", SCHEDULER], text=True, **pipes) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        process.kill()


def test_a_scheduler_that_goes_away_and_on_without_it(
    scheduler: tuple[str, "subprocess.Popen[str]"],
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, process = scheduler
    monkeypatch.setattr(plan, "BLOCK", 2**9)
    folder = tmp_path / "run"
    driver = importlib.import_module("nneft.ensemble.runs.work")
    write = driver.write_block

    def once_and_no_more(*what: object) -> object:
        process.kill()
        return write(*what)  # type: ignore[arg-type]

    monkeypatch.setattr(driver, "write_block", once_and_no_more)
    assert run(["sample", *SETTINGS, "--run", str(folder), "--dask", address]) == 4
    out, err = capsys.readouterr()
    told = err.splitlines()
    assert out == ""
    gone = f"nneft: the scheduler at {address} is gone; [123] of 28 blocks are kept"
    assert re.match(gone, told[-2])
    assert told[-1] == f"go on with: nneft sample --run {folder} --dask {address}"
    monkeypatch.setattr(driver, "write_block", write)
    assert run(["sample", "--run", str(folder), "--json"]) == 0
    assert run(["sample", *SETTINGS, "--run", str(tmp_path / "threads"), "--json"]) == 0
    one, other = (Path(f) / "result.nc" for f in (folder, tmp_path / "threads"))
    assert one.read_bytes() == other.read_bytes()


def test_interrupted_with_workers_of_this_machine(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="the extra [dask] is not installed")
    folder = tmp_path / "run"
    many = [*SETTINGS[:-3], "100000000", *SETTINGS[-2:]]
    nneft_there = str(Path(sys.executable).parent / "nneft")
    command = [nneft_there, "sample", *many, "--run", str(folder), "--dask", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        blocks = folder / "blocks"
        while not blocks.is_dir() or not any(blocks.glob("*.npz")):
            assert process.poll() is None
            time.sleep(0.05)
        # As Ctrl-C in a terminal does: the whole group gets it, workers too.
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 4 and out == ""
    told = [line for line in err.splitlines() if not line.startswith("sampling: ")]
    assert len(told) == 2 and told[0].startswith("nneft: interrupted; ")
    assert told[1] == f"go on with: nneft sample --run {folder} --dask 1"


def test_jax_by_name(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jax", reason="the extra [gpu] is not installed")
    monkeypatch.setattr(plan, "DEVICE_CHUNK", 2**14)
    folder = tmp_path / "run"
    assert run(["sample", *SETTINGS, "--arithmetic", "jax", "--run", str(folder), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["networks"] == 700
    kept = nneft.load(folder / "result.nc")
    assert isinstance(kept, nneft.Ensemble) and kept.sources[0].method == "chain, jax"
    assert run(["sample", *SETTINGS, "--run", str(folder)]) == 2
    assert 'arithmetic is "jax" there, "numpy" was asked for' in capsys.readouterr().err
    assert run(["verify", str(folder)]) == 0
    assert run(["sample", *SETTINGS, "--arithmetic", "jax", "--json"]) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--dask", "local"), "--dask needs --run FOLDER"),
        (
            ("--dask", "2", "--threads", "2", "--run", "x"),
            "--threads and --dask do not go together",
        ),
        (("--insecure", "--run", "x"), "--insecure says how to speak to a scheduler"),
        (("--dask", "tcp://10.0.0.5:8786", "--run", "x"), "beyond this machine and not encrypted"),
        (("--dask", "0", "--run", "x"), "the number of Dask's workers must be a positive integer"),
        (("--gpu", "--arithmetic", "numpy"), "--gpu samples with JAX: leave out"),
        (("--gpu",), "JAX finds no GPU here"),
        (("--arithmetic", "jax", "--method", "weights"), "there is method='chain' alone"),
        (("--arithmetic", "jax", "--reduce"), "reduce=True needs"),
    ],
)
def test_wrong_calls(
    options: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["sample", *SETTINGS, *options]) == 2
    assert said in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
