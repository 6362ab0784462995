"""A record in memory answers a search as the store's own rows do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kjerne.fhir.fitting import fits, weighed
from kjerne.fhir.search import plan
from kjerne.wire import search

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
ID = "0190a5d2-0000-4000-8000-000000000001"
STAY = {
    "resourceType": "Encounter",
    "id": ID,
    "meta": {"tag": [{"system": "urn:t", "code": "ward"}]},
    "status": "in-progress",
    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP", "display": "inpatient"},
    "type": [{"coding": [{"system": "http://snomed.info/sct", "code": "32485007"}], "text": "Innleggelse"}],
    "period": {"start": "2026-11-20T08:00:00Z"},
    "length": {"value": 90, "unit": "min", "system": "http://unitsofmeasure.org", "code": "min"},
    "serviceProvider": {"reference": "Organization/1"},
}


def answers(query: str) -> bool:
    pairs = tuple((name, value) for name, _, value in (one.partition("=") for one in query.split("&")))
    asked = search.parse("Encounter", pairs, lenient=False, page_size=1, page_size_limit=1, reachable=frozenset())
    return fits(weighed(ID, AT, STAY), plan(asked, at=AT))


@pytest.mark.parametrize(
    "query",
    [
        "status=in-progress",
        "status=finished,in-progress",
        "status:not=finished",
        "class=IMP&date=ge2026-11-20",
        "type=http://snomed.info/sct|32485007",
        "type:text=inn",
        "length=1.5|http://unitsofmeasure.org|h",
        "service-provider=Organization/1",
        "_tag=urn:t|ward",
        f"_id={ID}",
        "_lastUpdated=2026-11-26",
        "location:missing=true",
        "_filter=status eq in-progress and class eq IMP",
    ],
)
def test_what_it_has_it_answers(query: str) -> None:
    assert answers(query)


@pytest.mark.parametrize(
    "query",
    [
        "status=finished",
        "status:not=in-progress",
        "status=in-progress&class=AMB",
        "date=lt2026-11-20",
        "type=http://loinc.org|32485007",
        "type:text=poliklinikk",
        "length=90|http://unitsofmeasure.org|h",
        "service-provider=Organization/2",
        "_tag=urn:t|other",
        f"_id={ID[:-1]}2",
        "_lastUpdated=lt2026-11-26",
        "location:missing=false",
        "_filter=status eq in-progress and class eq AMB",
    ],
)
def test_what_it_has_not_it_does_not(query: str) -> None:
    assert not answers(query)
