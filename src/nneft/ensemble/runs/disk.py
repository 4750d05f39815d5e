"""Files that are there whole or not at all, also after a crash of the machine."""

import contextlib
import os
import threading
import time
from pathlib import Path

#: What a file is called while it is written.
TEMPORARY = ".tmp"
#: Seconds after which a temporary file has no owner any more.
FORGOTTEN = 3600.0


def write(path: Path, content: bytes) -> None:
    """Write under a temporary name, sync, rename: the name appears with all of its content.

    Two writers of the same name do no harm: the later whole file replaces the earlier one.

    Raises
    ------
    OSError
        Nothing was written; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{TEMPORARY}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_first(path: Path, content: bytes) -> None:
    """As :func:`write`, but where the name is taken already, that file stays."""
    temporary = path.with_name(
        f".{path.name}.{os.getpid()}.{threading.get_ident()}.first{TEMPORARY}"
    )
    write(temporary, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names in a folder last; where folders cannot be synced (Windows), nothing happens."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed process left here long ago."""
    for path in folder.glob(f".*{TEMPORARY}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > FORGOTTEN:
                path.unlink()
