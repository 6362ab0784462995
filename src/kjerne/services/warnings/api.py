"""CDS Hooks for critical information: a clinician's system asks when a record is opened and when a prescription is written.

Source: https://cds-hooks.hl7.org/2.0/ and the hooks `patient-view`, `order-select`, `order-sign`. The system calls with its own
token, proof and attestation, as it does for everything else (decision 63): no grant, no card.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, Pairs, PatientRef, Route, granted
from kjerne.fhir import cds_hooks, smart
from kjerne.fhir.cds_hooks import Asked, Card
from kjerne.fhir.definitions import type_name
from kjerne.fhir.effort import turn
from kjerne.fhir.encode import decode, encode
from kjerne.fhir.interaction import basis_of
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.fhir.search import Search
from kjerne.registries import hook_patient
from kjerne.registries.card_words import language_of, say
from kjerne.registries.hook_patient import Whom
from kjerne.registries.standing import standing
from kjerne.services.warnings import reading
from kjerne.services.warnings.asking import MEDICINES, STATEMENTS, ToCompare, check_number, once, removable, to_compare
from kjerne.services.warnings.cards import LISTED, REASONS, Cards, Made
from kjerne.services.warnings.knowledge import Knowledge
from kjerne.services.warnings.matching import RULES, Finding, judged
from kjerne.services.warnings.naming import ALLERGY, is_nothing, name_of
from kjerne.services.warnings.reading import Allergy, Medicine
from kjerne.store import audit, cards
from kjerne.store.changing import read, tree_of
from kjerne.store.finding import Finder
from kjerne.store.patient_ids import ref
from kjerne.store.pool import Connection, Pool
from kjerne.store.proofs import note
from kjerne.store.reading import Record
from kjerne.store.sealed_id import SealedIds

Tree = Mapping[str, Any]
SERVICE: Final = "critical-information"
SCOPE: Final = "nhn:critical-information/api"
COUNTS_SCOPE: Final = "kjerne:operations"
AT: Final = f"{cds_hooks.BASE}/{SERVICE}"
HOOKS: Final = ("patient-view", "order-select", "order-sign")
KINDS: Final = (ALLERGY, "Condition", "DeviceUseStatement", "Procedure", "Flag")
PREFETCHED: Final = hook_patient.PREFETCHED | {
    MEDICINES: "MedicationRequest?patient={{context.patientId}}&status=active&_include=MedicationRequest:medication",
    STATEMENTS: "MedicationStatement?patient={{context.patientId}}&status=active&_include=MedicationStatement:medication",
}
COMPARED: Final = 500
"""Entries of one type that are read."""
PAIRS_AT_ONCE: Final = 200
CARDS_AT_ONCE: Final = 5
RECORDS_AT_ONCE: Final = 20
"""Comparisons, cards and entries between two of which others have their turn: some millisecond each."""
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
        tree = await tree_of(call, self.parse_json)
        asked = await read(call.body, partial(cds_hooks.asked, tree, HOOKS))
        whom, meant = hook_patient.whom(call, asked, self.identify), to_compare(asked)
        check_number(meant.medicines)

        async def use(grant: Grant) -> Answer:
            hook_patient.check_one(grant, whom, self.identify)
            check = _Check(self, call, asked, meant, grant)
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

        The answer says nothing: a count would tell who has shut what from whoever keeps a card (law, K132).
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

    def __init__(self, api: WarningsApi, call: Call, asked: Asked, meant: ToCompare, grant: Grant) -> None:
        self._api = api
        self._call = call
        self._asked = asked
        self._meant = meant
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
        standing = await self._standing(records)
        at, medicines = self._grant.at, self._meant.medicines
        allergies = [
            found for id_, (name, tree) in standing.items() if name == ALLERGY and (found := reading.allergy(id_, tree, at))
        ]  # fmt: skip
        check_number(medicines, allergies)
        knowledge = await Knowledge.at(conn)
        made = Cards(self.language, self._asked.hook, self._ids(), knowledge.name_of)
        findings = await compared(knowledge, allergies, medicines)
        self.cards = await drawn(made.of(findings, removable(once(medicines))))
        used = made.named
        self.cards += self._of_the_check(made, standing, allergies, used)
        if self._is_narrow():
            self.cards.append(made.told("part"))
        shown = [(one.rule, one.indicator) for one in self.cards if one.uuid is not None]
        await cards.keep_shown(conn, at, SERVICE, shown)
        return [one for one in records if str(one.id) in used]

    async def _standing(self, records: Sequence[Record]) -> dict[str, tuple[str, Tree]]:
        """By id type and content of the entries in force that say something; others have their turn between two of them.

        What is of high criticality comes first and then the newest, since a card names but the first of many."""
        found = dict[str, tuple[str, Tree]]()
        for number, one in enumerate(sorted(records, key=lambda one: (one.at, one.id), reverse=True), 1):
            name, tree = type_name(one.type), decode(one.raw)
            if standing(tree, self._grant.at) == "active" and not (name == ALLERGY and is_nothing(tree)):
                found[str(one.id)] = name, tree
            if not number % RECORDS_AT_ONCE:
                await turn()
        return dict(sorted(found.items(), key=lambda one: one[1][1].get("criticality") != "high"))

    def _of_the_check(
        self, made: Cards, standing: Mapping[str, tuple[str, Tree]], allergies: Sequence[Allergy], used: set[str]
    ) -> Iterator[Card]:
        """What is told of what was not compared and, of a record that is opened, of all that is registered; `used` is what of
        either a card names."""
        if self._asked.hook == "patient-view":
            warning = {one.id for one in allergies}
            listed = [id_ for id_, (name, _) in standing.items() if name != ALLERGY or id_ in warning]
            if listed:
                used.update(listed[:LISTED])
                yield made.told("registered", [name_of(standing[id_][1]) for id_ in listed])
            if allergies and self._meant.lists != "whole":
                yield made.told("no-medicines" if self._meant.lists == "none" else "some-medicines")
        elif allergies and self._meant.beside:
            used.update(one.id for one in allergies[:LISTED])
            yield made.told(
                "not-compared", [one.name or name_of(standing[one.id][1]) for one in allergies], self._meant.beside
            )

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


async def compared(knowledge: Knowledge, allergies: Sequence[Allergy], medicines: Iterable[Medicine]) -> list[Finding]:
    """What is told of each entry and each medicine; what several drafts and lists have alike is compared, and told of, once.

    Others have their turn meanwhile (decision 60)."""
    if not allergies:
        return []
    meant = [(one, await knowledge.of_allergy(one)) for one in allergies]
    found, left = list[Finding](), PAIRS_AT_ONCE
    for one in once(medicines):
        of = await knowledge.of_medicine(one)
        found += filter(None, (judged(allergy, its, one, of) for allergy, its in meant))
        left -= len(meant)
        if left <= 0:
            await turn()
            left = PAIRS_AT_ONCE
    return found


async def drawn(cards: Iterable[Card]) -> list[Card]:
    """The cards, made while others have their turn."""
    found = list[Card]()
    for one in cards:
        found.append(one)
        if not len(found) % CARDS_AT_ONCE:
            await turn()
    return found


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
