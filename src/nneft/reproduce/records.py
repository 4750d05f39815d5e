"""What a reproduction tells while it runs and when it is done."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Progress:
    """How far a reproduction is; given to `progress` several times a second.

    Attributes
    ----------
    stage
        ``"theory"``, ``"sampling"`` or ``"figures"``.
    done, total
        Flows, networks (over all ensembles together) or figures done and wanted.
    rate
        Done per second since the stage began; 0 before the first.
    left
        Seconds left of this stage at that rate; None before the first.
    label
        What is being worked on, in a few words.
    """

    stage: str
    done: int
    total: int
    rate: float
    left: float | None
    label: str


@dataclass(frozen=True)
class Report:
    """What a reproduction made and found.

    Attributes
    ----------
    folder
        Where the files are.
    files
        All files written, in that folder.
    verdict
        The outcome in plain words, a few lines, each ending without a newline.
    summary
        The same as numbers: what ``summary.json`` holds, ready for JSON.
    networks
        Networks wanted in every ensemble.
    interrupted
        Stopped before all networks were sampled; the files hold what was finished.
    """

    folder: Path
    files: tuple[Path, ...]
    verdict: tuple[str, ...]
    summary: dict[str, Any]
    networks: int
    interrupted: bool
