"""Operations on what was loaded from publishers' files and from packages: levels, sets, implicit value sets, versions."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import asyncpg
import pytest

import code_files as made
from guide_packages import package
from kjerne.commands import terminology
from kjerne.fhir import shelf
from kjerne.registries.code_files.recognising import Given
from kjerne.settings import Settings
from kjerne.store import meant
from platform_fixture import Standing
from services.test_shared_records import ask
from services.test_standards import create, observation, read
from services.test_terminology import called, codes, said, value_set
from words import fresh

SCT = "http://snomed.info/sct"
LOINC = "http://loinc.org"
GUIDE = "http://guide.example"


@pytest.fixture(scope="module", autouse=True)
def files(platform: Standing, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two versions of SNOMED CT, LOINC, ICD-10 and value sets in Shorthand: kept no more when this module ends."""
    folder = tmp_path_factory.mktemp("files")
    settings = Settings(dsn=platform.dsn)

    def load(path: Path, raw: bytes | None = None) -> list[tuple[str, str]]:
        if raw is not None:
            path.write_bytes(raw)
        rows = terminology.loaded(settings, [path], Given(), lambda *_: None)
        return [(one["url"], one["version"]) for one in rows]

    kept = load(made.zipped(folder / "old.zip", made.snomed("20250101")))
    kept += load(made.zipped(folder / "new.zip", made.snomed(more=[("7771001", "Fracture of rib", made.FRACTURE)])))
    kept += load(made.zipped(folder / "loinc.zip", made.loinc()))
    kept += load(folder / "icd.xml", made.CLAML.encode())
    kept += load(folder / "animals.fsh", made.FSH.encode())
    yield
    for url, version in kept:
        terminology.removed(settings, f"{url}|{version}")


@pytest.fixture(scope="module")
def guide(platform: Standing) -> Iterator[None]:
    """A package of two versions with a code system, a value set and a map each."""
    folder = platform.application._edge.settings.packages

    def of(version: str, *concepts: str) -> bytes:
        system = {"resourceType": "CodeSystem", "url": f"{GUIDE}/colours", "status": "active", "content": "complete",
                  "concept": [{"code": one, "display": one.title()} for one in concepts]}  # fmt: skip
        warm = {"resourceType": "ValueSet", "url": f"{GUIDE}/warm", "status": "active",
                "compose": {"include": [{"system": f"{GUIDE}/colours", "concept": [{"code": concepts[0]}]}]}}  # fmt: skip
        broken = {"resourceType": "ValueSet", "url": f"{GUIDE}/broken", "status": "active", "compose": {"include": [
                  {"system": SCT, "filter": [{"property": "concept", "op": "is-a", "value": made.FRACTURE}]}]}}  # fmt: skip
        colours = {"resourceType": "ConceptMap", "url": f"{GUIDE}/map", "status": "active", "group": [
                   {"source": f"{GUIDE}/colours", "target": "http://x.example",
                    "element": [{"code": "red", "target": [{"code": "R", "equivalence": "equal"}]}]}]}  # fmt: skip
        return package(system, warm, broken, colours, name="colour.guide", version=version)

    shelf.add(folder, of("1.9.0", "red"))
    shelf.add(folder, of("1.10.0", "orange", "red"))
    yield
    for version in ("1.9.0", "1.10.0"):
        shelf.remove(folder, "colour.guide", version)


def expanded(platform: Standing, url: str, **more: str) -> list[str]:
    return sorted(codes(called(platform, "ValueSet/$expand", url=url, **more)))


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        (made.FINDING, made.OF_ARM, "subsumes"), (made.OF_ARM, made.FINDING, "subsumed-by"),
        (made.OF_ARM, made.OF_LEG, "not-subsumed"), (made.OF_ARM, made.OF_ARM, "equivalent"),
    ],
)  # fmt: skip
def test_concepts_subsume_each_other_by_their_levels(platform: Standing, first: str, second: str, outcome: str) -> None:
    assert said(called(platform, "CodeSystem/$subsumes", system=SCT, codeA=first, codeB=second), "outcome") == outcome


