"""What is asked of a network here, by layer: where its kernel is, how far seeds spread."""

from dataclasses import dataclass

import numpy as np

from nneft.conventions import pairs
from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.driver import flow
from nneft.rg.flow import Flow

#: Largest spread at which first order in 1/n says enough.
LARGE = 0.5


@dataclass(frozen=True, eq=False)
class Profile:
    """Mean kernel and its relative spread between random seeds; index 0 is layer 1.

    Attributes
    ----------
    mean : (L, N, N)
        ``K_0 + K_1 / n_{l-1}``.
    spreads : (L, P)
        ``sqrt(V_4(ab;ab)/n_{l-1} / (K_0aa K_0bb))`` of every pair, in the order of
        `nneft.conventions.pairs`: for a = b the relative standard deviation, to leading order.
    """

    mean: Array
    spreads: Array

    @property
    def spread(self) -> Array:
        """(L,): of the worst pair."""
        return np.asarray(np.max(self.spreads, axis=1))

    @property
    def doubtful(self) -> int | None:
        """The first layer with a spread above 50%, where orders beyond the first count; or None."""
        large = self.spread > LARGE
        return int(np.argmax(large)) + 1 if np.any(large) else None

    def departure(self, goal: Array) -> Array:
        """(L,): largest ``|<G_ab> - goal_ab| / sqrt(goal_aa goal_bb)``."""
        return np.asarray(np.max(np.abs(self.mean - goal) / sizes(goal), axis=(1, 2)))


def sizes(kernel: Array) -> Array:
    """``sqrt(K_aa K_bb)``: (.., N, N)."""
    deviations = np.sqrt(np.diagonal(kernel, axis1=-2, axis2=-1))
    return np.asarray(deviations[..., :, None] * deviations[..., None, :])


def profile_of(found: Flow) -> Profile:
    """Of a flow of order 1 or more, at its network's widths.

    Raises
    ------
    nneft.NumericsError
        A mean kernel that the 1/n correction turns negative.
    """
    mean = found.mean()
    lost = np.any(np.diagonal(mean, axis1=1, axis2=2) <= 0.0, axis=1)
    if np.any(lost):
        raise NumericsError(
            f"to first order in 1/n the mean kernel of layer {int(np.argmax(lost)) + 1} is not "
            "positive: the network is too narrow for its depth"
        )
    spreads = [leading_spread(found, a, b) for a, b in pairs(mean.shape[1])]
    return Profile(mean, np.stack(spreads, axis=1))


def leading_spread(found: Flow, a: int, b: int) -> Array:
    """(L,) of one pair of inputs."""
    below, K_0 = np.array(found.network.widths[:-1], dtype=np.float64), found.K()
    variance = found.V(4, at=(a, b, a, b)) / below
    return np.sqrt(np.maximum(variance, 0.0) / (K_0[:, a, a] * K_0[:, b, b]))


def measure(network: Network, kernel: Array) -> Profile:
    """Of a network whose first layer has this kernel."""
    return profile_of(flow(network, kernel=kernel, order=1))
