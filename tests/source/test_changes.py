"""What is said of a document becomes another: marks shut and open it at once, and what was said before is kept and not told."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import msgspec
import pytest

from documents_at_hand import code, entry
from kjerne.sandbox.numbers import person_number
from kjerne.xds import messages, names
from kjerne.xds.forms import CX
from kjerne.xds.messages import Response, Submission
from kjerne.xds.queries import Query
from kjerne.xds.values import Association, DocumentEntry
from sources import TEXT, Standing, citizen, codes, doctor, documents_of, enveloped, one, wanted

N, LABEL = code("2.16.840.1.113883.5.25", "N", "Normal"), "2.16.578.1.12.4.1.1.9603"


def otherwise(now: DocumentEntry, previous: str = "1", place: int = 5, **changes: Any) -> Submission:
    """A submission that says a document otherwise, under a name of its own for it."""
    sent = one(place, **{"logical_id": now.logical_id, "unique_id": now.unique_id} | changes)
    named = replace(sent.entries[0], id="Document01")
    (member,) = sent.associations
    return replace(sent, entries=(named,), associations=(replace(member, target="Document01", previous=previous),))


async def change(source: Standing, sent: Submission, action: str = names.UPDATE) -> Response:
    return await source.sent(action, enveloped(action, messages.written_submission(sent), None))


async def only(source: Standing, **said: Any) -> DocumentEntry:
    (found,) = (await source.ask(documents_of(), **said)).objects
    assert isinstance(found, DocumentEntry)
    return found


@pytest.mark.parametrize("action", [names.UPDATE, names.RESTRICTED_UPDATE])
async def test_a_mark_that_is_put_on_shuts_a_document_and_one_that_is_taken_away_opens_it(
    source: Standing, action: str
) -> None:
    await source.provide(one(confidentiality=(N, code(LABEL, "NORU"))), TEXT)
    assert await source.found(documents_of(), citizen()) == []
    now = await only(source)
    assert await change(source, otherwise(now), action) == Response(names.SUCCESS)
    opened = await only(source, said=citizen())
    assert (opened.id, opened.version, opened.confidentiality) == (now.id, "2", (N,))
    assert (opened.hash, opened.size_bytes, opened.repository) == (now.hash, now.size_bytes, now.repository)
    locked = otherwise(now, "2", 6, confidentiality=(N, code(LABEL, "NORS")), title="Sperret")
    assert await change(source, locked, action) == Response(names.SUCCESS)
    assert await source.found(documents_of(), doctor()) == []
    for asked in (
        documents_of(**{"$XDSDocumentEntryStatus": (names.APPROVED, names.DEPRECATED)}),
        Query(names.GET_DOCUMENTS, home=now.home, said=(("$XDSDocumentEntryEntryUUID", (now.id,)),)),
    ):
        assert (await source.ask(asked)).objects == ()
    assert codes((await source.get(wanted(now.unique_id)))[0]) == ["XDSDocumentUniqueIdError"]
    assert (await source.get(wanted(now.unique_id), said=citizen()))[1] == [TEXT]


async def test_what_was_said_before_is_kept_with_who_said_otherwise(source: Standing) -> None:
    await source.provide(one(title="Before"), TEXT)
    await change(source, otherwise(await only(source), title="After"))
    rows = await source.pool.fetch("SELECT version, said, submitter FROM document_version")
    assert [(row["version"], row["submitter"]) for row in rows] == [(1, "journal")]
    assert msgspec.json.decode(rows[0]["said"], type=DocumentEntry).title == "Before"
    log = [row for row in await source.log() if row["action"] == names.UPDATE]
    assert [(row["allowed"], row["documents"], row["client"]) for row in log] == [
        (True, [entry().unique_id], "journal")
    ]


@pytest.mark.parametrize(
    ("changes", "answered"),
    [
        ({"previous": "2"}, "XDSMetadataVersionError"),
        ({"previous": ""}, "XDSMetadataVersionError"),
        ({"logical_id": "urn:uuid:00000000-0000-4000-8000-0000000000ff"}, "UnresolvedReferenceException"),
        ({"unique_id": "1.2.3"}, "XDSMetadataUpdateError"),
        ({"mime_type": "application/pdf"}, "XDSMetadataUpdateError"),
        ({"hash": "0" * 40}, "XDSMetadataUpdateError"),
        ({"size_bytes": 1}, "XDSMetadataUpdateError"),
        ({"status": names.DEPRECATED}, "XDSMetadataUpdateError"),
        ({"repository": "1.2"}, "XDSMetadataUpdateError"),
        ({"confidentiality": (code(LABEL, "NORS"),)}, "XDSRegistryMetadataError"),
        ({"class_code": None}, "XDSRegistryMetadataError"),
        ({"place": 1}, "XDSDuplicateUniqueIdInRegistry"),
    ],
)
async def test_a_change_that_cannot_be_is_refused_and_changes_nothing(
    source: Standing, changes: dict[str, Any], answered: str
) -> None:
    await source.provide(one(), TEXT)
    before = await only(source)
    assert codes(await change(source, otherwise(before, **changes))) == [answered]
    assert await only(source) == before
    assert await source.pool.fetchval("SELECT count(*) FROM submission_set") == 1


@pytest.mark.parametrize("kind", [names.REPLACES, names.APPENDS, names.HAS_MEMBER])
async def test_a_change_makes_no_document_anything_to_another(source: Standing, kind: str) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(one(2), TEXT)
    (first, second) = (await source.ask(documents_of())).objects
    assert isinstance(first, DocumentEntry)
    sent = otherwise(first)
    begins = sent.sent.id if kind == names.HAS_MEMBER else first.id
    more = Association(id="more", kind=kind, source=begins, target=second.id)
    assert codes(await change(source, replace(sent, associations=(*sent.associations, more)))) == [
        "XDSMetadataUpdateError"
    ]
    assert (await source.ask(documents_of())).objects == (first, second)


async def test_nobody_elses_document_is_changed_by_its_logical_id(source: Standing) -> None:
    await source.provide(one(), TEXT)
    other = CX(person_number(Random(1), date(1980, 1, 1), "female", set()), entry().patient.authority)
    sent = otherwise(await only(source), patient=other, source_patient=other)
    stolen = await change(source, replace(sent, sent=replace(sent.sent, patient=other)))
    assert codes(stolen)
    assert set(codes(stolen)) <= {"UnresolvedReferenceException", "XDSUnknownPatientId", "XDSPatientIdDoesNotMatch"}


@pytest.mark.parametrize("taken", ["set", "association", "document"])
async def test_a_change_whose_set_or_association_has_an_id_that_is_taken_is_refused_with_a_row(
    source: Standing, taken: str
) -> None:
    await source.provide(one(), TEXT)
    before = await only(source)
    table = {"set": "submission_set"}.get(taken, taken)
    id_ = f"urn:uuid:{await source.pool.fetchval(f'SELECT id FROM {table}')}"
    sent = otherwise(before, title="Otherwise")
    (member,) = sent.associations
    for now in (
        replace(sent, associations=(replace(member, id=id_),)),
        replace(sent, sent=replace(sent.sent, id=id_), associations=(replace(member, source=id_),)),
    ):
        assert codes(await change(source, now)) == ["XDSDuplicateUniqueIdInRegistry"]
        assert (await source.log())[-1]["rule"] == "XDSDuplicateUniqueIdInRegistry"
    assert await only(source) == before
