"""The searches of MHD asked of documents and submission sets as FHIR has them, in memory (IHE MHD 4.2.2, ITI-66 and ITI-67).

A parameter is R4's own, and means here what it means in any search; or it is one that MHD adds, and looks at a part of the
resource as a parameter of R4 would. What is not understood is refused: passed over it would find what nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from kjerne.errors import Refusal
from kjerne.exchange import Pairs
from kjerne.fhir.criteria import is_linked
from kjerne.fhir.fitting import fits, weighed
from kjerne.fhir.search import Plan, Search, counted, plan
from kjerne.fhir.searchparams import parameters
from kjerne.mhd.lists import EXTENSION
from kjerne.mhd.reference import Tree

Parse = Callable[[str, Pairs, bool], Search]
"""Reads the pairs of a search of a type (`wire.search.parse`)."""
T = TypeVar("T")
_IHE: Final = "https://profiles.ihe.net/ITI/MHD/SearchParameter/"
_CHAINS: Final = "http://hl7.org/fhir/SearchParameter/"


@dataclass(frozen=True, slots=True)
class Added:
    """A parameter that looks at parts of the resource, each as R4's parameter `code` looks at a resource of `type`."""

    kind: str
    definition: str
    type: str
    code: str
    parts: Callable[[Tree], Iterable[Tree]]


def _creation(tree: Tree) -> Iterator[Tree]:
    for one in tree.get("content", ()):
        yield {"resourceType": "DocumentReference", "date": one["attachment"].get("creation", "")}


def _people(tree: Tree) -> Iterator[Tree]:
    return (one for one in tree.get("contained", ()) if one["resourceType"] == "Practitioner")


def _designation(tree: Tree) -> Iterator[Tree]:
    return ({"resourceType": "List", "code": one} for one in _extended(tree, "designationType", "valueCodeableConcept"))


def _source_id(tree: Tree) -> Iterator[Tree]:
    return ({"resourceType": "List", "identifier": [one]} for one in _extended(tree, "sourceId", "valueIdentifier"))


def _extended(tree: Tree, name: str, value: str) -> Iterator[Any]:
    return (one[value] for one in tree.get("extension", ()) if one["url"] == EXTENSION + name)


def _names(element: str, type_: str) -> dict[str, Added]:
    definition = f"{_CHAINS}{type_}-{element}"
    return {
        f"{element}.{name}": Added("string", definition, "Practitioner", name, _people) for name in ("given", "family")
    }


OWN: Final[Mapping[str, tuple[str, ...]]] = {
    "DocumentReference": (
        "category", "date", "event", "facility", "format", "identifier", "period", "related", "security-label", "setting",
        "status", "type",
    ),
    "List": ("code", "date", "identifier", "status"),
}  # fmt: skip
"""By type those of R4's own parameters that MHD asks for. Whose it is, is named apart (`PATIENT`)."""
ADDED: Final[Mapping[str, Mapping[str, Added]]] = {
    "DocumentReference": {
        "creation": Added("date", f"{_IHE}DocumentReference-Creation", "DocumentReference", "date", _creation),
        **_names("author", "DocumentReference"),
    },
    "List": {
        "designationType": Added("token", f"{_IHE}List-DesignationType", "List", "code", _designation),
        "sourceId": Added("token", f"{_IHE}List-SourceId", "List", "identifier", _source_id),
        **_names("source", "List"),
    },
}
PATIENT: Final = ("patient", "patient.identifier")
STATUSES: Final[Mapping[str, frozenset[str]]] = {
    "DocumentReference": frozenset({"current", "superseded"}),
    "List": frozenset({"current", "superseded", "retired"}),
}
"""MHD calls a set that holds no longer `superseded`, and R4 `retired`. No set is told of that does not hold."""
_ON_STRINGS: Final = frozenset({"", "exact", "contains"})


def asked_for(type_: str) -> frozenset[str]:
    """The names of the parameters that narrow a search of a type."""
    return frozenset((*OWN[type_], *ADDED[type_]))


@dataclass(frozen=True, slots=True)
class Filter:
    """What a search asks of each resource: of the whole by R4's own parameters, and of its parts by those that MHD adds."""

    own: Plan | None
    parts: tuple[tuple[Added, Plan], ...]
    at: datetime

    def takes(self, tree: Tree) -> bool:
        """Whether a resource is found. Raises `TooCostly` within `limited`, as every search does."""
        if self.own is not None and not self._fits(tree, self.own):
            return False
        return all(any(self._fits(one, wanted) for one in added.parts(tree)) for added, wanted in self.parts)

    def among(self, things: Iterable[T], tell: Callable[[T], Tree]) -> list[T]:
        """Those that are found, in their order, by the resource that each is told as; none is told where nothing is asked of it.
        `Refusal` 422 or 503 where that would take too much."""
        if self.own is None and not self.parts:
            return list(things)
        with counted():
            return [one for one in things if self.takes(tell(one))]

    def _fits(self, tree: Tree, wanted: Plan) -> bool:
        return fits(weighed(tree.get("id", ""), self.at, tree), wanted)


def filter_of(type_: str, pairs: Pairs, parse: Parse, at: datetime) -> Filter:
    """The parameters of `asked_for`, understood; `Refusal` 400 names one that cannot be read, and never its value. `at` is the
    request's time."""
    own, parts = list[tuple[str, str]](), list[tuple[Added, Plan]]()
    for name, value in pairs:
        base, _, modifier = name.partition(":")
        added = ADDED[type_].get(base)
        if added is None:
            own.append((name, value))
            continue
        if modifier not in (_ON_STRINGS if added.kind == "string" else {""}):
            raise Refusal(400, "the modifier is not known here", where=base, code="not-supported")
        spelled = f"{added.code}:{modifier}" if modifier else added.code
        try:
            search = parse(added.type, ((spelled, value),), False)
        except Refusal as refusal:
            raise Refusal(refusal.status, "its value cannot be read", where=name) from refusal
        parts.append((added, plan(search, at=at)))
    search = parse(type_, tuple(own), False)
    if any(map(is_linked, search.criteria)):
        says = "chains, and codes of a value set or above and below one, are not looked for among documents"
        raise Refusal(400, says, where="query", code="not-supported")
    return Filter(plan(search, at=at) if own else None, tuple(parts), at)


def described(type_: str, named_by: Sequence[str] = PATIENT) -> list[dict[str, str]]:
    """The search parameters of a type, as a CapabilityStatement has them. `named_by` are those that say whose."""
    known = parameters(type_)
    told = [{"name": one, "definition": known[one].url, "type": known[one].kind} for one in OWN[type_]]
    told += [{"name": name, "definition": one.definition, "type": one.kind} for name, one in ADDED[type_].items()]
    kinds = {"patient": "reference", "patient.identifier": "token"}
    told += [{"name": one, "definition": known["patient"].url, "type": kinds[one]} for one in named_by]
    return sorted(told, key=lambda one: one["name"])
