"""`kjerne load terminology`: what publishers hand out, kept whole or not at all, each version beside the others."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import code_files as made
from kjerne.fhir.terminology.concept import Concept
from kjerne.sandbox import substances
from kjerne.store import terminology

SCT = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"


@pytest.fixture(autouse=True)
def on_this_database(monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    """The command line works on this module's database."""
    monkeypatch.setenv("KJERNE_DSN", dsn)


@pytest.fixture(autouse=True)
def nothing_loaded(dsn: str) -> None:
    async def clear() -> None:
        conn = await asyncpg.connect(dsn)
        await conn.execute(
            "DELETE FROM code_system; DELETE FROM concept; DELETE FROM concept_parent; DELETE FROM concept_set; "
            "DELETE FROM loaded_definition"
        )
        await conn.close()

    asyncio.run(clear())


def loaded(run: Any, *arguments: Any) -> list[dict[str, Any]]:
    code, out, err = run("load", "terminology", *map(str, arguments), "--json")
    assert code == 0, out + err
    return json.loads(out)["terminology"]  # type: ignore[no-any-return]


def refused(run: Any, *arguments: Any) -> str:
    code, _, err = run("load", "terminology", *map(str, arguments))
    assert code == 1
    return str(err)


def concept(dsn: str, url: str, code: str, version: str = "") -> Concept | None:
    async def asked() -> Concept | None:
        conn = await asyncpg.connect(dsn)
        try:
            system = await terminology.loaded(conn, url, version)
            return await system.concept(code) if system is not None else None
        finally:
            await conn.close()

    return asyncio.run(asked())


def definition(dsn: str, url: str) -> dict[str, Any]:
    async def asked() -> dict[str, Any] | None:
        conn = await asyncpg.connect(dsn)
        try:
            return await terminology.definition(conn, "ValueSet", url, "")
        finally:
            await conn.close()

    found = asyncio.run(asked())
    assert found is not None
    return found


def levels(dsn: str, url: str, code: str) -> tuple[set[str], set[str]]:
    async def asked() -> tuple[set[str], set[str]]:
        conn = await asyncpg.connect(dsn)
        try:
            system = await terminology.loaded(conn, url, "")
            assert system is not None
            return set(await system.over(code)), set(await system.under(code))
        finally:
            await conn.close()

    return asyncio.run(asked())


def test_a_release_of_snomed_ct_is_kept_from_a_zip(run: Any, dsn: str, tmp_path: Path) -> None:
    (told,) = loaded(run, made.zipped(tmp_path / "SnomedCT_20260101.zip", made.snomed()))
    assert (told["url"], told["version"]) == (SCT, f"{SCT}/{made.CORE}/version/20260101")
    assert (told["kind"], told["concepts"], told["state"]) == ("SNOMED CT RF2", 8, "loaded")
    found = concept(dsn, SCT, made.OF_ARM)
    assert found is not None
    assert (found.display, found.parents, found.active) == ("Fracture of arm", (made.FRACTURE,), True)
    assert (found.named("nb"), found.named("nn")) == ("armbrudd", "armbrudd")
    assert (made.SITE, "valueCode", made.ARM) in found.properties
    assert ("sufficientlyDefined", "valueBoolean", False) in found.properties
    names = {(one.language, one.value): one.use["code"] for one in found.designations}
    assert names["en", "Fracture of arm (made)"] == made.FSN
    assert levels(dsn, SCT, made.FRACTURE) == ({made.FINDING, made.ROOT}, {made.OF_ARM, made.OF_LEG})


def test_names_in_the_norwegian_languages_are_those_that_their_sets_prefer(run: Any, dsn: str, tmp_path: Path) -> None:
    loaded(run, made.laid(tmp_path, made.snomed()))
    found = concept(dsn, SCT, made.FRACTURE)
    assert found is not None
    assert [found.named(one) for one in ("nb", "nn", "en", "")] == [
        "brudd",
        "brot",
        "Fracture of bone",
        "Fracture of bone",
    ]
    gone = concept(dsn, SCT, made.GONE)
    assert gone is not None
    assert (gone.active, gone.display) == (False, "Gone")


