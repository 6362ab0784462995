"""Conditional create, update and delete, and deletion: none, one or many answer, and nothing is told of what others filed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest

from bundles import bundle, entry, send
from kjerne.access import Choice, Label
from kjerne.registries.identifiers import digest
from platform_fixture import Answered, Standing, Tree
from services.results.conftest import fresh_number
from services.results.kith.conftest import Kith
from services.results.test_intake_api import key_of
from services.test_patients import id_of as patient_id
from services.test_standards import FHIR, label, observation, read
from services.test_standards_patch import STATUS, WHO, patch

SYSTEM = "urn:oid:2.16.578.1.12.4.1.4.1"
AT = "/fhir/R4/Observation"


def numbered(number: str, **more: Any) -> Tree:
    return observation(identifier=[{"system": "http://lab.example/id", "value": number}], **more)


def ask(
    platform: Standing, method: str, path: str, tree: Tree | None = None, *, as_: str = "lab", about: str = WHO,
    **headers: str,
) -> Answered:  # fmt: skip
    body = json.dumps(tree).encode() if tree is not None else b""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = ({"content-type": FHIR} if tree is not None else {}) | named
    patient = platform.nin(about) if about else ""
    return Answered(platform.client.call(method, path, as_=as_, patient=patient, body=body, headers=sent))


def create(platform: Standing, number: str, **headers: str) -> Answered:
    return ask(
        platform, "POST", AT, numbered(number), if_none_exist=f"identifier=http://lab.example/id|{number}", **headers
    )


def update(platform: Standing, number: str, tree: Tree | None = None, **headers: str) -> Answered:
    return ask(platform, "PUT", f"{AT}?identifier={number}", tree or numbered(number), **headers)


def made_twice(platform: Standing) -> str:
    """A number that two records of the same source have."""
    number = str(uuid4())
    for _ in range(2):
        assert ask(platform, "POST", AT, numbered(number)).status == 201
    return number


def id_of(answer: Answered) -> str:
    return answer.response.headers["location"].split("/")[-3]


def held(platform: Standing, number: str) -> list[str]:
    return read(platform, f"Observation?identifier={number}", about=WHO).ids()


@pytest.fixture
def number() -> str:
    return str(uuid4())


def test_a_create_that_is_repeated_makes_one_record(platform: Standing, number: str) -> None:
    first, again = create(platform, number), create(platform, number)
    assert (first.status, again.status) == (201, 200)
    assert again.response.headers["location"] == first.response.headers["location"]
    assert again.response.headers["etag"] == 'W/"1"'
    assert again.tree["resourceType"] == "OperationOutcome", "who sends in does not read"
    assert create(platform, number, prefer="return=minimal").response.content == b""
    assert held(platform, number) == [id_of(first)]
    (row,) = platform.audited(again.response)
    told = row["rule"], row["outcome"], [str(one) for one in row["ids"]], row["versions"]
    assert told == ("met-and-not-written", 0, [id_of(first)], [1])
    assert row["says"].endswith("Ingenting ble registrert eller endret.")


def test_a_condition_that_several_answer_is_refused(platform: Standing) -> None:
    number = made_twice(platform)
    for answer in (
        create(platform, number),
        update(platform, number),
        ask(platform, "DELETE", f"{AT}?identifier={number}"),
    ):
        assert (answer.status, answer.issue["code"]) == (412, "conflict")
        (row,) = platform.audited(answer.response)
        assert (row["rule"], row["outcome"], row["versions"]) == ("refused-as-it-stands", 1, [1, 1])
        assert {str(one) for one in row["ids"]} == set(held(platform, number))
    assert len(held(platform, number)) == 2


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_stands_in_the_way_of_a_write_is_named_in_the_log_though_nothing_changed(
    platform: Standing, number: str, method: str
) -> None:
    """Which version there is, is told by a refusal; so the try is in her log (law, K82). One that works has its one row."""
    id_ = id_of(create(platform, number))
    put = numbered(number, id=id_) if method == "PUT" else None
    tries = [
        ask(platform, method, f"{AT}/{id_}", put, if_match='W/"7"'),
        ask(platform, method, f"{AT}/{id_}", put, if_match='W/"1"', about="citizen"),
        ask(platform, method, f"{AT}?identifier={number}", put, if_match='W/"7"'),
    ]
    if method == "PUT":
        tries.append(update(platform, number))
        tries.append(ask(platform, method, f"{AT}?identifier={number}", {**put, "id": "x"}, if_match='W/"1"'))  # type: ignore[dict-item]
    assert [one.status for one in tries] == [412, 422, 412, 428, 400][: len(tries)]
    for answer in tries:
        (row,) = platform.audited(answer.response)
        assert (row["rule"], row["action"], row["outcome"]) == ("refused-as-it-stands", "correct", 1)
        assert ([str(one) for one in row["ids"]], row["versions"]) == ([id_], [1])
    done = ask(platform, method, f"{AT}/{id_}", put, if_match='W/"1"')
    assert [row["outcome"] for row in platform.audited(done.response)] == [0]


def test_that_no_record_answers_is_a_row_too_where_a_write_is_refused_for_it(platform: Standing, number: str) -> None:
    answer = update(platform, number, if_match='W/"1"')
    (row,) = platform.audited(answer.response)
    assert (answer.status, row["rule"], row["action"], row["ids"]) == (412, "refused-as-it-stands", "file", [])


@pytest.mark.parametrize(
    ("criteria", "status"),
    [
        ("", 400), ("?", 400), ("_count=1", 400), ("identifier=x&_sort=date", 400), ("identifier", 400),
        ("Observation?identifier=x", 400), ("nothing=x", 400), ("identifier=", 400), ("subject=Patient/1", 400),
        ("&".join(["code=x"] * 65), 400), ("specimen.status=available", 400), ("_has:DiagnosticReport:result:status=final", 400),
    ],
)  # fmt: skip
def test_criteria_that_are_none_are_refused(platform: Standing, criteria: str, status: int) -> None:
    assert ask(platform, "POST", AT, observation(), if_none_exist=criteria).status == status


def test_whom_a_deletion_is_about_its_criteria_say_by_her_address(platform: Standing, number: str) -> None:
    create(platform, number)
    (whose,), (others,) = (platform.get("Patient", about=about).ids() for about in (WHO, "pregnant"))
    by = f"{AT}?identifier={number}&"
    for criteria in (f"patient=Patient/{whose}&patient.name=x", f"patient=Patient/{whose}&patient=Patient/{others}"):
        assert ask(platform, "DELETE", by + criteria, about="").status == 400
    assert ask(platform, "DELETE", f"{AT}?patient=Patient/{whose}", about="").status == 400, "it says of none which"
    assert ask(platform, "DELETE", f"{by}patient=Patient/{others}", about="").status == 204
    assert len(held(platform, number)) == 1, "another's is another"
    assert ask(platform, "DELETE", f"{by}patient=Patient/{whose}", about="").status == 204
    assert held(platform, number) == []


def test_what_another_source_filed_answers_no_condition(platform: Standing, number: str) -> None:
    """Its status, its answer and its time tell nothing: each source has a record of its own."""
    own = create(platform, number)
    absent = create(platform, str(uuid4()), prefer="return=minimal")
    criteria = f"identifier=http://lab.example/id|{number}"
    other = ask(
        platform, "POST", AT, numbered(number), as_="hospital-lab", if_none_exist=criteria, prefer="return=minimal"
    )
    assert (other.status, other.response.content) == (absent.status, absent.response.content) == (201, b"")
    gone = ask(platform, "DELETE", f"{AT}?identifier={number}", as_="hospital-lab")
    assert gone.status == 204 and held(platform, number) == [id_of(own)], "it deleted its own"
    assert ask(platform, "DELETE", f"{AT}?identifier={number}", as_="hospital-lab").response.content == b""


def test_what_is_shut_to_readers_answers_its_own_source(platform: Standing, number: str) -> None:
    """Else the same result would be filed again beside the one that the patient has restricted."""
    first = create(platform, number)
    label(platform, id_of(first), Label.RESTRICTED)
    again = create(platform, number)
    assert (again.status, id_of(again)) == (200, id_of(first))
    changed = update(platform, number, numbered(number, status="amended"), if_match='W/"1"')
    assert (changed.status, id_of(changed)) == (200, id_of(first))
    assert held(platform, number) == []


def test_what_was_withdrawn_or_deleted_answers_nothing(platform: Standing, number: str) -> None:
    first = create(platform, number)
    label(platform, id_of(first), Label.WITHDRAWN)
    second = create(platform, number)
    assert second.status == 201
    assert ask(platform, "DELETE", f"{AT}/{id_of(second)}").status == 204
    assert create(platform, number).status == 201


def test_of_conditional_creates_at_the_same_time_one_makes_a_record(platform: Standing, number: str) -> None:
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: create(platform, number), range(8)))
    assert sorted(one.status for one in answers) == [200] * 7 + [201]
    assert len({one.response.headers["location"] for one in answers}) == 1
    assert len(held(platform, number)) == 1


def test_of_conditional_updates_at_the_same_time_one_makes_a_record(platform: Standing, number: str) -> None:
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: update(platform, number), range(8)))
    assert sorted(one.status for one in answers) == [201] + [428] * 7
    assert len(held(platform, number)) == 1


def test_a_conditional_update_makes_a_record_and_then_versions_of_it(platform: Standing, number: str) -> None:
    first = update(platform, number)
    assert (first.status, first.tree["meta"]["versionId"]) == (201, "1")
    unseen = update(platform, number, numbered(number, status="amended"))
    assert (unseen.status, unseen.response.headers["etag"]) == (428, 'W/"1"')
    second = update(platform, number, numbered(number, status="amended"), if_match=unseen.response.headers["etag"])
    assert (second.status, second.tree["id"], second.tree["meta"]["versionId"]) == (200, first.tree["id"], "2")
    assert update(platform, number, if_match='W/"1"').status == 412
    assert read(platform, f"Observation/{first.tree['id']}", about=WHO).response.content == second.response.content


def test_an_id_in_the_body_is_that_of_the_record_which_answers(platform: Standing, number: str) -> None:
    assert update(platform, number, numbered(number, id="mine")).status == 400, "the server makes ids"
    assert update(platform, number, if_match='W/"1"').status == 412, "and nobody has seen what is not there"
    id_ = update(platform, number).tree["id"]
    assert update(platform, number, numbered(number, id=str(uuid4())), if_match='W/"1"').status == 400
    assert update(platform, number, numbered(number, id=id_), if_match='W/"1"').status == 200


def test_a_condition_is_about_one_patient(platform: Standing, number: str) -> None:
    create(platform, number)
    assert ask(platform, "DELETE", f"{AT}?identifier={number}", about="").status == 400
    assert ask(platform, "DELETE", f"{AT}?identifier={platform.nin(WHO)}").status == 400, (
        "no person number in an address"
    )
    elsewhere = ask(platform, "DELETE", f"{AT}?identifier={number}", about="renumbered")
    assert elsewhere.status == 204 and len(held(platform, number)) == 1
    own = {"identifier": {"system": SYSTEM, "value": platform.nin("renumbered")}}
    assert update(platform, number, numbered(number, subject=own)).status == 422


def test_nothing_is_filed_by_a_condition_about_who_has_opted_out(platform: Standing, number: str) -> None:
    tree, criteria = numbered(number), f"identifier={number}"
    plain = ask(platform, "POST", AT, tree, about="opted-out")
    answers = [
        ask(platform, "POST", AT, tree, about="opted-out", if_none_exist=criteria),
        ask(platform, "PUT", f"{AT}?{criteria}", tree, about="opted-out"),
    ]
    assert {(one.status, one.issue["diagnostics"]) for one in answers} == {(403, plain.issue["diagnostics"])}


NOTHING: Final = {
    "a deletion": ("DELETE", {}, {}),
    "a deletion that is told of": ("DELETE", {}, {"prefer": "return=OperationOutcome"}),
    "a deletion of a version": ("DELETE", {}, {"if_match": 'W/"1"'}),
    "an update with an id": ("PUT", {"id": "mine"}, {}),
    "an update of a version": ("PUT", {}, {"if_match": 'W/"1"'}),
    "an update about another": ("PUT", {"subject": {"identifier": {"system": SYSTEM, "value": Kith.NUMBER}}}, {}),
    "a creation about another": ("POST", {"subject": {"identifier": {"system": SYSTEM, "value": Kith.NUMBER}}}, {}),
    "a conditional creation about another": (
        "POST", {"subject": {"identifier": {"system": SYSTEM, "value": Kith.NUMBER}}}, {"if_none_exist": "code=nothing"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NOTHING)
def test_where_nothing_is_found_an_opt_out_a_stranger_and_anybody_are_one(platform: Standing, what: str) -> None:
    method, more, headers = NOTHING[what]
    path = AT if method == "POST" else f"{AT}?identifier={uuid4()}"
    tree = None if method == "DELETE" else numbered("1", **more)
    told, rules = [], set()
    for number in (platform.nin("opted-out"), fresh_number(), platform.nin("renumbered")):
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = platform.client.call(
            method, path, as_="lab", patient=number, body=json.dumps(tree).encode() if tree else b"",
            headers=sent | ({"content-type": FHIR} if tree else {}),
        )  # fmt: skip
        heard = {name: value for name, value in answer.headers.items() if name != "x-correlation-id"}
        told.append((answer.status_code, answer.content, heard))
        rules |= {(row["rule"], row["outcome"], len(row["ids"])) for row in platform.audited(answer)}
    assert told[0] == told[1] == told[2]
    assert {(rule, 1, 0) for rule, _, _ in rules} == rules, "refused, and never what was granted"
    assert ("nothing-of-its-own", 1, 0) in rules or method != "DELETE"


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_token_for_other_codes_hears_the_same_of_an_opt_out_as_of_anybody(platform: Standing, method: str) -> None:
    path = AT if method == "POST" else f"{AT}?identifier={uuid4()}"
    told = {
        (answer.status_code, answer.content)
        for number in (platform.nin("opted-out"), fresh_number(), platform.nin("renumbered"))
        for answer in [
            platform.client.call(
                method, path, as_="lab", patient=number, body=json.dumps(numbered("1")).encode(),
                headers={"content-type": FHIR}, narrower="system/Observation.cu?code=other",
            )
        ]
    }  # fmt: skip
    assert len(told) == 1 and next(iter(told))[0] == 403


def wrong_entries(platform: Standing) -> dict[str, Tree]:
    """Entries that nobody's transaction comes about with, and that are about nobody whom a header would name."""
    mine = {"subject": {"identifier": {"system": SYSTEM, "value": platform.nin(WHO)}}}
    stood = id_of(ask(platform, "POST", AT, numbered(str(uuid4()))))
    changed = entry("PUT", f"Observation/{stood}", numbered("1", id=stood, **mine), ifMatch='W/"7"')
    return {
        "another's address": entry("POST", "Observation", observation(subject={"reference": f"Patient/{patient_id(platform)}"})),
        "a body that is none": entry("POST", "Observation", observation(status="x", **mine)),
        "a version that is not there": changed,
    }  # fmt: skip


