"""Within its interval or not: the rule behind "already done", on its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kjerne.services.results import reuse

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TSH = "NPU03577"


def observed(
    days_ago: float, code: str = TSH, *, status: str = "final", system: str = reuse.NLK, **more: Any
) -> dict[str, Any]:
    at = (NOW - timedelta(days=days_ago)).isoformat()
    coding = {"system": system, "code": code}
    tree = {"id": f"o{days_ago}", "status": status, "effectiveDateTime": at, "code": {"coding": [coding]}}
    return tree | (more or {"valueQuantity": {"value": 2.1, "unit": "mIU/L"}})


def verdict(*observations: dict[str, Any], code: str = TSH, system: str = "") -> str:
    return reuse.answer(system, code, observations, NOW).verdict


def test_a_newborns_result_is_not_the_mothers() -> None:
    focus = {"url": "http://hl7.org/fhir/StructureDefinition/observation-focusCode"}
    hers = {"extension": [focus], "valueInteger": 1}
    assert verdict(observed(1, **hers)) == "never"
    assert verdict(observed(1, **hers), observed(50)) == "due"


def test_a_sample_of_the_last_day_of_the_calendar_is_no_answer() -> None:
    assert verdict(observed(1, effectiveDateTime="9999-12-31T23:59:59+00:00")) == "never"


@pytest.mark.parametrize(
    ("days_ago", "expected"), [(0, "done"), (41.99, "done"), (42, "due"), (43, "due"), (400, "due")]
)
def test_the_interval_is_half_open(days_ago: float, expected: str) -> None:
    assert verdict(observed(days_ago)) == expected


def test_the_newest_result_decides_and_says_from_when_a_new_one_makes_sense() -> None:
    answer = reuse.answer("", TSH, [observed(100), observed(10), observed(50)], NOW)
    assert [one.id for one in answer.earlier] == ["o10", "o50", "o100"]
    assert answer.again_from == (NOW + timedelta(days=32)).date()


def test_at_most_a_few_come_back() -> None:
    assert len(reuse.answer("", TSH, [observed(day) for day in range(20)], NOW).earlier) == reuse.EARLIER_LIMIT


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_what_is_not_a_usable_result_counts_for_nothing(status: str) -> None:
    assert verdict(observed(1, status=status)) == "never"


@pytest.mark.parametrize("status", ["registered", "preliminary", "unknown"])
def test_what_is_not_answered_for_good_is_told_as_waited_for(status: str) -> None:
    waits = observed(1, status=status)
    assert verdict(waits) == "waiting"
    assert verdict(waits, observed(50)) == "waiting", "an old answer is no reason to take it twice"
    assert verdict(waits, observed(3)) == "done"
    answer = reuse.answer("", TSH, [observed(0.5), waits, observed(3)], NOW)
    assert [one.id for one in answer.earlier] == ["o0.5", "o3"], "what is answered since is not waited for"
    assert not reuse.is_usable(waits)


def test_what_waits_is_told_where_it_came_first_whatever_else_its_time_says() -> None:
    """The log has named it by the order of the database, which counts a date alone from another midnight."""
    waits = observed(3) | {"status": "preliminary"}
    answer = reuse.answer("", TSH, [waits, observed(1)], NOW)
    assert [(one.use, one.at) for one in answer.earlier] == [
        (use, reuse.taken_at(one)) for use, one in (("yes", observed(1)), ("waiting", waits))
    ]


def test_what_waits_for_nothing_is_not_waited_for() -> None:
    assert verdict(observed(1, status="unknown", note=[{"text": "slettet"}])) == "never"
    assert verdict(observed(1, status="preliminary", valueString="Ikke utført")) == "never"
    assert verdict(observed(-1, status="registered")) == "never", "planned"


@pytest.mark.parametrize(
    "more",
    [
        {"dataAbsentReason": {"text": "unknown"}},
        {"valueCodeableConcept": {"text": "Ikke utfort, hemolysert"}},
        {"valueString": "Prøven er ikkje utført"},
        {"valueString": "Send ny prøve"},
        {"valueQuantity": {}},
        {"note": [{"text": "uten verdi"}]},
        {"valueQuantity": {"value": 140}, "note": [{"text": "Feil prøve, svaret kan ikke brukes"}]},
        {"valueQuantity": {"unit": "mmol/L"}},
        {"valueCodeableConcept": {"coding": [{"system": "urn:lokal", "code": "9", "display": "Ikke utført"}]}},
        {"component": [{"code": {"text": "a"}, "dataAbsentReason": {"text": "unknown"}}]},
        *(
            {"valueString": text}
            for text in (
                "Uegnet prøve",
                "Ikke egnet prøvemateriale",
                "Prøve ikke tatt",
                "Prøve mangler",
                "Kansellert",
                "Avvist",
                "Svar følger",
                "Til analyse",
                "Se kommentar",
                "Ikke undersøkt",
                "Analysefeil",
                "Not performed",
                "-",
                "?",
                "OK",
                "Prøve sendt 12.11.2026",
                "Mottatt 20.11.2026",
                "Svar kommer senere, 14 dager",
                "Ettersendes 1 uke",
                "Utgått, 5 dager gammel",
                "Ring lab tlf 22334455",
                "Se vedlegg 2",
                "12.11.2026",
                "Normalprøve sendt videre",
            )
        ),
        *(
            {"valueQuantity": {"value": 140}, "note": [{"text": text}]}
            for text in (
                "Resultatet er upålitelig",
                "Skal ikke brukes",
                "Svar trukket tilbake",
                "Prøven er forbyttet",
                "Svaret må ikke brukes",
                "Makuleres",
                "annullert",
                "Tatt av feil person",
            )
        ),
        *(
            {
                "valueInteger": 4,
                "specimen": {"reference": "#s"},
                "contained": [{"resourceType": "Specimen", "id": "s", "status": status}],
            }
            for status in ("unsatisfactory", "entered-in-error")
        ),
    ],
)
def test_a_result_with_nothing_to_use_in_it_is_none(more: dict[str, Any]) -> None:
    assert verdict(observed(1, **more)) == "never"
    assert verdict(observed(1, **more), observed(3)) == "done"


@pytest.mark.parametrize(
    "more",
    [
        {"valueCodeableConcept": {"text": "Negativ"}},
        {"valueQuantity": {"value": 5, "comparator": "<"}},
        {"valueInteger": 3},
        {"valueInteger": 0},
        {"valueQuantity": {"value": 0, "unit": "mmol/L"}},
        {"valueString": "Ikke påvist"},
        {"valueString": ">60"},
        *({"valueString": text} for text in ("<0,4 mmol/L", "12-14", "1:80", "5,2 %", "≥ 90")),
        {"component": [{"code": {"text": "a"}, "valueInteger": 4}, {"code": {"text": "b"}}]},
        {"valueQuantity": {"value": 4.1}, "note": [{"text": " "}]},
        {"valueInteger": 4, "hasMember": [{"reference": "Observation/1"}]},
    ],
)
def test_a_word_and_a_limit_are_results_too(more: dict[str, Any]) -> None:
    assert verdict(observed(1, **more)) == "done"


@pytest.mark.parametrize(
    "more",
    [
        *(
            {"valueString": text}
            for text in (
                "Prøven ble sendt og mottatt i går, og viser rikelig vekst av gule stafylokokker i alle skåler.",
                "Ingen tegn til lungeemboli. Hjertet er normalt stort og mediastinum er uten anmerkning i dag.",
                "Avbrutt undersøkelse på grunn av klaustrofobi, pasienten får ny time med beroligende medisin om en måned",
                "Bildene er dessverre av en slik kvalitet at de etter vår vurdering overhodet er umulige å tolke",
                "Unormal prøve",
                "Intet funnet i glasset",
                "Ingen funn av prøveglass",
                "Prøveglasset var tomt da det kom frem til laboratoriet og vi beklager ulempen dette medfører for pasienten",
                "12 døgn",
                "Påvist, men usikkert",
            )
        ),
        *(
            {"valueQuantity": {"value": 999}, "note": [{"text": text}]}
            for text in (
                "Glasset var merket med et annet navn enn rekvisisjonen. Bruk ikke svaret",
                "Sterkt hemolysert, ikke til å stole på. Ta ny prøve",
                "Prøven er feilmerket",
                "Prøven er fra en annen pasient",
                "Tatt av feil pas.",
                "Tilbaketrukket",
                "Svaret trekkes tilbake",
                "Skal ikke benyttes",
                "Resultat utgår",
                "Forkastes",
                "Svakt hemolysert, tolkes med forsiktighet",
            )
        ),
        {"valueCodeableConcept": {"coding": [{"system": "urn:lokal", "code": "9"}]}},
        {
            "valueCodeableConcept": {
                "text": "Positiv",
                "coding": [{"system": "urn:l", "code": "9", "display": "Uklart funn"}],
            }
        },
        {"component": [{"valueInteger": 4}, {"valueString": "Normal variant"}]},
        {"hasMember": [{"reference": "Observation/1"}]},
    ],
)
def test_words_are_no_yes_and_have_to_be_read(more: dict[str, Any]) -> None:
    assert verdict(observed(1, **more)) in ("read", "never")
    assert verdict(observed(1, **more), observed(3)) == "done", "a value within the interval is there all the same"
    assert verdict(observed(50, **more), observed(60)) == "due"


@pytest.mark.parametrize(
    "text",
    ["Slettet", "Analysen er slettet", "Ødelagt under transport", "Knust", "Lekkasje under transport", "Forkastet"],
)
def test_a_note_of_no_result_is_no_yes(text: str) -> None:
    assert verdict(observed(1, valueString=text)) in ("read", "never")


def test_what_has_to_be_read_is_told_from_what_can_be_used() -> None:
    words = observed(
        1, valueString="Ingen tegn til lungeemboli, normale funn ellers i begge lungene og i mediastinum i dag"
    )
    answer = reuse.answer("", TSH, [words, observed(3)], NOW)
    assert [(one.id, one.use) for one in answer.earlier] == [("o1", "read"), ("o3", "yes")]
    assert answer.again_from == (NOW + timedelta(days=39)).date(), "from the value that is relied on"
    alone = reuse.answer("", TSH, [words], NOW)
    assert (alone.verdict, alone.again_from) == ("read", None)


def test_a_sample_dated_ahead_answers_nothing() -> None:
    assert verdict(observed(-400)) == "never"
    assert verdict(observed(-1), observed(50)) == "due"


def test_codes_that_measure_the_same_answer_for_each_other() -> None:
    assert verdict(observed(1, "NPU27547")) == "done"
    assert verdict(observed(1, "NPU01566")) == "never"


def test_another_code_system_is_another_analysis() -> None:
    assert verdict(observed(1, system="http://loinc.org")) == "never"
    assert verdict(observed(1), system="http://loinc.org") == "no-rule"


def test_without_an_interval_nothing_is_ever_too_early() -> None:
    assert verdict(observed(1, "NOTHING"), code="NOTHING") == "no-rule"


@pytest.mark.parametrize("effective", ["", "2026", "not a date", "2026-11-22", "2026-11-22T10:00:00"])
def test_a_time_of_any_precision_is_read_or_left_out(effective: str) -> None:
    assert verdict(observed(1) | {"effectiveDateTime": effective}) in ("done", "due", "never")


@pytest.mark.parametrize("field", ["effectiveInstant", "start", "end"])
def test_an_instant_and_either_end_of_a_period_date_a_result(field: str) -> None:
    result, old = (observed(days) for days in (1, 60))
    at = result.pop("effectiveDateTime")
    result |= {field: at} if field == "effectiveInstant" else {"effectivePeriod": {field: at}}
    assert verdict(result, old) == "done"


def test_every_interval_has_a_name_days_and_codes_of_its_own() -> None:
    kept = reuse.intervals()
    codes = [(one.system, code) for one in kept for code in one.codes]
    assert len(codes) == len(set(codes)) and len({one.name for one in kept}) == len(kept)
    assert all(0 < one.days < 1000 for one in kept)
    words = [word.casefold() for one in kept for word in (one.name, *one.codes, *one.also)]
    assert len(words) == len(set(words)), "a short name means one analysis"
