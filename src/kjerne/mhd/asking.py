"""A search of MHD taken apart: what stands in it once, what narrows it and may stand several times, and which page it wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from kjerne.errors import Refusal
from kjerne.exchange import Pairs
from kjerne.mhd.searching import PATIENT, STATUSES, Filter, Parse, asked_for, filter_of
from kjerne.registries import identifiers

COUNT_LIMIT: Final = 200
PAGE_LIMIT: Final = 10_000
_FORMATS: Final = frozenset({"", "json", "text/json", "application/json", "application/fhir+json"})


@dataclass(frozen=True, slots=True)
class Asked:
    """`said` is what stands once, by name. `page` counts from 1; `status` is of `STATUSES`, and `only` is what narrows it."""

    said: Mapping[str, str]
    count: int
    page: int
    status: frozenset[str]
    only: Filter

    @property
    def place(self) -> slice:
        """Which of all that was found stand on the page."""
        return slice((self.page - 1) * self.count, self.page * self.count)


def taken(
    type_: str, query: Pairs, form: Pairs, parse: Parse, at: datetime, *, count: int, also: Sequence[str] = ()
) -> Asked:
    """What an address and a form ask of a type; `Refusal` 400 for what is unknown, said twice or cannot be read. A page has
    `count` where no other is said; `also` are further names that may stand once."""
    if any(name == "patient.identifier" or identifiers.numbers_in(f"{name} {value}") for name, value in query):
        raise Refusal(
            400, "the patient's number stands in the form or in a header, never in an address", where="patient.identifier",
            todo="Post it to _search, or leave it out where a header or an assertion names her.",
        )  # fmt: skip
    said, narrowing = _apart(type_, (*query, *form), also)
    if said.get("_format", "json") not in _FORMATS:
        raise Refusal(406, "the answer is written in json", where="_format", code="not-supported")
    status = frozenset(said.get("status", "current").split(","))
    if not status <= STATUSES[type_]:
        told = ", ".join(sorted(STATUSES[type_]))
        raise Refusal(400, "unknown status", where="status", todo=f"It is one of {told}, or several with commas.")
    size, page = _whole(said, "_count", count, COUNT_LIMIT), _whole(said, "_page", 1, PAGE_LIMIT)
    return Asked(said, size, page, status, filter_of(type_, narrowing, parse, at))


def links_of(address: str, pairs: Pairs, asked: Asked, total: int) -> list[tuple[str, str]]:
    """The links of a page, (relation, address): none holds a number of hers."""
    left = without_number(pairs)
    links = [("self", f"{address}?{urlencode(left)}" if left else address)]
    if asked.page * asked.count < total:
        onward = [(name, value) for name, value in left if name != "_page"] + [("_page", str(asked.page + 1))]
        links.append(("next", f"{address}?{urlencode(onward)}"))
    return links


def without_number(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters but those in which a person number stands."""
    return [
        (name, value) for name, value in pairs if not identifiers.numbers_in(value) and name != "patient.identifier"
    ]


def _apart(type_: str, pairs: Pairs, also: Sequence[str]) -> tuple[dict[str, str], Pairs]:
    narrowing, once = asked_for(type_) - {"status"}, (*PATIENT, "status", "_count", "_page", "_format", *also)
    said, rest = dict[str, str](), list[tuple[str, str]]()
    for name, value in pairs:
        if name.partition(":")[0] in narrowing:
            rest.append((name, value))
            continue
        if name not in once:
            where = identifiers.without_numbers(name)[:60]
            todo = f"It has {', '.join((*once, *sorted(narrowing)))}."
            raise Refusal(400, "unknown parameter", where=where, todo=todo, code="not-supported")
        if name in said:
            raise Refusal(400, "a parameter stands there twice", where=name)
        said[name] = value
    return said, tuple(rest)


def _whole(said: Mapping[str, str], name: str, default: int, limit: int) -> int:
    text = said.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6) or not 1 <= int(text) <= limit:
        raise Refusal(400, f"it is a number from 1 to {limit}", where=name)
    return int(text)
