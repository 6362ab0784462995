"""Two numbers of one human: compared, linked, undone, and what was shown meanwhile, by an operator who learns no name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from kjerne.services.consents import GUIDE
from kjerne.store import subjects
from kjerne.store.subjects import PersonDetail
from platform_fixture import Standing
from registries_at_hand import key_of
from services.results.conftest import fresh_number
from services.test_standards import create, observation
from services.test_standards_registered import consent, person

REASON = "Fikk nytt nummer, meldt av registeret"
BASE = "/persons/links"


def ask(
    platform: Standing, path: str = "", *, as_: str = "operator", method: str = "POST", **form: str
) -> httpx.Response:
    return platform.client.call(method, BASE + path, as_=as_, form=tuple(form.items()))


def pair(platform: Standing, one: str, other: str, **more: str) -> dict[str, str]:
    return {"one": platform.nin(one), "other": platform.nin(other), "reason": REASON} | more


@pytest.fixture
def alike(platform: Standing) -> Iterator[None]:
    """While the register has the proxy's birth date for the guardian too: else neither has an age once they are linked."""
    store = platform.application._edge.store
    keys = key_of(platform, "proxy"), key_of(platform, "guardian")

    async def known() -> dict[int, PersonDetail]:
        async with store.pool.acquire() as conn:
            return await subjects.details(conn, keys, store.wrap)

    async def put(detail: PersonDetail) -> None:
        async with store.pool.acquire() as conn:
            wrapped = await conn.fetchval("SELECT wrapped_key FROM person WHERE patient = $1", keys[1])
            sealed = subjects.seal_detail(store.wrap, keys[1], wrapped, detail)
            await conn.execute("UPDATE person SET detail = $2, stamp = stamp + 1 WHERE patient = $1", keys[1], sealed)

    before = platform.run(known())
    platform.run(put(msgspec.structs.replace(before[keys[1]], birth_date=before[keys[0]].birth_date)))
    yield
    platform.run(put(before[keys[1]]))


@pytest.fixture
def linked(platform: Standing) -> Any:
    """The number of a link between two who are not one: the proxy and the guardian; undone afterwards if it still holds."""
    answer = ask(platform, **pair(platform, "proxy", "guardian"))
    assert answer.status_code == 201, answer.text
    number = str(answer.json()["number"])
    yield number
    ask(platform, f"/{number}/undo", reason="Rydding etter prøven")


def seen(platform: Standing, about: str, id_: str) -> bool:
    return id_ in platform.search("Observation", [("_count", "200")], about=about).ids()


def test_what_the_register_says_of_two_numbers_is_told_without_saying_what_it_is(platform: Standing) -> None:
    told = ask(platform, "/compare", **pair(platform, "proxy", "ward"))
    assert told.json() == {"birthDate": "differs", "sex": "same", "linked": False}
    for part in ("proxy", "ward"):
        rows = platform.rows(
            "SELECT * FROM audit WHERE correlation = $1 AND patient = $2",
            told.headers["x-correlation-id"], key_of(platform, part),
        )  # fmt: skip
        assert [(row["action"], row["rule"], row["about"], row["reason"]) for row in rows] == [
            ("link", "persons-linked", "link/compared", REASON)
        ]


def test_a_link_shows_each_with_the_others_records_and_an_undoing_says_what_was_shown(platform: Standing) -> None:
    before = str(create(platform, observation(), about="guardian").tree["id"])
    assert not seen(platform, "proxy", before)
    own = platform.search("Observation", [("_count", "200")], about="proxy").ids()
    number = str(ask(platform, **pair(platform, "proxy", "guardian")).json()["number"])
    assert seen(platform, "proxy", before)
    shown = ask(platform, f"/{number}/shown", reason="Melding om feil kobling")
    looks = shown.json()["shown"]
    gp = platform.persona("gp")
    assert [(one["role"], one["purpose"], one["organisation"] != "") for one in looks] == [("LE", "TREAT", True)]
    assert looks[0]["records"] == {"Observation": len(platform.search("Observation", [("_count", "200")], about="guardian").ids())
                                   - len(own)}  # fmt: skip
    undone = ask(platform, f"/{number}/undo", reason="De er to personer")
    assert undone.json()["shown"] == looks
    assert not seen(platform, "proxy", before) and seen(platform, "guardian", before)
    told = shown.text + undone.text
    for part in ("proxy", "guardian", "gp"):
        persona = platform.persona(part)
        assert persona.nin not in told and persona.person_name not in told
    assert gp.hpr not in told
    assert before not in told
    again = ask(platform, f"/{number}/undo", reason="De er to personer")
    assert again.status_code == 409
    (row,) = [row for row in ask(platform, method="GET").json()["links"] if str(row["number"]) == number]
    assert (row["reason"], row["undoneWhy"]) == (REASON, "De er to personer")
    assert row["madeBy"] and row["undoneBy"]


