"""Patient by FHIR: whoever may see something of a person sees who she is, and her address stands for her in what is asked."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

import words
from clinic import PATIENT, clinic
from clinic import observation as clinic_observation
from kjerne.access import Choice
from kjerne.fhir.definitions import type_number
from kjerne.fhir.validate import check
from platform_fixture import Answered, Standing, Tree
from services.test_standards import FHIR, create, observation

FNR = "urn:oid:2.16.578.1.12.4.1.4.1"


def searched(platform: Standing, form: Any = (), *, as_: str = "gp", about: str = "citizen", **more: Any) -> Answered:
    answer = platform.client.call(
        "POST", "/fhir/R4/Patient/_search", as_=as_, patient=platform.nin(about), form=form or [("_count", "5")], **more
    )
    return Answered(answer)


def id_of(platform: Standing, about: str = "citizen") -> str:
    """By the register itself, whoever may see her."""
    house = next(one for one in platform.application._edge.routes if one.path == "/healthz").handler.__self__
    digest = house.digest(platform.nin(about))
    (row,) = platform.rows("SELECT patient FROM person_identifier WHERE digest = $1 AND valid_to IS NULL", digest)
    return str(house.store.ids.named(row["patient"], "Patient"))


def herself(platform: Standing, path: str, as_: str = "citizen", **more: Any) -> Answered:
    """A citizen at the portal, who names nobody but in the address."""
    return Answered(platform.client.call("GET", f"/fhir/R4/{path}", as_=as_, portal=True, **more))


def test_a_patient_is_read_by_an_id_that_holds_no_number(platform: Standing) -> None:
    id_ = id_of(platform)
    answer = platform.get(f"Patient/{id_}")
    told = answer.tree
    assert check(told, "Patient") == []
    assert told["identifier"] == [{"use": "official", "system": FNR, "value": platform.nin("citizen")}]
    assert told["birthDate"]
    assert platform.nin("citizen") not in answer.response.headers["etag"] + str(answer.response.url)
    (row,) = platform.audited(answer.response)
    assert (row["action"], row["service"], [str(one) for one in row["ids"]]) == ("read", "results", [id_])
    assert row["types"] == [type_number("Patient")]
    assert platform.get(f"Patient/{id_}").tree == told
    again = platform.get(f"Patient/{id_}", headers={"if-none-match": answer.response.headers["etag"]})
    assert again.status == 304


def test_versions_and_parts_are_told_as_of_any_resource(platform: Standing) -> None:
    id_ = id_of(platform)
    version = platform.get(f"Patient/{id_}").tree["meta"]["versionId"]
    assert platform.get(f"Patient/{id_}/_history/{version}").tree["id"] == id_
    assert platform.get(f"Patient/{id_}/_history/1").status == 404
    assert platform.get(f"Patient/{id_}/_history").tree["total"] == 1
    part = platform.get(f"Patient/{id_}?_elements=gender").tree
    assert "gender" in part
    assert "name" not in part
    assert platform.get(f"Patient/{id_}?_summary=count").status == 400


@pytest.mark.parametrize(
    ("as_", "about", "found"),
    [
        ("citizen", "citizen", True), ("parent", "twin", True), ("proxy", "citizen", True), ("gp", "citizen", True),
        ("outsider", "citizen", False), ("parent", "citizen", False), ("blocked-doctor", "citizen", False),
        ("parent", "youth", False), ("gp", "protected", False), ("protected", "protected", True),
    ],
)  # fmt: skip
def test_she_is_seen_by_whoever_may_see_something_of_her(platform: Standing, as_: str, about: str, found: bool) -> None:
    asked: dict[str, Any] = {"as_": as_, "about": about}
    if as_ in ("citizen", "parent", "proxy", "protected"):
        asked |= {"portal": True, "purpose": "PWATRNY" if as_ == "proxy" else "FAMRQT" if as_ == "parent" else "PATRQT"}
    answer = platform.get(f"Patient/{id_of(platform, about)}", **asked)
    assert answer.status == (200 if found else 404), answer.response.text
    assert (platform.nin(about) in answer.response.text) == found
    assert platform.audited(answer.response)
    absent = platform.get(f"Patient/{uuid4()}", **asked)
    assert absent.status == 404
    if not found:
        assert answer.tree == absent.tree


def test_no_address_is_told_of_who_lives_under_a_protected_one(platform: Standing) -> None:
    (told,) = searched(platform, as_="protected", about="protected", portal=True).resources()
    assert "address" not in told
    (told,) = searched(platform).resources()
    assert told["address"]


def test_a_search_takes_a_number_in_a_form_and_never_in_an_address(platform: Standing) -> None:
    number = platform.nin("citizen")
    found = Answered(
        platform.client.call(
            "POST",
            "/fhir/R4/Patient/_search",
            as_="citizen",
            portal=True,
            form=[("identifier", f"{FNR}|{number}"), ("gender", "male,female")],
        )
    )
    assert found.ids() == [id_of(platform)]
    assert number not in found.link("self")
    refused = herself(platform, f"Patient?identifier={FNR}|{number}")
    assert refused.status == 400
    assert number not in refused.response.text
    assert herself(platform, f"Patient?_id={found.ids()[0]}").ids() == found.ids()
    assert herself(platform, f"Patient?_id={found.ids()[0]}&family=Nobody").ids() == []
    assert searched(platform, [("identifier", f"{FNR}|{platform.nin('parent')}")]).status == 400
    assert herself(platform, "Patient?family=Moe").status == 400
    for beside in ("_include=Patient:organization", "_revinclude=Observation:subject"):
        assert herself(platform, f"Patient?_id={found.ids()[0]}&{beside}").status == 400


def test_nobody_but_the_test_client_writes_a_patient(platform: Standing) -> None:
    body, id_ = json.dumps({"resourceType": "Patient"}).encode(), id_of(platform)
    for method, path in (
        ("POST", "Patient"),
        ("PUT", f"Patient/{id_}"),
        ("DELETE", f"Patient/{id_}"),
        ("PATCH", f"Patient/{id_}"),
    ):
        sent = {"content-type": FHIR}
        answer = platform.client.call(method, f"/fhir/R4/{path}", as_="lab", body=body, headers=sent)
        assert answer.status_code == 405, (method, answer.text)


def test_her_address_stands_for_her_in_searches_chains_includes_and_new_records(platform: Standing) -> None:
    id_, code = id_of(platform, "renumbered"), words.fresh()
    made = Answered(
        platform.client.call(
            "POST", "/fhir/R4/Observation", as_="lab", headers={"content-type": FHIR},
            body=json.dumps(observation(subject={"reference": f"Patient/{id_}"}, code={"coding": [{"code": code}]})).encode(),
        )
    )  # fmt: skip
    assert made.status == 201, made.response.text

    def get(query: str) -> Answered:
        return herself(platform, f"Observation?code={code}&{query}", "renumbered")

    for query in (f"patient=Patient/{id_}", f"subject=Patient/{id_}", f"patient={id_}", f"subject:Patient={id_}"):
        assert get(query).ids() == [made.tree["id"]], query
    family = herself(platform, f"Patient/{id_}", "renumbered").tree["name"][0]["family"]
    assert get(f"patient=Patient/{id_}&patient.family={family}").ids() == [made.tree["id"]]
    assert get(f"patient=Patient/{id_}&subject:Patient.family=Nobody").ids() == []
    both = get(f"patient=Patient/{id_}&_include=Observation:subject")
    assert (both.ids(), both.ids("include")) == ([made.tree["id"]], [id_])
    opened = {str(one) for row in platform.audited(both.response) for one in row["ids"]}
    assert opened == {made.tree["id"], id_}
    assert get(f"patient=Patient/{uuid4()}").status == 403


def test_a_search_by_what_her_patient_says_has_one_row_of_what_left(platform: Standing) -> None:
    create(platform, observation(), about="citizen")
    patient = f"Patient/{id_of(platform)}"
    (family,) = {one["family"] for one in platform.get(patient).tree["name"]}
    for asked, included in ((family, False), ("Nobody", False), (family, True), ("Nobody", True)):
        beside = "&_include=Observation:subject" if included else ""
        answer = platform.get(f"Observation?patient.family={asked}&_count=2{beside}")
        assert bool(answer.ids()) == (asked == family)
        named = [str(id_) for row in platform.audited(answer.response) for id_ in row["ids"]]
        assert sorted(named) == sorted(answer.every_id)
        assert len(platform.audited(answer.response)) == 1 + (included and asked == family)


def test_a_page_goes_on_with_the_address_it_was_named_by(platform: Standing) -> None:
    id_ = id_of(platform)
    first = herself(platform, f"Observation?patient=Patient/{id_}&_count=1")
    link = first.link("next").removeprefix(platform.url + "/fhir/R4/")
    assert id_ in link
    second = herself(platform, link)
    assert second.status == 200, second.response.text
    assert set(second.ids()).isdisjoint(first.ids())


def test_an_address_of_another_than_the_record_is_about_is_refused(platform: Standing) -> None:
    other = {"reference": f"Patient/{id_of(platform)}"}
    assert create(platform, observation(subject=other), about="renumbered").status == 422
    same = platform.get(f"Observation?patient=Patient/{id_of(platform)}", about="citizen")
    assert same.status == 200
    mixed = platform.get(f"Observation?patient=Patient/{id_of(platform, 'renumbered')}", about="citizen")
    assert mixed.status == 400


def test_metadata_says_what_a_patient_knows(platform: Standing) -> None:
    told = platform.http.get(platform.url + "/fhir/R4/metadata").json()["rest"][0]["resource"]
    (patient,) = [one for one in told if one["type"] == "Patient"]
    assert patient.keys().isdisjoint({"searchInclude", "searchRevInclude"})
    (record,) = [one for one in told if one["type"] == "Observation"]
    assert {"patient", "subject"} <= {one["name"] for one in record["searchParam"]}
    assert {"Observation:patient", "Observation:subject", "Observation:specimen"} <= set(record["searchInclude"])
    (place,) = [one for one in told if one["type"] == "Location"]
    assert "Location:subject" not in place["searchInclude"]
    codes: list[Tree] = patient["interaction"]
    assert {one["code"] for one in codes} == {
        "read", "vread", "history-instance", "history-type", "search-type", "create", "update", "patch", "delete"
    }  # fmt: skip
    assert (patient["conditionalUpdate"], patient["conditionalDelete"]) == (True, "single")


async def test_where_no_choice_may_be_told_she_is_who_she_is_and_nothing_of_hers_is_there(
    database: Any, tmp_path: Any
) -> None:
    """A Patient that was missing would tell that she has shut something (K37)."""
    for jurisdiction, status in (("EHDS", 200), ("NO", 403)):
        async with clinic(database.dsn, tmp_path, jurisdiction=jurisdiction) as here:
            people, at = here.house.store.people, here.clock.now()
            if jurisdiction == "EHDS":
                await here.file(clinic_observation())
            async with here.house.store.pool.acquire() as conn:
                key = await people.key_of(conn, here.house.digest(PATIENT))
                assert key
                if jurisdiction == "EHDS":
                    shut = await people.add_choice(conn, key, Choice("restriction", "results", "", "", at, None))
            path = f"/fhir/R4/Patient/{here.house.store.ids.named(key, 'Patient')}"
            read = await here.send(here.sent(path, "GET"), ())
            assert read.status_code == (200 if jurisdiction == "EHDS" else 404)
            searched = await here.send(here.sent("/fhir/R4/Patient/_search"), person_id=PATIENT)
            assert searched.status_code == status
            assert (PATIENT in searched.text) == (jurisdiction == "EHDS")
            row = await here.audited(searched)
            told = (0, "shown-who-she-is", 1) if jurisdiction == "EHDS" else (1, "restricted", 0)
            assert (row["outcome"], row["rule"], len(row["ids"])) == told
            records = await here.send(here.sent("/fhir/R4/Observation/_search"), person_id=PATIENT)
            assert records.status_code == status
            assert "valueQuantity" not in records.text
            again = await here.send(here.sent("/fhir/R4/Observation/_search"), person_id=PATIENT)
            assert (again.status_code, (await here.audited(again))["rule"]) == (status, "restricted")
            if jurisdiction == "EHDS":
                async with here.house.store.pool.acquire() as conn:
                    await people.end_choice(conn, key, shut, at)
                opened = await here.send(here.sent("/fhir/R4/Observation/_search"), person_id=PATIENT)
                assert "valueQuantity" in opened.text, "what was remembered of her does not outlive her choice"
                async with here.house.store.pool.acquire() as conn:
                    await people.add_choice(conn, key, Choice("restriction", "results", "", "", at, None))
