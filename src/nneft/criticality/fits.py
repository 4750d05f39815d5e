"""Exponents and amplitudes measured on flows, each with its uncertainty, beside the analytic ones.

    log |X(l)| = gamma log t + A + sum_{m=1..M} sum_{j=0..m} c_mj (log t)^j / t^m ,    t = l + s

is fitted to the last layers; powers of the logarithm only where the class has them. The shift s is
the depth at which the deep law would have started; it is found from ``K_0 - K*`` alone. There is no
noise: what is uncertain is where the series was cut, so the fit is done over again with fewer and
more terms and a longer range, and the uncertainty is twice the largest change; more where the
flow ends before the crossover to its deep law, and no exponent at all where that comes to 0.1.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from nneft.activations import Activation
from nneft.criticality.asymptotics import Scaling, scaling
from nneft.criticality.close import close_pair
from nneft.criticality.laws import PAIR, Law
from nneft.criticality.point import SCALE_INVARIANT
from nneft.gaussian.base import Array
from nneft.network import Network
from nneft.rg.driver import flow
from nneft.rg.flow import Flow

#: Terms M, and layers from L/n on: the fit that counts, and those that it is held against.
BEST, OTHERS = (3, 4), ((2, 4), (3, 8), (4, 8))
#: Layers used, spread evenly over log l.
LAYERS = 150
#: Fewest layers of a fit.
LEAST = 100
#: Misfits below which none is better, and the least absolute uncertainty of a fit.
FLAT, FLOOR = 1e-13, 1e-9
#: Correlation that two inputs start with.
HALFWAY = 0.5
#: An exponent more uncertain than this is none; than the second, if the flow ends before the
#: crossover: there the series that is cut has not converged, and spreads say too little.
MOST, MOST_EARLY = 1.0, 0.1


@dataclass(frozen=True)
class Exponent:
    """One quantity's deep law, ``amplitude * l^exponent``, found in both ways.

    Attributes
    ----------
    law
        Analytic.
    fitted, uncertainty
        Exponent measured; None where the quantity changes sign on the layers used, or they are
        too few to tell it to better than one, or than 0.1 where the flow ends before the crossover.
    amplitude, amplitude_uncertainty
        Measured with the exponent held at the analytic one; None likewise.
    reason
        Why there is none, in words; empty where there is one.
    """

    law: Law
    fitted: float | None
    uncertainty: float | None
    amplitude: float | None
    amplitude_uncertainty: float | None
    reason: str = ""

    @property
    def agrees(self) -> bool:
        """Whether exponents, and amplitudes, are the same within the uncertainty, if measured."""
        return not self.excludes(self.law.exponent) and (
            self.law.amplitude is None
            or self.amplitude is None
            or abs(self.amplitude - self.law.amplitude) <= _float(self.amplitude_uncertainty)
        )

    def excludes(self, exponent: float) -> bool | None:
        """Whether the measured exponent is not this one; None where none was measured."""
        if self.fitted is None:
            return None
        return abs(self.fitted - exponent) > _float(self.uncertainty)


@dataclass(frozen=True, eq=False)
class Exponents:
    """Deep laws of one critical network, analytic and fitted.

    Attributes
    ----------
    scaling
        The analytic side.
    depth, kernel
        Of the flow: its layers, and its first kernel.
    shift
        s, in layers.
    rows
        By quantity, named as in `Scaling`.
    """

    scaling: Scaling
    depth: int
    kernel: float
    shift: float
    rows: dict[str, Exponent]

    def __getitem__(self, quantity: str) -> Exponent:
        return self.rows[quantity]

    def __str__(self) -> str:
        head = str(self.scaling).split("\n", 1)[0]
        titles = ("quantity", "exponent", "fitted", "+-", "amplitude", "fitted", "+-")
        lines = [head, f"{self.depth} layers from K = {self.kernel:g}", _line(titles)]
        for name, row in self.rows.items():
            cells = [row.law.exponent, row.fitted, row.uncertainty]
            cells += [row.law.amplitude, row.amplitude, row.amplitude_uncertainty]
            forms = (".6g", ".7f", ".0e", ".7g", ".7g", ".0e")
            told = ["-" if c is None else format(c, f) for c, f in zip(cells, forms, strict=True)]
            lines.append(_line((name, *told)))
        return "\n".join([*lines, *self.notes])

    @property
    def notes(self) -> list[str]:
        """What is not in the table and why, and from which layer on powers hold, in words."""
        found = [f"{name}: {row.reason}" for name, row in self.rows.items() if row.reason]
        known = self.scaling
        half = known.universality_class.startswith("half-stable")
        if half and "K_0" not in self.rows:
            found.append(
                "K_0: no row, as the flow starts at K* and stays there; a kernel= on the stable "
                "side of it shows K_0 - K* fall as 1/l"
            )
        if half and known.crossover > 1.0:
            early = self.depth < known.crossover
            ends = "ends before it: rows with a fit settle sooner" if early else "goes beyond it"
            found.append(
                f"All powers hold for layers large against {known.crossover:,.0f}, the crossover; "
                f"this flow of {self.depth:,} {ends}."
            )
        return found


def critical_exponents(
    activation: str | Activation | Callable[[Any], Any],
    *,
    depth: int = 2000,
    order: int = 3,
    kernel: float | None = None,
) -> Exponents:
    """Exponents and amplitudes at the critical point, analytically and fitted from a flow.

    Parameters
    ----------
    activation
        A name, an expression, an `Activation` or a callable on arrays.
    depth
        Layers of the flow.
    order
        P: quantities ``K_1 .. K_P`` and ``V_4 .. V_2(P+1)``.
    kernel
        First kernel; None is K* where that is positive, else 1.

    Raises
    ------
    ValueError, TypeError
        As `scaling`; or fewer than `LEAST` layers.
    nneft.NumericsError
        The flow cannot be had.

    Notes
    -----
    Equal widths. 2000 layers to order 3 take seconds.
    """
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < LEAST:
        raise ValueError(f"depth must be an integer of {LEAST} or more, got {depth!r}")
    known = scaling(activation, order=order, kernel=kernel)
    start = kernel if kernel is not None else (known.fixed or 1.0)
    net = Network((1,) * (depth + 1), activation, known.C_W, known.C_b)
    made = flow(net, kernel=start, order=order)
    values = dict(_quantities(made, known))
    first, logs = known.laws.get("K_0"), known.logarithm != 0.0
    shift = _shift(values["K_0"]) if first is not None and first.exponent != 0.0 else 0.0
    rows = {
        name: _fitted(values[name], law, shift, logs or name == "1-c", known.crossover)
        for name, law in known.laws.items()
    }
    return Exponents(known, depth, float(start), shift, rows)


def _quantities(made: Flow, known: Scaling) -> Iterator[tuple[str, Array]]:
    """Logarithms of absolute values, (L,), and NaN where they change sign."""
    fixed = 0.0 if known.universality_class == SCALE_INVARIANT else known.fixed
    for q in range(made.order + 1):
        yield f"K_{q}", _log(made.K(q).ravel() - (fixed if q == 0 else 0.0))
    for k in range(2, made.order + 2):
        yield f"V_{2 * k}", _log(made.V(2 * k).ravel())
    pair = close_pair(made)
    close = [pair.log_K_dd, _log(pair.V_00dd), _log(pair.V_0d0d), _log(pair.V_dddd)]
    yield from zip(PAIR, close, strict=True)
    if "1-c" in known.laws:
        start = made.K(0)[0] * np.array([[1.0, HALFWAY], [HALFWAY, 1.0]])
        K = flow(made.network, kernel=start, order=0).K(0)
        yield "1-c", _log(1.0 - K[:, 0, 1] / K[:, 0, 0])


def _log(values: Array) -> Array:
    """With the last layer's sign; NaN, never handed out, where another layer has another."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(values * np.sign(values[-1]))
    return np.where(np.isfinite(found), found, np.nan)


