"""The patient's choices as FHIR Consent, for the citizen's own client: read, searched, made, and withdrawn.

The national Consent guide (HL7Norway/Consent): scope patient-privacy, category LOINC 59284-0, policy rule pbrl § 5-3,
`deny` with actor and data for what is shut, `permit` for consent. A Consent is a view of a choice and no record: it says
nothing of health, and the choice is what holds. Source of the form: http://hl7.org/fhir/R4/consent.html.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from kjerne.access import Choice, Grant, Held, Wish
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, PatientRef, Route, granted
from kjerne.fhir import smart
from kjerne.fhir.bundle import searchset
from kjerne.fhir.encode import encode
from kjerne.fhir.interaction import OF_A_WRITE, known
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.validate import check
from kjerne.registries.naming import check_subject, number_in, patient_of
from kjerne.store.patient_ids import check_reference, id_of, subject_key
from kjerne.store.sealed_id import SealedIds

SCOPE: Final = "kjerne:citizen"
LIMIT_BYTES: Final = 20_000
SERVICE: Final = "results"

_OWN: Final = "http://kjerne.example/fhir"
GUIDE: Final[Mapping[str, Any]] = {
    "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
    "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
    "policyRule": {
        "coding": [{"system": "http://hl7.no/fhir/CodeSystem/no-basis-legal-formality-or-basis", "code": "PBRL5-3"}]
    },
}
DELETED_AT: Final = f"{_OWN}/StructureDefinition/deleted-at"
_KINDS: Final = f"{_OWN}/CodeSystem/choice-kind"
_PARTS: Final = f"{_OWN}/CodeSystem/content-kind"
_GROUPS: Final = f"{_OWN}/CodeSystem/role-group"
_SERVICES: Final = f"{_OWN}/CodeSystem/service"
_HPR: Final = "urn:oid:2.16.578.1.12.4.1.4.4"
_ENH: Final = "urn:oid:2.16.578.1.12.4.1.4.101"
_COURSE: Final = f"{_OWN}/NamingSystem/course"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_AGAINST, _AUTHOR = "IRCP", "AUT"

Tree = dict[str, Any]


class Choices(Protocol):
    """What keeps the choices: `policy.choosing`, one layer up."""

    async def held(self, grant: Grant, *, ended: bool = False) -> list[Held]: ...

    async def make(self, grant: Grant, wish: Wish) -> Held: ...

    async def lift(self, grant: Grant, number: int) -> Held: ...


@dataclass(frozen=True)
class ConsentsApi:
    """Handlers. `deletion_of` says when an opt-out turns into deletion, `identify` makes a reference from a number."""

    choices: Choices
    ids: SealedIds
    parse_json: Callable[[bytes], Tree]
    identify: Callable[[str], PatientRef]
    deletion_of: Callable[[Choice], datetime | None]

    def routes(self) -> list[Route]:
        at = "/fhir/R4/Consent"
        return [
            Route("GET", at, self.search, SCOPE, "fhir"),
            Route("GET", at + "/{id}", self.read, SCOPE, "fhir"),
            Route("POST", at, self.create, SCOPE, "fhir", LIMIT_BYTES),
            Route("PUT", at + "/{id}", self.withdraw, SCOPE, "fhir", LIMIT_BYTES),
        ]

    async def search(self, call: Call) -> Answer:
        """Everything the patient has chosen, newest first; `status=active` for what is in force."""
        check_accepted(call)
        status = dict(call.query).get("status", "")
        if len(call.query) > 1 or (call.query and status not in ("active", "inactive")):
            raise Refusal(400, "a search for Consent takes status=active or status=inactive alone", where="query")
        base = f"{call.base_url}/fhir/R4/Consent"

        async def use(grant: Grant) -> Answer:
            held = await self.choices.held(grant, ended=True)
            trees = [self.tree(one, grant.at) for one in held]
            found = [tree for tree in trees if status in ("", tree["status"])]
            entries = [(f"{base}/{tree['id']}", encode(tree), "match") for tree in found]
            link = f"{base}?status={status}" if status else base
            return Answer(200, searchset(entries, [("self", link)], len(found)))

        return await self._granted(call, "s", use)

    async def read(self, call: Call) -> Answer:
        """One choice, in force or ended."""
        check_accepted(call)
        if call.query:
            raise Refusal(400, "a Consent is read whole", where="query")
        patient, number = self._named(call)

        async def use(grant: Grant) -> Answer:
            held = await self.choices.held(grant, ended=True)
            found = next((one for one in held if (one.patient, one.number) == (patient, number)), None)
            if found is None:
                raise _absent()
            return Answer(200, encode(self.tree(found, grant.at)))

        return await self._granted(call, "r", use)

    async def create(self, call: Call) -> Answer:
        """Puts a choice in force from the next request on."""
        tree = self._checked(call)
        wish = wish_of(tree)

        async def use(grant: Grant) -> Answer:
            self._check_patient(tree, grant)
            made = self.tree(await self.choices.make(grant, wish), grant.at)
            location = f"{call.base_url}/fhir/R4/Consent/{made['id']}"
            return Answer(201, encode(made), headers=(("location", location),))

        return await self._granted(call, "c", use)

    async def withdraw(self, call: Call) -> Answer:
        """Ends a choice: the Consent with its status set to inactive. Nothing else of it can be changed."""
        patient, number = self._named(call)
        tree = self._checked(call)
        if tree.get("id") != call.parameters["id"]:
            raise Refusal(400, "the id in the body is not the id in the address", where="Consent.id")
        if tree.get("status") != "inactive":
            raise Refusal(
                422,
                "a choice is not changed",
                where="Consent.status",
                todo="Set it to inactive, and create another one.",
            )

        async def use(grant: Grant) -> Answer:
            if patient not in grant.subject.keys:
                raise _absent()
            self._check_patient(tree, grant)
            return Answer(200, encode(self.tree(await self.choices.lift(grant, number), grant.at)))

        return await self._granted(call, "u", use)

    def tree(self, held: Held, now: datetime) -> Tree:
        """A choice as a Consent."""
        choice = held.choice
        ended = choice.ended_at is not None and choice.ended_at <= now
        deletion = None if ended else self.deletion_of(choice)
        return {
            "resourceType": "Consent",
            "id": str(self.ids.make(held.patient, held.number)),
            **({"extension": [{"url": DELETED_AT, "valueDateTime": deletion.isoformat()}]} if deletion else {}),
            "status": "inactive" if ended else "active",
            "patient": {"type": "Patient", "reference": f"Patient/{id_of(self.ids, held.patient)}"},
            **GUIDE,
            "category": [
                *GUIDE["category"],
                _concept(_KINDS, choice.kind),
                _concept(_SERVICES, choice.service or SERVICE),
            ],
            **({"dateTime": held.set_at.isoformat()} if held.set_at else {}),
            **({"performer": [{"display": _BY[held.set_by]}]} if held.set_by in _BY else {}),
            "provision": _provision(choice),
        }

    def _check_patient(self, tree: Tree, grant: Grant) -> None:
        """`Refusal` 422 where a Consent does not say that it is about the one whom the header names: she is whom it shuts
        out others from, or deletes."""
        check_subject(tree, grant, self.identify)
        check_reference(self.ids, tree, grant.subject.keys)
        if not number_in(tree) and subject_key(self.ids, tree) is None:
            raise Refusal(
                422, "a choice says whose it is", where="Consent.patient",
                todo="Name her by her national number (identifier) or her address here (reference, Patient/{id}).",
            )  # fmt: skip

    def _checked(self, call: Call) -> Tree:
        check_accepted(call)
        known(call, call.query, OF_A_WRITE)
        check_sent(call)
        tree = self.parse_json(call.body)
        if tree.get("resourceType") != "Consent":
            raise Refusal(400, "the body is not a Consent", where="resourceType")
        faults = tuple(check(tree, "Consent"))
        if faults:
            raise Refusal(422, faults[0].says, where=faults[0].where, code="invalid", faults=faults[1:])
        return tree

    async def _granted(self, call: Call, letter: str, use: Callable[[Grant], Awaitable[Answer]]) -> Answer:
        """Under the law, which has the token's SMART scopes leave this letter of Consent whole."""
        patient = self._patient(call)
        try:
            return await granted(call.admit, patient, SERVICE, "choose", use, piece=f"Consent.{letter}")
        except Denied:
            smart.demand_whole(call.caller, ("Consent",), letter)
            raise

    def _patient(self, call: Call) -> PatientRef:
        return patient_of(call, self.identify)

    def _named(self, call: Call) -> tuple[int, int]:
        id_ = self.ids.parse(call.parameters["id"])
        if id_ is None:
            raise _absent()
        return self.ids.patient(id_), self.ids.number(id_)


