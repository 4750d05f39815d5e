"""``nneft verify``: check the files of a run, and sample chosen blocks again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nneft._version import __version__

if TYPE_CHECKING:
    from nneft.ensemble.runs import Run, Verdict

NUMERICS = 3


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--blocks", help="Blocks to sample again: 0,5-7, all or none. [first, middle and last]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def verify(run: Path, blocks: str | None, as_json: bool) -> int:
    """Check every file of a run by its checksum, and sample chosen blocks again.

    RUN is the folder that nneft sample --run keeps. Nothing is changed.

    Exit code 0: all that is there is right; 3: something is not, or all blocks failed. In JSON
    "result" is "absent", "good", or what is wrong with result.nc.
    """
    from nneft.ensemble.runs import read_run
    from nneft.ensemble.runs import verify as check
    from nneft.ensemble.runs.blockfile import listed
    from nneft.variance_reduction import control

    found = read_run(run, control=control)
    there = [block for block in listed(found.blocks) if block < found.count]
    verdict = check(found, there if blocks == "all" else _chosen(blocks, found.count))
    if as_json:
        click.echo(json.dumps(_report(found, verdict), allow_nan=False))
    else:
        for line in _lines(found, verdict):
            click.echo(line)
    return 0 if verdict.good else NUMERICS


def _chosen(text: str | None, count: int) -> list[int] | None:
    if text is None:
        return None
    if text == "none":
        return []
    chosen: set[int] = set()
    for entry in text.replace(" ", "").split(","):
        first, _, last = entry.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise ValueError(f"--blocks: wanted all, none, or blocks such as 0,5-7, got {text!r}")
        if int(last or first) >= count or int(first) > int(last or first):
            raise ValueError(f"--blocks: {entry} is not among the blocks 0 to {count - 1}")
        chosen.update(range(int(first), int(last or first) + 1))
    return sorted(chosen)


def _lines(run: Run, verdict: Verdict) -> list[str]:
    there = verdict.blocks - len(verdict.missing) - len(verdict.failed)
    lines = [f"{there} of {verdict.blocks} blocks are there and whole"]
    lines += [f"damaged: {reason}" for reason in verdict.damaged.values()]
    lines += [f"block {f.block} failed: {f.reason}" for f in verdict.failed]
    for block, difference in verdict.recomputed.items():
        lines.append(f"block {block} sampled again: {difference or 'the same to the last bit'}")
    if verdict.nothing_else:
        lines.append("all blocks that are there failed: there is nothing to merge")
    if verdict.result is not None:
        lines.append(verdict.result)
    elif run.result.exists():
        lines.append(f"{run.result.name} is what the blocks merge to")
    else:
        lines.append(f"{run.result.name} is not there yet")
    return lines


def _result(run: Run, verdict: Verdict) -> str:
    return verdict.result or ("good" if run.result.exists() else "absent")


def _report(run: Run, verdict: Verdict) -> dict[str, Any]:
    return {
        "nneft": __version__,
        "command": "verify",
        "run": str(run.folder),
        "good": verdict.good,
        "blocks": verdict.blocks,
        "missing": list(verdict.missing),
        "damaged": verdict.damaged,
        "failed": [{"block": f.block, "reason": f.reason} for f in verdict.failed],
        "recomputed": {str(block): text for block, text in verdict.recomputed.items()},
        "result": _result(run, verdict),
    }
