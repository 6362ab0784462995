"""`Patient/$summary`: the International Patient Summary, made from what the caller may see by law now.

Source: http://hl7.org/fhir/uv/ips/OperationDefinition/summary (2.0.1). A summary is a look at each service that it is drawn from,
under that service's law, with a row in her log that names exactly what leaves. It is made anew for each question and not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from kjerne.access import Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import Answer, Call, Pairs, PatientRef, Route, any_of, noted
from kjerne.fhir import smart
from kjerne.fhir.bundle import search_line
from kjerne.fhir.encode import encode
from kjerne.fhir.interaction import basis_of
from kjerne.fhir.negotiation import JSON, check_accepted, media_type
from kjerne.fhir.prefer import lenient
from kjerne.registries.card_words import language_of
from kjerne.registries.naming import in_address, is_national, patient_of
from kjerne.services.summary.document import BUNDLE_PROFILES, COMPOSITION_PROFILES
from kjerne.services.summary.drawing import Asking, is_reached
from kjerne.services.summary.making import BASE, Making
from kjerne.services.summary.model import OPENED
from kjerne.store.patient_ids import key_of, ref
from kjerne.store.patients import TYPE
from kjerne.store.sealed_id import SealedIds

AT: Final = BASE + "/Patient/$summary"
OF_ONE: Final = BASE + "/Patient/{id}/$summary"
TAKES: Final = ("profile", "identifier")
FORMATS: Final = frozenset({"_format", "_pretty"})
BODY_LIMIT_BYTES: Final = 20_000
PROFILES: Final = frozenset({*COMPOSITION_PROFILES, *BUNDLE_PROFILES})
VERSIONS: Final = ("2.0", "1.0.0")
"""Of IPS and of EU EPS: how a version of a profile that is asked for begins."""


@dataclass(frozen=True)
class SummaryApi:
    """The handler."""

    ids: SealedIds
    making: Making
    parse_json: Callable[[bytes], dict[str, Any]]
    identify: Callable[[str], PatientRef]

    def routes(self) -> list[Route]:
        each = partial(
            Route, handler=self.summary, needs=any_of({one: self.making.drawing.reads[one] for one in OPENED}), errors="fhir",
            body_limit_bytes=BODY_LIMIT_BYTES, for_citizens=True,
        )  # fmt: skip
        return [each(method, path=path) for path in (AT, OF_ONE) for method in ("GET", "POST")]

    async def summary(self, call: Call) -> Answer:
        """A Bundle of type document. 400 for another profile than IPS 2.0 and EU EPS, or for nobody; 403 as the law says."""
        check_accepted(call)
        sent = self._sent(call)
        numbers = _checked(sent, passing_over=lenient(call.headers))
        key = self._key(call)
        by_number = key is None or numbers or call.headers.get("person-id")
        patient = patient_of(call, self.identify, *numbers) if by_number else ref(key or 0)
        asked = search_line("Patient/$summary", tuple(pair for pair in sent if pair[0] == "profile"))
        assert call.caller is not None, "the route asks for a scope"
        await self._held_to_scopes(call, call.caller, patient, asked)
        asking = Asking(
            call.admit, call.caller, patient, asked, language_of(call.headers.get("accept-language", "")), call.base_url,
            call.correlation, basis_of(call), check=partial(self._is_of_her, call),
        )  # fmt: skip
        return Answer(200, encode(await self.making.made(asking)))

    async def _held_to_scopes(self, call: Call, caller: Caller, patient: PatientRef, asked: str) -> None:
        """`Refusal` 403, with its row (law, K26), where the token's SMART scopes leave nothing of a Patient."""
        if smart.left(caller, TYPE, "s") == ():
            reads = self.making.drawing.reads
            service = next(one for one in OPENED if is_reached(caller, reads[one]))
            await noted(call.admit, patient, service, "search", f"{TYPE}.s", basis=basis_of(call), asked=asked)
            smart.demand(caller, TYPE, "s")

    def _key(self, call: Call) -> int | None:
        """Whom the address names; None where it names nobody, 0 for an id that is no Patient's."""
        id_ = call.parameters.get("id")
        return None if id_ is None else key_of(self.ids, f"{TYPE}/{id_}") or 0

    def _is_of_her(self, call: Call, grant: Grant) -> None:
        """`Refusal` 400 where the address names another than the header or the body does."""
        if self._key(call) not in (None, *grant.asked_about.keys):
            raise Refusal(400, "the request names more than one patient", where="id")

    def _sent(self, call: Call) -> Pairs:
        sent = (*in_address(call), *call.form)
        if call.body:
            if media_type(call.headers.get("content-type", "")) not in JSON:
                raise Refusal(415, "a body is a form or a Parameters resource in JSON", where="content-type")
            sent += _in_parameters(self.parse_json(call.body))
        return sent


def _checked(sent: Pairs, *, passing_over: bool) -> list[str]:
    """The numbers that the parameters name the patient by. `Refusal` 400 for a parameter or a profile that is not known."""
    unknown = sorted({name for name, _ in sent} - {*TAKES, *FORMATS})
    if unknown and not passing_over:
        raise Refusal(
            400, f"$summary takes {', '.join(TAKES)}", where=unknown[0][:64], code="not-supported",
            todo="Leave the others out, or send Prefer: handling=lenient.",
        )  # fmt: skip
    for name in TAKES:
        if sum(one == name for one, _ in sent) > 1:
            raise Refusal(400, f"{name} may stand only once", where=name)
    values: Mapping[str, str] = dict(sent)
    if (profile := values.get("profile")) and not _is_made(profile):
        raise Refusal(
            400, "a summary is made by IPS 2.0 and EU EPS 1.0 alone", where="profile", code="not-supported",
            todo=f"Leave profile out, or ask for {COMPOSITION_PROFILES[0]}.",
        )  # fmt: skip
    return [_number(values["identifier"])] if values.get("identifier") else []


def _is_made(profile: str) -> bool:
    address, _, version = profile.partition("|")
    return address in PROFILES and (not version or version.startswith(VERSIONS))


def _number(identifier: str) -> str:
    """The national number of a token `system|value`."""
    system, bar, value = identifier.rpartition("|")
    if bar and not is_national(system):
        raise Refusal(
            400, "a patient is found by a national number", where="identifier", code="not-supported",
            todo="Send it as header person-id.",
        )  # fmt: skip
    return value


def _in_parameters(tree: Mapping[str, Any]) -> Pairs:
    """The parameters of a Parameters resource; `Refusal` 400 where it is something else."""
    rows = tree.get("parameter", [])
    if tree.get("resourceType") != "Parameters" or not isinstance(rows, list):
        raise Refusal(400, "the body is no Parameters resource", where="resourceType")
    found: list[tuple[str, str]] = []
    for place, row in enumerate(rows):
        values = [value for key, value in row.items() if key.startswith("value")] if isinstance(row, dict) else []
        name = row.get("name") if isinstance(row, dict) else None
        if not isinstance(name, str) or len(values) != 1 or not isinstance(values[0], str):
            says = "a parameter has a name and one simple value"
            raise Refusal(400, says, where=f"Parameters.parameter[{place}]")
        found.append((name, values[0]))
    return tuple(found)
