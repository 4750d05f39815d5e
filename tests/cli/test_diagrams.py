"""``nneft diagrams``: table I of BCCZ, counts, JSON, documents, wrong calls, interruptions."""

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

import nneft
from nneft.cli import diagrams as command
from nneft.cli.main import run


def called(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert run(["diagrams", *args]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def rows(text: str) -> list[list[str]]:
    """Columns of the table: those apart by two spaces or more."""
    lines = text.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("factor"))
    return [re.split(r"\s{2,}", line.strip()) for line in lines[head + 1 :] if line.strip()]


def test_table_one_of_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    out = called(capsys, "8", "--table")
    assert out.startswith("10 topologies of the 8-point correlator at order 0\n")
    table = {row[-1]: (Fraction(row[0]), int(row[1])) for row in rows(out)}
    # BCCZ table I: formula -> symmetry factor, permutations
    assert table == {
        "C_W^4 (E[D^4] - 3 E[D^2]^2)": (1, 1),
        "C_W^4 V4 (E[d2 D^3] - 3 E[d2 D] E[D^2]) E[d2 D]": (Fraction(1, 4), 4),
        "C_W^4 V4 E[d2 D^2]^2": (Fraction(1, 4), 3),
        "C_W^4 V6 E[d2 D^2] E[d2 D]^2": (Fraction(1, 8), 6),
        "C_W^4 V4^2 (E[d4 D^2] - 2 E[d2 D]^2) E[d2 D]^2": (Fraction(1, 16), 6),
        "C_W^4 V4^2 E[d2 D^2] E[d4 D] E[d2 D]": (Fraction(1, 16), 12),
        "C_W^4 V8 E[d2 D]^4": (Fraction(1, 16), 1),
        "C_W^4 V6 V4 E[d4 D] E[d2 D]^3": (Fraction(1, 32), 12),
        "C_W^4 V4^3 E[d6 D] E[d2 D]^3": (Fraction(1, 64), 4),
        "C_W^4 V4^3 E[d4 D]^2 E[d2 D]^2": (Fraction(1, 64), 12),
    }


def test_list_and_verification(capsys: pytest.CaptureFixture[str]) -> None:
    out = called(capsys, "4", "--order", "1", "--expanded", "--verify")
    found = list(nneft.diagrams(4, 1, expanded=True))
    assert [row[-1] for row in rows(out)[: len(found)]] == [d.code for d in found]
    assert "agree with Burnside's lemma" in out


@pytest.mark.parametrize("options", [[], ["--labelled"], ["--order", "2", "--expanded"]])
def test_count_builds_nothing(
    options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nneft.feynman.container.topologies", None)
    order = 2 if "--order" in options else 0
    wanted = nneft.diagrams(
        10, order, labelled="--labelled" in options, expanded="--expanded" in options
    ).count()
    assert called(capsys, "10", "--count", *options) == f"{wanted}\n"
    report = json.loads(called(capsys, "10", "--count", "--json", *options))
    assert (report["count"], report["diagrams"]) == (wanted, [])


def test_json_holds_every_diagram(capsys: pytest.CaptureFixture[str]) -> None:
    report = json.loads(called(capsys, "6", "--json", "--verify"))
    assert list(report) == [
        *("nneft", "command", "points", "order", "labelled", "expanded", "count", "verified"),
        *("diagrams", "files"),
    ]
    assert (report["count"], report["verified"]) == (4, True)
    for record, diagram in zip(report["diagrams"], nneft.diagrams(6), strict=True):
        assert record["code"] == diagram.code
        assert Fraction(record["symmetry_factor"]) == diagram.symmetry_factor
        origins = [Fraction(value) for value in record["symmetry_origins"].values()]
        assert origins[0] * origins[1] * origins[2] == diagram.symmetry_factor
        assert record["width_powers"] == list(diagram.width_powers)
        assert record["latex"] == diagram.latex()


def test_forms_are_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--inputs", "general", "--blobs", "cumulant", "--sums", "index"]
    report = json.loads(called(capsys, "4", "--json", *options))
    wanted = [d.latex(inputs="general", blobs="cumulant", sums="index") for d in nneft.diagrams(4)]
    assert [record["latex"] for record in report["diagrams"]] == wanted
    # in cumulants the 1/2 of a double line goes with the derivative
    assert [record["factor"] for record in report["diagrams"]] == ["1", "1"]


def test_latex_into_a_file_or_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "v8.tex"
    out = called(capsys, "8", "--latex", str(path), "--inputs", "general")
    assert f"wrote {path}" in out
    assert path.read_text() == nneft.diagrams(8).latex_document(inputs="general")
    assert called(capsys, "8", "--latex", "-") == nneft.diagrams(8).latex_document()


@pytest.mark.parametrize("table", [False, True])
def test_pictures_into_files(
    table: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --table a sheet: as `Diagrams.sheet`, else as `Diagrams.draw`."""
    drawn, wanted = tmp_path / "v4.svg", tmp_path / "wanted.svg"
    found = nneft.diagrams(4)
    if table:
        found.sheet(wanted, style="hatched", labels=True, blobs="cumulant")
    else:
        found.draw(wanted, style="hatched", labels=True)
    options = ["--style", "hatched", "--labels", "--blobs", "cumulant", *["--table"] * table]
    report = json.loads(called(capsys, "4", "--json", "--svg", str(drawn), *options))
    assert report["files"] == [str(drawn)]
    assert drawn.read_bytes() == wanted.read_bytes()


def test_pictures_as_a_page_and_as_tikz(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, tex = tmp_path / "v6.html", tmp_path / "v6.tex"
    called(capsys, "6", "--html", str(page), "--tikz", str(tex))
    assert page.read_text().count("<tr>") == 1 + 4
    assert tex.read_text().count(r"\begin{tikzpicture}") == 4


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["3"], "points must be even and positive"),
        (["4", "--order", "-1"], "order must be 0 or more"),
        (["4", "--inputs", "same"], "inputs must be 'equal' or 'general'"),
        (["4", "--count", "--verify"], "--count builds no diagrams"),
        (["4", "--json", "--latex", "-"], "both print"),
        (["4", "--svg", "x.pdf"], "--svg: wanted a file named .svg, got x.pdf"),
        (["4", "--latex", "no/such/folder/x.tex"], "there is no folder"),
        (["4", "--style", "foo", "--svg", "x.svg"], "unknown style 'foo'"),
        (["x"], "is not a valid integer"),
    ],
)
def test_wrong_calls_take_one_line(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["diagrams", *args]) == 2
    out, err = capsys.readouterr()
    assert out == "" and said in err and err.count("\n") == 1


@pytest.mark.parametrize("soon", [0, 10_000])
def test_interrupted_it_shows_what_was_found(
    soon: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = list(nneft.diagrams(8))[:3]

    def interrupted(found: nneft.Diagrams) -> Iterator[nneft.Diagram]:
        yield from first
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "SOON", soon)
    monkeypatch.setattr(nneft.Diagrams, "__iter__", interrupted)
    assert run(["diagrams", "8"]) == 4
    out, err = capsys.readouterr()
    assert [row[-1] for row in rows(out)] == [d.code for d in first]
    assert err == "nneft: interrupted; 3 of 10 diagrams found\n"
    assert run(["diagrams", "8", "--verify"]) == 4


@pytest.mark.parametrize(
    ("args", "number"),
    [
        (["40"], "more than 13,332,732"),
        (["22"], "46,564"),
        (["4", "--order", "5000"], "more than 252,642"),
        (["20", "--labelled"], "5,101,907,122"),
        (["40", "--table", "--json"], "more than"),
    ],
)
def test_more_than_anybody_waits_for_are_refused_before_the_first(
    args: list[str],
    number: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object, **__: object) -> Iterator[object]:
        raise AssertionError("a diagram was built")

    monkeypatch.setattr("nneft.feynman.container.topologies", never)
    assert run(["diagrams", *args]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert f"have {number}" in err and "--count" in err
