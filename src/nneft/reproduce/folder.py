"""A folder of results: written under temporary names, then renamed, all or nothing."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nneft.storage import check_folder_writable


def check_folder(out: str | Path) -> Path:
    """The folder, once it is known that it can be written to, or made: asked before long work.

    Raises
    ------
    ValueError
        It is a file, its parent does not exist, or nothing can be written there.
    """
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"cannot write into {folder}: it is a file; give a folder's name")
    parent = folder if folder.exists() else folder.absolute().parent
    if not parent.is_dir():
        raise ValueError(f"cannot make {folder}: there is no folder {parent}; make it first")
    check_folder_writable(parent)
    return folder


@contextmanager
def filling(folder: Path) -> Iterator[Path]:
    """An empty folder to write to, whose files take their place in `folder` at the end.

    Left by an exception, an interruption included, it leaves nothing behind and `folder` as it
    was.
    """
    exists = folder.is_dir()
    beside = folder if exists else folder.absolute().parent
    room = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=beside))
    try:
        mask = os.umask(0)
        os.umask(mask)
        room.chmod(0o777 & ~mask)  # mkdtemp makes folders that only their owner can read
        yield room
        if exists:
            _move(room, folder)
        else:
            os.rename(room, folder)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _move(room: Path, folder: Path) -> None:
    files = [path for path in sorted(room.rglob("*")) if path.is_file()]
    for path in files:
        target = folder / path.relative_to(room)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
