"""What a clinician's system puts into its own window, put together: the health indicator and the way to the pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from joserfc.jwk import ECKey

from kjerne.access import Caller
from kjerne.clock import Clock
from kjerne.exchange import Admit, PatientRef, Route
from kjerne.pages.smart_app import Http, SmartApp
from kjerne.policy.caller import Registered, must_be_registered
from kjerne.policy.door import Door
from kjerne.policy.rules import opens_what_is_shut
from kjerne.registries.health_systems import HealthSystems
from kjerne.services.critical.indicator import IndicatorApi
from kjerne.services.critical.sessions import SessionsApi
from kjerne.services.critical.tickets import Tickets
from kjerne.services.standards import types_by_service
from kjerne.settings import Settings
from kjerne.store.house import Store
from kjerne.store.keys import Sealer
from kjerne.store.portal_sessions import PortalSessions
from kjerne.store.reading import Reader
from kjerne.wire import journal
from kjerne.wire import json as strict_json

Known = Callable[[str], Awaitable[Registered | None]]


def systems_of(settings: Settings) -> HealthSystems:
    """The clinicians' systems that an operator has registered."""
    return HealthSystems(settings.ehrs_file, sandbox=settings.mode == "sandbox")


def embedded(
    store: Store, clock: Clock, settings: Settings, reader: Reader, identify: Callable[[str], PatientRef], registered: Known
) -> list[Route]:  # fmt: skip
    """The routes of the indicator and of sessions. `registered` is the personnel register's word on an HPR number."""
    door = Door(store, clock, tells_choices=settings.tells_choices)

    async def admit_as(caller: Caller, correlation: str) -> Admit:
        # Whom the register has lost since the ticket was made asks no more (K76).
        must_be_registered(await registered(caller.hpr), caller.digest, caller.authorization, clock.now())
        return door.admit(caller, correlation)

    parse_json = partial(strict_json.parse, depth=settings.json_depth, limit_bytes=settings.body_limit_bytes)
    sealer = Sealer(store.keys.derived("indicator-ticket"))
    tickets = Tickets(sealer, settings.indicator_ticket_minutes, settings.attestation_minutes)
    indicator = IndicatorApi(
        store.pool, reader, types_by_service()["critical-information"],
        parse_json, identify, tickets, systems_of(settings), admit_as,
        partial(opens_what_is_shut, tells_choices=settings.tells_choices),
        settings.tells_choices, journal.met,
    )  # fmt: skip
    sessions = SessionsApi(
        store.pool, store.people, portal_sessions(store), parse_json, identify, settings.attestation_minutes
    )
    return [*indicator.routes(), *sessions.routes()]


def launcher(settings: Settings, key: ECKey, http: Http, clock: Clock, public_url: str) -> SmartApp:
    """The pages as a SMART app of the EHRs that are registered; `key` is theirs at their own issuer too."""
    return SmartApp(systems_of(settings), key, f"{public_url}/clinician/smart/return", http, clock)


def portal_sessions(store: Store) -> PortalSessions:
    """The sessions by which a clinician's system opens the pages."""
    return PortalSessions(Sealer(store.keys.derived("portal-session")))