def test_a_concept_is_looked_up_in_a_language_and_tells_its_properties(platform: Standing) -> None:
    told = called(platform, "CodeSystem/$lookup", system=SCT, code=made.FRACTURE, displayLanguage="nn")
    assert (said(told, "display"), said(told, "version")) == ("brot", f"{SCT}/{made.CORE}/version/20260101")
    alias = called(platform, "CodeSystem/$lookup", system="urn:oid:2.16.840.1.113883.6.96", code=made.FRACTURE)
    assert said(alias, "display") == "Fracture of bone"


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (f"isa/{made.OF_ARM}", {made.OF_ARM}),
        (f"isa/{made.FRACTURE}", {made.FRACTURE, made.OF_ARM, made.OF_LEG, "7771001"}),
        (f"refset/{made.SIMPLE_SET}", {made.OF_ARM, made.OF_LEG}),
    ],
)
def test_implicit_value_sets_of_snomed_ct_are_expanded_and_asked_of_one_code(
    platform: Standing, how: str, expected: set[str]
) -> None:
    url = f"{SCT}?fhir_vs={how}"
    assert set(expanded(platform, url)) == expected
    for code in (made.FRACTURE, made.OF_ARM, made.OF_LEG, made.ARM):
        told = called(platform, "ValueSet/$validate-code", url=url, system=SCT, code=code)
        assert said(told, "result") is (code in expected), code


def test_the_whole_of_snomed_ct_is_a_value_set_too_of_an_edition_and_a_version(platform: Standing) -> None:
    assert len(expanded(platform, f"{SCT}?fhir_vs")) == 9
    assert len(expanded(platform, f"{SCT}/{made.CORE}?fhir_vs")) == 9
    assert len(expanded(platform, f"{SCT}/{made.CORE}/version/20250101?fhir_vs")) == 8


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [("ecl/<<404684003", 422, "not-supported"), ("refset", 422, "not-supported"), ("refset/1234567", 422, "not-found")],
)
def test_what_of_snomed_ct_is_not_answered_is_said(platform: Standing, how: str, status: int, code: str) -> None:
    answer = ask(platform, "GET", f"ValueSet/$expand?{urlencode({'url': f'{SCT}?fhir_vs={how}'})}", as_="gp")
    assert (answer.status, answer.tree["issue"][0]["code"]) == (status, code)


def test_an_edition_that_is_not_loaded_is_not_at_hand(platform: Standing) -> None:
    asked = urlencode({"url": f"{SCT}/{made.NORWAY}?fhir_vs"})
    assert ask(platform, "GET", f"ValueSet/$expand?{asked}", as_="gp").status == 422
    assert ask(platform, "GET", f"CodeSystem/$lookup?system={SCT}&version=1&code=1", as_="gp").status == 404
    assert ask(platform, "GET", "CodeSystem/$lookup?system=%24NO%20ADDRESS&code=1", as_="gp").status == 404


def test_value_sets_filter_by_levels_sets_and_attributes(platform: Standing) -> None:
    def of(property_: str, op: str, value: str) -> list[str]:
        include = {"system": SCT, "filter": [{"property": property_, "op": op, "value": value}]}
        return expanded(platform, value_set(platform, include=[include]))

    assert of("concept", "descendent-of", made.OF_ARM) == []
    assert of("concept", "in", made.SIMPLE_SET) == sorted([made.OF_ARM, made.OF_LEG])
    assert of(made.SITE, "=", made.ARM) == [made.OF_ARM]
    assert of("inactive", "=", "true") == [made.GONE]


def test_implicit_value_sets_of_loinc_are_its_levels_and_answer_lists(platform: Standing) -> None:
    assert expanded(platform, f"{LOINC}/vs/LL901-1") == ["LA901-1", "LA902-9"]
    assert expanded(platform, f"{LOINC}/vs/LP900001-1") == ["9001-1", "9002-9"]
    assert "9003-7" in expanded(platform, f"{LOINC}/vs")
    assert (
        said(called(platform, "CodeSystem/$subsumes", system=LOINC, codeA="LP900001-1", codeB="9001-1"), "outcome")
        == "subsumes"
    )


def test_a_classification_is_asked_by_its_levels(platform: Standing) -> None:
    told = called(platform, "CodeSystem/$subsumes", system="http://hl7.org/fhir/sid/icd-10", codeA="I", codeB="Q00.1")
    assert said(told, "outcome") == "subsumes"


