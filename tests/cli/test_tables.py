"""Tables that fit the terminal without losing a digit."""

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from nneft.cli.tables import print_by_layer

number = st.floats(-1e9, 1e9).map(lambda v: f"{v:.7g}")


@given(st.integers(40, 200), st.lists(st.lists(number, min_size=3, max_size=3), max_size=20))
def test_every_number_is_printed_whole_and_in_order(width: int, values: list[list[str]]) -> None:
    columns = {f"V_4[0,0;0,{i}]": entries for i, entries in enumerate(values)}
    page = io.StringIO()
    print_by_layer(Console(file=page, width=width), [1, 2, 30], columns)
    lines = page.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    heads = [head for line in lines if "layer" in line for head in line.split()[1:]]
    assert heads == list(columns)
    for row, layer in enumerate(["1", "2", "30"]):
        printed = [n for line in lines if line.split()[:1] == [layer] for n in line.split()[1:]]
        assert printed == [entries[row] for entries in values]


def test_a_family_that_fits_into_one_table_is_not_parted() -> None:
    page = io.StringIO()
    families = [{f"{name}_{i}": ["1.234567"] for i in range(3)} for name in "KVW"]
    print_by_layer(Console(file=page, width=50), [1], *families)
    heads = [line.split()[1:] for line in page.getvalue().splitlines() if "layer" in line]
    assert heads == [["K_0", "K_1", "K_2"], ["V_0", "V_1", "V_2"], ["W_0", "W_1", "W_2"]]


def test_a_family_too_wide_for_one_table_is_parted() -> None:
    page = io.StringIO()
    print_by_layer(Console(file=page, width=40), [1], {f"K_{i}": ["1.234567"] for i in range(5)})
    heads = [line.split()[1:] for line in page.getvalue().splitlines() if "layer" in line]
    assert heads == [["K_0", "K_1", "K_2"], ["K_3", "K_4"]]
