"""Actors as PractitionerRole (NILAR): one resource for each distinct person, institution and department in a report.

Practitioner and Organization are named by identifier and display only. A person number never identifies an actor:
HPR does, or a local id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kjerne.services.results.kith import codes
from kjerne.services.results.kith.map_values import Tree, coding, is_coded
from kjerne.services.results.kith.model import Actor, Identifier
from kjerne.services.results.kith.read_actors import identifier_of

Numbering = Callable[[str, str], str]

_PROFESSION: Final = codes.VOLVEN + "9060"
_PERSON_KINDS: Final = ("HPR", "HER")
_ORGANISATION_KINDS: Final = ("HER", "RSH", "ENH", "AKO")
_INSTITUTION_KINDS: Final = ("ENH", "HER", "RSH", "AKO")
_NEVER: Final = frozenset({"FNR", "DNR", "FHN", "HNR"})
_CONTACT: Final = {"tel": "phone", "mailto": "email", "fax": "fax", "http": "url", "https": "url"}


class Roles:
    """Makes and collects the PractitionerRole resources of one report."""

    def __init__(self, number: Numbering, provider: Actor) -> None:
        self._number = number
        self._provider = provider
        self._by_actor: dict[Actor, Tree | None] = {}
        self._by_key: dict[str, Tree] = {}

    def resources(self) -> list[Tree]:
        return list(self._by_key.values())

    def reference(self, actor: Actor) -> Tree | None:
        """A reference to the actor's role with a display; None where the actor names nobody."""
        if actor not in self._by_actor:
            self._by_actor[actor] = self._made(actor)
        return self._by_actor[actor]

    def references(self, *actors: Actor) -> list[Tree]:
        found = []
        for actor in actors:
            known = self.reference(actor)
            if known is not None and known not in found:
                found.append(known)
        return found

    def _made(self, actor: Actor) -> Tree | None:
        practitioner = _person(actor)
        organization = _organisation(actor)
        if practitioner and not organization and actor.relation.code not in ("REK", "REQ"):
            organization = _organisation(self._provider)
        if not practitioner and not organization:
            return None
        display = ", ".join(part["display"] for part in (practitioner, organization) if "display" in part)
        key = "|".join(_mark(part) for part in (practitioner, organization))
        if key not in self._by_key:
            self._by_key[key] = _role(self._number("PractitionerRole", key), actor, practitioner, organization)
        reference: Tree = {"reference": f"PractitionerRole/{self._by_key[key]['id']}"}
        return {**reference, "display": display} if display else reference


def _role(id_: str, actor: Actor, practitioner: Tree, organization: Tree) -> Tree:
    role: Tree = {"resourceType": "PractitionerRole", "id": id_}
    if practitioner:
        role["practitioner"] = practitioner
    if organization:
        role["organization"] = organization
    if is_coded(actor.profession):
        known = coding(actor.profession)
        role["code"] = (
            [{"coding": [{"system": _PROFESSION, **known}]}] if "code" in known else [{"text": actor.profession.words}]
        )
    if is_coded(actor.speciality):
        role["specialty"] = [{"coding": [coding(actor.speciality)]}]
    contacts = [_contact(url) for url in actor.telecom]
    if contacts:
        role["telecom"] = contacts
    return role


def _person(actor: Actor) -> Tree:
    found: Tree = {}
    identifier = _chosen(actor.person_ids, _PERSON_KINDS)
    if identifier is not None:
        found["identifier"] = _identifier(identifier)
    if actor.person:
        found["display"] = actor.person
    return found


def _organisation(actor: Actor) -> Tree:
    """Institution and department as one: names joined, the department's id before the institution's (NILAR).

    The institution's own number stands beside it: what a laboratory calls its own is the institution's.
    """
    found: Tree = {}
    identifier = _chosen(actor.department_ids, _ORGANISATION_KINDS, public_only=True)
    identifier = identifier or _chosen(actor.organisation_ids, _ORGANISATION_KINDS, public_only=True)
    identifier = identifier or _chosen(actor.department_ids + actor.organisation_ids, ())
    if identifier is not None:
        found["identifier"] = _identifier(identifier)
    whole = identifier_of(_INSTITUTION_KINDS, actor.organisation_ids)
    if whole is not None and whole != identifier:
        found["extension"] = [{"url": codes.INSTITUTION, "valueIdentifier": _identifier(whole)}]
    names = ", ".join(name for name in (actor.organisation.strip(" ,"), actor.department.strip(" ,")) if name)
    if names:
        found["display"] = names
    return found


def _chosen(found: tuple[Identifier, ...], kinds: tuple[str, ...], *, public_only: bool = False) -> Identifier | None:
    for kind in kinds:
        for identifier in found:
            if identifier.kind == kind:
                return identifier
    allowed = [identifier for identifier in found if identifier.kind not in _NEVER]
    return allowed[0] if allowed and not public_only else None


def _identifier(identifier: Identifier) -> Tree:
    system = codes.IDENTIFIER_SYSTEM.get(identifier.kind)
    return {"system": system, "value": identifier.value} if system else {"value": identifier.value}


def _mark(part: Tree) -> str:
    identifier = part.get("identifier", {})
    return f"{identifier.get('system', '')}/{identifier.get('value', '')}/{part.get('display', '')}"


def _contact(url: str) -> Tree:
    scheme, colon, rest = url.partition(":")
    system = _CONTACT.get(scheme.lower())
    if not colon or system is None:
        return {"system": "other", "value": url}
    return {"system": system, "value": url if system == "url" else rest}
