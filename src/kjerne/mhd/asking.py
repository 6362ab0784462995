"""A search of MHD taken apart: what stands in it once, what narrows it and may stand several times, and which page it wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from kjerne.errors import Refusal
from kjerne.exchange import Pairs
from kjerne.fhir.prefer import lenient
from kjerne.mhd.searching import PATIENT, STATUSES, Filter, Parse, asked_for, filter_of
from kjerne.registries import identifiers

COUNT_LIMIT: Final = 200
PAGE_LIMIT: Final = 10_000
_FORMATS: Final = frozenset({"", "json", "text/json", "application/json", "application/fhir+json"})


@dataclass(frozen=True, slots=True)
class Asked:
    """`said` is what stands once, by name. `page` counts from 1; `status` is of `STATUSES`, and `only` is what narrows it. `used`
    are the parameters that were understood, as they came."""

    said: Mapping[str, str]
    count: int
    page: int
    status: frozenset[str]
    only: Filter
    used: Pairs

    @property
    def place(self) -> slice:
        """Which of all that was found stand on the page."""
        return slice((self.page - 1) * self.count, self.page * self.count)

    def links(self, address: str, total: int, *, patient: str = "") -> list[tuple[str, str]]:
        """The links of the page, (relation, address), each to be followed by GET as it stands, whether or not a form asked
        (R4 http.html#paging): none holds a number of hers. `patient` is her own address, where nothing else that goes with the
        next request names her."""
        left, address = without_number(self.used), address.removesuffix("/_search")
        left += [("patient", patient)] if patient else []
        links = [("self", f"{address}?{urlencode(left)}" if left else address)]
        if self.page * self.count < total:
            onward = [(name, value) for name, value in left if name != "_page"] + [("_page", str(self.page + 1))]
            links.append(("next", f"{address}?{urlencode(onward)}"))
        return links


def taken(
    type_: str, query: Pairs, form: Pairs, headers: Mapping[str, str], parse: Parse, at: datetime, *, count: int,
    also: Sequence[str] = (),
) -> Asked:  # fmt: skip
    """What an address and a form ask of a type; `Refusal` 400 for what is unknown, said twice or cannot be read. Where the
    header `prefer` says so, what is unknown is passed over (R4 search.html#errors). A page has `count` where no other is
    said; `also` are further names that may stand once."""
    if any(name == "patient.identifier" or identifiers.numbers_in(f"{name} {value}") for name, value in query):
        raise Refusal(
            400, "the patient's number stands in the form or in a header, never in an address", where="patient.identifier",
            todo="Post it to _search, or leave it out where a header or an assertion names her.",
        )  # fmt: skip
    said, narrowing = _apart(type_, (*query, *form), also, passes=lenient(headers))
    if said.get("_format", "json") not in _FORMATS:
        raise Refusal(406, "the answer is written in json", where="_format", code="not-supported")
    status = frozenset(said.get("status", "current").split(","))
    if not status <= STATUSES[type_]:
        told = ", ".join(sorted(STATUSES[type_]))
        raise Refusal(400, "unknown status", where="status", todo=f"It is one of {told}, or several with commas.")
    size, page = _whole(said, "_count", count, COUNT_LIMIT), _whole(said, "_page", 1, PAGE_LIMIT)
    used = tuple(pair for pair in (*query, *form) if pair[0] in said or pair in narrowing)
    return Asked(said, size, page, status, filter_of(type_, narrowing, parse, at), used)


def without_number(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters but those in which a person number stands."""
    return [
        (name, value) for name, value in pairs if not identifiers.numbers_in(value) and name != "patient.identifier"
    ]


def _apart(type_: str, pairs: Pairs, also: Sequence[str], *, passes: bool) -> tuple[dict[str, str], Pairs]:
    narrowing, once = asked_for(type_) - {"status"}, (*PATIENT, "status", "_count", "_page", "_format", *also)
    said, rest = dict[str, str](), list[tuple[str, str]]()
    for name, value in pairs:
        if name.partition(":")[0] in narrowing:
            if identifiers.numbers_in(value):
                # It would be in no link to a further page, which then had other documents.
                raise Refusal(400, "a person number stands in patient.identifier alone", where=name.partition(":")[0])
            rest.append((name, value))
        elif name in said:
            raise Refusal(400, "a parameter stands there twice", where=name)
        elif name in once:
            said[name] = value
        elif not passes or name.startswith(("patient", "subject")):
            where = identifiers.without_numbers(name)[:60]
            todo = f"It has {', '.join((*once, *sorted(narrowing)))}."
            raise Refusal(400, "unknown parameter", where=where, todo=todo, code="not-supported")
    return said, tuple(rest)


def _whole(said: Mapping[str, str], name: str, default: int, limit: int) -> int:
    text = said.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6) or not 1 <= int(text) <= limit:
        raise Refusal(400, f"it is a number from 1 to {limit}", where=name)
    return int(text)
