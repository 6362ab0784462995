"""What a request to the national service of documents asks for: whose, on what basis, which of hers, and which page of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from kjerne.errors import Refusal
from kjerne.exchange import Call, Pairs, PatientRef
from kjerne.mhd.searching import PATIENT, STATUSES, Filter, Parse, asked_for, filter_of
from kjerne.registries import identifiers
from kjerne.registries.naming import is_national
from kjerne.services.documents.sorting import SORTS
from kjerne.store.patient_ids import key_of, ref
from kjerne.store.sealed_id import SealedIds

BASES: Final = frozenset({"", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT", "UNNTAK"})
COUNT: Final = 15
COUNT_LIMIT: Final = 200
PAGE_LIMIT: Final = 10_000
HEADER: Final = "nhn-patient-nin"
CONTROLS: Final = ("_count", "_page", "_format")
_FORMATS: Final = frozenset({"", "json", "text/json", "application/json", "application/fhir+json"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A search taken apart. `sort` is one of `SORTS`, `page` counts from 1; `status` is of `STATUSES`, and `only` the rest."""

    patient: PatientRef
    count: int
    page: int
    sort: str
    descending: bool
    status: frozenset[str]
    only: Filter

    @property
    def place(self) -> slice:
        """Which of all that was found stand on the page."""
        return slice((self.page - 1) * self.count, self.page * self.count)


@dataclass(frozen=True, slots=True)
class Asking:
    """Reads requests. `identify` makes a reference from a person number, `ids` opens a person's own address, and `parse` reads
    the parameters that are R4's."""

    identify: Callable[[str], PatientRef]
    ids: SealedIds
    parse: Parse

    def search(self, call: Call, type_: str) -> Asked:
        """What a form or an address asks for; `Refusal` 400 for what is missing, unknown, said twice or cannot be read."""
        if call.body:
            raise Refusal(400, "search parameters stand in a form", where="body")
        if any(name == "patient.identifier" or identifiers.numbers_in(f"{name} {value}") for name, value in call.query):
            raise Refusal(
                400, "the patient's number stands in the form or in a header, never in an address",
                where="patient.identifier", todo="Post it to _search, or send the header nhn-patient-nin.",
            )  # fmt: skip
        pairs = (*call.query, *call.form)
        said, narrowing = _apart(type_, pairs)
        if said.get("_format", "json") not in _FORMATS:
            raise Refusal(406, "the answer is written in json", where="_format", code="not-supported")
        status = frozenset(said.get("status", "current").split(","))
        if not status <= STATUSES[type_]:
            told = ", ".join(sorted(STATUSES[type_]))
            raise Refusal(400, "unknown status", where="status", todo=f"It is one of {told}, or several with commas.")
        sort = said.get("_sort", "") or "-date"
        if sort.removeprefix("-") not in SORTS:
            todo = f"It has {', '.join(SORTS)}, with - before for descending."
            raise Refusal(400, "unknown order", where="_sort", todo=todo)
        return Asked(
            self._whose(said, call.headers.get(HEADER, "")), _whole(said, "_count", COUNT, COUNT_LIMIT),
            _whole(said, "_page", 1, PAGE_LIMIT), sort.removeprefix("-"), sort.startswith("-"), status,
            filter_of(type_, narrowing, self.parse, call.at),
        )  # fmt: skip

    def header_patient(self, call: Call) -> PatientRef:
        """Whom the header names; `Refusal` 400 where it is missing."""
        number = call.headers.get(HEADER, "")
        if not number:
            raise Refusal(400, "the patient is not named", where=HEADER)
        return self.identify(number)

    def patient_at(self, call: Call) -> PatientRef:
        """Whose the document at an address is that names her by her own (`Patient/{id}`). A number in the header goes before
        that: under another's no document of hers is found. `Refusal` 404 where it is nobody's address."""
        if call.headers.get(HEADER, ""):
            return self.header_patient(call)
        key = key_of(self.ids, call.parameters["patient"])
        if not key:
            raise Refusal(404, "there is no such document", where="id")
        return ref(key)

    def _whose(self, said: Mapping[str, str], header: str) -> PatientRef:
        """The one patient that form and header name."""
        if address := said.get("patient", ""):
            # Whether an address and a number are one person's is not compared: the answer would tell it of anybody.
            if header or said.get("patient.identifier", ""):
                raise Refusal(
                    400, "the patient is named by her address and by a number: leave one out", where="patient"
                )
            key = key_of(self.ids, address)
            if not key:
                raise Refusal(400, "it is nobody's address here", where="patient", todo="It is Patient/ and her id.")
            return ref(key)
        system, bar, number = said.get("patient.identifier", "").rpartition("|")
        if bar and not is_national(system):
            raise Refusal(400, "the system is none of the national numbers", where="patient.identifier")
        number = number or header
        if not number:
            raise Refusal(400, "the patient is not named", where="patient.identifier")
        if header and header != number:
            raise Refusal(400, "the form and the header name different patients", where=HEADER)
        return self.identify(number)


def basis_of(call: Call) -> str:
    """The declared basis from `nhn-access-basis`."""
    basis = call.headers.get("nhn-access-basis", "").upper()
    if basis not in BASES:
        raise Refusal(
            400, "unknown basis", where="nhn-access-basis", rule="basis-unknown",
            todo="Use UNNTAK, SAMTYKKE, AKUTT, FORHOYET_SAMTYKKE or FORHOYET_AKUTT, or leave it out.",
        )  # fmt: skip
    return basis


def plainly_asked(call: Call) -> tuple[UUID, str]:
    """Which document or set is asked for by its number, and on what basis."""
    basis = basis_of(call)
    if call.query:
        raise Refusal(400, "this address takes no parameters", where="query", code="not-supported")
    try:
        return UUID(call.parameters["id"]), basis
    except ValueError:
        raise Refusal(404, "there is no such document", where="id") from None


def line_of(call: Call) -> str:
    """The search in one line, for the log and for links: without what names the patient by a number."""
    return urlencode(without_number((*call.query, *call.form)))


def without_number(pairs: Pairs) -> list[tuple[str, str]]:
    """The parameters but those in which a person number stands."""
    return [
        (name, value) for name, value in pairs if not identifiers.numbers_in(value) and name != "patient.identifier"
    ]


def _apart(type_: str, pairs: Pairs) -> tuple[dict[str, str], Pairs]:
    """What stands once, and what narrows the search and may stand several times."""
    narrowing = asked_for(type_) - {"status"}
    once = (*PATIENT, "status", *CONTROLS, *(("_sort",) if type_ == "DocumentReference" else ()))
    said, rest = dict[str, str](), list[tuple[str, str]]()
    for name, value in pairs:
        if name.partition(":")[0] in narrowing:
            rest.append((name, value))
            continue
        if name not in once:
            where = identifiers.without_numbers(name)[:60]
            todo = f"It has {', '.join((*once, *sorted(narrowing)))}."
            raise Refusal(400, "unknown parameter", where=where, todo=todo, code="not-supported")
        if name in said:
            raise Refusal(400, "a parameter stands there twice", where=name)
        said[name] = value
    return said, tuple(rest)


def _whole(said: Mapping[str, str], name: str, default: int, limit: int) -> int:
    text = said.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 6) or not 1 <= int(text) <= limit:
        raise Refusal(400, f"it is a number from 1 to {limit}", where=name)
    return int(text)
