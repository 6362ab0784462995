"""SNOMED CT in Release Format 2, the Snapshot: concepts, descriptions, relationships, language and simple reference sets.

Each file is known by its header. Everything that is given together is one edition: an extension is given with the international
release that it builds on. Texts are UTF-8, columns are parted by tabs, and each line is ended (RF2, 2.1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from kjerne.fhir.terminology.parts import SNOMED, Known, Member, Named, Part, Preferred, Under, Valued
from kjerne.registries.code_files.sources import Source, unmetered

_ROW: Final = ("id", "effectiveTime", "active", "moduleId")
_REFSET: Final = (*_ROW, "refsetId", "referencedComponentId")
HEADERS: Final = {
    (*_ROW, "definitionStatusId"): "concept",
    (*_ROW, "conceptId", "languageCode", "typeId", "term", "caseSignificanceId"): "description",
    (
        *_ROW, "sourceId", "destinationId", "relationshipGroup", "typeId", "characteristicTypeId", "modifierId",
    ): "relationship",
    (*_REFSET, "acceptabilityId"): "language",
    _REFSET: "refset",
    (*_REFSET, "sourceEffectiveTime", "targetEffectiveTime"): "modules",
}  # fmt: skip
IS_A: Final = "116680003"
CORE: Final = "900000000000207008"
MODEL: Final = "900000000000012004"
_FSN, _DEFINITION = "900000000000003001", "900000000000550004"
_DEFINED, _STATED, _PREFERRED = "900000000000073002", "900000000000010007", "900000000000548007"
LANGUAGES: Final = {
    "900000000000509007": "en", "900000000000508004": "en-GB", "61000202103": "nb", "91000202106": "nn",
    "46011000052107": "sv", "554461000005103": "da",
}  # fmt: skip
"""The language of a language reference set: descriptions of one language code may be preferred in two of them."""
_NOT_SNAPSHOT: Final = re.compile(r"(?:^|[_/])(?:[A-Za-z]*)(Full|Delta)(?=[_\-/])")
_TIME: Final = re.compile(r"[0-9]{8}", re.ASCII)
_ID: Final = re.compile(r"[0-9]{6,18}", re.ASCII)


def kind(head: bytes) -> str:
    """Which file of a release this is; empty where it is none."""
    first = head.partition(b"\n")[0].rstrip(b"\r").decode("utf-8", "replace")
    return HEADERS.get(tuple(first.split("\t")), "")


def is_snapshot(source: Source) -> bool:
    """Whether it is of the Snapshot: the Full and the Delta have the same headers and other names."""
    return _NOT_SNAPSHOT.search(source.member or source.path.name) is None


def version(files: Sequence[tuple[str, Source]]) -> str:
    """`http://snomed.info/sct/MODULE/version/TIME`: the module that no other builds on, and its newest time."""
    above, below, times = set[str](), set[str](), dict[str, str]()
    for what, source in files:
        if what == "modules":
            for _, row in _rows(source, what):
                if row[2] == "1":
                    above.add(row[3])
                    below.add(row[5])
        if what == "concept":
            for _, row in _rows(source, what):
                if row[1] > times.get(row[3], ""):
                    times[row[3]] = row[1]
    tops = (above & times.keys()) - below or times.keys() - {MODEL} or times.keys()
    # An edition that is made of several extensions has the newest module's name.
    module = max(tops, key=lambda one: (one != CORE, times[one], one), default=CORE)
    return f"{SNOMED}/{module}/version/{max(times.values(), default='')}"


def parts(files: Sequence[tuple[str, Source]], meter: Callable[[int], None]) -> Iterator[Part]:
    """All that a release says. `Refusal` names file and line of what is wrong."""
    for what, source in sorted(files, key=lambda one: one[0] != "concept"):
        make = _MAKERS.get(what)
        if make is not None:
            for number, row in _rows(source, what, meter):
                yield from make(number, row)


def _rows(source: Source, what: str, meter: Callable[[int], None] = unmetered) -> Iterator[tuple[int, list[str]]]:
    width = next(len(header) for header, name in HEADERS.items() if name == what)
    lines = source.lines(meter, ended=True)
    next(lines, None)
    for number, line in lines:
        row = line.split("\t")
        if len(row) != width:
            raise source.refused(f"the line has {len(row)} columns and a {what} {width}", number)
        if row[2] not in ("0", "1") or not _TIME.fullmatch(row[1]):
            raise source.refused("the line has no time or no state where a release has them", number)
        if not _ID.fullmatch(row[4 if what != "concept" else 0]):
            raise source.refused("the line has no SNOMED CT identifier where a release has one", number)
        yield number, row


def _concept(number: int, row: list[str]) -> Iterator[Part]:
    code, _, active, module, status = row
    yield Known(code, active=active == "1", line=number)
    yield Valued(code, "sufficientlyDefined", "valueBoolean", status == _DEFINED)
    yield Valued(code, "moduleId", "valueCode", module)


def _description(_: int, row: list[str]) -> Iterator[Part]:
    id_, active, code, language, type_, term = (row[at] for at in (0, 2, 4, 5, 6, 7))
    if active != "1":
        return
    if type_ == _DEFINITION:
        yield Valued(code, "definition", "valueString", term)
    else:
        yield Named(code, term, language, "f" if type_ == _FSN else "s", id_)


def _relationship(_: int, row: list[str]) -> Iterator[Part]:
    active, source, target, type_, characteristic = (row[at] for at in (2, 4, 5, 7, 8))
    if active != "1" or characteristic == _STATED:
        return
    yield Under(source, target) if type_ == IS_A else Valued(source, type_, "valueCode", target)


def _language(_: int, row: list[str]) -> Iterator[Part]:
    active, refset, description, acceptability = (row[at] for at in (2, 4, 5, 6))
    if active == "1" and refset in LANGUAGES:
        yield Preferred(description, LANGUAGES[refset], acceptability == _PREFERRED)


def _refset(_: int, row: list[str]) -> Iterator[Part]:
    if row[2] == "1":
        yield Member(row[4], row[5])


_MAKERS: Final[dict[str, Callable[[int, list[str]], Iterator[Part]]]] = {
    "concept": _concept, "description": _description, "relationship": _relationship, "language": _language, "refset": _refset,
}  # fmt: skip
