"""ResultItem and AnalysedSubject, at any depth, as flat tuples with parents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from kjerne.services.results.kith.model import AnalysedSubject, Code, Item, Material, Structured, Value
from kjerne.services.results.kith.nodes import (
    NAMES,
    Element,
    Notes,
    Parts,
    amount_of,
    code,
    code_of,
    codes,
    date,
    date_of,
    first,
    flag,
    flag_of,
    joined,
    line_of,
    parts,
    prose,
    refuse,
    text,
    text_of,
    texts,
    unknown,
    value,
    value_of,
    whole_number,
)
from kjerne.services.results.kith.read_actors import actor
from kjerne.services.results.kith.whose import by_material

ITEM_LIMIT: Final = 5_000
"""Result items in one report; the largest real ones (microbiology, genetics) have some hundreds."""

_SINGLE: Final[dict[str, tuple[str, Callable[[Element], object]]]] = {
    "IdResultItem": ("id", text_of),
    "RefIdResultItem": ("ref", text_of),
    "ServType": ("service", value_of),
    "StatusInvestigation": ("status", value_of),
    "InvDate": ("investigated", date_of),
    "Comment": ("comment", text_of),
    "DevResultInd": ("deviation", code_of),
    "StatusChangeDate": ("status_changed", date_of),
    "DescrDate": ("described", date_of),
    "CounterSignDate": ("countersigned", date_of),
    "MedicalValidationDate": ("validated", date_of),
    "Accredited": ("accredited", flag_of),
}
"""Elements of a ResultItem that occur once: the field of `Item` they fill, and how they are read."""

_VALUES: Final = frozenset({"NumResult", "TextResult", "Interval", "DateResult"})
_REPEATED: Final = frozenset(
    {"Investigation", "RefInterval", "RefAnalysedSubject", "RelServProv", "DiagComment", "StructuredInfo", "ResultItem"}
)
_SUBJECT: Final = frozenset(
    "CollectedSample CollectedStudyProduct ServType Type TypeCoded IdByRequester IdByServProv PreservMaterial Comment "
    "AnatomicalOrigin Number SampleCollInd SampleCollProc SampleHandling IdByServProvider Accredited AnalysedSubject "
    "Pretreatment RelServProv".split()
)
_NOTHING: Final[frozenset[str]] = frozenset()
_COMPARATORS: Final = frozenset({"", "EQ", "LT", "LE", "GT", "GE", "ML", "MG", "NE"})
_SIGNS: Final = {"<": "LT", "<=": "LE", "≤": "LE", ">": "GT", ">=": "GE", "≥": "GE", "=": "EQ"}
"""What some write for the codes of 8239."""


class Whose(NamedTuple):
    """Which Patient element is read (0 the outermost), whose material its items are, and whether the patient is a
    child herself."""

    of: int
    material: Material
    words: str
    child: bool


def items(element: Element, here: Parts, whose: Whose, found: list[Item], notes: Notes, parent: int = -1) -> None:
    """Append every ResultItem under `element` to `found`, each before the items inside it."""
    for child in here.get("ResultItem", ()):
        if len(found) >= ITEM_LIMIT:
            refuse(f"The report holds more than {ITEM_LIMIT} result items.", element)
        index = len(found)
        item, inside = _item(child, whose, parent, notes)
        found.append(item)
        if "ResultItem" in inside:
            items(child, inside, whose, found, notes, index)


def _item(element: Element, whose: Whose, parent: int, notes: Notes) -> tuple[Item, Parts]:
    """The item, and its repeated children by name. One pass over the children: most of a message is result items."""
    fields: dict[str, Any] = {"parent": parent, "line": line_of(element)}
    if whose.of or whose.material:
        fields |= {"of": whose.of, "material": whose.material, "material_words": whose.words}
    inside: Parts = {}
    for child in element:
        name = NAMES[child.tag]
        single = _SINGLE.get(name)
        if single is not None:
            field, read = single
            if field not in fields:
                fields[field] = read(child)
            elif field == "comment":  # of two none is lost; `once` tells of anything else that differs
                fields[field] = "\n".join(filter(None, (fields[field], text_of(child))))
        elif name in _REPEATED:
            inside.setdefault(name, []).append(child)
        elif name in _VALUES:
            if "value" not in fields:
                fields["value"] = _value(name, child, notes)
            else:
                notes.add("A result holds more than one value; those after the first stand beside it.")
                fields["further"] = (*fields.get("further", ()), _value(name, child, notes))
        else:
            unknown({name: [child]}, _NOTHING, element, notes)
    _repeated(fields, inside, notes)
    return Item(**fields), inside


def _repeated(fields: dict[str, Any], inside: Parts, notes: Notes) -> None:
    if "Investigation" in inside:
        _investigations(fields, inside["Investigation"])
    if "RefInterval" in inside:
        fields["ranges"] = tuple(
            words
            for holder in inside["RefInterval"]
            for child in holder
            if NAMES[child.tag] == "Descr" and (words := text_of(child))
        )
    if "RefAnalysedSubject" in inside:
        fields["subjects"] = texts(inside, "RefAnalysedSubject")
    if "RelServProv" in inside:
        fields["actors"] = tuple(actor(holder) for holder in inside["RelServProv"])
    if "DiagComment" in inside:
        fields["diagnosis"], fields["diagnosis_modifiers"] = _diagnosis(inside["DiagComment"][0])
    if "StructuredInfo" in inside:
        fields["structured"] = tuple(_structured(holder, notes) for holder in inside["StructuredInfo"])


def _value(name: str, element: Element, notes: Notes) -> Value:
    if name == "NumResult":
        return _number(element, notes)
    inside = parts(element)
    if name == "TextResult":
        return _text(inside)
    if name == "Interval":
        low, high = (amount_of(inside[side][0], notes) if side in inside else None for side in ("Low", "High"))
        return Value("interval", low=low, high=high) if low or high else Value("empty")
    when = date(inside, "DateResultValue")
    return Value("date", date=when) if when else Value("empty")


def _number(element: Element, notes: Notes) -> Value:
    inside = parts(element)
    comparator = value(inside, "ArithmeticComp")
    holder = first(inside, "NumResultValue")
    amount = amount_of(holder, notes) if holder is not None else None
    if amount is None:
        if comparator:
            notes.add("A result has a comparator and no number; it stands without a value.")
        return Value("empty")
    comparator = _SIGNS.get(comparator, comparator)
    if comparator not in _COMPARATORS:
        refuse("ArithmeticComp is no comparator of 8239.", inside["ArithmeticComp"][0])
    return Value("number", amount=amount, comparator="" if comparator == "EQ" else comparator)


def _text(inside: Parts) -> Value:
    holder = first(inside, "TextResultValue")
    words = prose(holder) if holder is not None else ""
    result = Value(
        "text", heading=code(inside, "Heading"), text=words, codes=codes(inside, "TextCode"), unit=text(inside, "Unit")
    )
    if not words and not result.codes:
        return Value("empty", heading=result.heading)
    return result


def _investigations(fields: dict[str, Any], holders: list[Element]) -> None:
    """Ids, specifications and comments of all Investigation elements together."""
    ids: list[Code] = []
    specifications: list[Code] = []
    comments: list[str] = []
    for holder in holders:
        for child in holder:
            name = NAMES[child.tag]
            if name == "Id":
                ids.append(code_of(child))
            elif name == "Spec":
                specifications.append(code_of(child))
            elif name == "Comment":
                comments.append(text_of(child))
    fields["investigations"] = tuple(c for c in ids if c.code or c.name or c.original)
    if specifications:
        fields["specifications"] = tuple(c for c in specifications if c.code or c.name or c.original)
    if comments:
        fields["investigation_comment"] = "\n".join(filter(None, comments))


def _diagnosis(holder: Element) -> tuple[Code, tuple[tuple[Code, Code], ...]]:
    inside = parts(holder)
    modifiers = []
    for element in inside.get("Modifier", ()):
        modifier = parts(element)
        modifiers += [(code(modifier, "Name"), chosen) for chosen in codes(modifier, "Value")]
    return code(inside, "Concept"), tuple(modifiers)


def _structured(holder: Element, notes: Notes) -> Structured:
    inside = parts(holder)
    facts = {name: [parts(element) for element in inside.get(name, ())] for name in inside}
    amounts = (amount_of(e, notes) for fact in facts.get("PhysicalInfo", ()) for e in fact.get("Quantity", ()))
    flags = (flag(fact, "Flag") for fact in facts.get("BooleanInfo", ()))
    integers = (whole_number(e) for fact in facts.get("IntegerInfo", ()) for e in fact.get("Integer", ()))
    return Structured(
        type=code(inside, "Type"),
        texts=tuple(words for fact in facts.get("TextInfo", ()) for words in texts(fact, "Text")),
        integers=tuple(number for number in integers if number is not None),
        amounts=tuple(amount for amount in amounts if amount is not None),
        codes=tuple(c for fact in facts.get("CodedInfo", ()) for c in codes(fact, "Code")),
        flags=tuple(known for known in flags if known is not None),
    )


def subjects(here: Parts, whose: Whose, found: list[AnalysedSubject], notes: Notes, parent: str = "") -> None:
    """Append every AnalysedSubject to `found`, each before the one it was made into."""
    for element in here.get("AnalysedSubject", ()):
        inside = parts(element)
        unknown(inside, _SUBJECT, element, notes)
        own = _subject(element, inside, whose, parent, notes)
        found.append(own)
        if "AnalysedSubject" in inside:
            subjects(inside, whose, found, notes, own.id)


def _subject(element: Element, here: Parts, whose: Whose, parent: str, notes: Notes) -> AnalysedSubject:
    sample = parts(here["CollectedSample"][0]) if "CollectedSample" in here else {}
    product = parts(here["CollectedStudyProduct"][0]) if "CollectedStudyProduct" in here else {}
    pretreatment = parts(here["Pretreatment"][0]) if "Pretreatment" in here else {}
    material, words = whose.material, whose.words
    type_text, type_code = text(here, "Type"), code(here, "TypeCoded")
    if not material and not whose.child:
        said = (type_text, type_code.words, text(here, "AnatomicalOrigin"))
        material, words = next(((of, word) for word in said if (of := by_material(word))), ("", ""))
    number = first(here, "Number")
    related = first(here, "RelServProv")
    return AnalysedSubject(
        id=text(here, "IdByServProvider") or text(here, "IdByServProv"),
        line=line_of(element),
        of=whose.of,
        parent=parent,
        material=material,
        material_words=words if material else "",
        requester_id=text(here, "IdByRequester"),
        type=type_text,
        type_code=type_code,
        collected=date(sample, "CollectedDate") or date(product, "ProducedDate"),
        collector_comment=text(sample, "CollectorComment"),
        collector_codes=codes(sample, "CollectorCommentCoded"),
        logistics=text(sample, "Logistics"),
        product_type=text(product, "Type"),
        product_ref=text(product, "RefRelatedProd"),
        preservative=text(here, "PreservMaterial"),
        comment=joined(here, "Comment"),
        origin=text(here, "AnatomicalOrigin"),
        containers=_containers(number, notes) if number is not None else None,
        procedure=code(here, "SampleCollProc"),
        handling=texts(here, "SampleHandling"),
        accredited=flag(here, "Accredited"),
        pretreatment=code(pretreatment, "Heading"),
        pretreatment_text=text(pretreatment, "TextResultValue"),
        actor=actor(related) if related is not None else None,
    )


def _containers(element: Element, notes: Notes) -> int | None:
    """AnalysedSubject/Number, which FHIR's integer of 32 bits holds; what does not fit counts nothing."""
    number = whole_number(element)
    if number is None or abs(number) < 2**31:
        return number
    notes.add("A number of containers is beyond all sense; it is not shown.")
    return None
