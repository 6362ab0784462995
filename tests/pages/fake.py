"""A house of made-up people for the pages: enough to see every state, and to run the pages by hand.

    PYTHONPATH=tests .venv/bin/python -m pages.fake 8099

Log in at /login: the fake provider sends the browser straight back as the first clinician or citizen.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeVar

import uvicorn

from kjerne.access import Caller, Denial, Wish
from kjerne.clock import Clock, FixedClock, SystemClock
from kjerne.errors import Refusal
from kjerne.exchange import Denied
from kjerne.pages import paging
from kjerne.pages.app import pages_app
from kjerne.pages.house import (
    Blockable,
    Changed,
    Chart,
    Coming,
    File,
    Identity,
    Listed,
    Notice,
    OwnChoice,
    OwnList,
    OwnPatient,
    Participants,
    Patient,
    Place,
    RejectedQueue,
    Representation,
    Representations,
    Represented,
    RuleLanguage,
    Shows,
    Source,
    Visit,
    Waiting,
)
from kjerne.pages.login import Ending, Pending, To, Tokens
from kjerne.pages.looked_up import AlreadyDone, Analysis, Done
from kjerne.pages.shown import ShownAnswer, ShownReport
from kjerne.policy.services import deleted_after
from kjerne.policy.taking_part import Absence
from kjerne.services.participation.register import Asked, Change
from kjerne.services.results.points import Part
from kjerne.services.results.values import Value
from kjerne.store.participation import SourceRow, Wanted
from pages import resources as r
from pages.fake_abroad import FakeAbroad
from pages.fake_critical import FakeCritical, told
from pages.fake_documents import FakeDocuments
from pages.fake_doors import FakeDoors
from pages.fake_oversight import FakeOversight
from pages.fake_summary import FakeSummary
from pages.linked import Linked
from pages.register import NAMES, Registered, queue

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
KEY = bytes(range(32))
CLINICIAN = Identity("practitioner", "Ola Hagen", "LE", "Solbakken legesenter", "9000001", "clinician")
CITIZEN = Identity("citizen", "Kari Nordvik", carry="citizen")
OPERATOR = Identity("operator", "Drift Driftsen", carry="operator")
IDENTITIES = {"clinician": CLINICIAN, "citizen": CITIZEN, "operator": OPERATOR}
NUMBERS = {"15877912345": 1, "24915511111": 2, "21858800000": 6}
PROTECTED = "09898900000"
"""Somebody with a protected address."""
LAB, HOSPITAL = "Fürst medisinsk laboratorium", "Haukeland, medisinsk biokjemi"


def patients() -> dict[int, Patient]:
    """Kari has everything; each of the others shows one state."""
    rows = [
        (1, "Kari Nordvik", date(1979, 7, 15), "female", "158779 •••••"),
        (2, "Per Aasen", date(1955, 11, 24), "male", "249155 •••••"),
        (3, "Liv Moen", date(1991, 2, 3), "female", "038291 •••••"),
        (4, "Nils Dahl", date(1948, 1, 30), "male", "308148 •••••"),
        (5, "Ada Lien", date(2001, 9, 9), "female", "098901 •••••"),
        (6, "Eva Strand", date(1988, 5, 21), "female", "218588 •••••"),
        (7, "Jon Berge", date(1966, 12, 12), "male", "129266 •••••"),
        (8, "Emil Nordvik", date(2018, 4, 2), "male", "028418 •••••"),
    ]
    return {key: Patient(key, name, born, sex, masked, True) for key, name, born, sex, masked in rows}  # type: ignore[arg-type]


OUTCOMES: Mapping[int, Literal["", "Specific", "General", "Reservation"]] = {
    3: "General",
    9: "",
    4: "Specific",
    5: "Reservation",
    6: "",
}

UNTIED = frozenset({0, 6, 9})
"""Whom no register ties to the clinician: nobody, Eva, and somebody with a protected address."""


@dataclass
class FakeHouse(FakeAbroad, FakeDocuments, FakeSummary, FakeCritical, Linked, FakeDoors, FakeOversight):
    """Keeps what was posted, so that a test can look."""

    done: list[tuple[str, str]] = field(default_factory=list)
    unread: set[str] = field(default_factory=lambda: {"rep-blood-4", "rep-urine"})
    seen: set[str] = field(default_factory=set)
    made: list[OwnChoice] = field(default_factory=list)
    ended: dict[str, datetime] = field(default_factory=dict)
    register: Registered = field(default_factory=Registered)
    beyond: bool = False
    """Whether there are more patients and waiting answers than the lists are made of."""
    outside: Absence | None = None
    """Why the clinician's organisation takes no part."""
    rules: dict[int, str] = field(default_factory=dict)
    """Patients who are refused by a rule."""
    identities: dict[str, Identity] = field(
        default_factory=lambda: {"clinician": CLINICIAN, "citizen": CITIZEN, "operator": OPERATOR}
    )

    async def sign_in(self, claims: Mapping[str, Any], access_token: str) -> Identity:
        if str(claims["sub"]) not in self.identities:
            raise Refusal(403, "Nobody the register knows.")
        return self.identities[str(claims["sub"])]

    async def end_login(self, login: str, until: datetime) -> None:
        self.ended[login] = until

    async def has_ended(self, login: str) -> bool:
        return login in self.ended

    async def own_patients(self, who: Identity, after: int) -> OwnList:
        rows = [
            OwnPatient(p.key, p.name, p.birth_date, p.sex, p.masked, "practice-list" if p.key % 2 else "care")
            for p in patients().values()
            if p.key not in UNTIED
        ]
        start = next((place for place, row in enumerate(rows, 1) if row.key == after), 0)
        shown = rows[start : start + paging.PEOPLE]
        more = shown[-1].key if len(rows) > start + len(shown) else 0
        return OwnList(tuple(shown), start > 0, more, self.beyond)

    def _listed(self, rows: list[T], wanted: str) -> Listed[T]:
        part = paging.part(len(rows), wanted, paging.PEOPLE)
        return Listed(tuple(paging.cut(rows, part)), part, self.beyond)

    async def find(self, who: Identity, number: str) -> int:
        if len(number) != 11 or not number.isdigit():
            raise Refusal(400, "Not a person number.", where="number")
        return 9 if number == PROTECTED else NUMBERS.get(number, 0)

    async def patient(self, who: Identity, visit: Visit, *, refused: bool = False) -> Patient | None:
        return None if visit.patient in UNTIED else patients()[visit.patient]

    def must_open(self, who: Identity, visit: Visit) -> Patient:
        if rule := self.rules.get(visit.patient):
            raise Denied(_denial("", self.clock.now(), rule))
        outcome = OUTCOMES.get(visit.patient)
        opened = (visit.patient == 3 and visit.basis) or (visit.patient == 6 and visit.self_declared)
        if outcome is not None and not opened and who.kind == "practitioner":
            rule = "address-protected" if visit.patient == 9 else "" if outcome else "no-relation"
            raise Denied(_denial(outcome, self.clock.now(), rule))
        if visit.patient == 0:
            raise Denied(_denial("", self.clock.now(), "no-relation"))
        if visit.patient == 7:
            raise Refusal(504, "The source did not answer in time.")
        whole = visit.patient == 1 and who.kind == "practitioner"
        return replace(patients()[visit.patient], number="15877912345" if whole else "")

    async def chart(self, who: Identity, visit: Visit, shows: Shows | None = None) -> Chart:
        patient, now = self.must_open(who, visit), self.clock.now()
        chart = Chart(patient, now, sources=(Source("Svarbasen", True, now),))
        if visit.patient in (1, 3, 6):
            chart = replace(chart, **_kari(), unread=frozenset(self.unread), locked=2 if visit.patient == 1 else 0)
        if visit.patient == 1:
            chart = replace(chart, sources=(*chart.sources, Source("Helse Vest", False, self.clock.now())))
        self.shown = shows(chart) if shows else None
        if who.kind == "citizen" and visit.patient == 1:
            closed = any((one.kind, one.service) == ("opt-out", "results") for one in self.made)
            chart = replace(chart, coming=(Coming(NOW + timedelta(days=9)),), unread=frozenset(), opted_out=closed)
        return replace(chart, acknowledged={"rep-blood-3": NOW - timedelta(days=60)})

    async def file(self, who: Identity, visit: Visit, report: str, number: str) -> File:
        if number not in r.FILES or report != "rep-concluded":
            raise Refusal(404, "No such file.", where="file")
        return File(r.FILES[number])

    async def former_file(self, who: Identity, visit: Visit, report: str, number: str, version: int) -> File:
        if (report, number, version) != r.FORMER_FILE:
            raise Refusal(404, "No such file.", where="file")
        return File(r.FILES["b-pdf"])

    async def acknowledge(self, who: Identity, visit: Visit, shown: ShownReport) -> None:
        if shown.report not in self.unread:
            raise Refusal(404, "No such report.", where="report")
        self.unread.discard(shown.report)
        self.done.append(("acknowledged", shown.report))

    async def waiting(self, who: Identity, wanted: str) -> Listed[Waiting]:
        rows = [
            Waiting(1, "Kari Nordvik", "Klinisk biokjemi", NOW - timedelta(days=2)),
            Waiting(1, "Kari Nordvik", "Mikrobiologi", NOW - timedelta(days=3)),
            Waiting(2, "Per Aasen", "Klinisk biokjemi", NOW - timedelta(days=4), corrected=True),
        ]
        return self._listed(rows, wanted)

    async def notices(self, who: Identity, wanted: str) -> Listed[Notice]:
        rows = [
            Notice("n1", "corrected", NOW - timedelta(days=1), NOW - timedelta(days=9), 1, "Kari Nordvik", _CORRECTED),
            Notice("n2", "withdrawn", NOW - timedelta(hours=20), NOW - _EIGHT, 2, "Per Aasen", opened=(NOW - _EIGHT,)),
            told(NOW - timedelta(hours=18)),
            Notice("n3", "corrected", NOW - timedelta(hours=19), NOW - timedelta(days=7)),
        ]
        return self._listed([row for row in rows if row.number not in self.seen], wanted)

    async def see_notice(self, who: Identity, number: str) -> None:
        self.seen.add(number)

    async def analyses(self) -> tuple[Analysis, ...]:
        return tuple(
            Analysis(code, r.NLK, name) for name, code in (("P-Ferritin", "NPU19763"), ("B-HbA1c", "NPU27300"))
        )

    async def already_done(self, who: Identity, visit: Visit, asked: Analysis) -> AlreadyDone:
        if asked.code != "NPU27300":
            return AlreadyDone("q2", asked, "never", 90)
        earlier = Done(
            datetime(2026, 11, 20, 8, 15, tzinfo=UTC),
            "B-HbA1c",
            Value(Decimal("47.5"), "", "mmol/mol"),
            LAB,
            "rep-blood-4",
        )
        return AlreadyDone("q1", asked, "done", 90, date(2027, 2, 18), (earlier,))

    async def answer_reuse(
        self, who: Identity, visit: Visit, shown: ShownAnswer, outcome: Literal["followed", "overridden"], reason: str
    ) -> None:
        self.done.append((outcome, reason))

    async def represented(self, who: Identity) -> tuple[Represented, ...]:
        return Represented(1, "Kari Nordvik", "self"), Represented(8, "Emil Nordvik", "parent")

    async def representations(self, who: Identity, language: RuleLanguage) -> Representations:
        child = Representation("Emil Nordvik", "parent", (), None, opens=True)
        proxy = Representation("Siv Dahl", "proxy", ("innsyn", "noeNytt"), date(2027, 1, 31), opens=True)
        return Representations((child,), (proxy,))

    async def choices(self, who: Identity, visit: Visit) -> tuple[OwnChoice, ...]:
        return (OwnChoice("c1", "block", NOW - timedelta(days=40), "Tor Eide", "Haukeland"), *self.made)

    async def blockable(self, who: Identity, visit: Visit) -> tuple[Blockable, ...]:
        return Blockable("9000001", "Ola Hagen", "LE", "Solbakken legesenter"), Blockable(
            "9000002", "Siri Vik", "SP", ""
        )

    async def health_worker(self, who: Identity, visit: Visit, hpr: str) -> Blockable | None:
        return next((one for one in await self.blockable(who, visit) if one.hpr == hpr), None)

    async def places(self, who: Identity, visit: Visit, service: str) -> tuple[Place, ...]:
        laboratory = Place("983974899", "Prøvelaboratoriet", service == "results", False)
        return laboratory, Place("100000008", "Haukeland", service != "results", True)

    async def choose(self, who: Identity, visit: Visit, wish: Wish) -> None:
        if wish.source == "999999999":
            raise Refusal(400, "no organisation has this number", where="source")
        regret = deleted_after(wish.service)
        deleted = self.clock.now() + regret if regret is not None else None
        self.made.append(
            OwnChoice(
                f"m{len(self.made)}", wish.kind, self.clock.now(), wish.hpr and "Siri Vik",  # type: ignore[arg-type]
                wish.organisation, deleted if wish.kind == "opt-out" else wish.until,
                wish.role, wish.part, wish.source, wish.course, wish.record, service=wish.service,
            )
        )  # fmt: skip

    async def lift(self, who: Identity, visit: Visit, number: str) -> None:
        self.made = [one for one in self.made if one.number != number]
        self.done.append(("lifted", number))

    async def absence(self, who: Identity) -> Absence | None:
        return self.outside

    async def sources(self) -> tuple[SourceRow, ...]:
        return self.register.sources(self.clock.now())

    async def participants(self, who: Identity, wanted: Wanted, skipped: int) -> Participants:
        found = self.register.listed(wanted, self.clock.now())
        return Participants(found[skipped : skipped + 3], NAMES, len(found) > skipped + 3)

    async def participation(self, who: Identity, number: int) -> Participants:
        return Participants(self.register.chain(number), NAMES)

    async def plan_participation(self, who: Identity, asked: Asked) -> Change:
        return self.register.plan(asked, self.clock.now())

    async def change_participation(self, who: Identity, asked: Asked) -> int:
        return self.register.change(asked, self.clock.now())

    async def rejected(self, who: Identity, after: str) -> RejectedQueue:
        found = queue()
        return RejectedQueue(found[2:] if after else found[:2], NAMES, len(found), "" if after else "2.0")


