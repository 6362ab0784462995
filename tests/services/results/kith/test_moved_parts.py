"""Samplings that were sent about a wrong person, put right in every natural way: each ends with whom it was taken from.

A laboratory's traffic is made here from what is true of the tubes, not from what the program does. `KJERNE_STORM` says how
many stories of each kind are told (a twentieth of it), `KJERNE_STORM_SEED` replays them.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

import seeds
from kjerne.services.results import unnamed
from kjerne.services.results.kith import chain, lineage, mapping, traces
from kjerne.services.results.kith.lineage import Mark, Standing

HERS, OTHERS = 1, 2
"""Whose number stood in the first messages, and who the tubes are in part from."""

CODES = ("NPU02319", "NPU19748", "NPU22089")

Told = tuple[int, str, str, str]
"""Whose, which analysis, when its sample was taken, and the value."""


@dataclass
class Tube:
    """What was taken at one time, by analysis the value, and whose it is."""

    hour: int
    person: int
    values: dict[str, str]
    material: str = "S"
    clock: bool = True
    day: int = 2

    @property
    def taken(self) -> str:
        return f"2026-03-{self.day:02d}T{self.hour:02d}:00:00" if self.clock else f"2026-03-{self.day:02d}"


@dataclass
class Laboratory:
    """How one laboratory writes: ids that last, count or are none; items marked as they are (H), all as new or not at all; each
    message with an issue date of its own or all with the first one's; which numbers a request has, and who asked; new tubes
    first or last; the analyses of a tube in the order in which they were done, or in the other one every second time."""

    kith: Any
    ids: str
    marks: str
    own_issue: bool
    request: str
    newest_first: bool
    turns: bool = False
    sent: list[tuple[Mark, chain.Versioned]] = field(default_factory=list)

    def send(self, person: int, kind: str, tubes: list[Tube], gone: tuple[Tube, ...] = (), known: bool = True) -> None:
        """One message: these tubes, and those that it takes back; `known`: they were sent before."""
        day = len(self.sent) + 1
        every = sorted([*tubes, *gone], key=lambda one: one.hour, reverse=self.newest_first)
        turned = -1 if self.turns and day % 2 else 1
        rows = [(tube, code, value) for tube in every for code, value in [*tube.values.items()][::turned]]
        items = "".join(
            self._item(place, every.index(tube) + 1, tube, code, value, tube in gone or kind == "C", known)
            for place, (tube, code, value) in enumerate(rows, 1)
        )
        subjects = "".join(
            str(self.kith.SAMPLE)
            .replace(">P1<", f">{place}<")
            .replace("2026-03-02T08:15:00", tube.taken)
            .replace("V='S' DN='Serum'", f"V='{tube.material}' DN='Material {tube.material}'")
            for place, tube in enumerate(every, 1)
        )
        numbers = {
            "both": "<Id>q1</Id><IdByServProvider>Q1</IdByServProvider>",
            "own": "<IdByServProvider>Q1</IdByServProvider>",
        }
        at = f"2026-04-{day:02d}T12:00:00"
        who = "" if self.request == "by nobody" else str(self.kith.REQUESTER)
        if self.request == "by another in the change" and kind == "M":
            who = who.replace("88001", "88002").replace("Legesenteret", "Legevakten")
        head = f"<ServReq>{numbers.get(self.request, '<Id>q1</Id>')}</ServReq>"
        report = self.kith.report(
            items, service=kind, subjects=subjects, issued=at if self.own_issue else "2026-03-02T15:00:00",
            head="" if self.request == "none" else head, requester=who,
        )  # fmt: skip
        raw = self.kith.message(report, id_=f"M-{day}", generated=at)
        [version] = chain.versions(self.kith.understood(raw))
        mark = Mark(version.generated_at, version.message, person, traces.trace(version.report))
        self.sent.append((mark, version))

    def _item(self, place: int, number: int, tube: Tube, code: str, value: str, gone: bool, known: bool) -> str:
        id_ = {"lasting": f"{code}-{tube.hour}{tube.material}", "counted": str(place)}.get(self.ids, "")
        says = {"as they are": "H" if known else "N", "as new": "N"}.get(self.marks, "")
        item = self.kith.item(code, self.kith.number(value), id_=id_, service="C" if gone else says)
        return str(item).replace("</ResultItem>", f"<RefAnalysedSubject>{number}</RefAnalysedSubject></ResultItem>")


def stands(sent: list[tuple[Mark, chain.Versioned]]) -> tuple[Counter[Told], Counter[str]]:
    """What is said of each person, and what is said to have happened to it."""
    versions = {mark.name: version for mark, version in sent}
    said, changes = Counter[Told](), Counter[str]()
    for marks in lineage.gathered(mark for mark, _ in sent):
        owner = lineage.owner(marks)
        report = Standing(owner, tuple(marks))
        hers = [
            (chain.only(versions[mark.name], mark.times) if mark.of else versions[mark.name])
            if mark.person == owner
            else chain.absent(versions[mark.name], withholds=not report.takes_back(mark))
            for mark in marks
        ]
        for tree in mapping.resources(chain.fold(hers), lambda type_, key: f"{type_}:{key}"):
            if tree["resourceType"] != "Observation":
                continue
            changes.update(
                one["valueCode"]
                for extension in tree.get("extension", ())
                if extension["url"].endswith("/change")
                for one in extension["extension"]
                if one["url"] == "kind"
            )
            if "valueQuantity" in tree:
                value = str(tree["valueQuantity"]["value"])
                said[owner, tree["code"]["coding"][0]["code"], tree["effectiveDateTime"][:19], value] += 1
    return said, changes


def truth(tubes: list[Tube]) -> Counter[Told]:
    return Counter((one.person, code, one.taken, value) for one in tubes for code, value in one.values.items())


def first_sent(lab: Laboratory, tubes: list[Tube], how: str, random_: random.Random) -> None:
    """All tubes, under the first person's number."""
    if how == "together":
        lab.send(HERS, "N", tubes, known=False)
        return
    for place, tube in enumerate(tubes):
        lab.send(HERS, "N", tubes[: place + 1] if how == "growing" else [tube], known=False)
    if how == "joined":
        lab.send(HERS, random_.choice("NM"), tubes)


