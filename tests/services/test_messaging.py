"""FHIR messages: filed whole by the doors of single requests, changed by later ones, answered alike when they come again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from kjerne.fhir.messages import LINKS, leads_anew
from kjerne.fhir.validate import check
from kjerne.services.consents import GUIDE
from platform_fixture import Answered, Standing, Tree
from services.test_standards import FHIR, observation
from services.test_standards_both import ordinary
from services.test_standards_registered import LABELS, person

AT: Final = "/fhir/R4/$process-message"
EVENTS: Final = "http://terminology.hl7.org/CodeSystem/v2-0003"
BASE: Final = "https://lab.example/fhir"
NUMBERS: Final = "urn:oid:2.16.578.1.12.4.1.4.1"
KINDS: Final = "http://kjerne.example/fhir/CodeSystem/choice-kind"
WHO: Final = "renumbered"


class Sender:
    """Who sends messages about one patient, each record under an address of its own."""

    def __init__(self, platform: Standing, as_: str = "lab", about: str = WHO) -> None:
        self.platform, self.as_, self.about, self.run = platform, as_, about, uuid4().hex[:8]

    def address(self, name: str, id_: str) -> str:
        return f"{BASE}/{name}/{id_}-{self.run}"

    def entry(self, tree: Tree, id_: str) -> Tree:
        return {"fullUrl": self.address(tree["resourceType"], id_), "resource": tree | {"id": f"{id_}-{self.run}"}}

    def person(self) -> Tree:
        number = {"system": NUMBERS, "value": self.platform.nin(self.about)}
        return self.entry({"resourceType": "Patient", "identifier": [number]}, "p")

    def reference(self, name: str, id_: str) -> Tree:
        return {"reference": f"{name}/{id_}-{self.run}"}

    def result(self, id_: str = "o", **more: Any) -> Tree:
        return self.entry(observation(subject=self.reference("Patient", "p"), **more), id_)

    def report(self, *results: str, **more: Any) -> Tree:
        report = {
            "resourceType": "DiagnosticReport", "status": "final", "code": {"text": "Blod"},
            "subject": self.reference("Patient", "p"), "effectiveDateTime": "2026-11-20",
            "result": [self.reference("Observation", one) for one in results],
        }  # fmt: skip
        return self.entry(report | more, "r")

    def message(self, *entries: Tree, focus: int = 1, event: str = "R01", **more: Any) -> Tree:
        header = {
            "resourceType": "MessageHeader",
            "id": str(uuid4()),
            "eventCoding": {"system": EVENTS, "code": event},
            "source": {"name": "lab", "endpoint": f"{BASE}/$process-message"},
            "focus": [{"reference": one["fullUrl"]} for one in entries[:focus]],
        } | more
        entry = [{"fullUrl": f"urn:uuid:{header['id']}", "resource": header}, *entries]
        return {"resourceType": "Bundle", "type": "message", "timestamp": "2026-11-26T12:00:00Z", "entry": entry}

    def send(self, tree: Tree | bytes, **more: Any) -> Answered:
        body = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
        sent = {"content-type": FHIR} | more.pop("headers", {})
        return Answered(
            self.platform.client.call("POST", more.pop("at", AT), as_=self.as_, body=body, headers=sent, **more)
        )

    def found(self) -> list[Tree]:
        """What of this sender's messages stands about the patient."""
        rows = self.platform.get("Observation?_count=200", about=self.about, as_="gp").resources()
        return [one for one in rows if one.get("identifier", [{}])[0].get("value", "").endswith(self.run)]

    def marked(self, id_: str) -> Tree:
        return {"identifier": [{"system": "urn:lab", "value": f"{id_} {self.run}"}]}


def head_of(answer: Answered) -> Tree:
    """The MessageHeader of an answer, which is a message of its own."""
    assert answer.status == 200, answer.response.text
    assert check(answer.tree, "Bundle") == []
    header: Tree = answer.tree["entry"][0]["resource"]
    assert answer.tree["type"] == "message"
    return header


def told(answer: Answered) -> tuple[str, list[str]]:
    """The code of an answer, and the places that its details name."""
    more = [issue for entry in answer.tree["entry"][1:] for issue in entry["resource"]["issue"]]
    return head_of(answer)["response"]["code"], [place for one in more for place in one.get("expression", ())]


