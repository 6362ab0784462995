"""The operator's exports over the real platform: one person approves once, and what she refuses gives no file."""

from __future__ import annotations

import json

from pages.test_live import tab, text
from pages.test_live_review import authorised  # noqa: F401
from platform_fixture import Standing

WHY = "Vedtaket er lest og dekker uttrekket"
GROUND = "Helseregisterloven § 19 e, vedtak 2026/117"


def asked(platform: Standing) -> str:
    """The number of a new export."""
    said = {"ground": GROUND, "recipient": "Folkehelseinstituttet", "_type": "Observation"}
    rows = [{"name": name, "valueString": value} for name, value in said.items()]
    body = json.dumps({"resourceType": "Parameters", "parameter": rows}).encode()
    headers = {"content-type": "application/fhir+json", "prefer": "respond-async"}
    answer = platform.client.call("POST", "/fhir/R4/$export", as_="operator", body=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.headers["content-location"].rpartition("/")[2]


def test_a_person_approves_once_with_her_reason_in_the_log_and_may_still_refuse(platform: Standing) -> None:
    number, name = asked(platform), platform.population.operator.name
    path = f"/operations/exports/{number}"
    with tab(platform, "administrator", "operations") as it:
        assert number in it.get("/operations/exports").text
        page = it.get(path)
        assert GROUND in text(page)
        page = it.post(page, path, verdict="approve", reason=WHY)
        assert "Eksporten er godkjent av deg." in text(page)
        assert it.post(page, path, verdict="approve", reason=WHY).status_code == 409
        status = platform.client.call("GET", f"/exports/{number}", as_="operator")
        assert (status.status_code, status.headers["x-progress"]) == (202, "1 approvals are missing")
        page = it.post(it.get(path), path, verdict="refuse", reason="Vedtaket gjelder noe annet")
        assert "Eksporten er avslått." in text(page)
    assert platform.client.call("GET", f"/exports/{number}", as_="operator").status_code == 410
    rows = platform.rows("SELECT * FROM audit WHERE about = $1 ORDER BY at", f"export/{number}")
    assert [(row["rule"], row["caller_name"], row["reason"]) for row in rows[1:]] == [
        ("export-approved", name, WHY), ("export-refused", name, "Vedtaket gjelder noe annet")
    ]  # fmt: skip
    assert {row["patient"] for row in rows} == {0}


def test_two_of_the_sandboxes_persons_open_an_export(platform: Standing) -> None:
    path = f"/operations/exports/{(number := asked(platform))}"
    for who in ("administrator", "second-administrator"):
        with tab(platform, who, "operations") as it:
            last = text(it.post(it.get(path), path, verdict="approve", reason=WHY))
    assert "åpen til" in last
    assert platform.client.call("GET", f"/exports/{number}", as_="operator").status_code == 200


def test_an_approval_under_the_operators_hpr_number_is_her_own_whatever_number_she_was_logged_in_with(
    platform: Standing,
    authorised: str,  # noqa: F811
) -> None:
    number = asked(platform)
    platform.rows(
        "INSERT INTO export_approval (export, person, hpr, name, why, at) VALUES ($1, $2, $3, 'En annen', $4, $5) "
        "RETURNING 1",
        int(number), b"another number of hers", authorised, WHY, platform.clock.now(),
    )  # fmt: skip
    path = f"/operations/exports/{number}"
    with tab(platform, "administrator", "operations") as it:
        assert it.post(it.get(path), path, verdict="approve", reason=WHY).status_code == 409


def test_an_export_that_is_not_there_is_no_page_and_nonsense_is_no_verdict(platform: Standing) -> None:
    number = asked(platform)
    with tab(platform, "administrator", "operations") as it:
        assert it.get("/operations/exports/1").status_code == 404
        page = it.get(f"/operations/exports/{number}")
        assert it.post(page, f"/operations/exports/{number}", verdict="x", reason=WHY).status_code == 400
