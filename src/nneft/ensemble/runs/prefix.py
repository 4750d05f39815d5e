"""The blocks of a run from its first on without a gap, merged, and whether they are enough.

What is decided here depends on the content of blocks alone, whoever wrote them and when.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nneft.ensemble.accuracy import Reading
from nneft.ensemble.ensemble import Ensemble
from nneft.ensemble.looks import enough, is_look
from nneft.ensemble.runs.blockfile import Failure
from nneft.ensemble.runs.contents import arrays_of
from nneft.ensemble.runs.run import Run
from nneft.errors import NumericsError


@dataclass
class Prefix:
    """Blocks ``0 .. blocks - 1``.

    Parameters
    ----------
    run : whose blocks.
    blocks : how many so far.
    total : their ensemble; None while all of them failed.
    failed : those that gave no numbers.
    whole : nothing more is wanted: the networks are accurate enough, or all there are to be.
    reached : the accuracy that is enough; None for a run that has no such.
    """

    run: Run
    blocks: int = 0
    total: Ensemble | None = None
    failed: list[Failure] = field(default_factory=list)
    whole: bool = False
    reached: bool | None = None

    def add(self, found: Ensemble | Failure) -> None:
        """One block more; nothing happens once the prefix is whole.

        Raises
        ------
        NumericsError
            The sums overflow, or what is to be accurate does.
        """
        if self.whole:
            return
        if isinstance(found, Failure):
            self.failed.append(found)
        else:
            self.total = merged(self.total, found)
        self.blocks += 1
        last, until = self.blocks == self.run.count, self.run.until
        if until is not None and (last or is_look(self.blocks)):
            self.reached = enough(until, self.total)
        self.whole = last or bool(self.reached)

    @property
    def networks(self) -> int:
        """Networks of these blocks, those of failed ones too."""
        return min(self.run.networks, self.blocks * self.run.per_block)

    def readings(self) -> list[Reading] | None:
        """How far the blocks are from what is wanted, if that can be told."""
        if self.run.until is None or self.total is None:
            return None
        return self.run.until.readings(self.total)


def merged(total: Ensemble | None, found: Ensemble) -> Ensemble:
    """Both together, in this order.

    Raises
    ------
    NumericsError
        A sum overflows, as where fourth powers of the spread between networks do.
    """
    if total is None:
        return found
    with np.errstate(all="ignore"):
        both = total.merge(found)
    if not all(np.isfinite(a).all() for a in arrays_of(both).values()):
        first, last = found.sources[0].start, found.sources[-1].stop - 1
        raise NumericsError(
            f"the sums of networks {first}..{last} and those before overflow double precision"
        )
    return both