def test_value_sets_in_shorthand_are_expanded(platform: Standing) -> None:
    told = called(platform, "ValueSet/$expand", url="http://sets.example/friends")
    assert [(one["code"], one["display"]) for one in told["expansion"]["contains"]] == [
        ("dog", "Best friend"),
        ("bird", "Bird"),
    ]
    assert expanded(platform, "http://sets.example/mammals") == ["dog"]
    assert expanded(platform, "http://sets.example/both") == ["bird", "dog", "great dane", "whale"]
    assert expanded(platform, "http://sets.example/friends|1.0.0") == ["bird", "dog"]
    assert ask(platform, "GET", "ValueSet/$expand?url=http://sets.example/friends%7C2.0.0", as_="gp").status == 404


@pytest.mark.usefixtures("guide")
def test_packages_are_asked_by_version_and_the_newest_without(platform: Standing) -> None:
    assert said(called(platform, "CodeSystem/$lookup", system=f"{GUIDE}/colours", code="orange"), "display") == "Orange"
    old = called(platform, "CodeSystem/$validate-code", url=f"{GUIDE}/colours", code="orange", version="1.9.0")
    assert said(old, "result") is False
    assert expanded(platform, f"{GUIDE}/warm") == ["orange"]
    assert expanded(platform, f"{GUIDE}/warm", valueSetVersion="1.9.0") == ["red"]
    told = called(platform, "ConceptMap/$translate", url=f"{GUIDE}/map", system=f"{GUIDE}/colours", code="red")
    assert said(told, "result") is True
    assert made.OF_ARM in expanded(platform, f"{GUIDE}/broken")
    assert ask(platform, "GET", f"CodeSystem/$lookup?system={GUIDE}/colours&code=red&version=3", as_="gp").status == 404


@pytest.mark.usefixtures("guide")
def test_what_anybody_writes_takes_no_packages_address(platform: Standing) -> None:
    kept: dict[str, Any] = {"resourceType": "CodeSystem", "url": f"{GUIDE}/colours", "status": "active", "content": "complete",
                            "concept": [{"code": "black"}]}  # fmt: skip
    assert ask(platform, "POST", "CodeSystem", kept).status == 201
    assert said(called(platform, "CodeSystem/$validate-code", url=f"{GUIDE}/colours", code="black"), "result") is False


@pytest.fixture(scope="module")
def findings(platform: Standing) -> dict[str, str]:
    """The ids of Observations by the SNOMED CT concept that each has as its code."""
    found = {}
    for code in (made.FRACTURE, made.OF_ARM, made.OF_LEG, made.ARM):
        answer = create(platform, observation(code={"coding": [{"system": SCT, "code": code}]}))
        assert answer.status == 201, answer.response.text
        found[code] = answer.tree["id"]
    return found


def searched(platform: Standing, ids: dict[str, str], **asked: str) -> set[str]:
    """The codes of the findings that a search finds. It is asked of these alone: others' tests file on the same patient."""
    pairs = {name.replace("__", ":"): value for name, value in asked.items()} | {"_id": ",".join(ids.values())}
    answer = read(platform, f"Observation?{urlencode(pairs)}")
    assert answer.status == 200, answer.response.text
    there = {one["resource"]["id"] for one in answer.tree.get("entry", ())}
    return {code for code, id_ in ids.items() if id_ in there}


@pytest.mark.usefixtures("guide")
@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"code__below": f"{SCT}|{made.FRACTURE}"}, {made.FRACTURE, made.OF_ARM, made.OF_LEG}),
        ({"code__below": f"urn:oid:2.16.840.1.113883.6.96|{made.OF_ARM}"}, {made.OF_ARM}),
        ({"code__above": f"{SCT}|{made.OF_ARM}"}, {made.FRACTURE, made.OF_ARM}),
        ({"code__in": f"{SCT}?fhir_vs=refset/{made.SIMPLE_SET}"}, {made.OF_ARM, made.OF_LEG}),
        ({"code__in": f"{GUIDE}/broken"}, {made.FRACTURE, made.OF_ARM, made.OF_LEG}),
        ({"code__not-in": f"{SCT}?fhir_vs=isa/{made.FRACTURE}"}, {made.ARM}),
        ({"code__below": f"{SCT}|{made.OF_ARM},{SCT}|{made.OF_LEG}"}, {made.OF_ARM, made.OF_LEG}),
        ({"_filter": f'code in "{SCT}?fhir_vs=isa/{made.OF_ARM}" or code eq {made.ARM}'}, {made.OF_ARM, made.ARM}),
    ],
    ids=lambda one: str(one) if isinstance(one, dict) else "",
)  # fmt: skip
def test_a_search_asks_what_is_loaded(
    platform: Standing, findings: dict[str, str], asked: dict[str, str], expected: set[str]
) -> None:
    assert searched(platform, findings, **asked) == expected


