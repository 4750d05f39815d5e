"""How results print: tables of a few lines."""

from collections.abc import Sequence

#: Rows of a table that are shown; of more, as many from either end.
MOST_ROWS = 8


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with columns to the right; of many rows the first and the last."""
    half = MOST_ROWS // 2
    shown = [list(row) for row in rows]
    if len(shown) > MOST_ROWS:
        shown = [*shown[:half], [".."] * len(heads), *shown[-half:]]
    every = [list(heads), *shown]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in every
    ]


def counted(count: int, noun: str) -> str:
    """``1 layer``, ``2 layers``."""
    return f"{count} {noun}{'s' * (count != 1)}"


def bracketed(at: Sequence[int]) -> str:
    """Indices of inputs, two by two a pair: ``[0,1;1,1]``."""
    return f"[{';'.join(f'{a},{b}' for a, b in zip(at[::2], at[1::2], strict=True))}]"


def listed(numbers: Sequence[int]) -> str:
    """A tuple; of a long one the first three and the last."""
    if len(numbers) <= MOST_ROWS:
        return str(tuple(numbers))
    return f"({', '.join(map(str, numbers[:3]))}, .., {numbers[-1]})"
