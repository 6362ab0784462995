"""CDS Hooks over the wire: cards from critical information under its law, with their rows in the log, and what became of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest

from kjerne.policy.door import Door
from kjerne.registries.card_words import say
from kjerne.sandbox import substances
from kjerne.services.warnings.cards import REASONS
from kjerne.services.warnings.reading import ATC, MEDICINES, SUBSTANCES
from platform_fixture import Answered, Standing, Tree
from services.test_standards_registered import HL7, NEED, allergy, choose, consent, registered, send
from services.warnings.worlds import coded
from words import fresh

AT: Final = "/cds-services/critical-information"
HOOKS: Final = ("patient-view", "order-select", "order-sign")
PATIENT: Final = "ehr-patient-1"
COUNTS: Final = "/critical-information/warning-counts"


def substance(one: substances.Substance) -> dict[str, str]:
    return {"system": SUBSTANCES, "code": one.id, "display": one.name}


def brand(number: int) -> dict[str, str]:
    one = substances.BRANDS[number - 1]
    return {"system": MEDICINES, "code": one.id, "display": one.name}


left: list[tuple[str, str]] = []
"""The entries of a test, and whose they are."""


@pytest.fixture(autouse=True)
def taken_back(platform: Standing) -> Iterator[None]:
    """Entries of one substance share a card: none of another test stands on it."""
    yield
    while left:
        id_, about = left.pop()
        send(platform, "DELETE", f"AllergyIntolerance/{id_}", version=1, about=about)


def entry(platform: Standing, *codings: dict[str, str], text: str = "", about: str = "citizen", **more: Any) -> str:
    """A reaction of hers, as her doctor registers it: `text` is what its code is called, and its words where it has none."""
    called = {"display": text} if text else {}
    code = coded(*({**one, **called} for one in codings), text="" if codings else text)
    id_ = registered(platform, allergy(platform, about, code=code, **more), about=about)
    left.append((id_, about))
    return id_


def verified(status: str) -> Tree:
    return {"verificationStatus": coded({"system": f"{HL7}allergyintolerance-verification", "code": status})}


def order(*codings: dict[str, str], text: str = "", id_: str = "draft-1", **more: Any) -> Tree:
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": "draft",
        "intent": "order",
        "subject": {"reference": f"Patient/{PATIENT}"},
        "medicationCodeableConcept": coded(*codings, text=text),
    } | more


def bundle(*resources: Tree) -> Tree:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def body(hook: str, *drafts: Tree, **more: Any) -> Tree:
    context: Tree = {"userId": "PractitionerRole/ehr-user", "patientId": PATIENT}
    if hook != "patient-view":
        context["draftOrders"] = bundle(*drafts)
    if hook == "order-select":
        context["selections"] = [f"{one['resourceType']}/{one['id']}" for one in drafts]
    return {"hook": hook, "hookInstance": str(uuid4()), "context": context} | more


def call(
    platform: Standing, tree: Tree, *, path: str = AT, as_: str = "gp", about: str = "citizen", language: str = "nb", **more: Any
) -> Answered:  # fmt: skip
    headers = {"content-type": "application/json", "accept-language": language}
    return Answered(
        platform.client.call(
            "POST", path, as_=as_, patient=platform.nin(about), body=json.dumps(tree).encode(), headers=headers, **more
        )
    )


def cards(answer: Answered) -> list[Tree]:
    assert answer.status == 200, answer.response.text
    found: list[Tree] = answer.tree["cards"]
    return found


def about(answer: Answered, word: str) -> list[Tree]:
    """The cards that name an entry."""
    return [one for one in cards(answer) if word in one["summary"] + one["detail"]]


def rule(card: Tree) -> str:
    return str(card["source"]["topic"]["code"])


def signed(platform: Standing, *drafts: Tree, **more: Any) -> Answered:
    return call(platform, body("order-sign", *drafts), **more)


def test_a_prescription_of_what_she_reacts_to_interrupts_where_that_is_confirmed(platform: Standing) -> None:
    word = fresh()
    id_ = entry(platform, substance(substances.IBUPROFEN), text=word, **verified("confirmed"))
    answer = signed(platform, order(brand(5)))
    (card,) = about(answer, word)
    assert (rule(card), card["indicator"]) == ("same-substance", "critical")
    assert card["summary"] == say("nb", "summary.same-substance", medicine="Sandprofen tab 400 mg", entry=word)
    assert [one["code"] for one in card["overrideReasons"]] == list(REASONS)
    assert card["suggestions"][0]["actions"] == [
        {"type": "delete", "description": "Ta ut Sandprofen tab 400 mg", "resourceId": "MedicationRequest/draft-1"}
    ]
    assert card["links"][0]["url"] == f"{platform.url}/clinician"
    (row,) = platform.audited(answer.response)
    assert (row["service"], row["action"], row["outcome"]) == ("critical-information", "search", 0)
    assert id_ in [str(one) for one in row["ids"]]


def test_the_log_names_the_entries_that_stand_on_cards_and_no_other(platform: Standing) -> None:
    used = entry(platform, substance(substances.IBUPROFEN), text=fresh(), about="renumbered")
    left = entry(platform, substance(substances.ASPIRIN), text=fresh(), about="renumbered")
    (row,) = platform.audited(signed(platform, order(brand(5)), about="renumbered").response)
    named = [str(one) for one in row["ids"]]
    assert used in named
    assert left not in named


def test_a_mild_reaction_warns_and_does_not_interrupt(platform: Standing) -> None:
    word = fresh()
    entry(platform, substance(substances.IBUPROFEN), text=word, criticality="low")
    (card,) = about(signed(platform, order(brand(5))), word)
    assert (rule(card), card["indicator"]) == ("same-substance", "warning")


@pytest.mark.parametrize("status", ["refuted", "inactive", "deleted"])
def test_what_was_refuted_ended_or_deleted_warns_no_more(platform: Standing, status: str) -> None:
    word = fresh()
    tree = allergy(platform, code=coded(substance(substances.IBUPROFEN), text=word))
    id_ = registered(platform, tree)
    assert about(signed(platform, order(brand(5))), word)
    if status == "deleted":
        assert send(platform, "DELETE", f"AllergyIntolerance/{id_}", version=1).status == 204
    else:
        ended = {"clinicalStatus": coded({"system": f"{HL7}allergyintolerance-clinical", "code": "inactive"})}
        changed = tree | {"id": id_} | ended | (verified("refuted") if status == "refuted" else {})
        assert send(platform, "PUT", f"AllergyIntolerance/{id_}", changed, version=1).status == 200
    assert about(signed(platform, order(brand(5))), word) == []


def test_kin_by_a_loaded_group_warns_and_names_the_group(platform: Standing) -> None:
    word = fresh()
    entry(platform, substance(substances.AMOXICILLIN), text=word, criticality="low", **verified("confirmed"))
    (card,) = about(signed(platform, order(brand(2))), word)
    assert (rule(card), card["indicator"]) == ("cross-reactivity", "warning")
    assert "Betalaktamer" in card["detail"]


def test_the_same_substance_is_found_behind_two_codes_of_atc(platform: Standing) -> None:
    word = fresh()
    entry(platform, {"system": ATC, "code": "N02BA01"}, text=word)
    (card,) = about(signed(platform, order({"system": ATC, "code": "B01AC06"}, text="Hjertetablett")), word)
    assert rule(card) == "same-substance"


def test_a_group_of_atc_is_told_as_one_of_use(platform: Standing) -> None:
    word = fresh()
    entry(platform, {"system": ATC, "code": "M01A"}, text=word, criticality="high", **verified("confirmed"))
    (card,) = about(signed(platform, order(brand(5))), word)
    assert (rule(card), card["indicator"]) == ("same-use", "critical")
    assert "kanskje ikke samme virkestoff" in card["summary"]


def test_an_excipient_is_found_in_a_medicine_that_comes_along(platform: Standing) -> None:
    word = fresh()
    entry(platform, substance(substances.LACTOSE), text=word, criticality="high", category=["food"])
    held = {
        "resourceType": "Medication",
        "id": "tablet",
        "code": coded(brand(4)),
        "ingredient": [
            {"itemCodeableConcept": coded(substance(substances.ASPIRIN)), "isActive": True},
            {"itemCodeableConcept": coded(substance(substances.LACTOSE)), "isActive": False},
        ],
    }
    draft = order(medicationReference={"reference": "Medication/tablet"})
    del draft["medicationCodeableConcept"]
    (card,) = about(signed(platform, draft, held), word)
    assert (rule(card), card["indicator"]) == ("excipient", "critical")


def test_an_entry_in_words_alone_is_told_as_not_checked(platform: Standing) -> None:
    word = fresh()
    entry(platform, text=word)
    (card,) = about(signed(platform, order(brand(5))), word)
    assert (rule(card), card["indicator"]) == ("not-checked", "info")
    assert "ikke at det er trygt" in card["detail"]


def test_a_prescription_in_words_alone_is_told_as_not_checked(platform: Standing) -> None:
    entry(platform, substance(substances.IBUPROFEN), text=fresh())
    found = about(signed(platform, order(text="Hjemmelaget miksturblanding")), "Hjemmelaget miksturblanding")
    assert [rule(one) for one in found] == ["not-checked"]


def test_only_what_was_selected_is_held_against_her_entries(platform: Standing) -> None:
    word = fresh()
    entry(platform, substance(substances.IBUPROFEN), text=word)
    tree = body("order-select", order(brand(5), id_="a"), order(brand(2), id_="b"))
    tree["context"]["selections"] = ["MedicationRequest/b"]
    assert about(call(platform, tree), word) == []
    tree["context"]["selections"] = ["MedicationRequest/a"]
    assert [rule(one) for one in about(call(platform, tree), word)] == ["same-substance"]


def test_a_record_that_is_opened_tells_what_is_registered_and_holds_the_medicines_in_use_against_it(
    platform: Standing,
) -> None:
    word = fresh()
    entry(platform, substance(substances.IBUPROFEN), text=word)
    statement = order(brand(5)) | {"resourceType": "MedicationStatement", "status": "active"}
    answer = call(platform, body("patient-view", prefetch={"statements": bundle(statement)}))
    assert {rule(one) for one in about(answer, word)} == {"same-substance", "registered"}
    assert all("suggestions" not in one for one in cards(answer))
    ended = bundle(statement | {"status": "stopped"})
    assert {rule(one) for one in about(call(platform, body("patient-view", prefetch={"statements": ended})), word)} == {
        "registered"
    }


def test_a_list_that_was_not_sent_is_told_as_not_checked(platform: Standing) -> None:
    entry(platform, substance(substances.IBUPROFEN), text=fresh())
    assert "no-medicines" in {rule(one) for one in cards(call(platform, body("patient-view")))}


def test_no_grant_no_card(platform: Standing) -> None:
    answer = signed(platform, order(brand(5)), as_="blocked-doctor", **NEED)
    assert answer.status == 403
    assert "cards" not in answer.tree
    assert answer.issue["diagnostics"]
    assert [row["outcome"] for row in platform.audited(answer.response)] == [1]


def test_a_record_that_she_restricts_is_absent_from_cards_and_from_their_row_in_the_log(platform: Standing) -> None:
    word, who = fresh(), "parent"
    id_ = registered(
        platform, allergy(platform, who, code=coded(substance(substances.IBUPROFEN), text=word)), about=who, **NEED
    )
    assert about(signed(platform, order(brand(5)), about=who, **NEED), word)
    only = {"meaning": "instance", "reference": {"identifier": {"value": id_}}}
    chosen = choose(platform, consent("record", data=[only]), who)
    shut = signed(platform, order(brand(5)), about=who, **NEED)
    assert about(shut, word) == []
    (row,) = platform.audited(shut.response)
    assert id_ not in [str(one) for one in row["ids"]]
    choose(platform, chosen | {"status": "inactive"}, who, withdrawn=True)
    assert about(signed(platform, order(brand(5)), about=who, **NEED), word)


def test_where_no_choice_may_be_told_a_shut_record_answers_as_an_empty_one(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K37: also of a prescription that nobody could check."""
    monkeypatch.setattr(Door, "_tells_choices", property(lambda _: False, lambda *_: None), raising=False)
    answer = signed(platform, order(text="i ord alene"), as_="hospital-doctor", about="restricted", **NEED)
    assert (answer.status, answer.tree) == (200, {"cards": []})
    assert [row["outcome"] for row in platform.audited(answer.response)] == [1]