def _fitted(y: Array, law: Law, shift: float, logs: bool, crossover: float) -> Exponent:
    def nothing(reason: str) -> Exponent:
        return Exponent(law, None, None, None, None, reason)

    used = ~np.isfinite(y[len(y) // 8 - 1 :])
    if np.any(used):
        last = len(y) // 8 + int(np.flatnonzero(used)[-1])
        return nothing(f"no fit, as it has another sign, or is 0, up to layer {last:,}")
    # a series in crossover/l that has not converged changes less from fit to fit than it is wrong
    doubt = 1.0 + BEST[1] * crossover / len(y)
    best, spread = _settled(y, shift, logs, None, 1, doubt)
    early = len(y) < crossover
    if spread > (MOST_EARLY if early else MOST):
        why = f"as the flow ends before the crossover, {crossover:,.0f} layers" if early else "yet"
        size = f"{spread:.1g}" if spread <= MOST else "more than one"
        return nothing(f"not settled, {why}: the exponent is uncertain by {size}")
    log_A, wide = _settled(y, shift, logs, law.exponent, 0, doubt)
    sign = 1.0 if law.amplitude is None else float(np.sign(law.amplitude))
    with np.errstate(over="ignore"):
        size, width = np.exp([log_A, min(wide, 1.0)])
    if not 0.0 < size < np.inf:
        return Exponent(law, best, spread, None, None)
    return Exponent(law, best, spread, sign * float(size), float(size * (width - 1.0)))


def _settled(
    y: Array, shift: float, logs: bool, exponent: float | None, which: int, doubt: float
) -> tuple[float, float]:
    """A or gamma as fitted, and its uncertainty: twice the most that it changes, times doubt."""
    best = _fit(y, shift, *BEST, logs, exponent)[which]
    others = [_fit(y, shift, *other, logs, exponent)[which] for other in OTHERS]
    return best, 2.0 * max(abs(other - best) for other in others) * doubt + FLOOR


def _fit(
    y: Array, shift: float, terms: int, part: int, logs: bool, exponent: float | None = None
) -> tuple[float, float, float]:
    """``(A, gamma, rms of the rest)``, gamma held if given."""
    l = _layers(len(y), part)
    t = l + shift
    log, unit = np.log(t), t[0]  # powers of t/unit: well scaled columns
    columns = [np.ones_like(t)] if exponent is not None else [np.ones_like(t), log]
    for m in range(1, terms + 1):
        columns += [log**j * (unit / t) ** m for j in range(m + 1 if logs else 1)]
    A = np.stack(columns, axis=1)
    sizes = np.linalg.norm(A, axis=0)
    target = y[l.astype(int) - 1] - (0.0 if exponent is None else exponent * log)
    found = np.linalg.lstsq(A / sizes, target, rcond=1e-14)[0] / sizes
    rest = float(np.sqrt(np.mean((target - A @ found) ** 2)))
    return float(found[0]), float(found[1]) if exponent is None else exponent, rest


def _layers(depth: int, part: int) -> Array:
    spread = np.geomspace(max(depth // part, 1), depth, LAYERS)
    return np.unique(np.round(spread)).astype(np.float64)


def _shift(y: Array) -> float:
    """The shift with which few terms describe ``log |K_0 - K*|`` best."""
    low = float(len(y) // 16)

    def misfit(u: float) -> float:
        return float(np.log(_fit(y, np.exp(u) - 0.5 * low, 2, 16, True)[2] + FLAT))

    places = np.linspace(np.log(0.1 * low), np.log(3.0 * len(y)), 40)
    values = [misfit(float(u)) for u in places]
    i = int(np.clip(np.argmin(values), 1, len(places) - 2))
    found = minimize_scalar(misfit, bounds=(places[i - 1], places[i + 1]), method="bounded")
    return float(np.exp(found.x) - 0.5 * low)


def _line(cells: tuple[str, ...]) -> str:
    widths = (14, 9, 12, 7, 14, 14, 7)
    told = [c.rjust(w) for c, w in zip(cells, widths, strict=True)]
    return " ".join([told[0].strip().ljust(14), *told[1:]])


def _float(value: float | None) -> float:
    assert value is not None
    return value
