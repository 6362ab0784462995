"""A second reading of a Svarrapport, by the standard library's parser and from the specification alone.

It imports nothing of the product. `told_by_xml` and `told_by_fhir` say the same about each result, in the same words,
so that a test can lay them side by side. Blanks and line ends are left out of texts: how they are shown is not what a
result says.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")
COMPARATOR = {"LT": "<", "LE": "<=", "GT": ">", "GE": ">=", "ML": "<", "MG": ">"}
NO_UNIT = ("0", "1", "-")
SERVICES = "NMCHA"
STATUS = {
    "": "fmcff", "1": "umcmu", "2": "pmcpp", "3": "fmcff", "4": "fmcff", "5": "rucur", "6": "rrcur", "7": "rrcur", "8": "pucup",
    "9": "pucup", "10": "pucup", "11": "fmcuf", "12": "umcup", "13": "fmcuf", "14": "uucuu", "15": "rrcfr",
}  # fmt: skip
STATUS_NAME = {
    "f": "final", "m": "amended", "c": "cancelled", "u": "unknown", "p": "preliminary", "r": "registered",
}  # fmt: skip
DATES = {
    "InvDate": "investigation-date",
    "StatusChangeDate": "status-change-date",
    "DescrDate": "description-date",
    "CounterSignDate": "counter-sign-date",
    "MedicalValidationDate": "medical-validation-date",
}
Tree = dict[str, Any]


def name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def children(element: ET.Element | None, wanted: str) -> list[ET.Element]:
    return [] if element is None else [child for child in element if name(child) == wanted]


def child(element: ET.Element | None, *path: str) -> ET.Element | None:
    for wanted in path:
        element = next(iter(children(element, wanted)), None)
    return element


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


def words(element: ET.Element | None) -> str:
    return "" if element is None else bare("".join(element.itertext()))


def value(element: ET.Element | None, attribute: str = "V") -> str:
    return "" if element is None else element.get(attribute, "").strip()


def coded(element: ET.Element) -> str:
    return bare(value(element, "OT") or value(element, "DN") or value(element))


def when(text: str) -> str:
    """A moment as its UTC second, anything shorter as the day, month or year it names."""
    day, clock, rest = text.partition("T")
    if not clock:
        return re.sub(r"(Z|[+-]\d\d:\d\d)$", "", day)
    hours = 24 if rest.startswith("24:") else 0
    moment = datetime.fromisoformat(f"{day}T{rest.replace('24:', '00:', 1) if hours else rest}") + timedelta(
        hours=hours
    )
    return str((moment if moment.tzinfo else moment.replace(tzinfo=OSLO)).timestamp())


def items(holder: ET.Element) -> Iterator[tuple[ET.Element, ET.Element]]:
    """Every ResultItem with the element it stands in, in the order of the document."""
    for inner in children(holder, "ResultItem"):
        yield inner, holder
        yield from items(inner)


def told_by_xml(raw: bytes) -> list[Tree]:
    root = ET.fromstring(raw)
    patient = child(root, "ServReport", "Patient")
    assert patient is not None
    found = list(items(patient))
    samples = {words(child(s, "IdByServProvider")) for s in children(patient, "AnalysedSubject")}
    place = {id(item): index for index, (item, _) in enumerate(found)}
    told = []
    for index, (item, holder) in enumerate(found):
        same = [i for i, (other, _) in enumerate(found) if i != index and words(child(other, "IdResultItem"))]
        ref = words(child(item, "RefIdResultItem"))
        meant = [i for i in same if words(child(found[i][0], "IdResultItem")) == ref] if ref else []
        before = [i for i in meant if i < index]
        target = before[-1] if before else meant[0] if meant else None
        told.append({"target": target, "members": {target} if target is not None else set(), **said(item, samples)})
        told[-1]["parent"] = place.get(id(holder))
    members: list[set[int]] = [set() for _ in told]
    for index, one in enumerate(told):
        for above in {one.pop("parent"), one["target"]} - {None}:
            members[above].add(index)
    take_back([item for item, _ in found], [place.get(id(holder), -1) for _, holder in found], told)
    for one, below in zip(told, members, strict=True):
        one["members"] = below
    return told


def take_back(items: list[ET.Element], parents: list[int], told: list[Tree]) -> None:
    """What stands in an item that was cancelled or deleted, or refers to it, is taken back too, and a group all of whose
    examinations were, but what says something itself. Its status is theirs; None where one was cancelled and another deleted, and
    of a group whose text may be its name."""
    direct = [
        value(child(item, "ServType")) == "C" or value(child(item, "StatusInvestigation")) == "14" for item in items
    ]
    examined = [child(item, "Investigation", "Id") is not None for item in items]
    found = [{one["status"]} if gone else set() for one, gone in zip(told, direct, strict=True)]
    before = None
    while before != found:
        before = [set(one) for one in found]
        for index, parent in enumerate(parents):
            if direct[index]:
                continue
            for above in (parent, told[index]["target"]):
                found[index] |= found[above] if above is not None and above >= 0 else set()
            held = [i for i, p in enumerate(parents) if p == index and (examined[i] or i in parents)]
            if held and not examined[index] and all(found[i] for i in held):
                if says_something(items[index]):
                    if value(child(items[index], "TextResult", "Heading")) != "GR":
                        continue
                    found[index].add("?")
                found[index] |= set().union(*(found[i] for i in held))
    for one, gone, statuses in zip(told, direct, found, strict=True):
        if statuses and not gone:
            one["status"] = statuses.pop() if len(statuses) == 1 else None


def says_something(item: ET.Element) -> bool:
    told = answer(item)
    if children(item, "StructuredInfo"):
        return True
    return bool(told) and (told[0] != "text" or bool(told[2]) or any(sign.isalnum() for sign in told[1]))


def said(item: ET.Element, samples: set[str]) -> Tree:
    status = STATUS[value(child(item, "StatusInvestigation"))][SERVICES.index(value(child(item, "ServType")))]
    ids = [code for inv in children(item, "Investigation") for code in children(inv, "Id")]
    named = [words(ref) for ref in children(item, "RefAnalysedSubject")]
    return {
        "value": answer(item),
        "status": STATUS_NAME[status],
        "codes": Counter(bare(value(code)) for code in ids if value(code)),
        "name": coded(ids[0]) if ids else None,
        "comment": words(child(item, "Comment")),
        "ranges": [
            words(child(held, "Descr")) for held in children(item, "RefInterval") if words(child(held, "Descr"))
        ],
        "flag": value(child(item, "DevResultInd")),
        "id": words(child(item, "IdResultItem")),
        "dates": {url: when(value(held)) for tag, url in DATES.items() if (held := child(item, tag)) is not None},
        "specimens": [one for one in dict.fromkeys(named) if one in samples] if named else None,
        "facts": Counter(fact for held in children(item, "StructuredInfo") for fact in facts(held)),
    }


def answer(item: ET.Element) -> tuple[Any, ...]:
    number, text = child(item, "NumResult", "NumResultValue"), child(item, "TextResult")
    interval, date = child(item, "Interval"), child(item, "DateResult", "DateResultValue")
    if number is not None:
        sign = value(child(item, "NumResult", "ArithmeticComp"))
        if sign == "NE":
            return ("text", bare(f"≠{Decimal(value(number))}{value(number, 'U')}"), Counter())
        return ("number", COMPARATOR.get(sign, ""), *quantity(number))
    if text is not None:
        codes = children(text, "TextCode")
        shown = words(child(text, "TextResultValue")) or ",".join(coded(code) for code in codes)
        return ("text", shown, Counter(bare(value(code)) for code in codes if value(code))) if shown else ()
    if interval is not None:
        return (
            "interval",
            *(quantity(held) for side in ("Low", "High") if (held := child(interval, side)) is not None),
        )
    return ("date", when(value(date))) if date is not None else ()


def quantity(held: ET.Element) -> tuple[str, str]:
    unit = value(held, "U")
    return str(Decimal(value(held))), "" if unit in NO_UNIT else unit


def facts(held: ET.Element) -> Iterator[str]:
    for fact in held:
        [inner] = fact if name(fact) != "Type" else [fact]
        if name(fact) == "PhysicalInfo":
            yield " ".join(quantity(inner))
        elif name(fact) in ("TextInfo", "IntegerInfo"):
            yield words(inner) if name(fact) == "TextInfo" else str(int(words(inner)))
        elif name(fact) != "Type":
            yield value(inner)


def told_by_fhir(trees: list[Tree]) -> list[Tree]:
    observations = [tree for tree in trees if tree["resourceType"] == "Observation"]
    place = {f"Observation/{tree['id']}": index for index, tree in enumerate(observations)}
    samples = {
        f"Specimen/{t['id']}": t["accessionIdentifier"]["value"] for t in trees if t["resourceType"] == "Specimen"
    }
    return [shown(tree, place, samples) for tree in observations]


def shown(tree: Tree, place: dict[str, int], samples: dict[str, str]) -> Tree:
    extensions = {held["url"].rpartition("/")[2].removeprefix("nilar-"): held for held in tree["extension"]}
    was = {held["url"]: held for held in extensions["change"]["extension"]} if "change" in extensions else {}
    related = extensions.get("related-observation", {}).get("valueReference", {}).get("reference")
    codings = [
        code for code in tree["code"].get("coding", ()) if not code.get("system", "").endswith((".8243", ".7230"))
    ]
    chosen = [
        held["valueReference"]["reference"] for held in tree["extension"] if held["url"].endswith("further-specimen")
    ]
    first = [tree["specimen"]["reference"]] if "specimen" in tree else []
    # What was taken back, or deleted (8245: 14, unknown by the table), says what it said as a former value alone.
    gone = tree["status"] == "cancelled" or was.get("kind", {}).get("valueCode") == "withdrawn"
    former = extensions["change"]["extension"] if gone and "change" in extensions else []
    judged = [held["valueCodeableConcept"] for held in former if held["url"] == "interpretation"]
    parts = [{held["url"]: held for held in one["extension"]} for one in former if one["url"] == "component"]
    facts = [{k: v for k, v in one["value"].items() if k != "url"} for one in parts]
    flags = [
        code
        for held in (judged if gone else tree.get("interpretation", ()))
        for code in held["coding"]
        if code["system"].endswith("8244")
    ]
    assert not gone or {"interpretation", "component"}.isdisjoint(tree)
    return {
        "value": content(was.get("value", {}) if gone else tree),
        "status": tree["status"],
        "codes": Counter(bare(code["code"]) for code in codings if "code" in code),
        "name": bare(tree["code"]["text"]),
        "comment": "".join(bare(note["text"]) for note in tree.get("note", ())),
        "ranges": [bare(held["text"]) for held in tree.get("referenceRange", ())],
        "flag": flags[0]["code"] if flags else "",
        "id": "".join(bare(held["value"]) for held in tree.get("identifier", ())),
        "dates": {url: when(extensions[url]["valueDateTime"]) for url in DATES.values() if url in extensions},
        "specimens": [samples[reference] for reference in first + chosen],
        "facts": Counter(fact_of(component) for component in (facts if gone else tree.get("component", ()))),
        "target": None if related is None else place[related],
        "members": {place[held["reference"]] for held in tree.get("hasMember", ())},
    }


def content(tree: Tree) -> tuple[Any, ...]:
    if "valueQuantity" in tree:
        held = tree["valueQuantity"]
        return ("number", held.get("comparator", ""), str(held["value"]), held.get("unit", ""))
    if "valueCodeableConcept" in tree:
        held = tree["valueCodeableConcept"]
        codes = [code for code in held.get("coding", ()) if not code.get("system", "").endswith(".8243")]
        return ("text", bare(held["text"]), Counter(bare(code["code"]) for code in codes if "code" in code))
    if "valueRange" in tree:
        sides = [tree["valueRange"][side] for side in ("low", "high") if side in tree["valueRange"]]
        return ("interval", *((str(side["value"]), side.get("unit", "")) for side in sides))
    return ("date", when(tree["valueDateTime"])) if "valueDateTime" in tree else ()


def fact_of(component: Tree) -> str:
    [(kind, held)] = [(key, held) for key, held in component.items() if key != "code"]
    if kind == "valueQuantity":
        return f"{held['value']} {held.get('unit', '')}"
    if kind == "valueCodeableConcept":
        return str(held["coding"][0]["code"])
    return str(held).lower() if kind == "valueBoolean" else bare(str(held))
