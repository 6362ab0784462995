"""What withholds a record, read from what its source sent: code system 9603, discipline (8202), and whose it is.

Sources: Volven 9603 "Sperring og nekting av dokumenter" and 8202 (OID 2.16.578.1.12.4.1.1), R4 `meta.security`. Every
way in - KITH messages, FHIR create and update, `$import` - reads these tables, so no label is lost on one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from kjerne.access import Label
from kjerne.errors import Refusal
from kjerne.fhir.dates import LAST_DAY, interval, later
from kjerne.fhir.systems import SECTIONS, canonical

LABEL_BY_CODE: Final = {
    "NORS": Label.RESTRICTED,
    **dict.fromkeys(
        ("NORN_FFL", "NORN_KUT", "NORN_EPO", "NORN_ALL", "NORN_FOR", "NORN_FFH", "NORN_FPB", "NORN_DUP", "NORN_ANG"),
        Label.WITHHELD_FROM_CITIZEN,
    ),
    "NORN_FORANS": Label.WITHHELD_FROM_PARENTS,
    "NORN_UNGDOM": Label.WITHHELD_FROM_YOUTH,
}
OF_SOURCE: Final = (
    Label.RESTRICTED | Label.WITHHELD_FROM_CITIZEN | Label.WITHHELD_FROM_PARENTS | Label.WITHHELD_FROM_YOUTH
)
"""What a source withholds by; that a result is not the mother's is said of that result alone."""
NORMAL: Final = "N"
"""The code of 9603 that says that nothing is withheld. In a message it ends what was asked for before (`results.release`)."""
DELAYED: Final = "NORU"
"""Delayed access: it sets a time, not a label. The opening date is the code's own text, where there is one."""

# Days after the report date. Findings that can change a life are met first by somebody who can explain them: tissue
# and cells (HIST, CYTO, PAT) and medical genetics (MGEN). HelsaMi's second category releases by itself after 14 days.
DELAY_DAYS: Final = {"HIST": 14, "CYTO": 14, "PAT": 14, "MGEN": 14}
UNDATED_DELAY_DAYS: Final = 14
"""A delay that a source asks for without saying until when."""

CONTENT_KINDS: Final = ("laboratory", "pathology", "genetics", "radiology")
"""Kinds of content that a patient can restrict as a part."""
_KIND_BY_DISCIPLINE: Final = {
    **dict.fromkeys(("BLD", "RAD", "RTG", "CT", "MR", "UL", "MA", "SCI", "NUK"), "radiology"),
    **dict.fromkeys(("PAT", "HIST", "CYTO", "OBD", "MPAT", "MORS"), "pathology"),
    "MGEN": "genetics",
    **dict.fromkeys(("LAB", "CLIN", "MBIO", "FARM", "IMTR"), "laboratory"),
}
"""Code of 8202 -> kind. A report of medical genetics is LAB as its main discipline, and MGEN in its observations."""
RESTRICTABLE: Final = frozenset(_KIND_BY_DISCIPLINE)
"""Codes of 8202 that say of which kind a report is."""

_DISCIPLINE_BY_SECTION: Final = {
    "SP": "HIST", "CP": "CYTO", "PAT": "PAT", "GE": "MGEN", "CG": "MGEN", "LAB": "LAB", "CH": "CLIN", "HM": "CLIN",
    "SR": "CLIN", "MB": "MBIO", "MCB": "MBIO", "VR": "MBIO", "MYC": "MBIO", "PAR": "MBIO", "TX": "FARM", "IMM": "IMTR",
    "BLB": "IMTR", "RAD": "RAD", "RX": "RTG", "CT": "CT", "NMR": "MR", "NMS": "NUK", "RUS": "UL", "CUS": "UL", "VUS": "UL",
    "OUS": "UL",
}  # fmt: skip
"""HL7's diagnostic service sections (v2-0074, R4's own binding of a report's category) as the codes of 8202."""
_PICTURES: Final = frozenset({"ImagingStudy", "Media"})
_DISCIPLINE_BY_MODALITY: Final = {"SM": "HIST", "GM": "HIST"}
"""DICOM's modalities that are no radiology: microscopy of slides, and of what lies under the microscope whole."""
_CONFIDENTIALITY: Final = (
    "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "http://hl7.org/fhir/v3/Confidentiality",
    "urn:oid:2.16.840.1.113883.5.25",
)  # fmt: skip
_SECURITY: Final = {
    **dict.fromkeys(_CONFIDENTIALITY, frozenset({"U", "L", "M", "N"})),
    "http://terminology.hl7.org/CodeSystem/v3-ActReason": frozenset({"HTEST"}),
    "http://terminology.hl7.org/CodeSystem/v3-ObservationValue": frozenset({"SUBSETTED"}),
}  # fmt: skip
"""Security labels of other systems that ask for nothing beyond what holds for everything here (docs/law.md, K79)."""