_SAYS = {
    "no-relation": "Ingen fastlegeliste eller behandling knytter deg til pasienten.",
    "address-protected": "Beskyttet adresse.",
}
_READ_AT, _EIGHT = NOW - timedelta(days=9), timedelta(days=8)


def _amount(number: str, unit: str) -> Value:
    return Value(Decimal(number), unit=unit)


_BEFORE, _AFTER = (Part("Systolisk", _amount(number, "mmHg")) for number in ("151", "141"))
_SAME = _amount("0.4", "mg/L")
_CORRECTED = (
    Changed("P-Kalium", "replaced", _READ_AT, _amount("5.9", "mmol/L"), _amount("4.6", "mmol/L"), "corrected"),
    Changed(
        "B-Leukocytter", "replaced", _READ_AT, _amount("88", "mg/L"), _amount("8.8", "10⁹/L"), "corrected", was="P-CRP"
    ),
    Changed("P-Troponin T", "withdrawn", _READ_AT, _amount("48", "ng/L"), mark="withdrawn"),
    Changed("P-Fosfat", "emptied", _READ_AT, _amount("0.4", "mmol/L"), None, "corrected", "not-performed"),
    Changed(
        "B-Glukose",
        "replaced",
        _READ_AT,
        _amount("1.4", "mmol/L"),
        _amount("2.4", "mmol/L"),
        "corrected",
        whose="newborn",
    ),
    Changed("P-Natrium", "given", _READ_AT, None, _amount("140", "mmol/L"), "corrected"),
    Changed("P-CRP", "not-repeated", _READ_AT, _SAME, _SAME, "not-repeated"),
    Changed("P-Urat", "repeated", _READ_AT, _SAME, _SAME),
    Changed("CT thorax", "replaced", _READ_AT, Value(text="Ingen brudd."), Value(text="Brudd i ribben."), "corrected"),
    Changed("Blodtrykk", "replaced", _READ_AT, mark="corrected", old_parts=(_BEFORE,), new_parts=(_AFTER,)),
)


