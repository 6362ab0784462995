"""Pages that a clinician's own system opens: once, by whom it opened them for, at that patient, until it closes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from kjerne.services.critical.sessions import CODE_SECONDS
from pages.test_live import Tab, logged_in, tab, text
from platform_fixture import Standing
from services.critical.asking import Session, created, sent
from services.test_standards_registered import NEED

CLOSED = "Journalsystemet har lukket pasienten"
USELESS = "Lenken fra journalsystemet kan ikke brukes"
OTHER = "Siden ble åpnet for en annen"


def launched(
    platform: Standing, http: httpx.Client, session: Session, path: str = "/clinician/launch"
) -> httpx.Response:
    return http.get(f"{platform.url}{path}", params=session.query)


@contextmanager
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30, follow_redirects=True) as http:
        yield http


def last(platform: Standing) -> dict[str, object]:
    """The last that was written, whatever hour other tests had made it."""
    (row,) = platform.rows(
        "SELECT * FROM audit WHERE client LIKE '%pages%' OR correlation LIKE 'page-%' ORDER BY xid DESC LIMIT 1"
    )
    return dict(row)


@pytest.mark.parametrize("path", ["/clinician/launch", "/hentpasient.html"])
def test_the_page_opens_at_the_patient_with_what_the_system_vouched_for(platform: Standing, path: str) -> None:
    session = created(platform, "citizen", basis="SAMTYKKE", reason="Kontroll etter innleggelse", decision="avgjerd-17")
    with tab(platform, "gp") as it:
        page = launched(platform, it.http, session, path)
        assert page.status_code == 200 and page.url.path.startswith("/clinician/v/"), text(page)[:300]
        assert page.url.query == b"" and platform.nin("citizen") not in str(page.history[0].headers)
        assert page.history[0].headers["location"] == "/clinician/launched"
        row = last(platform)
        who = platform.persona("gp")
        assert (row["purpose"], row["basis"], row["decision"]) == ("TREAT", "SAMTYKKE", "avgjerd-17")
        assert (row["organisation"], row["caller_hpr"]) == (who.organisation, who.hpr)
        patient, name = row["patient"], platform.persona("citizen").person_name
        assert name in text(page)
        assert (
            patient
            == platform.rows("SELECT patient FROM audit WHERE decision = 'avgjerd-17' ORDER BY at LIMIT 1")[0][
                "patient"
            ]
        )


def test_who_is_not_logged_in_logs_in_and_is_there(platform: Standing) -> None:
    with browser() as http:
        asked = launched(platform, http, created(platform, "citizen"))
        assert asked.url.path == "/login"
        page = logged_in(platform, http, "gp", "clinician")
        assert page.url.path.startswith("/clinician/v/"), text(page)[:300]
        assert platform.persona("citizen").person_name in text(page)


def test_a_code_opens_once_within_its_minute_and_with_its_verifier_alone(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        session = created(platform, "citizen")
        assert launched(platform, it.http, session).status_code == 200
        assert USELESS in text(launched(platform, it.http, session))
        for spoiled in (
            created(platform, "citizen")._replace(verifier="x" * 43), created(platform, "citizen")._replace(code="x" * 54),
            created(platform, "citizen")._replace(code=""), created(platform, "citizen")._replace(verifier="æ" * 43),
        ):  # fmt: skip
            refused = launched(platform, it.http, spoiled)
            assert (refused.status_code, USELESS in text(refused)) == (403, True)
        guessed = created(platform, "citizen")
        launched(platform, it.http, guessed._replace(verifier="x" * 43))
        # One try: after a wrong verifier the right one comes too late.
        assert USELESS in text(launched(platform, it.http, guessed))
        late = created(platform, "citizen")
        with later(platform) as move:
            move(1 + CODE_SECONDS // 60)
            assert USELESS in text(launched(platform, it.http, late))


def test_a_code_that_comes_back_closes_the_page_that_it_opened(platform: Standing) -> None:
    session = created(platform, "citizen")
    with tab(platform, "gp") as it, browser() as elsewhere:
        page = launched(platform, it.http, session)
        assert it.get(page.url.path).status_code == 200
        assert launched(platform, elsewhere, session._replace(code=session.code[:-2] + "AA")).status_code == 403
        assert it.get(page.url.path).status_code == 200, "what is no code of the session ends nothing"
        assert USELESS in text(launched(platform, elsewhere, session))
        assert it.get(page.url.path).status_code == 409


def test_what_looks_ahead_of_the_reader_uses_no_code_up(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        session = created(platform, "citizen")
        url = f"{platform.url}/clinician/launch"
        assert it.http.head(url, params=session.query).status_code == 204
        assert it.http.get(url, params=session.query, headers={"sec-purpose": "prefetch;prerender"}).status_code == 204
        assert launched(platform, it.http, session).status_code == 200


def test_somebody_elses_login_opens_nothing_and_leaves_it_to_be_opened(platform: Standing) -> None:
    with tab(platform, "hospital-doctor") as it:
        refused = launched(platform, it.http, created(platform, "citizen"))
        assert (refused.status_code, OTHER in text(refused)) == (403, True)
        assert platform.persona("citizen").person_name not in text(refused)
        it.post(it.get("/clinician"), "/logout")
        page = logged_in(platform, it.http, "gp", "clinician")
        assert page.url.path.startswith("/clinician/v/"), text(page)[:300]
    with tab(platform, "citizen", "me") as it:
        assert launched(platform, it.http, created(platform, "citizen")).url.path == "/login"


def opened(platform: Standing, it: Tab) -> tuple[Session, str]:
    session = created(platform, "citizen")
    page = launched(platform, it.http, session)
    assert page.status_code == 200, text(page)[:300]
    return session, page.url.path


def test_what_the_system_ends_is_closed_at_the_next_step_and_for_the_script_that_asks(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        session, path = opened(platform, it)
        quiet = it.get(f"{path}/alive")
        assert (quiet.status_code, "set-cookie" in quiet.headers) == (204, False)
        assert sent(platform, "end", {"sessionId": session.id}).status_code == 204
        for at in (path, f"{path}/alive", f"{path}/print"):
            closed = it.get(at)
            assert (closed.status_code, CLOSED in text(closed)) == (409, True)
            assert platform.persona("citizen").person_name not in text(closed)
        # Her login is her own, and goes on.
        assert it.get("/clinician").status_code == 200


@contextmanager
def later(platform: Standing) -> Iterator[Callable[[int], None]]:
    """Moves the clock by minutes. Never back: what is written at a later hour would be the newest to other tests."""

    def move(minutes: int) -> None:
        platform.clock.move(timedelta(minutes=minutes))

    try:
        yield move
    finally:
        platform.client._tokens.clear()  # those of a time that is over


def test_a_session_ends_with_its_attestation_unless_it_is_prolonged(platform: Standing) -> None:
    assert platform.application._edge.settings.attestation_minutes == 60
    with tab(platform, "gp") as it, later(platform) as move:
        session, path = opened(platform, it)
        move(15)
        assert it.get(path).status_code == 200
        assert sent(platform, "refresh", {"sessionId": session.id}, **NEED).status_code == 204
        for _ in range(3):
            move(16)
            assert it.get(path).status_code == 200
        move(13)
        assert CLOSED in text(it.get(path))


def test_the_patient_that_the_reader_closes_is_closed_for_the_system_too(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        session, path = opened(platform, it)
        it.post(it.get(path), f"{path}/close")
        assert sent(platform, "refresh", {"sessionId": session.id}, **NEED).status_code == 404
        assert it.get(path).status_code == 409


def test_another_patient_of_the_system_takes_the_first_ones_place(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        _, path = opened(platform, it)
        second = launched(platform, it.http, created(platform, "parent"))
        assert second.status_code in (200, 403) and second.url.path != path
        assert it.get(path).status_code == 409
