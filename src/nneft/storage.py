"""One netCDF file for one result: written whole or not at all."""

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nneft._version import __version__
from nneft.network import Network

if TYPE_CHECKING:
    import xarray as xr


def network_attributes(network: Network) -> dict[str, Any]:
    """Attributes that say what network a dataset belongs to; `network_from` reads them."""
    return {
        "nneft_version": __version__,
        "activation": network.activation.name,
        "activation_is_callable": int(network.activation.is_callable),
        "widths": json.dumps(list(network.widths)),
        "C_W": json.dumps(network.C_W.tolist()),
        "C_b": json.dumps(network.C_b.tolist()),
        "conventions": "BCCZ, arXiv:2305.02334: <G> = sum_p K_p / n_{l-1}^p, "
        "V_2k = n_{l-1}^(k-1) kappa_k(G)",
    }


def network_from(attributes: dict[str, Any]) -> Network:
    """The network of a dataset.

    Raises
    ------
    ValueError
        The activation was a Python callable, which no file can hold.
    """
    name = attributes["activation"]
    if attributes.get("activation_is_callable"):
        raise ValueError(
            f"the activation {name} of this file was a Python callable, which no file can hold; "
            "read the numbers with xarray.open_dataset"
        )
    return Network(
        json.loads(attributes["widths"]),
        name,
        json.loads(attributes["C_W"]),
        json.loads(attributes["C_b"]),
    )


def check_writable(path: str | Path) -> Path:
    """The path, once it is known that a file can be written there: to be asked before long work.

    Raises
    ------
    ValueError, TypeError
        The folder does not exist or cannot be written to, or the path is itself a folder.
    """
    target = _path(path)
    folder = target.parent
    if target.is_dir():
        raise ValueError(f"cannot write {target}: it is a folder; give a file's name")
    if target.exists() and not target.is_file():
        raise ValueError(f"cannot write {target}: it is no regular file; give another name")
    if not folder.is_dir():
        raise ValueError(f"cannot write {target}: there is no folder {folder}; make it first")
    check_folder_writable(folder)
    return target


def _path(path: str | Path) -> Path:
    try:
        return Path(path)
    except TypeError:
        raise TypeError(f"the path must be a string or a pathlib.Path, got {path!r}") from None


def check_folder_writable(folder: Path) -> None:
    """Make and remove a file there: permissions alone do not tell, least of all to root.

    Raises
    ------
    ValueError
        Nothing can be written into the folder.
    """
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"cannot write into the folder {folder}: {error.strerror}") from error


def save(dataset: "xr.Dataset", path: str | Path) -> None:
    """Write a dataset as netCDF (HDF5), to a temporary name beside the target, then rename.

    Raises
    ------
    ValueError, TypeError
        The path cannot be written to. Nothing half-written is left behind.

    Warns
    -----
    RuntimeWarning
        The activation is a Python callable: `nneft.load` will not read the file back.
    """
    if dataset.attrs.get("activation_is_callable"):
        warnings.warn(
            f"the activation {dataset.attrs['activation']} is a Python callable, which no file can "
            "hold: the numbers are saved, but nneft.load will refuse the file; read it with "
            "xarray.open_dataset, or give the activation as an expression",
            RuntimeWarning,
            stacklevel=3,
        )
    with temporary_beside(path) as name, locked_here():
        dataset.to_netcdf(name, engine="h5netcdf")


@contextmanager
def locked_here() -> Iterator[None]:
    """Let xarray guard files with locks of this process alone.

    Where a Dask client happens to be open it asks its scheduler for locks, which may be gone, and
    does not know of files in memory.
    """
    dask = sys.modules.get("dask")
    with nullcontext() if dask is None else dask.config.set(scheduler="threads"):
        yield


@contextmanager
def temporary_beside(path: str | Path) -> Iterator[str]:
    """A temporary name beside the target, renamed to it when all is written, else removed.

    Raises
    ------
    ValueError
        The path cannot be written to.
    """
    target = check_writable(path)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    os.close(handle)
    try:
        yield name
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp makes files that only their owner can read
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def open_dataset(path: str | Path) -> "xr.Dataset":
    """Read a dataset into memory and close its file.

    Raises
    ------
    ValueError, TypeError
        There is no such file, or it is not one of this package's.
    """
    import xarray as xr

    source = _path(path)
    if source.is_dir():
        raise ValueError(f"cannot read {path}: it is a folder; give a netCDF file that save wrote")
    if not source.is_file():
        raise ValueError(f"cannot read {path}: there is no such file")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as stored:
            dataset = stored.load()
    except (OSError, ValueError) as error:
        raise ValueError(
            f"cannot read {path}: it is no netCDF file, which is what save writes, or it is damaged"
        ) from error
    if "nneft_version" not in dataset.attrs:
        raise ValueError(f"{path} was not written by nneft: it lacks the attribute nneft_version")
    return dataset
