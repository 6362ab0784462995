"""FHIR R4 as the standard has it: read, versions, create and update over the wire, and what is hidden looks absent."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest

from kjerne.access import Label
from kjerne.fhir.definitions import type_number
from kjerne.fhir.validate import check
from kjerne.services.standards import RESOURCE_LIMIT_BYTES
from kjerne.wire.json import parse
from pages.test_live import tab
from platform_fixture import Answered, Standing, Tree
from services.results.kith.conftest import Kith

FHIR = "application/fhir+json"


def observation(**more: Any) -> Tree:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU03429"}]},
        "effectiveDateTime": "2026-03-02T08:15:00+01:00",
        "valueQuantity": {"value": 140, "unit": "mmol/L"},
    } | more


def create(platform: Standing, tree: Tree | bytes, *, about: str = "renumbered", **headers: str) -> Answered:
    body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    sent = {"content-type": FHIR, **headers}
    patient = platform.nin(about) if about else ""
    return Answered(
        platform.client.call("POST", "/fhir/R4/Observation", as_="lab", patient=patient, body=body, headers=sent)
    )


def update(
    platform: Standing, id_: str, tree: Tree, version: str = "", *, as_: str = "lab", **headers: str
) -> Answered:
    sent = {"content-type": FHIR} | ({"if-match": f'W/"{version}"'} if version else {}) | headers
    return Answered(
        platform.client.call(
            "PUT", f"/fhir/R4/Observation/{id_}", as_=as_, body=json.dumps(tree).encode(), headers=sent
        )
    )


def read(platform: Standing, path: str, **more: Any) -> Answered:
    return platform.get(path, about=more.pop("about", "renumbered"), **more)


@pytest.fixture
def made(platform: Standing) -> str:
    """The id of a fresh Observation about the one who had a D-number."""
    return str(create(platform, observation()).tree["id"])


def test_one_resource_may_be_as_long_as_its_route_takes_and_one_limit_is_told_beyond(platform: Standing) -> None:
    long, longer = (observation(note=[{"text": "a" * 1_000}] * count) for count in (1_300, 2_100))
    taken, refused = create(platform, long), create(platform, longer)
    told = f"longer than {RESOURCE_LIMIT_BYTES} bytes" in refused.issue["diagnostics"]
    assert (taken.status, refused.status, told) == (201, 413, True)


def label(platform: Standing, id_: str, labels: Label) -> None:
    """Withholds a record, as a service that knows why would."""
    platform.rows("UPDATE record SET labels = $2 WHERE id = $1 RETURNING 1", UUID(id_), int(labels))


def test_a_created_record_is_read_back_with_the_digits_it_came_with(platform: Standing) -> None:
    body = json.dumps(observation()).replace("140", "140.100").encode()
    answer = create(platform, body)
    assert answer.status == 201
    id_ = answer.tree["id"]
    assert answer.response.headers["location"] == f"{platform.url}/fhir/R4/Observation/{id_}/_history/1"
    found = read(platform, f"Observation/{id_}")
    assert (b'"value": 140.100' in found.response.content, found.response.headers["etag"]) == (True, 'W/"1"')
    assert found.response.content == answer.response.content


def test_the_server_makes_the_id_whatever_the_body_says(platform: Standing) -> None:
    own = str(uuid4())
    assert create(platform, observation(id=own)).tree["id"] != own


def test_a_record_that_was_not_changed_is_not_sent_again(platform: Standing, made: str) -> None:
    answer = read(platform, f"Observation/{made}", headers={"if-none-match": 'W/"1"'})
    assert (answer.status, answer.response.content) == (304, b"")


def test_an_update_makes_a_version_and_keeps_the_old_one(platform: Standing, made: str) -> None:
    changed = update(platform, made, observation(id=made, status="amended"), "1")
    assert (changed.status, changed.tree["meta"]["versionId"]) == (200, "2")
    assert read(platform, f"Observation/{made}").tree["status"] == "amended"
    assert read(platform, f"Observation/{made}/_history/1").tree["status"] == "final"
    assert read(platform, f"Observation/{made}/_history/2").tree["status"] == "amended"
    history = read(platform, f"Observation/{made}/_history")
    assert (history.tree["type"], history.tree["total"]) == ("history", 2)
    assert [entry["resource"]["status"] for entry in history.tree["entry"]] == ["amended", "final"]
    assert [(entry["request"], entry["response"]["status"]) for entry in history.tree["entry"]] == [
        ({"method": "PUT", "url": f"Observation/{made}"}, "200"),
        ({"method": "POST", "url": "Observation"}, "201"),
    ]
    assert check(parse(history.response.content), "Bundle") == []


def test_reading_one_version_names_that_version_alone_in_the_log(platform: Standing, made: str) -> None:
    update(platform, made, observation(id=made, status="amended"), "1")
    (row,) = platform.audited(read(platform, f"Observation/{made}/_history/1").response)
    assert (row["action"], row["versions"]) == ("history", [1])


def test_an_update_against_an_old_version_is_refused(platform: Standing, made: str) -> None:
    update(platform, made, observation(id=made, status="amended"), "1")
    late = update(platform, made, observation(id=made, status="corrected"), "1")
    assert (late.status, late.issue["code"]) == (412, "conflict")
    assert read(platform, f"Observation/{made}").tree["status"] == "amended"


@pytest.mark.parametrize(("headers", "status"), [({}, 428), ({"if-match": "*"}, 400), ({"if-match": 'W/"0"'}, 400)])
def test_an_update_must_say_which_version_it_changes(
    platform: Standing, made: str, headers: dict[str, str], status: int
) -> None:
    assert update(platform, made, observation(id=made), **headers).status == status


def test_an_update_whose_body_has_another_id_is_refused(platform: Standing, made: str) -> None:
    assert update(platform, made, observation(id=str(uuid4())), "1").status == 400


def test_an_update_never_makes_a_record(platform: Standing, made: str) -> None:
    """An id of one type is absent as another, though it names the same patient."""
    body = json.dumps({"resourceType": "Specimen", "id": made}).encode()
    answer = platform.client.call(
        "PUT", f"/fhir/R4/Specimen/{made}", as_="lab", body=body, headers={"content-type": FHIR, "if-match": 'W/"1"'}
    )
    assert answer.status_code == 404


def test_what_was_withheld_stays_withheld_when_it_is_updated(platform: Standing, made: str) -> None:
    opens = platform.clock.now() + timedelta(days=14)
    platform.rows(
        "UPDATE record SET labels = $2, release_at = $3 WHERE id = $1 RETURNING 1",
        UUID(made),
        int(Label.RESTRICTED),
        opens,
    )
    assert update(platform, made, observation(id=made, status="amended"), "1").status == 200
    (row,) = platform.rows("SELECT labels, release_at, version FROM record WHERE id = $1", UUID(made))
    assert (row["labels"], row["release_at"], row["version"]) == (int(Label.RESTRICTED), opens, 2)
    assert read(platform, f"Observation/{made}").status == 404


def test_what_was_withdrawn_cannot_be_updated(platform: Standing, made: str) -> None:
    label(platform, made, Label.WITHDRAWN)
    assert update(platform, made, observation(id=made), "1").status == 404


def test_another_sender_does_not_learn_whose_record_an_id_is(platform: Standing, made: str) -> None:
    """Absent is the answer whomever the body names: herself, somebody else, nobody, or what is no number."""
    numbers = [platform.nin("renumbered"), platform.nin("parent"), Kith.NUMBER, "1"]
    system = "urn:oid:2.16.578.1.12.4.1.4.1"
    bodies = [observation(id=made)] + [
        observation(id=made, subject={"identifier": {"system": system, "value": number}}) for number in numbers
    ]
    answers = [update(platform, made, body, "1", as_="hospital-lab").response for body in bodies]
    answers += [update(platform, (other := str(uuid4())), observation(id=other), "1", as_="hospital-lab").response]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}


def test_a_record_about_one_person_is_not_filed_on_another(platform: Standing, made: str) -> None:
    other = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("parent")}}
    answer = create(platform, observation(subject=other))
    assert (answer.status, answer.issue["expression"]) == (422, ["Observation.subject.identifier"])
    assert platform.nin("parent") not in answer.response.text
    assert update(platform, made, observation(id=made, subject=other), "1").status == 422


@pytest.mark.parametrize(
    "system",
    [
        "",
        "urn:oid:2.16.578.1.12.4.1.4.1",
        "URN:OID:2.16.578.1.12.4.1.4.1",
        "2.16.578.1.12.4.1.4.2",
        "urn:uid:2.16.578.1.12.4.1.4.3",
    ],
)
def test_a_header_and_a_body_that_name_two_people_are_refused_however_the_national_system_is_spelled(
    platform: Standing, system: str
) -> None:
    identifier = {"value": platform.nin("parent")} | ({"system": system} if system else {})
    answer = create(platform, observation(subject={"identifier": identifier}))
    assert (answer.status, answer.issue["expression"]) == (422, ["Observation.subject.identifier"])
    own = {"value": platform.nin("renumbered")} | ({"system": system} if system else {})
    assert create(platform, observation(subject={"identifier": own})).status == 201


def test_an_update_under_a_header_that_names_another_person_is_refused(platform: Standing, made: str) -> None:
    body = observation(id=made, status="amended")
    for number, status in ((platform.nin("parent"), 422), (Kith.NUMBER, 422), ("1", 400)):
        answer = update(platform, made, body, "1", **{"person-id": number})
        assert answer.status == status
        assert number == "1" or number not in answer.response.text
    hidden = update(platform, made, body, "1", as_="hospital-lab", **{"person-id": platform.nin("parent")})
    assert hidden.status == 404, "to any other sender the record is absent, whomever the header names"
    assert update(platform, made, body, "1", **{"person-id": platform.nin("renumbered")}).status == 200


def test_an_update_neither_takes_the_subject_away_nor_names_another(platform: Standing) -> None:
    own = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("renumbered")}}
    numbered = str(create(platform, observation(subject=own)).tree["id"])
    here = {"reference": "Patient/here", "display": "Pasienten"}
    referred = str(create(platform, observation(subject=here)).tree["id"])
    for id_, less in ((numbered, {}), (numbered, {"subject": here}), (referred, {})):
        answer = update(platform, id_, observation(id=id_, **less), "1")
        assert (answer.status, answer.issue["expression"]) == (422, ["Observation.subject"])
        assert "takes the subject away" in answer.issue["diagnostics"]
    answer = update(platform, referred, observation(id=referred, subject={"reference": "Patient/there"}), "1")
    assert (answer.status, answer.issue["expression"]) == (422, ["Observation.subject"])
    assert "names another subject" in answer.issue["diagnostics"]
    assert read(platform, f"Observation/{referred}").tree["meta"]["versionId"] == "1"
    assert update(platform, numbered, observation(id=numbered, subject=own | here), "1").status == 200
    assert update(platform, referred, observation(id=referred, subject=own), "1").status == 200


def test_an_update_may_name_the_subject_that_was_not_named_before(platform: Standing, made: str) -> None:
    own = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("renumbered")}}
    assert update(platform, made, observation(id=made, subject=own), "1").status == 200


def test_the_body_may_name_the_patient_instead_of_the_header(platform: Standing) -> None:
    subject = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("renumbered")}}
    assert create(platform, observation(subject=subject), about="").status == 201
    assert create(platform, observation(), about="").status == 400


def gone(
    platform: Standing, end: str, ids: dict[str, str], **more: Any
) -> dict[str, tuple[int, bytes, dict[str, str]]]:
    """Status, body and headers of a read for each id, the correlation id aside."""
    found = {}
    for why, id_ in ids.items():
        answer = read(platform, f"Observation/{id_}{end}", **more).response
        headers = {name: value for name, value in answer.headers.items() if name != "x-correlation-id"}
        found[why] = (answer.status_code, answer.content, headers)
    return found


@pytest.mark.parametrize("end", ["", "/_history", "/_history/1"])
def test_hidden_absent_and_refused_are_one_answer(platform: Standing, made: str, end: str) -> None:
    label(platform, made, Label.RESTRICTED)
    ids = {
        "hidden": made,
        "never made": str(uuid4()),
        "of another patient": platform.search("Observation", about="parent").ids()[0],
        "of one who has opted out": _id_of(platform, "restricted"),
        "of another type": platform.search("Specimen", about="renumbered").ids()[0],
        "no id": "1",
    }
    answers = gone(platform, end, ids)
    assert {status for status, _, _ in answers.values()} == {404}
    assert len({(body, tuple(sorted(headers.items()))) for _, body, headers in answers.values()}) == 1


def _id_of(platform: Standing, name: str) -> str:
    return platform.search("Observation", about=name, basis="SAMTYKKE").ids()[0]


def test_a_blocked_doctor_reads_an_id_she_knows_as_if_it_were_not_there(platform: Standing) -> None:
    known = platform.search("Observation").ids()[0]
    blocked = platform.get(f"Observation/{known}", as_="blocked-doctor")
    absent = platform.get(f"Observation/{uuid4()}", as_="blocked-doctor")
    assert (
        (blocked.status, blocked.response.content)
        == (absent.status, absent.response.content)
        == (404, blocked.response.content)
    )
    (row,) = platform.audited(blocked.response)
    assert (row["outcome"], row["rule"]) == (1, "blocked-by-name")


def test_an_update_of_what_is_hidden_or_absent_is_one_answer(platform: Standing, made: str) -> None:
    label(platform, made, Label.WITHDRAWN)
    answers = [update(platform, id_, observation(id=id_), "1").response for id_ in (made, str(uuid4()))]
    assert answers[0].status_code == answers[1].status_code == 404
    assert answers[0].content == answers[1].content


def test_a_version_that_never_was_is_absent_and_opens_nothing(platform: Standing, made: str) -> None:
    for version in ("2", "0", "-1", "x", "9" * 30, "%D9%A1"):
        answer = read(platform, f"Observation/{made}/_history/{version}")
        assert answer.status == 404
        assert [row["ids"] for row in platform.audited(answer.response)] in ([], [[]])


def test_a_search_by_address_needs_the_patient_in_its_header(platform: Standing) -> None:
    found = platform.get("Observation?code=NPU27300&_count=2")
    assert len(found.ids()) == 2
    assert found.tree["entry"][0]["fullUrl"].startswith(f"{platform.url}/fhir/R4/Observation/")
    answer = Answered(platform.client.call("GET", "/fhir/R4/Observation", as_="gp"))
    assert (answer.status, answer.issue["expression"]) == (400, ["person-id"])


def test_pages_by_address_go_on_by_their_link_which_stands_alone(platform: Standing) -> None:
    whole = platform.get("Observation?_count=6").ids()
    first = platform.get("Observation?_count=3")
    path = first.link("next").removeprefix(f"{platform.url}/fhir/R4/")
    assert first.ids() + platform.get(path).ids() == whole
    assert platform.get(f"{path}&code=NPU27300").status == 400


def test_a_page_link_is_one_and_opens_only_where_it_was_made(platform: Standing) -> None:
    def token(link: str) -> str:
        return link.partition("_cursor=")[2]

    fhir = token(platform.get("Observation?_count=3").link("next"))
    pps = token(platform.search("Observation", [("_count", "3")]).link("next"))
    assert fhir and pps
    assert platform.get(f"Observation?_cursor={pps}").status == 400
    assert platform.search("Observation", [("_cursor", fhir)]).status == 400
    for form in ([("_cursor", "")], [("_cursor", fhir), ("_cursor", fhir)], [("_cursor", ""), ("_count", "1")]):
        assert platform.get("Observation?" + urlencode(form)).status == 400
        assert platform.search("Observation", form).status == 400


def test_a_history_is_given_page_by_page_and_of_a_time(platform: Standing, made: str) -> None:
    for version in ("1", "2"):
        update(platform, made, observation(id=made, status="amended"), version)
    first = read(platform, f"Observation/{made}/_history?_count=2")
    assert [one["resource"]["meta"]["versionId"] for one in first.tree["entry"]] == ["3", "2"]
    assert first.tree["total"] == 3
    rest = read(platform, first.link("next").removeprefix(f"{platform.url}/fhir/R4/"))
    assert [one["resource"]["meta"]["versionId"] for one in rest.tree["entry"]] == ["1"]
    assert rest.link("next") == ""
    made_at = rest.tree["entry"][0]["resource"]["meta"]["lastUpdated"]
    at = f"Observation/{made}/_history?"
    assert read(platform, at + urlencode({"_since": "2100-01-01"})).tree["total"] == 0
    assert read(platform, at + urlencode({"_since": made_at})).tree["total"] == 3
    assert read(platform, at + urlencode({"_at": made_at})).tree["total"] == 1
    assert "entry" not in read(platform, at + "_summary=count").tree
    assert check(parse(first.response.content), "Bundle") == []


@pytest.mark.parametrize(
    "query", ["_count=x", "_since=yesterday", "_at=2&_at=3", "code=x", "_sort=date", "_cursor=", "_cursor=x&_count=2"]
)
def test_a_history_passes_over_nothing(platform: Standing, made: str, query: str) -> None:
    assert read(platform, f"Observation/{made}/_history?{query}").status == 400
    if query.startswith(("code", "_sort")):
        lenient = read(platform, f"Observation/{made}/_history?{query}", headers={"prefer": "handling=lenient"})
        assert lenient.status == 200


@pytest.mark.parametrize("end", ["", "/_history/1"])
def test_a_read_shows_as_much_as_is_asked_for(platform: Standing, made: str, end: str) -> None:
    part = read(platform, f"Observation/{made}{end}?_elements=effective").tree
    assert "valueQuantity" not in part and part["effectiveDateTime"]
    assert part["meta"]["tag"][-1]["code"] == "SUBSETTED"
    assert "valueQuantity" in read(platform, f"Observation/{made}{end}?_summary=false&_format=json&_pretty=true").tree
    assert "code" in read(platform, f"Observation/{made}{end}?_summary=text").tree
    for query, status in (("_summary=count", 400), ("code=x", 400), ("_elements=nothing", 400), ("_format=ttl", 406)):
        assert read(platform, f"Observation/{made}{end}?{query}").status == status, query
    assert read(platform, f"Observation/{made}{end}?x=1", headers={"prefer": "handling=lenient"}).status == 200


@pytest.mark.parametrize("end", ["", "/_history", "/_history/1"])
def test_who_takes_neither_json_nor_xml_is_told_so(platform: Standing, made: str, end: str) -> None:
    turtle = {"accept": "text/turtle"}
    assert read(platform, f"Observation/{made}{end}", headers=turtle).status == 406
    assert platform.get("Observation", headers=turtle).status == 406
    assert platform.search("Observation", headers=turtle).status == 406
    for path, as_ in (("/pps/v2/already-done", "gp"), ("/fhir/R4/$import", "lab")):
        sent = {"content-type": "application/ndjson"} if as_ == "lab" else {}
        form = [("code", "x")] if as_ == "gp" else []
        answer = platform.client.call(
            "POST", path, as_=as_, patient=platform.nin("renumbered"), form=form, headers=turtle | sent
        )
        assert answer.status_code == 406
    assert platform.http.get(f"{platform.url}/fhir/R4/metadata", headers=turtle).status_code == 406


def test_a_body_that_says_it_is_neither_is_refused_as_such(platform: Standing, made: str) -> None:
    for type_ in ("text/plain", "text/turtle"):
        sent = {"content-type": type_}
        assert create(platform, observation(), **sent).status == 415
        assert update(platform, made, observation(id=made), "1", **sent).status == 415
    assert create(platform, observation(), **{"content-type": "application/json; charset=utf-8"}).status == 201
    assert create(platform, observation(), accept="text/turtle").status == 406


def test_the_law_refuses_a_search_in_words(platform: Standing) -> None:
    refused = platform.get("Observation", as_="blocked-doctor")
    assert (refused.status, refused.issue["code"]) == (403, "forbidden")


def test_a_period_without_a_start_leaves_every_later_search_answered(platform: Standing) -> None:
    tree = observation(effectivePeriod={"end": "2026-03-02"})
    del tree["effectiveDateTime"]
    id_ = create(platform, tree).tree["id"]
    about = {"about": "renumbered"}
    for form in ([("_total", "accurate")], [("_include", "Observation:specimen")], [("skip", "0")], [("skip", "1")],
                 [("_revinclude", "DiagnosticReport:result")]):  # fmt: skip
        assert platform.search("Observation", form, **about).status == 200, form
    early = [("date", "le2026-03-02"), ("_total", "accurate"), ("_count", "1000")]
    assert id_ in platform.search("Observation", early, **about).ids()
    code = [("code", "urn:oid:2.16.578.1.12.4.1.1.7280|NPU03429")]
    asked = platform.client.call(
        "POST", "/pps/v2/already-done", as_="gp", patient=platform.nin("renumbered"), form=code
    )
    assert asked.status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        (b"{", 400, None),
        (b"[]", 400, None),
        (b'{"resourceType":"Patient"}', 400, "resourceType"),
        (b'{"resourceType":"Observation","status":"final"}', 422, "Observation.code"),
        (b'{"resourceType":"Observation","status":"final","status":"final","code":{"text":"x"}}', 400, None),
        (b'{"resourceType":"Observation","status":"done","code":{"text":"x"}}', 422, "Observation.status"),
        (b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueInteger":NaN}', 400, None),
        (
            b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"a":' + b"[" * 99 + b"]" * 99 + b"}",
            400,
            None,
        ),
    ],
)
def test_a_bad_body_is_refused_with_its_place(platform: Standing, body: bytes, status: int, where: str | None) -> None:
    answer = create(platform, body)
    assert answer.status == status
    if where:
        assert where in {place for issue in answer.tree["issue"] for place in issue.get("expression", ())}


def test_a_doctor_does_not_file_and_a_laboratory_does_not_read(platform: Standing, made: str) -> None:
    filed = platform.client.call(
        "POST",
        "/fhir/R4/Observation",
        as_="gp",
        patient=platform.nin("renumbered"),
        body=json.dumps(observation()).encode(),
    )
    assert filed.status_code == 403
    assert platform.get(f"Observation/{made}", as_="lab").status == 403


@pytest.mark.parametrize("way", ["in the header", "in the body"])
def test_a_sender_cannot_tell_an_opt_out_from_nobody(platform: Standing, way: str) -> None:
    answers = []
    for number in (platform.nin("opted-out"), Kith.NUMBER):
        named = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": number}}
        body = json.dumps(observation(subject=named) if way == "in the body" else observation()).encode()
        patient = "" if way == "in the body" else number
        sent = {"content-type": FHIR}
        answer = platform.client.call(
            "POST", "/fhir/R4/Observation", as_="lab", patient=patient, body=body, headers=sent
        )
        (row,) = platform.audited(answer)
        headers = {name: value for name, value in answer.headers.items() if name != "x-correlation-id"}
        answers.append((answer.status_code, answer.content, headers))
        assert row["rule"] in ("filed-after-opt-out", "unknown-person")
    assert answers[0] == answers[1]
    assert answers[0][0] == 403


PATHOLOGY = {"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": "PAT"}
OTHERS_NUMBER = "13897512345"


@pytest.mark.parametrize(
    ("place", "more"),
    [
        ("subject", {"subject": {"reference": f"Patient/{OTHERS_NUMBER}"}}),
        ("subject", {"subject": {"reference": f"https://lab.example/fhir/Patient/{OTHERS_NUMBER}/_history/1"}}),
        ("performer", {"performer": [{"reference": "Practitioner/01825110190"}]}),
        ("focus", {"focus": [{"reference": "urn:oid:2.16.578.1.12.4.1.4.1.01825110190"}]}),
    ],
    ids=["the subject", "the subject elsewhere", "who did it", "an oid"],
)
def test_a_person_number_in_a_reference_is_refused_and_never_repeated(
    platform: Standing, made: str, place: str, more: Tree
) -> None:
    spelled = json.dumps(observation(**more)).replace("reference", "r\\u0065ference").encode()
    for answer in (
        create(platform, observation(**more)),
        create(platform, spelled),
        update(platform, made, observation(id=made, **more), "1"),
    ):
        assert (answer.status, answer.issue["expression"]) == (422, [f"Observation.{place}.reference"])
        assert not any(number in answer.response.text for number in (OTHERS_NUMBER, "01825110190"))


def test_her_own_number_does_not_stand_in_a_reference_either(platform: Standing) -> None:
    own = platform.nin("renumbered")
    answer = create(platform, observation(subject={"reference": f"Patient/{own}"}))
    assert answer.status == 422
    assert own not in answer.response.text


@pytest.mark.parametrize(("about", "status"), [("renumbered", 201), ("parent", 422)])
def test_a_contained_patient_is_held_to_the_header_as_an_identifier_is(
    platform: Standing, about: str, status: int
) -> None:
    number = {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin(about)}
    inside = {"resourceType": "Patient", "id": "p", "identifier": [number]}
    answer = create(platform, observation(contained=[inside], subject={"reference": "#p"}))
    assert answer.status == status
    both = {"reference": "#p", "identifier": number | {"value": platform.nin("renumbered")}}
    assert create(platform, observation(contained=[inside], subject=both)).status == status


def test_every_patient_whom_the_subject_may_mean_is_the_one_whose_record_it_is(platform: Standing, made: str) -> None:
    own, other = (
        {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin(who)} for who in ("renumbered", "parent")
    )
    her, another = ({"resourceType": "Patient", "id": "p", "identifier": [one]} for one in (own, other))
    both = [{"resourceType": "Patient", "id": "p", "identifier": [own, other]}]
    for inside, where in (
        ([her, another], "Observation.contained[1].id"),
        ([another, her], "Observation.contained[1].id"),
        (both, "Observation.subject.identifier"),
    ):
        body = observation(contained=inside, subject={"reference": "#p"})
        for answer in (create(platform, body), update(platform, made, body | {"id": made}, "1")):
            assert (answer.status, answer.issue["expression"]) == (422, [where])


def test_a_reference_to_the_senders_own_patient_is_kept_as_it_came(platform: Standing) -> None:
    answer = create(platform, observation(subject={"reference": "Patient/lab-77"}))
    assert answer.status == 201
    assert answer.tree["subject"] == {"reference": "Patient/lab-77"}


def test_a_search_by_address_with_a_person_number_in_it_is_refused(platform: Standing) -> None:
    answer = platform.get("Observation?performer=Practitioner/01825110190")
    assert (answer.status, answer.issue["expression"]) == (400, ["query"])
    assert "01825110190" not in answer.response.text
    for spelled in ("018251+10190", "018251-10190"):
        assert platform.get(f"Observation?performer=Practitioner/{spelled}").status == 400
    form = [("performer", "Practitioner/01825110190")]
    sent = platform.client.call(
        "POST", "/fhir/R4/Observation/_search", as_="gp", patient=platform.nin("citizen"), form=form
    )
    assert sent.status_code == 200
    assert "01825110190" not in sent.text


@pytest.mark.parametrize("issued", ["9999-12-25T10:00:00Z", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:60Z"])
def test_a_delayed_result_of_the_last_days_of_the_calendar_is_filed_and_waits(platform: Standing, issued: str) -> None:
    """Some systems write "never" so. Nobody who reads it meets a fault: not a search, not the question, not the page."""
    late = {"code": {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU27300"}]}}
    tree = observation(issued=issued, effectiveDateTime=issued, category=[{"coding": [PATHOLOGY]}], **late)
    id_ = create(platform, tree).tree["id"]
    assert update(platform, id_, tree | {"id": id_, "status": "amended"}, "1").status == 200
    (row,) = platform.rows("SELECT release_at FROM record WHERE id = $1", UUID(id_))
    assert row["release_at"].date().isoformat() == "9999-12-31"
    asked = platform.client.call(
        "POST", "/pps/v2/already-done", as_="gp", patient=platform.nin("renumbered"),
        form=[("code", "urn:oid:2.16.578.1.12.4.1.1.7280|NPU27300")],
    )  # fmt: skip
    assert asked.status_code == 200
    with tab(platform, "gp") as it:
        assert it.type(platform.nin("renumbered")).status_code == 200
    with tab(platform, "renumbered", "me") as it:
        assert it.get("/me/results").status_code == 200


def test_a_minimal_answer_has_no_body(platform: Standing) -> None:
    answer = create(platform, observation(), prefer="return=minimal")
    assert (answer.status, answer.response.content) == (201, b"")
    assert answer.response.headers["etag"] == 'W/"1"'


def test_both_numbers_of_one_person_open_one_record(platform: Standing) -> None:
    person = platform.population.by_key[platform.population.cast["renumbered"]]
    found = [set(platform.search("DiagnosticReport", about=number.value).ids()) for number in person.numbers]
    assert len(found) == 2 and found[0] == found[1] and len(found[0]) >= 2


def test_types_that_are_not_served_are_named_as_such(platform: Standing) -> None:
    assert type_number("MeasureReport")
    answer = platform.get("MeasureReport/1")
    assert (answer.status, "DiagnosticReport" in answer.issue["diagnostics"]) == (404, True)


def test_metadata_lists_the_interactions(platform: Standing) -> None:
    answer: httpx.Response = platform.http.get(f"{platform.url}/fhir/R4/metadata")
    (found,) = [one for one in answer.json()["rest"][0]["resource"] if one["type"] == "Observation"]
    assert {one["code"] for one in found["interaction"]} >= {"read", "vread", "create", "update", "search-type"}
