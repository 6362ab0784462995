"""How the entries of a transaction refer to one another (R4 bundle.html#references, http.html#trules)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from kjerne.errors import Refusal
from kjerne.fhir.entries import Entry
from kjerne.fhir.links import relinked

Tree = dict[str, Any]

_REST: Final = re.compile(r"(.+)/[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}")
_RELATIVE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9.\-]{1,64}")
_BEHIND: Final = re.compile(r"([^#]+?)(?:/_history/[A-Za-z0-9.\-]{1,64})?(#.*)?", re.DOTALL)
"""A link with what stands behind the address that it leads to: a version of where it comes from, a place in the resource."""
_CONDITIONAL: Final = re.compile(r"([A-Z][A-Za-z]+)\?(.*)", re.DOTALL)
_QUOTED: Final = re.compile(r"\"([^\"<>]*)\"|'([^'<>]*)'")
_MADE: Final = frozenset({"POST", "PUT", "PATCH"})
URN: Final = len("urn:uuid:")
MARKS_LIMIT: Final = 20
"""Different beginnings of addresses that are looked for by themselves; with more every resource is looked through."""
_MARKS: Final = frozenset((b'"reference"', b"href", b"src", b"\\u"))
"""Bytes without which a resource has no link but of one kind: an element of type uri that holds an address whole."""


class Addresses:
    """What entries are known by until they have an address of their own."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_address: dict[str, int] = {}
        self._base: dict[int, str] = {}
        self._twice: list[int] = []
        self._created: set[int] = set()
        marks = set(_MARKS)
        for one in entries:
            if not one.full_url:
                continue
            if rest := _REST.fullmatch(one.full_url):
                self._base[one.place] = rest[1]
            if one.method in _MADE:
                if self._by_address.setdefault(one.full_url, one.place) != one.place:
                    self._twice.append(one.place)
                if one.method == "POST":
                    self._created.add(one.place)
                marks.add((rest[1] if rest else one.full_url[:URN]).encode())
        self._marks = tuple(marks)

    def check_apart(self) -> None:
        """`Refusal` 400 where two entries of a transaction have one address."""
        if self._twice:
            where = f"Bundle.entry[{self._twice[0]}].fullUrl"
            raise Refusal(400, "two entries have one address", where=where, code="duplicate")

    def may_link(self, raw: bytes) -> bool:
        """Whether a resource may link to anything, by its bytes: most results do not."""
        if len(self._marks) > MARKS_LIMIT:
            return True
        for mark in self._marks:  # noqa: SIM110 - a generator costs more than what it does here
            if mark in raw:
                return True
        return False

    def are_in(self, patch: bytes) -> bool:
        """Whether a JSON or XML Patch holds the address of an entry, as a text of its own."""
        return any(text.strip() in self._by_address for text in _texts(patch))

    def meant(self, text: str, entry: Entry) -> int | None:
        """The place of the entry that a link from another means, whatever version or place in it the link names."""
        found = self._by_address.get(text)
        if found is None and (bare := _BEHIND.fullmatch(text)):
            found = self._by_address.get(bare[1])
            if found is None and entry.place in self._base and _RELATIVE.fullmatch(bare[1]):
                found = self._by_address.get(f"{self._base[entry.place]}/{bare[1]}")
        return found

    def leans(self, entry: Entry) -> bool:
        """Whether an entry's resource links to what an entry is still to create."""
        found: list[int] = []

        def look(text: str, _: bool) -> None:
            if (place := self.meant(text, entry)) in self._created and place is not None:
                found.append(place)

        if self._created and self.may_link(entry.raw):
            relinked(entry.tree, look)
        return bool(found)


def _texts(patch: bytes) -> Iterator[str]:
    try:
        waiting = [msgspec.json.decode(patch)]
    except (msgspec.DecodeError, RecursionError):
        yield from (found[1] or found[2] for found in _QUOTED.finditer(patch.decode("utf-8", "replace")))
        return
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, (list, dict)):
            waiting += one.values() if isinstance(one, dict) else one


class Links:
    """What one entry's resource links to: entries of the same transaction, by place, and conditional references."""

    def __init__(self, entry: Entry, tree: Tree, addresses: Addresses) -> None:
        self.to: set[int] = set()
        self.conditional: set[str] = set()
        self._entry, self._tree, self._addresses = entry, tree, addresses
        if addresses.may_link(entry.raw):
            relinked(tree, self._look)

    def _look(self, text: str, is_reference: bool) -> None:
        place = self._addresses.meant(text, self._entry)
        if place is not None:
            self.to.add(place)
        elif is_reference and text.startswith("urn:"):
            where = f"Bundle.entry[{self._entry.place}].resource"
            says = "a reference leads to an entry that is not in the transaction"
            raise Refusal(422, says, where=where, code="not-found", todo="Send both in one transaction.")
        elif is_reference and _CONDITIONAL.fullmatch(text):
            self.conditional.add(text)

    def followed(self, addresses: Mapping[int, str], found: Mapping[str, str]) -> Tree:
        """The resource with `Type/id` wherever it links to an entry, or refers by a condition.

        A version that it had elsewhere is none here. A place in it stays in what is followed by a reader; no reference has one.
        """
        if not self.to and not self.conditional:
            return self._tree

        def replace(text: str, is_reference: bool) -> str | None:
            if is_reference and text in found:
                return found[text]
            place = self._addresses.meant(text, self._entry)
            made = addresses.get(place) if place is not None else None
            behind = "" if is_reference else text.partition("#")[2]
            return f"{made}#{behind}" if made and behind else made

        return relinked(self._tree, replace)


def by_number(tree: Tree, is_number: Callable[[str, str], bool]) -> Tree:
    """The resource with every reference `Patient?identifier=system|number` as an identifier: here a person is named by number,
    and has no address. `is_number` says of system and value whether they are one."""

    def replace(text: str, is_reference: bool) -> Tree | None:
        asked = _CONDITIONAL.fullmatch(text) if is_reference else None
        if asked is None or asked[1] != "Patient":
            return None
        pairs = parse_qsl(asked[2], keep_blank_values=True)
        system, bar, value = pairs[0][1].rpartition("|") if len(pairs) == 1 else ("", "", "")
        if len(pairs) != 1 or pairs[0][0] != "identifier" or not is_number(system, value):
            says = "a Patient is referred to by identifier=system|number, with a national number and its system"
            raise Refusal(422, says, where="reference", code="not-supported")
        return {"type": "Patient", "identifier": {"system": system, "value": value} if bar else {"value": value}}

    return relinked(tree, replace)
