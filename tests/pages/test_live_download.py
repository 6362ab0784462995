"""A copy taken over the real platform: what the pages show and no more, each batch under the law and in the log."""

from __future__ import annotations

import io
import json
import re
import secrets
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from kjerne.access import Label
from kjerne.fhir.definitions import type_number
from kjerne.registries import identifiers
from kjerne.registries.homes import types_of
from kjerne.store import takeout
from pages.test_live import Tab, a_report, by_fhir, send, tab, text, with_a_file
from pages.test_live_inquiries import proxied  # noqa: F401
from pages.test_live_log import opened
from platform_fixture import Standing
from services.results.test_intake_api import key_of

PDF = b"%PDF-1.4 a scanned answer"
AN_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The digits of a record's id are nobody's number, and now and then their control digits hold."""


def taken(it: Tab) -> zipfile.ZipFile:
    answer = it.post(it.get("/me/download"), "/me/download/file")
    assert answer.status_code == 200, text(answer)
    return zipfile.ZipFile(io.BytesIO(answer.content))


def records(found: zipfile.ZipFile) -> list[dict[str, Any]]:
    entries = json.loads(found.read("bundle.json"))["entry"]
    return [entry["resource"] for entry in entries[1:]]


@contextmanager
def hidden(platform: Standing, id_: str, change: str) -> Iterator[None]:
    """While a record is kept from the citizen."""
    (before,) = platform.rows("SELECT labels, release_at FROM record WHERE id = $1::text::uuid", id_)
    platform.rows(f"UPDATE record SET {change} WHERE id = $1::text::uuid RETURNING 1", id_)
    yield
    platform.rows(
        "UPDATE record SET labels = $2, release_at = $3 WHERE id = $1::text::uuid RETURNING 1",
        id_, before["labels"], before["release_at"],
    )  # fmt: skip


def test_a_copy_holds_every_record_that_may_be_seen_and_the_log_names_each(platform: Standing) -> None:
    key = key_of(platform, platform.nin("citizen"))
    began = platform.clock.now()
    with tab(platform, "citizen", "me") as it:
        got = records(taken(it))
    kept = platform.rows(
        "SELECT id::text FROM record WHERE patient = $1 AND labels & $2 = 0 AND (release_at IS NULL OR release_at <= $4) "
        "AND type = ANY($3::smallint[])",
        key, int(Label.WITHHELD_FROM_CITIZEN | Label.WITHDRAWN), [type_number(name) for name in types_of("results")],
        platform.clock.now(),
    )  # fmt: skip
    rows = platform.rows(
        "SELECT ids::text[] AS ids, rule, about FROM audit WHERE patient = $1 AND action = 'download' AND at >= $2 ORDER BY at",
        key, began,
    )  # fmt: skip
    named = {id_ for row in rows for id_ in row["ids"]}
    assert {one["id"] for one in got} <= {row["id"] for row in kept} == named
    assert rows[0]["about"] == "download"
    assert {row["rule"] for row in rows} == {"own-download"}
    with tab(platform, "citizen", "me") as it:
        log = text(it.get("/me/log?show=all"))
    assert "Lastet ned:" in log


@pytest.mark.parametrize(
    "change", [f"labels = {int(Label.WITHHELD_FROM_CITIZEN)}", "release_at = now() + interval '9 days'"]
)
def test_what_is_kept_from_her_is_in_no_part_of_the_file(platform: Standing, change: str) -> None:
    with tab(platform, "pregnant", "me") as it:
        before = records(taken(it))
        one = next(tree for tree in before if tree["resourceType"] == "Observation")
        with hidden(platform, one["id"], change):
            found = taken(it)
    assert {tree["id"] for tree in before} - {tree["id"] for tree in records(found)} == {one["id"]}
    for name in ("bundle.json", "logg.json"):
        assert f'"id":"{one["id"]}"'.encode() not in found.read(name)


def test_no_person_number_but_her_own_is_in_the_file(platform: Standing) -> None:
    other = platform.nin("gp")
    send(platform, a_report(platform.nin("citizen"), "7c01", "4.1", analysis=f"Bestilt av {other[:6]} {other[6:]}"))
    with tab(platform, "citizen", "me") as it:
        found = taken(it)
    own = platform.nin("citizen")
    for name in found.namelist():
        said = AN_ID.sub("", found.read(name).decode("utf-8", "ignore"))
        strangers = {number for number in identifiers.numbers_in(said) - {own} if identifiers.stands_in(number)}
        assert strangers == set(), name
    assert f"{other[:6]} *****" in found.read("bundle.json").decode()


def test_the_page_in_it_tells_former_values_and_what_was_taken_back(platform: Standing) -> None:
    corrected, withdrawn = (f"P-Prøve {secrets.token_hex(4)}" for _ in range(2))
    by_fhir(platform, corrected, "151", by_fhir(platform, corrected, "140"), 1, status="corrected")
    by_fhir(platform, withdrawn, "160", by_fhir(platform, withdrawn, "160"), 1, status="entered-in-error")
    with tab(platform, "citizen", "me") as it:
        found = taken(it)
        page = found.read("index.html").decode()
    assert f"{corrected}</td><td>151 mmol/L før rettelsen: <del>140 mmol/L</del> (rettet)</td>" in page
    assert f"{withdrawn}</td><td><del>160 mmol/L</del> (trukket)</td>" in page
    ids = [tree["id"] for tree in records(found)]
    assert len(ids) == len(set(ids)), "a former version is no record of its own"


def test_files_come_as_they_were_sent(platform: Standing) -> None:
    send(platform, with_a_file(a_report(platform.nin("citizen"), "7c02", "4.2"), PDF))
    with tab(platform, "citizen", "me") as it:
        found = taken(it)
    files = [name for name in found.namelist() if name.startswith("vedlegg/")]
    assert PDF in [found.read(name) for name in files]
    assert all(name.endswith((".pdf", ".png", ".jpg", ".bin")) for name in files)
    assert "Binary" not in {tree["resourceType"] for tree in records(found)}


def test_batches_meet_every_record_once(platform: Standing, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each record is a batch here: of somebody for whom other tests send little.
    with tab(platform, "pregnant", "me") as it:
        whole = [tree["id"] for tree in records(taken(it))]
        monkeypatch.setattr(takeout, "BATCH_ROWS", 3)
        by_rows = [tree["id"] for tree in records(taken(it))]
        monkeypatch.setattr(takeout, "BATCH_BYTES", 1)
        by_bytes = [tree["id"] for tree in records(taken(it))]
    assert whole == by_rows == by_bytes
    assert len(whole) == len(set(whole)) > 3


def test_a_parent_takes_a_copy_for_her_child_and_of_nobody_else(platform: Standing) -> None:
    with tab(platform, "parent", "me") as it:
        child = platform.population.by_key[platform.population.cast["child"]].name
        opened(it, child)
        found = taken(it)
    bundle = json.loads(found.read("bundle.json"))
    assert bundle["entry"][0]["resource"]["name"] == [{"text": child}]
    assert platform.nin("parent") not in found.read("bundle.json").decode()


@pytest.mark.usefixtures("proxied")
def test_a_proxy_takes_none(platform: Standing) -> None:
    with tab(platform, "parent", "me") as it:
        others = re.findall(r'name="person" value="([^"]+)" class="pill">([^<]+)<', it.home.text)
        (citizen,) = [handle for handle, name in others if platform.persona("citizen").person_name in name]
        it.post(it.home, "/me/person", person=citizen)
        answer = it.post(it.get("/me/more"), "/me/download/file")
    assert answer.status_code == 403
    assert "zip" not in answer.headers["content-type"]
