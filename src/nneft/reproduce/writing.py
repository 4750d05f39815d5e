"""The files of a reproduction: figures, tables, flows and ensembles, and what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nneft.figures.style import style
from nneft.reproduce.book import Plate
from nneft.reproduce.experiment import Experiment, Setting
from nneft.reproduce.sampling import Sampled
from nneft.reproduce.tables import COLUMNS, table
from nneft.reproduce.theory import Theory

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Dots per inch of pictures in pixels.
RESOLUTION = 200

#: What each format calls the day it was made and the program: left out, so that the same numbers
#: make the same files.
UNDATED: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "svg": {"Date": None, "Creator": None},
}

README = """\
# Figures 1-5 of BCCZ, theory over simulation

Banta, Cai, Craig, Zhang, *Structures of Neural Network Effective Theories*, arXiv:2305.02334.
Networks of {depth} layers of width {width}, C_b = 0, inputs {inputs}.
Made by nneft {version} with seed {seed}: {networks}.
{note}
`phi` are preactivations. Given the layer below, the neurons of layer l are independent Gaussians
with covariance `G^(l)`. `<phi_i phi_i> = <G>` and `V_4 = n Cov(G, G)`, n = {width}, are estimated
without bias from the `G` of the networks; error bars are standard errors of the mean. In layer 1
`G` is not random, and so in layer 2 leading order is exact.

{captions}
## Data

- `data/<figure>.csv`: the numbers behind each figure: {columns},
  and every group's own estimate. Pulls are in standard errors, against leading order and against
  the best theory held (exact, else K_0 + K_1/n, else leading order).
- `data/flow-*.nc`, `data/ensemble-*.nc`: theory and ensembles whole; `nneft.load` reads them.
- `summary.json`, `summary.txt`: how well they agree.
"""


def write_plate(plate: Plate, room: Path, formats: Sequence[str]) -> None:
    """One figure in all formats, and its numbers."""
    if formats:
        with style():
            _save(plate.draw(), room / plate.name, formats)
    (room / "data" / f"{plate.name}.csv").write_text(table(plate.curves), encoding="utf-8")


def _save(figure: Figure, path: Path, formats: Sequence[str]) -> None:
    for name in formats:
        target = path.with_name(f"{path.name}.{name}")
        figure.savefig(target, dpi=RESOLUTION, metadata=UNDATED[name])


def write_runs(
    room: Path, known: Mapping[Setting, Theory], sampled: Mapping[Setting, Sampled]
) -> None:
    """Every flow and every ensemble as netCDF."""
    for setting, theory in known.items():
        theory.flow.save(room / "data" / f"flow-{setting.name}.nc")
        total = sampled[setting].total
        if total is not None:
            total.save(room / "data" / f"ensemble-{setting.name}.nc")


def write_words(
    room: Path,
    experiment: Experiment,
    plates: Sequence[Plate],
    summary: dict[str, Any],
    verdict: Sequence[str],
) -> None:
    """The summary as numbers and in words, and what all files are."""
    (room / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    (room / "summary.txt").write_text("\n".join(verdict) + "\n", encoding="utf-8")
    inputs = ", ".join(f"x_{i + 1} = {x}" for i, x in enumerate(experiment.inputs))
    note = ""
    if summary["interrupted"]:
        note = (
            "\n**Interrupted** before all networks were sampled: wanted were "
            f"{summary['networks_wanted']:,} for every ensemble.\n"
        )
    text = README.format(
        depth=experiment.depth,
        width=experiment.width,
        inputs=inputs,
        version=summary["nneft_version"],
        seed=summary["seed"],
        networks=_counts(summary["ensembles"]),
        note=note,
        captions="".join(f"**{p.name}.** {p.caption}\n\n" for p in plates),
        columns=", ".join(COLUMNS),
    )
    (room / "README.md").write_text(text, encoding="utf-8")


def _counts(ensembles: Mapping[str, Mapping[str, int]]) -> str:
    found = {(e["networks"], e["complete_groups"]) for e in ensembles.values()}
    if len(found) == 1:
        ((networks, groups),) = found
        return f"{networks:,} networks for every ensemble, {groups} complete groups"
    return ", ".join(f"{name} {e['networks']:,} networks" for name, e in ensembles.items())
