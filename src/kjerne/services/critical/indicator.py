"""The health indicator: what a clinician's system shows beside a patient's name before anything is opened.

Source: *HelseIndikator* of kjernejournal (kjernejournal.atlassian.net, pages 664634018, 786989408, 897220612; read 2026-11-27).
Each question is a look under the law, with its row in the log, at what stands now; whatever goes wrong is a 0, which says that
nothing was checked ([decision 65](docs/decisions/0065-the-indicator-is-asked-live.md)).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from kjerne.access import Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import CONTROL, PUBLIC, Admit, Answer, Call, Denied, PatientRef, Route, granted
from kjerne.fhir import smart
from kjerne.fhir.cds_hooks import one_line
from kjerne.fhir.encode import encode
from kjerne.registries.health_systems import HealthSystems
from kjerne.registries.identifiers import numbers_in
from kjerne.services.critical import icon
from kjerne.services.critical.headers import BASES, SOURCE_LONGEST, SOURCE_SHORTEST
from kjerne.services.critical.indicating import Indicated, NoneKnown, Status, indicated
from kjerne.services.critical.indicator_words import LANGUAGES, language_of, words
from kjerne.services.critical.kinds import SERVICE, TYPES
from kjerne.services.critical.tickets import Ticket, Tickets
from kjerne.store import registers, transfers
from kjerne.store.indicating import weighed
from kjerne.store.marking import holds_at
from kjerne.store.pool import Pool
from kjerne.store.reading import Reader

PATH: Final = "/v1/helseindikator/status"
ICON: Final = "/v1/helseindikator/ikon"
SCOPE: Final = "nhn:critical-information/api"
SYSTEM: Final = "x-epj-system"
BODY_LIMIT_BYTES: Final = 2_000
PATIENCE_SECONDS = 5
"""How long a system waits beside a patient's name: what is not known then was not checked."""
MOST_RECORDS: Final = 2_000
"""Of one patient. Who has more is not checked in part: that is a 0."""
_MEMBERS: Final = frozenset({"fnr", "samtykke", "legemiddelFraDato"})


class Asked(NamedTuple):
    """A question: about whom, on which basis, by whom, when."""

    patient: PatientRef
    basis: str
    caller: Caller
    at: datetime


