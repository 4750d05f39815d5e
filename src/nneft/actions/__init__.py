"""Actions: of a whole network on given preactivations, and the effective one of a single layer."""

from nneft.actions.cancellation import GhostCancellation, ghost_cancellation
from nneft.actions.couplings import EffectiveAction, effective_action
from nneft.actions.density import Action, action

__all__ = [
    "Action",
    "EffectiveAction",
    "GhostCancellation",
    "action",
    "effective_action",
    "ghost_cancellation",
]
