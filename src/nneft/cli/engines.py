"""Options that say where blocks are sampled, and with whose arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from nneft.ensemble.engines import Engine

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--arithmetic",
        type=click.Choice(["numpy", "jax"]),
        help="Whose random numbers and functions: another ensemble of the same law. [numpy]",
    ),
    click.option("--gpu", is_flag=True, help="JAX's arithmetic, on a GPU or not at all."),
    click.option(
        "--dask",
        metavar="WHERE",
        help="Instead of threads: local, a number of workers, or a scheduler: tls://host:8786.",
    ),
    click.option(
        "--insecure", is_flag=True, help="Speak unencrypted to a scheduler beyond this machine."
    ),
)


def engine_options(command: Command) -> Command:
    """The options of this module on a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def chosen_engine(
    dask: str | None, insecure: bool, threads: int | None, folder: Path | None
) -> Engine | None:
    """What samples the blocks; None for threads.

    Raises
    ------
    ValueError
        Options that do not go together, or a scheduler that may not be spoken to.
    """
    if dask is None:
        if insecure:
            raise ValueError("--insecure says how to speak to a scheduler: give --dask too")
        return None
    if threads is not None:
        raise ValueError("--threads and --dask do not go together: give --dask 4 for 4 workers")
    if folder is None:
        raise ValueError("--dask needs --run FOLDER, where the blocks are kept")
    from nneft.ensemble.engines import Dask

    return Dask(dask, insecure=insecure)


def checked_gpu(given: dict[str, Any]) -> None:
    """Put what ``--gpu`` means among the settings that are given, if any are.

    Raises
    ------
    ValueError
        There is no GPU, or NumPy is wanted on one.
    """
    if given["arithmetic"] == "numpy":
        raise ValueError("--gpu samples with JAX: leave out --arithmetic numpy")
    from nneft.ensemble.engines.device import need_gpu

    need_gpu()
    if any(value is not None for value in given.values()):
        given["arithmetic"] = "jax"


def again(engine: Engine | None) -> list[str]:
    """The same engine, in the words of the command line."""
    if engine is None:
        return []
    from nneft.ensemble.engines import Dask

    if not isinstance(engine, Dask):
        raise TypeError(f"an engine of the command line was wanted, got {engine!r}")
    return ["--dask", str(engine.where), *(["--insecure"] if engine.insecure else [])]
