"""``nneft sample --run``: blocks kept in a folder, and what is said of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from nneft.cli.engines import again
from nneft.cli.estimates import show, show_json, wanted

if TYPE_CHECKING:
    from nneft.ensemble.engines import Engine
    from nneft.ensemble.runs import Outcome, Run, Share
    from nneft.ensemble.runs.blockfile import Failure

NUMERICS, INTERRUPTED = 3, 4

#: Most failed blocks that are told one by one.
MOST_TOLD = 20


@dataclass(frozen=True)
class Kept:
    """One call of the command on a run.

    Parameters
    ----------
    run : what is sampled where.
    share : this task's blocks, or None for all.
    only_gather : merge what is there, sample nothing.
    threads, engine : where blocks are sampled.
    as_json : how to print.
    """

    run: Run
    share: Share | None
    only_gather: bool
    threads: int | None
    engine: Engine | None
    as_json: bool

    def do(self) -> int:
        """Sample and merge; the exit code."""
        for note in self.run.notes:
            click.echo(f"nneft: the last bits of new blocks may differ: {note}", err=True)
        if self.only_gather or self.share is not None:  # else `complete` says so
            for line in self.run.mended:
                click.echo(f"nneft: {line}", err=True)
        try:
            if self.only_gather:
                return self._gathered()
            return self._completed() if self.share is None else self._shared(self.share)
        except KeyboardInterrupt:
            return self._left("interrupted")
        except OSError as error:
            return self._left(f"{error.strerror or error}")

    def _completed(self) -> int:
        from nneft.cli.progress import sampling
        from nneft.ensemble.runs import complete

        with sampling(watched=self.run.until is not None) as now:
            outcome = complete(
                self.run,
                workers=self.threads,
                engine=self.engine,
                progress=now.progress,
                watch=now.watch,
                failed=_warned(now.say),
                say=now.say,
            )
        return self._told(outcome)

    def _shared(self, share: Share) -> int:
        from nneft.cli.progress import sampling
        from nneft.ensemble.runs import work
        from nneft.ensemble.runs.blockfile import listed
        from nneft.ensemble.runs.gather import failures

        run, own = self.run, share.blocks(self.run)
        with sampling(watched=run.until is not None, tasks=share.of) as now:
            prefix = work(
                run,
                own,
                workers=self.threads,
                engine=self.engine,
                progress=now.progress,
                watch=now.watch,
                failed=_warned(now.say),
            )
        blocks = [block for block in listed(run.blocks) if block in own]
        failed = failures(run, blocks)
        enough = prefix.reached if prefix is not None and prefix.whole else None
        if self.as_json:
            report: dict[str, Any] = {"run": str(run.folder), "task": share.task, "of": share.of}
            until = wanted(run.until, enough, None if prefix is None else prefix.readings())
            about = {"blocks": len(blocks), "failed": _listed(failed), "until": until}
            show_json(report | about)
            return told_failures(failed)
        done = f"task {share.task} of {share.of}: {len(blocks)}"
        click.echo(f"{done}{self._most} blocks are in {run.folder}")
        if prefix is not None and enough:
            click.echo(f"{run.until} is reached by the first {prefix.blocks} blocks of all tasks")
        click.echo(f"when all tasks are done: {shlex.join(self._again(None))} --gather")
        return told_failures(failed)

    def _gathered(self) -> int:
        from nneft.ensemble.accuracy import worst
        from nneft.ensemble.runs import gather
        from nneft.ensemble.runs.work import finish

        outcome = gather(self.run)
        for reason in outcome.damaged.values():
            click.echo(f"nneft: {reason}; set aside", err=True)
        if outcome.missing:
            many = len(outcome.missing)
            some = ", ".join(map(str, outcome.missing[:8])) + ", .." * (many > 8)
            if self.run.until is None:
                return self._left(f"{many} blocks are missing ({some})")
            far = worst(outcome.readings)
            reached = "" if far is None else f" ({far})"
            return self._left(
                f"what is there without a gap is not accurate enough{reached}, next missing: {some}"
            )
        finish(self.run, outcome)
        return self._told(outcome)

    def _told(self, outcome: Outcome) -> int:
        run = self.run
        if outcome.ensemble is None:
            raise ValueError(f"{run.folder} has no result")
        about = {
            "run": str(run.folder),
            "result": str(run.result),
            "networks_wanted": run.networks,
            "blocks": outcome.blocks,
            "failed": _listed(outcome.failed),
            "until": wanted(run.until, outcome.reached, outcome.readings),
        }
        show(outcome.ensemble, self.as_json, about)
        return told_failures(outcome.failed)

    def _left(self, reason: str) -> int:
        """Say what is kept and how to go on."""
        from nneft.ensemble.runs.blockfile import listed

        kept = f"{len(listed(self.run.blocks))}{self._most} blocks are kept in {self.run.folder}"
        click.echo(f"nneft: {reason}; {kept}", err=True)
        click.echo(f"go on with: {shlex.join(self._again(self.share))}", err=True)
        return INTERRUPTED

    @property
    def _most(self) -> str:
        """Nobody knows how many blocks will be wanted where an accuracy decides."""
        return f" of {self.run.count}" if self.run.until is None else ""

    def _again(self, share: Share | None) -> list[str]:
        task = [] if share is None else ["--task", str(share.task), "--of", str(share.of)]
        return ["nneft", "sample", "--run", str(self.run.folder), *task, *again(self.engine)]


def _listed(failed: Sequence[Failure]) -> list[dict[str, Any]]:
    return [{"block": failure.block, "reason": failure.reason} for failure in failed]


def _warned(say: Callable[[str], object]) -> Callable[[Failure], object]:
    """Says of the first block that fails that it did; all are listed in the end."""
    said: list[Failure] = []

    def failed(failure: Failure) -> None:
        if not said:
            say(f"block {failure.block} failed, is recorded, others go on: {failure.reason}")
        said.append(failure)

    return failed


def told_failures(failed: Sequence[Failure]) -> int:
    """Say which blocks failed; the exit code that follows from it."""
    for failure in failed[:MOST_TOLD]:
        click.echo(f"nneft: block {failure.block} failed: {failure.reason}", err=True)
    if len(failed) > MOST_TOLD:
        click.echo(f"nneft: .. and {len(failed) - MOST_TOLD} more blocks", err=True)
    if failed:
        lost = sum(failure.networks for failure in failed)
        click.echo(f"nneft: {lost:,} networks of failed blocks are in no average", err=True)
    return NUMERICS if failed else 0
