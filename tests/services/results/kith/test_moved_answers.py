"""Two persons each have an answer of one tube, or of one of several: what is said of an answer afterwards, under one of their
numbers, is so for that answer, whoever's report the tube was laid in."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from kjerne.services.results.kith import chain, lineage, mapping

from .test_moved_parts import (
    CODES,
    HERS,
    OTHERS,
    SEED,
    STORIES,
    Laboratory,
    Tube,
    a_laboratory,
    one_of_several,
    put_one_answer_right,
    stands,
    told_unnamed,
    truth,
)

REMEDIES = "hers by itself", "hers changed by itself", "all that is hers", "all of it, the other's taken back"


def shared(
    kith: Any, random_: random.Random, begun: str, apart_by: str, remedies: tuple[str, ...] = REMEDIES
) -> tuple[Laboratory, list[Tube], Tube, list[Tube]]:
    """What was taken at several times; the answer of it that is the other's, and those of that time which are hers again."""
    lab, tubes, wrong = one_of_several(kith, random_, begun, apart_by)
    put_one_answer_right(lab, tubes, wrong, random_.choice(remedies), random_)
    return lab, tubes, wrong, [one for one in tubes if one.taken == wrong.taken and one is not wrong]


def in_any_order(lab: Laboratory, random_: random.Random) -> tuple[Any, str]:
    told = f"{SEED}: {lab}".partition(", sent=")[0] + str([(m.person, m.trace.service) for m, _ in lab.sent])
    order = random_.sample(lab.sent, len(lab.sent))
    return stands(order), told


def told_beside(lab: Laboratory) -> list[bool]:
    """Whether each message, as they come, is told that an answer of it stands with another too."""
    known: list[Any] = []
    found = []
    for mark, _ in lab.sent:
        plan = lineage.plan(b"number", known, mark)
        found.append(plan.beside)
        known = lineage.laid([*known, mark], plan)
    return found


def anew(lab: Laboratory, random_: random.Random) -> bool:
    """Whether what follows is sent as new, and not as a change: that moves only what its request says is the same."""
    return lab.request in ("both", "own", "asked") and random_.random() < 0.3


BEGUN = pytest.mark.parametrize("begun", ["together", "apart"])
APART_BY = pytest.mark.parametrize("apart_by", ["analysis", "material"])


@BEGUN
@APART_BY
def test_an_answer_that_was_sent_again_for_the_first_goes_to_the_other_when_it_is_named_for_that_one(
    kith: Any, begun: str, apart_by: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}second{begun}{apart_by}{story}")
        lab, tubes, wrong, beside = shared(kith, random_, begun, apart_by)
        for one in beside:
            one.person = OTHERS
        new = anew(lab, random_)
        # A change with one answer alone may correct the material of what she has; or, where ids count, its analysis.
        whole = apart_by == "material" or lab.ids == "counted" or random_.random() < 0.5
        lab.send(OTHERS, "N" if new else "M", [*beside, wrong] if whole else beside, known=not new)
        (said, _), told = in_any_order(lab, random_)
        assert said == truth(tubes), f"{story}, {told}"
        assert told_unnamed(lab.sent)[-1] == 0, f"{story}, {told}"


@BEGUN
@APART_BY
def test_an_answer_that_is_given_to_the_other_with_another_value_stands_with_both_and_is_told_of(
    kith: Any, begun: str, apart_by: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}as it goes{begun}{apart_by}{story}")
        lab, tubes, wrong, beside = shared(kith, random_, begun, apart_by)
        goes = [
            replace(one, person=OTHERS, values={code: f"1{value}" for code, value in one.values.items()})
            for one in beside
        ]
        lab.send(OTHERS, "M", [*goes, wrong])
        (said, _), told = in_any_order(lab, random_)
        assert said == truth([*tubes, *goes]), f"{story}, {told}"
        assert [place for place, one in enumerate(told_beside(lab), 1) if one] == [len(lab.sent)], f"{story}, {told}"


