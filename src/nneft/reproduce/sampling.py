"""Sampling all ensembles of an experiment, group by group, so that any part of it is of use."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from nneft.ensemble import Ensemble, sample_blocks
from nneft.ensemble.plan import Arithmetic
from nneft.reproduce.experiment import Experiment

#: Networks of one setting sampled in a row: the paper's group.
ROUND = 1000


@dataclass(frozen=True)
class Sampled:
    """What is sampled of one ensemble so far.

    Attributes
    ----------
    groups
        The groups that are complete.
    started
        The networks of the group in hand, or None.
    """

    groups: tuple[Ensemble, ...] = ()
    started: Ensemble | None = None

    def plus(self, block: Ensemble, size: int) -> "Sampled":
        """With one more block of the group in hand, which is complete at `size` networks."""
        group = block if self.started is None else self.started.merge(block)
        if group.networks < size:
            return replace(self, started=group)
        return Sampled((*self.groups, group), None)

    @property
    def total(self) -> Ensemble | None:
        """All networks together; None where there are fewer than two, which have no error."""
        parts = self.groups if self.started is None else (*self.groups, self.started)
        if sum(part.networks for part in parts) < 2:
            return None
        return reduce(Ensemble.merge, parts)


def sampling(
    experiment: Experiment,
    *,
    networks: int,
    groups: int,
    seed: int,
    workers: int | None,
    arithmetic: Arithmetic = "numpy",
) -> Generator[tuple[int, Ensemble], None, None]:
    """Blocks of networks with the place of their setting.

    Group by group, each in rounds of `ROUND` networks of every setting in turn: an interruption
    leaves all figures with nearly the same statistics. JAX's devices are fast and want more at a
    time: a round is a group.
    """
    size = networks // groups
    at_once = ROUND if arithmetic == "numpy" else size
    for group in range(groups):
        for start in range(0, size, at_once):
            for index, setting in enumerate(experiment.settings):
                blocks = sample_blocks(
                    experiment.network(setting),
                    experiment.x,
                    networks=min(at_once, size - start),
                    seed=round_seed(seed, index, group, start),
                    workers=workers,
                    arithmetic=arithmetic,
                )
                for block in blocks:
                    yield index, block


def round_seed(seed: int, setting: int, group: int, start: int) -> int:
    """A seed of its own for every round of every ensemble."""
    key = (setting, group, start)
    words = np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)
    return int(words[0])
