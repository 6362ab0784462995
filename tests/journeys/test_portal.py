"""A citizen portal (the Helsenorge role) asks for the citizen, for her child and for who gave her power of attorney.

The portal exchanges her login for a token of hers (RFC 8693) and calls the same addresses as anybody: the same rules
decide, and the log has the same line as when she asks herself, with the portal as the system.
"""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from platform_fixture import Answered, Standing

PORTAL = "citizen-portal"
BASE = "/pps/v2/Observation/_search"


def asked(platform: Standing, as_: str, about: str, path: str = BASE, **more: Any) -> Answered:
    """A search through the portal, over a real connection."""
    about = about if about.isdigit() else platform.nin(about)
    given: dict[str, Any] = {"form": [("_count", "500")]} if path == BASE else {}
    method = "POST" if path == BASE else "GET"
    return Answered(platform.over_wire.call(method, path, as_=as_, patient=about, portal=True, **{**given, **more}))


def child_of(platform: Standing, parent: str, years: range) -> str:
    """The number of a child of this age."""
    population, today = platform.population, platform.clock.now().date()
    mother = population.cast[parent]  # type: ignore[index]
    (found, *_) = (
        population.by_key[key].nin
        for key, ties in population.ties.items()
        for tie in ties
        if tie.kind == "parent" and tie.key == mother
        and (today - population.by_key[key].birth_date).days // 366 in years
    )  # fmt: skip
    return found


def test_a_citizen_sees_through_a_portal_what_is_hers_and_the_log_names_the_portal(platform: Standing) -> None:
    answer = asked(platform, "citizen", "citizen")
    assert answer.status == 200 and answer.resources()
    (row,) = platform.audited(answer.response)
    portal = platform.persona(PORTAL)
    assert (row["rule"], row["purpose"], row["caller_kind"]) == ("own", "PATRQT", "citizen")
    assert (row["client"], row["organisation"]) == (PORTAL, portal.organisation)
    assert {str(one) for one in row["ids"]} == answer.every_id


def test_a_portal_reads_searches_and_follows_history_like_any_other_caller(platform: Standing) -> None:
    found = asked(platform, "citizen", "citizen").ids()[0]
    for path in ("Observation?_count=1", f"Observation/{found}", f"Observation/{found}/_history",
                 f"Observation/{found}/_history/1"):  # fmt: skip
        assert asked(platform, "citizen", "citizen", f"/fhir/R4/{path}").status == 200, path


def test_a_parent_sees_her_child_through_a_portal_and_not_as_anything_else(platform: Standing) -> None:
    child = child_of(platform, "parent", range(12))
    answer = asked(platform, "parent", child)
    assert answer.status == 200
    assert platform.audited(answer.response)[0]["rule"] == "parent"
    for purpose in ("PATRQT", "PWATRNY"):
        refused = asked(platform, "parent", child, purpose=purpose)
        assert refused.status == 403
        assert platform.audited(refused.response)[0]["rule"] == "errand-without-right"


@pytest.mark.parametrize("about", ["citizen", "pregnant", "protected"])
def test_a_portal_opens_nobody_to_whom_the_citizen_is_nothing(platform: Standing, about: str) -> None:
    refused = asked(platform, "parent", about)
    assert refused.status == 403
    (row,) = platform.audited(refused.response)
    assert (row["rule"], row["client"], row["outcome"]) == ("errand-without-right", PORTAL, 1)


def test_an_errand_about_one_opens_nobody_else(platform: Standing) -> None:
    child = child_of(platform, "parent", range(12))
    held = platform.client.token("parent", patient=child, portal=True)
    url = platform.url + BASE
    proof = held.headers("POST", url, platform.clock.now().timestamp())
    sent = {"person-id": platform.nin("parent"), "content-type": "application/x-www-form-urlencoded"}
    answer = platform.http.post(url, content=b"_count=1", headers=sent | proof)
    assert answer.status_code == 403
    assert platform.audited(answer)[0]["rule"] == "errand-about-another"


def test_by_a_saml_assertion_she_sees_the_same_and_the_log_has_the_same_line(platform: Standing) -> None:
    token, assertion = (asked(platform, "citizen", "citizen", saml=saml) for saml in (False, True))
    assert token.every_id == assertion.every_id and assertion.resources()
    one, other = (dict(platform.audited(answer.response)[0]) for answer in (token, assertion))
    own = {"at", "number", "xid", "token", "correlation", "written"}  # sealed anew each time
    assert {name: one[name] for name in one.keys() - own} == {name: other[name] for name in other.keys() - own}
    assert other["token"].startswith("_")


def test_a_doctor_sees_the_same_by_token_and_by_assertion(platform: Standing) -> None:
    about = platform.nin("citizen")
    answers = [
        Answered(platform.over_wire.call("POST", BASE, as_="gp", patient=about, form=[("_count", "20")], saml=saml))
        for saml in (False, True)
    ]
    assert answers[0].ids() == answers[1].ids() != []
    rows = [platform.audited(answer.response)[0] for answer in answers]
    assert [(row["rule"], row["client"], row["caller_hpr"]) for row in rows] == [
        ("gp", "sandbox-epj", platform.persona("gp").hpr)
    ] * 2


def test_a_doctor_without_a_tie_is_refused_by_assertion_as_by_token(platform: Standing) -> None:
    for saml in (False, True):
        answer = platform.over_wire.call("POST", BASE, as_="outsider", patient=platform.nin("citizen"), saml=saml)
        assert answer.status_code == 403
        assert platform.audited(answer)[0]["rule"] == "no-relation"


def test_without_a_portal_a_citizens_token_still_opens_no_api(platform: Standing) -> None:
    answer = platform.client.call("POST", BASE, as_="citizen", patient=platform.nin("citizen"), form=[("_count", "1")])
    assert answer.status_code == 403 and "scope" in answer.text


def test_a_portals_token_opens_nothing_of_staffs_or_the_operators(platform: Standing) -> None:
    for method, path in (("GET", "/operations/participants"), ("POST", "/fhir/R4/Observation"),
                         ("POST", "/pps/v2/already-done"), ("GET", "/oversight/anomalies")):  # fmt: skip
        answer: httpx.Response = platform.client.call(
            method, path, as_="citizen", patient=platform.nin("citizen"), portal=True
        )
        assert answer.status_code in (403, 404), path


def test_a_guardian_comes_through_a_portal_by_a_policy_of_her_own(platform: Standing) -> None:
    said = {"purpose": "PWATRNY"}
    assert asked(platform, "guardian", "ward", **said).status == 403
    answer = asked(platform, "guardian", "ward", **said, policy="3")
    assert (answer.status, [row["rule"] for row in platform.audited(answer.response)]) == (200, ["guardian"])
