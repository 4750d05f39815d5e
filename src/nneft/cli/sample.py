"""``nneft sample``: an ensemble of random networks, kept in a folder if one is named."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nneft.cli.engines import checked_gpu, chosen_engine, engine_options
from nneft.cli.estimates import show, wanted
from nneft.cli.kept import Kept

if TYPE_CHECKING:
    from nneft.ensemble.plan import Arithmetic, Method, Plan, Precision
    from nneft.ensemble.runs import Run, Share

EPILOG = """--until ends where every error is small enough, --networks is then the most it may take:
'V4 < 1%' is V_4(aa;aa) of every input a at the last layer, to 1 % of itself; 'V4[0,1,0,1]@10 <
0.02' one component and layer, to 0.02; 'G < 0.1% and V4 < 1%' both. It is looked at after fixed
numbers of networks, so that the result does not depend on threads, tasks or crashes. Exit code 0
also where it is not reached, which is said.

With --run every finished block of networks is a file, and nothing that is finished is lost: after
an interruption, a crash or a full disk the same command (or just nneft sample --run FOLDER) goes
on, on any number of threads, and the result is the same to the last bit.

An array of jobs on a shared folder: the same command with --task 0 --of 100, .. --task 99 --of 100,
in any order and at the same time; then nneft sample --run FOLDER --gather. With --until tasks end
once what all of them finished is accurate enough.

Other engines change no bit either: --dask 4, or --dask tls://host:8786 for the workers of a Dask
scheduler, which need no shared folder. --gpu draws other numbers of the same law: it is a setting.

Exit codes: 0 done; 2 a wrong call; 3 some blocks gave NaN or infinity (they are named and in no
average); 4 interrupted, a scheduler or GPU gave up, or blocks are missing: go on with the same
command."""


@click.command(epilog=EPILOG)
@click.option("--activation", help="A name such as tanh, or an expression: 'x*sigmoid(1.702*x)'.")
@click.option("--widths", help="n_0,n_1,..,n_L, such as 2,300,300 or 2,300*30.")
@click.option("--C-W", "C_W", help="Variance of the weights times n_{l-1}: a number or 1,1.8,2.1.")
@click.option("--C-b", "C_b", help="Variance of the biases: a number or one for each layer. [0]")
@click.option("--inputs", help="Rows '1,1;-1.4,2', or a .npy or .csv file, one row an input.")
@click.option("--kernel", help="The first layer's kernel instead of inputs: rows or a file.")
@click.option("--networks", type=int, help="How many networks, or with --until the most.")
@click.option("--until", help="Accuracy that is enough: 'V4 < 1%'. See below.")
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
@click.option(
    "--reduce/--no-reduce",
    "reduce",
    default=None,
    help="Take the leading fluctuations out of <G> and V_4. [where it helps]",
)
@click.option("--run", "folder", type=click.Path(path_type=Path), help="Folder to keep it in.")
@click.option("--threads", type=int, help="By default one for each processor.")
@engine_options
@click.option("--task", type=int, help="This job's number, 0 to K-1; with --of K and --run.")
@click.option("--of", type=int, help="Number of jobs that share the run.")
@click.option("--gather", is_flag=True, help="Merge the blocks that the jobs left; sample nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def sample(
    folder: Path | None,
    threads: int | None,
    gpu: bool,
    dask: str | None,
    insecure: bool,
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
    if gather and dask is not None:
        raise ValueError("--gather samples nothing: leave out --dask")
    engine = chosen_engine(dask, insecure, threads, folder)
    if gpu:
        checked_gpu(given)
    if folder is None:
        return _in_memory(given, threads, as_json)
    run = _run(folder, given)
    if gpu and run.plan.arithmetic != "jax":
        raise ValueError(f"the numbers of {folder} are NumPy's: go on without --gpu")
    return Kept(run, share, gather, threads, engine, as_json).do()


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
    if of < 1:
        raise ValueError(f"--of is the number of jobs, 1 or more, got {of}")
    if gather:
        raise ValueError("--gather comes after the tasks: leave out --task and --of")
    from nneft.ensemble.runs import Share

    return Share(task, of)


def _run(folder: Path, given: dict[str, Any]) -> Run:
    """The run that the options describe, or without any, the one that is in the folder."""
    from nneft.ensemble.runs import open_run, read_run
    from nneft.variance_reduction import control

    if all(value is None for value in given.values()):
        return read_run(folder, control=control)
    try:
        plan, networks = _plan(given)
    except ValueError as error:
        if (folder / "manifest.json").exists():
            raise ValueError(
                f"{error}; to go on with the run in {folder}, give --run {folder} alone"
            ) from None
        raise
    return open_run(folder, plan, networks, ["nneft", *sys.argv[1:]], until=given["until"])


def _plan(given: dict[str, Any]) -> tuple[Plan, int]:
    from nneft.cli.settings import read_settings
    from nneft.ensemble.sampling import checked, positive
    from nneft.variance_reduction import chosen

    names = ("activation", "widths", "C_W", "C_b", "inputs", "kernel")
    made = read_settings(None, {name: given[name] for name in names})
    if given["networks"] is None:
        raise ValueError("--networks is missing")
    networks = positive("networks", given["networks"])
    net, start = made.network(), (made.inputs, made.kernel)
    method: Method = given["method"] or "chain"
    dtype: Precision = given["dtype"] or "float64"
    arithmetic: Arithmetic = given["arithmetic"] or "numpy"
    reduction = chosen(net, *start, networks, (method, dtype, arithmetic), given["reduce"])
    plan = checked(
        net,
        *start,
        0 if given["seed"] is None else given["seed"],
        method,
        dtype,
        None,
        4 if given["points"] is None else given["points"],
        arithmetic,
        reduction,
    )
    return plan, networks


def _in_memory(given: dict[str, Any], threads: int | None, as_json: bool) -> int:
    from functools import reduce

    from nneft.cli.progress import sampling
    from nneft.ensemble.accuracy import accuracy
    from nneft.ensemble.ensemble import Ensemble
    from nneft.ensemble.looks import first_enough
    from nneft.ensemble.sampling import blocks_of

    plan, networks = _plan(given)
    until = None if given["until"] is None else accuracy(given["until"], plan)
    enough = None
    with sampling(watched=until is not None) as now:
        blocks = blocks_of(plan, networks, threads, now.progress)
        if until is None:
            found = reduce(Ensemble.merge, blocks)
        else:
            found, enough = first_enough(blocks, plan, until, now.watch)
    readings = None if until is None else until.readings(found)
    about = {"networks_wanted": networks, "until": wanted(until, enough, readings)}
    show(found, as_json, {"run": None, "failed": [], **about})
    return 0
