"""What accuracy is wanted, in words such as ``"V4 < 1%"``, and how far an ensemble is from it.

    TARGET  = NAME [ "[" inputs "]" ] [ "@" layer ] "<" bound [ "%" ]
    NAME    = G | V4 | V6 | V8
    TARGETS = TARGET, joined by "and" or ","

The bound is on the standard error: with ``%`` relative to the estimate, without it in units of the
quantity. Without ``[..]`` it holds for the equal-input component of every input, ``V_4(aa;aa)``,
without ``@`` at the last layer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nneft.ensemble.subset import of_inputs

if TYPE_CHECKING:
    from nneft.ensemble.ensemble import Ensemble
    from nneft.ensemble.plan import Plan

NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
TARGET = re.compile(
    rf"(<G>|G|K|V_?[468])\s*(?:\[([\d,\s]*)\])?\s*(?:@\s*(\d+))?\s*<\s*({NUMBER})\s*(%?)"
)
#: Between targets; commas within brackets part indices.
JOINED = re.compile(r"\s+and\s+|,(?![^\[]*\])")


@dataclass(frozen=True)
class Target:
    """A bound on the standard error of one quantity.

    Parameters
    ----------
    points : 2 for ``<G>``, or 4, 6, 8 for ``V_4, V_6, V_8``.
    at : as many inputs, or None for ``(a, .., a)`` of every input a.
    layer : from 2; None is the last.
    bound : that the error must stay below.
    relative : whether it is a fraction of the estimate.
    """

    points: int
    at: tuple[int, ...] | None
    layer: int | None
    bound: float
    relative: bool

    @property
    def name(self) -> str:
        """``G`` or ``V4``."""
        return "G" if self.points == 2 else f"V{self.points}"

    def __str__(self) -> str:
        at = "" if self.at is None else f"[{','.join(map(str, self.at))}]"
        layer = "" if self.layer is None else f"@{self.layer}"
        return f"{self.name}{at}{layer} < {_written(self.bound, self.relative)}"


@dataclass(frozen=True)
class Reading:
    """One component of a target, as an ensemble has it.

    Parameters
    ----------
    target : what is wanted.
    at, layer : which component this is.
    mean, error : the estimate.
    """

    target: Target
    at: tuple[int, ...]
    layer: int
    mean: float
    error: float

    @property
    def reached(self) -> float:
        """The error, relative to the estimate if the bound is."""
        if self.error == 0.0 or not self.target.relative:
            return self.error
        return self.error / abs(self.mean) if self.mean else math.inf

    @property
    def distance(self) -> float:
        """The error in units of its bound: below 1 the target is met."""
        return self.reached / self.target.bound

    def __str__(self) -> str:
        where = f"{self.target.name}[{','.join(map(str, self.at))}]@{self.layer}"
        relative = self.target.relative
        reached = _written(float(f"{self.reached:.2g}"), relative)
        return f"{where} to {reached} of {_written(self.target.bound, relative)}"


def _written(value: float, relative: bool) -> str:
    number = f"{100.0 * value:.15g}" if relative else f"{value:.15g}"
    return f"{number}%" if relative else number


@dataclass(frozen=True)
class Accuracy:
    """Targets that are all to be met."""

    targets: tuple[Target, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.targets))

    def readings(self, ensemble: Ensemble) -> list[Reading] | None:
        """How far an ensemble is, by component; None where it is too small to tell."""
        if ensemble.networks <= ensemble.points:
            return None
        return [reading for target in self.targets for reading in _readings(target, ensemble)]


def _readings(target: Target, ensemble: Ensemble) -> Iterator[Reading]:
    layer = target.layer or len(ensemble.widths) - 1
    equal = [(a,) * target.points for a in range(len(ensemble.first_kernel))]
    for at in equal if target.at is None else [target.at]:
        inputs = sorted(set(at))
        alone, within = of_inputs(ensemble, inputs), tuple(map(inputs.index, at))
        if target.points == 2:
            found = alone.kernel[(layer - 1, *within)]
        else:
            found = alone.V(target.points, at=within)[layer - 1]
        yield Reading(target, at, layer, float(found.mean), float(found.error))


def worst(readings: list[Reading] | None) -> Reading | None:
    """The reading that is furthest from its bound."""
    return max(readings, key=lambda reading: reading.distance) if readings else None


def accuracy(text: str, plan: Plan) -> Accuracy:
    """The targets that a text names, for the networks of a plan.

    Raises
    ------
    TypeError
        for something that is no text.
    ValueError
        for what cannot be read, or names what is not sampled.
    """
    if not isinstance(text, str):
        raise TypeError(f"until must be text such as 'V4 < 1%', got {text!r}")
    parsed = tuple(_parsed(part.strip(), text) for part in JOINED.split(text))
    for target in parsed:
        _check(target, plan)
    return Accuracy(parsed)


def _parsed(part: str, text: str) -> Target:
    match = TARGET.fullmatch(part)
    if match is None:
        raise ValueError(
            "until wants targets such as 'V4 < 1%', 'V4[0,1,0,1]@10 < 1%' or 'G < 0.001 and "
            f"V4 < 1%', got {part!r}" + (f" in {text!r}" if part != text.strip() else "")
        )
    name, inputs, layer, number, percent = match.groups()
    points = int(name[-1]) if name.startswith("V") else 2
    at = None if inputs is None else tuple(int(i) for i in inputs.split(",") if i.strip())
    bound = float(number) / 100.0 if percent else float(number)
    if not 0.0 < bound < math.inf:
        raise ValueError(f"a standard error can be made smaller than a number above 0, got {part}")
    return Target(points, at, None if layer is None else int(layer), bound, bool(percent))


def _check(target: Target, plan: Plan) -> None:
    depth, count = plan.network.depth, len(plan.kernel)
    if target.points > plan.points:
        raise ValueError(
            f"until names {target.name}, but points={plan.points} does not hold it: sample with "
            f"points={target.points}"
        )
    if depth < 2 or not 2 <= (target.layer or depth) <= depth:
        raise ValueError(
            f"layers 2 to {depth} fluctuate, '{target}' asks for layer {target.layer or depth}: "
            "layer 1's kernel is exact"
        )
    if target.at is not None and (len(target.at) != target.points or max(target.at) >= count):
        raise ValueError(
            f"{target.name}[..] wants {target.points} inputs from 0 to {count - 1}, got '{target}'"
        )