_BY: Final = {
    **dict.fromkeys(("own-choices", "youth-choices"), "the patient"),
    **dict.fromkeys(("parent-choices", "parent-permits"), "a parent"),
    **dict.fromkeys(
        ("proxy-choices", "guardian-choices", "guardian-of-minor-choices", "guardian-permits"), "a representative"
    ),
}
_PERMITTING: Final = frozenset({"consent", "youth-access"})


def _absent() -> Refusal:
    return Refusal(404, "no Consent with this id that you may see", where="id")


def _concept(system: str, code: str) -> Tree:
    return {"coding": [{"system": system, "code": code}]}


def _provision(choice: Choice) -> Tree:
    period = {"start": choice.made_at.isoformat()}
    if choice.ended_at:
        period["end"] = choice.ended_at.isoformat()
    actors = [
        _actor(role, type_, system, value)
        for role, type_, system, value in (
            (_AGAINST, "Practitioner", _HPR, choice.hpr),
            (_AGAINST, "Organization", _ENH, choice.organisation),
            (_AGAINST, "PractitionerRole", _GROUPS, choice.role),
            (_AUTHOR, "Organization", _ENH, choice.source),
        )
        if value
    ]
    data = []
    if choice.record:
        # The type is not known to the choice: an id here names one record whatever it is.
        data.append({"meaning": "instance", "reference": {"identifier": {"system": _OWN, "value": str(choice.record)}}})
    if choice.course:
        data.append({"meaning": "related", "reference": _reference("EpisodeOfCare", _COURSE, choice.course)})
    return {
        "type": "permit" if choice.kind in _PERMITTING else "deny",
        "period": period,
        **({"actor": actors} if actors else {}),
        **({"code": [_concept(_PARTS, choice.part)]} if choice.part else {}),
        **({"data": data} if data else {}),
    }


