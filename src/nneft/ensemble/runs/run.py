"""A run: a folder, what is to be sampled into it, and how that is cut into blocks.

    FOLDER/manifest.json     settings, their digest, versions, device, command
    FOLDER/control.npz       responses and centres, where estimates are reduced
    FOLDER/blocks/           one checksummed file for every block
    FOLDER/damaged/          files of blocks that did not hold what they should
    FOLDER/result.nc         the ensemble, once every block is there

A block of a run is a piece of about a second of work, consecutive blocks of the plan: sizes, like
the numbers themselves, depend on the settings alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from nneft.ensemble.accuracy import Accuracy, accuracy
from nneft.ensemble.control import Control
from nneft.ensemble.looks import piece
from nneft.ensemble.plan import Array, Plan
from nneft.ensemble.runs import disk, manifest
from nneft.ensemble.runs.absent import absent, centres
from nneft.ensemble.runs.blockfile import Damaged, listed, read_block
from nneft.ensemble.runs.controlfile import with_kept_control
from nneft.ensemble.runs.manifest import MEND
from nneft.ensemble.sampling import checked
from nneft.network import Network
from nneft.storage import check_folder_writable

RESULT, BLOCKS, DAMAGED = "result.nc", "blocks", "damaged"


@dataclass(frozen=True, eq=False)
class Run:
    """An ensemble kept in a folder; :func:`open_run` and :func:`read_run` make it.

    Parameters
    ----------
    folder : where it is kept.
    plan : what is sampled.
    networks : how many in all, or at most.
    until : the accuracy that is enough, or None to sample all networks.
    size : networks in a full block, of a run that was begun with others than one has today.
    notes : what may make the last bits differ from those of the blocks that are there.
    mended : what was found damaged, and how it is whole again.
    values : what a Python callable gave where it was looked at, of a run read without it: what is
        there can be gathered, but nothing be sampled.
    """

    folder: Path
    plan: Plan
    networks: int
    until: Accuracy | None = None
    size: int | None = None
    notes: tuple[str, ...] = field(default=())
    mended: tuple[str, ...] = field(default=())
    values: tuple[str, ...] | None = None

    @cached_property
    def per_block(self) -> int:
        """Networks in a full block."""
        return piece(self.plan) if self.size is None else self.size

    @property
    def count(self) -> int:
        """Number of blocks, at most."""
        return -(-self.networks // self.per_block)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """All that decides the numbers, as JSON."""
        until = None if self.until is None else str(self.until)
        made = manifest.settings(self.plan, self.networks, self.per_block, until)
        return made if self.values is None else made | {"activation_values": list(self.values)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the settings."""
        return manifest.digest(self.settings)

    @property
    def blocks(self) -> Path:
        """The folder of the blocks."""
        return self.folder / BLOCKS

    @property
    def result(self) -> Path:
        """The file of the whole ensemble."""
        return self.folder / RESULT

    def networks_in(self, block: int) -> int:
        """Networks of one block; the last may be shorter."""
        return min(self.per_block, self.networks - block * self.per_block)

    def parts(self, block: int) -> list[tuple[int, int]]:
        """The plan's blocks in one block of the run, each with its number of networks."""
        size, end = self.plan.block, block * self.per_block + self.networks_in(block)
        starts = range(block * self.per_block, end, size)
        return [(start // size, min(size, end - start)) for start in starts]


def open_run(
    folder: str | os.PathLike[str],
    plan: Plan,
    networks: int,
    command: Sequence[str] = (),
    *,
    until: str | None = None,
) -> Run:
    """Begin a run in a folder, or find the one that is there.

    Parameters
    ----------
    folder : made if its parent is there.
    plan, networks : what is sampled, and how many at most.
    command : kept in the manifest, for people to read.
    until : the accuracy that is enough, as :mod:`nneft.ensemble.accuracy` reads it.

    Raises
    ------
    ValueError
        The folder cannot be made or written to, or holds a run with other settings (the
        differences are named); ``until`` cannot be read; the manifest is damaged, and no block
        says that these are its settings.
    OSError
        The manifest cannot be written. What else cannot, `settled` writes.
    """
    wanted = None if until is None else accuracy(until, plan)
    run = Run(_made(Path(folder)), plan, networks, wanted)
    kept, mended = _manifest(run, manifest.text(run.settings, command).encode())
    run = replace(run, size=_size(plan, kept["settings"]))
    different = manifest.differences(kept["settings"], run.settings)
    if different:
        raise ValueError(
            f"{run.folder} holds a run with other settings: {'; '.join(different)}; "
            "take a new folder, or the settings it was begun with"
        )
    run = replace(run, notes=tuple(manifest.elsewhere(kept)), mended=mended)
    # On a full disk there is a run to go on with, and whoever samples it will say so.
    with contextlib.suppress(OSError):
        run = settled(run)
    for room in (run.folder, run.blocks):
        disk.sweep(room)
    return run


def settled(run: Run) -> Run:
    """The run with its folder complete, and the control that is kept there.

    Raises
    ------
    OSError
        Something is missing and cannot be written, as on a full disk.
    """
    run.blocks.mkdir(exist_ok=True)
    return replace(run, plan=with_kept_control(run.folder, run.plan))


def _manifest(run: Run, text: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What is kept, or from now on is; and what is to be said of it.

    A damaged one is written anew where a block is there that bears the digest of these settings.
    """
    path = run.folder / manifest.NAME
    try:
        if not path.exists():
            if listed(run.blocks):
                raise manifest.Damaged(f"{run.folder} holds blocks but no {path.name}; {MEND}")
            disk.write_first(path, text)
        return manifest.read(run.folder), ()
    except manifest.Damaged as error:
        if not _bears_digest(run):
            raise
        reason = str(error).removesuffix(f"; {MEND}")
    mended = "written anew from the settings given, which are those of the blocks"
    if path.exists():
        room = run.folder / DAMAGED
        room.mkdir(exist_ok=True)
        disk.write(room / path.name, path.read_bytes())
        mended = f"set aside, {mended}"
    # In one step: others that look for it find the one or the other.
    disk.write(path, text)
    return manifest.read(run.folder), (f"{reason}; {mended}",)


def _bears_digest(run: Run) -> bool:
    """Whether any whole block is of these settings."""
    for path in (path for paths in listed(run.blocks).values() for path in paths):
        with contextlib.suppress(Damaged, OSError, ValueError):
            read_block(path, run.digest)
            return True
    return False


def read_run(
    folder: str | os.PathLike[str],
    *,
    control: Callable[[Network, Array], Control] | None = None,
) -> Run:
    """The run of a folder, from its manifest alone.

    Parameters
    ----------
    folder : of the run.
    control : called with the network and the first kernel (N, N) of a run whose estimates are
        reduced; only the means of what it gives are used, the rest is in the folder.

    Returns
    -------
    Run
        where the activation was a Python callable, one that raises a ValueError as soon as
        something is to be sampled.

    Raises
    ------
    ValueError
        No run is there, its manifest is damaged, or it is reduced and no control is given.
    """
    place = Path(folder)
    kept = manifest.read(place)
    made, values = kept["settings"], kept["settings"]["activation_values"]
    sigma = made["activation"] if values is None else absent(made["activation"], place)
    network = Network(made["widths"], sigma, made["C_W"], made["C_b"])
    names = ("inputs", "kernel", "seed", "method", "dtype", "points")
    given = {name: made[name] for name in names}
    plan = checked(network, **given, batch=None, arithmetic=made.get("arithmetic", "numpy"))
    if made.get("reduce"):
        if control is None:
            raise ValueError(f"the estimates of {place} are reduced: give read_run a control")
        # As open_run had it: what the plan may take and what not is checked again with it.
        found = control(network, plan.kernel) if values is None else centres(place, sigma)
        plan = checked(network, **given, batch=None, control=found)
        with contextlib.suppress(OSError):
            plan = with_kept_control(place, plan)
    until = None if made.get("until") is None else accuracy(made["until"], plan)
    notes = tuple(manifest.elsewhere(kept))
    run = Run(place, plan, int(made["networks"]), until, _size(plan, made), notes)
    run = run if values is None else replace(run, values=tuple(values))
    different = manifest.differences(made, run.settings)
    if different:
        raise ValueError(f"{place} was begun by another nneft: {'; '.join(different)}")
    return run


def _size(plan: Plan, made: Mapping[str, Any]) -> int | None:
    """Networks in a block, as the manifest has it: whole blocks of the plan may be any number."""
    kept = made.get("networks_per_block")
    return kept if isinstance(kept, int) and kept > 0 and kept % plan.block == 0 else None


def _made(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"cannot keep a run in {folder}: it is a file; give a folder's name")
    if not folder.exists():
        if not folder.absolute().parent.is_dir():
            raise ValueError(f"cannot make {folder}: there is no folder above it; make that first")
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise ValueError(f"cannot make {folder}: {error.strerror}") from error
    check_folder_writable(folder)
    return folder
