"""FHIR messages about what is shut to their sender, and about several people: no reference and no refusal tells of a record."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import pytest

from platform_fixture import Answered, Standing, Tree
from services.test_messaging import Sender, told
from services.test_standards_both import ordinary
from services.test_standards_record import chosen
from services.test_standards_registered import NEED, ORGANISATIONS

ABOUT: Final = "parent"
OTHER: Final = "citizen"
HOSPITAL: Final = "100000008"
PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


class Nurse(Sender):
    """A nurse who sends what she has registered, about one patient at a time."""

    def __init__(self, platform: Standing, about: str, run: str = "", as_: str = "nurse") -> None:
        super().__init__(platform, as_=as_, about=about)
        self.run = run or self.run

    def of(self, name: str, id_: str, **more: Any) -> Tree:
        tree = ordinary(self.platform, name) | {"identifier": [{"system": "urn:ward", "value": f"{id_} {self.run}"}]}
        return self.entry({k: v for k, v in tree.items() if k != "patient"} | self.whose(name) | more, id_)

    def whose(self, name: str) -> Tree:
        element = "patient" if name == "Immunization" else "subject"
        return {element: self.reference("Patient", "p")}

    def tell(self, *entries: Tree) -> Answered:
        more: dict[str, Any] = {} if self.as_ != "nurse" else NEED | {"patient": self.platform.nin(self.about)}
        return self.send(self.message(*entries, self.person(), event="A01"), service="record", **more)

    def seen(self, name: str, id_: str) -> list[Tree]:
        """What a colleague's system finds of it; its own where nothing is shut."""
        path = f"{name}?identifier=urn:ward|{id_} {self.run}"
        answer = self.platform.get(path, as_="nurse", about=self.about, service="record", **NEED)
        assert answer.status == 200
        return answer.resources()


shut = partial(chosen, service="record")


def record(address: str) -> Tree:
    return {"data": [{"meaning": "instance", "reference": {"reference": address}}]}


@pytest.mark.parametrize("as_", ["nurse", "journal-system"])
def test_a_reference_leads_to_no_record_of_another_patient(platform: Standing, as_: str) -> None:
    first = Nurse(platform, ABOUT, as_=as_)
    assert told(first.tell(first.of("Encounter", "e"))) == ("ok", [])
    second = Nurse(platform, OTHER, first.run, as_)
    for id_, stay in (("i", "e"), ("j", "never")):
        vaccine = second.of("Immunization", id_, encounter=second.reference("Encounter", stay))
        assert told(second.tell(vaccine)) == ("ok", [])
        (filed,) = second.seen("Immunization", id_)
        assert filed["encounter"] == {"reference": second.address("Encounter", stay)}
    own = first.of("Immunization", "k", encounter=first.reference("Encounter", "e"))
    assert told(first.tell(own)) == ("ok", [])
    (stay_of_hers,) = first.seen("Encounter", "e")
    assert first.seen("Immunization", "k")[0]["encounter"]["reference"] == f"Encounter/{stay_of_hers['id']}"


def test_what_comes_later_about_another_patient_changes_nothing_that_refers_to_it(platform: Standing) -> None:
    first = Nurse(platform, ABOUT, as_="journal-system")
    assert told(first.tell(first.of("Immunization", "i", encounter=first.reference("Encounter", "e")))) == ("ok", [])
    second = Nurse(platform, OTHER, first.run, "journal-system")
    assert told(second.tell(second.of("Encounter", "e"))) == ("ok", [])
    (filed,) = first.seen("Immunization", "i")
    assert (filed["encounter"], filed["meta"]["versionId"]) == (
        {"reference": first.address("Encounter", "e")}, "1",
    )  # fmt: skip