_LABELS: Final = "9603"
_DISCIPLINES: Final = "8202"
_DISCIPLINE_PLACES: Final = ("category", "code", "type")
_VOLVEN: Final = re.compile(
    r"(?:(?:urn:oid:)?2\.16\.578\.1\.12\.4\.1\.1\.|https?://(?:www\.)?(?:ehelse|helsedir|helsedirektoratet|hl7)\.no/fhir/"
    r"codesystem/no-kodeverk-)(?P<number>[0-9]{4})(?:\.codesystem)?",
    re.IGNORECASE,
)
_SYSTEM_LIMIT: Final = 100
"""No address that `_VOLVEN` knows is longer."""
_DATES: Final = (
    "issued", "effectiveDateTime", "effectiveInstant", "authoredOn", "receivedTime", "started", "createdDateTime",
)  # fmt: skip
_ANOTHERS: Final = frozenset(
    {
        "http://hl7.org/fhir/StructureDefinition/observation-focusCode",
        "http://kjerne.example/fhir/StructureDefinition/material-of",
    }
)


class Withheld(NamedTuple):
    """What keeps a resource from whom (`labels`), and until when from the citizen.

    `rule` is what the discipline sets where no version before this set a time, `asked` what the source asked for by NORU with a
    date, `undated` by NORU without one.
    """

    labels: Label = Label(0)
    rule: datetime | None = None
    asked: datetime | None = None
    undated: datetime | None = None
    kinds: frozenset[str] = frozenset()
    """The kinds of content that it says it is of (`kinds_of`), by the same disciplines."""

    @property
    def opens(self) -> datetime | None:
        """When a first version opens for the citizen; None where it does at once."""
        return _later(self.rule, self._wished)

    @property
    def _wished(self) -> datetime | None:
        return _later(self.asked, self.undated)

    def after(
        self, before: Withheld, labels: Label, opens: datetime | None, at: datetime
    ) -> tuple[Label, datetime | None]:
        """What withholds this version, received at `at`, after one that said `before` of itself and bore these marks (law, K102).

        What that said and this one does not is over; what it was withheld by beside that stays. A time that the discipline set
        counts from its first date, and a delay without a date too; what has opened is not shut by them again.
        """
        ended = int(before.labels) & int(OF_SOURCE) & ~int(self.labels)
        stood, wished = opens, before._wished
        if opens and wished and at < opens <= wished:
            stood = min(opens, before.rule) if before.rule else None
        undated = self.undated
        if undated and before.undated and opens:
            undated = min(undated, opens)
        return Label(int(labels) & ~ended) | self.labels, _later(stood or self.rule, _later(self.asked, undated))


