"""A diagram in plain words, and the names of its vertices."""

from __future__ import annotations

from collections import Counter

from nneft.feynman.diagram import Diagram

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def vertex_latex(name: str) -> str:
    """``V_{4}``, ``K_{1}``; ``V_{4,1}`` is the order next to leading of ``V_{4}``."""
    return f"{name[0]}_{{{name[1:].replace('.', ',')}}}"


def describe(diagram: Diagram) -> str:
    """What is in the picture, for who does not see it."""
    blobs = [
        f"{_counted(legs, 'wavy leg')} and {_counted(lines, 'double line')}"
        for legs, lines in zip(diagram.legs, diagram.lines)
    ]
    order = f"order {diagram.order} beyond leading" if diagram.order else "leading order"
    sentences = [
        f"Contribution to the {diagram.points}-point connected correlator at {order}",
        f"{_counted(len(blobs), 'blob')}: "
        + "; ".join(f"blob {n} has {what}" for n, what in enumerate(blobs, 1)),
        *(_joins(v.name, v.blobs) for v in diagram.vertices),
        f"Symmetry factor {diagram.symmetry_factor}, multiplicity {diagram.multiplicity}",
    ]
    return ". ".join(s[0].upper() + s[1:] for s in sentences) + "."


def _joins(name: str, blobs: tuple[int, ...]) -> str:
    ends = Counter(blobs)
    places = [
        f"blob {b + 1}" + (f" by {_counted(n, 'double line')}" if n > 1 else "")
        for b, n in ends.items()
    ]
    if len(places) == 1:
        return f"{name} is attached to {places[0]}"
    return f"{name} joins {', '.join(places[:-1])} and {places[-1]}"


def _counted(count: int, noun: str) -> str:
    number = NUMBERS[count] if count < len(NUMBERS) else str(count)
    return f"{number} {noun}{'' if count == 1 else 's'}"
