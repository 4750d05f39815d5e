"""``nneft phase``: the phase diagram of an activation, as words, figure and data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nneft._version import __version__
from nneft.cli.critical import PHASES, finite

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

EPILOG = """Ordered: close inputs merge; chaotic: they part; exploding: kernels grow without end;
vanishing: they fall to zero. The edge of chaos, where a layer keeps the distance of close inputs,
is a curve of its own, not read off the grid."""

AXIS = "%s as first:last:number, or values 0.5,1,2. By default what there is to see, 200 values."
JSON = "Print what was found and the edge as JSON, without the grid: that is for --data."


@click.command(epilog=EPILOG)
@click.argument("activation")
@click.option("--C-W", "C_W", help=AXIS % "Variances of weights times fan-in")
@click.option("--C-b", "C_b", help=AXIS % "Variances of biases")
@click.option(
    "--kernel", default=1.0, show_default=True, help="Where kernels start, as it may matter."
)
@click.option("--out", type=click.Path(path_type=Path), help="Draw to a .pdf, .svg or .png file.")
@click.option("--data", type=click.Path(path_type=Path), help="Save the whole grid as netCDF.")
@click.option("--json", "as_json", is_flag=True, help=JSON)
def phase(
    activation: str,
    C_W: str | None,
    C_b: str | None,
    kernel: float,
    out: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Phase diagram of an activation over C_W and C_b.

    ACTIVATION is a name such as tanh, or an expression: 'x*sigmoid(1.702*x)'.
    """
    from nneft.cli.progress import elapsed
    from nneft.criticality import phase_diagram

    w, b = _axes(activation, C_W, C_b)
    _check_files(out, data, (len(w), len(b)))
    with elapsed(f"{len(w)} x {len(b)} points"):
        found = phase_diagram(activation, w, b, kernel=kernel)
    if out:
        from nneft.figures.phase import save_phase_figure

        save_phase_figure(found, out)
    if data:
        from nneft.files import save_phase_diagram

        save_phase_diagram(found, data)
    files = [str(path) for path in (out, data) if path]
    if as_json:
        click.echo(json.dumps(finite(_report(found, files)), allow_nan=False))
        return
    for line in [*verdict(found), *(f"wrote {name}" for name in files)]:
        click.echo(line)


def verdict(data: xr.Dataset) -> list[str]:
    """What the diagram shows, in words."""
    attributes, name = data.attrs, data.attrs["activation"]
    if "critical_C_W" in attributes:
        w, b = attributes["critical_C_W"], attributes["critical_C_b"]
        where = f"at C_W = {w:.9g}, C_b = {b:.9g}{_kernel(attributes)}"
        if attributes["universality_class"] == "half-stable line":
            where = f"all along its edge of chaos, for one {where}"
        told = f"{name} is critical {where}."
    else:
        told = f"{name} has no critical point: {attributes['critical_reason']}."
    return [told, _edge(data), _box(data), *_shares(data), *_several(data)]


def _kernel(attributes: dict[str, Any]) -> str:
    if "critical_kernel" in attributes:
        return f", K* = {attributes['critical_kernel']:.9g}"
    return ", at any K*"


def _edge(data: xr.Dataset) -> str:
    """Where the edge of chaos runs within the box, and on which side of it is chaos."""
    x, y, chi = (data[f"edge_{n}"].values for n in ("C_W", "C_b", "chi_par"))
    inside = _inside(data)
    if not inside.any():
        return "No edge of chaos runs through this box."
    x, y, chi = x[inside], y[inside], chi[inside]
    if x.max() - x.min() + y.max() - y.min() == 0.0:
        return "Its edge of chaos is this point alone."
    said = (
        f"The edge of chaos runs from C_W = {x[0]:.4g}, C_b = {y[0]:.4g} "
        f"to C_W = {x[-1]:.4g}, C_b = {y[-1]:.4g}"
    )
    if (chi > 1.0 + 1e-9).all():
        return f"{said}, at fixed points that repel: no signal stays on it."
    if (chi > 1.0 + 1e-9).any():
        return f"{said}, on part of it at fixed points that repel."
    return f"{said}."