def test_a_message_is_filed_whole_with_a_row_for_each_entry_and_answered(platform: Standing) -> None:
    lab = Sender(platform)
    sent = lab.message(
        lab.report("o", "q"), lab.person(), lab.result("o", **lab.marked("o")), lab.result("q", **lab.marked("q"))
    )
    answer = lab.send(sent)
    header = head_of(answer)
    assert header["response"] == {"identifier": sent["entry"][0]["resource"]["id"], "code": "ok"}
    assert header["destination"] == [{"name": "lab", "endpoint": f"{BASE}/$process-message"}]
    results = lab.found()
    assert len(results) == 2
    (report,) = [
        one for one in platform.get("DiagnosticReport?_count=100", about=WHO, as_="gp").resources()
        if {link["reference"] for link in one.get("result", ())} == {f"Observation/{row['id']}" for row in results}
    ]  # fmt: skip
    assert report["subject"]["identifier"]["value"] == platform.nin(WHO)
    rows = platform.rows(
        "SELECT count(*) FROM audit WHERE action = 'file' AND ids && $1 AND client = 'lab'",
        [UUID(one["id"]) for one in (*results, report)],
    )
    assert rows[0]["count"] == 3


def test_the_same_message_again_has_the_same_answer_and_files_nothing(platform: Standing) -> None:
    lab = Sender(platform)
    sent = lab.message(lab.result(**lab.marked("o")), lab.person())
    first, again = lab.send(sent), lab.send(sent)
    assert first.response.content == again.response.content
    assert len(lab.found()) == 1
    other = json.loads(json.dumps(sent))
    other["entry"][1]["resource"]["status"] = "amended"
    assert told(lab.send(other)) == ("fatal-error", ["Bundle.entry[0].resource.id"])
    named = {"identifier": {"system": "urn:lab", "value": lab.run}}
    assert told(lab.send(lab.message(lab.result("z", **lab.marked("z")), lab.person()) | named))[0] == "ok"
    twice = lab.send(lab.message(lab.result("y", **lab.marked("y")), lab.person()) | named)
    assert told(twice)[0] == "fatal-error", "the Bundle's identifier is a name of the message too"
    assert len(lab.found()) == 2


def test_a_later_message_changes_what_it_brings_anew_and_leaves_alone_what_says_the_same(platform: Standing) -> None:
    lab = Sender(platform)
    first = lab.message(lab.result("o", **lab.marked("o")), lab.person(), lab.result("q", **lab.marked("q")), focus=1)
    assert told(lab.send(first)) == ("ok", [])
    before = {one["identifier"][0]["value"]: one for one in lab.found()}
    changed = lab.result("o", status="amended", **lab.marked("o"))
    later = lab.message(changed, lab.person(), lab.result("q", **lab.marked("q")), lab.report("o", "q", conclusion="x"))
    assert told(lab.send(later)) == ("ok", [])
    after = {one["identifier"][0]["value"]: one for one in lab.found()}
    assert {name: one["id"] for name, one in before.items()} == {name: one["id"] for name, one in after.items()}
    assert sorted(one["meta"]["versionId"] for one in after.values()) == ["1", "2"]
    other = Sender(platform, as_="hospital-lab")
    other.run = lab.run
    assert told(other.send(other.message(other.result("o", **other.marked("w")), other.person()))) == ("ok", [])
    assert len(lab.found()) == 3, "another sender's address is another record"