def _denial(outcome: Literal["", "Specific", "General", "Reservation"], at: datetime, rule: str) -> Denial:
    caller = Caller("practitioner", "pages", frozenset())
    says = _SAYS.get(rule, "")
    law = "pasient- og brukerrettighetsloven § 5-3" if outcome else "pasientjournalloven § 16"
    of_caller = "Den står ikke i registeret." if rule == "organisation-takes-no-part" else ""
    return Denial(caller, None, "results", "read", rule, law, says, outcome, at, "c", of_caller=of_caller)


# Name, code, unit, low, high, and the values at the four dates from oldest to newest (empty: not measured).
_BLOOD: tuple[tuple[str, str, str, str, str, tuple[str, ...]], ...] = (
    ("B-Hemoglobin", "NPU28309", "g/dL", "11.7", "15.3", ("13.4", "12.6", "11.5", "11.1")),
    ("B-Leukocytter", "NPU02593", "10^9/L", "3.5", "11.0", ("6.2", "7.1", "6.8", "12.4")),
    ("B-Trombocytter", "NPU03568", "10^9/L", "145", "390", ("254", "261", "240", "266")),
    ("P-CRP", "NPU19748", "mg/L", "", "5", ("<1", "3", "", "38")),
    ("B-HbA1c", "NPU27300", "mmol/mol", "20", "42", ("41", "44", "49", "47")),
    ("P-Kolesterol", "NPU01566", "mmol/L", "3.3", "6.9", ("5.8", "", "5.1", "")),
    ("P-LDL-kolesterol", "NPU01568", "mmol/L", "1.4", "4.7", ("3.9", "", "2.6", "")),
    ("P-Kreatinin", "NPU04998", "µmol/L", "45", "90", ("71", "76", "88", "96")),
    ("Pt-eGFR", "NPU53025", "mL/min/1,73m²", "60", "", ("88", "82", "69", "62")),
    ("P-Natrium", "NPU03429", "mmol/L", "137", "145", ("141", "140", "139", "138")),
    ("P-Kalium", "NPU03230", "mmol/L", "3.5", "5.0", ("4.1", "4.4", "4.2", "4.6")),
    ("P-ALAT", "NPU19651", "U/L", "10", "45", ("22", "", "31", "28")),
    ("P-TSH", "NPU03577", "mU/L", "0.40", "4.50", ("2.10", "", "4.80", "3.95")),
    ("P-Ferritin", "NPU19763", "µg/L", "15", "160", ("48", "31", "14", "9")),
    ("U-Albumin/kreatinin ratio", "NPU28842", "mg/mmol", "", "2.5", ("", "1.1", "", "1.90")),
)
_DATES = (
    "2025-12-04T08:10:00+01:00",
    "2026-03-11T08:40:00+01:00",
    "2026-09-02T09:05:00+02:00",
    "2026-11-20T08:15:00+01:00",
)
_LABS = (LAB, HOSPITAL, LAB, LAB)


