"""What codes of KITH's messages are called where their sender leaves it out (DN is optional), by the element that they stand in.

Only tables that say whether and how a value holds, and whose codes the public messages and the national mapping name.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lxml import etree

from kjerne.reading.room import name

TAKEN_BACK: Final = "C"
DELETED: Final = "14"
"""8245: the laboratory deleted the examination."""
NEW: Final = "N"
SETTLED: Final = frozenset({"", "3", "11"})
"""8245: final, or signed."""
REPORTS: Final = frozenset({"ServReport", "ServRprt"})


class _Table(NamedTuple):
    """A code table of Volven, the elements around that it holds in (any where there are none), and its codes."""

    numbers: frozenset[str]
    codes: dict[str, str]
    within: frozenset[str] = frozenset()


def _table(numbers: str, within: frozenset[str] = frozenset(), /, **codes: str) -> _Table:
    return _Table(frozenset(numbers.split()), {key.lstrip("_"): called for key, called in codes.items()}, within)


_TABLES: Final = {
    "ServType": _table("7309 8270", N="Ny", M="Endring", C="Kansellering", H="Historikk", A="Tillegg"),
    "Status": _table(
        "7306", REPORTS, P="Foreløpig rapport", F="Endelig rapport", A="Tillegg til rapport", S="Planlagt"
    ),
    "StatusInvestigation": _table(
        "8245", _2="Foreløpig", _3="Endelig", _11="Signert", _14="Undersøkelse slettet", _15="I prosess"
    ),
    "DevResultInd": _table(
        "8244", _1="Over øvre referansegrense", _2="Under nedre referansegrense", _3="Utenfor referansegrensene"
    ),
    "ArithmeticComp": _table(
        "8239", LT="<", LE="≤", GT=">", GE="≥", EQ="=", NE="≠", ML="mye mindre enn", MG="mye større enn"
    ),
    "MsgDescr": _table(
        "8202", LAB="Laboratoriemedisin", PAT="Patologi", BLD="Bildediagnostikk", CLIN="Medisinsk biokjemi",
        MBIO="Medisinsk mikrobiologi", MGEN="Medisinsk genetikk", FARM="Klinisk farmakologi", RAD="Radiologi",
        IMTR="Immunologi og transfusjonsmedisin", NUK="Nukleærmedisin",
    ),
    "Sex": _table("3101", _0="Ikke kjent", _1="Mann", _2="Kvinne", _9="Ikke spesifisert"),
}  # fmt: skip


def called(element: etree._Element) -> str:
    """What the code of an element is called: by its sender, else by us, else nothing.

    >>> called(etree.Element("ServType", V="C")), called(etree.Element("ServType", V="C", S="1.2.3"))
    ('Kansellering', '')
    """
    said, table = element.get("DN", ""), _TABLES.get(name(element))
    if said or table is None:
        return said
    outer, system = element.getparent(), element.get("S", "")
    is_of = not system or system.rpartition(".")[2] in table.numbers
    if not is_of or (table.within and (outer is None or name(outer) not in table.within)):
        return ""
    return table.codes.get(element.get("V", "").strip().upper(), "")


def kind_of_service(element: etree._Element) -> str:
    """The code of a `ServType`; empty for any other element."""
    return element.get("V", "").strip().upper() if name(element) == "ServType" else ""


def is_unsettled(item: etree._Element) -> bool:
    """Whether a result says of itself that it is no new and final one."""
    status = (one.get("V", "").strip() for one in item if name(one) == "StatusInvestigation")
    return any(kind_of_service(one) not in ("", NEW) for one in item) or any(one not in SETTLED for one in status)


def is_taken_back(element: etree._Element) -> bool:
    """Whether an element says that what it stands in is taken back."""
    deleted = name(element) == "StatusInvestigation" and element.get("V", "").strip() == DELETED
    return deleted or kind_of_service(element) == TAKEN_BACK
