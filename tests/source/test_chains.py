"""What is to be shut stays so over new versions, and a replacement that was wrong can be taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from assertions import Said
from documents_at_hand import HOME, code, entry
from kjerne.source import chains
from kjerne.xds import names
from kjerne.xds.messages import Response
from kjerne.xds.queries import Query
from kjerne.xds.values import Association, Code, DocumentEntry
from source.test_changes import LABEL, N, change, only, otherwise
from source.test_removal import remove
from sources import TEXT, Standing, citizen, codes, doctor, documents_of, one, relation

LOCKED = {"confidentiality": (N, code(LABEL, "NORS"))}
ANY = documents_of(**{"$XDSDocumentEntryStatus": (names.APPROVED, names.DEPRECATED)})
CONSENTED = "urn:oid:2.16.578.1.12.4.1.7.2.1.5"


def ids(*places: int) -> list[str]:
    return [entry(place).unique_id for place in places]


@pytest.mark.parametrize("kind", sorted(names.RELATIONS))
async def test_what_replaces_a_locked_document_or_hangs_on_it_is_locked_too(source: Standing, kind: str) -> None:
    await source.provide(one(1, **LOCKED), TEXT)
    assert codes(await source.provide(relation(kind, one(2), one(1)), TEXT + b"!")) == []
    assert await source.found(ANY, doctor()) == []
    assert await source.found(ANY, doctor(policy=CONSENTED)) == ids(1, 2)
    assert sorted(await source.found(ANY, citizen())) == ids(1, 2)


async def test_a_lock_on_the_newest_version_holds_for_the_earlier_ones_and_what_hangs_on_them(source: Standing) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(relation(names.APPENDS, one(3), one(1)), TEXT)
    await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT)
    now = await only(source)
    assert codes(await change(source, otherwise(now, **LOCKED))) == []
    assert await source.found(ANY, doctor()) == []
    opened = (await source.ask(ANY, doctor(policy=CONSENTED))).objects
    assert all(isinstance(each, DocumentEntry) and chains.is_locked(each) for each in opened)
    assert len(opened) == 3
    assert codes(await change(source, otherwise(now, "2", 6, confidentiality=(N,)))) == []
    assert await source.found(ANY, doctor()) == ids(1, 2, 3)


@pytest.mark.parametrize(
    "spelt", [code("2.16.840.1.113883.5.25", "NORS"), code(f"URN:OID:{LABEL}", "NORS"), code(LABEL, "nors ")]
)
def test_a_lock_is_known_by_its_code_however_it_is_spelt(spelt: Code) -> None:
    assert chains.is_locked(entry(1, confidentiality=(N, spelt)))
    assert not chains.is_locked(entry(1, confidentiality=(N,)))


async def everything(source: Standing, place: int, said: Said | None = None) -> list[str]:
    """The ids of all that came with a document."""
    asked = Query(
        names.GET_DOCUMENTS_AND_ASSOCIATIONS, home=HOME, said=(("$XDSDocumentEntryUniqueId", tuple(ids(place))),)
    )
    set_ = f"urn:uuid:00000000-0000-4000-9000-00000000000{place}"
    return [set_, *(each.id for each in (await source.ask(asked, said)).objects)]


async def test_what_a_wrong_replacement_put_out_of_force_holds_again_when_that_goes(source: Standing) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(relation(names.APPENDS, one(3), one(1)), TEXT)
    await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT + b"!")
    assert await source.found(documents_of()) == ids(2)
    assert await remove(source, *await everything(source, 2)) == Response(names.SUCCESS)
    assert await source.found(documents_of()) == ids(1, 3)
    went, back = (await source.log())[-3:-1]
    assert (went["rule"], went["documents"], back["rule"], back["documents"]) == (
        "submitter", ids(2), "holds-again", ids(1, 3),
    )  # fmt: skip
    assert codes(await source.provide(relation(names.REPLACES, one(4), one(1)), TEXT)) == []
    assert await source.found(documents_of()) == ids(4)


@pytest.mark.parametrize(
    "kinds", [(names.REPLACES, names.APPENDS), (names.APPENDS, names.REPLACES), (names.REPLACES,) * 2]
)
async def test_what_is_replaced_has_nothing_else_hung_on_it_in_any_order(
    source: Standing, kinds: tuple[str, str]
) -> None:
    await source.provide(one(1), TEXT)
    sent = one(2)
    relations = [
        replace(relation(kind, one(2), one(1)).associations[-1], id=f"to{place}") for place, kind in enumerate(kinds)
    ]
    response = await source.provide(replace(sent, associations=(*sent.associations, *relations)), TEXT)
    assert codes(response) == ["XDSRegistryDeprecatedDocumentError"]


async def test_a_lock_that_outlives_the_document_that_had_it_is_a_version_of_its_own_and_told_in_the_log(
    source: Standing,
) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT + b"!")
    await change(source, otherwise(await only(source), **LOCKED))
    assert codes(await remove(source, *await everything(source, 2, citizen()))) == []
    assert await source.found(ANY, doctor()) == []
    assert [(row["rule"], row["documents"]) for row in await source.log() if row["rule"] == "locked-still"] == [
        ("locked-still", ids(1))
    ]
    (now,) = (await source.ask(ANY, citizen())).objects
    assert isinstance(now, DocumentEntry)
    assert now.version == "2"
    unaware = otherwise(now, "1", 6, confidentiality=(N,), title="Rettet")
    assert codes(await change(source, unaware)) == ["XDSMetadataVersionError"]
    assert await source.found(ANY, doctor()) == []
    assert codes(await change(source, otherwise(now, "2", 7, confidentiality=(N,)))) == []
    assert await source.found(ANY, doctor()) == ids(1)


async def test_whoever_opens_one_version_is_told_that_another_has_the_lock(source: Standing) -> None:
    await source.provide(one(1, **LOCKED), TEXT)
    await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT + b"!")
    (now,) = (await source.ask(documents_of(), citizen())).objects
    assert isinstance(now, DocumentEntry)
    answer = await change(source, otherwise(now, confidentiality=(N,)))
    assert (answer.status, [each.severity for each in answer.errors]) == (names.SUCCESS, [names.WARNING])
    assert ids(1)[0] in answer.errors[0].says


async def test_an_earlier_version_takes_its_place_when_one_between_goes(source: Standing) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT)
    await source.provide(relation(names.REPLACES, one(3), one(2)), TEXT)

    assert codes(await remove(source, *await everything(source, 2))) == []
    assert await source.found(documents_of()) == ids(3)
    assert (await source.log())[-2]["rule"] == "replaced-still"
    said = (("$XDSDocumentEntryUniqueId", tuple(ids(3))), ("$AssociationTypes", (names.REPLACES,)))
    objects = (await source.ask(Query(names.GET_RELATED_DOCUMENTS, home=HOME, said=said))).objects
    (between,) = (each for each in objects if isinstance(each, Association))
    assert (between.source, between.target) == (entry(3).id, entry(1).id)
    assert codes(await remove(source, between.id)) == []
    assert await source.found(documents_of()) == ids(1, 3)


async def test_an_earlier_replacement_stays_when_a_later_one_goes(source: Standing) -> None:
    await source.provide(one(1), TEXT)
    await source.provide(relation(names.REPLACES, one(2), one(1)), TEXT)
    await source.provide(relation(names.REPLACES, one(3), one(2)), TEXT)
    assert codes(await remove(source, *await everything(source, 3))) == []
    assert await source.found(documents_of()) == ids(2)


def made(kind: str, source: str, target: str) -> Association:
    return Association(id=source + target, kind=kind, source=source, target=target)


def test_a_lock_goes_to_each_version_and_form_and_to_what_hangs_on_one_and_nowhere_else() -> None:
    relations = [
        made(names.REPLACES, "2", "1"), made(names.REPLACES, "3", "2"), made(names.APPENDS, "a", "2"),
        made(names.TRANSFORMS, "t", "a"), made(names.APPENDS, "b", "3"), made(names.HAS_MEMBER, "s", "2"),
        made(names.SIGNS, "g", "b"),
    ]  # fmt: skip
    for shut, all_ in (
        ("3", "321atbg"),
        ("2", "321atbg"),
        ("1", "321atbg"),
        ("a", "at"),
        ("t", "at"),
        ("b", "bg"),
        ("g", "g"),
    ):
        locked: Any = chains.locked([entry(id=shut, **LOCKED), entry(id="s")], relations)
        assert locked == set(all_)
    assert chains.superseded(chains.replaced(relations), relations) == {*"12at"}
    circle = [made(names.APPENDS, "1", "2"), made(names.APPENDS, "2", "1")]
    assert chains.superseded({"1"}, circle) == {"1", "2"}


def test_whose_lock_holds_for_a_document_is_found_by_one_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of half of a long chain, whose other half is locked, took minutes by a walk from each."""
    entries = [entry(id=str(place), **(LOCKED if place % 3 == 0 else {})) for place in range(30)]
    kinds = sorted(names.RELATIONS)
    joined = [
        Association(id="", kind=kinds[place % len(kinds)], source=str(place + 1), target=str(place // 2))
        for place in range(29)
    ]
    walks, walk = list[Any](), chains._reached
    monkeypatch.setattr(chains, "_reached", lambda *given: walks.append(given) or walk(*given))
    for one_ in entries:
        walks.clear()
        found = chains.carriers(one_.id, entries, joined)
        assert len(walks) == 1
        assert found == tuple(
            each for each in entries if chains.is_locked(each) and one_.id in walk({each.id}, chains._of_locks(joined))
        )
