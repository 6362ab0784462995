"""Messages as varied as the schema lets a laboratory make them, each result beside a reading that knows nothing of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.fhir.validate import check
from kjerne.services.results.kith import chain, mapping

from .reading import told_by_fhir, told_by_xml

XHTML = "http://www.w3.org/1999/xhtml"
TIMES = (
    "2025-03-30T02:30:00", "2025-10-26T02:30:00", "2025-06-01T00:00:00", "2025-06-01T24:00:00", "2025-06-01T23:30:00Z",
    "2025-06-01T00:15:00.250-05:00", "2025-06-01", "2025-06-01+02:00", "2025-06", "2025Z", "2025",
)  # fmt: skip
NUMBERS = ("0", "-0.0", "7.10", "000012", "1E5", "1.20e-3", "+7", ".5", "5.", "140")
UNITS = ("mmol/L", "10E9/L", "10^9 /L", "µmol/L", "%", "0", "-", "", "poeng")
COMPARATORS = ("", "", "EQ", "LT", "LE", "GT", "GE", "ML", "MG", "NE")
SYSTEMS = ("7280", "7230", "7270", "7010", "8219", "8212", "9999")
CODES = ("NPU03429", "M 09450", "RHH0AA", "TNX1AN", "ARNE", "æ1")
WORDS = (
    "Normalt", "Ingen tegn til malignitet", "E. coli &lt;10&#178;", "≥ 8 &amp; pos", "Æøå\nny linje", "En&#13;&#10;to", "- ... 5",
)  # fmt: skip
DATES = ("StatusChangeDate", "DescrDate", "CounterSignDate", "MedicalValidationDate")
RANGES = "<RefInterval><Descr>&lt; 5</Descr></RefInterval><RefInterval/>"


def tag(name: str, inside: str = "", **attributes: str) -> str:
    written = "".join(f" {key}='{value}'" for key, value in attributes.items() if value)
    return f"<{name}{written}>{inside}</{name}>"


class Laboratory:
    """Writes one message as it pleases."""

    def __init__(self, kith: Any, random: Random) -> None:
        self.kith = kith
        self.random = random

    def one(self, choices: Sequence[str]) -> str:
        return self.random.choice(choices)

    def maybe(self, piece: str, odds: float = 0.5) -> str:
        return piece if self.random.random() < odds else ""

    def time(self, name: str, odds: float = 1) -> str:
        return self.maybe(tag(name, V=self.one(TIMES)), odds)

    def code(self, name: str) -> str:
        system = self.maybe(self.kith.OID + self.one(SYSTEMS), odds=0.9)
        return tag(
            name,
            S=system,
            V=self.maybe(self.one(CODES), odds=0.8),
            DN=self.maybe("Navn"),
            OT=self.one(("Lokal", "Tekst")),
        )

    def quantity(self, name: str, *numbers: str) -> str:
        return tag(name, V=self.one(numbers or NUMBERS), U=self.one(UNITS))

    def words(self) -> str:
        plain = " ".join(self.one(WORDS) for _ in range(self.random.choice((1, 2, 30))))
        form = self.random.randrange(4)
        if form == 0:
            return f"<div xmlns='{XHTML}'><p>{plain}<br/>{self.one(WORDS)}</p><pre>a\n b</pre></div>"
        return plain if form > 1 or "&" in plain else f"<![CDATA[{plain}]]>"

    def value(self) -> str:
        kind = self.random.randrange(6)
        if kind == 0:
            return ""
        if kind < 3:
            sign = self.one(COMPARATORS)
            return tag("NumResult", (tag("ArithmeticComp", V=sign) if sign else "") + self.quantity("NumResultValue"))
        if kind == 3:
            return tag("Interval", self.quantity("Low", "1.50") + self.quantity("High", "2"))
        if kind == 4:
            return tag("DateResult", self.time("DateResultValue"))
        words = self.maybe(tag("TextResultValue", self.words()), odds=0.8)
        return tag("TextResult", self.maybe(tag("Heading", V="LR")) + words + self.maybe(self.code("TextCode")))

    def structured(self) -> str:
        facts = (
            tag("TextInfo", tag("Text", "lite")) + tag("IntegerInfo", tag("Integer", "+3"))
            + tag("PhysicalInfo", self.quantity("Quantity")) + tag("CodedInfo", tag("Code", V="K"))
            + tag("BooleanInfo", tag("Flag", V="false"))
        )  # fmt: skip
        return tag("StructuredInfo", tag("Type", V="STR") + facts)

    def item(self, depth: int = 0) -> str:
        ids = ("", "1", "2", "3")
        refs = "".join(tag("RefAnalysedSubject", self.one(("P1", "P2", "P9"))) for _ in range(self.random.randrange(3)))
        nested = "".join(self.item(depth + 1) for _ in range(self.random.choice((0, 0, 0, 1, 2)))) if depth < 5 else ""
        item: str = self.kith.item(
            "",
            self.value(),
            id_=self.one(ids),
            ref=self.one((*ids, "9")),
            service=self.one("NNNMCHA"),
            state=self.one(("", *map(str, range(1, 16)))),
            extra=self.maybe(RANGES)
            + self.maybe(tag("Investigation", self.code("Id") + self.maybe(self.code("Id"))), odds=0.9)
            + self.time("InvDate", 0.5)
            + self.maybe(tag("Comment", self.one(WORDS)))
            + self.maybe(tag("DevResultInd", V=self.one("123"))),
            inside="".join(self.time(name, 0.2) for name in DATES) + refs + self.maybe(self.structured(), 0.2) + nested,
        )
        return item

    def message(self) -> bytes:
        subjects = self.kith.SAMPLE + self.kith.SAMPLE.replace("P1", "P2")
        report = self.kith.report(
            "".join(self.item() for _ in range(self.random.randint(1, 6))),
            subjects=subjects,
            service=self.one("NMHA"),
            status=self.one("SPFA"),
            discipline=self.one(("CLIN", "MBIO", "CYTO", "HIST", "RTG", "CT")),
            requester=self.one((self.kith.REQUESTER, "")),
        )
        return self.posted(self.kith.message(report, version=self.one(("1.3", "1.4"))).decode())

    def posted(self, text: str) -> bytes:
        """The same message in another of XML's spellings."""
        form = self.random.randrange(5)
        if form == 0:
            text = text.replace("</", "<!-- x --></").replace("<ServReport>", "<?p x?><ServReport>", 1)
        elif form == 1:
            text = text.replace(" xmlns='http://www.kith.no", " xmlns:q='http://www.kith.no", 1)
            text = re.sub(r"(</?)(?=[A-Z])", r"\1q:", text)
        encoding = self.one(("UTF-8", "UTF-16", "ISO-8859-1"))
        return text.replace("UTF-8", encoding, 1).encode(encoding, "xmlcharrefreplace")


def numbering() -> Callable[[str, str], str]:
    made: dict[tuple[str, str], str] = {}
    return lambda type_, key: made.setdefault((type_, key), f"n{len(made)}")


@given(st.integers(0, 10**9))
@settings(max_examples=100, deadline=None)
def test_every_result_says_in_fhir_what_it_said_in_the_message(kith: Any, seed: int) -> None:
    raw = Laboratory(kith, Random(seed)).message()
    [version] = chain.versions(kith.understood(raw))
    trees = mapping.resources(chain.fold([chain.unpack(chain.pack(version))]), numbering())
    for ours, theirs in zip(told_by_fhir(trees), told_by_xml(raw), strict=True):
        for silent in ("specimens", "name", "status"):
            if theirs[silent] is None:
                ours[silent] = None  # a neighbour's specimen, the heading, one of two neighbours' status
        assert ours == theirs
    assert [(tree["resourceType"], fault) for tree in trees for fault in check(tree, tree["resourceType"])] == []
