"""LOINC as Regenstrief publishes it: `Loinc.csv`, and where they are there linguistic variants, hierarchy and answer lists.

Each file is known by its columns. The release is the newest `VersionLastChanged` that a row has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from kjerne.fhir.terminology.parts import Known, Member, Named, Part, Under, Valued
from kjerne.registries.code_files.sources import Source

AXES: Final = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP")
NEEDED: Final = {
    "codes": ("LOINC_NUM", *AXES, "CLASS", "STATUS", "LONG_COMMON_NAME"),
    "variant": ("LOINC_NUM", *AXES, "LONG_COMMON_NAME", "LinguisticVariantDisplayName"),
    "hierarchy": ("PATH_TO_ROOT", "IMMEDIATE_PARENT", "CODE", "CODE_TEXT"),
    "answers": ("AnswerListId", "AnswerListName", "AnswerStringId", "DisplayText"),
}
PROPERTIES: Final = (
    *AXES, "CLASS", "CLASSTYPE", "STATUS", "ORDER_OBS", "EXAMPLE_UCUM_UNITS", "VersionFirstReleased",
    "VersionLastChanged", "PanelType",
)  # fmt: skip
_NAMES: Final = (("LONG_COMMON_NAME", "l"), ("SHORTNAME", "n"), ("CONSUMER_NAME", "c"), ("DisplayName", ""))
_VARIANT: Final = re.compile(r"([a-z]{2})([A-Z]{2})[0-9]+LinguisticVariant", re.ASCII)
_CODE: Final = re.compile(r"(?:LP|LA|LL|LG)?[0-9]{1,8}-[0-9]", re.ASCII)


def kind(source: Source, head: bytes) -> str:
    """Which file of a release this is; empty where it is none."""
    first = head.partition(b"\n")[0].decode("utf-8", "replace")
    names = {one.strip().strip('"') for one in first.split(source.delimiter())}
    if "LinguisticVariantDisplayName" in names and "LOINC_NUM" in names:
        return "variant"
    for what in ("hierarchy", "answers"):
        if names.issuperset(NEEDED[what]):
            return what
    return "codes" if {"LOINC_NUM", "COMPONENT", "LONG_COMMON_NAME", "STATUS"} <= names else ""


def version(files: Sequence[tuple[str, Source]]) -> str:
    """The release; empty where no row says when it was changed."""
    found = [
        row.get("VersionLastChanged", "")
        for what, source in files
        if what == "codes"
        for _, row in source.rows(NEEDED["codes"])
    ]
    return max(found, key=_numbers, default="")


def parts(files: Sequence[tuple[str, Source]], meter: Callable[[int], None]) -> Iterator[Part]:
    """All that a release says. `Refusal` names file and line of what is wrong."""
    order = ("codes", "hierarchy", "answers", "variant")
    known = set[str]()
    for what, source in sorted(files, key=lambda one: order.index(one[0])):
        for number, row in source.rows(NEEDED[what], meter):
            code = row[_CODES[what]]
            if not _CODE.fullmatch(code):
                raise source.refused("the line has no LOINC code where a release has one", number)
            yield from _MAKERS[what](source, number, row, known)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"\d{1,9}", text, re.ASCII))


def _code(_: Source, number: int, row: dict[str, str], _known: set[str]) -> Iterator[Part]:
    code = row["LOINC_NUM"]
    yield Known(
        code, row["LONG_COMMON_NAME"], row.get("DefinitionDescription", ""), row["STATUS"] != "DEPRECATED", line=number
    )
    yield from (Named(code, row[name], "en", use) for name, use in _NAMES if row.get(name))
    yield from (Valued(code, name, "valueString", row[name]) for name in PROPERTIES if row.get(name))


def _level(_: Source, number: int, row: dict[str, str], known: set[str]) -> Iterator[Part]:
    code, parent = row["CODE"], row["IMMEDIATE_PARENT"]
    if code.startswith("LP") and code not in known:
        known.add(code)
        yield Known(code, row["CODE_TEXT"], line=number)
    if parent:
        yield Under(code, parent)


def _answer(_: Source, number: int, row: dict[str, str], known: set[str]) -> Iterator[Part]:
    list_, code = row["AnswerListId"], row["AnswerStringId"]
    if list_ not in known:
        known.add(list_)
        yield Known(list_, row["AnswerListName"], abstract=True, line=number)
    if code and code not in known:
        known.add(code)
        yield Known(code, row["DisplayText"], line=number)
    if code:
        yield Member(list_, code)


def _variant(source: Source, _: int, row: dict[str, str], _known: set[str]) -> Iterator[Part]:
    found = _VARIANT.search(source.base)
    if found is None:
        raise source.refused("a linguistic variant has its language in its name, as in nbNO00LinguisticVariant.csv")
    language = f"{found[1]}-{found[2]}"
    for name, use in (("LinguisticVariantDisplayName", "v"), ("LONG_COMMON_NAME", "l"), ("SHORTNAME", "n")):
        if row.get(name):
            yield Named(row["LOINC_NUM"], row[name], language, use)


_CODES: Final = {"codes": "LOINC_NUM", "variant": "LOINC_NUM", "hierarchy": "CODE", "answers": "AnswerListId"}
_MAKERS: Final[dict[str, Callable[[Source, int, dict[str, str], set[str]], Iterator[Part]]]] = {
    "codes": _code, "variant": _variant, "hierarchy": _level, "answers": _answer,
}  # fmt: skip
