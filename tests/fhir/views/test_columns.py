"""Values for SQL: shaped as the column's type wants them, or refused in words that show nothing of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.views.columns import Misfit, sql_type
from kjerne.fhir.views.definition import read
from kjerne.fhir.views.running import runner

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("type_", "tag", "name"),
    [
        ("string", "", "VARCHAR"),
        ("decimal", "", "VARCHAR"),
        ("dateTime", "", "VARCHAR"),
        ("date", "", "VARCHAR"),
        ("boolean", "", "BOOLEAN"),
        ("positiveInt", "", "INTEGER"),
        ("integer64", "", "BIGINT"),
        ("instant", "", "TIMESTAMP WITH TIME ZONE"),
        ("base64Binary", "", "BLOB"),
        ("Coding", "", "JSON"),
        ("", "", "VARCHAR"),
        ("date", "date", "DATE"),
        ("decimal", "double  precision", "DOUBLE"),
        ("decimal", "DECIMAL(18, 6)", "DECIMAL(18,6)"),
        ("string", "CHARACTER VARYING(20)", "VARCHAR"),
        ("integer", "smallint", "SMALLINT"),
    ],
)
def test_a_column_has_the_specification_s_sql_type_or_its_tag_s(type_: str, tag: str, name: str) -> None:
    assert sql_type(type_, tag).name == name


@pytest.mark.parametrize("tag", ["TEXT", "DECIMAL(0)", "DECIMAL(4,5)", "DECIMAL(39)", "INTEGER; DROP TABLE x", "x"])
def test_a_tag_that_is_no_sql_type_is_not_taken(tag: str) -> None:
    with pytest.raises(ValueError, match="no such SQL type"):
        sql_type("string", tag)


@pytest.mark.parametrize(
    ("tag", "given", "shaped"),
    [
        ("DATE", "2024-02-29", "2024-02-29"),
        ("DATE", "2024-02-29T10:00:00+01:00", "2024-02-29"),
        ("TIMESTAMP WITH TIME ZONE", "2024-02-29T10:00:00Z", "2024-02-29T10:00:00Z"),
        ("TIMESTAMP", "2024-02-29T10:00:00", "2024-02-29T10:00:00"),
        ("TIME", "10:00", "10:00:00"),
        ("INTEGER", "-12", -12),
        ("BIGINT", Decimal("12.0"), 12),
        ("DOUBLE PRECISION", Decimal("1.50"), 1.5),
        ("DECIMAL(5,2)", Decimal("123.4"), "123.4"),
        ("CHARACTER VARYING(3)", "abc", "abc"),
        ("CHARACTER VARYING", Decimal("1.50"), "1.50"),
        ("CHARACTER VARYING", True, "true"),
        ("BOOLEAN", False, False),
        ("BINARY", "AQ ID", "AQID"),
    ],
)
def test_a_value_is_shaped_for_its_column(tag: str, given: Any, shaped: Any) -> None:
    assert sql_type("string", tag).shape(given) == shaped


@pytest.mark.parametrize(
    ("tag", "given"),
    [
        ("DATE", "2024-02"),
        ("DATE", "2024-02-30"),
        ("DATE", 20240229),
        ("TIMESTAMP WITH TIME ZONE", "2024-02-29"),
        ("TIMESTAMP WITH TIME ZONE", "2024-02-29T10:00:00"),
        ("TIMESTAMP", "2024-02-29T10:00:00Z"),
        ("TIMESTAMP WITH TIME ZONE", "2024-02-29T23:59:60Z"),
        ("TIME", "25:00"),
        ("INTEGER", "secret"),
        ("INTEGER", 2**31),
        ("SMALLINT", 40_000),
        ("DOUBLE PRECISION", "secret"),
        ("DECIMAL(5,2)", Decimal("1.234")),
        ("DECIMAL(5,2)", 1234),
        ("CHARACTER VARYING(3)", "secret"),
        ("BOOLEAN", "secret"),
        ("BINARY", "secret"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_not_shown(tag: str, given: Any) -> None:
    column = {"name": "it", "path": "extension.value", "tag": [{"name": "ansi/type", "value": tag}]}
    view = read({"resource": "Patient", "select": [{"column": [column]}]})
    kind = {str: "valueString", int: "valueInteger", Decimal: "valueDecimal"}[type(given)]
    tree = {"resourceType": "Patient", "extension": [{"url": "u", kind: given}]}
    assert runner(view, NOW)(tree) == [(given,)]
    with pytest.raises(Misfit) as refused:
        runner(view, NOW, typed=True)(tree)
    assert str(given) not in f"{refused.value.says} {refused.value.where} {refused.value.todo}"
    assert refused.value.__cause__ is None
