"""``nneft flow``: kernels and correlators of one network, layer by layer."""

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
    from nneft.network import Network
    from nneft.rg.flow import Flow

EPILOG = """Inputs are numbered from 0, layers from 1. A settings file holds the same keys:
activation = "tanh", widths = [2, 300, 300] or "2,300*2", C_W = 1, C_b = 0,
inputs = [[1, 1], [-1.4, 2]] or a file beside it, order = 1, method = "series".

K_p is the coefficient of 1/n^p in the mean kernel, V_2k of 1/n^(k-1) in the joint cumulants of k
entries of the kernel, V_2k_q of 1/n^(k-1+q); n is the width of the layer below."""

#: Most numbers in JSON, beyond order 1, unless components are chosen: some 20 MB.
MOST_NUMBERS = 1_000_000
#: Most bytes of dense arrays and their errors in a file, and the highest order of V_2k with 2k + 1
#: axes at most 32, which is HDF5's limit.
MOST_SAVED_BYTES, MOST_SAVED_ORDER = 4 * 2**30, 14

ORDER = """Order P in 1/width: 0 gives K_0; 1 gives K_1 and V_4 too; P gives K_0 to K_P, and V_4 to
V_2(P+1) with their corrections V_4_1 .. to the same order. [1]"""
AT = """Components to show, at all orders held: 0,1 of the kernel, 0,1;2,3 of V_4, 0,1;0,1;1,1 or
(0,1)*3 of V_6. Repeatable."""
METHOD = """How a step is evaluated: as power series or as Feynman diagrams. Both give the same
numbers; by default the faster one."""

MOST_SECONDS = "Refuse what would take longer by estimate; inf for no limit. [600]"


@click.command(epilog=EPILOG)
@click.argument("settings", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--activation", help="A name such as tanh, or an expression: 'x*sigmoid(1.702*x)'.")
@click.option("--widths", help="n_0,n_1,..,n_L, such as 2,300,300 or 2,300*30.")
@click.option("--C-W", "C_W", help="Variance of the weights times n_{l-1}: a number or 1,1.8,2.1.")
@click.option("--C-b", "C_b", help="Variance of the biases: a number or one for each layer. [0]")
@click.option("--inputs", help="Rows '1,1;-1.4,2', or a .npy or .csv file, one row an input.")
@click.option("--kernel", help="The first layer's kernel instead of inputs: rows or a file.")
@click.option("--order", type=int, help=ORDER)
@click.option("--method", type=click.Choice(["series", "diagrams"]), help=METHOD)
@click.option("--most-seconds", type=float, help=MOST_SECONDS)
@click.option("--layers", "rows", help="Layers to show: all, or 1-5,10,30.")
@click.option("--at", multiple=True, help=AT)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option("--out", type=click.Path(path_type=Path), help="Save everything as netCDF.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw to a .png, .pdf or .svg file.")
def flow(
    settings: Path | None,
    most_seconds: float | None,
    rows: str | None,
    at: tuple[str, ...],
    as_json: bool,
    out: Path | None,
    plot: Path | None,
    **given: Any,
) -> None:
    """Kernels and correlators of a network, layer by layer.

    With --order 2 and more also V_6, V_8, .., all to that order in 1/width.

    The network comes from options, from a TOML file SETTINGS, or from both: an option replaces
    the file's key of its name.
    """
    from nneft.cli.components import every_order, first, places, read
    from nneft.cli.settings import read_settings

    made = read_settings(settings, given)
    network = made.network()
    layers = options.layers(rows, network.depth)
    count = len(network.first_kernel(made.inputs, made.kernel))
    asked = places(at, count, made.order)
    if as_json and not asked:
        _check_printed(count, made.order, len(layers))
    if out:
        _check_saved(count, made.order, network.depth)
    _check_files(out, plot)

    result = _computed(network, made, count, most_seconds)
    shown = every_order(asked, made.order) if asked else first(count, made.order)
    components = read(result, shown)
    if out:
        result.save(out)
    if plot:
        from nneft.cli.plots import draw

        draw(plot, _title(result, made), components)
    files = [str(path) for path in (out, plot) if path]
    if as_json:
        _print_json(result, made, layers, components if at else None, files)
    else:
        _print_tables(result, made, layers, components, files, all_asked=bool(at))


def _computed(network: Network, made: FlowSettings, count: int, most_seconds: float | None) -> Flow:
    from nneft.cli.progress import elapsed
    from nneft.rg.cost import MOST_SECONDS as DEFAULT
    from nneft.rg.driver import flow as compute

    label = f"order {made.order}, {_counted(count, 'input')}, {_counted(network.depth, 'layer')}"
    with elapsed(label):
        return compute(
            network,
            made.inputs,
            kernel=made.kernel,
            order=made.order,
            method=made.method,
            most_seconds=DEFAULT if most_seconds is None else most_seconds,
        )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count > 1)}"


