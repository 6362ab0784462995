"""A change or cancellation under a number of its own: found by what it shares with one report, or standing alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kjerne.access import Label
from kjerne.services.results import release
from kjerne.services.results.kith import chain, kin

Chains = dict[bytes, list[chain.Versioned]]


def version(kith: Any, number: str, service: str, items: str = "", day: int = 2, **more: Any) -> Chains:
    raw = kith.message(
        kith.report(items, id_=number, service=service, **more), id_=f"M-{number}", generated=f"2026-03-0{day}T12:00:05"
    )
    return {number.encode(): chain.versions(kith.understood(raw))}


def request(number: str) -> str:
    return f"<ServReq><IdByServProvider>{number}</IdByServProvider></ServReq>"


def test_a_change_belongs_to_the_report_whose_result_it_names(kith: Any) -> None:
    chains = version(kith, "N", "N", kith.item(id_="118")) | version(kith, "M", "M", kith.item(id_="118"), day=3)
    assert kin.gather(chains).keys() == {b"N"}


def test_a_request_number_joins_where_the_issue_time_is_another(kith: Any) -> None:
    later = {"head": request("R7"), "issued": "2026-03-03T09:00:00"}
    changed = version(kith, "M", "M", kith.item(id_="118"), day=3, **later)
    for head, kept in (("R7", {b"N"}), ("R8", {b"N", b"M"})):
        chains = version(kith, "N", "N", kith.item(id_="118"), head=request(head)) | changed
        assert kin.gather(chains).keys() == kept


def test_two_new_reports_of_one_request_stay_apart(kith: Any) -> None:
    chains = version(kith, "A", "N", kith.item(id_="1"), head=request("R7")) | version(
        kith, "B", "N", kith.item("NPU01944", id_="2"), head=request("R7")
    )
    assert kin.gather(chains).keys() == {b"A", b"B"}
    changed = version(kith, "M", "M", kith.item("NPU01944", id_="2"), day=3, head=request("R7"))
    assert {key: len(found) for key, found in kin.gather(chains | changed).items()} == {b"A": 1, b"B": 2}


def test_nothing_is_withdrawn_on_a_guess(kith: Any) -> None:
    two = version(kith, "A", "N", kith.item(id_="1")) | version(kith, "B", "N", kith.item("NPU01944", id_="2"))
    assert len(kin.gather(two | version(kith, "C", "C", day=3))) == 3
    other = version(kith, "A", "N", kith.item(id_="1"))
    for stranger in (
        version(kith, "C", "C", day=3, discipline="MBIO"),
        version(kith, "C", "C", day=3, issued="2026-03-02"),
        version(kith, "C", "C", day=1),
        version(kith, "C", "C", kith.item(id_="9"), day=3),
    ):
        assert len(kin.gather(other | stranger)) == 2


def test_a_bare_cancellation_of_another_number_is_not_of_a_report_for_its_request_alone(kith: Any) -> None:
    asked = {"head": request("R7")}
    own = version(kith, "A", "N", kith.item(id_="1"), **asked)
    for told, joined in (
        ({"issued": "2026-03-03T09:00:00"}, False),  # another report of the request, which was refused or is to come
        ({"issued": "2026-03-02"}, False),
        ({}, True),  # the issue time to the second: every message has a number of its own
    ):
        cancelled = version(kith, "B", "C", day=3, **asked | told)
        assert (kin.gather(own | cancelled).keys() == {b"A"}) == joined


def test_a_cancellation_of_results_of_another_sample_is_not_of_the_report(kith: Any) -> None:
    own = version(kith, "A", "N", kith.item(id_="1"), head=request("R7"))
    later = kith.SAMPLE.replace("2026-03-02T08:15:00", "2026-03-02T09:40:00")
    of_another = {"head": request("R7"), "subjects": later, "day": 3}
    assert kin.gather(own | version(kith, "B", "C", kith.item(id_="1"), **of_another)).keys() == {b"A", b"B"}
    assert kin.gather(own | version(kith, "B", "M", kith.item(id_="1"), **of_another)).keys() == {b"A"}


def test_a_laboratory_that_names_itself_by_one_of_its_two_numbers_is_the_same(kith: Any) -> None:
    number = "<AdditionalId><Id>910000001</Id><Type V='ENH'/></AdditionalId>"
    both = kith.PROVIDER.replace("<Dept>", f"{number}<Dept>")
    for first, second in ((both, kith.PROVIDER), (kith.PROVIDER, both)):
        own = version(kith, "A", "N", kith.item(id_="1"), provider=first)
        cancelled = {b"B": version(kith, "A", "C", day=3, provider=second)[b"A"]}
        assert kin.gather(own | cancelled).keys() == {b"A"}
    stranger = {b"B": version(kith, "A", "C", day=3, provider=kith.PROVIDER.replace("77001", "77009"))[b"A"]}
    assert kin.gather(own | stranger).keys() == {b"A", b"B"}


def test_a_bare_cancellation_finds_a_change_whose_first_report_never_came(kith: Any) -> None:
    chains = version(kith, "M", "M", kith.item(id_="118")) | version(kith, "C", "C", day=3)
    assert kin.gather(chains).keys() == {b"M"}


def test_a_report_cancelled_under_its_own_number_takes_no_other_cancellation(kith: Any) -> None:
    chains = version(kith, "N", "N", kith.item(id_="1"))
    chains[b"N"] += version(kith, "N", "C", day=3)[b"N"]
    assert len(kin.gather(chains | version(kith, "C", "C", day=4))) == 2


def test_what_a_change_asks_to_be_withheld_is_withheld_in_each_report_it_may_mean(kith: Any) -> None:
    shut = f"<ServReq><Id>Q9</Id><Reservation V='NORS' S='{kith.OID}9603'/></ServReq>"
    chains = version(kith, "A", "N", kith.item(id_="1")) | version(kith, "B", "N", kith.item(id_="1"))
    gathered = kin.gather(chains | version(kith, "M", "M", kith.item(id_="1"), day=3, head=shut))
    labels = {key: release.withheld(found, datetime(2026, 3, 5, tzinfo=UTC))[0] for key, found in gathered.items()}
    assert labels == dict.fromkeys((b"A", b"B", b"M"), Label.RESTRICTED)
    assert [result.changes for key in (b"A", b"B") for result in chain.fold(gathered[key]).results] == [(), ()]


def test_a_cancellation_that_names_another_patient_closes_no_report(kith: Any) -> None:
    own = version(kith, "N", "N", kith.item(id_="118"), head=request("R7"))[b"N"]
    [other] = version(kith, "N", "C", day=3, head=request("R7"))[b"N"]
    changed = version(kith, "M", "M", kith.item(id_="118"), day=4, head=request("R7"))
    assert kin.gather({b"N": [*own, chain.absent(other)]} | changed).keys() == {b"N"}
    assert kin.gather({b"N": [*own, other]} | changed).keys() == {b"N", b"M"}