@pytest.mark.parametrize("what", ["another's address", "a body that is none", "a version that is not there"])
def test_what_could_never_be_filed_tells_nothing_of_an_opt_out(platform: Standing, what: str) -> None:
    wrong, told = wrong_entries(platform)[what], []
    for number in (platform.nin("opted-out"), fresh_number(), platform.nin("renumbered")):
        hers = {"subject": {"identifier": {"system": SYSTEM, "value": number}}}
        first = entry("POST", "Observation", observation(**hers), ifNoneExist=f"identifier={uuid4()}")
        linked = entry("POST", "Observation", observation(**hers), "urn:uuid:e6e6e2f5-5d0c-4c5c-8e3c-4f1f3b2f9a11")
        about = number if what == "another's address" else ""
        answers = [send(platform, bundle("transaction", first, linked, wrong), about=about)]
        if what == "another's address":
            lines = [observation(**hers), wrong["resource"]]
            sent = {"content-type": "application/fhir+ndjson"}
            body, path = "\n".join(map(json.dumps, lines)).encode(), "/fhir/R4/$import"
            named = platform.client.call("POST", path, as_="lab", patient=number, body=body, headers=sent)
            answers += [Answered(named), *(
                Answered(platform.client.call(
                    method, at, as_="lab", patient=number, body=json.dumps(wrong["resource"]).encode(),
                    headers={"content-type": FHIR} | more,
                ))
                for method, at, more in (
                    ("POST", AT, {}), ("POST", AT, {"if-none-exist": "code=nothing"}), ("PUT", f"{AT}?code=nothing", {}),
                )
            )]  # fmt: skip
        told.append([(one.status, one.issue) for one in answers])
    assert told[0] == told[1] == told[2]
    assert {status for status, _ in told[0]} <= {412, 422}


