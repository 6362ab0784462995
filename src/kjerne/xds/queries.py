"""The stored queries of ITI-18 and ITI-38 (ITI TF-2, 3.18.4.1.2.3.7) as values, and AdhocQueryRequest around them.

A value in a query is coded once more: a text in quotes (a quote in it doubled), a number bare, several in parentheses. Several
values of a parameter are alternatives; where a parameter stands several times, all of them must be met.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from lxml import etree

from kjerne.xds import forms, names, reading, writing
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import CX
from kjerne.xds.names import QUERY, RIM

PARAMETERS_LIMIT: Final = 60
VALUES_LIMIT: Final = reading.OBJECTS_LIMIT
"""Values of all parameters together: as many as the objects of one answer."""
AUTHORS_LIMIT: Final = 20
"""Patterns of names, each of which is held against every author of the list."""
LEAF, REFERENCES = "LeafClass", "ObjectRef"

_ENTRY, _SET = "$XDSDocumentEntry", "$XDSSubmissionSet"
_ONE_DOCUMENT: Final = (_ENTRY + "EntryUUID", _ENTRY + "UniqueId")
_ONE_SET: Final = (_SET + "EntryUUID", _SET + "UniqueId")
NEEDS: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    names.FIND_DOCUMENTS: ((_ENTRY + "PatientId",), (_ENTRY + "Status",)),
    names.FIND_BY_REFERENCE: ((_ENTRY + "PatientId",), (_ENTRY + "Status",), (_ENTRY + "ReferenceIdList",)),
    names.FIND_SUBMISSION_SETS: ((_SET + "PatientId",), (_SET + "Status",)),
    names.FIND_FOLDERS: (("$XDSFolderPatientId",), ("$XDSFolderStatus",)),
    names.GET_ALL: (("$patientId",), (_ENTRY + "Status",), (_SET + "Status",), ("$XDSFolderStatus",)),
    names.GET_DOCUMENTS: (_ONE_DOCUMENT,),
    names.GET_ASSOCIATIONS: (("$uuid",),),
    names.GET_DOCUMENTS_AND_ASSOCIATIONS: (_ONE_DOCUMENT,),
    names.GET_SUBMISSION_SETS: (("$uuid",),),
    names.GET_SUBMISSION_SET_AND_CONTENTS: (_ONE_SET,),
    names.GET_RELATED_DOCUMENTS: (_ONE_DOCUMENT, ("$AssociationTypes",)),
}
"""Which queries there are, and what each must be given: of each group one."""

CODES: Final[Mapping[str, str]] = {
    _ENTRY + "ClassCode": "class_code",
    _ENTRY + "TypeCode": "type_code",
    _ENTRY + "PracticeSettingCode": "practice_setting",
    _ENTRY + "HealthcareFacilityTypeCode": "facility_type",
    _ENTRY + "FormatCode": "format_code",
    _ENTRY + "EventCodeList": "events",
    _ENTRY + "ConfidentialityCode": "confidentiality",
    _SET + "ContentType": "content_type",
}
"""Parameter -> which attribute of an entry or a set it is held against."""
TIMES: Final[Mapping[str, str]] = {
    _ENTRY + "CreationTime": "created",
    _ENTRY + "ServiceStartTime": "service_start",
    _ENTRY + "ServiceStopTime": "service_stop",
    _SET + "SubmissionTime": "submitted",
}
_TEXT: Final = re.compile(r"'((?:[^']|'')*)'")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Query:
    """One stored query. `said` holds every parameter as it came: for each time it stands there its alternatives."""

    kind: str
    returns: str = LEAF
    home: str = ""
    said: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), repr=False)

    def values(self, *parameters: str) -> tuple[str, ...]:
        """All alternatives of these parameters."""
        return tuple(value for name, values in self.said if name in parameters for value in values)

    @property
    def patient(self) -> CX | None:
        """About whom; None where the query names objects."""
        found = self.values(_ENTRY + "PatientId", _SET + "PatientId", "$XDSFolderPatientId", "$patientId")
        if len(found) > 1:
            raise _wrong("XDSStoredQueryParamNumber", "One patient is asked about at a time.", "patientId")
        return forms.cx(found[0], "patientId") if found else None

    @property
    def document_statuses(self) -> frozenset[str]:
        return frozenset(self.values(_ENTRY + "Status"))

    @property
    def set_statuses(self) -> frozenset[str]:
        return frozenset(self.values(_SET + "Status"))

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The entryUUIDs and uniqueIds that are asked for."""
        return tuple(map(reading.object_id, self.values("$uuid", *_ONE_DOCUMENT, *_ONE_SET)))

    @property
    def association_types(self) -> frozenset[str]:
        return frozenset(self.values("$AssociationTypes"))

    def codes(self) -> Iterator[tuple[str, frozenset[tuple[str, str]]]]:
        """(attribute, alternatives as (code, system)); each must be met."""
        for name, values in self.said:
            if name in CODES:
                yield CODES[name], frozenset(_coded(value, name) for value in values)

    def times(self) -> Iterator[tuple[str, datetime | None, datetime | None]]:
        """(attribute, from, to): half-open intervals of instants."""
        for name, attribute in TIMES.items():
            first, last = self.values(name + "From"), self.values(name + "To")
            if len(first) > 1 or len(last) > 1:
                raise _wrong("XDSStoredQueryParamNumber", "A time is given once.", name)
            if first or last:
                yield (
                    attribute,
                    forms.interval(first[0], name)[0] if first else None,
                    forms.interval(last[0], name)[0] if last else None,
                )

    def authors(self) -> tuple[str, ...]:
        """Alternatives for an author's XCN, where `%` stands for anything and `_` for one sign."""
        found = self.values(_ENTRY + "AuthorPerson", _SET + "AuthorPerson")
        if len(found) > AUTHORS_LIMIT:
            raise _wrong("XDSStoredQueryParamNumber", f"At most {AUTHORS_LIMIT} authors are asked for.", "AuthorPerson")
        return found


