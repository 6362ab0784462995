"""Messages of XDS: recorded ones are read, what is written keeps to the schemas, and nothing is lost between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from documents_at_hand import (
    HOME,
    MESSAGES,
    PATIENT,
    REPOSITORY,
    code,
    entry,
    needed,
    submission,
    submission_set,
    valid,
)
from kjerne.wire import mtom, soap
from kjerne.xds import forms, messages, names, queries, writing
from kjerne.xds.errors import RegistryError, Rejected
from kjerne.xds.forms import CX, XCN, XON
from kjerne.xds.messages import Given, Response, Submission, Wanted
from kjerne.xds.names import RIM
from kjerne.xds.queries import Query
from kjerne.xds.values import Association, Author, Code, DocumentEntry, SubmissionSet

FIND = (names.CROSS_QUERY, names.FIND_DOCUMENTS, "17855599120", frozenset({names.APPROVED}))


def about(raw: bytes) -> tuple[Any, ...]:
    """What a recorded request says, in a line."""
    message = soap.opened(raw)
    if message.action == names.CROSS_QUERY:
        asked = queries.query(message.body)
        assert asked.patient
        return message.action, asked.kind, asked.patient.number, asked.document_statuses
    if message.action == names.CROSS_RETRIEVE:
        return (message.action, *messages.wanted(message.body))
    return message.action, rejected(messages.submission, message.body)


def rejected(read: Any, body: etree._Element) -> str:
    with pytest.raises(Rejected) as caught:
        read(body)
    return caught.value.errors[0].code


@needed
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("IT_iti-38_request.xml", FIND),
        ("iti38-iti40-request-hn-acp-1.xml", FIND),
        ("iti38-iti40-request-kj.xml", FIND),
        (
            "IT_iti-39_request.xml",
            (
                names.CROSS_RETRIEVE,
                Wanted(
                    "8f3b8038-5122-4e1b-8af4-29bb8759e8ae",
                    "2.16.578.1.12.4.5.100.1.1.2",
                    "urn:oid:2.16.578.1.12.4.5.100.1.1",
                ),
            ),
        ),
        (
            "iti39-iti40-request-kj.xml",
            (
                names.CROSS_RETRIEVE,
                Wanted("13fa8361-dd8f-43fd-a33c-93f3237306c3", "2.16.578.1.12.4.5.100.1.2", "2.16.578.1.12.4.5.100.1"),
            ),
        ),
        ("IT_iti-41_request.xml", (names.PROVIDE, "XDSRegistryMetadataError")),
    ],
)
def test_a_recorded_request_says(name: str, says: tuple[Any, ...]) -> None:
    assert about((MESSAGES / name).read_bytes()) == says


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)
OIDS = st.sampled_from(["1.2", "2.16.578.1.12.4.1.4.101"])
CODES = st.builds(Code, WORDS, WORDS, WORDS)
PEOPLE = st.builds(CX, WORDS, OIDS)
PROFESSIONALS = st.builds(XCN, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, OIDS)
AUTHORS = st.builds(
    Author,
    st.none() | PROFESSIONALS,
    st.lists(st.builds(XON, WORDS, WORDS, OIDS), max_size=2).map(tuple),
    st.lists(WORDS, max_size=2).map(tuple),
    st.lists(WORDS, max_size=2).map(tuple),
    st.lists(WORDS, max_size=2).map(tuple),
)
TIMES = st.sampled_from(["2026", "202602", "20240229", "2026030112", "202603011259", "20260301125959"])
SEVERAL = st.lists(CODES, max_size=2).map(tuple)
ENTRIES = st.builds(
    DocumentEntry,
    id=st.uuids().map(lambda one: f"urn:uuid:{one}"),
    unique_id=WORDS,
    patient=PEOPLE,
    mime_type=st.just("application/pdf"),
    status=st.sampled_from([names.APPROVED, names.DEPRECATED]),
    object_type=st.sampled_from([names.STABLE, names.ON_DEMAND]),
    home=st.sampled_from(["", HOME]),
    repository=st.sampled_from(["", REPOSITORY]),
    logical_id=st.sampled_from(["", "urn:uuid:00000000-0000-4000-8000-000000000009"]),
    version=st.sampled_from(["", "2"]),
    title=WORDS,
    comments=st.just("") | WORDS,
    class_code=st.none() | CODES,
    type_code=st.none() | CODES,
    format_code=st.none() | CODES,
    facility_type=st.none() | CODES,
    practice_setting=st.none() | CODES,
    confidentiality=SEVERAL,
    events=SEVERAL,
    authors=st.lists(AUTHORS, max_size=2).map(tuple),
    legal_authenticator=st.none() | PROFESSIONALS,
    language=st.sampled_from(["", "nb-NO"]),
    created=TIMES,
    service_start=st.just("") | TIMES,
    service_stop=st.just("") | TIMES,
    hash=st.sampled_from(["", "da39a3ee5e6b4b0d3255bfef95601890afd80709"]),
    size_bytes=st.none() | st.integers(0, 10**12),
    uri=st.sampled_from(["", "urn:x"]),
    source_patient=st.none() | PEOPLE,
    source_patient_info=st.lists(WORDS, max_size=3).map(tuple),
    reference_ids=st.lists(WORDS, max_size=2).map(tuple),
)
SETS = st.builds(
    SubmissionSet,
    id=st.uuids().map(lambda one: f"urn:uuid:{one}"),
    unique_id=WORDS,
    source_id=WORDS,
    patient=PEOPLE,
    submitted=TIMES,
    home=st.sampled_from(["", HOME]),
    title=WORDS,
    comments=WORDS,
    content_type=st.none() | CODES,
    authors=st.lists(AUTHORS, max_size=2).map(tuple),
    recipients=st.lists(WORDS, max_size=2).map(tuple),
)


@needed
@settings(max_examples=60, deadline=None)
@given(sent=SETS, entries=st.lists(ENTRIES, max_size=2), original=st.sampled_from([True, False, None]))
def test_what_is_said_of_documents_is_the_same_after_the_way_over_xml(
    sent: SubmissionSet, entries: list[DocumentEntry], original: bool | None
) -> None:
    member = Association(
        id="member", kind=names.HAS_MEMBER, source=sent.id, target="Document01", home=sent.home, is_original=original,
        previous="1" if original else "",
    )  # fmt: skip
    later = Association(id="later", kind=names.REPLACES, source="a", target="b", status=names.DEPRECATED)
    whole = Submission(sent, tuple(entries), (member, later))
    body = messages.written_submission(whole)
    assert valid(body)
    assert messages.submission(etree.fromstring(etree.tostring(body))) == whole


@settings(max_examples=60, deadline=None)
@given(values=st.lists(WORDS | st.just("it's"), min_size=1, max_size=3), number=PEOPLE)
def test_a_query_is_the_same_after_the_way_over_xml(values: list[str], number: CX) -> None:
    asked = Query(
        names.FIND_DOCUMENTS, queries.REFERENCES, HOME,
        (
            ("$XDSDocumentEntryPatientId", (f"{number.number}^^^&{number.authority}&ISO",)),
            ("$XDSDocumentEntryStatus", tuple(values)),
            ("$XDSDocumentEntryEventCodeList", ("a^^b",)),
            ("$XDSDocumentEntryEventCodeList", ("c^^d", "e^^f")),
            ("$XDSDocumentEntryCreationTimeFrom", ("2026",)),
        ),
    )  # fmt: skip
    read = queries.query(etree.fromstring(etree.tostring(queries.written(asked))))
    assert read == asked
    assert list(read.codes()) == [("events", {("a", "b")}), ("events", {("c", "d"), ("e", "f")})]


def test_values_of_a_query_stand_in_quotes_or_are_numbers_with_commas_between_inside_parentheses() -> None:
    def read(text: str) -> tuple[str, ...]:
        asked = Query(names.GET_ASSOCIATIONS, said=(("$uuid", ("x",)),))
        body = queries.written(asked)
        body.find(f".//{RIM}Value").text = text
        return queries.query(body).values("$uuid")

    assert read("'a'") == ("a",)
    assert read("( 'it''s' ,'b', 3 )") == ("it's", "b", "3")
    for wrong in ("a", "'a", "'a','b'", "('a' 'b')", "('a',)", "()", "'a' or 1=1"):
        with pytest.raises(Rejected):
            read(wrong)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda asked: replace(asked, kind="urn:uuid:other"), "XDSUnknownStoredQuery"),
        (lambda asked: replace(asked, said=asked.said[1:]), "XDSStoredQueryMissingParam"),
        (lambda asked: replace(asked, returns="RegistryObject"), "XDSRegistryError"),
        (lambda asked: replace(asked, said=asked.said * 40), "XDSStoredQueryParamNumber"),
        (lambda asked: replace(asked, said=(*asked.said, *[("$own", ("a",) * 180)] * 12)), "XDSStoredQueryParamNumber"),
        (
            lambda asked: replace(
                asked,
                kind=names.GET_DOCUMENTS,
                said=(("$XDSDocumentEntryEntryUUID", ("a",)), ("$XDSDocumentEntryUniqueId", ("b",))),
            ),
            "XDSStoredQueryParamNumber",
        ),
    ],
)
def test_a_query_that_cannot_be_answered_has_its_code(change: Any, code: str) -> None:
    asked = Query(
        names.FIND_DOCUMENTS,
        said=(("$XDSDocumentEntryPatientId", ("a",)), ("$XDSDocumentEntryStatus", ("b",))),
    )
    assert rejected(queries.query, queries.written(change(asked))) == code


@needed
def test_answers_keep_to_the_schema_and_are_read_again() -> None:
    errors = (RegistryError("XDSRegistryError", "It is so.", "here"), RegistryError("X", "Y", "", names.WARNING))
    given = Response(names.PARTIAL, errors, (entry(), submission_set()), ((entry().id, HOME),))
    for body in (messages.written_found(given), messages.written_response(replace(given, objects=(), references=()))):
        assert valid(body)
    assert messages.response(messages.written_found(given)) == given
    wanted = Wanted("1.2", REPOSITORY, HOME)
    document = Given(wanted, "application/pdf", lambda element: mtom.included(element, "1@source"))
    assert valid(messages.written_documents(Response(names.SUCCESS), [document]))
    assert valid(messages.written_wanted([wanted]))
    assert messages.wanted(messages.written_wanted([wanted])) == (wanted,)


@needed
def test_a_submission_with_its_documents_keeps_to_the_schema_and_each_is_found() -> None:
    sent = submission(entry(1), entry(2))
    body = messages.written_provision(
        sent, {one.id: lambda element: mtom.included(element, "x") for one in sent.entries}
    )
    assert valid(body)
    assert messages.submission(body) == sent
    assert list(messages.documents(body)) == [one.id for one in sent.entries]


def spoiled(change: Any) -> etree._Element:
    listed = messages.written_submission(submission(entry()))
    change(listed)
    return listed


def of(path: str) -> Any:
    return f".//{RIM}{path}"


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.find(of("ExtrinsicObject")).attrib.pop("id"),
        lambda body: body.find(of("ExtrinsicObject")).set("objectType", "urn:uuid:other"),
        lambda body: body.find(of("ExtrinsicObject")).append(body.find(of("ExtrinsicObject"))[0]) or writing.slot(
            body.find(of("ExtrinsicObject")), "languageCode", ["nb-NO"]),
        lambda body: body.find(of("ExternalIdentifier[@value='17855599120^^^&2.16.578.1.12.4.1.4.1&ISO']")).set(
            "value", "17855599120"),
        lambda body: body.find(of("Association")).set("associationType", "urn:other"),
        lambda body: body.find(of("RegistryObjectList")).append(body.find(of("RegistryPackage")).__copy__()),
        lambda body: body.find(of("Slot[@name='creationTime']//") + RIM + "Value").__setattr__("text", "20260230"),
        lambda body: body.find(of("Slot[@name='creationTime']//") + RIM + "Value").__setattr__("text", "9" * 300),
        lambda body: etree.SubElement(body.find(of("RegistryObjectList")), RIM + "Service"),
    ],
)  # fmt: skip
def test_metadata_that_cannot_be_read_in_one_way_are_refused(change: Any) -> None:
    assert rejected(messages.submission, spoiled(change)) == "XDSRegistryMetadataError"


def test_what_is_not_known_is_passed_over_and_a_set_may_be_classified_beside_it() -> None:
    body = messages.written_submission(submission(entry()))
    writing.slot(body.find(of("ExtrinsicObject")), "urn:own", ["x"])
    package = body.find(of("RegistryPackage"))
    (inside,) = (one for one in package if one.get("classificationNode"))
    inside.set("classifiedObject", package.get("id"))
    body.find(of("RegistryObjectList")).append(inside)
    assert messages.submission(body).entries == (entry(),)


def test_a_mark_counts_in_whatever_letters_its_scheme_is_written_and_beside_its_document_too() -> None:
    locked = entry(confidentiality=(*entry().confidentiality, code("9603", "NORS")))
    schemes = ("classificationScheme", "classificationNode", "identificationScheme", "objectType")
    body = messages.written_submission(submission(locked))
    for one in body.iter(RIM + "*"):
        for name in schemes:
            if (value := one.get(name, "")).startswith("urn:uuid:"):
                one.set(name, " " + value.upper() if name.endswith("Scheme") else value.upper())
    assert messages.submission(body) == submission(locked)
    body = messages.written_submission(submission(locked))
    (mark,) = body.findall(of("Classification[@nodeRepresentation='NORS']"))
    body.find(of("RegistryObjectList")).append(mark)
    assert messages.submission(body) == submission(locked)
    mark.set("classifiedObject", "urn:uuid:00000000-0000-4000-8000-0000000000ff")
    body.find(of("RegistryObjectList")).append(mark)
    assert rejected(messages.submission, body) == "XDSRegistryMetadataError"


def test_no_repr_shows_whose_a_document_is() -> None:
    assert PATIENT.number not in repr(entry())
    assert "GRØNN" not in repr(entry())


@pytest.mark.parametrize("text", ["9999", "999912", "99991231", "9999123123", "999912312359", "99991231235959"])
def test_a_time_that_ends_with_the_calendar_is_one(text: str) -> None:
    first, after = forms.interval(text, "serviceStopTime")
    assert first < after and after.year == 9999
