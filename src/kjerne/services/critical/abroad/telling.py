"""A kept document and its entries as FHIR tells them: a DocumentReference, and Parameters with an OperationOutcome per entry.

R4 has no resource for a reconciliation that says what was left out, and why. So the answer is Parameters, as for groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from kjerne.errors import Fault
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import encode
from kjerne.fhir.outcome import judged
from kjerne.registries.identifiers import OID_PERSON
from kjerne.services.critical.abroad.reading import SUMMARY, moment
from kjerne.services.critical.abroad.reconciling import Beside, Compared, proposed
from kjerne.services.critical.abroad.settling import Opened
from kjerne.services.critical.groups import Entered
from kjerne.store.abroad import Held, Step, Told

Tree = dict[str, Any]
_OWN: Final = "http://kjerne.example/fhir/"
BROUGHT: Final = f"{_OWN}StructureDefinition/brought-by"
HASH: Final = f"{_OWN}StructureDefinition/sha-256"
COUNTRY: Final = f"{_OWN}StructureDefinition/from-country"
TAG: Final = {
    "system": f"{_OWN}CodeSystem/provenance",
    "code": "from-abroad",
    "display": "From abroad: no part of the national record",
}
_NOT_TOLD: Final = dict.fromkeys(
    ("identifier", "date", "title", "language", "author", "custodian", "country", "sha256"), ""
)
_STATUS: Final = {"withdrawn": "entered-in-error", "replaced": "superseded"}
_DEEDS: Final = {"taken": "take-in", "same": "same-as", "left": "leave-out"}
_SAYS: Final[Mapping[str, str]] = {
    "same-as": "It says what is registered here. Look, and say which record it is.",
    "new": "Nothing that you may see here is about this; something may be hidden from you. It is taken in by nobody but you.",
    "conflicts-with": "It says something else than what is registered here.",
    "cannot-be-compared": "It could not be compared with what is registered here.",
    "negative": "It says that there is nothing, or that nothing is known. That is shown, and never taken in.",
}
_ANOTHERS: Final = Fault(
    "The document has a national number of somebody else. Nothing of it is told; take it back", "Bundle", "business-rule",
    "other-number",
)  # fmt: skip
_WHY: Final[Mapping[str, str]] = {
    "no-subject": "it does not lead to whom the document is about",
    "modified": "something in it that is not known here may change what it means", "not-done": "it says that it was not done",
    "several-codes": "its codes do not say the same",
    "invalid": "it is no valid resource of R4", "uncoded": "it has no code",
    "unknown-system": "its codes are of no system known here",
    "other-system": "something that is registered has codes of other systems alone",
}  # fmt: skip


def reference(held: Held, base: str, replaces: UUID | None = None) -> Tree:
    """The document as a DocumentReference; `base` is where its addresses begin. Of one that was taken back, which may be somebody
    else's, nothing is told that it says itself."""
    last = held.last()
    told = held.told if not held.is_taken_back else msgspec.structs.replace(held.told, **_NOT_TOLD)
    tree: Tree = {
        "resourceType": "DocumentReference",
        "id": str(held.number),
        "meta": {"lastUpdated": (last.at if last else held.at).isoformat(), "tag": [TAG]},
        "extension": list(_extensions(told)),
        "status": _STATUS.get(last.kind, "current") if last else "current",
        "type": {"coding": [{"system": SUMMARY[0], "code": SUMMARY[1]}]},
        "date": held.at.isoformat(),
        "content": [{
            "attachment": {
                "contentType": told.media, "url": f"{base}/{held.number}/content", "size": told.size_bytes,
                **({"language": told.language} if told.language else {}), **({"title": told.title} if told.title else {}),
                **({"creation": told.date} if "T" in told.date and moment(told.date) else {}),
            },
        }],
    }  # fmt: skip
    if told.identifier:
        system, _, value = told.identifier.rpartition("|")
        tree["masterIdentifier"] = {**({"system": system} if system else {}), "value": value}
    if told.author:
        tree["author"] = [{"display": told.author}]
    if told.custodian:
        tree["custodian"] = {"display": told.custodian}
    if replaces is not None:
        tree["relatesTo"] = [{"code": "replaces", "target": {"reference": f"DocumentReference/{replaces}"}}]
    return tree