REPAIRS = (
    "each by its own change", "all in one change", "each sent anew", "sent anew, then taken back", "taken back, then sent anew",
    "changed, then taken back", "changed, then hers again", "changed one by one, then all of them",
)  # fmt: skip


def put_right(lab: Laboratory, tubes: list[Tube], how: str, random_: random.Random) -> None:
    wrong = [one for one in tubes if one.person == OTHERS]
    hers = [one for one in tubes if one.person == HERS]
    back = ("M", hers, tuple(wrong)) if hers else ("C", [], tuple(wrong))
    if how == "taken back, then sent anew":
        lab.send(HERS, *back)
    random_.shuffle(wrong)
    one_by_one = how.startswith("each") or "one by one" in how or random_.random() < 0.5
    for some in [[one] for one in wrong] if one_by_one and how != "all in one change" else [wrong]:
        anew = "anew" in how
        lab.send(OTHERS, "N" if anew else "M", some, known=not anew)
    if how in ("sent anew, then taken back", "changed, then taken back"):
        lab.send(HERS, *back)
    if how == "changed, then hers again" and hers:
        lab.send(HERS, random_.choice("NM"), hers)
    if how == "changed one by one, then all of them":
        lab.send(OTHERS, random_.choice("NM"), wrong)


REQUESTS = "both", "own", "asked", "none", "by nobody", "by another in the change"


def a_laboratory(kith: Any, random_: random.Random) -> Laboratory:
    return Laboratory(
        kith, random_.choice(["lasting", "counted", "none"]), random_.choice(["as they are", "as new", "unmarked"]),
        random_.random() < 0.7, random_.choice(REQUESTS), random_.random() < 0.3, random_.random() < 0.3,
    )  # fmt: skip


