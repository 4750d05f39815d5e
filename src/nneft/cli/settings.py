"""What one flow is made of, from options and from a TOML file, checked by key."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError

from nneft.cli import options

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from nneft.network import Network

#: Keys of which a call uses one: an option for one of them replaces a file's other.
ALTERNATIVES = ("inputs", "kernel")


class FlowSettings(BaseModel):
    """A network, what goes into it, order and method: all that `nneft.flow` is called with."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    activation: str
    widths: Annotated[list[int], BeforeValidator(options.widths)]
    C_W: Annotated[float | list[float], PlainValidator(options.per_layer)]
    C_b: Annotated[float | list[float], PlainValidator(options.per_layer)] = 0.0
    inputs: Annotated[Any, PlainValidator(options.table)] = None
    kernel: Annotated[Any, PlainValidator(options.table)] = None
    order: int = 1
    method: Literal["series", "diagrams"] | None = None

    def network(self) -> Network:
        """The network; what is wrong with its numbers is said there."""
        from nneft.network import Network

        return Network(self.widths, self.activation, self.C_W, self.C_b)


def read_settings(path: Path | None, given: Mapping[str, Any]) -> FlowSettings:
    """Settings of a TOML file, each replaced by the option of its name where one was given.

    Parameters
    ----------
    path
        The file, or None. Files that it names (``inputs = "x.npy"``) are looked for beside it.
    given
        Values by key; None where the option was not given.

    Raises
    ------
    ValueError
        A file that cannot be read, an unknown or missing key, a value of the wrong kind: one
        line that names the file or option and the key.
    """
    chosen = {key: value for key, value in given.items() if value is not None}
    stored = _read(path) if path else {}
    if any(key in chosen for key in ALTERNATIVES):
        stored = {key: value for key, value in stored.items() if key not in ALTERNATIVES}
    try:
        settings = FlowSettings.model_validate(stored | chosen)
    except ValidationError as error:
        lines = [_line(detail, path, set(chosen)) for detail in error.errors()]
        raise ValueError("; ".join(dict.fromkeys(lines))) from None
    if (settings.inputs is None) == (settings.kernel is None):
        came = "neither" if settings.inputs is None else "both"
        raise ValueError(f"give either --inputs or --kernel (the first layer's), got {came}")
    return settings


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueError(f"cannot read the settings of {path}: {reason}") from None
    for key in ALTERNATIVES:
        value = stored.get(key)
        if isinstance(value, str) and value.lower().endswith(options.FILES):
            stored[key] = str(path.parent / value)
    return stored


def _line(detail: ErrorDetails, path: Path | None, chosen: set[str]) -> str:
    """One error as ``--C-W: ..`` or ``settings.toml: C_W: ..``."""
    key, *place = (str(part) for part in detail["loc"])
    option = f"--{key.replace('_', '-')}"
    if detail["type"] == "missing":
        return f"{option} is missing"
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, FlowSettings.model_fields, n=1)
        known = ", ".join(FlowSettings.model_fields)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {known}"
        return f"{path}: unknown key {key}; {hint}"
    where = option if key in chosen else f"{path}: {key}"
    said = detail.get("ctx", {}).get("error")
    if said is not None:
        return f"{where}: {said}"
    entry = f" (entry {int(place[0]) + 1})" if place and place[0].isdigit() else ""
    wanted = detail["msg"].removeprefix("Input should be ")
    return f"{where}: wanted {wanted}{entry}, got {detail['input']!r}"