def test_what_her_scopes_leave_in_part_is_told_as_a_part(platform: Standing) -> None:
    narrow = signed(platform, order(brand(5)), narrower="user/AllergyIntolerance.s?category=food")
    assert "part" in {rule(one) for one in cards(narrow)}
    assert signed(platform, order(brand(5)), narrower="user/Flag.rs").status == 403


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
def test_the_words_are_in_the_readers_language_and_the_ids_in_none(platform: Standing, language: str) -> None:
    word = fresh()
    entry(platform, substance(substances.IBUPROFEN), text=word)
    (card,) = about(signed(platform, order(brand(5)), language=language), word)
    told = say(language, "summary.same-substance", medicine="Sandprofen tab 400 mg", entry="@")
    # Another file may have left an entry of the same substance with her, which the card counts.
    assert re.fullmatch(re.escape(told).replace("@", ".+"), card["summary"])
    assert rule(card) == "same-substance"


def test_what_somebody_wrote_is_no_markup_on_a_card(platform: Standing) -> None:
    word = fresh()
    entry(platform, substance(substances.IBUPROFEN), text=f"*{word}* [x](http://evil.example)")
    (card,) = about(signed(platform, order(brand(5), text="<script>tablett</script>" + "lang" * 50)), word)
    assert "<" not in card["summary"] + card["detail"] + card["suggestions"][0]["label"]
    assert f"\\*{word}\\*" in card["detail"]
    assert "](" not in card["detail"]
    assert len(card["summary"]) < 140


