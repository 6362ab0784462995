"""Value sets that an address itself defines: SNOMED CT's `?fhir_vs=...` and LOINC's `/vs/...` (R4 snomedct.html, loinc.html)."""

from __future__ import annotations

import re
from typing import Any, Final

from kjerne.errors import Refusal
from kjerne.fhir.terminology.parts import LOINC, SNOMED

_SNOMED: Final = re.compile(
    r"(http://snomed\.info/sct(?:/[0-9]{6,18}(?:/version/[0-9]{8})?)?)\?fhir_vs(?:=(?P<how>.*))?", re.ASCII
)
_LOINC: Final = re.compile(r"http://loinc\.org/vs(?:/(?P<of>L[LP][0-9]{1,8}-[0-9]))?", re.ASCII)
_HOW: Final = re.compile(r"(?P<op>isa|refset)/(?P<code>[0-9]{6,18})", re.ASCII)


def value_set(canonical: str) -> dict[str, Any] | None:
    """The value set of such an address; None of another. `Refusal` 422 where it asks what is not answered (`ecl/`)."""
    if (found := _SNOMED.fullmatch(canonical)) is not None:
        return _made(canonical, _of_snomed(found[1], found["how"]))
    address, _, version = canonical.partition("|")
    if (found := _LOINC.fullmatch(address)) is None:
        return None
    include: dict[str, Any] = {"system": LOINC} | ({"version": version} if version else {})
    if of := found["of"]:
        op = "in" if of.startswith("LL") else "descendent-of"
        include["filter"] = [{"property": "concept", "op": op, "value": of}]
    return _made(address, include)


def _of_snomed(edition: str, how: str | None) -> dict[str, Any]:
    include: dict[str, Any] = {"system": SNOMED} | ({"version": edition} if edition != SNOMED else {})
    if how is None:
        return include
    asked = _HOW.fullmatch(how)
    if asked is None:
        raise Refusal(
            422, "of SNOMED CT's implicit value sets isa/CODE, refset/CODE and the whole are answered", where="url",
            code="not-supported", todo="Say it with is-a and descendent-of in a ValueSet.",
        )  # fmt: skip
    op = "is-a" if asked["op"] == "isa" else "in"
    return include | {"filter": [{"property": "concept", "op": op, "value": asked["code"]}]}


def _made(canonical: str, include: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "url": canonical, "status": "active", "compose": {"include": [include]}}
