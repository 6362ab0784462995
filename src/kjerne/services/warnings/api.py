"""CDS Hooks for critical information: a clinician's system asks when a record is opened and when a prescription is written.

Source: https://cds-hooks.hl7.org/2.0/ and the hooks `patient-view`, `order-select`, `order-sign`. The system calls with its own
token, proof and attestation, as it does for everything else (decision 63): no grant, no card.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route, granted
from kjerne.fhir import cds_hooks, smart
from kjerne.fhir.cds_hooks import Asked, Card
from kjerne.fhir.definitions import type_name
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.interaction import basis_of
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.search import Search
from kjerne.registries import hook_patient
from kjerne.registries.card_words import language_of, say
from kjerne.registries.hook_patient import Whom
from kjerne.services.warnings import reading
from kjerne.services.warnings.cards import REASONS, Cards, Made
from kjerne.services.warnings.knowledge import Knowledge
from kjerne.services.warnings.matching import RULES, Finding, judged
from kjerne.services.warnings.reading import Allergy, Medicine
from kjerne.store import audit, cards
from kjerne.store.finding import Finder
from kjerne.store.patient_ids import ref
from kjerne.store.pool import Connection, Pool
from kjerne.store.proofs import note
from kjerne.store.reading import Record
from kjerne.store.sealed_id import SealedIds

SERVICE: Final = "critical-information"
SCOPE: Final = "nhn:critical-information/api"
COUNTS_SCOPE: Final = "kjerne:operations"
AT: Final = f"{cds_hooks.BASE}/{SERVICE}"
HOOKS: Final = ("patient-view", "order-select", "order-sign")
ALLERGY: Final = "AllergyIntolerance"
KINDS: Final = (ALLERGY, "Condition", "DeviceUseStatement", "Procedure", "Flag")
STATED: Final[Mapping[str, frozenset[str]]] = {
    "DeviceUseStatement": frozenset({"active", "intended", "on-hold"}),
    "Procedure": frozenset({"in-progress", "preparation", "on-hold"}),
    "Flag": frozenset({"active"}),
}
"""The statuses of what stands, of the types whose status says it."""
MEDICINES: Final = "medications"
STATEMENTS: Final = "statements"
PREFETCHED: Final = hook_patient.PREFETCHED | {
    MEDICINES: "MedicationRequest?patient={{context.patientId}}&status=active&_include=MedicationRequest:medication",
    STATEMENTS: "MedicationStatement?patient={{context.patientId}}&status=active&_include=MedicationStatement:medication",
}
COMPARED: Final = 500
"""Entries of one type, and medicines, that are compared."""
COUNTED_DAYS: Final = 90


@dataclass(frozen=True)
class WarningsApi:
    """The handlers. `parse_json` is strict, `parse_search` makes a typed search, `identify` a reference from a number."""

    pool: Pool
    ids: SealedIds
    finder: Finder
    parse_json: Callable[[bytes], dict[str, Any]]
    parse_search: Callable[[str, Pairs, bool], Search]
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        limit = cds_hooks.BODY_LIMIT_BYTES
        return [
            Route("POST", AT, self.cards, SCOPE, "fhir", limit),
            Route("POST", f"{AT}/feedback", self.feedback, SCOPE, "fhir", 100_000),
            Route("GET", f"/{SERVICE}/warning-counts", self.counts, COUNTS_SCOPE, "json"),
        ]

    async def cards(self, call: Call) -> Answer:
        """Cards about a patient's medicines or a proposed prescription, from her critical information."""
        check_accepted(call)
        check_sent(call)
        asked = cds_hooks.asked(self.parse_json(call.body), HOOKS)
        whom, medicines = hook_patient.whom(call, asked, self.identify), medicines_of(asked)
        check_number(medicines)

        async def use(grant: Grant) -> Answer:
            hook_patient.check_one(grant, whom, self.identify)
            check = _Check(self, call, asked, medicines, grant)
            async with self.pool.acquire() as conn:
                await self.finder.weighed(conn, grant, check.searches(), COMPARED, check.of(conn))
            language = check.language
            body = cds_hooks.answer(
                check.cards,
                say(language, "warnings.source"),
                say(language, "warnings.link"),
                f"{call.base_url}/clinician",
            )
            return Answer(200, body, "application/json")

        return await self._granted(call, whom, f"{AT}?hook={asked.hook}", use)

    async def _granted(self, call: Call, whom: Whom, line: str, use: Callable[[Grant], Any]) -> Answer:
        try:
            answer: Answer = await granted(
                call.admit, whom.ref, SERVICE, "search", use, basis=basis_of(call), proven=True, asked=line.lstrip("/"),
                piece=f"{ALLERGY}.s",
            )  # fmt: skip
        except Denied:
            smart.demand(call.caller, ALLERGY, "s")
            raise
        return answer

    async def feedback(self, call: Call) -> Answer:
        """What became of cards, all of one patient: accepted, or overridden with a reason. Counted by rule.

        The answer says nothing: a count would tell who has shut what from whoever keeps a card (law, K135).
        """
        check_sent(call)
        told = cds_hooks.feedback(self.parse_json(call.body), REASONS)
        given = [cards.opened(self.ids, one.card, len(RULES)) for one in told]
        for number, (one, opened) in enumerate(zip(told, given, strict=True)):
            where = f"feedback[{number}]"
            if opened is None:
                raise Refusal(404, "there is no such card", where=f"{where}.card")
            own = str(cards.suggestion_id(self.ids, opened.patient, one.card))
            if any(each != own for each in one.suggestions):
                raise Refusal(400, "this is no suggestion of the card", where=f"{where}.acceptedSuggestions")
        keys = {opened.patient for opened in given if opened is not None}
        if len(keys) > 1:
            raise Refusal(422, "the cards are about more than one patient", where="feedback", todo="Send them apart.")

        async def use(grant: Grant) -> None:
            async with self.pool.acquire() as conn:
                await note(conn, grant.once)
                async with conn.transaction():
                    for one, opened in zip(told, given, strict=True):
                        assert opened is not None, "looked at above"
                        if opened.patient not in grant.subject.keys:
                            continue  # a grant about nobody: what is shut for the caller is not counted either
                        await cards.keep_outcome(
                            conn,
                            grant.at,
                            SERVICE,
                            one.card,
                            RULES[opened.rule],
                            opened.indicator,
                            one.outcome,
                            one.reason,
                        )
                    about = f"cds-cards/{told[0].card}"
                    await audit.insert_explained(conn, audit.given(grant), about, "")

        try:
            await granted(
                call.admit, ref(keys.pop()), SERVICE, "search", use, basis=basis_of(call), piece=f"{ALLERGY}.s"
            )
        except Denied as denied:
            smart.demand(call.caller, ALLERGY, "s")
            if denied.denial.of_caller:
                raise
            raise Refusal(404, "there is no such card", where="feedback[0].card") from None
        return cds_hooks.TAKEN

    async def counts(self, call: Call) -> Answer:
        """Cards shown, accepted and overridden by rule in the last 90 days, the last by reason; of nobody in particular."""
        async with self.pool.acquire() as conn:
            found = await cards.counts(conn, SERVICE, call.at - timedelta(days=COUNTED_DAYS))
        return Answer(
            200, encode({"days": COUNTED_DAYS, "counts": [one._asdict() for one in found]}), "application/json"
        )


