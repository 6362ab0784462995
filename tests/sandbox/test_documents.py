"""Documents of the synthetic people: told from their own results, read by our own reader, taken by a source."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final

import pytest

from documents_at_hand import needed, valid
from kjerne.reading import kinds, opening
from kjerne.registries import identifiers
from kjerne.registries.made_up import SANDBOX
from kjerne.sandbox import life
from kjerne.sandbox.documents import filing, wording
from kjerne.sandbox.documents.paper import CDA_3, EPIKRISE, LABEL, TEXT, Paper
from kjerne.sandbox.documents.telling import Told
from kjerne.sandbox.population import generate
from kjerne.sandbox.sources.places import PLACES
from kjerne.source import submitting
from kjerne.wire import xml
from kjerne.xds import messages, names

SEED, DAY = 20261123, date(2026, 11, 27)
PLACE: Final = {one.keeper: one for one in PLACES}


@lru_cache(maxsize=1)
def papers() -> Mapping[str, list[Paper]]:
    """Of the cast by their part, and of everybody else by their number in the population."""
    population = generate(40, SEED, DAY)
    parts = {key: part for part, key in population.cast.items()}
    told = {}
    for chart, reports in life.charts(population, SEED, DAY):
        part = parts.get(chart.person.key, "")
        told[part or str(chart.person.key)] = list(Told(chart, reports, SEED, part).papers())
    return told


def everything() -> list[Paper]:
    return [one for found in papers().values() for one in found]


def shown(paper: Paper) -> opening.View:
    return opening.read(paper.content, xml.parse, paper.form.mime_type)


def test_each_document_opens_in_our_own_reader_and_none_is_of_another_kind_than_it_says() -> None:
    for one in everything():
        view = shown(one)
        assert kinds.known(one.form.mime_type) == kinds.kind_of(one.content), one.name
        assert view.blocks and not view.notes, one.name


def test_every_kind_of_document_is_there_and_every_source_has_some() -> None:
    forms = {one.form for one in everything()}
    assert {one.mime_type for one in forms} >= {
        "application/pdf", "application/rtf", "application/xml", "image/jpeg", "image/png", "image/tiff", "text/plain",
    }  # fmt: skip
    assert {one.code.rpartition(":")[2] for one in forms if one.mime_type == "application/xml"} == {
        "2.1", "epikrise", "henvisning", "svarrapport",
    }  # fmt: skip
    assert {one.keeper for one in everything()} == set(PLACE)


def test_a_document_names_nobody_but_whom_it_is_about() -> None:
    for one in everything():
        assert set(shown(one).numbers) <= {one.letter.number.value}, one.name


def test_every_number_is_synthetic_and_every_text_says_so() -> None:
    for one in everything():
        assert identifiers.parse(one.letter.number.value).synthetic
        if one.form in (TEXT, EPIKRISE, CDA_3):
            assert LABEL in one.content.decode(), one.name


def test_nothing_is_dated_today_or_before_who_it_is_about_was_born() -> None:
    for one in everything():
        assert one.letter.person.birth_date <= one.letter.begun <= one.letter.ended, one.name
        assert one.letter.ended <= one.letter.written.date() < DAY, one.name


def test_a_letter_says_what_her_results_say() -> None:
    (letter,) = (one for one in papers()["citizen"] if one.name == "notat-2026-11-18")
    text = letter.content.decode()
    assert "CRP" in text and "Akutt tonsillitt" in text
    assert any("5,9" in line for line in text.splitlines() if "Leukocytter" in line), text


def test_a_source_takes_every_submission_and_one_that_replaces_leads_to_an_earlier_one() -> None:
    known = set[str]()
    for one in everything():
        sent = filing.submission(one, PLACE[one.keeper])
        read = messages.submission(messages.written_submission(sent))
        (entry,) = read.entries
        submitting.checked(read, {entry.id: one.content}, PLACE[one.keeper].repository, SANDBOX)
        replaced = [each.target for each in read.associations if each.kind == names.REPLACES]
        assert len(replaced) == bool(one.replaces) and set(replaced) <= known, one.name
        assert entry.id not in known
        known.add(entry.id)


@needed
def test_what_is_sent_keeps_to_the_schema_of_xds() -> None:
    for one in papers()["citizen"]:
        body = messages.written_provision(filing.submission(one, PLACE[one.keeper]), {})
        assert valid(body)


@pytest.mark.parametrize(
    ("part", "mark"),
    [("citizen", "NORS"), ("citizen", "NORU"), ("youth", "NORN_FORANS"), ("restricted", "R"), ("protected", "V")],
)
def test_marks_are_where_the_story_has_them(part: str, mark: str) -> None:
    assert any(mark in one.marks for one in papers()[part])


def test_the_same_people_have_the_same_documents_byte_for_byte() -> None:
    population = generate(40, SEED, DAY)
    chart, reports = next(life.charts(population, SEED, DAY))
    again = list(Told(chart, reports, SEED, "citizen").papers())
    assert [(one.name, one.content) for one in again] == [(one.name, one.content) for one in papers()["citizen"]]


def test_times_are_told_in_utc() -> None:
    one = papers()["citizen"][0]
    (entry,) = filing.submission(one, PLACE[one.keeper]).entries
    at = datetime.strptime(entry.created, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert (one.letter.written - at.replace(tzinfo=None)).total_seconds() in (3600, 7200)


def test_every_reason_that_a_doctor_writes_has_its_words() -> None:
    reasons = {one.request.reason for found in reports_of() for one in found if one.discipline == "CLIN"}
    assert reasons <= {*wording.VISITS, *wording.STAYS, *wording.NOT_ANSWERED}
    assert {one.reason for one in (*life.CONDITIONS, *life.VISITS)} <= {*wording.VISITS, *wording.STAYS}


def reports_of() -> list[list[life.Report]]:
    return [found for _, found in life.charts(generate(40, SEED, DAY), SEED, DAY)]
