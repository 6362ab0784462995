"""Over the wire: lists that did not come whole, drafts of another form or about another person, and what stands on the cards."""

from __future__ import annotations

from typing import Any

import pytest

from kjerne.sandbox import substances
from kjerne.services.warnings.asking import MEDICINES_LIMIT
from kjerne.services.warnings.cards import LISTED
from kjerne.services.warnings.reading import ATC, SNOMED
from platform_fixture import Answered, Standing, Tree
from services.critical.records import flag, implant, registered
from services.test_standards_registered import NEED
from services.warnings.test_api import (
    AT,
    PATIENT,
    about,
    body,
    brand,
    bundle,
    call,
    cards,
    entry,
    order,
    rule,
    signed,
    substance,
    taken_back,
    verified,
)
from services.warnings.worlds import coded
from words import fresh

__all__ = ["taken_back"]
ALREADY = "/cds-services/already-done"
NUMBER = "urn:oid:2.16.578.1.12.4.1.4.1"
FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
URN = "urn:uuid:6d2b0b4e-5c3b-4f0e-9b45-0f0d3f3f3f3f"


def viewed(platform: Standing, whom: str = "citizen", **fetched: Any) -> Answered:
    return call(platform, body("patient-view", prefetch=fetched), about=whom, **NEED)


def test_a_list_that_the_client_could_not_fetch_is_told_as_not_checked(platform: Standing) -> None:
    entry(platform, substance(substances.IBUPROFEN), text=fresh())
    one = bundle(order(brand(5)))
    for fetched, told in (
        ({"medications": FAILED, "statements": None}, "no-medicines"),
        ({"medications": FAILED, "statements": bundle()}, "some-medicines"),
        ({"medications": one | {"link": [{"relation": "next", "url": "x"}]}, "statements": bundle()}, "some-medicines"),
        ({"medications": one}, "some-medicines"),
    ):
        assert told in {rule(card) for card in cards(viewed(platform, **fetched))}
    whole = {rule(card) for card in cards(viewed(platform, medications=one, statements=bundle()))}
    assert {"same-substance"} == whole & {"same-substance", "some-medicines", "no-medicines"}


def patient(platform: Standing, whom: str, **more: Any) -> Tree:
    return {"resourceType": "Patient", "identifier": [{"system": NUMBER, "value": platform.nin(whom)}]} | more


@pytest.mark.parametrize("path", [AT, ALREADY])
def test_a_draft_about_anothers_patient_is_refused_wherever_that_patient_lies(platform: Standing, path: str) -> None:
    mine, other = (patient(platform, one) for one in ("citizen", "youth"))
    inside = order(subject={"reference": "#p"})
    beside = order(subject={"reference": URN})

    def answered(*drafts: Tree, **fetched: Any) -> Answered:
        tree = body("order-sign", *drafts, prefetch=fetched)
        for one in tree["context"]["draftOrders"]["entry"]:
            if one["resource"]["resourceType"] == "Patient" and "id" not in one["resource"]:
                one["fullUrl"] = URN
        return call(platform, tree, path=path, as_="hospital-doctor", **NEED)

    for one in (
        answered(inside | {"contained": [other | {"id": "p"}]}),
        answered(order(), {"resourceType": "CarePlan", "id": "c", "contained": [other | {"id": "p"}]}),
        answered(beside, other),
        answered(order(), other | {"id": PATIENT}),
        answered(order(), mine | {"id": PATIENT}, other=other | {"id": PATIENT}),
        answered(order(), patient=mine | {"id": PATIENT}, wrapped=bundle(bundle(other))),
        answered(order(), {"resourceType": "Immunization", "id": "i", "patient": {"reference": "Patient/another"}}),
        answered(inside),
        answered(inside | {"contained": [{"resourceType": "Patient", "id": "p"}]}),
        answered(beside),
    ):
        assert one.status == 422, one.response.text
        assert platform.nin("youth") not in one.response.text
    for one in (
        answered(inside | {"contained": [mine | {"id": "p"}]}),
        answered(beside, mine),
        answered(order(), mine | {"id": PATIENT}, other=mine | {"id": PATIENT}),
    ):
        assert one.status == 200, one.response.text


def in_parameters(one: Tree) -> Tree:
    return {"resourceType": "Parameters", "parameter": [{"name": "p", "part": [{"name": "q", "resource": one}]}]}


@pytest.mark.parametrize("path", [AT, ALREADY])
def test_anothers_patient_is_seen_in_whatever_of_the_call_it_lies(platform: Standing, path: str) -> None:
    def answered(whom: str, place: str) -> Answered:
        one = patient(platform, whom, id=PATIENT)
        fetched = {"parameters": in_parameters(one), "list": [one], "object": {"y": {"z": one}}}
        tree = body("order-sign", order(), prefetch={"x": fetched[place]} if place in fetched else {})
        beside = {"patient": one, "medications": bundle(one)}
        tree["context"] |= {place: beside[place]} if place in beside else {}
        of_draft = {"valueReference": {"reference": "#p"}, "extension": [{"url": "urn:x", "y": one}]}
        tree["context"]["draftOrders"]["entry"][0]["resource"] |= of_draft if place == "draft" else {}
        return call(
            platform, tree | ({"extension": {"x": one}} if place == "extension" else {}), path=path,
            as_="hospital-doctor", **NEED,
        )  # fmt: skip

    for place in ("parameters", "list", "object", "patient", "medications", "draft", "extension"):
        assert (answered("youth", place).status, answered("citizen", place).status) == (422, 200), place


