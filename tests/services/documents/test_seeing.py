"""Which documents a grant opens: what is locked, what is too old by kjernejournal's scope, and what was shut here."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from documents_at_hand import code, entry
from kjerne.access import Caller, Choice, Grant, Label, Subject, part_label
from kjerne.services.documents.seeing import listed_by, sight
from kjerne.xds.forms import XON
from kjerne.xds.values import Author, Code

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CALLER = Caller("practitioner", "ehr", frozenset(), hpr="9001", level=4)
WINDOWS = (("A00-1", None), ("C00-1", date(2025, 11, 28)))


def granted(hides: Label = Label.RESTRICTED, *choices: Choice, **changes: Any) -> Grant:
    subject = Subject(7, (7,), 1, (b"",), date(1955, 9, 17), "female", "", False, choices, (), None, True)
    plain = Grant(CALLER, subject, "documents", "search", "rule", "law", "says", "TREAT", "", hides, False, NOW, "c-1")
    return replace(plain, **changes)


def of_class(kind: str, **changes: Any) -> Any:
    return entry(class_code=code("9602", kind), **changes)


@pytest.mark.parametrize(
    ("document", "seen"),
    [
        (of_class("A00-1", service_start="19990101"), "open"),
        (of_class("C00-1", service_start="20251128"), "open"),
        (of_class("C00-1", service_start="20251127225959"), "absent"),
        (of_class("C00-1", service_start="20251127233000"), "open"),
        (entry(class_code=code("1.2.3", "A00-1")), "absent"),
        (entry(class_code=Code("A00-1", "URN:OID:2.16.578.1.12.4.1.1.9602")), "open"),
        (of_class("C00-1", service_start="2025"), "absent"),
        (of_class("C00-1", service_start="", created="20260101120000"), "open"),
        (of_class("C00-1", service_start="", created=""), "absent"),
        (of_class("B00-1", service_start="20261101"), "absent"),
        (entry(class_code=None), "absent"),
    ],
)
def test_kjernejournals_scope_reaches_some_classes_each_from_its_first_day(document: Any, seen: str) -> None:
    assert sight(granted(windows=WINDOWS), document, "100000008") == seen
    assert sight(granted(), document, "100000008") == "open", "the other scope has no windows"


def test_what_its_source_marks_as_locked_is_shut_while_the_grant_says_so() -> None:
    locked = entry(confidentiality=(code("2.16.840.1.113883.5.25", "N"), code("9603", "NORS")))
    assert sight(granted(), locked, "1") == "locked"
    assert sight(granted(Label(0)), locked, "1") == "open"
    for system in ("2.16.840.1.113883.5.25", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "", "oid:1.2",
                   "URN:OID:2.16.578.1.12.4.1.1.9603"):  # fmt: skip
        for spelt in ("NORS", "nors", " NORS "):
            assert sight(granted(), entry(confidentiality=(Code(spelt, system),)), "1") == "locked", (system, spelt)
    kept_from_her = entry(confidentiality=(code("9603", "NORN_FFL"),))
    assert sight(granted(), kept_from_her, "1") == "open", "what is kept from the patient is not kept from personnel"


@pytest.mark.parametrize("mark", ["NORN_FFL", "NORN_ANG", "NORU", "NORN_XYZ"])
def test_personnel_who_read_their_own_see_no_more_than_the_citizens_they_are(mark: str) -> None:
    normal, hides = code("2.16.840.1.113883.5.25", "N"), Label.WITHHELD_FROM_CITIZEN
    of_herself = granted(hides, released_only=True)
    withheld = entry(confidentiality=(normal, code("9603", mark)))
    assert sight(of_herself, withheld, "1") == "absent"
    assert sight(granted(), withheld, "1") == "open", "personnel who treat her are told of it"
    assert sight(of_herself, entry(confidentiality=(code("2.16.840.1.113883.5.25", "V"),)), "1") == "absent"
    assert sight(of_herself, entry(confidentiality=(normal, code("9603", "NORS"))), "1") == "open", "her own lock"


@pytest.mark.parametrize(
    ("created", "start", "shown"),
    [
        ("20261127233000", "20240101", "20261128"), ("20261127", "", "20261127"), ("", "202403", "202403"), ("2025", "", "2025"),
        ("99991231235959", "", "99991231"), ("", "", ""),
    ],
)  # fmt: skip
def test_the_day_of_a_list_is_the_day_in_norway_and_none_that_nobody_said(created: str, start: str, shown: str) -> None:
    assert listed_by(entry(created=created, service_start=start)) == shown


@pytest.mark.parametrize("source", ["100000008", "981275721", "4208723"])
def test_what_one_place_has_sent_in_is_shut_where_the_patient_says_so_here(source: str) -> None:
    choice = Choice("restriction", "documents", "", "", NOW, None, source=source, slot=2, marked=(7,))
    shut = granted(part_label(2), choice)
    assert sight(shut, entry(), "100000008") == "locked"
    assert sight(granted(Label(0), choice), entry(), "100000008") == "open"
    assert sight(granted(part_label(2), replace(choice, source="1")), entry(), "100000008") == "open"
    assert sight(granted(part_label(2), replace(choice, service="results")), entry(), "100000008") == "open"


@pytest.mark.parametrize(
    "number", ["981 275 721", "2.16.578.1.12.4.1.4.101.981275721", "urn:oid:2.16.578.1.12.4.1.4.101.981275721"]
)
def test_a_place_that_she_has_shut_is_known_however_its_number_is_written(number: str) -> None:
    choice = Choice("restriction", "documents", "", "", NOW, None, source="981275721", slot=2, marked=(7,))
    there = entry(authors=(Author(institutions=(XON("Betanien", number),)),))
    assert sight(granted(part_label(2), choice), there, "100000008") == "locked"


NORMAL = code("2.16.840.1.113883.5.25", "N")
CITIZEN = Caller("citizen", "portal", frozenset(), digest=b"d", level=4)
FROM_HER = Label.WITHHELD_FROM_CITIZEN | Label.WITHDRAWN


@pytest.mark.parametrize(
    ("marks", "seen"),
    [
        ((NORMAL,), "open"), ((code("9603", "N"),), "open"), ((NORMAL, code("9603", "NORS")), "open"),
        ((NORMAL, code("9603", "NORN_FORANS")), "open"), ((code("2.16.840.1.113883.5.25", "R"),), "open"),
        ((NORMAL, code("9603", "NORN_FFL")), "absent"), ((NORMAL, code("9603", "NORN_ANG")), "absent"),
        ((NORMAL, code("9603", "NORU")), "absent"), ((code("2.16.840.1.113883.5.25", "V"),), "absent"),
        ((NORMAL, code("9603", "NORN_NEW")), "absent"), ((NORMAL, code("1.2.3", "X")), "absent"),
        ((code("9603", "NORS"),), "absent"), ((), "absent"),
    ],
)  # fmt: skip
def test_a_citizen_sees_what_is_not_withheld_from_her_and_her_own_lock_shuts_nothing(
    marks: tuple[Any, ...], seen: str
) -> None:
    hers = granted(FROM_HER, caller=CITIZEN)
    assert sight(hers, entry(confidentiality=marks), "1") == seen, "what nobody knows the meaning of is not shown"
    parents = granted(FROM_HER | Label.WITHHELD_FROM_PARENTS, caller=CITIZEN)
    if any(one.code == "NORN_FORANS" for one in marks):
        assert sight(parents, entry(confidentiality=marks), "1") == "absent"
