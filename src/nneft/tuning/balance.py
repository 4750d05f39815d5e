"""C_W and C_b of all layers together: the least weighted sum of drift and spread.

    J = w_kernel sum_l mean_A ((<G^(l)_A> - goal_A) / size_A)^2
      + w_spread mean_A V_4^(L)(A;A)/n_{L-1} / (K_0aa K_0bb)

with means to first order in 1/n, over ``C_W^(l) > 0`` and ``C_b^(l) >= 0`` of layers 2..L, by
SLSQP with exact gradients. J alone is least where biases have taken the place of the signal: they
do not vary. So two things must not get worse than in the network started from: how far differences
between inputs are moved, ``|s_r|`` of `nneft.tuning.signal`, and the second mean of J, the spread.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

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
from nneft.tuning.signal import ALLOWANCE, moved

#: Smallest C_W as a part of the one it starts from.
LEAST = 1e-4
#: C_b below this part of the kernel is none.
DUST = 1e-8
#: By how much a constraint may be missed, and how often a step that misses one is halved.
MISSED, HALVINGS = 1e-6, 30


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
        drift, spread = self.parts(constants)
        return drift[0] + self.spread_weight * spread[0], drift[1] + self.spread_weight * spread[1]

    def parts(self, constants: Array) -> tuple[tuple[float, Array], tuple[float, Array]]:
        """The drift with its weight and the spread without, each with its derivatives."""
        found = flow(self.at(constants), kernel=self.kernel, order=1)
        mean, reader = profile_of(found).mean, Components(found.reduction)
        below = np.array(found.network.widths[:-1], dtype=np.float64)
        upper, size = np.triu_indices(len(self.kernel)), sizes(self.goal)
        each = self.kernel_weight / len(upper[0])
        total, slope = 0.0, np.zeros(len(constants))
        spread = 0.0, np.zeros(len(constants))
        for layer, every in every_layer(found):
            if layer == 1:  # the first kernel is given
                continue
            changes = tuple(v[2:] for v in every)
            l, eps = layer - 1, 1.0 / below[layer - 1]
            change = reader.dense(list(changes[0] @ np.array([1.0, eps])), 1)
            off = (mean[l] - self.goal[l]) / size[l]
            total += each * float(np.sum(off[upper] ** 2))
            slope[: len(change)] += 2.0 * each * np.sum((off * change / size[l])[:, *upper], axis=1)
            if layer == len(mean):
                spread = _spread(found, changes, reader)
        return (total, slope), spread

    def kept(self) -> Callable[[Array, tuple[float, Array]], tuple[Array, Array]]:
        """What must not be negative with its derivatives, a function of constants and spread.

        (5,) ``S_r - s_r`` and ``S_r + s_r``, where S_r is ``|s_r|`` of the network started from,
        with an allowance; and by how much of itself the spread there is larger.
        """
        size, start = float(np.mean(np.diag(self.kernel))), self._constants(self.network)
        most = np.abs(moved(self.network, size)[0]) + ALLOWANCE
        unit = max(self.parts(start)[1][0], np.finfo(float).tiny)

        def left(constants: Array, spread: tuple[float, Array]) -> tuple[Array, Array]:
            s, slopes = moved(self.at(constants), size)
            room = np.concatenate([most - s, most + s, [1.0 - spread[0] / unit]])
            return room, np.concatenate([-slopes, slopes, [-spread[1] / unit]])

        return left

    def solved(self, iterations: int) -> tuple[Network, float, float]:
        """The best network found, and J before and after.

        Raises
        ------
        nneft.NumericsError
            The flow of the network to start from cannot be had.
        """
        start = self._constants(self.network)
        units = np.tile([1.0, float(np.mean(np.diag(self.kernel)))], len(start) // 2)
        spread = self._spreading(len(units))
        first, room = self.value(start)[0], self.kept()
        x0 = (start / units) @ spread / np.sum(spread, axis=0)
        floor, steps = 10.0 * first + 1.0, spread * units[:, None]

        @lru_cache(maxsize=4)
        def looked(held: bytes) -> tuple[float, Array, Array, Array]:
            constants = steps @ np.frombuffer(held)
            try:
                drift, seeds = self.parts(constants)
                left, change = room(constants, seeds)
            except NumericsError:
                # Out of reach: the line search comes back from there.
                return floor, np.zeros(len(x0)), -np.ones(5), np.zeros((5, len(x0)))
            slope = drift[1] + self.spread_weight * seeds[1]
            return drift[0] + self.spread_weight * seeds[0], slope @ steps, left, change @ steps

        def at(x: Array) -> tuple[float, Array, Array, Array]:
            return looked(np.ascontiguousarray(x, dtype=np.float64).tobytes())

        low = np.zeros(len(x0))
        low[::2] = LEAST * np.maximum(x0[::2], LEAST)
        best = minimize(
            lambda x: at(x)[0], x0, jac=lambda x: at(x)[1], method="SLSQP",
            bounds=[(b, None) for b in low],
            constraints={"type": "ineq", "fun": lambda x: at(x)[2], "jac": lambda x: at(x)[3]},
            options={"maxiter": iterations, "ftol": 1e-12 * first},
        )  # fmt: skip
        x = np.maximum(best.x, low)
        x[1::2][x[1::2] < DUST] = 0.0
        for _ in range(HALVINGS):
            value, _, left, _ = at(x)
            if value < first and np.all(left >= -MISSED):
                return self.at(steps @ x), first, value
            x = 0.5 * (x + x0)
        return self.network, first, first

    @staticmethod
    def _constants(network: Network) -> Array:
        return np.ravel(np.column_stack([network.C_W[1:], network.C_b[1:]]))

    def _spreading(self, count: int) -> Array:
        """From free numbers to all layers' constants."""
        return np.tile(np.eye(2), (count // 2, 1)) if self.shared else np.eye(count)


def _spread(found: Flow, changes: series.Cumulants, reader: Components) -> tuple[float, Array]:
    """Mean relative variance of the last layer and its derivatives."""
    eps, K_0 = 1.0 / found.network.widths[-2], found.K()[-1]
    carried = reader.dense(list(changes[0][..., 0]), 1)
    total, slope, every = 0.0, np.zeros(len(carried)), pairs(len(K_0))
    for a, b in every:
        at = (a, b, a, b)
        variance = eps * found.V(4, at=at)[-1]
        change = eps * reader.component(list(changes[1][..., 1]), at, 4)
        size = K_0[a, a] * K_0[b, b]
        # d (v / s) = dv / s - v ds / s^2
        grown = carried[:, a, a] * K_0[b, b] + carried[:, b, b] * K_0[a, a]
        total += float(variance / size) / len(every)
        slope += (change / size - variance * grown / size**2) / len(every)
    return total, slope
