"""SQL is joined from constants alone; whatever comes from a request is a parameter."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "kjerne"
SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|WITH|FROM|WHERE)\b")
# Each of these gives text made of literals of its own, of column names, of parameter numbers and of an int.
MADE_OF_LITERALS = {
    "placeholders", "audited", "where.text", "sorting", "limit", "condition", "STAMP_STANDS.format", "by",
    "self.add", "one.column", "one.operator", "column", "sign", "moment", "last", "order.column", "direction",
    "audit.placeholders", "source", "numbered", "noting", "stamped_and_noted", "rest", "shown", "first",
    *(f"first + {place}" for place in range(1, 10)), "_CREATE.format", "number", "locks", "messages.claiming",
    "last_allowed", "since", "where", "where.known", "where.asked", "where.behind", "place", "bound", "newer",
    "int", "own", "given", "organisation", "client", "_numbered", "parts", "put", "gives", "keys", "table", "order", "whose",
}  # fmt: skip


def spliced(node: ast.JoinedStr) -> list[str]:
    values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    return [ast.unparse(value.func) if isinstance(value, ast.Call) else ast.unparse(value) for value in values]


def statements(path: Path) -> list[ast.JoinedStr]:
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.JoinedStr)]
    return [
        node for node in found if SQL.search("".join(str(p.value) for p in node.values if isinstance(p, ast.Constant)))
    ]


@pytest.mark.parametrize("path", sorted((SOURCE / "store").glob("*.py")), ids=lambda path: path.name)
def test_a_statement_in_the_store_splices_constants_only(path: Path) -> None:
    for node in statements(path):
        for text in spliced(node):
            constant = re.fullmatch(r"(\w+\.)?_?[A-Z_]+( \+ \d)?", text)
            assert constant or text in MADE_OF_LITERALS, f"{path.name}:{node.lineno} splices {text}"


def test_no_room_writes_sql_of_its_own_from_pieces() -> None:
    for folder in ("services", "policy", "wire", "fhir", "registries"):
        for path in (SOURCE / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
                    assert not re.match(r"\s*(SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM|WITH \w+ AS)\b", text), path
