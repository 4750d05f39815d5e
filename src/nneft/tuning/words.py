"""What tuning did to spread, to differences of inputs and to criticality, in words."""

import numpy as np

from nneft.tuning.profile import Profile
from nneft.tuning.signal import ALLOWANCE, REFERENCES, Signal

#: Relative departures below this are those of rounding, shown as 0.
ROUNDING = 1e-12
#: A relative rise of the spread, and a change of ``ln chi`` a layer, that are worth a warning.
RISE, OFF = 0.01, 0.02


def percent(value: float) -> str:
    """Three digits, without rounding's."""
    return f"{0.0 if abs(value) < ROUNDING else 100.0 * value:.3g}%"


def kept(profiles: tuple[Profile, Profile], signals: tuple[Signal, Signal]) -> str:
    """All of it, before and after."""
    (was, now), (before, after) = profiles, signals
    moved = " and ".join(
        f"{r:g} at {after.correlations[-1, i]:.4g} (before: {before.correlations[-1, i]:.4g})"
        for i, r in enumerate(REFERENCES)
    )
    chis = ", ".join(
        f"{name} = {new:.4g} (before: {old:.4g})"
        for name, new, old in zip(("chi_par", "chi_perp"), after.rates, before.rates)
    )
    depth = len(was.mean)
    return (
        f"random seeds spread by {percent(now.spread[-1])} at layer {depth} "
        f"(before: {percent(was.spread[-1])})\n"
        f"at infinite width inputs of correlation {moved} leave layer {depth}; "
        f"{chis}, geometric means over layers"
    )


def warnings(profiles: tuple[Profile, Profile], signals: tuple[Signal, Signal]) -> list[str]:
    """What became worse."""
    (was, now), (before, after) = profiles, signals
    found = []
    if now.spread[-1] > (1.0 + RISE) * was.spread[-1]:
        found.append(
            f"warning: tuning makes random seeds spread more, by {percent(now.spread[-1])} "
            f"instead of {percent(was.spread[-1])}"
        )
    lost = np.abs(after.moved) > np.abs(before.moved) + 2.0 * ALLOWANCE
    for i in np.flatnonzero(lost):
        what = (
            "differences between inputs are lost"
            if after.moved[i] < 0.0
            else "inputs are torn apart"
        )
        found.append(
            f"warning: {what} that were not: inputs of correlation {REFERENCES[i]:g} leave the "
            f"last layer at {after.correlations[-1, i]:.6g} instead of "
            f"{before.correlations[-1, i]:.6g}"
        )
    logs = [np.abs(np.log(one.rates)) for one in signals]
    if np.any(logs[1] > logs[0] + OFF):
        (par, perp), (old_par, old_perp) = after.rates, before.rates
        found.append(
            f"warning: tuning leads away from criticality, chi_par = {par:.4g} and chi_perp = "
            f"{perp:.4g} instead of {old_par:.4g} and {old_perp:.4g} in the mean over layers"
        )
    return found
