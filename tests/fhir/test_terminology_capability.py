"""The statement of what the terminology operations can do: valid by R4, and of what is loaded."""

from __future__ import annotations

from datetime import UTC, datetime

from kjerne.fhir.terminology import core
from kjerne.fhir.terminology.capability import statement
from kjerne.fhir.validate import check

AT = datetime(2026, 11, 27, tzinfo=UTC)
SCT = "http://snomed.info/sct"


def test_it_names_what_is_loaded_and_r4s_own_each_once() -> None:
    loaded = [(SCT, "newest"), (SCT, "before"), ("urn:oid:1.2.3", "")]
    told = statement(loaded, ("url", "filter"), url="http://here.example", software_version="1", made_at=AT)
    assert check(told, "TerminologyCapabilities") == []
    systems = {one["uri"]: one["version"] for one in told["codeSystem"]}
    assert len(systems) == len(told["codeSystem"])
    assert systems[SCT] == [{"code": "newest", "isDefault": True}, {"code": "before", "isDefault": False}]
    assert systems["urn:oid:1.2.3"] == [{"isDefault": True}]
    own = "http://hl7.org/fhir/observation-status"
    assert systems[own] == [{"code": "4.0.1", "isDefault": True}]
    assert [one["name"] for one in told["expansion"]["parameter"]] == ["filter", "url"]


def test_a_system_of_which_r4_has_a_part_is_not_named() -> None:
    assert core.find("CodeSystem", SCT) is None or SCT not in dict(core.code_systems())
    assert all((core.find("CodeSystem", url) or {})["content"] == "complete" for url, _ in core.code_systems())


def test_what_is_loaded_takes_the_place_of_r4s_own() -> None:
    own = "http://hl7.org/fhir/observation-status"
    told = statement([(own, "other")], (), url="http://here.example", software_version="1", made_at=AT)
    assert [one["version"] for one in told["codeSystem"] if one["uri"] == own] == [
        [{"code": "other", "isDefault": True}]
    ]