def some_repair(lab: Laboratory, random_: random.Random) -> str:
    """One that moves something: what is sent as new says by its request that it is the same report."""
    asked = lab.request not in ("none", "by nobody")
    return random_.choice([how for how in REPAIRS if asked or "anew" not in how])


def some_tubes(random_: random.Random) -> list[Tube]:
    values = random_.sample(range(3, 99), 12)
    hours = range(8, 8 + random_.choice([2, 2, 3, 4]))
    same = random_.sample(CODES, random_.choice([1, 1, 2]))
    codes = [same if random_.random() < 0.7 else random_.sample(CODES, random_.choice([1, 2, 3])) for _ in hours]
    return [
        Tube(hour, random_.choice([HERS, OTHERS]), {code: str(values.pop()) for code in own})
        for hour, own in zip(hours, codes, strict=True)
    ]


STORIES = int(os.environ.get("KJERNE_STORM", "1000")) // 20
SEED = seeds.seed("KJERNE_STORM_SEED")


@pytest.mark.parametrize("begun", ["together", "apart", "joined", "growing"])
def test_each_sampling_ends_with_whom_it_was_taken_from(kith: Any, begun: str) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}{begun}{story}")
        lab, tubes = a_laboratory(kith, random_), some_tubes(random_)
        how = some_repair(lab, random_)
        if not any(one.person == OTHERS for one in tubes):
            tubes[-1].person = OTHERS
        first_sent(lab, tubes, begun, random_)
        told = f"{SEED} {story}: {how}, {lab}, {[(one.hour, one.person, one.values) for one in tubes]}"
        before = len(lab.sent)
        put_right(lab, tubes, how, random_)
        hers = truth([one for one in tubes if one.person == HERS])
        for number in range(before, len(lab.sent)):
            assert hers <= stands(lab.sent[:number])[0], f"hers stays hers after message {number}, {told}"
        order = [*lab.sent]
        random_.shuffle(order)
        said, changes = stands(order)
        assert said == truth(tubes), told
        assert not changes["corrected"], told


AFTERWARDS = (
    "the rest", "the rest with a new tube", "the rest, one corrected", "a new tube", "a new tube, when hers are cancelled",
)  # fmt: skip


def go_on(lab: Laboratory, tubes: list[Tube], how: str, random_: random.Random) -> list[Tube]:
    """What the laboratory sends when the tubes are with whom they are from; tells what is true then."""
    hers, others = ([one for one in tubes if one.person == person] for person in (HERS, OTHERS))
    new = [Tube(20, HERS, dict.fromkeys(tubes[0].values, "2"))]
    if how.startswith("a new tube"):
        if how.endswith("cancelled"):
            bare = lab.request != "none" and random_.random() < 0.5  # else it is of one tube alone
            lab.send(OTHERS, "C", [], () if bare else tuple(others))
            others = []
        lab.send(HERS, "N", new, known=False)
        return [*hers, *others, *new]
    if how.endswith("corrected"):
        hers[0].values = {code: f"1{value}" for code, value in hers[0].values.items()}
    hers += new if how.endswith("new tube") else []
    lab.send(HERS, "M" if how.endswith("corrected") else random_.choice("NM"), hers)
    return [*hers, *others]


@pytest.mark.parametrize("begun", ["together", "apart", "joined", "growing"])
def test_what_the_laboratory_sends_afterwards_brings_back_nothing_that_was_another_patients(
    kith: Any, begun: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}afterwards{begun}{story}")
        lab, tubes = a_laboratory(kith, random_), some_tubes(random_)
        how = some_repair(lab, random_)
        tubes[0].person, tubes[-1].person = random_.sample([HERS, OTHERS], 2)
        first_sent(lab, tubes, begun, random_)
        put_right(lab, tubes, how, random_)
        then = random_.choice(AFTERWARDS)
        true = truth(go_on(lab, tubes, then, random_))
        order = [*lab.sent]
        random_.shuffle(order)
        told = f"{SEED} {story}: {how}, then {then}, {lab}"
        assert stands(order)[0] == true, told.partition(", sent=")[0]