def test_both_read_in_their_logs_that_they_were_linked_and_why(platform: Standing, linked: str) -> None:
    for part in ("proxy", "guardian"):
        rows = platform.rows(
            "SELECT * FROM audit WHERE patient = $1 AND action = 'link' ORDER BY at DESC LIMIT 1",
            key_of(platform, part),
        )
        assert (rows[0]["about"], rows[0]["reason"]) == ("link/made", REASON)


def test_a_look_at_oneself_over_a_link_is_told_without_a_name(platform: Standing, alike: None, linked: str) -> None:
    create(platform, observation(), about="guardian")
    platform.client.call("POST", "/pps/v2/Observation/_search", as_="proxy", patient=platform.nin("proxy"),
                         form=(("_count", "10"),), portal=True)  # fmt: skip
    looks = ask(platform, f"/{linked}/shown", reason="Melding om feil kobling").json()["shown"]
    assert any(one["kind"] == "citizen" for one in looks)
    assert all(set(one) == {"at", "kind", "role", "organisation", "purpose", "records"} for one in looks)


def test_two_who_are_linked_are_not_linked_again(platform: Standing, linked: str) -> None:
    answer = ask(platform, **pair(platform, "guardian", "proxy"))
    assert (answer.status_code, answer.json()["where"]) == (409, "other")
    assert ask(platform, "/compare", **pair(platform, "guardian", "proxy")).json()["linked"] is True


def test_a_choice_of_either_holds_for_both_while_they_are_linked(platform: Standing) -> None:
    blocked = {"as_": "hospital-doctor", "about": "proxy", "purpose": "BTG", "reason": "Akutt"}
    assert platform.search("Observation", **blocked).status == 200
    number = str(ask(platform, **pair(platform, "proxy", "opted-out")).json()["number"])
    assert platform.search("Observation", **blocked).outcome == "Reservation"
    assert ask(platform, f"/{number}/undo", reason="De er to personer").status_code == 200
    assert platform.search("Observation", **blocked).status == 200


def test_a_protected_address_is_protected_under_either_number_and_a_comparison_goes_by_each(platform: Standing) -> None:
    hers = str(create(platform, observation(), about="protected").tree["id"])
    number = str(ask(platform, **pair(platform, "proxy", "protected")).json()["number"])
    for part in ("proxy", "protected"):
        answer = platform.search("Observation", about=part)
        assert (answer.status, [row["rule"] for row in platform.audited(answer.response)]) == (
            403,
            ["address-protected"],
        )
        assert platform.get(f"Observation/{hers}", about=part).status == 404
    told = ask(platform, "/compare", **pair(platform, "proxy", "protected")).json()
    assert (told["birthDate"], told["linked"]) == ("differs", True)
    assert ask(platform, f"/{number}/undo", reason="De er to personer").status_code == 200
    assert platform.search("Observation", about="proxy").status == 200


def chosen(platform: Standing, by: str, **provision: Any) -> dict[str, Any]:
    """A choice of `by`'s own, made with her own login: what is shut to everybody."""
    tree = {"resourceType": "Consent", "status": "active", **GUIDE,
            "provision": {"type": "deny"} | provision}  # fmt: skip
    answer = asked(platform, by, "POST", "/fhir/R4/Consent", tree)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def lifted(platform: Standing, by: str, tree: dict[str, Any]) -> httpx.Response:
    return asked(platform, by, "PUT", f"/fhir/R4/Consent/{tree['id']}", tree | {"status": "inactive"})