def test_a_transaction_of_which_nothing_else_is_wrong_says_that_nothing_is_filed(platform: Standing) -> None:
    number, kept = platform.nin("opted-out"), str(uuid4())
    hers = {"subject": {"identifier": {"system": SYSTEM, "value": number}}}
    mine = {"subject": {"identifier": {"system": SYSTEM, "value": platform.nin(WHO)}}}
    first = entry("POST", "Observation", observation(**hers), "urn:uuid:e6e6e2f5-5d0c-4c5c-8e3c-4f1f3b2f9a11",
                  ifNoneExist=f"identifier={uuid4()}")  # fmt: skip
    refers = {"derivedFrom": [{"reference": "urn:uuid:e6e6e2f5-5d0c-4c5c-8e3c-4f1f3b2f9a11"}]}
    entries = (
        first,
        entry("POST", "Observation", observation(**hers, **refers)),
        entry("POST", "Observation", numbered(kept, **mine)),
    )
    answer = send(platform, bundle("transaction", *entries))
    assert (answer.status, "expression" in answer.issue) == (403, False)
    assert held(platform, kept) == []
    rules = sorted(row["rule"] for row in platform.audited(answer.response))
    assert rules == ["filed-after-opt-out"] * 2 + ["refused-as-it-stands"]


@pytest.fixture
def regretting(platform: Standing) -> Iterator[Callable[[], None]]:
    """Has `WHO` opt out, until the end of the test."""
    store, made = platform.application._edge.store, list[tuple[int, int]]()

    async def begin() -> None:
        async with store.pool.acquire() as conn:
            key = await store.people.key_of(conn, digest(store.keys.derived("identifier"), platform.nin(WHO)))
            choice = Choice("opt-out", "results", "", "", platform.clock.now(), None)
            made.append((key, await store.people.add_choice(conn, key, choice)))

    async def end(key: int, number: int) -> None:
        async with store.pool.acquire() as conn:
            await store.people.end_choice(conn, key, number, platform.clock.now())

    yield lambda: platform.run(begin())
    for key, number in made:
        platform.run(end(key, number))


