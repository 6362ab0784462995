"""`$validate`: is this a resource that would be taken here? R4's operation (resource-operation-validate.html), for any type.

A body is looked at for its form alone: no patient is named and none is looked for, so any client with a scope of FHIR may ask,
and no log is written. What needs the record, whether it could be deleted, is asked under a Grant and stands in her log. The
check runs in a thread of its own and is held to the validator's limit of steps: requests beside it go on being answered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from lxml import etree

from kjerne.access import Grant
from kjerne.errors import Fault, Refusal
from kjerne.exchange import ANY_KIND, Answer, Call, PatientRef, Route
from kjerne.fhir import smart
from kjerne.fhir.definitions import TYPES, type_number
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.from_xml import read as read_xml
from kjerne.fhir.index import index
from kjerne.fhir.interaction import absent, basis_of, hidden_as_absent, no_such_id, sent_version
from kjerne.fhir.lines import with_lines
from kjerne.fhir.negotiation import JSON, XML, check_accepted, media_type
from kjerne.fhir.outcome import judged
from kjerne.fhir.prefer import lenient
from kjerne.fhir.understood import not_understood
from kjerne.fhir.validate import FAULTS_LIMIT, check
from kjerne.registries.contents import check_content, content_of, must_register
from kjerne.registries.guides import Found, Guides
from kjerne.registries.homes import SERVICE_BY_TYPE, SHARED_TYPES, not_served
from kjerne.registries.made_up import MadeUp
from kjerne.registries.naming import check_header, check_names
from kjerne.registries.nobody import check_of_nobody
from kjerne.store import audit, shared
from kjerne.store.kept import Kept
from kjerne.store.limits import must_hold
from kjerne.store.pool import Pool
from kjerne.store.records import Records, expect
from kjerne.store.sealed_id import SealedIds

BASE: Final = "/fhir/R4"
VALIDATED_LIMIT_BYTES: Final = 2_000_000
AT_ONCE: Final = 2
"""Checks in work in one worker, each some half second at most."""
MODES: Final = ("create", "update", "delete", "profile")
OF_THE_ADDRESS: Final = frozenset({"profile", "mode", "_format", "_pretty"})
_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)
_PARTS: Final = frozenset({"resource", "mode", "profile"})
Tree = dict[str, Any]
T = TypeVar("T")


class Asked(NamedTuple):
    """What one request wants to know. `within` is where the resource stands in the body: in Parameters, or it is all of it."""

    resource: Tree | None
    mode: str
    profile: str
    within: str = ""


class Body(NamedTuple):
    """A body that was read: `wrong` where XML is none of FHIR's, `lines` of XML's elements."""

    tree: Tree
    lines: Mapping[str, int]
    wrong: Fault | None = None


@dataclass
class ValidateApi:
    """The handlers. `needs` are the scopes of which a caller must have one; at the address of a record about nobody, and of none,
    one of `shared` will do, the last of which deletes such a record."""

    pool: Pool
    ids: SealedIds
    records: Records
    guides: Guides
    type_of: Callable[[str], int]
    parse_json: Callable[[bytes], Tree]
    parse_xml: Callable[[bytes], etree._Element]
    identify: Callable[[str], PatientRef]
    needs: str
    shared: tuple[str, ...]
    kept: Kept

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[Route]:
        needs = " ".join((self.needs, *self.shared))
        each = partial(
            Route, "POST", errors="fhir", body_limit_bytes=VALIDATED_LIMIT_BYTES, reads_xml=True, handler=self.validate
        )
        return [
            each(f"{BASE}/$validate", needs=needs),
            each(f"{BASE}/{{type}}/$validate", needs=needs),
            # By a record's address a patient's record can be asked about: that takes a scope of its own.
            each(f"{BASE}/{{type}}/{{id}}/$validate", needs=needs, by_type=dict.fromkeys(SERVICE_BY_TYPE, self.needs)),
        ]

    async def validate(self, call: Call) -> Answer:
        """200 with an OperationOutcome where the check could be made, whatever it found."""
        check_accepted(call)
        name = call.parameters.get("type", "")
        if name:
            type_number(name)
        in_address = _in_address(call)
        body, asked = await self._in_turn(self._read, call, name, in_address)
        if asked.mode == "delete":
            outcome = await self._deletable(call, name)
        else:
            outcome = await self._in_turn(self._judged, call, name, body, asked)
        return Answer(200, encode(outcome))

    async def _in_turn(self, work: Callable[..., T], *given: Any) -> T:
        """Work done in a thread, `AT_ONCE` at a time."""
        async with self._turns:
            return await asyncio.to_thread(work, *given)

    def _read(self, call: Call, name: str, in_address: Mapping[str, str]) -> tuple[Body, Asked]:
        """The body, and what is asked of which resource in it. `Refusal` 400 or 415 where that cannot be told."""
        body = self._body(call)
        asked = Asked(body.tree or None, in_address.get("mode", ""), in_address.get("profile", ""))
        if body.tree.get("resourceType") == "Parameters" and _is_operation(body.tree, name):
            asked = _unwrapped(body.tree, asked)
        if asked.mode and asked.mode not in MODES:
            raise Refusal(400, f"mode is one of {', '.join(MODES)}", where="mode", code="value")
        if asked.mode == "delete" and "id" not in call.parameters:
            raise Refusal(400, "a deletion is asked about at the record's address", where="mode", code="required")
        if asked.mode == "profile" and not asked.profile:
            raise Refusal(400, "the mode profile needs a profile", where="profile", code="required")
        if asked.mode != "delete" and asked.resource is None and body.wrong is None:
            raise Refusal(400, "the resource to validate is missing", where="resource", code="required")
        if asked.profile and not _is_core(asked.profile) and not self.guides.has(asked.profile):
            raise Refusal(
                422, "no package that is loaded has this profile", where="profile", code="not-found",
                todo="The CapabilityStatement names those there are (supportedProfile).",
            )  # fmt: skip
        return body, asked

    def _body(self, call: Call) -> Body:
        sent = media_type(call.headers.get("content-type", ""))
        if not call.body.strip():
            return Body({}, {})
        if sent in XML:
            document = self.parse_xml(call.body)
            try:
                found = read_xml(document)
            except Refusal as refusal:
                return Body({}, {}, refusal.fault or Fault(refusal.says, refusal.where, refusal.code))
            return Body(found.tree, found.lines)
        if sent not in ("", *JSON):
            says = "a resource is sent as application/fhir+json or application/fhir+xml"
            raise Refusal(415, says, where="content-type", code="not-supported")
        return Body(self.parse_json(call.body), {})

    def _judged(self, call: Call, name: str, body: Body, asked: Asked) -> Tree:
        """The OperationOutcome about the form of a resource."""
        if body.wrong is not None:
            return judged([body.wrong], [], [])
        tree = asked.resource or {}
        type_ = name or str(tree.get("resourceType"))
        if type_ not in TYPES:
            return judged([Fault("resourceType must be a resource type of R4.", "resourceType", "structure")], [], [])
        found = self._found(call, tree, type_, asked)
        faults, advice = found.faults[:FAULTS_LIMIT], found.advice[:FAULTS_LIMIT]
        says = _beside(found, self.guides.named(tree)[1], type_) if not faults else []
        placed = _placed([*faults, *advice], body, call.body, asked.within, type_)
        return judged(placed[: len(faults)], placed[len(faults) :], says)

    def _found(self, call: Call, tree: Tree, type_: str, asked: Asked) -> Found:
        """By R4, then by what a write would ask, then by R4's bindings and by profiles."""
        faults = self.guides.settled(check(tree, type_), tree)
        if not faults and asked.mode in ("create", "update"):
            faults = _refused_on_write(call, tree, type_, asked.mode, self.guides.made_up)
        if faults:
            return Found(faults, [], [])
        bound = self.guides.bound(tree)
        found = self._under_profiles(tree, type_, asked)
        # A profile repeats the bindings of its type, and a write of some types has asked them too: what both find is told once.
        return found._replace(
            faults=list(dict.fromkeys((*bound.faults, *found.faults))),
            advice=list(dict.fromkeys((*bound.advice, *found.advice))),
        )

    def _under_profiles(self, tree: Tree, type_: str, asked: Asked) -> Found:
        if asked.mode in ("create", "update"):
            found = self.guides.on_write(tree, type_)
        else:
            found = self.guides.judge(tree, self.guides.said_by(tree, type_))
            found.faults.extend(self.guides.too_many(tree, type_))
        if not asked.profile or asked.profile in found.asked:
            return found
        if _is_core(asked.profile):
            wrong = [] if asked.profile.rpartition("/")[2] == type_ else [_not_of(asked.profile)]
            return found._replace(faults=found.faults + wrong)
        own = self.guides.judge(tree, {asked.profile: "required"})
        return Found(found.faults + own.faults, found.advice + own.advice, found.asked + own.asked)

    async def _deletable(self, call: Call, name: str) -> Tree:
        """Whether the caller could delete the record of the address: asked as its deletion is, with a row in the log."""
        if name in SHARED_TYPES:
            return await self._shared_deletable(call, name)
        if name not in SERVICE_BY_TYPE:
            return judged([_as_fault(not_served(name))], [], [])
        expected = sent_version(call.headers)
        id_ = self.ids.parse(call.parameters["id"])
        service = self.kept.service(name, id_)
        if id_ is None:
            await no_such_id(call, service, "correct", "d", ANY_KIND)
        type_ = self.kept.number(name, id_)

        async def use(grant: Grant) -> bool | None:
            async with self.pool.acquire() as conn, conn.transaction():
                if await self.records.marks(conn, grant, type_, id_, "d") is None:
                    return None
                check_header(call, grant, self.identify)
                current = await self.records.current(conn, grant, type_, id_)
                must_register(grant.registers, content_of(decode(current.raw)))
                expect(expected, current.version)
                await audit.insert(conn, audit.met(grant), [(type_, id_, current.version)])
                return True

        patient = PatientRef(key=self.ids.patient(id_))
        if not await hidden_as_absent(call, patient, service, "correct", "d", use, basis=basis_of(call), what=ANY_KIND):
            raise absent(call)
        return judged([], [], ["The record could be deleted."])

    async def _shared_deletable(self, call: Call, name: str) -> Tree:
        """As `_deletable`, of a record about nobody: by its source alone, and in nobody's log."""
        caller, id_ = call.caller, call.parameters["id"]
        assert caller is not None, "the route asks for a scope"
        if self.shared[-1] not in caller.scopes:
            raise Refusal(403, f"the token lacks the scope {self.shared[-1]}", where="scope")
        smart.demand(caller, name, "d")
        if not _ID.fullmatch(id_):
            raise absent(call)
        async with self.pool.acquire() as conn:
            there = await shared.hold(conn, type_number(name), id_)
        if not there.version:
            raise absent(call)
        if not there.source.is_of(shared.Source(caller.organisation, caller.client)):
            raise Refusal(403, "another source keeps this record", where="id")
        if there.raw is not None:
            if caller.limits is not None:
                must_hold(caller, type_number(name), index(decode(there.raw)).tokens, "d")
            expect(sent_version(call.headers), there.version)
        return judged([], [], ["The record could be deleted."])


