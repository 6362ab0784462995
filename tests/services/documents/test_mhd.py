"""The national service as a standard client of MHD meets it: searches by address and form, submission sets, attachments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from lxml import etree

from asked_sources import FORM, SEARCH, Country, says
from documents_at_hand import PERSON, code, submission
from kjerne.wire import soap
from kjerne.xds import messages, names
from kjerne.xds.forms import CX
from kjerne.xds.messages import Response
from kjerne.xds.names import RIM
from kjerne.xds.values import Association
from platform_fixture import Answered
from sources import TEXT, one, renamed

ROOT = "/phr/R4/fhir"
LOCKED = (code("2.16.840.1.113883.5.25", "N"), code("9603", "NORS"))


def address_of(country: Country, about: str) -> str:
    """Her own address (`Patient/{id}`)."""
    found = country.platform.client.call("GET", "/fhir/R4/Patient", as_="gp", patient=country.platform.nin(about))
    return f"Patient/{found.json()['entry'][0]['resource']['id']}"


def got(country: Country, path: str, *, header: str = "", **more: Any) -> Answered:
    """What a client gets that sends no header of ours, or the one that is given. The attestation names her."""
    headers = {"nhn-patient-nin": header}
    return Answered(
        country.platform.client.call(
            "GET", path, as_="gp", patient=country.platform.nin("citizen"), headers=headers, **more
        )
    )


def titles(found: Any) -> list[str]:
    return sorted(one["content"][0]["attachment"]["title"] for one in found.resources())


def sent(country: Country, source: Any, *places: int, set_: int, **marks: Any) -> None:
    """Documents of one submission, with places as their numbers."""
    hers = CX(country.platform.nin("citizen"), PERSON)
    entries = [
        one(place, patient=hers, source_patient=hers, title=f"t{place}", **marks.get(f"m{place}", {})).entries[0]
        for place in places
    ]
    said = submission(
        *entries, patient=hers, unique_id=f"2.16.578.1.12.4.5.100.9.6.{set_}", title="Om alt som er sendt",
        submitted=f"2026031014252{set_ % 10}",
    )  # fmt: skip
    assert country.platform.run(source.provide(renamed(said, set_), *([TEXT] * len(places)))).status == names.SUCCESS


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("&category=urn:oid:2.16.578.1.12.4.1.1.9602|A00-1", ["a", "b"]), ("&type=B02-2", ["b"]),
        ("&setting=A09", ["b"]), ("&facility=86.909", ["a", "b"]), ("&event=E1", ["a"]), ("&security-label=R", ["b"]),
        ("&format=urn:no:kith:xmlstds:henvisning", ["b"]), ("&period=ge2026-05", ["b"]), ("&date=lt2026-04", ["a"]),
        ("&creation=2026-05", ["b"]), ("&identifier=urn:oid:2.16.578.1.77.2", ["b"]),
        ("&related:identifier=urn:oid:1.2.9|R-1", ["a"]), ("&author.family=vits&author.given=gr%C3%B8nn", ["a", "b"]),
        ("&author.family=hansen", []), ("&date=ge2026-01&date=lt2026-04&type=A03-2", ["a"]),
    ],
)  # fmt: skip
def test_documents_are_found_by_every_parameter_of_the_standard(country: Country, form: str, shown: list[str]) -> None:
    entries = (
        country.its(
            1, title="a", unique_id="2.16.578.1.77.1", events=(code("1.2.3", "E1"),),
            reference_ids=("R-1^^^&1.2.9&ISO^urn:ihe:iti:xds:2013:order",),
        ),
        country.its(
            2, title="b", unique_id="2.16.578.1.77.2", type_code=code("9602", "B02-2"), created="20260502",
            practice_setting=code("8651", "A09"), service_start="20260601", service_stop="20260602",
            confidentiality=(code("2.16.840.1.113883.5.25", "R"),),
            format_code=code("1.3.6.1.4.1.19376.1.2.3", "urn:no:kith:xmlstds:henvisning"),
        ),
    )  # fmt: skip
    country.asks(sundvika=country.odd(says(*entries)).port)
    found = country.search(form)
    assert (found.status, titles(found), found.tree["total"]) == (200, shown, len(shown))
    (row,) = country.platform.audited(found.response)
    assert sorted(map(str, row["ids"])) == sorted(found.ids()), "the log names what was told of, and nothing else"


def test_an_attachment_is_fetched_at_the_address_that_it_has_without_a_header(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its())).port)
    (told,) = country.search().resources()
    url = told["content"][0]["attachment"]["url"]
    path = "/phr" + url.partition("/phr")[2]
    opened = got(country, path)
    assert (opened.status, opened.response.content) == (200, TEXT)
    (row,) = country.platform.audited(opened.response)
    assert (row["action"], row["ids"]) == ("read", [UUID(told["id"])])
    assert country.platform.nin("citizen") not in url
    assert country.document(path).status_code == 200, "with the header as well"
    assert country.document(path, about="child").status_code in (403, 404), "under another's number there is none"
    patient, number = path.split("/")[-2:]
    for wrong in (f"{uuid4()}/{number}", f"{patient}/{uuid4()}", f"{patient.upper()}/{number}", "x/y"):
        assert got(country, f"/phr/mhd/document/{wrong}").status == 404, wrong
    assert country.document(path, as_="outsider").status_code == 403


def test_a_citizen_follows_what_her_portal_was_told_without_a_header(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its(about="proxy"))).port)
    (told,) = country.search(as_="proxy", about="proxy", portal=True).resources()
    attachment = "/phr" + told["content"][0]["attachment"]["url"].partition("/phr")[2]
    for path in (f"{ROOT}/DocumentReference/{told['id']}", attachment, f"/phr/mhd/document/{told['id']}"):
        answer = country.platform.client.call(
            "GET",
            path,
            as_="proxy",
            patient=country.platform.nin("proxy"),
            portal=True,
            headers={"nhn-patient-nin": ""},
        )
        assert answer.status_code == 200, path


def test_a_patient_is_named_by_her_own_address_in_a_form_and_in_an_address(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its(1), country.its(2, unique_id="2.16.578.1.3"))).port)
    whose = address_of(country, "citizen")
    found = got(country, f"{ROOT}/DocumentReference?patient={whose}&status=current&_count=1")
    assert (found.status, found.tree["total"]) == (200, 2)
    onward = got(country, "/phr" + found.link("next").partition("/phr")[2])
    assert (onward.status, len(onward.ids()), onward.ids() == found.ids()) == (200, 1, False)
    posted = country.platform.client.call(
        "POST", SEARCH, as_="gp", patient=country.platform.nin("citizen"), body=f"patient={whose}".encode(),
        headers={**FORM, "nhn-patient-nin": ""},
    )  # fmt: skip
    assert Answered(posted).tree["total"] == 2
    for form, header in ((f"patient={whose}", country.platform.nin("citizen")), (f"patient=Patient/{uuid4()}", "")):
        assert got(country, f"{ROOT}/DocumentReference?{form}", header=header).status == 400
    by_number = got(country, f"{ROOT}/DocumentReference?patient.identifier={country.platform.nin('citizen')}")
    assert by_number.status == 400 and "never in an address" in by_number.response.text
    assert got(country, f"{ROOT}/DocumentReference", header=country.platform.nin("citizen")).tree["total"] == 2


def test_a_form_that_names_her_by_its_number_alone_has_links_that_are_followed_as_they_stand(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its(1), country.its(2, unique_id="2.16.578.1.3"))).port)
    number = country.platform.nin("citizen")
    form = f"patient.identifier=urn:oid:{PERSON}|{number}&_count=1".encode()
    first = Answered(
        country.platform.client.call(
            "POST", SEARCH, as_="gp", patient=number, body=form, headers={**FORM, "nhn-patient-nin": ""}
        )
    )
    ways = [first.link(one) for one in ("self", "next")]
    again, onward = (got(country, "/phr" + one.partition("/phr")[2]) for one in ways)
    assert (again.status, onward.status) == (200, 200), onward.response.text
    assert again.ids() == first.ids() != onward.ids() and len(onward.ids()) == 1
    assert not any(number in one for one in ways)


def test_a_document_refers_by_its_id_to_those_alone_that_are_shown(country: Country) -> None:
    kind = "^^^^urn:ihe:iti:xds:2013:uniqueId"
    shown, shut, order = "2.16.578.1.88.2", "2.16.578.1.88.3", "R-1^^^&1.2.9&ISO^urn:ihe:iti:xds:2013:order"
    entries = (
        country.its(1, unique_id="2.16.578.1.88.1", reference_ids=(f"{shown}{kind}", f"{shut}{kind}", order)),
        country.its(2, unique_id=shown), country.its(3, unique_id=shut, confidentiality=LOCKED),
    )  # fmt: skip
    country.asks(sundvika=country.odd(says(*entries)).port)
    found = country.search("&identifier=urn:oid:2.16.578.1.88.1")
    (told,) = found.resources()
    assert [one["identifier"]["value"] for one in told["context"]["related"]] == [shown, "R-1"]
    read = got(country, f"{ROOT}/DocumentReference/{told['id']}")
    assert shut not in found.response.text + read.response.text
    assert country.search(f"&related:identifier={shut}").tree["total"] == 0


def test_submission_sets_are_told_with_the_documents_that_are_shown_and_no_others(
    country: Country, hospital: tuple[Any, int]
) -> None:
    source, port = hospital
    sent(country, source, 21, 22, set_=31, m22={"confidentiality": LOCKED})
    sent(country, source, 23, set_=32, m23={"confidentiality": LOCKED})
    country.asks(sundvika=port)
    listed = {one["id"]: one["content"][0]["attachment"]["title"] for one in country.search().resources()}
    whose = address_of(country, "citizen")
    found = got(country, f"{ROOT}/List?patient={whose}&code=submissionset&status=current")
    assert found.status == 200, found.response.text
    told = {
        tuple(listed[each["item"]["reference"].partition("/")[2]] for each in one["entry"]): one
        for one in found.resources()
    }
    assert ("t21",) in told and not any({"t22", "t23"} & set(titles_) for titles_ in told)
    assert "Om alt som er sendt" not in found.response.text
    (row,) = country.platform.audited(found.response)
    named = {each["item"]["reference"].partition("/")[2] for one in found.resources() for each in one["entry"]}
    assert {str(one) for one in row["ids"]} == named
    of_one = "identifier=urn:oid:2.16.578.1.12.4.5.100.9.6.31"
    one = got(
        country, f"{ROOT}/List?patient={whose}&{of_one}&designationType=A03-2&sourceId=urn:oid:2.16.578.1.12.4.5.100.9"
    )
    assert [each["id"] for each in one.resources()] == [told["t21",]["id"]]
    assert got(country, f"{ROOT}/List?patient={whose}&code=folder").resources() == []
    assert got(country, f"{ROOT}/List?patient={whose}&status=superseded").resources() == []
    address = "/phr" + one.tree["entry"][0]["fullUrl"].partition("/phr")[2]
    read = got(country, address)
    assert (read.status, read.tree) == (200, told["t21",])
    followed = got(country, f"{ROOT}/{read.tree['entry'][0]['item']['reference']}")
    assert followed.tree["content"][0]["attachment"]["title"] == "t21", "an item is read as it is referred to"
    assert got(country, f"{ROOT}/List/{uuid4()}").status == 404


def test_a_source_that_tells_of_no_sets_is_named_and_the_rest_is_there(
    country: Country, hospital: tuple[Any, int]
) -> None:
    source, port = hospital
    sent(country, source, 24, set_=33)

    def alone(raw: bytes) -> Any:
        return ("text/html", b"<html>") if names.GET_SUBMISSION_SETS.encode() in raw else told(raw)

    told = says(country.its(1, unique_id="2.16.578.1.9", home=f"{country.its().home}.2"))
    country.asks(sundvika=port, nordvik=country.odd(alone).port)
    found = got(country, f"{ROOT}/List", header=country.platform.nin("citizen"))
    assert found.status == 200 and found.resources()
    (outcome,) = found.resources("outcome")
    assert outcome["issue"][0]["diagnostics"].startswith("Nordvik sykehus answered with something that cannot be used")
    told = says(country.its(1, unique_id="2.16.578.1.9", home=f"{country.its().home}.1"))
    country.asks(nordvik=country.odd(alone).port)
    none = got(country, f"{ROOT}/List", header=country.platform.nin("citizen"))
    assert (none.status, [row["ids"] for row in country.platform.audited(none.response)]) == (504, [[]])


def test_a_source_is_believed_in_no_set_but_hers_and_of_no_document_but_those_that_are_shown(country: Country) -> None:
    hers = CX(country.platform.nin("citizen"), PERSON)
    shown = country.its(1, title="Vist", unique_id="2.16.578.1.8.1")
    shut = country.its(2, unique_id="2.16.578.1.8.2", confidentiality=LOCKED)
    own, others = (
        replace(submission(patient=whose, unique_id=f"1.2.{place}").sent, id=f"urn:uuid:{uuid4()}", home=shown.home)
        for place, whose in enumerate((hers, CX(country.platform.nin("child"), PERSON)))
    )
    members = [
        Association(id=f"urn:uuid:{uuid4()}", kind=names.HAS_MEMBER, source=source.id, target=target.id)
        for source in (own, others) for target in (shown, shut)
    ]  # fmt: skip
    lists = says(shown, shut)

    def answers(raw: bytes) -> Any:
        if names.GET_SUBMISSION_SETS.encode() not in raw:
            return lists(raw)
        assert shut.id.encode() not in raw, "a source is not asked about what is not shown"
        body = messages.written_found(Response(names.SUCCESS, (), (own, others, *members)))
        body.find("{*}RegistryObjectList").append(etree.Element(RIM + "RegistryPackage", id="urn:uuid:folder"))  # type: ignore[union-attr]
        relates = soap.opened(raw).message_id
        return soap.TYPE, soap.enveloped(names.CROSS_QUERY + "Response", body, message_id="urn:t:1", relates=relates)

    country.asks(sundvika=country.odd(answers).port)
    found = got(country, f"{ROOT}/List", header=hers.number)
    (told,) = found.resources()
    assert told["identifier"][0]["value"] == "urn:oid:1.2.0" and len(told["entry"]) == 1
    (document,) = country.search().resources()
    assert told["entry"][0]["item"]["reference"] == f"DocumentReference/{document['id']}"
    assert found.resources("outcome")[0]["issue"][0]["diagnostics"].endswith("says that this is not all that it has")


def test_what_is_not_done_is_refused_with_a_sentence(country: Country) -> None:
    hers = country.platform.nin("citizen")
    body = b'{"resourceType":"Bundle","type":"transaction"}'
    refused = country.platform.client.call(
        "POST", f"{ROOT}/Bundle", as_="gp", patient=hers, body=body, headers={"content-type": "application/fhir+json"}
    )
    assert refused.status_code == 501 and "ITI-65" in refused.text
    for path in ("DocumentReference?_include=x", "DocumentReference?author.name=x", "List?_sort=date", "List?type=x"):
        answer = got(country, f"{ROOT}/{path}", header=hers)
        assert (answer.status, answer.issue["code"]) == (400, "not-supported"), path


def test_what_is_unknown_is_passed_over_where_the_client_prefers_it_and_stands_in_no_link(country: Country) -> None:
    country.asks(sundvika=country.odd(says(country.its())).port)
    hers, path = country.platform.nin("citizen"), f"{ROOT}/DocumentReference?type=A03-2&_include=x&nickname=y"
    headers = {"nhn-patient-nin": hers, "prefer": "handling=lenient"}
    found = Answered(country.platform.client.call("GET", path, as_="gp", patient=hers, headers=headers))
    assert (found.status, found.tree["total"], found.link("self").partition("?")[2]) == (200, 1, "type=A03-2")
    refused = country.platform.client.call("GET", f"{path}&patient.name=x", as_="gp", patient=hers, headers=headers)
    assert refused.status_code == 400, "whose it is, is never passed over"


def test_a_person_number_narrows_no_search_since_no_link_could_hold_it(country: Country) -> None:
    found = country.search(f"&identifier=urn:oid:1.2.{country.platform.nin('citizen')}")
    assert found.status == 400 and country.platform.nin("citizen") not in found.response.text


def test_the_capability_statement_says_what_the_service_does(country: Country) -> None:
    told = country.platform.http.get(f"{country.platform.url}{ROOT}/metadata").json()
    assert told["instantiates"] == ["https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentResponder"]
    (rest,) = told["rest"]
    by_type = {one["type"]: one for one in rest["resource"]}
    assert {name: [each["code"] for each in one["interaction"]] for name, one in by_type.items()} == {
        "DocumentReference": ["read", "search-type"], "List": ["read", "search-type"],
    }  # fmt: skip
    names_ = {one["name"] for one in by_type["DocumentReference"]["searchParam"]}
    assert {"patient", "patient.identifier", "creation", "author.family", "related", "security-label"} <= names_
    assert "ITI-65" in rest["documentation"]
