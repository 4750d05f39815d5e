"""Reading an expression in ``x``: a tokenizer and a recursive descent, a whitelist of our own.

    expression := term (('+' | '-') term)*
    term       := signed (('*' | '/') signed)*
    signed     := ('-' | '+') signed | power
    power      := atom (('**' | '^') signed)?
    atom       := number | x | pi | e | name '(' arguments ')' | '(' expression ')'
    where's first argument := expression ('<' | '<=' | '>' | '>=') expression

Nothing is ever evaluated as Python; what is not listed here is refused, with a caret under it.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, final

from nneft.activations.builder import Builder
from nneft.activations.nodes import CONDITIONS, SMOOTH, Node

__all__ = ["FUNCTION_NAMES", "parse"]

#: Klambauer et al., arXiv:1706.02515, their alpha and lambda.
SELU_ALPHA, SELU_SCALE = 1.6732632423543772848, 1.0507009873554804934

MAX_LENGTH = 1000
MAX_DEPTH = 40

_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<mark>\*\*|<=|>=|[-+*/^(),<>])"
)


def _gelu_tanh(b: Builder, u: Node) -> Node:
    # u (1 + tanh(v))/2 = u sigmoid(2 v),  v = sqrt(2/pi) (u + 0.044715 u^3)
    cubed = b.multiply(b.const(0.044715), b.power(u, b.const(3.0)))
    v = b.multiply(b.const(2.0 * math.sqrt(2.0 / math.pi)), b.add(u, cubed))
    return b.multiply(u, b.call("sigmoid", v))


def _by_sign(b: Builder, u: Node, negative: Node, positive: Node) -> Node:
    return b.where(">", u, b.const(0.0), positive, negative)


def _selu(b: Builder, u: Node) -> Node:
    negative = b.multiply(b.const(SELU_ALPHA), b.call("expm1", u))
    return b.multiply(b.const(SELU_SCALE), _by_sign(b, u, negative, u))


#: Activations by formula, usable as functions too.
MACROS: Mapping[str, Callable[[Builder, Node], Node]] = {
    "linear": lambda b, u: u,
    "quadratic": lambda b, u: b.power(u, b.const(2.0)),
    "leaky_relu": lambda b, u: _by_sign(b, u, b.multiply(b.const(0.01), u), u),
    "gelu": lambda b, u: b.multiply(u, b.call("ndtr", u)),
    "gelu_tanh": _gelu_tanh,
    "silu": lambda b, u: b.multiply(u, b.call("sigmoid", u)),
    "swish": lambda b, u: b.multiply(u, b.call("sigmoid", u)),
    "mish": lambda b, u: b.multiply(u, b.call("tanh", b.call("softplus", u))),
    "elu": lambda b, u: _by_sign(b, u, b.call("expm1", u), u),
    "selu": _selu,
}

_ARITY = {**dict.fromkeys([*SMOOTH, *MACROS, "relu", "abs"], 1), "max": 2, "min": 2, "where": 3}
FUNCTION_NAMES = tuple(sorted(_ARITY))
_CONSTANTS = {"pi": math.pi, "e": math.e}


class Token(NamedTuple):
    """A word of the expression and where it stands."""

    kind: str
    text: str
    position: int


def parse(text: str, builder: Builder) -> Node:
    """The tree of an expression.

    Raises
    ------
    ValueError
        with the expression and a caret under the character that is wrong.
    """
    return _Parser(text, builder).parse()


@final
class _Parser:
    def __init__(self, text: str, builder: Builder) -> None:
        self.text = text
        self.builder = builder
        self.depth = 0
        self.index = 0
        self.tokens: list[Token] = []

    def parse(self) -> Node:
        if len(self.text) > MAX_LENGTH:
            raise ValueError(
                f"the activation's expression has {len(self.text)} characters; "
                f"at most {MAX_LENGTH} are read"
            )
        self.tokens = self._tokenize()
        node = self._expression()
        if self._peek().kind != "end":
            raise self._unexpected(self._peek(), "an operator such as + - * / ** before it")
        return node

    def _tokenize(self) -> list[Token]:
        tokens, position = [], 0
        while position < len(self.text):
            if self.text[position].isspace():
                position += 1
                continue
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._error(f"unexpected character {self.text[position]!r}", position)
            tokens.append(Token(match.lastgroup or "", match.group(), position))
            position = match.end()
        return [*tokens, Token("end", "", len(self.text))]

    def _error(self, message: str, position: int) -> ValueError:
        line = self.text.replace("\n", " ").replace("\t", " ")
        start = max(0, position - 60)
        shown = line[start : position + 40]
        return ValueError(
            f"cannot read the activation: {message}\n    {shown}\n    {' ' * (position - start)}^"
        )

    def _unexpected(self, token: Token, wanted: str) -> ValueError:
        found = f"found {token.text!r}" if token.kind != "end" else "the expression ends here"
        return self._error(f"expected {wanted}, {found}", token.position)

    def _peek(self) -> Token:
        return self.tokens[self.index]

    def _accept(self, *marks: str) -> Token | None:
        token = self._peek()
        if token.kind == "mark" and token.text in marks:
            self.index += 1
            return token
        return None

    def _expect(self, mark: str) -> None:
        if self._accept(mark) is None:
            raise self._unexpected(self._peek(), f"{mark!r}")

    def _deeper(self, parse: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error(f"nested more than {MAX_DEPTH} deep", self._peek().position)
        node = parse()
        self.depth -= 1
        return node

    def _build(self, position: int, make: Callable[..., Node], *args: Node) -> Node:
        try:
            return make(*args)
        except ValueError as error:
            raise self._error(str(error), position) from None

    def _expression(self) -> Node:
        node = self._term()
        while token := self._accept("+", "-"):
            make = self.builder.add if token.text == "+" else self.builder.subtract
            node = self._build(token.position, make, node, self._term())
        return node

    def _term(self) -> Node:
        node = self._signed()
        while token := self._accept("*", "/"):
            make = self.builder.multiply if token.text == "*" else self.builder.divide
            node = self._build(token.position, make, node, self._signed())
        return node

    def _signed(self) -> Node:
        if token := self._accept("-", "+"):
            node = self._deeper(self._signed)
            if token.text == "+":
                return node
            return self._build(token.position, self.builder.negative, node)
        return self._power()

    def _power(self) -> Node:
        base = self._atom()
        if token := self._accept("**", "^"):
            exponent = self._deeper(self._signed)
            return self._build(token.position, self.builder.power, base, exponent)
        return base

    def _atom(self) -> Node:
        token = self._peek()
        self.index += token.kind != "end"
        if token.kind == "number":
            return self._build(token.position, lambda: self.builder.const(float(token.text)))
        if token.kind == "name":
            return self._named(token)
        if token.text == "(":
            node = self._deeper(self._expression)
            self._expect(")")
            return node
        raise self._unexpected(token, "a number, x, a function or '('")

    def _named(self, token: Token) -> Node:
        name = token.text.lower()
        called = self._peek().text == "("
        if not called and name == "x":
            return self.builder.x
        if not called and name in _CONSTANTS:
            return self.builder.const(_CONSTANTS[name])
        if name in _ARITY:
            if not called:
                raise self._error(f"{name} needs its argument: {name}(x)", token.position)
            return self._call(name, token.position)
        if name in ("x", *_CONSTANTS):
            raise self._error(f"{name} is not a function; write {name}*(", token.position)
        near = difflib.get_close_matches(name, ["x", *_CONSTANTS, *_ARITY], n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: x, pi, e, {', '.join(_ARITY)}"
        raise self._error(f"unknown name {token.text!r}; {hint}", token.position)

    def _call(self, name: str, position: int) -> Node:
        self._expect("(")
        if name == "where":
            return self._where(position)
        args = [self._deeper(self._expression)]
        while self._accept(","):
            args.append(self._deeper(self._expression))
        if len(args) != _ARITY[name]:
            wanted = f"{name} takes {_ARITY[name]} argument{'s' * (_ARITY[name] > 1)}"
            raise self._error(f"{wanted}, got {len(args)}", position)
        self._expect(")")
        if name in MACROS:
            return self._build(position, lambda u: MACROS[name](self.builder, u), *args)
        return self._build(position, lambda *a: self.builder.call(name, *a), *args)

    def _where(self, position: int) -> Node:
        left = self._deeper(self._expression)
        condition = self._accept(*CONDITIONS)
        if condition is None:
            raise self._unexpected(
                self._peek(), "a comparison (< <= > >=), as in where(x > 0, a, b)"
            )
        args = [left, self._deeper(self._expression)]
        for _ in range(2):
            self._expect(",")
            args.append(self._deeper(self._expression))
        self._expect(")")
        return self._build(position, lambda *a: self.builder.where(condition.text, *a), *args)
