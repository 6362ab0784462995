"""Ids that carry their patient and show nothing of her."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kjerne.store.sealed_id import SealedIds

IDS = SealedIds(bytes(range(32)))
KEYS = st.integers(1, 2**63 - 1)


@given(KEYS, st.integers(0, 2**64 - 1))
def test_an_id_gives_back_its_patient(patient: int, number: int) -> None:
    assert IDS.patient(IDS.make(patient, number)) == patient


@given(KEYS, st.lists(st.booleans(), max_size=5))
def test_an_id_says_whether_it_is_of_the_second_service_that_keeps_its_type(patient: int, beside: list[bool]) -> None:
    one = [IDS.make(patient, beside=which) for which in beside]
    for ids in (one, IDS.make_many(patient, beside)):
        assert [IDS.is_beside(id_) for id_ in ids] == beside
        assert {IDS.patient(id_) for id_ in ids} <= {patient}
    assert not IDS.is_beside(IDS.named(patient, "report", "1"))


@given(KEYS)
def test_the_same_name_has_the_same_id_and_another_patient_another(patient: int) -> None:
    assert IDS.named(patient, "report", "1") == IDS.named(patient, "report", "1")
    assert IDS.named(patient, "report", "1") != IDS.named(patient, "report1", "")
    assert IDS.named(patient, "report", "1") != IDS.named(patient ^ 1, "report", "1")


@given(KEYS)
def test_ids_of_one_patient_have_nothing_in_common_to_see(patient: int) -> None:
    one, other = IDS.make(patient, 1).bytes, IDS.make(patient, 2).bytes
    assert one[:8] != other[:8]


def test_only_the_canonical_spelling_is_an_id() -> None:
    text = str(IDS.make(7, 7))
    assert IDS.parse(text) == UUID(text)
    for wrong in (
        text.replace("-", ""),
        "{" + text + "}",
        "urn:uuid:" + text,
        text[:-1],
        "",
        "../" + text,
        text.upper(),
    ):
        assert IDS.parse(wrong) is None


def test_threads_at_once_make_the_ids_that_one_makes() -> None:
    def made(patient: int) -> list[UUID]:
        return [IDS.named(patient, "report", str(number)) for number in range(300)]

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(made, range(1, 9))) == [made(patient) for patient in range(1, 9)]
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lambda: IDS._blocks.seal).result() is not IDS._blocks.seal
