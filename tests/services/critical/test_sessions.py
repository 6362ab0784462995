"""Portal sessions: made on an attestation about one patient, prolonged and ended by who made them, and by nobody else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kjerne.policy.door import Door
from kjerne.store.portal_sessions import digest_of, sweep
from platform_fixture import Answered, Standing
from services.critical.asking import challenge_of, claims, created, sent
from services.critical.records import rows
from services.critical.test_api import chosen
from services.test_standards_registered import NEED, consent

ABOUT = "parent"


def body(platform: Standing, about: str = ABOUT, **claim: Any) -> dict[str, Any]:
    return {"ehr_code_challenge": challenge_of("v" * 43), "claims": claims(platform, about) | claim}


def test_a_session_is_a_look_in_her_log_and_what_is_given_tells_nothing(platform: Standing) -> None:
    answer = sent(platform, "create", body(platform), about=ABOUT, **NEED)
    assert answer.status_code == 200 and set(answer.json()) == {"sessionId", "code"}
    assert [(row[0], *row[2:]) for row in rows(platform, Answered(answer))] == [("search", 0, set())]
    assert platform.nin(ABOUT) not in answer.text
    given = answer.json()
    (kept,) = platform.rows("SELECT * FROM portal_session WHERE digest = $1", digest_of(given["sessionId"]))
    assert not any(one.encode() in bytes(kept[name]) for one in given.values() for name in ("digest", "code", "sealed"))


def test_whom_the_law_refuses_gets_no_code_and_a_restriction_is_the_pages_to_tell(platform: Standing) -> None:
    refused = sent(platform, "create", body(platform, "citizen"), as_="outsider", about="citizen")
    assert (refused.status_code, rows(platform, Answered(refused))[0][2]) == (403, 1)
    for kind, status in (("opt-out", 403), ("restriction", 200)):
        choice = chosen(platform, ABOUT, consent(kind))
        try:
            answer = sent(platform, "create", body(platform), about=ABOUT, **NEED)
            assert (answer.status_code, rows(platform, Answered(answer))[0][2]) == (status, 1), answer.text
        finally:
            chosen(platform, ABOUT, choice.tree | {"status": "inactive"})


@pytest.mark.parametrize("kind", ["opt-out", "restriction"])
def test_where_no_choice_may_be_told_a_code_is_given_whatever_she_has_shut(
    platform: Standing, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    choice = chosen(platform, ABOUT, consent(kind))
    try:
        monkeypatch.setattr(Door, "_tells_choices", property(lambda _: False, lambda *_: None), raising=False)
        answer = sent(platform, "create", body(platform), about=ABOUT, **NEED)
        assert (answer.status_code, rows(platform, Answered(answer))[0][2]) == (200, 1), answer.text
    finally:
        monkeypatch.undo()
        chosen(platform, ABOUT, choice.tree | {"status": "inactive"})


def test_sessions_that_are_over_are_swept_and_others_stay(platform: Standing) -> None:
    session = created(platform, ABOUT)
    pool, now = platform.application._edge.store.pool, platform.clock.now()

    def kept() -> int:
        digest = digest_of(session.id)
        return int(platform.rows("SELECT count(*) AS n FROM portal_session WHERE digest = $1", digest)[0]["n"])

    platform.run(sweep(pool, now))
    assert kept() == 1
    platform.run(sweep(pool, now + timedelta(minutes=61)))
    assert kept() == 0


def test_a_session_about_another_than_the_attestation_is_refused(platform: Standing) -> None:
    assert sent(platform, "create", body(platform, "citizen"), about=ABOUT, **NEED).status_code == 403
    assert sent(platform, "create", body(platform), about="").status_code == 403


@pytest.mark.parametrize(
    ("more", "status", "where"),
    [
        ({"ehr_code_challenge": "short"}, 400, "ehr_code_challenge"),
        ({"ehr_code_challenge": None}, 400, "ehr_code_challenge"),
        ({"claims": []}, 400, "claims"),
        ({"claims": {}}, 400, "claims.patient_identifier.id"),
        ({"claims": {"patient_identifier": {"id": "12345"}}}, 400, "claims.patient_identifier.id"),
        ({"claims": {"patient_identifier": {"id": 1}}}, 400, "claims.patient_identifier"),
        ({"claims": {"access_basis": {"code": "FORDI"}}}, 400, "claims.access_basis.code"),
        ({"claims": {"practitioner_authorization": {"code": "SP"}}}, 403, "claims.practitioner_authorization"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    platform: Standing, more: dict[str, Any], status: int, where: str
) -> None:
    whole = body(platform)
    if isinstance(more.get("claims"), dict) and more["claims"]:
        more = {"claims": whole["claims"] | more["claims"]}
    answer = sent(platform, "create", whole | more, about=ABOUT, **NEED)
    assert (answer.status_code, answer.json()["where"]) == (status, where), answer.text
    assert platform.nin(ABOUT) not in answer.text


def test_a_head_that_is_missing_is_named(platform: Standing) -> None:
    for headers, status in (({"x-source-system": ""}, 400), ({"content-type": "text/plain"}, 415)):
        for what in ("create", "refresh", "end"):
            sent_ = body(platform) if what == "create" else {"sessionId": "x"}
            assert sent(platform, what, sent_, about=ABOUT, headers=headers, **NEED).status_code == status
    for what in ("refresh", "end"):
        assert sent(platform, what, {"sessionId": "../x"}, about=ABOUT, **NEED).status_code == 400


def test_a_session_is_prolonged_and_ended_by_who_made_it_alone(platform: Standing) -> None:
    session = created(platform, ABOUT)
    named = {"sessionId": session.id}
    other: dict[str, Any] = {"as_": "hospital-doctor", **NEED}
    assert sent(platform, "refresh", named, about=ABOUT, **other).status_code == 404
    assert sent(platform, "end", named, about=ABOUT, **other).status_code == 204
    prolonged = sent(platform, "refresh", named, about=ABOUT, **NEED)
    assert (prolonged.status_code, prolonged.content) == (204, b"")
    assert rows(platform, Answered(prolonged))[0][2] == 0
    assert sent(platform, "end", named, about=ABOUT, **NEED).status_code == 204
    assert sent(platform, "refresh", named, about=ABOUT, **NEED).status_code == 404
    assert sent(platform, "end", named, about=ABOUT, **NEED).status_code == 204


def test_an_attestation_about_another_patient_and_a_new_refusal_close_the_session(platform: Standing) -> None:
    session = created(platform, ABOUT)
    moved = sent(platform, "refresh", {"sessionId": session.id}, about="citizen")
    assert (moved.status_code, moved.json()["where"]) == (409, "attestation")
    assert sent(platform, "refresh", {"sessionId": session.id}, about=ABOUT, **NEED).status_code == 404
    session = created(platform, ABOUT)
    choice = chosen(platform, ABOUT, consent("opt-out"))
    try:
        assert sent(platform, "refresh", {"sessionId": session.id}, about=ABOUT, **NEED).status_code == 403
    finally:
        chosen(platform, ABOUT, choice.tree | {"status": "inactive"})
    assert sent(platform, "refresh", {"sessionId": session.id}, about=ABOUT, **NEED).status_code == 404