def test_versions_stand_side_by_side_and_what_is_loaded_again_changes_nothing(
    run: Any, dsn: str, tmp_path: Path
) -> None:
    first = made.zipped(tmp_path / "1.zip", made.snomed())
    second = made.zipped(tmp_path / "2.zip", made.snomed("20260701", more=[("7771001", "New", made.ROOT)]))
    loaded(run, first)
    loaded(run, second)
    assert [one["state"] for one in loaded(run, first)] == ["unchanged"]
    assert [one["concepts"] for one in loaded(run)] == [8, 9]
    assert concept(dsn, SCT, "7771001") is not None
    assert concept(dsn, SCT, "7771001", f"{SCT}/{made.CORE}/version/20260101") is None
    assert concept(dsn, SCT, "7771001", f"{SCT}/{made.CORE}") is not None
    changed = made.zipped(tmp_path / "1.zip", made.snomed(more=[("7772001", "Other", made.ROOT)]))
    assert [(one["state"], one["concepts"]) for one in loaded(run, changed)] == [("replaced", 9)]
    assert loaded(run, "--remove", f"{SCT}|{SCT}/{made.CORE}/version/20260701")[0]["state"] == "removed"
    assert concept(dsn, SCT, "7771001") is None
    assert "no such version is loaded" in refused(run, "--remove", f"{SCT}|none")


def test_an_extension_is_loaded_with_what_it_builds_on_and_named_by_its_module(
    run: Any, dsn: str, tmp_path: Path
) -> None:
    def only(name: str, header: tuple[str, ...], *rows: tuple[str, ...]) -> dict[str, bytes]:
        return {f"Snapshot/{name}_NO_20260415.txt": made.text((*made.ROW, *header), rows)}

    row = ("20260415", "1", made.NORWAY)
    extension = {
        **only("sct2_Concept_Snapshot", ("definitionStatusId",), ("7773001", *row, "900000000000074008")),
        **only("sct2_Description_Snapshot-nb", ("conceptId", "languageCode", "typeId", "term", "caseSignificanceId"),
               ("7774001", *row, "7773001", "nb", made.SYNONYM, "norsk", "900000000000448009")),
        **only("sct2_Relationship_Snapshot", ("sourceId", "destinationId", "relationshipGroup", "typeId",
               "characteristicTypeId", "modifierId"),
               ("7775001", *row, "7773001", made.FINDING, "0", made.IS_A, made.INFERRED, made.SOME)),
    }  # fmt: skip
    package = made.zipped(tmp_path / "no.zip", extension)
    assert "Load an extension together with the release" in refused(run, package)
    (told,) = loaded(run, made.zipped(tmp_path / "int.zip", made.snomed()), package)
    assert told["version"] == f"{SCT}/{made.NORWAY}/version/20260415"
    found = concept(dsn, SCT, "7773001")
    assert found is not None
    assert (found.display, found.parents) == ("norsk", (made.FINDING,))


def _spoiled(files: dict[str, bytes], name: str, spoil: Any) -> dict[str, bytes]:
    (path,) = [one for one in files if name in one]
    return {**files, path: spoil(files[path])}


