"""Whom a call of CDS Hooks is about: by the header `person-id`, or by the national number of the Patient fetched beforehand.

The client's own id of her (`context.patientId`) says nothing here. Where the call names two patients it is refused: a warning
about another is worse than none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Call, PatientRef
from kjerne.fhir.cds_hooks import Asked, led_to, objects, said
from kjerne.registries.naming import NATIONAL_SYSTEMS, is_national

Tree = Mapping[str, Any]
PATIENT: Final = "patient"
"""The key under which the client fetches her Patient beforehand."""
PREFETCHED: Final = {PATIENT: "Patient/{{context.patientId}}"}
OTHERS: Final = frozenset({"Group", "Person", "Practitioner", "PractitionerRole", "RelatedPerson"})
"""Types of people who are no patient: what is about one of them is not about the context's."""
_SYSTEMS: Final = sorted(NATIONAL_SYSTEMS - {""})


class Whom(NamedTuple):
    """The patient, and every national number by which the call names her."""

    ref: PatientRef
    numbers: tuple[str, ...]


def whom(call: Call, asked: Asked, identify: Callable[[str], PatientRef]) -> Whom:
    """The patient of a call; `Refusal` 412 where nobody is named (the standard's answer where something was not fetched), 422
    where two are."""
    _check_references(asked)
    numbers = tuple(dict.fromkeys(_numbers(asked)))
    own = call.headers.get("person-id", "") or next(iter(numbers), "")
    if not own:
        raise Refusal(
            412, "the call does not say which patient it is about", where=f"prefetch.{PATIENT}", code="required",
            todo="Fetch her Patient with her national number, or send that as header person-id.",
        )  # fmt: skip
    return Whom(identify(own), numbers)


def check_one(grant: Grant, found: Whom, identify: Callable[[str], PatientRef]) -> None:
    """`Refusal` 422 where a number in the call is another person's than whom the law was asked about."""
    if any(identify(number).digest not in grant.asked_about.digests for number in found.numbers):
        raise Refusal(422, "the call is about more than one patient", where="prefetch")


def _numbers(asked: Asked) -> Iterable[str]:
    """Those of the Patient come first, her fødselsnummer before a D-number."""
    patients = [one for one in asked.resources(PATIENT) or () if one.get("resourceType") == "Patient"]
    own = [pair for one in patients for pair in _national(one.get("identifier"))]
    yield from (
        value for _, value in sorted(own, key=lambda pair: _SYSTEMS.index(pair[0]) if pair[0] in _SYSTEMS else 9)
    )
    for one, _ in asked.every:
        if one.get("resourceType") == "Patient":
            yield from (value for _, value in _national(one.get("identifier")))
        for reference in _subjects(one):
            yield from (value for _, value in _national(reference.get("identifier")))


def _subjects(one: Tree) -> Iterator[Tree]:
    for element in ("subject", PATIENT):
        yield from objects(one.get(element))


def _national(identifiers: Any) -> Iterable[tuple[str, str]]:
    for one in objects(identifiers):
        system, value = said(one.get("system")), said(one.get("value"))
        if system and value and is_national(system):
            yield system, value


def _check_references(asked: Asked) -> None:
    """`Refusal` 422 where something in the call is another's Patient than the context's, or refers to another.

    A contained Patient has an id of its own, and an address of another kind says nothing: there a number must say who it is.
    """
    own = asked.patient.rpartition("/")[2]
    for one, holder in asked.every:
        if one.get("resourceType") == "Patient" and one is holder and said(one.get("id")) not in ("", own):
            raise Refusal(422, "the Patient is another than the context's", where=f"prefetch.{PATIENT}")
        for reference in _subjects(one):
            text = said(reference.get("reference")).split("/_history/")[0]
            type_, _, id_ = text.rpartition("/")
            is_anothers = type_.rpartition("/")[2] == "Patient" and id_ != own
            if is_anothers or OTHERS & {type_.rpartition("/")[2], said(reference.get("type"))}:
                raise Refusal(
                    422, "a resource in the call is about another patient than the context's", where="context"
                )
            if text[:1] == "#" or text[:4] == "urn:":
                _check_held(led_to(reference, holder, asked.around), own, is_inside=text[:1] == "#")


def _check_held(patient: Tree, own: str, *, is_inside: bool) -> None:
    is_own = not is_inside and said(patient.get("id")) == own
    if patient.get("resourceType") != "Patient" or not (is_own or list(_national(patient.get("identifier")))):
        raise Refusal(
            422, "a resource in the call does not say which patient it is about", where="context",
            todo="Refer to the context's patient as Patient/id, or send her national number with the reference.",
        )  # fmt: skip
