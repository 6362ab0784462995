"""What a Svarrapport may say once only, and says twice.

The schemas (svar-v13.xsd, svar-v1.4.xsd) let most elements stand once. Where one stands again and says another thing, nobody
but the sender knows which holds. Of whom, what and when a report tells, and of its values and flags, none is chosen: the
message is refused. Of anything else the first is shown, and a reading note says so. What says the same again is no matter.
"""

from __future__ import annotations

import re
from typing import Any, Final

from kjerne.services.results.kith.nodes import NAMES, NOT_VALID, Element, Notes, name_of, refuse

_ORGANISED: Final = "Id TypeId"
_DECIDES: Final = {
    "Message": "Type GenDate MsgId Status",
    "ServReport": "ServType IssueDate ApprDate Status MsgDescr ServProvId ServProvider",
    "ServReq": "IssueDate Id IdByServProvider",
    "RefDoc": "Content",
    "Patient": "DateOfBirth OffId TypeOffId Relation",
    "AdditionalId": "Id Type",
    "HCP": "Inst HCProf",
    "Inst": _ORGANISED,
    "Dept": _ORGANISED,
    "HCProf": _ORGANISED,
    "HCPerson": _ORGANISED,
    "AnalysedSubject": "CollectedSample CollectedStudyProduct Type TypeCoded IdByServProvider IdByServProv",
    "CollectedSample": "CollectedDate",
    "CollectedStudyProduct": "ProducedDate",
    "ResultItem": "ServType InvDate DevResultInd IdResultItem RefIdResultItem StatusInvestigation DiagComment",
    "TextResult": "Heading TextResultValue Unit",
    "Interval": "Low High",
    "DateResult": "DateResultValue",
    "NumResult": "ArithmeticComp NumResultValue",
    "DiagComment": "Concept",
    "Modifier": "Name",
    "StructuredInfo": "Type",
    "BooleanInfo": "Flag",
}
"""By element, what in it is not chosen between: who, what, when, the values and their flags."""

_EACH_IS_READ: Final = {
    "Message": "ServReport",
    "ServReport": "Comment CodedComment RefDoc ServReq CopyDest",
    "ServReq": "Reservation Permission ReasonAsText Comment",
    "Comment": "",
    "ReasonAsText": "",
    "RefDoc": "",
    "Patient": "ResponsibleHcp AdditionalId InfItem AnalysedSubject ResultItem Patient",
    "InfItem": "",
    "Observation": "",
    "ServProvider": "",
    "Requester": "",
    "RelServProv": "",
    "ResponsibleHcp": "",
    "Inst": "Dept HCPerson AdditionalId",
    "Dept": "AdditionalId",
    "HCProf": "AdditionalId",
    "HCPerson": "AdditionalId",
    "AnalysedSubject": "AnalysedSubject Comment SampleHandling",
    "CollectedSample": "CollectorCommentCoded",
    "Pretreatment": "",
    "ResultItem": "TextResult Interval DateResult NumResult RefInterval Investigation Comment RefAnalysedSubject RelServProv "
    "StructuredInfo ResultItem",
    "RefInterval": "Descr",
    "Investigation": "Id Spec Comment",
    "TextResult": "TextCode",
    "DiagComment": "Modifier",
    "Modifier": "Value",
    "StructuredInfo": "TextInfo IntegerInfo PhysicalInfo CodedInfo BooleanInfo",
    "TextInfo": "Text",
    "IntegerInfo": "Integer",
    "PhysicalInfo": "Quantity",
    "CodedInfo": "Code",
}
"""By element, what in it is read however often it stands: by the schema, or since no word of it is lost."""

_NUMBERS: Final = frozenset({"NumResultValue", "Low", "High"})
"""Elements whose V is a number, with a unit or without."""

_PLAIN: Final = re.compile(r"(-?)([0-9]+)(?:[.,]([0-9]*))?")

