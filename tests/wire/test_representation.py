"""XML at /fhir/R4: whoever sends or asks for XML is answered as one with JSON is, refusals too; what is kept is one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from lxml import etree

from kjerne.fhir.encode import decode, encode
from kjerne.fhir.from_xml import read
from kjerne.fhir.xml_format import to_xml
from kjerne.wire import representation
from kjerne.wire.representation import wants_xml
from kjerne.xml_door import parsed
from platform_fixture import Standing
from services.test_standards import observation

JSON, XML = "application/fhir+json", "application/fhir+xml"
WHOSE = "renumbered"


@pytest.mark.parametrize(
    ("accept", "format_", "wanted"),
    [
        ("", "", False),
        ("*/*", "", False),
        (JSON, "", False),
        (XML, "", True),
        ("application/xml", "", True),
        ("Text/XML; charset=utf-8", "", True),
        (f"{XML}, {JSON}", "", True),
        (f"{JSON}, {XML}", "", False),
        (f"{JSON};q=0.5, {XML};q=0.9", "", True),
        (f"{XML};q=0, */*", "", False),
        (f"{XML};q=often, {JSON};q=0.1", "", False),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "", True),
        ("image/png", "", False),
        (JSON, "xml", True),
        (JSON, "application/fhir xml", True),
        (XML, "json", False),
        (XML, "application/fhir+json", False),
    ],
)
def test_the_format_counts_before_the_header_and_in_the_header_the_greatest_weight(
    accept: str, format_: str, wanted: bool
) -> None:
    assert wants_xml(accept, [("_format", format_)] if format_ else []) is wanted


NARRATIVE = {
    "resourceType": "Basic", "id": "a", "code": {"text": "æ & ø < å"},
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">en <b>liten</b> tekst</div>'},
}  # fmt: skip
ENTRIES: list[Any] = [
    {"fullUrl": "urn:uuid:9d1f3a5c-1c1b-4c55-9ad5-0f3c1f3b8f01", "resource": NARRATIVE, "search": {"mode": "match"}},
    {"resource": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": NARRATIVE}]}},
    {"resource": {"resourceType": "Observation", "status": "final", "valueQuantity": {"value": Decimal("4.50")}}},
]


@pytest.mark.parametrize(
    "more",
    [
        {"entry": ENTRIES},
        {"entry": ENTRIES[:1], "link": [{"relation": "next", "url": "http://her/fhir/R4/x?a=1"}], "total": 1},
        {
            "entry": ENTRIES,
            "signature": {"type": [{"code": "x"}], "when": "2026-03-05T12:00:00Z", "who": {"display": "x"}},
        },
        {},
    ],
    ids=["several", "one with links", "signed", "none"],
)
def test_a_bundle_is_written_entry_by_entry_as_it_is_written_whole(more: Any) -> None:
    tree = {"resourceType": "Bundle", "type": "searchset"} | more
    whole = etree.tostring(to_xml(tree, parsed), encoding="UTF-8", xml_declaration=True)
    assert representation._as_xml(encode(tree), parsed, False) == whole
    in_link = representation._as_xml(encode(tree), parsed, True)
    assert in_link.count(b"_format=xml") == len(more.get("link", ()))


def test_of_a_bundles_entries_no_two_stand_as_trees_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = list[int]()

    def written(tree: Any, parse: Any) -> Any:
        lengths.append(len(tree.get("entry", ())))
        return to_xml(tree, parse)

    monkeypatch.setattr(representation, "to_xml", written)
    representation._as_xml(encode({"resourceType": "Bundle", "type": "searchset", "entry": ENTRIES}), parsed, False)
    assert lengths == [0, 1, 1, 1]


def test_a_statement_is_written_in_xml_once(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> httpx.Response:
        answer: httpx.Response = platform.http.get(f"{platform.url}/fhir/R4/metadata?_format=xml")
        return answer

    def never(*_: Any) -> Any:
        raise AssertionError("written anew")

    first = asked()
    monkeypatch.setattr(representation, "_as_xml", never)
    assert (asked().status_code, asked().content) == (200, first.content)


def sent(platform: Standing, method: str, path: str, body: bytes = b"", as_: str = "lab", **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return platform.client.call(
        method, f"/fhir/R4/{path}", as_=as_, patient=platform.nin(WHOSE), body=body,
        headers=({"content-type": XML} if body else {}) | given,
    )  # fmt: skip


def in_xml(tree: dict[str, Any]) -> bytes:
    return bytes(etree.tostring(to_xml(decode(encode(tree)), parsed)))


def is_xml(answer: Any) -> bool:
    return bool(answer.headers["content-type"].partition(";")[0] == XML)


def told(answer: Any) -> dict[str, Any]:
    """The resource, read as the answer says that it is written."""
    return read(parsed(answer.content)).tree if is_xml(answer) else decode(answer.content)


def value(digits: str) -> dict[str, Any]:
    return {"valueQuantity": {"value": Decimal(digits), "unit": "mmol/L"}}


def test_a_result_sent_in_xml_is_read_in_both_with_the_digits_it_came_with(platform: Standing) -> None:
    made = sent(platform, "POST", "Observation", in_xml(observation(**value("140.50"))), prefer="return=representation")
    assert (made.status_code, is_xml(made)) == (201, False)
    at = f"Observation/{told(made)['id']}"
    as_json, as_xml = sent(platform, "GET", at, as_="gp"), sent(platform, "GET", at, as_="gp", accept=XML)
    assert (is_xml(as_json), is_xml(as_xml)) == (False, True)
    assert as_json.headers["etag"] == as_xml.headers["etag"]
    assert encode(told(as_xml)) == encode(told(as_json))
    assert str(told(as_xml)["valueQuantity"]["value"]) == "140.50"


def test_an_update_and_a_fhirpath_patch_are_taken_in_xml(platform: Standing) -> None:
    made = told(sent(platform, "POST", "Observation", in_xml(observation()), prefer="return=representation"))
    at = f"Observation/{made['id']}"
    changed = sent(
        platform, "PUT", at, in_xml(made | value("141")), accept=XML, if_match='W/"1"', prefer="return=representation"
    )
    assert (changed.status_code, is_xml(changed), told(changed)["meta"]["versionId"]) == (200, True, "2")
    parts: list[dict[str, Any]] = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Observation.status"},
        {"name": "value", "valueCode": "amended"},
    ]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    assert sent(platform, "PATCH", at, in_xml(patch), if_match='W/"2"').status_code == 200
    assert told(sent(platform, "GET", at, as_="gp"))["status"] == "amended"


def test_a_transaction_in_xml_is_answered_in_xml(platform: Standing) -> None:
    entry = {"resource": observation(), "request": {"method": "POST", "url": "Observation"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]}
    answer = sent(platform, "POST", "", in_xml(bundle), accept="application/xml")
    assert (answer.status_code, is_xml(answer)) == (200, True)
    assert [one["response"]["status"][:3] for one in told(answer)["entry"]] == ["201", "201"]


def test_a_search_in_xml_holds_what_the_same_in_json_holds_and_its_links_stay_in_xml(platform: Standing) -> None:
    for _ in range(3):
        assert sent(platform, "POST", "Observation", in_xml(observation())).status_code == 201
    asked = "Observation?_count=2&_sort=-_lastUpdated"
    as_json, as_xml = (sent(platform, "GET", asked + more, as_="gp") for more in ("", "&_format=xml"))
    assert (is_xml(as_json), is_xml(as_xml)) == (False, True)
    assert [one["resource"]["id"] for one in told(as_xml)["entry"]] == [
        one["resource"]["id"] for one in told(as_json)["entry"]
    ]
    following = next(one["url"] for one in told(as_xml)["link"] if one["relation"] == "next")
    page = sent(platform, "GET", following.partition("/fhir/R4/")[2], as_="gp")
    assert (page.status_code, is_xml(page)) == (200, True)


def test_a_search_by_form_may_ask_for_xml_in_the_form(platform: Standing) -> None:
    answer = platform.client.call(
        "POST", "/fhir/R4/Observation/_search", as_="gp", patient=platform.nin(WHOSE),
        form=[("_count", "1"), ("_format", "application/fhir+xml")],
    )  # fmt: skip
    assert (answer.status_code, is_xml(answer)) == (200, True)


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        (b"<Observation", 400, "line 1"),
        (
            b'<Observation xmlns="http://hl7.org/fhir"><status value="final" x="y"/></Observation>',
            422,
            "['Observation.status']",
        ),
        (b'<Observation xmlns="http://hl7.org/fhir">\n<status value="odd"/></Observation>', 422, "Observation.status"),
        (b'<!DOCTYPE x [<!ENTITY y "z">]><Observation xmlns="http://hl7.org/fhir"/>', 400, "line 1"),
        (b'<Observation xmlns="urn:hl7-org:v3"/>', 422, "line 1"),
    ],
)
def test_what_is_no_fhir_in_xml_is_refused_in_xml_with_its_place(
    platform: Standing, body: bytes, status: int, where: str
) -> None:
    answer = sent(platform, "POST", "Observation", body, accept=XML)
    assert (answer.status_code, is_xml(answer)) == (status, True)
    assert where in str(told(answer))


def test_every_refusal_is_told_in_xml_also_before_the_caller_is_known(platform: Standing) -> None:
    for path, status in (("Observation/none", 401), ("Observation/one/two/three", 404), ("metadata", 200)):
        for more in ({"headers": {"accept": XML}}, {"params": {"_format": "xml"}}):
            answer = httpx.get(f"{platform.url}/fhir/R4/{path}", **more)  # type: ignore[arg-type]
            assert (answer.status_code, is_xml(answer)) == (status, True), path


def test_the_national_interfaces_speak_json_alone(platform: Standing) -> None:
    told_of = {base: httpx.get(f"{platform.url}{base}/metadata").json()["format"] for base in ("/fhir/R4", "/pps/v2")}
    assert told_of == {"/fhir/R4": [JSON, "json", XML, "xml"], "/pps/v2": [JSON, "json"]}
    assert httpx.get(f"{platform.url}/pps/v2/metadata", headers={"accept": XML}).status_code == 406
    for version, status in (("3.0", 406), ("4.0", 200)):
        asked = {"accept": f"{XML}; fhirVersion={version}"}
        assert httpx.get(f"{platform.url}/fhir/R4/metadata", headers=asked).status_code == status


def test_another_format_is_not_answered_as_if_it_were_json(platform: Standing) -> None:
    for path in ("Observation?_format=ttl", "Observation/none?_format=text/turtle", "Location?_format=html"):
        answer = sent(platform, "GET", path, as_="gp")
        assert (answer.status_code, told(answer)["issue"][0]["expression"]) == (406, ["_format"]), path


def test_an_answer_without_a_body_and_a_head_are_left_as_they_are(platform: Standing) -> None:
    made = told(sent(platform, "POST", "Observation", in_xml(observation()), prefer="return=representation"))
    at = f"Observation/{made['id']}"
    same = sent(platform, "GET", at, as_="gp", accept=XML, if_none_match='W/"1"')
    assert (same.status_code, same.content) == (304, b"")
    gone = sent(platform, "DELETE", at, accept=XML)
    assert (gone.status_code, gone.content) == (204, b"")