def _kari() -> dict[str, Any]:
    observations: list[r.Resource] = []
    for row, (name, code, unit, low, high, values) in enumerate(_BLOOD):
        for column, text in enumerate(values):
            if text:
                observations.append(_measured(row, column, name, code, unit, low, high, text))
    reports = [
        r.report(
            f"rep-blood-{column + 1}",
            "CLIN",
            "Klinisk biokjemi",
            at,
            tuple(o["id"] for o in observations if o["id"].endswith(f"-{column}")),
            lab=_LABS[column],
            status="amended" if column == 2 else "final",
            request="req",
        )
        for column, at in enumerate(_DATES)
    ]
    texts, text_reports = _texts()
    request = {
        "resourceType": "ServiceRequest",
        "id": "req",
        "requester": {"display": "Ola Hagen, Solbakken legesenter"},
    }
    specimens = ({"resourceType": "Specimen", "id": "urine", "type": {"text": "Urin"}},)
    return {
        "observations": (*observations, *texts),
        "reports": (*reports, *text_reports),
        "requests": (request,),
        "specimens": specimens,
    }


def _measured(row: int, column: int, name: str, code: str, unit: str, low: str, high: str, text: str) -> r.Resource:
    number, comparator = text.lstrip("<>"), text[0] if text[0] in "<>" else ""
    flag = ""
    if column != 3 or name != "P-Ferritin":
        flag = "1" if high and float(number) > float(high) else "2" if low and float(number) < float(low) else ""
    extra: dict[str, Any] = {}
    if name == "P-Kalium" and column == 3:
        former = r.change("corrected", "2026-11-22T10:00:00+01:00", valueQuantity=r.quantity("5.9", unit))
        extra = {"status": "amended", "extension": (former,)}
    value: r.Resource | None = r.quantity(number, unit, comparator=comparator)
    if name == "P-TSH" and column == 2:
        former = r.change("withdrawn", "2026-09-05T10:00:00+02:00", valueQuantity=value)
        extra, value = {"status": "cancelled", "extension": (former,)}, None
    if name == "P-Kreatinin" and column == 1:
        low, high = "50", "80"
    return r.observation(
        f"o{row}-{column}",
        name,
        code,
        _DATES[column],
        value=value,
        low=low,
        high=high,
        flag=flag,
        lab=_LABS[column],
        **extra,
    )


