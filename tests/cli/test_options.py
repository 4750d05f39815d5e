"""What users type: round trips, files against literals, and refusals that say what came."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nneft.cli import options

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 5)), min_size=1, max_size=6))
def test_widths_repeat(runs: list[tuple[int, int]]) -> None:
    text = ", ".join(f"{width}*{times}" for width, times in runs)
    assert options.widths(text) == [width for width, times in runs for _ in range(times)]
    assert options.widths(",".join(str(width) for width, _ in runs)) == [w for w, _ in runs]


@pytest.mark.parametrize("text", ["", "2,", "2,x", "2,3.5", "2,3*", "2*-1", "2,300*99999999"])
def test_widths_refused(text: str) -> None:
    with pytest.raises(ValueError, match="integers separated by commas|more than"):
        options.widths(text)


@given(st.lists(finite, min_size=2, max_size=5))
def test_numbers_by_layer(numbers: list[float]) -> None:
    assert options.per_layer(",".join(map(repr, numbers))) == numbers
    assert options.per_layer(numbers) == numbers
    assert options.per_layer(repr(numbers[0])) == numbers[0]


@pytest.mark.parametrize("value", ["", "x", "1,,2", "1;2", [], [1, "2"], True, [True], None, {}])
def test_numbers_by_layer_refused(value: object) -> None:
    with pytest.raises(ValueError, match="wanted"):
        options.per_layer(value)


@given(st.integers(1, 4), st.data())
def test_table_from_text(columns: int, data: st.DataObject) -> None:
    row = st.lists(finite, min_size=columns, max_size=columns)
    rows = data.draw(st.lists(row, min_size=1, max_size=4))
    text = "; ".join(", ".join(map(repr, row)) for row in rows)
    for typed in (text, text + ";", rows):
        np.testing.assert_array_equal(options.table(typed), np.array(rows))


@pytest.mark.parametrize("suffix", [".csv", ".npy"])
def test_table_from_a_file(tmp_path: Path, suffix: str) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 2))
    path = tmp_path / f"x{suffix}"
    if suffix == ".npy":
        np.save(path, rows)
    else:
        np.savetxt(path, rows, delimiter=",", fmt="%.17g")
    np.testing.assert_array_equal(options.table(str(path)), rows)


@pytest.mark.parametrize("text", ["", "1,a", "1,2;3", "1;;2"])
def test_table_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wanted"):
        options.table(text)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.npy", b"no array"), ("b.csv", b"1,x\n"), ("c.csv", b""), ("d.csv", b"1,2\n3\n")],
)
def test_table_file_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(str(path))):
        options.table(str(path))


def test_table_of_complex_numbers_or_objects_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "c.npy", np.array([[1j]]))
    np.save(tmp_path / "o.npy", np.array([[None]]))
    for name in ("c.npy", "o.npy", "absent.npy"):
        with pytest.raises(ValueError, match=name):
            options.table(str(tmp_path / name))


def test_layers() -> None:
    assert options.layers("all", 4) == [1, 2, 3, 4]
    assert options.layers("5, 1-3,2", 5) == [1, 2, 3, 5]
    assert options.layers(None, 12) == list(range(1, 13))
    assert options.layers(None, 30) == [1, 2, 3, 5, 10, 20, 30]
    assert options.layers(None, 77) == [1, 2, 3, 5, 10, 20, 30, 50, 77]
    for text in ("0", "6", "3-1", "x", "1-", ""):
        with pytest.raises(ValueError, match="--layers"):
            options.layers(text, 5)