def query(body: etree._Element) -> Query:
    """The query of an AdhocQueryRequest; `Rejected` where it is unknown, or lacks what it needs."""
    if body.tag != QUERY + "AdhocQueryRequest":
        raise _wrong("XDSRegistryError", "The body is no AdhocQueryRequest.", "Body")
    option, asked = body.find(QUERY + "ResponseOption"), body.find(RIM + "AdhocQuery")
    if option is None or asked is None:
        raise _wrong("XDSRegistryError", "A query needs its ResponseOption and its AdhocQuery.", "AdhocQueryRequest")
    returns, kind = option.get("returnType", ""), asked.get("id", "")
    if returns not in (LEAF, REFERENCES):
        raise _wrong("XDSRegistryError", "returnType is LeafClass or ObjectRef.", "ResponseOption")
    if kind not in NEEDS:
        raise _wrong("XDSUnknownStoredQuery", "The stored query is not known here.", "AdhocQuery")
    found = Query(kind, returns, asked.get("home", ""), _said(asked))
    if missing := [group[0] for group in NEEDS[kind] if not found.values(*group)]:
        raise Rejected(
            *(RegistryError("XDSStoredQueryMissingParam", "The parameter is missing.", one) for one in missing)
        )
    if all(found.values(name) for name in _ONE_DOCUMENT) or all(found.values(name) for name in _ONE_SET):
        raise _wrong("XDSStoredQueryParamNumber", "Ask by entryUUID or by uniqueId, not by both.", "EntryUUID")
    return found


def written(asked: Query) -> etree._Element:
    """The AdhocQueryRequest that asks it."""
    prefixes: Any = {"query": QUERY[1:-1], "rim": RIM[1:-1]}
    body = etree.Element(QUERY + "AdhocQueryRequest", nsmap=prefixes)
    etree.SubElement(body, QUERY + "ResponseOption", returnType=asked.returns, returnComposedObjects="true")
    made = etree.SubElement(body, RIM + "AdhocQuery", id=asked.kind)
    if asked.home:
        made.set("home", asked.home)
    for name, values in asked.said:
        writing.slot(made, name, [f"({_quoted(value)})" for value in values] if _is_list(name) else _single(values))
    return body


def _said(asked: etree._Element) -> tuple[tuple[str, tuple[str, ...]], ...]:
    slots = list(asked.iterchildren(RIM + "Slot"))
    if len(slots) > PARAMETERS_LIMIT:
        raise _wrong("XDSStoredQueryParamNumber", f"A query has at most {PARAMETERS_LIMIT} parameters.", "Slot")
    said: list[tuple[str, tuple[str, ...]]] = []
    left = VALUES_LIMIT
    for slot in slots:
        name = slot.get("name", "")[:80]
        values = (value for text in reading.values_of(slot) for value in _decoded(text, name))
        said.append((name, tuple(islice(values, left + 1))))
        left -= len(said[-1][1])
        if left < 0:
            raise _wrong("XDSStoredQueryParamNumber", f"A query has at most {VALUES_LIMIT} values.", name)
    return tuple(said)


def _decoded(text: str, name: str) -> Iterator[str]:
    """The values in one Value: bare, in quotes, or several in parentheses."""
    inside = text[1:-1].strip() if text.startswith("(") and text.endswith(")") else text
    at = 0
    while True:
        found = _TEXT.match(inside, at) or _NUMBER.match(inside, at)
        if found is None:
            raise _wrong("XDSRegistryError", "A value stands neither in quotes nor is it a number.", name)
        yield found[1].replace("''", "'") if found[0].startswith("'") else found[0]
        rest = inside[found.end() :].lstrip()
        if not rest:
            return
        if not rest.startswith(",") or inside is text:
            raise _wrong("XDSRegistryError", "Several values stand in parentheses, with commas between.", name)
        at = len(inside) - len(rest[1:].lstrip())


def _coded(text: str, name: str) -> tuple[str, str]:
    """`code^^system`."""
    code, _, system = text.partition("^^")
    if not code or not system:
        raise _wrong("XDSRegistryError", "A code has the form code^^system.", name)
    return code, system


def _is_list(name: str) -> bool:
    return not name.endswith(("PatientId", "From", "To")) and name != "$patientId"


def _single(values: Sequence[str]) -> list[str]:
    return [_quoted(value) for value in values]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _wrong(code: str, says: str, where: str) -> Rejected:
    return Rejected(RegistryError(code, says, where))
