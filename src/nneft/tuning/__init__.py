"""Tuning at finite width: which C_W and C_b, how deep, how wide."""

from nneft.tuning.advice import Advice, advise
from nneft.tuning.depth import Budget, budget
from nneft.tuning.start import critical_network
from nneft.tuning.tuning import Tuning, tune

__all__ = ["Advice", "Budget", "Tuning", "advise", "budget", "critical_network", "tune"]
