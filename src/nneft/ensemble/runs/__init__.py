"""Runs: ensembles kept in a folder, block by block, so that nothing finished is ever lost."""

from nneft.ensemble.runs.gather import Outcome, gather
from nneft.ensemble.runs.run import Run, open_run, read_run
from nneft.ensemble.runs.verify import Verdict, verify
from nneft.ensemble.runs.work import Share, complete, work

__all__ = [
    "Outcome",
    "Run",
    "Share",
    "Verdict",
    "complete",
    "gather",
    "open_run",
    "read_run",
    "verify",
    "work",
]