@pytest.mark.parametrize("name", ["Condition", "Procedure"])
def test_an_ordinary_diagnosis_or_procedure_is_known_again(platform: Standing, name: str) -> None:
    """They lie apart from critical information, under a number of their own (decision 40)."""
    ward, more = Sender(platform, as_="journal-system", about="citizen"), {"about": "citizen", "service": "record"}

    def found(as_: str, **said: Any) -> list[tuple[str, str]]:
        rows = platform.get(f"{name}?code=urn:x|{ward.run}", as_=as_, **more, **said).resources()
        return [(one["code"]["text"], one["meta"]["versionId"]) for one in rows]

    def of(text: str, **said: Any) -> Tree:
        code = {"text": text, "coding": [{"system": "urn:x", "code": ward.run}]}
        return ward.entry(
            ordinary(platform, name) | {"subject": ward.reference("Patient", "p"), "code": code} | said, "c"
        )

    withheld = {"meta": {"security": [{"system": LABELS, "code": "NORN_ALL"}]}}
    assert told(ward.send(ward.message(of("wrong", **withheld), ward.person(), event="A01"))) == ("ok", [])
    for version, said, hers in (("2", withheld, []), ("3", {}, [("3", "3")])):
        assert told(ward.send(ward.message(of(version, **said), ward.person(), event="A08"))) == ("ok", [])
        assert (found("gp"), found("citizen", portal=True)) == ([(version, version)], hers)
    stay = ward.entry(ordinary(platform, "Encounter") | {"subject": ward.reference("Patient", "p")}, "e")
    stay["resource"] |= {"reasonReference": [ward.reference(name, "c")]}
    assert told(ward.send(ward.message(stay, ward.person(), event="A03"))) == ("ok", [])
    assert platform.get(f"Encounter?reason-reference:{name}.code=urn:x|{ward.run}", as_="gp", **more).ids()


