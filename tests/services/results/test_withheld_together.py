"""What a source withholds or takes back with a report holds of what is filed in the same transaction, before it or behind it."""

from __future__ import annotations

from itertools import permutations
from typing import Any, Final
from uuid import uuid4

import pytest

from bundles import bundle, entry
from kjerne.access import Label

from .conftest import Ward, fresh_number
from .test_withheld import Record, resource
from .test_withheld_spreads import FILE, SHUT, report, seen

GROUP, RESULT, SHOWN = (f"urn:uuid:{uuid4()}" for _ in range(3))
HOW: Final = ("", "identifier=new")
"""Without a condition, and with one that nothing answers."""


@pytest.fixture
async def record(ward: Ward) -> Record:
    number = fresh_number()
    await ward.person(number)
    return Record(ward, number)


def to(address: str) -> list[dict[str, str]]:
    return [{"reference": address}]


def parts(tree: dict[str, Any], condition: str) -> list[dict[str, Any]]:
    """The report, the group that it names with its one result, and the file that it shows."""
    whole = tree | {"result": to(GROUP), "presentedForm": [{"url": SHOWN}]}
    return [
        entry("POST", "DiagnosticReport", whole, **({"ifNoneExist": condition} if condition else {})),
        entry("POST", "Observation", resource("Observation", hasMember=to(RESULT)), GROUP),
        entry("POST", "Observation", resource("Observation"), RESULT),
        entry("POST", "Binary", FILE, SHOWN),
    ]


async def sent(record: Record, entries: list[dict[str, Any]]) -> None:
    answer, _ = await record.call("POST", "/fhir/R4", bundle("transaction", *entries))
    assert answer.status == 200


@pytest.mark.parametrize("condition", HOW)
@pytest.mark.parametrize(("code", "discipline", "shut"), [*SHUT, ("NORN_FFL", "", (0, 1))])
async def test_what_a_withheld_report_shows_is_shut_in_whatever_order_they_stand(
    record: Record, code: str, discipline: str, shut: tuple[int, int], condition: str
) -> None:
    await sent(record, parts(report(code, discipline), condition))
    assert await seen(record, "DiagnosticReport") == await seen(record, "Binary") == shut
    assert await seen(record, "Observation") == (2 * shut[0], 2 * shut[1])


async def test_every_order_leaves_the_same_labels(ward: Ward) -> None:
    for order in permutations(range(4)):
        number = fresh_number()
        await ward.person(number)
        record = Record(ward, number)
        every = parts(report("NORN_ALL", ""), "")
        await sent(record, [every[place] for place in order])
        assert len(set(await record.labels())) == 1, order
        assert await seen(record, "Observation") == (0, 2)


@pytest.mark.parametrize("condition", HOW)
async def test_a_result_filed_behind_a_report_that_was_withdrawn_does_not_stand(record: Record, condition: str) -> None:
    await sent(record, parts(report("", "") | {"status": "entered-in-error"}, condition))
    marked = [one for one in await record.labels() if one & Label.WITHDRAWN_WITH_REPORT]
    assert len(marked) == 2, "the group and its member"


async def test_what_an_update_names_is_shut_with_what_the_same_transaction_files(record: Record) -> None:
    id_ = await record.file(report("NORN_ALL", ""))
    changed = report("NORN_ALL", "") | {"id": id_, "result": to(RESULT)}
    await sent(
        record,
        [
            entry("PUT", f"DiagnosticReport/{id_}", changed, ifMatch='W/"1"'),
            entry("POST", "Observation", resource("Observation"), RESULT),
        ],
    )
    assert await seen(record, "Observation") == (0, 1)
