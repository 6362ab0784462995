"""What stands between a clinician and a patient's lock on the pages: words, steps, and a line in the log for each name."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from pages.test_live import filed, tab, text
from platform_fixture import Standing

REASON = "Pasienten samtykker her og nå"
LABELS = "urn:oid:2.16.578.1.12.4.1.1.9603"


def rows(platform: Standing, persona: str, since: Any) -> list[Any]:
    statement = (
        "SELECT outcome, basis, cardinality(ids) AS records FROM audit WHERE caller_hpr = $1 AND at >= $2 ORDER BY at"
    )
    return [tuple(one.values()) for one in platform.rows(statement, platform.persona(persona).hpr, since)]


@pytest.mark.parametrize(
    "asked",
    [{"purpose": "BTG", "reason": "Bevisstløs pasient funnet"}, {"purpose": "TREAT"}],
    ids=["opened", "refused"],
)
def test_who_is_named_before_a_lock_is_opened_has_a_line_in_her_log(platform: Standing, asked: dict[str, str]) -> None:
    with tab(platform, "outsider") as it:
        it.http.follow_redirects = False
        opened = it.type(platform.nin("guardian"), **asked).headers["location"]
        it.http.follow_redirects = True
        since = platform.clock.now()
        page = it.get(f"{opened}/unlock")
        name = platform.population.by_key[platform.population.cast["guardian"]].name
        assert page.status_code == 200
        written = rows(platform, "outsider", since)
        assert len(written) == 1
        assert (name in page.text) is (written[0][0] == 0), "named without having been opened"
        assert written[0][2] == 0


@pytest.mark.parametrize("reason", ["", "........", "ja"])
def test_no_lock_is_opened_from_the_desk_without_words(platform: Standing, reason: str) -> None:
    since = platform.clock.now()
    with tab(platform, "gp") as it:
        answer = it.type(platform.nin("restricted"), basis="SAMTYKKE", reason=reason)
        assert answer.status_code == 400
        assert "Skriv hvorfor du slår opp" in text(answer)
    assert not [row for row in rows(platform, "gp", since) if row[1]]


def test_a_need_is_not_declared_by_a_field_that_no_form_has(platform: Standing) -> None:
    with tab(platform, "outsider") as it:
        assert it.type(platform.nin("pregnant"), declared="1").status_code == 403


def test_a_result_restricted_by_itself_is_opened_by_an_elevated_declaration_alone(platform: Standing) -> None:
    mark = f"P-Enkelt {secrets.token_hex(4)}"
    person = {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("citizen")}}
    shut = {"security": [{"system": LABELS, "code": "NORS"}]}
    seen = {
        "resourceType": "Observation", "status": "final", "meta": shut, "code": {"text": mark}, "subject": person,
        "effectiveDateTime": platform.clock.now().isoformat(), "valueQuantity": {"value": 4, "unit": "mmol/L"},
    }  # fmt: skip
    result = {"reference": f"Observation/{filed(platform, seen)}"}
    filed(
        platform,
        {
            "resourceType": "DiagnosticReport", "status": "final", "meta": shut, "code": {"text": mark}, "subject": person,
            "effectiveDateTime": platform.clock.now().isoformat(), "result": [result],
        },
    )  # fmt: skip
    with tab(platform, "gp") as it:
        opened = it.type(platform.nin("citizen"))
        assert "sperret av pasienten" in text(opened)
        assert mark not in text(opened)
        plain = it.post(
            it.get(f"{opened.url.path}/unlock"), f"{opened.url.path}/unlock", basis="SAMTYKKE", reason=REASON
        )
        assert mark not in text(plain)
        second = it.get(f"{plain.url.path}/unlock")
        assert 'value="SAMTYKKE"' not in second.text
        whole = it.post(second, f"{plain.url.path}/unlock", basis="FORHOYET_SAMTYKKE", reason=REASON)
        assert mark in text(whole)
        assert "sperret av pasienten" not in text(whole)
