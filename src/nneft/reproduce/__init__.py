"""The numerical experiment of BCCZ, from one call: theory, simulation, Figures 1-5."""

from nneft.reproduce.experiment import PAPER, Experiment
from nneft.reproduce.main import reproduce
from nneft.reproduce.records import Progress, Report

__all__ = ["PAPER", "Experiment", "Progress", "Report", "reproduce"]
