"""Ensembles of random networks: sampling, one-pass moments, estimates with standard errors."""

from nneft.ensemble.control import Control
from nneft.ensemble.ensemble import Ensemble, Source
from nneft.ensemble.estimate import Estimate
from nneft.ensemble.neurons import NeuronEnsemble, sample_neurons
from nneft.ensemble.sampling import sample, sample_blocks
from nneft.ensemble.widths import Extrapolation, extrapolate

__all__ = [
    "Control",
    "Ensemble",
    "Estimate",
    "Extrapolation",
    "NeuronEnsemble",
    "Source",
    "extrapolate",
    "sample",
    "sample_blocks",
    "sample_neurons",
]
