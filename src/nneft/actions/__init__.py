"""Actions: of a whole network on given preactivations, and the effective one of a single layer."""

from nneft.actions.density import Action, action

__all__ = ["Action", "action"]
