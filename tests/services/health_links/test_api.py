"""The public door of links over the real platform, by a receiver that was written from the specification."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

import shl_client
from handing import forget, handed_out
from kjerne.access import Label
from kjerne.services.critical.keeping import VERIFIED
from kjerne.services.health_links.payload import VIEWS
from kjerne.store import summary_links
from pages.test_live import tab
from pages.test_live_critical import act, opened
from platform_fixture import Standing, Tree
from services.critical import records
from services.critical.records import ask
from services.results.test_intake_api import key_of
from services.test_standards import label, observation
from services.test_standards_registered import allergy, choose, consent, person, registered, send
from words import fresh as word

WHO = "Dr. Example, Lisboa"
NAME = word()
"""What an analysis is called here."""


@pytest.fixture(autouse=True)
def _clean(platform: Standing) -> Iterator[None]:
    forget(platform)
    yield
    forget(platform)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=30) as found:
        yield found


def changed(platform: Standing, what: str) -> None:
    assert platform.rows(f"UPDATE summary_link SET {what} RETURNING 1")


def rows(platform: Standing, rule: str) -> list[Any]:
    return platform.rows("SELECT * FROM audit WHERE rule = $1 ORDER BY at DESC, number", rule)


def test_a_receiver_reads_the_summary_by_link_and_passcode(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform, label="Ferie i Hellas") as it:
        assert it.link.rest["label"] == "Ferie i Hellas"
        (document,) = shl_client.files(http, it.link, shl_client.manifest(http, it.link, it.passcode))
    assert (document["resourceType"], document["type"], document["language"]) == ("Bundle", "document", "en")
    patient = next(one["resource"] for one in document["entry"] if one["resource"]["resourceType"] == "Patient")
    assert platform.nin("citizen") in json.dumps(patient)


def test_how_our_own_page_shows_it_is_told_to_that_page_alone_and_is_as_locked(
    platform: Standing, http: httpx.Client
) -> None:
    with handed_out(platform) as made:
        plain = shl_client.manifest(http, made.link, made.passcode).json()["files"]
        ours = shl_client.manifest(http, made.link, made.passcode, views=True, embeddedLengthMax=10_000_000).json()[
            "files"
        ]
    assert [one["contentType"] for one in plain] == ["application/fhir+json"]
    assert [one["contentType"] for one in ours] == ["application/fhir+json", VIEWS]
    header, opened_ = shl_client.opened(ours[1]["embedded"], made.link.key)
    assert (header["cty"], set(json.loads(opened_)["in"])) == (VIEWS, {"nb", "nn", "en"})


def test_the_server_keeps_neither_address_nor_key_nor_passcode_nor_a_word_of_it(platform: Standing) -> None:
    with handed_out(platform, label="Ferie") as it:
        (row,) = platform.rows("SELECT * FROM summary_link")
    secret = it.link.url.rpartition("/")[2]
    kept = b"|".join(str(value).encode() if not isinstance(value, bytes) else value for value in row.values())
    for text in (secret, it.passcode, it.passcode.replace(" ", ""), "Ferie", platform.nin("citizen"), "Bundle"):
        assert text.encode() not in kept
    assert it.link.key not in kept
    assert shl_client.unpadded(secret) not in kept


def test_nothing_in_the_log_of_the_server_opens_it(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it:
        answer = shl_client.manifest(http, it.link, it.passcode, embeddedLengthMax=0)
        shl_client.files(http, it.link, answer)
    written = platform.written.getvalue()
    for text in (it.link.url.rpartition("/")[2], answer.json()["files"][0]["location"].rpartition("/")[2], it.passcode):
        assert text not in written
    assert "/shl/{id}" in written


def test_a_file_is_fetched_from_its_address_once_where_it_may_not_stand_inside(
    platform: Standing, http: httpx.Client
) -> None:
    with handed_out(platform) as it:
        answer = shl_client.manifest(http, it.link, it.passcode, embeddedLengthMax=10)
        (file,) = answer.json()["files"]
        assert "embedded" not in file
        (document,) = shl_client.files(http, it.link, answer)
        assert document["type"] == "document"
        again = http.get(file["location"])
    assert again.status_code == 404
    assert again.headers["cache-control"] == "no-store"


def test_an_address_of_a_file_is_over_soon_and_with_its_link(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it:
        late = shl_client.manifest(http, it.link, it.passcode, embeddedLengthMax=10).json()["files"][0]["location"]
        platform.rows("UPDATE summary_link_file SET until = now() RETURNING 1")
        revoked = shl_client.manifest(http, it.link, it.passcode, embeddedLengthMax=10).json()["files"][0]["location"]
        changed(platform, "ended_at = now(), ended_why = 'revoked'")
        assert [http.get(one).status_code for one in (late, revoked)] == [404, 404]


def test_a_limit_that_is_long_enough_leaves_the_file_inside(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it:
        (file,) = shl_client.manifest(http, it.link, it.passcode, embeddedLengthMax=10_000_000).json()["files"]
        exact = shl_client.manifest(http, it.link, it.passcode, embeddedLengthMax=len(file["embedded"]))
        less = shl_client.manifest(http, it.link, it.passcode, embeddedLengthMax=len(file["embedded"]) - 1)
    assert "embedded" in exact.json()["files"][0]
    assert "embedded" not in less.json()["files"][0]
    assert (file["status"], file["fhirVersion"]) == ("finalized", "4.0.1")


def test_a_wrong_passcode_is_told_with_the_tries_that_are_left_and_the_last_ends_it(
    platform: Standing, http: httpx.Client
) -> None:
    with handed_out(platform) as it:
        left = [shl_client.manifest(http, it.link, "feil passord") for _ in range(summary_links.WRONG_MOST)]
        after = shl_client.manifest(http, it.link, it.passcode)
    assert {one.status_code for one in left} == {401}
    assert [one.json()["remainingAttempts"] for one in left] == list(range(summary_links.WRONG_MOST - 1, -1, -1))
    assert after.status_code == 404
    (row,) = platform.rows("SELECT content, ended_why FROM summary_link")
    assert (row["content"], row["ended_why"]) == (None, "tries")


def test_many_tries_at_once_are_never_more_than_the_limit(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it, ThreadPoolExecutor(24) as many:
        answers = list(many.map(lambda n: shl_client.manifest(http, it.link, f"feil passord {n}"), range(40)))
    told = sorted(one.json()["remainingAttempts"] for one in answers if one.status_code == 401)
    assert told == list(range(summary_links.WRONG_MOST))
    assert sum(one.status_code == 404 for one in answers) == 40 - summary_links.WRONG_MOST
    assert platform.rows("SELECT wrong FROM summary_link") == [{"wrong": summary_links.WRONG_MOST}]


def test_a_right_passcode_gives_no_tries_back(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it:
        shl_client.manifest(http, it.link, "feil passord")
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 200
        assert shl_client.manifest(http, it.link, "feil passord").json()["remainingAttempts"] == 8


def test_no_passcode_is_no_try_and_opens_nothing(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it:
        answers = [shl_client.manifest(http, it.link) for _ in range(3)]
    assert [(one.status_code, one.json()["remainingAttempts"]) for one in answers] == [(401, 10)] * 3


def test_what_opens_nothing_has_one_answer_whatever_the_reason(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as over, handed_out(platform) as ended:
        digests = [summary_links.digest_of(one.link.url.rpartition("/")[2]) for one in (over, ended)]
        platform.rows("UPDATE summary_link SET until = now() WHERE digest = $1 RETURNING 1", digests[0])
        platform.rows("UPDATE summary_link SET ended_at = now() WHERE digest = $1 RETURNING 1", digests[1])
        base = over.link.url.rpartition("/")[0]
        asked = {"recipient": WHO, "passcode": over.passcode}
        urls = [over.link.url, ended.link.url, f"{base}/{'A' * 43}", f"{base}/x", f"{base}/file", f"{base}/{'å' * 43}"]
        answers = [http.post(url, json=asked) for url in urls]
    assert {one.status_code for one in answers} == {404}
    told = {(one.content, tuple(sorted(one.headers.keys())), one.headers["cache-control"]) for one in answers}
    assert len(told) == 1


def test_it_opens_until_its_end_and_not_at_it(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform, hours="1") as it:
        (row,) = platform.rows("SELECT digest, made_at, until FROM summary_link")
        pool = platform.application._edge.store.pool
        moments = (row["until"].replace(microsecond=0), row["until"] - summary_links.HOUR / 3_600_000)
        found = [platform.run(summary_links.living(pool, row["digest"], at)) for at in moments]
    assert [one is None for one in found] == [True, False]
    assert it.link.rest["exp"] == int(row["until"].timestamp())


def test_it_is_opened_so_often_an_hour_and_no_more(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it:
        now = platform.clock.now()  # which other tests may have moved on from the database's
        changed(platform, f"hour_from = '{now.isoformat()}', hour_count = {summary_links.HOURLY_MOST - 1}")
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 200
        busy = shl_client.manifest(http, it.link, it.passcode)
        assert busy.status_code == 429
        assert 3500 <= int(busy.headers["retry-after"]) <= 3600
        changed(platform, f"hour_from = '{(now - timedelta(hours=1)).isoformat()}'")
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 200
    assert platform.rows("SELECT hour_count, opened FROM summary_link") == [{"hour_count": 1, "opened": 2}]


def test_a_browser_of_any_site_may_ask(platform: Standing, http: httpx.Client) -> None:
    asked = {"origin": "https://viewer.example", "access-control-request-method": "POST"}
    with handed_out(platform) as it:
        before = http.options(it.link.url, headers=asked | {"access-control-request-headers": "content-type"})
        answers = [
            shl_client.manifest(http, it.link, it.passcode),
            shl_client.manifest(http, it.link, "feil passord"),
            http.post(it.link.url, content=b"{}", headers={"content-type": "text/plain"}),
            http.post(f"{it.link.url[:-1]}_", json={"recipient": WHO}),
        ]
    assert before.status_code == 204
    assert before.headers["access-control-allow-methods"] == "POST"
    assert before.headers["access-control-allow-headers"] == "content-type"
    assert {one.headers["access-control-allow-origin"] for one in (before, *answers)} == {"*"}
    assert {one.headers["cache-control"] for one in (before, *answers)} == {"no-store"}


@pytest.mark.parametrize(
    ("sent", "status", "where"),
    [
        ({}, 400, "recipient"),
        ({"recipient": ""}, 400, "recipient"),
        ({"recipient": "\u202e "}, 400, "recipient"),
        ({"recipient": 7}, 400, "recipient"),
        ({"recipient": "x" * 201}, 400, "recipient"),
        ({"recipient": WHO, "passcode": 12345678}, 400, "passcode"),
        ({"recipient": WHO, "passcode": ["48219037"]}, 400, "passcode"),
        ({"recipient": WHO, "passcode": "x" * 201}, 400, "passcode"),
        ({"recipient": WHO, "embeddedLengthMax": -1}, 400, "embeddedLengthMax"),
        ({"recipient": WHO, "embeddedLengthMax": "10"}, 400, "embeddedLengthMax"),
        ({"recipient": WHO, "embeddedLengthMax": True}, 400, "embeddedLengthMax"),
    ],
)
def test_a_body_that_is_not_as_it_should_be_is_told_of_and_is_no_try(
    platform: Standing, http: httpx.Client, sent: Any, status: int, where: str
) -> None:
    with handed_out(platform) as it:
        answer = http.post(it.link.url, json=sent)
        nobodys = http.post(f"{it.link.url[:-1]}_", json=sent)
        assert (answer.status_code, answer.json()["where"]) == (status, where)
        assert (nobodys.status_code, nobodys.content) == (answer.status_code, answer.content)
    assert platform.rows("SELECT wrong, opened FROM summary_link") == [{"wrong": 0, "opened": 0}]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"recipient": "x"}', "text/plain", 415),
        (b"recipient=x", "application/x-www-form-urlencoded", 415),
        (b'{"recipient": "x"}', "application/fhir+json", 415),
        (b"[]", "application/json", 400),
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"recipient": "x", "recipient": "y"}', "application/json", 400),
        (b'{"recipient": "' + b"x" * 20_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_no_manifest_request_is_refused(
    platform: Standing, http: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    answer = http.post(f"{platform.url}/shl/{'A' * 43}", content=content, headers={"content-type": kind})
    assert answer.status_code == status


def test_what_the_specification_does_not_name_is_passed_over(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it:
        answer = shl_client.manifest(http, it.link, it.passcode, purpose="TREAT", extension=[{"url": "x"}])
    assert answer.status_code == 200


def test_only_a_post_is_taken_and_the_page_is_beside_it(platform: Standing, http: httpx.Client) -> None:
    with handed_out(platform) as it:
        assert http.get(it.link.url).status_code == 405
    page = http.get(f"{platform.url}/shl", headers={"accept": "text/html"})
    assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
    assert page.headers["cache-control"] == "no-store"


def test_each_opening_and_each_wrong_try_stands_in_her_log_with_the_receivers_word(
    platform: Standing, http: httpx.Client
) -> None:
    with handed_out(platform) as it:
        shl_client.manifest(http, it.link, "feil passord")
        opened = shl_client.manifest(http, it.link, it.passcode)
    (link,) = platform.rows("SELECT * FROM summary_link")
    (row,) = platform.rows("SELECT * FROM audit WHERE correlation = $1", opened.headers["x-correlation-id"])
    assert row["patient"] == key_of(platform, platform.nin("citizen"))
    assert (row["rule"], row["outcome"], row["caller_kind"]) == (summary_links.OPENED, 0, "system")
    assert row["about"] == f"summary-link/{link['number']}"
    assert (row["ids"], row["versions"]) == (link["ids"], link["versions"])
    assert row["written"] and WHO.encode() not in row["written"], "what somebody said is sealed"
    assert WHO not in str(row)
    wrong = rows(platform, summary_links.REFUSED)[0]
    assert (wrong["outcome"], wrong["ids"], wrong["about"]) == (1, [], row["about"])
    made = rows(platform, summary_links.MADE)[0]
    assert (made["caller_kind"], made["about"], made["ids"]) == ("citizen", row["about"], link["ids"])


def test_what_is_drawn_stands_in_her_log_service_by_service(platform: Standing) -> None:
    with handed_out(platform):
        made = rows(platform, summary_links.MADE)[0]
    drawn = platform.rows(
        "SELECT service, ids FROM audit WHERE patient = $1 AND action = 'search' AND at = $2",
        made["patient"],
        made["at"],
    )
    drawn = drawn or platform.rows(
        "SELECT service, ids FROM audit WHERE patient = $1 AND action = 'search' ORDER BY at DESC LIMIT 3",
        made["patient"],
    )
    named = {id_ for row in drawn for id_ in row["ids"]}
    assert {row["service"] for row in drawn} == {"critical-information", "record", "results"}
    assert set(made["ids"]) <= named


@pytest.mark.parametrize("after", ["withdrawn", "withheld", "deleted"])
def test_a_copy_does_not_outlive_what_is_taken_back_or_hidden_from_her(
    platform: Standing, http: httpx.Client, after: str
) -> None:
    id_ = registered(platform, allergy(platform))
    with handed_out(platform) as it:
        (row,) = platform.rows("SELECT ids FROM summary_link")
        assert UUID(id_) in row["ids"]
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 200
        if after == "deleted":
            platform.rows("DELETE FROM record WHERE id = $1 RETURNING 1", UUID(id_))
        else:
            label(platform, id_, Label.WITHDRAWN if after == "withdrawn" else Label.WITHHELD_FROM_CITIZEN)
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 404
    (ended,) = platform.rows("SELECT content, ended_why FROM summary_link")
    assert (ended["content"], ended["ended_why"]) == (None, "changed")
    platform.rows("DELETE FROM record WHERE id = $1 RETURNING 1", UUID(id_))


def deleted_at_the_national_address(platform: Standing, id_: str) -> int:
    return ask(platform, "DELETE", f"AllergyIntolerance/{id_}", version=1).status


def put_at_the_national_address(platform: Standing, id_: str) -> int:
    return ask(platform, "PUT", f"AllergyIntolerance/{id_}", in_error(platform, id_), version=1).status


def put_by_fhir(platform: Standing, id_: str) -> int:
    return send(platform, "PUT", f"AllergyIntolerance/{id_}", in_error(platform, id_), version=1).status


def retracted_on_a_page(platform: Standing, id_: str) -> int:
    with tab(platform, "gp") as it:
        return act(it, opened(it, "citizen"), id_, "retract", why="Registrert på feil pasient").status_code


def in_error(platform: Standing, id_: str) -> Tree:
    said = {"coding": [{"system": VERIFIED["AllergyIntolerance"], "code": "entered-in-error"}]}
    tree = platform.get(f"AllergyIntolerance/{id_}").tree
    return {key: one for key, one in tree.items() if key != "clinicalStatus"} | {"verificationStatus": said}


@pytest.mark.parametrize(
    "way", [deleted_at_the_national_address, put_at_the_national_address, put_by_fhir, retracted_on_a_page]
)
def test_a_copy_does_not_outlive_what_is_entered_in_error_by_whichever_way_it_is_said(
    platform: Standing, http: httpx.Client, way: Callable[[Standing, str], int]
) -> None:
    name = word()
    drug = {"coding": [{"system": "http://www.whocc.no/atc", "code": f"X{name[:6].upper()}", "display": name}]}
    id_ = records.registered(platform, records.allergy(platform, code=drug))["id"]
    with handed_out(platform) as it:
        answer = shl_client.manifest(http, it.link, it.passcode)
        assert name in json.dumps(shl_client.files(http, it.link, answer))
        late = shl_client.manifest(http, it.link, it.passcode, embeddedLengthMax=10).json()["files"][0]["location"]
        assert way(platform, id_) in (200, 204)
        assert http.get(late).status_code == 404
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 404
    (ended,) = platform.rows("SELECT content, ended_why FROM summary_link")
    assert (ended["content"], ended["ended_why"]) == (None, "changed")


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_a_copy_does_not_outlive_a_result_that_is_taken_back(
    platform: Standing, http: httpx.Client, status: str
) -> None:
    (made,) = observed(platform)
    with handed_out(platform) as it:
        assert UUID(made) in platform.rows("SELECT ids FROM summary_link")[0]["ids"]
        assert (
            send(
                platform, "PUT", f"Observation/{made}", about(platform, id=made, status=status), as_="lab", version=1
            ).status
            == 200
        )
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 404


def test_a_copy_does_not_outlive_the_report_that_its_results_came_with(platform: Standing, http: httpx.Client) -> None:
    """The results get no version by it; the report is not in the copy itself."""
    made = observed(platform)
    tree = about(
        platform, resourceType="DiagnosticReport", result=[{"reference": f"Observation/{one}"} for one in made]
    )
    del tree["valueQuantity"]
    id_ = registered(platform, tree, as_="lab")
    with handed_out(platform) as it:
        ids = platform.rows("SELECT ids FROM summary_link")[0]["ids"]
        assert (UUID(made[0]) in ids, UUID(id_) in ids) == (True, False)
        taken = send(
            platform,
            "PUT",
            f"DiagnosticReport/{id_}",
            tree | {"id": id_, "status": "entered-in-error"},
            as_="lab",
            version=1,
        )
        assert taken.status == 200, taken.response.text
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 404
    assert platform.rows("SELECT content, ended_why FROM summary_link") == [{"content": None, "ended_why": "changed"}]


def test_a_correction_ends_no_copy(platform: Standing, http: httpx.Client) -> None:
    (made,) = observed(platform)
    with handed_out(platform) as it:
        corrected = about(platform, id=made, status="corrected", valueQuantity={"value": 3.1, "unit": "mmol/L"})
        assert send(platform, "PUT", f"Observation/{made}", corrected, as_="lab", version=1).status == 200
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 200


def about(platform: Standing, **more: Any) -> Tree:
    """A result of now by a name of its own, so that it is among those that a summary has."""
    now = platform.clock.now().isoformat(timespec="seconds")
    return observation(subject=person(platform, "citizen"), effectiveDateTime=now, code={"text": NAME}) | more


def observed(platform: Standing) -> list[str]:
    """A result of the citizen's."""
    return [registered(platform, about(platform), as_="lab")]


