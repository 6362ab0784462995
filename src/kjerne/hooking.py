"""What a clinician's system asks while she works (CDS Hooks), put together from the services that answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kjerne.exchange import PatientRef, Route
from kjerne.fhir.search import Search
from kjerne.services.decision_support import DecisionSupport
from kjerne.services.results.reuse_api import Asker
from kjerne.services.results.reuse_hooks import ReuseHooks
from kjerne.services.results.reuse_hooks import described as of_tests
from kjerne.services.warnings.api import WarningsApi
from kjerne.services.warnings.api import described as of_medicines
from kjerne.store.finding import Finder
from kjerne.store.house import Store


def hooks(
    store: Store, finder: Finder, asker: Asker, parse_json: Callable[[bytes], dict[str, Any]],
    parse_search: Callable[..., Search], identify: Callable[[str], PatientRef],
) -> list[Route]:  # fmt: skip
    """The routes of the cards and of what is told of them."""
    warned = WarningsApi(store.pool, store.ids, finder, parse_json, parse_search, identify)
    reuse = ReuseHooks(asker, store.ids, parse_json, identify)
    discovery = DecisionSupport([*of_medicines(), *of_tests()])
    return [*discovery.routes(), *warned.routes(), *reuse.routes()]
