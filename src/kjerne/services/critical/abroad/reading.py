"""A patient summary from abroad, read: whose it is, who made it, and which of its entries critical information has a place for.

The document is somebody else's and may be imperfect: what cannot be read of an entry is told with path and rule, and the entry
stands all the same. What makes it nobody's document, or two people's, refuses it. No reference is followed more than one step,
so documents that lead in a circle end. Sources: R4 documents.html and bundle.html; IPS 2.0.1 as in its package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple

from kjerne.errors import Fault, Refusal
from kjerne.fhir.cds_hooks import codings, named, objects, said
from kjerne.fhir.dates import interval
from kjerne.fhir.encode import encode
from kjerne.fhir.understood import turned
from kjerne.fhir.validate import FAULTS_LIMIT, check
from kjerne.registries.named import named_in, numbers_of
from kjerne.services.critical.abroad.refusing import refused
from kjerne.services.critical.drafts import TYPE_BY_KIND
from kjerne.services.critical.entries import Entry, entry
from kjerne.services.critical.kinds import TYPES

Tree = Mapping[str, Any]
SUMMARY: Final = ("http://loinc.org", "60591-5")
"""What a document says that is a patient summary."""
ENTRIES_LIMIT: Final = 2_000
SETTLED_LIMIT: Final = 500
"""Entries of one document that a clinician is asked about."""
TEXT_LONGEST: Final = 200
_TODO: Final = "Nothing of it was kept. Ask who made it for the document as it should be."
BESIDE: Final[Mapping[str, frozenset[str]]] = {
    "medicines": frozenset(
        {"MedicationAdministration", "MedicationDispense", "MedicationRequest", "MedicationStatement"}
    ),
    "vaccines": frozenset({"Immunization", "ImmunizationRecommendation"}),
    "results": frozenset({"DiagnosticReport", "Observation"}),
    "contained": frozenset(),
    "others": frozenset(),
}
_AROUND: Final = frozenset(
    "Binary Composition Device Encounter Location Medication Organization Patient Practitioner PractitionerRole Provenance"
    " RelatedPerson Specimen Substance".split()
)
"""What is there for the sake of something else."""
_OF_DEVICE: Final = ("implicitRules", "modifierExtension", "type", "udiCarrier", "deviceName")
_ABOUT: Final = {"AllergyIntolerance": "patient"}
_ABSOLUTE: Final = re.compile(r"(?:[a-z][a-z0-9+.\-]*:|//)", re.IGNORECASE)
"""An address with a scheme (RFC 3986), or with a server and no scheme."""
_SERVER: Final = re.compile(r"\A[a-z][a-z0-9+.\-]*://[^/@]*(?=/|\Z)", re.IGNORECASE)
_PATIENT: Final = ("", "Patient", "http://hl7.org/fhir/StructureDefinition/Patient")
Bar = Literal["", "no-subject", "modified", "not-done"]
"""Why an entry is shown and nothing of it may become a record: it does not say that it is about whom the document is about,
what is not known here may change what it means, or it says that something was not done."""


class Foreign(NamedTuple):
    """An entry that critical information has a place for: `place` in `Bundle.entry`, what it says as the program reads it (None
    where it is no valid resource), and what is wrong with it. `digest` tells it from another with other content; where there is
    a `bar` it is never more than shown."""

    place: int
    type: str
    tree: Tree
    entry: Entry | None
    faults: tuple[Fault, ...]
    digest: bytes
    bar: Bar = ""

    @property
    def name(self) -> str:
        """What it is called, also where it is no valid resource; empty where it says nothing."""
        return self.entry.now.name if self.entry is not None else _short(named(self.tree.get("code")))


class Head(NamedTuple):
    """What a document says of itself. Each may be empty; `at` is when it was made, `country` of who keeps it or else made it."""

    system: str
    value: str
    at: datetime | None
    date: str
    title: str
    language: str
    author: str
    custodian: str
    country: str


class Document(NamedTuple):
    """A document about one patient. `person` is the Patient that it has, `place` where that stands. `named` are the national
    numbers by which it names patients, each by where it stands: all of them must be hers (`identity.check_named`)."""

    head: Head
    person: Tree
    place: int
    entries: tuple[Foreign, ...]
    named: tuple[tuple[str, str], ...] = ()
    beside: tuple[tuple[str, int], ...] = ()
    """What else it says, which is never settled: how many of each of `BESIDE`."""


def read(tree: Tree, now: datetime) -> Document:
    """`Refusal` 422 with every fault by path and rule, where it is no patient summary about one person."""
    resources = _resources(tree)
    around = _Around(resources)
    composition = resources[0].resource
    place = _person(composition, around)
    about = [(one, _subject(one, place, around)) for one in resources if one.type in TYPES]
    _check_one_person(about)
    if len(about) > SETTLED_LIMIT:
        raise _refused(f"more than {SETTLED_LIMIT} entries are to be settled", "Bundle.entry", "too-many", "too-costly")
    turns = _turned_whole(tree, resources[place])
    entries = tuple(
        _foreign(one, fault, (*turns, *_turned(one, tree["entry"][one.place], around)), around, now)
        for one, (fault, _) in about
    )
    named = tuple(dict.fromkeys(named_in(tree, "Bundle")))
    return Document(
        _head(tree, composition, around), resources[place].resource, place, entries, named, _beside(resources)
    )


class _Held(NamedTuple):
    place: int
    address: str
    type: str
    resource: Tree


class _Around:
    """The resources of a document by every address that leads to them; one address may lead to several."""

    def __init__(self, resources: list[_Held]) -> None:
        self._places: dict[str, list[int]] = {}
        self.resources = resources
        for one in resources:
            own = f"{one.type}/{said(one.resource.get('id'))}"
            tail = "/".join(one.address.split("/")[-2:]) if "/" in one.address else ""
            for name in {_spelled(one.address), own, tail} - {""}:
                self._places.setdefault(name, []).append(one.place)

    def places(self, reference: str) -> list[int]:
        """An absolute address is that of a `fullUrl` or of nobody here (R4 bundle.html#references): the same type and id on
        another server is another's. A relative one leads to whoever has that type and id, whatever its own address is."""
        bare = _spelled(reference.partition("/_history/")[0])
        if _ABSOLUTE.match(bare):
            return self._places.get(bare, [])
        tail = "/".join(bare.split("/")[-2:])
        return self._places.get(bare) or (self._places.get(tail, []) if "/" in bare else [])

    def led_to(self, holder: Tree, reference: Any) -> Tree:
        """The resource that a reference leads to, in the document or contained; empty where it leads nowhere."""
        address = said(next(objects(reference), {}).get("reference"))
        if address[:1] == "#":
            return next((one for one in objects(holder.get("contained")) if one.get("id") == address[1:]), {})
        places = self.places(address) if address else []
        return self.resources[places[0]].resource if places else {}


def _spelled(address: str) -> str:
    """In one spelling: the letters of a UUID (RFC 9562), a scheme and a server (RFC 3986, 6.2.2.1) are one in either case."""
    if address[:9].lower() == "urn:uuid:":
        return address.lower()
    return _SERVER.sub(lambda found: found[0].lower(), address)


def _resources(tree: Tree) -> list[_Held]:
    if tree.get("resourceType") != "Bundle" or tree.get("type") != "document":
        raise _refused("a patient summary is a Bundle of type document", "Bundle.type", "bundle-document")
    rows = tree.get("entry")
    if not isinstance(rows, list) or not rows:
        raise _refused("the document has no entries", "Bundle.entry", "bdl-11")
    if len(rows) > ENTRIES_LIMIT:
        raise _refused(
            f"a document of more than {ENTRIES_LIMIT} entries is not read", "Bundle.entry", "too-many", "too-costly"
        )
    found, faults = list[_Held](), list[Fault]()
    for place, row in enumerate(rows):
        resource = row.get("resource") if isinstance(row, dict) else None
        if not isinstance(resource, dict) or not said(resource.get("resourceType")):
            faults.append(
                Fault("an entry has a resource", f"Bundle.entry[{place}].resource", "structure", "document-entry")
            )
            continue
        found.append(_Held(place, said(row.get("fullUrl")), said(resource["resourceType"]), resource))
    _check(faults)
    if found[0].type != "Composition":
        raise _refused("the first entry of a document is its Composition", "Bundle.entry[0].resource", "bdl-11")
    if SUMMARY not in {(system, code) for system, code, _ in codings(found[0].resource.get("type"))}:
        says = f"the document does not say that it is a patient summary (LOINC {SUMMARY[1]})"
        raise _refused(says, "Bundle.entry[0].resource.type", "patient-summary")
    return found


def _person(composition: Tree, around: _Around) -> int:
    """The place of the one Patient whom the document is about."""
    here = "Bundle.entry[0].resource.subject"
    address = said(next(objects(composition.get("subject")), {}).get("reference"))
    places = around.places(address) if address else []
    if not places or around.resources[places[0]].type != "Patient":
        raise _refused("the document leads to no Patient whom it is about", here, "no-subject")
    if len(places) > 1:
        raise _refused("two resources have the address of whom the document is about", here, "two-subjects")
    return places[0]


def _subject(one: _Held, person: int, around: _Around) -> tuple[Fault | None, bool]:
    """What is wrong with whom an entry is about, and whether it is somebody else in the document. Whom the Device of a use is of
    counts as well."""
    element = _ABOUT.get(one.type, "subject")
    found = _led(one.resource, element, f"Bundle.entry[{one.place}].resource.{element}", person, around)
    device = around.led_to(one.resource, one.resource.get("device")) if one.type == "DeviceUseStatement" else {}
    if found[0] is None and device.get("patient") is not None:
        return _led(device, "patient", f"Bundle.entry[{one.place}].resource.device", person, around)
    return found


def _led(holder: Tree, element: str, here: str, person: int, around: _Around) -> tuple[Fault | None, bool]:
    several = list(objects(holder.get(element)))
    reference: Tree = several[0] if len(several) == 1 else {}
    address = said(reference.get("reference"))
    places = around.places(address) if address else []
    if person in places and len(places) > 1:
        return Fault("two resources have this address", here, "business-rule", "two-subjects"), True
    if (places and person not in places) or (address[:1] == "#" and around.led_to(holder, reference)):
        return Fault("the entry is about another than the document", here, "business-rule", "two-subjects"), True
    is_her = person in places or not address
    if is_her and _may_be(reference, around.resources[person].resource, is_led=bool(places)):
        return None, False
    return Fault("the entry does not lead to whom the document is about", here, "business-rule", "no-subject"), False


def _may_be(reference: Tree, patient: Tree, *, is_led: bool) -> bool:
    """Whether what a reference says beside its address agrees with a Patient. A national number is held against her everywhere
    (`Document.named`); another identifier is one of hers, and where she has none of its system the address alone is enough."""
    if said(reference.get("type")) not in _PATIENT:
        return False
    identifier = next(objects(reference.get("identifier")), {})
    if numbers_of(identifier):
        return True
    if not identifier:
        return is_led
    pair = said(identifier.get("system")), said(identifier.get("value"))
    hers = [(said(one.get("system")), said(one.get("value"))) for one in objects(patient.get("identifier"))]
    return pair[1] != "" and (pair in hers or (is_led and pair[0] not in {system for system, _ in hers}))


def _check_one_person(about: list[tuple[_Held, tuple[Fault | None, bool]]]) -> None:
    _check([fault for _, (fault, is_another) in about if fault and is_another])


def _beside(resources: Sequence[_Held]) -> tuple[tuple[str, int], ...]:
    """`contained` are those that could be settled if they stood by themselves; `others` is what is of no other group."""
    count = dict.fromkeys(BESIDE, 0)
    group = {name: key for key, names in BESIDE.items() for name in names}
    for one in resources:
        if one.type not in TYPES and one.type not in _AROUND:
            count[group.get(one.type, "others")] += 1
        count["contained"] += sum(
            said(each.get("resourceType")) in TYPES for each in objects(one.resource.get("contained"))
        )
    return tuple((key, number) for key, number in count.items() if number)


def _turned_whole(tree: Tree, person: _Held) -> list[Fault]:
    """What may turn the meaning of everything in a document: what stands at the Bundle, its Composition and whom it is about."""
    parts = (
        ({key: value for key, value in tree.items() if key != "entry"}, "Bundle"),
        (tree["entry"][0], "Bundle.entry[0]"),
        (tree["entry"][person.place], f"Bundle.entry[{person.place}]"),
    )
    return [fault for part, where in parts for fault in turned(part, where)]


def _turned(one: _Held, row: Tree, around: _Around) -> list[Fault]:
    """And what may turn that of one entry: what stands at it, and at the Device that it uses."""
    here = f"Bundle.entry[{one.place}]"
    device = around.led_to(one.resource, one.resource.get("device")) if one.type == "DeviceUseStatement" else {}
    return [*turned(row, here), *turned(device, f"{here}.resource.device")]


def _foreign(one: _Held, fault: Fault | None, turns: Sequence[Fault], around: _Around, now: datetime) -> Foreign:
    tree = _with_device(one, around)
    here = f"Bundle.entry[{one.place}].resource"
    found = [
        replace(each, where=here + each.where.removeprefix(one.type)) for each in check(dict(one.resource), one.type)
    ]
    faults = (*((fault,) if fault else ()), *turns, *found)[:FAULTS_LIMIT]
    digest = blake2b(encode({"type": one.type, "said": tree}), digest_size=16).digest()
    read_ = None if found else _read(one, tree, now)
    undone = one.type == "Procedure" and tree.get("status") == "not-done"
    bar: Bar = "no-subject" if fault else "modified" if turns else "not-done" if undone else ""
    return Foreign(one.place, one.type, tree, read_, faults, digest, bar)


def _read(one: _Held, tree: dict[str, Any], now: datetime) -> Entry:
    """A kind that is none of critical information (`record`) is no kind here: whoever takes it in says which it is."""
    found = entry(one.type, str(one.place), [(1, now, tree)], now)
    said_ = found.now
    return found if said_.kind in TYPE_BY_KIND else found._replace(versions=(said_._replace(kind=""),))


def _with_device(one: _Held, around: _Around) -> dict[str, Any]:
    """The resource without its narrative and its id in the document; of a DeviceUseStatement with its Device inside, as the
    national profile has it."""
    tree = {key: value for key, value in one.resource.items() if key not in ("text", "id")}
    if one.type == "DeviceUseStatement":
        device = around.led_to(one.resource, one.resource.get("device"))
        if device.get("resourceType") == "Device":
            kind = {key: device[key] for key in _OF_DEVICE if key in device}
            others = [each for each in objects(tree.get("contained")) if each.get("resourceType") != "Device"]
            tree["contained"] = [*others, {"resourceType": "Device", "id": "device", **kind}]
            tree["device"] = {"reference": "#device"}
    return tree


def _head(tree: Tree, composition: Tree, around: _Around) -> Head:
    number = next(objects(tree.get("identifier")), {})
    date = said(tree.get("timestamp")) or said(composition.get("date"))
    authors = list(_named(composition, composition.get("author"), around))
    keeper = around.led_to(composition, composition.get("custodian"))
    keepers = list(_named(composition, composition.get("custodian"), around))
    made_by = next((around.led_to(composition, one) for one in objects(composition.get("author"))), {})
    return Head(
        said(number.get("system")), said(number.get("value")), moment(date), _short(date),
        _short(said(composition.get("title"))), _short(said(composition.get("language")) or said(tree.get("language"))),
        _short(", ".join(authors)), _short(", ".join(keepers)), _country(keeper) or _country(made_by),
    )  # fmt: skip


def _named(holder: Tree, references: Any, around: _Around) -> Iterator[str]:
    for reference in objects(references):
        led = around.led_to(holder, reference)
        person = next(objects(led.get("name")), {})
        whole = " ".join((*_texts(person.get("given")), *_texts(person.get("family"))))
        told = said(led.get("name")) or said(person.get("text")) or whole or named(led.get("type"))
        device = next((said(one.get("name")) for one in objects(led.get("deviceName"))), "")
        if text := said(reference.get("display")) or told or device:
            yield text


def _texts(value: Any) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _country(tree: Tree) -> str:
    return next((_short(country) for one in objects(tree.get("address")) if (country := said(one.get("country")))), "")


def moment(text: str) -> datetime | None:
    """When a document says that it was made; None where it says nothing that can be read."""
    try:
        return interval(text)[0] if text else None
    except (ValueError, Refusal):
        return None


def _short(text: str) -> str:
    """In one line, and not longer than a page shows."""
    return " ".join(text.split())[:TEXT_LONGEST]


def _check(faults: list[Fault]) -> None:
    if faults:
        first, *rest = faults[:FAULTS_LIMIT]
        raise Refusal(
            422, first.says, where=first.where, todo=_TODO, code=first.code, fault=first, faults=tuple(rest)
        )  # fmt: skip


def _refused(says: str, where: str, rule: str, code: str = "business-rule") -> Refusal:
    return refused(422, says, where, rule, todo=_TODO, code=code)