def _actor(role: str, type_: str, system: str, value: str) -> Tree:
    return {"role": _concept(_PARTICIPATION, role), "reference": _reference(type_, system, value)}


def _reference(type_: str, system: str, value: str) -> Tree:
    return {"type": type_, "identifier": {"system": system, "value": value}}


def wish_of(tree: Tree) -> Wish:
    """What a Consent asks for. `Refusal` 422 for whatever in it would not be obeyed: nobody may think that it is."""
    _only(tree, "Consent", {"resourceType", "id", "meta", "status", "scope", "category", "policyRule", "policy", "dateTime",
                            "performer", "patient", "provision", "extension", "text"})  # fmt: skip
    if tree.get("status") != "active":
        raise _wrong("Consent.status", "A Consent that is made is active.")
    for name in ("scope", "policyRule"):
        if _codes(tree.get(name, {})) != _codes(GUIDE[name]):
            raise _wrong(f"Consent.{name}", "This is not the national guide's.")
    categories = {pair for one in tree.get("category", ()) for pair in _codes(one)}
    if not _codes(GUIDE["category"][0]) <= categories:
        raise _wrong("Consent.category", "The category of the national guide is missing (LOINC 59284-0).")
    provision = tree.get("provision", {})
    _only(provision, "Consent.provision", {"type", "period", "actor", "code", "data"})
    found = _actors(provision)
    wish = Wish(
        _one(categories, _KINDS) or _kind(provision, found),
        _one(categories, _SERVICES) or SERVICE,
        until=_moment(provision, "end"),
        since=_moment(provision, "start") if provision.get("type") == "permit" else None,
        part=_part(provision),
        **found,
        **_data(provision),
    )
    if (wish.kind == "consent") != (provision.get("type") == "permit"):
        raise _wrong("Consent.provision.type", "A consent permits, and every other choice denies.")
    return wish


