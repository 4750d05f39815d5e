"""Settings from a file and from options: who wins, and what is said of each wrong key."""

from pathlib import Path

import numpy as np
import pytest

from nneft.cli.settings import read_settings

GOOD = """
activation = "tanh"
widths = [2, 300, 300]
C_W = [1, 1.5]
inputs = [[1, 1], [-1.4, 2]]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "net.toml"
    path.write_text(text)
    return path


def test_a_file_says_it_all(tmp_path: Path) -> None:
    made = read_settings(write(tmp_path, GOOD), {})
    assert (made.activation, made.widths, made.C_W, made.C_b, made.order) == (
        "tanh",
        [2, 300, 300],
        [1.0, 1.5],
        0.0,
        1,
    )
    np.testing.assert_array_equal(made.inputs, [[1, 1], [-1.4, 2]])
    assert made.network().widths == (2, 300, 300) and made.method is None
    chosen = write(tmp_path, GOOD + 'order = 3\nmethod = "diagrams"\n')
    assert read_settings(chosen, {}).method == "diagrams"
    assert read_settings(chosen, {"method": "series"}).method == "series"


def test_options_replace_keys_and_inputs_give_way_to_a_kernel(tmp_path: Path) -> None:
    made = read_settings(
        write(tmp_path, GOOD), {"C_W": "2", "order": 0, "kernel": "1", "C_b": None}
    )
    assert (made.C_W, made.order, made.inputs) == (2.0, 0, None)
    np.testing.assert_array_equal(made.kernel, [[1.0]])


def test_a_file_named_in_the_settings_lies_beside_them(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", [[1.0, 2.0]])
    path = write(tmp_path, GOOD.replace("[[1, 1], [-1.4, 2]]", '"x.npy"'))
    np.testing.assert_array_equal(read_settings(path, {}).inputs, [[1.0, 2.0]])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("activation =", "activaton =", "unknown key activaton; did you mean activation?"),
        ('"tanh"', '"tanh"\nqq = 1', "unknown key qq; known keys: activation, widths"),
        ("300]", "3.5]", r"net.toml: widths: wanted a valid integer \(entry 3\), got 3.5"),
        ("300]", "true]", r"net.toml: widths: wanted a valid integer \(entry 3\), got True"),
        ("[2, 300, 300]", '"2,a"', "net.toml: widths: wanted integers"),
        ("[1, 1.5]", '"a"', "net.toml: C_W: wanted numbers"),
        ("[1, 1.5]", "[]", "net.toml: C_W: wanted a number"),
        ('"tanh"', "3", "net.toml: activation: wanted a valid string, got 3"),
        ('"tanh"', '"tanh"\norder = 1.0', "net.toml: order: wanted a valid integer, got 1.0"),
        (
            '"tanh"',
            '"tanh"\nmethod = "serie"',
            "method: wanted 'series' or 'diagrams', got 'serie'",
        ),
        ("[-1.4, 2]", "[-1.4]", "net.toml: inputs: wanted rows of one length"),
        ("[-1.4, 2]", '["a", 2]', "net.toml: inputs: wanted rows of numbers, got 'a'"),
        ("[-1.4, 2]]", "[-1.4, 2]", "cannot read the settings of .*net.toml: Unclosed array"),
        ('activation = "tanh"', "", "--activation is missing"),
        ('"tanh"', '"tanh"\nkernel = [[1]]', "either --inputs or --kernel .*, got both"),
        ("inputs = [[1, 1], [-1.4, 2]]", "", "either --inputs or --kernel .*, got neither"),
    ],
)
def test_one_line_names_file_and_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=said) as caught:
        read_settings(write(tmp_path, GOOD.replace(old, new)), {})
    assert "\n" not in str(caught.value)


def test_a_wrong_option_is_named_as_an_option(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^--C-W: wanted numbers"):
        read_settings(write(tmp_path, GOOD), {"C_W": "x"})


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot read the settings of .*absent.toml: No such file"):
        read_settings(tmp_path / "absent.toml", {})
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"cannot read the settings of .*binary.toml"):
        read_settings(tmp_path / "binary.toml", {})
