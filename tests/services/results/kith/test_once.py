"""What stands once by the schema, and stands twice: refused where nobody could know which holds, noted where it matters less."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import pytest
from lxml import etree
from tests.services.results.kith.conftest import Kith

from kjerne.errors import Refusal
from kjerne.services.results.kith.once import _DECIDES

SERUM = f"S='{Kith.OID}8351' V='S' DN='Serum'"
RICH = (
    "<RefDoc><IssueDate V='2026-03-01'/><MsgType V='A'/><Content><p>Ett</p></Content></RefDoc>"
    "<ServReq><IssueDate V='2026-03-01'/><Id>Q-1</Id><IdByServProvider>Q-2</IdByServProvider></ServReq>"
)
WHO = "<DateOfBirth V='1975-01-12'/>"
BESIDE = "<Relation V='PAS'/><AdditionalId><Id>H-1</Id><Type V='HNR'/></AdditionalId>"
STAFF = (
    "<RelServProv><Relation V='UTF'/><HCP><HCProf><Name>Eva</Name><Id>7654321</Id><TypeId V='HPR'/></HCProf></HCP>"
    "</RelServProv>"
)
OBJECT = (
    f"<AnalysedSubject><CollectedSample><CollectedDate V='2026-03-02'/></CollectedSample><Type>Serum</Type><TypeCoded {SERUM}/>"
    "<IdByServProvider>P1</IdByServProvider><IdByServProv>P9</IdByServProv></AnalysedSubject>"
    "<AnalysedSubject><CollectedStudyProduct><ProducedDate V='2026-03-02'/></CollectedStudyProduct>"
    "<IdByServProvider>P2</IdByServProvider></AnalysedSubject>"
)
DIAGNOSIS = (
    f"<DiagComment><Concept V='T1' S='{Kith.OID}7010'/><Modifier><Name V='A'/><Value V='1' S='{Kith.OID}7010'/></Modifier>"
    "</DiagComment>"
)
FACT = f"<StructuredInfo><Type V='F1' S='{Kith.OID}7010'/><BooleanInfo><Flag V='true'/></BooleanInfo></StructuredInfo>"


def rich(kith: Any) -> str:
    """A message that holds each element that decides something, once."""
    items = "".join(
        (
            kith.item(
                value=kith.number("5", comparator="LT"), id_="1", extra="<InvDate V='2026-03-02'/><DevResultInd V='1'/>"
            ),
            kith.item(
                value=kith.text("positiv").replace("</TextResult>", "<Unit>g</Unit></TextResult>"), id_="2", ref="1"
            ),
            kith.item(value="<Interval><Low V='1' U='g'/><High V='2' U='g'/></Interval>", inside=DIAGNOSIS + FACT),
            kith.item(value="<DateResult><DateResultValue V='2026-02-01'/></DateResult>"),
        )
    )
    patient = kith.person(BESIDE + OBJECT + items, before=WHO)
    report = kith.report(patient=patient, head=RICH, tail=STAFF).replace(
        "<Status V=", "<ApprDate V='2026-03-02'/><Status V=", 1
    )
    return kith.message(report, head="<Status V='TEST'/>").decode()


def twice(raw: str, holder: str, name: str) -> bytes:
    """The message with an element again, behind the first that stands in a `holder`, and with other words."""
    root = etree.fromstring(raw.encode())
    sent = root.xpath(f"(//*[local-name()='{holder}']/*[local-name()='{name}'])[1]")[0]
    other = deepcopy(sent)
    leaf = next(one for one in other.iter() if not len(one))
    leaf.attrib.update({"V": "7"}) if "V" in leaf.attrib else setattr(leaf, "text", "Annet")
    sent.addnext(other)
    return etree.tostring(root, encoding="utf-8")


def test_the_message_that_is_spoiled_below_is_sound(kith: Any) -> None:
    [report] = kith.understood(rich(kith).encode()).reports
    assert not [note for note in report.notes if "twice" in note]


@pytest.mark.parametrize(
    ("holder", "name"), [(holder, name) for holder in _DECIDES for name in _DECIDES[holder].split()]
)
def test_what_decides_and_is_said_in_two_ways_refuses_the_message(kith: Any, holder: str, name: str) -> None:
    with pytest.raises(Refusal) as caught:
        kith.understood(twice(rich(kith), holder, name))
    refusal = caught.value
    assert refusal.status == 422
    assert re.search(rf"{holder}/{name} line \d+$", refusal.where), refusal.where
    assert f"{holder} holds {name} twice" in refusal.says
    assert refusal.faults[0].code in ("T02", "E31", "E10")
    assert kith.NUMBER not in str(refusal)


def test_a_second_patient_refuses_the_report_whatever_it_says(kith: Any) -> None:
    again = kith.person(kith.item(id_="77"))
    for other in (again, again.replace(kith.NUMBER, "12817510072")):
        with pytest.raises(Refusal) as caught:
            kith.understood(kith.message(kith.report(patient=kith.person(kith.item()) + other)))
        assert re.search(r"ServReport/Patient line \d+$", caught.value.where)
        assert caught.value.faults[0].code == "E31"


def test_what_says_the_same_again_is_taken_without_a_word(kith: Any) -> None:
    again = f"<OffId>{kith.NUMBER}</OffId><OffId> {kith.NUMBER} </OffId>"
    raw = kith.message(kith.report(kith.item())).decode().replace(f"<OffId>{kith.NUMBER}</OffId>", again)
    [report] = kith.understood(raw.encode()).reports
    assert report.patient.number == kith.NUMBER
    assert not report.notes


AGAIN = {
    "a type without its name": ("<ServType V='N'/>", "<ServType V='N' DN='Ny'/>"),
    "a discipline without its name": ("<MsgDescr V='CLIN'/>", "<MsgDescr V='CLIN' DN='Klinisk kjemi'/>"),
    "a material under another name": (f"<TypeCoded {SERUM}/>", f"<TypeCoded S='{Kith.OID}8351' V='S' DN='Blodserum'/>"),
    "a number with more zeros": ("<NumResultValue V='140' U='mmol/L'/>", "<NumResultValue V='140.0' U='mmol/L'/>"),
    "a person number with a blank": (
        f"<OffId>{Kith.NUMBER}</OffId>",
        f"<OffId>{Kith.NUMBER[:6]} {Kith.NUMBER[6:]}</OffId>",
    ),
}


@pytest.mark.parametrize(("first", "again"), AGAIN.values(), ids=AGAIN)
def test_what_says_the_same_in_another_spelling_is_taken_without_a_word(kith: Any, first: str, again: str) -> None:
    raw = kith.message(kith.report(kith.item())).decode()
    assert first in raw
    for both in (first + again, again + first):
        [report] = kith.understood(raw.replace(first, both).encode()).reports
        assert (report.patient.number, len(report.items), report.notes) == (kith.NUMBER, 1, ())


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("<ServType V='N'/>", "<ServType V='M' DN='N'/>"),
        ("<NumResultValue V='140' U='mmol/L'/>", "<NumResultValue V='14.0' U='mmol/L'/>"),
        ("<NumResultValue V='140' U='mmol/L'/>", "<NumResultValue V='-140' U='mmol/L'/>"),
        ("<NumResultValue V='140' U='mmol/L'/>", f"<NumResultValue V='140.{'0' * 40}1' U='mmol/L'/>"),
        ("<NumResultValue V='140' U='mmol/L'/>", "<NumResultValue V='140' U='g/L'/>"),
        (f"<TypeCoded {SERUM}/>", "<TypeCoded S='2.16.1' V='S' DN='Serum'/>"),
    ],
)
def test_another_code_system_number_or_unit_is_another_thing(kith: Any, first: str, again: str) -> None:
    raw = kith.message(kith.report(kith.item())).decode()
    assert first in raw
    with pytest.raises(Refusal, match="they say two things"):
        kith.understood(raw.replace(first, first + again).encode())


@pytest.mark.parametrize(
    ("pattern", "other", "note"),
    [
        ("<Name>Prøve, Person</Name>", "<Name>Annen, Person</Name>", "Patient holds Name twice"),
        ("<StatusInvestigation V='3'/>", "<DescrDate V='2026'/><DescrDate V='2025'/>", "ResultItem holds DescrDate twice"),
        (Kith.REQUESTER, Kith.REQUESTER.replace("88001", "88002"), "ServReport holds Requester twice"),
    ],
)  # fmt: skip
def test_anything_else_is_noted_and_the_first_is_shown(kith: Any, pattern: str, other: str, note: str) -> None:
    raw = kith.message(kith.report(kith.item())).decode()
    assert pattern in raw
    [report] = kith.understood(raw.replace(pattern, pattern + other).encode()).reports
    assert report.notes == (f"{note}; the first is shown.",)


def test_a_second_one_in_another_namespace_is_a_second_one(kith: Any) -> None:
    raw = kith.message(kith.report(kith.item())).decode()
    other = "<old:IssueDate xmlns:old='http://www.kith.no/xmlstds/labsvar/2008-12-01' V='2001-01-01'/><Status V="
    with pytest.raises(Refusal, match="ServReport holds IssueDate twice"):
        kith.understood(raw.replace("<Status V=", other, 1).encode())


def test_what_stands_twice_in_what_is_not_read_is_no_matter(kith: Any) -> None:
    copies = "<CopyDest><HCP><Inst><Id>1</Id><Id>2</Id></Inst></HCP></CopyDest>"
    [report] = kith.understood(kith.message(kith.report(kith.item(), tail=copies))).reports
    assert not report.notes


def test_no_comment_and_no_range_is_lost(kith: Any) -> None:
    ranges = "<RefInterval><Descr>3 - 5</Descr><Descr>Gravide: 6 - 9</Descr></RefInterval>"
    head = "<Comment>Hemolyse.</Comment><Comment>Kalium er usikkert.</Comment>"
    sample = kith.SAMPLE.replace("<IdBy", "<Comment>Lite</Comment><Comment>Varmt</Comment><IdBy")
    [report] = kith.understood(kith.message(kith.report(kith.item(extra=ranges), head=head, subjects=sample))).reports
    assert report.items[0].ranges == ("3 - 5", "Gravide: 6 - 9")
    assert report.comment == "Hemolyse.\nKalium er usikkert."
    assert report.subjects[0].comment == "Lite\nVarmt"
    assert not report.notes