RADIOLOGY, MICROBIOLOGY = "Haukeland, radiologisk avdeling", "Haukeland, mikrobiologisk avdeling"
PATHOLOGY = "Haukeland, avdeling for patologi"


def _texts() -> tuple[list[r.Resource], list[r.Resource]]:
    parts = (_single_values(), _read_by_doctors(), _urine_culture(), _without_results(), _commented(), r.by_fhir())
    return [o for observations, _ in parts for o in observations], [one for _, reports in parts for one in reports]


def _single_values() -> tuple[list[r.Resource], list[r.Resource]]:
    old = r.observation(
        "hb-old", "B-Hemoglobin", "NPU28309", "2022-05-02", value=r.quantity("8.1", "mmol/L"), low="7.3", high="9.5"
    )
    covid = r.observation("covid", "SARS-CoV-2 antigen", "NPU59138", "2026-03-11", text="Ikke påvist", lab=MICROBIOLOGY)
    return [old, covid], [
        r.report("rep-old", "CLIN", "Klinisk biokjemi", "2022-05-02", ("hb-old",), lab=HOSPITAL),
        r.report("rep-covid", "MBIO", "Mikrobiologi", "2026-03-11", ("covid",), lab=MICROBIOLOGY),
    ]


def _read_by_doctors() -> tuple[list[r.Resource], list[r.Resource]]:
    former = {"text": "R: Ingen holdepunkter for lungeemboli."}
    ct = r.observation(
        "ct",
        "CT thorax",
        "",
        "2026-10-14",
        lab=RADIOLOGY,
        text="R: Ingen holdepunkter for lungeemboli. Uendret 4 mm knute i høyre underlapp.\n\n"
        "Kontrastfylling i lungearteriene er god uten fyllingsdefekter. Ingen pleuravæske. "
        "Kjent 4 mm knute basalt i høyre underlapp er uendret fra 2024 og trenger ikke videre kontroll.",
        status="amended",
        extension=(r.change("corrected", "2026-10-16T12:00:00+02:00", valueCodeableConcept=former),),
    )
    text = "Hudbit med dermalt nevus uten atypi. Fri rand.\n\nDiagnose: Dermalt nevus, benign."
    histology = r.observation("hist", "Mikroskopi", "", "2026-06-03", lab=PATHOLOGY, text=text)
    amended: dict[str, Any] = {"category": "BLD", "lab": RADIOLOGY, "status": "amended", "request": "req"}
    return [ct, histology], [
        r.report("rep-ct", "CT", "CT", "2026-10-14", ("ct",), **amended),
        r.report("rep-hist", "HIST", "Histologi", "2026-06-03", ("hist",), category="PAT", lab=PATHOLOGY),
    ]


