"""Pasientens prøvesvar as a client meets it: real tokens, real attestations, the documented forms and headers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from kjerne.client import Client
from platform_fixture import Answered, Form, Standing, Tree

TYPES = ("DiagnosticReport", "Observation", "ServiceRequest", "Specimen", "PractitionerRole")
HBA1C = "NPU27300"


def follow(platform: Standing, answer: Answered, *, as_: str = "gp", about: str = "citizen", **more: Any) -> Answered:
    """The next page, as its link says."""
    path = answer.link("next").removeprefix(platform.url)
    return Answered(platform.client.call("POST", path, as_=as_, patient=platform.nin(about), **more))


def codes(tree: Tree) -> set[str]:
    return {coding["code"] for coding in tree["code"]["coding"]}


@pytest.mark.parametrize("type_", TYPES)
def test_each_of_the_five_types_is_searched_by_a_form(platform: Standing, type_: str) -> None:
    found = platform.search(type_)
    assert (found.status, found.tree["type"]) == (200, "searchset")
    assert {tree["resourceType"] for tree in found.resources()} == {type_}
    assert found.response.headers["content-type"] == "application/fhir+json"
    assert found.response.headers["cache-control"] == "no-store"


def test_the_same_answer_comes_over_a_real_socket(platform: Standing) -> None:
    answer = Answered(
        platform.over_wire.call(
            "POST", "/pps/v2/Observation/_search", as_="gp", patient=platform.nin("citizen"), form=[("code", HBA1C)]
        )
    )
    assert answer.status == 200
    assert set(answer.ids()) == set(platform.search("Observation", [("code", HBA1C)]).ids())


def test_a_single_resource_is_a_search_by_its_id(platform: Standing) -> None:
    wanted = platform.search("DiagnosticReport").ids()[0]
    found = platform.search("DiagnosticReport", [("_id", wanted)])
    assert found.ids() == [wanted]
    assert found.tree["entry"][0]["fullUrl"] == f"{platform.url}/pps/v2/DiagnosticReport/{wanted}"


def test_other_types_are_not_served_here(platform: Standing) -> None:
    found = platform.search("Patient")
    assert (found.status, found.issue["code"]) == (404, "not-found")


def test_a_search_needs_the_patient_in_its_header(platform: Standing) -> None:
    answer = Answered(platform.client.call("POST", "/pps/v2/Observation/_search", as_="gp"))
    assert (answer.status, answer.issue["expression"]) == (400, ["person-id"])


@pytest.mark.parametrize("number", ["1", "12345678901x", "00000000000", "abc", "9" * 500])
def test_a_header_that_holds_no_person_number_is_refused_without_repeating_it(platform: Standing, number: str) -> None:
    answer = platform.search("Observation", headers={"person-id": number})
    assert answer.status == 400
    assert len(number) < 4 or number not in answer.response.text


def test_an_attestation_about_one_patient_opens_no_other(platform: Standing) -> None:
    answer = platform.search("Observation", headers={"person-id": platform.nin("parent")})
    assert answer.status == 403
    (row,) = platform.audited(answer.response)
    assert row["rule"] == "attestation-of-another-patient"


def test_a_doctor_elsewhere_gets_no_care_relation_by_naming_the_hospitals_unit(platform: Standing) -> None:
    ward = platform.persona("hospital-doctor").point_of_care
    outsider = msgspec.structs.replace(platform.persona("outsider"), point_of_care=ward)
    client = Client(platform.url, http=platform.http, clock=platform.clock)
    client._sandbox = msgspec.structs.replace(client._document(), personas=(outsider,))
    path, patient = "/pps/v2/Observation/_search", platform.nin("citizen")
    answer = Answered(client.call("POST", path, as_="outsider", patient=patient))
    assert (answer.status, answer.issue["expression"]) == (403, ["practitioner.point_of_care"])
    (row,) = platform.audited(answer.response)
    assert row["rule"] == "attested-place"


def test_the_role_in_the_header_must_be_the_attested_one(platform: Standing) -> None:
    answer = platform.search("Observation", headers={"requester-hpr-role": "SP"})
    assert (answer.status, answer.issue["expression"]) == (403, ["requester-hpr-role"])
    assert platform.search("Observation", headers={"requester-hpr-role": "le"}).status == 200


def test_an_unknown_basis_is_refused_and_the_obsolete_header_understood(platform: Standing) -> None:
    assert platform.search("Observation", basis="FORDI").status == 400
    assert platform.search("Observation", headers={"grunnlag": "7"}).status == 400
    opened = platform.search("Observation", about="restricted", headers={"grunnlag": "1"})
    assert opened.ids()
    (row,) = platform.audited(opened.response)
    assert row["basis"] == "SAMTYKKE"


@pytest.mark.parametrize(
    ("form", "where"),
    [
        ([("nonsense", "x")], "nonsense"),
        ([("code:above", "x")], "code:above"),
        ([("date", "yesterday")], "date"),
        ([("_sort", "nonsense")], "_sort"),
        ([("_count", "many")], "_count"),
        ([("_include", "Observation:nonsense")], "_include"),
        ([("_has:Observation:subject:code", "x")], "_has"),
        ([("skip", "-1")], "skip"),
        ([("skip", "1"), ("skip", "2")], "skip"),
        ([("_format", "xml")], "_format"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(platform: Standing, form: list[tuple[str, str]], where: str) -> None:
    answer = platform.search("Observation", form)
    assert answer.status in (400, 406)
    assert answer.issue["expression"] == [where]
    assert platform.audited(answer.response) == []


def test_an_unknown_parameter_is_passed_over_where_the_client_says_so(platform: Standing) -> None:
    lenient = {"prefer": "handling=lenient"}
    form = [("nonsense", "x"), ("code", HBA1C), ("_count", "1")]
    first = platform.search("Observation", form, headers=lenient)
    assert first.status == 200
    assert follow(platform, first).status == 200
    assert platform.search("Observation", [("date", "yesterday")], headers=lenient).status == 400


def test_a_search_parameter_may_not_stand_in_the_address(platform: Standing) -> None:
    answer = platform.client.call(
        "POST", "/pps/v2/Observation/_search?code=X", as_="gp", patient=platform.nin("citizen")
    )
    assert answer.status_code == 400


def test_a_search_in_anything_but_a_form_is_refused_and_not_taken_for_a_search_for_all(platform: Standing) -> None:
    answer = platform.client.call(
        "POST", "/pps/v2/Observation/_search", as_="gp", patient=platform.nin("citizen"), body=b'{"code":"x"}',
        headers={"content-type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 415


def test_a_code_finds_its_observations_with_and_without_its_system(platform: Standing) -> None:
    alone = platform.search("Observation", [("code", HBA1C)])
    exact = platform.search("Observation", [("code", f"urn:oid:2.16.578.1.12.4.1.1.7280|{HBA1C}")])
    assert alone.ids() and all(HBA1C in codes(tree) for tree in alone.resources())
    assert set(alone.ids()) == set(exact.ids())
    assert platform.search("Observation", [("code", f"http://loinc.org|{HBA1C}")]).ids() == []


def test_a_date_interval_is_half_open_by_its_prefixes(platform: Standing) -> None:
    every = platform.search("Observation", [("code", HBA1C), ("_sort", "-date")]).resources()
    newest, oldest = every[0]["effectiveDateTime"][:10], every[-1]["effectiveDateTime"][:10]
    since = platform.search("Observation", [("code", HBA1C), ("date", f"ge{newest}")])
    before = platform.search("Observation", [("code", HBA1C), ("date", f"lt{newest}")])
    both = platform.search("Observation", [("code", HBA1C), ("date", f"ge{oldest}"), ("date", f"lt{newest}")])
    assert set(since.ids()).isdisjoint(before.ids())
    assert len(since.ids()) + len(before.ids()) == len(every)
    assert set(both.ids()) == set(before.ids())


def test_results_come_newest_first_and_sorted_as_asked(platform: Standing) -> None:
    dates = [tree["effectiveDateTime"] for tree in platform.search("Observation", [("_count", "30")]).resources()]
    assert dates == sorted(dates, reverse=True)
    oldest = [tree["effectiveDateTime"] for tree in platform.search("Observation", [("_sort", "date")]).resources()]
    assert oldest == sorted(oldest)


def test_a_report_brings_its_results_and_request_along(platform: Standing) -> None:
    form = [("_count", "1"), ("_include", "DiagnosticReport:result"), ("_include", "DiagnosticReport:based-on")]
    found = platform.search("DiagnosticReport", form)
    (report,) = found.resources()
    pointed = {one["reference"].partition("/")[2] for one in (*report["result"], *report["basedOn"])}
    assert set(found.ids("include")) == pointed
    assert {tree["resourceType"] for tree in found.resources("include")} == {"Observation", "ServiceRequest"}


def test_an_observation_brings_the_report_that_points_at_it(platform: Standing) -> None:
    form = [("code", HBA1C), ("_count", "1"), ("_revinclude", "DiagnosticReport:result")]
    found = platform.search("Observation", form)
    (report,) = found.resources("include")
    assert f"Observation/{found.ids()[0]}" in {one["reference"] for one in report["result"]}


@pytest.mark.parametrize(
    "spelled",
    [
        "http://ehelse.no/fhir/CodeSystem/no-kodeverk-7280-nlk", "http://helsedir.no/fhir/CodeSystem/no-kodeverk-7280-nlk",
        "2.16.578.1.12.4.1.1.7280", "urn:oid:2.16.578.1.12.4.1.1.7230",
    ],
)  # fmt: skip
def test_every_spelling_of_a_code_system_finds_the_same(platform: Standing, spelled: str) -> None:
    """A "nothing registered" for want of a spelling would be believed."""
    code, count = "NPU27300", ("_count", "1000")
    known = platform.search("Observation", [("code", f"urn:oid:2.16.578.1.12.4.1.1.7280|{code}"), count]).ids()
    assert known
    assert platform.search("Observation", [("code", f"{spelled}|{code}"), count]).ids() == known
    assert platform.search("Observation", [("code:not", f"{spelled}|{code}"), count]).ids() != known
    form = [("code", f"{spelled}|{code}")]
    answer = platform.client.call("POST", "/pps/v2/already-done", as_="gp", patient=platform.nin("citizen"), form=form)
    assert {one["name"]: one for one in answer.json()["parameter"]}["verdict"]["valueCode"] != "no-rule"


def test_nested_observations_are_found_by_the_tag_that_names_their_codes(platform: Standing) -> None:
    tagged = next(
        tree for tree in platform.search("Observation", [("_count", "1000")]).resources() if tree["meta"].get("tag")
    )
    tag = tagged["meta"]["tag"][0]
    found = platform.search("Observation", [("_tag", f"{tag['system']}|{tag['code']}"), ("_count", "1000")])
    assert tagged["id"] in found.ids()
    assert all(tag["code"] in {one["code"] for one in tree["meta"]["tag"]} for tree in found.resources())


def test_pages_by_cursor_give_everything_once_in_order(platform: Standing) -> None:
    whole = platform.search("Observation", [("_count", "1000")])
    page = platform.search("Observation", [("_count", "40")])
    seen = page.ids()
    while page.link("next"):
        page = follow(platform, page)
        seen += page.ids()
    assert seen == whole.ids()


def test_pages_by_skip_and_count_give_the_same(platform: Standing) -> None:
    whole = platform.search("Observation", [("_count", "20")]).ids()
    parts = [platform.search("Observation", [("skip", str(at)), ("count", "5")]).ids() for at in (0, 5, 10, 15)]
    assert [id_ for part in parts for id_ in part] == whole


def test_a_skipped_search_goes_on_by_its_link(platform: Standing) -> None:
    whole = platform.search("Observation", [("_count", "9")]).ids()
    page = platform.search("Observation", [("skip", "3"), ("_count", "3")])
    assert page.ids() + follow(platform, page).ids() == whole[3:9]


def test_each_page_is_a_read_of_its_own_in_the_log(platform: Standing) -> None:
    first = platform.search("Observation", [("_count", "2")])
    second = follow(platform, first)
    rows = [*platform.audited(first.response), *platform.audited(second.response)]
    assert [{str(id_) for id_ in row["ids"]} for row in rows] == [set(first.ids()), set(second.ids())]


@pytest.mark.parametrize("summed", [[("_summary", "count")], [("_count", "0")]])
def test_a_count_opens_nothing_and_says_how_many(platform: Standing, summed: list[tuple[str, str]]) -> None:
    found = platform.search("Observation", [("code", HBA1C), *summed])
    assert found.tree["total"] == len(platform.search("Observation", [("code", HBA1C)]).ids())
    assert "entry" not in found.tree
    (row,) = platform.audited(found.response)
    assert row["ids"] == []


def test_a_page_link_is_worth_nothing_to_another_caller(platform: Standing) -> None:
    first = platform.search("Observation", [("_count", "2")])
    stolen = follow(platform, first, as_="hospital-doctor")
    assert (stolen.status, stolen.issue["expression"]) == (400, ["_cursor"])


def test_a_page_link_is_worth_nothing_about_another_patient(platform: Standing) -> None:
    first = platform.search("Observation", [("_count", "2")])
    assert follow(platform, first, about="parent").status == 400


def test_a_page_link_is_worth_nothing_under_another_attestation(platform: Standing) -> None:
    first = platform.search("Observation", [("_count", "2")])
    assert follow(platform, first, purpose="ETREAT").status == 400
    assert follow(platform, first, reason="En annen vurdering").status == 400
    assert follow(platform, first).status == 200


def test_a_page_link_of_one_type_is_refused_on_another(platform: Standing) -> None:
    token = platform.search("Observation", [("_count", "2")]).link("next").partition("?")[2]
    answer = platform.client.call(
        "POST", f"/pps/v2/Specimen/_search?{token}", as_="gp", patient=platform.nin("citizen")
    )
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-1], lambda text: text + "A", lambda text: text[:9] + "AA" + text[11:], lambda _: "x"]
)
def test_a_page_link_that_was_changed_is_refused(platform: Standing, spoil: Callable[[str], str]) -> None:
    token = platform.search("Observation", [("_count", "2")]).link("next").partition("_cursor=")[2]
    answer = platform.search("Observation", [("_cursor", spoil(token))])
    assert (answer.status, answer.issue["expression"]) == (400, ["_cursor"])


def test_a_page_link_stands_alone(platform: Standing) -> None:
    token = platform.search("Observation", [("_count", "2")]).link("next").partition("_cursor=")[2]
    assert platform.search("Observation", [("_cursor", token)]).status == 200
    assert platform.search("Observation", [("_cursor", token), ("code", HBA1C)]).status == 400


def test_a_page_link_opens_to_another_run_that_names_the_same_decision(platform: Standing) -> None:
    def page(form: Form, decision: str) -> Answered:
        client = Client(platform.url, http=platform.http, clock=platform.clock)
        path, patient = "/pps/v2/Observation/_search", platform.nin("citizen")
        return Answered(client.call("POST", path, as_="gp", patient=patient, form=form, decision=decision))

    token = page([("_count", "2")], "one").link("next").partition("_cursor=")[2]
    assert page([("_cursor", token)], "one").status == 200
    assert page([("_cursor", token)], "another").status == 400


def test_a_page_link_dies_after_an_hour_even_under_the_same_attestation(platform: Standing) -> None:
    client = Client(platform.url, http=platform.http, clock=platform.clock)
    patient = platform.nin("citizen")

    def page(path: str, form: Form = ()) -> Answered:
        return Answered(client.call("POST", path, as_="gp", patient=patient, form=form, decision="one"))

    link = page("/pps/v2/Observation/_search", [("_count", "2")]).link("next").removeprefix(platform.url)
    platform.clock.move(timedelta(minutes=59))
    assert page(link).status == 200
    platform.clock.move(timedelta(minutes=2))
    dead = page(link)
    assert (dead.status, dead.issue["code"]) == (410, "expired")


def test_a_blocked_doctor_is_told_that_she_is_blocked_and_nothing_else(platform: Standing) -> None:
    answer = platform.search("Observation", as_="blocked-doctor")
    assert (answer.status, answer.outcome, answer.tree["total"]) == (200, "Specific", 0)
    assert answer.ids() == []


def test_a_blocked_doctor_sees_nothing_even_in_an_emergency(platform: Standing) -> None:
    for more in ({"basis": "AKUTT"}, {"basis": "SAMTYKKE"}, {"purpose": "BTG", "reason": "Bevisstløs i akuttmottaket"}):
        answer = platform.search("Observation", as_="blocked-doctor", **more)
        assert answer.outcome == "Specific"


def test_a_patient_who_has_shut_her_record_opens_it_by_consent(platform: Standing) -> None:
    shut = platform.search("Observation", about="restricted")
    assert (shut.outcome, shut.ids()) == ("General", [])
    opened = platform.search("Observation", about="restricted", basis="SAMTYKKE")
    assert opened.ids()
    (row,) = platform.audited(opened.response)
    assert row["rule"] == "restriction-opened"


def test_a_patient_who_has_opted_out_stays_shut(platform: Standing) -> None:
    for basis in ("", "SAMTYKKE", "AKUTT"):
        assert platform.search("Observation", about="opted-out", basis=basis).outcome == "Reservation"


@pytest.mark.parametrize("form", [[], [("_id", "00000000-0000-0000-0000-000000000000")], [("code", "NOTHING")]])
def test_the_privacy_outcome_is_the_same_whether_there_is_anything_or_not(
    platform: Standing, form: list[tuple[str, str]]
) -> None:
    answers = [platform.search(type_, form, about="restricted") for type_ in TYPES]
    assert (
        len(
            {answer.response.content.replace(type_.encode(), b"") for answer, type_ in zip(answers, TYPES, strict=True)}
        )
        == 1
    )
    assert {answer.outcome for answer in answers} == {"General"}


def test_nothing_found_is_said_in_an_outcome(platform: Standing) -> None:
    nothing = platform.search("Observation", [("code", "NOTHING")])
    assert (nothing.status, nothing.issue["code"]) == (200, "not-found")


def test_nobody_known_and_somebody_elses_patient_are_one_answer(platform: Standing) -> None:
    stranger = platform.search("Observation", as_="outsider")
    nobody = platform.search("Observation", as_="outsider", about="12817510078")
    assert stranger.status == nobody.status == 403
    assert stranger.response.content == nobody.response.content


def test_the_self_link_holds_the_parameters_that_were_used_and_never_a_person_number(platform: Standing) -> None:
    number = platform.nin("citizen")
    form = [
        ("code", f"{HBA1C},X"),
        ("nonsense", "x"),
        ("identifier", f"urn:x|{number}"),
        ("skip", "1"),
        ("_count", "1"),
    ]
    found = platform.search("Observation", form, headers={"prefer": "handling=lenient"})
    assert found.link("self") == f"{platform.url}/pps/v2/Observation/_search?code={HBA1C}%2CX&_count=1&skip=1"
    first = platform.search("Observation", [("code", HBA1C), ("_count", "1")])
    assert follow(platform, first).link("self") == first.link("self")
    standard = platform.get("Observation?_count=1&status=final")
    assert standard.link("self") == f"{platform.url}/fhir/R4/Observation?_count=1&status=final"


def test_a_doctor_without_a_relation_is_refused_with_the_law(platform: Standing) -> None:
    answer = platform.search("Observation", as_="outsider")
    assert (answer.status, answer.issue["code"]) == (403, "forbidden")
    assert "§" in answer.issue["diagnostics"]


def test_a_pharmacist_needs_consent(platform: Standing) -> None:
    without = platform.search("Observation", as_="pharmacist", self_selected=True, reason="Legemiddelgjennomgang")
    assert without.status == 403
    given = platform.search(
        "Observation", as_="pharmacist", self_selected=True, reason="Legemiddelgjennomgang", basis="SAMTYKKE"
    )
    assert given.ids()


def test_a_laboratory_files_and_does_not_read(platform: Standing) -> None:
    answer = platform.search("Observation", as_="lab")
    assert answer.status == 403
    assert "insufficient_scope" in answer.response.headers["www-authenticate"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_metadata_is_open_to_all_and_lists_what_is_served(platform: Standing, method: str) -> None:
    answer = platform.http.request(method, f"{platform.url}/pps/v2/metadata")
    tree = answer.json()
    assert (answer.status_code, tree["resourceType"], tree["fhirVersion"]) == (200, "CapabilityStatement", "4.0.1")
    assert {one["type"] for one in tree["rest"][0]["resource"]} == set(TYPES)


def test_a_service_answers_at_a_host_of_its_own(platform: Standing) -> None:
    at_home = platform.url.replace("127.0.0.1", "pps.localhost")
    assert platform.http.get(f"{at_home}/v2/metadata").json()["implementation"]["url"] == f"{at_home}/pps/v2"
    client = Client(at_home, http=platform.http, clock=platform.clock)
    found = Answered(
        client.call(
            "POST", "/v2/Observation/_search", as_="gp", patient=platform.nin("citizen"), form=[("_count", "2")]
        )
    )
    assert found.status == 200 and len(found.ids()) == 2
    assert found.link("self") == f"{at_home}/v2/Observation/_search?_count=2"


def test_a_proof_made_for_one_address_opens_no_other(platform: Standing) -> None:
    held = platform.client.token("gp", patient=platform.nin("citizen"))
    proof = held.headers("POST", f"{platform.url}/pps/v2/Specimen/_search", platform.clock.now().timestamp())
    answer = platform.http.post(
        f"{platform.url}/pps/v2/Observation/_search", headers={**proof, "person-id": platform.nin("citizen")}
    )
    assert (answer.status_code, answer.json()["resourceType"]) == (401, "OperationOutcome")


def test_a_proof_is_used_once(platform: Standing) -> None:
    held = platform.client.token("gp", patient=platform.nin("citizen"))
    url = f"{platform.url}/pps/v2/Observation/_search"
    headers = {**held.headers("POST", url, platform.clock.now().timestamp()), "person-id": platform.nin("citizen")}
    assert [platform.http.post(url, headers=headers).status_code for _ in range(2)] == [200, 401]


def test_the_correlation_id_of_the_caller_comes_back_and_stands_in_the_log(platform: Standing) -> None:
    answer = platform.search("Observation", [("_count", "1")], headers={"x-correlation-id": "my-own-correlation-1"})
    assert answer.response.headers["x-correlation-id"] == "my-own-correlation-1"
    assert platform.audited(answer.response)[0]["correlation"] == "my-own-correlation-1"
