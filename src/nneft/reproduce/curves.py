"""Theory and measurement of one component, brought together as a curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nneft.conventions import pairs
from nneft.ensemble import Estimate
from nneft.figures.curve import Array, Curve, Measured
from nneft.reproduce.experiment import COMPONENTS, Setting
from nneft.reproduce.sampling import Sampled
from nneft.reproduce.theory import Theory
from nneft.rg.flow import Flow


def two_point(setting: Setting, theory: Theory, sampled: Sampled) -> list[Curve]:
    """``<G_ab>`` of all pairs of inputs, in the order of `nneft.conventions.pairs`."""
    total = sampled.total
    leading, mean = theory.flow.K(0), theory.flow.mean()
    sizes = np.sqrt(np.diagonal(leading, axis1=1, axis2=2))
    measured = None if total is None else total.kernel
    groups = [group.kernel.mean for group in sampled.groups]
    count = leading.shape[1]
    return [
        Curve(
            setting.activation,
            setting.regime,
            setting.C_W,
            (a, b),
            np.arange(1, len(leading) + 1),
            leading[:, a, b],
            sizes[:, a] * sizes[:, b],
            corrected=mean[:, a, b],
            measured=_measured(measured, groups, (a, b)),
        )
        for a, b in pairs(count)
    ]


def four_point(setting: Setting, theory: Theory, sampled: Sampled) -> list[Curve]:
    """``V_4`` of the components shown, with the exact value at finite width where there is one."""
    total = sampled.total
    measured = None if total is None else total.V(4)
    groups = [group.V(4).mean for group in sampled.groups]
    return [
        Curve(
            setting.activation,
            setting.regime,
            setting.C_W,
            at,
            np.arange(1, theory.flow.network.depth + 1),
            theory.flow.V(4, at=at),
            _scale(theory.flow, at),
            exact=theory.exact.get(at),
            measured=_measured(measured, groups, at),
        )
        for at in COMPONENTS
    ]


def _scale(flow: Flow, at: tuple[int, ...]) -> Array:
    """``sqrt(V(ab;ab) V(cd;cd))``; 1 in the first layer, where V_4 vanishes."""
    a, b, c, d = at
    scale = np.sqrt(flow.V(4, at=(a, b, a, b)) * flow.V(4, at=(c, d, c, d)))
    return np.where(scale > 0.0, scale, 1.0)


def _measured(
    estimate: Estimate | None, groups: Sequence[Array], at: tuple[int, ...]
) -> Measured | None:
    if estimate is None:
        return None
    place: Any = (slice(None), *at)
    by_group = np.array([group[place] for group in groups]).reshape(len(groups), len(estimate.mean))
    return Measured(estimate.mean[place], estimate.error[place], by_group, estimate.count)