def _check_printed(count: int, order: int, layers: int) -> None:
    """Refuse, beyond order 1, dense arrays that nobody can read; before they are computed."""
    if order > 1 and _numbers(count, order, layers) > MOST_NUMBERS:
        raise ValueError(
            f"--json: everything held of {_counted(count, 'input')} at --order {order} in "
            f"{_counted(layers, 'layer')} is more than {MOST_NUMBERS:,} numbers; choose components "
            "with --at or fewer --layers, or use --out without --json"
        )


def _check_saved(count: int, order: int, depth: int) -> None:
    """Refuse a file that cannot be written; before what it is to hold is computed."""
    if order > MOST_SAVED_ORDER:
        raise ValueError(
            f"--out: arrays in netCDF files have at most 32 axes, enough for --order "
            f"{MOST_SAVED_ORDER}, got --order {order}; use --json"
        )
    needed = 16 * _numbers(count, order, depth)
    if order > 1 and needed > MOST_SAVED_BYTES:
        raise ValueError(
            f"--out: everything held of {_counted(count, 'input')} at --order {order} in "
            f"{_counted(depth, 'layer')} takes {needed:.3g} bytes, more than "
            f"{MOST_SAVED_BYTES:.3g}; use --json with --at"
        )


def _numbers(count: int, order: int, layers: int) -> int:
    """How many numbers all dense arrays have, or enough of them to be too many."""
    found = layers * (order + 1) * count**2
    for k in range(2, order + 2):
        if found > MOST_SAVED_BYTES:
            break
        found += layers * (order + 2 - k) * count ** (2 * k)
    return found


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
    constants = ", ".join(f"{key} = {_brief(getattr(made, key))}" for key in ("C_W", "C_b"))
    inputs = _counted(result.K(0).shape[-1], "input")
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
    *,
    all_asked: bool,
) -> None:
    from nneft.cli.tables import console, print_by_layer

    where = console()
    where.print(_title(result, made), markup=False)
    where.print()
    print_by_layer(where, layers, *_families(result, layers, components))
    for note in [*_notes(result, layers, components, all_asked), *(f"wrote {f}" for f in files)]:
        where.print(note, markup=False, soft_wrap=True)


def _families(
    result: Flow, layers: list[int], components: list[Component]
) -> list[dict[str, list[str]]]:
    """Columns that belong together: everything at orders 0 and 1, beyond them by correlator."""
    alone = result.K(0).shape[-1] == 1
    families: dict[object, dict[str, list[str]]] = {}
    for c in components:
        head = c.quantity if alone else c.brief
        key = (len(c.place) if alone else c.quantity) if result.order > 1 else None
        cells = [f"{c.values[layer - 1]:.7g}" for layer in layers]
        families.setdefault(key, {})[head] = cells
    error = {"error": [f"{result.error[layer - 1]:.0e}" for layer in layers]}
    found = list(families.values())
    return [*found, error] if result.order > 1 else [found[0] | error]


def _notes(
    result: Flow, layers: list[int], components: list[Component], all_asked: bool
) -> list[str]:
    from nneft.rg.holding import names

    count, depth = result.K(0).shape[-1], result.network.depth
    notes = ["error: bound on the relative numerical error"]
    if result.order > 1:
        notes.append(
            "K_p multiplies 1/n^p in the mean kernel; V_4_1 is the 1/n correction to V_4, and so on"
        )
    if len(layers) < depth:
        notes.append(f"{len(layers)} of {depth} layers: --layers all shows every one")
    if count > 2:
        notes.append(f"inputs 0 to {count - 1}: --at 0,2 or --at '0,2;1,1' shows others")
    seen = {c.quantity for c in components}
    hidden = [(name, k) for name, k, _ in names(result.order) if name not in seen]
    if hidden and not all_asked:
        some, k = hidden[0]
        more = f" and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        pairs = ";".join(["0,0"] * k)
        notes.append(f"held too: {some}{more}; --at '{pairs}' shows V_{2 * k} at all orders")
    return notes


def _print_json(
    result: Flow,
    made: FlowSettings,
    layers: list[int],
    components: list[Component] | None,
    files: list[str],
) -> None:
    """One JSON object: dense arrays, or with --at the components asked for, by name."""
    from nneft.rg.holding import names

    shown = [layer - 1 for layer in layers]
    if components is None:
        held = {
            name: result.K(order) if k == 1 else result.V(2 * k, order)
            for name, k, order in names(result.order)
        }
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
        "method": made.method,
        "layers": layers,
        **{key: values[shown].tolist() for key, values in held.items()},
        "error": result.error[shown].tolist(),
        "files": files,
    }
    click.echo(json.dumps(report, allow_nan=False))
