"""One step at first order in 1/n as BCCZ write it: over ordered arguments, with its own averages.

Everything differs from `nneft.rg`: the averages (`gaussian.reference`), the indices (every ordered
list of inputs, BCCZ's factors 1/2 and 1/8), the loops. Slow: for few inputs and few layers.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from gaussian.forms import SIGMAS
from gaussian.reference import group, pair, single


@dataclass
class Layer:
    """``K_0``, ``V_4`` and ``K_1`` over ordered indices: (N, N), (N, N, N, N), (N, N)."""

    K_0: Any
    V_4: Any
    K_1: Any


def first(kernel: np.ndarray) -> Layer:
    size = len(kernel)
    return Layer(kernel, np.zeros((size,) * 4), np.zeros((size,) * 2))


def step(name: str, layer: Layer, C_W: float, C_b: float, ratio: float = 1.0) -> Layer:
    """Layer l from layer l - 1; `ratio` is ``n_{l-1}/n_{l-2}``."""
    size = range(len(layer.K_0))
    means = _Means(name, np.asarray(layer.K_0, dtype=float))
    K_0 = np.array([[C_b + C_W * means.product(a, b) for b in size] for a in size])
    chi = np.zeros((len(size),) * 4)
    for a, b, c, d in product(size, repeat=4):
        # chi(x1,x2;y1,y2) = (C_W/2) <d^2 Delta / dphi(y1) dphi(y2)>               BCCZ (24)
        chi[a, b, c, d] = C_W / 2 * means.derivative(a, b, (c, d))
    K_1 = np.einsum("abcd,cd->ab", chi, layer.K_1)
    for a, b in product(size, repeat=2):
        for legs in product({a, b}, repeat=4):
            # (C_W/8) V_4 . <d^4 Delta>                                            BCCZ (A.22)
            K_1[a, b] += C_W / 8 * layer.V_4[legs] * means.derivative(a, b, legs)
    V_4 = np.einsum("abij,cdkl,ijkl->abcd", chi, chi, layer.V_4) * ratio
    for a, b, c, d in product(size, repeat=4):
        connected = means.product(a, b, c, d) - means.product(a, b) * means.product(c, d)
        V_4[a, b, c, d] += C_W**2 * connected
    return Layer(K_0, V_4, ratio * K_1)


class _Means:
    def __init__(self, name: str, kernel: np.ndarray) -> None:
        self.sigma, self.kernel = SIGMAS[name], kernel
        self.found: dict[Any, float] = {}

    def product(self, *inputs: int) -> float:
        return self._mean({a: (inputs.count(a), 0) for a in set(inputs)})

    def derivative(self, a: int, b: int, legs: tuple[int, ...]) -> float:
        """``<d_legs (sigma_a sigma_b)>``."""
        if not set(legs) <= {a, b}:
            return 0.0
        if a == b:
            return self._mean({a: (2, len(legs))})
        return self._mean({a: (1, legs.count(a)), b: (1, legs.count(b))})

    def _mean(self, factors: dict[int, tuple[int, int]]) -> float:
        key = tuple(sorted(factors.items()))
        if key not in self.found:
            inputs = [a for a, _ in key]
            powers, orders = zip(*(f for _, f in key), strict=True)
            K = self.kernel[np.ix_(inputs, inputs)]
            if len(inputs) == 1:
                value = single(self.sigma, K[0, 0], [(powers[0], orders[0])]).values[0]
            elif len(inputs) == 2:
                value = pair(self.sigma, K, [(powers, orders)]).values[0]
            else:
                value = group(self.sigma, K, [(powers, orders)])[0].values[0]
            self.found[key] = float(value)
        return self.found[key]