@pytest.mark.parametrize(
    ("name", "spoil", "says"),
    [
        ("Concept_Snapshot", lambda raw: raw[:-30], ["line 9", "cut off"]),
        ("Concept_Snapshot", lambda raw: raw.rstrip(), ["line 9", "last line is not ended"]),
        ("Concept_Snapshot", lambda raw: b"".join(raw.splitlines(keepends=True)[:-2]), ["that is not there"]),
        ("Description_Snapshot", lambda raw: raw.replace(b"\ten\t", b"\t", 1), ["line 2", "8 columns", "Description"]),
        ("Description_Snapshot", lambda raw: raw.replace(b"brudd", b"\xff", 1), ["not UTF-8", "line "]),
        ("Relationship_Snapshot", lambda raw: raw.replace(b"20260101", b"someday", 1), ["line 2", "no time"]),
        ("Relationship_Snapshot", lambda raw: raw.replace(made.FINDING.encode(), b"abc", 1), ["line 2", "identifier"]),
        ("Concept_Snapshot", lambda raw: raw + raw.splitlines(keepends=True)[1], ["a code comes twice", "lines 2 and 10"]),
        ("Relationship_Snapshot", lambda _: b"", ["has no file of its Snapshot with a relationship"]),
    ],
)  # fmt: skip
def test_a_release_that_is_spoiled_is_refused_with_its_place_and_nothing_of_it_is_kept(
    run: Any, tmp_path: Path, name: str, spoil: Any, says: list[str]
) -> None:
    err = refused(run, made.zipped(tmp_path / "bad.zip", _spoiled(made.snomed(), name, spoil)))
    for each in ("bad.zip", *says):
        assert each in err
    assert loaded(run) == []


def test_of_several_files_all_are_kept_or_none(run: Any, tmp_path: Path) -> None:
    good = made.zipped(tmp_path / "good.zip", made.snomed())
    bad = tmp_path / "ATC 2026.csv"
    bad.write_bytes(made.ATC_CSV.replace(b"Q01AA01", b"wrong"))
    assert "ATC 2026.csv, line 6" in refused(run, good, bad)
    assert loaded(run) == []


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_an_archive_that_is_cut_off_is_refused(run: Any, tmp_path: Path, cut: float) -> None:
    path = made.zipped(tmp_path / "cut.zip", made.snomed())
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * cut)])
    assert "damaged or cut off" in refused(run, path)
    middle = len(raw) // 3
    path.write_bytes(raw[:middle] + bytes(50) + raw[middle + 50 :])
    assert "damaged or cut off" in refused(run, path)


def test_the_full_release_is_none_that_is_loaded(run: Any, tmp_path: Path) -> None:
    files = made.snomed()
    (full,) = [one for one in files if one.startswith("Full")]
    made.laid(tmp_path, {full: files[full]})
    assert "the Snapshot is what is loaded" in refused(run, tmp_path / full)


def test_loinc_is_kept_with_its_variants_levels_and_answers(run: Any, dsn: str, tmp_path: Path) -> None:
    (told,) = loaded(run, made.zipped(tmp_path / "Loinc.zip", made.loinc()))
    assert (told["url"], told["version"], told["concepts"]) == ("http://loinc.org", "2.80", 7)
    found = concept(dsn, "http://loinc.org", "9001-1")
    assert found is not None
    assert (found.display, found.named("nb")) == ("Madeupium [Mass/volume] in Serum", "Oppdiktium i serum")
    assert ("SCALE_TYP", "valueString", "Qn") in found.properties
    assert levels(dsn, "http://loinc.org", "LP900001-1")[1] == {"9001-1", "9002-9"}
    quoted, old = concept(dsn, "http://loinc.org", "9002-9"), concept(dsn, "http://loinc.org", "9003-7")
    assert quoted is not None and old is not None
    assert (quoted.display, old.active) == ('Madeupium, "free", in Urine', False)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda raw: raw[:-60], "Loinc.csv, line 4"),
        (lambda raw: raw.replace(b'"9002-9"', b'"90029"'), "Loinc.csv, line 3"),
        (lambda raw: raw.replace(b'"SCALE_TYP",', b"", 1), "the columns SCALE_TYP are missing"),
        (lambda raw: raw + raw.splitlines(keepends=True)[1], "a code comes twice"),
    ],
)
def test_a_loinc_table_that_is_spoiled_is_refused_with_its_line(
    run: Any, tmp_path: Path, spoil: Any, says: str
) -> None:
    path = tmp_path / "Loinc.csv"
    path.write_bytes(spoil(made.loinc()["LoincTable/Loinc.csv"]))
    assert says in refused(run, path)


