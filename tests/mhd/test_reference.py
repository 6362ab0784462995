"""A document as FHIR has it, whatever its metadata say."""

from __future__ import annotations

from json import loads
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from documents_at_hand import entry, submission_set
from kjerne.errors import Fault
from kjerne.fhir.encode import encode
from kjerne.fhir.validate import check
from kjerne.mhd.lists import submission_set as listed
from kjerne.mhd.reference import document_reference
from kjerne.xds.forms import XCN, XON
from kjerne.xds.values import Author, Code, DocumentEntry, SubmissionSet


@pytest.mark.parametrize(
    ("unique_id", "told"),
    [
        ("2.16.578.1.2", {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.16.578.1.2"}),
        ("1.2.3^ext", {"system": "urn:oid:1.2.3", "value": "ext"}),
        ("2F1B9D4E-0000-4000-8000-000000000001",
         {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:2f1b9d4e-0000-4000-8000-000000000001"}),
        ("urn:uuid:2f1b9d4e-0000-4000-8000-000000000001",
         {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:2f1b9d4e-0000-4000-8000-000000000001"}),
        ("journal-17:4", {"value": "journal-17:4"}),
    ],
)  # fmt: skip
def test_a_document_is_told_as_fhir_whatever_its_metadata_say(unique_id: str, told: dict[str, str]) -> None:
    said = entry(
        unique_id=unique_id, size_bytes=2**31, created="2025", service_start="20260305", service_stop="20260304",
        type_code=Code(" A03  2 ", "et eget kodeverk", "Epikrise"), mime_type="text/plain ",
    )  # fmt: skip
    tree = document_reference(said, id_=str(uuid4()), url="https://x")
    assert tree["masterIdentifier"] == told
    assert "date" not in tree and tree["context"]["period"] == {"start": "2026-03-05"}
    attachment = tree["content"][0]["attachment"]
    assert (attachment["creation"], attachment["contentType"], "size" in attachment) == ("2025", "text/plain", False)
    assert tree["type"]["coding"] == [{"code": "A03 2", "display": "Epikrise"}]


texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn")), max_size=12)
codes = st.one_of(
    st.none(), st.builds(Code, texts, st.sampled_from(["1.2.3", "urn:oid:1.2", "http://x/y", "", "a b"]), texts)
)
times = st.sampled_from(["", "2026", "202603", "20260310", "2026031014", "202603101425", "20260310142518"])
places = st.builds(XON, texts.filter(str.strip), texts, st.sampled_from(["", "2.16.578.1.12.4.1.4.101"]))
authors = st.builds(
    Author, st.one_of(st.none(), st.builds(XCN, texts, texts, texts, texts)),
    st.lists(places, max_size=2).map(tuple),
)  # fmt: skip
entries = st.builds(
    entry, title=texts, comments=texts, unique_id=texts, class_code=codes, type_code=codes, format_code=codes,
    facility_type=codes, practice_setting=codes, created=times, service_start=times, service_stop=times,
    mime_type=st.sampled_from(["text/plain", "application/pdf", ""]), hash=st.sampled_from(["", "a" * 40, "x"]),
    size_bytes=st.one_of(st.none(), st.integers(0, 2**40)), authors=st.lists(authors, max_size=2).map(tuple),
    events=st.lists(codes.filter(bool), max_size=2).map(tuple), reference_ids=st.lists(texts, max_size=2).map(tuple),
    home=st.sampled_from(["", "urn:oid:1.2.3"]), language=st.sampled_from(["", "nb-NO"]),
    confidentiality=st.lists(codes.filter(bool), max_size=2).map(tuple), id=st.sampled_from([entry().id, "e1"]),
)  # fmt: skip


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(entries)
def test_every_entry_is_told_as_a_resource_of_r4(one: DocumentEntry) -> None:
    tree = document_reference(one, id_="d1", url="https://x/1", custodian="S", relates=(("replaces", "d2"),))
    assert [fault for fault in check(loads(encode(tree)), "DocumentReference") if not _is_national(fault)] == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(
        submission_set, title=texts, submitted=times.filter(bool), content_type=codes, source_id=texts.filter(bool),
        unique_id=texts.filter(bool), authors=st.lists(authors, max_size=2).map(tuple),
    )
)  # fmt: skip
def test_every_set_is_told_as_a_resource_of_r4(one: SubmissionSet) -> None:
    tree = listed(one, id_="s1", members=["d1"])
    assert [fault for fault in check(loads(encode(tree)), "List") if not _is_national(fault)] == []


def _is_national(fault: Fault) -> bool:
    """The bare OID by which the national clients know an institution, which R4 would have behind `urn:oid:`."""
    return fault.rule == "absolute-system" and fault.where.endswith(".type[0].coding[0].system")
