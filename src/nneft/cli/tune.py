"""``nneft tune``: which C_W and C_b for an activation at a depth and a width, and what to type."""

from __future__ import annotations

import json

import click

from nneft._version import __version__

EPILOG = """Targets: shift, one C_W (1 + c/n) for all layers that keeps the mean kernel at first
order in 1/n; layers, each layer's own constants, so that the mean kernel is the same in all of
them; spread, the least difference between random seeds with the kernel kept near, and with the
differences between inputs kept. What tuning makes worse is said in a warning."""


@click.command(epilog=EPILOG)
@click.option("--activation", required=True, help="A name such as gelu, or an expression in x.")
@click.option("--depth", type=int, required=True, help="Number of layers.")
@click.option("--width", type=int, required=True, help="Width of all layers but the last.")
@click.option("--outputs", type=int, help="Width of the last layer; as the others by default.")
@click.option(
    "--target",
    type=click.Choice(["shift", "layers", "spread"]),
    default="shift",
    show_default=True,
    help="What to tune for.",
)
@click.option(
    "--bound",
    type=float,
    default=0.5,
    show_default=True,
    help="Relative spread of the kernel between seeds that is allowed.",
)
@click.option(
    "--scheme",
    default="torch.normal",
    show_default=True,
    help="Initializer to type it with: torch.kaiming_normal, keras.glorot_uniform, ..",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def tune(
    activation: str,
    depth: int,
    width: int,
    outputs: int | None,
    target: str,
    bound: float,
    scheme: str,
    as_json: bool,
) -> None:
    """Which C_W and C_b for an activation at this depth and width, and what to type."""
    from nneft.cli.progress import elapsed
    from nneft.tuning import advise

    with elapsed(f"{activation}, {depth} layers of width {width}"):
        advice = advise(
            activation,
            depth=depth,
            width=width,
            outputs=outputs,
            target=target,
            bound=bound,
            scheme=scheme,
        )
    if as_json:
        report = {"nneft": __version__, "command": "tune", **advice.as_dict()}
        click.echo(json.dumps(report, allow_nan=False))
    else:
        click.echo(str(advice))