@pytest.fixture
def chosen(platform: Standing) -> Iterator[Callable[[Tree], None]]:
    """Makes a choice of the citizen's, which is withdrawn at the end."""
    made: list[Tree] = []

    def make(tree: Tree) -> None:
        made.append(choose(platform, tree, "citizen"))

    yield make
    for one in made:
        choose(platform, one | {"status": "inactive"}, "citizen", withdrawn=True)


@pytest.mark.parametrize("kind", ["opt-out", "restriction", "record"])
def test_a_copy_does_not_outlive_a_choice_that_shuts_something_in_it(
    platform: Standing, http: httpx.Client, chosen: Callable[[Tree], None], kind: str
) -> None:
    id_ = registered(platform, allergy(platform))
    about = [{"meaning": "instance", "reference": {"identifier": {"value": id_}}}]
    with handed_out(platform) as it:
        chosen(consent(kind, **({"data": about} if kind == "record" else {})))
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 404
        (row,) = platform.rows("SELECT content, ended_why FROM summary_link")
        assert (row["content"], row["ended_why"]) == (None, "choice")
    platform.rows("DELETE FROM record WHERE id = $1 RETURNING 1", UUID(id_))


def test_a_copy_is_over_when_whoever_made_it_has_no_right_to_it_any_more(
    platform: Standing, http: httpx.Client
) -> None:
    with handed_out(platform) as it:
        (mother,) = platform.rows(
            "SELECT digest FROM person_identifier WHERE patient = $1", key_of(platform, platform.nin("parent"))
        )
        platform.rows("UPDATE summary_link SET maker = $1 RETURNING 1", mother["digest"])
        assert shl_client.manifest(http, it.link, it.passcode).status_code == 404
    (row,) = platform.rows("SELECT content, ended_why FROM summary_link")
    assert (row["content"], row["ended_why"]) == (None, "law")
