"""C_W and C_b of all layers together: the least weighted sum of drift and spread.

    J = w_kernel sum_l mean_A ((<G^(l)_A> - goal_A) / size_A)^2
      + w_spread mean_A V_4^(L)(A;A)/n_{L-1} / (K_0aa K_0bb)

with means to first order in 1/n, over ``C_W^(l) > 0`` and ``C_b^(l) >= 0`` of layers 2..L, by
L-BFGS-B with exact gradients.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from nneft.conventions import pairs
from nneft.errors import NumericsError
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg import series
from nneft.rg.components import Components
from nneft.rg.driver import flow
from nneft.rg.flow import Flow
from nneft.rg.sensitivity import every_layer
from nneft.tuning.profile import profile_of, sizes

#: Smallest C_W as a part of the one it starts from.
LEAST = 1e-4


@dataclass(frozen=True, eq=False)
class Balance:
    """The problem: a network to start from, its first kernel, what is wanted, and the weights.

    Attributes
    ----------
    goal : (L, N, N)
        Mean kernel wanted.
    kernel_weight, spread_weight
        ``w_kernel``, ``w_spread``.
    shared
        One C_W and one C_b for all layers from the second on.
    """

    network: Network
    kernel: Array
    goal: Array
    kernel_weight: float
    spread_weight: float
    shared: bool

    def at(self, constants: Array) -> Network:
        """The network with (2 (L - 1),) constants: C_W and C_b of layer 2, of layer 3, .."""
        C_W, C_b = self.network.C_W.copy(), self.network.C_b.copy()
        C_W[1:], C_b[1:] = constants[::2], constants[1::2]
        return Network(self.network.widths, self.network.activation, C_W, C_b)

    def value(self, constants: Array) -> tuple[float, Array]:
        """J and its derivatives by the constants."""
        found = flow(self.at(constants), kernel=self.kernel, order=1)
        mean, reader = profile_of(found).mean, Components(found.reduction)
        below = np.array(found.network.widths[:-1], dtype=np.float64)
        upper, size = np.triu_indices(len(self.kernel)), sizes(self.goal)
        each = self.kernel_weight / len(upper[0])
        total, slope = 0.0, np.zeros(len(constants))
        for layer, every in every_layer(found):
            if layer == 1:  # the first kernel is given
                continue
            changes = tuple(v[2:] for v in every)
            l, eps = layer - 1, 1.0 / below[layer - 1]
            moved = reader.dense(list(changes[0] @ np.array([1.0, eps])), 1)
            off = (mean[l] - self.goal[l]) / size[l]
            total += each * float(np.sum(off[upper] ** 2))
            slope[: len(moved)] += 2.0 * each * np.sum((off * moved / size[l])[:, *upper], axis=1)
            if layer == len(mean):
                part, change = _spread(found, changes, reader)
                total += self.spread_weight * part
                slope += self.spread_weight * change
        return total, slope

    def solved(self, starts: list[Network], iterations: int) -> tuple[Network, float, float]:
        """The best network found from the better of some starts, and J before and after.

        Raises
        ------
        nneft.NumericsError
            The flow of the first network to start from cannot be had.
        """
        every = [np.ravel(np.column_stack([net.C_W[1:], net.C_b[1:]])) for net in starts]
        units = np.tile([1.0, float(np.mean(np.diag(self.kernel)))], len(every[0]) // 2)
        spread = self._spreading(len(units))
        first, _ = self.value(every[0])
        ceiling = 10.0 * first + 1.0

        def cost(x: Array) -> tuple[float, Array]:
            try:
                value, slope = self.value(units * (spread @ x))
            except NumericsError:
                # Out of reach: the line search comes back from there.
                return ceiling, np.zeros_like(x)
            return value, (units * slope) @ spread

        free = [(start / units) @ spread / np.sum(spread, axis=0) for start in every]
        x = min(free, key=lambda x: cost(x)[0])
        low = np.zeros(len(x))
        low[::2] = LEAST * np.maximum(x[::2], LEAST)
        best = minimize(
            cost, x, jac=True, method="L-BFGS-B", bounds=[(b, None) for b in low],
            options={"maxiter": iterations, "ftol": 1e-12, "gtol": 1e-9},
        )  # fmt: skip
        if best.fun >= first:
            return self.network, first, first
        return self.at(units * (spread @ best.x)), first, float(best.fun)

    def _spreading(self, count: int) -> Array:
        """From free numbers to all layers' constants."""
        return np.tile(np.eye(2), (count // 2, 1)) if self.shared else np.eye(count)


def _spread(found: Flow, changes: series.Cumulants, reader: Components) -> tuple[float, Array]:
    """Mean relative variance of the last layer and its derivatives."""
    eps, K_0 = 1.0 / found.network.widths[-2], found.K()[-1]
    moved = reader.dense(list(changes[0][..., 0]), 1)
    total, slope, every = 0.0, np.zeros(len(moved)), pairs(len(K_0))
    for a, b in every:
        at = (a, b, a, b)
        variance = eps * found.V(4, at=at)[-1]
        change = eps * reader.component(list(changes[1][..., 1]), at, 4)
        size = K_0[a, a] * K_0[b, b]
        # d (v / s) = dv / s - v ds / s^2
        grown = moved[:, a, a] * K_0[b, b] + moved[:, b, b] * K_0[a, a]
        total += float(variance / size) / len(every)
        slope += (change / size - variance * grown / size**2) / len(every)
    return total, slope
