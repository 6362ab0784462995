from __future__ import annotations

from typing import Any

import pytest

from kjerne.errors import Refusal
from kjerne.registries.identifiers import control_digits


def about(kith: Any, **person_: str) -> Any:
    return kith.understood(kith.message(kith.report(patient=kith.person(kith.item(), **person_)))).reports[0].patient


def refused(kith: Any, **person_: str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        about(kith, **person_)
    return caught.value


def test_a_national_number_must_bear_out_its_control_digits(kith: Any) -> None:
    wrong = kith.NUMBER[:-1] + str((int(kith.NUMBER[-1]) + 1) % 10)
    refusal = refused(kith, number=wrong)
    assert refusal.where.startswith("Message/ServReport/Patient/OffId line ")
    assert refusal.faults[0].code == "E31"
    assert wrong not in str(refusal)


def test_a_missing_number_is_refused(kith: Any) -> None:
    refusal = refused(kith, number="")
    assert refusal.faults[0].code == "E30"
    assert "Patient/OffId line" in refusal.where


@pytest.mark.parametrize("date", ["120175", "12011975", "1975-01-12", "12.01.75"])
@pytest.mark.parametrize("kind", ["FNR", "XXX", ""])
def test_a_birth_date_in_the_place_of_a_number_is_refused(kith: Any, date: str, kind: str) -> None:
    assert refused(kith, number=date, kind=kind).faults[0].code == "E30"


def test_a_birth_date_without_a_number_says_so(kith: Any) -> None:
    assert "birth date" in refused(kith, number="", before="<DateOfBirth V='1975-01-12'/>").says


@pytest.mark.parametrize("kind", ["HNR", "PNR", "SEF", "DUF"])
def test_a_local_number_is_taken_in_with_its_kind_and_maker(kith: Any, kind: str) -> None:
    patient = about(kith, number="54321", kind=kind)
    assert (patient.number, patient.kind) == ("54321", kind)
    assert (patient.assigner.kind, patient.assigner.value) == ("HER", "77001")
    assert patient.assigner_name == "Prøvelaboratoriet"


def test_a_local_number_without_a_maker_is_refused(kith: Any) -> None:
    nobody = "<ServProvider><HCP><Inst/></HCP></ServProvider>"
    raw = kith.message(kith.report(patient=kith.person(kith.item(), number="54321", kind="HNR"), provider=nobody))
    with pytest.raises(Refusal) as caught:
        kith.understood(raw)
    assert caught.value.faults[0].code == "E31"


def test_a_kind_of_number_nobody_knows_is_refused(kith: Any) -> None:
    assert "8116" in refused(kith, kind="ABC").says


def test_a_missing_kind_is_read_from_the_digits_and_noted(kith: Any) -> None:
    [report] = kith.understood(kith.message(kith.report(patient=kith.person(kith.item(), kind="")))).reports
    assert report.patient.kind == "FNR"
    assert any("TypeOffId" in note for note in report.notes)


def test_blanks_in_a_number_are_no_error(kith: Any) -> None:
    assert about(kith, number=f"{kith.NUMBER[:6]} {kith.NUMBER[6:]}").number == kith.NUMBER


def test_no_repr_shows_the_patient(kith: Any) -> None:
    message = kith.understood(kith.message(kith.report(kith.item())))
    assert kith.NUMBER not in repr(message)
    assert "Prøve, Person" not in repr(message)


@pytest.mark.parametrize("number", ["", "120175"])
def test_the_number_may_stand_among_the_alternative_ids(kith: Any, number: str) -> None:
    other = "".join(
        f"<AdditionalId><Id>{id_}</Id><Type V='{kind}'/></AdditionalId>"
        for id_, kind in (("H-77", "HNR"), (kith.NUMBER, "FNR"))
    )
    raw = kith.message(kith.report(patient=kith.person(other + kith.item(), number=number)))
    [report] = kith.understood(raw).reports
    assert (report.patient.number, report.patient.kind) == (kith.NUMBER, "FNR")
    assert "AdditionalId" in report.notes[0]


def test_a_birth_date_under_a_kind_nobody_knows_is_told_as_a_birth_date(kith: Any) -> None:
    assert "birth date" in refused(kith, number="12011975", kind="FDATO").says


def numbered(born: str, individual: int) -> str:
    nines = (f"{born}{one}" for one in range(individual, 500, 2))
    return next(nine + control_digits(nine) for nine in nines if control_digits(nine))


@pytest.mark.parametrize(
    ("before", "note"),
    [
        ("<DateOfBirth V='1901-01-01'/>", "DateOfBirth is another"),
        ("<DateOfBirth V='1975-01-12'/>", ""),
        ("<DateOfBirth V='1975'/>", ""),
        ("<Sex V='1'/>", "Sex is another"),
        ("<Sex V='2'/>", ""),
        ("<Sex V='9'/>", ""),
    ],
)
def test_what_the_number_does_not_bear_out_is_noted_and_never_refused(kith: Any, before: str, note: str) -> None:
    number = numbered("128175", 100)  # born 12 January 1975, and even: a woman's
    raw = kith.message(kith.report(patient=kith.person(kith.item(), number=number, before=before)))
    [report] = kith.understood(raw).reports
    assert report.patient.number == number
    assert [one for one in report.notes if " is another than the patient's number tells" in one] == [
        one for one in report.notes if note and one.startswith(note)
    ]
    assert bool(note) == bool(report.notes)


def test_another_national_number_is_noted_and_kept_out_of_the_report(kith: Any) -> None:
    other = numbered("138175", 100)
    inside = f"<AdditionalId><Id>{other}</Id><Type V='FNR'/></AdditionalId>"
    same = inside.replace(other, kith.NUMBER)
    message = kith.understood(kith.message(kith.report(patient=kith.person(same + inside + kith.item()))))
    assert message.beside == ((other,),)
    assert any("another national number" in note for note in message.reports[0].notes)
    assert kith.understood(kith.message(kith.report(patient=kith.person(same + kith.item())))).beside == ((),)
