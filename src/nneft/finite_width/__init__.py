"""Results at finite width that hold to all orders in 1/n."""

from nneft.finite_width.homogeneous import ExactMoments, exact_moments

__all__ = ["ExactMoments", "exact_moments"]