def _in_address(call: Call) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in call.query:
        if key not in OF_THE_ADDRESS and not lenient(call.headers):
            takes = ", ".join(sorted(OF_THE_ADDRESS))
            raise Refusal(
                400, f"this address takes {takes} and no other parameter", where="query", code="not-supported"
            )
        if key in found:
            raise Refusal(400, f"{key} may stand only once", where=key)
        found[key] = value
    return found


def _is_operation(tree: Tree, name: str) -> bool:
    """Whether Parameters are those of the operation, and not the resource that is to be looked at."""
    rows = tree.get("parameter")
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    named = {row["name"] for row in rows if isinstance(row.get("name"), str)}
    return name != "Parameters" or not named.isdisjoint(_PARTS)


def _unwrapped(tree: Tree, asked: Asked) -> Asked:
    """What the Parameters of the operation say; `Refusal` 400 where they are none."""
    rows = tree.get("parameter", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refusal(400, "Parameters.parameter is a list of objects", where="Parameters.parameter")
    found: dict[str, Any] = {"resource": None}
    for place, row in enumerate(rows):
        name, where = row.get("name"), f"Parameters.parameter[{place}]"
        if not isinstance(name, str) or name not in _PARTS:
            raise Refusal(
                400, "$validate takes resource, mode and profile", where=f"{where}.name", code="not-supported"
            )
        if name in found and found[name] is not None:
            raise Refusal(400, f"{name} may stand only once", where=where)
        if name == "resource":
            value = row.get("resource")
            found |= {"within": f"{where}.resource"} if isinstance(value, dict) else {}
        else:
            value = next(
                (row[key] for key in ("valueCode", "valueUri", "valueCanonical", "valueString") if key in row), None
            )
        if not isinstance(value, dict if name == "resource" else str):
            raise Refusal(400, f"{name} has not the value that it takes", where=where, code="value")
        if name != "resource" and (known := getattr(asked, name)) and known != value:
            raise Refusal(400, f"{name} stands in the address too, and says something else", where=where)
        found[name] = value
    return asked._replace(**found)


def _refused_on_write(call: Call, tree: Tree, type_: str, mode: str, made_up: MadeUp) -> list[Fault]:
    """What a create or an update would be refused for, of a resource that is one of R4."""
    if type_ not in SERVICE_BY_TYPE and type_ not in SHARED_TYPES:
        return [_as_fault(not_served(type_))]
    raw = encode(tree)
    faults = not_understood(raw, tree)
    if mode == "update" and not isinstance(tree.get("id"), str):
        faults.append(Fault("An update needs the id of its record.", f"{type_}.id", "required"))
    elif mode == "update" and call.parameters.get("id", tree["id"]) != tree["id"]:
        faults.append(Fault("The id in the body is not the id in the address.", f"{type_}.id", "value"))
    try:
        made_up.check(raw, tree)
        if type_ in SHARED_TYPES:
            check_of_nobody(tree)
            return faults
        check_names(raw, tree)
        check_content(tree, content_of(tree))
    except Refusal as refusal:
        faults += [_as_fault(refusal), *refusal.faults]
    return faults


def _as_fault(refusal: Refusal) -> Fault:
    where = refusal.where if refusal.where != "path" else ""
    return Fault(str(Refusal(refusal.status, refusal.says, todo=refusal.todo)), where, refusal.code)


def _is_core(profile: str) -> bool:
    return profile.startswith("http://hl7.org/fhir/StructureDefinition/") and profile.rpartition("/")[2] in TYPES


def _not_of(profile: str) -> Fault:
    return Fault(f"resourceType must be {profile.rpartition('/')[2]}.", "resourceType", "structure", "profile-type")


def _beside(found: Found, unknown: list[int], type_: str) -> list[str]:
    """What is said of a resource in which nothing is wrong."""
    count = len(found.asked)
    of_profiles = f" and {count} profile{'' if count == 1 else 's'}" if count else ""
    said = [f"Nothing is wrong by R4{of_profiles}."]
    places = ", ".join(f"{type_}.meta.profile[{place}]" for place in unknown)
    return [*said, *([f"Not asked, since no package that is loaded has the profile: {places}."] if places else [])]


def _placed(faults: list[Fault], body: Body, raw: bytes, within: str, type_: str) -> list[Fault]:
    """The faults with the lines of the body. In Parameters the resource stands further in than its own paths say."""
    if not faults:
        return faults
    root = within or type_
    inner = [replace(one, where=root + one.where.removeprefix(type_)) for one in faults]
    if body.lines:
        found = [body.lines.get(one.where, 0) for one in inner]
    else:
        found = [one.line for one in with_lines(inner, raw, root.partition(".")[0])]
    return [replace(one, line=line) for one, line in zip(faults, found, strict=True)]
