"""The log of a whole platform page by page: under a grant for it, and in it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kjerne.access import Caller, Grant
from kjerne.errors import Refusal
from kjerne.exchange import PatientRef
from kjerne.policy.access_log import AccessLog
from kjerne.policy.door import Door
from kjerne.policy.words import Language
from kjerne.registries.identifiers import digest
from kjerne.store.log_pages import LogPage
from kjerne.store.looks import Place, Wanted
from platform_fixture import Standing

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def granted(platform: Standing, action: str) -> tuple[AccessLog, Grant]:
    """The log, and what the citizen herself may do."""
    store = platform.application._edge.store
    number = digest(store.keys.derived("identifier"), platform.nin("citizen"))
    herself = Caller("citizen", "app", frozenset({"kjerne:citizen"}), number, level=4)
    admit = Door(store, platform.clock).admit(herself, "test-log")
    grant = platform.run(admit(PatientRef(digest=number), "results", action))  # type: ignore[arg-type]
    return AccessLog(store), grant


def page(
    platform: Standing, until: datetime, limit: int, after: Place | None = None, language: Language = "nb"
) -> LogPage:
    log, grant = granted(platform, "insight")
    return platform.run(log.page(grant, Wanted(LONG_AGO, until), limit, after, language=language))


def test_a_page_names_organisations_and_speaks_the_readers_language(platform: Standing) -> None:
    answer = platform.search("Observation", [("_count", "1")])
    until = platform.clock.now()
    languages: tuple[Language, ...] = ("nb", "en")
    told = {language: page(platform, until, 5, language=language) for language in languages}
    correlation = answer.response.headers["x-correlation-id"]
    lines = {
        language: next(one for one in found.entries if one.origin.correlation == correlation)
        for language, found in told.items()
    }
    assert lines["nb"].says == "Fastlegen så opplysningene i behandlingen."
    assert lines["en"].says == "The GP saw the information as part of treatment."
    assert not lines["nb"].organisation.isdigit()
    assert lines["nb"].origin.organisation == platform.persona("gp").organisation


def test_a_page_says_where_the_next_begins(platform: Standing) -> None:
    for _ in range(2):
        platform.search("Observation", [("_count", "1")])
    until = platform.clock.now()
    first = page(platform, until, 1)
    second = page(platform, until, 1, first.after)
    assert first.total == second.total >= 2
    assert first.entries[0].origin.number != second.entries[0].origin.number
    assert page(platform, until, first.total).after is None


def test_a_grant_for_something_else_opens_no_page_and_the_number_is_the_patients_own(platform: Standing) -> None:
    log, looks = granted(platform, "read")
    with pytest.raises(Refusal):
        platform.run(log.page(looks, Wanted(LONG_AGO, platform.clock.now()), 1))
    _, grant = granted(platform, "insight")
    assert platform.run(log.number(grant)) == platform.nin("citizen")
