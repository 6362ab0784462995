"""How a request names its patient: by the header `person-id`, or in a resource's `subject` (types have other names for it too).

A number stands where it is meant to be read, in an identifier. In a literal reference (`Patient/<number>`) it would be an
address: references are searched for, followed and put into links.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import Any, Final

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Call, Pairs, PatientRef
from kjerne.fhir.definitions import TYPES
from kjerne.fhir.searchparams import parameters
from kjerne.registries import identifiers

NATIONAL_SYSTEMS: Final = frozenset({"", *identifiers.SYSTEM_BY_KIND.values()})
_URN: Final = "urn:oid:"


def is_national(system: object) -> bool:
    """Whether a number under this system may be a national one: under none, or the national OIDs however a sender spells them
    (a URN's scheme and namespace are the same in any case, RFC 8141; some write the bare OID, or `urn:uid:`, a slip of published
    profiles that clients copy). What is no text is no system."""
    if not isinstance(system, str):
        return False
    if system in NATIONAL_SYSTEMS:
        return True
    text = system.strip().lower()
    bare = text[len(_URN) :] if text.startswith((_URN, "urn:uid:")) else text
    return f"{_URN}{bare}" in NATIONAL_SYSTEMS


_IN_DOUBT: Final = re.compile(rb'"reference"\s*:\s*"[^"]*[0-9]{6}[ .-]?[0-9]{5}|\\u')
"""Bytes in which a reference may hold a number, or in which anything may be spelled by its code point."""
_TO: Final = re.compile(r"(?:^|/)(?P<type>[A-Z][A-Za-z]+)/[A-Za-z0-9.\-]{1,64}(?:/_history/[^/]*)?$")
"""The type that an address leads to."""
_APPOINTMENT: Final = re.compile(r"Appointment/([0-9a-fA-F-]{36})(?:/_history/[^/\s]+)?")
_TYPES: Final = frozenset(TYPES)
_PERSON: Final = re.compile(r"(?:^|/)(?:Patient|Person|RelatedPerson)/[0-9]{11}(?:/|$)")


@cache
def subject_element(name: str) -> str:
    """What the element is called by which a type names whom it is about."""
    if name in _ELSEWHERE:
        return ".".join(_ELSEWHERE[name])
    return subject_parameter(name)


@cache
def subject_parameter(name: str) -> str:
    """The search parameter of that element."""
    own = parameters(name)
    return "patient" if "patient" in own and "subject" not in own else "subject"


_ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "Appointment": ("participant", "actor"),
    "AppointmentResponse": ("actor",),
    "Coverage": ("beneficiary",),
    "SupplyRequest": ("deliverTo",),
    "Task": ("for",),
}
"""The types whose element is neither `subject` nor `patient`, as R4's own search parameters have it."""


