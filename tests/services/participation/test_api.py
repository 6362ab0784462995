"""Participation over the whole platform: outside it nothing is served, and every API says so and since when."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from kjerne.access import Caller
from kjerne.errors import Refusal
from kjerne.registries.identifiers import digest
from kjerne.services.participation.api import ParticipationApi
from kjerne.services.participation.register import Register
from kjerne.store.participation import REMEMBERED_SECONDS
from platform_fixture import Standing
from services.results.conftest import fresh_number
from services.results.test_intake_api import a_message

REASON = "Utprøvingen settes på vent"


def operated(platform: Standing, method: str, path: str = "", as_: str = "operator", **form: str) -> httpx.Response:
    fields = list(form.items()) if method == "POST" else ()
    return platform.client.call(method, f"/participation{path}", as_=as_, form=fields)


def of(platform: Standing, unit: str, part: str) -> int:
    """The row in force of a unit of the sandbox, in results."""
    asked = f"?organisation={platform.population.units[unit].number}&service=results&part={part}&state=in-force"
    rows = operated(platform, "GET", asked).json()["participation"]
    return int(rows[0]["number"])


def forgotten(platform: Standing) -> None:
    """As after two seconds: nothing is remembered of who takes part."""
    door = platform.application._edge._door
    door._takers._looked_at = float("-inf")


@pytest.fixture
def closed(platform: Standing) -> Iterator[object]:
    """Closes a unit's part; it is taken in again when the test ends."""
    done: list[tuple[str, str]] = []

    def close(unit: str, part: str) -> str:
        answer = operated(platform, "POST", f"/{of(platform, unit, part)}/close", why=REASON)
        assert answer.status_code == 200
        forgotten(platform)
        done.append((unit, part))
        return str(answer.json()["at"])

    yield close
    for unit, part in done:
        number = platform.population.units[unit].number
        again = operated(
            platform, "POST", organisation=number, service="results", part=part, phase="national", basis="Ny avtale"
        )
        assert again.status_code == 201
    forgotten(platform)


def test_a_reader_outside_is_told_so_the_same_of_every_patient_by_every_door(platform: Standing) -> None:
    somebody = platform.search("Observation", [("_count", "1")]).ids()[0]
    unknown = fresh_number()
    answers = [
        platform.search("Observation", as_="outside-doctor", about=about).response
        for about in ("citizen", "opted-out", "protected", unknown)
    ]
    answers.append(platform.get(f"Observation/{somebody}", as_="outside-doctor").response)
    answers.append(platform.get("Observation", as_="outside-doctor").response)
    told = {answer.json()["issue"][0]["diagnostics"] for answer in answers}
    (said,) = told
    assert said == (
        "Virksomheten som spurte, deltar ikke i delingen av disse opplysningene. Den står ikke i registeret over deltakere. "
        "(pasientjournalloven § 13; kjernejournalforskriften; registeret over deltakere)"
    )
    assert {answer.status_code for answer in answers} == {403}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("state=zzz", "state is one of in-force, coming, ended"),
        ("part=zzz", "part is one of source, consumer"),
        ("phase=zzz", "phase is one of pilot, rollout, national"),
        ("service=zzz", "service is one of critical-information, documents, record, results, settlement"),
        ("organisation=123", "nine digits"),
        (f"name={'x' * 101}", "name is at most 100 characters"),
    ],
)
def test_a_filter_that_no_row_can_have_is_refused_with_what_is_known(platform: Standing, query: str, says: str) -> None:
    answer = operated(platform, "GET", f"?{query}")
    told = answer.json()
    assert (answer.status_code, told["where"]) == (400, query.partition("=")[0])
    assert says in told["error"]


def test_the_register_is_searched_by_name(platform: Standing) -> None:
    unit = platform.population.units["private-lab-owner"]
    found = operated(platform, "GET", f"?part=source&name={quote(unit.name.upper())}").json()["participation"]
    assert {row["organisation"] for row in found} == {unit.number}
    assert operated(platform, "GET", "?name=no-such-name").json() == {"participation": []}


def test_a_refusal_of_one_outside_is_in_the_patients_log(platform: Standing) -> None:
    (row,) = platform.audited(platform.search("Observation", as_="outside-doctor").response)
    assert (row["outcome"], row["rule"]) == (1, "organisation-takes-no-part")


def test_a_closing_shuts_readers_out_with_its_instant_and_an_opening_lets_them_in(
    platform: Standing, closed: object
) -> None:
    assert platform.search("Observation", as_="nurse").ids()
    at = closed("trust", "consumer")  # type: ignore[operator]
    answer = platform.search("Observation", as_="nurse")
    assert answer.status == 403
    assert f"Den deltok til {at[:19]}Z" in answer.tree["issue"][0]["diagnostics"]
    assert platform.search("Observation").ids()  # the GP's office is another organisation