def study(lab: Sender) -> Tree:
    tree = {"resourceType": "ImagingStudy", "status": "available", "subject": lab.reference("Patient", "p")}
    return lab.entry(
        tree | {"modality": [{"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "CT"}]}, "s"
    )


def counts(lab: Sender) -> list[int]:
    """How many results and studies her doctor and she herself see."""
    named = [
        f"{name}?identifier=urn:lab|{id_} {lab.run}" for name, id_ in (("Observation", "o"), ("ImagingStudy", "s"))
    ]
    asked = [(path, as_) for path in named for as_ in ("gp", "citizen")]
    return [len(lab.platform.get(path, as_=as_, portal=as_ == "citizen").resources()) for path, as_ in asked]


@pytest.mark.parametrize("with_report", [True, False])
def test_what_a_withheld_report_names_is_withheld_whichever_message_brings_it_first(
    platform: Standing, with_report: bool
) -> None:
    lab = Sender(platform, about="citizen")
    withheld = {"meta": {"security": [{"system": LABELS, "code": "NORN_ALL"}]}, **lab.marked("r")}
    report = lab.report("o", imagingStudy=[lab.reference("ImagingStudy", "s")], **withheld)
    result, picture = lab.result("o", **lab.marked("o")), study(lab)
    picture["resource"] |= lab.marked("s")
    again = [report] if with_report else []
    assert told(lab.send(lab.message(report, lab.person()))) == ("ok", [])
    assert told(lab.send(lab.message(*again, result, picture, lab.person()))) == ("ok", [])
    assert counts(lab) == [1, 0, 1, 0]
    (of,) = platform.get(f"DiagnosticReport?identifier=urn:lab|r {lab.run}", about="citizen", as_="gp").resources()
    results = platform.get(f"Observation?identifier=urn:lab|o {lab.run}", about="citizen", as_="gp")
    assert [one["reference"] for one in of["result"]] == [f"Observation/{one}" for one in results.ids()]
    assert platform.client.call("DELETE", f"/fhir/R4/Observation/{results.ids()[0]}", as_="lab").status_code == 204
    assert told(lab.send(lab.message(*again, result, picture, lab.person()))) == ("ok", [])
    assert counts(lab) == [1, 0, 1, 0]
    assert told(lab.send(lab.message(report, result, picture, lab.person()))) == ("ok", [])
    (now,) = platform.get(f"DiagnosticReport?identifier=urn:lab|r {lab.run}", about="citizen", as_="gp").resources()
    assert now["meta"]["versionId"] == "3", "what leads where it led is not written again"


def test_a_withheld_report_withholds_what_a_group_of_its_results_names_though_it_comes_later(
    platform: Standing,
) -> None:
    lab = Sender(platform, about="citizen")
    report = lab.report("g", meta={"security": [{"system": LABELS, "code": "NORN_ALL"}]})
    group = lab.result("g", hasMember=[lab.reference("Observation", "o")], **lab.marked("g"))
    assert told(lab.send(lab.message(report, group, lab.person()))) == ("ok", [])
    assert told(lab.send(lab.message(lab.result("o", **lab.marked("o")), lab.person()))) == ("ok", [])
    assert counts(lab)[:2] == [1, 0]


def test_a_withheld_report_and_its_result_sent_at_once_are_both_withheld(platform: Standing) -> None:
    lab = Sender(platform, about="citizen")
    report = lab.report("o", meta={"security": [{"system": LABELS, "code": "NORN_ALL"}]})
    two = [lab.message(report, lab.person()), lab.message(lab.result("o", **lab.marked("o")), lab.person())]
    with ThreadPoolExecutor(2) as pool:
        codes = [told(one)[0] for one in pool.map(lab.send, two)]
    assert set(codes) <= {"ok", "transient-error"}
    assert [told(lab.send(one))[0] for one in two] == ["ok", "ok"]
    assert counts(lab)[:2] == [1, 0]


def test_what_refers_to_a_record_that_comes_later_leads_to_it_then(platform: Standing) -> None:
    ward = Sender(platform, as_="journal-system", about="citizen")
    her = {"subject": ward.reference("Patient", "p"), "identifier": [{"system": "urn:ward", "value": ward.run}]}
    plan = ward.entry(ordinary(platform, "CarePlan") | her | {"encounter": ward.reference("Encounter", "e")}, "c")
    stay = ward.entry(ordinary(platform, "Encounter") | her, "e")
    assert told(ward.send(ward.message(plan, ward.person(), event="A01"))) == ("ok", [])
    assert told(ward.send(ward.message(plan, stay, ward.person(), event="A01"))) == ("ok", [])
    ids = platform.get(f"Encounter?identifier=urn:ward|{ward.run}", as_="gp", service="record").ids()
    (found,) = platform.get(f"CarePlan?identifier=urn:ward|{ward.run}", as_="gp", service="record").resources()
    assert found["encounter"]["reference"] == f"Encounter/{ids[0]}"


def test_nobody_else_leads_links_as_a_message_does(platform: Standing) -> None:
    lab = Sender(platform)
    assert told(lab.send(lab.message(lab.result(**lab.marked("o")), lab.person()))) == ("ok", [])
    (made,) = lab.found()
    patch = leads_anew({f"{BASE}/Observation/1": f"{BASE}/Observation/2"})
    headers = {"content-type": FHIR, "if-match": 'W/"1"', LINKS: "anew"}
    at = f"Observation/{made['id']}"
    alone = platform.client.call("PATCH", f"/fhir/R4/{at}", as_="lab", body=json.dumps(patch).encode(), headers=headers)
    request = {"method": "PATCH", "url": at, "ifMatch": 'W/"1"'}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": patch, "request": request}]}
    assert [alone.status_code, lab.send(bundle, at="/fhir/R4", headers=headers).status] == [400, 400]


def test_a_record_that_is_gone_is_made_anew(platform: Standing) -> None:
    lab = Sender(platform)
    assert told(lab.send(lab.message(lab.result(**lab.marked("o")), lab.person())))[0] == "ok"
    (made,) = lab.found()
    assert platform.client.call("DELETE", f"/fhir/R4/Observation/{made['id']}", as_="lab").status_code == 204
    assert told(lab.send(lab.message(lab.result(**lab.marked("o")), lab.person()))) == ("ok", [])
    (anew,) = lab.found()
    assert anew["id"] != made["id"]


def test_nothing_is_filed_where_one_entry_cannot_be(platform: Standing) -> None:
    lab = Sender(platform)
    bad = lab.result("q", status="nonsense", **lab.marked("q"))
    answer = lab.send(lab.message(lab.result("o", **lab.marked("o")), lab.person(), bad))
    assert told(answer) == ("fatal-error", ["Bundle.entry[3].resource.status"])
    assert lab.found() == []
    mended = lab.message(lab.result("o", **lab.marked("o")), lab.person())
    assert told(lab.send(mended)) == ("ok", [])


def test_who_may_not_file_hears_it_in_the_answer_and_no_more(platform: Standing) -> None:
    lab = Sender(platform, about="opted-out")
    sent = lab.message(lab.result(**lab.marked("o")), lab.person())
    code, _ = told(lab.send(sent))
    assert code == "fatal-error"
    assert platform.nin("opted-out") not in lab.send(sent).response.text
    journal = Sender(platform, as_="journal-system")
    assert told(journal.send(journal.message(journal.result(), journal.person())))[0] == "fatal-error"
    assert Sender(platform, as_="citizen").send(sent).status == 403
    assert Sender(platform, as_="ehr").send(sent).status == 403


def test_what_a_sender_tells_of_registers_is_not_kept_and_told_so(platform: Standing) -> None:
    lab = Sender(platform)
    organisation = lab.entry({"resourceType": "Organization", "name": "Lab"}, "org")
    result = lab.result(performer=[lab.reference("Organization", "org")], **lab.marked("o"))
    assert told(lab.send(lab.message(result, lab.person(), organisation))) == ("ok", ["Bundle.entry[3]"])
    assert lab.found()[0]["performer"] == [{"reference": lab.address("Organization", "org")}]
    assert told(lab.send(lab.message(organisation))) == ("fatal-error", ["Bundle.entry[1].resource"])
    assert told(lab.send(lab.message(lab.person()))) == ("fatal-error", ["Bundle.entry[1].resource"])


def test_the_same_message_many_times_at_once_is_filed_once(platform: Standing) -> None:
    lab = Sender(platform)
    sent = lab.message(lab.result(**lab.marked("o")), lab.person())
    with ThreadPoolExecutor(4) as pool:
        codes = [told(one)[0] for one in pool.map(lab.send, [sent] * 4)]
    assert set(codes) <= {"ok", "transient-error"}
    assert "ok" in codes
    assert told(lab.send(sent)) == ("ok", [])
    assert len(lab.found()) == 1


def test_the_test_client_registers_admits_and_discharges(platform: Standing) -> None:
    ward = Sender(platform, as_="all-patients")
    person = ward.entry(
        {"resourceType": "Patient", "name": [{"family": f"Prøve{ward.run}"}], "birthDate": "1980-04-03"}, "p"
    )
    assert told(ward.send(ward.message(person, event="A04"))) == ("ok", [])
    stay = {
        "resourceType": "Encounter",
        "status": "in-progress",
        "class": {"code": "IMP"},
        "subject": ward.reference("Patient", "p"),
    }
    assert told(ward.send(ward.message(ward.entry(stay, "e"), person, event="A01"))) == ("ok", [])
    done = ward.entry(stay | {"status": "finished"}, "e")
    assert told(ward.send(ward.message(done, event="A03"))) == ("ok", []), "the patient is known from before"
    found = Answered(platform.client.call("GET", f"/fhir/R4/Patient?family=Prøve{ward.run}", as_="all-patients"))
    (her,) = found.resources()
    assert her["meta"]["versionId"] == "1", "what says the same as before is not written again"
    stays = Answered(platform.client.call("GET", f"/fhir/R4/Encounter?patient=Patient/{her['id']}", as_="all-patients"))
    assert [(one["status"], one["meta"]["versionId"]) for one in stays.resources()] == [("finished", "2")]


def test_what_says_the_same_as_before_is_asked_of_the_law_all_the_same(platform: Standing) -> None:
    lab, blocked = Sender(platform, about="guardian"), Sender(platform, about="opted-out")
    sent = lab.result(**lab.marked("o"))
    assert told(lab.send(lab.message(sent, lab.person()))) == ("ok", [])
    again = lab.send(lab.message(sent, lab.person()))
    assert told(again) == ("ok", [])
    (made,) = lab.found()
    assert made["meta"]["versionId"] == "1"
    (row,) = platform.audited(again.response)
    assert (row["action"], row["outcome"]) == ("file", 0)
    choice = {
        "resourceType": "Consent", "status": "active", **GUIDE, "patient": person(platform, "guardian"),
        "category": [*GUIDE["category"], {"coding": [{"system": KINDS, "code": "opt-out"}]}],
        "provision": {"type": "deny"},
    }  # fmt: skip

    def said(method: str, path: str, tree: Tree) -> Tree:
        answer = platform.client.call(
            method, path, as_="guardian", patient=platform.nin("guardian"), body=json.dumps(tree).encode(),
            headers={"content-type": FHIR},
        )  # fmt: skip
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    out = said("POST", "/fhir/R4/Consent", choice)
    try:
        refused = lab.send(lab.message(sent, lab.person()))
        other = blocked.send(blocked.message(blocked.result(**blocked.marked("o")), blocked.person()))
        assert told(refused)[0] == told(other)[0] == "fatal-error"
        (row,) = platform.audited(refused.response)
        assert (row["rule"], row["outcome"]) == ("filed-after-opt-out", 1)
    finally:
        said("PUT", f"/fhir/R4/Consent/{out['id']}", out | {"status": "inactive"})


def test_an_event_that_is_not_taken_is_answered_so(platform: Standing) -> None:
    lab = Sender(platform)
    for coding in ({"system": EVENTS, "code": "A40"}, {"system": "urn:x", "code": "R01"}, {"code": "R01"}):
        sent = lab.message(lab.result(**lab.marked("o")), lab.person(), eventCoding=coding)
        assert told(lab.send(sent)) == ("fatal-error", ["Bundle.entry[0].resource.eventCoding"])
    assert lab.found() == []


def without(tree: Tree, name: str) -> Tree:
    return {key: value for key, value in tree.items() if key != name}


def test_what_is_no_message_is_refused_with_its_place(platform: Standing) -> None:
    lab = Sender(platform)
    good = lab.message(lab.result(), lab.person())
    header, *rest = good["entry"]
    resource = header["resource"]

    def headed(tree: Tree, *entries: Tree) -> Tree:
        return good | {"entry": [{"fullUrl": header["fullUrl"], "resource": tree}, *(entries or rest)]}

    cases: list[tuple[Any, int, str]] = [
        ({"resourceType": "Patient"}, 400, "resourceType"),
        (good | {"type": "transaction"}, 400, "Bundle.type"),
        (good | {"entry": []}, 400, "Bundle.entry"),
        (good | {"entry": {}}, 400, "Bundle.entry"),
        (good | {"entry": [1]}, 400, "Bundle.entry[0]"),
        (good | {"entry": rest}, 400, "Bundle.entry[0].resource"),
        (good | {"entry": [header, {"resource": rest[0]["resource"]}]}, 400, "Bundle.entry[1].fullUrl"),
        (good | {"entry": [header, rest[0] | {"fullUrl": "Observation/1"}]}, 400, "Bundle.entry[1].fullUrl"),
        (good | {"entry": [header, rest[0] | {"request": {"method": "GET", "url": "x"}}]}, 400, "Bundle.entry[1]"),
        (good | {"entry": [header, rest[0] | {"fullUrl": None}]}, 400, "Bundle.entry[1].fullUrl"),
        (good | {"entry": [header, rest[0], rest[0]]}, 400, "Bundle.entry[2].fullUrl"),
        (good | {"entry": [header, *[rest[0]] * 501]}, 413, "Bundle.entry"),
        (good | {"nonsense": 1}, 400, "Bundle"),
        (good | {"identifier": {"system": "urn:x"}}, 422, "Bundle.identifier.value"),
        (good | {"identifier": [1]}, 422, "Bundle.identifier.value"),
        (headed(without(resource, "source")), 422, "Bundle.entry[0].resource.source"),
        (headed(without(resource, "eventCoding")), 422, "Bundle.entry[0].resource.event"),
        (headed(without(resource, "id")), 422, "Bundle.entry[0].resource.id"),
        (headed(resource | {"response": {"identifier": "1", "code": "ok"}}), 422, "Bundle.entry[0].resource.response"),
        (headed(resource | {"focus": [{"reference": "Observation/none"}]}), 422, "Bundle.entry[0].resource.focus[0].reference"),
        (headed(resource | {"focus": 3}), 422, "Bundle.entry[0].resource.focus"),
    ]  # fmt: skip
    for tree, status, where in cases:
        answer = lab.send(tree)
        assert (answer.status, answer.issue.get("expression")) == (status, [where]), answer.response.text
    assert lab.send(b"{").status == 400
    for wrong in ({"identifier": [{"system": [1], "value": {}}]}, {"identifier": 3}, {}):
        person = lab.entry({"resourceType": "Patient"} | wrong, "p")
        answer = lab.send(lab.message(lab.result(), person))
        assert told(answer) == ("fatal-error", ["Bundle.entry[2].resource.identifier"])
    assert lab.send(good, at=AT + "?async=true").status == 400
    assert lab.send(good, at=AT + "?response-url=http://x").status == 400
