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
    where: Console, layers: Sequence[int], columns: Mapping[str, Sequence[str]]
) -> None:
    """Print columns of text, one row for each layer, none of them folded or cut.

    Parameters
    ----------
    where
        The terminal.
    layers
        Numbers of the layers, (R,).
    columns
        Entries by the column's head, each (R,).
    """
    for group in _groups(columns, where.width - len("layer") - _GAP):
        sheet = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        for head in ["layer", *group]:
            sheet.add_column(head, justify="right", no_wrap=True)
        for row, layer in enumerate(layers):
            sheet.add_row(str(layer), *(columns[head][row] for head in group))
        where.print(sheet)
        where.print()


def _groups(columns: Mapping[str, Sequence[str]], room: int) -> list[list[str]]:
    """Heads of the columns, in order, split where the next one would not fit."""
    groups: list[list[str]] = [[]]
    left = room
    for head, entries in columns.items():
        width = max(map(len, [head, *entries])) + _GAP
        if groups[-1] and width > left:
            groups.append([])
            left = room
        groups[-1].append(head)
        left -= width
    return groups
