"""Pictures: nothing overlaps or is cut off, all forms show the same, TeX compiles them."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from feynman.pictures import faults, read
from PIL import Image

import nneft
from nneft.feynman import parse
from nneft.feynman.drawing import effective, styles
from nneft.feynman.drawing.curves import arc, is_straight, sample, wave
from nneft.feynman.drawing.lettering import letter
from nneft.feynman.drawing.output import replacing
from nneft.feynman.drawing.primitives import WAVE_HEIGHT

ALL = [(2 * k, 0) for k in range(1, 6)] + [(2, 1), (4, 1), (6, 1), (2, 2), (4, 2), (6, 2)]


@pytest.mark.parametrize(("points", "order"), ALL)
def test_nothing_overlaps_and_nothing_is_cut_off(points, order):
    wrong = {}
    for diagram in nneft.diagrams(points, order, expanded=(points, order) == (4, 2)):
        seen = read(diagram.svg(labels=True))
        wrong[diagram.code] = faults(seen)
        wrong[diagram.code] += _not_this(diagram, seen)
    assert {code: found for code, found in wrong.items() if found} == {}


def _not_this(diagram, seen):
    """Whether the picture shows this diagram: discs, ends of legs, lines, letters."""
    legs, lines = sum(diagram.legs), sum(diagram.lines)
    shown = (len(seen.large), len(seen.discs) - len(seen.large), len(seen.strokes), len(seen.words))
    blobs, vertices = len(diagram.blobs), len(diagram.vertices)
    wanted = (blobs + vertices, 2 * legs, 3 * legs + 2 * lines, vertices + 2 * legs + blobs)
    return [] if shown == wanted else [f"shows {shown}, wanted {wanted}"]


def test_lines_join_what_the_diagram_joins():
    for diagram in [*nneft.diagrams(4, 2), *nneft.diagrams(6, 1)]:
        seen = read(diagram.svg())
        discs = np.array(seen.large)  # blobs, then vertices, in the order of the diagram
        joined = Counter()
        for stroke in seen.strokes:
            near = [np.hypot(*(discs[:, :2] - end).T) < 5.0 for end in stroke[[0, -1]]]
            if near[0].any() and near[1].any():
                joined[tuple(sorted(int(np.flatnonzero(n)[0]) for n in near))] += 1
        wanted = Counter(
            (b, n) for n, v in enumerate(diagram.vertices, len(diagram.blobs)) for b in v.blobs
        )
        assert joined == {pair: 2 * lines for pair, lines in wanted.items()}, diagram.code


SPOILT = {
    "something is cut off": lambda svg: re.sub(r'(viewBox="0 0 )[\d.]+', r"\g<1>70", svg),
    "touch": lambda svg: _moved(svg, 15.0),
    "passes through": lambda svg: _moved(svg, -28.0),
    "letters": lambda svg: re.sub(r"scale\([\d.]+\)", "scale(2)", svg),
}


def _moved(svg, by):
    """The last disc elsewhere."""
    last = list(re.finditer(r'<circle cx="([\d.]+)"', svg))[-1]
    return f"{svg[: last.start(1)]}{float(last[1]) + by}{svg[last.end(1) :]}"


@pytest.mark.parametrize("fault", SPOILT)
def test_a_spoilt_picture_is_found_out(fault):
    good = parse("1,1|V4:0,1").svg(labels=True)
    assert faults(read(good)) == []
    assert any(fault in found for found in faults(read(SPOILT[fault](good))))


def test_a_star_of_alike_blobs_has_all_its_mirrors():
    for code, turns in (("1,1,1|V6:0,1,2", 3), ("1,1,1,1|V8:0,1,2,3", 4), ("5", 5)):
        seen = read(parse(code).svg())
        discs = np.array([complex(x, y) for x, y, _ in seen.discs])
        discs -= discs.mean()
        images = [discs * np.exp(2j * np.pi * n / turns) for n in range(turns)]
        images += [-discs.conj()]
        for image in images:
            assert np.abs(image[:, None] - discs[None]).min(axis=1).max() < 0.1, code


def test_a_chain_is_level_and_a_picture_wide_rather_than_high():
    for diagram in nneft.diagrams(8):
        seen = read(diagram.svg())
        ends = Counter(b for v in diagram.vertices for b in v.blobs)
        if max(ends.values(), default=0) < 3 and all(v.kind.lines == 2 for v in diagram.vertices):
            heights = {round(y, 1) for _, y, _ in seen.large}
            assert len(heights) == 1, diagram.code
        assert seen.height < 1.4 * seen.width


def test_svg_stands_alone_and_says_what_it_shows():
    diagram = parse("2,1|V4:0,1")
    text = diagram.svg(labels=True)
    root = ElementTree.fromstring(text)
    assert root.attrib["role"] == "img"
    seen = read(text)
    assert seen.title == "1,2|V4:0,1"
    assert "6-point connected correlator at leading order" in seen.description
    assert "two wavy legs and one double line" in seen.description
    assert "V4 joins blob 1 and blob 2" in seen.description
    assert "Symmetry factor 1/4, multiplicity 3." in seen.description
    links = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', text)
    assert all(link.startswith("#") for link, _ in links)
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert diagram._repr_svg_() == diagram.svg()


def test_the_same_bytes_on_each_run(tmp_path):
    code = (
        "import sys, nneft; d = nneft.diagrams(4, 1)\n"
        "sys.stdout.write(d.svg(labels=True) + d.tikz())"
    )
    diagrams = nneft.diagrams(4, 1)
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
        assert run.stdout.decode() == diagrams.svg(labels=True) + diagrams.tikz()
    for form in ("pdf", "png"):
        for name in "ab":
            diagrams[1].draw(tmp_path / f"{name}.{form}")
        assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_drawing_takes_less_than_fifty_milliseconds():
    diagrams = [*nneft.diagrams(8), *nneft.diagrams(4, 2)]
    diagrams[0].svg()  # loads fonts
    for diagram in diagrams:
        for form in (diagram.svg, diagram.tikz):
            fastest = min(_seconds(form) for _ in range(3))
            assert fastest < 0.05, diagram.code


def _seconds(form):
    start = time.perf_counter()
    form()
    return time.perf_counter() - start


@pytest.mark.parametrize("style", styles.STYLES)
def test_png_pdf_and_tikz_show_what_the_svg_shows(style, tmp_path):
    diagram = parse("1,1,1|V6:0,1,2|K1:0")
    seen = read(diagram.svg(style=style))
    for name in ("d.png", "d.pdf", "d.svg", "d.tex"):
        diagram.draw(tmp_path / name, style=style)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.pdf", "d.png", "d.svg", "d.tex"]
    assert (tmp_path / "d.svg").read_text(encoding="utf-8") == diagram.svg(style=style)

    image = Image.open(BytesIO((tmp_path / "d.png").read_bytes())).convert("L")
    assert np.allclose(image.size, np.array([seen.width, seen.height]) * 200 / 72, atol=1)
    grey = np.asarray(image) / 255
    for x, y, r in seen.large:
        # In the middle of the upper left half of the disc's edge: filled, and black on the edge.
        inside, edge = (
            grey[int((y - f * r * 0.6) * 200 / 72), int((x - f * r * 0.8) * 200 / 72)]
            for f in (0.93, 1.0)
        )
        assert edge < 0.6 < inside or style == "hatched"
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", (tmp_path / "d.pdf").read_bytes())
    assert np.allclose([float(v) for v in box.groups()], [seen.width, seen.height], atol=0.1)

    places = re.findall(r"\\vertex.* at \(([-\d.]+), ([-\d.]+)\)", diagram.tikz(style=style))
    shown = np.array(places, float) * (1, -1)
    wanted = np.array(seen.discs)[:, :2]
    assert np.abs((shown - shown[0]) - (wanted - wanted[0])).max() < 0.03


def test_many_at_once(tmp_path):
    diagrams = nneft.diagrams(4, 1)
    seen = read(diagrams.svg(columns=2))
    assert [f for f in faults(seen) if "do not fit" not in f] == []
    assert len(seen.large) == sum(len(d.blobs) + len(d.vertices) for d in diagrams)
    assert diagrams.tikz().count(r"\begin{tikzpicture}") == len(diagrams)
    for name in ("g.svg", "g.pdf", "g.png", "g.tex"):
        diagrams.draw(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1000
    with pytest.raises(ValueError, match="columns must be 1 or more, got 0"):
        diagrams.svg(columns=0)
    assert nneft.diagrams(10, 2)._repr_svg_() is None


@pytest.mark.parametrize("blobs", ["star", "cumulant"])
def test_sheets_hold_picture_factor_multiplicity_and_formula(tmp_path, blobs):
    diagrams = nneft.diagrams(8)
    for name in ("s.svg", "s.pdf", "s.html"):
        diagrams.sheet(tmp_path / name, labels=True, blobs=blobs)
    seen = read((tmp_path / "s.svg").read_text(encoding="utf-8"))
    assert [f for f in faults(seen) if "do not fit" not in f] == []
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    rows = page.split("<tbody>")[1].split("</tbody>")[0].strip().split("\n")
    assert len(rows) == len(diagrams)
    for row, diagram in zip(rows, diagrams):
        found = [cell.find(".//{*}title").text for cell in ElementTree.fromstring(row)]
        # In cumulants each double line's 1/2 goes with the derivative.
        factor = diagram.symmetry_factor * (2 ** sum(diagram.lines) if blobs == "cumulant" else 1)
        shown = re.sub(r"\\frac\{(\d+)\}\{(\d+)\}", r"\1/\2", found[1])
        assert (found[0], shown, int(found[2])) == (diagram.code, str(factor), diagram.multiplicity)
        assert found[3] == diagram.latex(weight=False, blobs=blobs)
    # Everything used is defined on the page itself.
    used = set(re.findall(r'href="#(\w+)"', page))
    assert used <= set(re.findall(r'id="(\w+)"', page))
    # PDF is broken into pages of the height of paper.
    pdf = (tmp_path / "s.pdf").read_bytes()
    sizes = re.findall(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", pdf)
    assert len(sizes) == 2 and all(float(h) < 1.5 * max(float(w), 595) for w, h in sizes)


@pytest.mark.parametrize("inputs", ["equal", "general"])
@pytest.mark.parametrize("blobs", ["star", "cumulant"])
def test_every_formula_can_be_set(inputs, blobs):
    for diagram in nneft.diagrams(4, 1)[1:4]:
        text = diagram.latex(inputs=inputs, blobs=blobs)
        assert "\\" not in "".join(g.path for g in letter(text, 10.0).glyphs)
        assert letter(text, 10.0).width > 20.0


def test_wrong_calls_say_what_there_is(tmp_path):
    diagrams = nneft.diagrams(4)
    known = "there are 'paper' and 'hatched'"
    for call in (diagrams[0].svg, diagrams[0].tikz, diagrams.svg, diagrams.tikz):
        with pytest.raises(ValueError, match=f"unknown style 'glossy': {known}"):
            call(style="glossy")
    for call in (diagrams[0].draw, diagrams.draw):
        with pytest.raises(
            ValueError, match=r"'.gif'; there are '.svg', '.pdf', '.png' and '.tex'"
        ):
            call(tmp_path / "d.gif")
    with pytest.raises(ValueError, match=r"'.png'; there are '.svg', '.pdf' and '.html'"):
        diagrams.sheet(tmp_path / "s.png")
    with pytest.raises(ValueError, match="there is no folder"):
        diagrams[0].draw(tmp_path / "nowhere" / "d.svg")
    with pytest.raises(ValueError, match="cannot set the formula"):
        letter(r"\frac{1", 10.0)
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written_stays(tmp_path):
    path = tmp_path / "d.svg"
    path.write_text("before")
    with pytest.raises(RuntimeError), replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert [p.read_text() for p in tmp_path.iterdir()] == ["before"]


def test_curves_are_what_they_are_called():
    points = np.array(sample(arc(0, 40, 10), 50))
    # Radius from R = (half^2 + bow^2) / (2 bow).
    centre, radius = 20 - 15j, 25.0
    assert np.abs(np.abs(points - centre) - radius).max() < 0.01
    beside = np.array(sample(arc(0, 40, 10, 1.5), 50))
    assert np.abs(np.abs(beside - centre) - radius - 1.5).max() < 0.01
    assert is_straight(arc(0, 40, 0.0)[0]) and not is_straight(arc(0, 40, 10)[0])
    shape = np.array(sample(wave(((0, 20 / 3, 40 / 3, 20),)), 400))
    assert np.abs(shape.imag - WAVE_HEIGHT * np.sin(2 * np.pi * shape.real / 5)).max() < 0.03


def test_the_effective_action_has_its_ghosts_dashed(tmp_path):
    found = effective.effective_action()
    assert len({d.name for d in found}) == len(found) == 10
    for diagram in found:
        text = diagram.svg()
        assert faults(read(text), 1.0) == []
        assert ("ghosts" in diagram.name) == ("stroke-dasharray" in text)
        assert ("ghosts" in diagram.name) == ("[ghost]" in diagram.tikz())
    # BCCZ (19): loops of fields and of ghosts come in pairs of opposite factor, drawn alike.
    loops = [d for d in found if d.name.startswith("Loop")]
    for field, ghost in zip(loops[::2], loops[1::2]):
        assert (ghost.factor, ghost.formula) == (f"-{field.factor}", field.formula)
        assert read(ghost.svg()).discs == read(field.svg()).discs
    for name in ("e.svg", "e.pdf", "e.html"):
        effective.save_effective_action(tmp_path / name, style="hatched")
    found[0].draw(tmp_path / "e.png")


@pytest.mark.slow
@pytest.mark.parametrize("style", styles.STYLES)
@pytest.mark.parametrize("engine", ["pdflatex", "lualatex"])
def test_tex_compiles_every_diagram(engine, style, tmp_path):
    program = shutil.which(engine)
    if program is None or not _has_tikz_feynman():
        pytest.skip(f"{engine} with TikZ-Feynman is not installed")
    asked = [(2, 0), (4, 0), (6, 0), (8, 0), (2, 1), (4, 1), (6, 1)]
    pictures = [d.tikz(style=style, labels=True) for p, q in asked for d in nneft.diagrams(p, q)]
    pictures += [d.tikz(style=style) for d in effective.effective_action()]
    head = nneft.diagrams(2)[0]
    head.draw(tmp_path / "one.tex", style=style)
    start = (tmp_path / "one.tex").read_text().split(r"\begin{document}")[0]
    text = "\n".join([start, r"\begin{document}", *pictures, r"\end{document}"])
    (tmp_path / "all.tex").write_text(text)
    run = subprocess.run(
        [program, "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert run.returncode == 0, run.stdout[-2000:]
    log = re.sub(r"\n", "", (tmp_path / "all.log").read_text(errors="replace"))
    assert f"({len(pictures)} pages" in log
    assert "Overfull" not in log and "Missing character" not in log


def _has_tikz_feynman():
    found = shutil.which("kpsewhich")
    return bool(found and subprocess.run([found, "tikz-feynman.sty"], capture_output=True).stdout)
