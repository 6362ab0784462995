"""What a source takes away: objects that nothing leads to, bytes whose metadata stay, and files that no row names any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from lxml import etree

from documents_at_hand import HOME, REPOSITORY, code, entry, needed, valid
from kjerne.xds import messages, names
from kjerne.xds.messages import Response, Wanted
from kjerne.xds.names import LCM, RIM, RMD
from kjerne.xds.queries import Query
from sources import TEXT, Standing, codes, documents_of, enveloped, one, relation, wanted

LOCKED: Final = (code("2.16.840.1.113883.5.25", "N"), code("2.16.578.1.12.4.1.1.9603", "NORS"))
ANY: Final = {"$XDSDocumentEntryStatus": (names.APPROVED, names.DEPRECATED)}


def removal(*ids: str) -> etree._Element:
    body = etree.Element(LCM + "RemoveObjectsRequest")
    listed = etree.SubElement(body, RIM + "ObjectRefList")
    for each in ids:
        etree.SubElement(listed, RIM + "ObjectRef", id=each)
    return body


async def remove(source: Standing, *ids: str) -> Response:
    return await source.sent(names.REMOVE_METADATA, enveloped(names.REMOVE_METADATA, removal(*ids), None))


async def remove_bytes(source: Standing, *asked: Wanted) -> Response:
    body = messages.written_wanted(asked, RMD + "RemoveDocumentsRequest")
    return await source.sent(names.REMOVE_DOCUMENTS, enveloped(names.REMOVE_DOCUMENTS, body, None))


async def ids_of(source: Standing) -> list[str]:
    """Set, document and association of the only submission there is."""
    return [
        f"urn:uuid:{await source.pool.fetchval(f'SELECT id FROM {table}')}"
        for table in ("submission_set", "document", "association")
    ]


async def test_a_document_goes_with_its_set_and_what_joins_them_and_its_file(source: Standing) -> None:
    await source.provide(one(), TEXT)
    set_, document, member = await ids_of(source)
    for some in ((document,), (set_,), (document, set_), (set_, member)):
        assert codes(await remove(source, *some)) == ["ReferencesExistException"]
    unknown = "urn:uuid:00000000-0000-4000-8000-0000000000ff"
    for other in (unknown, "Document01"):
        assert codes(await remove(source, set_, document, member, other)) == ["UnresolvedReferenceException"]
    assert await source.found(documents_of()) == [entry().unique_id]
    assert await remove(source, set_, document, member) == Response(names.SUCCESS)
    assert await source.found(documents_of()) == []
    assert source.kept() == []
    rows = [
        (row["action"], row["documents"]) for row in await source.log() if row["client"] == "journal" and row["allowed"]
    ]
    assert rows[-1] == (names.REMOVE_METADATA, [entry().unique_id])
    assert codes(await source.provide(one(), TEXT)) == []


async def test_an_id_is_known_in_capital_letters_too(source: Standing) -> None:
    await source.provide(one(), TEXT)
    document = (await ids_of(source))[1]
    capital = "URN:UUID:" + document[9:].upper()
    assert codes(await remove(source, capital)) == ["ReferencesExistException"]
    asked = Query(names.GET_DOCUMENTS, home=HOME, said=(("$XDSDocumentEntryEntryUUID", (capital,)),))
    assert await source.found(asked) == [entry().unique_id]


async def test_an_id_that_any_object_has_is_given_to_no_other_one(source: Standing) -> None:
    """Who takes one away by it would take the other one too."""
    await source.provide(one(1), TEXT)
    set_, document, member = await ids_of(source)
    for id_ in (set_, document, member):
        sent = one(2)
        (joined,) = sent.associations
        again = replace(sent, entries=(replace(sent.entries[0], id=id_),), associations=(replace(joined, target=id_),))
        assert codes(await source.provide(again, TEXT)) == ["XDSDuplicateUniqueIdInRegistry"]
    assert await source.found(documents_of()) == [entry(1).unique_id]


@pytest.mark.parametrize(
    "spelt", [lambda one: one.replace("-", ""), lambda one: "{" + one + "}", lambda one: "urn:uuid:" + one]
)
async def test_an_id_that_is_written_otherwise_takes_nothing_away_and_opens_nothing(
    source: Standing, spelt: Callable[[str], str]
) -> None:
    """What leads to an object, and what is locked by it, is compared by its id: SQL would find it all the same."""
    await source.provide(one(1), TEXT)
    await source.provide(relation(names.REPLACES, one(2, confidentiality=LOCKED), one(1)), TEXT + b"!")
    ids = [
        str(row[0]) for row in await source.pool.fetch("SELECT id FROM document UNION ALL SELECT id FROM association")
    ]
    for each in ids:
        assert codes(await remove(source, "urn:uuid:" + spelt(each))) == ["UnresolvedReferenceException"]
    assert await source.found(documents_of(**ANY)) == []
    assert await source.pool.fetchval("SELECT count(*) FROM document") == 2


async def test_a_document_that_another_replaces_stays_as_long_as_that_is_said(source: Standing) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT + b"!")
    found = await source.pool.fetch("SELECT id FROM document WHERE deprecated")
    assert codes(await remove(source, f"urn:uuid:{found[0][0]}")) == ["ReferencesExistException"]


async def test_bytes_that_two_documents_have_go_with_the_last_of_them(source: Standing) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(one(2), TEXT)
    first, second = (wanted(entry(place).unique_id) for place in (1, 2))
    assert await remove_bytes(source, first) == Response(names.SUCCESS)
    assert (await source.get(second))[1] == [TEXT]
    assert codes((await source.get(first))[0]) == ["XDSDocumentUniqueIdError"]
    assert len(await source.found(documents_of())) == 2
    answer = await remove_bytes(source, first, second, Wanted("1.2.3", REPOSITORY, HOME), Wanted("1", "1.2", HOME))
    assert (answer.status, codes(answer)) == (
        names.PARTIAL, ["XDSDocumentUniqueIdError", "XDSDocumentUniqueIdError", "XDSUnknownRepositoryId"],
    )  # fmt: skip
    assert source.kept() == []


async def test_who_is_not_known_by_its_key_removes_nothing(source: Standing) -> None:
    await source.provide(one(), TEXT)
    raw = enveloped(names.REMOVE_METADATA, removal(*await ids_of(source)), None)
    answer = await source.post("/Registry/Services/RegistryService", raw, authorization="Bearer other")
    assert answer.status_code == 400
    assert await source.found(documents_of()) == [entry().unique_id]


async def test_a_file_that_no_row_names_is_removed_at_the_start(source: Standing) -> None:
    await source.provide(one(), TEXT)
    await source.files.put(b"left by an end at the wrong moment")
    assert len(source.kept()) == 2
    assert await source.application._source.swept() == 1
    assert [path.read_bytes() for path in source.kept()] == [TEXT]


async def test_what_lies_beside_the_documents_is_left_alone_and_told_of(
    source: Standing, capsys: pytest.CaptureFixture[str]
) -> None:
    await source.provide(one(), TEXT)
    (kept,) = source.kept()
    strays = [kept.parent / "backup~", kept.parent.parent / "lost+found" / "x", kept.parent / ".new"]
    for stray in strays:
        stray.parent.mkdir(exist_ok=True)
        stray.touch()
    assert await source.application._source.swept() == 0
    assert sorted(source.kept()) == sorted([kept, *strays])
    assert "".join(capsys.readouterr()).count("stray file") == len(strays)


@needed
def test_a_request_to_remove_keeps_to_the_schema() -> None:
    body: Any = removal("urn:uuid:00000000-0000-4000-8000-000000000001")
    assert valid(body)
