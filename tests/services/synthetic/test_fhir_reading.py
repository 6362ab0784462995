"""What is learned from a folder of FHIR: what happened by code, and nothing that says to whom."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kjerne.errors import Refusal
from kjerne.fhir.encode import decode
from kjerne.fhir.validate import check
from kjerne.registries.identifiers import control_digits
from kjerne.sandbox import teaching
from kjerne.services.synthetic import fhir_reading, fitting, model_file, sampling, tuning, writing
from kjerne.services.synthetic.streams import Streams

ICD, LOINC, UCUM = "http://hl7.org/fhir/sid/icd-10", "http://loinc.org", "http://unitsofmeasure.org"
FNR = "urn:oid:2.16.578.1.12.4.1.4.1"
NUMBER = next(nine + digits for nine in map(str, range(130885400, 130885500)) if (digits := control_digits(nine)))
Tree = dict[str, Any]


@pytest.fixture(autouse=True)
def little_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models here need not be good."""
    monkeypatch.setattr(tuning, "ROUNDS", 0)


def person(id_: str, **more: Any) -> Tree:
    return {"resourceType": "Patient", "id": id_, "gender": "female", "birthDate": "1950-06-01", **more}


def said(kind: str, code: str, system: str = ICD, of: str = "a", **more: Any) -> Tree:
    concept = {"coding": [{"system": system, "code": code}]}
    return {"resourceType": kind, "id": "x", "code": concept, "subject": {"reference": f"Patient/{of}"}, **more}


def measured(code: str, value: float, unit: str = "g/dL", day: str = "2020-01-01", **more: Any) -> Tree:
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    told = {"status": "final", "effectiveDateTime": day, "valueQuantity": quantity}
    return said("Observation", code, LOINC, **(told | more))


def folder_of(path: Path, *trees: Tree) -> list[Path]:
    """A folder with a file for each type, as bulk data has it."""
    path.mkdir(parents=True, exist_ok=True)
    for tree in trees:
        with (path / f"{tree['resourceType']}.ndjson").open("a") as file:
            file.write(json.dumps(tree) + "\n")
    return fhir_reading.files_in(path)


def read(path: Path, *trees: Tree) -> fhir_reading.Told:
    return fhir_reading.read(folder_of(path, *trees))


def events(told: fhir_reading.Told) -> list[tuple[str, float | None, str, float | None]]:
    return sorted(zip(told.events.ids, told.events.days, told.events.codes, told.events.values, strict=True), key=str)


def cohort(path: Path, people: int = 120, *more: Tree) -> Path:
    """A folder of people who all have three things, and of whatever else is given."""
    for number in range(people):
        name, born = f"id{number}", f"{1930 + number % 60}-02-03"
        gender = "male" if number % 2 else "female"
        folder_of(path, person(name, birthDate=born, gender=gender),
                  measured("718-7", 12 + number % 5, of=name, day=f"2020-03-{1 + number % 28:02d}"),
                  said("Condition", f"E11.{number % 3}", of=name, onsetDateTime="2021-05-06"),
                  said("Procedure", "236973005", "http://snomed.info/sct", of=name, status="completed",
                       performedDateTime=f"2022-01-{1 + number % 28:02d}"))  # fmt: skip
    folder_of(path, *more)
    return path


