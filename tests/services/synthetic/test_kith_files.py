"""`kjerne synth generate --format kith`: generated results as messages that the platform's own receiver takes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lxml import etree

from kjerne.errors import Refusal
from kjerne.registries.identifiers import parse
from kjerne.sandbox.population import generate
from kjerne.services.synthetic import fhir_mapping, fitting, kith_files, learning, model_file, tuning, writing
from kjerne.services.synthetic.identities import UNWISHED
from platform_fixture import Answered, Standing

NLK = "urn:oid:2.16.578.1.12.4.1.1.7280"
MAPPING = {
    "codes": {
        "hb": {"kind": "Observation", "system": NLK, "code": "NPU28309", "unit": "g/dL", "category": "laboratory"},
        "diabetes": {"kind": "Condition", "system": "http://hl7.org/fhir/sid/icd-10", "code": "E11"},
        "death": {"kind": "death"},
    }
}
SPACE = {"k": "http://www.kith.no/xmlstds/labsvar/2012-02-15"}
QUICK = learning.Effort(hidden=(16,), epochs=3)


@pytest.fixture(scope="module")
def mapped(source: fitting.Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose haemoglobin is one of NLK's."""
    path = tmp_path_factory.mktemp("mapped") / "m.synth"
    wanted = fitting.Wanted(age="age", until="seen_until", meaning=msgspec.convert(MAPPING, fhir_mapping.Meaning))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning, "ROUNDS", 0)
        model_file.saved(*fitting.fit(source, wanted, QUICK, lambda *_: None), path)
    return path


def made(run: Any, model: Path, folder: Path, *more: str, format_: str = "kith", people: int = 40) -> dict[str, Any]:
    words = ("synth", "generate", str(model), "--out", str(folder), "--people", str(people), "--seed", "7", "--json")
    code, out, err = run(*words, "--format", format_, "--closed-zone", *more)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.fixture
def folder(run: Any, mapped: Path, tmp_path: Path) -> Path:
    made(run, mapped, tmp_path / "messages")
    return tmp_path / "messages"


def test_every_message_is_taken_by_the_platforms_receiver_and_its_results_are_found(
    platform: Standing, folder: Path
) -> None:
    paths = sorted(folder.rglob("*.xml"))
    assert len(paths) > 40
    told = dict[str, list[tuple[str, str, str]]]()
    for path in paths:
        answer = platform.send(path.read_bytes())
        receipt = etree.fromstring(answer.content)
        assert (answer.status_code, receipt.find("{*}Status").get("V")) == (200, "1"), answer.text  # type: ignore[union-attr]
        tree = etree.fromstring(path.read_bytes())
        number = tree.findtext(".//k:Patient/k:OffId", namespaces=SPACE) or ""
        for item in tree.findall(".//k:ResultItem", SPACE):
            code, value = item.find(".//k:Investigation/k:Id", SPACE), item.find(".//k:NumResultValue", SPACE)
            taken = item.find("k:InvDate", SPACE)
            assert code is not None
            assert value is not None
            assert taken is not None
            told.setdefault(number, []).append((code.get("V", ""), value.get("V", ""), taken.get("V", "")[:10]))
    number = max(told, key=lambda one: len(told[one]))
    found = Answered(platform.client.call("GET", "/fhir/R4/Observation?_count=200", as_="all-patients", patient=number))
    filed = [
        (one["code"]["coding"][0]["code"], str(one["valueQuantity"]["value"]), one["effectiveDateTime"][:10])
        for one in (entry["resource"] for entry in found.tree["entry"])
        if one["resourceType"] == "Observation" and "valueQuantity" in one
    ]
    assert sorted(filed) == sorted(told[number])


