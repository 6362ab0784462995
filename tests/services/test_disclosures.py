"""A source fetches to whom its records were given: organisation, role and ground, its own names for them, and nobody's name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from clinic import clinic, laboratory
from clinic import observation as clinical_observation
from kjerne.store.embedded import PROGRAM
from platform_fixture import Standing
from services.test_standards import create, observation

OWN_ID = {"system": "https://lab.example/results", "value": "A-1"}


def fetched(platform: Standing, cursor: str = "", *, as_: str = "lab", since: str = "") -> httpx.Response:
    """After what other tests have open, since what is told ends before the oldest open transaction."""
    platform.settled()
    query = f"?cursor={cursor}" if cursor else f"?since={quote(since)}" if since else ""
    return platform.client.call("GET", f"/disclosures{query}", as_=as_)


def whole(platform: Standing, cursor: str = "", *, as_: str = "lab", since: str = "") -> tuple[list[Any], str]:
    """All that is told from there on, page by page (one page of the log may have nothing of hers), and the cursor behind it."""
    disclosures = list[Any]()
    while True:
        told = fetched(platform, cursor, as_=as_, since=since).json()
        disclosures += told["disclosures"]
        cursor = told["cursor"]
        if not told["further"]:
            return disclosures, str(cursor)


REACHED: Final[dict[tuple[str, str], str]] = {}


def now(platform: Standing, as_: str = "lab") -> str:
    """A cursor behind everything that is in the log. It goes on from where the last one ended: the log of what other tests did is
    long, and that it was told is in the log as well."""
    place = platform.dsn, as_
    REACHED[place] = whole(platform, REACHED.get(place, ""), as_=as_)[1]
    return REACHED[place]


def filed(platform: Standing, about: str = "citizen", **more: Any) -> str:
    return str(create(platform, observation(identifier=[OWN_ID], **more), about=about).tree["id"])


def read(platform: Standing, id_: str, **more: Any) -> httpx.Response:
    answer = platform.get(f"Observation/{id_}", **more).response
    assert answer.status_code == 200
    return answer


def test_a_reading_is_told_to_the_source_with_organisation_role_ground_and_its_own_name_for_the_record(
    platform: Standing,
) -> None:
    id_, cursor = filed(platform), now(platform)
    looked = read(platform, id_, reason="Kontroll")
    answer = fetched(platform, cursor)
    (row,), gp = platform.audited(looked), platform.persona("gp")
    assert answer.json()["disclosures"] == [
        {
            "at": row["at"].isoformat(),
            "to": {"organisation": gp.organisation, "pointOfCare": gp.point_of_care, "role": "LE"},
            "ground": {"purpose": "TREAT", "basis": "", "rule": "gp", "law": row["law"]},
            "decision": row["decision"],
            "records": [{"reference": f"Observation/{id_}/_history/1", "identifier": [OWN_ID]}],
        }
    ]
    for secret in (gp.person_name, gp.hpr, gp.nin, platform.nin("citizen"), "Kontroll"):
        assert secret not in answer.text


def test_the_cursor_goes_on_and_tells_nothing_twice(platform: Standing) -> None:
    id_, cursor = filed(platform), now(platform)
    read(platform, id_)
    first = fetched(platform, cursor).json()
    assert [len(first["disclosures"]), first["further"]] == [1, False]
    assert fetched(platform, first["cursor"]).json()["disclosures"] == []
    read(platform, id_)
    assert len(fetched(platform, first["cursor"]).json()["disclosures"]) == 1
    assert len(fetched(platform, cursor).json()["disclosures"]) == 2


def test_another_source_hears_nothing_of_it_and_cannot_use_the_cursor(platform: Standing) -> None:
    id_, cursor, others = filed(platform), now(platform), now(platform, "hospital-lab")
    read(platform, id_)
    assert id_ not in fetched(platform, others, as_="hospital-lab").text
    assert fetched(platform, cursor, as_="hospital-lab").status_code == 400


def test_the_patients_own_look_a_refusal_and_the_log_of_the_log_are_no_disclosures(platform: Standing) -> None:
    filed(platform)
    cursor = now(platform)
    assert platform.search("Observation", as_="outsider").status == 403
    assert platform.client.call("GET", "/fhir/R4/AuditEvent?_count=1", as_="citizen").status_code == 200
    fetched(platform, cursor)
    assert fetched(platform, cursor).json()["disclosures"] == []


def test_that_it_was_told_is_in_the_patients_log_and_in_the_platforms(platform: Standing) -> None:
    id_, cursor = filed(platform), now(platform)
    read(platform, id_)
    platforms, hers = sorted(platform.audited(fetched(platform, cursor)), key=lambda row: bool(row["patient"]))
    assert (platforms["rule"], platforms["about"]) == ("disclosures-fetched", "1 readings")
    assert (hers["action"], hers["rule"]) == ("disclose", "disclosed-to-source")
    assert hers["organisation"] == platform.persona("lab").organisation
    assert [str(one) for one in hers["ids"]] == [id_]


def test_what_is_withheld_from_the_patient_is_told_to_its_source_all_the_same(platform: Standing) -> None:
    security = [{"system": "urn:oid:2.16.578.1.12.4.1.1.9603", "code": "NORN_FFL"}]
    id_, cursor = filed(platform, meta={"security": security}), now(platform)
    read(platform, id_)
    (told,) = fetched(platform, cursor).json()["disclosures"]
    assert told["records"][0]["identifier"] == [OWN_ID]


def test_of_a_patient_with_a_protected_address_no_place_is_told(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, cursor = filed(platform), now(platform)
    read(platform, id_)
    monkeypatch.setattr("kjerne.services.disclosures.is_protected", lambda _: True)
    (told,) = fetched(platform, cursor).json()["disclosures"]
    assert told["to"] == {"role": "LE"}


@pytest.fixture
def empty(clusters: Any) -> Iterator[str]:
    """A database of its own."""
    cluster = clusters("18")
    cluster.create("former_source")
    yield str(cluster.server.dsn(PROGRAM, "former_source"))
    cluster.drop("former_source")


async def test_a_source_that_takes_no_part_any_more_is_told_so_and_nothing_else(empty: str, tmp_path: Path) -> None:
    asking = laboratory() | {"scope": "kjerne:disclosures"}
    async with clinic(empty, tmp_path) as here:
        await here.file(clinical_observation())
        assert (await here.search()).status_code == 200
        answer = await here.send(here.sent("/disclosures", "GET", asking))
        assert len(answer.json()["disclosures"]) == 1
        await here.house.store.pool.execute(
            "UPDATE participation SET until = $1 WHERE part = 'source'", here.clock.now()
        )
    async with clinic(empty, tmp_path) as later:
        answer = await later.send(later.sent("/disclosures", "GET", asking))
        assert (answer.status_code, (await later.audited(answer))["rule"]) == (403, "sender-takes-no-part")
        assert "disclosures" not in answer.json()


@pytest.mark.parametrize("narrower", ["system/Observation.rs", "system/*.s", "system/Observation.r?code=NPU03429"])
def test_a_token_whose_scopes_narrow_is_told_which_it_needs(platform: Standing, narrower: str) -> None:
    read(platform, filed(platform))
    answer = platform.client.call("GET", "/disclosures", as_="lab", narrower=narrower)
    assert answer.status_code == 403
    assert "disclosures" not in answer.json()
    assert "system/*.r" in answer.text
    assert "insufficient_scope" in answer.headers["www-authenticate"]
    (row,) = platform.audited(answer)
    assert (row["patient"], row["rule"], row["outcome"] != 0) == (0, "disclosures-refused", True)


def test_a_token_whose_scopes_leave_everything_is_answered(platform: Standing) -> None:
    id_, cursor = filed(platform), now(platform)
    read(platform, id_)
    answer = platform.client.call("GET", f"/disclosures?cursor={cursor}", as_="lab", narrower="system/*.rs")
    assert len(answer.json()["disclosures"]) == 1


def test_one_answer_holds_so_many_readings_and_the_next_goes_on(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_, cursor = filed(platform), now(platform)
    monkeypatch.setattr("kjerne.services.disclosures.READINGS_LIMIT", 2)
    for _ in range(3):
        read(platform, id_)
    first = fetched(platform, cursor).json()
    second = fetched(platform, first["cursor"]).json()
    assert [(len(one["disclosures"]), one["further"]) for one in (first, second)] == [(2, True), (1, False)]
    times = [told["at"] for one in (first, second) for told in one["disclosures"]]
    assert times == sorted(times) and len(set(times)) == 3


def first_told(platform: Standing, since: str = "") -> list[Any]:
    """The first page that tells of something."""
    page = fetched(platform, since=since).json()
    while not page["disclosures"]:
        assert page["further"]
        page = fetched(platform, page["cursor"]).json()
    return list(page["disclosures"])


def test_a_time_to_begin_at_is_the_beginning_where_nothing_is_sealed(platform: Standing) -> None:
    read(platform, filed(platform))
    assert platform.rows("SELECT count(*) AS n FROM audit_seal")[0]["n"] == 0
    assert first_told(platform) == first_told(platform, "2026-11-26T12:00:00+01:00") != []


@pytest.mark.parametrize(
    "query", ["?cursor=x", "?since=yesterday", "?other=1", "?cursor=a&cursor=b", "?cursor=a&since=2026-01-01"]
)
def test_what_cannot_be_understood_is_refused(platform: Standing, query: str) -> None:
    assert platform.client.call("GET", f"/disclosures{query}", as_="lab").status_code == 400


@pytest.mark.parametrize("as_", ["gp", "citizen", "operator", "audit-repository"])
def test_nobody_but_a_source_fetches_disclosures(platform: Standing, as_: str) -> None:
    assert fetched(platform, as_=as_).status_code == 403
