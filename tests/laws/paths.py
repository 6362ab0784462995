"""The paths on which a record may leave, each with what it tells of the ten kinds of records that a patient has.

A path asks one question over HTTP and says what came out: which kinds, by the sign that stands in each record and in
nothing else. A count says how many. What the law lets leave is for `test_paths` to compare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from .straight import Heard, sent
from .world import CODES, HUB, KINDS, PATIENTS, SIGN, TOGETHER, Kind, Patient, code, sign

UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
JSON: Final = {"content-type": "application/fhir+json"}


@dataclass(frozen=True)
class Told:
    """What came out: the kinds whose records stand in the answer, and how many it says there are, where it counts.

    `outcome` is what it says of the patient's own choice (pvk-outcome-cs).
    """

    kinds: frozenset[str]
    total: int | None = None
    outcome: str = ""


@dataclass(frozen=True)
class Ask:
    """Who is asked about, as whom and on which basis."""

    application: Any
    patient: Patient
    basis: str
    answers: list[Any] = field(default_factory=list)

    async def get(self, path: str) -> Heard:
        self.answers.append(await sent(self.application, "GET", path, self._headers()))
        return self.answers[-1]

    async def search(self, path: str, *form: tuple[str, str]) -> Heard:
        body = urlencode(form).encode()
        self.answers.append(await sent(self.application, "POST", path, self._headers() | FORM, body))
        return self.answers[-1]

    async def bundle(self, url: str) -> Heard:
        entry = {"request": {"method": "GET", "url": url}}
        body = json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}).encode()
        self.answers.append(await sent(self.application, "POST", "/fhir/R4", self._headers() | JSON, body))
        return self.answers[-1]

    def heard(self) -> list[Any]:
        """All that the caller can compare of the answers so far, the patient's own ids aside."""
        ids = [id_ for by_kind in self.patient.ids.values() for id_ in by_kind.values()]
        return [
            (
                one.status_code,
                [pair for pair in one.headers if pair[0] != "content-length"],
                _alike(one.text, [*ids, self.patient.number]),
            )
            for one in self.answers
        ]

    def _headers(self) -> dict[str, str]:
        basis = {"access-basis": self.basis} if self.basis else {}
        return basis | {"person-id": self.patient.number}


def _alike(text: str, ids: Sequence[str]) -> str:
    for id_ in ids:
        text = text.replace(id_, "id")
    if '"type":"document"' in text:  # made anew: its ids, and of whom it is by the register
        text = re.sub(rf'{UUID}|(?<="versionId":")[0-9]+', "id", text)
    text = re.sub(r'_cursor=[^"&]+', lambda sealed: f"_cursor of {len(sealed[0])}", text)  # nobody can read more of it
    text = re.sub(r"urn:uuid:[0-9a-f-]{36}", "urn:uuid:new", text)  # the number of a question is made when it is asked
    # A link leaves out a query in which a person number may stand, and some ids look like one.
    return re.sub(r'("relation":"self","url":"[^"?]+)\?[^"]*', r"\1", text)


@dataclass(frozen=True)
class Path:
    """One way out. `action` is what it is to the law, `about` the kinds it asks about, of one `type`.

    `more` is how many open records it finds beside those of the kinds, `leads` whether it finds that many alone and comes
    to the kinds from there. `beside`: what it shows is not only what it is asked about. `counts`: what it answers says how many.
    """

    name: str
    action: str
    ask: Callable[[Ask], Awaitable[Told]]
    about: tuple[Kind, ...] = KINDS
    type: str = "Observation"
    more: int = 0
    leads: bool = False
    tells: bool = False
    beside: bool = False
    counts: bool = False

    def count(self, known: int, *, more: bool) -> int:
        """What it may say that it found, where so many records of the kinds may be known of, and the others or not."""
        return (self.more if more else 0) + (0 if self.leads else known)


def signs_in(answers: Sequence[Heard], patient: Patient) -> frozenset[str]:
    """Which kinds of hers came out; fails where anything of somebody else did."""
    found = {match for one in answers for match in re.findall(SIGN, one.text + str(one.headers))}
    hers = str(list(PATIENTS).index(patient.name))
    assert all(whose == hers for _, whose in found), f"of somebody else than {patient.name}"
    return frozenset(KINDS[int(kind)].name for kind, _ in found)


