"""Records about one thing are shown together and left apart, and what they say differently is told with both sides."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

from kjerne.services.critical.entries import Author, Coded, Entry, Version
from kjerne.services.critical.groups import Conflict, Entered, Means, beside, grouped, plain, relation
from kjerne.store.transfers import Origin

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
ATC = "http://www.whocc.no/atc"
PENICILLIN, AMOXICILLIN, OXACILLIN = ("s", "penicillin"), ("s", "amoxicillin"), ("s", "oxacillin")


def entry(
    id_: str, *codes: tuple[str, str], type_: str = "AllergyIntolerance", name: str = "Noe", **more: Any
) -> Entry:
    said: dict[str, Any] = {
        "number": 1, "at": NOW, "kind": "drug-reaction", "name": name,
        "codes": tuple(Coded(system, code, "") for system, code in codes), "standing": "active", "certainty": "confirmed",
        "criticality": "high", "reaction": "", "source": "", "notes": (), "valid_until": "", "implanted": "",
        "is_presumed": False, "of_excipient": False, "by": Author(organisation="A"),
    }  # fmt: skip
    return Entry(type_, id_, (Version(**(said | more)),), Author(), "")


def entered(
    id_: str, *codes: tuple[str, str], wider: tuple[tuple[str, str], ...] = (), origin: str = "", **more: Any
) -> Entered:
    one = entry(id_, *codes, **more)
    sent = {1: Origin(origin, "EPJ", "pushed", NOW)} if origin else {}
    return Entered(one, Means(plain(one).same, frozenset(wider)), sent)


def told(*entered_: Entered) -> list[tuple[set[str], set[Conflict]]]:
    """The groups, by ids with their conflicts; the same whatever the order they came in."""
    every = [
        [({e.entry.id for e in one.entries}, set(one.conflicts)) for one in grouped(order)]
        for order in permutations(entered_)
    ]
    assert all(one == every[0] for one in every)
    return every[0]


def test_two_senders_of_one_substance_are_one_group_with_both_sources_and_both_records() -> None:
    one, other = entered("1", AMOXICILLIN, origin="A"), entered("2", AMOXICILLIN, origin="B")
    (group,) = grouped([one, other])
    assert (
        [each.entry.id for each in group.entries] == ["1", "2"]
        and set(group.sources) == {"A", "B"}
        and group.conflicts == ()
    )


def test_what_only_shares_a_kind_with_a_third_is_with_it_and_not_the_same() -> None:
    wide = entered("1", PENICILLIN)
    kinds = [entered("2", AMOXICILLIN, wider=(PENICILLIN,)), entered("3", OXACILLIN, wider=(PENICILLIN,))]
    assert (relation(wide, kinds[0]), relation(kinds[0], kinds[1])) == ("kind-of", None)
    assert told(wide, *kinds) == [({"1", "2", "3"}, set())]
    assert len(told(*kinds)) == 2


def test_confirmed_here_and_refuted_there_is_a_conflict_and_neither_hides_the_other() -> None:
    holds = entered("1", AMOXICILLIN)
    refuted = entered("2", AMOXICILLIN, standing="refuted", certainty="refuted")
    ((ids, conflicts),) = told(holds, refuted)
    assert ids == {"1", "2"} and conflicts == {Conflict("refuted", "1", "2")}


def test_a_refuted_whole_speaks_against_its_kinds_and_a_refuted_kind_not_against_the_whole() -> None:
    kind = {"wider": (PENICILLIN,)}
    whole = entered("1", PENICILLIN, standing="refuted")
    assert told(whole, entered("2", AMOXICILLIN, **kind))[0][1] == {Conflict("refuted", "2", "1")}
    narrow = entered("2", AMOXICILLIN, standing="refuted", **kind)
    assert told(entered("1", PENICILLIN), narrow)[0][1] == set()


def test_another_criticality_is_a_conflict_of_the_same_substance_where_both_say_one() -> None:
    high = entered("1", AMOXICILLIN)
    assert told(high, entered("2", AMOXICILLIN, criticality="low"))[0][1] == {Conflict("criticality", "1", "2")}
    for unsaid in ("", "unable-to-assess"):
        assert told(high, entered("2", AMOXICILLIN, criticality=unsaid))[0][1] == set()


def test_over_and_active_is_a_conflict_and_what_was_entered_in_error_says_nothing() -> None:
    active = entered("1", AMOXICILLIN)
    assert told(active, entered("2", AMOXICILLIN, standing="over"))[0][1] == {Conflict("over", "1", "2")}
    mistake = entered("2", AMOXICILLIN, standing="in-error", criticality="low")
    assert told(active, mistake) == [({"1", "2"}, set())]


def test_what_has_no_code_is_the_same_by_its_words_alone() -> None:
    assert len(told(entered("1", name="Jordnøtter "), entered("2", name="jordnøtter"))) == 1
    assert len(told(entered("1", name="Amoksicillin"), entered("2", AMOXICILLIN, name="Amoksicillin"))) == 2
    assert len(told(entered("1", name=""), entered("2", name=""))) == 2


def test_types_kinds_and_days_of_implanting_are_kept_apart() -> None:
    code = ("s", "x")
    assert len(told(entered("1", code), entered("2", code, type_="Condition", kind="infection"))) == 2
    conditions = [
        entered(id_, code, type_="Condition", kind=kind) for id_, kind in (("1", "infection"), ("2", "transplant"))
    ]
    assert len(told(*conditions)) == 2
    first, second, unsaid = (
        entered(id_, code, type_="DeviceUseStatement", kind="implant", implanted=day)
        for id_, day in (("1", "2020-01-01"), ("2", "2024-05-01"), ("3", ""))
    )
    assert len(told(first, second)) == 2 and len(told(first, unsaid)) == 1


def test_the_weightiest_stands_first_and_names_its_group() -> None:
    low = entered("1", AMOXICILLIN, criticality="low", name="Amoksicillin")
    high = entered("2", AMOXICILLIN, name="Amoxicillin")
    other = entered("3", PENICILLIN, standing="refuted")
    groups = grouped([other, low, high])
    assert [[e.entry.id for e in one.entries] for one in groups] == [["2", "1"], ["3"]]
    assert groups[0].name == "Amoxicillin"


def test_a_version_by_hand_over_one_that_was_sent_is_of_whoever_wrote_it() -> None:
    one = entry("1", AMOXICILLIN)
    sent = {1: Origin("B", "EPJ", "pushed", NOW)}
    assert Entered(one, plain(one), sent).organisation == "B"
    later = one._replace(versions=(one.now._replace(number=2), *one.versions))
    assert Entered(later, plain(later), sent).organisation == "A"


def test_at_an_entry_stands_who_contradicts_it_and_then_who_says_the_same_and_so_at_the_other() -> None:
    holds, same = entered("1", AMOXICILLIN, origin="A"), entered("2", AMOXICILLIN, origin="B")
    refuted = entered("3", AMOXICILLIN, standing="refuted", origin="C")
    wrong, kind = entered("4", AMOXICILLIN, standing="in-error"), entered("5", OXACILLIN, wider=(AMOXICILLIN,))
    for order in permutations((holds, same, refuted, wrong, kind)):
        found = beside(grouped(order))
        told_ = {id_: [(one.about, one.entry.id, one.organisation) for one in each] for id_, each in found.items()}
        assert told_["1"] == [("refuted", "3", "C"), ("same", "2", "B")]
        assert told_["2"] == [("refuted", "3", "C"), ("same", "1", "A")]
        assert {one[1] for one in told_["3"]} == {"1", "2", "5"}, "what is refuted as a whole speaks against its kinds"
        assert "4" not in told_ and {one[1] for one in told_["5"]} == {"3"}


NONE_KNOWN, NO_DRUG = ("http://snomed.info/sct", "716186003"), ("http://snomed.info/sct", "409137002")


def test_that_nothing_is_known_and_what_holds_all_the_same_are_told_at_each_other_and_danger_stands_first() -> None:
    none = entered("1", NONE_KNOWN, origin="A", negative="whole")
    no_drug = entered("2", NO_DRUG, origin="B", negative="part")
    drug, nuts = (
        entered("3", AMOXICILLIN, criticality="low"),
        entered("4", PENICILLIN, kind="other-allergen", category="food"),
    )
    refuted = entered("5", OXACILLIN, standing="refuted")
    for order in permutations((none, no_drug, drug, nuts, refuted)):
        groups = grouped(order)
        assert {one.entries[0].entry.id for one in groups[:2]} == {"3", "4"}
        found = {id_: {(one.about, one.entry.id) for one in each} for id_, each in beside(groups).items()}
        assert found == {
            "1": {("negative", "3"), ("negative", "4")}, "2": {("negative", "3")},
            "3": {("negative", "1"), ("negative", "2")}, "4": {("negative", "1")},
        }  # fmt: skip


def test_two_who_say_that_nothing_is_known_do_not_differ_in_how_grave_it_is() -> None:
    one, other = (
        entered("1", NONE_KNOWN, negative="whole"),
        entered("2", NONE_KNOWN, negative="whole", criticality="low"),
    )
    assert told(one, other) == [({"1", "2"}, set())]
    assert not one.entry.now.weighs_most
