"""The rows of every page that a link leads to, for a patient whose every record has words of its own (law, K128, K167)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from pages.crawling import crawled, some_of_each_kind
from pages.test_live import Tab, tab, text
from pages.test_live_critical import opened
from platform_fixture import Standing
from services.critical.records import allergy, registered
from services.test_standards import Answered, observation
from words import fresh

WHO = "proxy"
LAB = {"coding": [{"system": "urn:oid:2.16.578.1.12.4.1.1.8202", "code": "LAB"}]}


class Told:
    """Records of one patient, and whose each of their words is."""

    def __init__(self, platform: Standing) -> None:
        self.platform, self.whose, self.called = platform, dict[str, str](), dict[str, str]()
        self.nowhere, self.never_named, self.told_without_words = set[str](), set[str](), set[str]()

    def word(self, of: list[str]) -> str:
        of.append(word := fresh())
        return word

    def filed(self, tree: dict[str, Any], words: list[str]) -> str:
        nin, sent = self.platform.nin(WHO), {"content-type": "application/fhir+json"}
        about = {"subject": {"identifier": {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": nin}}}
        at, body = f"/fhir/R4/{tree['resourceType']}", json.dumps(tree | about).encode()
        answer = Answered(self.platform.client.call("POST", at, as_="lab", patient=nin, body=body, headers=sent))
        assert answer.status == 201, answer.response.text
        return self.owned(str(answer.tree["id"]), words, str(tree["resourceType"]))

    def owned(self, id_: str, words: list[str], kind: str) -> str:
        self.called[id_] = f"{kind} {len(self.called)}"
        self.whose |= dict.fromkeys(words, id_)
        return id_

    def names(self, ids: set[str] | frozenset[str]) -> set[str]:
        return {self.called[id_] for id_ in ids}

    def result(self, **more: Any) -> str:
        words: list[str] = []
        remark = {} if "valueQuantity" in more else {"note": [{"text": self.word(words)}]}
        whole = observation(code={"text": self.word(words)}, **remark, **more)
        if "valueString" not in more and "valueQuantity" not in more:
            whole = {key: value for key, value in whole.items() if key != "valueQuantity"}
            whole["valueString"] = f"Svar {self.word(words)} som er langt nok til å leses"
        return self.filed(whole, words)

    def report(self, *results: str, **more: Any) -> str:
        words: list[str] = []
        return self.filed(
            {
                "resourceType": "DiagnosticReport", "status": "final", "category": [LAB], "code": {"text": self.word(words)},
                "issued": self.platform.clock.now().isoformat(timespec="seconds"), "conclusion": self.word(words),
                "result": [{"reference": f"Observation/{one}"} for one in results],
            } | more, words,
        )  # fmt: skip

    def specimen(self, **more: Any) -> str:
        words: list[str] = []
        tree = {"resourceType": "Specimen", "status": "available", "type": {"text": self.word(words)}} | more
        return self.filed(tree, words)

    def deleted(self, id_: str) -> str:
        nin = self.platform.nin(WHO)
        answer = self.platform.client.call("DELETE", f"/fhir/R4/Specimen/{id_}", as_="lab", patient=nin)
        assert answer.status_code == 204, answer.text
        return id_

    def order(self) -> str:
        words: list[str] = []
        return self.filed(
            {"resourceType": "ServiceRequest", "status": "active", "intent": "order", "code": {"text": self.word(words)},
             "requester": {"display": self.word(words)}}, words,
        )  # fmt: skip

    def allergy(self, code: str, **more: Any) -> str:
        words: list[str] = []
        coded = {"coding": [{"system": "http://www.whocc.no/atc", "code": code, "display": self.word(words)}]}
        tree = registered(self.platform, allergy(self.platform, WHO, code=coded, **more), about=WHO)
        return self.owned(tree["id"], words, "Allergy")


@pytest.fixture(scope="module")
def told(platform: Standing) -> Told:
    """Reports with numbers, texts, a group, orders and specimens; results that no report names, in a group of two levels too; and
    critical information that agrees and differs."""
    it = Told(platform)
    number = {"valueQuantity": {"value": 9.9, "unit": "mmol/L"}}
    taken, other = it.specimen(), it.specimen()
    part = it.specimen(parent=[{"reference": f"Specimen/{other}"}])
    measured = it.result(**number, specimen={"reference": f"Specimen/{taken}"})
    again = it.result(**number, specimen={"reference": f"Specimen/{part}"})
    member = it.result()
    group = it.result(hasMember=[{"reference": f"Observation/{member}"}])
    ordered = it.order()
    it.report(measured, it.result(), group, basedOn=[{"reference": f"ServiceRequest/{ordered}"}],
              specimen=[{"reference": f"Specimen/{taken}"}])  # fmt: skip
    it.report(again)
    gone, alone = it.specimen(), it.specimen()
    it.result(**number, specimen={"reference": f"Specimen/{gone}"})
    it.told_without_words.add(it.deleted(gone))
    it.never_named.add(it.deleted(alone))
    it.nowhere = {other, it.order(), alone}
    below = it.result()
    between = it.result(hasMember=[{"reference": f"Observation/{below}"}])
    it.result(hasMember=[{"reference": f"Observation/{between}"}])
    it.result(derivedFrom=[{"reference": f"Observation/{below}"}])
    it.allergy("N02BE01")
    it.allergy("N02BE01", criticality="low")
    it.allergy("J01CE02")
    return it


def pages(it: Tab, root: str, told: Told) -> Iterator[tuple[str, set[str], set[str], set[str]]]:
    """Of each page its address, whose words stand on it, which records its rows name and to which it has links. Of what others
    have filed about her three pages of each kind are looked at."""
    own = set(told.whose.values())
    for seen in crawled(it, root, some_of_each_kind({*own, *told.whose})):
        assert seen.page.status_code < 500, (seen.at, text(seen.page)[:300])
        stands = {id_ for word, id_ in told.whose.items() if word in seen.told.lower()}
        linked = {id_ for id_ in own if id_ in seen.page.text}
        yield seen.at, told.names(stands), told.names(own & seen.ids), told.names(linked)


WHOLE = r"(?:/me/results|/clinician/v/[\w-]+(?:/print)?)(?:\?.*)?"
"""Tables of all results, seen a part at a time: their row names all that they are made of (K128)."""


@pytest.mark.parametrize("as_", ["gp", "citizen"])
def test_whose_words_stand_on_a_page_is_named_by_its_rows_and_nobody_else(
    platform: Standing, told: Told, as_: str
) -> None:
    with tab(platform, *(("gp",) if as_ == "gp" else (WHO, "me"))) as it:
        root = opened(it, WHO) if as_ == "gp" else "/me"
        found = list(pages(it, root, told))
    missing = {at: stands - named for at, stands, named, _ in found}
    assert {at: those for at, those in missing.items() if those} == {}, "what stands on a page is not in her log"
    may_be = told.names(told.told_without_words)
    beyond = {
        at: named - stands - linked - may_be for at, stands, named, linked in found if not re.fullmatch(WHOLE, at)
    }
    assert {at: those for at, those in beyond.items() if those} == {}, "her log has what stands nowhere on the page"
    assert not told.names(told.never_named) & set().union(*(named for _, _, named, _ in found))
    never = set(told.called.values()) - set().union(*(stands for _, stands, _, _ in found))
    assert never <= told.names(told.nowhere | told.told_without_words), (
        "the crawl comes past every record that any page tells of"
    )