@dataclass(frozen=True)
class IndicatorApi:
    """The handlers. `types` are the numbers of all types of the service; `admit_as` asks the law for who holds a ticket, under
    the correlation id beside; `opens_what_is_shut` says whether the patient has shut what a grant opens; `met` notes a fault by
    correlation id and route."""

    pool: Pool
    reader: Reader
    types: Sequence[int]
    parse_json: Callable[[bytes], dict[str, Any]]
    identify: Callable[[str], PatientRef]
    tickets: Tickets
    systems: HealthSystems
    admit_as: Callable[[Caller, str], Awaitable[Admit]]
    opens_what_is_shut: Callable[[Grant], bool]
    tells_choices: bool
    met: Callable[[Exception, str, str], object]

    def routes(self) -> list[Route]:
        status = Route("POST", PATH, self.status, SCOPE, "indicator", BODY_LIMIT_BYTES, notes_proof=True)
        # What stands for the caller is the ticket in the address; the law is asked about her as for any other look.
        return [
            status,
            Route("GET", ICON, self.icon, PUBLIC, "json"),
            Route("GET", ICON + "/{status}", self.drawing, PUBLIC, "json"),
        ]

    async def status(self, call: Call) -> Answer:
        """Which of five things to show beside a patient: not checked, no record, a record, entered by herself, critical.

        `ticket` goes with what can be opened, `sistEndretKritiskInfo` with critical information alone.
        """
        language = language_of(call.headers.get("accept-language", ""))
        number, basis = _asked(call, self.parse_json)
        try:
            patient = self.identify(number)
        except Refusal:
            # The national interface tells it as a status and not as an error.
            return _answer(Indicated(Status.NOT_CHECKED, "number"), language)
        assert call.caller is not None, "the route is not public"
        asked = Asked(patient, basis, call.caller, call.at)
        found = await self._found(call.admit, asked)
        ticket = self.tickets.made(call.caller, patient.digest, basis, call.at) if found.opens else ""
        return _answer(found, language, ticket)

    async def icon(self, call: Call) -> Answer:
        """The icon for a ticket, asked anew each time: what is not checked is drawn as that, whatever the reason.

        `lang` is nb, nn or en. In a frame it is a link to the address where the system opens a session, if one is registered.
        """
        given = dict(call.query)
        language = given.get("lang") or language_of(call.headers.get("accept-language", ""))
        language = language if language in LANGUAGES else LANGUAGES[0]
        ticket = self.tickets.opened(given.get("ticket", ""))
        system = self.systems.of(ticket.caller.client) if ticket else None
        found = await self._by(ticket, call) if ticket else Indicated(Status.NOT_CHECKED)
        link = system.open if system and found.opens else ""
        drawing = icon.drawn(found.status, _words(language, found), language, link)
        return Answer(200, drawing, icon.MEDIA_TYPE, icon.headers(system.origins if system else ()))

    async def drawing(self, call: Call) -> Answer:
        """One of the five drawings, for a system that puts them beside the status itself: it is about nobody."""
        language = dict(call.query).get("lang", LANGUAGES[0])
        number = call.parameters["status"].removesuffix(".svg")
        if number not in {str(int(one)) for one in Status} or language not in LANGUAGES:
            says = "there are the statuses 0 to 4, in nb, nn and en"
            raise Refusal(404, says, where="path")
        drawing = icon.drawn(int(number), words(language, int(number)), language)
        return Answer(200, drawing, icon.MEDIA_TYPE, icon.headers())

    async def _by(self, ticket: Ticket, call: Call) -> Indicated:
        """What there is to show by a ticket now."""
        if call.at >= ticket.until:
            return Indicated(Status.NOT_CHECKED, "ended")
        asked = Asked(PatientRef(digest=ticket.patient), ticket.basis, ticket.caller, call.at)
        try:
            return await self._found(await self.admit_as(ticket.caller, call.correlation), asked)
        except (Refusal, Denied):
            return Indicated(Status.NOT_CHECKED)
        except Exception as fault:  # noqa: BLE001 - noted with its trace; a picture that does not come shows the words of before
            self.met(fault, call.correlation, ICON)
            return Indicated(Status.NOT_CHECKED)

    async def _found(self, admit: Admit, asked: Asked) -> Indicated:
        """What the law lets the caller know now. Raises `Denied` where the reason is no choice of the patient's."""

        async def use(grant: Grant) -> Indicated:
            async with self.pool.acquire() as conn:
                records = await weighed(conn, grant, self.reader, self.types, MOST_RECORDS + 1)
            if len(records) > MOST_RECORDS:
                raise Refusal(422, "there is more than is looked at here", code="too-costly")
            found = indicated(records, asked.at)
            is_shut = found.status is Status.RECORD and self.opens_what_is_shut(grant)
            named = () if is_shut else await self._named(grant, found.negatives)
            return replace(found, why="restricted" if is_shut else "", negatives=named, blocks=self._blocks(grant))

        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await granted(
                    admit, asked.patient, SERVICE, "search", use, basis=asked.basis, proven=True, asked="helseindikator",
                    piece=_narrowed(asked.caller),
                )  # fmt: skip
        except Denied as denied:
            by_choice = _BY_OUTCOME.get(denied.denial.outcome)
            if by_choice is None:
                raise
            return by_choice

    async def _named(self, grant: Grant, negatives: Sequence[NoneKnown]) -> tuple[NoneKnown, ...]:
        """With whom the registers know, by HPR number or organisation, by the registers' names; of what a system sent with the
        name of the organisation whose word that is (law, K160)."""
        if not negatives:
            return ()
        async with self.pool.acquire() as conn:
            sent = await transfers.origins(conn, grant.subject.keys, [one.id for one in negatives])
        # Who registered a record is the word of who sent its first version.
        senders = {one.id: sent[one.id, 1].organisation for one in negatives if (one.id, 1) in sent}
        people = await registers.practitioner_names(self.pool, sorted({one.by.hpr for one in negatives}))
        numbers = {one.by.organisation for one in negatives} | {*senders.values()}
        places = await registers.organisation_names(self.pool, sorted(numbers))

        def named(one: NoneKnown) -> NoneKnown:
            sender = senders.get(one.id, "")
            own = "" if sender else one.by.name
            name = people.get(one.by.hpr) or own or places.get(one.by.organisation, "")
            return one._replace(by=one.by._replace(name=name, told_by=places.get(sender, sender)))

        return tuple(map(named, negatives))

    def _blocks(self, grant: Grant) -> bool:
        return self.tells_choices and any(
            one.kind == "block" and one.service in ("", SERVICE) and holds_at(one, grant.at)
            for one in grant.asked_about.choices
        )


