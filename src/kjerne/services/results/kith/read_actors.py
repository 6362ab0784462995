"""Who takes part in a report: HCP with Inst or HCProf, flattened to person, institution and department.

Institution and department names stay apart here; the mapping joins them. Ids of any kind are kept in the order sent.
"""

from __future__ import annotations

from typing import Final

from kjerne.services.results.kith.model import Actor, Code, Identifier
from kjerne.services.results.kith.nodes import (
    NAME_LIMIT_CHARACTERS,
    Element,
    Parts,
    attribute,
    code,
    first,
    parts,
    text,
    value,
)

_UNKNOWN_PERSON: Final = frozenset({"", "."})


def actor(holder: Element | None) -> Actor:
    """The actor in an element that holds Role, Relation and HCP (ServProvider, Requester, RelServProv ...)."""
    if holder is None:
        return Actor()
    here = parts(holder)
    relation = code(here, "Relation")
    if not relation.code:
        relation = code(here, "Role")
    hcp = first(here, "HCP")
    if hcp is None:
        return Actor(relation=relation)
    inside = parts(hcp)
    institution = first(inside, "Inst")
    speciality = code(inside, "MedSpeciality")
    telecom = _telecom(inside)
    if institution is not None:
        return _institution(parts(institution), relation, speciality, telecom)
    professional = first(inside, "HCProf")
    if professional is None:
        return Actor(relation=relation, speciality=speciality, telecom=telecom)
    person = parts(professional)
    return Actor(
        relation=relation,
        person=_name(person),
        person_ids=_identifiers(person),
        profession=code(person, "Type"),
        speciality=speciality,
        telecom=telecom,
    )


def _institution(here: Parts, relation: Code, speciality: Code, telecom: tuple[str, ...]) -> Actor:
    """Inst with its first Dept and first HCPerson; one report names one responsible unit and person in a role."""
    department = first(here, "Dept")
    unit = parts(department) if department is not None else {}
    holder = first(here, "HCPerson")
    person = parts(holder) if holder is not None else {}
    return Actor(
        relation=relation,
        person=_name(person),
        person_ids=_identifiers(person),
        organisation=text(here, "Name"),
        organisation_ids=_identifiers(here),
        department=text(unit, "Name"),
        department_ids=_identifiers(unit),
        speciality=speciality,
        telecom=telecom,
    )


def _name(here: Parts) -> str:
    name = text(here, "Name")
    return "" if name in _UNKNOWN_PERSON else name


def _identifiers(here: Parts) -> tuple[Identifier, ...]:
    """Id with TypeId, then every AdditionalId; an empty id is none."""
    found = []
    own = text(here, "Id")
    if own:
        found.append(Identifier(own, value(here, "TypeId")))
    for element in here.get("AdditionalId", ()):
        more = parts(element)
        number = text(more, "Id")
        if number:
            found.append(Identifier(number, value(more, "Type")))
    return tuple(found)


def _telecom(here: Parts) -> tuple[str, ...]:
    address = first(here, "Address")
    if address is None:
        return ()
    found = (attribute(element, "V", NAME_LIMIT_CHARACTERS) for element in parts(address).get("TeleAddress", ()))
    return tuple(url for url in found if len(url) > len("mailto:.") or (url and ":" not in url))


def identifier_of(kinds: tuple[str, ...], *holders: tuple[Identifier, ...]) -> Identifier | None:
    """The first id of the first kind in `kinds` that any holder has; holders in order."""
    for kind in kinds:
        for holder in holders:
            for identifier in holder:
                if identifier.kind == kind:
                    return identifier
    return None