def test_messages_say_what_fhir_says_of_the_same_people(run: Any, mapped: Path, folder: Path, tmp_path: Path) -> None:
    made(run, mapped, tmp_path / "fhir", format_="fhir")
    lines = (tmp_path / "fhir" / "Observation-00000.ndjson").read_text().splitlines()
    fhir = {one["id"]: one for one in map(json.loads, lines)}
    people = {}
    for line in (tmp_path / "fhir" / "Patient-00000.ndjson").read_text().splitlines():
        one = json.loads(line)
        people[one["identifier"][0]["value"]] = one
    items = dict[str, str]()
    for path in folder.rglob("*.xml"):
        tree = etree.fromstring(path.read_bytes())
        number = tree.findtext(".//k:Patient/k:OffId", namespaces=SPACE) or ""
        whom = people[number]
        assert int(number[2:4]) > 80, "the month of a synthetic number has 80 added"
        assert parse(number).kind == tree.find(".//k:Patient/k:TypeOffId", SPACE).get("V")  # type: ignore[union-attr]
        name = tree.findtext(".//k:Patient/k:Name", namespaces=SPACE)
        assert name == f"{whom['name'][0]['family']}, {whom['name'][0]['given'][0]}"
        moments = {one.get("V", "") for one in tree.findall(".//k:ResultItem/k:InvDate", SPACE)}
        assert len(moments) == 1, "one message is of one moment"
        items |= {one.text or "": moments.copy().pop()[:10] for one in tree.findall(".//k:IdResultItem", SPACE)}
    assert items == {id_: one["effectiveDateTime"][:10] for id_, one in fhir.items()}


def test_diagnoses_are_in_no_message_and_other_codes_are_the_laboratorys_own(folder: Path) -> None:
    codes = dict[str, str]()
    for path in folder.rglob("*.xml"):
        for one in etree.fromstring(path.read_bytes()).findall(".//k:Investigation/k:Id", SPACE):
            codes[one.get("V", "")] = one.get("S", "").rpartition(".")[2]
    assert codes == {"NPU28309": "7280", "smoker": "8212"}


def test_no_two_messages_share_a_number_of_their_own(folder: Path) -> None:
    trees = [etree.fromstring(path.read_bytes()) for path in folder.rglob("*.xml")]
    for way in (
        "k:MsgId",
        "k:ServReport/k:ServProvId",
        "k:ServReport/k:ServReq/k:Id",
        "k:ServReport/k:ServReq/k:IdByServProvider",
    ):
        found = [tree.findtext(way, namespaces=SPACE) for tree in trees]
        assert None not in found
        assert len(set(found)) == len(trees), way


def test_the_same_messages_come_of_one_person_alone_and_a_broken_run_goes_on(
    run: Any, mapped: Path, folder: Path, kept: model_file.Kept
) -> None:
    listed = folder / "messages-00000.sha256"
    for line in listed.read_text().splitlines():
        sha, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha
    before = {path.name: path.read_bytes() for path in folder.rglob("*.xml")}
    first = next(iter(sorted(before)))
    (folder / "messages-00000" / first).write_bytes(b"<broken")
    made(run, mapped, folder)
    assert {path.name: path.read_bytes() for path in folder.rglob("*.xml")} == before
    alone = writing.one_persons_messages(model_file.opened(mapped), 7, 3, UNWISHED)
    assert alone
    assert {one.encode() for one in alone} <= set(before.values())
    code, out, _ = run(
        "synth", "generate", str(mapped), "--person", "3", "--seed", "7", "--format", "kith", "--closed-zone"
    )
    assert (code, out.strip()) == (0, "".join(alone).strip())


def test_laboratory_and_office_are_those_of_the_sandbox() -> None:
    population = generate(20, 3, date(2025, 12, 31))
    for unit, key in ((kith_files.LAB, "private-lab"), (kith_files.OFFICE, "office-1")):
        known = population.units[key]
        owner = next((one for one in population.organisations if one.number == known.parent), known)
        assert (unit.number, unit.her) == (owner.number, owner.her)
    assert kith_files.DOCTOR.hpr == population.staff["gp"].hpr
    assert kith_files.SCIENTIST.hpr == population.staff["scientist"].hpr


def test_model_without_results_of_a_laboratory_is_refused(kept: model_file.Kept) -> None:
    mapped = {"fhir": {"codes": {code: {"kind": "Procedure"} for code in kept.model.codes}}}
    with pytest.raises(Refusal, match="nothing that the model learned is a laboratory's result"):
        kith_files.check(replace(kept.model, card={**kept.model.card, **mapped}))


def test_moments_are_by_norwegian_clocks_and_made_after_they_were_taken() -> None:
    assert kith_files._moment("2024-07-01T09:05:00+02:00").isoformat() == "2024-07-01T09:05:00"
    assert kith_files._moment("2024-01-01T09:05:00+01:00").isoformat() == "2024-01-01T09:05:00"
    assert kith_files._moment("2024-01-01").isoformat() == "2024-01-01T08:00:00"
