"""The numbers behind a figure as one table of comma-separated values."""

import csv
import io
from collections.abc import Iterator, Sequence

from nneft.figures.curve import Array, Curve

COLUMNS = (
    "activation",
    "regime",
    "C_W",
    "quantity",
    "layer",
    "leading_order",
    "with_K_1",
    "exact",
    "measured",
    "standard_error",
    "error_from_groups",
    "pull_leading_order",
    "pull_best",
    "networks",
)


def table(curves: Sequence[Curve]) -> str:
    """One line for every curve and layer: `COLUMNS`, then the estimates of the single groups.

    Empty where there is nothing: no exact value is known, nothing was sampled, or, as in layer 1,
    nothing is random. Numbers keep all digits.
    """
    groups = max((len(c.measured.by_group) for c in curves if c.measured), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"group_{g + 1}" for g in range(groups))])
    for curve in curves:
        writer.writerows(_rows(curve, groups))
    return text.getvalue()


def _rows(curve: Curve, groups: int) -> Iterator[list[object]]:
    measured = curve.measured
    quantity = f"{'G' if len(curve.component) == 2 else 'V_4'}({curve.name})"
    columns: list[Array | None] = [curve.leading, curve.corrected, curve.exact]
    if measured is None:
        columns += [None] * 5
    else:
        columns += [measured.mean, measured.error, measured.group_error]
        columns += [curve.pull(curve.leading), curve.pull(curve.best)]
    by_group = () if measured is None else tuple(measured.by_group)
    count = measured.networks if measured else 0
    for i, layer in enumerate(curve.layers):
        start = [curve.activation, curve.regime, repr(curve.C_W), quantity, int(layer)]
        numbers = [_text(c, i) for c in columns]
        single = [_text(g, i) for g in by_group] + [""] * (groups - len(by_group))
        yield [*start, *numbers, count, *single]


def _text(values: Array | None, i: int) -> str:
    """All digits of one number; nothing for none and for NaN."""
    if values is None or values[i] != values[i]:
        return ""
    return repr(float(values[i]))
