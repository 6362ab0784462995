"""The integrator's pages: what they say of this installation, in three languages, and only where there is a sandbox."""

from __future__ import annotations

import re
import shlex

import pytest

from kjerne import catalogues
from kjerne.sandbox.front import calls_to_copy
from kjerne.sandbox.front.addresses import DOCUMENTS, areas
from kjerne.sandbox.personas import personas
from platform_fixture import Standing

WORDS = "kjerne.sandbox.front.words"
REFUSED = {"outsider", "retired-doctor", "outside-doctor", "pharmacist"}


def test_the_front_page_tells_every_interface_of_the_route_table(platform: Standing) -> None:
    document = platform.client.openapi()
    told = areas(document)
    assert sum(area.operations for area in told) == sum(len(line) for line in document["paths"].values())
    assert {"/fhir/R4", "/pps", "/api/critical-information/v1"} <= {area.base for area in told}
    page = platform.http.get(f"{platform.url}/sandbox", headers={"accept-language": "en"}).text
    for area in told:
        assert area.base in page
        assert f"area.{area.key}" in catalogues.catalogue(WORDS, "nb"), area


def test_every_document_that_is_named_is_there(platform: Standing) -> None:
    for one in DOCUMENTS:
        assert platform.http.get(platform.url + one.path).status_code == 200, one
        assert f"document.{one.key}" in catalogues.catalogue(WORDS, "nb")


def test_the_first_call_of_each_persona_is_answered_or_refused_by_the_law(platform: Standing) -> None:
    for one in personas(platform.population):
        line = calls_to_copy.first(platform.url, one)
        if not line:
            continue
        _, program, call, method, path, *rest = shlex.split(line)
        assert (program, call) == ("kjerne", "call")
        said = dict(zip(rest[::2], rest[1::2], strict=False))
        form = [tuple(said["--form"].split("="))] if "--form" in said else []
        patient = platform.nin(said["--patient"]) if "--patient" in said else ""
        answer = platform.client.call(
            method, path, as_=said["--as"], patient=patient, form=form, portal="--portal" in rest
        )  # fmt: skip
        assert answer.status_code == 403 if one.name in REFUSED else 200, (one.name, answer.text)


def test_whoever_goes_astray_is_told_where_to_begin(platform: Standing) -> None:
    answer = platform.http.get(f"{platform.url}/sandbox/nothing", headers={"accept-language": "en"})
    assert answer.status_code == 404
    assert 'href="/sandbox"' in answer.text


def test_pages_load_nothing_from_elsewhere_and_are_in_no_cache(platform: Standing) -> None:
    answer = platform.http.get(f"{platform.url}/sandbox")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert not re.findall(r'(?:src|href)="(?!/|#)', answer.text)


@pytest.mark.parametrize("language", ["nn", "en"])
def test_the_words_are_complete_and_have_the_same_places(language: str) -> None:
    bokmaal, other = catalogues.catalogue(WORDS, "nb"), catalogues.catalogue(WORDS, language)
    assert list(other) == list(bokmaal)
    for key, text in other.items():
        assert sorted(re.findall(r"\{(\w+)\}", text)) == sorted(re.findall(r"\{(\w+)\}", bokmaal[key])), key
