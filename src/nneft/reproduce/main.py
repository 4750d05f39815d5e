"""From the experiment to a folder of figures and data."""

from collections.abc import Callable, Sequence
from pathlib import Path

from nneft.reproduce.experiment import PAPER, Experiment
from nneft.reproduce.records import Progress, Report


def reproduce(
    out: str | Path = "nneft-reproduce",
    *,
    networks: int = 10_000,
    groups: int = 10,
    seed: int = 0,
    workers: int | None = None,
    formats: Sequence[str] = ("png", "pdf"),
    progress: Callable[[Progress], object] | None = None,
    experiment: Experiment = PAPER,
) -> Report:
    """Run BCCZ's numerical experiment and draw its Figures 1-5, theory over simulation.

    Parameters
    ----------
    out
        Folder to write to; made where it does not exist (its parent must). Files of the same
        names are replaced, others left alone.
    networks
        Networks of every ensemble in all; ReLU and tanh at three C_W each make six ensembles.
    groups
        Independent groups that they are drawn in; each has `networks` / `groups` of them.
    seed
        The same seed gives the same numbers.
    workers
        Threads; by default one for each processor. Changes no number.
    formats
        Of ``"png"`` (300 dots per inch), ``"pdf"`` and ``"svg"``.
    progress
        Called with a `Progress` when something was finished, from the calling thread.
    experiment
        Another experiment of the same kind: widths, depth, inputs, initializations.

    Returns
    -------
    Report
        Interrupted by Ctrl-C (KeyboardInterrupt) while it samples, it draws and writes what was
        finished and returns with ``interrupted`` set; before the first network was finished it
        writes nothing and passes the interruption on.

    Raises
    ------
    ValueError, TypeError
        A wrong call: no networks, groups that do not divide them, fewer than two networks in a
        group, an unknown format, a folder that cannot be written to.
    nneft.NumericsError
        Where theory or sampling fails, by layer.
    """
    raise NotImplementedError
