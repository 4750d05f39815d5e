"""What is shown of an ensemble: a table over layers, or JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from nneft._version import __version__

if TYPE_CHECKING:
    from nneft.ensemble import Ensemble

#: Most numbers of V_4 that are printed as JSON.
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
        print_by_layer(where, layers, _columns(found))
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


def _described(found: Ensemble) -> dict[str, Any]:
    return {
        "nneft": __version__,
        "command": "sample",
        "activation": found.activation,
        "widths": list(found.widths),
        "C_W": list(found.C_W),
        "C_b": list(found.C_b),
        "networks": found.networks,
    }


def _numbers(found: Ensemble) -> dict[str, Any]:
    """Kernel and V_4, dense, with their errors; null where there is none or it is too large."""
    empty = dict.fromkeys(("kernel", "error_kernel", "V_4", "error_V_4"))
    if found.networks < 2:
        return empty
    kernel = found.kernel
    numbers = empty | {"kernel": kernel.mean.tolist(), "error_kernel": kernel.error.tolist()}
    if found.points >= 4 and kernel.mean.size * len(found.first_kernel) ** 2 <= MOST_NUMBERS:
        v4 = found.V(4)
        numbers |= {"V_4": v4.mean.tolist(), "error_V_4": v4.error.tolist()}
    return numbers


def show_json(report: dict[str, Any]) -> None:
    """Print one JSON object of the command ``sample``."""
    click.echo(json.dumps({"nneft": __version__, "command": "sample", **report}, allow_nan=False))
