"""From the text of an expression to its tree (FHIRPath 2.0, the grammar in its appendix).

Precedence climbs from `implies` to a member; everything is linear in the text, and depth is limited.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from kjerne.fhir.fhirpath.values import Quantity, Temporal

LENGTH_LIMIT: Final = 20_000
DEPTH_LIMIT: Final = 60
CHAIN_LIMIT: Final = 100
"""Operators or members in one row: each is a call within a call when the expression runs."""

_TOKEN: Final = re.compile(
    r"""\s+|//[^\n]*|/\*.*?\*/
    |(?P<string>'(?:[^'\\]|\\.)*+')
    |(?P<quoted>`(?:[^`\\]|\\.)*+`)
    |(?P<moment>@(?:T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?|\d{4}(?:-\d\d(?:-\d\d)?)?(?:T(?:[0-9:]+(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?))
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<variable>%(?:[A-Za-z_][\w-]*|'[^']*'|`[^`]*`)|\$(?:this|index|total)\b)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign><=|>=|!=|!~|[-+*/&|=~<>().,\[\]{}])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "\\": "\\", "'": "'", '"': '"', "`": "`", "/": "/"}
_ESCAPED: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)

_POWERS: Final = {
    "implies": 1, "or": 2, "xor": 2, "and": 3, "in": 4, "contains": 4, "=": 5, "~": 5, "!=": 5, "!~": 5,
    "<": 6, ">": 6, "<=": 6, ">=": 6, "|": 7, "is": 8, "as": 8, "+": 9, "-": 9, "&": 9,
    "*": 10, "/": 10, "div": 10, "mod": 10,
}  # fmt: skip
_TYPE_POWER: Final = 8
_SIGN_POWER: Final = 11
_CALENDAR: Final = frozenset(
    "year years month months week weeks day days hour hours minute minutes second seconds millisecond milliseconds".split()
)


@dataclass(frozen=True)
class Term:
    """One node. `kind`: literal, name, call, variable, dot, index, sign, type (is, as), operator or nothing (`{}`)."""

    kind: str
    value: Any = None
    parts: tuple[Term, ...] = ()


def parse(text: str) -> Term:
    """The tree of an expression; `ValueError` where it is none."""
    if len(text) > LENGTH_LIMIT:
        raise ValueError("the expression is too long")
    reader = _Reader(_tokens(text))
    term = reader.expression(0)
    if reader.kind:
        raise ValueError(f"unexpected {reader.text!r}")
    return term


def is_fixed(term: Term) -> bool:
    """Whether a term is the same throughout an evaluation, whatever `$this` is: it starts from a variable or a literal."""
    if term.kind == "variable":
        return bool(term.value.startswith("%"))
    if term.kind == "dot":
        invoked = term.parts[1]
        return is_fixed(term.parts[0]) and invoked.kind != "variable" and all(is_fixed(one) for one in invoked.parts)
    return term.kind not in ("name", "call") and all(is_fixed(one) for one in term.parts)


def variables(text: str) -> set[str]:
    """The names of the variables (`%name`) that an expression uses; `ValueError` where it is none."""
    found, rest = set[str](), [parse(text)]
    while rest:
        term = rest.pop()
        rest.extend(term.parts)
        if term.kind == "variable" and term.value.startswith("%"):
            found.add(term.value[1:])
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"unexpected {text[at]!r}")
        if token.lastgroup:
            found.append((token.lastgroup, token[0]))
        at = token.end()
    return found


def _plain(quoted: str) -> str:
    def one(found: re.Match[str]) -> str:
        escape = found[1]
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape not in _ESCAPES:
            return escape
        return _ESCAPES[escape]

    return _ESCAPED.sub(one, quoted[1:-1])


class _Reader:
    """The tokens, and where we are in them."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = [*tokens, ("", "")]
        self._at = 0
        self._depth = 0

    @property
    def kind(self) -> str:
        return self._tokens[self._at][0]

    @property
    def text(self) -> str:
        return self._tokens[self._at][1]

    def take(self, wanted: str = "") -> tuple[str, str]:
        token = self._tokens[self._at]
        if not token[0] or (wanted and token != ("sign", wanted)):
            raise ValueError(f"expected {wanted or 'more'}, found {token[1]!r}")
        self._at += 1
        return token

    def expression(self, least: int) -> Term:
        """An expression whose operators all bind tighter than `least`."""
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise ValueError("the expression is too deep")
        left, chain = self._signed(), 0
        while self.kind in ("sign", "name") and (power := _POWERS.get(self.text, 0)) > least:
            operator, chain = self.take()[1], chain + 1
            if chain > CHAIN_LIMIT:
                raise ValueError("the expression is too long")
            if power == _TYPE_POWER:
                left = Term("type", (operator, self._type_name()), (left,))
            else:
                left = Term("operator", operator, (left, self.expression(power)))
        self._depth -= 1
        return left

    def _signed(self) -> Term:
        if self.kind == "sign" and self.text in "+-":
            return Term("sign", self.take()[1], (self.expression(_SIGN_POWER - 1),))
        term, chain = self._term(), 0
        while self.kind == "sign" and self.text in ".[":
            chain += 1
            if chain > CHAIN_LIMIT:
                raise ValueError("the expression is too long")
            if self.take()[1] == ".":
                term = Term("dot", None, (term, self._invocation()))
            else:
                term = Term("index", None, (term, self.expression(0)))
                self.take("]")
        return term

    def _term(self) -> Term:
        kind, text = self._tokens[self._at]
        if kind == "sign" and text == "(":
            self.take()
            inner = self.expression(0)
            self.take(")")
            return inner
        if kind == "sign" and text == "{":
            self.take()
            self.take("}")
            return Term("nothing")
        if kind == "string":
            self.take()
            return Term("literal", _plain(text))
        if kind == "moment":
            self.take()
            return Term("literal", Temporal.literal(text))
        if kind == "number":
            return self._number()
        return self._invocation()

    def _number(self) -> Term:
        text = self.take()[1]
        number: Decimal | int = Decimal(text) if "." in text else int(text)
        if self.kind == "string":
            return Term("literal", Quantity(Decimal(number), _plain(self.take()[1])))
        if self.kind == "name" and self.text in _CALENDAR:
            return Term("literal", Quantity(Decimal(number), self.take()[1], calendar=True))
        return Term("literal", number)

    def _invocation(self) -> Term:
        kind, text = self.take()
        if kind == "variable":
            return Term("variable", text[0] + (text[2:-1] if text[1] in "'`" else text[1:]))
        if kind not in ("name", "quoted"):
            raise ValueError(f"unexpected {text!r}")
        name = _plain(text) if kind == "quoted" else text
        if kind == "name" and text in ("true", "false"):
            return Term("literal", text == "true")
        if not (self.kind == "sign" and self.text == "("):
            return Term("name", name)
        self.take()
        arguments = []
        while self.text != ")" or self.kind != "sign":
            arguments.append(self.expression(0))
            if self.text != ")":
                self.take(",")
        self.take(")")
        return Term("call", name, tuple(arguments))

    def _type_name(self) -> str:
        kind, text = self.take()
        if kind not in ("name", "quoted"):
            raise ValueError("expected a type")
        name = _plain(text) if kind == "quoted" else text
        if self.kind == "sign" and self.text == ".":
            self.take()
            kind, text = self.take()
            name += "." + (_plain(text) if kind == "quoted" else text)
        return name
