"""JSON in, strictly: what two readers could understand differently is refused, though RFC 8259 leaves it open.

Refused: a name twice in one object, NaN and Infinity, nesting deeper than the limit, half surrogates, numbers larger
than any FHIR decimal needs, a byte order mark, any encoding but UTF-8, and bodies that are no object. Decimals become
`decimal.Decimal`, so 1.10 stays 1.10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from kjerne.errors import Refusal

INTEGER_DIGITS_LIMIT: Final = 18
"""FHIR integers have 32 bits; decimals written without a point get the 18 digits that R4 asks implementers to keep."""

DECIMAL_CHARACTERS_LIMIT: Final = 64
EXPONENT_LIMIT: Final = 64
"""Far outside any measurement; a larger exponent makes a later conversion to digits a denial of service."""

# A string that never ends is taken to the end of the text: to try again from each quote in it would be quadratic.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_STRINGS = re.compile(_STRING, re.DOTALL)
_TOKENS = re.compile(_STRING + r"|[{}\[\]:,]|[-+0-9.eE]++|[A-Za-z]++", re.DOTALL)
_NOT_BRACKETS = re.compile(r"[^{}\[\]]++")
_PLAIN_STRINGS = re.compile(rb'"[^"]*+"')
_NO_FORM: Final = bytes(one for one in range(256) if one not in b'{}[]"\\')
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z_]{1,64}")


class _Unfit(Exception):
    """Raised by the scanner's hooks, which do not know where they are; `token` is what to look for."""

    def __init__(self, says: str, token: str) -> None:
        super().__init__(says)
        self.says = says
        self.token = token


class _Twice(Exception):
    """An object with the same name twice."""


def parse(raw: bytes, *, depth: int = 64, limit_bytes: int = 1_000_000) -> dict[str, Any]:
    """Read one JSON object. Raises `Refusal` (400; 413 over the limit) naming line and column, never the content."""
    tree: dict[str, Any] = _parsed(raw, dict, depth, limit_bytes)
    return tree


def parse_list(raw: bytes, *, depth: int = 64, limit_bytes: int = 1_000_000) -> list[Any]:
    """As `parse`, for the one body that is a JSON array (RFC 6902)."""
    tree: list[Any] = _parsed(raw, list, depth, limit_bytes)
    return tree


def _parsed(raw: bytes, kind: type, depth: int, limit_bytes: int) -> Any:
    if len(raw) > limit_bytes:
        raise Refusal(413, f"The body is larger than {limit_bytes} bytes.", todo="Send it in smaller parts.")
    text = _decoded(raw)
    if text.count("{") + text.count("[") > depth and not _is_shallow(raw, depth):
        _check_depth(text, depth)
    tree = _quick(raw, kind)
    return _strict(text, kind) if tree is None else tree


def _quick(raw: bytes, kind: type) -> Any:
    """The tree where the bytes are plain enough that they show by themselves what the strict reader would find.

    A quicker reader passes over a name that comes twice and takes any number. But a tree that, written anew, gives `raw`
    again byte by byte has lost nothing on the way: so it is for what is sent without spaces, as nearly everything is.
    """
    if _LONG_INTEGER in raw.translate(_ZEROS):
        return None
    try:
        tree = _READER.decode(raw)
        return tree if type(tree) is kind and _WRITER.encode(tree) == raw else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError, _Unfit):
        return None


def _strict(text: str, kind: type) -> Any:
    if _HALF.search(text):
        _check_surrogates(text)
    try:
        tree = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        _refuse(f"This is not JSON: {error.msg[:1].lower()}{error.msg[1:]}.", text, error.pos)
    except _Unfit as error:
        _refuse(error.says, text, _find(text, error.token))
    except _Twice:
        _refuse_twice(text)
    if type(tree) is not kind:
        wanted = "object" if kind is dict else "array"
        raise Refusal(400, f"The body must be one JSON {wanted}.", where="line 1", code="structure")
    return tree


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise Refusal(400, "The body starts with a byte order mark.", todo="Send UTF-8 without it.", code="structure")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Refusal(
            400,
            "The body is not UTF-8.",
            where=f"line {line}, byte {error.start}",
            todo="Send UTF-8.",
            code="structure",
        ) from None