@pytest.mark.parametrize("how", ["record", "part"])
def test_a_change_of_what_is_shut_to_personnel_is_taken_in_as_new(platform: Standing, how: str) -> None:
    nurse = Nurse(platform, ABOUT)
    plan = nurse.of("CarePlan", "c", encounter=nurse.reference("Encounter", "e"))
    assert told(nurse.tell(nurse.of("Encounter", "e"), plan)) == ("ok", [])
    (before,) = nurse.seen("Encounter", "e")
    author = {"coding": [{"system": PARTICIPATION, "code": "AUT"}]}
    source = {"type": "Organization", "identifier": {"system": ORGANISATIONS, "value": HOSPITAL}}
    actor = [{"role": author, "reference": source}]
    provision = record(f"Encounter/{before['id']}") if how == "record" else {"actor": actor}
    with shut(platform, ABOUT, "record" if how == "record" else "restriction", **provision):
        changed = nurse.of("Encounter", "e", status="in-progress")
        never = nurse.of("Encounter", "f", status="in-progress")
        assert told(nurse.tell(changed)) == told(nurse.tell(never)) == ("ok", [])
        again = nurse.of("Encounter", "e", status="finished")
        assert told(nurse.tell(again))[0] == "ok"
    rows = {one["id"]: one for one in nurse.seen("Encounter", "e")}
    assert len(rows) >= 2
    assert rows[before["id"]]["meta"]["versionId"] == "1"


def test_a_message_that_moves_what_it_brought_to_another_patient_makes_no_second_record(platform: Standing) -> None:
    nurse = Nurse(platform, ABOUT)
    assert told(nurse.tell(nurse.of("Encounter", "e"))) == ("ok", [])
    (before,) = nurse.seen("Encounter", "e")
    other = Nurse(platform, OTHER, nurse.run)
    for _ in (1, 2):
        refused = other.tell(other.of("Encounter", "e", status="in-progress"))
        assert told(refused) == ("fatal-error", ["Bundle.entry[1].fullUrl"])
        with shut(platform, ABOUT, "record", **record(f"Encounter/{before['id']}")):
            refused = other.tell(other.of("Encounter", "e", status="in-progress"))
            assert told(refused) == ("fatal-error", ["Bundle.entry[1].fullUrl"])
    assert other.seen("Encounter", "e") == []


@pytest.mark.parametrize("again", [False, True], ids=["referred to alone", "brought again as it was"])
def test_a_reference_tells_nothing_of_what_is_shut_to_the_sender(platform: Standing, again: bool) -> None:
    first = Nurse(platform, ABOUT)
    stay = first.of("Encounter", "e")
    assert told(first.tell(stay)) == ("ok", [])
    (there,) = first.seen("Encounter", "e")
    with shut(platform, ABOUT, "record", **record(f"Encounter/{there['id']}")):
        for id_, name in (("i", "e"), ("j", "never")):
            vaccine = first.of("Immunization", id_, encounter=first.reference("Encounter", name))
            assert told(first.tell(vaccine, *([stay] if again else []))) == ("ok", [])
            (filed,) = first.seen("Immunization", id_)
            led = filed["encounter"]["reference"]
            assert there["id"] not in led
            assert (led == first.address("Encounter", name)) == (name == "never" or not again)
    open_ = first.of("Immunization", "k", encounter=first.reference("Encounter", "e"))
    assert told(first.tell(open_)) == ("ok", [])
    assert first.seen("Immunization", "k")[0]["encounter"]["reference"].startswith("Encounter/")


def test_a_guess_at_what_stands_about_somebody_else_is_refused_right_or_wrong(platform: Standing) -> None:
    first = Nurse(platform, ABOUT)
    assert told(first.tell(first.of("Encounter", "e"))) == ("ok", [])
    other = Nurse(platform, OTHER, first.run)
    heard = []
    for status in ("planned", "finished"):
        guess = first.of("Encounter", "e", status=status)
        answer = other.send(
            other.message(guess, first.person(), event="A01"), service="record", patient=platform.nin(OTHER), **NEED
        )
        rows = [(row["outcome"], row["rule"]) for row in platform.audited(answer.response)]
        heard.append((told(answer), rows))
    assert heard[0] == heard[1]
    assert heard[0][0] == ("fatal-error", ["Bundle.entry[1].fullUrl"])
