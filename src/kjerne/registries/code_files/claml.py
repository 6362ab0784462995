"""ClaML (EN 14463), in which ICD-10 and its kin are published: classes with their places, rubrics and modifiers.

A class that is modified gets the codes that its modifiers make (`ModifiedBy`), unless it names those that are valid for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from kjerne.fhir.systems import canonical
from kjerne.fhir.terminology.parts import Known, Named, Part, Under, Valued
from kjerne.registries.code_files.sources import Source, unmetered
from kjerne.registries.code_files.trees import child, elements, text

LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_ADDRESSES: Final = (
    ("ICD-10-GM", "http://fhir.de/CodeSystem/bfarm/icd-10-gm"), ("ICD-10-NO", "http://hl7.org/fhir/sid/icd-10-no"),
    ("ICD-O-3", "http://terminology.hl7.org/CodeSystem/icd-o-3"), ("ICD-10", "http://hl7.org/fhir/sid/icd-10"),
    ("ICD10", "http://hl7.org/fhir/sid/icd-10"), ("ICPC-2", "http://hl7.org/fhir/sid/icpc-2"), ("ICF", "http://hl7.org/fhir/sid/icf"),
)  # fmt: skip
"""By how the title's name begins: WHO's own files have no other identifier."""
_INCLUDED: Final = {"inclusion": "inclusion", "exclusion": "exclusion", "note": "note", "coding-hint": "coding-hint"}


class Head(NamedTuple):
    """What the file says of the whole. `url` is empty where that tells nothing that is known."""

    url: str
    version: str
    name: str


def head(source: Source) -> Head:
    """From `Identifier` and `Title`, which stand before the classes."""
    url = ""
    for element in elements(source, ("Identifier", "Title"), unmetered):
        if "uid" in element.attrib:
            found = canonical(element.get("uid", ""))
            url = found if ":" in found else url
            continue
        name = element.get("name", "")
        if not url:
            url = next((address for begins, address in _ADDRESSES if name.upper().startswith(begins)), "")
        version = element.get("version", "") or element.get("date", "")
        return Head(canonical(url), version, text(element) or name)
    raise source.refused("the file has no Title, which names the classification and its version")


def parts(source: Source, meter: Callable[[int], None]) -> Iterator[Part]:
    """Every class, and those that modifiers make of it."""
    modifiers: dict[str, list[tuple[str, str]]] = {}
    for element in elements(source, ("ModifierClass", "Class"), meter):
        code, line = element.get("code", ""), element.sourceline or 0
        if not code:
            raise source.refused("the class has no code", line)
        if element.get("modifier"):
            modifiers.setdefault(element.get("modifier"), []).append((code, _preferred(element)))
            continue
        yield from _class(element, code, line)
        for modified in element:
            if modified.tag == "ModifiedBy":
                yield from _modified(source, element, modified, modifiers, line)


def _class(element: Any, code: str, line: int) -> Iterator[Part]:
    preferred = _preferred(element)
    if not preferred:
        preferred = code
    definition = next((text(one) for one in element if one.tag == "Rubric" and one.get("kind") == "definition"), "")
    yield Known(code, preferred, definition, line=line)
    if element.get("kind"):
        yield Valued(code, "kind", "valueCode", element.get("kind"))
    for one in element:
        if one.tag == "SuperClass":
            yield Under(code, one.get("code", ""))
        elif one.tag == "Meta":
            yield Valued(code, one.get("name", ""), "valueString", one.get("value", ""))
        elif one.tag == "Rubric":
            yield from _rubric(code, one)


def _rubric(code: str, rubric: Any) -> Iterator[Part]:
    kind = rubric.get("kind", "")
    for label in rubric:
        if label.tag == "Label" and (said := text(label)):
            if kind in ("preferred", "preferredLong"):
                yield Named(code, said, label.get(LANG, ""))
            elif kind in _INCLUDED:
                yield Valued(code, _INCLUDED[kind], "valueString", said)


def _modified(
    source: Source, element: Any, modified: Any, modifiers: dict[str, list[tuple[str, str]]], line: int
) -> Iterator[Part]:
    """The codes of a class with each subclass of a modifier behind it."""
    code, made = element.get("code"), modifiers.get(modified.get("code", ""))
    if made is None:
        raise source.refused("the class is modified by what the file has not before it", line)
    valid = {one.get("code") for one in modified if one.tag == "ValidModifierClass"}
    for suffix, says in made:
        if modified.get("all") != "false" or suffix in valid:
            yield Known(code + suffix, f"{_preferred(element)}: {says}", line=line)
            yield Under(code + suffix, code)
            yield Valued(code + suffix, "kind", "valueCode", "modified")


def _preferred(element: Any) -> str:
    for kind in ("preferredLong", "preferred"):
        for rubric in element:
            if rubric.tag == "Rubric" and rubric.get("kind") == kind and (label := child(rubric, "Label")) is not None:
                return text(label)
    return ""
