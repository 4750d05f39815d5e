"""What is shown while a long flow lasts."""

import io
import time

import pytest
from rich.console import Console

from nneft.cli import progress
from nneft.ensemble.accuracy import Reading, Target


def page(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, patience: float = 0.0) -> io.StringIO:
    """What goes to standard error from now on."""
    written = io.StringIO()

    def console(*, stderr: bool) -> Console:
        assert stderr
        return Console(file=written, force_terminal=terminal, width=80)

    monkeypatch.setattr(progress, "Console", console)
    monkeypatch.setattr(progress, "PATIENCE", patience)
    return written


def test_a_clock_on_a_terminal_is_gone_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    written = page(monkeypatch, terminal=True)
    with progress.elapsed("order 3, 4 inputs"):
        time.sleep(0.2)
    assert "order 3, 4 inputs" in written.getvalue() and "0:00:00" in written.getvalue()
    assert written.getvalue().endswith("\x1b[1A\x1b[2K")  # up, and the line erased


def test_nothing_where_it_is_over_soon_or_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal, patience in ((True, 60.0), (False, 0.0)):
        written = page(monkeypatch, terminal=terminal, patience=patience)
        with progress.elapsed("order 3"):
            time.sleep(0.05)
        assert written.getvalue() == ""


def test_an_error_passes_and_the_terminal_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    written = page(monkeypatch, terminal=True)
    with pytest.raises(ValueError, match="wrong"), progress.elapsed("order 3"):
        time.sleep(0.2)
        raise ValueError("wrong")
    assert "\x1b[?25h" in written.getvalue()  # the cursor is shown again


def a_reading(distance: float) -> Reading:
    return Reading(Target(4, None, None, 0.01, True), (1, 1, 1, 1), 3, 2.0, 0.02 * distance)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that only a test lets pass."""
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def test_what_is_told_of_sampling(clock: list[float]) -> None:
    now = progress.Sampling(False, lambda *_: None)
    now.progress(5_000, 60_000)  # was there before: tells nothing of the rate
    assert now.told() == "5,000 of 60,000 networks"
    clock[0] += 5.0
    now.progress(12_000, 60_000)
    assert now.told() == "12,000 of 60,000 networks, 1,400/s, 0:34 left"
    clock[0] += 5.0
    now.progress(60_000, 60_000)
    assert now.told() == "60,000 networks, 5,500/s"


def test_what_is_told_of_sampling_until(clock: list[float]) -> None:
    now = progress.Sampling(True, lambda *_: None)
    now.progress(0, 10**6)
    clock[0] += 5.0
    now.progress(1_000, 10**6)
    assert now.told().startswith("1,000 of at most 1,000,000 networks, 200/s, ")
    # Errors fall as M^-1/2: a third of the error takes nine times the networks.
    now.watch(1_000, [a_reading(0.5), a_reading(3.0)])
    told = "1,000 of about 9,000 networks, 200/s, 0:40 left, V4[1,1,1,1]@3 to 3% of 1%"
    assert now.told() == told
    now.watch(1_000, [a_reading(111.0)])
    told = "1,000 of at most 1,000,000 networks (12,000,000 would do), 200/s, "
    assert now.told().startswith(told)
    task = progress.Sampling(True, lambda *_: None, tasks=3)
    task.progress(300, 10**6)
    task.watch(900, [a_reading(2.0)])
    assert task.told().startswith("300 of about 1,200 networks")
    now.watch(9_500, [a_reading(0.95)])
    now.progress(9_500, 10**6)
    assert now.told() == "9,500 networks, 1,900/s, V4[1,1,1,1]@3 to 0.95% of 1%"


def test_lines_of_a_log_are_ten_seconds_apart(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = page(monkeypatch, terminal=False)
    with progress.sampling() as now:
        now.progress(0, 800)
        for done in range(1, 801):
            clock[0] += 0.125
            now.progress(done, 800)
    lines = written.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0] == "sampling: 80 of 800 networks, 8/s, 1:30 left"
    assert lines[-1] == "sampling: 800 networks, 8/s"


def test_lines_of_a_long_log_are_further_apart(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = page(monkeypatch, terminal=False)
    with progress.sampling() as now:
        for done in range(36_000):
            clock[0] += 1.0
            now.progress(done, 36_000)
    assert 100 < len(written.getvalue().splitlines()) < 400


def test_nothing_is_told_of_what_never_began(monkeypatch: pytest.MonkeyPatch) -> None:
    written = page(monkeypatch, terminal=False)
    with progress.sampling():
        pass
    with pytest.raises(KeyboardInterrupt), progress.sampling():
        raise KeyboardInterrupt
    assert written.getvalue() == ""


def test_one_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written = page(monkeypatch, terminal=True)
    with progress.sampling(watched=True) as now:
        now.progress(100, 5000)
        now.say("a [b] word")
        now.watch(100, [a_reading(3.0)])
        now.progress(200, 5000)
    shown = written.getvalue()
    assert "\x1b[2Knneft: a [b] word\n" in shown
    assert "sampling" in shown and "200 of about 900 networks" in shown
    assert shown.endswith("\x1b[?25h")