@BEGUN
@APART_BY
def test_an_answer_that_was_the_others_by_mistake_comes_back_when_it_is_named_for_the_first(
    kith: Any, begun: str, apart_by: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}back{begun}{apart_by}{story}")
        lab, tubes, wrong, beside = shared(kith, random_, begun, apart_by, REMEDIES[:3])
        wrong.person = HERS
        new = anew(lab, random_)
        some = random_.choice([[wrong], [wrong, *beside], tubes])
        lab.send(HERS, "N" if new else "M", some, known=not new)
        (said, changes), told = in_any_order(lab, random_)
        assert said.keys() == truth(tubes).keys(), f"{story}, {told}"
        # By a day alone, with an id that counts, what she had may stand a second time as not repeated.
        assert said == truth(tubes) or not (wrong.clock or lab.ids != "counted"), f"{story}, {told}"
        assert not changes["corrected"], f"{story}, {told}"


@BEGUN
@APART_BY
def test_what_the_other_is_sent_of_her_own_answer_takes_nothing_that_is_the_firsts(
    kith: Any, begun: str, apart_by: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}own{begun}{apart_by}{story}")
        lab, tubes, wrong, _ = shared(kith, random_, begun, apart_by)
        [code] = wrong.values
        corrected = random_.random() < 0.4
        if corrected:
            wrong.values = {code: f"1{wrong.values[code]}"}
        added = [Tube(wrong.hour, OTHERS, {CODES[2] if apart_by == "material" else "NPU18016": "300"}, wrong.material,
                      wrong.clock, wrong.day)] if random_.random() < 0.4 else []  # fmt: skip
        lab.send(OTHERS, "M", [wrong, *added])
        (said, changes), told = in_any_order(lab, random_)
        assert said == truth([*tubes, *added]), f"{story}, {told}"
        assert changes["corrected"] == corrected, f"{story}, {told}"
        assert not any(told_beside(lab)), f"{story}, {told}"


def test_two_samples_of_one_time_are_each_corrected_where_they_are(kith: Any) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}equal{story}")
        lab = a_laboratory(kith, random_)
        hers, wrong = Tube(8, HERS, {CODES[0]: "14"}), Tube(8, OTHERS, {CODES[0]: "16"})
        lab.send(HERS, "N", [hers, wrong], known=False)
        lab.send(OTHERS, "M", [wrong])
        lab.send(HERS, "N", [hers])
        wrong.values = {CODES[0]: random_.choice(["16", "17"])}
        lab.send(OTHERS, "M", [wrong])
        (said, _), told = in_any_order(lab, random_)
        assert said == truth([hers, wrong]), f"{story}, {told}"


OWN = {"a change": "M", "a new report": "N", "an addition": "A"}


@pytest.mark.parametrize("rest", OWN)
@pytest.mark.parametrize("moved", ["by a change", "sent anew, then taken back"])
def test_what_is_the_firsts_own_after_a_tube_went_to_the_other_takes_nothing_from_that_one(
    kith: Any, moved: str, rest: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}rerun{moved}{rest}{story}")
        lab = a_laboratory(kith, random_)
        if lab.request in ("none", "by nobody"):
            lab.request = "both"  # what is sent anew says by its request that it is of the same
        codes = CODES[: random_.choice([2, 3])]
        tube = Tube(8, OTHERS, {code: f"1{place}" for place, code in enumerate(codes)})
        own = Tube(8, HERS, {code: f"5{place}" for place, code in enumerate(codes)})
        first, *others = own.values.items()
        some = replace(own, values=dict([first]))
        lab.send(HERS, "N", [tube], known=False)
        lab.send(OTHERS, "M" if moved == "by a change" else "N", [tube])
        if moved != "by a change":
            lab.send(HERS, "C", [], (tube,))
        lab.send(HERS, "N", [some], known=False)
        kind = OWN[rest]
        lab.send(HERS, kind, [replace(own, values=dict(others)) if kind == "A" else own])
        (said, changes), told = in_any_order(lab, random_)
        assert said == truth([tube, own]), f"{story}, {told}"
        assert not changes["corrected"], f"{story}, {told}"
        assert not any(told_beside(lab)), f"{story}, {told}"