def test_a_source_puts_right_its_own_record_of_somebody_who_has_opted_out_and_files_nothing_new(
    platform: Standing, number: str, regretting: Callable[[], None]
) -> None:
    id_ = id_of(create(platform, number))
    regretting()
    answers = [
        ask(platform, "PUT", f"{AT}/{id_}", numbered(number, id=id_, status="amended"), if_match='W/"1"'),
        patch(platform, id_, [{"op": "replace", "path": "/status", "value": "corrected"}], "2"),
        update(platform, number, numbered(number, status="amended"), if_match='W/"3"'),
    ]
    assert [one.status for one in answers] == [200, 200, 200], [one.tree for one in answers]
    rows = [row for one in answers for row in platform.audited(one.response)]
    assert [(row["rule"], row["action"], row["versions"]) for row in rows] == [
        ("corrected-after-opt-out", "correct", [version]) for version in (2, 3, 4)
    ]
    assert read(platform, f"Observation/{id_}", about=WHO).status != 200, "it is still closed"
    assert update(platform, str(uuid4())).status == 403
    others = [
        ask(platform, method, f"{AT}/{id_}", tree, as_="hospital-lab", about="", **headers).status
        for method, tree, headers in (
            ("PUT", numbered(number, id=id_), {"if_match": 'W/"4"'}), ("DELETE", None, {}),
        )
    ]  # fmt: skip
    assert others == [404, 404]
    assert ask(platform, "DELETE", f"{AT}/{id_}").status == 204


