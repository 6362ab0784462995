"""Many resources in one request: all of them, or none and every reason by line and element."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kjerne.errors import Refusal
from kjerne.fhir.definitions import type_number
from kjerne.fhir.ndjson import Lines
from kjerne.registries.guides import Guides
from kjerne.services.imports.lines import CHUNK_LINES, INLINE_LINES, TOGETHER, Crew, understood
from kjerne.wire import json as strict_json
from platform_fixture import Standing
from services.results.kith.conftest import Kith
from services.test_patients import id_of

TYPES = {"Observation": type_number("Observation"), "Specimen": type_number("Specimen")}
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GUIDES = Guides(Path("none"), Path("none"))
PARSE = partial(strict_json.parse, depth=64)
NUMBER = "urn:oid:2.16.578.1.12.4.1.4.1"


def potassium(number: str = "", value: str = "4.10", **more: Any) -> bytes:
    tree: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.7280", "code": "NPU03230"}]},
        "effectiveDateTime": "2026-11-20T08:00:00+01:00",
        "valueQuantity": {"value": 0, "unit": "mmol/L"},
        **more,
    }
    if number:
        tree["subject"] = {"identifier": {"system": NUMBER, "value": number}}
    return json.dumps(tree).replace('"value": 0', f'"value": {value}').encode()


def send(platform: Standing, lines: Sequence[bytes], *, as_: str = "lab", **headers: str) -> httpx.Response:
    named = {
        "content-type": "application/fhir+ndjson",
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    body = b"\n".join(lines)
    answer: httpx.Response = platform.client.call("POST", "/fhir/R4/$import", as_=as_, body=body, headers=named)
    return answer


def told(answer: httpx.Response) -> tuple[int, int, list[str]]:
    """(resources, patients, locations) of a good answer."""
    assert answer.status_code == 200, answer.text
    parameters = answer.json()["parameter"]
    count = {one["name"]: one["valueInteger"] for one in parameters if "valueInteger" in one}
    return count["resources"], count["patients"], [one["valueUri"] for one in parameters if "valueUri" in one]


def issues(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(one["diagnostics"], str(one.get("expression") or one.get("location"))) for one in answer.json()["issue"]]


def records(platform: Standing) -> int:
    return int(platform.rows("SELECT count(*) AS n FROM record")[0]["n"])


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew(1)
    yield crew
    crew.close()


def test_each_line_is_written_and_found_again_as_it_was_sent(platform: Standing) -> None:
    lines = [potassium(platform.nin("citizen"), f"4.{place}0") for place in range(3)]
    answer = send(platform, lines)
    resources, patients, locations = told(answer)
    assert (resources, patients) == (3, 1)
    for place, location in enumerate(locations):
        found = platform.get(location)
        assert found.status == 200
        assert f'"value": 4.{place}0'.encode() in found.response.content


def test_each_patient_has_one_audit_row_that_names_exactly_what_was_written(platform: Standing) -> None:
    citizen, parent = platform.nin("citizen"), platform.nin("parent")
    answer = send(platform, [potassium(citizen), potassium(parent), potassium(citizen)])
    _, patients, locations = told(answer)
    rows = platform.audited(answer)
    assert len(rows) == patients == 2
    assert sorted(sorted(str(id_) for id_ in row["ids"]) for row in rows) == sorted(
        [sorted([_id(locations[0]), _id(locations[2])]), [_id(locations[1])]]
    )
    assert {(row["action"], row["outcome"], row["caller_kind"]) for row in rows} == {("file", 0, "system")}
    assert [list(row["versions"]) for row in rows] == [[1] * len(row["ids"]) for row in rows]


def _id(location: str) -> str:
    return location.split("/")[1]


def test_what_is_imported_can_be_searched(platform: Standing) -> None:
    number = platform.nin("citizen")
    specimen = b'{"resourceType":"Specimen","identifier":[{"system":"urn:x","value":"import-1"}]}'
    _, _, (location,) = told(send(platform, [specimen], person_id=number))
    assert platform.search("Specimen", [("identifier", "urn:x|import-1")]).ids() == [_id(location)]


def test_one_wrong_line_refuses_all_and_every_wrong_line_is_named(platform: Standing) -> None:
    before = records(platform)
    number = platform.nin("citizen")
    lines = [potassium(number), potassium(number, status="finished"), potassium(number, effectiveDateTime="2026-13-01")]
    answer = send(platform, lines)
    assert answer.status_code == 422
    assert [where for _, where in issues(answer)] == [
        "['line 2: Observation.status']",
        "['line 3: Observation.effectiveDateTime']",
    ]
    assert number not in answer.text
    assert records(platform) == before


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (b'{"resourceType":"Observation","status":"final","status":"final"}', "line 2: column 48"),
        (b'{"resourceType":"Patient"}', "line 2: resourceType"),
        (potassium(subject={"reference": "Patient/13897512345"}), "line 2: Observation.subject.reference"),
        (b'["Observation"]', "line 2"),
    ],
)
def test_a_line_that_is_no_resource_served_here_is_named(platform: Standing, line: bytes, where: str) -> None:
    number = platform.nin("citizen")
    answer = send(platform, [potassium(number), line, potassium(number)])
    assert answer.status_code in (400, 422)
    assert where in issues(answer)[0][1]


def test_a_line_without_a_patient_or_with_no_number_at_all_is_named(platform: Standing) -> None:
    number = platform.nin("citizen")
    without = send(platform, [potassium(number), potassium()])
    wrong = send(platform, [potassium(number), potassium("12345678901")])
    assert (without.status_code, wrong.status_code) == (400, 400)
    for answer in (without, wrong):
        assert "line 2: subject.identifier.value" in issues(answer)[0][1]
        assert "12345678901" not in answer.text


def test_a_line_about_another_person_than_the_header_names_is_refused(platform: Standing) -> None:
    before = records(platform)
    citizen, parent = platform.nin("citizen"), platform.nin("parent")
    answer = send(platform, [potassium(), potassium(citizen), potassium(parent)], person_id=citizen)
    assert answer.status_code == 422
    assert "line 3" in issues(answer)[0][1]
    assert told(send(platform, [potassium(), potassium(citizen)], person_id=citizen))[1] == 1
    assert records(platform) == before + 2


def test_a_line_may_name_its_patient_by_her_address_and_never_by_anothers(platform: Standing) -> None:
    mine, others = (
        {"subject": {"reference": f"Patient/{id_of(platform, name)}"}} for name in ("renumbered", "citizen")
    )
    before = records(platform)
    assert told(send(platform, [potassium(**mine), potassium(**others)]))[1] == 2
    with_header = send(platform, [potassium(**mine)], person_id=platform.nin("renumbered"))
    assert told(with_header)[1] == 1
    wrong = send(platform, [potassium(**mine), potassium(**others)], person_id=platform.nin("renumbered"))
    assert wrong.status_code == 422
    assert "line 2: subject.reference" in issues(wrong)[0][1]
    elsewhere = {"subject": {"reference": f"Patient/{uuid4()}"}}
    assert send(platform, [potassium(**elsewhere)]).status_code == 400
    assert told(send(platform, [potassium(**elsewhere)], person_id=platform.nin("renumbered")))[1] == 1
    assert records(platform) == before + 4


def test_a_line_whose_patient_has_two_numbers_is_refused(platform: Standing) -> None:
    numbers = [
        {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin(who)} for who in ("parent", "renumbered")
    ]
    inside = {"resourceType": "Patient", "id": "p", "identifier": numbers}
    answer = send(platform, [potassium(contained=[inside], subject={"reference": "#p"})])
    says = "the line names its person by more than one number"
    assert (answer.status_code, issues(answer)) == (422, [(says, "['line 1: Observation.subject']")])


def test_a_patient_who_has_opted_out_stops_the_whole_import(platform: Standing) -> None:
    before = records(platform)
    nobody = send(platform, [potassium(platform.nin("citizen")), potassium(Kith.NUMBER)])
    opted_out = next(
        platform.population.by_key[key].nin
        for key, choices in platform.population.choices.items()
        if any(choice.kind == "opt-out" and choice.ended_at is None for choice in choices)
    )
    answer = send(platform, [potassium(platform.nin("citizen")), potassium(opted_out)])
    assert answer.status_code == 403
    assert (answer.status_code, answer.content) == (nobody.status_code, nobody.content)
    assert opted_out not in answer.text
    assert [row["outcome"] for row in platform.audited(answer)] == [1, 1], "of each of them"
    assert records(platform) == before


def test_only_who_may_write_can_import_and_only_as_ndjson(platform: Standing) -> None:
    lines = [potassium(platform.nin("citizen"))]
    assert send(platform, lines, as_="gp").status_code == 403
    assert send(platform, lines, content_type="application/fhir+json").status_code == 415
    assert send(platform, []).status_code == 400


def test_a_long_import_is_read_by_processes_of_its_own_in_the_order_of_its_lines(platform: Standing) -> None:
    number = platform.nin("citizen")
    lines = [potassium(number, f"{place}.5") for place in range(INLINE_LINES + CHUNK_LINES)]
    resources, _, locations = told(send(platform, lines))
    assert resources == len(lines)
    assert b'"value": 7.5' in platform.get(locations[7]).response.content
    minimal = send(platform, lines[:1], prefer="return=minimal")
    assert told(minimal) == (1, 1, [])


async def test_a_process_that_is_lost_breaks_one_import_off_and_no_more(crew: Crew) -> None:
    lines = Lines([potassium()] * 3, range(1, 4))
    (part,) = await crew.understood(PARSE, TYPES, GUIDES, NOW, lines)
    assert len(part.fresh) == 3
    assert crew._pool is not None
    for pid in list(crew._pool._processes):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(Refusal, match="broken off"):
        await crew.understood(PARSE, TYPES, GUIDES, NOW, lines)
    assert len((await crew.understood(PARSE, TYPES, GUIDES, NOW, lines))[0].fresh) == 3


def test_faults_are_told_in_the_order_of_the_lines_whichever_step_finds_them() -> None:
    wrong = {
        3: b'{"resourceType":"Observation"}',
        5: b"{",
        TOGETHER + 2: b'{"resourceType":"Patient"}',
        2 * TOGETHER: b"[]",
    }
    lines = [wrong.get(number, potassium("13819012345")) for number in range(1, 2 * TOGETHER + 9)]
    part = understood(PARSE, TYPES, GUIDES, NOW, range(1, len(lines) + 1), lines)
    told = [int(fault.where.removeprefix("line ").partition(":")[0]) for fault in part.faults]
    assert told == sorted(told)
    assert set(told) == set(wrong)
    assert part.status == 422, "what is wrong with the first of them"
    assert len(part.fresh) == len(part.persons) == len(lines) - len(wrong)


def test_no_more_faults_are_told_than_a_person_reads() -> None:
    part = understood(PARSE, TYPES, GUIDES, NOW, range(1, 1001), [b"{}"] * 1000)
    assert len(part.faults) == 100
    assert part.faults[99].where == "line 100: resourceType"


def test_what_was_understood_shows_no_number() -> None:
    assert "13819012345" not in repr(understood(PARSE, TYPES, GUIDES, NOW, [1], [potassium("13819012345")]))


def test_what_an_unknown_modifier_extension_turns_is_refused_with_its_line(platform: Standing) -> None:
    number = platform.nin("renumbered")
    turned = potassium(number, modifierExtension=[{"url": "http://example.org/not", "valueBoolean": True}])
    before = records(platform)
    answer = send(platform, [potassium(number), turned])
    ((says, where),) = issues(answer)
    assert (answer.status_code, records(platform)) == (422, before)
    assert "changes the meaning" in says
    assert "line 2" in where
    assert "modifierExtension[0]" in where


def test_empty_lines_are_passed_over_and_count_in_what_is_said_of_a_line(platform: Standing) -> None:
    line = potassium(platform.nin("citizen"))
    assert told(send(platform, [b"", line, b" \t", b"\r", line, b"", b""]))[:2] == (2, 1)
    wrong = send(platform, [b"", line, b"", b"{}", b"\r", b"["])
    assert wrong.status_code == 422
    assert [one for _, one in issues(wrong)] == ["['line 4: resourceType']", "['line 6: column 2']"]
    assert send(platform, [b"", b" ", b"\r"]).status_code == 400
    opted_out = send(platform, [b"", line, b"", potassium(platform.nin("opted-out"))])
    assert opted_out.status_code in (403, 409, 422)
    other = potassium(platform.nin("parent"))
    named = send(platform, [b"", line, b"", other], person_id=platform.nin("citizen"))
    assert issues(named)[0][1] == "['line 4: subject.identifier.value']"


def test_a_patient_of_several_services_is_counted_once(platform: Standing) -> None:
    here = {"reference": f"Patient/{id_of(platform, 'citizen')}"}
    met = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, "subject": here}
    lines = [potassium(subject=here), json.dumps(met).encode()]
    resources, patients, _ = told(send(platform, lines, as_="all-patients"))
    assert (resources, patients) == (2, 1)


def of_another(name: str, **more: Any) -> bytes:
    return potassium(id=name, **more)


def derived(platform: Standing, location: str) -> list[str]:
    """What the record at a location is derived from."""
    tree = platform.get(location).tree
    return [one["reference"] for one in tree["derivedFrom"]]


@pytest.mark.parametrize("many", [0, INLINE_LINES + CHUNK_LINES])
@pytest.mark.parametrize("turned", [False, True])
def test_a_reference_to_what_another_line_was_called_leads_to_that_line(
    platform: Standing, many: int, turned: bool
) -> None:
    number, name = platform.nin("citizen"), str(uuid4())
    links = [
        f"Observation/{name}", f"Observation/{name}/_history/3", f"{platform.url}/fhir/R4/Observation/{name}",
    ]  # fmt: skip
    others = ["Observation/elsewhere", f"https://elsewhere.example/fhir/R4/Observation/{name}", f"urn:uuid:{uuid4()}"]
    refers = potassium(number, derivedFrom=[{"reference": one} for one in (*links, *others)])
    lines = [of_another(name, subject={"identifier": {"system": NUMBER, "value": number}}), *[potassium(number)] * many]
    lines = [refers, *lines] if turned else [*lines, refers]
    _, _, locations = told(send(platform, lines))
    at, there = (0, 1) if turned else (-1, 0)
    address = locations[there].partition("/_history")[0]
    assert derived(platform, locations[at]) == [*[address] * len(links), *others]
    found = platform.get(f"Observation?derived-from={address}").ids()
    assert found == [_id(locations[at])], "it is found by where it leads"


def test_lines_may_refer_to_each_other_and_to_themselves_and_keep_every_other_byte(platform: Standing) -> None:
    number = platform.nin("parent")
    refer = [[{"reference": f"Observation/{name}", "display": '\u00e5 "reference": "Observation/a"'}] for name in "ab"]
    first = potassium(number, "4.10", id="a", derivedFrom=[*refer[1], *refer[0]])
    second = potassium(number, "4.1000", id="b", derivedFrom=refer[0]).replace(b"Observation/a", b"Observation\\/a", 1)
    _, _, locations = told(send(platform, [first, second]))
    a, b = (one.partition("/_history")[0] for one in locations)
    assert (derived_of(platform, locations[0]), derived_of(platform, locations[1])) == ([b, a], [a])
    kept = platform.get(locations[1], about="parent").response.content
    assert b'"value": 4.1000' in kept
    assert json.loads(kept)["derivedFrom"][0]["display"] == '\u00e5 "reference": "Observation/a"'


def derived_of(platform: Standing, location: str) -> list[str]:
    return [one["reference"] for one in platform.get(location, about="parent").tree["derivedFrom"]]


def test_a_reference_to_what_two_lines_are_called_is_told_and_kept_as_it_was_sent(platform: Standing) -> None:
    number = platform.nin("citizen")
    refers = potassium(number, derivedFrom=[{"reference": "Observation/twice"}])
    lines = [refers, *[of_another("twice", subject={"identifier": {"system": NUMBER, "value": number}})] * 2]
    answer = send(platform, lines)
    parameters = {one["name"]: one for one in answer.json()["parameter"]}
    assert parameters["lost"]["valueInteger"] == 1
    (issue,) = parameters["outcome"]["resource"]["issue"]
    assert (issue["severity"], issue["location"]) == ("warning", ["line 1"])
    assert "Observation/twice is what several lines are called" in issue["diagnostics"]
    assert derived(platform, told(answer)[2][0]) == ["Observation/twice"]


def test_a_urn_names_the_full_url_that_no_line_has_and_is_told_where_it_is_the_id_of_one(platform: Standing) -> None:
    number, name = platform.nin("citizen"), str(uuid4())
    urns = [f"urn:uuid:{name.upper()}", f"urn:uuid:{uuid4()}"]
    answer = send(
        platform, [of_another(name), potassium(derivedFrom=[{"reference": one} for one in urns])], person_id=number
    )
    parameters = {one["name"]: one for one in answer.json()["parameter"]}
    (issue,) = parameters["outcome"]["resource"]["issue"]
    assert (issue["location"], urns[0] in issue["diagnostics"]) == (["line 2"], True)
    assert derived(platform, told(answer)[2][1]) == urns


@pytest.mark.parametrize("base", ["", "{url}/fhir/R4/"])
def test_a_link_to_a_line_of_a_type_that_may_not_stand_there_is_refused_before_the_law_is_asked(
    platform: Standing, base: str
) -> None:
    refers = potassium(derivedFrom=[{"reference": f"{base.format(url=platform.url)}Device/a"}])
    answer = send(platform, [b'{"resourceType":"Device","id":"a"}', refers], person_id=platform.nin("opted-out"))
    assert (answer.status_code, platform.audited(answer)) == (422, [])


def test_references_to_what_is_not_among_the_lines_and_to_patients_are_no_matter(platform: Standing) -> None:
    here = {"reference": f"Patient/{id_of(platform, 'citizen')}"}
    plain = send(platform, [potassium(subject=here, derivedFrom=[{"reference": "Observation/elsewhere"}])] * 2)
    named = send(platform, [of_another("x", subject=here), of_another("y", subject=here)])
    for answer in (plain, named):
        assert {one["name"] for one in answer.json()["parameter"]} == {"resources", "patients", "location"}


def test_the_same_import_under_the_same_key_is_filed_once_and_answered_alike(platform: Standing) -> None:
    number, key = platform.nin("citizen"), str(uuid4())
    lines = [
        potassium(number),
        potassium(number, id="x"),
        potassium(number, id="x"),
        potassium(number, derivedFrom=[{"reference": "Observation/x"}]),
    ]
    first = send(platform, lines, idempotency_key=key)
    resources, _, locations = told(first)
    before = records(platform)
    again = send(platform, lines, idempotency_key=key)
    assert (again.status_code, again.content) == (200, first.content)
    assert (records(platform), platform.audited(again)) == (before, [])
    short = send(platform, lines, idempotency_key=key, prefer="return=minimal")
    assert told(short) == (resources, 1, [])
    assert [one["name"] for one in short.json()["parameter"]] == ["resources", "patients", "lost", "outcome"]
    assert len(locations) == resources
    (row,) = platform.rows("SELECT * FROM import_answer ORDER BY at DESC LIMIT 1")
    assert not any(_id(locations[0]).encode() in bytes(row[name]) for name in ("digest", "content", "answer"))


def test_a_key_is_its_senders_and_stands_for_one_body_and_one_patient(platform: Standing) -> None:
    number, key = platform.nin("citizen"), str(uuid4())
    assert told(send(platform, [potassium(number)], idempotency_key=key))[0] == 1
    for lines, more in (
        ([potassium(number), potassium(number)], {}), ([potassium(number)], {"person_id": number}),
        ([potassium(number) + b" "], {}),
    ):  # fmt: skip
        other = send(platform, lines, idempotency_key=key, **more)
        assert (other.status_code, issues(other)[0][1]) == (422, "['idempotency-key']")
    before = records(platform)
    assert told(send(platform, [potassium(number)], as_="all-patients", idempotency_key=key))[0] == 1
    assert told(send(platform, [potassium(number)], idempotency_key=str(uuid4())))[0] == 1
    assert told(send(platform, [potassium(number)]))[0] == 1
    assert records(platform) == before + 3
    assert send(platform, [potassium(number)], idempotency_key="k" * 256).status_code == 400


def test_an_import_that_was_refused_leaves_its_key_free(platform: Standing) -> None:
    number, key = platform.nin("citizen"), str(uuid4())
    assert send(platform, [b"{}"], idempotency_key=key).status_code == 422
    assert send(platform, [potassium(platform.nin("opted-out"))], idempotency_key=key).status_code != 200
    assert told(send(platform, [potassium(number)], idempotency_key=key))[0] == 1


def test_of_two_imports_at_once_under_one_key_one_is_filed_and_both_hear_of_it(platform: Standing) -> None:
    number, key, before = platform.nin("citizen"), str(uuid4()), records(platform)
    lines = [potassium(number)] * 20
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda _: send(platform, lines, idempotency_key=key), range(2)))
    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    assert records(platform) == before + 20
