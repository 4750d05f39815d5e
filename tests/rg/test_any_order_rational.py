"""Every K_p and V_2k,q of polynomial activations against rational arithmetic, with their bounds."""

from fractions import Fraction as F
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import pytest
from rg.any_order_exact import Tower

import nneft

METHODS = ("series", "diagrams")
POLYNOMIALS = {
    "x + x**2/3": (F(0), F(1), F(1, 3)),
    "x**2": (F(0), F(0), F(1)),
    "x - x**3/6": (F(0), F(1), F(0), F(-1, 6)),
    "0.5 - x + x**2/4": (F(1, 2), F(-1), F(1, 4)),
    "x": (F(0), F(1)),
}
KERNELS = {
    "one": [[F(3, 4)]],
    "two": [[F(3, 4), F(-1, 2)], [F(-1, 2), F(5, 4)]],
    "three": [
        [F(1), F(1, 2), F(-1, 4)],
        [F(1, 2), F(3, 4), F(1, 8)],
        [F(-1, 4), F(1, 8), F(1, 2)],
    ],
    "parallel": [[F(1, 2), F(1)], [F(1), F(2)]],
    "opposite": [[F(1), F(-1)], [F(-1), F(1)]],
    "coincident": [[F(3, 4), F(3, 4)], [F(3, 4), F(3, 4)]],
    "one of them zero": [[F(3, 4), F(0)], [F(0), F(0)]],
    "rank two": [[F(2), F(1), F(1)], [F(1), F(1), F(0)], [F(1), F(0), F(1)]],
    "rank one": [[F(1), F(-1), F(2)], [F(-1), F(1), F(-2)], [F(2), F(-2), F(4)]],
    "two and one again": [[F(1), F(1, 2), F(1)], [F(1, 2), F(2), F(1, 2)], [F(1), F(1, 2), F(1)]],
}
C_W = (F(1), F(3, 4), F(5, 4), F(1, 2), F(2), F(1))
C_b = (F(0), F(1, 4), F(1, 8), F(1, 16), F(1, 2), F(1, 3))
WIDTHS = (3, 10, 4, 7, 5, 6, 8)
#: A bound on an error is at most this part of the largest component of ``V_2k,0, V_2k,1, ..``
#: (one of which may cross zero).
WIDEST = 1e-9

# activation, kernel, order, layer
CASES = [
    ("x + x**2/3", "one", 5, 5),
    ("x**2", "one", 5, 4),
    ("0.5 - x + x**2/4", "one", 5, 4),
    ("x - x**3/6", "one", 3, 4),
    ("x - x**3/6", "one", 4, 3),
    ("x", "one", 5, 6),
    ("x", "two", 3, 6),
    ("x + x**2/3", "two", 3, 3),
    ("x**2", "two", 3, 3),
    ("0.5 - x + x**2/4", "two", 3, 3),
    ("x - x**3/6", "two", 2, 3),
    ("x + x**2/3", "two", 2, 4),
    ("x + x**2/3", "parallel", 3, 3),
    ("x - x**3/6", "parallel", 2, 3),
    ("x - x**3/6", "opposite", 2, 3),
    ("x + x**2/3", "coincident", 3, 3),
    ("0.5 - x + x**2/4", "one of them zero", 3, 3),
    ("x", "three", 2, 5),
    ("x + x**2/3", "three", 2, 3),
    ("x + x**2/3", "rank two", 2, 3),
    ("x**2", "rank one", 2, 3),
    ("x + x**2/3", "two and one again", 2, 3),
]
LONGER = [
    ("0.5 - x + x**2/4", "opposite", 3, 3),
    ("0.5 - x + x**2/4", "rank two", 2, 3),
    ("x + x**2/3", "one", 6, 5),
    ("0.5 - x + x**2/4", "one", 6, 4),
    ("x - x**3/6", "two", 3, 3),
    ("x - x**3/6", "opposite", 3, 3),
    ("x + x**2/3", "two", 3, 4),
    ("x - x**3/6", "rank two", 2, 3),
    ("x - x**3/6", "three", 2, 3),
    ("x + x**2/3", "three", 3, 3),
    ("x", "three", 3, 4),
]


@cache
def exact(name: str, kernel: str, order: int, layer: int):
    """For each k, q: every component, by its inputs."""
    tower = Tower(POLYNOMIALS[name], KERNELS[kernel], WIDTHS, C_W, C_b, order)
    return {
        (k, q): {
            tuple(i for A in pairs for i in A): float(tower.coefficient(layer, pairs, q))
            for pairs in combinations_with_replacement(tower.pairs, k)
        }
        for k in range(1, order + 2)
        for q in range(order + 2 - k)
    }


def made(name: str, kernel: str, order: int, layer: int, method: str, widths=WIDTHS):
    first = np.array(KERNELS[kernel], dtype=float)
    rates = [[float(c) for c in cs[:layer]] for cs in (C_W, C_b)]
    net = nneft.Network(widths[: layer + 1], name, *rates)
    return nneft.flow(net, kernel=first, order=order, method=method)


def quantity(flow, k: int, q: int):
    """Values and error bounds of the last layer."""
    name = f"K_{q}" if k == 1 else f"V_{2 * k}" + f"_{q}" * (q > 0)
    values = flow.K(q) if k == 1 else flow.V(2 * k, q)
    return values[-1], flow.errors(name)[-1]


def check(case, method: str) -> None:
    flow, wanted = made(*case, method), exact(*case)
    largest: dict[int, float] = {}
    for (k, _), components in wanted.items():
        largest[k] = max([largest.get(k, 0.0), *map(abs, components.values())])
    for (k, q), components in wanted.items():
        values, errors = quantity(flow, k, q)
        for at, value in components.items():
            # rounding of the exact number to a double beside the bound
            allowed = errors[at] + 1e-15 * abs(value)
            assert abs(values[at] - value) <= allowed, (k, q, at, values[at], value, errors[at])
            assert errors[at] <= WIDEST * largest[k], (k, q, at, errors[at], largest)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_component(case, method):
    check(case, method)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", LONGER, ids=str)
def test_every_component_of_larger_ones(case, method):
    check(case, method)


@pytest.mark.parametrize("method", METHODS)
def test_a_cubic_at_order_five(method):
    """Its cumulants grow fast: V_12 is 6e6 beside V_4 = 0.08, and is known as well."""
    check(("x - x**3/6", "one", 5, 3), method)


def test_one_width_out_of_place_is_seen():
    """The control: two widths exchanged, all else equal."""
    case = ("x + x**2/3", "two", 2, 4)
    flow = made(*case, "series", (3, 4, 10, 7, 5))
    seen = [
        (k, q)
        for (k, q), components in exact(*case).items()
        if any(abs(quantity(flow, k, q)[0][at] - v) > 1e-3 * abs(v) for at, v in components.items())
    ]
    # only K_0 does not know of widths
    assert seen == [kq for kq in exact(*case) if kq != (1, 0)]