def _is_shallow(raw: bytes, depth: int) -> bool:
    """Whether a body without escapes is seen at a quick look to be nested no deeper.

    A run of quotes without a bracket between opens and closes texts: two of them are none. Each round takes away two levels of
    brackets at most.
    """
    form = raw.translate(None, _NO_FORM)
    if b"\\" in form:
        return False
    form = _PLAIN_STRINGS.sub(b"", form.replace(b'""', b""))
    for _ in range(depth // 2):
        if not form:
            break
        form = form.replace(b"{}", b"").replace(b"[]", b"")
    return not form


def _check_depth(text: str, depth: int) -> None:
    level = 0
    for bracket in _NOT_BRACKETS.sub("", _STRINGS.sub("", text)):
        level += 1 if bracket in "{[" else -1
        if level > depth:
            raise Refusal(400, f"The body is nested deeper than {depth} levels.", code="structure")


def _check_surrogates(text: str) -> None:
    """RFC 8259 section 8.2: half of a surrogate pair is no character and cannot be sent on in UTF-8."""
    expected_at = -1
    for escape in _ESCAPE.finditer(text):
        unit = int(escape[1], 16) if escape[1] else 0
        low = 0xDC00 <= unit <= 0xDFFF
        if low != (escape.start() == expected_at):
            _refuse("An escape is half a character (a lone surrogate).", text, escape.start())
        expected_at = escape.end() if 0xD800 <= unit <= 0xDBFF else -1
        if expected_at >= 0 and not text.startswith("\\u", expected_at):
            _refuse("An escape is half a character (a lone surrogate).", text, escape.start())


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _integer(digits: str) -> int:
    if len(digits) - (digits[0] == "-") > INTEGER_DIGITS_LIMIT:
        raise _Unfit(f"A number has more than {INTEGER_DIGITS_LIMIT} digits.", digits)
    return int(digits)


def _decimal(digits: str) -> Decimal:
    number = Decimal(digits) if len(digits) <= DECIMAL_CHARACTERS_LIMIT else None
    # Written without an exponent, a number that is short enough has none that is too large.
    if number is None or ("e" in digits.lower() and abs(int(number.as_tuple().exponent)) > EXPONENT_LIMIT):
        raise _Unfit("A number is longer or larger than any measurement.", digits)
    return number


def _constant(name: str) -> NoReturn:
    raise _Unfit("NaN and Infinity are not JSON numbers.", name.lstrip("-"))


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_decimal, parse_int=_integer, parse_constant=_constant, strict=True
)


_READER: Final = msgspec.json.Decoder(float_hook=_decimal)
_WRITER: Final = msgspec.json.Encoder(decimal_format="number")
_ZEROS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER: Final = b"0" * (INTEGER_DIGITS_LIMIT + 1)


def _find(text: str, token: str) -> int:
    return next((found.start() for found in _TOKENS.finditer(text) if found[0] == token), 0)


def _refuse_twice(text: str) -> NoReturn:
    """Walk the text again, slowly, to say where: the fast scanner only knows that it happened."""
    for name, at in _repeated_names(text):
        # A name may hold anything, a person number too: shown only where it looks like a name.
        shown = f"'{name}'" if _PLAIN_NAME.fullmatch(name) else "A name"
        _refuse(f"{shown} occurs twice in one object.", text, at)
    raise Refusal(400, "A name occurs twice in one object.", code="structure")


def _repeated_names(text: str) -> Iterator[tuple[str, int]]:
    open_objects: list[set[str]] = []
    last: re.Match[str] | None = None
    for token in _TOKENS.finditer(text):
        if token[0] in "{[":
            open_objects.append(set())
        elif token[0] in "}]":
            open_objects.pop()
        elif token[0] == ":" and last is not None:
            name = json.loads(last[0], strict=False)
            if name in open_objects[-1]:
                yield name, last.start()
            open_objects[-1].add(name)
        last = token


def _refuse(says: str, text: str, at: int) -> NoReturn:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    raise Refusal(400, says, where=f"line {line}, column {column}", code="structure") from None
