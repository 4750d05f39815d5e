"""Are the files of a run what they say, and do chosen blocks come out the same again?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from nneft.ensemble.runs.arrays import Arrays
from nneft.ensemble.runs.blockfile import Damaged, Failure, listed, read_block
from nneft.ensemble.runs.contents import arrays_of
from nneft.ensemble.runs.engine import sampled
from nneft.ensemble.runs.gather import Outcome, gather, result
from nneft.ensemble.runs.run import RESULT, Run


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Parameters
    ----------
    blocks : blocks that are wanted, as far as is known.
    missing : those of them of which there is no good file.
    damaged : by name of the file, why it cannot be used.
    failed : those of them that gave no numbers, and are in no average.
    recomputed : by block, None where it came out the same to the last bit, or what differs.
    result : None where ``result.nc`` is what the blocks merge to, or not to be there yet, or what
        is wrong with it.
    """

    blocks: int
    missing: tuple[int, ...]
    damaged: dict[str, str]
    failed: tuple[Failure, ...]
    recomputed: dict[int, str | None]
    result: str | None

    @property
    def good(self) -> bool:
        """Nothing is damaged and everything came out the same; blocks may be missing or failed.

        Not where there is nothing but failures.
        """
        return not (
            self.damaged or any(self.recomputed.values()) or self.result or self.nothing_else
        )

    @property
    def nothing_else(self) -> bool:
        """All blocks that are there failed."""
        return 0 < len(self.failed) == self.blocks - len(self.missing)


def verify(run: Run, blocks: Iterable[int] | None = None) -> Verdict:
    """Check every file of a run, and sample chosen blocks again. Nothing is changed.

    Parameters
    ----------
    run : the run.
    blocks : to be sampled again; by default the first, the middle and the last that are there.

    Raises
    ------
    ValueError
        for a block that the run does not have.
    """
    outcome = gather(run, set_aside=False)
    absent = set(outcome.missing)
    there = [block for block in listed(run.blocks) if block < run.count and block not in absent]
    if blocks is None:
        chosen = sorted({there[0], there[len(there) // 2], there[-1]}) if there else []
    else:
        chosen = sorted(set(blocks))
        for block in chosen:
            if not 0 <= block < run.count:
                raise ValueError(f"the run has blocks 0 to {run.count - 1}, got {block}")
    again = {block: _again(run, block) for block in chosen if block in set(there)}
    return Verdict(
        outcome.blocks,
        outcome.missing,
        outcome.damaged,
        outcome.failed,
        again,
        _result(run, outcome),
    )


def _again(run: Run, block: int) -> str | None:
    found = sampled(run, block)
    for path in listed(run.blocks)[block]:
        try:
            kept = read_block(path, run.digest)
        except Damaged:  # told already
            continue
        if isinstance(kept, Failure):
            if not isinstance(found, Failure):
                return "failed in the run, does not now"
            # The reason may be in the words of another version.
            same = replace(kept, reason=found.reason) == found
            return None if same else f"failed in the run from {kept}, now from {found}"
        if isinstance(found, Failure):
            return f"fails now: {found.reason}"
        return _difference(kept, arrays_of(found))
    return None


def _difference(kept: Arrays, again: Arrays) -> str | None:
    if kept.keys() != again.keys():
        return f"holds {sorted(kept)}, now {sorted(again)}"
    largest = 0.0
    for name, old in kept.items():
        new = again[name]
        if old.shape != new.shape:
            return f"{name} has shape {old.shape}, now {new.shape}"
        if old.tobytes() != np.array(new, order="C").tobytes():
            gap = np.abs(np.asarray(old, float) - np.asarray(new, float)).max()
            scale = float(np.abs(np.asarray(old, float)).max())
            largest = max(largest, float(gap) / scale if scale else float(gap), 5e-324)
    return f"differs by {largest:.1e} of its size" if largest else None


def _result(run: Run, outcome: Outcome) -> str | None:
    if not run.result.exists():
        return None
    if outcome.ensemble is None:
        return f"{RESULT} is there, but blocks are missing or damaged"
    same = result(run, outcome, outcome.ensemble) == run.result.read_bytes()
    return None if same else f"{RESULT} is not what the blocks merge to"