def outcome_of(answer: Heard) -> str:
    found = re.search(r'pvk-outcome-cs","code":"(\w+)"', answer.text)
    return found[1] if found else ""


def total_of(answer: Heard) -> int | None:
    found = re.search(r'"total":(\d+)', answer.text)
    return int(found[1]) if found else None


def plainly(path: str, *form: tuple[str, str]) -> Callable[[Ask], Awaitable[Told]]:
    """One search, its hits and its total."""

    async def ask(ask: Ask) -> Told:
        answer = await ask.search(path, *form)
        return Told(signs_in([answer], ask.patient), total_of(answer), outcome_of(answer))

    return ask


def bundled(url: str) -> Callable[[Ask], Awaitable[Told]]:
    """A search as the entry of a transaction."""

    async def ask(ask: Ask) -> Told:
        answer = await ask.bundle(url)
        return Told(signs_in([answer], ask.patient), total_of(answer))

    return ask


def page_by_page(path: str, *form: tuple[str, str]) -> Callable[[Ask], Awaitable[Told]]:
    """A search whose pages are followed to the last."""

    async def ask(ask: Ask) -> Told:
        answers, pairs = list[Heard](), form
        while len(answers) < 2 * len(KINDS):
            answers.append(await ask.search(path, *pairs))
            link = re.search(r'"relation":"next","url":"([^"]+)"', answers[-1].text)
            if not link:
                break
            pairs = tuple(parse_qsl(urlsplit(link[1]).query))
        return Told(signs_in(answers, ask.patient), total_of(answers[0]))

    return ask


def all_versions(path: str) -> Callable[[Ask], Awaitable[Told]]:
    """A history of many, followed to its last page; fails where the total is not the number of entries."""

    async def ask(ask: Ask) -> Told:
        answers, at = list[Heard](), path
        while len(answers) < 4 * len(KINDS):
            answers.append(await ask.get(at))
            link = re.search(r'"relation":"next","url":"([^"]+)"', answers[-1].text)
            if not link:
                break
            at = urlsplit(link[1])._replace(scheme="", netloc="").geturl()
        entries = [one for answer in answers for one in re.findall(r'"fullUrl":"([^"]+)"', answer.text)]
        assert total_of(answers[0]) in (None, len(entries))
        return Told(signs_in(answers, ask.patient), len(set(entries)), outcome_of(answers[0]))

    return ask


def everything() -> Callable[[Ask], Awaitable[Told]]:
    """All of one type, of all that there is of her."""

    async def ask(ask: Ask) -> Told:
        answer = await ask.search("/fhir/R4/Patient/$everything", ("_type", "Observation"))
        return Told(signs_in([answer], ask.patient), total_of(answer))

    return ask


def summary() -> Callable[[Ask], Awaitable[Told]]:
    """The patient summary, whose sections and narratives are made of her records."""

    async def ask(ask: Ask) -> Told:
        return Told(signs_in([await ask.get("/fhir/R4/Patient/$summary")], ask.patient))

    return ask


def in_order(path: str, *form: tuple[str, str]) -> Callable[[Ask], Awaitable[Told]]:
    """A sorted search; fails where the hits stand in another order than their dates (the order of `KINDS`)."""

    async def ask(ask: Ask) -> Told:
        answer = await ask.search(path, *form)
        placed = [place for kind in KINDS if (place := answer.text.find(sign(kind, ask.patient.name))) >= 0]
        assert placed == sorted(placed)
        return Told(signs_in([answer], ask.patient), total_of(answer))

    return ask


def by_address(address: str, type_: str, kind: Kind) -> Callable[[Ask], Awaitable[Told]]:
    async def ask(ask: Ask) -> Told:
        answer = await ask.get(address.format(ask.patient.ids[type_][kind.name]))
        seen = signs_in([answer], ask.patient)
        assert answer.status_code == 200 or not seen
        # A file may leave as bytes, in which no sign can be read: that it left is enough.
        return Told(seen | {kind.name} if answer.status_code == 200 else seen)

    return ask


def by_own_id(path: str, type_: str, kind: Kind) -> Callable[[Ask], Awaitable[Told]]:
    async def ask(ask: Ask) -> Told:
        answer = await ask.search(path, ("_id", ask.patient.ids[type_][kind.name]))
        return Told(signs_in([answer], ask.patient), total_of(answer))

    return ask


