"""What an older mapping made of a report's messages is made anew at its next version; what FHIR wrote of it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kjerne.access import Label
from kjerne.services.results.kith import mapping

from .conftest import Ward
from .test_filing import Kith, Lab, new_lab
from .test_keeping import BEFORE, OBSERVATION, REPORT, SINCE, SIX, VOID, one, state, written

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


async def key_of(lab: Lab) -> int:
    digest = lab.ward.house.digest(lab.numbers["ann"])
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


VERSIONS: Final[dict[str, tuple[Any, ...]]] = {
    "first": ("5", 2, "N", "8", "F"),
    "addition": ("", 3, "A", "7", "A"),
    "change": ("6", 4, "M", "8", "F"),
    "again": ("6", 5, "N", "", "F"),
}


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_in_whatever_order_versions_come_the_last_mapping_alone_counts(
    ward: Ward, kith: Kith, data: st.DataObject
) -> None:
    names = data.draw(st.permutations(sorted(VERSIONS)))
    by_older = data.draw(st.integers(1, len(names) - 1))
    change = data.draw(st.sampled_from([wrong, elsewhere, without_six]))
    ends = []
    for number in (0, by_older):
        lab = await new_lab(ward, kith)
        for place, name in enumerate(names):
            value, day, service, other, status = VERSIONS[name]
            raw = one(lab, value, day, service, other=other, status=status)
            if place < number:
                with older(change):
                    await lab.take(raw)
            else:
                await lab.take(raw)
        ends.append(await state(lab))
    assert ends[0] == ends[1]