CHANGING: Final = {
    "PUT": lambda platform, id_, **more: changing(platform, "PUT", id_, numbered("1", id=id_), **more),
    "PATCH": lambda platform, id_, **more: changing(platform, "PATCH", id_, [STATUS], **more),
    "DELETE": lambda platform, id_, **more: changing(platform, "DELETE", id_, None, **more),
}


def changing(platform: Standing, method: str, id_: str, body: Any, **more: Any) -> httpx.Response:
    sent = {"content-type": "application/json-patch+json" if method == "PATCH" else FHIR, "if-match": 'W/"1"'}
    return platform.client.call(
        method, f"{AT}/{id_}", body=json.dumps(body).encode() if body else b"",
        headers=sent if body else {"if-match": 'W/"1"'}, **more,
    )  # fmt: skip


@pytest.mark.parametrize("method", CHANGING)
def test_a_change_of_what_is_not_the_senders_own_is_refused_in_the_patients_log(
    platform: Standing, number: str, method: str
) -> None:
    id_ = id_of(create(platform, number))
    for more, rule in (
        ({"as_": "hospital-lab"}, "nothing-of-its-own"),
        ({"as_": "lab", "narrower": "system/Observation.ud?code=other"}, "scope-narrower"),
    ):
        answer = CHANGING[method](platform, id_, **more)
        (row,) = platform.audited(answer)
        assert answer.status_code in (403, 404)
        assert (row["rule"], row["outcome"], row["action"], row["ids"]) == (rule, 1, "correct", [])
        assert row["patient"] == key_of(platform, platform.nin(WHO))


