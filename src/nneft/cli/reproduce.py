"""``nneft reproduce``: the numerical experiment of BCCZ, theory over simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nneft._version import __version__

if TYPE_CHECKING:
    from nneft.reproduce import Report

EPILOG = (
    """Ctrl-C while it samples: what was finished is drawn and written, and the exit code is 4."""
)


@click.command(epilog=EPILOG)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("nneft-reproduce"),
    show_default=True,
    help="Folder to write to.",
)
@click.option(
    "--networks", default=10_000, show_default=True, help="Networks of each ensemble, in all."
)
@click.option("--groups", default=10, show_default=True, help="Groups that they are drawn in.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same numbers.")
@click.option("--workers", type=int, help="Threads; by default one for each processor.")
@click.option("--gpu", is_flag=True, help="Sample with JAX, on a GPU or not at all.")
@click.option("--formats", default="png,pdf", show_default=True, help="Of png, pdf and svg.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_context
def reproduce(
    context: click.Context,
    out: Path,
    networks: int,
    groups: int,
    seed: int,
    workers: int | None,
    gpu: bool,
    formats: str,
    as_json: bool,
) -> None:
    """Figures 1-5 of arXiv:2305.02334, theory on simulation.

    ReLU and tanh networks of width 300 and 30 layers on four inputs, at 1/4, 1 and 4 times the
    critical C_W: figures, and the numbers behind each of their panels.
    """
    from nneft.cli.progress import shown
    from nneft.reproduce import reproduce as run_experiment

    if gpu:
        from nneft.ensemble.engines.device import need_gpu

        need_gpu()
    with shown() as progress:
        report = run_experiment(
            out,
            networks=networks,
            groups=groups,
            seed=seed,
            workers=workers,
            formats=[entry.strip() for entry in formats.split(",")],
            progress=progress,
            arithmetic="jax" if gpu else "numpy",
        )
    _print_json(report) if as_json else _print_text(report)
    if report.interrupted:
        from nneft.cli.main import INTERRUPTED

        click.echo("nneft: interrupted; what was finished is written", err=True)
        context.exit(INTERRUPTED)


def _print_text(report: Report) -> None:
    for line in report.verdict:
        click.echo(line)
    click.echo(f"wrote {len(report.files)} files into {report.folder}")


def _print_json(report: Report) -> None:
    outcome = {
        "nneft": __version__,
        "command": "reproduce",
        "folder": str(report.folder),
        "files": [str(path) for path in report.files],
        "networks": report.networks,
        "interrupted": report.interrupted,
        "verdict": list(report.verdict),
        "summary": report.summary,
    }
    click.echo(json.dumps(outcome, allow_nan=False))
