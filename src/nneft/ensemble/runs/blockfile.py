"""One block of a run in one file: ``00000012-<SHA-256 of the file>.npz``.

A block that failed leaves ``00000012-<SHA-256>.failed.json`` instead, with what failed and which
random streams it came from.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nneft.ensemble.runs import disk

NAME = re.compile(r"(\d{8,})-([0-9a-f]{64})\.(npz|failed\.json)")
DATA = "data:"


class Damaged(Exception):
    """A file that does not hold the block it is named after, with the reason."""


@dataclass(frozen=True)
class Failure:
    """A block that gave no numbers.

    Parameters
    ----------
    block : number in the run.
    reason : what happened, naming the layer.
    seed : of the run.
    spawn_keys : ``SFC64(SeedSequence(seed, spawn_key=key))`` for each key: the streams that the
        failing networks were drawn from, layer by layer.
    networks : how many the block would have held.
    """

    block: int
    reason: str
    seed: int
    spawn_keys: tuple[tuple[int, int], ...]
    networks: int


def write_block(folder: Path, digest: str, block: int, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write the arrays of a block; returns the file."""
    # In one order of memory: sums must not depend on whether they went through a file.
    named = {f"{DATA}{name}": np.array(array, order="C") for name, array in arrays.items()}
    buffer = io.BytesIO()
    np.savez(
        buffer, allow_pickle=False, digest=np.asarray(digest), block=np.asarray(block), **named
    )
    return _write(folder, block, buffer.getvalue(), "npz")


def write_failure(folder: Path, digest: str, failure: Failure) -> Path:
    """Write what is known of a block that failed; returns the file."""
    content = json.dumps({"digest": digest, **asdict(failure)}, indent=1)
    return _write(folder, failure.block, content.encode(), "failed.json")


def _write(folder: Path, block: int, content: bytes, ending: str) -> Path:
    path = folder / f"{block:08}-{hashlib.sha256(content).hexdigest()}.{ending}"
    disk.write(path, content)
    return path


def listed(folder: Path) -> dict[int, list[Path]]:
    """The files that are there by block, their content not looked at."""
    found: dict[int, list[Path]] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.iterdir()):
        match = NAME.fullmatch(path.name)
        if match:
            found.setdefault(int(match[1]), []).append(path)
    return found


def read_block(path: Path, digest: str) -> dict[str, NDArray[Any]] | Failure:
    """The arrays of a block, or its failure.

    Raises
    ------
    Damaged
        The bytes are not those written, or belong to another run or another block.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        raise Damaged(f"{path.name} is no block's name")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != match[2]:
        raise Damaged(f"{path.name} does not match its checksum")
    held = _failure(content) if match[3] == "failed.json" else _arrays(content)
    if str(held.pop("digest", None)) != digest:
        raise Damaged(f"{path.name} belongs to another run")
    number = int(held["block"])
    if number != int(match[1]):
        raise Damaged(f"{path.name} holds block {number}")
    if match[3] == "failed.json":
        keys = tuple((int(a), int(b)) for a, b in held.pop("spawn_keys"))
        return Failure(**held, spawn_keys=keys)
    return {name.removeprefix(DATA): a for name, a in held.items() if name.startswith(DATA)}


def _arrays(content: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return dict(stored)


def _failure(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)
    return found
