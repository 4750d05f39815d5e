"""What users type for widths, numbers by layer, tables of numbers, layers and components."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILES = (".npy", ".csv")
_REPEATED = re.compile(r"(\d+)\*(\d+)")
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")

#: More layers than anybody means: a slip of the keyboard should not fill the memory.
MOST_LAYERS = 1_000_000


def widths(value: Any) -> Any:
    """``"2,300*3"`` to ``[2, 300, 300, 300]``; anything but a string as it is.

    Raises
    ------
    ValueError
        An entry that is neither an integer nor ``width*times``.
    """
    if not isinstance(value, str):
        return value
    found: list[int] = []
    for entry in value.replace(" ", "").split(","):
        repeated = _REPEATED.fullmatch(entry)
        if repeated:
            width, times = int(repeated[1]), int(repeated[2])
            if times > MOST_LAYERS:
                raise ValueError(f"{entry} repeats a width more than {MOST_LAYERS} times")
            found += [width] * times
        elif re.fullmatch(r"[+-]?\d+", entry):
            found.append(int(entry))
        else:
            raise ValueError(
                f"wanted integers separated by commas, such as 2,300,300 or 2,300*30, got {value!r}"
            )
    return found


def per_layer(value: Any) -> float | list[float]:
    """``"1"`` or ``1`` to ``1.0``; ``"1,1.8,2.1"`` or a list to one number for each layer.

    Raises
    ------
    ValueError
        Something that is not a number.
    """
    if isinstance(value, str):
        numbers = _numbers(value)
        return numbers if len(numbers) > 1 else numbers[0]
    if isinstance(value, list | tuple) and value and all(_is_number(v) for v in value):
        return [float(v) for v in value]
    if _is_number(value):
        return float(value)
    raise ValueError(f"wanted a number, or one for each layer, got {value!r}")


def table(value: Any) -> NDArray[np.float64]:
    """Rows of numbers: ``"1,1;-1.4,2"``, a ``.npy`` or ``.csv`` file's name, or nested lists.

    Raises
    ------
    ValueError
        Entries that are not numbers, rows of unequal lengths, a file that cannot be read.
    """
    import numpy as np

    if isinstance(value, str):
        if value.lower().endswith(FILES):
            return _table_of(Path(value))
        rows = [_numbers(row) for row in value.strip().rstrip(";").split(";")]
    elif isinstance(value, list | tuple) and value:
        rows = [list(row) if isinstance(row, list | tuple) else [row] for row in value]
        for entry in (entry for row in rows for entry in row):
            if not _is_number(entry):
                raise ValueError(f"wanted rows of numbers, got {entry!r} among them")
    else:
        raise ValueError(f"wanted rows of numbers such as 1,1;-1.4,2 or a file, got {value!r}")
    if len({len(row) for row in rows}) != 1:
        lengths = ", ".join(str(len(row)) for row in rows)
        raise ValueError(f"wanted rows of one length, got rows of {lengths} numbers")
    return np.array(rows, dtype=np.float64)


def layers(text: str | None, depth: int) -> list[int]:
    """Layers to show, from 1 to `depth`: ``"all"``, ``"1-5,10"``, or a sensible few for None.

    Raises
    ------
    ValueError
        Not such a list, or a layer that the network does not have.
    """
    if text is None:
        return _few_layers(depth)
    if text == "all":
        return list(range(1, depth + 1))
    chosen: set[int] = set()
    for entry in text.replace(" ", "").split(","):
        match = _RANGE.fullmatch(entry)
        if match is None:
            raise ValueError(f"--layers: wanted all, or layers such as 1-5,10,30, got {text!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= depth:
            raise ValueError(f"--layers: {entry} is not among the layers 1 to {depth}")
        chosen.update(range(first, last + 1))
    return sorted(chosen)


def _few_layers(depth: int) -> list[int]:
    if depth <= 12:
        return list(range(1, depth + 1))
    decades = [digit * 10**power for power in range(len(str(depth))) for digit in (1, 2, 3, 5)]
    return sorted({layer for layer in decades if layer <= depth} | {depth})


def _numbers(text: str) -> list[float]:
    try:
        return [float(entry) for entry in text.split(",")]
    except ValueError:
        raise ValueError(f"wanted numbers separated by commas, got {text.strip()!r}") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _table_of(path: Path) -> NDArray[np.float64]:
    import numpy as np

    if not path.is_file():
        raise ValueError(f"cannot read {path}: there is no such file")
    try:
        with warnings.catch_warnings(action="ignore"):  # an empty file is refused below
            array = _load(path)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    if array.dtype.kind not in "fiu":
        raise ValueError(f"cannot use {path}: wanted real numbers, got {array.dtype}")
    if array.size == 0:
        raise ValueError(f"cannot use {path}: it holds no numbers")
    return np.atleast_2d(np.asarray(array, dtype=np.float64))


def _load(path: Path) -> NDArray[Any]:
    import numpy as np

    if path.suffix.lower() == ".csv":
        return np.loadtxt(path, delimiter=",", ndmin=2, dtype=np.float64)
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array
