"""A transaction Bundle of a journal's system, read: which of its records each entry is about, by the sender's own identifier.

An entry is `PUT Type?identifier=system|value` (as it stands there now), `POST Type` with `ifNoneExist` (the same, for clients
that make no other), or `DELETE Type?identifier=system|value` (entered in error). What is wrong is told entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from kjerne.errors import Fault, Refusal
from kjerne.fhir.entries import Entry, entries_of, placed
from kjerne.fhir.validate import FAULTS_LIMIT
from kjerne.registries.identifiers import numbers_in
from kjerne.services.critical.kinds import TYPES

Tree = dict[str, Any]
ENTRIES_LIMIT: Final = 200
"""Of one patient; nobody has as many."""
NAME_LONGEST: Final = 200
_FORMS: Final = "PUT Type?identifier=system|value, POST Type with ifNoneExist, or DELETE Type?identifier=system|value"


class Item(NamedTuple):
    """One entry: the type, the sender's identifier of the record, and the version that it must be at (None: where the sender left
    it). What is taken back has no resource in its entry. `updated` is when its source says that it wrote this: what it wrote
    before what is filed already is not taken (None: it is taken as it comes)."""

    entry: Entry
    name: str
    system: str
    value: str
    expected: int | None
    updated: datetime | None = None

    @property
    def is_taken_back(self) -> bool:
        return self.entry.method == "DELETE"


def read(tree: Tree, raw: bytes, base: str) -> list[Item]:
    """The entries of a Bundle that was parsed as `tree`. `Refusal` 422 with every fault and its place."""
    kind, entries = entries_of(tree, raw, base, ENTRIES_LIMIT)
    if kind != "transaction":
        raise Refusal(
            400, "a journal's system sends a transaction", where="Bundle.type", code="value",
            todo="All of a Bundle is taken, or nothing.",
        )  # fmt: skip
    items: list[Item] = []
    faults: list[Fault] = []
    for one in entries:
        try:
            if isinstance(one, Refusal):
                raise one
            items.append(_item(one))
        except Refusal as refusal:
            faults += told(refusal, one if isinstance(one, Entry) else None)
    faults += _twice(items)
    check(faults)
    return items


def check(faults: Iterable[Fault]) -> None:
    """`Refusal` 422 with all these faults, where there are any."""
    found = list(faults)[:FAULTS_LIMIT]
    if found:
        first, *rest = found
        todo = "Nothing of the Bundle was taken. Put right what is told, and send it again."
        raise Refusal(422, first.says, where=first.where, todo=todo, code=first.code, fault=first, faults=tuple(rest))


def told(refusal: Refusal, entry: Entry | None) -> list[Fault]:
    """The faults of an entry's refusal, each with its place in the Bundle and the rule that is broken."""
    found = placed(refusal, entry) if entry is not None else refusal
    first = found.fault or Fault(found.says, found.where, found.code, found.rule)
    return [replace(first, where=found.where), *found.faults]


def _item(entry: Entry) -> Item:
    name, here = entry.path, f"Bundle.entry[{entry.place}]"
    if name not in TYPES:
        raise Refusal(
            422, f"an entry is about one of {', '.join(TYPES)}", where=f"{here}.request.url", code="not-supported",
            rule="kj-type",
        )  # fmt: skip
    if entry.method == "POST" and not entry.query:
        system, value = _identifier(entry.headers.get("if-none-exist", ""), f"{here}.request.ifNoneExist")
    elif entry.method in ("PUT", "DELETE"):
        system, value = _identifier(entry.query, f"{here}.request.url")
    else:
        raise _not_taken(f"{here}.request")
    if entry.method != "DELETE":
        _check_resource(entry, name, system, value)
    return Item(entry, name, system, value, _version(entry.headers, here))


def _identifier(query: str, where: str) -> tuple[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(pairs) != 1 or pairs[0][0] != "identifier":
        raise _not_taken(where)
    system, bar, value = pairs[0][1].partition("|")
    if not bar or not system or not value or len(system) > NAME_LONGEST or len(value) > NAME_LONGEST:
        says = f"the sender's identifier is system|value, each with 1 to {NAME_LONGEST} characters"
        raise Refusal(422, says, where=where, code="value", rule="own-identifier")
    if numbers_in(value) or numbers_in(system):
        raise Refusal(422, "an identifier holds a person number", where=where, code="value", rule="own-identifier")
    return system, value


def _check_resource(entry: Entry, name: str, system: str, value: str) -> None:
    here = f"Bundle.entry[{entry.place}].resource"
    if entry.name != name:
        raise Refusal(
            422, f"the resource is no {name}", where=f"{here}.resourceType", code="invalid", rule="entry-type"
        )
    held = entry.tree.get("identifier")
    named = [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []
    if not any((one.get("system"), one.get("value")) == (system, value) for one in named):
        says = "the resource does not hold the identifier that its request names"
        raise Refusal(422, says, where=f"{here}.identifier", code="business-rule", rule="own-identifier")


def _version(headers: Mapping[str, str], here: str) -> int | None:
    told_ = headers.get("if-match")
    if told_ is None:
        return None
    number = told_.removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdigit() and 0 < len(number) <= 9):
        raise Refusal(422, 'ifMatch is a version such as W/"3"', where=f"{here}.request.ifMatch", code="value")
    return int(number)


def _not_taken(where: str) -> Refusal:
    return Refusal(422, f"an entry is {_FORMS}", where=where, code="not-supported", rule="own-identifier")


def _twice(items: Iterable[Item]) -> Iterable[Fault]:
    seen: set[tuple[str, str, str]] = set()
    for one in items:
        key = one.name, one.system, one.value
        if key in seen:
            where = f"Bundle.entry[{one.entry.place}].request"
            yield Fault("two entries are about the same record", where, "duplicate", "own-identifier")
        seen.add(key)
