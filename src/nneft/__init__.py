"""nneft: the effective field theory of random deep networks.

Preactivations are fields, layers are RG steps, 1/width is the coupling: this package computes what
Banta, Cai, Craig, Zhang, *Structures of Neural Network Effective Theories* (arXiv:2305.02334)
describe. Conventions: `nneft.conventions`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nneft._version import __version__

if TYPE_CHECKING:
    from nneft.actions import (
        Action,
        EffectiveAction,
        GhostCancellation,
        action,
        effective_action,
        ghost_cancellation,
    )
    from nneft.activations import Activation
    from nneft.comparison import Comparison, compare
    from nneft.criticality import (
        ClosePair,
        CriticalPoint,
        EdgePoint,
        Exponents,
        FixedPoint,
        FixedPoints,
        Rates,
        Scaling,
        Susceptibility,
        close_pair,
        critical_exponents,
        critical_point,
        edge_of_chaos,
        fixed_points,
        phase_diagram,
        rates,
        scaling,
        susceptibility,
    )
    from nneft.ensemble import (
        Control,
        Ensemble,
        Estimate,
        Extrapolation,
        NeuronEnsemble,
        extrapolate,
        sample_neurons,
    )
    from nneft.errors import NumericsError
    from nneft.feynman import Diagram, Diagrams, diagrams
    from nneft.files import load
    from nneft.finite_width.one_input import exact
    from nneft.network import Network
    from nneft.parameterizations import Initialization, Recipe, initialization, recipe
    from nneft.rg.contributions import Contributions, contributions
    from nneft.rg.driver import flow
    from nneft.rg.flow import Flow
    from nneft.rg.pairwise import kernel
    from nneft.rg.resummation import Resummation
    from nneft.rg.sensitivity import Response, Sensitivity
    from nneft.rg.validity import Validity
    from nneft.tuning import Advice, Budget, Tuning, advise, budget, tune
    from nneft.variance_reduction import sample

# Looked up when first asked for, so that importing the package, and the command line's --help, take
# no time: NumPy and SciPy are loaded by what needs them.
_HOMES = {
    "Action": "nneft.actions",
    "Activation": "nneft.activations",
    "Advice": "nneft.tuning",
    "Budget": "nneft.tuning",
    "ClosePair": "nneft.criticality",
    "Comparison": "nneft.comparison",
    "Contributions": "nneft.rg.contributions",
    "Control": "nneft.ensemble",
    "CriticalPoint": "nneft.criticality",
    "Diagram": "nneft.feynman",
    "Diagrams": "nneft.feynman",
    "EdgePoint": "nneft.criticality",
    "EffectiveAction": "nneft.actions",
    "Ensemble": "nneft.ensemble",
    "Estimate": "nneft.ensemble",
    "Extrapolation": "nneft.ensemble",
    "Exponents": "nneft.criticality",
    "FixedPoint": "nneft.criticality",
    "FixedPoints": "nneft.criticality",
    "Flow": "nneft.rg.flow",
    "GhostCancellation": "nneft.actions",
    "Initialization": "nneft.parameterizations",
    "Network": "nneft.network",
    "NeuronEnsemble": "nneft.ensemble",
    "NumericsError": "nneft.errors",
    "Rates": "nneft.criticality",
    "Recipe": "nneft.parameterizations",
    "Response": "nneft.rg.sensitivity",
    "Resummation": "nneft.rg.resummation",
    "Scaling": "nneft.criticality",
    "Sensitivity": "nneft.rg.sensitivity",
    "Susceptibility": "nneft.criticality",
    "Tuning": "nneft.tuning",
    "Validity": "nneft.rg.validity",
    "action": "nneft.actions",
    "advise": "nneft.tuning",
    "budget": "nneft.tuning",
    "close_pair": "nneft.criticality",
    "compare": "nneft.comparison",
    "contributions": "nneft.rg.contributions",
    "critical_exponents": "nneft.criticality",
    "critical_point": "nneft.criticality",
    "diagrams": "nneft.feynman",
    "edge_of_chaos": "nneft.criticality",
    "effective_action": "nneft.actions",
    "exact": "nneft.finite_width.one_input",
    "extrapolate": "nneft.ensemble",
    "fixed_points": "nneft.criticality",
    "flow": "nneft.rg.driver",
    "ghost_cancellation": "nneft.actions",
    "initialization": "nneft.parameterizations",
    "kernel": "nneft.rg.pairwise",
    "load": "nneft.files",
    "phase_diagram": "nneft.criticality",
    "rates": "nneft.criticality",
    "recipe": "nneft.parameterizations",
    "sample": "nneft.variance_reduction",
    "sample_neurons": "nneft.ensemble",
    "scaling": "nneft.criticality",
    "susceptibility": "nneft.criticality",
    "tune": "nneft.tuning",
}

__all__ = [
    "Action",
    "Activation",
    "Advice",
    "Budget",
    "ClosePair",
    "Comparison",
    "Contributions",
    "Control",
    "CriticalPoint",
    "Diagram",
    "Diagrams",
    "EdgePoint",
    "EffectiveAction",
    "Ensemble",
    "Estimate",
    "Exponents",
    "Extrapolation",
    "FixedPoint",
    "FixedPoints",
    "Flow",
    "GhostCancellation",
    "Initialization",
    "Network",
    "NeuronEnsemble",
    "NumericsError",
    "Rates",
    "Recipe",
    "Response",
    "Resummation",
    "Scaling",
    "Sensitivity",
    "Susceptibility",
    "Tuning",
    "Validity",
    "__version__",
    "action",
    "advise",
    "budget",
    "close_pair",
    "compare",
    "contributions",
    "critical_exponents",
    "critical_point",
    "diagrams",
    "edge_of_chaos",
    "effective_action",
    "exact",
    "extrapolate",
    "fixed_points",
    "flow",
    "ghost_cancellation",
    "initialization",
    "kernel",
    "load",
    "phase_diagram",
    "rates",
    "recipe",
    "sample",
    "sample_neurons",
    "scaling",
    "susceptibility",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nneft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
