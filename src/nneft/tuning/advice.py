"""All there is to say on an activation at a depth and a width: what to type, and what to expect."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nneft.activations import Activation
from nneft.criticality import CriticalPoint, critical_point
from nneft.parameterizations import Recipe
from nneft.parameterizations.apart import recipe_apart
from nneft.tuning.depth import Budget, budget
from nneft.tuning.signal import REFERENCES, Signal
from nneft.tuning.start import start_network
from nneft.tuning.tuning import Tuning, tune

#: Correlation of the two inputs that "layers" and "spread" keep apart.
CORRELATION = 0.9


@dataclass(frozen=True, eq=False)
class Advice:
    """An initialization with its reasons.

    Attributes
    ----------
    point
        The activation's critical point.
    tuning
        What finite width asks for on top of it.
    budget
        How far random seeds spread.
    recipe
        What to type.
    """

    point: CriticalPoint
    tuning: Tuning
    budget: Budget
    recipe: Recipe

    def __str__(self) -> str:
        verdict = "\n".join([self.budget.verdict, *self.budget.reasons])
        return "\n\n".join([verdict, self._point(), str(self.tuning), str(self.recipe)])

    def _point(self) -> str:
        point, first = self.point, float(self.tuning.goal[0, 0, 0])
        if point.C_W is None:
            found = f"{point.activation} has no critical point ({point.reason}); the nearest to one"
        else:
            found = f"{point.activation} is critical ({point.universality_class})"
        w, b = self.tuning.before.C_W[-1], self.tuning.before.C_b[-1]
        return (
            f"{found} at C_W = {w:.9g}, C_b = {b:.9g}; layer 1 is set for inputs with x.x/n_0 = 1, "
            f"so that its kernel is {first:.6g}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Numbers, strings and lists alone, for JSON; layers in order."""
        before, after = self.tuning.profiles
        was, now = self.tuning.signals
        off = self.tuning.departure
        spent = self.budget
        return {
            "activation": self.point.activation,
            "universality_class": self.point.universality_class,
            "target": self.tuning.target,
            "C_W": self.tuning.after.C_W.tolist(),
            "C_b": self.tuning.after.C_b.tolist(),
            "untuned": {
                "C_W": self.tuning.before.C_W.tolist(),
                "C_b": self.tuning.before.C_b.tolist(),
                "departure": off[0].tolist(),
                "spread": before.spread.tolist(),
                "signal": _signal(was),
            },
            "departure": off[1].tolist(),
            "spread": after.spread.tolist(),
            "signal": _signal(now),
            "warnings": self.tuning.warnings,
            "numbers": dict(self.tuning.numbers),
            "budget": {
                "bound": spent.bound,
                "depth": spent.depth,
                "width_factor": spent.width_factor,
                "rate": spent.rate,
                "reach": spent.reach,
                "optimal_ratio": spent.optimal_ratio,
                "optimal_depth": spent.optimal_depth,
                "verdict": spent.verdict,
                "next_spread": (None if spent.next_spread is None else spent.next_spread.tolist()),
            },
            "scheme": self.recipe.scheme,
            "type": list(self.recipe.calls),
            "notes": list(self.recipe.notes),
        }


def _signal(of: Signal) -> dict[str, Any]:
    return {
        "correlations": {
            f"{r:g}": of.correlations[:, i].tolist() for i, r in enumerate(REFERENCES)
        },
        "chi_par": of.parallel.tolist(),
        "chi_perp": of.perpendicular.tolist(),
    }


def advise(
    activation: str | Activation | Callable[[Any], Any],
    *,
    depth: int,
    width: int,
    outputs: int | None = None,
    target: str = "shift",
    bound: float = 0.5,
    scheme: str = "torch.normal",
) -> Advice:
    """Which initialization for this activation, depth and width, and what to expect of it.

    Parameters
    ----------
    activation
        A name, an expression, an `Activation`, or a callable on arrays.
    depth, width
        Number of layers; width of the input and of all of them but the last.
    outputs
        Width of the last layer; by default as the others.
    target
        As of `nneft.tune`: "shift" looks at one input, "layers" and "spread" at two of correlation
        0.9.
    bound
        Relative spread of the kernel between random seeds that is allowed.
    scheme
        The library's initializer to type it with, as of `nneft.recipe`; layer 1, which is set for
        inputs with ``x.x/n_0 = 1``, is typed with another where this one cannot give its C_W.

    Raises
    ------
    ValueError, TypeError
        A wrong call.
    nneft.NumericsError
        As of `nneft.flow`.
    """
    point = critical_point(activation)
    correlation = None if target == "shift" else CORRELATION
    net, kernel = start_network(
        point, activation, depth, width, outputs=outputs, correlation=correlation
    )
    tuned = tune(net, kernel=kernel, target=target)
    # A shift is too small to change the spread, but leaves the point at which its law is known.
    judged = net if target == "shift" else tuned.after
    spent = budget(judged, kernel=kernel, bound=bound)
    return Advice(point, tuned, spent, recipe_apart(tuned.after, scheme))
