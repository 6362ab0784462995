"""What an addition does to the results that it is added to: it takes the place of none that stands."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.services.results import points
from kjerne.services.results.answers import answers
from kjerne.services.results.kith import chain, mapping

from .conftest import Kith

GLUCOSE, OTHER = "NPU02192", "NPU03230"


def version(minute: int, items: str, **report_: Any) -> chain.Versioned:
    raw = Kith.message(Kith.report(items, **report_), id_=f"M-{minute}", generated=f"2026-03-02T12:{minute:02}:00")
    return chain.versions(Kith.understood(raw))[0]


def added(minute: int, items: str, **report_: Any) -> chain.Versioned:
    return version(minute, items, service="A", status="A", **report_)


def state(*versions: chain.Versioned) -> chain.State:
    folded = chain.fold(versions)
    for order in permutations(versions):
        assert chain.fold((*order, *versions)) == folded, "neither order nor repetition may matter"
    return folded


def glucose(number: str, id_: str = "", service: str = "A", **more: Any) -> str:
    return Kith.item(GLUCOSE, Kith.number(number), id_=id_, service=service, **more)


def numbers(folded: chain.State) -> list[tuple[str, str, bool]]:
    """Number, status and whether it was added, in the order of the report."""
    return [
        (str(one.value.amount.number) if one.value and one.value.amount else "", one.status, one.added)
        for one in folded.results
    ]


@pytest.mark.parametrize("service", ["A", "N", "H", ""])
@pytest.mark.parametrize("ids", [("1", "1"), ("", ""), ("1", ""), ("", "1"), ("1", "2")])
def test_an_addition_that_says_something_else_stands_beside_what_was_there(ids: tuple[str, str], service: str) -> None:
    first = version(1, glucose("5.0", ids[0], "N"))
    folded = state(first, added(2, glucose("9.0", ids[1], service)))
    assert numbers(folded) == [("5.0", "final", False), ("9.0", "final", True)]
    assert [one.changes for one in folded.results] == [(), ()]


@pytest.mark.parametrize("kind", ["M", "N"])
def test_an_added_result_in_a_full_version_stands_beside_the_one_that_is_repeated(kind: str) -> None:
    first = version(1, glucose("5.0", "", "N"))
    whole = glucose("9.0") + glucose("5.0", "", "H")
    folded = state(first, version(2, whole, service=kind))
    assert sorted(numbers(folded)) == [("5.0", "final", False), ("9.0", "final", True)]
    assert all(one.changes == () for one in folded.results)


@pytest.mark.parametrize("id_", ["1", ""])
def test_an_added_text_leaves_the_text_of_the_examination_as_it_was(id_: str) -> None:
    embolism = Kith.item("SRM0AA", Kith.text("Lungeemboli i høyre nedre lapp.", "RB"), id_=id_, state="11")
    bones = Kith.item("SRM0AA", Kith.text("Skjelettet er uten anmerkning.", "RB"), id_=id_, service="A", state="13")
    folded = state(version(1, embolism, discipline="RTG"), added(2, bones, discipline="RTG"))
    assert [(one.value.text if one.value else "", one.added, one.changes) for one in folded.results] == [
        ("Lungeemboli i høyre nedre lapp.", False, ()),
        ("Skjelettet er uten anmerkning.", True, ()),
    ]
    trees = mapping.resources(folded, lambda type_, key: f"{type_}:{key}")
    of = {kind: [one for one in trees if one["resourceType"] == kind] for kind in ("DiagnosticReport", "Observation")}
    told = [points.point_of(one) for one in of["Observation"]]
    assert [(point.mark, point.added) for point in told if point] == [("", False), ("", True)]
    [answer] = answers(of["DiagnosticReport"], of["Observation"])
    assert (answer.added, [one.added for one in answer.findings]) == (True, [False, True])


def test_an_added_diagnosis_leaves_the_diagnosis_under_the_same_heading() -> None:
    def diagnosis(words: str, service: str) -> str:
        return Kith.item("", Kith.text(words, "DI"), service=service)

    folded = state(version(1, diagnosis("Benign nevus.", "N")), added(2, diagnosis("Malignt melanom.", "A")))
    assert [one.value.text for one in folded.results if one.value] == ["Benign nevus.", "Malignt melanom."]


def test_an_addition_fills_what_was_waited_for() -> None:
    waiting = version(1, Kith.item(GLUCOSE, "", id_="1", service="N", state="15"), status="P")
    folded = state(waiting, added(2, glucose("9.0", "1")))
    assert numbers(folded) == [("9.0", "final", False)]
    unsaid = version(1, Kith.item(GLUCOSE, Kith.text("-"), id_="1", state="2"), status="P")
    assert numbers(state(unsaid, added(2, glucose("9.0", "1")))) == [("9.0", "final", False)]
    preliminary = version(1, glucose("5.0", "1", "N", state="2"), status="P")
    assert numbers(state(preliminary, added(2, glucose("5.0", "1")))) == [("5.0", "final", False)]


@pytest.mark.parametrize("id_", ["1", ""])
def test_an_addition_to_a_preliminary_answer_stands_beside_it_and_the_final_one_takes_its_place(id_: str) -> None:
    def words(of: str, service: str, state_: str) -> str:
        return Kith.item("SRM0AA", Kith.text(of, "RB"), id_=id_, service=service, state=state_)

    first = version(1, words("Foreløpig: Lungeemboli.", "N", "10"), status="P", discipline="RTG")
    more = added(2, words("Tillegg: Nyre ua.", "A", "11"), discipline="RTG")
    last = version(3, words("Lungeemboli.", "N", "11"), discipline="RTG")
    told = [(one.value.text, one.status, one.added) for one in state(first, more).results if one.value]
    assert told == [("Foreløpig: Lungeemboli.", "preliminary", False), ("Tillegg: Nyre ua.", "final", True)]
    folded = state(first, more, last)
    assert [
        (one.value.text, one.added, [(c.kind, c.value.text) for c in one.changes if c.value])
        for one in folded.results
        if one.value
    ] == [
        ("Lungeemboli.", False, [("replaced", "Foreløpig: Lungeemboli.")]),
        ("Tillegg: Nyre ua.", True, []),
    ]  # fmt: skip


@pytest.mark.parametrize("id_", ["1", ""])
@pytest.mark.parametrize(
    ("item", "stands"),
    [
        (lambda id_: glucose("9.5", id_, "M"), ("9.5", "amended", True)),
        (lambda id_: Kith.item(GLUCOSE, "", id_=id_, service="C"), ("", "cancelled", True)),
        (lambda id_: glucose("9.0", id_, "C"), ("", "cancelled", True)),
        (lambda id_: Kith.item(GLUCOSE, "", id_=id_, service="A", state="14"), ("", "unknown", True)),
    ],
    ids=["changed", "withdrawn", "withdrawn by its value", "deleted"],
)
def test_what_an_addition_changes_or_takes_back_is_what_was_called_so_last(
    id_: str, item: Callable[[str], str], stands: tuple[str, str, bool]
) -> None:
    folded = state(version(1, glucose("5.0", id_, "N")), added(2, glucose("9.0", id_)), added(3, item(id_)))
    assert numbers(folded) == [("5.0", "final", False), stands]
    assert folded.results[0].changes == ()


@pytest.mark.parametrize("id_", ["1", ""])
@pytest.mark.parametrize("turned", [True, False])
def test_a_change_of_the_first_text_and_of_the_added_one_corrects_each_in_its_own_place(id_: str, turned: bool) -> None:
    def words(of: str, service: str) -> str:
        return Kith.item("SRM0AA", Kith.text(of, "RB"), id_=id_, service=service, state="11")

    both = [words("Lungeemboli høyre side.", "M"), words("Tillegg: Nyre med cyste.", "M")]
    folded = state(
        version(1, words("Lungeemboli.", "N"), discipline="RTG"),
        added(2, words("Tillegg: Nyre ua.", "A"), discipline="RTG"),
        version(3, "".join(reversed(both) if turned else both), service="M", discipline="RTG"),
    )
    told = {one.value.text: [c.value.text for c in one.changes if c.value] for one in folded.results if one.value}
    assert told == {"Lungeemboli høyre side.": ["Lungeemboli."], "Tillegg: Nyre med cyste.": ["Tillegg: Nyre ua."]}


def test_an_addition_takes_back_the_first_answer_where_that_is_what_it_says() -> None:
    both = version(1, glucose("5.0", "1", "N")), added(2, glucose("9.0", "1"))
    folded = state(*both, added(3, glucose("5.0", "1", "C")))
    assert numbers(folded) == [("", "cancelled", False), ("9.0", "final", True)]


def test_the_same_addition_again_is_the_same_result() -> None:
    first = version(1, glucose("5.0", "1", "N"))
    once = state(first, added(2, glucose("9.0", "1")))
    again = state(first, added(2, glucose("9.0", "1")), added(3, glucose("9.0", "1")))
    assert [one.key for one in again.results] == [one.key for one in once.results]
    assert numbers(again) == numbers(once)


@pytest.mark.parametrize("id_", ["1", ""])
def test_an_added_result_keeps_its_name_whatever_else_is_added_and_so_does_the_first(id_: str) -> None:
    first, newest = version(1, glucose("5.0", id_, "N")), added(4, glucose("9.0", id_))
    others = (added(2, glucose("7.0", id_)), added(3, Kith.item(OTHER, id_=id_, service="A")))
    names = [
        {str(one.value.amount.number): one.key for one in chain.fold(known).results if one.value and one.value.amount}
        for known in ([first, newest], [first, others[0], newest], [first, *others, newest])
    ]
    assert len({(one["5.0"], one["9.0"]) for one in names}) == 1
    assert len({one["7.0"] for one in names[1:]}) == 1


def test_an_addition_that_repeats_a_result_takes_nothing_from_it_and_does_not_move_it() -> None:
    inner = Kith.item(GLUCOSE, id_="2", extra="<Comment>Fastende</Comment>")
    first = version(1, Kith.item(OTHER, Kith.text("Panel"), id_="1", inside=inner))
    folded = state(first, added(2, Kith.item(GLUCOSE, id_="2", service="A", extra="<DevResultInd V='1'/>")))
    [panel, result] = folded.results
    assert (result.parent, result.item.comment, result.item.deviation.code) == (panel.key, "Fastende", "1")
    assert not result.added


def test_an_examination_under_an_added_text_leaves_the_one_under_the_first() -> None:
    def described(words: str, service: str) -> str:
        exam = Kith.item("SRM0AA", "", id_="2", service=service)
        return Kith.item("", Kith.text(words, "GR"), id_="1", service=service, inside=exam)

    folded = state(
        version(1, described("Lungeemboli i høyre nedre lapp.", "N"), discipline="RTG"),
        added(2, described("Skjelettet er uten anmerkning.", "A"), discipline="RTG"),
    )
    assert [one.parent for one in folded.results] == ["", folded.results[0].key, "", folded.results[2].key]


def test_what_an_addition_says_that_it_changes_or_takes_back_is_changed_or_taken_back() -> None:
    first = version(1, glucose("5.0", "1", "N"))
    assert numbers(state(first, added(2, glucose("9.0", "1", "M")))) == [("9.0", "amended", False)]
    assert numbers(state(first, added(2, glucose("5.0", "1", "C")))) == [("", "cancelled", False)]
    deleted = state(first, added(2, Kith.item(GLUCOSE, "", id_="1", service="A", state="14")))
    assert numbers(deleted) == [("", "unknown", False)]


def test_a_change_and_a_withdrawal_reach_the_addition_that_they_name() -> None:
    both = (version(1, glucose("5.0", "1", "N")), added(2, glucose("9.0", "2")))
    whole = glucose("5.0", "1", "H") + glucose("9.5", "2", "M")
    assert numbers(state(*both, version(3, whole, service="M"))) == [("5.0", "final", False), ("9.5", "amended", True)]
    back = glucose("5.0", "1", "H") + glucose("9.0", "2", "C")
    assert numbers(state(*both, version(3, back, service="M"))) == [("5.0", "final", False), ("", "cancelled", True)]


def test_an_addition_takes_nothing_from_the_report_itself() -> None:
    said = "<Comment>Prøven er hemolysert.</Comment><ServReq><Id>Q-1</Id><ReqComment>Slapp</ReqComment></ServReq>"
    first = version(1, glucose("5.0", "1", "N"), head=said)
    bare = state(first, added(2, Kith.item(OTHER, service="A"))).report
    assert (bare.comment, [one.comment for one in bare.requests]) == ("Prøven er hemolysert.", ["Slapp"])
    more = "<Comment>Også etterbestilt.</Comment><ServReq><Id>Q-1</Id></ServReq><ServReq><Id>Q-2</Id></ServReq>"
    both = state(
        first, added(2, Kith.item(OTHER, service="A"), head=more), added(3, Kith.item(OTHER), head=more)
    ).report
    assert both.comment == "Prøven er hemolysert.\nOgså etterbestilt."
    assert [(one.id, one.comment) for one in both.requests] == [("Q-1", "Slapp"), ("Q-2", "")]


@pytest.mark.parametrize("service", ["A", "N", "H", ""])
@pytest.mark.parametrize("number_", ["1", "2"])
@pytest.mark.parametrize("new", [OTHER, GLUCOSE])
def test_an_addition_that_repeats_the_report_with_ids_counted_anew_adds_what_is_new_alone(
    service: str, number_: str, new: str
) -> None:
    found_in = f"<RefAnalysedSubject>{number_}</RefAnalysedSubject>"
    whole = [("30", new), ("5.0", GLUCOSE), ("14", "NPU02319")]
    items = [
        Kith.item(code, Kith.number(amount), id_=str(n), service=service, inside=found_in)
        for n, (amount, code) in enumerate(whole, 1)
    ]
    known = [("5.0", GLUCOSE), ("14", "NPU02319")]
    first = "".join(
        Kith.item(code, Kith.number(amount), id_=str(n), inside="<RefAnalysedSubject>1</RefAnalysedSubject>")
        for n, (amount, code) in enumerate(known, 1)
    )
    folded = state(version(1, first, subjects=biopsy("", "1")), added(2, "".join(items), subjects=biopsy("", number_)))
    assert sorted(numbers(folded)) == [("14", "final", False), ("30", "final", True), ("5.0", "final", False)]
    assert not any(one.changes for one in folded.results)


def test_an_added_result_under_an_id_of_its_own_stands_beside_its_like() -> None:
    folded = state(version(1, glucose("5.0", "1001", "N")), added(2, glucose("5.0", "1002")))
    assert numbers(folded) == [("5.0", "final", False), ("5.0", "final", True)]


def biopsy(origin: str, number_: str = "1", kind: str = "BX", more: str = "", name: str = "Biopsi") -> str:
    """An analysed object that was taken on a day, with where it was taken from."""
    taken = "<CollectedSample><CollectedDate V='2026-03-02'/></CollectedSample>"
    place = f"<AnatomicalOrigin>{origin}</AnatomicalOrigin>" if origin else ""
    type_ = f"<TypeCoded S='{Kith.OID}8351' V='{kind}' DN='{name}'/>"
    return (
        f"<AnalysedSubject>{taken}{type_}{place}<IdByServProvider>{number_}</IdByServProvider>{more}</AnalysedSubject>"
    )


def grown(words: str, id_: str, number_: str = "1", service: str = "A", **more: Any) -> str:
    found_in = f"<RefAnalysedSubject>{number_}</RefAnalysedSubject>" if number_ else ""
    return Kith.item("NPU58581", Kith.text(words, "FU"), id_=id_, service=service, inside=found_in, **more)


@pytest.mark.parametrize("id_", ["1", ""])
@pytest.mark.parametrize("service", ["A", "N", "H", ""])
@pytest.mark.parametrize("numbers_", ["11", "12"])
@pytest.mark.parametrize("named", [True, False])
def test_the_same_that_is_found_in_another_specimen_is_another_result(
    id_: str, service: str, numbers_: str, named: bool
) -> None:
    """Two positive biopsies are another diagnosis than one."""
    aureus = "Staphylococcus aureus"
    first = version(1, grown(aureus, id_, numbers_[0] if named else "", "N"), subjects=biopsy("hofte 1", numbers_[0]))
    more = [
        added(n, grown(aureus, id_, numbers_[1] if named else "", service), subjects=biopsy(f"hofte {n}", numbers_[1]))
        for n in (2, 3)
    ]
    folded = state(first, *more)
    found = {folded.subjects[one.objects[0]].origin: one for one in folded.results}
    assert sorted(found) == ["hofte 1", "hofte 2", "hofte 3"]
    assert [(one.value.text if one.value else "", one.added) for _, one in sorted(found.items())] == [
        (aureus, False), (aureus, True), (aureus, True),
    ]  # fmt: skip
    third = chain.fold([first, more[1]]).results[1]
    assert third.key == found["hofte 3"].key, "its name hangs on nothing else that was added"


@pytest.mark.parametrize(("place", "kind", "name"), [("", "U", "Urin"), ("venstre kne", "BX", "Biopsi")])
def test_an_addition_of_another_specimen_does_not_fill_what_waits(place: str, kind: str, name: str) -> None:
    waits = Kith.item(GLUCOSE, "", id_="1", service="N", state="15")
    waiting = version(1, waits, status="P", subjects=biopsy("høyre kne"))
    folded = state(waiting, added(2, glucose("9.0", "1"), subjects=biopsy(place, kind=kind, name=name)))
    assert numbers(folded) == [("", "registered", False), ("9.0", "final", True)]


def test_an_addition_that_names_a_specimen_of_an_older_version_is_of_that_one() -> None:
    first = version(1, grown("Ingen vekst", "1", "1", "N"), subjects=biopsy("hofte 1", "1") + biopsy("hofte 2", "2"))
    folded = state(first, added(2, grown("Ingen vekst", "1", "2"), subjects=""))
    assert [folded.subjects[one.objects[0]].origin for one in folded.results] == ["hofte 1", "hofte 2"]


def test_an_addition_that_says_the_same_of_the_same_specimen_is_the_same_result() -> None:
    first = version(1, grown("Ingen vekst", "1", "1", "N"), subjects=biopsy("hofte 1", "1"))
    for subjects, number_ in ((biopsy("Hofte 1", "7"), "7"), ("", "1"), ("", "9"), (biopsy("", "1"), "1")):
        assert len(state(first, added(2, grown("Ingen vekst", "1", number_), subjects=subjects)).results) == 1


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_additions_take_no_value_from_a_finished_report(data: st.DataObject) -> None:
    """Whatever is added, in whatever order it comes: every value that stood stands, and every one that was added too."""
    one = st.tuples(
        st.sampled_from([GLUCOSE, OTHER]), st.sampled_from(["", "1", "2"]), st.sampled_from(["5", "7", "9"])
    )
    first = data.draw(st.lists(one, min_size=1, max_size=3, unique=True))
    later = data.draw(st.lists(st.lists(one, min_size=1, max_size=3, unique=True), min_size=1, max_size=3))

    def items(of: list[tuple[str, str, str]], service: str) -> str:
        return "".join(Kith.item(code, Kith.number(n), id_=id_, service=service) for code, id_, n in of)

    versions = [version(1, items(first, "N")), *(added(2 + i, items(of, "A")) for i, of in enumerate(later))]
    folded = chain.fold(versions)
    assert chain.fold(data.draw(st.permutations(versions))) == folded
    told = {
        (r.item.investigations[0].code, str(r.value.amount.number))
        for r in folded.results
        if r.value and r.value.amount
    }
    assert told == {(code, n) for of in (first, *later) for code, _, n in of}
    assert not any(one.changes for one in folded.results)


@pytest.mark.parametrize(
    ("heading", "names"), [("GR", ("Spinalvæske", "Serum")), ("VU", ("Malignt melanom.", "Basalcellekarsinom."))]
)
@pytest.mark.parametrize("ids", [("1", "2"), ("", "1"), ("", "")])
def test_what_is_added_in_a_group_or_diagnosis_of_its_own_is_no_other_groups(
    heading: str, names: tuple[str, str], ids: tuple[str, str]
) -> None:
    def held(name: str, service: str) -> str:
        return Kith.item(
            "", Kith.text(name, heading), id_=ids[0], service=service, inside=glucose("4", ids[1], service)
        )

    folded = state(version(1, held(names[0], "N")), added(2, held(names[1], "A")))
    by_key = {one.key: one for one in folded.results}
    around = [by_key[one.parent].value for one in folded.results if one.parent]
    assert [value.text for value in around if value] == [*names]
    assert not any(one.changes for one in folded.results)