def _extensions(told: Told) -> Iterator[Tree]:
    who: Tree = {"type": "Practitioner", **({"display": told.brought_by} if told.brought_by else {})}
    if told.hpr:
        who["identifier"] = {"system": f"{OID_PERSON}4", "value": told.hpr}
    yield {"url": BROUGHT, "valueReference": who}
    if told.sha256:
        yield {"url": HASH, "valueString": told.sha256}
    if told.country:
        yield {"url": COUNTRY, "valueString": told.country}


def listed(documents: list[Held], base: str) -> bytes:
    """All of a patient's documents as a searchset."""
    former = {last.record: one.number for one in documents if (last := one.last()) and last.kind == "replaced"}
    entries = [
        {
            "fullUrl": f"{base}/{one.number}",
            "resource": reference(one, base, former.get(one.number)),
            "search": {"mode": "match"},
        }
        for one in documents
    ]
    tree = {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(documents),
        "link": [{"relation": "self", "url": base}],
    }
    return encode(tree | ({"entry": entries} if entries else {}))


def told(opened: Opened, base: str) -> bytes:
    """A document with its entries, each beside what is registered, with its proposal and what was decided."""
    entries: list[Tree] = [{"name": "entry", "part": list(_entry(opened, one))} for one in opened.entries]
    document = {"name": "document", "resource": reference(opened.held, base)}
    if opened.is_anothers:
        entries.append({"name": "outcome", "resource": judged((_ANOTHERS,), (), ())})
    return encode({"resourceType": "Parameters", "parameter": [document, *entries]})


def _entry(opened: Opened, one: Compared) -> Iterator[Tree]:
    place, foreign = one.foreign.place, one.foreign
    yield {"name": "place", "valueInteger": place}
    yield {"name": "version", "valueString": opened.tags[place]}
    yield {"name": "type", "valueCode": foreign.type}
    yield from _said(("name", foreign.name), ("standing", foreign.entry.now.standing if foreign.entry else ""))
    yield {"name": "proposal", "valueCode": one.proposal}
    yield from _said(("why", one.why))
    yield {"name": "resource", "resource": foreign.tree}
    if tree := proposed(one):
        yield {"name": "proposed", "resource": tree}
    yield from ({"name": "beside", "part": list(_beside(each))} for each in one.beside)
    yield from ({"name": "apart", "valueReference": {"reference": _address(each)}} for each in one.apart)
    if step := opened.held.last(place):
        yield {"name": "decision", "part": list(_step(step))}
    if step := opened.before.get(place):
        yield {"name": "decided-before", "part": list(_step(step))}
    yield {"name": "outcome", "resource": outcome(one)}


def outcome(one: Compared) -> Tree:
    """What is to be said of an entry: what is wrong with it by path and rule, and what the proposal means."""
    why = f" ({_WHY[one.why]})" if one.why else ""
    place = f"Bundle.entry[{one.foreign.place}]"
    proposal = Fault(_SAYS[one.proposal].rstrip(".") + why, place, "informational", one.proposal)
    return judged(one.foreign.faults, (proposal,), ())


def _said(*pairs: tuple[str, str]) -> Iterator[Tree]:
    yield from ({"name": name, "valueString": value} for name, value in pairs if value)


def _beside(one: Beside) -> Iterator[Tree]:
    yield {
        "name": "record",
        "valueReference": {"reference": _address(one.record), "display": one.record.entry.now.name},
    }
    yield {"name": "relation", "valueCode": one.relation}
    yield from ({"name": "differs", "valueCode": about} for about in one.differs)


def _step(step: Step) -> Iterator[Tree]:
    yield {
        "name": "decision",
        "valueCode": {"taken": "take-in", "same": "same-as", "left": "leave-out"}.get(step.kind, step.kind),
    }
    yield {"name": "at", "valueInstant": step.at.isoformat()}
    yield from _said(("by", step.said.by), ("reason", step.said.reason))
    if step.record is not None and step.type is not None:
        yield {"name": "record", "valueReference": {"reference": f"{type_name(step.type)}/{step.record}"}}


def _address(one: Entered) -> str:
    return f"{one.entry.type}/{one.entry.id}"