def asked(platform: Standing, by: str, method: str, path: str, tree: dict[str, Any]) -> httpx.Response:
    return platform.client.call(
        method, path, as_=by, patient=platform.nin(by), body=json.dumps({"patient": person(platform, by)} | tree).encode(),
        headers={"content-type": "application/fhir+json"},
    )  # fmt: skip


def of_record(id_: str) -> dict[str, Any]:
    named = {"identifier": {"system": "http://kjerne.example/fhir", "value": id_}}
    return {"data": [{"meaning": "instance", "reference": named}]}


GENETICS = {
    "code": [{"coding": [{"system": "http://kjerne.example/fhir/CodeSystem/content-kind", "code": "genetics"}]}]
}
KIND = {"category": [{"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": "MGEN"}]}]}


def test_nobody_lifts_over_a_link_what_was_chosen_under_another_number(platform: Standing, alike: None) -> None:
    hers = chosen(platform, "guardian")
    number = str(ask(platform, **pair(platform, "proxy", "guardian")).json()["number"])
    refused = lifted(platform, "proxy", hers)
    assert (refused.status_code, "another number" in refused.text) == (409, True)
    during = chosen(
        platform, "guardian", **of_record(str(create(platform, observation(), about="guardian").tree["id"]))
    )
    assert lifted(platform, "proxy", during).status_code == 409
    own = chosen(platform, "proxy", **GENETICS)
    assert lifted(platform, "proxy", own).status_code == 200
    ask(platform, f"/{number}/undo", reason="De er to personer")
    assert platform.search("Observation", about="guardian").outcome == "General"
    assert [lifted(platform, "guardian", one).status_code for one in (hers, during)] == [200, 200]
    assert platform.search("Observation", about="guardian").status == 200


def test_an_undoing_takes_away_what_the_others_choices_had_marked(platform: Standing, alike: None, linked: str) -> None:
    hers = str(create(platform, observation(), about="guardian").tree["id"])
    single, part = chosen(platform, "proxy", **of_record(hers)), chosen(platform, "proxy", **GENETICS)
    later = str(create(platform, observation(**KIND), about="guardian").tree["id"])
    assert not seen(platform, "guardian", hers) and not seen(platform, "guardian", later)
    ask(platform, f"/{linked}/undo", reason="De er to personer")
    assert seen(platform, "guardian", hers) and seen(platform, "guardian", later)
    rows = platform.rows("SELECT marked FROM privacy_choice WHERE patient = $1 AND ended_at IS NULL AND cardinality(marked) > 0",
                         key_of(platform, "proxy"))  # fmt: skip
    assert rows and all(row["marked"] == [key_of(platform, "proxy")] for row in rows)
    assert [lifted(platform, "proxy", one).status_code for one in (single, part)] == [200, 200]


@pytest.mark.parametrize("while_linked", [True, False], ids=["lifted while linked", "not lifted"])
def test_a_mark_that_both_have_stays_on_the_record_of_the_one_whose_choice_holds(
    platform: Standing, alike: None, while_linked: bool
) -> None:
    """Each alone has her first restricted part, under the same mark."""
    ids = {part: str(create(platform, observation(**KIND), about=part).tree["id"]) for part in ("proxy", "guardian")}
    choices = {part: chosen(platform, part, **GENETICS) for part in ids}
    assert not seen(platform, "guardian", ids["guardian"])
    number = str(ask(platform, **pair(platform, "proxy", "guardian")).json()["number"])
    if while_linked:
        assert lifted(platform, "proxy", choices["proxy"]).status_code == 200
    ask(platform, f"/{number}/undo", reason="De er to personer")
    assert not seen(platform, "guardian", ids["guardian"])
    assert seen(platform, "proxy", ids["proxy"]) == while_linked
    assert lifted(platform, "guardian", choices["guardian"]).status_code == 200
    assert seen(platform, "guardian", ids["guardian"])
    if not while_linked:
        assert lifted(platform, "proxy", choices["proxy"]).status_code == 200


