"""Cookies and form tokens: sealed, bound to login and patient, and too old after a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kjerne.errors import Refusal
from kjerne.pages import session
from kjerne.pages.house import Visit
from kjerne.pages.session import FormToken, Seal, Session
from pages.fake import CLINICIAN, KEY, NOW

SEAL = Seal(KEY)


def opened(patient: int = 1, visit: str = "v1") -> Session:
    return replace(session.begin(CLINICIAN, NOW), visit=Visit(visit, patient, "TREAT", NOW))


def posted(token: str) -> dict[str, str]:
    return {"token": token}


def test_a_cookie_is_read_back_and_prolonged() -> None:
    login = opened()
    later = NOW + timedelta(minutes=session.IDLE_MINUTES - 1)
    read = session.read(SEAL, SEAL.seal("session", login), later)
    assert read is not None
    assert (read.id, read.visit) == (login.id, login.visit)
    assert read.until == later + timedelta(minutes=session.IDLE_MINUTES)


@pytest.mark.parametrize("away", [timedelta(minutes=session.IDLE_MINUTES), timedelta(hours=session.DAY_HOURS)])
def test_a_login_ends(away: timedelta) -> None:
    assert session.read(SEAL, SEAL.seal("session", opened()), NOW + away) is None


def test_no_login_lives_longer_than_a_shift_however_busy() -> None:
    login: Session | None = opened()
    at = NOW
    while login:
        at += timedelta(minutes=15)
        login = session.read(SEAL, SEAL.seal("session", login), at)
    assert at - NOW <= timedelta(hours=session.DAY_HOURS)


def test_a_form_token_is_no_cookie_and_a_foreign_key_opens_nothing() -> None:
    token = session.form_token(SEAL, opened(), NOW)
    assert SEAL.open("session", token, Session) is None
    assert Seal(bytes(32)).open("form", token, FormToken) is None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda b: b.decode("latin-1")))
def test_rubbish_opens_to_nothing_and_never_to_an_error(text: str) -> None:
    assert SEAL.open("session", text, Session) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.sampled_from("ABCxyz019-_"))
def test_one_changed_letter_opens_nothing(place: int, letter: str) -> None:
    sealed = SEAL.seal("session", opened())
    place %= len(sealed) - 1  # the last letter holds unused bits
    if sealed[place] != letter:
        assert SEAL.open("session", sealed[:place] + letter + sealed[place + 1 :], Session) is None


def test_a_form_from_the_open_patient_is_taken() -> None:
    login = opened()
    session.check_form(SEAL, login, posted(session.form_token(SEAL, login, NOW)), NOW, fresh=True)


@pytest.mark.parametrize(
    ("other", "status", "where"),
    [
        (opened(patient=2), 403, "form"),
        (replace(opened(), visit=None), 403, "form"),
    ],
)
def test_a_form_of_another_login_is_refused(other: Session, status: int, where: str) -> None:
    token = session.form_token(SEAL, opened(), NOW)
    with pytest.raises(Refusal) as refused:
        session.check_form(SEAL, other, posted(token), NOW)
    assert (refused.value.status, refused.value.where) == (status, where)


@pytest.mark.parametrize("now_open", [Visit("v2", 1, "TREAT", NOW), Visit("v1", 2, "TREAT", NOW), None])
def test_a_form_shown_for_another_patient_is_refused(now_open: Visit | None) -> None:
    login = opened()
    token = session.form_token(SEAL, login, NOW)
    with pytest.raises(Refusal) as refused:
        session.check_form(SEAL, replace(login, visit=now_open), posted(token), NOW)
    assert (refused.value.status, refused.value.where) == (409, "patient")


def test_a_stale_page_cannot_be_acted_on() -> None:
    login = opened()
    token = session.form_token(SEAL, login, NOW)
    late = NOW + timedelta(minutes=session.STALE_MINUTES, seconds=1)
    session.check_form(SEAL, login, posted(token), late)
    with pytest.raises(Refusal) as refused:
        session.check_form(SEAL, login, posted(token), late, fresh=True)
    assert refused.value.where == "stale"