_BY_OUTCOME: Final[Mapping[str, Indicated]] = {
    "General": Indicated(Status.RECORD, "restricted"),
    "Specific": Indicated(Status.NOT_CHECKED, "blocked", blocks=True),
    "Reservation": Indicated(Status.NO_RECORD),
}


def _narrowed(caller: Caller) -> str:
    """The first type that the token's SMART scopes do not leave whole: of a part nothing is told, as it would look like all."""
    names = (name for name in TYPES if smart.left(caller, name, "s") is not None)
    return next((f"{name}.s!" for name in names), "")


def _asked(call: Call, parse_json: Callable[[bytes], dict[str, Any]]) -> tuple[str, str]:
    """The number and the basis of a question; `Refusal` 400 for one that is not of the form."""
    system = call.headers.get(SYSTEM, "").strip()
    if not SOURCE_SHORTEST <= len(system) <= SOURCE_LONGEST or CONTROL.search(system) or numbers_in(system):
        says = f"which system asks, and in which version, has {SOURCE_SHORTEST} to {SOURCE_LONGEST} characters"
        raise Refusal(400, says, where="X-EPJ-System", todo="Send the header X-EPJ-System.")
    if call.query:
        raise Refusal(400, "this address takes no parameters", where="query", code="not-supported")
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "a question is sent as application/json", where="content-type")
    body = parse_json(call.body)
    if unknown := sorted(set(body) - _MEMBERS):
        del unknown  # a name that is nobody's own could be a number
        raise Refusal(400, f"a question has {', '.join(sorted(_MEMBERS))}", where="body")
    number, consent, since = body.get("fnr"), body.get("samtykke", ""), body.get("legemiddelFraDato", "")
    if not isinstance(number, str):
        raise Refusal(400, "the patient's number is a text", where="fnr")
    if not isinstance(consent, str) or (consent and consent.upper() not in BASES):
        raise Refusal(400, f"the basis is one of {', '.join(BASES)}", where="samtykke")
    if since:
        _check_day(since)
    return number, BASES.get(consent.upper(), "") if consent else ""


def _check_day(text: object) -> None:
    # It asks about medicines, which are not told of here.
    try:
        date.fromisoformat(str(text)[:10])
    except ValueError:
        raise Refusal(400, "the date is such as 2026-11-27", where="legemiddelFraDato") from None


def _answer(found: Indicated, language: str, ticket: str = "") -> Answer:
    told: dict[str, Any] = {
        "status": int(found.status),
        "returTekst": _words(language, found),
        "eksistererBlokkertHelsepersonell": found.blocks,
    }
    if found.status is Status.CRITICAL:
        told["sistEndretKritiskInfoDato"] = _instant(max(found.changed.values()))
        told["sistEndretKritiskInfo"] = [
            {"kategori": name, "sistEndret": _instant(at)} for name, at in sorted(found.changed.items())
        ]
    if ticket:
        told["ticket"] = ticket
    return Answer(200, encode(told), "application/json", headers=(("content-language", language),))


def _words(language: str, found: Indicated) -> str:
    told = [(one_line(one.name), one.on, one_line(one.by.name), one_line(one.by.told_by)) for one in found.negatives]
    return words(language, found.status, found.why, told)


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
