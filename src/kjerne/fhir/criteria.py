"""What a search asks, typed: one dataclass per kind of value (FHIR R4 search.html#ptypes)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Prefix = Literal["eq", "ne", "lt", "le", "gt", "ge", "sa", "eb", "ap"]


@dataclass(frozen=True, slots=True)
class TokenValue:
    """`code`, `system|code`, `|code` (system empty) or `system|` (code empty). `system` None: any."""

    system: str | None
    code: str


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """A literal reference: `Type/id`, `id` alone (type empty), or an absolute address in `url`."""

    type: str
    id: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class StringValue:
    """Text as it was asked for; folded when it is compared."""

    text: str


@dataclass(frozen=True, slots=True)
class UriValue:
    """An address, compared whole."""

    uri: str


@dataclass(frozen=True, slots=True)
class DateValue:
    """The half-open interval [start, end) that the written precision stands for."""

    prefix: Prefix
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class NumberValue:
    """A number with the digits it was written with: they say how close "equal" is."""

    prefix: Prefix
    number: Decimal


@dataclass(frozen=True, slots=True)
class QuantityValue:
    """A number with its unit: `system|code`, `||code` (system None: code or unit text), or none (code empty)."""

    prefix: Prefix
    number: Decimal
    system: str | None
    code: str


Single = TokenValue | ReferenceValue | StringValue | UriValue | DateValue | NumberValue | QuantityValue


@dataclass(frozen=True, slots=True)
class CompositeValue:
    """One value per part."""

    parts: tuple[Single, ...]


Value = Single | CompositeValue


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter of a search; its values are alternatives. `missing` is set for the modifier of that name alone."""

    code: str
    kind: str
    modifier: str
    values: tuple[Value, ...]
    missing: bool | None = None