def _inside(data: xr.Dataset) -> NDArray[np.bool_]:
    """Which points of the edge lie in the box."""
    x, y = data.edge_C_W.values, data.edge_C_b.values
    w, b = data.C_W.values, data.C_b.values
    found: NDArray[np.bool_] = (x >= w[0]) & (x <= w[-1]) & (y >= b[0]) & (y <= b[-1])
    return found


def _box(data: xr.Dataset) -> str:
    w, b = data.C_W.values, data.C_b.values
    return (
        f"Of {len(w)} x {len(b)} points, C_W from {w[0]:g} to {w[-1]:g}, "
        f"C_b from {b[0]:g} to {b[-1]:g}:"
    )


def _counts(data: xr.Dataset) -> dict[str, int]:
    """Points of the grid in each phase."""
    meanings = str(data.phase.attrs["flag_meanings"]).split()
    return {name: int((data.phase.values == i).sum()) for i, name in enumerate(meanings)}


def _shares(data: xr.Dataset) -> list[str]:
    size = data.phase.size
    counts = {name: count for name, count in _counts(data).items() if count}
    return [
        f"  {name:<10} {_share(count, size):>8}   {PHASES[name]}" for name, count in counts.items()
    ]


def _share(count: int, size: int) -> str:
    """In per cent, or as points where there are very few."""
    if count < 0.001 * size:
        return f"{count} point{'s' * (count > 1)}"
    return f"{100.0 * count / size:.1f} %"


def _several(data: xr.Dataset) -> list[str]:
    count = int(((data.fixed_points.values > 1) & (data.C_b.values > 0.0)).sum())
    if not count:
        return []
    share, start = _share(count, data.phase.size), data.attrs["start_kernel"]
    return [
        f"In {share} there are several fixed points; shown is that which K = {start:g} tends to."
    ]


def _axes(
    activation: str, C_W: str | None, C_b: str | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from nneft.cli.ranges import axis, default_axes

    w = None if C_W is None else axis("--C-W", C_W)
    b = None if C_b is None else axis("--C-b", C_b)
    if w is not None and b is not None:
        return w, b
    from nneft.activations import resolve
    from nneft.criticality import critical_point

    wide, high = default_axes(resolve(activation), critical_point(activation))
    return wide if w is None else w, high if b is None else b


def _check_files(out: Path | None, data: Path | None, sizes: tuple[int, int]) -> None:
    """Refuse what cannot be drawn or written, before anything is computed."""
    from nneft.storage import check_writable

    if out:
        from nneft.figures.phase import check_format

        try:
            check_format(out)
        except ValueError as error:
            raise ValueError(f"--out: {error}") from None
        if min(sizes) < 2:
            raise ValueError(
                f"--out: a figure needs two values of C_W and C_b at least, got {sizes}"
            )
    for path in (out, data):
        if path:
            check_writable(path)
    if data and data.exists() and data.suffix != ".nc":
        raise ValueError(f"--data replaces netCDF files (.nc) only, and {data} exists")
    if out and out == data:
        raise ValueError(f"--out and --data must name different files, got {out} for both")


def _report(data: xr.Dataset, files: list[str]) -> dict[str, Any]:
    attributes = data.attrs
    names = ("kernel", "C_W", "C_b", "chi_par", "branch")
    return {
        "nneft": __version__,
        "command": "phase",
        "activation": attributes["activation"],
        "C_W": data.C_W.values.tolist(),
        "C_b": data.C_b.values.tolist(),
        "start_kernel": attributes["start_kernel"],
        "universality_class": attributes["universality_class"],
        "critical": {
            key: attributes.get(f"critical_{key}") for key in ("C_W", "C_b", "kernel", "reason")
        },
        "phases": _counts(data),
        "edge": {name: data[f"edge_{name}"].values.tolist() for name in names},
        "verdict": verdict(data),
        "files": files,
    }
