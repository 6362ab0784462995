"""The values of CDA's data types (HL7 V3 Data Types R1) as rows: told by what stands in them, since many leave their type out."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from kjerne.reading.room import name, text_of
from kjerne.reading.view import Code, Field, Fields, Key

_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
_TIME: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:\.\d{1,4})?([+-]\d\d\d\d)?", re.ASCII)
_ENDS: Final = frozenset({"low", "high", "center", "width"})
_TIMED: Final = re.compile(r"(?:\w*[tT]ime|\w*Date|phase)", re.ASCII)
_CODED: Final = frozenset({"code", "displayName", "codeSystem"})
_OF_CODE: Final = frozenset({"originalText", "translation", "reference"})
_SPOKEN: Final = frozenset({"name", "addr", "given", "family"})
_TURNS: Final = ("negationInd", "uncertaintyInd", "inverted", "institutionSpecified")
"""Attributes that turn or bind what is said where they are true; false is what they are by default."""
_INDICATOR: Final = "Ind"
"""How the names of other such attributes end, of whatever namespace (`sdtc:valueNegationInd`): what is not known may turn too."""
_PASSED: Final = frozenset({"contextConductionInd"})
_NOT: Final = frozenset({"false", "0"})
_YES: Final = frozenset({"true", "1"})
_INCLUDED: Final = "I"
"""The operator of a part of a set by default: it is one more of it (HL7 V3 SetOperator)."""
_EXCLUSIVE: Final = {"low": "> ", "high": "< "}


def time(text: str) -> str:
    """A time of HL7 as ISO 8601 has it; as it is where it is none.

    >>> time("20000407"), time("200004071430+0100"), time("2000"), time("soon")
    ('2000-04-07', '2000-04-07T14:30:00+01:00', '2000', 'soon')
    """
    found = _TIME.fullmatch(text)
    if not found:
        return text
    year, month, day, hour, minute, second, zone = found.groups()
    date = "-".join(part for part in (year, month, day) if part)
    if not hour or not day:
        return date
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}{f'{zone[:3]}:{zone[3:]}' if zone else ''}"


def flag(element: etree._Element, attribute: str) -> str:
    """What an attribute says that is true or false: empty where it is neither there nor true, and as it came where it is no
    such value. A 1 is XML Schema's true, and what is not understood may turn a statement round: it is told."""
    said = element.get(attribute)
    if said is None or said.strip().lower() in _NOT:
        return ""
    return Key("cda.true") if said.strip().lower() in _YES else said or "?"


def turned(element: etree._Element) -> tuple[Field, ...]:
    """What the attributes of an element say that turns or binds it, in rows of their own."""
    attributes = {str(one): str(one).rpartition("}")[2] for one in element.keys()}  # noqa: SIM118 - an element is no mapping
    passed = _PASSED | ({"inversionInd"} if name(element) == "entryRelationship" else set())
    turns = {
        one: kind
        for one, kind in attributes.items()
        if kind in _TURNS or (kind.endswith(_INDICATOR) and kind not in passed)
    }
    found = [Field((Key(f"cda.{kind}"),), told) for one, kind in turns.items() if (told := flag(element, one))]
    if (operator := element.get("operator", _INCLUDED)) != _INCLUDED:
        found.append(Field((Key("cda.operator"),), Key(f"operator.{operator}")))
    if alignment := element.get("alignment"):
        found.append(Field((Key("cda.alignment"),), alignment))
    if probability := element.get("probability"):
        found.append(Field((Key("cda.probability"),), probability))
    if says_more(element) and element.get("nullFlavor"):
        found.append(Field((Key("cda.nullFlavor"),), _missing(element)))
    return tuple(found)


def says_more(element: etree._Element) -> bool:
    """Whether an element says something beside that it has no value, so that this would be lost."""
    return any(element.get(one) for one in ("value", "code", "displayName"))


def valued(element: etree._Element) -> Field | None:
    """The value of an element, with what turns it; None where others stand in it that say more than the type knows."""
    row, turns = _valued(element), turned(element)
    return row._replace(blocks=(*row.blocks, Fields(turns))) if row and turns else row


def _valued(element: etree._Element) -> Field | None:
    row = _typed(element)
    if row is None or (name(element) in _SPOKEN and not is_coded(element)):
        return row
    loose = " ".join(" ".join([element.text or "", *(one.tail or "" for one in element)]).split())
    return (
        row
        if not loose or row.text == text_of(element)
        else row._replace(text=" ".join(filter(None, (row.text, loose))))
    )


def _typed(element: etree._Element) -> Field | None:
    inner = {name(one) for one in element} - {""}
    if name(element) in _SPOKEN and not is_coded(element):
        return Field((), _spoken(element), _uses(element))
    if not all(_is_bare(one) for one in element):
        return None
    if is_coded(element):
        return coded(element) if inner <= _OF_CODE else None
    return _built(element, inner) if inner else _lone(element)


def _is_bare(part: etree._Element) -> bool:
    """Whether a part of a value says nothing but by its attributes; how something was said first is a text."""
    if name(part) in ("originalText", "translation"):
        return all(_is_bare(one) for one in part) and (name(part) == "originalText" or not (part.text or "").strip())
    return not len(part) and not (part.text or "").strip()