def test_each_type_tells_what_when_and_how_much(tmp_path: Path) -> None:
    drug = {
        "resourceType": "Medication",
        "id": "m",
        "code": {"coding": [{"system": "http://www.whocc.no/atc", "code": "A10BA02"}]},
    }
    patient, vaccine = (
        {"reference": "urn:uuid:a"},
        {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "140"}]},
    )
    told = read(
        tmp_path, person("a"), drug, measured("718-7", 13.5, day="2020-01-01T12:00:00+01:00"),
        said("Condition", "E11.9", onsetDateTime="2020-01-03", subject={"reference": "Patient/a/_history/2"}),
        {"resourceType": "MedicationRequest", "subject": patient, "authoredOn": "2020-01-04",
         "medicationReference": {"reference": "Medication/m"}},
        {"resourceType": "Immunization", "status": "completed", "patient": {"reference": "Patient/a"},
         "occurrenceDateTime": "2020-01-05", "vaccineCode": vaccine},
        {"resourceType": "Encounter", "subject": {"reference": "Patient/a"}, "period": {"start": "2020-01-06T08:00:00+01:00"},
         "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}},
    )  # fmt: skip
    assert events(told) == [
        ("0", 0.5, "718-7", 13.5), ("0", 2, "E11.9", None), ("0", 3, "A10BA02", None), ("0", 4, "140", None),
        ("0", pytest.approx(5 + 8 / 24), "AMB", None),
    ]  # fmt: skip
    assert told.traits.traits == {"age": ["69"], "sex": ["female"]}
    assert told.meaning is not None
    assert told.meaning.codes["718-7"].unit == "g/dL"
    assert told.meaning.codes["A10BA02"].kind == "MedicationRequest"
    assert told.notes == ()


def test_pressure_is_read_by_its_parts_and_death_comes_last(tmp_path: Path) -> None:
    parts = [{"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": {"value": value, "code": "mm[Hg]"}}
             for code, value in (("8480-6", 140), ("8462-4", 90))]  # fmt: skip
    pressure = said("Observation", "85354-9", LOINC, effectiveDateTime="2020-01-01", component=parts)
    told = read(tmp_path, person("a", deceasedDateTime="2020-02-01T03:00:00Z"), pressure)
    assert events(told) == [("0", 0, "8462-4", 90), ("0", 0, "8480-6", 140), ("0", 31, "death", None)]


def test_who_it_is_about_may_be_said_by_number_alone(tmp_path: Path) -> None:
    subject = {"reference": "Patient/elsewhere", "identifier": {"system": FNR, "value": NUMBER}}
    told = read(
        tmp_path, person("a", identifier=[{"system": FNR, "value": NUMBER}]), measured("718-7", 13, subject=subject)
    )
    assert len(told.events.ids) == 1


def test_what_is_not_so_or_cannot_be_learned_is_left_out_and_counted(tmp_path: Path) -> None:
    bound = measured("718-7", 5)
    bound["valueQuantity"]["comparator"] = "<"
    told = read(
        tmp_path, person("a"), *(measured("718-7", 13, day=f"2020-01-0{day}") for day in (1, 2)), bound,
        measured("718-7", 130, "g/L"), measured("718-7", 13, status="entered-in-error"), measured("718-7", 13, day=""),
        said("Condition", "two words and more", onsetDateTime="2020-01-01"),
        {**said("Condition", "", onsetDateTime="2020-01-01"), "code": {"text": "Brukket arm"}},
    )  # fmt: skip
    assert [value for value in told.events.values if value] == [13, 13]
    assert told.notes == (
        "2 events without a code that can be learned were left out",
        "1 resources that are taken back, or say what was not, or is not yet were left out",
        "1 resources without a day were left out",
        "1 values in another unit than most of their code were left out",
        "1 values that are only bounds were left out",
    )


def order(**more: Any) -> Tree:
    return said("MedicationRequest", "x", authoredOn="2020-02-02", medicationCodeableConcept={
        "coding": [{"system": "http://www.whocc.no/atc", "code": "A10BA02"}]}, **more)  # fmt: skip


def status_of(**codes: str) -> Tree:
    return {name: {"coding": [{"code": code}]} for name, code in codes.items()}


@pytest.mark.parametrize(
    "tree",
    [
        order(doNotPerform=True), order(status="draft"), order(status="on-hold"), order(intent="proposal"), order(intent="plan"),
        {"resourceType": "Encounter", "status": "planned", "subject": {"reference": "Patient/a"},
         "period": {"start": "2020-03-01"}, "class": {"system": "urn:x:act", "code": "AMB"}},
        said("Condition", "E11", onsetDateTime="2020-01-01", **status_of(verificationStatus="unconfirmed")),
        said("Condition", "E11", onsetDateTime="2020-01-01", **status_of(verificationStatus="differential")),
        said("Procedure", "P1", status="preparation", performedDateTime="2020-01-01"),
        measured("2093-3", 5, status="registered"), measured("2093-3", 5, status="unknown"),
        said("Observation", "2093-3", LOINC, effectiveDateTime="2020-01-01", **status_of(dataAbsentReason="not-performed")),
        said("MedicationStatement", "x", status="not-taken", effectiveDateTime="2020-01-01"),
        measured("2093-3", 5, modifierExtension=[{"url": "http://x.example/not", "valueBoolean": True}]),
        measured("2093-3", 5, focus=[{"reference": "Patient/b"}]),
    ],
)  # fmt: skip
def test_what_was_planned_suspected_or_not_done_is_not_learned_and_is_counted(tree: Tree, tmp_path: Path) -> None:
    told = read(tmp_path, person("a"), measured("718-7", 13), tree)
    assert told.events.codes == ["718-7"]
    assert len(told.notes) == 1
    assert told.notes[0].startswith("1 ")


def test_condition_that_is_over_is_another_code_and_comes_out_as_over(tmp_path: Path, run: Any) -> None:
    over = [said("Condition", "J18.9", of=f"id{number}", onsetDateTime="2020-05-06", **status_of(clinicalStatus="resolved"))
            for number in range(60)]  # fmt: skip
    folder, model = cohort(tmp_path / "real", 120, *over), tmp_path / "m.synth"
    assert run("synth", "fit", str(folder), "--out", str(model), "--epochs", "1")[0] == 0
    words = ("synth", "generate", str(model), "--out", str(tmp_path / "made"), "--people", "100", "--format", "fhir")
    assert run(*words)[0] == 0
    made = [decode(line) for line in (tmp_path / "made" / "Condition-00000.ndjson").read_bytes().splitlines()]
    seen = {(tree["code"]["coding"][0]["code"][:3], tree["clinicalStatus"]["coding"][0]["code"]) for tree in made}
    assert seen == {("E11", "active"), ("J18", "resolved")}
    assert all(check(tree, "Condition") == [] and "valueCodeableConcept" not in tree for tree in made)


def test_only_what_is_about_a_patient_of_the_folder_is_hers(tmp_path: Path) -> None:
    others = [
        measured("2093-3", 5, subject=subject)
        for subject in (
            {"reference": "Group/a"}, {"reference": "Device/a"}, {"reference": "https://other.example/fhir/Patient/a"},
            {"reference": "a", "type": "Group"}, {"reference": "Group/a", "identifier": {"system": FNR, "value": NUMBER}},
            {"type": "Device", "identifier": {"system": FNR, "value": NUMBER}},
        )
    ]  # fmt: skip
    ours = [measured("718-7", 13, day=f"{2000 + number // 28}-01-{1 + number % 28:02d}") for number in range(900)]
    told = read(tmp_path, person("a", identifier=[{"system": FNR, "value": NUMBER}]), *ours, *others)
    assert set(told.events.codes) == {"718-7"}
    assert told.notes == (f"{len(others)} {fhir_reading.NOBODYS} were left out",)


def test_addresses_are_the_folders_own_where_all_have_one_base(tmp_path: Path) -> None:
    def at(base: str, day: str) -> Tree:
        return measured("718-7", 13, day=day, subject={"reference": f"https://{base}.example/fhir/Patient/a"})

    assert len(read(tmp_path / "one", person("a"), at("x", "2020-01-01"), at("x", "2020-01-02")).events.ids) == 2
    with pytest.raises(Refusal, match="2 resources are of nobody"):
        read(tmp_path / "two", person("a"), at("x", "2020-01-01"), at("y", "2020-01-02"))


def test_patients_who_differ_and_have_one_id_are_refused_and_one_who_stands_twice_is_one(tmp_path: Path) -> None:
    assert len(read(tmp_path / "one", person("a"), person("a"), measured("718-7", 13)).traits.ids) == 1
    with pytest.raises(Refusal, match="the id of another Patient") as refused:
        read(tmp_path / "two", person("a"), person("a", gender="male"), measured("718-7", 13))
    assert "line 2" in str(refused.value)


def test_number_that_two_patients_have_says_of_neither_whose_it_is(tmp_path: Path) -> None:
    number = {"identifier": [{"system": FNR, "value": NUMBER}]}
    unclear = measured("718-7", 13, subject=number | {"identifier": number["identifier"][0]})
    with pytest.raises(Refusal, match="of nobody"):
        read(tmp_path / "two", person("a", **number), person("b", gender="male", **number), unclear)
    nameless = person("")
    told = read(tmp_path / "none", person("a"), nameless, nameless | {"gender": "male"}, measured("718-7", 13))
    assert told.notes == ("2 Patients whom nothing can refer to were left out",)


def test_person_to_whom_two_systems_gave_an_id_is_one(tmp_path: Path) -> None:
    number = {"identifier": [{"system": FNR, "value": NUMBER}]}
    told = read(
        tmp_path / "one", person("a", **number), *[person("b", deceasedDateTime="2020-02-01", **number)] * 2,
        measured("718-7", 13, of="a"), measured("718-7", 14, of="b", day="2020-01-02"),
        measured("718-7", 15, day="2020-01-03", subject={"identifier": number["identifier"][0]}),
    )  # fmt: skip
    assert (len(told.traits.ids), set(told.events.ids), len(told.events.ids)) == (1, {"0"}, 4)
    assert told.notes == ("1 Patients have the number, sex and birth date of another, and were taken for her",)
    local = {"identifier": [{"system": "urn:oid:1.2.3", "value": "17"}]}
    told = read(tmp_path / "two", person("a", **local), person("b", **local), measured("718-7", 13))
    assert len(told.traits.ids) == 2


def test_moments_of_any_zone_are_told_by_one_clock(tmp_path: Path) -> None:
    days = (
        "2019-12-31T23:30:00Z",
        "2020-01-01T00:40:00+01:00",
        "2020-01-01T02:00:00+02:00",
        "2020-07-01T10:15:00+02:00",
    )
    told = read(tmp_path, person("a"), *(measured("718-7", place, day=day) for place, day in enumerate(days)))
    minutes = [round(day * 1440) for day in told.events.days if day is not None]
    assert minutes == [30, 40, 60, 182 * 1440 + 10 * 60 + 15]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2020-02-30"])
def test_day_that_is_nobodys_is_no_day(day: str, tmp_path: Path) -> None:
    told = read(tmp_path, person("a"), measured("718-7", 13), measured("718-7", 13, day=day))
    assert told.events.days == [0]


def test_birth_date_that_is_none_tells_no_age(tmp_path: Path) -> None:
    for place, born in enumerate(("2020-13-45", "99999999999999999999-01-01", "i fjor", "")):
        told = read(tmp_path / str(place), person("a", birthDate=born), measured("718-7", 13))
        assert told.traits.traits["age"] == [None]


def test_code_with_eleven_digits_of_a_day_is_left_out_and_the_others_are_learned(tmp_path: Path) -> None:
    told = read(tmp_path, person("a"), measured("718-7", 13), measured("j-01018012345x", 13))
    assert told.events.codes == ["718-7"]
    assert told.notes == ("1 events without a code that can be learned were left out",)


def test_hour_that_is_none_is_no_time(tmp_path: Path) -> None:
    told = read(tmp_path, person("a"), measured("718-7", 13), measured("718-7", 12, day="2020-01-02T99:99:00Z"))
    assert (told.events.values, told.notes) == ([13], ("1 resources without a day were left out",))


def test_unit_category_and_system_are_counted_by_who_had_them_and_not_by_who_had_the_code(
    tmp_path: Path, run: Any
) -> None:
    in_words = [said("Observation", "8888-8", LOINC, of=f"id{number}", effectiveDateTime="2020-04-01", status="final",
                     valueString="Hemmelig") for number in range(100)]  # fmt: skip
    alone = [
        measured("8888-8", 4711, "{Kari.Nordmann}", of="id5"), measured("7777-7", 4711, "[arb'U]", of="id5"),
        *(said("Observation", "7777-7", LOINC, of=f"id{number}", effectiveDateTime="2020-04-01") for number in range(50)),
        said("Observation", "6666-6", LOINC, of="id5", effectiveDateTime="2020-04-01",
             category=[{"coding": [{"system": "http://x.example", "code": "imaging"}]}]),
        *(said("Observation", "6666-6", LOINC, of=f"id{number}", effectiveDateTime="2020-04-01") for number in range(6, 50)),
        said("Condition", "I21.0", "http://kari.example/codes", of="id6", onsetDateTime="2020-04-01"),
        *(said("Condition", f"I21.{1 + number % 5}", of=f"id{number}", onsetDateTime="2020-04-01") for number in range(25)),
    ]  # fmt: skip
    folder, model = cohort(tmp_path / "real", 120, *in_words, *alone), tmp_path / "m.synth"
    code, out, err = run("synth", "fit", str(folder), "--out", str(model), "--epochs", "1", "--json")
    assert code == 0, err
    raw, codes = model.read_bytes(), json.loads(out)["card"]["fhir"]["codes"]
    for word in (b"Nordmann", b"arb'U", b"imaging", b"kari.example"):
        assert word not in raw
    assert codes["8888-8"] == {"kind": "Observation", "system": LOINC}
    assert codes["I21"] == {"kind": "Condition", "system": ICD}
    assert codes["718-7"]["unit"] == "g/dL"


def test_what_stands_between_braces_in_a_unit_is_on_a_list(tmp_path: Path) -> None:
    named = [measured("718-7", 1, "{Kari}"), measured("2093-3", 1, "{INR}"), measured("2571-8", 1, "{cells}/uL")]
    told = read(tmp_path, person("a"), *named)
    assert sorted(told.events.units) == ["", "{INR}", "{cells}/uL"]


def test_identifiers_and_free_text_never_enter(tmp_path: Path, run: Any) -> None:
    words = ("Hemmelig", "Nordmann", "Storgata", "hjerteinfarkt", NUMBER)
    planted = []
    for number in range(40):  # so that ten people have it, and rarity alone does not keep it out
        one = f"p{number}"
        identifier = [{"system": FNR, "value": NUMBER if number == 0 else f"{number:011d}"}]
        planted += [
            person(one, name=[{"family": "Nordmann", "given": ["Hemmelig"]}], address=[{"text": "Storgata 1"}],
                   identifier=identifier, text={"status": "generated", "div": "<div>Hemmelig Nordmann</div>"}),
            said("Condition", NUMBER, of=one, onsetDateTime="2020-01-01"),
            {**said("Condition", "I21", of=one, onsetDateTime="2020-01-02"), "note": [{"text": "hjerteinfarkt"}],
             "code": {"text": "hjerteinfarkt", "coding": [{"system": ICD, "code": "I21", "display": "hjerteinfarkt"}]}},
            measured("718-7", int(NUMBER), of=one), said("Condition", "Hemmelig Nordmann", of=one, onsetDateTime="2020-01-01"),
            measured("2093-3", 5, f"Hemmelig {NUMBER}", of=one), measured("2571-8", 5, "Hemmelig", of=one),
            measured("2345-7", 5, of=one, category=[{"coding": [{"system": "urn:x", "code": "hjerteinfarkt"}]}]),
            said("Condition", "A1", "urn:Hemmelig Nordmann", of=one, onsetDateTime="2020-01-01"),
        ]  # fmt: skip
    folder = cohort(tmp_path / "real", 120, *planted)
    model = tmp_path / "m.synth"
    code, out, err = run("synth", "fit", str(folder), "--out", str(model), "--epochs", "1", "--json")
    assert code == 0, err
    assert json.loads(out)["card"]["people"] == 160
    raw = model.read_bytes()
    for word in words:
        assert word.encode() not in raw
    assert b"I21" in raw
    assert not any(f"id{number}".encode() in raw for number in range(10, 120))
    kept = model_file.opened(model)
    made = sampling.block(kept.model, Streams(kept.hash, 1), 0, kept.copies)
    assert np.nanmax(made.values) < 1000


def test_model_of_fhir_makes_fhir_with_the_same_codes_and_says_whose_it_was(tmp_path: Path, run: Any) -> None:
    folder, model = cohort(tmp_path / "real"), tmp_path / "m.synth"
    code, out, err = run("synth", "fit", str(folder), "--out", str(model), "--epochs", "1", "--json")
    assert code == 0, err
    card = json.loads(out)["card"]
    assert (card["learned_from"], card["age"], len(card["lineage"])) == ("real people", "age", 4)
    assert card["fhir"]["codes"]["E11.0"] == {"kind": "Condition", "system": ICD}
    made = tmp_path / "made"
    words = ("synth", "generate", str(model), "--out", str(made), "--people", "150", "--format", "fhir")
    assert run(*words)[0] == 0
    seen = {
        (tree["resourceType"], tree["code"]["coding"][0]["code"])
        for path in made.glob("[COP][obr]*.ndjson")
        for tree in map(json.loads, path.read_text().splitlines())
    }
    assert {("Observation", "718-7"), ("Condition", "E11.0"), ("Procedure", "236973005")} <= seen
    (
        made / "manifest.json"
    ).unlink()  # as another server's: that they are made up their label says, and of whom their ids
    code, out, err = run("synth", "fit", str(made), "--out", str(tmp_path / "n"), "--epochs", "1", "--json")
    assert (code, json.loads(out)["card"]["learned_from"]) == (0, "people made by a model of real people"), err
    patients = made / "Patient-00000.ndjson"
    patients.write_text(re.sub(r'"value":"w[^"]*"', '"value":"x"', patients.read_text()))
    code, out, err = run("synth", "fit", str(made), "--out", str(tmp_path / "n"), "--epochs", "1", "--json")
    assert (code, json.loads(out)["card"]["learned_from"]) == (0, "generated people"), err


def test_hold_out_is_split_off_with_its_mapping_and_known_codes_keep_their_names(tmp_path: Path, run: Any) -> None:
    folder = cohort(tmp_path / "real", 150)
    assert run("synth", "split", str(folder), "--out", str(tmp_path / "parts"))[0] == 0
    train = tmp_path / "parts" / "train"
    words = ("synth", "fit", str(train), "--out", str(tmp_path / "m"), "--mapping", str(train / "mapping.json"))
    code, out, err = run(*words, "--age", "age", "--epochs", "1", "--json")
    assert code == 0, err
    assert json.loads(out)["card"]["fhir"]["codes"]["718-7"]["unit"] == "g/dL"
    kept = model_file.opened(tmp_path / "m")
    like = fitting.like(fitting.Source([], [], False, fhir_reading.files_in(folder)), kept.model)
    assert (like.people, len(like.code)) == (150, 450)


def test_people_who_are_compared_have_the_class_under_which_their_code_was_learned(tmp_path: Path, run: Any) -> None:
    rare = [said("Condition", f"J45.{one}", of=f"id{one}", onsetDateTime="2020-06-07") for one in range(12)]
    folder = cohort(tmp_path / "real", 120, *rare)
    code, _, err = run("synth", "fit", str(folder), "--out", str(tmp_path / "m"), "--epochs", "1")
    assert code == 0, err
    model = model_file.opened(tmp_path / "m").model
    like = fitting.like(fitting.Source([], [], False, fhir_reading.files_in(folder)), model)
    assert int((like.code == model.codes.index("J45")).sum()) == 12


def test_what_was_found_by_code_is_learned_and_comes_out_as_a_code(tmp_path: Path, run: Any) -> None:
    def smoker(of: str, answer: str, **more: Any) -> Tree:
        told = {"coding": [{"system": "http://snomed.info/sct", "code": answer}]} if answer else {"text": "vet ikke"}
        tree = said("Observation", "72166-2", LOINC, of=of, effectiveDateTime="2020-04-01", **more)
        return {**tree, "valueCodeableConcept": told}

    answers = [smoker(f"id{number}", "266919005" if number % 2 else "8517006") for number in range(100)]
    folder, model = cohort(tmp_path / "real", 120, *answers, smoker("id101", "")), tmp_path / "m.synth"
    code, out, err = run("synth", "fit", str(folder), "--out", str(model), "--epochs", "1", "--json")
    assert code == 0, err
    card = json.loads(out)["card"]
    assert "1 values that are only words were left out" in card["notes"]
    assert card["fhir"]["codes"]["72166-2=8517006"] == {
        "kind": "Observation", "system": LOINC, "code": "72166-2",
        "value_system": "http://snomed.info/sct", "value_code": "8517006",
    }  # fmt: skip
    words = ("synth", "generate", str(model), "--out", str(tmp_path / "made"), "--people", "100", "--format", "fhir")
    assert run(*words)[0] == 0
    made = [decode(line) for line in (tmp_path / "made" / "Observation-00000.ndjson").read_bytes().splitlines()]
    found = [tree for tree in made if "valueCodeableConcept" in tree]
    assert {tree["valueCodeableConcept"]["coding"][0]["code"] for tree in found} == {"266919005", "8517006"}
    assert all(tree["code"]["coding"][0]["code"] == "72166-2" and check(tree, "Observation") == [] for tree in found)
    kept = model_file.opened(model)
    like = fitting.like(fitting.Source([], [], False, fhir_reading.files_in(folder)), kept.model)
    assert {like.codes[one] for one in like.code} >= {"72166-2=8517006", "72166-2=266919005"}


def test_two_codes_that_are_written_alike_stay_two(tmp_path: Path) -> None:
    other = said("Condition", "718-7", "http://snomed.info/sct", onsetDateTime="2020-01-01")
    told = read(tmp_path, person("a"), measured("718-7", 13), other)
    assert set(told.events.codes) == {"Observation http://loinc.org 718-7", "Condition http://snomed.info/sct 718-7"}


@pytest.mark.parametrize(
    ("trees", "says"),
    [
        ([measured("718-7", 1)], "no Patient"),
        ([person("a")], "no resource says by code"),
        ([person("a"), measured("718-7", 1), *[measured("718-7", 1, of="b")] * 5], "5 resources are of nobody"),
        ([person("a"), {"resourceType": "Observation", "code": 7}], "Observation is not as R4 has it"),
    ],
)
def test_folder_that_cannot_be_learned_from_is_refused(trees: list[Tree], says: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=says):
        read(tmp_path, *trees)


def test_line_that_is_no_json_is_told_with_its_place_and_packed_files_are_read(tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path, person("a"))
    path.write_text(path.read_text() + "{half")
    with pytest.raises(Refusal, match="no JSON object") as refused:
        fhir_reading.read([path])
    assert "line 2" in str(refused.value)
    path.unlink()
    for tree in (person("a"), measured("718-7", 13)):
        with gzip.open(tmp_path / f"{tree['resourceType']}.ndjson.gz", "wt") as file:
            file.write(json.dumps(tree) + "\n")
    assert len(fhir_reading.read(fhir_reading.files_in(tmp_path)).events.ids) == 1


def test_table_of_events_is_not_taken_for_fhir(model_path: Path, tmp_path: Path) -> None:
    order = writing.Order(str(model_path), 7, 20, 4_096, "ndjson", str(tmp_path))
    writing.generate(order, "local", 1, lambda *_: None)
    assert fhir_reading.files_in(tmp_path) == []


def test_demonstration_is_learned_from_people_whom_the_sandbox_made_up(
    tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "PEOPLE", 150)
    words = ("synth", "fit", "--demo", "--out", str(tmp_path / "m"), "--epochs", "1", "--json")
    code, out, err = run(*words)
    assert code == 0, err
    card = json.loads(out)["card"]
    assert card["not_real"].startswith("Not learned from real data")
    assert card["lineage"][0]["file"] == teaching.WHERE
    assert card["fhir"]["codes"]["NOR05172"]["system"] == "urn:oid:2.16.578.1.12.4.1.1.7280"
    first = (tmp_path / "m").read_bytes()
    assert run(*words)[0] == 0
    assert (tmp_path / "m").read_bytes() == first
    assert "people of its own" in run("synth", "fit", str(tmp_path), "--demo", "--out", str(tmp_path / "n"))[2]


def ranged(low: float | None, high: float | None, unit: str = "g/dL", **more: Any) -> list[Tree]:
    ends = {
        name: {"value": value, "unit": unit, "code": unit} for name, value in (("low", low), ("high", high)) if value
    }
    return [ends | more]


def test_a_reference_range_is_that_of_most_of_a_sex_and_age_where_enough_people_were_told_it(
    tmp_path: Path, run: Any
) -> None:
    more = [
        *(measured("718-7", 13, of=f"id{number}", day="2020-04-01",
                   referenceRange=ranged(*((13.4, 17) if number % 2 else (11.7, 15.3)))) for number in range(120)),
        *(measured("718-7", 13, of=f"id{number}", day="2020-04-02", referenceRange=ranged(47.11, 47.12)) for number in range(9)),
        *(measured("718-7", 13, of=f"id{number}", day="2020-04-03", referenceRange=ranged(47.13, 48, "g/L"))
          for number in range(100)),
        *(measured("718-7", 13, of=f"id{number}", day="2020-04-04", referenceRange=ranged(47.14, 48, text="Hemmelig",
                   appliesTo=[{"text": "Hemmelig"}])) for number in range(100)),
        *(measured("2093-3", 5, "mmol/L", of=f"id{number}", day="2020-04-05", referenceRange=ranged(None, 6.9, "mmol/L"))
          for number in range(60)),
    ]  # fmt: skip
    folder, model = cohort(tmp_path / "real", 120, *more), tmp_path / "m.synth"
    code, out, err = run("synth", "fit", str(folder), "--out", str(model), "--epochs", "1", "--json")
    assert code == 0, err
    codes = json.loads(out)["card"]["fhir"]["codes"]
    assert codes["718-7"]["ranges"] == [
        {"low": 13.4, "high": 17, "sex": "male", "from_age": 18}, {"low": 11.7, "high": 15.3, "sex": "female", "from_age": 18},
    ]  # fmt: skip
    assert [one["high"] for one in codes["2093-3"]["ranges"]] == [6.9, 6.9]
    assert all(word not in model.read_bytes() for word in (b"47.1", b"Hemmelig"))
