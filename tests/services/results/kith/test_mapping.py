"""What lands where in FHIR (docs/results-mapping.md), one thing at a time."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest

from kjerne.fhir.encode import encode
from kjerne.fhir.validate import check

NILAR = "http://nhn.no/fhir/nilar/StructureDefinition/nilar-"
OURS = "http://kjerne.example/fhir/StructureDefinition/"
OID = "urn:oid:2.16.578.1.12.4.1.1."


def one(kith: Any, item: str, **report_: str) -> Any:
    [observation] = kith.observed(item, **report_)
    return observation


def test_a_number_keeps_its_digits_and_gets_a_code_beside_its_unit(kith: Any) -> None:
    found = one(kith, kith.item(value=kith.number("11.0", "10E9/L")))
    assert found["valueQuantity"] == {
        "value": Decimal("11.0"), "unit": "10E9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L",
    }  # fmt: skip
    assert b'"value":11.0,' in encode(found)


@pytest.mark.parametrize(
    ("sent", "sign"), [("LT", "<"), ("LE", "<="), ("GT", ">"), ("GE", ">="), ("ML", "<"), ("MG", ">")]
)
def test_less_than_five_is_not_five(kith: Any, sent: str, sign: str) -> None:
    assert one(kith, kith.item(value=kith.number("5", comparator=sent)))["valueQuantity"]["comparator"] == sign


def test_equal_has_no_comparator_and_not_equal_is_text(kith: Any) -> None:
    assert "comparator" not in one(kith, kith.item(value=kith.number("5", comparator="EQ")))["valueQuantity"]
    assert one(kith, kith.item(value=kith.number("5", comparator="NE")))["valueCodeableConcept"] == {
        "text": "≠ 5 mmol/L"
    }


def test_a_zero_as_unit_is_no_unit(kith: Any) -> None:
    assert one(kith, kith.item(value=kith.number("1.1", "0")))["valueQuantity"] == {
        "value": Decimal("1.1"), "system": "http://unitsofmeasure.org", "code": "1",
    }  # fmt: skip


def test_an_unknown_unit_is_kept_without_code_and_noted(kith: Any) -> None:
    trees = kith.mapped(kith.message(kith.report(kith.item(value=kith.number("7", "poeng")))))
    assert kith.only(trees, "Observation")["valueQuantity"] == {"value": Decimal(7), "unit": "poeng"}
    [note] = kith.extensions(kith.only(trees, "DiagnosticReport"), OURS + "reading-note")
    assert note["valueString"] == "The unit poeng is not known; it is kept as sent."


def test_text_and_its_codes_stand_in_one_concept_with_the_heading_last(kith: Any) -> None:
    codes = f"<TextCode V='M 09450' S='{kith.OID}7010' DN='Ingen tegn'/>"
    found = one(kith, kith.item("", kith.text("Normalt", "FU", codes)))
    assert found["valueCodeableConcept"] == {
        "coding": [
            {"system": OID + "7010", "code": "M09450", "display": "Ingen tegn"},
            {"system": OID + "8243", "code": "FU", "display": "Funn og undersøkelsesresultater"},
        ],
        "text": "Normalt",
    }
    assert found["code"]["coding"][0]["code"] == "FU"


def test_the_unit_of_a_text_is_not_lost(kith: Any) -> None:
    value = "<TextResult><TextResultValue>Lett positiv</TextResultValue><Unit>U/mL</Unit></TextResult>"
    concept = one(kith, kith.item(value=value))["valueCodeableConcept"]
    assert concept == {"extension": [{"url": OURS + "unit", "valueString": "U/mL"}], "text": "Lett positiv"}


def test_an_interval_becomes_a_range_and_a_date_a_time(kith: Any) -> None:
    value = "<Interval><Low V='1.5' U='mg/L'/><High V='2.0' U='mg/L'/></Interval>"
    found = one(kith, kith.item(value=value))["valueRange"]
    assert [str(found[side]["value"]) for side in ("low", "high")] == ["1.5", "2.0"]
    assert (
        one(kith, kith.item(value="<DateResult><DateResultValue V='2026-02'/></DateResult>"))["valueDateTime"]
        == "2026-02"
    )


def test_structured_information_becomes_components(kith: Any) -> None:
    extra = (
        f"<StructuredInfo><Type V='STR' S='{kith.OID}9999' DN='Tumor'/><TextInfo><Text>lite</Text></TextInfo>"
        "<IntegerInfo><Integer>3</Integer></IntegerInfo><PhysicalInfo><Quantity V='2.50' U='cm'/></PhysicalInfo>"
        "<CodedInfo><Code V='A' S='1.2.3' DN='Grad A'/></CodedInfo><BooleanInfo><Flag V='true'/></BooleanInfo></StructuredInfo>"
    )
    components = one(kith, kith.item("NPU1", "", inside=extra))["component"]
    assert [next(v for k, v in c.items() if k != "code") for c in components[:2]] == ["lite", 3]
    assert str(components[2]["valueQuantity"]["value"]) == "2.50"
    assert components[3]["valueCodeableConcept"]["coding"][0]["code"] == "A"
    assert components[4]["valueBoolean"] is True
    assert {c["code"]["coding"][0]["code"] for c in components} == {"STR"}


def test_national_codes_come_before_local_ones(kith: Any) -> None:
    local, old = "<Id V='NA' S='{}8212' OT='Natrium'/>", "<Id V='NPU03429' S='{}7230' DN='P-Natrium'/>"
    both = f"<Investigation>{(local + old).format(kith.OID, kith.OID)}</Investigation>"
    code = one(kith, kith.item("", extra=both))["code"]
    assert [(c["system"], c["code"]) for c in code["coding"]] == [
        (OID + "7280", "NPU03429"), (OID + "7230", "NPU03429"), (OID + "8212", "NA"),
    ]  # fmt: skip
    assert code["text"] == "Natrium"


def test_a_local_name_without_code_is_text_only(kith: Any) -> None:
    named = f"<Investigation><Id S='{kith.OID}8212' OT='Mengde'/></Investigation>"
    assert one(kith, kith.item("", extra=named))["code"] == {"text": "Mengde"}


def test_the_laboratorys_flag_comes_with_a_letter(kith: Any) -> None:
    [found] = one(kith, kith.item(extra="<DevResultInd V='2'/>"))["interpretation"]
    assert [(c["system"].rpartition("/")[2], c["code"]) for c in found["coding"]] == [
        (OID + "8244", "2"), ("v3-ObservationInterpretation", "L"),
    ]  # fmt: skip
    assert "interpretation" not in one(kith, kith.item())


def test_a_reference_range_has_text_and_limits_in_the_values_unit(kith: Any) -> None:
    extra = "<RefInterval><Descr>3,5 - 11,0</Descr></RefInterval><RefInterval><Descr>se kommentar</Descr></RefInterval>"
    read, kept = one(kith, kith.item(value=kith.number("9", "10^9/L"), extra=extra))["referenceRange"]
    assert (str(read["low"]["value"]), read["high"]["code"], read["text"]) == ("3.5", "10*9/L", "3,5 - 11,0")
    assert kept == {"text": "se kommentar"}


def test_susceptibility_hangs_under_its_organism(kith: Any) -> None:
    drug = kith.text("", "RSB", f"<TextCode V='R' S='{kith.OID}8271' DN='Resistent'/>")
    items = (
        kith.item("NPU06073", kith.text("E. coli"), id_="1")
        + kith.item("NPU06073", kith.text("K. pneumoniae"), id_="2")
        + kith.item("NPU06045", drug, ref="2")
    )
    first, second, resistant = kith.observed(items, discipline="MBIO")
    assert "hasMember" not in first
    assert second["hasMember"] == [{"reference": f"Observation/{resistant['id']}"}]
    assert resistant["valueCodeableConcept"]["coding"][0] == {
        "system": OID + "8271",
        "code": "R",
        "display": "Resistent",
    }
    [back] = kith.extensions(resistant, NILAR + "related-observation")
    assert back["valueReference"]["reference"] == f"Observation/{second['id']}"


def test_every_code_below_is_a_tag_of_what_holds_it(kith: Any) -> None:
    drug = kith.text("", "RSB", f"<TextCode V='S' S='{kith.OID}8271'/>")
    items = kith.item("GROUP", "", inside=kith.item("ORG", kith.text("E. coli"), id_="1")) + kith.item(
        "DRUG", drug, ref="1"
    )
    group, organism, antibiotic = kith.observed(items)
    assert [tag["code"] for tag in group["meta"]["tag"]] == ["GROUP", "ORG", "DRUG", "S"]
    assert [tag["code"] for tag in organism["meta"]["tag"]] == ["ORG", "DRUG", "S"]
    assert [tag["code"] for tag in antibiotic["meta"]["tag"]] == ["DRUG", "S"]


def test_the_time_is_the_samples_and_for_imaging_the_examinations(kith: Any) -> None:
    item = kith.item(extra="<InvDate V='2026-03-01'/><RefAnalysedSubject>P1</RefAnalysedSubject>")
    assert one(kith, item)["effectiveDateTime"] == "2026-03-02T08:15:00+01:00"
    assert one(kith, item, discipline="CT")["effectiveDateTime"] == "2026-03-01"


def test_a_time_after_the_message_is_kept_with_the_sample_and_dates_no_result(kith: Any) -> None:
    sample = (
        "<AnalysedSubject><IdByServProvider>P9</IdByServProvider><Type>Blod</Type><CollectedSample>"
        "<CollectedDate V='2062-03-02T08:15:00'/></CollectedSample></AnalysedSubject>"
    )
    report = kith.report(kith.item(extra="<RefAnalysedSubject>P9</RefAnalysedSubject>"), subjects=sample)
    trees = kith.mapped(kith.message(report))
    assert kith.only(trees, "Specimen")["collection"]["collectedDateTime"].startswith("2062")
    (observation,) = kith.observations(trees)
    assert not observation["effectiveDateTime"].startswith("2062")
    assert "dated after the message" in str(kith.only(trees, "DiagnosticReport"))


def test_a_group_takes_the_earliest_time_of_its_members_and_the_report_the_earliest_of_all(kith: Any) -> None:
    late, early = (
        kith.item(code, extra=f"<InvDate V='{day}'/>") for code, day in (("A1", "2026-02-03"), ("B1", "2026-02-01"))
    )
    trees = kith.mapped(
        kith.message(kith.report(kith.item("", "", inside=late + early) + kith.item("C1"), subjects=""))
    )
    group, *_, other = kith.observations(trees)
    assert group["effectiveDateTime"] == "2026-02-01"
    assert other["effectiveDateTime"] == "2026-03-02T12:00:00+01:00"
    assert kith.only(trees, "DiagnosticReport")["effectiveDateTime"] == "2026-02-01"


def test_a_result_that_names_no_sample_belongs_to_the_only_one_but_not_to_another(kith: Any) -> None:
    assert one(kith, kith.item())["specimen"] == {"reference": "Specimen/Specimen:0:P1"}
    assert "specimen" not in one(kith, kith.item(extra="<RefAnalysedSubject>P9</RefAnalysedSubject>"))


def test_a_withdrawn_result_shows_its_old_value_as_changed_and_none_as_current(kith: Any) -> None:
    [found] = kith.observations(
        kith.mapped(
            kith.message(kith.report(kith.item(value=kith.number("11", "pmol/L"), id_="1"))),
            kith.message(
                kith.report(kith.item(value="", id_="1", service="C"), service="M"),
                id_="M-2",
                generated="2026-03-03T09:00:00",
            ),
        )
    )
    assert found["status"] == "cancelled"
    assert not any(name.startswith("value") for name in found)
    assert found["dataAbsentReason"]["coding"][0]["code"] == "not-performed"
    [change] = kith.extensions(found, OURS + "change")
    told = {part["url"]: next(v for k, v in part.items() if k != "url") for part in change["extension"]}
    assert told["kind"] == "withdrawn"
    assert str(told["value"]["value"]) == "11"
    assert (told["status"], told["at"]) == ("final", "2026-03-03T09:00:00+01:00")


def test_what_waits_for_its_result_says_so(kith: Any) -> None:
    assert one(kith, kith.item(value="", state="15"))["dataAbsentReason"]["coding"][0]["code"] == "temp-unknown"
    assert (
        one(kith, kith.item(value="<NumResult><NumResultValue/></NumResult>"))["dataAbsentReason"]["coding"][0]["code"]
        == "unknown"
    )


@pytest.mark.parametrize(
    ("sent", "category", "expertise"),
    [("CLIN", "LAB", "CLIN"), ("MBIO", "LAB", "MBIO"), ("HIST", "PAT", "PAT"), ("CYTO", "PAT", "PAT"), ("UL", "BLD", "RAD"),
     ("RTG", "BLD", "RAD"), ("SCI", "BLD", "NUK"), ("IMTR", "LAB", "IMTR")],
)  # fmt: skip
def test_the_discipline_gives_both_categories(kith: Any, sent: str, category: str, expertise: str) -> None:
    trees = kith.mapped(kith.message(kith.report(kith.item(), discipline=sent)))
    report, observation = kith.only(trees, "DiagnosticReport"), kith.only(trees, "Observation")
    assert report["category"][0]["coding"][0]["code"] == category
    assert report["code"]["coding"][0]["code"] == sent
    assert observation["category"][0]["coding"][0]["code"] == expertise


def test_an_ncrp_code_that_begins_with_t_is_nuclear_medicine(kith: Any) -> None:
    code = f"<Investigation><Id V='TAB0AA' S='{kith.OID}7270'/></Investigation>"
    assert one(kith, kith.item("", extra=code), discipline="RAD")["category"][0]["coding"][0]["code"] == "NUK"


def test_the_report_keeps_its_date_identifiers_and_comments(kith: Any) -> None:
    head = f"<Comment>Kontroll</Comment><CodedComment V='TA' S='{kith.OID}8269' DN='Telefonsvar avgitt'/>"
    report = kith.only(kith.mapped(kith.message(kith.report(kith.item(), head=head))), "DiagnosticReport")
    assert kith.extensions(report, NILAR + "report-date")[0]["valueDateTime"] == "2026-03-02T12:00:00+01:00"
    words, coded = kith.extensions(report, NILAR + "comment")
    assert words["valueAnnotation"] == {"text": "Kontroll"}
    assert coded["valueCodeableConcept"]["coding"][0]["code"] == "TA"
    assert report["identifier"] == [
        {"system": "ServReportId", "value": "R-1"}, {"use": "secondary", "system": "MsgId", "value": "M-1"},
    ]  # fmt: skip
    assert (report["status"], report["issued"]) == ("final", "2026-03-02T12:00:05+01:00")


def test_who_asked_is_the_responsible_requester_before_the_receiver(kith: Any) -> None:
    responsible = (
        "<ResponsibleHcp><Relation V='REK'/><HCP><HCProf><Name>Kari Lege</Name><Id>1234567</Id><TypeId V='HPR'/></HCProf></HCP>"
        "</ResponsibleHcp>"
    )
    trees = kith.mapped(kith.message(kith.report(patient=kith.person(responsible + kith.item()))))
    request = kith.only(trees, "ServiceRequest")
    assert request["requester"]["display"] == "Kari Lege"
    role = next(t for t in trees if f"PractitionerRole/{t['id']}" == request["requester"]["reference"])
    assert role["practitioner"]["identifier"] == {"system": "urn:oid:2.16.578.1.12.4.1.4.4", "value": "1234567"}
    assert (request["status"], request["intent"]) == ("completed", "order")


def test_who_answers_is_named_with_the_laboratory_behind(kith: Any) -> None:
    tail = (
        "<RelServProv><Relation V='AHP'/><HCP><HCProf><Type V='BI' DN='Bioingeniør'/><Name>Ola Bio</Name></HCProf>"
        "<Address><Type V='WP'/><TeleAddress V='tel:73000000'/></Address></HCP></RelServProv>"
    )
    trees = kith.mapped(kith.message(kith.report(kith.item(), tail=tail)))
    [performer] = kith.only(trees, "Observation")["performer"]
    assert performer["display"] == "Ola Bio, Prøvelaboratoriet, Biokjemi"
    role = next(t for t in trees if f"PractitionerRole/{t['id']}" == performer["reference"])
    assert role["organization"]["identifier"]["value"] == "77002"
    assert role["telecom"] == [{"system": "phone", "value": "73000000"}]


def test_a_person_number_never_identifies_an_actor(kith: Any) -> None:
    requester = kith.REQUESTER.replace("<Id>7654321</Id><TypeId V='HPR'/>", f"<Id>{kith.NUMBER}</Id><TypeId V='FNR'/>")
    assert kith.NUMBER.encode() not in encode(kith.mapped(kith.message(kith.report(kith.item(), requester=requester))))


def test_an_embedded_file_becomes_a_binary_and_a_named_one_a_comment(kith: Any) -> None:
    pdf = base64.b64encode(b"%PDF-1.7 svar").decode()
    head = (
        "<RefDoc><MsgType V='A'/><Description>Svar</Description><Content><Base64Container "
        f"xmlns='http://www.kith.no/xmlstds/base64container'>{pdf}</Base64Container></Content></RefDoc>"
        "<RefDoc><MsgType V='REF'/><FileReference>bilde.tif</FileReference></RefDoc>"
    )
    trees = kith.mapped(kith.message(kith.report(kith.item(), head=head)))
    report, binary = kith.only(trees, "DiagnosticReport"), kith.only(trees, "Binary")
    assert report["presentedForm"] == [
        {"contentType": "application/pdf", "url": f"Binary/{binary['id']}", "size": 13, "title": "Svar"}
    ]
    assert base64.b64decode(binary["data"]) == b"%PDF-1.7 svar"
    [comment] = kith.extensions(report, NILAR + "comment")
    assert comment["valueAnnotation"]["text"] == "Vedlegg følger ikke meldingen: bilde.tif"


def a_file(*contents: str) -> str:
    """RefDocs with these contents, named alike."""
    return "".join(
        f"<RefDoc><MsgType V='A'/><Description>Svar</Description><Content><Base64Container>"
        f"{base64.b64encode(content.encode()).decode()}</Base64Container></Content></RefDoc>"
        for content in contents
    )


def files_after(kith: Any, *versions: tuple[str, str]) -> tuple[list[str], list[tuple[str, str]], list[Any]]:
    """What stands and what was, by content and from when, of versions (service, head) a day apart; and all the trees."""
    raws = [
        kith.message(
            kith.report(kith.item(), service=service, head=head), id_=f"M-{day}", generated=f"2026-03-0{day}T12:00:00"
        )
        for day, (service, head) in enumerate(versions, 2)
    ]
    trees = kith.mapped(*raws)
    report = kith.only(trees, "DiagnosticReport")
    held = {f"Binary/{t['id']}": base64.b64decode(t["data"]).decode() for t in trees if t["resourceType"] == "Binary"}
    former = [
        (held[one["extension"][1]["valueAttachment"]["url"]], one["extension"][0]["valueDateTime"][8:10])
        for one in kith.extensions(report, "http://kjerne.example/fhir/StructureDefinition/former-file")
    ]
    return [held[form["url"]] for form in report.get("presentedForm", ())], former, trees


def test_a_file_that_a_later_version_replaces_stays_beside_it_with_the_time(kith: Any) -> None:
    standing, former, trees = files_after(kith, ("N", a_file("en")), ("M", a_file("to")))
    assert (standing, former) == (["to"], [("en", "03")])
    assert len({t["id"] for t in trees if t["resourceType"] == "Binary"}) == 2
    first = [t["id"] for t in files_after(kith, ("N", a_file("en")))[2] if t["resourceType"] == "Binary"]
    assert first[0] in {t["id"] for t in trees}, "what was opened keeps its name"
    (report,) = [tree for tree in trees if tree["resourceType"] == "DiagnosticReport"]
    assert check(report | {"id": "report"}, "DiagnosticReport") == []


@pytest.mark.parametrize(
    ("versions", "standing", "former"),
    [
        ((("N", a_file("en")), ("M", "")), ["en"], []),
        ((("N", a_file("en", "to")), ("M", a_file("to"))), ["to"], [("en", "03")]),
        ((("N", a_file("en")), ("A", a_file("to"))), ["en", "to"], []),
        ((("N", a_file("en")), ("A", a_file("en"))), ["en"], []),
        ((("N", a_file("en")), ("M", a_file("to")), ("M", a_file("tre"))), ["tre"], [("to", "04"), ("en", "03")]),
        ((("N", a_file("en")), ("M", a_file("to")), ("M", a_file("en"))), ["en"], [("to", "04")]),
    ],
    ids=["not sent again", "one left out", "added", "added again", "twice", "back again"],
)
def test_files_over_versions(kith: Any, versions: Any, standing: list[str], former: list[tuple[str, str]]) -> None:
    assert files_after(kith, *versions)[:2] == (standing, former)


def test_the_request_keeps_reason_priority_and_reservation(kith: Any) -> None:
    head = (
        "<ServReq><IssueDate V='2026-03-01'/><Id>Q-1</Id><RequestedPrioReport V='OHJELP'/><ReceiptDate V='2026-03-02'/>"
        f"<IdByServProvider>L-1</IdByServProvider><Reservation V='NORU' S='{kith.OID}9603' OT='2026-03-20'/>"
        "<ReasonAsText><Heading V='PROB' DN='Aktuell problemstilling'/><TextResultValue>Slapp</TextResultValue></ReasonAsText>"
        "</ServReq>"
    )
    request = kith.only(kith.mapped(kith.message(kith.report(kith.item(), head=head))), "ServiceRequest")
    assert request["identifier"] == [
        {"system": "ServReqId", "value": "Q-1"}, {"system": "ServReqIdByServProvider", "value": "L-1"},
    ]  # fmt: skip
    assert (request["priority"], request["authoredOn"]) == ("stat", "2026-03-01")
    assert request["reasonCode"][0]["text"] == "Slapp"
    [reservation] = kith.extensions(request, NILAR + "reservation")
    assert reservation["valueCodeableConcept"]["coding"][0]["code"] == "NORU"


def test_no_resource_names_the_patient_and_all_of_them_are_r4(kith: Any) -> None:
    child = kith.person(kith.item("NPU02"), relation="<Relation V='BARN' DN='Barn'/>")
    rich = kith.item(
        value=kith.number("5", comparator="LT"),
        extra="<RefInterval><Descr>&lt; 5</Descr></RefInterval><InvDate V='2026-03-02'/><Comment>Merk</Comment>"
        "<DevResultInd V='1'/>",
        id_="1",
        inside="<Accredited V='true'/><DiagComment><Concept V='L01' S='1.2.3' DN='Funn'/></DiagComment>"
        + kith.item("", kith.text("ja", "VU")),
    )
    trees = kith.mapped(
        kith.message(kith.report(patient=kith.person(kith.SAMPLE + rich + child))),
        kith.message(
            kith.report(patient=kith.person(kith.SAMPLE), service="C"), id_="M-2", generated="2026-03-04T08:00:00"
        ),
    )
    # The readable ids of these tests are longer and freer than FHIR allows.
    faults = [
        (tree["resourceType"], fault) for tree in trees for fault in check({**tree, "id": "x"}, tree["resourceType"])
    ]
    assert [fault for fault in faults if "eference" not in fault[1].where and "eference" not in fault[1].says] == []
    written = encode(trees)
    assert kith.NUMBER.encode() not in written
    assert "Prøve, Person".encode() not in written


def test_the_same_state_gives_the_same_resources(kith: Any) -> None:
    raw = kith.message(kith.report(kith.item() + kith.item("NPU2", kith.text("ja"))))
    assert encode(kith.mapped(raw)) == encode(kith.mapped(raw))


def test_a_tangle_of_nesting_and_references_is_walked_once(kith: Any) -> None:
    nested = ""
    for number in reversed(range(60)):
        nested = kith.item(f"NPU{number}", id_=str(number), ref=str(number - 2) if number > 1 else "", inside=nested)
    tags = [len(found["meta"]["tag"]) for found in kith.observed(nested)]
    assert tags == list(range(60, 0, -1))


def test_results_that_refer_to_each_other_in_a_circle_end(kith: Any) -> None:
    first, second = kith.observed(kith.item("NPU1", id_="1", ref="2") + kith.item("NPU2", id_="2", ref="1"))
    assert first["hasMember"] == [{"reference": f"Observation/{second['id']}"}]
    assert {tag["code"] for tag in second["meta"]["tag"]} == {"NPU1", "NPU2"}


def test_a_slide_was_collected_when_its_material_was(kith: Any) -> None:
    slide = "<AnalysedSubject><IdByServProvider>P2</IdByServProvider></AnalysedSubject></AnalysedSubject>"
    subjects = kith.SAMPLE.removesuffix("</AnalysedSubject>") + slide
    item = kith.item(inside="<RefAnalysedSubject>P2</RefAnalysedSubject><RefAnalysedSubject>P2</RefAnalysedSubject>")
    found = one(kith, item, subjects=subjects)
    assert found["effectiveDateTime"] == "2026-03-02T08:15:00+01:00"
    assert kith.extensions(found, OURS + "further-specimen") == []


def test_a_reference_to_a_missing_specimen_is_not_another_specimen(kith: Any) -> None:
    group = kith.item("", kith.text("Gruppe", "GR"), inside="<RefAnalysedSubject>P9</RefAnalysedSubject>" + kith.item())
    assert ["specimen" in found for found in kith.observed(group)] == [False, False]


def test_what_a_result_says_beside_its_value_is_a_component(kith: Any) -> None:
    found = one(kith, kith.item(value=kith.number("5") + kith.text("hemolyse")))
    assert found["valueQuantity"]["value"] == 5
    [component] = found["component"]
    assert component["code"] == {"text": "Ytterligere svar"}
    assert component["valueCodeableConcept"]["text"] == "hemolyse"


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("<IntegerInfo><Integer>9999999999</Integer></IntegerInfo>", {"valueQuantity": {"value": 9999999999}}),
        (
            "",
            {
                "dataAbsentReason": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown"}
                    ]
                }
            },
        ),
    ],
    ids=["an integer beyond 32 bits", "a type without facts"],
)
def test_structured_information_fits_what_r4_has_for_it(kith: Any, inside: str, expected: dict[str, Any]) -> None:
    [component] = one(kith, kith.item(inside=f"<StructuredInfo><Type V='X'/>{inside}</StructuredInfo>"))["component"]
    assert component == {"code": {"coding": [{"code": "X"}]}} | expected


def test_a_component_never_has_the_code_of_the_value_beside_it(kith: Any) -> None:
    same = f"<StructuredInfo><Type V='NPU1' S='{kith.OID}7280'/><TextInfo><Text>lite</Text></TextInfo></StructuredInfo>"
    [component] = one(kith, kith.item("NPU1", inside=same))["component"]
    assert component == {"code": {"text": "NPU1"}, "valueString": "lite"}


def test_an_interval_upside_down_is_told_in_words(kith: Any) -> None:
    value = "<Interval><Low V='7' U='mg/L'/><High V='2' U='mg/L'/></Interval>"
    assert one(kith, kith.item(value=value))["valueCodeableConcept"] == {"text": "7 mg/L – 2 mg/L"}


def test_requests_alike_are_resources_of_their_own(kith: Any) -> None:
    head = "".join(f"<ServReq><Id>{id_}</Id></ServReq>" for id_ in ("X#2", "X", "X"))
    trees = kith.mapped(kith.message(kith.report(kith.item(), head=head)))
    assert len({tree["id"] for tree in trees if tree["resourceType"] == "ServiceRequest"}) == 3


def test_a_reason_coded_in_words_only_has_no_empty_coding(kith: Any) -> None:
    head = "<ServReq><Id>Q</Id><ReasonAsText><TextCode OT='Slapp'/></ReasonAsText></ServReq>"
    request = kith.only(kith.mapped(kith.message(kith.report(kith.item(), head=head))), "ServiceRequest")
    assert request["reasonCode"] == [{"text": "Slapp"}]


def test_a_change_of_analysis_names_the_one_it_was(kith: Any) -> None:
    was = kith.item("NPU19748", kith.number("88", "mg/L"), id_="w1")
    now = kith.item("NPU02593", kith.number("88", "10*9/L"), id_="w1", service="M")
    first = kith.message(kith.report(was), id_="M-1", generated="2026-03-02T12:01:00")
    second = kith.message(kith.report(now, service="M"), id_="M-2", generated="2026-03-02T12:02:00")
    [tree] = kith.observations(kith.mapped(first, second))
    [change] = kith.extensions(tree, "http://kjerne.example/fhir/StructureDefinition/change")
    [code] = [part["valueCodeableConcept"] for part in change["extension"] if part["url"] == "code"]
    assert (code["text"], code["coding"][0]["code"]) == ("Analyse NPU19748", "NPU19748")
    assert check(tree | {"id": "n1"}, "Observation") == []


def test_a_value_that_comes_without_unit_gets_no_range_in_the_unit_of_the_one_before(kith: Any) -> None:
    span = "<RefInterval><Descr>11 - 15</Descr></RefInterval>"
    was = kith.item(value=kith.number("14", "g/dL"), id_="w1", extra=span)
    now = kith.item(value="<NumResult><NumResultValue V='140'/></NumResult>", id_="w1", service="M", extra=span)
    first = kith.message(kith.report(was), id_="M-1", generated="2026-03-02T12:01:00")
    second = kith.message(kith.report(now, service="M"), id_="M-2", generated="2026-03-02T12:02:00")
    [tree] = kith.observations(kith.mapped(first, second))
    assert tree["referenceRange"] == [{"low": {"value": 11}, "high": {"value": 15}, "text": "11 - 15"}]
