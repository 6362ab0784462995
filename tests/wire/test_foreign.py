"""A document of somebody else's making is read as strictly as a body of our own, in both representations."""

from __future__ import annotations

import pytest

from kjerne.errors import Refusal
from kjerne.wire.foreign import reader

JSON = b'{"resourceType": "Bundle", "type": "document", "timestamp": "2026-01-01T00:00:00Z"}'
XML = b'<Bundle xmlns="http://hl7.org/fhir"><type value="document"/></Bundle>'
read = reader(64, 64, 1_000)


@pytest.mark.parametrize(
    ("raw", "media"), [(JSON, "application/fhir+json"), (XML, "application/fhir+xml"), (XML, "text/xml; charset=utf-8")]
)
def test_both_representations_give_one_tree(raw: bytes, media: str) -> None:
    assert read(raw, media)["type"] == "document"


@pytest.mark.parametrize(
    ("raw", "media", "status"),
    [
        (b"", "application/fhir+json", 400),
        (b" ", "application/fhir+xml", 400),
        (b'{"type": 1, "type": 2}', "application/fhir+json", 400),
        (b"<Bundle", "application/fhir+xml", 400),
        (b'<Bundle xmlns="http://hl7.org/fhir"><hemmelig value="x"/></Bundle>', "application/fhir+xml", 422),
        (b'<!DOCTYPE x [<!ENTITY e "e">]><Bundle xmlns="http://hl7.org/fhir"/>', "application/fhir+xml", 400),
        (JSON + b" " * 1_000, "application/fhir+json", 413),
        (XML + b" " * 1_000, "application/fhir+xml", 413),
        (b'{"a":' * 80 + b"1" + b"}" * 80, "application/fhir+json", 400),
    ],
)
def test_what_two_readers_could_understand_differently_is_refused_without_its_content(
    raw: bytes, media: str, status: int
) -> None:
    with pytest.raises(Refusal) as caught:
        read(raw, media)
    assert caught.value.status == status and "hemmelig" not in str(caught.value)
