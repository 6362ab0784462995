"""The searches of MHD, asked of documents and submission sets as FHIR has them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from documents_at_hand import HOME, code, entry, submission_set
from kjerne.errors import Refusal
from kjerne.mhd.lists import submission_set as listed
from kjerne.mhd.reference import Tree, document_reference
from kjerne.mhd.searching import ADDED, OWN, described, filter_of
from kjerne.wire import search
from kjerne.xds.forms import XON
from kjerne.xds.values import Author

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DOCUMENT = document_reference(
    entry(
        home=HOME, events=(code("1.2.3", "E1"),), reference_ids=("R-17^^^&1.2.9&ISO^urn:ihe:iti:xds:2013:order",),
        confidentiality=(code("2.16.840.1.113883.5.25", "N"), code("9603", "NORN_FFL")),
    ),
    id_="d1", url="https://x/1",
)  # fmt: skip
SET = listed(submission_set(content_type=code("9602", "A00-1"), authors=entry().authors), id_="s1", members=["d1"])


def found(tree: Tree, *pairs: tuple[str, str]) -> bool:
    def parse(type_: str, said: tuple[tuple[str, str], ...], lenient: bool) -> search.Search:
        return search.parse(type_, said, lenient=lenient, page_size=10, page_size_limit=10)

    return bool(filter_of(tree["resourceType"], pairs, parse, NOW).among([tree], lambda one: one))


@pytest.mark.parametrize(
    ("name", "fits", "fits_not"),
    [
        ("category", "urn:oid:2.16.578.1.12.4.1.1.9602|A00-1", "A01-1"),
        ("category", "B00-1,A00-1", "urn:oid:1.2.3|A00-1"),
        ("type", "2.16.578.1.12.4.1.1.9602|A03-2", "A02-2"),
        ("setting", "A04", "A05"),
        ("facility", "86.909", "86.900"),
        ("event", "urn:oid:1.2.3|E1", "E2"),
        ("security-label", "NORN_FFL", "NORS"),
        ("security-label:not", "NORS", "N"),
        ("format", "urn:oid:1.3.6.1.4.1.19376.1.2.3|urn:no:ehelse:document:text", "urn:no:ehelse:document:pdf"),
        ("period", "ge2026-03-03", "gt2026-03-05"),
        ("period", "2026-03", "2026-02"),
        ("date", "2026-03-10", "lt2026-03-10"),
        ("date", "ge2026-03-10T14:25:18Z", "gt2026-03-11"),
        ("creation", "ge2026-01-01", "ge2026-04"),
        ("creation", "2026", "2025"),
        ("identifier", "urn:ietf:rfc:3986|urn:oid:2.16.578.1.12.4.5.100.9.3.1", "urn:oid:2.16.578.1.12.4.5.100.9.3.2"),
        ("identifier", entry().id, "urn:uuid:00000000-0000-4000-8000-000000000009"),
        ("related:identifier", "urn:oid:1.2.9|R-17", "urn:oid:1.2.8|R-17"),
        ("author.family", "vits", "grønn"),
        ("author.given", "GRØ", "VITS"),
        ("author.family:exact", "VITS", "vits"),
        ("author.given:contains", "ønn", "x"),
        ("status", "current", "superseded"),
    ],
)
def test_a_document_is_found_by_each_parameter_of_mhd_and_by_no_other_value(
    name: str, fits: str, fits_not: str
) -> None:
    assert found(DOCUMENT, (name, fits))
    assert not found(DOCUMENT, (name, fits_not))


@pytest.mark.parametrize(
    ("name", "fits", "fits_not"),
    [
        ("code", "submissionset", "folder"),
        ("code", "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes|submissionset", "urn:x|submissionset"),
        ("date", "2026", "lt2026"),
        ("identifier", "urn:oid:2.16.578.1.12.4.5.100.9.4.1", "urn:oid:1.2"),
        ("designationType", "A00-1", "urn:oid:1.2|A00-1"),
        ("sourceId", "urn:ietf:rfc:3986|urn:oid:2.16.578.1.12.4.5.100.9", "urn:oid:1.2"),
        ("source.family", "Vits", "Grønn"),
        ("source.given", "grønn", "vits"),
    ],
)
def test_a_set_is_found_by_each_parameter_of_mhd_and_by_no_other_value(name: str, fits: str, fits_not: str) -> None:
    assert found(SET, (name, fits))
    assert not found(SET, (name, fits_not))


def test_each_of_several_parameters_must_be_met() -> None:
    assert found(
        DOCUMENT, ("date", "ge2026-03-01"), ("date", "lt2026-04-01"), ("author.family", "V"), ("type", "A03-2")
    )
    assert not found(DOCUMENT, ("date", "ge2026-03-01"), ("author.family", "V"), ("author.family", "X"))


@pytest.mark.parametrize(
    "name", ["creation:missing", "author.family:not", "category:in", "type:below", "date", "creation", "related.status"]
)
def test_what_is_not_understood_is_refused_by_its_name_and_never_with_its_value(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        found(DOCUMENT, (name, "http://kjerne.example/17855599120"))
    assert refused.value.status == 400 and "17855599120" not in f"{refused.value.says}{refused.value.todo}"


def test_the_capability_statement_names_what_is_asked_and_nothing_else() -> None:
    for type_ in ("DocumentReference", "List"):
        told = {one["name"] for one in described(type_)}
        assert told == {*OWN[type_], *ADDED[type_], "patient", "patient.identifier"}
        assert all(one["definition"].startswith("http") and one["type"] for one in described(type_))


def test_a_set_tells_what_came_and_from_whom_and_no_words_that_may_speak_of_what_is_shut() -> None:
    sent = submission_set(title="Psykiatrisk epikrise og brev", comments="Begge", authors=entry().authors)
    tree = listed(sent, id_="s1", members=["d1", "d2"])
    assert "Psykiatrisk" not in str(tree) and "Begge" not in str(tree)
    assert [one["item"]["reference"] for one in tree["entry"]] == ["DocumentReference/d1", "DocumentReference/d2"]
    assert (tree["status"], tree["mode"], tree["code"]["coding"][0]["code"]) == ("current", "working", "submissionset")
    (role,) = (one for one in tree["contained"] if one["resourceType"] == "PractitionerRole")
    places = {f"#{one['id']}": one for one in tree["contained"]}
    assert tree["source"] == {"reference": f"#{role['id']}"}
    assert places[role["practitioner"]["reference"]]["name"] == [{"family": "VITS", "given": ["GRØNN"]}]
    assert places[role["organization"]["reference"]]["name"] == "STIFTELSEN BETANIEN"


def test_a_set_names_its_source_by_whatever_is_known_of_it() -> None:
    person, place = entry().authors[0].person, XON("Sundvika")
    assert listed(submission_set(authors=(Author(person),)), id_="s", members=[])["source"] == {"reference": "#p0"}
    assert "organization" in str(listed(submission_set(authors=(Author(None, (place,)),)), id_="s", members=[]))
    assert "source" not in listed(submission_set(authors=()), id_="s", members=[])