@pytest.mark.parametrize("begun", ["apart", "growing"])
def test_a_number_put_right_in_the_middle_leaves_nothing_with_the_first(kith: Any, begun: str) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}middle{begun}{story}")
        lab, tubes = a_laboratory(kith, random_), some_tubes(random_)
        for one in tubes:
            one.person = OTHERS
        first = random_.randint(1, len(tubes) - 1)
        first_sent(lab, tubes[:first], begun, random_)
        for tube in tubes[first:]:
            lab.send(OTHERS, "N", [tube], known=False)
        for some in random_.choice([[tubes], [tubes[:first]], [[one] for one in tubes[:first]]]):
            lab.send(OTHERS, "M", some)
        said, changes = stands(lab.sent)
        assert said == truth(tubes), f"{SEED} {story}: {lab.ids} ids, marked {lab.marks}, {first} of {len(tubes)}"
        assert not changes["corrected"]


@pytest.mark.parametrize("apart_by", ["analysis", "material"])
def test_what_was_taken_along_with_anothers_of_the_same_time_is_hers_when_it_is_sent_again(
    kith: Any, apart_by: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}again{apart_by}{story}")
        lab = a_laboratory(kith, random_)
        first, last = random_.sample(CODES, 2)
        hers, value = Tube(8, HERS, {first: "14"}), random_.choice(["14", "16"])
        wrong = Tube(8, OTHERS, {last: value}) if apart_by == "analysis" else Tube(8, OTHERS, {first: value}, "P")
        lab.send(HERS, "N", random_.sample([hers, wrong], 2), known=False)
        lab.send(OTHERS, "M", [wrong])
        for _ in range(random_.randint(1, 2)):
            lab.send(HERS, random_.choice("NM"), [hers])
        random_.shuffle(lab.sent)
        told = f"{SEED} {story}: {lab}".partition(", sent=")[0]
        assert stands(lab.sent)[0] == truth([hers, wrong]), told


def told_unnamed(sent: list[tuple[Mark, chain.Versioned]]) -> list[int]:
    """How many answers each message, as they come, is told to leave with nobody."""
    versions = {mark.name: version for mark, version in sent}

    def content(mark: Mark) -> chain.Versioned:
        return chain.only(versions[mark.name], mark.times) if mark.of else versions[mark.name]

    known: list[Mark] = []
    found = []
    for mark, _ in sent:
        plan = lineage.plan(b"number", known, mark)
        rest = [of for one in known for of in (one.pieces() if one.laid else (one,)) if of.chain not in plan.before]
        found.append(
            unnamed.count(plan, content, [(one.owner, [content(one)]) for one in rest if one.person == one.owner])
        )
        known = lineage.laid([*known, mark], plan)
    return found


@pytest.mark.parametrize("apart_by", ["analysis", "material"])
def test_no_answer_is_left_with_nobody_without_a_word(kith: Any, apart_by: str) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}word{apart_by}{story}")
        lab = a_laboratory(kith, random_)
        first, last = random_.sample(CODES, 2)
        hers = Tube(8, HERS, {first: "14"})
        wrong = Tube(8, OTHERS, {last: "16"}) if apart_by == "analysis" else Tube(8, OTHERS, {first: "16"}, "P")
        lab.send(HERS, "N", random_.sample([hers, wrong], 2), known=False)
        lab.send(OTHERS, "M", [wrong])
        order = random_.sample(lab.sent, 2)
        told = f"{SEED} {story}: {lab}".partition(", sent=")[0]
        assert told_unnamed(order) == [0, 1], told
        lab.send(HERS, random_.choice("NM"), [hers])
        assert told_unnamed([*order, lab.sent[-1]]) == [0, 1, 0], told
        assert told_unnamed([order[0], lab.sent[-1], order[1]])[-1] == 0, told


