"""Rules on resources that describe others, beyond their invariants: search parameters, profiles and questionnaires."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any, Final

from kjerne.errors import Fault
from kjerne.fhir import definitions
from kjerne.fhir.ecl import is_expression
from kjerne.fhir.faults import Faults, fault
from kjerne.fhir.fhirpath.navigating import members
from kjerne.fhir.fhirpath.reading import variables
from kjerne.fhir.rulebook import rules

_SLICE: Final = re.compile(r":[^.]*")
_SNOMED: Final = "http://snomed.info/sct"
_EXPRESSION: Final = "http://hl7.org/fhir/StructureDefinition/cqf-expression"
_PARAMETER: Final = "http://hl7.org/fhir/tools/StructureDefinition/valueset-parameter"


def search_parameter(value: Any) -> Faults:
    """A parameter derived from a base one keeps its type, and searches no type that the base one does not."""
    base = _parameters().get(str(value.get("derivedFrom")))
    if base is None:
        return None
    found: list[Fault] = []
    if value.get("type") != base.kind:
        found += fault("must be the type of the parameter it is derived from", ".type", "business-rule", "derived-type")
    types = value.get("base")
    for place, one in enumerate(types if type(types) is list else ()):
        if one not in base.bases and "Resource" not in base.bases:
            says = "must be a type of the parameter it is derived from"
            found += fault(says, f".base[{place}]", "business-rule", "derived-base")
    return found


@cache
def _parameters() -> dict[str, definitions.Parameter]:
    return {one.url: one for one in definitions.table().parameters}


def structure_definition(value: Any) -> Faults:
    """A profile on a type of R4 speaks of elements that the type has."""
    type_ = value.get("type")
    if value.get("kind") == "logical" or value.get("derivation") != "constraint":
        return None
    if type(type_) is not str or type_ not in definitions.table().elements:
        return None
    found: list[Fault] = []
    for part in ("differential", "snapshot"):
        inner = value.get(part)
        rows = inner.get("element") if type(inner) is dict else None
        for place, row in enumerate(rows if type(rows) is list else ()):
            path = row.get("path") if type(row) is dict else None
            if type(path) is str and not _has_path(type_, path):
                found += fault(
                    "must be an element of the type", f".{part}.element[{place}].path", "value", "known-path"
                )
    return found


def _has_path(type_: str, path: str) -> bool:
    """Whether a type has an element; below a choice or a resource anything may stand."""
    first, *steps = _SLICE.sub("", path).split(".")
    if first != type_:
        return False
    at = frozenset((type_,))
    for step in steps:
        inner = _below(at, step.removesuffix("[x]"))
        if inner is None:
            return True
        if not inner:
            return False
        at = inner
    return True


@lru_cache(maxsize=4096)
def _below(at: frozenset[str], name: str) -> frozenset[str] | None:
    """The types of what stands by a name below any of the types; None where that may be anything. A path may be long."""
    inner: set[str] = set()
    for one in at:
        known = members(one)
        if not known:
            return None
        inner |= {of for _, of in known.get(name, ())}
        inner |= {of for found in known.values() for json, of in found if json == name}
    return None if "Resource" in inner else frozenset(inner)


def questionnaire(value: Any) -> Faults:
    """What a question depends on is another question of the form, and not one inside it."""
    rows = list(_items(value, ""))
    if not any("enableWhen" in item for _, item in rows):
        return None
    places = {item["linkId"]: where for where, item in rows if type(item.get("linkId")) is str}
    found: list[Fault] = []
    for where, item in rows:
        conditions = item.get("enableWhen")
        for place, one in enumerate(conditions if type(conditions) is list else ()):
            asked = one.get("question") if type(one) is dict else None
            at = f"{where}.enableWhen[{place}].question"
            if type(asked) is not str:
                continue
            if asked not in places:
                found += fault("must be a question of the form", at, "business-rule", "enable-when")
            elif places[asked] == where or places[asked].startswith(f"{where}."):
                found += fault("must not be the item itself or one inside it", at, "business-rule", "enable-when")
    return found


def _items(value: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every item with its place; iterative, since depth is the sender's."""
    rest = [(where, value)]
    while rest:
        at, one = rest.pop()
        inner = one.get("item")
        for place, item in enumerate(inner if type(inner) is list else ()):
            if type(item) is dict:
                yield f"{at}.item[{place}]", item
                rest.append((f"{at}.item[{place}]", item))


