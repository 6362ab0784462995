"""The public door that opens the links that citizens hand out, put together."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from kjerne.access import Caller, Grant
from kjerne.clock import Clock
from kjerne.exchange import PatientRef, Route
from kjerne.policy.door import Door
from kjerne.services.health_links.api import BODY_LIMIT_BYTES, HealthLinksApi
from kjerne.settings import Settings
from kjerne.store.house import Store
from kjerne.store.reading import Reader
from kjerne.store.summary_links import OPENER, Living
from kjerne.wire import json as strict_json

SERVICE: Final = "results"
"""By whose law a copy is taken and handed out (K36)."""
PURPOSE: Final = "PATRQT"


def public_url(settings: Settings) -> str:
    """Where the platform is reached."""
    return settings.public_url or f"http://{settings.host}:{settings.port}"


def health_links(store: Store, clock: Clock, settings: Settings) -> list[Route]:
    """The public door."""
    door = Door(store, clock, tells_choices=settings.tells_choices)

    async def as_maker(living: Living, _: datetime, correlation: str) -> Grant | None:
        maker = Caller("citizen", OPENER.client, frozenset({"kjerne:citizen"}), digest=living.maker, level=4)
        answer = await door.would(maker, PatientRef(key=living.patient), SERVICE, "download", purpose=PURPOSE)
        return replace(answer, correlation=correlation) if isinstance(answer, Grant) else None

    parse = partial(strict_json.parse, depth=settings.json_depth, limit_bytes=BODY_LIMIT_BYTES)
    reader = Reader(store.wrap, store.dictionaries)
    key = store.keys.derived("health-link-passcode")
    return HealthLinksApi(store.pool, store.wrap, reader, key, public_url(settings), parse, as_maker).routes()
