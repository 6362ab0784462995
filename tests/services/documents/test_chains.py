"""What is replaced is reached by what took its place, and what hangs together is locked together (law, K177, K182)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from asked_sources import Country, says
from documents_at_hand import DOCUMENT, PERSON, code, entry, submission
from kjerne.access import Caller, Grant, Label, Subject
from kjerne.mhd.relations import related
from kjerne.services.documents.chains import judged
from kjerne.services.documents.model import Part
from kjerne.xds import names
from kjerne.xds.forms import CX
from kjerne.xds.values import Association
from sources import TEXT, one, relation, renamed

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
NORMAL = code("2.16.840.1.113883.5.25", "N")
LOCKED, WITHHELD = (NORMAL, code("9603", "NORS")), (NORMAL, code("9603", "NORN_FFL"))
RPLC, XFRM_RPLC, APND, XFRM = names.REPLACES, names.TRANSFORMS_AND_REPLACES, names.APPENDS, names.TRANSFORMS
DOCTOR = Caller("practitioner", "ehr", frozenset(), hpr="9001", level=4)
CITIZEN = Caller("citizen", "portal", frozenset(), digest=b"d", level=4)


def granted(caller: Caller = DOCTOR) -> Grant:
    hides = Label.RESTRICTED if caller is DOCTOR else Label.WITHHELD_FROM_CITIZEN
    subject = Subject(7, (7,), 1, (b"",), date(1955, 9, 17), "female", "", False, (), (), None, True)
    return Grant(caller, subject, "documents", "search", "rule", "law", "says", "TREAT", "", hides, False, NOW, "c-1")


def part(former: set[int], marks: dict[int, Any], *relations: tuple[int, str, int]) -> Part:
    """Documents 1 to 5 of a source, those of `former` replaced, with marks; each relation is (what, kind, of which)."""
    entries = tuple(
        entry(place, status=names.DEPRECATED if place in former else names.APPROVED, confidentiality=marks.get(place, (NORMAL,)))
        for place in range(1, 6)
    )  # fmt: skip
    between = tuple(
        Association(id=f"r{place}", kind=kind, source=f"{DOCUMENT}{source}", target=f"{DOCUMENT}{target}")
        for place, (source, kind, target) in enumerate(relations)
    )
    return Part("sundvika", "Sundvika", "100000008", entries=entries, relations=between)


def seen(of: Part, caller: Caller = DOCTOR) -> str:
    """Of each of the five documents the first letter of how it is seen."""
    return "".join(how[0] for _, how in judged(granted(caller), of))


@pytest.mark.parametrize(
    ("of", "doctors", "citizens"),
    [
        (part({1, 2}, {}, (2, RPLC, 1), (3, RPLC, 2)), "ooooo", "ooooo"),
        (part({1}, {}), "aoooo", "aoooo"),
        (part({1}, {}, (2, APND, 1)), "aoooo", "aoooo"),
        (part({1, 2}, {}, (2, APND, 1), (3, XFRM_RPLC, 1)), "ooooo", "ooooo"),
        (part({1, 2}, {}, (2, APND, 3)), "aaooo", "aaooo"),
        (part({1, 2}, {}, (2, RPLC, 1), (1, RPLC, 2)), "aaooo", "aaooo"),
        (part({1}, {2: LOCKED}, (2, RPLC, 1), (3, APND, 2)), "alloo", "ooooo"),
        (part({1}, {1: LOCKED}, (2, RPLC, 1)), "alooo", "ooooo"),
        (part({1, 2}, {1: LOCKED}, (2, RPLC, 1), (3, XFRM_RPLC, 2), (4, APND, 3)), "aallo", "ooooo"),
        (part(set(), {1: LOCKED}, (2, XFRM, 1), (3, XFRM, 2)), "llloo", "ooooo"),
        (part(set(), {2: LOCKED}, (2, APND, 1), (3, APND, 2)), "olloo", "ooooo"),
        (part({1}, {2: WITHHELD}, (2, RPLC, 1), (3, APND, 2)), "ooooo", "aaooo"),
        (part({1}, {1: WITHHELD}, (2, RPLC, 1)), "ooooo", "aoooo"),
        (part({1}, {}, (2, RPLC, 1), (6, RPLC, 2)), "ooooo", "ooooo"),
    ],
)
def test_who_sees_what_of_a_chain(of: Part, doctors: str, citizens: str) -> None:
    assert (seen(of), seen(of, CITIZEN)) == (doctors, citizens)


def test_what_documents_are_to_each_other_is_told_of_those_that_are_shown() -> None:
    of = part(set(), {}, (2, XFRM_RPLC, 1), (3, APND, 2), (4, APND, 5), (1, RPLC, 1))
    shown = {f"{DOCUMENT}{place}" for place in (1, 2, 3, 4)}
    assert related(of.relations, shown) == {
        f"{DOCUMENT}2": (("replaces", f"{DOCUMENT}1"), ("transforms", f"{DOCUMENT}1")),
        f"{DOCUMENT}3": (("appends", f"{DOCUMENT}2"),),
    }


def test_a_chain_of_a_hospital_is_told_and_the_replaced_one_opened_while_its_successor_is_open(
    country: Country, hospital: tuple[Any, int]
) -> None:
    source, port = hospital
    hers = CX(country.platform.nin("new-mother"), PERSON)
    about = {"patient": hers, "source_patient": hers}

    def made(place: int, title: str) -> Any:
        plain = one(place, title=title, unique_id=f"2.16.578.1.12.4.5.100.9.8.{place}", **about).entries[0]
        return renamed(submission(plain, patient=hers, unique_id=f"2.16.578.1.12.4.5.100.9.9.{place}"), place)

    first = made(6, "Utkast")
    second, third = relation(RPLC, made(7, "Epikrise"), first), relation(APND, made(8, "Tillegg"), made(7, ""))
    for sent in (first, second, third):
        country.platform.run(source.provide(sent, TEXT))
    country.asks(sundvika=port)
    for how in ({"as_": "gp"}, {"as_": "new-mother", "portal": True}):
        current = country.search(about="new-mother", **how)
        both = country.search("&_count=50", about="new-mother", status="current,superseded", **how)
        assert current.status == both.status == 200, both.response.text
        titled = {one["content"][0]["attachment"]["title"]: one for one in both.resources()}
        assert (current.tree["total"], set(titled)) == (2, {"Utkast", "Epikrise", "Tillegg"})
        assert {title: one["status"] for title, one in titled.items()} == {
            "Utkast": "superseded", "Epikrise": "current", "Tillegg": "current",
        }  # fmt: skip
        numbers = {title: f"DocumentReference/{one['id']}" for title, one in titled.items()}
        assert titled["Epikrise"]["relatesTo"] == [{"code": "replaces", "target": {"reference": numbers["Utkast"]}}]
        assert titled["Tillegg"]["relatesTo"] == [{"code": "appends", "target": {"reference": numbers["Epikrise"]}}]
        former = titled["Utkast"]["content"][0]["attachment"]["url"]
        assert country.document(former, about="new-mother", **how).content == TEXT
        assert {str(id_) for id_ in country.platform.audited(both.response)[0]["ids"]} == {
            one["id"] for one in titled.values()
        }


def test_a_replaced_document_is_gone_when_what_took_its_place_was_locked(country: Country) -> None:
    own = {"unique_id": "2.16.578.1.77.1"}
    former = country.its(1, title="Utkast", status=names.DEPRECATED, **own)
    between = Association(id="urn:uuid:r", kind=RPLC, source=f"{DOCUMENT}2", target=f"{DOCUMENT}1")
    source = country.odd(says(former, country.its(2), relations=[between]))
    country.asks(sundvika=source.port)
    found = country.search(status="superseded")
    (told,) = found.resources()
    url = told["content"][0]["attachment"]["url"]
    assert country.document(url).content == TEXT
    source.answers = says(former, country.its(2, confidentiality=LOCKED), relations=[between])
    assert country.document(url).status_code == 404