def code_system(value: Any) -> Faults:
    """A code system without content lists none."""
    if value.get("content") == "not-present" and "concept" in value:
        return fault("must not be there where the content is not present", ".concept", "business-rule", "content")
    return None


def value_set(value: Any) -> Faults:
    """What a value set includes: code systems, their codes, and filters that can be read."""
    compose, parameters = value.get("compose"), _declared(value)
    found: list[Fault] = []
    for part in ("include", "exclude"):
        rows = compose.get(part) if type(compose) is dict else None
        for place, one in enumerate(rows if type(rows) is list else ()):
            found += _include(one, f".compose.{part}[{place}]", parameters) if type(one) is dict else []
    return found


def _include(include: dict[str, Any], where: str, parameters: frozenset[str]) -> Iterator[Fault]:
    filters = include.get("filter")
    for place, one in enumerate(filters if type(filters) is list else ()):
        if type(one) is dict:
            yield from _filter(one, include.get("system"), f"{where}.filter[{place}]", parameters)
    system = include.get("system")
    if type(system) is not str:
        return
    if system in rules().value_sets and system not in rules().systems:
        yield from fault("must be a code system, not a value set", f"{where}.system", "business-rule", "no-value-set")
    listed = rules().systems.get(system)
    concepts = include.get("concept")
    for place, one in enumerate(concepts if type(concepts) is list else ()):
        code = one.get("code") if type(one) is dict else None
        if listed is not None and type(code) is str and code not in listed and "version" not in include:
            says = "must have a code that its system has"
            yield from fault(says, f"{where}.concept[{place}].code", "code-invalid", "known-code")


def _filter(row: dict[str, Any], system: Any, where: str, parameters: frozenset[str]) -> Iterator[Fault]:
    value = row.get("value")
    if system == _SNOMED and row.get("property") == "constraint" and type(value) is str and not is_expression(value):
        says = "must be an expression of SNOMED's constraint language"
        yield from fault(says, f"{where}.value", "business-rule", "ecl")
    for expression in _expressions(row.get("_value"), _EXPRESSION):
        if expression.get("language") != "text/fhirpath" or type(expression.get("expression")) is not str:
            continue
        try:
            used = variables(expression["expression"])
        except ValueError:
            yield from fault("must hold a FHIRPath expression", f"{where}.value", "business-rule", "fhirpath")
            continue
        if not used <= parameters | {"resource", "context", "rootResource", "ucum", "sct", "loinc"}:
            says = "must use parameters that the value set has"
            yield from fault(says, f"{where}.value", "business-rule", "parameter")


def _expressions(value: Any, address: str) -> Iterator[dict[str, Any]]:
    """The expressions of extensions of that address on a value."""
    rows = value.get("extension") if type(value) is dict else None
    for one in rows if type(rows) is list else ():
        if type(one) is dict and one.get("url") == address and type(one.get("valueExpression")) is dict:
            yield one["valueExpression"]


def _declared(value: dict[str, Any]) -> frozenset[str]:
    """The names of a value set's own parameters."""
    rows = value.get("extension")
    parts = [
        part
        for one in (rows if type(rows) is list else ())
        if type(one) is dict and one.get("url") == _PARAMETER and type(one.get("extension")) is list
        for part in one["extension"]
        if type(part) is dict and part.get("url") == "name"
    ]
    return frozenset(str(part.get("valueCode")) for part in parts)
