"""A slow and plain reading of R4's search rules over whole resources judges the real one on random searches.

The judge imports nothing from the product. Dates, units and folded strings come from small tables written by hand, so
that no mistake in their arithmetic can be shared.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Tree = dict[str, Any]
Finds = Callable[[list[tuple[str, str]], Tree], bool]

# Date as written -> [start, end) in UTC, by hand; Norway is at +01:00, from 31 March 2024 at +02:00.
DATES = {
    "2024": ("2023-12-31T23:00:00", "2024-12-31T23:00:00"),
    "2024-03": ("2024-02-29T23:00:00", "2024-03-31T22:00:00"),
    "2024-03-14": ("2024-03-13T23:00:00", "2024-03-14T23:00:00"),
    "2024-03-31": ("2024-03-30T23:00:00", "2024-03-31T22:00:00"),
    "2024-03-13T23:00:00Z": ("2024-03-13T23:00:00", "2024-03-13T23:00:01"),
    "2024-03-14T00:30:00+01:00": ("2024-03-13T23:30:00", "2024-03-13T23:30:01"),
    "2024-03-14T23:59:59+01:00": ("2024-03-14T22:59:59", "2024-03-14T23:00:00"),
    "2024-06-01T12:00:00+02:00": ("2024-06-01T10:00:00", "2024-06-01T10:00:01"),
    "2025-01-01T00:00:00+01:00": ("2024-12-31T23:00:00", "2024-12-31T23:00:01"),
}
OPEN_START, OPEN_END = "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"

UCUM = "http://unitsofmeasure.org"
STATUS = "http://hl7.org/fhir/observation-status"
TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
# Value set -> its codes, and code -> what stands under it and over it (with itself), by hand from R4's own pages.
LISTS = {
    "http://hl7.org/fhir/ValueSet/identifier-type|4.0.1": {
        f"{TYPES}|{code}" for code in "DL PPN BRN MR MCN EN TAX NIIP PRN MD DR ACSN UDI SNO SB PLAC FILL JHN".split()
    },
    "http://hl7.org/fhir/ValueSet/observation-status": {
        f"{STATUS}|{code}"
        for code in "registered preliminary final amended corrected cancelled entered-in-error unknown".split()
    },
}
UNDER = {f"{STATUS}|amended": {f"{STATUS}|amended", f"{STATUS}|corrected"}, f"{STATUS}|final": {f"{STATUS}|final"}}
OVER = {f"{STATUS}|corrected": {f"{STATUS}|corrected", f"{STATUS}|amended"}, f"{STATUS}|final": {f"{STATUS}|final"}}
# Unit -> what it measures, and how many of the base unit.
UNITS = {
    "mmol/L": ("amount", Decimal("0.001")),
    "umol/L": ("amount", Decimal("0.000001")),
    "g/L": ("mass", Decimal(1)),
    "g/dL": ("mass", Decimal(10)),
}
FOLDED = {
    "Blåbær": "blabær",
    "BLÅBÆR saft": "blabær saft",
    "ikke påvist": "ikke pavist",
    "Påvist": "pavist",
    "påv": "pav",
}


def judged(tree: Tree, criteria: list[tuple[str, str, list[str]]]) -> bool:
    """Whether the resource answers every (parameter, modifier, alternatives)."""
    return all(_criterion(tree, *criterion) for criterion in criteria)


def _criterion(tree: Tree, name: str, modifier: str, alternatives: list[str]) -> bool:
    values = _values(tree, name)
    if modifier == "missing":
        return (not values) == (alternatives == ["true"])
    judge = _JUDGES[name]
    any_found = any(judge(value, asked, modifier) for value in values for asked in alternatives)
    return not any_found if modifier in ("not", "not-in") else any_found


def _values(tree: Tree, name: str) -> list[Any]:
    components = tree.get("component", [])
    places: dict[str, list[Any]] = {
        "code": [tree.get("code")],
        "combo-code": [tree.get("code"), *(one.get("code") for one in components)],
        "category": tree.get("category", []),
        "status": [tree.get("status")],
        "identifier": tree.get("identifier", []),
        "_tag": tree.get("meta", {}).get("tag", []),
        "specimen": [tree.get("specimen")],
        "performer": tree.get("performer", []),
        "date": [tree.get("effectiveDateTime"), tree.get("effectivePeriod")],
        "value-date": [tree.get("valueDateTime"), tree.get("valuePeriod")],
        "value-string": [tree.get("valueString"), tree.get("valueCodeableConcept", {}).get("text")],
        "value-quantity": [tree.get("valueQuantity")],
        "combo-value-quantity": [tree.get("valueQuantity"), *(one.get("valueQuantity") for one in components)],
        "_profile": tree.get("meta", {}).get("profile", []),
        "component-code-value-quantity": components,
        "code-value-quantity": [tree],
        "combo-code-value-quantity": [tree, *components],
    }
    return [value for value in places[name] if value is not None]


def _token(value: Any, asked: str, modifier: str) -> bool:
    if modifier == "text":
        texts = [
            value.get("text", ""),
            value.get("display", ""),
            *(one.get("display", "") for one in value.get("coding", [])),
        ]
        return any(asked.lower() in text.lower() for text in texts)
    if modifier == "of-type":
        *kind, own = asked.split("|")
        typed = [[one.get("system", ""), one["code"]] for one in value.get("type", {}).get("coding", [])]
        return kind in typed and value["value"] == own
    if modifier in ("in", "not-in", "below", "above"):
        listed = {"in": LISTS, "not-in": LISTS, "below": UNDER, "above": OVER}[modifier][asked]
        return any(_token(value, one, "") for one in listed)
    if isinstance(value, str):
        pairs = [(STATUS, value)]
    elif "coding" in value or "text" in value:
        pairs = [(one.get("system", ""), one.get("code")) for one in value.get("coding", [])]
    else:
        pairs = [(value.get("system", ""), value.get("code", value.get("value")))]
    if "|" not in asked:
        return any(code == asked for _, code in pairs)
    wanted_system, wanted_code = asked.split("|")
    return any(system == wanted_system and wanted_code in ("", code) for system, code in pairs)


def _reference(value: Any, asked: str, modifier: str) -> bool:
    if modifier == "identifier":
        return "identifier" in value and _token(value["identifier"], asked, "")
    if modifier:
        asked = f"{modifier}/{asked}"
    text = value.get("reference", "").split("/_history/")[0]
    return asked == text or (text.count("/") == 1 and asked == text.split("/")[1])


def _uri(value: str, asked: str, modifier: str) -> bool:
    steps, wanted = value.split("|", maxsplit=1)[0].split("/"), asked.split("/")
    if modifier == "below":
        return steps[: len(wanted)] == wanted
    return wanted[: len(steps)] == steps if modifier == "above" else asked in (value, value.split("|", maxsplit=1)[0])


def _split(asked: str) -> tuple[str, str]:
    return (
        (asked[:2], asked[2:]) if asked[:2] in ("eq", "ne", "lt", "le", "gt", "ge", "sa", "eb", "ap") else ("eq", asked)
    )


def _date(value: Any, asked: str, modifier: str) -> bool:
    prefix, text = _split(asked)
    low, high = DATES[text]
    if isinstance(value, dict):
        start = DATES[value["start"]][0] if "start" in value else OPEN_START
        end = DATES[value["end"]][1] if "end" in value else OPEN_END
    else:
        start, end = DATES[value]
    contained = low <= start and end <= high
    answers = {
        "eq": contained,
        "ne": not contained,
        "gt": end > high,
        "lt": start < low,
        "ge": end > high or contained,
        "le": start < low or contained,
        "sa": start >= high,
        "eb": end <= low,
    }
    return answers[prefix]


def _string(value: str, asked: str, modifier: str) -> bool:
    if modifier == "exact":
        return value == asked
    if modifier == "contains":
        return FOLDED[asked] in FOLDED[value]
    return FOLDED[value].startswith(FOLDED[asked])


def _quantity(value: Any, asked: str, modifier: str) -> bool:
    text, _, unit = asked.partition("|")
    prefix, digits = _split(text)
    number = Decimal(digits)
    half = Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
    has = Decimal(value["value"])
    if unit:
        system, code = unit.split("|")
        if not system:
            if code not in (value.get("code"), value.get("unit")):
                return False
        elif system != value.get("system"):
            return False
        else:
            measures, factor = UNITS[code]
            has_measures, has_factor = UNITS[value["code"]]
            if measures != has_measures:
                return False
            number, half, has = number * factor, half * factor, has * has_factor
    return _compared(prefix, number, half, has, value.get("comparator"))


def _compared(prefix: str, number: Decimal, half: Decimal, has: Decimal, comparator: str | None) -> bool:
    """`has` is a point, or with a comparator everything on one side of it."""
    below, above = comparator in ("<", "<="), comparator in (">", ">=")
    itself = comparator not in ("<", ">")
    within = not below and not above and number - half <= has < number + half
    near_above, near_below = number + abs(number) / 10, number - abs(number) / 10
    reaches_above = above or has > number
    reaches_below = below or has < number
    answers = {
        "eq": within,
        "ne": not within,
        "gt": reaches_above,
        "lt": reaches_below,
        "ge": reaches_above or (has == number and itself),
        "le": reaches_below or (has == number and itself),
        "sa": not below and (has > number or (has == number and comparator == ">")),
        "eb": not above and (has < number or (has == number and comparator == "<")),
        "ap": (above or has > near_below or (has == near_below and itself))
        and (below or has < near_above or (has == near_above and itself)),
    }
    return answers[prefix]


def _pair(value: Any, asked: str, modifier: str) -> bool:
    code, quantity = asked.split("$")
    return (
        "code" in value
        and "valueQuantity" in value
        and _token(value["code"], code, "")
        and _quantity(value["valueQuantity"], quantity, "")
    )


_JUDGES = {
    **dict.fromkeys(("code", "combo-code", "category", "status", "identifier", "_tag"), _token),
    **dict.fromkeys(("specimen", "performer"), _reference),
    **dict.fromkeys(("date", "value-date"), _date),
    "value-string": _string,
    **dict.fromkeys(("value-quantity", "combo-value-quantity"), _quantity),
    **dict.fromkeys(("component-code-value-quantity", "code-value-quantity", "combo-code-value-quantity"), _pair),
    "_profile": _uri,
}


CODES = ["K", "Na", "Cl", "panel"]
SYSTEMS = ["urn:oid:1.2", "http://loinc.org", ""]
REFERENCES = ["Specimen/1", "Specimen/2", "http://other.example/fhir/Specimen/1", "Specimen/1/_history/2", "urn:uuid:1"]


def sometimes(**elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Tree]:
    return st.fixed_dictionaries({}, optional=elements)


CODING = st.builds(
    lambda code, more: {"code": code} | more,
    st.sampled_from(CODES),
    sometimes(system=st.sampled_from(SYSTEMS[:2]), display=st.sampled_from(["Kalium i plasma", "Natrium"])),
)
CONCEPT = sometimes(coding=st.lists(CODING, max_size=2), text=st.sampled_from(["kalium", "panel"]))
IDENTIFIER = st.builds(
    lambda system, value, kind: {"value": value} | ({"system": system} if system else {}) | kind,
    st.sampled_from(SYSTEMS),
    st.sampled_from(CODES),
    sometimes(type=st.sampled_from([{"coding": [{"system": TYPES, "code": "MR"}]}, {"coding": [{"code": "MR"}]}])),
)
PROFILES = ["http://x.example/p", "http://x.example/p/1", "http://x.example/p/1|2", "http://x.example/pp", "urn:x:p"]
DATE = st.sampled_from(sorted(DATES))
PERIOD = sometimes(start=st.just("2024-03"), end=st.sampled_from(["2024-03-31", "2025-01-01T00:00:00+01:00"])).filter(
    bool
)
QUANTITY = st.builds(
    lambda value, unit, comparator, system: (
        {"value": Decimal(value), "unit": unit, "code": unit}
        | ({"comparator": comparator} if comparator else {})
        | ({"system": UCUM} if system else {})
    ),
    st.sampled_from(["4.10", "4.1", "4", "4100", "0.41", "41"]),
    st.sampled_from(sorted(UNITS)),
    st.sampled_from(["", "", "<", "<=", ">", ">="]),
    st.booleans(),
)
REFERENCE = sometimes(reference=st.sampled_from(REFERENCES), identifier=IDENTIFIER).filter(bool)
COMPONENT = sometimes(code=CONCEPT.filter(bool), valueQuantity=QUANTITY)
OBSERVATION = st.builds(
    lambda base, effective, value: {"resourceType": "Observation"} | base | effective | value,
    sometimes(
        status=st.sampled_from(["final", "amended", "corrected"]),
        meta=sometimes(
            tag=st.lists(CODING, min_size=1, max_size=2),
            profile=st.lists(st.sampled_from(PROFILES), min_size=1, max_size=2),
        ),
        code=CONCEPT.filter(bool),
        category=st.lists(CONCEPT.filter(bool), min_size=1, max_size=2),
        identifier=st.lists(IDENTIFIER, min_size=1, max_size=2),
        specimen=REFERENCE,
        performer=st.lists(REFERENCE, min_size=1, max_size=2),
        component=st.lists(COMPONENT.filter(bool), min_size=1, max_size=2),
    ),
    st.one_of(
        st.just({}),
        DATE.map(lambda date: {"effectiveDateTime": date}),
        PERIOD.map(lambda period: {"effectivePeriod": period}),
    ),
    st.one_of(
        st.just({}),
        QUANTITY.map(lambda quantity: {"valueQuantity": quantity}),
        st.sampled_from(["Blåbær", "BLÅBÆR saft", "ikke påvist", "Påvist"]).map(lambda text: {"valueString": text}),
        DATE.map(lambda date: {"valueDateTime": date}),
        PERIOD.map(lambda period: {"valuePeriod": period}),
    ),
)

TOKEN = st.sampled_from(CODES) | st.builds("{}|{}".format, st.sampled_from(SYSTEMS), st.sampled_from(CODES))
TYPED = st.builds(f"{TYPES}|{{}}|{{}}".format, st.sampled_from(["MR", "DL"]), st.sampled_from(CODES))
PAIRED = ["component-code-value-quantity", "code-value-quantity", "combo-code-value-quantity"]
PREFIXES = ["", "eq", "ne", "lt", "le", "gt", "ge", "sa", "eb"]
OF_NUMBERS = [*PREFIXES, "ap"]
PREFIX = st.sampled_from(PREFIXES)
UNIT = st.sampled_from(["", "||mmol/L", f"|{UCUM}|umol/L", f"|{UCUM}|g/dL", f"|{UCUM}|mmol/L"])
NUMBER = st.builds(
    "{}{}{}".format, st.sampled_from(OF_NUMBERS), st.sampled_from(["4.10", "4.1", "4", "4100", "0.41", "4.0"]), UNIT
)


def asking(
    names: list[str], modifiers: list[str], value: st.SearchStrategy[str]
) -> st.SearchStrategy[tuple[str, str, list[str]]]:
    return st.tuples(st.sampled_from(names), st.sampled_from(modifiers), st.lists(value, min_size=1, max_size=2))


CRITERION = st.one_of(
    asking(["code", "combo-code", "category", "identifier", "_tag"], ["", "not"], TOKEN | st.just("http://loinc.org|")),
    asking(["code", "category", "_tag"], ["text"], st.sampled_from(["kalium", "PANEL", "i plasma"])),
    asking(["status"], ["", "not"], st.sampled_from(["final", f"{STATUS}|amended", "x|final"])),
    asking(["status", "code"], ["in", "not-in"], st.sampled_from(sorted(LISTS))),
    asking(["status", "code"], ["below"], st.sampled_from(sorted(UNDER))),
    asking(["status", "code"], ["above"], st.sampled_from(sorted(OVER))),
    asking(["identifier"], ["of-type"], TYPED),
    asking(["_profile"], ["", "above", "below"], st.sampled_from([one for one in PROFILES if "|" not in one])),
    asking(["specimen", "performer"], [""], st.sampled_from(["Specimen/1", "1", "2", "http://other.example/fhir/Specimen/1"])),
    asking(["specimen", "performer"], ["Specimen"], st.sampled_from(["1", "2"])),
    asking(["specimen", "performer"], ["identifier"], TOKEN),
    asking(["date", "value-date"], [""], st.builds("{}{}".format, PREFIX, DATE)),
    asking(["value-quantity", "combo-value-quantity"], [""], NUMBER),
    asking(PAIRED, [""], st.builds("{}${}".format, TOKEN, NUMBER)),
    asking(["value-string"], ["", "contains", "exact"], st.sampled_from(["Påvist", "påv", "Blåbær"])),
    st.tuples(
        st.sampled_from(["code", "date", "specimen", "value-quantity", "value-string", "_tag", "status", "combo-code"]),
        st.just("missing"),
        st.sampled_from([["true"], ["false"]]),
    ),
)  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", ["date", "value-date"])
def test_every_date_is_compared_with_every_date(finds: Finds, name: str, prefix: str) -> None:
    written: list[Any] = [*DATES, {"start": "2024-03"}, {"end": "2024-03-31"}, {"start": "2024-03", "end": "2024"}]
    element = {"date": "effective", "value-date": "value"}[name]
    for value, asked in product(written, DATES):
        tree = {"resourceType": "Observation", element + ("Period" if isinstance(value, dict) else "DateTime"): value}
        assert finds([(name, prefix + asked)], tree) == judged(tree, [(name, "", [prefix + asked])]), (value, asked)


@pytest.mark.parametrize("prefix", OF_NUMBERS)
def test_every_quantity_is_compared_with_every_number(finds: Finds, prefix: str) -> None:
    written = product(["4.10", "4100", "0.41"], ["mmol/L", "g/dL"], [None, "<", "<=", ">", ">="])
    asked = ["4.1", "4", "4100", f"4100|{UCUM}|umol/L", f"4.1|{UCUM}|g/L", f"41|{UCUM}|g/L", "4.10||g/dL"]
    for (value, code, comparator), text in product(written, asked):
        quantity = {"value": Decimal(value), "system": UCUM, "code": code} | (
            {"comparator": comparator} if comparator else {}
        )
        tree = {"resourceType": "Observation", "valueQuantity": quantity}
        expected = judged(tree, [("value-quantity", "", [prefix + text])])
        assert finds([("value-quantity", prefix + text)], tree) == expected, (quantity, text)


@given(st.lists(OBSERVATION, min_size=4, max_size=4), st.lists(CRITERION, min_size=6, max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_search_finds_what_a_naive_reading_finds(
    finds: Finds, trees: list[Tree], criteria: list[tuple[str, str, list[str]]]
) -> None:
    pairs = [(f"{name}:{modifier}" if modifier else name, ",".join(values)) for name, modifier, values in criteria]
    for tree in trees:
        for pair, criterion in zip(pairs, criteria, strict=True):
            assert finds([pair], tree) == judged(tree, [criterion])
        assert finds(pairs[:2], tree) == judged(tree, criteria[:2])
