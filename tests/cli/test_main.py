"""Exit codes and messages, whatever goes wrong inside a command."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from nneft.cli import main as entry
from nneft.errors import NumericsError

NNEFT = [sys.executable, "-c", "from nneft.cli.main import main; main()"]
LONG = ["flow", "--activation", "tanh", "--C-W", "1", "--widths", "2,300*9999"]
INPUTS = ["--inputs", "1,1;-1.4,2;3,4;1,-2"]


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("widths are wrong"), 2, "nneft: widths are wrong\n"),
        (TypeError("not a network"), 2, "nneft: not a network\n"),
        (PermissionError(13, "Permission denied", "x.nc"), 2, "nneft: x.nc: Permission denied\n"),
        (click.BadParameter("no"), 2, "nneft: Invalid value: no (see nneft fails --help)\n"),
        (MemoryError("8 PiB"), 2, "nneft: not enough memory: 8 PiB\n"),
        (NumericsError("layer 7 overflows"), 3, "nneft: layer 7 overflows\n"),
        (KeyboardInterrupt(), 4, "\nnneft: interrupted\n"),
        (click.Abort(), 4, "nneft: interrupted\n"),
    ],
)
def test_each_error_has_its_code_and_one_message(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @click.command()
    def fails() -> None:
        raise error

    monkeypatch.setattr(entry.LazyGroup, "get_command", lambda *_: fails)
    assert entry.run(["fails"]) == code
    assert capsys.readouterr() == ("", said)


def test_a_defect_is_not_called_a_wrong_call(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def fails() -> None:
        raise AssertionError("a defect")

    monkeypatch.setattr(entry.LazyGroup, "get_command", lambda *_: fails)
    with pytest.raises(AssertionError, match="a defect"):
        entry.run(["fails"])


@pytest.mark.parametrize("args", [["nothing"], ["flow", "--nothing"], ["flow", "--order", "x"]])
def test_wrong_options_take_one_line(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("nneft: ") and err.count("\n") == 1 and "--help" in err


def test_no_command_at_all_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.run([]) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize("name", entry.COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    command = entry.cli.get_command(click.Context(entry.cli), name)
    assert command is not None
    assert command.get_short_help_str(limit=200) == entry.COMMANDS[name][1]


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_an_interruption_leaves_nothing_behind(tmp_path: Path, sent: signal.Signals) -> None:
    with subprocess.Popen(
        [*NNEFT, *LONG, *INPUTS, "--out", "x.nc"], cwd=tmp_path, stdout=-1, stderr=-1, text=True
    ) as process:
        time.sleep(1.5)
        process.send_signal(sent)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err.strip()) == (4, "", "nneft: interrupted")
    assert list(tmp_path.iterdir()) == []


def test_a_warning_is_one_line() -> None:
    sample = ["sample", "--activation", "tanh", "--widths", "1,9,9", "--C-W", "1", "--inputs", "1"]
    few = ["--networks", "9", "--points", "6", "--dtype", "float32", "--json"]
    done = subprocess.run([*NNEFT, *sample, *few], capture_output=True, text=True)
    assert done.returncode == 0
    warned = [line for line in done.stderr.splitlines() if "sampling" not in line]
    assert len(warned) == 1 and warned[0].startswith("nneft: float32 normal numbers end at 5.4")


PRINTING = [["--help"], ["critical", "tanh"], ["diagrams", "10", "--table"], ["diagrams", "4"]]


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("args", PRINTING, ids=" ".join)
def test_a_reader_that_left_is_told_nothing(args: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([*NNEFT, *args], stdout=writing, stderr=-1, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device")
@pytest.mark.parametrize("args", [*PRINTING, ["critical", "tanh", "--json"]], ids=" ".join)
def test_output_that_cannot_be_written_is_no_wrong_call(args: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*NNEFT, *args], stdout=full, stderr=-1, text=True)
    assert done.returncode == 1
    said = "nneft: cannot write the output: No space left on device; free some space\n"
    assert done.stderr == said


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")
def test_closed_output_is_no_defect() -> None:
    command = f"{sys.executable} -c '{NNEFT[-1]}' critical tanh >&-"
    done = subprocess.run(command, shell=True, stderr=-1, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("critcal", "no such command 'critcal'; did you mean critical?"),
        ("flows", "no such command 'flows'; did you mean flow?"),
        ("zzz", "there are critical, diagrams, flow"),
    ],
)
def test_a_slip_of_the_keyboard_is_guessed(
    typed: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.run([typed]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 1
