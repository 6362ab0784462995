"""A document at hand may have any shape: it is shown or refused, and never breaks a page."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given, settings

from kjerne.errors import Refusal
from kjerne.fhir.document_view import view
from kjerne.pages.foreign_document import numbers_of, read
from kjerne.pages.summary_page import rendered
from kjerne.pages.summary_pdf import laid_out
from pages.documents import whole
from shapes import ANYTHING, spoiled

WHOLE = whole(number="15887099918")
SYSTEMS = ({"a": 1}, ["urn:oid:2.16.578.1.12.4.1.4.1"], 5, None, True)


def of_patient(system: object) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": system, "value": "15887099918"}]}


def shown(tree: object) -> str:
    """What the page and the PDF have of it; nothing where it is refused."""
    try:
        document = read(json.dumps(tree).encode())
        numbers_of(document)
        body = rendered(document, "nb")
        json.dumps(laid_out(view(document), "nb"))
    except Refusal as refusal:
        assert refusal.status in (400, 413, 422)
        return ""
    return str(body)


@given(ANYTHING)
@settings(deadline=None)
def test_anything_is_shown_or_refused(tree: object) -> None:
    shown(tree)
    shown({"resourceType": "Bundle", "entry": tree})
    shown(
        {
            "resourceType": "Bundle",
            "entry": [{"resource": tree}, {"resource": {"resourceType": "Composition", "section": tree}}],
        }
    )


@given(spoiled(WHOLE))
@settings(deadline=None, max_examples=60)
@example(WHOLE | {"entry": [{"resource": of_patient(system)} for system in SYSTEMS]})
def test_a_summary_of_which_places_have_become_anything_is_shown_or_refused(tree: dict[str, Any]) -> None:
    shown(tree)


def test_a_system_of_any_shape_names_whom_its_value_names() -> None:
    for system in SYSTEMS:
        assert numbers_of({"entry": [{"resource": of_patient(system)}]}) == ("15887099918",)


def test_entries_of_another_shape_are_shown_or_refused_and_never_lost() -> None:
    allergy = {"resourceType": "AllergyIntolerance", "code": {"text": "Penicillin"}}
    for entry in ({"resource": allergy}, {"0": {"resource": allergy}}, [[{"resource": allergy}]], [{"resource": [allergy]}],
                  [{"AllergyIntolerance": allergy}], [allergy], {"0": {"1": [allergy]}}):  # fmt: skip
        assert "Penicillin" in shown({"resourceType": "Bundle", "type": "document", "entry": entry}), entry