def test_what_became_of_a_card_is_counted_once_by_its_rule_and_reason(platform: Standing) -> None:
    word = fresh()
    entry(platform, substance(substances.IBUPROFEN), text=word, **verified("confirmed"))
    (card,) = about(signed(platform, order(brand(5))), word)
    before = counted(platform)
    said = {
        "card": card["uuid"],
        "outcome": "overridden",
        "overrideReason": {
            "reason": {"system": card["overrideReasons"][0]["system"], "code": "tolerated"},
            "userComment": "x",
        },
        "outcomeTimestamp": "2026-11-27T12:00:00Z",
    }
    for _ in range(2):
        answer = call(platform, {"feedback": [said]}, path=f"{AT}/feedback")
        assert (answer.status, answer.tree) == (200, {})
        (row,) = platform.audited(answer.response)
        assert row["about"] == f"cds-cards/{card['uuid']}"
    key = ("same-substance", "critical", "overridden", "tolerated")
    assert counted(platform).get(key, 0) - before.get(key, 0) == 1
    accepted = {
        "card": card["uuid"],
        "outcome": "accepted",
        "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
        "outcomeTimestamp": "2026-11-27T12:00:00Z",
    }
    assert call(platform, {"feedback": [accepted]}, path=f"{AT}/feedback").status == 200
    assert counted(platform).get(("same-substance", "critical", "accepted", ""), 0) >= 1
    wrong = accepted | {"acceptedSuggestions": [{"id": card["uuid"]}]}
    assert call(platform, {"feedback": [wrong]}, path=f"{AT}/feedback").status == 400