def test_a_new_sample_of_the_same_day_brings_back_nothing_that_was_another_patients(kith: Any) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}day{story}")
        lab = a_laboratory(kith, random_)
        [code], clock = random_.sample(CODES, 1), random_.random() < 0.3
        wrong = Tube(8, OTHERS, {code: "14"}, clock=clock)
        new = Tube(11, HERS, {code: random_.choice(["14", "20"]) if clock else "20"}, clock=clock)
        lab.send(HERS, "N", [wrong], known=False)
        lab.send(OTHERS, "M", [wrong])
        cancelled = random_.random() < 0.5
        if cancelled:
            lab.send(OTHERS, "C", [], random_.choice([(), (wrong,)]))
        lab.send(HERS, random_.choice("NM"), [new], known=False)
        random_.shuffle(lab.sent)
        told = f"{SEED} {story}: {lab}, cancelled {cancelled}".partition(", sent=")[0]
        assert stands(lab.sent)[0] == truth([new] if cancelled else [wrong, new]), told


@pytest.mark.parametrize("begun", ["together", "joined"])
def test_of_a_report_stored_before_samplings_were_told_what_is_sent_again_brings_nothing_else_back(
    kith: Any, begun: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}stored{begun}{story}")
        lab, tubes = a_laboratory(kith, random_), some_tubes(random_)
        tubes[0].person, tubes[-1].person = random_.sample([HERS, OTHERS], 2)
        first_sent(lab, tubes, begun, random_)
        for place, (mark, version) in enumerate(lab.sent):
            lab.sent[place] = mark._replace(trace=msgspec.structs.replace(mark.trace, parts=())), version
        hers, wrong = ([one for one in tubes if one.person == person] for person in (HERS, OTHERS))
        lab.send(OTHERS, "M", wrong)
        kind, gone = random_.choice([("N", ()), ("M", ()), ("M", tuple(wrong))])
        lab.send(HERS, kind, hers, gone)
        random_.shuffle(lab.sent)
        assert stands(lab.sent)[0] == truth(tubes), f"{SEED} {story}: {lab}".partition(", sent=")[0]


@pytest.mark.parametrize("left_out", [0, 1])
def test_a_tube_is_not_taken_along_since_its_result_has_the_number_of_another_ones(kith: Any, left_out: int) -> None:
    lab = Laboratory(kith, "counted", "as they are", own_issue=True, request="both", newest_first=False)
    first = Tube(8, HERS, {CODES[0]: "14"})
    wrong = Tube(9, OTHERS, dict(zip(CODES[::-1], ("8", "140", "16"), strict=True)))
    for one in (first, wrong):
        lab.send(HERS, "N", [one], known=False)
    wrong.values = dict([*wrong.values.items()][::-1][: 3 - left_out])
    lab.send(OTHERS, "M", [wrong])
    assert stands(lab.sent)[0] == truth([first, wrong])


def test_a_version_that_names_somebody_else_says_as_often_as_it_is_laid_aside_when_its_samples_were_taken(
    kith: Any,
) -> None:
    [version] = chain.versions(kith.understood(kith.message(kith.report(kith.item()))))
    once = chain.absent(version)
    assert (once.samplings, chain.absent(once)) == (("2026-03-02T08:15:00",), once)


ONE_ANSWER = (
    "hers by itself", "hers changed by itself", "all that is hers", "all that is hers as a change",
    "all of it, the other's taken back", "all of that time, the other's taken back",
    "the other's cancelled, then all that is hers", "first all of it with the other's taken back",
)  # fmt: skip


def of_several_times(random_: random.Random, apart_by: str) -> tuple[list[Tube], Tube]:
    """What was taken at several times, several answers each, and the one of them that is the other's."""
    values = [str(one) for one in random_.sample(range(3, 99), 12)]
    few = [str(random_.randint(3, 5)) for _ in range(12)]
    told = few if random_.random() < 0.3 else values
    clock = random_.random() < 0.7
    tubes: list[Tube] = []
    for place in range(random_.choice([1, 2, 2, 3])):
        at = {"clock": clock, "day": 2 if clock else 2 + place}
        for turn in range(random_.choice([2, 2, 3])):
            code, material = (CODES[turn], "S") if apart_by == "analysis" else (CODES[0], "SPU"[turn])
            tubes.append(Tube(8 + place, HERS, {code: told.pop()}, material, **at))
    wrong = random_.choice(tubes)
    wrong.person = OTHERS
    return tubes, wrong


