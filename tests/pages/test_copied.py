"""The rendering that goes along with a copy: the house's own page, in each language, of a few elements and of texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from kjerne.pages.copied import ATTRIBUTES, ELEMENTS, LANGUAGES, views, worded
from kjerne.registries.summary_words import say
from kjerne.services.summary.document import document
from kjerne.services.summary.model import Drawn
from pages.documents import whole
from services.summary.records import Maker, summary

Tree = dict[str, Any]


def nodes(node: Any) -> Iterator[list[Any]]:
    if isinstance(node, list):
        yield node
        for one in node[2]:
            yield from nodes(one)


def read(node: Any) -> str:
    return node if isinstance(node, str) else "".join(map(read, node[2]))


def told(made: Tree) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(views(made))
    assert set(found["in"]) == set(LANGUAGES)
    return found


def codes(tree: Any) -> Iterator[str]:
    if isinstance(tree, list):
        for one in tree:
            yield from codes(one)
    elif isinstance(tree, dict):
        yield from (one["code"] for one in tree.get("coding", ()) if "code" in one)
        for name, one in tree.items():
            if name not in ("meta", "text", "coding"):
                yield from codes(one)


@pytest.mark.parametrize("seed", range(8))
def test_every_code_is_in_it_in_each_language_and_nothing_but_what_the_browser_builds(seed: int) -> None:
    made = whole(seed)
    found = told(made)
    for language, tree in found["in"].items():
        text = read(tree)
        assert say(language, "document.title") in text
        for one in made["entry"]:
            missing = {code for code in codes(one["resource"]) if code not in text}
            assert not missing, (language, one["resource"]["resourceType"])
        for name, attributes, _ in nodes(tree):
            assert name in ELEMENTS and set(attributes) <= ATTRIBUTES
            assert attributes.get("href", "#").startswith("#")


def test_its_own_words_are_of_its_language_whatever_that_of_the_copy() -> None:
    maker = Maker(3)
    for language in LANGUAGES:
        made = document(
            summary(maker.records(), language=language, without={"critical-information": Drawn("unavailable")})
        )
        again = json.loads(json.dumps(made))
        found = told(made)
        assert made == again, "the copy itself is not touched"
        assert found["incomplete"] is True and found["at"] == made["timestamp"]
        for other, tree in found["in"].items():
            text = read(tree)
            assert say(other, "section.allergies") in text
            assert say(other, "page.all-unavailable") in text
            assert say(other, "empty.none") in text
            lacks = say(other, "document.incomplete", sections=say(other, "section.allergies"))
            assert lacks.partition(say(other, "section.allergies"))[0] in text


def test_a_complete_copy_says_so() -> None:
    assert told(document(summary(Maker(2).records())))["incomplete"] is False


def test_what_a_record_says_is_text() -> None:
    nasty = "<script>alert(1)</script><a href='javascript:x'>\"&"
    flag = {"resourceType": "Flag", "id": "f", "status": "active", "code": {"text": nasty}}
    made = whole(1)
    made["entry"].append({"fullUrl": "urn:x", "resource": flag})
    for tree in told(made)["in"].values():
        assert nasty in read(tree)
        assert not [one for one in nodes(tree) if one[0] == "script" or "javascript" in one[1].get("href", "")]


def test_a_section_in_other_words_keeps_its_entries() -> None:
    made = whole(4)
    before, after = made["entry"][0]["resource"]["section"], worded(made, "en")["entry"][0]["resource"]["section"]
    assert [one.get("entry") for one in before] == [one.get("entry") for one in after]