def test_more_codes_than_the_database_compares_are_looked_for_in_the_resource(
    platform: Standing, findings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meant, "IN_SQL_LIMIT", 2)
    assert searched(platform, findings, code__below=f"{SCT}|{made.FRACTURE}") == {
        made.FRACTURE,
        made.OF_ARM,
        made.OF_LEG,
    }
    assert searched(platform, findings, **{"code__not-in": f"{SCT}?fhir_vs=isa/{made.FRACTURE}"}) == {made.ARM}
    monkeypatch.setattr(meant, "CODES_LIMIT", 2)
    answer = read(platform, f"Observation?code:below={SCT}%7C{made.FINDING}")
    assert (answer.status, answer.tree["issue"][0]["code"]) == (400, "too-costly")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code:in", "http://nowhere.example/vs"), ("code:below", "http://nowhere.example|1"), ("code:below", f"{SCT}|999999999"),
        ("code:in", f"{SCT}?fhir_vs=ecl/1"), ("code:in", f"{SCT}/{made.NORWAY}?fhir_vs"), ("code:not-in", "x"),
    ],
)  # fmt: skip
def test_a_search_that_asks_what_is_not_at_hand_is_refused_by_its_name(
    platform: Standing, name: str, value: str
) -> None:
    answer = read(platform, f"Observation?{urlencode({name: value})}")
    assert (answer.status, answer.tree["issue"][0]["expression"]) == (400, [name])
    assert value not in answer.tree["issue"][0]["diagnostics"] or len(value) == 1


def test_a_page_of_such_a_search_leads_to_the_next(platform: Standing, findings: dict[str, str]) -> None:
    path, found = f"Observation?{urlencode({'code:below': f'{SCT}|{made.FRACTURE}', '_count': '2'})}", set[str]()
    for _ in range(2):
        answer = read(platform, path)
        found |= {one["resource"]["id"] for one in answer.tree["entry"]}
        following = [one["url"] for one in answer.tree["link"] if one["relation"] == "next"]
        path = following[0].partition("/fhir/R4/")[2] if following else ""
    assert len(found) == 3 and path == ""


def test_a_search_says_that_it_asks_no_record_of_a_code_system(platform: Standing) -> None:
    url = f"http://systems.example/{fresh()}"
    kept = {
        "resourceType": "CodeSystem",
        "url": url,
        "status": "active",
        "content": "complete",
        "concept": [{"code": "a"}],
    }
    assert ask(platform, "POST", "CodeSystem", kept).status == 201
    answer = platform.get(f"Observation?code:below={url}|a")
    assert (answer.status, answer.issue["code"]) == (400, "not-supported")
    assert "a record of CodeSystem or ValueSet answers its operations" in answer.issue["diagnostics"]


def test_records_about_nobody_and_lines_of_the_log_are_asked_or_refused(platform: Standing) -> None:
    kept = {"resourceType": "Medication", "code": {"coding": [{"system": SCT, "code": made.OF_ARM}]}}
    id_ = ask(platform, "POST", "Medication", kept).tree["id"]
    answer = ask(platform, "GET", f"Medication?{urlencode({'code:below': f'{SCT}|{made.FRACTURE}'})}", as_="gp")
    assert id_ in {one["resource"]["id"] for one in answer.tree["entry"]}
    log = platform.client.call(
        "GET", f"/fhir/R4/AuditEvent?{urlencode({'type:in': 'http://x.example/vs'})}", as_="citizen"
    )
    assert log.status_code == 400


def test_a_condition_has_no_codes_but_r4s(platform: Standing) -> None:
    answer = create(platform, observation(), **{"if-none-exist": f"code:below={SCT}%7C{made.FRACTURE}"})
    assert (answer.status, answer.tree["issue"][0]["code"]) == (400, "not-supported")


def test_what_is_loaded_takes_room_in_tables_of_its_own_alone(platform: Standing) -> None:
    async def count() -> int:
        conn = await asyncpg.connect(platform.dsn)
        try:
            return int(await conn.fetchval("SELECT count(*) FROM pg_class WHERE relname LIKE 'fresh_%'"))
        finally:
            await conn.close()

    assert asyncio.run(count()) == 0
