"""The "already done" answer as cards while tests are ordered, asked and counted as the question itself."""

from __future__ import annotations

from typing import Any

from platform_fixture import Answered, Standing, Tree
from services.results.test_reuse_api import NLK, SODIUM, TSH, patient_with, shown
from services.warnings.test_api import body, call, cards, rule

AT = "/cds-services/already-done"


def ordered(code: str, id_: str = "test-1", **more: Any) -> Tree:
    coding = {"system": NLK, "code": code}
    return {"resourceType": "ServiceRequest", "id": id_, "status": "draft", "code": {"coding": [coding]}} | more


def signed(platform: Standing, *drafts: Tree, **more: Any) -> Answered:
    return call(platform, body("order-sign", *drafts), path=AT, **more)


def test_a_test_that_was_done_lately_is_told_and_counted_as_shown(platform: Standing) -> None:
    answer = signed(platform, ordered(TSH))
    (card,) = cards(answer)
    assert (rule(card), card["indicator"]) == ("done", "info")
    assert card["summary"].startswith("TSH er gjort ")
    assert card["suggestions"][0]["actions"][0]["resourceId"] == "ServiceRequest/test-1"
    assert shown(platform, card["uuid"]) == ["shown"]
    (row,) = platform.audited(answer.response)
    assert (row["service"], row["outcome"]) == ("results", 0)
    assert row["ids"]


def test_a_test_is_known_by_its_code_of_npu_too(platform: Standing) -> None:
    code = {"coding": [{"system": "http://npu-terminology.org", "code": TSH}]}
    assert [rule(one) for one in cards(signed(platform, ordered(TSH) | {"code": code}))] == ["done"]


def test_a_test_that_is_due_or_has_no_interval_makes_no_card(platform: Standing) -> None:
    patient_with(platform, "NPU10157", days_ago=400)
    assert cards(signed(platform, ordered("NPU10157"), about="pregnant")) == []
    assert cards(signed(platform, ordered("NPU00000"), {"resourceType": "MedicationRequest", "id": "m"})) == []


def test_the_order_of_the_drafts_does_not_matter(platform: Standing) -> None:
    drafts = [ordered(TSH, "a"), ordered(SODIUM, "b"), ordered("NPU27300", "c")]
    one, other = (
        [(rule(card), card["summary"]) for card in cards(signed(platform, *some))] for some in (drafts, drafts[::-1])
    )
    assert one == other


def test_what_was_done_with_a_card_is_kept_as_with_the_answer(platform: Standing) -> None:
    (card,) = cards(signed(platform, ordered(TSH)))
    said: Tree = {"card": card["uuid"], "outcome": "accepted", "outcomeTimestamp": "2026-11-27T12:00:00Z"}
    said["acceptedSuggestions"] = [{"id": card["suggestions"][0]["uuid"]}]
    assert call(platform, {"feedback": [said]}, path=f"{AT}/feedback").status == 200
    assert shown(platform, card["uuid"]) == ["shown", "followed"]
    again = call(platform, {"feedback": [said]}, path=f"{AT}/feedback")
    assert (again.status, again.tree) == (200, {})
    assert shown(platform, card["uuid"]) == ["shown", "followed"]
    (card,) = cards(signed(platform, ordered(TSH)))
    kept = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-27T12:00:00Z"}
    assert call(platform, {"feedback": [kept]}, path=f"{AT}/feedback").status == 200
    assert shown(platform, card["uuid"]) == ["shown", "overridden"]


def test_nobody_else_says_what_came_of_a_card(platform: Standing) -> None:
    (card,) = cards(signed(platform, ordered(TSH)))
    said = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-11-27T12:00:00Z"}
    need = {"self_selected": True, "reason": "Behandling"}
    for as_, status in (("blocked-doctor", 404), ("hospital-doctor", 200)):
        assert call(platform, {"feedback": [said]}, path=f"{AT}/feedback", as_=as_, **need).status == status
    assert shown(platform, card["uuid"]) == ["shown"]


def test_results_ask_for_their_own_scope_and_their_own_grant(platform: Standing) -> None:
    assert signed(platform, ordered(TSH), as_="lab").status == 403
    answer = signed(platform, ordered(TSH), as_="blocked-doctor", self_selected=True, reason="Behandling")
    assert (answer.status, [row["outcome"] for row in platform.audited(answer.response)]) == (403, [1])


def test_a_test_that_is_ended_or_of_another_form_is_not_asked_about(platform: Standing) -> None:
    for spoiled, number in (({"status": "revoked"}, 0), ({"doNotPerform": True}, 0), ({"status": ["x"]}, 1)):
        assert len(cards(signed(platform, ordered(TSH, **spoiled)))) == number


def test_more_tests_than_are_asked_about_are_refused_whole(platform: Standing) -> None:
    answer = signed(platform, *(ordered(TSH, f"t{number}") for number in range(21)))
    assert (answer.status, answer.issue["expression"]) == (422, ["context.draftOrders"])


def test_the_log_names_of_earlier_results_the_one_whose_day_stands_on_the_card(platform: Standing) -> None:
    hba1c, none = "NPU27300", "NPU10157"
    (newest, *more) = platform.search("Observation", [("code", hba1c), ("_sort", "-date"), ("_count", "5")]).ids()
    assert more
    answer = signed(platform, ordered(hba1c), ordered(TSH, "b"))
    named = [{str(one) for one in row["ids"]} for row in platform.audited(answer.response)]
    assert sorted(map(len, named)) == [1, 1] and {newest} in named
    patient_with(platform, none, days_ago=400)
    due = signed(platform, ordered(none), about="pregnant")
    assert (cards(due), [row["ids"] for row in platform.audited(due.response)]) == ([], [[]])
