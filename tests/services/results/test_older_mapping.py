"""What an older mapping made of a report's messages is made anew at its next version; what FHIR wrote of it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.access import Label, Wish
from kjerne.fhir.definitions import type_number
from kjerne.services.results.kith import mapping
from kjerne.services.results.kith.chain import State

from .conftest import Ward, Worker, fresh_number
from .test_filing import Kith, Lab, new_lab
from .test_keeping import BEFORE, OBSERVATION, REPORT, SINCE, SIX, VOID, one, state, written
from .test_restriction_follows import result_of, version

SPECIMEN: Final = type_number("Specimen")
Tree = dict[str, Any]
Change = Callable[[Tree], Tree | None]
"""What an older mapping made of an Observation of today's; None: it made none."""


@pytest.fixture
async def lab(ward: Ward, kith: Kith) -> Lab:
    return await new_lab(ward, kith)


@contextmanager
def older(change: Change) -> Iterator[None]:
    """The mapping as it was once: today's, with each Observation made otherwise."""
    today = mapping.resources

    def once(*given: Any) -> list[Tree]:
        trees = [change(tree) if tree["resourceType"] == "Observation" else tree for tree in today(*given)]
        return [tree for tree in trees if tree is not None]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "resources", once)
        yield


def wrong(tree: Tree) -> Tree:
    """A value that nobody sent."""
    return tree | {"valueQuantity": tree["valueQuantity"] | {"value": 99}}


def elsewhere(tree: Tree) -> Tree:
    """A label that the mapping has no more."""
    return tree | {"language": "nb"}


def without_six(tree: Tree) -> Tree | None:
    """No result where it is 6: it was there before that value came."""
    return None if tree["valueQuantity"]["value"] == 6 else tree


NOT_KNOWN: Final = "SELECT count(*) FROM record WHERE patient = $1 AND mapped IS NOT TRUE"
LATEST: Final = "SELECT max(version) FROM record WHERE patient = $1 AND type = $2"


async def key_of(lab: Lab, who: str = "ann") -> int:
    digest = lab.ward.house.digest(lab.numbers[who])
    return int(
        await lab.ward.house.store.pool.fetchval("SELECT patient FROM person_identifier WHERE digest = $1", digest)
    )


async def forgotten(lab: Lab) -> None:
    """Her records as they were stored before it was noted how they were made."""
    await lab.ward.house.store.pool.execute("UPDATE record SET mapped = NULL WHERE patient = $1", await key_of(lab))


async def test_what_an_older_mapping_made_is_made_anew_at_the_next_version(lab: Lab) -> None:
    with older(wrong):
        await lab.take(one(lab, "5", 2))
    assert (await state(lab))["first"] == "99"
    await lab.take(one(lab, "", SINCE, "A", other="9", status="A"))
    assert await state(lab) == {"report": "2", "first": "5", "other": "9"}


async def test_who_read_what_an_older_mapping_made_is_told_and_sees_it_beside_what_stands(lab: Lab) -> None:
    with older(wrong):
        await lab.take(one(lab, "5", 2))
    await lab.results("ann")
    await lab.take(one(lab, "4", 1, "N", status="P"))  # older than what is there, it changes no value
    assert [found[0] for found in await lab.results("ann")] == ["5"]
    assert await lab.told() == {"corrected"}
    assert "99" in await lab.former("ann")


async def test_what_an_older_mapping_only_put_otherwise_is_told_to_nobody(lab: Lab) -> None:
    with older(elsewhere):
        await lab.take(one(lab, "5", 2))
    await lab.results("ann")
    await lab.take(one(lab, "", SINCE, "A", other="9", status="A"))
    assert "corrected" not in await lab.told()


@pytest.mark.parametrize(
    ("of", "by_fhir", "stands"),
    [
        (OBSERVATION, SIX, {"report": "2", "first": "6", "other": "9"}),
        (OBSERVATION, VOID, {"report": "2", "first": "void", "other": "9"}),
        (OBSERVATION, None, {"report": "2", "other": "9"}),
        (REPORT, VOID, {"report": "void 1", "first": "void", "other": "9"}),
    ],
)
async def test_what_fhir_wrote_of_it_stays(lab: Lab, of: int, by_fhir: Tree | None, stands: dict[str, str]) -> None:
    with older(wrong):
        await lab.take(one(lab, "5", 2))
    await written(lab, of, by_fhir)
    await lab.take(one(lab, "", SINCE, "A", other="9", status="A"))
    assert await state(lab) == stands
    # What goes on from what FHIR wrote is that, and not what messages say: the mapping may change again.
    with older(elsewhere):
        await lab.take(one(lab, "4", 1, "N", status="P"))
    await lab.take(one(lab, "", BEFORE, "A", status="A"))
    assert await state(lab) == stands


async def test_what_an_older_mapping_took_out_is_there_again(lab: Lab) -> None:
    with older(without_six):
        await lab.take(one(lab, "5", 2, other="8"))
        await lab.take(one(lab, "6", BEFORE, "M", other="7"))
    assert await state(lab) == {"report": "2", "other": "7"}
    await lab.take(one(lab, "", SINCE, "A", status="A"))
    assert await state(lab) == {"report": "2", "first": "6", "other": "7"}