def withheld(tree: Mapping[str, Any], at: datetime) -> Withheld:
    """What a valid resource says of itself, received at `at`. `Refusal` 422 for a label that nobody knows, or would keep."""
    name = tree["resourceType"]
    meta = tree.get("meta", {})
    codings = meta.get("security", ())
    if any(_asks_to_hide(one) for one in meta.get("tag", ())):
        raise _unheeded("a tag asks that the record be withheld, and tags withhold nothing", f"{name}.meta.tag")
    for place, inner in enumerate(tree.get("contained", ())):
        own = inner.get("meta", {})
        if any(_asks_to_hide(one) for one in (*own.get("tag", ()), *own.get("security", ()))):
            says = "what is contained asks to be withheld, and goes where the record goes"
            raise _unheeded(says, f"{name}.contained[{place}].meta")
    marks = [one for one in codings if _number(one) == _LABELS]
    for other in codings:
        if _number(other) != _LABELS and other.get("code", "") not in _SECURITY.get(
            other.get("system", "").strip(), ()
        ):
            raise Refusal(
                422, "the record asks to be withheld by a label that is not kept here", where=f"{name}.meta.security",
                todo="Labels are of code system 9603 (urn:oid:2.16.578.1.12.4.1.1.9603); docs/law.md, K79, has the others.",
            )  # fmt: skip
    labels, asked, undated = Label(0), None, False
    for mark in marks:
        code = mark.get("code", "").upper()
        if code == DELAYED:
            moment = asked_until(mark.get("display", ""), f"{name}.meta.security")
            asked, undated = _later(asked, moment), undated or moment is None
        else:
            labels |= label_of(code, f"{name}.meta.security")
    if is_anothers(tree):
        labels |= Label.NOT_THE_MOTHERS
    disciplines = _disciplines(tree)
    days = max((DELAY_DAYS.get(code, 0) for code in disciplines), default=0)
    rule = later(_made_at(tree, at), days) if days else None
    return Withheld(labels, rule, asked, later(at, UNDATED_DELAY_DAYS) if undated else None, _kinds(disciplines))


def said_of_itself(tree: Mapping[str, Any], at: datetime) -> Withheld:
    """As `withheld`, of what is stored; nothing where it was taken in before a label like its own was refused."""
    try:
        return withheld(tree, at)
    except Refusal:
        return Withheld()


def _unheeded(says: str, where: str) -> Refusal:
    return Refusal(422, says, where=where, todo="Send the label in the record's own meta.security.")


def _asks_to_hide(tag: Mapping[str, Any]) -> bool:
    """Whether a tag is a label in the wrong place: of 9603, one of its codes without a system, or a confidentiality that is
    not taken as one."""
    system, code = tag.get("system", "").strip(), tag.get("code", "")
    if (_number(tag) == _LABELS and code.upper() != NORMAL) or (
        not system and code.upper() in (*LABEL_BY_CODE, DELAYED)
    ):
        return True
    return system in _CONFIDENTIALITY and code not in _SECURITY[system]


def label_of(code: str, where: str) -> Label:
    """The label of a code of 9603 other than `DELAYED`, none of `NORMAL`; `Refusal` 422 where it is none: it may mean
    "hide this"."""
    label = Label(0) if code.upper() == NORMAL else LABEL_BY_CODE.get(code.upper())
    if label is None:
        known = ", ".join((*LABEL_BY_CODE, DELAYED, NORMAL))
        raise Refusal(422, "the code is not one of code system 9603", where=where, todo=f"It has {known}.")
    return label


def is_label_system(system: str) -> bool:
    """Whether an address is one of the spellings of code system 9603."""
    return _number({"system": system}) == _LABELS


def is_anothers(tree: Mapping[str, Any]) -> bool:
    """Whether the resource is about a newborn, a fetus, a donor or anything else than the patient herself.

    A `focus` is herself where it is named as the resource's own `subject` is; that of a Task is what is worked on, and nobody.
    """
    if any(one.get("url") in _ANOTHERS for one in tree.get("extension", ())):
        return True
    if tree.get("resourceType") == "Task":
        return False
    return any(not _is_subject(one, tree.get("subject", {})) for one in _several(tree.get("focus")))


def _is_subject(reference: Mapping[str, Any], subject: Mapping[str, Any]) -> bool:
    """Whether two references name one by the same address, or by the same number of the same kind."""
    if reference.get("reference"):
        return bool(reference["reference"] == subject.get("reference"))
    own, hers = reference.get("identifier", {}), subject.get("identifier", {})
    return bool(own.get("value")) and all(own.get(name) == hers.get(name) for name in ("system", "value"))


