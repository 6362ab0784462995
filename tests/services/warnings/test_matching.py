"""What is told of an entry and a medicine: for made-up worlds beside an oracle, and for what the rules are there for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Final

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kjerne.services.warnings import reading
from kjerne.services.warnings.api import compared
from kjerne.services.warnings.matching import RULES, Finding, in_order, indicator
from kjerne.services.warnings.reading import MEDICINES, SUBSTANCES
from services.warnings import oracle
from services.warnings.oracle import Entry, Order, Part
from services.warnings.worlds import allergy, coded, entries, knowledge, orders, parts, prescription

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
ACTIVE = Entry("active", "unconfirmed", "", "medication", (("substance", 0),))
BLANK = Order((), False, (), ())
IN_WORDS = BLANK._replace(words=True)


def holding(*substances: int, beside: tuple[int, ...] = ()) -> Order:
    """A prescription of these substances, each an ingredient of its own."""
    return BLANK._replace(
        active=tuple((("substance", one),) for one in substances),
        excipients=tuple((("substance", one),) for one in beside),
    )


def found(some: Sequence[Entry], drafts: Sequence[Order]) -> list[Finding]:
    """What is told, in the order in which it is."""
    read = [reading.allergy(str(number), allergy(one), NOW) for number, one in enumerate(some)]
    medicines = [reading.medicine(f"{number}", prescription(one), {}) for number, one in enumerate(drafts)]
    return in_order(asyncio.run(compared(knowledge(), [one for one in read if one], medicines)))


def told(some: Sequence[Entry], drafts: Sequence[Order]) -> set[tuple[str, str, str, str]]:
    return {(one.allergy.id, one.medicine.place, one.rule, one.indicator) for one in found(some, drafts)}


@settings(max_examples=400, deadline=None)
@given(st.lists(entries, max_size=4), st.lists(orders, max_size=3, unique=True))
def test_what_is_told_is_what_the_oracle_says(some: list[Entry], drafts: list[Order]) -> None:
    expected = {
        (str(place), str(number), rule, oracle.indicator(entry, rule))
        for place, entry in enumerate(some)
        for number, order in enumerate(drafts)
        if (rule := oracle.rule(entry, order))
    }
    assert told(some, drafts) == expected


@settings(max_examples=200, deadline=None)
@given(
    st.lists(entries, max_size=4),
    st.lists(orders, max_size=3),
    st.sampled_from(["refuted", "entered-in-error", "inactive", "resolved"]),
)
def test_a_refuted_inactive_or_mistaken_entry_never_warns(some: list[Entry], drafts: list[Order], why: str) -> None:
    field = "verification" if why in ("refuted", "entered-in-error") else "clinical"
    assert told([one._replace(**{field: why}) for one in some], drafts) == set()


@settings(max_examples=100, deadline=None)
@given(st.lists(entries, max_size=4), st.lists(orders, max_size=4), st.integers())
def test_the_order_of_the_drafts_does_not_matter(some: list[Entry], drafts: list[Order], seed: int) -> None:
    numbered = list(enumerate(drafts))
    Random(seed).shuffle(numbered)

    def rules(of: list[tuple[int, Order]]) -> list[tuple[str, str, str, str]]:
        read = [reading.allergy(str(number), allergy(one), NOW) for number, one in enumerate(some)]
        medicines = [reading.medicine(f"{number}", prescription(one), {}) for number, one in of]
        made = in_order(asyncio.run(compared(knowledge(), [one for one in read if one], medicines)))
        return [(one.allergy.id, one.medicine.place, one.rule, one.indicator) for one in made]

    assert rules(numbered) == rules(list(enumerate(drafts)))


@settings(max_examples=100, deadline=None)
@given(entries, orders)
def test_nothing_interrupts_that_is_neither_of_high_criticality_nor_confirmed(entry: Entry, order: Order) -> None:
    mild = entry._replace(criticality="low", verification="unconfirmed")
    assert all(one.indicator != "critical" for one in found([mild], [order]))


@settings(max_examples=300, deadline=None)
@given(entries, orders, parts, st.booleans())
def test_a_part_more_takes_no_card_away_and_makes_none_weaker(
    entry: Entry, order: Order, part: Part, active: bool
) -> None:
    more = (
        order._replace(active=(*order.active, part)) if active else order._replace(excipients=(*order.excipients, part))
    )
    assume(
        order.own or order.words or order.active
    )  # before its first part a medicine is nothing that could be compared
    urgency = ("info", "warning", "critical")
    for one in found([entry], [order]):
        (other,) = found([entry], [more])
        assert urgency.index(other.indicator) >= urgency.index(one.indicator)


NOT_UNDERSTOOD: Final[tuple[Part, ...]] = (
    (), (("strange", 7),), (("substance", oracle.UNKNOWN),), (("atc", oracle.UNKNOWN_ATC),), (("brand", oracle.UNKNOWN),),
    (("substance", 3), ("atc", oracle.UNKNOWN_ATC)), (("substance", 3), ("substance", oracle.UNKNOWN)),
    (("substance", 3), ("brand", oracle.UNKNOWN)),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(entries, orders, st.sampled_from(NOT_UNDERSTOOD))
def test_what_is_not_understood_is_never_passed_over_in_silence(entry: Entry, order: Order, part: Part) -> None:
    entry = entry._replace(clinical="active", verification="confirmed", category="medication")
    assert found([entry], [order._replace(active=(*order.active, part))])
    assert found([entry], [order._replace(excipients=(*order.excipients, part))])
    assert found([entry], [order._replace(own=part, words=not part)])
    assert found([entry], [order._replace(own=(("substance", 3), ("strange", 7)))])
    assert found([entry._replace(codes=part)], [order])


def test_aspirin_for_the_heart_is_known_by_its_substance_though_its_atc_code_is_another() -> None:
    """B01AC06 against N02BA01."""
    entry = ACTIVE._replace(codes=(("atc", "N02BA01"),))
    assert {one[2] for one in told([entry], [BLANK._replace(own=(("brand", 0),))])} == {"same-substance"}


def test_a_code_of_atc_that_no_file_knows_is_told_as_strongly_as_the_entry_is() -> None:
    entry = Entry("active", "confirmed", "high", "medication", (("atc", oracle.UNKNOWN_ATC),))
    order = BLANK._replace(own=(("atc", oracle.UNKNOWN_ATC),))
    assert told([entry], [order]) == {("0", "0", "same-use", "critical")}
    assert told([entry._replace(criticality="")], [order]) == {("0", "0", "same-use", "warning")}


def test_no_rule_is_weaker_than_one_behind_it() -> None:
    urgency = ("critical", "warning", "info")
    for verification in ("confirmed", "unconfirmed"):
        for criticality in ("high", "low"):
            tree = allergy(ACTIVE._replace(verification=verification, criticality=criticality))
            entry = reading.allergy("0", tree, NOW)
            assert entry is not None
            steps = [urgency.index(indicator(rule, entry)) for rule in RULES]
            assert steps == sorted(steps)


def test_an_entry_in_words_alone_could_not_be_checked() -> None:
    assert {one[2] for one in told([ACTIVE._replace(codes=())], [holding(1)])} == {"not-checked"}


def test_an_order_in_words_alone_could_not_be_checked() -> None:
    assert {one[2] for one in told([ACTIVE], [IN_WORDS])} == {"not-checked"}


def test_another_excipient_than_the_one_that_is_reacted_to_says_nothing() -> None:
    order = holding(3, beside=(1,))
    assert told([ACTIVE._replace(codes=(("substance", 1),))], [order]) == {("0", "0", "excipient", "warning")}
    assert told([ACTIVE._replace(codes=(("substance", 0),), category="food")], [holding(3)]) == set()


def test_a_reaction_to_food_is_held_against_what_is_told_of_excipients_and_asks_for_no_more() -> None:
    peanut = ACTIVE._replace(codes=(("strange", 0),), category="food")
    assert told([peanut], [holding(3)]) == told([peanut], [IN_WORDS]) == set()
    assert told([peanut], [holding(3)._replace(excipients=((),))]) == {("0", "0", "not-checked", "info")}
    assert told([peanut], [holding(3)._replace(excipients=((("strange", 0),),))]) == {
        ("0", "0", "excipient", "warning")
    }


def test_a_reaction_to_a_vaccine_is_one_to_a_medicine() -> None:
    entry = ACTIVE._replace(category="biologic")
    assert told([entry], [IN_WORDS]) == {("0", "0", "not-checked", "info")}


def test_a_reaction_to_an_excipient_of_a_brand_is_none_to_its_active_substance() -> None:
    tree = allergy(ACTIVE._replace(codes=(("brand", 0),)))
    mark = "http://nhn.no/kj/fhir/StructureDefinition/KjInactiveIngredient"
    tree["code"]["extension"] = [{"url": mark, "valueBoolean": True}]
    entry = reading.allergy("0", tree, NOW)
    assert entry is not None
    other = reading.medicine("0", prescription(holding(0)), {})
    (one,) = asyncio.run(compared(knowledge(), [entry], [other]))
    assert one.rule == "not-checked"
    same = reading.medicine("0", prescription(BLANK._replace(own=(("brand", 0),))), {})
    (one,) = asyncio.run(compared(knowledge(), [entry], [same]))
    assert one.rule == "same-medicine"


def test_a_reaction_to_an_excipient_is_held_against_each_that_is_listed() -> None:
    tree = allergy(ACTIVE._replace(codes=(("substance", 0),)))
    tree["code"]["extension"] = [{"url": "http://nhn.no/kj/fhir/StructureDefinition/KjInactiveIngredient"}]
    entry = reading.allergy("0", tree, NOW)
    assert entry is not None
    other = (("substance", 2),)
    cases = (
        ((), ["not-checked"]),
        ((other,), []),
        ((other, ()), ["not-checked"]),
        ((other, ACTIVE.codes), ["excipient"]),
    )
    for beside, rules in cases:
        order = holding(3)._replace(excipients=beside)
        medicine = reading.medicine("0", prescription(order), {})
        made = asyncio.run(compared(knowledge(), [entry], [medicine]))
        assert [one.rule for one in made] == rules


def ingredients(tree: dict[str, object], around: dict[str, object]) -> list[str]:
    """What is told of a reaction to substance 0 and of a prescription with this Medication."""
    draft = {"resourceType": "MedicationRequest", "medicationReference": {"reference": "Medication/m"}}
    found = reading.medicine("0", draft, {"Medication/m": {"resourceType": "Medication", "id": "m"} | tree} | around)
    entry = reading.allergy("0", allergy(ACTIVE), NOW)
    assert entry is not None
    return [one.rule for one in asyncio.run(compared(knowledge(), [entry], [found]))]


KNOWN = {"itemCodeableConcept": coded({"system": SUBSTANCES, "code": "3"})}


def test_an_ingredient_by_reference_is_read_wherever_it_lies() -> None:
    of = {"resourceType": "Substance", "id": "s", "code": coded({"system": SUBSTANCES, "code": "0"})}
    brand = {"resourceType": "Medication", "id": "b", "code": coded({"system": MEDICINES, "code": "0"})}
    inside = {
        "resourceType": "Substance",
        "id": "i",
        "ingredient": [{"substanceReference": {"reference": "Substance/s"}}],
    }
    around = {"Substance/s": of, "Medication/b": brand, "Substance/i": inside}
    for reference in ("Substance/s", "Medication/b", "Substance/i"):
        assert ingredients({"ingredient": [KNOWN, {"itemReference": {"reference": reference}}]}, around) == [
            "same-substance"
        ]
    within = {"contained": [of], "ingredient": [KNOWN, {"itemReference": {"reference": "#s"}}]}
    assert ingredients(within, {}) == ["same-substance"]
    by_identifier = {"itemReference": {"identifier": {"system": SUBSTANCES, "value": "0"}}}
    assert ingredients({"ingredient": [KNOWN, by_identifier]}, {}) == ["same-substance"]


@pytest.mark.parametrize(
    "part",
    [
        7, {}, {"itemReference": {"reference": "Substance/none"}}, {"itemReference": {"reference": "#none"}},
        {"itemReference": {"display": "Noe"}}, {"itemReference": {"reference": "Medication/m"}}, {"itemCodeableConcept": "x"},
        {"itemCodeableConcept": coded({"system": reading.ABSENT, "code": "unknown"})},
    ],
    ids=str,
)  # fmt: skip
def test_an_ingredient_that_cannot_be_read_is_one_that_was_not_checked(part: object) -> None:
    assert ingredients({"ingredient": [KNOWN]}, {}) == []
    assert ingredients({"ingredient": [KNOWN, part]}, {}) == ["not-checked"]


def test_what_comes_behind_the_last_part_that_is_read_was_not_checked() -> None:
    some = [KNOWN] * reading.PARTS_LIMIT
    assert ingredients({"ingredient": some}, {}) == []
    assert ingredients({"ingredient": [*some, KNOWN]}, {}) == ["not-checked"]


def test_an_entry_that_was_valid_until_yesterday_warns_no_more() -> None:
    tree = allergy(ACTIVE)
    for day, warns in (("2026-11-26", False), ("2026-11-27", True)):
        tree["extension"] = [{"url": "http://nhn.no/kj/fhir/StructureDefinition/KjValidUntil", "valueDateTime": day}]
        assert (reading.allergy("0", tree, NOW) is not None) == warns


@pytest.mark.parametrize("system", [MEDICINES, SUBSTANCES])
def test_a_fest_id_that_stands_as_an_identifier_counts(system: str) -> None:
    medication = {"resourceType": "Medication", "id": "m", "identifier": [{"system": system, "value": "7"}]}
    tree = {"resourceType": "MedicationRequest", "contained": [medication], "medicationReference": {"reference": "#m"}}
    assert {one.code for one in reading.medicine("0", tree, {}).codes} == {"7"}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"code": "x"},
        {"code": [{"coding": "x"}]},
        {"code": {"coding": [{"system": 7, "code": 8}]}},
        {"verificationStatus": []},
        {"category": "medication"},
        {"reaction": [7, {"substance": "x"}]},
        {"extension": {"url": 7}},
    ],
)
def test_an_entry_of_another_form_is_read_as_far_as_it_can_be(spoiled: dict[str, object]) -> None:
    assert reading.allergy("0", allergy(ACTIVE) | spoiled, NOW) is not None


@pytest.mark.parametrize(
    "spoiled",
    [
        {"medicationReference": "x"},
        {"medicationReference": {"reference": 7}},
        {"contained": "x"},
        {
            "contained": [
                {"id": "m", "resourceType": "Medication", "ingredient": [7, {"itemReference": {"reference": "#n"}}]}
            ]
        },
        {"medicationCodeableConcept": coded({"system": "urn:x"})},
    ],
)
def test_a_prescription_of_another_form_is_read_as_far_as_it_can_be(spoiled: dict[str, object]) -> None:
    made = reading.medicine("0", prescription(BLANK) | spoiled, {})
    assert {code for one in (*made.active, *made.excipients) for code in one.codes} == set()
    entry = reading.allergy("0", allergy(ACTIVE), NOW)
    assert entry is not None
    assert [one.rule for one in asyncio.run(compared(knowledge(), [entry], [made]))] == ["not-checked"]


@pytest.mark.parametrize("spoiled", [{"status": ["draft"]}, {"status": {}}, {"doNotPerform": "x"}])
def test_a_status_of_another_form_takes_no_prescription_away(spoiled: dict[str, object]) -> None:
    assert reading.is_taken(prescription(BLANK) | spoiled)


@pytest.mark.parametrize("spoiled", [{"resourceType": []}, {"resourceType": "Condition"}, {"doNotPerform": True}])
def test_what_is_no_prescription_is_none(spoiled: dict[str, object]) -> None:
    assert not reading.is_taken(prescription(BLANK) | spoiled)
