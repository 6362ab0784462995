"""Operations on code systems, value sets and concept maps: `$lookup $validate-code $subsumes $expand $translate` (R4).

What is at hand: what was loaded from files, then R4's own, then that of packages, then the CodeSystem, ValueSet and ConceptMap
records of this installation, under an address those of the source that wrote there first. It is about no patient.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from kjerne.access import Limit
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Pairs, Route
from kjerne.fhir import smart
from kjerne.fhir.definitions import type_number
from kjerne.fhir.effort import TooCostly, limited, spend, work
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.index import index
from kjerne.fhir.negotiation import JSON, check_accepted, media_type
from kjerne.fhir.search import STEPS_LIMIT, Search
from kjerne.fhir.systems import canonical as canonical_system
from kjerne.fhir.terminology import core, implicit
from kjerne.fhir.terminology.asked import Values, codings, number, text, truth, understood
from kjerne.fhir.terminology.concept import Codes, Concept
from kjerne.fhir.terminology.concept_map import Ends, Translated, translated
from kjerne.fhir.terminology.listed import Listed
from kjerne.fhir.terminology.sound import check_sound
from kjerne.fhir.terminology.told import contained, designation, match, parameters, part
from kjerne.fhir.terminology.value_set import Composed, Member
from kjerne.fhir.validate import check
from kjerne.registries.guides import Guides
from kjerne.registries.naming import in_address
from kjerne.store import shared, terminology
from kjerne.store.at_hand import packages
from kjerne.store.pool import Connection, Pool
from kjerne.store.shared import Shared
from kjerne.store.shared_finding import SharedFinder

BASE: Final = "/fhir/R4"
BODY_LIMIT_BYTES: Final = 2_000_000
EXPANSION_LIMIT: Final = 10_000
"""Codes in one answer of `$expand`; more are asked for page by page (`offset`, `count`)."""
SYSTEMS_LIMIT: Final = 50
"""Code systems that one operation asks."""
VALUE_SETS_LIMIT: Final = 200
"""Value sets that one operation asks."""
SENT_CONCEPTS_LIMIT: Final = 10_000
"""Codes of a CodeSystem that is sent with the question."""
WORDS_LIMIT: Final = 10
FILTER_CHARACTERS_LIMIT: Final = 200
"""Words and characters of the `filter` of `$expand`."""
KEPT_LIMIT: Final = 64
"""Code systems that a process keeps read."""
_BYTES_OF_A_STEP: Final = 100
MAPS_LIMIT: Final = 20
"""Maps that one translation may ask where it names none."""
_MATCH_STEPS: Final = 10
_CHARACTERS_OF_A_STEP: Final = 50
Resource = Mapping[str, Any]
Operation = Callable[["_Asking", Values], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Terminology:
    """The handlers. `needs` are the scopes of which any lets them be asked."""

    pool: Pool
    parse_json: Callable[[bytes], dict[str, Any]]
    parse_search: Callable[[str, Pairs, bool], Search]
    candidate_limit: int
    needs: str
    guides: Guides

    def routes(self) -> list[Route]:
        found = []
        for type_, name, takes, operation, of_one in OPERATIONS:
            answer = partial(self._answer, type_, takes, operation)
            at = f"{BASE}/{type_}/${name}"
            route = partial(Route, handler=answer, needs=self.needs, errors="fhir", body_limit_bytes=BODY_LIMIT_BYTES)
            found += [route("GET", at), route("POST", at)]
            if of_one:
                at = f"{BASE}/{type_}/{{id}}/${name}"
                found += [route("GET", at), route("POST", at)]
        return found

    async def _answer(self, type_: str, takes: Sequence[str], operation: Operation, call: Call) -> Answer:
        check_accepted(call)
        smart.demand(call.caller, type_, "r")
        asked = understood(in_address(call), self._parameters(call), takes)
        async with self.pool.acquire() as conn:
            asking = _Asking(conn, call, self)
            try:
                with limited(STEPS_LIMIT):
                    return Answer(200, encode(await operation(asking, asked)))
            except TooCostly:
                says = f"the operation would take more than {STEPS_LIMIT} steps"
                raise Refusal(422, says, code="too-costly", todo="Ask of fewer codes, or with fewer filters.") from None

    def _parameters(self, call: Call) -> dict[str, Any] | None:
        if call.method == "GET":
            return None
        if call.form or media_type(call.headers.get("content-type", "")) not in JSON:
            raise Refusal(
                415, "the operation takes a Parameters resource as application/fhir+json", where="content-type"
            )
        tree = self.parse_json(call.body)
        if faults := check(tree, "Parameters"):
            raise Refusal(400, faults[0].says, where=faults[0].where, code="invalid", faults=tuple(faults[1:]))
        return tree


class _Asking:
    """One request: what is at hand, over its connection."""

    def __init__(self, conn: Connection, call: Call, api: Terminology) -> None:
        self.conn = conn
        self.call = call
        self._api = api
        self._packages = packages(api.guides.state().shelf)
        self._systems: dict[tuple[str, str], Codes | None] = {}
        self._value_sets: dict[str, Resource | None] = {}

    async def resource(self, type_: str, canonical: str) -> Resource | None:
        """Loaded, R4's own, or of a package; else a record: what anybody writes takes nobody's address."""
        address, _, version = canonical.partition("|")
        if type_ == "ValueSet" and (made := implicit.value_set(canonical)) is not None:
            return made
        if (loaded := await terminology.definition(self.conn, type_, address, version)) is not None:
            return self._leave(type_, loaded)
        if core.find(type_, canonical) is not None:
            return self._own_of_r4(type_, canonical)
        if (packaged := await self._packages.find(type_, address, version)) is not None:
            return self._leave(type_, packaged)
        if core.find(type_, address) is not None:
            return None
        found = await self._named(type_, address, version)
        return _read(found) if found else None

    def _leave(self, type_: str, resource: Resource) -> Resource | None:
        """A resource that the caller's token leaves; None of another."""
        left = self._left(type_)
        return resource if left is None or smart.holds(left, index(dict(resource)).tokens) else None

    def _left(self, type_: str) -> tuple[Limit, ...] | None:
        """What the caller's token leaves of a type."""
        assert self.call.caller is not None, "the route asks for a scope"
        return smart.left(self.call.caller, type_, "r")

    def _own_of_r4(self, type_: str, canonical: str) -> Resource | None:
        left = self._left(type_)
        return (
            core.find(type_, canonical) if left is None or smart.holds(left, _tokens_of_r4(type_, canonical)) else None
        )

    async def _named(self, type_: str, address: str, version: str) -> Shared | None:
        """The newest record with an address, of the source that wrote one first; none that is retired."""
        pairs = [("url", address), ("status:not", "retired")]
        pairs += [("version", version)] if version else []
        pairs += [("content-mode:not", "supplement")] if type_ == "CodeSystem" else []
        every = await self._records(type_, tuple(pairs), whole=True)
        found = await shared.by_first_writer(self.conn, every, address)
        if found and self._left(type_) is not None:
            left = {one.id for one in await self._records(type_, tuple(pairs))}
            found = [one for one in found if one.id in left]
        return found[0] if found else None

    async def value_set(self, canonical: str) -> Resource | None:
        """A value set that another names, asked for once."""
        if canonical not in self._value_sets:
            if len(self._value_sets) == VALUE_SETS_LIMIT:
                raise Refusal(422, f"more than {VALUE_SETS_LIMIT} value sets are asked", code="too-costly")
            self._value_sets[canonical] = await self.resource("ValueSet", canonical)
        return self._value_sets[canonical]

    async def _records(self, type_: str, pairs: Pairs, *, whole: bool = False) -> list[Shared]:
        """The records that answer, newest first: those that the token leaves, or `whole` all of them."""
        if any(sign in value for _, value in pairs for sign in ",|\\"):
            return []
        finder = SharedFinder(
            self.conn, self.call.at, (lambda _: None) if whole else self._left, self._api.candidate_limit
        )
        rows = await finder.matching(self._api.parse_search(type_, pairs, False))
        return await finder.whole(row.record for row in rows)

    async def the_resource(self, type_: str, asked: Values, *names: str) -> Resource:
        """What the operation is about: the record of the address, one that was sent, or what an address in a parameter names."""
        id_ = self.call.parameters.get("id")
        if id_ is not None:
            return _read(await self.own_record(type_))
        for name in names:
            for sent in asked.get(name, ()):
                if not isinstance(sent, dict) or sent.get("resourceType") != type_:
                    raise Refusal(400, f"{name} is a {type_}", where=name)
                check_sound(sent)
                return sent
        url = text(asked, "url")
        if not url:
            raise Refusal(
                400, f"the {type_} is not named", where="url", code="required", todo="Send url, or its id in the path."
            )
        version = text(asked, "valueSetVersion" if type_ == "ValueSet" else "conceptMapVersion")
        found = await self.resource(type_, f"{url}|{version}" if version else url)
        if found is None:
            raise Refusal(404, f"the {type_} is not at hand", where="url", code="not-found")
        return found

    async def concept_maps(self, asked: Values) -> list[Resource]:
        """The map that is named, if it is between what is asked; else every one at hand that is (R4: the server picks)."""
        systems = {coding["system"] for coding in codings(asked) if coding.get("system")}
        given = [text(asked, one) for one in ("source", "target", "targetsystem")]
        ends = Ends.of(given, systems, truth(asked, "reverse"))
        if "id" in self.call.parameters or "url" in asked or "conceptMap" in asked or ends.are_open:
            named = await self.the_resource("ConceptMap", asked, "conceptMap")
            return [named] if ends.fit(named, of_sets=True) else []
        every = [
            *core.concept_maps(),
            *map(_read, await self._records("ConceptMap", (("status:not", "retired"), *ends.asked))),
        ]
        addresses = dict.fromkeys(str(one.get("url", "")) for one in every if ends.fit(one))
        addresses |= dict.fromkeys(await terminology.concept_maps(self.conn))
        found = [one for one in every if not one.get("url") and ends.fit(one)]
        for address in addresses:
            spend(1)
            one = await self.resource("ConceptMap", address) if address else None
            found += [one] if one is not None and ends.fit(one) else []
            if len(found) > MAPS_LIMIT:
                says = f"more than {MAPS_LIMIT} maps may be meant"
                raise Refusal(422, says, where="url", code="too-costly", todo="Name one by url.")
        return found

    async def own_record(self, type_: str) -> Shared:
        record = await shared.read(self.conn, type_number(type_), self.call.parameters["id"])
        if record is None or record.raw is None:
            raise Refusal(404, f"no {type_} with this id", where="id")
        left = self._left(type_)
        if left is not None and not smart.holds(left, index(decode(record.raw)).tokens):
            raise Refusal(404, f"no {type_} with this id", where="id")
        return record

    async def system(self, url: str, version: str) -> Codes | None:
        """A code system: loaded, R4's own or a package's where they have all its codes, a record, or what R4 has of it."""
        if (url, version) not in self._systems:
            if len(self._systems) == SYSTEMS_LIMIT:
                raise Refusal(422, f"more than {SYSTEMS_LIMIT} code systems are asked", code="too-costly")
            self._systems[url, version] = await self._system(url, version)
        return self._systems[url, version]

    async def _system(self, url: str, version: str) -> Codes | None:
        for spelled in dict.fromkeys((canonical_system(url), url)):
            if (loaded := await terminology.loaded(self.conn, spelled, version)) is not None:
                # It has no resource of which a limit's conditions could hold.
                return loaded if self._left("CodeSystem") is None else None
        place = f"{url}|{version}" if version else url
        own = core.find("CodeSystem", place) or {}
        packaged = await self._packages.find("CodeSystem", url, version) if own.get("content") != "complete" else None
        if packaged is not None and packaged.get("content") == "complete":
            known = self._leave("CodeSystem", packaged)
            return await _listed((place, self._packages), lambda: known or {}, ()) if known else None
        whole = (core.find("CodeSystem", url) or {}).get("content") == "complete"
        if not whole and (found := await self._named("CodeSystem", url, version)):
            supplements = (("supplements", url), ("content-mode", "supplement"), ("status", "active"))
            more = await self._records("CodeSystem", supplements)
            # What others write changes nobody's codes: not what they are called, and R4's own have no source here.
            return await _of_records(found, await shared.of_its_source(self.conn, found, more))
        known = self._own_of_r4("CodeSystem", place)
        if known is None:
            return None
        return await _listed((url,), lambda: known, ())

    async def own_system(self) -> Codes:
        """The code system of the address."""
        return await _of_records(await self.own_record("CodeSystem"), [])

    async def demanded(self, url: str, version: str) -> Codes:
        """As `system`; `Refusal` 404 where it is not at hand."""
        if not url:
            raise Refusal(400, "the code system is not named", where="system", code="required")
        codes = await self.system(url, version)
        if codes is None:
            raise _not_at_hand()
        return codes

    def composed(self) -> Composed:
        return Composed(self.value_set, self.system)


