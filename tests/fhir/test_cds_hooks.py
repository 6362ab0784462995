"""The form of CDS Hooks: what is read of a call, how a card is written, what is told of one."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from kjerne.errors import Refusal
from kjerne.fhir import cds_hooks
from kjerne.fhir.cds_hooks import ENTRIES_LIMIT, FEEDBACK_LIMIT, REASONS, Card, Suggestion

EVERY = ("patient-view", "order-select", "order-sign")


def draft(id_: str = "1", **more: Any) -> dict[str, Any]:
    return {"resourceType": "MedicationRequest", "id": id_} | more


def body(*drafts: dict[str, Any], **more: Any) -> dict[str, Any]:
    entry = [
        {"fullUrl": f"https://ehr.example/fhir/MedicationRequest/{number}", "resource": one}
        for number, one in enumerate(drafts)
    ]
    context = {"userId": "Practitioner/1", "patientId": "7", "draftOrders": {"resourceType": "Bundle", "entry": entry}}
    return {"hook": "order-sign", "hookInstance": str(uuid4()), "context": context} | more


def told(**more: Any) -> dict[str, Any]:
    return {"card": str(uuid4()), "outcome": "overridden", "outcomeTimestamp": "2026-11-27T12:00:00Z"} | more


def where(refused: pytest.ExceptionInfo[Refusal]) -> tuple[int, str]:
    return refused.value.status, refused.value.where


def test_a_call_is_read_with_its_drafts_and_what_was_fetched() -> None:
    patient = {"resourceType": "Patient", "id": "7"}
    found = cds_hooks.asked(body(draft("a"), draft("b"), prefetch={"patient": patient, "none": None}), EVERY)
    assert ([one.place for one in found.orders], found.patient) == (["MedicationRequest/a", "MedicationRequest/b"], "7")
    assert (found.resources("patient"), found.resources("none"), found.resources("other")) == ([patient], [], None)
    assert found.around["Patient/7"] == patient


def test_a_draft_without_an_id_is_named_by_its_place_and_cannot_be_taken_away() -> None:
    (one,) = cds_hooks.asked(body({"resourceType": "MedicationRequest"}), EVERY).orders
    assert (one.place, one.has_id) == ("draftOrders.entry[0]", False)


def test_two_drafts_with_one_id_are_refused() -> None:
    with pytest.raises(Refusal) as refused:
        cds_hooks.asked(body(draft("a"), draft("a")), EVERY)
    assert where(refused) == (400, "context.draftOrders")


def test_more_resources_than_are_read_are_refused_whole() -> None:
    with pytest.raises(Refusal) as refused:
        cds_hooks.asked(body(*(draft(str(one)) for one in range(ENTRIES_LIMIT + 1))), EVERY)
    assert where(refused) == (422, "Bundle.entry")


@pytest.mark.parametrize(
    ("reference", "leads"),
    [
        ("#in", True), ("Medication/out", True), ("https://ehr.example/fhir/Medication/out/_history/2", True),
        ("Medication/none", False), ("#none", False), ("", False),
    ],
)  # fmt: skip
def test_a_reference_leads_to_what_is_contained_or_came_along(reference: str, leads: bool) -> None:
    holder = {"contained": [{"id": "in", "resourceType": "Medication"}]}
    around = {"Medication/out": {"resourceType": "Medication", "id": "out"}}
    assert bool(cds_hooks.led_to({"reference": reference}, holder, around)) == leads


def test_a_card_is_written_as_the_standard_has_it() -> None:
    suggested = Suggestion(UUID(int=2), "Ta ut", ("MedicationRequest/1",))
    card = Card("r", "R", "sum", "det", "info", UUID(int=1), suggested, (("other", "Annet"),))
    (found,) = json.loads(cds_hooks.answer([card], "source", "link", "https://x.example/clinician"))["cards"]
    assert found == {
        "uuid": str(UUID(int=1)),
        "summary": "sum",
        "detail": "det",
        "indicator": "info",
        "source": {
            "label": "source",
            "url": "https://x.example/clinician",
            "topic": {"system": cds_hooks.RULES, "code": "r", "display": "R"},
        },
        "suggestions": [
            {
                "label": "Ta ut",
                "uuid": str(UUID(int=2)),
                "actions": [{"type": "delete", "description": "Ta ut", "resourceId": "MedicationRequest/1"}],
            }
        ],
        "selectionBehavior": "at-most-one",
        "overrideReasons": [{"system": REASONS, "code": "other", "display": "Annet"}],
        "links": [{"label": "link", "url": "https://x.example/clinician", "type": "absolute"}],
    }


def test_a_card_that_asks_for_no_feedback_has_no_empty_members() -> None:
    (found,) = json.loads(cds_hooks.answer([Card("r", "R", "sum", "det", "info")], "s", "l", "u"))["cards"]
    assert set(found) == {"summary", "detail", "indicator", "source", "links"}
    assert json.loads(cds_hooks.answer([], "s", "l", "u")) == {"cards": []}


def test_a_text_for_markdown_is_one_line_without_markup() -> None:
    assert cds_hooks.plain("a\n# b <i> & [c](d)") == "a \\# b &lt;i\\> &amp; \\[c\\]\\(d\\)"
    assert cds_hooks.bare("a <b>\u202e c") == "a ‹b› c"
    assert cds_hooks.one_line("x" * 20, 5) == "xxxx…"


def test_a_reason_of_somebody_elses_list_is_another_and_a_comment_is_not_kept() -> None:
    one = told(overrideReason={"reason": {"system": "urn:theirs", "code": "tolerated"}, "userComment": "hemmelig"})
    two = told(overrideReason={"reason": {"system": REASONS, "code": "tolerated"}})
    found = cds_hooks.feedback({"feedback": [one, two, told()]}, ["tolerated"])
    assert [each.reason for each in found] == ["other", "tolerated", ""]
    assert "hemmelig" not in repr(found)


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (7, "feedback[0]"), (told(card="x"), "feedback[0].card"), (told(outcome="seen"), "feedback[0].outcome"),
        (told(outcome="accepted"), "feedback[0].acceptedSuggestions"),
        (told(outcomeTimestamp="i går"), "feedback[0].outcomeTimestamp"),
    ],
)  # fmt: skip
def test_feedback_that_lacks_something_is_told_what_and_where(entry: Any, place: str) -> None:
    with pytest.raises(Refusal) as refused:
        cds_hooks.feedback({"feedback": [entry]}, [])
    assert where(refused) == (400, place)


def test_feedback_of_nothing_and_of_too_much_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        cds_hooks.feedback({"feedback": []}, [])
    assert where(refused) == (400, "feedback")
    with pytest.raises(Refusal) as refused:
        cds_hooks.feedback({"feedback": [told()] * (FEEDBACK_LIMIT + 1)}, [])
    assert where(refused) == (422, "feedback")


FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
ADVICE = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "not-supported"}]}


def searchset(*resources: Any, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": one} for one in resources]} | more


@pytest.mark.parametrize(
    "failed",
    [
        None, "x", 7, [draft()], {}, FAILED, searchset(FAILED), searchset(draft(), FAILED), searchset(draft(), 7),
        searchset(draft(), {"resourceType": "medicationRequest"}), searchset({"id": "1"}), searchset(searchset(draft())),
        searchset(draft(), link=[{"relation": "next", "url": "https://ehr.example/2"}]), searchset(draft(), total=2),
        {"resourceType": "Bundle", "entry": {"resource": draft()}}, searchset(draft()) | {"entry": [{"resource": draft()}, None]},
    ],
)  # fmt: skip
def test_a_list_that_could_not_be_fetched_or_read_whole_is_no_whole_list(failed: Any) -> None:
    found = cds_hooks.listed(failed)
    assert not found.is_whole
    assert found.resources in ([], [draft()])


@pytest.mark.parametrize(
    ("fetched", "number"),
    [(searchset(), 0), (draft(), 1), (searchset(draft(), total=1), 1), (searchset(draft(), ADVICE), 1)],
)
def test_a_whole_list_is_read_whole(fetched: Any, number: int) -> None:
    assert cds_hooks.listed(fetched) == ([draft()] * number, True)


def test_what_a_search_includes_or_says_of_itself_is_no_match_that_its_total_counts() -> None:
    entry = [
        {"resource": draft(), "search": {"mode": "match"}},
        {"resource": {"resourceType": "Medication"}, "search": {"mode": "include"}},
        {"resource": ADVICE, "search": {"mode": "outcome"}},
    ]
    assert cds_hooks.listed({"resourceType": "Bundle", "total": 1, "entry": entry}).is_whole
    assert not cds_hooks.listed({"resourceType": "Bundle", "total": 2, "entry": entry}).is_whole


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        ({"resource": draft()}, ".entry"), ([None], ".entry[0].resource"), ([{"resource": None}], ".entry[0].resource"),
        ([{"resource": draft()}, {"request": {}}], ".entry[1].resource"),
        ([{"resource": {"id": "1"}}], ".entry[0].resource.resourceType"),
        ([{"resource": {"resourceType": "medicationRequest"}}], ".entry[0].resource.resourceType"),
        ([{"resource": {"resourceType": "MedicationOrder"}}], ".entry[0].resource.resourceType"),
    ],
)  # fmt: skip
def test_a_draft_whose_form_cannot_be_read_is_refused_with_its_place(entry: Any, place: str) -> None:
    tree = body()
    tree["context"]["draftOrders"]["entry"] = entry
    with pytest.raises(Refusal) as refused:
        cds_hooks.asked(tree, EVERY)
    assert where(refused) == (400, f"context.draftOrders{place}")


def test_every_resource_of_a_call_is_known_however_deep_it_lies() -> None:
    inner = draft("in", contained=[{"resourceType": "Patient", "id": "p"}])
    found = cds_hooks.asked(body(searchset(inner), prefetch={"x": searchset(draft("y"))}), EVERY)
    ids = [(one.get("id"), holder.get("id")) for one, holder in found.every if one["resourceType"] != "Bundle"]
    assert sorted(ids) == [("in", "in"), ("p", "in"), ("y", "y")]
