"""What some versions of a report give: their fold as resources with ids of their own, each as it is to be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from kjerne.access import Grant, Label
from kjerne.fhir.definitions import type_number
from kjerne.fhir.encode import decode
from kjerne.fhir.index import Indexed, index
from kjerne.registries.withholding import kinds_of
from kjerne.services.results import keeping, release
from kjerne.services.results.kith import chain, codes, mapping
from kjerne.store.record_marks import is_restricted
from kjerne.store.records import Change
from kjerne.store.sealed_id import SealedIds
from kjerne.store.spreading import Shut

Tree = dict[str, Any]


class Given(NamedTuple):
    """A fold, its resources with the ids behind their texts, and these as they are to be written; all are of the same
    `kinds`."""

    state: chain.State
    ids: dict[str, UUID]
    trees: list[Tree]
    changes: list[Change]
    kinds: frozenset[str]


def laid_out(ids: SealedIds, grant: Grant, report: bytes, versions: list[chain.Versioned], shut: Shut) -> Given:
    """A report's present state, withheld by what its versions say and by what it goes on with (`shut`)."""
    state = chain.fold(versions)
    named: dict[str, UUID] = {}
    trees = mapping.resources(state, numberer(ids, grant.subject.patient, report, named))
    withheld, opens = release.withheld(versions, moment_of(state.first_issued, grant.at))
    if shut[0]:
        withheld |= shut[0]
    opens = max((moment for moment in (opens, shut[1]) if moment), default=None)
    if is_restricted(grant, (named[tree["id"]] for tree in trees if tree["resourceType"] == "DiagnosticReport")):
        withheld |= Label.RESTRICTED_HERE
    kinds = frozenset(kind for tree in trees for kind in kinds_of(tree))
    changes = [change_of(tree, named[tree["id"]], opens, withheld, kinds) for tree in trees]
    return Given(state, named, trees, changes, kinds)


def numberer(ids: SealedIds, patient: int, report: bytes, named: dict[str, UUID]) -> Callable[[str, str], str]:
    """Gives the resources of a chain their ids as text, and notes in `named` what each text stands for."""
    name = report.hex()

    def number(type_: str, key: str) -> str:
        id_ = ids.named(patient, name, type_, key)
        text = str(id_)
        named[text] = id_
        return text

    return number


def change_of(tree: Tree, id_: UUID, opens: datetime | None, withheld: Label, kinds: frozenset[str]) -> Change:
    raw = keeping.raw_of(tree)
    labels = withheld | Label.NOT_THE_MOTHERS if mapping.not_the_patients(tree) else withheld
    indexed = _of_role(raw) if tree["resourceType"] == "PractitionerRole" else index(tree)
    return Change(type_number(tree["resourceType"]), id_, raw, indexed, labels, opens, kinds=kinds, mapped=True)


@lru_cache(maxsize=1024)
def _of_role(raw: bytes) -> Indexed:
    """Kept, since the same few laboratories and requesters stand in most reports."""
    return index(decode(raw))


def moment_of(text: str, otherwise: datetime) -> datetime:
    """A time as a message gave it; another one where it gave none that can be read."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return otherwise
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def requester_of(trees: Sequence[Mapping[str, Any]]) -> str:
    """The HPR number of whoever asked for the report; empty where the message names none."""
    roles = {f"PractitionerRole/{tree['id']}": tree for tree in trees if tree["resourceType"] == "PractitionerRole"}
    for tree in trees:
        if tree["resourceType"] == "ServiceRequest":
            role = roles.get(tree.get("requester", {}).get("reference", ""), {})
            identifier = role.get("practitioner", {}).get("identifier", {})
            if identifier.get("system") == codes.IDENTIFIER_SYSTEM["HPR"]:
                return str(identifier.get("value", ""))
    return ""
