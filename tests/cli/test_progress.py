"""What is shown while a long flow lasts."""

import io
import time

import pytest
from rich.console import Console

from nneft.cli import progress


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