def one_of_several(kith: Any, random_: random.Random, begun: str, apart_by: str) -> tuple[Laboratory, list[Tube], Tube]:
    """All of them sent about the first patient; the one that is the other's."""
    lab = a_laboratory(kith, random_)
    tubes, wrong = of_several_times(random_, apart_by)
    if not wrong.clock and lab.request not in ("both", "own", "asked"):
        lab.request = "both"  # a day alone shows of no change what it is of
    times = dict.fromkeys(one.taken for one in tubes)
    for some in [tubes] if begun == "together" else [[one for one in tubes if one.taken == time] for time in times]:
        lab.send(HERS, "N", some, known=False)
    return lab, tubes, wrong


def put_one_answer_right(lab: Laboratory, tubes: list[Tube], wrong: Tube, how: str, random_: random.Random) -> None:
    hers = [one for one in tubes if one is not wrong]
    beside, rest = ([one for one in hers if (one.taken == wrong.taken) is same] for same in (True, False))
    anew = lab.request not in ("none", "by nobody") and random_.random() < 0.3
    if how.startswith("first"):
        lab.send(HERS, "M", hers, (wrong,))
    lab.send(OTHERS, "N" if anew else "M", [wrong], known=not anew)
    if how.startswith("the other's cancelled"):
        lab.send(HERS, "C", [], (wrong,))
    if "hers by itself" in how or how.startswith("first"):
        lab.send(HERS, "N", beside)
    elif how == "hers changed by itself":
        lab.send(HERS, "M", beside)
    elif "all that is hers" in how:
        lab.send(HERS, "M" if how.endswith("change") else "N", hers)
    elif how == "hers and some of the rest":
        lab.send(HERS, random_.choice("NM"), [*beside, *random_.sample(rest, len(rest) // 2)])
    else:
        lab.send(HERS, "M", hers if how.startswith("all of it") else beside, (wrong,))


@pytest.mark.parametrize("begun", ["together", "apart"])
@pytest.mark.parametrize("apart_by", ["analysis", "material"])
def test_one_answer_of_a_time_goes_to_another_and_what_went_along_is_hers_again_with_all_of_the_other_times(
    kith: Any, begun: str, apart_by: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}one{begun}{apart_by}{story}")
        lab, tubes, wrong = one_of_several(kith, random_, begun, apart_by)
        how = random_.choice([*ONE_ANSWER, "hers and some of the rest"] if begun == "together" else ONE_ANSWER)
        put_one_answer_right(lab, tubes, wrong, how, random_)
        told = f"{SEED} {story}: {how}, {lab}".partition(", sent=")[0]
        random_.shuffle(lab.sent)
        said, changes = stands(lab.sent)
        assert said == truth(tubes), told
        assert not changes["corrected"], told


@pytest.mark.parametrize("begun", ["together", "apart"])
@pytest.mark.parametrize("apart_by", ["analysis", "material"])
def test_what_goes_along_is_counted_answer_by_answer_whatever_of_other_times_is_hers(
    kith: Any, begun: str, apart_by: str
) -> None:
    for story in range(STORIES):
        random_ = random.Random(f"{SEED}counted{begun}{apart_by}{story}")
        lab, tubes, wrong = one_of_several(kith, random_, begun, apart_by)
        beside = [one for one in tubes if one.taken == wrong.taken and one is not wrong]
        lab.send(OTHERS, "M", [wrong])
        told = f"{SEED} {story}: {lab}".partition(", sent=")[0]
        assert told_unnamed(lab.sent)[-1] == len(beside), told
        lab.send(HERS, "N", [beside[0]])
        lab.sent[-2:] = lab.sent[:-3:-1]
        assert told_unnamed(lab.sent)[-1] == len(beside) - 1, told