def test_a_sender_that_takes_no_part_is_told_so_and_its_message_waits_in_its_queue(
    platform: Standing, closed: object
) -> None:
    closed("private-lab-owner", "source")  # type: ignore[operator]
    told, unknown = set(), fresh_number()
    for number in (platform.nin("citizen"), platform.nin("opted-out"), unknown):
        raw = a_message(platform, number=number, id_=f"outside-{secrets.token_hex(4)}")
        answer = platform.send(raw, headers={"accept": "application/json"})
        told.add((answer.status_code, answer.json()["reason"].partition(" Den deltok til ")[0]))
    assert told == {(403, "Virksomheten som ville sende inn, deltar ikke i delingen av disse opplysningene.")}
    receipt = platform.send(raw)
    assert b"deltar ikke i delingen" in receipt.content
    rows = platform.rows(
        "SELECT count(*) FROM person_identifier i WHERE i.digest = $1", _digest(platform, "13897512343")
    )
    assert rows[0]["count"] == 0


def _digest(platform: Standing, number: str) -> bytes:

    return digest(platform.application._edge.store.keys.derived("identifier"), number)


def test_a_pilot_is_opened_widened_and_closed_and_its_history_is_whole(platform: Standing) -> None:
    number = platform.population.units["outside"].number
    made = operated(
        platform, "POST", organisation=number, service="results", part="consumer", phase="pilot", areas="5001",
        basis="Avtale om utprøving",
    )  # fmt: skip
    assert (made.status_code, made.json()["covered"], made.json()["units"]) == (201, 1, 1)
    first = made.json()["number"]
    forgotten(platform)
    assert "deltar ikke" not in platform.search("Observation", as_="outside-doctor").response.text
    wider = operated(platform, "POST", f"/{first}/widen", areas="50", phase="rollout", basis="Vedtak om bredding")
    second = wider.json()["number"]
    assert operated(platform, "POST", f"/{second}/close", why="Avtalen er sagt opp").status_code == 200
    forgotten(platform)
    assert platform.search("Observation", as_="outside-doctor").status == 403
    rows = operated(platform, "GET", f"/{first}").json()["participation"]
    assert {row["name"] for row in rows} == {"Tinderøy velvære AS"}
    assert [(row["number"], row["phase"], row.get("widens")) for row in rows] == [
        (first, "pilot", None), (second, "rollout", first),
    ]  # fmt: skip
    assert rows[0]["until"] == rows[1]["since"]
    assert {row["endedBy"] for row in rows} == {row["madeBy"] for row in rows}


def test_only_an_operator_reads_or_changes_the_register(platform: Standing) -> None:
    for as_ in ("gp", "lab", "citizen"):
        patient = platform.nin("citizen") if as_ == "gp" else ""
        for method, path in (("GET", ""), ("GET", "/1"), ("POST", ""), ("POST", "/1/close"), ("POST", "/1/widen")):
            answer = platform.client.call(method, f"/participation{path}", as_=as_, patient=patient)
            assert (answer.status_code, answer.json()["where"]) == (403, "scope")


def test_an_operator_in_person_changes_it_too_and_is_named(platform: Standing) -> None:
    number = platform.population.units["health-centre"].number
    made = operated(
        platform, "POST", as_="administrator", organisation=number, service="results", part="source", phase="pilot",
        basis="Avtale om utprøving",
    )  # fmt: skip
    assert made.status_code == 201
    (row,) = operated(platform, "GET", f"/{made.json()['number']}").json()["participation"]
    assert row["madeBy"] == platform.population.operator.name
    (logged,) = platform.audited(made)
    assert (logged["about"], logged["caller_name"]) == (f"participation/{row['number']}", row["madeBy"])
    operated(platform, "POST", f"/{row['number']}/close", why="Var bare en prøve")


async def test_a_citizen_changes_nothing_whatever_her_token_holds() -> None:
    citizen = Caller("citizen", "portal", frozenset({"kjerne:operations", "kjerne:citizen"}), level=4)
    pool: Any = None  # is never reached
    api = ParticipationApi(Register(pool, {"results"}), pool)
    call: Any = SimpleNamespace(caller=citizen, form=(), at=None, correlation="c", parameters={"number": "1"})
    for change in (api.opened, api.widened, api.closed):
        with pytest.raises(Refusal) as refused:
            await change(call)
        assert refused.value.status == 403


@pytest.mark.parametrize("path", ["?who=1", "?state=now", "?state=ended&state=coming", "/x", "/999999", "?_after=-1"])
def test_what_the_register_cannot_be_asked_is_refused(platform: Standing, path: str) -> None:
    assert operated(platform, "GET", path).status_code in (400, 404)


def test_the_memory_of_who_takes_part_is_as_short_as_promised() -> None:
    assert REMEMBERED_SECONDS <= 2


@pytest.mark.parametrize("field", ["since", "until"])
@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59-23:59", "0001-01-01", "2200-01-01T00:00:00Z"])
def test_an_instant_that_no_calendar_shows_is_refused(platform: Standing, field: str, instant: str) -> None:
    number = platform.population.units["outside"].number
    given = {"organisation": number, "service": "results", "part": "source", "phase": "pilot", "areas": "0301"}
    answer = operated(platform, "POST", **given, basis="Avtale om pilot", **{field: instant})
    assert (answer.status_code, answer.json()["where"]) == (400, field)
    row = of(platform, "municipality", "consumer")
    closed = operated(platform, "POST", f"/{row}/close", at=instant, why=REASON)
    assert (closed.status_code, closed.json()["where"]) == (400, "at")
