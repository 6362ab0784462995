"""Each foreign entry beside what is registered: what is proposed, and that nothing is called new that was not compared."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from kjerne.pages.words import say
from kjerne.services.critical.abroad.reading import Foreign, read
from kjerne.services.critical.abroad.reconciling import Compared, compared, drafted, kinds_of, proposed
from kjerne.services.critical.abroad.telling import outcome
from kjerne.services.critical.entries import NO_CODE, entry
from kjerne.services.critical.groups import Entered, Means, plain
from services.critical.foreign import ABSENT, allergy, document, problem
from services.critical.records import ATC, SNOMED, clinical, verified

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HER: dict[str, Any] = {"resourceType": "Patient", "id": "p", "name": [{"family": "Nordmann"}]}
ICD = "urn:oid:2.16.578.1.12.4.1.1.7110"


def foreign(tree: dict[str, Any]) -> Foreign:
    (found,) = read(document(HER, tree), NOW).entries
    return found


def here(id_: str, tree: dict[str, Any], *wider: tuple[str, str]) -> Entered:
    made = entry(tree["resourceType"], id_, [(1, NOW, tree)], NOW)
    return Entered(made, Means(plain(made).same, frozenset(wider)), {})


def beside(tree: dict[str, Any], *held: Entered, wider: tuple[tuple[str, str], ...] = ()) -> Compared:
    one = foreign(tree)
    means = Means(plain(one.entry).same, frozenset(wider)) if one.entry else None
    return compared(one, means, held)


PENICILLIN = allergy("J01CE", ATC)
OURS = here("1", allergy())
WORDED = here("1", allergy(code={"text": "Noe"}))
OVER = here("1", allergy(clinicalStatus=clinical("AllergyIntolerance", "inactive")))
REFUTED = allergy(verificationStatus=verified("AllergyIntolerance", "refuted"))
IN_ERROR = here("1", allergy(verificationStatus=verified("AllergyIntolerance", "entered-in-error")))
BY_ICD = problem(code={"coding": [{"system": ICD, "code": "D84"}]})


@pytest.mark.parametrize(
    ("story", "tree", "held", "proposal", "why"),
    [
        ("nothing is registered", allergy(), (), "new", ""),
        ("the same code", allergy(), (OURS,), "same-as", ""),
        ("another code of the same system", allergy("B01AC06"), (OURS,), "new", ""),
        ("another system, and no map", allergy("372687004", SNOMED), (OURS,), "cannot-be-compared", "other-system"),
        ("something registered has words alone", allergy(), (WORDED,), "cannot-be-compared", "other-system"),
        ("words alone", allergy(code={"text": "Penicillin"}), (OURS,), "cannot-be-compared", "uncoded"),
        ("a system of their own", allergy("A1", "https://abroad.example/codes"), (OURS,), "cannot-be-compared", "unknown-system"),
        ("their own code, which is registered too", allergy("A1", "https://abroad.example/codes"),
         (here("1", allergy("A1", "https://abroad.example/codes")),), "same-as", ""),
        ("less severe", allergy(criticality="low"), (OURS,), "conflicts-with", ""),
        ("refuted abroad", REFUTED, (OURS,), "conflicts-with", ""),
        ("over here", allergy(), (OVER,), "conflicts-with", ""),
        ("entered in error here", allergy(), (IN_ERROR,), "new", ""),
        ("no allergies, and one is registered", allergy("no-known-allergies", ABSENT), (OURS,), "negative", ""),
        ("no information", allergy("no-allergy-info", ABSENT), (), "negative", ""),
        ("no valid resource", allergy(criticality="very"), (OURS,), "cannot-be-compared", "invalid"),
        ("a problem beside an allergy", problem(), (OURS,), "new", ""),
        ("a problem in another system", BY_ICD, (here("1", problem()),), "cannot-be-compared", "other-system"),
    ],
)  # fmt: skip
def test_proposals(story: str, tree: dict[str, Any], held: tuple[Entered, ...], proposal: str, why: str) -> None:
    found = beside(tree, *held)
    assert (found.proposal, found.why) == (proposal, why), story


def codes(*pairs: tuple[str, str]) -> dict[str, Any]:
    return allergy(code={"coding": [{"system": system, "code": code, "display": code} for system, code in pairs]})


IBUPROFEN, AMOXICILLIN, GROUP, NONE = (ATC, "M01AE01"), (ATC, "J01CA04"), (ATC, "J01C"), (ABSENT, "no-known-allergies")


@pytest.mark.parametrize(
    ("said", "several"),
    [
        ((AMOXICILLIN, IBUPROFEN), True),
        ((AMOXICILLIN, NONE), True),
        ((AMOXICILLIN, ("https://abroad.example/codes", "A1")), False),
        ((AMOXICILLIN, GROUP), False),
        ((AMOXICILLIN, AMOXICILLIN), False),
        (((SNOMED, "1"), (SNOMED, "2")), True),
        ((NONE, (SNOMED, "716186003")), False),
        ((AMOXICILLIN, GROUP, IBUPROFEN), True),
    ],
)
def test_codes_that_do_not_say_the_same_are_a_clinicians_to_choose(
    said: tuple[tuple[str, str], ...], several: bool
) -> None:
    for order in permutations(said):
        found = beside(codes(*order), OURS)
        assert (found.why == "several-codes") is several, order
        if several:
            assert (found.proposal, found.may_be_taken, proposed(found)) == ("cannot-be-compared", True, None)
            assert drafted(found.foreign, "drug-reaction").about == NO_CODE
            assert [one.record.entry.id for one in found.beside] == (["1"] if AMOXICILLIN in said else [])


def test_a_code_that_is_known_to_be_a_kind_of_the_other_says_the_same() -> None:
    assert beside(codes((SNOMED, "1"), (SNOMED, "2")), wider=((SNOMED, "2"),)).why != "several-codes"


def test_new_is_said_of_what_the_reader_may_see_alone() -> None:
    said = outcome(beside(allergy()))["issue"][0]["diagnostics"]
    assert "you may see" in said and "something may be hidden" in said
    assert "Noe kan være skjult for deg" in say("nb", "abroad.proposal_new_text")


def test_a_kind_of_what_is_registered_is_new_and_shown_beside_it() -> None:
    group = here("1", PENICILLIN)
    found = beside(allergy(), group, wider=((ATC, "J01CE"),))
    assert found.proposal == "new"
    assert [(one.record.entry.id, one.relation, one.differs) for one in found.beside] == [("1", "kind-of", ())]


def test_what_conflicts_comes_first_of_what_is_beside() -> None:
    found = beside(allergy(), here("1", allergy()), here("2", allergy(criticality="low")))
    assert [(one.record.entry.id, one.differs) for one in found.beside] == [("2", ("criticality",)), ("1", ())]


def test_a_negative_shows_what_stands_against_it() -> None:
    assert [one.entry.id for one in beside(allergy("716186003", SNOMED), OURS, here("2", problem())).apart] == ["1"]


@pytest.mark.parametrize(
    ("tree", "may"),
    [
        (allergy(), True),
        (allergy(clinicalStatus=clinical("AllergyIntolerance", "inactive")), True),
        (allergy(verificationStatus=verified("AllergyIntolerance", "refuted")), False),
        (allergy("no-known-allergies", ABSENT), False),
        (allergy(criticality="very"), True),
    ],
)
def test_what_says_that_something_holds_may_be_taken_in(tree: dict[str, Any], may: bool) -> None:
    assert beside(tree).may_be_taken is may


def test_a_draft_has_what_the_document_says_and_nothing_that_it_does_not() -> None:
    draft = drafted(foreign(allergy()), "drug-reaction")
    assert (draft.about, draft.criticality, draft.confirmed) == ((ATC, "J01CA04", "Amoxicillin"), "high", False)
    assert (draft.note, draft.reaction.code, draft.source.code) == ("Anaphylaxis", "", "")


def test_what_is_proposed_has_no_reaction_and_no_severity_that_nobody_has_said() -> None:
    tree = proposed(beside(allergy(criticality=None) | {"criticality": "unable-to-assess"}))
    assert tree and "reaction" not in tree and tree["verificationStatus"]["coding"][0]["code"] == "unconfirmed"
    bare = allergy()
    del bare["criticality"]
    assert "criticality" not in (proposed(beside(bare)) or {"criticality": 1})


def test_a_kind_that_is_not_told_is_a_clinicians_to_say() -> None:
    assert kinds_of(foreign(allergy())) == ("drug-reaction",)
    assert len(kinds_of(foreign(problem()))) == 5 and proposed(beside(problem())) is None
    assert kinds_of(foreign(allergy(criticality="very"))) == ("drug-reaction", "other-allergen")
