"""nneft: the effective field theory of random deep networks.

Preactivations are fields, layers are RG steps, 1/width is the coupling: this package computes what
Banta, Cai, Craig, Zhang, *Structures of Neural Network Effective Theories* (arXiv:2305.02334)
describe. Conventions: `nneft.conventions`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nneft._version import __version__

if TYPE_CHECKING:
    from nneft.activations import Activation
    from nneft.comparison import Comparison, compare
    from nneft.ensemble import Ensemble, Estimate, sample
    from nneft.errors import NumericsError
    from nneft.feynman import Diagram, Diagrams, diagrams
    from nneft.files import load
    from nneft.finite_width.one_input import exact
    from nneft.network import Network
    from nneft.rg.contributions import Contributions, contributions
    from nneft.rg.driver import flow
    from nneft.rg.flow import Flow

# Looked up when first asked for, so that importing the package, and the command line's --help, take
# no time: NumPy and SciPy are loaded by what needs them.
_HOMES = {
    "Activation": "nneft.activations",
    "Comparison": "nneft.comparison",
    "Contributions": "nneft.rg.contributions",
    "Diagram": "nneft.feynman",
    "Diagrams": "nneft.feynman",
    "Ensemble": "nneft.ensemble",
    "Estimate": "nneft.ensemble",
    "Flow": "nneft.rg.flow",
    "Network": "nneft.network",
    "NumericsError": "nneft.errors",
    "compare": "nneft.comparison",
    "contributions": "nneft.rg.contributions",
    "diagrams": "nneft.feynman",
    "exact": "nneft.finite_width.one_input",
    "flow": "nneft.rg.driver",
    "load": "nneft.files",
    "sample": "nneft.ensemble",
}

__all__ = [
    "Activation",
    "Comparison",
    "Contributions",
    "Diagram",
    "Diagrams",
    "Ensemble",
    "Estimate",
    "Flow",
    "Network",
    "NumericsError",
    "__version__",
    "compare",
    "contributions",
    "diagrams",
    "exact",
    "flow",
    "load",
    "sample",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'nneft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
