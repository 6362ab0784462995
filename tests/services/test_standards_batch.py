"""Batches and transactions over the wire: each entry passes the door of a single request; a transaction is done whole or not."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from bundles import FHIR, about, bundle, entry, places, send, statuses, told
from kjerne.access import Label
from kjerne.services import standards_batch
from platform_fixture import Standing, Tree
from services.test_standards import create, label, observation, read, update
from services.test_standards_patch import STATUS, replaced

WHO: Final = "parent"
OTHER: Final = "citizen"


def numbered(number: str, **more: Any) -> Tree:
    return observation(identifier=[{"system": "http://lab.example/id", "value": number}], **more)


def specimen(**more: Any) -> Tree:
    return {"resourceType": "Specimen", "status": "available", **more}


def report(*results: str, **more: Any) -> Tree:
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "Prøve"},
        "result": [{"reference": one} for one in results],
        **more,
    }


def held(platform: Standing, number: str, who: str = WHO) -> list[str]:
    return read(platform, f"Observation?identifier={number}", about=who).ids()


def is_taken_back(platform: Standing, address: str) -> bool:
    (row,) = platform.rows("SELECT labels FROM record WHERE id = $1", UUID(address.partition("/")[2]))
    return bool(row["labels"] & Label.WITHDRAWN_WITH_REPORT)


@pytest.fixture
def number() -> str:
    return str(uuid4())


@pytest.fixture
def made(platform: Standing) -> str:
    return str(create(platform, observation(), about=WHO).tree["id"])


@pytest.mark.parametrize("where", ["afterwards", "in the same transaction"])
def test_a_report_in_a_transaction_lets_what_was_taken_back_stand_again(platform: Standing, where: str) -> None:
    own = f"urn:uuid:{uuid4()}"
    made = send(
        platform,
        bundle(
            "transaction",
            entry("POST", "DiagnosticReport", report(own)),
            entry("POST", "Observation", observation(), own),
        ),
        about=WHO,
    )
    reported, observed = places(made)
    gone, anew = entry("DELETE", reported), entry("POST", "DiagnosticReport", report(observed))
    if where == "afterwards":
        send(platform, bundle("transaction", gone), about=WHO)
        assert is_taken_back(platform, observed)
        send(platform, bundle("transaction", anew), about=WHO)
    else:
        answer = send(platform, bundle("transaction", anew, gone), about=WHO)
        assert statuses(answer) == [201, 204]
    assert not is_taken_back(platform, observed)


def test_a_transaction_makes_all_with_references_to_one_another(platform: Standing, number: str) -> None:
    one, two, three = (f"urn:uuid:{uuid4()}" for _ in range(3))
    answer = send(
        platform,
        bundle(
            "transaction",
            entry("POST", "DiagnosticReport", report(two), one),
            entry("POST", "Observation", numbered(number, specimen={"reference": three}), two),
            entry("POST", "Specimen", specimen(), three),
        ),
        about=WHO,
    )
    assert (answer.status, statuses(answer)) == (200, [201, 201, 201])
    reported, observed, taken = places(answer)
    assert read(platform, reported, about=WHO).tree["result"] == [{"reference": observed}]
    assert read(platform, observed, about=WHO).tree["specimen"] == {"reference": taken}
    entries = answer.tree["entry"]
    assert [one["resource"]["resourceType"] for one in entries] == ["DiagnosticReport", "Observation", "Specimen"]
    assert all(one["response"]["etag"] == 'W/"1"' for one in entries)
    assert all(datetime.fromisoformat(one["response"]["lastModified"]) for one in entries)
    rows = platform.audited(answer.response)
    assert sorted(str(row["ids"][0]) for row in rows) == sorted(one.split("/")[1] for one in places(answer))
    assert {(row["action"], row["outcome"], len(row["ids"])) for row in rows} == {("file", 0, 1)}


def test_references_in_a_circle_are_followed(platform: Standing) -> None:
    one, two = (f"urn:uuid:{uuid4()}" for _ in range(2))
    answer = send(
        platform,
        bundle(
            "transaction",
            entry("POST", "Observation", observation(derivedFrom=[{"reference": two}]), one),
            entry("POST", "Observation", observation(derivedFrom=[{"reference": one}]), two),
        ),
        about=WHO,
    )
    first, second = places(answer)
    assert read(platform, first, about=WHO).tree["derivedFrom"] == [{"reference": second}]
    assert read(platform, second, about=WHO).tree["derivedFrom"] == [{"reference": first}]


def test_references_by_address_and_in_narratives_are_followed_and_what_only_looks_like_one_stays(
    platform: Standing,
) -> None:
    base, own = "http://lab.example/fhir", f"urn:uuid:{uuid4()}"
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{own}">prøve</a> {own}</div>'
    shown = report("Observation/7", own, text={"status": "additional", "div": div}, conclusion=own)
    answer = send(
        platform,
        bundle(
            "transaction",
            entry("POST", "DiagnosticReport", shown, f"{base}/DiagnosticReport/1"),
            entry("POST", "Observation", observation(id="7"), f"{base}/Observation/7"),
            entry("POST", "Observation", observation(note=[{"text": own}]), own),
        ),
        about=WHO,
    )  # fmt: skip
    reported, first, second = places(answer)
    found = read(platform, reported, about=WHO).tree
    assert [one["reference"] for one in found["result"]] == [first, second]
    assert f'<a href="{second}">' in found["text"]["div"] and f"</a> {own}<" in found["text"]["div"]
    assert found["conclusion"] == own
    assert read(platform, second, about=WHO).tree["note"] == [{"text": own}]


def test_what_links_to_nothing_is_kept_byte_by_byte(platform: Standing) -> None:
    body = json.dumps(observation()).replace("140", "140.100")
    raw = json.dumps(bundle("transaction", entry("POST", "Observation", {"here": 1}))).replace('{"here": 1}', body)
    answer = send(platform, raw.encode(), about=WHO)
    (place,) = places(answer)
    assert b'"value": 140.100' in answer.response.content
    assert b'"value": 140.100' in read(platform, place, about=WHO).response.content


def test_one_entry_that_fails_leaves_nothing_of_the_others(platform: Standing, number: str, made: str) -> None:
    answer = send(
        platform,
        bundle(
            "transaction",
            entry("POST", "Observation", numbered(number)),
            entry("PUT", f"Observation/{made}", observation(id=made, status="amended"), ifMatch='W/"1"'),
            entry("POST", "Observation", observation(status="no such status")),
        ),
        about=WHO,
    )
    assert answer.status == 422
    assert answer.issue["expression"] == ["Bundle.entry[2].resource.status"]
    assert held(platform, number) == []
    assert read(platform, f"Observation/{made}", about=WHO).tree["meta"]["versionId"] == "1"
    assert platform.audited(answer.response) == []


def test_the_order_is_that_of_the_standard_and_the_answers_that_of_the_request(
    platform: Standing, number: str, made: str
) -> None:
    gone = str(create(platform, numbered(number), about=WHO).tree["id"])
    data = base64.b64encode(json.dumps([STATUS]).encode()).decode()
    in_binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    second = str(create(platform, observation(), about=WHO).tree["id"])
    by_path = replaced("Observation.status", valueCode="amended")
    answer = send(
        platform,
        bundle(
            "transaction",
            entry("PATCH", f"Observation/{second}", by_path, ifMatch='W/"1"'),
            entry("PATCH", f"Observation/{made}", in_binary, ifMatch='W/"1"'),
            entry("POST", "Observation", numbered(number), ifNoneExist=f"identifier={number}"),
            entry("DELETE", f"Observation/{gone}"),
        ),
        about=WHO,
    )
    assert statuses(answer) == [200, 200, 201, 204]
    assert held(platform, number) == [places(answer)[2].split("/")[1]] != [gone]
    assert read(platform, f"Observation/{made}", about=WHO).tree["status"] == "amended"


def test_conditions_are_decided_first_and_what_refers_to_them_follows(platform: Standing, number: str) -> None:
    there = str(create(platform, numbered(number), about=WHO).tree["id"])
    one, two, fresh = f"urn:uuid:{uuid4()}", f"urn:uuid:{uuid4()}", str(uuid4())
    answer = send(
        platform,
        bundle(
            "transaction",
            entry("POST", "DiagnosticReport", report(one, two)),
            entry("POST", "Observation", numbered(number), one, ifNoneExist=f"identifier={number}"),
            entry("PUT", f"Observation?identifier={fresh}", numbered(fresh), two),
        ),
        about=WHO,
    )
    assert statuses(answer) == [201, 200, 201]
    reported, found, new = places(answer)
    assert found == f"Observation/{there}"
    assert [x["reference"] for x in read(platform, reported, about=WHO).tree["result"]] == [found, new]


def test_a_conditional_reference_leads_to_what_its_sender_filed(platform: Standing, number: str) -> None:
    there = str(create(platform, numbered(number), about=WHO).tree["id"])
    sent = bundle("transaction", entry("POST", "DiagnosticReport", report(f"Observation?identifier={number}")))
    answer = send(platform, sent, about=WHO)
    (reported,) = places(answer)
    assert read(platform, reported, about=WHO).tree["result"] == [{"reference": f"Observation/{there}"}]
    named = {row["rule"]: [str(one) for one in row["ids"]] for row in platform.audited(answer.response)}
    assert named == {"met-and-not-written": [there], "filed": [reported.split("/")[1]]}, "what was found has its line"


@pytest.mark.parametrize("by", ["the address of its subject", "the id of what it changes", "its criteria"])
def test_a_conditional_reference_is_of_whom_its_record_is(platform: Standing, number: str, by: str) -> None:
    there = str(create(platform, numbered(number), about=WHO).tree["id"])
    tree = report(f"Observation?identifier={number}")
    (known,) = platform.get("Patient", about=WHO).ids()
    if by == "its criteria":
        tree["subject"] = {"reference": f"Patient/{known}"}
        tree["result"] = [{"reference": f"Observation?identifier={number}&patient=Patient/{known}"}]
        sent = entry("POST", "DiagnosticReport", tree)
        other = platform.get("Patient", about="pregnant").ids()[0]
        wrong = report(f"Observation?identifier={number}&patient=Patient/{other}", subject=tree["subject"])
        refused = send(platform, bundle("transaction", entry("POST", "DiagnosticReport", wrong)))
        assert refused.status == 400
    elif by == "the address of its subject":
        sent = entry("POST", "DiagnosticReport", tree | {"subject": {"reference": f"Patient/{known}"}})
    else:
        (reported,) = places(
            send(platform, bundle("transaction", entry("POST", "DiagnosticReport", report("Observation/1"))), about=WHO)
        )
        sent = entry("PUT", reported, tree | {"id": reported.partition("/")[2]}, ifMatch='W/"1"')
    answer = send(platform, bundle("transaction", sent))
    assert statuses(answer)[0] in (200, 201), answer.response.text
    assert [one["resource"]["result"] for one in answer.tree["entry"]] == [[{"reference": f"Observation/{there}"}]]


def test_what_another_filed_answers_no_conditional_reference_and_absent_is_the_same(
    platform: Standing, number: str
) -> None:
    create(platform, numbered(number), about=WHO)
    answers = [
        send(
            platform,
            bundle("transaction", entry("POST", "DiagnosticReport", report(f"Observation?identifier={sought}"))),
            as_="hospital-lab", about=WHO,
        )
        for sought in (number, str(uuid4()))
    ]  # fmt: skip
    assert [one.status for one in answers] == [412, 412]
    assert answers[0].tree == answers[1].tree
    assert answers[0].issue["expression"] == ["Bundle.entry[0].resource"]


def test_a_patient_is_referred_to_by_number(platform: Standing, number: str) -> None:
    nin = platform.nin(WHO)
    subject = {"reference": f"Patient?identifier=urn:oid:2.16.578.1.12.4.1.4.1|{nin}"}
    answer = send(platform, bundle("transaction", entry("POST", "Observation", numbered(number, subject=subject))))
    assert statuses(answer) == [201]
    kept = answer.tree["entry"][0]["resource"]["subject"]
    assert kept == about(nin)["subject"]
    assert len(held(platform, number)) == 1


def test_a_system_mixes_patients_each_under_its_own_law(platform: Standing) -> None:
    first, second = platform.nin(WHO), platform.nin(OTHER)
    for kind in ("transaction", "batch"):
        answer = send(
            platform,
            bundle(
                kind,
                entry("POST", "Observation", observation(**about(first))),
                entry("POST", "Observation", observation(**about(second))),
            ),
        )
        assert statuses(answer) == [201, 201]
        assert len({row["patient"] for row in platform.audited(answer.response)}) == 2


def test_a_clinician_reads_of_the_patient_that_her_attestation_names_and_of_no_other(
    platform: Standing, made: str
) -> None:
    other = str(create(platform, observation(), about=OTHER).tree["id"])
    reads = [entry("GET", f"Observation/{one}") for one in (made, other, str(uuid4()))]
    answer = send(platform, bundle("batch", *reads), as_="gp", about=WHO)
    assert statuses(answer) == [200, 404, 404]
    hidden, absent = (answer.tree["entry"][place]["response"] for place in (1, 2))
    assert hidden["status"] == absent["status"]
    assert hidden["outcome"]["issue"][0] | {"expression": []} == absent["outcome"]["issue"][0] | {"expression": []}
    rules = {row["rule"] for row in platform.audited(answer.response) if row["outcome"]}
    assert "attestation-of-another-patient" in rules
    whole = send(platform, bundle("transaction", *reads), as_="gp", about=WHO)
    assert (whole.status, whole.issue["expression"]) == (404, ["Bundle.entry[1].request.url"])


def test_what_is_hidden_is_absent_in_a_bundle_too(platform: Standing, made: str) -> None:
    label(platform, made, Label.RESTRICTED)
    for kind in ("batch", "transaction"):
        reads = (bundle(kind, entry("GET", f"Observation/{one}")) for one in (made, str(uuid4())))
        answers = [send(platform, one, as_="gp", about=WHO) for one in reads]
        assert answers[0].tree == answers[1].tree


def test_what_a_failing_transaction_had_read_stands_in_the_log(platform: Standing, made: str) -> None:
    """Else it would tell by where it fails what is there, without a line."""
    sent = bundle("transaction", entry("GET", f"Observation/{made}"), entry("GET", f"Observation/{uuid4()}"))
    answer = send(platform, sent, as_="gp", about=WHO)
    assert answer.status == 404
    rows = platform.audited(answer.response)
    assert sorted((row["action"], row["outcome"], len(row["ids"])) for row in rows) == [("read", 1, 0), ("read", 1, 1)]


def test_a_batch_answers_one_by_one(platform: Standing, number: str, made: str) -> None:
    answer = send(
        platform,
        bundle(
            "batch",
            entry("POST", "Observation", numbered(number)),
            entry("POST", "Observation", observation(status="no such status")),
            entry("PUT", f"Observation/{made}", observation(id=made, status="amended")),
            entry("PUT", f"Observation/{made}", observation(id=made, status="amended"), ifMatch='W/"1"'),
            entry("PUT", f"Observation/{made}", observation(id=made, status="final"), ifMatch='W/"1"'),
            entry("DELETE", f"Observation?identifier={number}"),
        ),
        about=WHO,
    )
    assert (answer.status, answer.tree["type"]) == (200, "batch-response")
    assert statuses(answer) == [201, 422, 428, 200, 412, 204]
    assert told(answer, 1)["expression"] == ["Bundle.entry[1].resource.status"]
    assert told(answer, 4)["expression"] == ["Bundle.entry[4].request.ifMatch"]
    assert held(platform, number) == []


def test_the_entries_of_a_batch_do_not_refer_to_one_another(platform: Standing, made: str) -> None:
    own, there = f"urn:uuid:{uuid4()}", f"{platform.url}/fhir/R4/Observation/{made}"
    answer = send(
        platform,
        bundle(
            "batch",
            entry("POST", "DiagnosticReport", report(own)),
            entry("POST", "Observation", observation(), own),
            entry(
                "POST", "DiagnosticReport", report(f"Observation/{made}"), f"{platform.url}/fhir/R4/DiagnosticReport/1"
            ),
            entry("PUT", f"Observation/{made}", observation(id=made, status="amended"), there, ifMatch='W/"1"'),
        ),
        about=WHO,
    )
    assert statuses(answer) == [422, 201, 201, 200]
    assert told(answer, 0)["expression"] == ["Bundle.entry[0].resource"]


def test_reads_and_searches_are_answered(platform: Standing, made: str) -> None:
    for kind in ("batch", "transaction"):
        answer = send(
            platform,
            bundle(
                kind,
                entry("GET", f"Observation/{made}"),
                entry("GET", f"Observation/{made}", ifNoneMatch='W/"1"'),
                entry("GET", f"Observation/{made}", ifModifiedSince="2100-01-01T00:00:00Z"),
                entry("GET", "Observation?code=NPU03429&_count=1"),
                entry("GET", f"Observation/{made}/_history"),
                entry("GET", "Observation/$lastn?code=NPU03429"),
            ),
            as_="gp",
            about=WHO,
        )
        assert statuses(answer) == [200, 304, 304, 200, 200, 200]
        kinds = [one.get("resource", {}).get("type") for one in answer.tree["entry"]]
        assert kinds[3:] == ["searchset", "history", "searchset"]


def test_a_number_in_an_entry_s_address_is_refused_as_in_any_other(platform: Standing) -> None:
    nin = platform.nin(WHO)
    for url in (f"Observation?patient.identifier={nin}", f"Observation?code={nin}"):
        answer = send(platform, bundle("batch", entry("GET", url)), as_="gp", about=WHO)
        single = read(platform, url, about=WHO)
        assert (statuses(answer), told(answer, 0)["diagnostics"]) == ([400], single.issue["diagnostics"])
        assert nin.encode() not in answer.response.content


@pytest.mark.parametrize(
    ("sent", "status", "where"),
    [
        ({"resource": observation()}, 400, ".request"),
        ({"request": {"method": "HEAD", "url": "Observation"}}, 400, ".request.method"),
        ({"request": {"method": "GET"}}, 400, ".request.url"),
        (entry("GET", "http://elsewhere.example/fhir/Observation"), 400, ".request.url"),
        (entry("GET", "/Observation"), 400, ".request.url"),
        (entry("POST", "Observation", observation(), ifNonExist="x"), 400, ".request"),
        (entry("POST", "Observation", observation(), ifMatch='W/"1"'), 400, ".request.ifMatch"),
        (entry("POST", "?", {"resourceType": "Bundle", "type": "batch"}), 400, ".request.url"),
        (entry("POST", "Bundle", {"resourceType": "Bundle", "type": "batch"}), 404, ".request.url"),
        (entry("GET", "metadata"), 405, ".request.url"),
        (entry("POST", "$import", observation()), 405, ".request.url"),
        (entry("GET", "_history"), 405, ".request.url"),
        (entry("PUT", "Observation/1"), 400, ".resource"),
        (entry("DELETE", "Observation/1", observation()), 400, ".resource"),
        (entry("PATCH", "Observation/1", observation()), 400, ".resource"),
        (entry("POST", "Nothing", observation()), 404, ".request.url"),
        (entry("POST", "Observation", specimen()), 400, ".resource"),
        (entry("POST", "Observation", observation(), "Observation/1"), 400, ".fullUrl"),
        (entry("POST", "Observation") | {"response": {"status": "200"}}, 400, ""),
        (entry("DELETE", "Observation?identifier=%C3%28"), 400, ".request.url"),
        (entry("DELETE", "Observation?identifier=æ"), 400, ".request.url"),
        (entry("DELETE", "Observation?no-such=1"), 400, ""),
        (7, 400, ""),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_its_place(platform: Standing, sent: Any, status: int, where: str) -> None:
    fine = entry("POST", "Observation", observation())
    batch = send(platform, bundle("batch", fine, sent), about=WHO)
    assert statuses(batch) == [201, status]
    assert told(batch, 1)["expression"] == [f"Bundle.entry[1]{where}"]
    whole = send(platform, bundle("transaction", fine, sent), about=WHO)
    assert (whole.status, whole.issue["expression"]) == (status, [f"Bundle.entry[1]{where}"])


@pytest.mark.parametrize(
    ("tree", "where"),
    [
        (observation(), "resourceType"), (bundle("collection"), "Bundle.type"), (bundle("batch") | {"total": 1}, "Bundle"),
        (bundle("batch") | {"entry": {}}, "Bundle.entry"), (bundle("transaction"), "Bundle.entry"),
    ],
)  # fmt: skip
def test_a_bundle_that_is_none_is_refused(platform: Standing, tree: Tree, where: str) -> None:
    answer = send(platform, tree, about=WHO)
    assert (answer.status, answer.issue["expression"]) == (400, [where])


def test_two_entries_that_write_one_record_are_refused(platform: Standing, number: str, made: str) -> None:
    change = entry("PUT", f"Observation/{made}", numbered(number, id=made), ifMatch='W/"1"')
    by_condition = entry("POST", "Observation", numbered(number), ifNoneExist=f"identifier={number}")
    own = f"urn:uuid:{uuid4()}"
    for pair in (
        (change, entry("DELETE", f"Observation/{made}")),
        (by_condition, by_condition),
        (entry("POST", "Observation", observation(), own), entry("POST", "Observation", observation(), own)),
    ):
        answer = send(platform, bundle("transaction", *pair), about=WHO)
        assert (answer.status, answer.issue["code"]) == (400, "duplicate")
        assert answer.issue["expression"][0].startswith("Bundle.entry[1]")
    assert held(platform, number) == []


def test_a_reference_to_no_entry_and_a_circle_of_conditions_are_refused(platform: Standing, number: str) -> None:
    gone, own = f"urn:uuid:{uuid4()}", f"urn:uuid:{uuid4()}"
    lost = send(platform, bundle("transaction", entry("POST", "DiagnosticReport", report(gone))), about=WHO)
    assert (lost.status, lost.issue["expression"]) == (422, ["Bundle.entry[0].resource"])
    itself = numbered(number, derivedFrom=[{"reference": own}])
    circle = send(
        platform, bundle("transaction", entry("POST", "Observation", itself, own, ifNoneExist=f"identifier={number}")), about=WHO
    )  # fmt: skip
    assert (circle.status, circle.issue["code"]) == (422, "processing")
    for type_, status in (("DeviceMetric", 404), ("Encounter", 412)):  # not served; another service's
        elsewhere = entry("POST", "DiagnosticReport", report(f"{type_}?identifier=http://x.example|1"))
        assert send(platform, bundle("transaction", elsewhere), about=WHO).status == status


def test_limits_are_named(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [entry("GET", "Observation/x")] * (standards_batch.ENTRIES_LIMIT + 1)
    assert send(platform, bundle("batch", *many), about=WHO).status == 413
    assert send(platform, bundle("transaction", *many[: standards_batch.READS_LIMIT + 1]), about=WHO).status == 413
    monkeypatch.setattr(standards_batch, "ANSWER_LIMIT_BYTES", 100)
    two = [entry("POST", "Observation", observation())] * 2
    assert statuses(send(platform, bundle("batch", *two), about=WHO)) == [201, 422]
    assert send(platform, bundle("transaction", *two), about=WHO).status == 422
    monkeypatch.setattr(standards_batch, "BATCH_SECONDS", -1)
    assert statuses(send(platform, bundle("batch", *two), about=WHO)) == [503, 503]


def test_the_token_is_held_to_each_entry_and_prefer_counts_for_each(platform: Standing, made: str) -> None:
    answer = send(platform, bundle("batch", entry("GET", f"Observation/{made}")), as_="lab", about=WHO)
    assert (statuses(answer), told(answer, 0)["expression"]) == ([403], ["Bundle.entry[0]"])
    for want, member in (("minimal", None), ("OperationOutcome", "outcome")):
        sent = bundle("transaction", entry("POST", "Observation", observation()))
        answer = send(platform, sent, about=WHO, headers={"prefer": f"return={want}"})
        (one,) = answer.tree["entry"]
        assert "resource" not in one and ("outcome" in one["response"]) == (member is not None)


def test_a_body_about_another_than_the_header_names_is_refused(platform: Standing) -> None:
    sent = entry("POST", "Observation", observation(**about(platform.nin(OTHER))))
    answer = send(platform, bundle("transaction", sent), about=WHO)
    assert (answer.status, answer.issue["expression"]) == (422, ["Bundle.entry[0].resource.subject.identifier"])


def test_transactions_about_the_same_patients_wait_for_each_other_and_none_is_lost(platform: Standing) -> None:
    people = [platform.nin(WHO), platform.nin(OTHER)]
    ids = {who: str(create(platform, observation(), about=who).tree["id"]) for who in (WHO, OTHER)}

    def change(turn: int) -> int:
        order = [WHO, OTHER] if turn % 2 else [OTHER, WHO]
        sent = [
            entry("PUT", f"Observation/{ids[who]}", observation(id=ids[who], status="amended"), ifMatch='W/"1"')
            for who in order
        ]
        more = [
            entry("POST", "Observation", observation(**about(one))) for one in (people if turn % 2 else people[::-1])
        ]
        return send(platform, bundle("transaction", *sent, *more)).status

    with ThreadPoolExecutor(8) as senders:
        found = sorted(senders.map(change, range(8)))
    assert found == [200] + [412] * 7
    for who in (WHO, OTHER):
        assert read(platform, f"Observation/{ids[who]}", about=who).tree["meta"]["versionId"] == "2"


def test_a_transaction_refused_by_the_law_writes_the_refusal_and_nothing_else(platform: Standing, number: str) -> None:
    unknown = "13116900216"
    answer = send(
        platform,
        bundle(
            "transaction",
            entry("POST", "Observation", numbered(number, **about(platform.nin(WHO)))),
            entry("POST", "Observation", observation(**about(unknown))),
        ),
    )
    assert (answer.status, "expression" in answer.issue) == (403, False)
    assert [row["outcome"] for row in platform.audited(answer.response)] == [1, 1]
    assert held(platform, number) == []


def test_the_statement_tells_of_both(platform: Standing) -> None:
    told_of = platform.http.get(f"{platform.url}/fhir/R4/metadata").json()["rest"][0]["interaction"]
    assert told_of[:2] == [{"code": "transaction"}, {"code": "batch"}]


def test_an_id_that_was_reserved_belongs_to_the_patient(platform: Standing) -> None:
    """The id of a new record carries its patient, in a transaction as elsewhere."""
    answer = send(platform, bundle("transaction", entry("POST", "Observation", observation())), about="renumbered")
    id_ = places(answer)[0].split("/")[1]
    (row,) = platform.rows("SELECT patient FROM record WHERE id = $1", UUID(id_))
    (one,) = platform.audited(answer.response)
    assert row["patient"] == one["patient"]
    assert update(platform, id_, observation(id=id_, status="amended"), "1").status == 200


def test_what_a_token_s_smart_scopes_do_not_leave_is_refused_with_its_line(platform: Standing, number: str) -> None:
    sent = bundle("transaction", entry("POST", "Observation", numbered(number)), entry("POST", "Specimen", specimen()))
    answer = platform.client.call(
        "POST", "/fhir/R4", as_="lab", patient=platform.nin(WHO), body=json.dumps(sent).encode(), headers={"content-type": FHIR},
        narrower="system/Observation.c",
    )  # fmt: skip
    assert answer.status_code == 403
    assert answer.json()["issue"][0]["expression"] == ["Bundle.entry[1]"]
    assert [(row["outcome"], list(row["ids"])) for row in platform.audited(answer)] == [(1, [])]
    assert held(platform, number) == []
