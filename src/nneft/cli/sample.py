"""``nneft sample``: an ensemble of random networks, kept in a folder if one is named."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nneft.cli.estimates import show, show_json

if TYPE_CHECKING:
    from nneft.ensemble.plan import Plan
    from nneft.ensemble.runs import Outcome, Run, Share
    from nneft.ensemble.runs.blockfile import Failure

NUMERICS, INTERRUPTED = 3, 4

#: Most failed blocks that are told one by one.
MOST_TOLD = 20

EPILOG = """With --run every finished block of networks is a file, and nothing that is finished is
lost: after an interruption, a crash or a full disk the same command (or just nneft sample --run
FOLDER) goes on, on any number of threads, and the result is the same to the last bit.

An array of jobs on a shared folder: the same command with --task 0 --of 100, .. --task 99 --of 100,
in any order and at the same time; then nneft sample --run FOLDER --gather.

Exit codes: 0 done; 2 a wrong call; 3 some blocks gave NaN or infinity (they are named and in no
average); 4 interrupted, or blocks are missing: go on with the same command."""


@click.command(epilog=EPILOG)
@click.option("--activation", help="A name such as tanh, or an expression: 'x*sigmoid(1.702*x)'.")
@click.option("--widths", help="n_0,n_1,..,n_L, such as 2,300,300 or 2,300*30.")
@click.option("--C-W", "C_W", help="Variance of the weights times n_{l-1}: a number or 1,1.8,2.1.")
@click.option("--C-b", "C_b", help="Variance of the biases: a number or one for each layer. [0]")
@click.option("--inputs", help="Rows '1,1;-1.4,2', or a .npy or .csv file, one row an input.")
@click.option("--kernel", help="The first layer's kernel instead of inputs: rows or a file.")
@click.option("--networks", type=int, help="How many networks.")
@click.option("--seed", type=int, help="0 or more; the same seed, the same numbers. [0]")
@click.option(
    "--method",
    type=click.Choice(["chain", "weights"]),
    help="The chain of kernels, exact in law and fast, or all weights drawn. [chain]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float64", "float32"]),
    help="Precision of random numbers and activations. [float64]",
)
@click.option("--points", type=int, help="Hold <G> alone (2), V_4 (4), V_6 (6), V_8 (8) too. [4]")
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Folder to keep it in.")
@click.option("--threads", type=int, help="By default one for each processor.")
@click.option("--task", type=int, help="This job's number, 0 to K-1; with --of K and --run.")
@click.option("--of", type=int, help="Number of jobs that share the run.")
@click.option("--gather", is_flag=True, help="Merge the blocks that the jobs left; sample nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def sample(
    folder: Path | None,
    threads: int | None,
    task: int | None,
    of: int | None,
    gather: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """An ensemble of random networks: mean kernel and V_4 with standard errors.

    With --run FOLDER it is kept block by block, and goes on where it stopped.
    """
    _one_blas_thread()
    share = _share(folder, task, of, gather)
    if threads is not None and threads < 1:
        raise ValueError(f"--threads must be 1 or more, got {threads}")
    if folder is None:
        return _in_memory(given, threads, as_json)
    run = _run(folder, given)
    for note in run.notes:
        click.echo(f"nneft: the last bits of new blocks may differ: {note}", err=True)
    with _terminable():
        try:
            if gather:
                return _gathered(run, as_json)
            if share is not None:
                return _shared(run, share, threads, as_json)
            return _completed(run, threads, as_json)
        except KeyboardInterrupt:
            return _left(run, share, "interrupted")
        except OSError as error:
            return _left(run, share, f"{error.strerror or error}")


def _one_blas_thread() -> None:
    """Threads here sample blocks; those of a linear algebra library would only be in their way.

    Without effect where NumPy is loaded already.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
        if "numpy" not in sys.modules:
            os.environ.setdefault(name, "1")


def _share(folder: Path | None, task: int | None, of: int | None, gather: bool) -> Share | None:
    if folder is None and (gather or task is not None or of is not None):
        raise ValueError("--task, --of and --gather need --run FOLDER, where the blocks are kept")
    if (task is None) != (of is None):
        raise ValueError("give --task and --of together, such as --task 0 --of 100")
    if task is None or of is None:
        return None
    if gather:
        raise ValueError("--gather comes after the tasks: leave out --task and --of")
    from nneft.ensemble.runs import Share

    return Share(task, of)


def _run(folder: Path, given: dict[str, Any]) -> Run:
    """The run that the options describe, or without any, the one that is in the folder."""
    from nneft.ensemble.runs import open_run, read_run

    if all(value is None for value in given.values()):
        return read_run(folder)
    plan, networks = _plan(given)
    return open_run(folder, plan, networks, ["nneft", *sys.argv[1:]])


def _plan(given: dict[str, Any]) -> tuple[Plan, int]:
    from nneft.cli.settings import read_settings
    from nneft.ensemble.sampling import checked, positive

    names = ("activation", "widths", "C_W", "C_b", "inputs", "kernel")
    made = read_settings(None, {name: given[name] for name in names})
    if given["networks"] is None:
        raise ValueError("--networks is missing")
    plan = checked(
        made.network(),
        made.inputs,
        made.kernel,
        0 if given["seed"] is None else given["seed"],
        given["method"] or "chain",
        given["dtype"] or "float64",
        None,
        4 if given["points"] is None else given["points"],
    )
    return plan, positive("networks", given["networks"])


