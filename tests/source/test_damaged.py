"""Requests that were damaged in some places: each is answered with what is wrong, and none with a fault of the source's own."""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable
from random import Random

from lxml import etree

from documents_at_hand import HOME, REPOSITORY, entry
from kjerne.xds import messages, names, queries
from kjerne.xds.queries import Query
from sources import KEY, PATHS, TEXT, Standing, doctor, documents_of, enveloped, one, wanted

SEED, REQUESTS = 20261127, 90
TEXTS = (
    "", "'", "x" * 300, "17855599120", "-1", "9" * 20, "('a','b'", "urn:uuid:x", "²", "٣", "20260230", "^^^^", "&&", "😀",
    "urn:oid:1.2", "0" * 40, "it''s", "%" * 9,
)  # fmt: skip


def damaged(body: etree._Element, rng: Random) -> etree._Element:
    """With one to three elements gone, doubled, renamed, or saying something else."""
    for _ in range(rng.randint(1, 3)):
        place = rng.choice(list(body.iter()))
        parent, kind = place.getparent(), rng.randrange(6)
        if kind == 0 and parent is not None:
            parent.remove(place)
        elif kind == 1 and parent is not None:
            parent.append(copy.deepcopy(place))
        elif kind == 2:
            place.tag = rng.choice(list(body.iter())).tag
        elif kind == 3 and place.attrib:
            del place.attrib[rng.choice(list(place.attrib))]
        elif kind == 4 and place.attrib:
            place.set(rng.choice(list(place.attrib)), rng.choice(TEXTS))
        else:
            place.text = rng.choice(TEXTS)
    return body


def written(element: etree._Element) -> None:
    element.text = base64.b64encode(TEXT).decode()


def requests(place: int) -> tuple[tuple[str, Callable[[], etree._Element]], ...]:
    sent, other = one(place), one(place, repository="1.2.3", size_bytes=5, hash="0" * 40)
    found = documents_of(
        **{"$XDSDocumentEntryClassCode": ("A^^1.2",), "$XDSDocumentEntryCreationTimeFrom": ("2020",)},
        **{"$XDSDocumentEntryAuthorPerson": ("%V_TS%",)},
    )
    related = Query(
        names.GET_RELATED_DOCUMENTS,
        home=HOME,
        said=(("$XDSDocumentEntryUniqueId", (entry(1).unique_id,)), ("$AssociationTypes", (names.REPLACES,))),
    )
    return (
        (names.CROSS_QUERY, lambda: queries.written(found)),
        (names.REGISTRY_QUERY, lambda: queries.written(related)),
        (names.CROSS_RETRIEVE, lambda: messages.written_wanted([wanted(entry(1).unique_id)])),
        (names.PROVIDE, lambda: messages.written_provision(sent, {sent.entries[0].id: written})),
        (names.REGISTER, lambda: messages.written_submission(other)),
        (names.UPDATE, lambda: messages.written_submission(one(place, logical_id=entry(1).id, repository=REPOSITORY))),
    )


async def test_a_damaged_request_is_answered_with_what_is_wrong(source: Standing) -> None:
    rng, said = Random(SEED), doctor()
    await source.provide(one(1), TEXT)
    for number in range(REQUESTS):
        made = requests(rng.randint(2, 9))
        action, body = made[number % len(made)]
        raw = enveloped(action, damaged(body(), rng), said)
        answer = await source.post(PATHS[action], raw, authorization=f"Bearer {KEY}")
        assert answer.status_code in (200, 400), (number, action, answer.text)
    refused = await source.pool.fetchval("SELECT count(*) FROM audit WHERE NOT allowed")
    assert refused > REQUESTS // 4
    assert await source.found(documents_of(), said) != []