async def test_what_is_known_of_no_record_is_seen_by_what_todays_mapping_makes(lab: Lab) -> None:
    with older(wrong):
        await lab.take(one(lab, "5", 2))
    await forgotten(lab)
    await lab.take(one(lab, "", SINCE, "A", other="9", status="A"))
    assert await state(lab) == {"report": "2", "first": "99", "other": "9"}


async def test_a_record_of_before_that_stands_as_it_is_made_today_is_known_from_its_next_version(lab: Lab) -> None:
    with older(wrong):
        await lab.take(one(lab, "5", 2))
        await forgotten(lab)
        await lab.take(one(lab, "", BEFORE, "A", other="9", status="A"))
        assert not await lab.ward.house.store.pool.fetchval(NOT_KNOWN, await key_of(lab))
    assert await state(lab) == {"report": "2", "first": "99", "other": "99"}
    assert await lab.ward.house.store.pool.fetchval(LATEST, await key_of(lab), OBSERVATION) == 1
    await lab.take(one(lab, "", SINCE, "A", status="A"))
    assert await state(lab) == {"report": "2", "first": "5", "other": "9"}


async def test_a_newborns_mark_that_an_older_mapping_gave_goes_with_it(lab: Lab) -> None:
    focus = {"url": mapping.codes.FOCUS, "valueCodeableConcept": {"text": "nyfødt"}}
    with older(lambda tree: tree | {"extension": [*tree["extension"], focus]}):
        await lab.take(one(lab, "5", 2))
    marked = "SELECT count(*) FROM record WHERE patient = $1 AND labels & $2 <> 0"
    values = marked, await key_of(lab), int(Label.NOT_THE_MOTHERS)
    assert await lab.ward.house.store.pool.fetchval(*values)
    await lab.take(one(lab, "", SINCE, "A", other="9", status="A"))
    assert not await lab.ward.house.store.pool.fetchval(*values)


@contextmanager
def older_ids() -> Iterator[None]:
    """The mapping as it was once: results, specimens and files have other ids."""
    today = mapping.resources

    def once(given: State, number: mapping.Numbering) -> list[Tree]:
        def other(type_: str, key: str) -> str:
            return number(type_, f"once {key}" if type_ in ("Observation", "Specimen", "Binary") else key)

        return today(given, other)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mapping, "resources", once)
        yield


async def rows(lab: Lab, who: str = "ann") -> set[tuple[int, UUID]]:
    """Everything of hers that stands."""
    found = await lab.ward.house.store.pool.fetch(
        "SELECT type, id FROM record WHERE patient = $1 AND labels & $2 = 0",
        await key_of(lab, who), int(Label.WITHDRAWN),
    )  # fmt: skip
    return {(row["type"], row["id"]) for row in found}


async def test_what_an_older_mapping_filed_under_other_ids_goes_when_it_is_made_anew(lab: Lab, kith: Kith) -> None:
    group = kith.item("NPU01944", kith.number("8"), id_="2")
    nested = kith.item("NPU03579", kith.number("5", "pmol/L"), id_="1", inside=group)
    with older_ids():
        await lab.take(lab.version("ann", "", items=nested, day=2))
    before = await rows(lab)
    await lab.take(one(lab, "", SINCE, "A", other="9", status="A"))
    assert await state(lab) == {"report": "2", "first": "5", "other": "8 9"}
    fresh = await new_lab(lab.ward, kith)
    await fresh.take(fresh.version("ann", "", items=nested, day=2), one(fresh, "", SINCE, "A", other="9", status="A"))
    stands = await rows(lab)
    assert sorted(type_ for type_, _ in stands) == sorted(type_ for type_, _ in await rows(fresh))
    assert {type_ for type_, _ in before - stands} == {OBSERVATION, SPECIMEN}


@pytest.mark.parametrize("older_too", [lambda tree: tree, wrong], ids=["the same", "otherwise"])
@pytest.mark.parametrize(
    ("of", "by_fhir", "stands"),
    [
        (OBSERVATION, SIX, {"report": "2", "first": "6", "other": "9"}),
        (OBSERVATION, VOID, {"report": "2", "first": "void", "other": "9"}),
        (OBSERVATION, None, {"report": "2", "other": "9"}),
        (REPORT, VOID, {"report": "void 1", "first": "void", "other": "9"}),
        (REPORT, None, {"other": "9"}),
        (REPORT, {"conclusion": "Sett"}, {"report": "2", "first": "5", "other": "9"}),
    ],
)
async def test_what_fhir_wrote_under_an_older_id_goes_along(
    lab: Lab, of: int, by_fhir: Tree | None, stands: dict[str, str], older_too: Change
) -> None:
    with older_ids(), older(older_too):
        await lab.take(one(lab, "5", 2))
    await written(lab, of, by_fhir)
    await lab.take(one(lab, "", SINCE, "A", other="9", status="A"))
    assert await state(lab) == stands
    await lab.take(one(lab, "4", 1, "N", status="P"))
    assert await state(lab) == stands


