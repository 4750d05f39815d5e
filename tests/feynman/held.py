"""A flow made of numbers alone: no more than what values of diagrams may ask for."""

import numpy as np

import nneft
from nneft.feynman.values import Evaluator


class Held:
    """Correlators by layer, order and sorted pairs; whatever is not there is not held."""

    def __init__(self, network, kernels):
        self.network = network
        self.correlators = {}
        self.kernels = np.zeros((network.depth, len(kernels[0]), len(kernels[0])))
        for l, kernel in enumerate(kernels, start=1):
            self.kernels[l - 1] = kernel

    def put(self, layer, block, order, value):
        """Coefficient of ``n_{l-1}^-(k-1+order)`` in the cumulant of these pairs."""
        self.correlators[layer, tuple(sorted(block)), order] = float(value)

    def K(self, p=0):
        if p == 0:
            return self.kernels
        size = self.kernels.shape[-1]
        found = np.zeros_like(self.kernels)
        for l in range(1, self.network.depth + 1):
            for a in range(size):
                for b in range(size):
                    found[l - 1, a, b] = self._at(l, ((min(a, b), max(a, b)),), p)
        return found

    def V(self, points, order=0, *, at):
        block = tuple(sorted((min(p), max(p)) for p in zip(at[::2], at[1::2], strict=True)))
        layers = range(1, self.network.depth + 1)
        return np.array([self._at(l, block, order) for l in layers])

    def _at(self, layer, block, order):
        if any(key[1:] == (block, order) for key in self.correlators):
            return self.correlators.get((layer, block, order), 0.0)
        raise ValueError(f"{block} at order {order} was never put here")


def tower(network, kernels, points):
    """One input: K_0 given, V_4 .. V_points at leading order by the sums of their diagrams."""
    flow = Held(network, kernels)
    for k in range(2, points // 2 + 1):
        flow.put(1, ((0, 0),) * k, 0, 0.0)
    for layer in range(2, network.depth + 1):
        evaluator = Evaluator(flow, layer)
        for k in range(2, points // 2 + 1):
            values = evaluator.values(list(nneft.diagrams(2 * k)))
            flow.put(layer, ((0, 0),) * k, 0, sum(v.value for v in values))
    return flow