@pytest.mark.parametrize("method", CHANGING)
@pytest.mark.parametrize("narrower", ["", "system/Observation.c"])
def test_an_id_that_is_none_is_refused_in_the_platforms_own_log_as_one_that_nobody_has(
    platform: Standing, method: str, narrower: str
) -> None:
    told = set()
    for id_ in ("1", str(uuid4())):
        answer = CHANGING[method](platform, id_, as_="lab", narrower=narrower)
        (row,) = platform.audited(answer)
        told.add((answer.status_code, answer.content, row["patient"], row["outcome"]))
    assert len(told) == 1
    assert next(iter(told))[::2] == (403 if narrower else 404, 0)


def test_what_is_deleted_is_gone_and_its_versions_stay_shut(platform: Standing, number: str) -> None:
    id_ = id_of(create(platform, number))
    assert ask(platform, "DELETE", f"{AT}/{id_}", if_match='W/"2"').status == 412
    answer = ask(platform, "DELETE", f"{AT}/{id_}", if_match='W/"1"')
    assert (answer.status, answer.response.content, answer.response.headers["etag"]) == (204, b"", 'W/"2"')
    (row,) = platform.audited(answer.response)
    assert (row["action"], row["outcome"], [str(one) for one in row["ids"]], row["versions"]) == (
        "correct",
        0,
        [id_],
        [2],
    )
    for end in ("", "/_history", "/_history/1", "/_history/2"):
        gone = read(platform, f"Observation/{id_}{end}", about=WHO)
        assert (gone.status, gone.issue["code"]) == (410, "deleted")
    assert held(platform, number) == []
    kept = platform.rows("SELECT version, deleted FROM record_history WHERE id = $1 ORDER BY version", UUID(id_))
    assert [tuple(one.values()) for one in kept] == [(1, False), (2, True)]


def test_a_deletion_once_more_changes_nothing(platform: Standing, number: str) -> None:
    id_ = id_of(create(platform, number))
    told = ask(platform, "DELETE", f"{AT}/{id_}", prefer="return=OperationOutcome")
    assert (told.status, told.tree["issue"][0]["severity"]) == (200, "information")
    assert ask(platform, "DELETE", f"{AT}/{id_}").status == 204
    assert len(platform.rows("SELECT 1 FROM record_history WHERE id = $1", UUID(id_))) == 2
    assert ask(platform, "DELETE", f"{AT}/{id_}?x=1").status == 400


def test_who_changes_what_was_deleted_meanwhile_hears_that_as_its_source_alone(platform: Standing, number: str) -> None:
    id_, tree = id_of(create(platform, number)), numbered(number)
    assert ask(platform, "DELETE", f"{AT}/{id_}").status == 204
    for version in ("1", "2"):
        late = ask(platform, "PUT", f"{AT}/{id_}", tree | {"id": id_}, if_match=f'W/"{version}"')
        assert [(one.status, one.issue["code"]) for one in (late, patch(platform, id_, [STATUS], version))] == [
            (412, "conflict")
        ] * 2
    others = [
        ask(platform, "PUT", f"{AT}/{one}", tree | {"id": one}, as_="hospital-lab", if_match='W/"1"')
        for one in (id_, str(uuid4()))
    ]
    assert {(one.status, one.response.content) for one in others} == {(404, others[0].response.content)}