def _one(categories: Collection[tuple[str, str]], system: str) -> str:
    """The code of a system of ours, empty for none. `Refusal` 422 for several: each choice is a Consent of its own."""
    codes = [code for of, code in categories if of == system]
    if len(codes) > 1:
        raise _wrong("Consent.category", "A Consent is one kind of choice about one service.")
    return codes[0] if codes else ""


def _kind(provision: Tree, actors: Mapping[str, str]) -> str:
    """The kind of choice where none is named: an opt-out always is, since it ends in deletion."""
    if provision.get("type") == "permit":
        return "consent"
    if any(one.get("meaning") == "instance" for one in provision.get("data", ())):
        return "record"
    return "block" if "hpr" in actors else "restriction"


def _actors(provision: Tree) -> dict[str, str]:
    by_place = {
        (_AGAINST, _HPR): "hpr", (_AGAINST, _ENH): "organisation", (_AGAINST, _GROUPS): "role", (_AUTHOR, _ENH): "source",
    }  # fmt: skip
    found: dict[str, str] = {}
    for actor in provision.get("actor", ()):
        identifier = actor.get("reference", {}).get("identifier", {})
        roles = [code for system, code in _codes(actor.get("role", {})) if system == _PARTICIPATION]
        name = by_place.get((roles[0] if len(roles) == 1 else "", identifier.get("system", "")))
        if name is None or name in found or not identifier.get("value"):
            raise _wrong(
                "Consent.provision.actor", "Each actor is named once: HPR, organisation, group, or the sender."
            )
        found[name] = identifier["value"]
    return found


def _part(provision: Tree) -> str:
    codes = [pair for one in provision.get("code", ()) for pair in _codes(one)]
    if not codes:
        return ""
    if len(codes) > 1 or codes[0][0] != _PARTS:
        raise _wrong("Consent.provision.code", "A restriction is of one kind of content.")
    return str(codes[0][1])


def _data(provision: Tree) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in provision.get("data", ()):
        identifier = one.get("reference", {}).get("identifier", {})
        literal = one.get("reference", {}).get("reference", "")
        name = {"instance": "record", "related": "course"}.get(one.get("meaning", ""))
        value = identifier.get("value") or literal.rpartition("/")[2]
        if name is None or name in found or not value:
            raise _wrong("Consent.provision.data", "It names one record (instance) or one course (related).")
        found[name] = value
    return found


def _moment(provision: Tree, name: str) -> datetime | None:
    text = provision.get("period", {}).get(name, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise _wrong(f"Consent.provision.period.{name}", "It is a time of day with its zone.")
    return at


def _codes(concept: Tree) -> set[tuple[str, str]]:
    return {(one.get("system", ""), one.get("code", "")) for one in concept.get("coding", ())}


def _only(tree: Tree, where: str, known: set[str]) -> None:
    unknown = sorted(tree.keys() - known)
    if unknown:
        raise _wrong(f"{where}.{unknown[0]}", "This part of a Consent is not obeyed here.")


def _wrong(where: str, says: str) -> Refusal:
    return Refusal(422, says, where=where, todo="See docs/api.md, Choices as Consent.", rule="choice-invalid")
