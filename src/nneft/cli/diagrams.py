"""``nneft diagrams``: every Feynman diagram of a correlator, its factor, its formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nneft._version import __version__

if TYPE_CHECKING:
    from nneft.feynman import Diagram, Diagrams
    from nneft.feynman.formula import Form

#: ``--latex -``.
STDOUT = Path("-")

#: Fewer diagrams than this come faster than a bar could be drawn.
SOON = 500

#: Most diagrams that are built, at 400 to 8000 a second: a minute or so. Points and orders from
#: which on counting itself takes seconds, and there are more than that anyway.
MOST, COUNTED_POINTS, COUNTED_ORDER = 25_000, 30, 12

EPILOG = """A diagram's name: the wavy legs of its blobs, then each vertex with the blobs that its
double lines end at. 2,1|V4:0,1 is V_4 between a blob of two legs and one of one.
nneft diagrams 8 --table prints table I of arXiv:2305.02334."""


@click.command(epilog=EPILOG)
@click.argument("points", type=int)
@click.option("--order", default=0, show_default=True, help="Order in 1/n beyond the leading one.")
@click.option("--labelled", is_flag=True, help="Tell the external pairs apart.")
@click.option("--expanded", is_flag=True, help="Split each vertex into its own orders in 1/n.")
@click.option("--count", is_flag=True, help="Only how many there are, without building any.")
@click.option("--table", is_flag=True, help="Print the formula of each diagram.")
@click.option("--verify", is_flag=True, help="Compare their weights with a theory without graphs.")
@click.option("--inputs", default="equal", show_default=True, help="equal, or general.")
@click.option("--blobs", default="star", show_default=True, help="star: moments; or cumulant.")
@click.option("--sums", default="integral", show_default=True, help="integral, or index.")
@click.option("--widths", default="equal", show_default=True, help="equal, or unequal.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--latex", type=click.Path(path_type=Path), help="Write a LaTeX document; - prints.")
@click.option("--svg", type=click.Path(path_type=Path), help="Draw all; a sheet with --table.")
@click.option("--pdf", type=click.Path(path_type=Path), help="Draw all; a sheet with --table.")
@click.option(
    "--html", type=click.Path(path_type=Path), help="Draw a sheet like the paper's table."
)
@click.option("--tikz", type=click.Path(path_type=Path), help="Draw all, as a .tex document.")
@click.option("--style", default="paper", show_default=True, help="Of pictures: paper or hatched.")
@click.option("--labels", is_flag=True, help="Name inputs and blobs in pictures.")
@click.pass_context
def diagrams(
    context: click.Context,
    /,
    points: int,
    order: int,
    labelled: bool,
    expanded: bool,
    count: bool,
    table: bool,
    verify: bool,
    as_json: bool,
    latex: Path | None,
    svg: Path | None,
    pdf: Path | None,
    html: Path | None,
    tikz: Path | None,
    style: str,
    labels: bool,
    **options: Any,
) -> None:
    """Feynman diagrams of a connected correlator, with factors and formulas.

    POINTS is 2k: 2 for the mean kernel, 4 for V_4, and so on.
    """
    from nneft.feynman import diagrams as enumerate_diagrams
    from nneft.feynman.formula import Form

    form = Form(**options)
    found = enumerate_diagrams(points, order, labelled=labelled, expanded=expanded)
    pictures = {"svg": svg, "pdf": pdf, "html": html, "tikz": tikz}
    files = {kind: path for kind, path in pictures.items() if path}
    if count:
        if table or verify or latex or files:
            raise ValueError("--count builds no diagrams: leave out what needs them")
        click.echo(_json(found, form, [], verified=None, files=[]) if as_json else f"{len(found)}")
        return
    _check_number(points, order, labelled=labelled, expanded=expanded)
    if latex == STDOUT and as_json:
        raise ValueError("--latex - and --json both print: give --latex a file")
    _check_files(latex, files)
    built, whole = _built(found)
    if not whole and (verify or latex or files):
        raise KeyboardInterrupt
    if verify:
        found.verify()
    written = [_write_latex(found, latex, options)] if latex else []
    for kind, path in files.items():
        if kind == "html" or (table and kind != "tikz"):
            found.sheet(path, style=style, labels=labels, **options)
        else:
            found.draw(path, style=style, labels=labels)
        written.append(path)
    names = [str(path) for path in written if path]
    if as_json:
        click.echo(_json(found, form, built, verified=verify or None, files=names))
    elif latex != STDOUT:
        _print(found, form, built, formulas=table, verified=verify, files=names)
    if not whole:
        from nneft.cli.main import INTERRUPTED

        click.echo(f"nneft: interrupted; {len(built)} of {len(found)} diagrams found", err=True)
        context.exit(INTERRUPTED)


def _check_number(points: int, order: int, *, labelled: bool, expanded: bool) -> None:
    """Refuse more diagrams than anybody waits for, before the first is built."""
    from nneft.feynman import diagrams as enumerate_diagrams

    # There are the more of them the more points there are, and the higher the order.
    few, low = min(points, COUNTED_POINTS), min(order, COUNTED_ORDER)
    number = len(enumerate_diagrams(few, low, labelled=labelled, expanded=expanded))
    if number <= MOST:
        return
    known = f"{number:,}" if (few, low) == (points, order) else f"more than {number:,}"
    raise ValueError(
        f"{points} points at --order {order} have {known} diagrams, and at most {MOST:,} are "
        "built; --count counts them, fewer points or a lower order have fewer, and in Python "
        f"nneft.diagrams({points}, {order}) makes them one by one"
    )


def _check_files(latex: Path | None, pictures: dict[str, Path]) -> None:
    """Refuse files that cannot be written, or whose names say another format."""
    from nneft.storage import check_writable

    for kind, path in pictures.items():
        suffix = ".tex" if kind == "tikz" else f".{kind}"
        if path.suffix.lower() != suffix:
            raise ValueError(f"--{kind}: wanted a file named {suffix}, got {path}")
    texts = [latex] if latex and latex != STDOUT else []
    for path in (*texts, *pictures.values()):
        check_writable(path)


def _built(found: Diagrams) -> tuple[list[Diagram], bool]:
    """All diagrams, or those found before an interruption; with a bar on a terminal."""
    from rich.progress import Progress

    built: list[Diagram] = []
    total = len(found)
    try:
        if total < SOON:
            built += found
        else:
            from rich.console import Console

            console = Console(stderr=True)
            with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
                for diagram in bar.track(found, total=total, description="diagrams"):
                    built.append(diagram)
    except KeyboardInterrupt:
        return built, False
    return built, True


def _write_latex(found: Diagrams, path: Path, options: dict[str, Any]) -> Path | None:
    document = found.latex_document(**options)
    if path == STDOUT:
        click.echo(document, nl=False)
        return None
    path.write_text(document, encoding="utf-8")
    return path


def _print(
    found: Diagrams,
    form: Form,
    built: list[Diagram],
    *,
    formulas: bool,
    verified: bool,
    files: list[str],
) -> None:
    from rich.table import Table
    from rich.text import Text

    from nneft.cli.tables import console
    from nneft.feynman.formula import formula
    from nneft.feynman.plain import plain

    where = console()
    where.print(repr(found).strip("<>"), markup=False)
    where.print()
    sheet = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for head in ("factor", "times", "n_{l-1}", "n_{l-2}"):
        sheet.add_column(head, justify="right", no_wrap=True)
    sheet.add_column("diagram", no_wrap=not formulas, overflow="fold")
    if formulas:
        sheet.add_column("formula", overflow="fold")
    for diagram in built:
        written = formula(diagram, form)
        upper, lower = diagram.width_powers
        row = [str(written.factor), str(diagram.multiplicity), str(upper), str(lower), diagram.code]
        if formulas:
            row.append(plain(written))
        sheet.add_row(*map(Text, row))
    where.print(sheet)
    if verified:
        where.print("\nnumber and weights agree with Burnside's lemma and with zero dimensions")
    for file in files:
        where.print(f"wrote {file}", markup=False, soft_wrap=True)


def _json(
    found: Diagrams,
    form: Form,
    built: list[Diagram],
    *,
    verified: bool | None,
    files: list[str],
) -> str:
    report = {
        "nneft": __version__,
        "command": "diagrams",
        "points": found.points,
        "order": found.order,
        "labelled": found.labelled,
        "expanded": found.expanded,
        "count": len(found),
        "verified": verified,
        "diagrams": [_record(diagram, form) for diagram in built],
        "files": files,
    }
    return json.dumps(report, allow_nan=False)


def _record(diagram: Diagram, form: Form) -> dict[str, Any]:
    from nneft.feynman.formula import formula
    from nneft.feynman.latex import latex
    from nneft.feynman.plain import plain

    written = formula(diagram, form)
    origins = diagram.symmetry_origins
    return {
        "code": diagram.code,
        "symmetry_factor": str(diagram.symmetry_factor),
        "symmetry_origins": {
            "double_lines": str(origins.double_lines),
            "equal_lines": str(origins.equal_lines),
            "permuted_parts": str(origins.permuted_parts),
        },
        "multiplicity": diagram.multiplicity,
        "width_powers": list(diagram.width_powers),
        "loops": diagram.loops,
        "order": diagram.order,
        "legs": list(diagram.legs),
        "lines": list(diagram.lines),
        "blobs": [list(b) if isinstance(b, tuple) else b for b in diagram.blobs],
        "vertices": [{"name": v.name, "blobs": list(v.blobs)} for v in diagram.vertices],
        "factor": str(written.factor),
        "formula": plain(written),
        "latex": latex(written),
    }