def _urine_culture() -> tuple[list[r.Resource], list[r.Resource]]:
    at = "2026-11-19"
    members = ("amount", "1", "2", "3", "4", "5")
    growth = r.observation(
        "growth", "U-Bakterier dyrkning", "NPU06073", at, text="Escherichia coli", lab=MICROBIOLOGY, members=members
    )
    tested = [
        r.susceptibility("1", "Ampicillin", "R", at),
        r.susceptibility("2", "Mecillinam", "S", at, "0,25"),
        r.susceptibility("3", "Trimetoprim", "R", at, "32"),
        r.susceptibility("4", "Nitrofurantoin", "S", at),
        r.susceptibility("5", "Ciprofloksacin", "I", at, "0,5"),
    ]
    amount = r.observation("amount", "Mengde", "", at, text=">100.000 pr.ml.", lab=MICROBIOLOGY)
    report = r.report("rep-urine", "MBIO", "U-Bakterier dyrkning", at, ("growth",), lab=MICROBIOLOGY, request="req")
    before = "2026-01-12"
    corrected = r.report("rep-isolate", "MBIO", "U-Bakterie", before, ("g",), lab=MICROBIOLOGY, status="amended")
    return [growth, amount, *tested, *r.corrected_culture(before)], [report, corrected]


def _without_results() -> tuple[list[r.Resource], list[r.Resource]]:
    """Reports that only conclude or were only cancelled, and one whose first version never came."""
    concluded = r.report("rep-concluded", "MR", "MR hode", "2026-05-20", (), category="BLD", lab=RADIOLOGY)
    concluded["conclusion"] = "Ingen tegn til demyelinisering."
    concluded["presentedForm"] = [
        r.form("Nøkkelbilder", "image/png", "b-png"),
        r.form("Beskrivelse med bilder", "application/pdf", "b-pdf"),
        r.form("Rådata", "application/dicom", "b-dicom"),
        r.form("Skjema fra avdelingen", "text/html", "b-html"),
        {"title": "Tidligere undersøkelse", "contentType": "application/pdf", "url": "https://elsewhere.test/1"},
    ]
    concluded["extension"] = [r.former_file("Beskrivelse med bilder", "application/pdf", "2026-05-22T09:14:00+02:00")]
    cancelled = r.report("rep-cancelled", "CLIN", "Klinisk biokjemi", "2026-04-08", (), status="cancelled")
    cancelled["extension"] = [r.comment("Prøven var merket med feil person.")]
    ids = ("again-1", "again-2", "again-3")
    times = [f"2026-11-20T{hour}:00+01:00" for hour in ("10:02", "10:01", "10:00")]
    again = [
        r.observation(one, "P-Glukose", "NPU02192", "2026-10-14T08:00:00+02:00",
            value=r.quantity(value, "mmol/L"), low="4.2", high="6.3", status="amended", issued=issued)
        for one, value, issued in zip(ids, ("5.0", "7.9", "5.0"), times, strict=True)
    ]  # fmt: skip
    headless = r.report("rep-headless", "CLIN", "Klinisk biokjemi", "2026-10-14T08:00:00+02:00", ids, status="amended")
    headless["extension"] = [r.first_missing()]
    return again, [concluded, cancelled, headless]