def _lone(element: etree._Element) -> Field:
    """A value that is in the element itself."""
    if element.get("root") or element.get("extension"):
        return _identifier(element)
    if element.get("value") is None:
        return Field((), text_of(element) or _missing(element), _uses(element))
    if name(element) == "reference":
        return _referring(element)
    row = _simple(element)
    is_open = name(element) in _EXCLUSIVE and element.get("inclusive", "").strip().lower() in _NOT
    return row._replace(text=_EXCLUSIVE[name(element)] + row.text) if is_open else row


def _built(element: etree._Element, inner: set[str]) -> Field | None:
    """A value of several parts."""
    if inner <= _ENDS:
        return _range(element)
    if inner == {"numerator", "denominator"}:
        return Field((), " / ".join(_quantity(one) for one in element))
    return _referring(element) if inner == {"reference"} else None


def _missing(element: etree._Element) -> str:
    """Why there is no value (HL7 V3 NullFlavor)."""
    why = element.get("nullFlavor")
    return Key(f"null.{why}") if why else ""


def _spoken(element: etree._Element) -> str:
    """A name or an address as it is said: its parts in their order."""
    between = ", " if name(element) == "addr" else " "
    parts = [" ".join(str(one).split()) for one in element.itertext()]
    return between.join(one for one in parts if one) or _missing(element)


def _uses(element: etree._Element) -> tuple[Code, ...]:
    use = element.get("use", "")
    return (Code("", use, ""),) if use and name(element) in ("telecom", "addr") else ()


def _identifier(element: etree._Element) -> Field:
    """An II: the number, of whom it is one beside it."""
    root, number = element.get("root", ""), element.get("extension", "")
    system = Code("", root, element.get("assigningAuthorityName", ""))
    return Field((), number or root or _missing(element), (system,) if number and root else ())


def is_coded(element: etree._Element) -> bool:
    """Whether an element has a code of its own."""
    return not _CODED.isdisjoint(element.keys())


def coded(element: etree._Element) -> Field:
    """A code with what it is called, how it was said first, and what it is elsewhere."""
    same = [element, *element.iter("{*}translation")]
    codes = [
        Code(one.get("codeSystem", ""), one.get("code", ""), one.get("displayName", ""), one.get("codeSystemName", ""))
        for one in same
    ]
    said = " ".join(filter(None, (text_of(one) for one in element if name(one) == "originalText")))
    text = said or next((one.display for one in codes if one.display), "") or element.get("code", "")
    # A quantity in another unit (PQR) has its number beside the code of the unit.
    text = " ".join(filter(None, (element.get("value"), text)))
    return Field(
        (), text or _missing(element), tuple(one for one in codes if one.code or one.display not in ("", text))
    )


def _simple(element: etree._Element) -> Field:
    kind = name(element)
    is_time = _is_time(element, kind)
    value = element.get("value", "")
    if kind == "telecom":
        return Field((), value.removeprefix("tel:").removeprefix("mailto:"), _uses(element))
    if value in ("true", "false"):
        return Field((), Key(f"cda.{value}"))
    return Field((), time(value) if is_time else _quantity(element), is_time=is_time)


def _is_time(element: etree._Element, kind: str) -> bool:
    told = element.get(_TYPE, "").rpartition(":")[2]
    if told:
        return "TS" in told
    return bool(_TIMED.fullmatch(kind) or (kind in ("low", "high", "center") and _holds_time(element)))


def _holds_time(element: etree._Element) -> bool:
    outer = element.getparent()
    return outer is not None and _is_time(outer, name(outer))


def _range(element: etree._Element) -> Field:
    """From low to high; what is not known of it is left open."""
    is_time = _is_time(element, name(element))
    ends = {name(one): one for one in element}

    def end(which: str) -> str:
        one = ends.get(which)
        if one is None:
            return ""
        value = one.get("value", "")
        sign = _EXCLUSIVE.get(which, "") if value and one.get("inclusive", "").strip().lower() in _NOT else ""
        return sign + (time(value) if is_time else _quantity(one)) if value else _missing(one)

    low, high, others = end("low"), end("high"), [_quantity(ends[one]) for one in ("center", "width") if one in ends]
    if isinstance(low, Key) or isinstance(high, Key):
        known = [one for one in (low, high) if one and not isinstance(one, Key)]
        told = f"{known[0]} – " if known and known[0] == low else f"– {known[0]}" if known else low or high
        return Field((), told, is_time=is_time and bool(known))
    text = f"{low} – {high}".strip() if low or high else ""
    return Field((), " ".join(filter(None, (text, *others))), is_time=is_time and bool(text) and not others)


def _quantity(element: etree._Element) -> str:
    unit = element.get("unit", "") or element.get("currency", "")
    value = " ".join(filter(None, (element.get("value", ""), "" if unit == "1" else unit)))
    return value or str(_missing(element)).rpartition(".")[2]


def _referring(element: etree._Element) -> Field:
    """Of what only leads into the narrative, which is shown, there is nothing to say."""
    address = next((one.get("value", "") for one in element.iter("{*}reference")), "")
    text = text_of(element)
    return Field((), " ".join(filter(None, (text, "" if address[:1] == "#" else address))))