@lru_cache(maxsize=256)
def _tokens_of_r4(type_: str, canonical: str) -> Collection[int]:
    found = core.find(type_, canonical)
    return index(dict(found)).tokens if found is not None else ()


def _not_at_hand() -> Refusal:
    return Refusal(404, "the code system is not at hand in this version", where="system", code="not-found")


def _not_whole() -> Refusal:
    return Refusal(422, "the code system is not at hand with all its codes", where="url", code="not-found")


def _read(record: Shared) -> Resource:
    raw = record.raw or b"{}"
    spend(len(raw) // _BYTES_OF_A_STEP)
    resource: Resource = decode(raw)
    check_sound(resource)
    return resource


def _key(record: Shared) -> tuple[str, int, datetime]:
    return record.id, record.version, record.at


async def _of_records(record: Shared, supplements: Sequence[Shared]) -> Listed:
    return await _listed((_key(record), *map(_key, supplements)), lambda: _read(record), supplements)


_kept: dict[Any, Listed] = {}


async def _listed(key: Any, resource: Callable[[], Resource], supplements: Sequence[Shared]) -> Listed:
    """Kept by version: a code system of thousands of codes is not read anew for each question."""
    found = _kept.pop(key, None) or await Listed.of(resource(), [_read(one) for one in supplements])
    _kept[key] = found
    while len(_kept) > KEPT_LIMIT:
        del _kept[next(iter(_kept))]
    return found


async def _sent(resource: Any) -> Listed:
    """A code system that is sent with the question: read once, and kept by nobody."""
    if not isinstance(resource, dict) or resource.get("resourceType") != "CodeSystem":
        raise Refusal(400, "codeSystem is a CodeSystem", where="codeSystem")
    waiting, count = [resource], 0
    while waiting:
        under = waiting.pop().get("concept", ())
        waiting += under
        count += len(under)
    if count > SENT_CONCEPTS_LIMIT:
        raise Refusal(
            422, f"the CodeSystem that is sent has more than {SENT_CONCEPTS_LIMIT} codes", where="codeSystem",
            code="too-costly",
        )  # fmt: skip
    check_sound(resource)
    return await Listed.of(resource)


async def lookup(asking: _Asking, asked: Values) -> dict[str, Any]:
    """What a code means (R4 codesystem-operation-lookup.html)."""
    (coding,) = codings(asked)[:1]
    codes = await asking.demanded(coding.get("system", ""), coding.get("version") or text(asked, "version"))
    concept = await codes.concept(coding["code"])
    if concept is None:
        raise Refusal(404, "the code system has no such code", where="code", code="not-found")
    wanted = {one for one in asked.get("property", ()) if isinstance(one, str)}
    told = [part("name", "valueString", codes.name or codes.url)]
    told += [part("version", "valueString", codes.version)] if codes.version else []
    display = concept.named(text(asked, "displayLanguage"))
    told.append(part("display", "valueString", display or concept.code))
    if concept.definition:
        told.append(part("definition", "valueString", concept.definition))
    if not wanted or "designation" in wanted:
        told += [designation(one.language, one.use, one.value) for one in concept.designations]
    properties: list[tuple[str, str, Any]] = [("inactive", "valueBoolean", not concept.active)]
    properties += [("parent", "valueCode", one) for one in concept.parents]
    if not wanted or "child" in wanted:
        properties += [
            ("child", "valueCode", one) for one in sorted(await codes.under(concept.code, next_only=True))[:1000]
        ]
    properties += [one for one in concept.properties if one[0] not in ("inactive", "parent", "child")]
    told += [
        {"name": "property", "part": [part("code", "valueCode", name), {"name": "value", element: value}]}
        for name, element, value in properties
        if not wanted or name in wanted
    ]
    return parameters(told)


async def validate_in_system(asking: _Asking, asked: Values) -> dict[str, Any]:
    """Whether a code is one of a code system's (R4 codesystem-operation-validate-code.html)."""
    url = text(asked, "url")
    given: Codes | None = None
    if "codeSystem" in asked or "id" in asking.call.parameters:
        given = await _sent(asked["codeSystem"][0]) if "codeSystem" in asked else await asking.own_system()
    found = list[tuple[dict[str, Any], Concept | None]]()
    for coding in codings(asked, "url"):
        version = coding.get("version") or text(asked, "version")
        systems = {one for one in (coding.get("system"), text(asked, "system"), url) if one}
        if len(systems | ({given.url} if given and given.url else set())) > 1:
            found.append((coding, None))
            continue
        if given is not None and version not in ("", given.version):
            raise _not_at_hand()
        codes = given or await asking.demanded(systems.pop() if systems else "", version)
        concept = await codes.concept(coding["code"])
        if concept is None and not codes.complete:
            raise _not_whole()
        found.append((coding, concept))
    return _judged(found, asked)


async def validate_in_value_set(asking: _Asking, asked: Values) -> dict[str, Any]:
    """Whether a value set means a code (R4 valueset-operation-validate-code.html)."""
    value_set = await asking.the_resource("ValueSet", asked, "valueSet")
    composed = asking.composed()
    found = []
    for coding in codings(asked):
        system = coding.get("system", "")
        if not system and not truth(asked, "inferSystem") and "code" in asked and "context" not in asked:
            raise Refusal(
                400,
                "the code system is not named",
                where="system",
                code="required",
                todo="Send system, or inferSystem.",
            )
        version = coding.get("version") or text(asked, "version")
        if system and version and await asking.system(system, version) is None and await asking.system(system, ""):
            raise _not_at_hand()
        found.append((coding, await composed.contains(value_set, system, coding["code"], version=version)))
    return _judged(found, asked)


def _judged(found: Sequence[tuple[dict[str, Any], Concept | None]], asked: Values) -> dict[str, Any]:
    """A concept is right by any of its codings; a display, where one is sent, must be a name of the code."""
    language = text(asked, "displayLanguage")
    for coding, concept in found:
        if concept is None:
            continue
        if not concept.active and text(asked, "activeOnly") == "true":
            continue
        if concept.abstract and "abstract" in asked and not truth(asked, "abstract"):
            continue
        right, display = True, coding.get("display", "")
        names = {concept.display, *(one.value for one in concept.designations)} - {""}
        if display and names and display.casefold() not in {one.casefold() for one in names}:
            right = False
        told = [part("result", "valueBoolean", right)]
        told += [] if right else [part("message", "valueString", "The display is no name of this code.")]
        shown = concept.named(language)
        return parameters([*told, *([part("display", "valueString", shown)] if shown else [])])
    return parameters(
        [part("result", "valueBoolean", False), part("message", "valueString", "The code is not among them.")]
    )


async def subsumes(asking: _Asking, asked: Values) -> dict[str, Any]:
    """How two codes of a system stand to each other (R4 codesystem-operation-subsumes.html)."""
    pair = []
    for letter in "AB":
        given = asked.get(f"coding{letter}", [None])[0]
        pair.append(
            given
            if isinstance(given, dict)
            else {"code": text(asked, f"code{letter}"), "system": text(asked, "system")}
        )
    systems = {one.get("system", "") for one in pair}
    versions = {one["version"] for one in pair if one.get("version")} | ({text(asked, "version")} - {""})
    if len(systems) > 1 or len(versions) > 1 or not all(one.get("code") for one in pair):
        raise Refusal(400, "two codes of one system are compared", where="codeA", code="required")
    if "id" in asking.call.parameters:
        codes = await asking.own_system()
        if not systems <= {"", codes.url} or not versions <= {codes.version}:
            raise _not_at_hand()
    else:
        codes = await asking.demanded(systems.pop(), versions.pop() if versions else "")
    found = [await codes.concept(one["code"]) for one in pair]
    if None in found and not codes.complete:
        raise _not_whole()
    if found[0] is None or found[1] is None:
        raise Refusal(
            404, "the code system has no such code", where="codeA" if found[0] is None else "codeB", code="not-found"
        )
    first, second = found[0].code, found[1].code
    outcome = "equivalent" if first == second else "not-subsumed"
    if first != second and first in await codes.over(second):
        outcome = "subsumes"
    elif first != second and second in await codes.over(first):
        outcome = "subsumed-by"
    return parameters([part("outcome", "valueCode", outcome)])


async def expand(asking: _Asking, asked: Values) -> dict[str, Any]:
    """Which codes a value set means, page by page (R4 valueset-operation-expand.html)."""
    value_set = await asking.the_resource("ValueSet", asked, "valueSet")
    offset, count = number(asked, "offset", 0), number(asked, "count", EXPANSION_LIMIT)
    words, active_only = _words(asked), truth(asked, "activeOnly")
    composed, total, page = asking.composed(), 0, list[Member]()
    async for member in composed.expand(value_set):
        if (active_only and not member.concept.active) or not await _named_with(member.concept, words):
            continue
        if offset <= total < offset + min(count, EXPANSION_LIMIT):
            page.append(member)
        total += 1
    if total > EXPANSION_LIMIT and "count" not in asked:
        raise Refusal(
            422, f"the value set means more than {EXPANSION_LIMIT} codes", code="too-costly",
            todo="Ask page by page with offset and count, or narrow it with filter.",
        )  # fmt: skip
    language, with_names = text(asked, "displayLanguage"), truth(asked, "includeDesignations")
    told = [{"name": "used-codesystem", "valueUri": one} for one in sorted(composed.used)]
    told += [
        {"name": name, "valueString": text(asked, name)} for name in ("filter", "displayLanguage") if name in asked
    ]
    seed = f"{value_set.get('url', '')}|{value_set.get('version', '')}|{asking.call.at.isoformat()}"
    expansion: dict[str, Any] = {
        "identifier": f"urn:uuid:{uuid5(NAMESPACE_URL, seed)}",
        "timestamp": asking.call.at.isoformat(timespec="seconds"),
        "total": total,
        "offset": offset,
        **({"parameter": told} if told else {}),
    }
    if page:
        expansion["contains"] = [contained(one, language, with_names=with_names) for one in page]
    kept = {name: value for name, value in value_set.items() if name not in _NOT_OF_AN_EXPANSION}
    return {**kept, "resourceType": "ValueSet", "status": value_set.get("status", "unknown"), "expansion": expansion}


_NOT_OF_AN_EXPANSION: Final = frozenset({"text", "compose", "expansion", "contained", "id", "meta"})


def _words(asked: Values) -> list[str]:
    """The words that a name must have."""
    wanted = text(asked, "filter")
    words = wanted.casefold().split() if len(wanted) <= FILTER_CHARACTERS_LIMIT else None
    if words is None or len(words) > WORDS_LIMIT:
        raise Refusal(
            422, f"filter has at most {WORDS_LIMIT} words, of {FILTER_CHARACTERS_LIMIT} characters together",
            where="filter", code="too-costly",
        )  # fmt: skip
    return words


async def _named_with(concept: Concept, words: Sequence[str]) -> bool:
    if not words:
        return True
    names = [concept.code, concept.display, *(one.value for one in concept.designations)]
    await work(len(names) + len(words) * sum(map(len, names)) // _CHARACTERS_OF_A_STEP)
    return any(all(word in name.casefold() for word in words) for name in names)


async def translate(asking: _Asking, asked: Values) -> dict[str, Any]:
    """What a code is in another system (R4 conceptmap-operation-translate.html)."""
    maps = await asking.concept_maps(asked)
    backwards, target = truth(asked, "reverse"), text(asked, "targetsystem")
    found: list[tuple[Translated, str]] = []
    for concept_map in maps:
        for coding in codings(asked):
            answers = translated(
                concept_map, coding.get("system", ""), coding["code"], target,
                version=coding.get("version") or text(asked, "version"), backwards=backwards,
            )  # fmt: skip
            for one in answers:
                await work(_MATCH_STEPS + len(one.products))
                found.append((one, str(concept_map.get("url", ""))))
            await work(1)
    matched = any(one.is_match for one, _ in found)
    told = [part("result", "valueBoolean", matched)]
    if not matched:
        depends = any(one.conditional for one, _ in found)
        says = (
            "matches this code only with what other elements say" if depends else "has nothing that matches this code"
        )
        told.append(part("message", "valueString", f"The map {says}." if maps else "No map is between what is asked."))
    return parameters([*told, *(match(one, source) for one, source in found if not one.conditional)])


_ABOUT: Final = ("code", "system", "version", "display", "coding", "codeableConcept", "displayLanguage")
OPERATIONS: Final[Sequence[tuple[str, str, Sequence[str], Operation, bool]]] = (
    ("CodeSystem", "lookup", ("code", "system", "version", "coding", "displayLanguage", "property"), lookup, False),
    ("CodeSystem", "validate-code", (*_ABOUT, "url", "codeSystem", "abstract"), validate_in_system, True),
    ("CodeSystem", "subsumes", ("codeA", "codeB", "system", "version", "codingA", "codingB"), subsumes, True),
    (
        "ValueSet", "expand",
        (
            "url", "valueSet", "valueSetVersion", "filter", "offset", "count", "includeDesignations", "activeOnly",
            "displayLanguage", "excludeNested",
        ),
        expand, True,
    ),
    (
        "ValueSet", "validate-code",
        (*_ABOUT, "url", "valueSet", "valueSetVersion", "inferSystem", "activeOnly", "abstract"),
        validate_in_value_set, True,
    ),
    (
        "ConceptMap", "translate",
        (
            "code", "system", "version", "coding", "codeableConcept", "url", "conceptMap", "conceptMapVersion",
            "source", "target", "targetsystem", "reverse",
        ),
        translate, True,
    ),
)  # fmt: skip
"""Type, name, what it takes, the answer, and whether it can be asked of one record by its id."""
EXPANDED_BY: Final = next(takes for _, name, takes, _, _ in OPERATIONS if name == "expand")