def test_a_record_is_deleted_by_its_criteria(platform: Standing, number: str) -> None:
    id_ = id_of(create(platform, number))
    path = f"{AT}?identifier={number}"
    assert ask(platform, "DELETE", path, if_match='W/"3"').status == 412
    assert ask(platform, "DELETE", path).status == 204
    assert read(platform, f"Observation/{id_}", about=WHO).status == 410
    nothing = ask(platform, "DELETE", path)
    assert (nothing.status, "etag" in nothing.response.headers) == (204, False)
    assert ask(platform, "DELETE", AT).status == 400, "a deletion of everything is none"


def test_to_another_sender_what_it_would_delete_is_absent(platform: Standing, number: str) -> None:
    id_ = id_of(create(platform, number))
    others = [ask(platform, "DELETE", f"{AT}/{one}", as_="hospital-lab", about="") for one in (id_, str(uuid4()), "1")]
    assert ask(platform, "DELETE", f"{AT}/{id_}", about="renumbered").status == 422, "its own source has named another"
    ask(platform, "DELETE", f"{AT}/{id_}")
    others += [ask(platform, "DELETE", f"{AT}/{id_}", as_="hospital-lab", about="")]
    assert {(one.status, one.response.content) for one in others} == {(404, others[0].response.content)}


def test_that_a_hidden_record_was_deleted_is_not_told(platform: Standing, number: str) -> None:
    """To whom it was shut it was never there; neither is it to whoever the law opens nothing."""
    id_ = id_of(create(platform, number))
    label(platform, id_, Label.RESTRICTED)
    assert ask(platform, "DELETE", f"{AT}/{id_}").status == 204
    hidden, never = (read(platform, f"Observation/{one}", about=WHO) for one in (id_, str(uuid4())))
    assert (hidden.status, hidden.response.content) == (404, never.response.content)
    open_ = id_of(create(platform, number))
    assert ask(platform, "DELETE", f"{AT}/{open_}").status == 204
    assert read(platform, f"Observation/{open_}", about=WHO, as_="outsider").status == 404


def test_a_token_deletes_what_its_scopes_leave_whole(platform: Standing, number: str) -> None:
    id_ = id_of(create(platform, number))
    for scope, status in (
        ("system/Observation.cu", 403), ("system/Observation.d?status=final", 403), ("system/Observation.d", 204),
    ):  # fmt: skip
        answer = platform.client.call("DELETE", f"{AT}/{id_}", as_="lab", narrower=scope)
        assert answer.status_code == status, (scope, answer.text)


def test_a_condition_is_sent_once(platform: Standing, number: str) -> None:
    """Two headers would be read as alternatives of one."""
    token = platform.client.token("lab", path=AT)
    proof = token.headers("POST", platform.url + AT, platform.clock.now().timestamp())
    sent = [
        *proof.items(),
        ("content-type", FHIR),
        ("if-none-exist", f"identifier={number}"),
        ("if-none-exist", "code=x"),
    ]
    answer = platform.http.request("POST", platform.url + AT, content=b"{}", headers=sent)
    assert (answer.status_code, "more than once" in answer.text) == (400, True)


def test_who_had_read_a_result_is_told_that_it_was_deleted(platform: Standing, number: str) -> None:
    id_ = id_of(create(platform, number))
    assert read(platform, f"Observation/{id_}", about=WHO).status == 200
    ask(platform, "DELETE", f"{AT}/{id_}")
    (notice,) = platform.rows("SELECT kind, read_version, version FROM notice WHERE id = $1", UUID(id_))
    assert tuple(notice.values()) == ("corrected", 1, 2)


def test_the_capability_statement_tells_what_is_conditional(platform: Standing) -> None:
    told = platform.http.get(f"{platform.url}/fhir/R4/metadata").json()
    by_type = {one["type"]: one for one in told["rest"][0]["resource"]}
    found = by_type["Observation"]
    assert {"patch", "delete"} <= {one["code"] for one in found["interaction"]}
    names = ("conditionalCreate", "conditionalUpdate", "conditionalDelete", "conditionalRead", "versioning")
    assert [found[name] for name in names] == [True, True, "single", "full-support", "versioned-update"]
    assert not set(names[:4]) & by_type["Consent"].keys()
    assert told["patchFormat"] == ["application/json-patch+json", "application/xml-patch+xml", "application/fhir+json"]
