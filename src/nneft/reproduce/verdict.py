"""How well theory and simulation agree, as numbers and in words.

Points of one ensemble share their networks: layers and components scatter together, so that
shares and mean squares fluctuate more than for independent points.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nneft.figures.curve import Array, Curve
from nneft.figures.style import activation_name
from nneft.reproduce.book import Plate


@dataclass(frozen=True)
class Tally:
    """Pulls, in standard errors, of measured points against one theory.

    Attributes
    ----------
    points
        Number of points.
    within_2, within_3
        How many of them lie within 2 and 3 standard errors; 95.4% and 99.7% are expected.
    mean_square_pull
        Expected: 1.
    worst_pull, worst_at
        The largest in size, and where it is.
    """

    points: int
    within_2: int
    within_3: int
    mean_square_pull: float
    worst_pull: float
    worst_at: str


def tally(
    curves: Iterable[Curve], theory: Callable[[Curve], Array | None], layer: int | None = None
) -> Tally | None:
    """Pulls of all points, or of one layer's, against a theory; None where there are none."""
    pulls: list[float] = []
    places: list[str] = []
    for curve in curves:
        values = theory(curve)
        if values is None:
            continue
        for value, at in zip(curve.pull(values), curve.layers):
            if np.isfinite(value) and layer in (None, int(at)):
                pulls.append(float(value))
                places.append(_place(curve, int(at)))
    if not pulls:
        return None
    size = np.abs(pulls)
    worst = int(np.argmax(size))
    return Tally(
        len(pulls),
        int((size <= 2.0).sum()),
        int((size <= 3.0).sum()),
        float(np.mean(size**2)),
        pulls[worst],
        places[worst],
    )


#: The theories that points are held against.
THEORIES: dict[str, Callable[[Curve], Array | None]] = {
    "leading order": lambda curve: curve.leading,
    "K_0 + K_1/n": lambda curve: curve.corrected,
    "the exact value": lambda curve: curve.exact,
}

#: A miss counts from this many standard errors on: thousands of points have a few beyond 3.
MISS = 4.0


def largest_miss(curves: Sequence[Curve]) -> dict[str, Any] | None:
    """Where leading order is furthest off, in per cent of its scale, beyond all doubt."""
    found: dict[str, Any] | None = None
    for curve in curves:
        if curve.measured is None:
            continue
        percent = 100.0 * curve.deviation(curve.measured.mean)
        for value, pull, layer in zip(percent, curve.pull(curve.leading), curve.layers):
            if abs(pull) > MISS and (found is None or abs(value) > abs(found["per_cent"])):
                found = {
                    "per_cent": float(value),
                    "pull": float(pull),
                    "at": _place(curve, int(layer)),
                }
    return found


def figure_summary(plate: Plate) -> dict[str, Any]:
    """Numbers of one figure: a tally for every theory, the largest miss, exact values."""
    tallies = {name: tally(plate.curves, theory) for name, theory in THEORIES.items()}
    return {
        "against": {name: asdict(t) for name, t in tallies.items() if t is not None},
        "largest_miss": largest_miss(plate.curves),
        "last_layer": [found for curve in plate.curves if (found := _exact(curve)) is not None],
    }


def layer_2(plates: Sequence[Plate]) -> dict[str, Any] | None:
    """The tally of layer 2, where leading order is exact: layer 1's kernel is not random."""
    found = tally((c for plate in plates for c in plate.curves), THEORIES["leading order"], layer=2)
    return None if found is None else asdict(found)


def words(summary: dict[str, Any]) -> tuple[str, ...]:
    """The verdict, a few lines for every figure."""
    counts = sorted({e["networks"] for e in summary["ensembles"].values()})
    networks = " to ".join(f"{n:,}" for n in dict.fromkeys((counts[0], counts[-1])))
    lines = [
        f"theory against {networks} networks for each of {len(summary['ensembles'])} ensembles; "
        "points within 2 and 3 standard errors (expected: 95.4% and 99.7%, but points share "
        "networks and scatter together):"
    ]
    if summary["interrupted"]:
        lines.insert(0, f"interrupted: {summary['networks_wanted']:,} networks were wanted")
    for name, one in summary["figures"].items():
        lines += _figure_words(name, one)
    second = summary["layer_2"]
    if second is not None:
        lines.append(
            f"layer 2 of all ensembles, where leading order is exact: {_shares(second)}, worst "
            f"{second['worst_pull']:+.1f} standard errors ({second['worst_at']})"
        )
    return tuple(lines)


def _figure_words(name: str, one: dict[str, Any]) -> list[str]:
    if not one["against"]:
        return [f"{name}: nothing was measured"]
    shares = [f"{theory}: {_shares(t)}" for theory, t in one["against"].items()]
    lines = [f"{name}: " + "; ".join(shares)]
    miss = one["largest_miss"]
    if miss is not None:
        side = "above" if miss["per_cent"] > 0.0 else "below"
        lines.append(
            f"  measured up to {abs(miss['per_cent']):.2g}% {side} leading order, in units of the "
            f"size that does not cross zero (sqrt(K_aa K_bb), sqrt(V_abab V_cdcd)): {miss['at']}, "
            f"{abs(miss['pull']):.0f} standard errors"
        )
    for e in one["last_layer"]:
        lines.append(
            f"  {e['at']}: leading order {e['leading_order']:.4g}, exact {e['exact']:.5g}, "
            f"measured {e['measured']:.4g} +- {e['standard_error']:.2g}"
        )
    return lines


def _shares(t: dict[str, Any]) -> str:
    two, three = (100.0 * t[key] / t["points"] for key in ("within_2", "within_3"))
    return f"{two:.1f}% and {three:.1f}% of {t['points']}"


def _exact(curve: Curve) -> dict[str, Any] | None:
    """The last layer's exact value at finite width, where it is not just leading order."""
    if curve.exact is None or curve.measured is None:
        return None
    return {
        "at": _place(curve, int(curve.layers[-1])),
        "leading_order": float(curve.leading[-1]),
        "exact": float(curve.exact[-1]),
        "measured": float(curve.measured.mean[-1]),
        "standard_error": float(curve.measured.error[-1]),
    }


def _place(curve: Curve, layer: int) -> str:
    quantity = "G" if len(curve.component) == 2 else "V_4"
    name = activation_name(curve.activation)
    return f"{name} at C_W = {curve.C_W:g}, {quantity}({curve.name}), layer {layer}"