def counted(platform: Standing) -> dict[tuple[str, str, str, str], int]:
    tree = platform.client.call("GET", COUNTS, as_="operator").json()
    return {(one["rule"], one["indicator"], one["outcome"], one["reason"]): one["number"] for one in tree["counts"]}


def test_counts_are_for_whoever_runs_the_platform(platform: Standing) -> None:
    assert platform.client.call("GET", COUNTS, as_="gp", patient=platform.nin("citizen")).status_code == 403


def test_nothing_is_told_of_a_card_that_was_never_given(platform: Standing) -> None:
    id_ = entry(platform, substance(substances.IBUPROFEN), text=fresh())
    said = {"outcome": "overridden", "outcomeTimestamp": "2026-11-27T12:00:00Z"}
    for card in (str(uuid4()), id_):
        answer = call(platform, {"feedback": [said | {"card": card}]}, path=f"{AT}/feedback")
        assert (answer.status, answer.issue["expression"]) == (404, ["feedback[0].card"])


def test_a_card_keeps_whom_it_was_about_from_whoever_may_not_see_her(platform: Standing) -> None:
    word = fresh()
    entry(platform, substance(substances.IBUPROFEN), text=word)
    (card,) = about(signed(platform, order(brand(5))), word)
    said = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-27T12:00:00Z"}
    answer = call(platform, {"feedback": [said]}, path=f"{AT}/feedback", as_="blocked-doctor", **NEED)
    assert answer.status == 404


