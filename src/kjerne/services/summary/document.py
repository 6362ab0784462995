"""A summary as an IPS document: a Bundle whose Composition leads to every entry, valid by IPS 2.0.1 and by EU EPS.

Who made it is the Device (this program) on behalf of whoever runs it; which organisations what it says comes from stands in a
Provenance, as far as the records name them. Addresses are the same each time: a record has its own, and what is made here a
`urn:uuid:` that follows from the patient's. Only the document's own identifier is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any, Final
from uuid import UUID, uuid5

from kjerne import __version__
from kjerne.registries.identifiers import OID_PERSON
from kjerne.registries.summary_words import say
from kjerne.services.summary import narrative
from kjerne.services.summary.fitting import fitted, led_to, organisations, unknown, with_code
from kjerne.services.summary.model import (
    ABSENT_UNKNOWN,
    EMPTY_REASON,
    EPS,
    IPS,
    KIND_BY_LOINC,
    LOINC,
    Section,
    Summary,
    Tree,
)

COMPOSITION_PROFILES: Final = (f"{IPS}Composition-uv-ips", f"{EPS}composition-eu-eps")
BUNDLE_PROFILES: Final = (f"{IPS}Bundle-uv-ips", f"{EPS}bundle-eu-eps")
INCOMPLETE: Final = {"system": "http://kjerne.example/fhir/CodeSystem/patient-summary", "code": "incomplete"}
"""The tag of a summary, and of its Composition, that may lack something."""
LACKING: Final = "http://kjerne.example/fhir/StructureDefinition/incomplete-section"
"""The extension of a section that may lack something: `withheld` or `unavailable`."""
OTHERS: Final = "http://kjerne.example/fhir/StructureDefinition/others-left-out"
"""The extension of a section that what is about another than the patient was left out of."""
ORGANISATIONS: Final = f"{OID_PERSON}101"
_SPACE: Final = UUID("6a0d3a5e-5b0c-5b9a-9d43-6f7f2f0d4e11")
_URI: Final = "urn:ietf:rfc:3986"
_ACTORS: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def document(summary: Summary) -> Tree:
    """The Bundle."""
    return _Document(summary).bundle()


def lacking(made: Tree) -> tuple[str, ...]:
    """The keys of the sections of a document of ours that lack something, in their order."""
    found = (
        KIND_BY_LOINC.get(one["code"]["coding"][0]["code"])
        for one in made["entry"][0]["resource"]["section"]
        if any(each["url"] == LACKING for each in one.get("extension", ()))
    )
    return tuple(one.key for one in found if one is not None)


class _Document:
    def __init__(self, summary: Summary) -> None:
        self._summary = summary
        self._patient = f"{summary.base}/Patient/{summary.patient['id']}"
        self._at = summary.made_at.astimezone(UTC).isoformat(timespec="seconds")
        self._incomplete = bool(summary.incomplete)
        trees = [one for section in summary.sections for one in section.entries]
        self._numbers = sorted({number for one in trees for number in organisations(one, ORGANISATIONS)})
        self._fitted = {
            self._address(one): fitted(one, self._patient, summary.base)
            for section in summary.sections
            for one in section.entries
        }
        self._beside = {self._address(one): self._placed(one) for one in self._reached()}

    def bundle(self) -> Tree:
        entries = [
            (self._own("composition"), self._composition()),
            (self._patient, _named(self._summary.patient)),
            (self._own("device"), self._device()),
            (self._own("custodian"), self._custodian()),
            *self._sources(),
            *self._fitted.items(),
            *self._beside.items(),
            (self._own("provenance"), self._provenance()),
        ]
        return {
            "resourceType": "Bundle",
            "meta": self._meta(BUNDLE_PROFILES),
            "language": self._summary.language,
            "identifier": {"system": _URI, "value": uuid5(_SPACE, self._summary.number).urn},
            "type": "document",
            "timestamp": self._at,
            "entry": [{"fullUrl": address, "resource": resource} for address, resource in entries],
        }

    def _meta(self, profiles: tuple[str, ...]) -> Tree:
        return {"profile": list(profiles)} | ({"tag": [dict(INCOMPLETE)]} if self._incomplete else {})

    def _own(self, what: str) -> str:
        """The address of what is made here for this patient."""
        return uuid5(_SPACE, f"{self._patient} {what}").urn

    def _id(self, what: str) -> str:
        return self._own(what).removeprefix("urn:uuid:")

    def _address(self, tree: Tree) -> str:
        return f"{self._summary.base}/{tree['resourceType']}/{tree['id']}"

    def _reached(self) -> Iterator[Tree]:
        """What stands in no section and is led to from one, step by step."""
        rest = {self._address(one): one for one in self._summary.beside}
        if not rest:
            return
        waiting = [text for one in self._fitted.values() for text in led_to(one)]
        while waiting:
            found = rest.pop(waiting.pop(), None)
            if found is not None:
                yield found
                waiting += led_to(self._placed(found))

    def _placed(self, tree: Tree) -> Tree:
        """What is about nobody keeps its subject as it is: it has none."""
        if tree["resourceType"] == "Medication":
            return with_code(tree)
        about_her = tree["resourceType"] in ("Observation", "Device")
        return fitted(tree, self._patient, self._summary.base) if about_her else tree

    def _composition(self) -> Tree:
        summary, language = self._summary, self._summary.language
        title = say(language, "document.title")
        lacking = [say(language, f"section.{one.kind.key}") for one in summary.incomplete]
        return {
            "resourceType": "Composition",
            "id": self._id("composition"),
            "meta": self._meta(COMPOSITION_PROFILES),
            "language": language,
            "text": {"status": "generated", "div": narrative.of_document(title, lacking, language)},
            "identifier": {"system": _URI, "value": self._own("composition")},
            "status": "final",
            "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
            "subject": {"reference": self._patient},
            "date": self._at,
            "author": [{"reference": self._own("device"), "display": "kjerne"}],
            "title": title,
            "custodian": {"reference": self._own("custodian")},
            "event": [{
                "code": [{"coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v3-ActClass", "code": "PCPR", "display": "care provision"}
                ]}],
                "period": {"end": self._at},
            }],
            "section": [self._section(one) for one in summary.sections],
        }  # fmt: skip

    def _section(self, section: Section) -> Tree:
        kind, language = section.kind, self._summary.language
        around = self._fitted | self._beside
        shown = Section(
            kind, [self._fitted[self._address(one)] for one in section.entries], section.is_whole, section.is_withheld,
            section.is_read, section.leaves_out_others,
        )  # fmt: skip
        told: Tree = {}
        if not section.is_whole:
            told["extension"] = [{"url": LACKING, "valueCode": "withheld" if section.is_withheld else "unavailable"}]
        if section.leaves_out_others:
            told["extension"] = [*told.get("extension", ()), {"url": OTHERS, "valueBoolean": True}]
        told |= {
            "title": say(language, f"section.{kind.key}"),
            "code": {"coding": [{"system": LOINC, "code": kind.loinc, "display": kind.display}]},
            "text": {"status": "generated", "div": narrative.of_section(shown, language, around)},
        }
        if section.entries:
            told["entry"] = [{"reference": self._address(one)} for one in section.entries]
        else:
            told["emptyReason"] = _empty(section, language)
        return told

    def _device(self) -> Tree:
        return {
            "resourceType": "Device",
            "id": self._id("device"),
            "deviceName": [{"name": "kjerne", "type": "user-friendly-name"}],
            "version": [{"value": __version__}],
            "owner": {"reference": self._own("custodian")},
        }

    def _custodian(self) -> Tree:
        return {
            "resourceType": "Organization",
            "id": self._id("custodian"),
            "name": "kjerne",
            "telecom": [{"system": "url", "value": self._summary.base}],
        }

    def _sources(self) -> Iterator[tuple[str, Tree]]:
        """The organisations that the records name as theirs."""
        for number in self._numbers:
            yield (
                self._own(f"organisation {number}"),
                {
                    "resourceType": "Organization",
                    "id": self._id(f"organisation {number}"),
                    "identifier": [{"system": ORGANISATIONS, "value": number}],
                    "name": self._summary.organisations.get(number, number),
                },
            )

    def _provenance(self) -> Tree:
        """That the program put it together, and whose records it is made of."""
        agents: list[Tree] = [
            {
                "type": _actor("assembler"),
                "who": {"reference": self._own("device")},
                "onBehalfOf": {"reference": self._own("custodian")},
            }
        ]
        agents += [
            {"type": _actor("author"), "who": {"reference": self._own(f"organisation {number}")}}
            for number in self._numbers
        ]
        return {
            "resourceType": "Provenance",
            "id": self._id("provenance"),
            "target": [{"reference": self._own("composition")}],
            "recorded": self._at,
            "agent": agents,
        }


def _actor(code: str) -> Tree:
    return {"coding": [{"system": _ACTORS, "code": code, "display": code.capitalize()}]}


def _empty(section: Section, language: str) -> Tree:
    """Why a section has no entry: nothing is registered (the section's own code of absence beside R4's), or nobody can tell."""
    code = "withheld" if section.is_withheld else "unavailable"
    coding = [{"system": EMPTY_REASON, "code": code, "display": code.capitalize()}]
    if section.is_read and section.kind.absent:
        coding.append({"system": ABSENT_UNKNOWN, "code": section.kind.absent})
    return {"coding": coding, "text": say(language, "empty.none" if section.is_read else "empty.unavailable")}


def _named(patient: Tree) -> Tree:
    """With what IPS demands of a Patient, said to be unknown where the register does not say it."""
    told: dict[str, Any] = {key: value for key, value in patient.items() if key != "text"}
    if not any(one.keys() & {"family", "given", "text"} for one in told.get("name", ())):
        told["name"] = [{"_text": unknown()}]
    if "birthDate" not in told and "_birthDate" not in told:
        told["_birthDate"] = unknown()
    return told
