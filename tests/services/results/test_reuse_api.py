"""The "already done" question over the wire: asked, answered from what may be seen alone, followed or overridden, counted."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from kjerne.access import Label
from kjerne.fhir.encode import decode, encode
from platform_fixture import Answered, Standing

from .kith.conftest import Kith

NLK = "urn:oid:2.16.578.1.12.4.1.1.7280"
TSH, HBA1C, SODIUM = "NPU03577", "NPU27300", "NPU03429"


def ask(platform: Standing, code: str, *, as_: str = "gp", about: str = "citizen", **more: Any) -> Answered:
    about = about if about.isdigit() else platform.nin(about)
    return Answered(
        platform.client.call("POST", "/pps/v2/already-done", as_=as_, patient=about, form=[("code", code)], **more)
    )


def told(answer: Answered) -> dict[str, Any]:
    """The Parameters by name."""
    assert answer.status == 200, answer.tree
    values = {}
    for part in answer.tree["parameter"]:
        value = next(part[key] for key in part if key.startswith("value"))
        values.setdefault(part["name"], []).append(value)
    return {name: found[0] if name != "earlier" else found for name, found in values.items()}


def tell(
    platform: Standing, number: str, outcome: str, reason: str = "", *, as_: str = "gp", about: str = "citizen"
) -> httpx.Response:
    form = [("outcome", outcome)] + ([("reason", reason)] if reason else [])
    return platform.client.call(
        "POST", f"/pps/v2/already-done/{number}", as_=as_, patient=platform.nin(about), form=form
    )


def shown(platform: Standing, number: str) -> list[str]:
    rows = platform.rows("SELECT outcome FROM reuse_answer WHERE number = $1 ORDER BY at", UUID(number))
    return [str(row["outcome"]) for row in rows]


def number_of(answer: Answered) -> str:
    return str(told(answer)["number"]).removeprefix("urn:uuid:")


def patient_with(platform: Standing, code: str, *, days_ago: int) -> str:
    """Somebody whose one result is so many days old."""
    person = platform.nin("pregnant")
    taken = (platform.clock.now() - timedelta(days=days_ago)).strftime("%Y-%m-%dT%H:%M:%S")
    sample = Kith.SAMPLE.replace("2026-03-02T08:15:00", taken)
    mark = secrets.token_hex(6)
    inside = Kith.person(sample + Kith.item(code), number=person)
    made = platform.clock.now().strftime("%Y-%m-%dT%H:%M:%S")
    message = Kith.message(Kith.report(patient=inside, id_=f"R-{mark}"), id_=f"M-{mark}", generated=made)
    assert platform.send(message).status_code == 200
    return person


def test_an_analysis_within_its_interval_is_already_done(platform: Standing) -> None:
    answer = told(ask(platform, f"{NLK}|{TSH}"))
    assert (answer["verdict"], answer["analysis"], answer["intervalDays"]) == ("done", "TSH", 42)
    found = platform.search("Observation", [("code", f"{TSH},NPU27547"), ("_sort", "-date"), ("_count", "5")])
    assert [one["reference"] for one in answer["earlier"]] == [f"Observation/{id_}" for id_ in found.ids()]


def test_an_old_result_makes_the_analysis_due(platform: Standing) -> None:
    person = patient_with(platform, "NPU01566", days_ago=85)
    assert told(ask(platform, "NPU01566", about=person))["verdict"] == "due"
    patient_with(platform, "NPU01566", days_ago=83)
    assert told(ask(platform, "NPU01566", about=person))["verdict"] == "done"


def test_one_code_answers_for_the_other_codes_of_its_analysis(platform: Standing) -> None:
    assert told(ask(platform, "NPU27547"))["verdict"] == "done"


def dated(platform: Standing, npu: str, **time: Any) -> str:
    """The id of a result of the new mother's by FHIR."""
    tree = {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": NLK, "code": npu}]},
        "valueQuantity": {"value": 40, "unit": "ug/L"}, **time,
    }  # fmt: skip
    answer = platform.client.call(
        "POST", "/fhir/R4/Observation", as_="lab", patient=platform.nin("new-mother"), body=encode(tree),
        headers={"content-type": "application/fhir+json"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return str(decode(answer.content)["id"])


def test_an_instant_and_the_end_of_a_period_answer_too(platform: Standing) -> None:
    first, second = (platform.clock.now() - timedelta(days=days) for days in (2, 1))
    ended = dated(platform, "NPU01566", effectivePeriod={"end": f"{first:%Y-%m-%dT%H:%M:%SZ}"})
    answer = told(ask(platform, f"{NLK}|NPU01566", about="new-mother"))
    assert (answer["verdict"], answer["earlier"][0]) == ("done", {"reference": f"Observation/{ended}"})
    taken = dated(platform, "NPU01566", effectiveInstant=f"{second:%Y-%m-%dT%H:%M:%SZ}")
    answer = told(ask(platform, f"{NLK}|NPU01566", about="new-mother"))
    assert [one["reference"] for one in answer["earlier"]][:2] == [f"Observation/{id_}" for id_ in (taken, ended)]


def test_a_value_with_a_comment_has_to_be_read_first(platform: Standing) -> None:
    day = f"{platform.clock.now():%Y-%m-%d}"
    said = dated(
        platform, "NPU03230", effectiveDateTime=day, note=[{"text": "Merket med et annet navn. Bruk ikke svaret"}]
    )
    answer = told(ask(platform, f"{NLK}|NPU03230", about="new-mother"))
    assert (answer["verdict"], answer["readFirst"]) == ("read", {"reference": f"Observation/{said}"})
    assert "earlier" not in answer and "againFrom" not in answer
    assert shown(platform, str(answer["number"]).removeprefix("urn:uuid:")) == [], "no yes was shown"


def test_results_dated_ahead_take_no_earlier_ones_place(platform: Standing) -> None:
    taken = dated(platform, "NPU19763", effectiveDateTime=f"{platform.clock.now() - timedelta(days=1):%Y-%m-%d}")
    for place in range(5):
        dated(platform, "NPU19763", effectiveDateTime=f"2099-01-0{place + 1}")
    answer = told(ask(platform, f"{NLK}|NPU19763", about="new-mother"))
    assert answer["verdict"] == "done"
    assert answer["earlier"][0] == {"reference": f"Observation/{taken}"}


def test_what_was_never_taken_and_what_has_no_interval_are_told_apart(platform: Standing) -> None:
    assert told(ask(platform, HBA1C, about="new-mother"))["verdict"] == "never"
    assert told(ask(platform, "NOTHING"))["verdict"] == "no-rule"
    for odd in ("a,b", "a$b", "a\\", "x|a|b", "æ"):
        assert told(ask(platform, odd))["verdict"] == "no-rule"


def test_a_question_names_one_analysis(platform: Standing) -> None:
    for form in ([], [("code", "")], [("code", "a"), ("code", "b")], [("code", "a"), ("more", "b")]):
        answer = Answered(
            platform.client.call("POST", "/pps/v2/already-done", as_="gp", patient=platform.nin("citizen"), form=form)
        )
        assert (answer.status, answer.issue["expression"]) == (400, ["code"])


def test_a_hidden_result_never_answers_the_question(platform: Standing) -> None:
    person = patient_with(platform, "NPU04094", days_ago=3)
    assert told(ask(platform, "NPU04094", about=person))["verdict"] == "done"
    (id_,) = platform.search("Observation", [("code", "NPU04094")], about=person).ids()
    platform.rows("UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1", UUID(id_), int(Label.RESTRICTED))
    hidden = ask(platform, "NPU04094", about=person)
    assert (told(hidden)["verdict"], "earlier" in told(hidden)) == ("never", False)
    assert id_ not in hidden.response.text


def test_what_is_known_of_the_newborn_is_no_answer_about_the_mother(platform: Standing) -> None:
    person = patient_with(platform, "NPU19763", days_ago=3)
    assert told(ask(platform, "NPU19763", about=person))["verdict"] == "done"
    for id_ in platform.search("Observation", [("code", "NPU19763")], about=person).ids():
        platform.rows("UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1", UUID(id_), int(Label.NOT_THE_MOTHERS))
    answer = ask(platform, "NPU19763", about=person)
    assert "earlier" not in told(answer)
    (row,) = platform.audited(answer.response)
    assert row["ids"] == []


def test_a_question_is_held_to_the_role_and_to_the_form_as_a_search_is(platform: Standing) -> None:
    wrong = ask(platform, TSH, headers={"requester-hpr-role": "SP"})
    assert (wrong.status, wrong.issue["expression"]) == (403, ["requester-hpr-role"])
    number = number_of(ask(platform, TSH))
    for path in ("/pps/v2/already-done", f"/pps/v2/already-done/{number}"):
        answer = platform.client.call(
            "POST", path, as_="gp", patient=platform.nin("citizen"), body=b'{"code":"x"}',
            headers={"content-type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 415
    assert shown(platform, number) == ["shown"]


def test_who_may_not_read_gets_no_answer(platform: Standing) -> None:
    for as_, about in (
        ("blocked-doctor", "citizen"),
        ("outsider", "citizen"),
        ("gp", "restricted"),
        ("gp", "opted-out"),
    ):
        assert ask(platform, TSH, as_=as_, about=about).status == 403


def test_an_answer_opens_exactly_what_it_names(platform: Standing) -> None:
    answer = ask(platform, HBA1C)
    (row,) = platform.audited(answer.response)
    named = [one["reference"].partition("/")[2] for one in told(answer)["earlier"]]
    assert sorted(str(id_) for id_ in row["ids"]) == sorted(named)
    assert len(named) == 5


def test_results_that_cannot_be_used_stand_in_neither_answer_nor_log_and_hide_none_behind_them(
    platform: Standing,
) -> None:
    """Seven newer ones of no use (hemolysed, sent empty, withdrawn in a comment, dated ahead) before one that answers."""
    code, now = f"NPU9{secrets.randbelow(10_000):04}", platform.clock.now()
    spoiled: tuple[dict[str, Any], ...] = (
        {"valueString": "Hemolysert"}, {"valueString": "Ikke utført"}, {"dataAbsentReason": {"text": "for lite materiale"}},
        {"valueString": "koagulert"}, {"note": [{"text": "Feil prøve"}], "valueInteger": 4}, {"valueString": "utgår"},
        {"status": "preliminary", "valueString": "Ikke utført"},
    )  # fmt: skip
    for days, said in enumerate((*spoiled, {"valueInteger": 5}), 1):
        filed(platform, code, now - timedelta(days=days), **said)
    filed(platform, code, now + timedelta(hours=2), valueInteger=6)
    answer = ask(platform, f"{NLK}|{code}")
    (row,) = platform.audited(answer.response)
    (named,) = told(answer)["earlier"]
    assert [f"Observation/{id_}" for id_ in row["ids"]] == [named["reference"]]


@pytest.mark.parametrize("gone", ["unsatisfactory", "entered-in-error", "deleted"])
def test_a_sample_that_is_no_good_answers_nothing(platform: Standing, gone: str) -> None:
    """The page says beside the result that the sample was no good; a new one is due."""
    code, person = "NPU10267", patient_with(platform, "NPU03230", days_ago=1)
    specimen = {"resourceType": "Specimen", "status": "available", "type": {"text": "Serum"}}
    made = at_lab(platform, "POST", "/fhir/R4/Specimen", person, specimen)
    place = f"Specimen/{decode(made.content)['id']}"
    filed(
        platform, code, platform.clock.now() - timedelta(days=2), person, valueInteger=70, specimen={"reference": place}
    )
    assert told(ask(platform, f"{NLK}|{code}", about=person))["verdict"] == "done"
    stands = {"if-match": made.headers["etag"]}
    if gone == "deleted":
        at_lab(platform, "DELETE", f"/fhir/R4/{place}", person, None, stands)
    else:
        changed = {**specimen, "id": place.partition("/")[2], "status": gone}
        at_lab(platform, "PUT", f"/fhir/R4/{place}", person, changed, stands)
    assert told(ask(platform, f"{NLK}|{code}", about=person))["verdict"] == "never"


def filed(platform: Standing, code: str, taken: datetime, person: str = "", **said: Any) -> None:
    tree = {
        "resourceType": "Observation", "status": "final", "code": {"coding": [{"system": NLK, "code": code}]},
        "effectiveDateTime": taken.isoformat(timespec="seconds"), **said,
    }  # fmt: skip
    at_lab(platform, "POST", "/fhir/R4/Observation", person or platform.nin("citizen"), tree)


def at_lab(
    platform: Standing,
    method: str,
    path: str,
    number: str,
    tree: dict[str, Any] | None,
    more: dict[str, str] | None = None,
) -> httpx.Response:
    """What the laboratory's system is answered."""
    answer = platform.client.call(
        method, path, as_="lab", patient=number, body=encode(tree) if tree else None,
        headers={"content-type": "application/fhir+json", **(more or {})},
    )  # fmt: skip
    assert answer.status_code in (200, 201, 204), answer.text
    return answer


def test_an_answer_that_was_shown_is_followed_once(platform: Standing) -> None:
    number = number_of(ask(platform, TSH))
    kept = tell(platform, number, "followed")
    assert kept.status_code == 204
    (row,) = platform.audited(kept)
    assert (row["outcome"], row["ids"], row["about"]) == (0, [], f"already-done/{number}")
    assert shown(platform, number) == ["shown", "followed"]
    again = [tell(platform, number, "followed"), tell(platform, number, "overridden", "Klinikken er en annen")]
    assert [one.status_code for one in again] == [204, 204]
    assert shown(platform, number) == ["shown", "followed"]


def test_an_override_needs_its_reason(platform: Standing) -> None:
    number = number_of(ask(platform, TSH))
    assert tell(platform, number, "overridden").status_code == 400
    assert tell(platform, number, "overridden", "x" * 501).status_code == 400
    assert tell(platform, number, "perhaps").status_code == 400
    assert tell(platform, number, "overridden", "Ny dose siden sist").status_code == 204
    assert shown(platform, number) == ["shown", "overridden"]


def test_nobody_else_decides_on_my_answer(platform: Standing) -> None:
    number = number_of(ask(platform, TSH))
    assert tell(platform, number, "followed", as_="hospital-doctor").status_code == 204
    assert tell(platform, number, "followed", about="parent").status_code == 204
    assert tell(platform, str(uuid4()), "followed").status_code == 204
    assert tell(platform, "no-number", "followed").status_code == 404
    assert shown(platform, number) == ["shown"]


def test_an_answer_of_no_is_not_counted_as_shown(platform: Standing) -> None:
    number = number_of(ask(platform, HBA1C, about="new-mother"))
    assert shown(platform, number) == []
    assert tell(platform, number, "followed", about="new-mother").status_code == 204
    assert shown(platform, number) == []


def test_the_counts_are_for_operations_alone(platform: Standing) -> None:
    answer = platform.client.call("GET", "/pps/already-done-counts", as_="gp", patient=platform.nin("citizen"))
    assert (answer.status_code, answer.json()["where"]) == (403, "scope")


def counts(platform: Standing) -> dict[str, Any]:
    answer = platform.client.call("GET", "/pps/already-done-counts", as_="operator")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_operator_reads_what_was_shown_and_what_was_made_again(platform: Standing) -> None:
    code = f"X{secrets.token_hex(4)}"
    platform.rows(
        "INSERT INTO reuse_answer (patient, number, at, system, code, outcome, hpr) "
        "SELECT 1, gen_random_uuid(), $1, 's', $2, 'shown', '1' FROM generate_series(1, 3) RETURNING 1",
        platform.clock.now(), code,
    )  # fmt: skip
    this_month = platform.clock.now().date().replace(day=1)
    earlier = (this_month - timedelta(days=40)).replace(day=1)
    for month, organisation, number in (
        (earlier, "983658725", 5), (earlier, "974760673", 4), (this_month, "983658725", 50),
    ):  # fmt: skip
        platform.rows("INSERT INTO repeat_count VALUES ($1, $2, $3, $4) RETURNING 1", month, code, organisation, number)
    told = counts(platform)
    assert [one["count"] for one in told["counts"] if one["code"] == code] == [3]
    assert [one for one in told["repeats"] if one["analysis"] == code] == [
        {"month": f"{earlier:%Y-%m}", "analysis": code, "organisation": "983658725", "count": 5}
    ]
    assert (told["days"], told["fewest"]) == (90, 5)


def test_what_is_preliminary_is_named_as_waited_for_and_never_as_earlier(platform: Standing) -> None:
    day = platform.clock.now() - timedelta(days=1)
    first, newest = (
        dated(platform, "NPU01423", status="preliminary", effectiveDateTime=f"{at:%Y-%m-%dT%H:%M:%SZ}")
        for at in (day - timedelta(hours=1), day)
    )
    answer = ask(platform, f"{NLK}|NPU01423", about="new-mother")
    assert (told(answer)["verdict"], told(answer)["waiting"]) == ("waiting", {"reference": f"Observation/{newest}"})
    assert first not in answer.response.text
    (line,) = platform.rows(
        "SELECT ids FROM audit WHERE action = 'search' AND $1 = ANY(ids) ORDER BY at DESC LIMIT 1", UUID(newest)
    )
    assert list(line["ids"]) == [UUID(newest)]
