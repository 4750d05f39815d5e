"""Tables over layers on the terminal: as many columns as fit, the rest in a table below."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

#: Columns of text where standard output is not a terminal and has no width of its own.
UNBOUNDED = 160
_GAP = 2


def console() -> Console:
    """The terminal, or something wide enough that no number is ever cut."""
    return Console(width=None if sys.stdout.isatty() else UNBOUNDED, highlight=False)


def print_by_layer(
    where: Console, layers: Sequence[int], *families: Mapping[str, Sequence[str]]
) -> None:
    """Print columns of text, one row for each layer, none of them folded or cut.

    Where one table does not hold all, a family that fits into one is not parted.

    Parameters
    ----------
    where
        The terminal.
    layers
        Numbers of the layers, (R,).
    families
        Entries by the column's head, each (R,); no head occurs twice.
    """
    columns = {head: entries for family in families for head, entries in family.items()}
    for group in _groups(families, where.width - len("layer") - _GAP):
        sheet = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        for head in ["layer", *group]:
            sheet.add_column(head, justify="right", no_wrap=True)
        for row, layer in enumerate(layers):
            sheet.add_row(str(layer), *(columns[head][row] for head in group))
        where.print(sheet)
        where.print()


def _groups(families: Sequence[Mapping[str, Sequence[str]]], room: int) -> list[list[str]]:
    """Heads of the columns, in order, split where the next one would not fit."""
    groups: list[list[str]] = [[]]
    left = room
    for family in families:
        widths = {head: max(map(len, [head, *cells])) + _GAP for head, cells in family.items()}
        whole = left < sum(widths.values()) <= room  # fits into a table of its own only
        for i, (head, width) in enumerate(widths.items()):
            if groups[-1] and (width > left or (whole and i == 0)):
                groups.append([])
                left = room
            groups[-1].append(head)
            left -= width
    return groups
