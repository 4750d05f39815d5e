"""What stands in for a Python callable, which no file can hold, in a run that is read again.

Blocks are checked and merged without it; only sampling needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from nneft.activations import Activation, resolve
from nneft.ensemble.control import Control
from nneft.ensemble.runs.controlfile import NAME, kept_control


def absent(name: str, folder: Path) -> Activation:
    """An activation that has a name, and raises a ValueError when it is called."""

    def refuse(*given: Any) -> NoReturn:
        raise ValueError(
            f"the activation {name} of {folder} was a Python callable, which no file can hold: "
            "sample from Python, with nneft.sample(.., run=folder); what is there can be merged "
            "(sample --gather) and checked (verify --blocks none)"
        )

    # Its structure is nobody's: whoever asks for it is about to call the activation.
    return Activation._known(name, refuse, resolve("x")._structure)


def centres(folder: Path, refuse: Callable[[Any], Any]) -> Control:
    """The control that a folder holds, without conditional means.

    Raises
    ------
    ValueError
        There is none, or it is damaged.
    """
    found = kept_control(folder, lambda layer, kernel: refuse(kernel))
    if found is None:
        raise ValueError(
            f"{folder / NAME} is missing or damaged, and the activation was a Python callable: go "
            "on from Python, with nneft.sample(.., run=folder)"
        )
    return found
