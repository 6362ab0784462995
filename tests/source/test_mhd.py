"""ITI-65: a Bundle with documents is kept as XDS would have it, whole or not at all."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from documents_at_hand import HOME, MESSAGES, OID, PATIENT, REPOSITORY, entry, needed
from kjerne.registries.made_up import SANDBOX
from kjerne.source import mhd
from kjerne.source.configured import Minimal
from kjerne.xds.errors import Rejected
from kjerne.xds.forms import XCN, XON
from kjerne.xds.values import Author, Code, DocumentEntry
from sources import KEY, TEXT, Standing, citizen, doctor, documents_of, wanted

ADDRESS, KIND = "/R4/fhir/Bundle", "application/fhir+json"
LIST, PERSON, BYTES, REFERENCE = (f"urn:uuid:00000000-0000-4000-a000-00000000000{place}" for place in range(1, 5))
LABEL = f"urn:oid:{OID}9603"
MHD = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-"
Tree = dict[str, Any]


def concept(system: str, code: str) -> Tree:
    return {"coding": [{"system": f"urn:oid:{OID}{system}", "code": code}]}


def bundle(change: Callable[[dict[str, Tree]], Any] = lambda _: None) -> bytes:
    """A Bundle as the national senders write it; `change` spoils its resources, which it has by their type."""
    subject = {"reference": PERSON}
    resources: dict[str, Tree] = {
        "List": {
            "resourceType": "List",
            "identifier": [{"use": "usual", "value": "urn:oid:1.2.65"}, {"use": "official", "value": LIST}],
            "extension": [
                {"url": f"{MHD}designationType", "valueCodeableConcept": concept("9602", "A03-2")},
                {"url": f"{MHD}sourceId", "valueIdentifier": {"value": "urn:oid:1.2"}},
            ],
            "status": "current", "mode": "working", "subject": subject, "date": "2026-03-10T14:24:56+01:00",
            "entry": [{"item": {"reference": REFERENCE}}],
        },
        "Patient": {
            "resourceType": "Patient", "birthDate": "1955-05-17",
            "identifier": [{"system": f"urn:oid:{PATIENT.authority}", "value": PATIENT.number}],
        },
        "Binary": {"resourceType": "Binary", "data": base64.b64encode(TEXT).decode()},
        "DocumentReference": {
            "resourceType": "DocumentReference", "status": "current", "subject": subject,
            "masterIdentifier": {"value": "urn:oid:1.2.65.1"},
            "contained": [
                {"resourceType": "Practitioner", "id": "p", "name": [{"family": "VITS", "given": ["GRØNN"]}]},
                {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "#p"},
                 "organization": {"reference": "#o"}, "code": [concept("9060", "LE")]},
                {"resourceType": "Organization", "id": "o", "name": "BETANIEN",
                 "identifier": [{"system": "urn:oid:2.16.578.1.12.4.1.4.101", "value": "981275721"}]},
            ],
            "author": [{"reference": "#p"}, {"reference": "#r"}, {"reference": "#o"}],
            "type": concept("9602", "A03-2"), "category": [concept("9602", "A00-1")],
            "securityLabel": [{"coding": [{"system": "urn:oid:2.16.840.1.113883.5.25", "code": "N"}]}],
            "content": [{
                "attachment": {"contentType": "text/plain", "url": BYTES, "size": len(TEXT), "title": "Epikrise",
                               "creation": "2026-03-10T14:25:18+01:00"},
                "format": {"system": "urn:oid:1.3.6", "code": "urn:no:ehelse:document:text"},
            }],
            "context": {"period": {"start": "2026-03-03"}, "facilityType": concept("1303", "86.909"),
                        "practiceSetting": concept("8651", "A04")},
        },
    }  # fmt: skip
    change(resources)
    urls = {"List": LIST, "Patient": PERSON, "Binary": BYTES, "DocumentReference": REFERENCE}
    entries = [{"fullUrl": urls[kind], "resource": one, "request": {}} for kind, one in resources.items()]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


async def send(source: Standing, raw: bytes, kind: str = KIND, key: str = "") -> tuple[int, Tree]:
    answer = await source.post(ADDRESS, raw, kind, authorization=f"Bearer {key or KEY}")
    return answer.status_code, answer.json()


async def test_base64_may_be_parted_by_blanks_as_fhir_has_it(source: Standing) -> None:
    def parted(resources: dict[str, Tree]) -> None:
        whole = resources["Binary"]["data"]
        resources["Binary"]["data"] = f" {whole[:4]}\n{whole[4:]}\t"

    assert (await send(source, bundle(parted)))[0] == 200
    assert (await source.get(wanted("1.2.65.1")))[1] == [TEXT]


async def test_a_bundle_is_kept_as_a_submission_and_its_document_is_found_and_given(source: Standing) -> None:
    status, told = await send(source, bundle())
    assert (status, told["type"]) == (200, "transaction-response")
    assert [one["response"] for one in told["entry"]] == [
        {"status": "201 Created", "location": f"List/{LIST[9:]}"},
        {"status": "200 OK"},
        {"status": "201 Created"},
        {"status": "201 Created", "location": f"DocumentReference/{REFERENCE[9:]}"},
    ]
    (found,) = (await source.ask(documents_of())).objects
    assert isinstance(found, DocumentEntry)
    assert found == replace(
        entry(), id=REFERENCE, unique_id="1.2.65.1", logical_id=REFERENCE, version="1", home=HOME, title="Epikrise",
        repository=REPOSITORY, hash=found.hash, size_bytes=len(TEXT), language="", created="20260310132518",
        service_start="20260303", service_stop="", source_patient_info=("PID-7|19550517",),
        class_code=Code("A00-1", f"{OID}9602"), type_code=Code("A03-2", f"{OID}9602"),
        format_code=Code("urn:no:ehelse:document:text", "1.3.6"), facility_type=Code("86.909", f"{OID}1303"),
        practice_setting=Code("A04", f"{OID}8651"), confidentiality=(Code("N", "2.16.840.1.113883.5.25"),),
        authors=(
            Author(
                XCN(family="VITS", given="GRØNN"), (XON("BETANIEN", "981275721", "2.16.578.1.12.4.1.4.101"),), ("LE",)
            ),
        ),
    )  # fmt: skip
    assert (await source.get(wanted("1.2.65.1")))[1] == [TEXT]
    row, *_ = await source.log()
    assert (row["action"], row["allowed"], row["documents"]) == (mhd.PROVIDE, True, ["1.2.65.1"])


MINIMAL = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Minimal.ProvideBundle"


def least(all_: dict[str, Tree]) -> None:
    """Leaves out what Minimal Metadata need not say."""
    document = all_["DocumentReference"]
    document["date"] = "2026-03-10T14:25:18+01:00"
    del document["content"][0]["format"], document["content"][0]["attachment"]["creation"], document["context"]


def called(raw: bytes, profile: str) -> bytes:
    return json.dumps(json.loads(raw) | {"meta": {"profile": [profile]}}).encode()


async def test_minimal_metadata_are_filled_with_what_the_operator_says_and_nothing_the_law_goes_by(
    source: Standing,
) -> None:
    said = Minimal(Code("86.909", f"{OID}1303"), Code("A04", f"{OID}8651"))
    sent, _, _ = mhd.provided(called(bundle(least), MINIMAL), SANDBOX, said)
    (one,) = sent.entries
    assert (one.format_code, one.facility_type, one.practice_setting) == (
        Code("urn:ihe:iti:xds:2017:mimeTypeSufficient", "1.3.6.1.4.1.19376.1.2.3"), said.facility_type, said.practice_setting,
    )  # fmt: skip
    assert one.created == "20260310132518"
    for raw in (bundle(least), called(bundle(least), MINIMAL)):
        status, told = await send(source, raw)
        assert status == 422 and "healthcareFacilityTypeCode" in json.dumps(told), (
            "nobody said it, and nothing is made up"
        )
    assert source.kept() == []


async def test_what_a_document_is_related_to_is_found_by_it(source: Standing) -> None:
    kind = {"coding": [{"system": "urn:ietf:rfc:3986", "code": "urn:ihe:iti:xds:2013:order"}]}
    related = [
        {"identifier": {"system": "urn:oid:1.2.9", "value": "R-17", "type": kind}},
        {"identifier": {"system": f"urn:oid:{PATIENT.authority}", "value": "15887099829"}},
        {"reference": "Encounter/1"},
    ]
    raw = bundle(lambda all_: all_["DocumentReference"]["context"].update(related=related))
    assert (await send(source, raw))[0] == 200
    (found,) = (await source.ask(documents_of())).objects
    assert isinstance(found, DocumentEntry)
    assert found.reference_ids == ("R-17^^^&1.2.9&ISO^urn:ihe:iti:xds:2013:order",)


async def test_where_a_kept_bundle_says_its_documents_are_they_are(source: Standing) -> None:
    _, told = await send(source, bundle())
    for one in told["entry"]:
        if at := one["response"].get("location"):
            header = "SAML " + base64.urlsafe_b64encode(doctor().document()).decode()
            answer = await source.ask_http("GET", f"/R4/fhir/{at}", headers={"authorization": header})
            assert (answer.status_code, answer.json()["id"]) == (200, at.partition("/")[2])


async def test_a_refused_bundle_stands_in_the_log_of_whom_it_was_about(source: Standing) -> None:
    await send(source, bundle(spoil("DocumentReference", "content", 0, "attachment", "size", value=1)))
    (row,) = await source.log()
    assert (row["patient"].partition("^")[0], row["allowed"]) == (PATIENT.number, False)


def spoil(kind: str, *path: Any, value: Any) -> Callable[[dict[str, Tree]], Any]:
    def change(resources: dict[str, Tree]) -> None:
        place: Any = resources[kind]
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda all_: all_.pop("List"), "XDSRegistryMetadataError"),
        (lambda all_: all_.pop("Binary"), "XDSMissingDocument"),
        (lambda all_: all_.pop("Patient"), "XDSRegistryMetadataError"),
        (spoil("Patient", "identifier", 0, "value", value="17855599121"), "XDSUnknownPatientId"),
        (spoil("Patient", "identifier", 0, "system", value="urn:oid:1.2"), "XDSRegistryMetadataError"),
        (spoil("Patient", "resourceType", value="Observation"), "XDSRegistryMetadataError"),
        (spoil("Binary", "data", value="*"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "status", value="superseded"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "content", 0, "attachment", "size", value=1), "XDSRepositoryMetadataError"),
        (spoil("DocumentReference", "content", 0, "attachment", "size", value="1"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "content", 0, "attachment", "hash", value="AAAA"), "XDSRepositoryMetadataError"),
        (spoil("DocumentReference", "content", 0, "attachment", "contentType", value="text/html"), "XDSRepositoryMetadataError"),
        (spoil("DocumentReference", "content", 0, "attachment", "creation", value="yesterday"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "description", value="a\x01b"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "masterIdentifier", "value", value="1.2.\x00"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "content", 0, "attachment", "title", value="x" * 1_025), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "type", "coding", 0, "code", value="x" * 257), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "type", "coding", 0, "display", value="x" * 1_025), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "masterIdentifier", "value", value="1" * 257), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "contained", 2, "name", value="x" * 300), "XDSRegistryMetadataError"),
        (spoil("List", "title", value="x" * 1_025), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "docStatus", value="entered-in-error"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "docStatus", value="preliminary"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "modifierExtension", value=[{"url": "x"}]), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "contained", 0, "modifierExtension", value=[{"url": "x"}]), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "implicitRules", value="http://x"), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "meta", value={"security": [{"system": LABEL, "code": "x"}]}), "XDSRegistryMetadataError"),
        (spoil("Binary", "meta", value={"security": [{"system": LABEL, "code": "NORS"}]}), "XDSRegistryMetadataError"),
        (spoil("Binary", "securityContext", value={"reference": "Consent/1"}), "XDSRegistryMetadataError"),
        (
            spoil("DocumentReference", "meta", value={"security": [{"system": LABEL, "display": "NORS"}]}),
            "XDSRegistryMetadataError",
        ),
        (lambda all_: all_["DocumentReference"]["securityLabel"].append({"text": "NORS"}), "XDSRegistryMetadataError"),
        (
            lambda all_: all_["DocumentReference"]["securityLabel"].append({"coding": [{"system": LABEL, "display": "NORS"}]}),
            "XDSRegistryMetadataError",
        ),
        (spoil("List", "code", value=concept("x", "folder")), "XDSRegistryMetadataError"),
        (spoil("List", "status", value="entered-in-error"), "XDSRegistryMetadataError"),
        (spoil("List", "entry", value=[]), "XDSRegistryMetadataError"),
        (spoil("List", "entry", value=[{"item": {"reference": REFERENCE}, "deleted": True}]), "XDSRegistryMetadataError"),
        (spoil("List", "entry", value=[{"item": {"reference": BYTES}}]), "XDSRegistryMetadataError"),
        (spoil("Patient", "birthDate", value="19550230"), "XDSRegistryMetadataError"),
        (spoil("Patient", "name", value=[{"family": "\uffff"}]), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "securityLabel", value=[]), "XDSRegistryMetadataError"),
        (
            spoil("DocumentReference", "relatesTo", value=[{"code": "replaces", "target": {"reference": REFERENCE}}]),
            "UnresolvedReferenceException",
        ),
        (spoil("DocumentReference", "relatesTo", value=[{"code": "x"}]), "XDSRegistryMetadataError"),
        (spoil("List", "extension", value=[]), "XDSRegistryMetadataError"),
        (spoil("DocumentReference", "context", "sourcePatientInfo", value={"reference": "#1"}), "XDSRegistryMetadataError"),
        (
            spoil("DocumentReference", "context", "sourcePatientInfo", value={
                "identifier": {"system": f"urn:oid:{PATIENT.authority}", "value": "15887099829"}}),
            "XDSPatientIdDoesNotMatch",
        ),
    ],
)  # fmt: skip
async def test_a_bundle_that_is_wrong_is_refused_with_its_code_and_nothing_of_it_is_kept(
    source: Standing, change: Any, code: str
) -> None:
    status, told = await send(source, bundle(change))
    assert status == 422
    assert told["issue"][0]["details"]["coding"][0]["code"] == code
    assert source.kept() == []
    assert [(row["rule"], row["allowed"]) for row in await source.log()] == [(code, False)]


@pytest.mark.parametrize("system", [LABEL, LABEL.removeprefix("urn:oid:")])
async def test_a_lock_that_stands_with_the_resource_is_one(source: Standing, system: str) -> None:
    marks = [{"system": system, "code": "NORS"}, {"system": "http://x", "code": "N"}]
    marks.append({"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"})
    assert (await send(source, bundle(spoil("DocumentReference", "meta", value={"security": marks}))))[0] == 200
    assert await source.found(documents_of()) == []
    assert await source.found(documents_of(), citizen()) == ["1.2.65.1"]


@pytest.mark.parametrize(
    ("system", "code", "status"),
    [(LABEL, "NORS", 422), ("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST", 200)],
)
async def test_a_mark_on_the_whole_bundle_is_passed_over_by_nobody(
    source: Standing, system: str, code: str, status: int
) -> None:
    tree = json.loads(bundle()) | {"meta": {"security": [{"system": system, "code": code}]}}
    assert (await send(source, json.dumps(tree).encode()))[0] == status
    assert len(source.kept()) == (status == 200)


@pytest.mark.parametrize(
    "request_", [{"method": "DELETE"}, {"method": "PUT"}, {"method": "POST", "ifNoneExist": "identifier=1"}]
)
async def test_what_is_asked_for_beside_to_be_made_is_refused_but_of_a_patient(
    source: Standing, request_: dict[str, str]
) -> None:
    for place in (0, 2, 3):
        tree = json.loads(bundle())
        tree["entry"][place]["request"] = request_
        assert (await send(source, json.dumps(tree).encode()))[0] == 422
    tree = json.loads(bundle())
    tree["entry"][1]["request"] = request_
    assert (await send(source, json.dumps(tree).encode()))[0] == (422 if request_["method"] == "DELETE" else 200)


async def test_a_document_that_replaces_another_does_so_by_reference(source: Standing) -> None:
    await send(source, bundle())
    later = json.loads(bundle(spoil("List", "identifier", 0, "value", value="urn:oid:1.2.66")))
    for one, place in zip(later["entry"], "5678", strict=True):
        one["fullUrl"] = one["fullUrl"][:-1] + place
    document = later["entry"][3]["resource"]
    document |= {
        "masterIdentifier": {"value": "urn:oid:1.2.66.1"}, "subject": {"reference": later["entry"][1]["fullUrl"]},
        "relatesTo": [{"code": "replaces", "target": {"reference": f"DocumentReference/{REFERENCE[9:]}"}}],
    }  # fmt: skip
    document["content"][0]["attachment"]["url"] = later["entry"][2]["fullUrl"]
    later["entry"][0]["resource"] |= {
        "subject": document["subject"], "entry": [{"item": {"reference": later["entry"][3]["fullUrl"]}}],
    }  # fmt: skip
    assert (await send(source, json.dumps(later).encode()))[0] == 200
    assert await source.found(documents_of()) == ["1.2.66.1"]


async def test_strangers_other_types_and_what_is_no_json_are_refused_as_fhir_has_it(source: Standing) -> None:
    for raw, kind, key, status in (
        (bundle(), KIND, "other", 401), (bundle(), "text/xml", "", 415), (b"{", KIND, "", 400), (b"{}", KIND, "", 422),
    ):  # fmt: skip
        answered, told = await send(source, raw, kind, key)
        assert (answered, told["resourceType"]) == (status, "OperationOutcome")


async def test_an_early_year_has_four_digits_and_queries_by_time_go_on_finding_what_there_is(source: Standing) -> None:
    at = spoil("DocumentReference", "content", 0, "attachment", "creation", value="0001-01-01T00:00:00Z")
    assert (await send(source, b"\xef\xbb\xbf" + bundle(at)))[0] == 200
    (found,) = (await source.ask(documents_of())).objects
    assert isinstance(found, DocumentEntry)
    assert found.created == "00010101000000"
    assert await source.found(documents_of(**{"$XDSDocumentEntryCreationTimeFrom": ("2020",)})) == []


@needed
async def test_a_recorded_bundle_is_kept_with_its_bytes_and_one_with_another_patients_document_is_not(
    source: Standing,
) -> None:
    """The CDA document in the third recorded Bundle is about somebody else than its Patient."""
    first, third = ((MESSAGES / f"IT_iti-65_ProvideBundle{place}.json").read_bytes() for place in ("01", "03"))
    assert (await send(source, first))[0] == 200
    (found,) = (await source.ask(documents_of())).objects
    assert isinstance(found, DocumentEntry)
    assert (await source.get(wanted(found.unique_id)))[1] == list(mhd.provided(first, SANDBOX)[1].values())
    status, told = await send(source, third)
    assert (status, told["issue"][0]["details"]["coding"][0]["code"]) == (422, "XDSPatientIdDoesNotMatch")


def test_a_bundle_that_is_no_transaction_is_none() -> None:
    with pytest.raises(Rejected):
        mhd.provided(b'{"resourceType": "Bundle", "type": "batch"}', SANDBOX)