def _in_memory(given: dict[str, Any], threads: int | None, as_json: bool) -> int:
    from nneft.ensemble import sample as draw

    plan, networks = _plan(given)
    kernel = plan.kernel if plan.inputs is None else None
    with _progress() as progress:
        found = draw(
            plan.network,
            plan.inputs,
            kernel=kernel,
            networks=networks,
            seed=plan.seed,
            method=plan.method,
            dtype=plan.dtype,
            points=plan.points,
            workers=threads,
            progress=progress,
        )
    show(found, as_json, {"run": None, "networks_wanted": networks, "failed": []})
    return 0


def _completed(run: Run, threads: int | None, as_json: bool) -> int:
    from nneft.ensemble.runs import complete

    with _progress() as progress:
        outcome = complete(
            run,
            workers=threads,
            progress=progress,
            say=lambda line: click.echo(f"nneft: {line}", err=True),
        )
    return _told(run, outcome, as_json)


def _shared(run: Run, share: Share, threads: int | None, as_json: bool) -> int:
    from nneft.ensemble.runs import work
    from nneft.ensemble.runs.gather import failures

    blocks = share.blocks(run)
    with _progress() as progress:
        work(run, blocks, workers=threads, progress=progress)
    failed = failures(run, blocks)
    if as_json:
        report = {"task": share.task, "of": share.of, "blocks": len(blocks)}
        show_json({"run": str(run.folder), **report, "failed": _listed(failed)})
    else:
        on = shlex.join(_again(run, None))
        done = f"task {share.task} of {share.of}"
        click.echo(f"{done}: {len(blocks)} of {run.count} blocks are in {run.folder}")
        click.echo(f"when all tasks are done: {on} --gather")
    return _told_failures(failed)


def _gathered(run: Run, as_json: bool) -> int:
    from nneft.ensemble.runs import gather
    from nneft.ensemble.runs.work import finish

    outcome = gather(run)
    for reason in outcome.damaged.values():
        click.echo(f"nneft: {reason}; set aside", err=True)
    if outcome.missing:
        some = ", ".join(map(str, outcome.missing[:8])) + ", .." * (len(outcome.missing) > 8)
        return _left(run, None, f"{len(outcome.missing)} blocks are missing ({some})")
    finish(run, outcome)
    return _told(run, outcome, as_json)


def _told(run: Run, outcome: Outcome, as_json: bool) -> int:
    if outcome.ensemble is None:
        raise ValueError(f"{run.folder} has no result")
    about = {
        "run": str(run.folder),
        "result": str(run.result),
        "networks_wanted": run.networks,
        "blocks": run.count,
        "failed": _listed(outcome.failed),
    }
    show(outcome.ensemble, as_json, about)
    return _told_failures(outcome.failed)


def _listed(failed: Sequence[Failure]) -> list[dict[str, Any]]:
    return [{"block": failure.block, "reason": failure.reason} for failure in failed]


def _told_failures(failed: Sequence[Failure]) -> int:
    """Say which blocks failed; the exit code that follows from it."""
    for failure in failed[:MOST_TOLD]:
        click.echo(f"nneft: block {failure.block} failed: {failure.reason}", err=True)
    if len(failed) > MOST_TOLD:
        click.echo(f"nneft: .. and {len(failed) - MOST_TOLD} more blocks", err=True)
    if failed:
        lost = sum(failure.networks for failure in failed)
        click.echo(f"nneft: {lost:,} networks of failed blocks are in no average", err=True)
    return NUMERICS if failed else 0


def _left(run: Run, share: Share | None, reason: str) -> int:
    """Say what is kept and how to go on."""
    from nneft.ensemble.runs.blockfile import listed

    kept = len(listed(run.blocks))
    click.echo(f"nneft: {reason}; {kept} of {run.count} blocks are kept in {run.folder}", err=True)
    click.echo(f"go on with: {shlex.join(_again(run, share))}", err=True)
    return INTERRUPTED


def _again(run: Run, share: Share | None) -> list[str]:
    task = [] if share is None else ["--task", str(share.task), "--of", str(share.of)]
    return ["nneft", "sample", "--run", str(run.folder), *task]


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM interrupt as Ctrl-C does, while it lasts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress() -> Iterator[Any]:
    """Something to call with networks done and wanted, shown on standard error."""
    from time import monotonic

    from nneft.cli.progress import shown
    from nneft.reproduce.records import Progress

    with shown() as show:
        begun, first = monotonic(), [-1]

        def progress(done: int, wanted: int) -> None:
            # What was there before tells nothing of the rate.
            first[0] = done if first[0] < 0 else first[0]
            rate = (done - first[0]) / max(monotonic() - begun, 1e-9)
            left = (wanted - done) / rate if rate else None
            show(Progress("sampling", done, wanted, rate, left, "networks"))

        yield progress