@pytest.mark.parametrize("path", [AT, ALREADY])
@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Group/1"}, {"reference": "https://ehr.example/fhir/RelatedPerson/1"},
        {"type": "Practitioner", "display": "Somebody"},
    ],
)  # fmt: skip
def test_what_is_about_a_group_or_another_person_is_refused(platform: Standing, path: str, subject: Tree) -> None:
    draft = call(platform, body("order-sign", order(subject=subject)), path=path, as_="hospital-doctor", **NEED)
    fetched = body("order-sign", order(), prefetch={"x": bundle(order(subject=subject))})
    held = call(platform, fetched, path=path, as_="hospital-doctor", **NEED)
    assert [(one.status, one.issue["expression"]) for one in (draft, held)] == [(422, ["context"])] * 2


def test_no_known_allergy_is_no_reaction(platform: Standing) -> None:
    word = fresh()
    entry(platform, {"system": SNOMED, "code": "716186003", "display": "No known allergy"}, text=word)
    assert about(signed(platform, order(text="Hostesaft")), word) == []
    assert about(viewed(platform), word) == []


def test_an_implant_is_called_by_its_device_and_what_is_over_is_not_listed(platform: Standing) -> None:
    word, over = fresh(), fresh()
    kind = coded({"system": SNOMED, "code": "14106009", "display": word})
    hers: dict[str, Any] = {"about": "ward", **NEED}
    device = [{"resourceType": "Device", "id": "device", "type": kind}]
    registered(platform, implant(platform, "ward", contained=device), **hers)
    ended = {"start": "2019-01-01", "end": "2020-01-01"}
    registered(platform, flag(platform, "ward", code={"text": over}, period=ended), **hers)
    assert [rule(one) for one in about(viewed(platform, "ward"), word)] == ["registered"]
    assert about(viewed(platform, "ward"), over) == []


def test_of_many_entries_a_card_names_the_weighty_first_and_then_the_newest(platform: Standing) -> None:
    words = [fresh() for _ in range(LISTED + 2)]
    for number, word in enumerate(words):
        entry(platform, text=word, about="new-mother", criticality="low" if number else "high")
    told = next(one for one in cards(viewed(platform, "new-mother")) if rule(one) == "registered")["detail"]
    assert [word in told for word in words] == [True, False, False, *[True] * (LISTED - 1)]
    assert all(told.index(words[0]) < told.index(word) for word in words[3:])


@pytest.mark.parametrize("asked", ["opened", "warned", "unchecked", "not-compared"])
def test_the_log_names_the_entries_that_a_card_names_and_none_that_it_only_counts(
    platform: Standing, asked: str
) -> None:
    words = {fresh(): "" for _ in range(LISTED + 3)}
    codes = [substance(substances.IBUPROFEN)] if asked == "warned" else []
    for word in words:
        words[word] = entry(platform, *codes, text=word, about="new-mother")
    meal = {"resourceType": "NutritionOrder", "id": "n", "patient": {"reference": f"Patient/{PATIENT}"}}
    draft = {"warned": order(brand(5)), "unchecked": order(text=fresh()), "not-compared": meal}.get(asked)
    answer = signed(platform, draft, about="new-mother") if draft else viewed(platform, "new-mother")
    told = " ".join(one["summary"] + one["detail"] for one in cards(answer))
    (row,) = platform.audited(answer.response)
    named = {str(one) for one in row["ids"]}
    assert {word for word in words if word in told} == {word for word, id_ in words.items() if id_ in named}
    assert len(named & set(words.values())) == LISTED


def test_a_draft_that_is_not_compared_is_told_with_the_entries(platform: Standing) -> None:
    word = fresh()
    id_ = entry(platform, substance(substances.IBUPROFEN), text=word, criticality="high")
    meal = {
        "resourceType": "NutritionOrder",
        "id": "n",
        "status": "draft",
        "patient": {"reference": f"Patient/{PATIENT}"},
    }
    answer = signed(platform, meal)
    (card,) = about(answer, word)
    assert (rule(card), card["indicator"]) == ("not-compared", "warning")
    assert "NutritionOrder" in card["detail"]
    (row,) = platform.audited(answer.response)
    assert id_ in [str(one) for one in row["ids"]]


def test_drafts_of_one_medicine_have_one_card_that_takes_all_of_them_away(platform: Standing) -> None:
    words = [fresh(), fresh()]
    for word in words:
        entry(platform, substance(substances.IBUPROFEN), text=word, about="renumbered", **verified("confirmed"))
    drafts = [order(brand(5), id_=f"d{number}") for number in range(30)]
    answer = signed(platform, *drafts, about="renumbered")
    (card,) = [one for one in cards(answer) if rule(one) == "same-substance"]
    assert all(word in card["detail"] for word in words)
    assert len(card["suggestions"][0]["actions"]) == 30


def test_more_medicines_than_one_call_compares_are_refused_whole(platform: Standing) -> None:
    drafts = [order({"system": ATC, "code": f"X{number}"}, id_=f"d{number}") for number in range(MEDICINES_LIMIT + 1)]
    answer = signed(platform, *drafts)
    assert (answer.status, answer.issue["code"]) == (422, "too-costly")
    assert platform.audited(answer.response) == []
