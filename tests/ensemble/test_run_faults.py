"""Processes that are killed, told to stop, or run out of disk: the end is the same to the byte."""

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from nneft.ensemble import plan
from nneft.ensemble.runs import read_run, verify
from nneft.ensemble.runs.blockfile import listed
from nneft.variance_reduction import control

#: A slow disk makes it likely that something is in hand when a process ends.
SCRIPT = """
import sys, time
from nneft.ensemble import plan
from nneft.ensemble.runs import disk
plan.BLOCK = 2**9
pause, write = float(sys.argv.pop(1)), disk.write
def slow(path, content):
    time.sleep(pause)
    write(path, content)
disk.write = slow
from nneft.cli.main import main
main(["sample", "--activation", "tanh", "--widths", "2,20,30,20", "--C-W", "1", "--C-b", "0.1",
      "--inputs", "1,1;-1.4,2", "--seed", "3", *sys.argv[1:]])
"""
PLAIN = ["--networks", "700", "--no-reduce"]
UNTIL = ["--networks", "3000", "--no-reduce", "--until", "V4 < 6%"]
REDUCED = ["--networks", "20000", "--reduce", "--until", "V4 < 4%"]


def started(folder, *options, pause=0.03):
    command = [sys.executable, "-c", SCRIPT, str(pause), *options, "--run", str(folder)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def ended(process, code=0):
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def killed(process):
    """With everything that it began."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def until_blocks(process, folder, count):
    """Wait until so many blocks are there, or the process has ended."""
    while process.poll() is None:
        blocks = folder / "blocks"
        if blocks.is_dir() and len(list(blocks.glob("0*.npz"))) >= count:
            return
        time.sleep(0.002)


def result(folder):
    return (folder / "result.nc").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The bytes at which a run with these options ends."""
    known = {}

    def of(options):
        key = tuple(options)
        if key not in known:
            folder = tmp_path_factory.mktemp("undisturbed") / "run"
            ended(started(folder, *options, "--threads", "1", pause=0.0))
            known[key] = result(folder)
        return known[key]

    return of


@pytest.mark.parametrize("options", [PLAIN, REDUCED])
def test_killed_at_random_times(options, undisturbed, tmp_path):
    rng = random.Random(7)
    for attempt in range(2):
        process = started(tmp_path, *options, "--threads", str(2 * attempt + 1))
        until_blocks(process, tmp_path, 2 * attempt + 1)
        time.sleep(rng.uniform(0.0, 0.04))
        assert killed(process)
        assert not (tmp_path / "result.nc").exists()
    ended(started(tmp_path, *options, "--threads", "2"))
    assert result(tmp_path) == undisturbed(options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["--networks", "20000", "--no-reduce"],
        ["--networks", "60000", "--no-reduce", "--until", "V4 < 2%"],
        ["--networks", "60000", "--reduce", "--until", "V4 < 0.8%"],
    ],
)
def test_killed_twenty_times(options, undisturbed, tmp_path, monkeypatch):
    """At times that know nothing of what the process is at, from its start on."""
    rng = random.Random(11)
    begun = time.monotonic()
    process = started(tmp_path, *options, pause=0.15)
    until_blocks(process, tmp_path, 1)
    start = time.monotonic() - begun
    assert killed(process)
    kept = []
    for attempt in range(1, 20):
        process = started(tmp_path, *options, "--threads", str(attempt % 4 + 1), pause=0.15)
        if attempt % 2:  # while it samples, however long it took to begin
            until_blocks(process, tmp_path, kept[-1] + rng.randrange(1, 4) if kept else 3)
            time.sleep(rng.uniform(0.0, 0.3))
        else:
            time.sleep(rng.uniform(0.0, 1.5 * start))
        assert killed(process), "it was done before it was killed"
        kept.append(len(listed(tmp_path / "blocks")))
    print(f"blocks at each kill: {kept}")
    assert kept == sorted(kept) and len(set(kept)) >= 10
    ended(started(tmp_path, *options, "--threads", "2", pause=0.0))
    assert result(tmp_path) == undisturbed(options)
    assert not (tmp_path / "damaged").exists()
    monkeypatch.setattr(plan, "BLOCK", 2**9)
    assert verify(read_run(tmp_path, control=control), [0, kept[-1] - 1]).good


def test_one_of_two_workers_killed(undisturbed, tmp_path):
    """Two tasks at once, one killed: the other goes on, and the end needs the killed one again."""
    tasks = [[*UNTIL, "--task", str(task), "--of", "2", "--threads", "1"] for task in (0, 1)]
    one, two = (started(tmp_path, *task) for task in tasks)
    until_blocks(one, tmp_path, 3)
    assert killed(one)
    ended(two)
    ended(started(tmp_path, *UNTIL, "--gather"), code=4)
    ended(started(tmp_path, *tasks[0], pause=0.0))
    ended(started(tmp_path, *UNTIL, "--gather"))
    assert result(tmp_path) == undisturbed(UNTIL)


def test_two_processes_on_one_folder(undisturbed, tmp_path):
    both = [started(tmp_path, *UNTIL, "--threads", str(many)) for many in (1, 2)]
    for process in both:
        ended(process)
    assert result(tmp_path) == undisturbed(UNTIL)
    assert not (tmp_path / "damaged").exists()


@pytest.mark.parametrize(("options", "number"), [(PLAIN, signal.SIGTERM), (UNTIL, signal.SIGINT)])
def test_told_to_stop(options, number, undisturbed, tmp_path):
    process = started(tmp_path, *options, "--threads", "1")
    until_blocks(process, tmp_path, 2)
    process.send_signal(number)
    _, err = ended(process, code=4)
    assert f"blocks are kept in {tmp_path}\n" in err
    line = f"go on with: nneft sample --run {tmp_path}"
    assert f"{line}\n" in err
    assert len(listed(tmp_path / "blocks")) >= 2
    assert not list((tmp_path / "blocks").glob(".*"))
    # As it says, with no option but the folder: what is to be reached is in there.
    again = [sys.executable, "-c", SCRIPT.split('main(["sample"')[0] + "main(sys.argv[1:])", "0"]
    subprocess.run([*again, *line.split()[4:]], check=True, timeout=60, capture_output=True)
    assert result(tmp_path) == undisturbed(options)


mounts = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode != 0,
    reason="small file systems cannot be mounted here",
)


@mounts
@pytest.mark.parametrize(("options", "size"), [(PLAIN, 64), (REDUCED, 4)])
def test_a_disk_that_is_full(options, size, undisturbed, tmp_path):
    """A file system of so many KiB, which gets larger once full: 4 hold the manifest alone."""
    small, kept = tmp_path / "small", tmp_path / "kept"
    small.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = f"{sys.executable} {script} 0 {shlex.join(options)} --run {small}/run --threads 2"
    shell = f"""
        mount -t tmpfs -o size={size}k none {small} || exit 99
        {command} > /dev/null; echo first $? >&2
        test ! -e {small}/run/result.nc || echo a result >&2
        mount -o remount,size=8m {small}
        {command} > /dev/null; echo second $? >&2
        cp -r {small}/run {kept}
    """
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", shell], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "nneft: No space left on device; " in done.stderr
    assert "first 4" in done.stderr and "second 0" in done.stderr
    assert "a result" not in done.stderr and "Traceback" not in done.stderr
    assert result(kept) == undisturbed(options)
    assert not (kept / "damaged").exists()
