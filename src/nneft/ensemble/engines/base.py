"""What an engine is: something that turns the numbers of blocks into blocks."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from nneft.ensemble.ensemble import Ensemble
    from nneft.ensemble.runs.blockfile import Failure
    from nneft.ensemble.runs.run import Run

    #: Blocks as they are finished, each with its number in the run.
    Blocks = Generator[tuple[int, Ensemble | Failure], None, None]


class EngineLost(OSError):
    """What blocks were sampled on is gone or gives up; what is finished stays good."""


class Engine(Protocol):
    """Samples blocks of runs; it writes nothing and decides no number."""

    def blocks(self, run: Run, numbers: Iterable[int]) -> Blocks:
        """The blocks asked for, in whatever order they are finished.

        Parameters
        ----------
        run : the run.
        numbers : of the blocks wanted; taken one by one as there is room for more work, so that
            what is finished elsewhere in the meantime can be left out.

        Raises
        ------
        EngineLost
            No more blocks can be had from here. Those not given are not sampled.

        Notes
        -----
        Closing the generator drops what is in hand.
        """
        ...
