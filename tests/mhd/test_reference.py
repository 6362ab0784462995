"""A document as FHIR has it, whatever its metadata say."""

from __future__ import annotations

from uuid import uuid4

import pytest

from documents_at_hand import entry
from kjerne.mhd.reference import document_reference
from kjerne.xds.values import Code


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
