"""Formulas: BCCZ table I and (A.25)-(A.27), what is printed against sympy and against values,
and documents that compile."""

import re
import shutil
import subprocess
from functools import cache
from itertools import product
from math import prod

import numpy as np
import pytest
import sympy
from feynman.held import Held

import nneft
from nneft import blobs
from nneft.blobs import Blob
from nneft.feynman import parse
from nneft.feynman.document import lines
from nneft.feynman.formula import Form, formula
from nneft.feynman.latex import latex
from nneft.feynman.plain import plain
from nneft.feynman.star import cumulant_in_stars
from nneft.feynman.symbols import C_W, LOWER, UPPER, Cumulant, Star

SMALL = [(2 * k, q) for k in range(1, 6) for q in range(4) if 2 * k + 2 * q <= 8]
FORMS = [
    {"inputs": "equal", "blobs": "star"},
    {"inputs": "equal", "blobs": "cumulant", "widths": "unequal"},
    {"inputs": "general", "blobs": "star", "widths": "unequal"},
    {"inputs": "general", "blobs": "star", "sums": "index"},
    {"inputs": "general", "blobs": "cumulant"},
    {"inputs": "general", "blobs": "cumulant", "sums": "index"},
]

V4, V6, V8, K1 = sympy.symbols("V_4 V_6 V_8 K_1", real=True)


