"""``nneft flow``: kernels and four-point vertices of one network, layer by layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nneft._version import __version__
from nneft.cli import options

if TYPE_CHECKING:
    from nneft.cli.components import Component
    from nneft.cli.settings import FlowSettings
    from nneft.rg.flow import Flow

EPILOG = """Inputs are numbered from 0, layers from 1. A settings file holds the same keys:
activation = "tanh", widths = [2, 300, 300] or "2,300*2", C_W = 1, C_b = 0,
inputs = [[1, 1], [-1.4, 2]] or a file beside it, order = 1. Options go before the file."""


@click.command(epilog=EPILOG)
@click.argument("settings", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--activation", help="A name such as tanh, or an expression: 'x*sigmoid(1.702*x)'.")
@click.option("--widths", help="n_0,n_1,..,n_L, such as 2,300,300 or 2,300*30.")
@click.option("--C-W", "C_W", help="Variance of the weights times n_{l-1}: a number or 1,1.8,2.1.")
@click.option("--C-b", "C_b", help="Variance of the biases: a number or one for each layer. [0]")
@click.option("--inputs", help="Rows '1,1;-1.4,2', or a .npy or .csv file, one row an input.")
@click.option("--kernel", help="The first layer's kernel instead of inputs: rows or a file.")
@click.option("--order", type=int, help="Order in 1/n: 0 for K_0 alone, 1 for K_1 and V_4 too. [1]")
@click.option("--layers", "rows", help="Layers to show: all, or 1-5,10,30.")
@click.option("--at", multiple=True, help="Components to show: 0,1 or 0,1;2,3. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--out", type=click.Path(path_type=Path), help="Save everything as netCDF.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw to a .png, .pdf or .svg file.")
def flow(
    settings: Path | None,
    rows: str | None,
    at: tuple[str, ...],
    as_json: bool,
    out: Path | None,
    plot: Path | None,
    **given: Any,
) -> None:
    """Kernels and four-point vertices of a network, layer by layer.

    The network comes from options, from a TOML file SETTINGS, or from both: an option replaces
    the file's key of its name.
    """
    from nneft.cli.components import components_at, places
    from nneft.cli.settings import read_settings

    made = read_settings(settings, given)
    network = made.network()
    layers = options.layers(rows, network.depth)
    kernel = network.first_kernel(made.inputs, made.kernel)
    shown = places(at, len(kernel), made.order)
    _check_files(out, plot)

    from nneft.rg.driver import flow as compute

    result = compute(network, made.inputs, kernel=made.kernel, order=made.order)
    components = components_at(result, shown)
    if out:
        result.save(out)
    if plot:
        from nneft.cli.plots import draw

        draw(plot, _title(result, made), components)
    files = [str(path) for path in (out, plot) if path]
    if as_json:
        _print_json(result, made, layers, components if at else None, files)
    else:
        _print_tables(result, made, layers, components, files)


def _check_files(out: Path | None, plot: Path | None) -> None:
    from nneft.cli.plots import check_format
    from nneft.storage import check_writable

    if plot:
        check_format(plot)
    for path in (out, plot):
        if path:
            check_writable(path)
    if out and out == plot:
        raise ValueError(f"--out and --plot must name different files, got {out} for both")
    if out and out.exists() and out.suffix != ".nc":
        raise ValueError(f"--out replaces netCDF files (.nc) only, and {out} exists")


def _title(result: Flow, made: FlowSettings) -> str:
    count = result.K(0).shape[-1]
    constants = ", ".join(f"{key} {_brief(getattr(made, key))}" for key in ("C_W", "C_b"))
    inputs = f"{count} input{'s' * (count > 1)}"
    return f"{made.activation}, widths {_run_lengths(made.widths)}, {constants}, {inputs}"


def _brief(value: float | list[float]) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(f"{v:g}" for v in value) if len(value) <= 4 else "by layer"


def _run_lengths(widths: list[int]) -> str:
    """``2,300*30``: what --widths reads."""
    runs: list[list[int]] = []
    for width in widths:
        if runs and runs[-1][0] == width:
            runs[-1][1] += 1
        else:
            runs.append([width, 1])
    return ",".join(f"{width}*{times}" if times > 1 else f"{width}" for width, times in runs)


def _print_tables(
    result: Flow,
    made: FlowSettings,
    layers: list[int],
    components: list[Component],
    files: list[str],
) -> None:
    from nneft.cli.tables import console, print_by_layer

    columns = {c.name: [f"{c.values[layer - 1]:.7g}" for layer in layers] for c in components}
    columns["error"] = [f"{result.error[layer - 1]:.0e}" for layer in layers]
    where = console()
    where.print(_title(result, made), markup=False)
    where.print()
    print_by_layer(where, layers, columns)
    count, depth = result.K(0).shape[-1], result.network.depth
    notes = ["error: bound on the relative numerical error"]
    if len(layers) < depth:
        notes.append(f"{len(layers)} of {depth} layers: --layers all shows every one")
    if count > 2:
        notes.append(f"inputs 0 to {count - 1}: --at 0,2 or --at '0,2;1,1' shows others")
    notes += [f"wrote {file}" for file in files]
    for note in notes:
        where.print(note, markup=False, soft_wrap=True)


def _print_json(
    result: Flow,
    made: FlowSettings,
    layers: list[int],
    components: list[Component] | None,
    files: list[str],
) -> None:
    """One JSON object: dense arrays, or with --at the components asked for, by name."""
    shown = [layer - 1 for layer in layers]
    if components is None:
        held = {f"K_{p}": result.K(p) for p in range(result.order + 1)}
        if result.order >= 1:
            held["V_4"] = result.V(4)
    else:
        held = {c.name: c.values for c in components}
    network = result.network
    report = {
        "nneft": __version__,
        "command": "flow",
        "activation": made.activation,
        "widths": list(network.widths),
        "C_W": network.C_W.tolist(),
        "C_b": network.C_b.tolist(),
        "inputs": None if made.inputs is None else made.inputs.tolist(),
        "order": result.order,
        "layers": layers,
        **{key: values[shown].tolist() for key, values in held.items()},
        "error": result.error[shown].tolist(),
        "files": files,
    }
    click.echo(json.dumps(report, allow_nan=False))