STALE_SAMPLE = "Usikkert svar, holdbarhet kun 6 dager"
HEMOLYSED = "Ikke utført: prøven var hemolysert, send ny prøve"
WRONG_SAMPLE = "Feil prøve, svaret kan ikke brukes"


def _commented() -> tuple[list[r.Resource], list[r.Resource]]:
    """Results that the laboratory says something of: one with its answer, one afterwards, without another value."""
    at = "2026-10-14T08:00:00+02:00"
    limit = r.quantity("5", "kU/L", comparator="<")
    marker = r.observation("ca19-9", "P-CA 19-9", "NPU01452", at, value=limit, note=STALE_SAMPLE)
    sodium = r.observation(
        "sodium", "P-Natrium", "NPU03429", at, value=r.quantity("140", "mmol/L"), status="amended", note=WRONG_SAMPLE
    )
    hemolysed = r.absent("empty", "P-Fosfat", "NPU03096", at, "unknown", note=HEMOLYSED)
    waits = r.absent("waits", "P-Troponin T", "NPU27501", at, "temp-unknown", status="registered")
    old = r.change("corrected", "2026-10-16T12:00:00+02:00", valueQuantity=r.quantity("88", "mg/L"))
    was = r.renamed(old, "P-CRP", "NPU19748")
    white = r.observation(
        "white", "B-Leukocytter", "NPU02593", at, value=r.quantity("8.8", "10^9/L"), status="amended", extension=(was,)
    )
    renamed = r.report("rep-renamed", "CLIN", "Klinisk biokjemi", at, ("white",), status="amended")
    limit_value = r.quantity("14", "ng/L")
    limit_itself = r.observation("trop", "P-Troponin T", "NPU27501", _DATES[2], value=limit_value, high="14")
    limit_itself["referenceRange"][0]["text"] = "< 14"
    only = r.report("rep-empty", "CLIN", "", at, ("empty",))
    later = "2026-11-22T08:00:00+01:00"
    former = r.change("withdrawn", "2026-11-22T12:00:00+01:00", valueQuantity=r.quantity("2.9", "mmol/L"))
    taken_back = r.observation("back", "P-Kolesterol", "NPU01566", later, status="cancelled", extension=(former,))
    back = r.report("rep-back", "CLIN", "Klinisk biokjemi", later, ("back",))
    report = r.report("rep-comment", "CLIN", "Klinisk biokjemi", at, ("ca19-9", "sodium", "waits"), status="amended")
    return [marker, sodium, hemolysed, waits, limit_itself, taken_back, white], [report, only, back, renamed]