class _Check:
    """One call while it is answered: its `cards`, made in the transaction that reads the entries."""

    def __init__(
        self, api: WarningsApi, call: Call, asked: Asked, medicines: Sequence[Medicine] | None, grant: Grant
    ) -> None:
        self._api = api
        self._call = call
        self._asked = asked
        self._medicines = medicines
        self._grant = grant
        self.language = language_of(call.headers.get("accept-language", ""))
        self.cards: list[Card] = []

    def searches(self) -> list[Search]:
        """What is read: of a patient who is looked at every type, of an order the allergies."""
        return [self._api.parse_search(name, (), False) for name in self._types()]

    def _types(self) -> tuple[str, ...]:
        every = KINDS if self._asked.hook == "patient-view" else (ALLERGY,)
        return tuple(name for name in every if smart.left(self._grant.caller, name, "s") != ())

    def of(self, conn: Connection) -> Callable[[list[Record]], Any]:
        async def weigh(records: list[Record]) -> list[Record]:
            return await self._weighed(conn, records)

        return weigh

    async def _weighed(self, conn: Connection, records: list[Record]) -> list[Record]:
        """The entries that stand on a card."""
        standing = {str(one.id): (one, tree) for one in records if stands(type_name(one.type), tree := decode(one.raw))}
        allergies = [
            found for id_, (record, tree) in standing.items()
            if type_name(record.type) == ALLERGY and (found := reading.allergy(id_, tree, self._grant.at))
        ]  # fmt: skip
        knowledge = await Knowledge.at(conn)
        findings = await compared(knowledge, allergies, self._medicines or ())
        made = Cards(self.language, self._asked.hook, self._ids(), knowledge.name_of)
        self.cards = made.of(findings)
        used = {one.allergy.id for one in findings}
        others = [
            id_ for id_, (record, _) in standing.items() if type_name(record.type) != ALLERGY
        ] + [one.id for one in allergies]  # fmt: skip
        if self._asked.hook == "patient-view" and others:
            names = [cds_hooks.named(standing[id_][1].get("code")) or _kind(standing[id_][1]) for id_ in sorted(others)]
            self.cards.append(made.told("registered", names))
            used.update(others)
            if self._medicines is None and allergies:
                self.cards.append(made.told("no-medicines"))
        if self._is_narrow():
            self.cards.append(made.told("part"))
        shown = [(one.rule, one.indicator) for one in self.cards if one.uuid is not None]
        await cards.keep_shown(conn, self._grant.at, SERVICE, shown)
        return [standing[id_][0] for id_ in sorted(used)]

    def _is_narrow(self) -> bool:
        """Whether the token's SMART scopes leave but a part of what is read."""
        every = KINDS if self._asked.hook == "patient-view" else (ALLERGY,)
        return any(smart.left(self._grant.caller, name, "s") is not None for name in every)

    def _ids(self) -> Made:
        patient, ids = self._grant.subject.patient, self._api.ids

        def card(rule: str, indicator: str) -> UUID:
            return cards.card_id(ids, patient, RULES.index(rule), indicator)

        def suggestion(of: UUID) -> UUID:
            return cards.suggestion_id(ids, patient, of)

        return Made(card, suggestion)


