"""What a Bundle asks of its entries beside its invariants (R4 bundle.html#references, documents.html, messaging.html).

In a document or message what the first entry needs is within, and every entry hangs together with the first. In the answer to a
search each entry is what was searched for. Addresses of entries are whole and agree with the ids under them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from kjerne.errors import Fault
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.effort import spend
from kjerne.fhir.faults import Faults, fault

ENTRIES_LIMIT: Final = 10_000

_TYPE_SET: Final = frozenset(TYPES)
_REST: Final = re.compile(r"(?:(.*)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/([A-Za-z0-9.\-]{1,64}))?")
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S")
_ADDRESSED: Final = frozenset(("document", "message", "searchset", "collection", "history"))
_TOGETHER: Final = frozenset(("document", "message"))

# The first entry's references that its kind of bundle must hold what they lead to.
_NEEDED: Final = {
    "document": "subject encounter author attester.party custodian event.detail section.entry section.focus".split(),
    "message": ["focus"],
}


Key = tuple[str | int, str, str]
"""How an address is looked up: one as a REST server has it by the number of its base, by type and by id; others whole."""


class Entries:
    """The entries of one bundle, found by address and by type and id.

    A base stands in the body once and may be meant by every reference: it is compared once, and known by a number then.
    """

    def __init__(self, value: dict[str, Any]) -> None:
        inner = value.get("entry")
        rows = inner[:ENTRIES_LIMIT] if type(inner) is list else []
        self.rows = [one if type(one) is dict else {} for one in rows]
        self.by_address: dict[Key, list[int]] = {}
        self._bases: dict[str, int] = {}
        self._own: list[int | None] = []
        self._places: dict[int, int] = {}
        # Without a server's address an entry is known by its type and id alone.
        self.by_id: dict[tuple[str, str], list[int]] = {}
        for place, one in enumerate(self.rows):
            address, resource = one.get("fullUrl"), self.resource(place)
            self._places[id(resource)] = place
            rest = _REST.fullmatch(address) if type(address) is str else None
            self._own.append(self._base(rest[1]) if rest and rest[1] else None)
            if type(address) is str:
                self.by_address.setdefault(self._key(rest, address), []).append(place)
                name, id_ = resource.get("resourceType"), resource.get("id")
                if _ABSOLUTE.match(address) is None and type(name) is str and type(id_) is str:
                    self.by_id.setdefault((name, id_), []).append(place)

    def resource(self, place: int) -> dict[str, Any]:
        """The resource of an entry, or nothing."""
        found = self.rows[place].get("resource")
        return found if type(found) is dict else {}

    def _base(self, base: str) -> int:
        return self._bases.setdefault(base, len(self._bases))

    def _key(self, rest: re.Match[str] | None, address: str) -> Key:
        if rest is None or not rest[1] or rest[4]:
            return "", "", address
        return self._base(rest[1]), rest[2], rest[3]

    def found(self, reference: str, place: int) -> list[int]:
        """The entries that a reference from entry `place` means (R4 bundle.html#references)."""
        places, version = self.meant(reference, place)
        spend(len(places))
        return [at for at in places if version is None or self._version(at) == version]

    def meant(self, reference: str, place: int) -> tuple[list[int], str | None]:
        """The entries of the address that a reference means, and the version that it asks for: one list for each address."""
        rest = _REST.fullmatch(reference)
        if rest is None:
            return self.by_address.get(("", "", reference), []), None
        relative = _ABSOLUTE.match(reference) is None
        base = self._own[place] if relative else self._bases.get(rest[1])
        places = self.by_address.get((base, rest[2], rest[3]), []) if base is not None else []
        if not places and relative:
            places = self.by_id.get((rest[2], rest[3]), [])
        return places, rest[4]

    def led_to(self, reference: str, resource: dict[str, Any]) -> dict[str, Any] | None:
        """The one resource that a reference from a resource of the bundle means; None where there is none, or several."""
        place = self._places.get(id(resource))
        found = self.found(reference, place) if place is not None else []
        return self.resource(found[0]) if len(found) == 1 else None

    def _version(self, place: int) -> Any:
        meta = self.resource(place).get("meta")
        return meta.get("versionId") if type(meta) is dict else None


def bundle(value: Any) -> Faults:
    """Every rule on a Bundle that looks at more than one place in it."""
    kind = value.get("type")
    entries = Entries(value)
    found: list[Fault] = []
    if kind in _ADDRESSED:
        found += _addresses(entries)
    if kind == "searchset":
        found += _search(value, entries)
    if kind in _TOGETHER and entries.rows:
        found += _needed(entries, str(kind))
        found += _connected(entries)
    return found


def _addresses(entries: Entries) -> Iterator[Fault]:
    for place, one in enumerate(entries.rows):
        address, where = one.get("fullUrl"), f".entry[{place}].fullUrl"
        if type(address) is not str:
            if "resource" in one and "request" not in one:
                yield from fault("is required where an entry has a resource", where, "required", "bundle-full-url")
            continue
        if _ABSOLUTE.match(address) is None:
            yield from fault("must be an absolute address", where, "value", "bundle-full-url")
            continue
        rest, resource = _REST.fullmatch(address), entries.resource(place)
        if rest is None or not address.startswith("http") or rest[2] not in _TYPE_SET or rest[4]:
            continue
        if "id" in resource and (resource.get("resourceType"), resource["id"]) != (rest[2], rest[3]):
            yield from fault("must end in the type and id of its resource", where, "value", "bundle-full-url-id")


def _search(value: dict[str, Any], entries: Entries) -> Iterator[Fault]:
    links = value.get("link")
    rows = [one for one in links if type(one) is dict] if type(links) is list else []
    relations = [one.get("relation") for one in rows]
    for relation in ("self", "first", "previous", "next", "last"):
        if relations.count(relation) > 1:
            yield from fault(f"must have one link {relation} at most", ".link", "invariant", "bundle-links")
    itself = next((one.get("url") for one in rows if one.get("relation") == "self"), None)
    wanted = _searched(itself) if type(itself) is str else None
    for place, one in enumerate(entries.rows):
        yield from _search_entry(one, f".entry[{place}]", wanted)


def _search_entry(entry: dict[str, Any], where: str, wanted: frozenset[str] | None) -> Iterator[Fault]:
    resource, search = entry.get("resource"), entry.get("search")
    if type(resource) is not dict:
        return
    type_ = resource.get("resourceType")
    mode = search.get("mode") if type(search) is dict else None
    outcome = type_ == "OperationOutcome"
    if "id" not in resource and not outcome:
        yield from fault("is required of what a search finds", f"{where}.resource.id", "required", "search-id")
    if mode in ("match", "include") and outcome and wanted != frozenset({"OperationOutcome"}):
        yield from fault(
            "must be outcome where the entry is one", f"{where}.search.mode", "invariant", "search-outcome"
        )
    if mode == "outcome" and not outcome:
        yield from fault("must be an OperationOutcome", f"{where}.resource", "invariant", "search-outcome")
    if mode == "match" and wanted is not None and type_ not in wanted and not outcome:
        yield from fault("must be of the type that was searched for", f"{where}.resource", "invariant", "search-type")


def _searched(address: str) -> frozenset[str] | None:
    """The types that a search asks for, by its address; None where that is not plain."""
    try:
        parts = urlsplit(address)
        query = parse_qs(parts.query)
    except ValueError:
        return None
    steps = [step for step in parts.path.split("/") if step and step != "_search"]
    types = frozenset(",".join(query.get("_type", [])).split(",")) - {""}
    if types:
        return types if types <= _TYPE_SET else None
    return frozenset({steps[-1]}) if steps and steps[-1] in _TYPE_SET else None


def _needed(entries: Entries, kind: str) -> Iterator[Fault]:
    first = entries.resource(0)
    for path in _NEEDED[kind]:
        for where, reference in _references(first, path.split("."), ".entry[0].resource"):
            if reference.startswith("#"):
                continue
            places = entries.found(reference, 0)
            if not places:
                yield from fault("must lead to an entry of the bundle", where, "not-found", "bundle-reference")
            elif len(places) > 1:
                yield from fault("must lead to one entry, not to several", where, "duplicate", "bundle-reference")


def _references(value: Any, steps: list[str], where: str) -> Iterator[tuple[str, str]]:
    """The literal references at a path, sections within sections too, each with its place."""
    if type(value) is not dict:
        return
    if not steps:
        if type(value.get("reference")) is str:
            yield f"{where}.reference", value["reference"]
        return
    inner = value.get(steps[0])
    rows = list(enumerate(inner)) if type(inner) is list else [(None, inner)] if inner is not None else []
    for place, one in rows:
        at = f"{where}.{steps[0]}" + ("" if place is None else f"[{place}]")
        yield from _references(one, steps[1:], at)
        if steps[0] == "section":
            yield from _references(one, steps, at)


def _connected(entries: Entries) -> Iterator[Fault]:
    """Every entry is reached from the first along references, forwards or backwards."""
    around: list[set[int]] = [set() for _ in entries.rows]
    # Between a reference and all entries of one address and version stands a hub: not each is tied to each.
    hubs: dict[tuple[int, str | None], int] = {}
    for place in range(len(entries.rows)):
        for reference in _texts(entries.resource(place)):
            places, version = entries.meant(reference, place)
            hub = hubs.setdefault((id(places), version), len(around)) if places else place
            if hub == len(around):
                around.append(set())
                for other in entries.found(reference, place):
                    around[hub].add(other)
                    around[other].add(hub)
            if hub != place and around[hub]:
                around[place].add(hub)
                around[hub].add(place)
    reached, rest = {0}, [0]
    while rest:
        fresh = around[rest.pop()] - reached
        reached |= fresh
        rest.extend(fresh)
    for place in range(len(entries.rows)):
        if place not in reached and entries.resource(place):
            says = "must hang together with the first entry by references"
            yield from fault(says, f".entry[{place}]", "informational", "bundle-connected")


def _texts(value: Any) -> Iterator[str]:
    """Every reference in a tree, and every link of its narrative. Iterative: depth is the sender's."""
    rest = [value]
    while rest:
        one = rest.pop()
        if type(one) is list:
            rest.extend(one)
        elif type(one) is dict:
            if type(one.get("reference")) is str:
                yield one["reference"]
            rest.extend(one.values())
