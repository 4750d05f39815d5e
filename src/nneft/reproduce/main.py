"""From the experiment to a folder of figures and data."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from nneft._version import __version__
from nneft.ensemble import Ensemble
from nneft.ensemble.plan import Arithmetic
from nneft.reproduce.book import Plate, plates
from nneft.reproduce.curves import four_point, two_point
from nneft.reproduce.experiment import PAPER, Experiment, Setting
from nneft.reproduce.folder import check_folder, filling
from nneft.reproduce.records import Progress, Report
from nneft.reproduce.sampling import Sampled, sampling
from nneft.reproduce.telling import Teller
from nneft.reproduce.theory import Theory, theory
from nneft.reproduce.verdict import figure_summary, layer_2, words
from nneft.reproduce.writing import UNDATED, write_plate, write_runs, write_words


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
    arithmetic: Arithmetic = "numpy",
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
        Of ``"png"`` (200 dots per inch), ``"pdf"`` and ``"svg"``.
    progress
        Called with a `Progress` when something was finished, from the calling thread.
    experiment
        Another experiment of the same kind: widths, depth, inputs, initializations.
    arithmetic
        ``"numpy"``, or ``"jax"`` to sample on JAX's default device, a GPU where there is one.

    Returns
    -------
    Report
        Interrupted by Ctrl-C (KeyboardInterrupt) while it samples, it draws and writes what was
        finished and returns with ``interrupted`` set; while it draws, it writes the data and the
        figures finished. Before the first network was finished it writes nothing and passes the
        interruption on.

    Raises
    ------
    ValueError, TypeError
        A wrong call: no networks, groups that do not divide them, fewer than two networks in a
        group, an unknown format, a folder that cannot be written to.
    nneft.NumericsError
        Where theory or sampling fails, by layer.
    """
    chosen = _checked(networks, groups, seed, formats)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be 1 or more, got {workers}")
    folder = check_folder(out)
    told = Teller(progress)
    known = {
        setting: theory(experiment, setting)
        for setting in told.over("theory", experiment.settings, lambda s: s.name)
    }
    told.start("sampling", networks * len(experiment.settings))
    blocks = sampling(
        experiment,
        networks=networks,
        groups=groups,
        seed=seed,
        workers=workers,
        arithmetic=arithmetic,
    )
    sampled, interrupted = _sample(experiment, blocks, networks // groups, told)
    book = _book(experiment, known, sampled)
    summary = {
        "nneft_version": __version__,
        "seed": seed,
        "arithmetic": arithmetic,
        "networks_wanted": networks,
        "groups_wanted": groups,
        "interrupted": interrupted,
        "experiment": asdict(experiment),
        "ensembles": {setting.name: _counts(s) for setting, s in sampled.items()},
        "figures": {plate.name: figure_summary(plate) for plate in book},
        "layer_2": layer_2(book),
    }
    verdict = words(summary)
    with filling(folder) as room:
        (room / "data").mkdir()
        write_runs(room, known, sampled)
        try:
            for plate in told.over("figures", book, lambda p: p.name):
                write_plate(plate, room, chosen)
        except KeyboardInterrupt:  # what was sampled is worth more than the figures left
            summary["interrupted"] = interrupted = True
        write_words(room, experiment, book, summary, verdict)
        names = [path.relative_to(room) for path in sorted(room.rglob("*")) if path.is_file()]
    files = tuple(folder / name for name in names)
    return Report(folder, files, verdict, summary, networks, interrupted)


def _checked(networks: int, groups: int, seed: int, formats: Sequence[str]) -> tuple[str, ...]:
    for name, value, least in (("networks", networks, 1), ("groups", groups, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an integer, got {value!r}")
        if value < least:
            raise ValueError(f"{name} must be {least} or more, got {value}")
    if networks % groups or networks < 2 * groups:
        raise ValueError(
            "networks must be a multiple of groups, with two or more in each: "
            f"got {networks} networks in {groups} groups"
        )
    if isinstance(formats, str):
        raise TypeError(f"formats must be a sequence of names, got {formats!r}; e.g. ('pdf',)")
    unknown = [name for name in formats if name not in UNDATED]
    if unknown:
        raise ValueError(f"formats must be of {', '.join(UNDATED)}, got {unknown[0]!r}")
    return tuple(dict.fromkeys(formats))


def _sample(
    experiment: Experiment,
    blocks: Generator[tuple[int, Ensemble], None, None],
    size: int,
    told: Teller,
) -> tuple[dict[Setting, Sampled], bool]:
    """All ensembles, in groups of one size, and whether an interruption cut them short."""
    settings = experiment.settings
    sampled = {setting: Sampled() for setting in settings}
    try:
        with closing(blocks):
            for index, block in blocks:
                setting = settings[index]
                sampled[setting] = sampled[setting].plus(block, size)
                told.more(block.networks, setting.name)
    except KeyboardInterrupt:
        if all(s.total is None for s in sampled.values()):
            raise
        return sampled, True
    return sampled, False


def _book(
    experiment: Experiment, known: Mapping[Setting, Theory], sampled: Mapping[Setting, Sampled]
) -> list[Plate]:
    two = {s: two_point(s, known[s], sampled[s]) for s in experiment.settings}
    four = {s: four_point(s, known[s], sampled[s]) for s in experiment.settings}
    return plates(experiment, two, four)


def _counts(sampled: Sampled) -> dict[str, int]:
    total = sampled.total
    return {
        "networks": 0 if total is None else total.networks,
        "complete_groups": len(sampled.groups),
    }
