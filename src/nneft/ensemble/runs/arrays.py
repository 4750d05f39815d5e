"""Dataclasses as flat dictionaries of arrays, and back, guided by their type hints.

What an accumulator holds is its own affair: whatever fields it has, of numbers, text, arrays,
other dataclasses, tuples or dictionaries of them, or None, go through unchanged to the last bit.
"""

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


def flatten(value: Any, name: str) -> Arrays:
    """``{"name.field": array, ..}``; None leaves nothing.

    Raises
    ------
    TypeError
        for something that is no array without Python objects in it.
    """
    if value is None:
        return {}
    if is_dataclass(value):
        parts = {f"{name}.{f.name}": getattr(value, f.name) for f in fields(value)}
        return _all(parts)
    if isinstance(value, Mapping):
        keys: Arrays = {f"{name}.keys": np.asarray(list(value))}
        return keys | _all({f"{name}.{i}": held for i, held in enumerate(value.values())})
    if isinstance(value, tuple):
        length: Arrays = {f"{name}.length": np.asarray(len(value))}
        return length | _all({f"{name}.{i}": held for i, held in enumerate(value)})
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(f"numbers, text or arrays of them can be kept, got {value!r} for {name}")
    return {name: array}


def _all(parts: Mapping[str, Any]) -> Arrays:
    flat: Arrays = {}
    for name, held in parts.items():
        flat |= flatten(held, name)
    return flat


def restore(hint: Any, name: str, flat: Mapping[str, NDArray[Any]]) -> Any:
    """What :func:`flatten` took apart, of the type that the hint says.

    Raises
    ------
    KeyError
        for a name that is not there.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if not any(key == name or key.startswith(f"{name}.") for key in flat):
            return None
        (hint,) = (choice for choice in inner if choice is not types.NoneType)
        return restore(hint, name, flat)
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        parts = {f.name: restore(hints[f.name], f"{name}.{f.name}", flat) for f in fields(hint)}
        return hint(**parts)
    if origin is tuple:
        length = int(flat[f"{name}.length"])
        kinds = inner[:1] * length if inner[1:] == (...,) else inner
        return tuple(restore(kind, f"{name}.{i}", flat) for i, kind in enumerate(kinds))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        keys = flat[f"{name}.keys"].tolist()
        return {key: restore(inner[1], f"{name}.{i}", flat) for i, key in enumerate(keys)}
    if hint in (bool, int, float, str):
        return hint(flat[name].item())
    return flat[name]