def opening(text: str) -> datetime | None:
    """The first moment of a day in Norway; None where the text is no date."""
    try:
        return min(interval(text.strip())[0], LAST_DAY)
    except ValueError:
        return None


def asked_until(text: str, where: str) -> datetime | None:
    """As `opening`; `Refusal` 422 where digits make no date, since it would open before the day that was meant. The text is not
    repeated."""
    moment = opening(text)
    if moment is None and any(sign.isdigit() for sign in text):
        says = "the record asks for delayed access (NORU) until a date that cannot be read"
        raise Refusal(422, says, where=where, todo="Send the date as 2026-12-24, or none.")
    return moment


def _number(coding: Mapping[str, Any]) -> str:
    system = coding.get("system", "").strip()
    return _number_of(system) if len(system) <= _SYSTEM_LIMIT else ""


@lru_cache(maxsize=1024)
def _number_of(system: str) -> str:
    """The number of a code system of Volven's. Kept, since the codes of all reports are of the same few systems."""
    found = _VOLVEN.fullmatch(system)
    return found["number"] if found else ""


def kinds_of(tree: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of content a resource says it is of; empty where it does not say."""
    return _kinds(_disciplines(tree))


def _kinds(disciplines: Iterable[str]) -> frozenset[str]:
    return frozenset(_KIND_BY_DISCIPLINE[code] for code in disciplines if code in _KIND_BY_DISCIPLINE)


def _of_pictures(tree: Mapping[str, Any]) -> Iterable[str]:
    """The disciplines of pictures by their modalities: a study is radiology unless it says another."""
    is_study = tree["resourceType"] == "ImagingStudy"
    said = list(_several(tree.get("modality")))
    if is_study:
        codings = [*said, *(one["modality"] for one in tree.get("series", ()))]
    else:
        codings = [coding for concept in said for coding in concept.get("coding", ())]
    codes = {str(one.get("code", "")).upper() for one in codings}
    found = {_DISCIPLINE_BY_MODALITY.get(code, "RAD") for code in codes if code}
    return sorted(found) or (["RAD"] if is_study else [])


def _disciplines(tree: Mapping[str, Any]) -> list[str]:
    found = []
    for place in _DISCIPLINE_PLACES:
        value = tree.get(place)
        for concept in value if type(value) is list else (value,):
            if isinstance(concept, dict):
                found += [code for coding in concept.get("coding", ()) if (code := _discipline(coding))]
    return [*_of_pictures(tree), *found] if tree.get("resourceType") in _PICTURES else found


def _discipline(coding: Mapping[str, Any]) -> str:
    """The code of 8202 that a coding means: its own, HL7's for the same, or one that delays and names no system."""
    code, system = coding.get("code", ""), coding.get("system", "")
    return (_known_meaning if len(code) + len(system) <= _SYSTEM_LIMIT else _meaning)(code, system)


def _meaning(sent: str, sent_system: str) -> str:
    # A version that stands in the address makes no other system of it.
    code, system = sent.strip().upper(), sent_system.partition("|")[0].strip()
    if _number({"system": system}) == _DISCIPLINES:
        return code
    if canonical(system).rstrip("/") == SECTIONS:
        return _DISCIPLINE_BY_SECTION.get(code, "")
    return code if not system and code in DELAY_DAYS else ""


_known_meaning: Final = lru_cache(maxsize=4096)(_meaning)
"""Kept, since reports are of the same few thousand codes."""


def _several(value: Any) -> Iterable[Mapping[str, Any]]:
    """One or several CodeableConcepts; types use the same names for codes of their own, which are none of these."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _made_at(tree: Mapping[str, Any], at: datetime) -> datetime:
    """The result's own date, so that an old one is open when it arrives; the day it arrived where it has none."""
    texts = [tree[name] for name in _DATES if name in tree]
    texts += [tree.get("effectivePeriod", {}).get("end"), tree.get("collection", {}).get("collectedDateTime")]
    return next((moment for text in texts if text and (moment := opening(text))), at)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment), default=None)