_Rule = tuple[frozenset[str], frozenset[str]]
_RULES: Final[dict[str, _Rule]] = {
    name: (frozenset(_DECIDES.get(name, "").split()), frozenset(_EACH_IS_READ.get(name, "").split()))
    for name in _DECIDES | _EACH_IS_READ
}
_WRONG_NUMBER: Final = "E31"
_WRONG_MESSAGE_ID: Final = "E10"
_RECEIPTS: Final = {
    ("Patient", "DateOfBirth"): _WRONG_NUMBER,
    ("Patient", "OffId"): _WRONG_NUMBER,
    ("Patient", "TypeOffId"): _WRONG_NUMBER,
    ("Message", "MsgId"): _WRONG_MESSAGE_ID,
}
"""Codes of 8221 where another than "the XML does not validate" says it better."""


def check(element: Element, notes: Notes, *, within: bool = True) -> None:
    """Refuse or note what stands twice in `element`, and where `within` in all that it holds. `Refusal` 422 with the place of
    the second."""
    if within and not _is_doubtful(element):
        return
    waiting = [element]
    while waiting:
        here = waiting.pop()
        rule = _RULES.get(name_of(here))
        if rule is None:
            continue  # formatted text, a file, or what is not read
        inside = list(here)
        if len(inside) > 1:
            names = [NAMES[child.tag] for child in inside]
            if len(set(names)) < len(names):
                _look_at(here, names, inside, rule, notes)
        if within:
            waiting += [child for child in inside if len(child)]


def _is_doubtful(element: Element) -> bool:
    """Whether something may stand twice in all that it holds that should not. Nearly no message has such, so this is all that is
    asked of it."""
    for here in element.iter():
        if len(here) > 1:
            names = [NAMES[child.tag] for child in here]
            if len(set(names)) < len(names) and (rule := _RULES.get(NAMES[here.tag])):
                once = [name for name in names if name not in rule[1]]
                if len(set(once)) < len(once):
                    return True
    return False


def _look_at(here: Element, names: list[str], inside: list[Element], rule: _Rule, notes: Notes) -> None:
    seen: dict[str, Element] = {}
    for name, child in zip(names, inside, strict=True):
        earlier = seen.setdefault(name, child)
        if earlier is not child and name not in rule[1]:
            _again(here, name, earlier, child, rule, notes)


def _again(here: Element, name: str, earlier: Element, child: Element, rule: _Rule, notes: Notes) -> None:
    holder = name_of(here)
    if (holder, name) == ("ServReport", "Patient"):
        # Each of them has results, and all of a report is filed on one.
        todo = "Send a report of its own about each."
        refuse("The report names more than one patient.", child, todo=todo, receipt=_WRONG_NUMBER)
    if _said(earlier) == _said(child):
        return
    if name in rule[0]:
        says = f"{holder} holds {name} twice, and they say two things."
        refuse(says, child, todo="Send the one that holds.", receipt=_RECEIPTS.get((holder, name), NOT_VALID))
    notes.add(f"{holder} holds {name} twice; the first is shown.")


def _said(element: Element) -> Any:
    """What an element says, without prefixes and the blanks around it: a code by itself and its system, whatever name stands
    with it; a number without the zeros that only fill it; whom, without blanks inside the number."""
    sent = {str(name): str(text).strip() for name, text in element.attrib.items()}
    name, text = name_of(element), (element.text or "").strip()
    if sent.get("V"):
        sent.pop("DN", None)
        if "U" in sent or name in _NUMBERS:
            sent["V"] = _number(sent["V"])
    inside = [(_said(child), (child.tail or "").strip()) for child in element]
    return name, sorted(sent.items()), "".join(text.split()) if name == "OffId" else text, inside


def _number(text: str) -> str:
    """The digits without zeros that say nothing. As text, since a number may have more digits than one can reckon with."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        return text
    sign, whole, rest = found.groups("")
    return f"{sign}{whole.lstrip('0') or '0'}.{rest.rstrip('0')}"