async def test_a_newer_message_takes_the_place_of_what_fhir_wrote_under_an_older_id(lab: Lab) -> None:
    with older_ids():
        await lab.take(one(lab, "5", 2, other="8"))
    await written(lab, OBSERVATION, SIX)
    await lab.take(one(lab, "3", SINCE, "M", other="7"))
    assert await state(lab) == {"report": "2", "first": "3", "other": "7"}


async def test_a_result_of_another_report_that_fhir_names_in_this_one_stays(lab: Lab) -> None:
    await lab.take(lab.version("ann", "31", number="18", taken="2026-03-01T08:15:00"))
    others = await rows(lab)
    with older_ids():
        await lab.take(one(lab, "", 2, other="8"))
    [report] = [id_ for type_, id_ in await rows(lab) - others if type_ == REPORT]
    named = [{"reference": f"Observation/{id_}"} for type_, id_ in await rows(lab) if type_ == OBSERVATION]
    await lab.correct("ann", type_=REPORT, id_=report, result=named)
    await lab.take(one(lab, "", SINCE, "M", other="7"))
    assert {key: value for key, value in (await state(lab)).items() if key != "report"} == {"first": "31", "other": "7"}


@pytest.mark.parametrize(("value", "told"), [("5", set()), ("7", {"corrected"})])
async def test_who_read_a_result_that_nothing_says_any_more_is_told(lab: Lab, value: str, told: set[str]) -> None:
    with older_ids():
        await lab.take(one(lab, "5", 2))
    await lab.results("ann")
    await lab.take(one(lab, value, BEFORE, "M" if told else "N"))
    assert await lab.told() == told
    assert [found[0] for found in await lab.results("ann")] == [value]


async def test_what_an_older_mapping_filed_of_a_wrong_person_is_withdrawn_with_her_report(lab: Lab) -> None:
    with older_ids():
        await lab.take(lab.version("ann", "5"))
    await lab.take(lab.version("bea", "5", day=3, service="M"))
    assert not await rows(lab)
    assert [found[0] for found in await lab.results("bea")] == ["5"]


async def test_what_an_older_mapping_filed_of_a_change_goes_with_it_into_its_report(lab: Lab) -> None:
    with older_ids():
        await lab.take(lab.version("ann", "6", number="18", day=3, service="M", request="Q1"))
    await lab.take(lab.version("ann", "5", number="17", day=2, request="Q1"))
    assert [found[0] for found in await lab.results("ann")] == ["6"]


async def test_what_she_restricted_under_an_older_id_stays_restricted_when_it_is_made_anew(
    workers: tuple[Worker, Worker], number: str
) -> None:
    worker, other = workers
    await worker.person(number)
    id_ = fresh_number()
    with older_ids():
        await worker.take(version(number, "CLIN", "7.7", id_=id_))
    await worker.choose(number, Wish("record", record=await result_of(worker, number, "7.7")))
    await other.take(version(number, "CLIN", "7.7", "8.8", service="M", id_=id_))
    assert await worker.sees(number) == []


VERSIONS: Final[dict[str, tuple[Any, ...]]] = {
    "first": ("5", 1, "N", "8", "F"),
    "addition": ("", 2, "A", "7", "A"),
    "change": ("6", 3, "M", "8", "F"),
    "again": ("6", 4, "N", "", "F"),
    "since": ("3", SINCE, "M", "", "F"),
}
OLDER: Final[list[Callable[[], AbstractContextManager[None]]]] = [
    lambda: older(without_six), lambda: older(wrong), lambda: older(elsewhere), older_ids,
]  # fmt: skip
"""The first leaves out what FHIR writes on."""

WRITES: Final[list[tuple[int, Tree | None] | None]] = [
    None, (OBSERVATION, SIX), (OBSERVATION, VOID), (OBSERVATION, None), (REPORT, VOID),
]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_the_end_is_as_if_todays_mapping_had_made_all_in_whatever_order_versions_come(
    ward: Ward, kith: Kith, data: st.DataObject
) -> None:
    since = data.draw(st.sampled_from([[], ["since"]]))
    names = [*data.draw(st.permutations(sorted({*VERSIONS} - {"since"}))), *since]
    by_older = data.draw(st.integers(1, len(names) - 1))
    is_there = not {"first", "change", "again"}.isdisjoint(names[:by_older])
    write = data.draw(st.sampled_from(WRITES)) if is_there else None
    once = data.draw(st.sampled_from(OLDER[write is not None :]))
    ends = []
    for context in (nullcontext, once):
        lab = await new_lab(ward, kith)
        for place, name in enumerate(names):
            value, day, service, other, status = VERSIONS[name]
            with context() if place < by_older else nullcontext():
                await lab.take(one(lab, value, day, service, other=other, status=status))
            if place == by_older - 1 and write:
                await written(lab, *write)
        ends.append(await state(lab))
    assert ends[0] == ends[1]