def test_icd_10_is_kept_from_claml_with_the_codes_that_modifiers_make(run: Any, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "icd.xml"
    path.write_text(made.CLAML)
    (told,) = loaded(run, path)
    url = "http://hl7.org/fhir/sid/icd-10"
    assert (told["url"], told["version"], told["concepts"]) == (url, "2026", 5)
    found = concept(dsn, url, "Q00")
    assert found is not None
    assert (found.display, found.parents) == ("Broken arm", ("Q00-Q09",))
    assert ("inclusion", "valueString", "Arm, broken") in found.properties
    assert levels(dsn, url, "I") == (set(), {"Q00-Q09", "Q00", "Q00.0", "Q00.1"})
    path.write_text(made.CLAML[:-200])
    assert "cut off" in refused(run, path)
    path.write_text(made.CLAML.replace("ICD-10-made", "Mine"))
    assert "give its address by --address" in refused(run, path)
    assert loaded(run, path, "--address", "http://mine.example")[0]["url"] == "http://mine.example"


def test_a_file_of_xml_opens_no_other(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "icd.xml"
    outside = tmp_path / "outside.txt"
    outside.write_text("secret")
    entity = f'<!DOCTYPE ClaML [<!ENTITY x SYSTEM "{outside.as_uri()}">]>'
    path.write_text(made.CLAML.replace('<!DOCTYPE ClaML SYSTEM "ClaML.dtd">', entity).replace("Arm, broken", "&x;"))
    loaded(run, path)
    assert "secret" not in json.dumps(loaded(run))


def test_atc_is_kept_from_its_table_with_levels_and_doses(run: Any, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "ATC.csv"
    path.write_bytes(made.ATC_CSV)
    assert "give it by --version" in refused(run, path)
    (told,) = loaded(run, path, "--version", "2026")
    assert (told["url"], told["version"], told["concepts"]) == (ATC, "2026", 5)
    found = concept(dsn, ATC, "Q01AA01")
    assert found is not None
    assert (found.display, found.parents) == ("madeupine", ("Q01AA",))
    assert [value for name, _, value in found.properties if name == "ddd"] == ["3 g O", "1 g P"]


def called(dsn: str, url: str, *words: str) -> list[str]:
    async def asked() -> list[str]:
        conn = await asyncpg.connect(dsn)
        try:
            system = await terminology.loaded(conn, url, "")
            assert system is not None
            return [one.code for one in await system.called(words, 3)]
        finally:
            await conn.close()

    return asyncio.run(asked())


def test_a_code_is_found_by_words_of_its_name_or_by_itself(run: Any, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "ATC.csv"
    path.write_bytes(made.ATC_CSV)
    loaded(run, path, "--version", "2026")
    assert called(dsn, ATC, "MADEup") == called(dsn, ATC, "up", "ine") == ["Q01AA01"]
    assert called(dsn, ATC, "q01aa01") == ["Q01AA01"]
    for nothing in ("%", "_", "made%", "\\", "made' OR true --"):
        assert called(dsn, ATC, nothing) == [], nothing


def test_fest_has_substances_medicines_and_atc(run: Any, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "fest251.xml"
    path.write_text(made.FEST)
    told = {one["url"]: one["concepts"] for one in loaded(run, path)}
    assert told == {"http://ehelse.no/FESTSubstance": 2, "http://ehelse.no/FESTMedication": 1, ATC: 2}
    substance, medicine = (
        concept(dsn, "http://ehelse.no/FESTSubstance", "ID_S1"),
        concept(dsn, "http://ehelse.no/FESTMedication", "ID_M1"),
    )
    assert substance is not None and medicine is not None
    assert (substance.display, substance.named("en")) == ("Oppdiktin", "madeupine")
    assert ("atc", "valueCode", "Q01AA01") in medicine.properties
    assert [value for name, _, value in medicine.properties if name == "RefVirkestoff"] == ["ID_S1", "ID_S2"]
    gone = concept(dsn, "http://ehelse.no/FESTSubstance", "ID_S2")
    assert gone is not None and not gone.active
    assert [value for name, _, value in gone.properties if name == "RefVirkestoff"] == ["ID_S1"], "what it is a form of"
    assert levels(dsn, ATC, "Q01")[0] == {"Q"}


def test_a_substance_that_the_file_of_fest_does_not_have_is_not_left_out_of_a_medicine(
    run: Any, dsn: str, tmp_path: Path
) -> None:
    path = tmp_path / "fest251.xml"
    path.write_text(made.FEST.replace("<fs:Id>ID_MS1</fs:Id>", "<fs:Id>ID_MS2</fs:Id>"))
    loaded(run, path)
    medicine = concept(dsn, "http://ehelse.no/FESTMedication", "ID_M1")
    assert medicine is not None
    named = {(name, value) for name, _, value in medicine.properties if name.startswith("RefVirkestoff")}
    assert named == {("RefVirkestoffMedStyrke", "ID_MS1"), ("RefVirkestoff", "ID_S2")}


def test_a_map_of_substances_that_warnings_do_not_understand_does_not_take_the_place_of_one_that_they_do(
    run: Any, tmp_path: Path
) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(substances.substance_map()))
    loaded(run, path)
    worse = substances.substance_map() | {"version": "worse"}
    worse["group"][1]["element"][0]["target"] = [{"code": "g", "relationship": "source-is-narrower-than-target"}]
    path.write_text(json.dumps(worse))
    assert "ConceptMap.group[1].element[0].target[0].equivalence" in refused(run, path)
    assert [one["version"] for one in loaded(run)] == [substances.VERSION]


def test_the_laboratory_list_is_kept_from_its_table(run: Any, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "NLK_2026-06.csv"
    path.write_bytes(made.NLK_CSV)
    (told,) = loaded(run, path)
    url = "urn:oid:2.16.578.1.12.4.1.1.7280"
    assert (told["url"], told["version"]) == (url, "2026-06")
    new, old = concept(dsn, url, "NPU90001"), concept(dsn, url, "NOR90002")
    assert new is not None and old is not None
    assert (new.display, new.active, old.active) == ("P-Oppdiktium", True, False)
    assert ("Fagområde", "valueString", "Medisinsk biokjemi") in new.properties


def test_a_workbook_is_read_as_its_first_sheet(run: Any, dsn: str, tmp_path: Path) -> None:
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="inlineStr"><is><t>Norsk bruksnavn</t></is></c></row>'
        '<row r="2"><c r="A2" t="s"><v>1</v></c><c r="C2" t="s"><v>2</v></c></row></sheetData></worksheet>'
    )
    shared = "".join(f"<si><t>{one}</t></si>" for one in ("Kode", "NPU90001", "P-Oppdiktium"))
    path = made.zipped(
        tmp_path / "NLK 2026.xlsx",
        {"xl/worksheets/sheet1.xml": sheet.encode(), "xl/sharedStrings.xml": f"<sst>{shared}</sst>".encode()},
    )
    loaded(run, path)
    found = concept(dsn, "urn:oid:2.16.578.1.12.4.1.1.7280", "NPU90001")
    assert found is not None and found.display == "P-Oppdiktium"
    path.write_bytes(path.read_bytes()[:-40])
    assert "damaged or cut off" in refused(run, path)


def test_shorthand_has_code_systems_and_value_sets(run: Any, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "animals.fsh"
    path.write_text(made.FSH)
    told = [(one["kind"], one["state"]) for one in loaded(run, path)]
    assert told == [("FSH", "loaded"), *[("ValueSet", "loaded")] * 3]
    assert {one["state"] for one in loaded(run, path)} == {"unchanged"}
    found = concept(dsn, "http://animals.example/fsh", "dog")
    assert found is not None
    assert (found.display, found.parents, found.named("nb")) == ("Dog", ("mammal",), "Hund")
    assert found.properties == (("legs", "valueInteger", 4),)
    kept = definition(dsn, "http://sets.example/friends")
    assert sorted(kept) == ["compose", "name", "resourceType", "status", "title", "url", "version"]
    assert levels(dsn, "http://animals.example/fsh", "mammal")[1] == {"dog", "great dane", "whale"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("* insert Something", "line 48"),
        ("* include codes from nowhere", "line 48"),
        ("* $NOBODY#x", "line 48"),
        ("* ^status =", "line 48"),
    ],
)
def test_shorthand_that_cannot_be_read_is_refused_with_its_line(run: Any, tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "animals.fsh"
    path.write_text(made.FSH + line + "\n")
    assert says in refused(run, path)
    assert loaded(run) == []


def test_resources_are_kept_from_json(run: Any, dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "some.json"
    system = {"resourceType": "CodeSystem", "url": "http://some.example", "version": "1", "status": "active",
              "content": "complete", "concept": [{"code": "a", "concept": [{"code": "b"}]}]}  # fmt: skip
    sets = {"resourceType": "ValueSet", "url": "http://some.example/set", "status": "active",
            "compose": {"include": [{"system": "http://some.example"}]}}  # fmt: skip
    path.write_text(
        json.dumps(
            {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": system}, {"resource": sets}]}
        )
    )
    assert [one["kind"] for one in loaded(run, path)] == ["FHIR JSON", "ValueSet"]
    assert levels(dsn, "http://some.example", "b")[0] == {"a"}
    path.write_text(path.read_text()[:-3])
    assert "no JSON" in refused(run, path)


@pytest.mark.parametrize("raw", [b"", b"\x00\x01\x02" * 100, b"hello", b"<html/>", b"{}", b"a,b,c\n1,2,3\n"])
def test_what_is_nothing_known_is_refused_by_name(run: Any, tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "what.bin"
    path.write_bytes(raw)
    err = refused(run, path)
    assert "nothing in it that is known" in err and "what.bin" in err


@pytest.mark.parametrize(
    "spoiled",
    [
        {"concept": [{"display": "no code"}]}, {"concept": {"code": "a"}}, {"concept": [{"code": 7}]},
        {"concept": [{"code": "a\u0000"}]}, {"concept": [{"code": "a", "display": "\ud800"}]}, {"concept": []}, {"url": 7},
        {"resourceType": "ValueSet", "compose": {"include": ["x"]}},
        {"resourceType": "ValueSet", "compose": {"include": [{"system": "urn:s", "filter": [{"op": "="}]}]}},
        {"resourceType": "ConceptMap", "group": [{"element": [{"target": [1]}]}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_resource_that_has_not_its_shape_is_refused(run: Any, tmp_path: Path, spoiled: dict[str, Any]) -> None:
    path = tmp_path / "spoiled.json"
    path.write_text(
        json.dumps({"resourceType": "CodeSystem", "url": "urn:s", "status": "active", "content": "complete", **spoiled})
    )
    assert "spoiled.json" in refused(run, path)
    assert loaded(run) == []


def test_a_table_with_a_character_that_no_text_has_is_refused_with_its_line(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "ATC 2026.csv"
    path.write_bytes(made.ATC_CSV.replace(b"Made up", b"Made\0up"))
    assert "ATC 2026.csv, line 5" in refused(run, path)


def test_a_file_that_is_not_there_is_wrong_usage(run: Any, tmp_path: Path) -> None:
    assert run("load", "terminology", str(tmp_path / "none.zip"))[0] == 2
    assert run("load", "terminology", str(tmp_path), "--remove", "x")[0] == 2
