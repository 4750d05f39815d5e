"""The figures of the experiment: what each shows, on which scales, and its caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nneft.figures.curve import Curve
from nneft.figures.four_point import four_point_figure
from nneft.figures.panels import Scale
from nneft.figures.style import activation_name
from nneft.figures.two_point import two_point_figure
from nneft.reproduce.experiment import Experiment, Setting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINEAR, LOG = Scale("linear"), Scale("log")

#: Scales of (equal inputs, different inputs) where they are not logarithmic: where correlators
#: change sign, or decay into the noise.
TWO_POINT_SCALES = {
    ("relu", "critical"): (LOG, LINEAR),
    ("tanh", "chaotic"): (LOG, Scale("symlog", 0.1)),
}

#: Ensembles whose V_4 does not grow or fall exponentially.
LINEAR_V_4 = {("relu", "critical"), ("tanh", "critical"), ("tanh", "chaotic")}

STRIP_2 = (
    "Strips: measured (points) and `K_0 + K_1/n` (dashed) less `K_0`, in per cent of "
    "`sqrt(K_0(x_a,x_a) K_0(x_b,x_b))`; every third layer, points shifted sideways."
)
STRIP_4 = (
    "Strips: the same less leading order, in per cent of leading order's "
    "`sqrt(V_4(x_a,x_b;x_a,x_b) V_4(x_c,x_d;x_c,x_d))`."
)


@dataclass(frozen=True, eq=False)
class Plate:
    """One figure, ready to be drawn.

    Attributes
    ----------
    name
        Of its files, without a suffix.
    caption
        What it shows.
    curves
        All curves in it.
    draw
        Makes the figure.
    """

    name: str
    caption: str
    curves: tuple[Curve, ...]
    draw: Callable[[], Figure]


def plates(
    experiment: Experiment,
    two_point: Mapping[Setting, Sequence[Curve]],
    four_point: Mapping[Setting, Sequence[Curve]],
) -> list[Plate]:
    """Figures 1-3: two-point functions by regime; from 4 on: four-point ones by activation."""
    found = []
    for number, regime in enumerate(("critical", "ordered", "chaotic"), start=1):
        chosen = [s for s in experiment.settings if s.regime == regime]
        found.append(_two_point_plate(f"figure{number}", chosen, two_point))
    for number, (activation, _) in enumerate(experiment.critical, start=4):
        for regime in ("critical", "ordered", "chaotic"):
            (setting,) = (
                s for s in experiment.settings if (s.activation, s.regime) == (activation, regime)
            )
            name = f"figure{number}" + ("" if regime == "critical" else f"-{regime}")
            found.append(_four_point_plate(name, setting, experiment.width, four_point[setting]))
    return found


def _two_point_plate(
    name: str, settings: Sequence[Setting], curves: Mapping[Setting, Sequence[Curve]]
) -> Plate:
    scales = [TWO_POINT_SCALES.get((s.activation, s.regime), (LOG, LOG)) for s in settings]
    shown = [curves[s] for s in settings]
    caption = (
        f"Two-point functions `<phi_i(x_a) phi_i(x_b)> = <G_ab>` {_where(settings[0])}: "
        f"{_ensembles(settings)}. Left: equal inputs, right: different ones. Lines: `K_0` "
        f"(BCCZ 11). {STRIP_2}"
    )
    every = tuple(c for ensemble in shown for c in ensemble)
    return Plate(name, caption, every, lambda: two_point_figure(shown, scales))


def _four_point_plate(name: str, setting: Setting, width: int, curves: Sequence[Curve]) -> Plate:
    log = (setting.activation, setting.regime) not in LINEAR_V_4
    caption = (
        f"Four-point functions `V_4(x_a,x_b;x_c,x_d) = n Cov(G_ab, G_cd)` {_where(setting)}: "
        f"{_ensembles([setting])}. Lines: leading order (BCCZ 25)"
    )
    if any(c.exact is not None for c in curves):
        caption += (
            f"; dotted, for `V_4(x_1,x_1;x_1,x_1)`: exact at width {width}, all orders in 1/n"
        )
    scale = LOG if log else LINEAR
    if log:
        caption += "; error bars that reach zero go down to the axis"
    return Plate(
        name,
        f"{caption}. {STRIP_4}",
        tuple(curves),
        lambda: four_point_figure(curves, scale, width),
    )


def _where(setting: Setting) -> str:
    if setting.regime == "critical":
        return "at the critical C_W"
    side = "a quarter of" if setting.regime == "ordered" else "four times"
    return f"at {side} the critical C_W"


def _ensembles(settings: Sequence[Setting]) -> str:
    return ", ".join(f"{activation_name(s.activation)} with C_W = {s.C_W:g}" for s in settings)
