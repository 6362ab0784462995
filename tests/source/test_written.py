"""What a source tells is written once and told often: byte for byte the same, and never older than what is kept."""

from __future__ import annotations

from dataclasses import replace

from assertions import Said
from documents_at_hand import HOME, code, entry
from kjerne.source import rows
from kjerne.wire import mtom, soap
from kjerne.xds import messages, names, queries, writing
from kjerne.xds.messages import Response
from kjerne.xds.queries import Query
from kjerne.xds.values import DocumentEntry
from source.test_changes import LABEL, N, change, otherwise
from source.test_removal import remove
from sources import GATEWAY, TEXT, Standing, citizen, doctor, documents_of, enveloped, one, relation
from xds import ebrim_elements

STATUSES = (names.APPROVED, names.DEPRECATED)
CONSENTED = "urn:oid:2.16.578.1.12.4.1.7.2.1.5"
EVERYTHING = Query(
    names.GET_ALL,
    said=(
        ("$patientId", documents_of().said[0][1]),
        ("$XDSDocumentEntryStatus", STATUSES),
        ("$XDSSubmissionSetStatus", STATUSES),
        ("$XDSFolderStatus", STATUSES),
    ),
)


async def told(source: Standing, query: Query, said: Said) -> tuple[str, ...]:
    """What an answer names; its bytes are held against what an XML library writes of the same objects."""
    raw = enveloped(names.CROSS_QUERY, queries.written(query), said, message_id="urn:test:asked")
    answer = await source.post(GATEWAY, raw)
    message = soap.opened(answer.content, action=mtom.parameters(answer.headers["content-type"])["action"])
    response = messages.response(message.body)
    body = messages.written_found(Response(names.SUCCESS))
    body.replace(body[-1], ebrim_elements.object_list(response.objects, response.references))
    assert answer.content == soap.enveloped(
        message.action, body, message_id=message.message_id, relates="urn:test:asked"
    )
    assert {each.home for each in response.objects} <= {HOME}
    return tuple(f"{each.id} {getattr(each, 'status', '')} {getattr(each, 'title', '')}" for each in response.objects)


async def test_a_list_is_the_bytes_of_what_is_kept_at_that_moment_for_whoever_asks(source: Standing) -> None:
    staff, consented, own = doctor(), doctor(policy=CONSENTED), citizen()
    looks: dict[str, list[tuple[str, ...]]] = {"staff": [], "consented": [], "own": []}

    async def look() -> None:
        for _ in range(2):
            for who, said in (("staff", staff), ("consented", consented), ("own", own)):
                everything = await told(source, EVERYTHING, said)
                holding = await told(source, documents_of(), said)
                assert set(holding) <= set(everything)
                looks[who].append(everything)
            await told(source, replace(documents_of(), returns=queries.REFERENCES), staff)
        for seen in looks.values():
            assert seen[-1] == seen[-2]

    await look()
    await source.provide(one(1, title="Første & <siste>\n\"'"), TEXT)
    await look()
    await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT + b"!")
    await look()
    await source.provide(relation(names.APPENDS, one(3), one(2)), TEXT + b"?")
    await look()
    now = await newest(source)
    await change(source, otherwise(now, place=5, confidentiality=(N, code(LABEL, "NORS")), title="Locked"))
    await look()
    assert len(looks["staff"][-1]) == 0 and len(looks["own"][-1]) == len(looks["consented"][-1]) > 4
    assert len({seen[-1] for seen in looks.values()}) == 2
    assert len(set(looks["own"])) == 5


async def test_nothing_is_remembered_of_what_was_taken_away(source: Standing) -> None:
    await source.provide(one(), TEXT)
    await told(source, EVERYTHING, doctor())
    kept = (rows._entry, rows._set, rows._association, writing.written)
    assert all(each.cache_info().currsize for each in kept)
    ids = [
        f"urn:uuid:{await source.pool.fetchval(f'SELECT id FROM {table}')}" for table in ("document", "submission_set")
    ]
    ids.append(f"urn:uuid:{await source.pool.fetchval('SELECT id FROM association')}")
    assert (await remove(source, *ids)).status == names.SUCCESS
    assert not any(each.cache_info().currsize for each in kept)
    assert await told(source, EVERYTHING, doctor()) == ()


async def newest(source: Standing) -> DocumentEntry:
    (found,) = [each for each in (await source.ask(documents_of())).objects if each.id == entry(2).id]
    assert isinstance(found, DocumentEntry)
    return found