@APART_BY
def test_what_is_the_firsts_own_in_place_of_an_answer_that_went_to_the_other_takes_nothing_from_that_one(
    kith: Any, apart_by: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}own value{apart_by}{story}")
        lab, tubes, wrong, beside = shared(kith, random_, "together", apart_by)
        own = replace(wrong, person=HERS, values={code: f"1{value}" for code, value in wrong.values.items()})
        lab.send(HERS, "M", [*beside, own])
        (said, _), told = in_any_order(lab, random_)
        assert said == truth([*tubes, own]), f"{story}, {told}"


def test_what_equals_by_chance_an_answer_of_the_other_takes_none_of_those_that_she_has_of_her_own(kith: Any) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}chance{story}")
        lab = a_laboratory(kith, random_)
        tube = Tube(8, OTHERS, {CODES[0]: "14", CODES[1]: "5"})
        own = Tube(8, HERS, {CODES[0]: "12", CODES[1]: "5"})
        lab.send(HERS, "N", [tube], known=False)
        lab.send(OTHERS, "M", [tube])
        lab.send(HERS, "N", [replace(own, values={CODES[0]: "12"})], known=False)
        lab.send(HERS, "M", [own])
        (said, _), told = in_any_order(lab, random_)
        assert said == truth([tube, own]), f"{story}, {told}"


@pytest.mark.parametrize("ids", ["lasting", "counted", "none"])
def test_a_sample_time_that_a_change_corrects_is_so_when_all_is_sent_later(kith: Any, ids: str) -> None:
    for kind in "NM":
        lab = Laboratory(kith, ids, "as they are", own_issue=True, request="both", newest_first=False)
        first, last = Tube(8, HERS, {CODES[0]: "14"}), Tube(9, HERS, {CODES[0]: "16"})
        lab.send(HERS, "N", [first, last], known=False)
        last.hour = 10
        lab.send(HERS, "M", [first, last])
        lab.send(HERS, kind, [first, last])
        assert stands(lab.sent)[0] == truth([first, last])


@pytest.mark.parametrize("ids", ["of the sample", "counted", "none"])
@pytest.mark.parametrize("kind", ["N", "M"])
def test_a_sample_taken_at_the_time_that_was_wrong_for_another_leaves_that_one_as_it_was_corrected(
    kith: Any, ids: str, kind: str
) -> None:
    def sent(day: int, service: str, *told: tuple[int, str, str]) -> chain.Versioned:
        items = "".join(
            str(kith.item(CODES[0], kith.number(value), id_=id_of(place, value), service=says)).replace(
                "</ResultItem>", f"<RefAnalysedSubject>{place}</RefAnalysedSubject></ResultItem>"
            )
            for place, (_, value, says) in enumerate(told, 1)
        )
        tubes = "".join(
            str(kith.SAMPLE).replace(">P1<", f">{place}<").replace("T08:15", f"T{hour:02d}:00")
            for place, (hour, _, _) in enumerate(told, 1)
        )
        raw = kith.message(
            kith.report(items, service=service, subjects=tubes), id_=f"M-{day}", generated=f"2026-04-0{day}T12:00:00"
        )
        [version] = chain.versions(kith.understood(raw))
        return version

    def id_of(place: int, value: str) -> str:
        return {"of the sample": f"L{value}", "counted": str(place)}.get(ids, "")

    versions = [
        sent(1, "N", (10, "5.1", "N")),
        sent(2, "M", (8, "5.1", "M")),
        sent(3, kind, (8, "5.1", "N" if kind == "N" else "H"), (10, "9.3", "N")),
    ]
    trees = mapping.resources(chain.fold(versions), lambda type_, key: f"{type_}:{key}")
    found = {
        (tree["effectiveDateTime"][11:13], str(tree["valueQuantity"]["value"])): "corrected" in str(tree)
        for tree in trees
        if tree["resourceType"] == "Observation"
    }
    assert found == {("08", "5.1"): True, ("10", "9.3"): False}