def E(r, m):
    """E[d^r D^m]."""
    return Star(m, r // 2)


R = sympy.Rational
#: BCCZ (A.20), (A.25), (A.26) and table I, every weight as factor times permutations.
PAPER = {
    (2, 1): C_W * (K1 * E(2, 1) / 2 + V4 * E(4, 1) / 8),
    (4, 0): C_W**2 * (E(0, 2) + V4 * E(2, 1) ** 2 / 4),
    (6, 0): C_W**3
    * (
        E(0, 3)
        + R(3, 4) * V4 * E(2, 2) * E(2, 1)
        + R(1, 8) * V6 * E(2, 1) ** 3
        + R(3, 16) * V4**2 * E(4, 1) * E(2, 1) ** 2
    ),
    (8, 0): C_W**4
    * (
        E(0, 4)
        - 3 * E(0, 2) ** 2
        + R(1, 4) * V4 * 4 * (E(2, 3) * E(2, 1) - 3 * E(2, 1) ** 2 * E(0, 2))
        + R(1, 4) * V4 * 3 * E(2, 2) ** 2
        + R(1, 8) * V6 * 6 * E(2, 2) * E(2, 1) ** 2
        + R(1, 16) * V4**2 * 6 * (E(4, 2) * E(2, 1) ** 2 - 2 * E(2, 1) ** 4)
        + R(1, 16) * V4**2 * 12 * E(4, 1) * E(2, 2) * E(2, 1)
        + R(1, 16) * V8 * E(2, 1) ** 4
        + R(1, 32) * V6 * V4 * 12 * E(4, 1) * E(2, 1) ** 3
        + R(1, 64) * V4**3 * 4 * E(6, 1) * E(2, 1) ** 3
        + R(1, 64) * V4**3 * 12 * E(4, 1) ** 2 * E(2, 1) ** 2
    ),
}


@pytest.mark.parametrize(("points", "order"), PAPER)
def test_equal_inputs_are_the_papers(points, order):
    found = nneft.diagrams(points, order).sympy()
    assert sympy.expand(found - PAPER[points, order]) == 0


def test_general_inputs_of_the_paper():
    # BCCZ (A.19)-(A.22) and (A.25)
    x1, x2, x3, x4 = sympy.symbols("x1:5", integer=True)
    y = sympy.symbols("y1:5", integer=True)
    N = sympy.Symbol("N", integer=True, positive=True)
    T, V = sympy.Tuple, sympy.Function("V_4")
    one, other = T(x1, x2), T(x3, x4)
    product = V(*y) * Star(T(one), T(*y[:2])) * Star(T(other), T(*y[2:]))
    limits = [(inner, 1, N) for inner in y]
    local = C_W**2 * Star(T(one, other), T())
    found = nneft.diagrams(4).sympy(inputs="general")
    assert found == local + sympy.Sum(C_W**2 / 4 * product, *limits)
    shift = C_W / 2 * sympy.Function("K_1")(*y[:2]) * Star(T(one), T(*y[:2]))
    curvature = C_W / 8 * V(*y) * Star(T(one), T(*y))
    found = nneft.diagrams(2, 1).sympy(inputs="general")
    assert found == sympy.Sum(shift, *limits[:2]) + sympy.Sum(curvature, *limits)


@pytest.mark.parametrize(("points", "order"), SMALL[1:])
def test_cumulant_form_is_the_star_form(points, order):
    for diagram in nneft.diagrams(points, order):
        star = diagram.sympy(widths="unequal")
        cumulant = diagram.sympy(widths="unequal", blobs="cumulant")
        same = cumulant.replace(Cumulant, _in_stars)
        assert sympy.expand(star - same) == 0
        powers = -diagram.width_powers[1]
        assert sympy.expand(star - (UPPER / LOWER) ** powers * diagram.sympy()) == 0


def _in_stars(m, r):
    terms = cumulant_in_stars((0,) * int(m), (0,) * int(r)).items()
    total = 0
    for factors, c in terms:
        weight = sympy.Rational(c.numerator, c.denominator)
        total += weight * sympy.Mul(*(Star(len(b.pairs), len(b.lines)) for b in factors))
    return C_W**m * total


@pytest.mark.parametrize("blob", ["star", "cumulant"])
@pytest.mark.parametrize("style", [plain, latex])
def test_what_is_printed_is_what_sympy_says(style, blob):
    """Text and LaTeX at equal inputs, read back."""
    form = Form(blobs=blob, widths="unequal")
    for points, order in SMALL:
        if points + order == 2:
            continue
        for diagram in nneft.diagrams(points, order, expanded=True):
            written = formula(diagram, form)
            number = sympy.Rational(written.weight.numerator, written.weight.denominator)
            found = _read(style(written), C_W=C_W) * (number if style is plain else 1)
            assert sympy.expand(found - diagram.sympy(blobs=blob, widths="unequal")) == 0


def _read(text, **names):
    """Text or LaTeX of equal inputs as a sympy expression."""

    def keep(value):
        names[f"s{len(names)}"] = value
        return f" s{len(names) - 1} "

    def number(text):
        return int(text) if text else 1

    patterns = [
        (r"\\frac\{n_\{\\ell-1\}\}\{n_\{\\ell-2\}\}|\(n_\{l-1\}/n_\{l-2\}\)", "UPPER / LOWER"),
        (r"\\frac\{(\d+)\}\{(\d+)\}", lambda m: f" ({m[1]}/{m[2]}) "),
        (
            r"\\langle (?:\\partial\^\{(\d+)\})?\\Delta(?:\^\{(\d+)\})?\\rangle",
            lambda m: keep(Star(number(m[2]), int(m[1] or 0) // 2)),
        ),
        (
            r"E\[(?:d(\d+) )?D(?:\^(\d+))?\]",
            lambda m: keep(Star(number(m[2]), int(m[1] or 0) // 2)),
        ),
        (r"F_\{(\d+)\}(?:\^\{\((\d+)\)\})?", lambda m: keep(Cumulant(int(m[1]), int(m[2] or 0)))),
        (r"F(\d+)('*)", lambda m: keep(Cumulant(int(m[1]), len(m[2])))),
        (
            r"([VK])_\{(\d+)(?:,(\d+))?\}\^\{\(\\ell-1\)\}",
            lambda m: keep(_symbol(m[1], m[2], m[3])),
        ),
        (r"([VK])(\d+)(?:\.(\d+))?", lambda m: keep(_symbol(m[1], m[2], m[3]))),
        (r"C_W\^\{\(\\ell\)\}", "C_W"),
        (r"\\[bB]ig[lr]", ""),
        (r"\^\{?(\d+)\}?", r"**\1"),
    ]
    names |= {"UPPER": UPPER, "LOWER": LOWER}
    for pattern, replacement in patterns:
        if replacement == "UPPER / LOWER":
            replacement = lambda m: keep(UPPER / LOWER)  # noqa: E731
        text = re.sub(pattern, replacement, text)
    text = re.sub(r"(?<=[\w)])\s+(?=[\w(])", "*", text.strip())
    text = re.sub(r"(?<=\d)\s*(?=s\d)|(?<=\))(?=\()", "*", text)
    return sympy.sympify(text, locals=names)


def _symbol(letter, index, order):
    return sympy.Symbol(f"{letter}_{index}" + (f"_{order}" if order else ""), real=True)


@pytest.mark.parametrize("blob", ["star", "cumulant"])
@pytest.mark.parametrize(("points", "order"), [(2, 1), (4, 0), (6, 0), (4, 1)])
def test_general_inputs_are_worth_what_the_values_are(points, order, blob):
    """The sums over inputs carried out with the numbers of a two-input network."""
    flow = _filled_flow()
    activation, kernel = flow.network.activation, flow.kernels[1]
    C = float(flow.network.C_W[2])
    at = (0, 1, 1, 1, 0, 0)[:points]

    @cache
    def star(of, by):
        asked = Blob.of(of, zip(by[::2], by[1::2], strict=True))
        return blobs.stars(activation, kernel, [asked]).values[0]

    @cache
    def cumulant(of, by):
        value = blobs.cumulants(activation, kernel, [Blob.of(of, by)], C_W=C).values[0]
        return value * 0.5 ** sum(c != d for c, d in by)

    functions = {
        "Star": star,
        "Cumulant": cumulant,
        "K_1": lambda *place: flow.K(1)[1][place],
        "V_4": cache(lambda *place: flow.V(4, at=place)[1]),
        "V_6": cache(lambda *place: flow.V(6, at=place)[1]),
    }
    names = {f"x{i + 1}": a for i, a in enumerate(at)} | {"C_W": C}
    for diagram in nneft.diagrams(points, order):
        found = _evaluated(diagram.sympy(inputs="general", blobs=blob), names, functions)
        ratio = (flow.network.widths[2] / flow.network.widths[1]) ** -diagram.width_powers[1]
        assert found * ratio == pytest.approx(diagram.value(flow, 3, at), rel=1e-12)


def _evaluated(expression, names, functions):
    """A sympy expression with numbers for its symbols; sums run over the inputs 0 and 1."""

    def inner(part, names):
        if isinstance(part, sympy.Sum):
            inputs = [str(limits[0]) for limits in part.limits]
            assert all(str(limits[1:]) == "(1, N)" for limits in part.limits)
            return sum(
                inner(part.function, names | dict(zip(inputs, place, strict=True)))
                for place in product((0, 1), repeat=len(inputs))
            )
        if isinstance(part, sympy.Symbol):
            return names[str(part)]
        if part.is_Number:
            return float(part)
        values = [inner(argument, names) for argument in part.args]
        if isinstance(part, sympy.Tuple):
            return tuple(values)
        if part.is_Function:
            return functions[part.func.__name__](*values)
        return {"Add": sum, "Mul": prod, "Pow": lambda v: v[0] ** v[1]}[type(part).__name__](values)

    return inner(expression, names)


def _filled_flow():
    """Two inputs, with vertices in layer 2 that are any numbers at all."""
    network = nneft.Network((1, 20, 30, 40), "0.1 + x + x**2/3", 0.8)
    kernel = np.array([[1.0, 0.3], [0.3, 0.7]])
    flow, random = Held(network, [kernel] * 3), np.random.default_rng(7)
    pairs = [(0, 0), (0, 1), (1, 1)]
    for k in (1, 2, 3):
        for block in product(pairs, repeat=k):
            if list(block) == sorted(block):
                flow.put(2, block, int(k == 1), random.normal())
    return flow


@pytest.mark.parametrize("options", FORMS)
def test_every_inner_input_stands_at_a_vertex_and_at_a_blob(options):
    for points, order in SMALL:
        for diagram in nneft.diagrams(points, order):
            text = diagram.latex(**options)
            for left, right in (("{", "}"), (r"\bigl", r"\bigr"), (r"\Bigl", r"\Bigr")):
                assert text.count(left) == text.count(right)
            assert len(re.findall(r"\\langle", text)) == len(re.findall(r"\\rangle", text))
            if options["inputs"] == "general" and options["blobs"] == "cumulant":
                symbol = "C" if options.get("sums") == "index" else "y"
                count = sum(diagram.lines) * (2 if symbol == "y" else 1)
                integrand = re.sub(r"\\int.*?\\;|\\sum_\{.*?\}\}", "", text)
                for n in range(1, count + 1):
                    assert integrand.count(f"{symbol}_{{{n}}}") == 2


def test_permutations_are_told():
    diagram = nneft.diagrams(8)[1]
    assert diagram.multiplicity == 4
    assert r"\text{3 permutations}" in diagram.latex(inputs="general")
    labelled = parse("[0],[1 2]|V4:0,1")
    assert "permutation" not in labelled.latex(inputs="general")
    assert "x_{1},x_{2}" in labelled.latex(inputs="general").split("frac")[2]
    assert diagram.latex(weight=False) == diagram.latex().replace(r"\frac{1}{1} ", "")
    assert nneft.diagrams(6)[1].latex() == r"\frac{3}{4} " + nneft.diagrams(6)[1].latex(
        weight=False
    )


def test_lines_are_the_formula_in_order():
    form = Form(inputs="general")
    for diagram in nneft.diagrams(8):
        whole = diagram.latex(weight=False, inputs="general")
        for width in (10.0, 40.0, 1e9):
            assert " ".join(lines(diagram, form, width=width)) == whole
        assert len(lines(diagram, form, width=1e9)) == 1 < len(lines(diagram, form, width=40.0))


def test_sums_say_whether_they_are_all_there_is():
    assert nneft.diagrams(8).latex().startswith("\\begin{aligned}\n&V_{8}^{(\\ell)} = ")
    assert nneft.diagrams(2, 1).latex().splitlines()[1].startswith(r"&K_{1}^{(\ell)} = ")
    # V_4 next to leading order holds that of the vertex below too, which only `expanded` splits.
    assert r"V_{4,1}^{(\ell)} \supset " in nneft.diagrams(4, 1).latex()
    assert r"V_{4,1}^{(\ell)} = " in nneft.diagrams(4, 1, expanded=True).latex()


def test_notebooks_are_shown_latex():
    found = nneft.diagrams(6)
    assert found[0]._repr_latex_() == rf"$\displaystyle {found[0].latex()}$"
    assert found._repr_latex_().count(r"\\") == 3
    text = sympy.latex(found.sympy(blobs="cumulant") + found.sympy(inputs="general"))
    assert r"F_{1}^{(1)}" in text and r"\partial_{y_{1}}" in text


def test_the_two_point_function_has_its_bias():
    mean = nneft.diagrams(2)[0]
    assert str(mean.sympy()) == "C_W*E[s] + C_b"
    assert mean.sympy(blobs="cumulant") == Cumulant(1, 0)
    assert "C_b" in mean.latex(inputs="general") and "C_b" in plain(formula(mean, Form()))


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"inputs": "same"}, "inputs must be 'equal' or 'general', got 'same'"),
        ({"blobs": "moment"}, "blobs must be 'star' or 'cumulant', got 'moment'"),
        ({"sums": ""}, "sums must be 'integral' or 'index', got ''"),
        ({"widths": "all"}, "widths must be 'equal' or 'unequal', got 'all'"),
    ],
)
def test_unknown_options_are_named(option, message):
    for write in (nneft.diagrams(4)[0].latex, nneft.diagrams(4).sympy, nneft.diagrams(4).latex):
        with pytest.raises(ValueError, match=message):
            write(**option)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize(
    ("options", "labelled"), [(form, False) for form in FORMS] + [(FORMS[2], True)]
)
def test_documents_compile_and_no_line_is_too_long(tmp_path, options, labelled):
    """V_8 at general inputs, which the paper does not print, among them."""
    text = nneft.diagrams(8, labelled=labelled).latex_document(**options)
    (tmp_path / "formulas.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "formulas.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert (tmp_path / "formulas.pdf").stat().st_size > 10_000