def test_the_patient_is_named_by_what_was_fetched_beforehand(platform: Standing) -> None:
    word = fresh()
    entry(platform, substance(substances.IBUPROFEN), text=word)
    number = {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("citizen")}
    tree = body("order-sign", order(brand(5)))
    patient = {"resourceType": "Patient", "id": PATIENT, "identifier": [number]}
    held = platform.client.token("gp", patient=platform.nin("citizen"), path=AT)
    for fetched, status in (({"patient": patient}, 200), ({}, 412)):
        headers = held.headers("POST", platform.url + AT, platform.clock.now().timestamp())
        answer = Answered(
            platform.http.post(
                platform.url + AT,
                json=tree | {"prefetch": fetched},
                headers={**headers, "content-type": "application/json"},
            )
        )
        assert answer.status == status, answer.response.text
    another = patient | {"identifier": [number | {"value": platform.nin("renumbered")}]}
    assert call(platform, tree | {"prefetch": {"patient": another}}).status == 422


@pytest.mark.parametrize(
    ("where", "spoil"),
    [
        ("hook", {"hook": "encounter-start"}),
        ("hookInstance", {"hookInstance": "1"}),
        ("context", {"context": None}),
        ("context.patientId", {"context": {"userId": "x"}}),
        ("context.draftOrders", {"context": {"userId": "x", "patientId": "y"}}),
        ("prefetch", {"prefetch": []}),
        ("fhirAuthorization", {"fhirAuthorization": {}}),
        ("fhirServer", {"fhirAuthorization": {"access_token": "x"}}),
    ],
)
def test_a_call_that_lacks_something_is_told_what_and_where(platform: Standing, where: str, spoil: Tree) -> None:
    answer = call(platform, body("order-sign", order(brand(5))) | spoil)
    assert (answer.status, answer.issue["expression"]) == (400, [where])
    assert platform.audited(answer.response) == []


def test_a_selection_that_is_no_draft_is_refused(platform: Standing) -> None:
    tree = body("order-select", order(brand(5)))
    tree["context"]["selections"] = ["MedicationRequest/none"]
    answer = call(platform, tree)
    assert (answer.status, answer.issue["expression"]) == (400, ["context.selections[0]"])


def test_a_draft_about_another_patient_than_the_context_is_refused(platform: Standing) -> None:
    answer = signed(platform, order(brand(5), subject={"reference": "Patient/another"}))
    assert answer.status == 422


def test_the_clients_own_token_is_neither_used_nor_written_anywhere(platform: Standing) -> None:
    secret = fresh()
    tree = body("order-sign", order(brand(5)), fhirServer="https://ehr.example/fhir")
    assert call(platform, tree | {"fhirAuthorization": {"access_token": secret}}).status == 200
    assert secret not in platform.written.getvalue()


def test_discovery_is_open_and_lists_each_hook_with_what_it_wants_fetched(platform: Standing) -> None:
    tree = platform.http.get(f"{platform.url}/cds-services").json()
    listed = {(one["id"], one["hook"]) for one in tree["services"]}
    every = ("patient-view", "order-select", "order-sign")
    assert listed == {("critical-information", one) for one in every} | {("already-done", one) for one in every[1:]}
    assert all(one["description"] and one["prefetch"]["patient"] for one in tree["services"])


def test_what_was_written_beside_a_code_of_none_could_not_be_checked_and_a_substance_beside_it_warns(
    platform: Standing,
) -> None:
    word, other = fresh(), fresh()
    none = {"system": "http://snomed.info/sct", "code": "716186003", "display": "No known allergy"}
    drug = substance(substances.IBUPROFEN) | {"display": other}
    codes = {"coding": [none], "text": word}, {"coding": [none, drug]}
    left.extend(
        (registered(platform, allergy(platform, code=code, **verified("confirmed"))), "citizen") for code in codes
    )
    answer = signed(platform, order(brand(5)))
    (unchecked,), (warns,) = about(answer, word), about(answer, other)
    assert (rule(unchecked), rule(warns), warns["indicator"]) == ("not-checked", "same-substance", "critical")
    for one in (unchecked, warns):
        assert "motsier seg selv" in one["detail"] and "No known allergy" not in one["summary"] + one["detail"]
