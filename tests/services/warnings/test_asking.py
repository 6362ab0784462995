"""What a call asks to have compared: whole lists and pages, what is alike, and how much one call may be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.fhir import cds_hooks
from kjerne.services.warnings import api, asking, reading
from kjerne.services.warnings.asking import HOLD_MEDICINES, ToCompare, check_number, once, removable, to_compare
from kjerne.services.warnings.matching import Finding
from kjerne.services.warnings.reading import ATC, SUBSTANCES, Allergy, Medicine
from services.warnings.test_api import HOOKS, body, bundle, order
from services.warnings.test_cards import finding, made
from services.warnings.test_matching import NOW
from services.warnings.worlds import coded, knowledge


def read(hook: str = "patient-view", *drafts: dict[str, Any], **more: Any) -> ToCompare:
    return to_compare(cds_hooks.asked(body(hook, *drafts, **more), HOOKS))


def lists(**fetched: Any) -> tuple[str, int]:
    found = read(prefetch=fetched)
    return found.lists, len(found.medicines)


def medicines(number: int, **more: Any) -> list[Medicine]:
    drafts = [order({"system": ATC, "code": f"A{one}"}, id_=f"{one}", **more) for one in range(number)]
    return [reading.medicine(f"MedicationRequest/{one['id']}", one, {}, has_id=True) for one in drafts]


def allergies(number: int, *codings: dict[str, str]) -> list[Allergy]:
    code = coded(*(codings or ({"system": SUBSTANCES, "code": "1"},)))
    found = [reading.allergy(f"{one}", {"code": code}, NOW) for one in range(number)]
    return [one for one in found if one is not None]


def test_both_lists_are_needed_for_the_medicines_to_be_all() -> None:
    one, none = bundle(order(text="x")), bundle()
    assert lists(medications=one, statements=none) == ("whole", 1)
    assert lists(medications=none, statements=none) == ("whole", 0)
    assert lists(medications=one) == ("part", 1)
    assert lists(statements=none) == ("part", 0)
    assert lists(medicationRequests=one) == ("none", 0)
    assert lists() == ("none", 0)


@pytest.mark.parametrize(
    "failed", [None, "x", [], {"resourceType": "OperationOutcome"}, {"resourceType": "Bundle", "entry": 7}]
)
def test_a_list_that_could_not_be_fetched_is_no_empty_list(failed: Any) -> None:
    assert lists(medications=failed) == ("none", 0)
    assert lists(medications=failed, statements=bundle(order(text="x"))) == ("part", 1)


def test_what_a_page_holds_is_compared_and_told_of_as_a_part() -> None:
    page = bundle(order(text="x")) | {"link": [{"relation": "next", "url": "https://ehr.example/2"}]}
    assert lists(medications=page, statements=bundle()) == ("part", 1)


def test_drafts_that_may_order_something_else_are_told_of_by_their_type() -> None:
    beside = [{"resourceType": one, "id": one} for one in sorted(HOLD_MEDICINES)]
    test = {"resourceType": "ServiceRequest", "id": "s"}
    found = read("order-sign", order(text="x"), *beside, test)
    assert (len(found.medicines), found.beside) == (1, tuple(sorted(HOLD_MEDICINES)))


def test_drafts_of_one_medicine_are_one_whatever_their_order() -> None:
    some = [*medicines(2), medicines(1)[0]._replace(place="MedicationRequest/9")]
    for each in (some, some[::-1]):
        assert sorted(len(one) for one in once(each).values()) == [1, 2]
        assert {one.place for one in once(each)} == {"MedicationRequest/0", "MedicationRequest/1"}
    assert set(removable(once(some)).values()) == {
        ("MedicationRequest/0", "MedicationRequest/9"),
        ("MedicationRequest/1",),
    }
    nameless = [some[0], some[0]._replace(place="draftOrders.entry[1]", has_id=False)]
    assert list(removable(once(nameless)).values()) == [()]


def test_more_than_one_call_compares_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    check_number(medicines(asking.MEDICINES_LIMIT), allergies(asking.PAIRS_LIMIT // asking.MEDICINES_LIMIT))
    check_number(medicines(1) * 500)
    many = [{"system": ATC, "code": f"B{one}"} for one in range(asking.CODES_LIMIT)]
    for some, entries in (
        (medicines(asking.MEDICINES_LIMIT + 1), []),
        (medicines(2), allergies(asking.PAIRS_LIMIT // 2 + 1)),
        (medicines(1), allergies(1, *many)),
    ):
        with pytest.raises(Refusal) as refused:
            check_number(some, entries)
        assert (refused.value.status, refused.value.code) == (422, "too-costly")


def turns(work: Any) -> int:
    """How often others had their turn."""
    count = 0

    async def others() -> None:
        nonlocal count
        while True:
            count += 1
            await asyncio.sleep(0)

    async def both() -> None:
        beside = asyncio.create_task(others())
        await work()
        beside.cancel()

    asyncio.run(both())
    return count


def test_others_have_their_turn_while_much_is_compared_and_drawn() -> None:
    async def compare() -> list[Finding]:
        return await api.compared(knowledge(), allergies(50), medicines(40))

    async def draw() -> None:
        some = [finding("excipient", medicine=f"Legemiddel {one}", place=f"M/{one}") for one in range(50)]
        assert len(await api.drawn(made().of(some))) == 50

    assert turns(compare) >= 2000 // api.PAIRS_AT_ONCE
    assert turns(draw) >= 50 // api.CARDS_AT_ONCE
