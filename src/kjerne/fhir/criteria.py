"""What a search asks, typed: one dataclass per kind of value (FHIR R4 search.html#ptypes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from kjerne.errors import Refusal

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
    """The half-open interval [start, end) that the written precision stands for. `po` (of `_filter` alone): they overlap."""

    prefix: Prefix | Literal["po"]
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


@dataclass(frozen=True, slots=True)
class TypedValue:
    """An identifier by its type (`:of-type`): a coding of the type, and the identifier's own value."""

    system: str
    code: str
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class CodeSet:
    """A code is any of these, by the one spelling of their system: more than a row's tokens are compared with."""

    codes: Mapping[str, frozenset[str]]


Single = (
    TokenValue
    | CodeSet
    | TypedValue
    | ReferenceValue
    | StringValue
    | UriValue
    | DateValue
    | NumberValue
    | QuantityValue
)


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


@dataclass(frozen=True, slots=True)
class Chained:
    """A reference of parameter `code` leads to a resource of one of the types, which answers what is asked of its type."""

    code: str
    steps: tuple[tuple[str, Asked], ...]


@dataclass(frozen=True, slots=True)
class Pointed:
    """`_has`: a resource of type `source` that answers `asked` points here by its parameter `code`."""

    source: str
    code: str
    asked: Asked


@dataclass(frozen=True, slots=True)
class Reaching:
    """A chain once its far end was looked for: a reference of parameter `code` is one of these, each `Type/id`."""

    code: str
    targets: frozenset[str]


@dataclass(frozen=True, slots=True)
class Among:
    """A `_has` once its far end was looked for: the resource's id is one of these."""

    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow one another, folded, with one space before, between and after them."""

    spelled: str


@dataclass(frozen=True, slots=True)
class Every:
    """All of these stand in a text."""

    parts: tuple[Wanted, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of these stands in a text."""

    parts: tuple[Wanted, ...]


Wanted = Phrase | Every | Either


@dataclass(frozen=True, slots=True)
class Words:
    """`_text` (in the narrative) or `_content` (in any text)."""

    narrative: bool
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Combined:
    """What `_filter` joins: all of the parts, one of them, or not the only one."""

    sign: Literal["and", "or", "not"]
    parts: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Sought:
    """The codes of the value set at an address, or those over or under `code` in the system at it."""

    relation: Literal["in", "above", "below"]
    address: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Coded:
    """`:in`, `:not-in`, `:above` or `:below` of a token, where only the store can tell the codes of all alternatives.

    `name` is the parameter as it was asked; `values` are told already.
    """

    code: str
    name: str
    negated: bool
    values: tuple[TokenValue, ...]
    sought: tuple[Sought, ...]

    def refused(self, says: str, *, code: str = "not-supported", todo: str = "") -> Refusal:
        """Names the parameter, and never its value."""
        says = f"Search parameter {self.name}: {says.removesuffix('.')}."
        return Refusal(400, says, where=self.name, code=code, todo=todo)


Asked = Coded | Criterion | Chained | Pointed | Reaching | Among | Words | Combined
"""One criterion of a search. A search is answered once no `Chained`, `Pointed` and `Coded` is left in it."""


def is_linked(asked: Asked) -> bool:
    """Whether something else has to be looked for before this can be answered: other resources, or codes."""
    if isinstance(asked, Combined):
        return any(is_linked(one) for one in asked.parts)
    return isinstance(asked, (Chained, Pointed, Coded))
