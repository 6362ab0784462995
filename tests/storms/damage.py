"""Ways in which requests go wrong: bytes, JSON, XML, forms, headers and addresses spoiled at random from one seed."""

from __future__ import annotations

import gzip
import json
import random
import re
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any, Final
from urllib.parse import quote_from_bytes

from kjerne.fhir.searchparams import parameters

NODES_LIMIT: Final = 2_000

Spoil = Callable[[bytes, random.Random], bytes]

ODD_TEXTS: Final = (
    "", " ", "\x00", "a\x00b", "\ud800", "\ufeff", "\u202e", "\U0010ffff", "'", '"', "<b>", "${7*7}", "%s%n", "../..",
    "x" * 3_000, "x" * 70_000, "9" * 400, "-1", "0", "1e400", "NaN", "Infinity", "0x10", "1_000", "١٢٣", "true",
    "null", "{}",
    "0000-00-00", "0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31", "2026-02-30",
    "2026-13-01", "2026-03-02T25:00:00Z", "2026-03-02T08:15:60+99:99", "24:00", "Patient/1", "urn:oid:" + "1." * 300,
    "http://[::1", "#", "|", "||", "$", "\\", ",", ",,,", "a|b|c|d", "ge", "ap0001", "eq-", "¼", "²", "1" * 11,
)  # fmt: skip
ODD_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 2**63, 2**64, 10**400, 1e308, 5e-324, [], {}, [[]], [None], {"": None}, {"a": {}}, [[[[[]]]]],
    {"reference": "#x"}, {"resourceType": "Patient"}, [1] * 3_000,
)  # fmt: skip
ODD_BYTES: Final = (
    b"\x00", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"%00", b"%", b"%zz", b"%ff", b"&", b"=",
    b";", b"\r\n",
    b"\r\n\r\nGET / HTTP/1.1\r\n", b"{", b"}", b"[", b"<", b">", b"]]>", b"<!--", b"&lt;", b"&#0;", b"&#xD800;", b'"',
    b"\\u0000",
    b"\\ud800", b"1e999999", b"\xf4\x90\x80\x80", b"9" * 5_000,
)  # fmt: skip


def flip(raw: bytes, chance: random.Random) -> bytes:
    if not raw:
        return b"\x00"
    at = chance.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ (1 << chance.randrange(8))]) + raw[at + 1 :]


def cut(raw: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.choices(range(len(raw) + 1), k=2))
    return raw[:start] + raw[end:]


def put_in(raw: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(raw) + 1)
    return raw[:at] + chance.choice(ODD_BYTES) + raw[at:]


def repeat(raw: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.choices(range(len(raw) + 1), k=2))
    return raw[:end] + raw[start:end] * chance.choice((1, 1, 2, 30)) + raw[end:]


def nothing(_: bytes, __: random.Random) -> bytes:
    return b""


def recoded(raw: bytes, chance: random.Random) -> bytes:
    text = raw.decode("utf-8", "replace")
    return text.encode(chance.choice(("utf-16", "utf-32", "latin-1", "cp037", "utf-7")), "replace")


BYTES: Final[tuple[Spoil, ...]] = (flip, cut, put_in, repeat, nothing, recoded)