def test_a_link_to_somebody_who_opted_out_plans_the_deletion_of_the_other_too(platform: Standing) -> None:
    number = str(ask(platform, **pair(platform, "proxy", "opted-out")).json()["number"])
    jobs = platform.rows(
        "SELECT j.due_at - l.at AS after FROM job j, person_link l WHERE j.kind = 'delete-after-opt-out' "
        "AND j.key LIKE $1 || ':%:' || $2 AND l.number = $3",
        str(key_of(platform, "opted-out")), number, int(number),
    )  # fmt: skip
    ask(platform, f"/{number}/undo", reason="De er to personer")
    assert [row["after"].days for row in jobs] == [30]


def test_a_link_to_somebody_who_objects_to_sharing_her_record_plans_no_deletion(
    platform: Standing, alike: None
) -> None:
    objection = json.loads(json.dumps(consent("opt-out")).replace("critical-information", "record"))
    choice = asked(platform, "proxy", "POST", "/fhir/R4/Consent", objection).json()
    number = str(ask(platform, **pair(platform, "proxy", "guardian")).json()["number"])
    jobs = platform.rows(
        "SELECT key FROM job WHERE kind = 'delete-after-opt-out' AND (key LIKE $1 || ':%' OR key LIKE $2 || ':%')",
        str(key_of(platform, "proxy")), str(key_of(platform, "guardian")),
    )  # fmt: skip
    ask(platform, f"/{number}/undo", reason="De er to personer")
    assert lifted(platform, "proxy", choice).status_code == 200
    assert jobs == []


@pytest.mark.parametrize(
    ("changes", "status", "where"),
    [
        ({"reason": ""}, 400, "reason"),
        ({"reason": "kort"}, 400, "reason"),
        ({"reason": "Gjelder 01417516930 og en til"}, 400, "reason"),
        ({"other": "018175"}, 400, "other"),
        ({"one": ""}, 400, "one"),
    ],
)
def test_what_cannot_be_linked_is_said_with_its_field(
    platform: Standing, changes: dict[str, str], status: int, where: str
) -> None:
    answer = ask(platform, **(pair(platform, "proxy", "ward") | changes))
    assert (answer.status_code, answer.json()["where"]) == (status, where)
    assert not re.search(r"(?<![0-9a-zA-Z])\d{11}(?![0-9a-zA-Z])", answer.text)


def test_a_number_that_nobody_has_is_told_of_and_logged(platform: Standing) -> None:
    answer = ask(platform, **(pair(platform, "proxy", "ward") | {"other": fresh_number()}))
    assert (answer.status_code, answer.json()["where"]) == (404, "other")
    assert [row["outcome"] for row in platform.audited(answer) if row["patient"] == 0] == [1]


def test_one_person_is_not_linked_to_herself(platform: Standing) -> None:
    for path in ("", "/compare"):
        answer = ask(platform, path, **pair(platform, "proxy", "proxy"))
        assert (answer.status_code, answer.json()["where"]) == (400, "other")
        assert not platform.audited(answer)


@pytest.mark.parametrize("as_", ["gp", "citizen", "lab"])
def test_nobody_but_the_operator_links(platform: Standing, as_: str) -> None:
    assert ask(platform, as_=as_, **pair(platform, "proxy", "ward")).status_code == 403
    assert ask(platform, "/1/undo", as_=as_, reason=REASON).status_code == 403


def test_a_person_number_in_the_address_is_refused(platform: Standing) -> None:
    answer = ask(platform, f"?one={uuid4()}", **pair(platform, "proxy", "ward"))
    assert (answer.status_code, answer.json()["where"]) == (400, "query")


@pytest.mark.parametrize("number", ["0", "x", "99999999999999999", "123"])
def test_a_link_that_is_not_there_is_not_found(platform: Standing, number: str) -> None:
    assert ask(platform, f"/{number}/undo", reason=REASON).status_code == 404
