"""What is shown of an ensemble: a table over layers, or JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import click

from nneft._version import __version__

if TYPE_CHECKING:
    from nneft.ensemble import Ensemble
    from nneft.ensemble.accuracy import Accuracy, Reading

#: Most numbers of one correlator that are printed as JSON.
MOST_NUMBERS = 100_000


def show(found: Ensemble, as_json: bool, about: dict[str, Any]) -> None:
    """Print the estimates, and in JSON what is known about them."""
    if as_json:
        show_json({**_described(found), **about, **_numbers(found)})
        return
    from nneft.cli.tables import console, print_by_layer

    where = console()
    inputs = len(found.first_kernel)
    title = f"{found.activation}, {found.networks:,} networks, {inputs} input{'s' * (inputs > 1)}"
    where.print(title, markup=False)
    where.print()
    if found.networks > 1:
        layers = list(range(1, len(found.widths)))
        print_by_layer(where, layers, _columns(found), _gains(found))
    if about.get("until"):
        click.echo(reached(about["until"]), err=not about["until"]["reached"])
    if about.get("result"):
        where.print(f"wrote {about['result']}", markup=False, soft_wrap=True)


def _columns(found: Ensemble) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    last = len(found.first_kernel) - 1
    for a, b in dict.fromkeys([(0, 0), (0, last)]):
        kernel = found.kernel[:, a, b]
        columns[f"<G>[{a},{b}]"] = [str(kernel[layer]) for layer in range(len(kernel.mean))]
    for points in range(4, found.points + 1, 2):
        v = found.V(points, at=(0,) * points)
        zeros = ",".join("0" * points)
        columns[f"V_{points}[{zeros}]"] = [str(v[layer]) for layer in range(len(v.mean))]
    return columns


def _gains(found: Ensemble) -> dict[str, list[str]]:
    """How many times fewer networks the reduced estimates need."""
    if found.reduction is None:
        return {}
    columns: dict[str, list[str]] = {}
    gain, last = found.gain, len(found.first_kernel) - 1
    for at in dict.fromkeys([(0, 0), (0, last)]):
        columns[f"gain <G>[{at[0]},{at[1]}]"] = [_times(g) for g in gain["kernel"][:, *at]]
    if "V_4" in gain:
        columns["gain V_4[0,0,0,0]"] = [_times(g) for g in gain["V_4"][:, 0, 0, 0, 0]]
    return columns


def _times(gain: float) -> str:
    return "exact" if math.isinf(gain) else f"{gain:.3g}"


def wanted(until: Accuracy | None, enough: bool | None, readings: list[Reading] | None) -> Any:
    """What was asked for and what it came to, ready for JSON; None where nothing was."""
    if until is None:
        return None
    return {
        "wanted": str(until),
        "reached": enough,
        "readings": [
            {
                "quantity": reading.target.name,
                "at": list(reading.at),
                "layer": reading.layer,
                "mean": reading.mean,
                "error": reading.error,
                "bound": reading.target.bound,
                "relative": reading.target.relative,
                "met": reading.distance < 1.0,
                "text": str(reading),
            }
            for reading in readings or []
        ],
    }


def reached(until: dict[str, Any]) -> str:
    """In words, what :func:`wanted` holds."""
    if until["reached"]:
        return f"{until['wanted']} is reached"
    missed = [reading["text"] for reading in until["readings"] if not reading["met"]]
    some = "; ".join(missed[:4]) + "; .." * (len(missed) > 4) or "too few networks to tell"
    return f"nneft: {until['wanted']} is not reached with all networks there may be: {some}"


def _described(found: Ensemble) -> dict[str, Any]:
    return {
        "nneft": __version__,
        "command": "sample",
        "activation": found.activation,
        "widths": list(found.widths),
        "C_W": list(found.C_W),
        "C_b": list(found.C_b),
        "networks": found.networks,
        "points": found.points,
        "seeds": sorted({source.seed for source in found.sources}),
        "method": found.sources[0].method,
        "dtype": found.sources[0].dtype,
        "reduced": found.reduction is not None,
    }


def _numbers(found: Ensemble) -> dict[str, Any]:
    """Kernel and V_4 to V_8, dense, with their errors; null where they are none or too large.

    Gains of a reduced ensemble, null where no error is left.
    """
    held = ["kernel", *(f"V_{points}" for points in range(4, max(found.points, 4) + 1, 2))]
    empty: dict[str, Any] = dict.fromkeys([*held, *(f"error_{name}" for name in held)])
    empty |= dict.fromkeys(["gain_kernel", "gain_V_4"])
    if found.networks < 2:
        return empty
    kernel = found.kernel
    numbers = empty | {"kernel": kernel.mean.tolist(), "error_kernel": kernel.error.tolist()}
    gain = None if found.reduction is None else found.gain
    if gain is not None:
        numbers["gain_kernel"] = _finite(gain["kernel"].tolist())
    if gain is not None and "V_4" in gain and _printable(found, 4):
        numbers["gain_V_4"] = _finite(gain["V_4"].tolist())
    for points in range(4, found.points + 1, 2):
        # k-statistics of k pairs need k + 1 networks.
        if _printable(found, points) and found.networks > points // 2:
            v = found.V(points)
            numbers |= {f"V_{points}": v.mean.tolist(), f"error_V_{points}": v.error.tolist()}
    return numbers


def _printable(found: Ensemble, points: int) -> bool:
    """Whether a dense correlator is not too long to print."""
    depth, inputs = len(found.widths) - 1, len(found.first_kernel)
    numbers: int = depth * inputs**points
    return numbers <= MOST_NUMBERS


def _finite(values: Any) -> Any:
    """Lists with null for infinity, which JSON does not know."""
    if isinstance(values, list):
        return [_finite(value) for value in values]
    return None if math.isinf(values) else values


def show_json(report: dict[str, Any]) -> None:
    """Print one JSON object of the command ``sample``."""
    click.echo(json.dumps({"nneft": __version__, "command": "sample", **report}, allow_nan=False))