def subject_in(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """The reference by which a resource names whom it is about, wherever its type has it; empty where it names nobody."""
    place = _ELSEWHERE.get(tree.get("resourceType", ""))
    if place is None:
        found = tree.get("subject", tree.get("patient", {}))  # no type has both
        several: Mapping[str, Any] = next(iter(found), {}) if isinstance(found, list) else found
        return several
    if place == _ELSEWHERE["Appointment"]:
        return next(iter(_patients(tree)), {})
    if answered_by_another(tree):
        return {}
    (name,) = place
    return tree.get(name) or {}


def answered_by_another(tree: Mapping[str, Any]) -> str:
    """Of an AppointmentResponse that is not the patient's own the Appointment, where it may be one that is kept here: whose that
    is, its id says (`store.patient_ids`). Empty for everything else."""
    if tree.get("resourceType") != "AppointmentResponse":
        return ""
    actor, answered = tree.get("actor"), tree.get("appointment")
    if not (isinstance(actor, dict) and isinstance(answered, dict) and _kinds(tree, actor) - {"Patient"}):
        return ""
    found = _APPOINTMENT.fullmatch(str(answered.get("reference", "")))
    return found[1] if found else ""


def _patients(tree: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The patients among those who meet. Who is named by a person number alone may be any of them, and counts as one."""
    actors = [one.get("actor", {}) for one in tree.get("participant", ())]
    return [one for one in actors if "Patient" in (kinds := _kinds(tree, one)) or (not kinds and _has_number(one))]


def _has_number(reference: Mapping[str, Any]) -> bool:
    identifier = reference.get("identifier", {})
    system, value = identifier.get("system", ""), str(identifier.get("value", ""))
    return is_national(system) and bool(system or identifiers.stands_in(value))


def _kinds(tree: Mapping[str, Any], reference: Mapping[str, Any]) -> set[str]:
    """The types of R4 that a reference says it leads to, by its `type`, its address or what is contained."""
    text = str(reference.get("reference", ""))
    said = {str(reference.get("type", ""))} | {one["type"] for one in _TO.finditer(text)}
    if text[:1] == "#":
        said |= {one.get("resourceType", "") for one in tree.get("contained", ()) if one.get("id") == text[1:]}
    return said & _TYPES


def _national(identifier: Mapping[str, Any]) -> str:
    """The number of an identifier that may be a national one."""
    return str(identifier.get("value", "")) if is_national(identifier.get("system", "")) else ""


def number_in(tree: Mapping[str, Any]) -> str:
    """The national number by which a resource names its subject, there or in the contained Patient; empty for none."""
    return _national(subject_in(tree).get("identifier", {})) or next(iter(_contained(tree)), "")


def numbers_in(tree: Mapping[str, Any]) -> frozenset[str]:
    """Every national number by which a resource names its subject: the contained Patient may have several."""
    return frozenset({number_in(tree), *_contained(tree)} - {""})


def check_names(raw: bytes, tree: Mapping[str, Any]) -> None:
    """`Refusal` 422 where a resource (`raw`, parsed as `tree`) names its people in a way that cannot be trusted.

    That is a person number in a literal reference, a contained subject that is no subject (R4 lets a Bundle be contained,
    but be nobody's record), one who is not the one that `subject` names, a subject that is no patient, or two of them. A
    reference to a Patient elsewhere says nothing that could be checked here, and is kept as it came.
    """
    # Most results name others by identifiers alone, and to look for two words costs a twentieth of the expression.
    if (b'"reference"' in raw or b"\\u" in raw) and _IN_DOUBT.search(raw):
        for where, text in _references(str(tree["resourceType"]), tree):
            if _PERSON.search(text) or identifiers.stands_in(text):
                raise Refusal(
                    422, "a person number never stands in a reference", where=where,
                    todo="Name the person by an identifier (reference.identifier).",
                )  # fmt: skip
    name = tree["resourceType"]
    element = subject_element(name)
    where = f"{name}.{element}"
    for one in _inside(tree):
        if one["resourceType"] not in parameters(name)[subject_parameter(name)].targets:
            raise Refusal(422, f"the {element} is a contained {one['resourceType']}", where=where)
    if kinds := _kinds(tree, subject_in(tree)) - {"Patient"}:
        says = f"a record is about one patient, and this is about {min(kinds)}"
        raise Refusal(422, says, where=where)
    if name == "Appointment" and len(_patients(tree)) > 1:
        raise Refusal(
            422, "a record is about one patient, and two or more meet here", where=where,
            todo="Send one Appointment for each patient; say Practitioner or another type of who is none.",
        )  # fmt: skip
    if isinstance(several := tree.get("subject"), list) and len(several) > 1:
        raise Refusal(422, "a record is about one patient, and this is about two or more", where=where)
    contained = _contained(tree)
    if contained and number_in(tree) not in contained:
        raise Refusal(422, f"the {element} and the contained Patient are two persons", where=where)


def check_kept(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """`Refusal` 422 where a new version of a `name` does not keep the subject of the one before.

    A national number in `after` is held to the record's person elsewhere, so here it is enough that there is one.
    """
    if number_in(after):
        return
    held, sent, element = _faces(before), _faces(after), subject_element(name)
    if number_in(before) or (held and not sent):
        raise Refusal(
            422, f"the update takes the {element} away", where=f"{name}.{element}",
            todo=f"Send the {element} as it stands in the version before.",
        )  # fmt: skip
    if held and not held & sent:
        raise Refusal(
            422, f"the update names another {element} than the version before", where=f"{name}.{element}",
            todo="Mark this record entered-in-error and file the result on whom it is about.",
        )  # fmt: skip


def check_subject(tree: Mapping[str, Any], grant: Grant, identify: Callable[[str], PatientRef]) -> None:
    """`Refusal` 422 where a resource names another person in its body than the one whose record it would be in."""
    check_about(tree, grant.subject.digests, identify)


def check_about(tree: Mapping[str, Any], digests: Collection[bytes], identify: Callable[[str], PatientRef]) -> None:
    """As `check_subject`, of a person by the digests of her numbers."""
    if any(identify(number).digest not in digests for number in numbers_in(tree)):
        name = tree["resourceType"]
        raise Refusal(422, "the body is about another person", where=f"{name}.{subject_element(name)}.identifier")


def check_header(call: Call, grant: Grant, identify: Callable[[str], PatientRef]) -> None:
    """`Refusal` 422 where the header names another than a record is about: a mistake, and no header is demanded there."""
    number = call.headers.get("person-id", "")
    if number and identify(number).digest not in grant.subject.digests:
        raise Refusal(422, "the header names another person than the record is about", where="person-id")


def _faces(tree: Mapping[str, Any]) -> set[tuple[str, str]]:
    """What tells a subject from another where no national number does: its address, or its local numbers."""
    subject = subject_in(tree)
    identifiers = [subject.get("identifier", {}), *(i for one in _inside(tree) for i in one.get("identifier", ()))]
    faces = {(str(i.get("system", "")), str(i["value"])) for i in identifiers if i.get("value")}
    reference = str(subject.get("reference", ""))
    return faces | {("reference", reference)} if reference and not reference.startswith("#") else faces


def _contained(tree: Mapping[str, Any]) -> list[str]:
    """The national numbers of the contained Patient that `subject` points at."""
    return [
        str(identifier.get("value", ""))
        for one in _inside(tree)
        for identifier in one.get("identifier", ())
        if "system" in identifier and is_national(identifier["system"])
    ]


def _inside(tree: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The contained resource that `subject` points at."""
    place = subject_in(tree).get("reference", "")
    return [one for one in tree.get("contained", ()) if one.get("id") == place[1:]] if place[:1] == "#" else []


def _references(where: str, value: Any) -> Iterator[tuple[str, str]]:
    """(element path, text) of every literal reference at any depth."""
    if isinstance(value, list):
        for one in value:
            yield from _references(where, one)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name == "reference" and isinstance(one, str):
                yield f"{where}.reference", one
            else:
                yield from _references(f"{where}.{name}", one)


def identified(identify: Callable[[str], PatientRef], number: str, where: str) -> PatientRef:
    """As `identify`, whose `Refusal` (400, or 422) says `where` the number stands."""
    try:
        return identify(number)
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.says, where=where, todo=refusal.todo, code=refusal.code) from None


def patient_of(call: Call, identify: Callable[[str], PatientRef], *also: str) -> PatientRef:
    """The patient whom the header `person-id` and the numbers in `also` (empty ones aside) name together.

    `Refusal` 400 where there is no number, or where they differ.
    """
    named = {number for number in (call.headers.get("person-id", ""), *also) if number}
    if len(named) > 1:
        raise Refusal(400, "the request names more than one patient", where="person-id")
    if not named:
        raise Refusal(400, "the patient's number is missing", where="person-id", todo="Send it as header person-id.")
    return identified(identify, named.pop(), "person-id" if call.headers.get("person-id") else "patient")


def patient_of_history(call: Call, identify: Callable[[str], PatientRef]) -> PatientRef:
    """As `patient_of`, of the history of many records: nobody gets one over all patients."""
    if not call.headers.get("person-id"):
        says = "the history of a type, or of all records, is about one patient"
        raise Refusal(400, says, where="person-id", todo="Send her number as header person-id.")
    return patient_of(call, identify)


def in_address(call: Call) -> Pairs:
    """The parameters of an address; `Refusal` 400 where a person number stands in one."""
    if any(identifiers.stands_in(value) for _, value in call.query):
        says = "a person number never stands in an address"
        raise Refusal(400, says, where="query", todo="Name the patient by the header person-id.")
    return call.query