def json_node(raw: bytes, chance: random.Random) -> bytes:
    """One node of the tree replaced, taken out, doubled or renamed."""
    try:
        tree = json.loads(raw)
    except (ValueError, RecursionError):
        return flip(raw, chance)
    nodes = list(islice(_nodes(tree), NODES_LIMIT))
    if not nodes:
        return put_in(raw, chance)
    holder, key = chance.choice(nodes)
    kind = chance.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[chance.choice((*ODD_TEXTS, "contained", "extension", "_" + str(key), "id", "meta"))] = holder[key]
    elif kind == 2:
        holder[key] = [holder[key]]
    else:
        holder[key] = chance.choice((*ODD_TEXTS, *ODD_VALUES))
    return json.dumps(tree, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


def _nodes(tree: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every node below the root."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(pairs):
        yield tree, key
        yield from _nodes(value)


def json_text(raw: bytes, chance: random.Random) -> bytes:
    """What no writer of JSON would write: doubled keys, NaN, endless numbers, depth."""
    deep = chance.choice((65, 500, 100_000))
    return chance.choice(
        (
            raw.replace(b"{", b'{"status":"x","status":"final",', 1),
            re.sub(
                rb":(\d+|\"[^\"]{0,20}\")",
                lambda _: b":" + chance.choice((b"NaN", b"-0", b"01", b"1" * 9_000)),
                raw,
                count=3,
            ),
            raw[:-1] + b',"extension":' + b"[" * deep + b"]" * deep + b"}",
            raw[:-1] + b',"x":' + b'{"a":' * deep + b"1" + b"}" * deep + b"}",
            raw + raw,
            b"[" + raw + b"]",
            b"\xef\xbb\xbf" + raw,
        )
    )


def xml_piece(raw: bytes, chance: random.Random) -> bytes:
    """One attribute, text or element of a message replaced, taken out or doubled."""
    pieces = list(re.finditer(rb"(?<=V=')[^']*|(?<=S=')[^']*|(?<=U=')[^']*|(?<=>)[^<>\n]+(?=<)", raw))
    elements = list(re.finditer(rb"<(\w+)[^<>]*?/>|<(\w+)>[^<>]*</\2>", raw))
    kind = chance.randrange(3)
    if kind and elements:
        found = chance.choice(elements)
        return raw[: found.start()] + found.group() * chance.choice((0, 0, 2, 60)) + raw[found.end() :]
    if not pieces:
        return flip(raw, chance)
    found = chance.choice(pieces)
    odd = chance.choice(ODD_TEXTS).encode("utf-8", "replace")
    odd = odd.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b"'", b"&apos;")
    return raw[: found.start()] + odd + raw[found.end() :]


def xml_text(raw: bytes, chance: random.Random) -> bytes:
    """DTDs, entities, wrong encodings, other namespaces, depth."""
    deep = chance.choice((70, 5_000))
    laughs = b"<!DOCTYPE a [<!ENTITY b 'ha'>" + b"".join(
        b"<!ENTITY b%d '%s'>" % (n, b"&b%d;" % (n - 1) * 10 if n else b"&b;" * 10) for n in range(9)
    )
    return chance.choice(
        (
            raw.replace(b"?>", b"?>" + laughs + b"]>", 1).replace(b"<Type V=", b"<Type>&b8;</Type><Type V=", 1),
            raw.replace(b"?>", b"?><!DOCTYPE a SYSTEM 'file:///etc/passwd'>", 1),
            raw.replace(b"UTF-8", chance.choice((b"UTF-16", b"x-nothing", b"ISO-8859-1", b"")), 1),
            raw.replace(b"labsvar", b"ebxml", 1),
            raw.replace(b"<ServReport>", b"<ServReport>" + b"<ResultItem>" * deep + b"</ResultItem>" * deep, 1),
            raw.replace(b"<MsgId>", b"<?php ?><!-- " + b"-" * 50 + b"<MsgId>", 1),
            raw.replace(b"<Message", b"<x:Message", 1),
            raw + raw,
        )
    )


def form_field(raw: bytes, chance: random.Random) -> bytes:
    """More fields, odd names and values, of the search parameters that there are."""
    fields = [part for part in raw.split(b"&") if part]
    fields += [_field(chance) for _ in range(chance.choice((1, 1, 2, 5)))]
    if chance.random() < 0.05:
        fields *= 80
    chance.shuffle(fields)
    return b"&".join(fields)


def _field(chance: random.Random) -> bytes:
    name = chance.choice(_names())
    if chance.random() < 0.3:
        name += ":" + chance.choice(
            ("not", "missing", "exact", "text", "in", "identifier", "Patient", "", "of-type", "x.y")
        )
    value = chance.choice((*ODD_TEXTS, "final", "NPU27300", "true", "ge2026", "lt5.4|http://unitsofmeasure.org|mmol/L"))
    if chance.random() < 0.2:
        value = chance.choice(("ne", "gt", "ap", "sa", "eb")) + value
    return _coded(name, chance) + b"=" + _coded(value, chance)


def _coded(text: str, chance: random.Random) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    return raw if chance.random() < 0.1 else quote_from_bytes(raw).encode()


@cache
def _names() -> tuple[str, ...]:
    own = {code for type_ in ("Observation", "DiagnosticReport", "Specimen") for code in parameters(type_)}
    return (*sorted(own), "_count", "_sort", "_include", "_revinclude", "_total", "_summary", "_elements", "_cursor", "skip",
            "_format", "_pretty", "_has:Observation:x:y", "_filter", "count", "person-id", "x", "", "code.text")  # fmt: skip


@cache
def _bomb(megabytes: int) -> bytes:
    return gzip.compress(b" " * (megabytes << 20), 9)


def packed(raw: bytes, chance: random.Random) -> bytes:
    """gzip: honest, cut short, doubled, damaged, or a bomb."""
    whole = gzip.compress(raw)
    return chance.choice(
        (
            whole,
            whole[:-5],
            whole + whole,
            flip(whole, chance),
            zlib.compress(raw),
            _bomb(40),
            gzip.compress(_bomb(8)),
            raw,
        )
    )
