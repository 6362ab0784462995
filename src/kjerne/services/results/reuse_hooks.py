"""The "already done" answer as cards of CDS Hooks, while tests are ordered: `order-select` and `order-sign`.

Source: https://cds-hooks.hl7.org/2.0/. Asked and counted as `reuse_api` asks and counts, under the law of results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from kjerne.access import Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Denied, PatientRef, Route, granted
from kjerne.fhir import cds_hooks, smart
from kjerne.fhir.cds_hooks import SUMMARY_CHARACTERS, Card, Order, Suggestion, one_line
from kjerne.fhir.negotiation import check_accepted, check_sent
from kjerne.registries import hook_patient
from kjerne.registries.card_words import language_of, say
from kjerne.services.results import reuse
from kjerne.services.results.api import SCOPE, SERVICE, basis_of
from kjerne.services.results.reuse import Earlier
from kjerne.services.results.reuse_api import Asker
from kjerne.services.results.values import OSLO
from kjerne.store.patient_ids import ref
from kjerne.store.sealed_id import SealedIds

ID: Final = "already-done"
AT: Final = f"{cds_hooks.BASE}/{ID}"
HOOKS: Final = ("order-select", "order-sign")
ORDERS_LIMIT: Final = 20
NAME_CHARACTERS: Final = 60
TOLD: Final[Mapping[str, str]] = {"done": "yes", "read": "read", "waiting": "waiting"}
"""The verdicts that make a card, and which of the earlier results each is about."""
REASONS: Final = ("changed-state", "not-trusted", "other")
NPU: Final = frozenset({"http://npu-terminology.org", "urn:oid:1.2.208.176.2.1"})
"""The terminology whose codes NLK has as its own."""
NOT_ORDERED: Final = frozenset({"revoked", "completed", "entered-in-error"})


@dataclass(frozen=True)
class ReuseHooks:
    """The handlers. `parse_json` is strict, `identify` makes a reference from a number."""

    asker: Asker
    ids: SealedIds
    parse_json: Callable[[bytes], dict[str, Any]]
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        limit = cds_hooks.BODY_LIMIT_BYTES
        return [
            Route("POST", AT, self.cards, SCOPE, "fhir", limit),
            Route("POST", f"{AT}/feedback", self.feedback, SCOPE, "fhir", 100_000),
        ]

    async def cards(self, call: Call) -> Answer:
        """A card for each ordered test that was done lately, has words to be read, or waits for its answer."""
        check_accepted(call)
        check_sent(call)
        asked = cds_hooks.asked(self.parse_json(call.body), HOOKS)
        whom = hook_patient.whom(call, asked, self.identify)
        wanted = [(one, code) for one in asked.orders if (code := _code_of(one)) is not None]
        if len(wanted) > ORDERS_LIMIT:
            says = f"more than {ORDERS_LIMIT} ordered tests are asked about"
            raise Refusal(422, says, where="context.draftOrders", code="too-costly")
        language = language_of(call.headers.get("accept-language", ""))

        async def use(grant: Grant) -> Answer:
            hook_patient.check_one(grant, whom, self.identify)
            found = [await self._card(grant, order, code, language) for order, code in wanted]
            told = sorted((one for one in found if one is not None), key=lambda one: (one.rule, one.summary))
            source, link = say(language, "already-done.source"), say(language, "already-done.link")
            return Answer(200, cds_hooks.answer(told, source, link, f"{call.base_url}/clinician"), "application/json")

        try:
            answer: Answer = await granted(
                call.admit, whom.ref, SERVICE, "search", use, basis=basis_of(call), piece="Observation.s"
            )
        except Denied:
            smart.demand(call.caller, "Observation", "s")
            raise
        return answer

    async def _card(self, grant: Grant, order: Order, code: tuple[str, str], language: str) -> Card | None:
        made = self.ids.make(grant.subject.patient)
        number, answer = await self.asker.ask(grant, *code, made, _on_card)
        if answer.verdict not in TOLD or answer.interval is None:
            return None
        at = _on_card(answer)[0].at
        analysis = one_line(answer.interval.name, NAME_CHARACTERS)
        summary = say(language, f"summary.{answer.verdict}", analysis=analysis, date=_day(at, language))
        assert len(summary) < SUMMARY_CHARACTERS, "an analysis has a short name"
        topic = say(language, f"topic.{answer.verdict}")
        if answer.verdict != "done":
            return Card(answer.verdict, topic, summary, say(language, f"detail.{answer.verdict}"), "info")
        again = _day(answer.again_from, language) if answer.again_from else ""
        label = say(language, "already-done.remove", analysis=analysis)
        suggested = Suggestion(self._suggestion(grant.subject.patient, number), label, (order.place,))
        return Card(
            "done", topic, summary, say(language, "detail.again", date=again), "info", number,
            suggested if order.has_id else None, tuple((one, say(language, f"reason.{one}")) for one in REASONS),
        )  # fmt: skip

    def _suggestion(self, patient: int, card: UUID) -> UUID:
        return self.ids.named(patient, "suggestion", str(card))

    async def feedback(self, call: Call) -> Answer:
        """What became of a card: the order taken away (`accepted`), or kept (`overridden`). One card at a time."""
        check_sent(call)
        told = cds_hooks.feedback(self.parse_json(call.body), REASONS)
        if len(told) > 1:
            raise Refusal(422, "one card is told of at a time here", where="feedback", todo="Send them apart.")
        (one,) = told
        patient = self.ids.patient(one.card)
        if any(each != str(self._suggestion(patient, one.card)) for each in one.suggestions):
            raise Refusal(400, "this is no suggestion of the card", where="feedback[0].acceptedSuggestions")

        async def use(grant: Grant) -> None:
            outcome = "followed" if one.outcome == "accepted" else "overridden"
            await self.asker.keep(grant, one.card, outcome, one.reason)

        try:
            await granted(call.admit, ref(patient), SERVICE, "search", use, basis=basis_of(call), piece="Observation.s")
        except Denied as denied:
            smart.demand(call.caller, "Observation", "s")
            if denied.denial.of_caller:
                raise
            raise Refusal(404, "there is no such card", where="feedback[0].card") from None
        return cds_hooks.TAKEN


def _on_card(answer: reuse.Answer) -> list[Earlier]:
    """The one result whose day stands on the card; none where there is no card."""
    if answer.verdict not in TOLD or answer.interval is None:
        return []
    return [next(one for one in answer.earlier if one.use == TOLD[answer.verdict])]


def _code_of(order: Order) -> tuple[str, str] | None:
    """The first code of an ordered test for which an interval is kept; None for what is no test, or has none."""
    tree = order.resource
    if (
        tree.get("resourceType") != "ServiceRequest"
        or cds_hooks.said(tree.get("status")) in NOT_ORDERED
        or tree.get("doNotPerform") is True
    ):
        return None
    codes = ((reuse.NLK if system in NPU else system, code) for system, code, _ in cds_hooks.codings(tree.get("code")))
    return next((pair for pair in codes if reuse.interval_of(*pair) is not None), None)


def _day(at: date, language: str) -> str:
    day = at.astimezone(OSLO) if isinstance(at, datetime) else at
    return f"{day:%Y-%m-%d}" if language == "en" else f"{day:%d.%m.%Y}"


def described() -> list[dict[str, Any]]:
    """The services as discovery lists them."""
    usage = f"Called with the system's own token ({SCOPE}), DPoP and attestation."
    return [
        {
            "hook": hook, "id": ID, "title": "Tests that were done lately", "usageRequirements": usage,
            "description": "Says of an ordered test when it was done last, where a new sample seldom tells anything new.",
            "prefetch": hook_patient.PREFETCHED,
        }
        for hook in HOOKS
    ]  # fmt: skip