def already_done(kind: Kind) -> Callable[[Ask], Awaitable[Told]]:
    """Whether the analysis of this kind of record was done already: by which records, named by id."""

    async def ask(ask: Ask) -> Told:
        answer = await ask.search("/pps/v2/already-done", ("code", f"{CODES}|{code(kind)}"))
        found = re.findall(r'"reference":"Observation/([^"]+)"', answer.text)
        named = {id_: name for name, id_ in ask.patient.ids["Observation"].items()}
        return Told(frozenset(named[id_] for id_ in found))

    return ask


PPS: Final = "/pps/v2/{}/_search"
FHIR: Final = "/fhir/R4/{}/_search"

WIDE: Final = (
    Path("search", "search", plainly(PPS.format("Observation")), tells=True, counts=True),
    Path("count", "search", plainly(FHIR.format("Observation"), ("_summary", "count")), counts=True),
)
"""Asked by everybody, for every purpose, on every basis."""


def _many() -> Iterator[Path]:
    observations, reports, specimens = (FHIR.format(name) for name in ("Observation", "DiagnosticReport", "Specimen"))
    by_pps = PPS.format("Observation")
    yield Path(
        "search, standard",
        "search",
        plainly(reports, ("status", "final")),
        type="DiagnosticReport",
        more=1,
        counts=True,
    )
    yield Path("pages", "search", page_by_page(observations, ("_count", "1"), ("_total", "accurate")), counts=True)
    yield Path("everything", "search", everything(), counts=True)
    yield Path("summary", "search", summary(), tuple(one for one in KINDS if "not the mother's" not in one.withheld))
    yield Path("history of the type", "history", all_versions("/fhir/R4/Observation/_history?_count=4"), counts=True)
    yield Path("changes", "history", all_versions("/fhir/R4/$changes?_type=Observation&_count=1000"))
    yield Path("in a transaction", "search", bundled("Observation?_total=accurate"), counts=True)
    yield Path("sorted", "search", in_order(by_pps, ("_sort", "date"), ("_total", "accurate")), counts=True)
    yield Path("not", "search", plainly(observations, ("status:not", "amended")), counts=True)
    yield Path("value", "search", plainly(by_pps, ("value-quantity", "ge40")), counts=True)
    hub, included = ("code", f"{CODES}|{HUB}"), ("_include", "DiagnosticReport:result")
    yield Path("include", "search", plainly(reports, hub, included), about=TOGETHER, more=1, leads=True, counts=True)
    back = ("_revinclude", "Observation:specimen")
    yield Path(
        "revinclude", "search", plainly(PPS.format("Specimen"), back), about=TOGETHER, more=1, leads=True, counts=True
    )
    on = ("_revinclude:iterate", "DiagnosticReport:result")
    yield Path(
        "revinclude of a revinclude",
        "search",
        plainly(specimens, back, on),
        about=TOGETHER,
        more=1,
        leads=True,
        counts=True,
    )


def _single() -> Iterator[Path]:
    """By what only one record has: of each kind another type, and another way to an older version."""
    types, places = cycle(("Observation", "DiagnosticReport", "Binary")), cycle(("/_history/1", "/_history"))
    for kind, type_, place in zip(KINDS, types, places, strict=False):
        at = f"/fhir/R4/{type_}/{{}}"
        yield Path(f"read {type_}", "read", by_address(at, type_, kind), (kind,), type_)
        yield Path(f"{place} of {type_}", "history", by_address(at + place, type_, kind), (kind,), type_)
        if type_ == "Observation":
            yield Path("its id", "search", by_own_id(FHIR.format(type_), type_, kind), (kind,), type_, counts=True)
        else:
            by_code = plainly(PPS.format("Observation"), ("code", f"{CODES}|{code(kind)}"))
            yield Path("its code", "search", by_code, (kind,), counts=True)


def _done() -> Iterator[Path]:
    """What is known of her newborn says nothing about when she was tested: it is never an answer."""
    for kind in KINDS:
        about = () if "not the mother's" in kind.withheld else (kind,)
        yield Path("already done", "search", already_done(kind), about)


SEARCHED: Final = tuple(_many())
"""Asked by everybody, in those purposes and on those bases that differ in law."""
NAMED: Final = (*_single(), *_done())
"""Asked by everybody, in planned care, and with the rules set aside and everything opened."""
