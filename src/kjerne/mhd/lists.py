"""A submission set as MHD tells of it: a List of the documents that came with it (IHE MHD 4.2.2, ITI-66).

Its title and its comments are told to nobody: they may speak of a document in it that is shut to who reads them (law, K196).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from kjerne.mhd.reference import URI, Tree, concept, identifier_of, is_uuid, moment, person, put_author, without_empty
from kjerne.xds import names
from kjerne.xds.values import Author, SubmissionSet

EXTENSION: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-"
KINDS: Final = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"


def submission_set(sent: SubmissionSet, *, id_: str, members: Sequence[str]) -> Tree:
    """The List. `members` are the ids of those of its documents that the reader is shown."""
    contained = list[Tree]()
    source = _source(sent.authors, contained)
    official = [{"use": "official", "system": URI, "value": sent.id}] if is_uuid(sent.id) else []
    tree: Tree = {
        "resourceType": "List",
        "id": id_,
        "contained": contained,
        "extension": [
            {"url": f"{EXTENSION}designationType", "valueCodeableConcept": concept(sent.content_type)},
            {"url": f"{EXTENSION}sourceId", "valueIdentifier": identifier_of(sent.source_id)},
        ],
        "identifier": [{"use": "usual", **identifier_of(sent.unique_id)}, *official],
        "status": "current" if sent.status == names.APPROVED else "retired",
        "mode": "working",
        "code": {"coding": [{"system": KINDS, "code": "submissionset"}]},
        "subject": {"identifier": person(sent.patient)},
        "date": moment(sent.submitted),
        "source": source,
        "entry": [{"item": {"reference": f"DocumentReference/{one}"}} for one in members],
    }
    # What says what it extends and nothing else is no extension.
    tree["extension"] = [one for one in without_empty(tree["extension"]) if len(one) > 1]
    told: Tree = without_empty(tree)
    return told


def _source(authors: Sequence[Author], contained: list[Tree]) -> Tree:
    """Who sent it, and the organisation where she works: of the first author, since a List has one source. What is contained is
    referred to (R4, dom-3), so a department has no place."""
    ends = list[Tree]()
    for author in authors[:1]:
        put_author(replace(author, institutions=author.institutions[:1]), contained, ends)
    if [one["resourceType"] for one in contained] == ["Practitioner"]:
        return ends[0]
    if not ends:
        return {}
    roles: dict[str, Tree] = {_ROLE[one["resourceType"]]: end for one, end in zip(contained, ends, strict=True)}
    contained.append({"resourceType": "PractitionerRole", "id": "r", **roles})
    return {"reference": "#r"}


_ROLE: Final = {"Practitioner": "practitioner", "Organization": "organization"}
