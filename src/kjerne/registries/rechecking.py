"""What is stored, held against R4 and the profiles of today: a report of counts and record ids, with nothing of what they hold.

Records were checked when they were written, by the rules of that day and the packages of that day; messages by the mapping
alone. The report is made of what somebody was let in to: file by file of an export that was approved, under its ground and its
law, or of records about no patient.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from kjerne.errors import Fault
from kjerne.fhir.encode import decode
from kjerne.fhir.understood import not_understood
from kjerne.fhir.validate import check
from kjerne.registries.guides import Guides

IDS_LISTED: Final = 100
"""Of one kind of fault in one file; its count is whole."""
_PLACES: Final = re.compile(r"\[\d+\]")
_R4: Final = ""
Kind = tuple[str, str, str, str]
"""How grave, by which profile (empty: by R4), which rule or code, and at which element."""


class Report:
    """Counts by kind of fault, with the ids of the records, of as many as are added."""

    def __init__(self, guides: Guides) -> None:
        self._guides = guides
        self._found: dict[Kind, dict[str, None]] = defaultdict(dict)
        self._records = self._wrong = 0

    def add(self, records: Sequence[bytes]) -> None:
        for record in records:
            tree = decode(record)
            kinds = _kinds(record, tree, self._guides)
            self._wrong += any(kind[0] == "error" for kind in kinds)
            for kind in kinds:
                self._found[kind][str(tree.get("id"))] = None
        self._records += len(records)

    def told(self) -> dict[str, Any]:
        return {
            "records": self._records,
            "wrong": self._wrong,
            "kinds": [
                {"severity": severity, "profile": profile, "rule": rule, "expression": place, "count": len(ids)}
                | {"ids": list(ids)[:IDS_LISTED]}
                for (severity, profile, rule, place), ids in sorted(self._found.items())
            ],
        }


def report(records: Sequence[bytes], guides: Guides) -> dict[str, Any]:
    """The report of these."""
    made = Report(guides)
    made.add(records)
    return made.told()


def _kinds(record: bytes, tree: dict[str, Any], guides: Guides) -> set[Kind]:
    name = str(tree["resourceType"])
    faults = guides.settled(check(tree, name), tree) or not_understood(record, tree)
    if faults:
        return {_kind("error", _R4, one) for one in faults}
    bound = guides.bound(tree)
    kinds = {_kind("error", _R4, one) for one in bound.faults} | {_kind("warning", _R4, one) for one in bound.advice}
    for profile, strength in guides.wanted(tree, name).items():
        judged = guides.judge(tree, {profile: strength})
        kinds |= {_kind("error", profile, one) for one in judged.faults}
        kinds |= {_kind("warning", profile, one) for one in judged.advice}
    return kinds


def _kind(severity: str, profile: str, fault: Fault) -> Kind:
    """An element by its path without the places in lists, so that records can be counted together."""
    return severity, profile, fault.rule or fault.code, _PLACES.sub("", fault.where)