def medicines_of(asked: Asked) -> list[Medicine] | None:
    """The medicines of the drafts, or of the lists that were fetched beforehand; None where no list was sent."""
    if asked.hook != "patient-view":
        taken = [one for one in asked.orders if reading.is_taken(one.resource)]
        return [reading.medicine(one.place, one.resource, asked.around, has_id=one.has_id) for one in taken]
    lists = [found for key in (MEDICINES, STATEMENTS) if (found := asked.resources(key)) is not None]
    if not lists:
        return None
    held = [one for each in lists for one in each if reading.is_taken(one)]
    return [reading.medicine(f"{one.get('resourceType')}", one, asked.around) for one in held]


def check_number(medicines: Sequence[Medicine] | None) -> None:
    """`Refusal` 422 for more medicines than are compared."""
    if medicines is not None and len(medicines) > COMPARED:
        says = f"more than {COMPARED} medicines would be compared"
        raise Refusal(422, says, where="prefetch", code="too-costly", todo="Send those that are in use.")


async def compared(knowledge: Knowledge, allergies: Sequence[Allergy], medicines: Sequence[Medicine]) -> list[Finding]:
    """What is told of each entry and each medicine; the same medicine on two lists is told of once."""
    if not (allergies and medicines):
        return []
    once = {(one.place, one.name, one.codes, one.active, one.excipients): one for one in medicines}
    meant = [(one, await knowledge.of_allergy(one)) for one in allergies]
    held = [(one, await knowledge.of_medicine(one)) for one in once.values()]
    found = (judged(one, its, medicine, of) for medicine, of in held for one, its in meant)
    return [one for one in found if one is not None]


def stands(name: str, tree: Mapping[str, Any]) -> bool:
    """Whether an entry is in force by its own status; that of an allergy is looked at with all else of it."""
    if name in STATED:
        return cds_hooks.said(tree.get("status")) in STATED[name]
    verified = {code for _, code, _ in cds_hooks.codings(tree.get("verificationStatus"))}
    status = {code for _, code, _ in cds_hooks.codings(tree.get("clinicalStatus"))}
    return not (verified & reading.NEVER or status & (reading.OVER | {"remission"}))


def _kind(tree: Mapping[str, Any]) -> str:
    """What an entry without a name in words is called: its category, else its type."""
    for key in ("category", "device"):
        if name := cds_hooks.named(tree.get(key)):
            return name
    return str(tree.get("resourceType", ""))


def described() -> list[dict[str, Any]]:
    """The services as discovery lists them: one id for all hooks, so that a client takes away what an earlier hook told."""
    titles = {
        "patient-view": "Critical information and the medicines in use",
        "order-select": "Critical information and the medicine that is chosen",
        "order-sign": "Critical information and the prescription that is signed",
    }
    usage = (
        f"Called with the system's own token ({SCOPE}), DPoP and attestation. An answer other than 200 means that nothing was "
        "checked, and must be shown so."
    )
    return [
        {
            "hook": hook, "id": SERVICE, "title": title, "usageRequirements": usage,
            "description": "Warns of registered reactions by medicine, active substance, excipient and cross-reactivity, and "
            "says what could not be checked.",
            "prefetch": PREFETCHED if hook == "patient-view" else hook_patient.PREFETCHED,
        }
        for hook, title in titles.items()
    ]  # fmt: skip
