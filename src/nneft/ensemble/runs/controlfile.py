"""The control of a reduced run, kept beside its manifest.

Blocks reduced about different centres do not add up. What a theory finds may differ in last bits
from one processor or version to the next, so whoever begins a run leaves its control in
``control.npz``, and everybody else takes it from there: for the responses and centres any numbers
will do, as long as they are the same for all. The conditional means are functions, and come from
whoever samples.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.control import Control
from nneft.ensemble.plan import Plan
from nneft.ensemble.runs import disk

NAME = "control.npz"
#: As a `Control` has it.
Mean = Callable[[int, NDArray[np.float64]], NDArray[np.float64]]


def with_kept_control(folder: Path, plan: Plan) -> Plan:
    """The plan with the control that the folder holds; kept there if it holds none.

    A damaged file is replaced by what the plan has: where that has other centres than blocks that
    are there, these are damaged, too.
    """
    if plan.control is None:
        return plan
    path, mean = folder / NAME, plan.control.mean
    kept = kept_control(folder, mean)
    if kept is None:
        path.unlink(missing_ok=True)
        disk.write_first(path, _written(plan.control))
        kept = kept_control(folder, mean) or plan.control
    kept.check(plan.network.depth, len(plan.kernel))
    return replace(plan, control=kept)


def _arrays(control: Control) -> dict[str, NDArray[np.float64]]:
    held = {"response": control.response, "centre": control.centre, "accuracy": control.accuracy}
    return {name: np.array(value, dtype=np.float64, order="C") for name, value in held.items()}


def _checksum(arrays: dict[str, NDArray[np.float64]]) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()


def _written(control: Control) -> bytes:
    arrays, buffer = _arrays(control), io.BytesIO()
    np.savez(buffer, allow_pickle=False, checksum=np.asarray(_checksum(arrays)), **arrays)
    return buffer.getvalue()


def kept_control(folder: Path, mean: Mean) -> Control | None:
    """What is kept, with these conditional means; None where nothing is, or not whole."""
    try:
        content = (folder / NAME).read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            held = dict(stored)
        found = Control(mean, held["response"], held["centre"], float(held["accuracy"]))
        whole = str(held["checksum"]) == _checksum(_arrays(found))
    except (KeyError, ValueError, TypeError, OSError, EOFError, zipfile.BadZipFile):
        return None
    return found if whole else None
