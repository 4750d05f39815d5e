"""Every different way to attach the external pairs to a topology."""

from collections.abc import Iterator
from itertools import combinations

from nneft.feynman.diagram import Diagram


def labellings(topology: Diagram) -> Iterator[Diagram]:
    """The labelled diagrams of a topology, `topology.multiplicity` of them, each once."""
    seen: set[Diagram] = set()
    pairs = sum(topology.legs)
    for blobs in _shared(tuple(range(pairs)), topology.legs):
        labelled = Diagram(blobs, topology.vertices, topology.expanded).canonical()
        if labelled not in seen:
            seen.add(labelled)
            yield labelled
            if len(seen) == topology.multiplicity:
                return


def _shared(left: tuple[int, ...], legs: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Ways to share the labels among blobs with these numbers of legs."""
    if not legs:
        yield ()
        return
    for chosen in combinations(left, legs[0]):
        rest = tuple(i for i in left if i not in chosen)
        for others in _shared(rest, legs[1:]):
            yield (chosen, *others)
