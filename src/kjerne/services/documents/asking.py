"""What a request to the national service of documents asks for: whose, on what basis, which of hers, and which page of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from kjerne.errors import Refusal
from kjerne.exchange import Call, PatientRef
from kjerne.mhd import asking
from kjerne.mhd.searching import Parse
from kjerne.registries.naming import identified, is_national
from kjerne.services.documents.sorting import SORTS
from kjerne.store.patient_ids import key_of, ref
from kjerne.store.sealed_id import SealedIds

BASES: Final = frozenset({"", "SAMTYKKE", "AKUTT", "FORHOYET_SAMTYKKE", "FORHOYET_AKUTT", "UNNTAK"})
COUNT: Final = 15
HEADER: Final = "nhn-patient-nin"


@dataclass(frozen=True, slots=True)
class Asked:
    """A search taken apart, and whose documents it is about. `sort` is one of `SORTS`; `everybody` has every source asked."""

    patient: PatientRef
    search: asking.Asked
    sort: str
    descending: bool
    everybody: bool


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
        also = ("_sort", "sources") if type_ == "DocumentReference" else ("sources",)
        found = asking.taken(type_, call.query, call.form, call.headers, self.parse, call.at, count=COUNT, also=also)
        sort = found.said.get("_sort", "") or "-date"
        if sort.removeprefix("-") not in SORTS:
            todo = f"It has {', '.join(SORTS)}, with - before for descending."
            raise Refusal(400, "unknown order", where="_sort", todo=todo)
        if found.said.get("sources", "known") not in ("known", "all"):
            raise Refusal(400, "unknown choice of sources", where="sources", todo="It is known, or all.")
        whose = self._whose(found.said, call.headers.get(HEADER, ""))
        return Asked(whose, found, sort.removeprefix("-"), sort.startswith("-"), found.said.get("sources") == "all")

    def patient_of(self, call: Call) -> PatientRef:
        """Whom something is read of by its number alone: whom the header names, else the one patient whom the caller's
        attestation or errand is about, so that a reference can be followed as it stands. `Refusal` 400 where nobody is named."""
        if number := call.headers.get(HEADER, ""):
            return identified(self.identify, number, HEADER)
        caller = call.caller
        if caller is not None and caller.errand is not None:
            return PatientRef(digest=caller.errand.patient_digest)
        if caller is not None and caller.attestation is not None and caller.attestation.patient_digests:
            return PatientRef(digest=caller.attestation.patient_digests[0])
        raise Refusal(400, "the patient is not named", where=HEADER)

    def patient_at(self, call: Call) -> PatientRef:
        """Whose the document at an address is that names her by her own (`Patient/{id}`). A number in the header goes before
        that: under another's no document of hers is found. `Refusal` 404 where it is nobody's address."""
        if number := call.headers.get(HEADER, ""):
            return identified(self.identify, number, HEADER)
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
        return identified(self.identify, number, "patient.identifier")


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
    """The search in one line, for the log: without what names the patient by a number."""
    return urlencode(asking.without_number((*call.query, *call.form)))
