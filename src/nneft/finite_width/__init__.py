"""Results at finite width that hold to all orders in 1/n."""

from nneft.finite_width.homogeneous import ExactMoments, exact_moments
from nneft.finite_width.one_input import Exact, exact

__all__ = ["Exact", "ExactMoments", "exact", "exact_moments"]