@dataclass
class FakeDoor:
    """A provider that sends the browser straight back: the subject is the page's name, or what `next_subject` says."""

    clock: Clock
    next_subject: str = ""
    ends_at: str = ""
    hints: list[str] = field(default_factory=list)

    async def start(self, to: To) -> tuple[str, Pending]:
        return f"/login/return?state=s&code={to}", Pending("s", "n", "v", to, self.clock.now(), {})

    async def finish(self, pending: Pending, query: Mapping[str, str]) -> Tokens:
        default = {"clinician": "clinician", "me": "citizen", "operations": "operator"}[pending.to]
        return Tokens({"sub": self.next_subject or default}, "token", "id-token")

    async def end(self, id_token: str) -> Ending | None:
        self.hints.append(id_token)
        return Ending(self.ends_at, {"id_token_hint": id_token}) if self.ends_at else None


def made(clock: Clock | None = None) -> tuple[FakeHouse, FakeDoor, Any]:
    """House, door and application over a clock that stands at `NOW`."""
    clock = clock or FixedClock(NOW)
    house, door = FakeHouse(clock), FakeDoor(clock)
    return house, door, pages_app(house, door, key=KEY, clock=clock, secure=False)


if __name__ == "__main__":
    uvicorn.run(made(SystemClock())[2], port=int(sys.argv[1]), log_level="warning")
