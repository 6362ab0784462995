"""Documents at a citizen's portal: her own and her child's, what is withheld from her left out, both logs naming her."""

from __future__ import annotations

from typing import Any

from asked_sources import Country, says
from documents_at_hand import PERSON, code, submission
from kjerne.xds.forms import CX
from sources import TEXT, one, renamed

NORMAL = code("2.16.840.1.113883.5.25", "N")
POLICY = "urn:oid:2.16.578.1.12.4.1.7.2.1."
COUNTS = ("nhn-securitylabel-nors-count", "x-securitylabel-nors-count")


def labelled(*marks: str) -> tuple[Any, ...]:
    return NORMAL, *(code("9603", mark) for mark in marks)


def titles(found: Any) -> list[str]:
    return sorted(one["content"][0]["attachment"]["title"] for one in found.resources())


def url(found: Any) -> str:
    return str(found.resources()[0]["content"][0]["attachment"]["url"])


def child_of(country: Country, parent: str) -> str:
    """The number of a child under twelve."""
    population, today = country.platform.population, country.platform.clock.now().date()
    mother = population.cast[parent]  # type: ignore[index]
    return next(
        population.by_key[key].nin
        for key, ties in population.ties.items()
        for tie in ties
        if tie.kind == "parent" and tie.key == mother
        and (today - population.by_key[key].birth_date).days // 366 < 12
    )  # fmt: skip


def sent(country: Country, source: Any, about: str, place: int, title: str, *marks: str) -> None:
    """A document about somebody, sent to a hospital of our own."""
    who = CX(about, PERSON)
    plain = one(place, patient=who, source_patient=who, title=title, confidentiality=labelled(*marks)).entries[0]
    said = submission(plain, patient=who, unique_id=f"2.16.578.1.12.4.5.100.9.7.{about}.{place}")
    country.platform.run(source.provide(renamed(said, place), TEXT))


def test_a_citizen_reads_hers_through_a_portal_and_both_logs_say_who_she_is(
    country: Country, hospital: tuple[Any, int]
) -> None:
    source, port = hospital
    own = country.platform.nin("proxy")
    sent(country, source, own, 1, "Epikrise")
    sent(country, source, own, 2, "Sperret av henne", "NORS")
    sent(country, source, own, 3, "Holdt tilbake", "NORN_FFL")
    country.asks(sundvika=port)
    found = country.search(as_="proxy", about="proxy", portal=True)
    assert found.status == 200, found.response.text
    assert titles(found) == ["Epikrise", "Sperret av henne"]
    assert [found.response.headers[name] for name in COUNTS] == ["0", "0"], "nothing is shut to her by her own choice"
    answer = country.document(url(found), as_="proxy", about="proxy", portal=True)
    assert (answer.status_code, answer.content) == (200, TEXT)
    (row,) = country.platform.audited(answer)
    assert (row["rule"], row["caller_kind"], row["client"]) == ("own", "citizen", "citizen-portal")
    logged = [row for row in country.platform.run(source.log()) if row["action"].startswith("urn:ihe:iti:2007:Cross")]
    portal = country.platform.persona("citizen-portal")
    assert {(row["asker"], row["purpose"], row["policy"], row["organisation"], row["rule"]) for row in logged} == {
        (own, "PATRQT", f"{POLICY}0", portal.organisation, "own")
    }


def test_a_parent_reads_what_is_about_her_child_and_is_told_to_the_source_as_herself(
    country: Country, hospital: tuple[Any, int]
) -> None:
    source, port = hospital
    child = child_of(country, "parent")
    sent(country, source, child, 4, "Helsestasjonen")
    sent(country, source, child, 5, "Ikke for foreldre", "NORN_FORANS")
    country.asks(sundvika=port)
    body = f"patient.identifier={child}&status=current".encode()
    form = {"content-type": "application/x-www-form-urlencoded"}
    path = "/phr/R4/fhir/DocumentReference/_search"
    answer = country.platform.client.call(
        "POST", path, as_="parent", patient=child, body=body, headers=form, portal=True
    )
    told = [one["resource"] for one in answer.json()["entry"] if one["search"]["mode"] == "match"]
    assert [one["content"][0]["attachment"]["title"] for one in told] == ["Helsestasjonen"]
    newest = country.platform.run(source.log())[-1]
    assert (newest["asker"], newest["policy"], newest["rule"]) == (
        country.platform.nin("parent"),
        f"{POLICY}1",
        "parent",
    )


def test_who_is_nothing_to_her_hears_the_law_and_no_source_hears_of_it(country: Country) -> None:
    source = country.odd(says(country.its()))
    country.asks(sundvika=source.port)
    assert country.search(as_="parent", about="citizen", portal=True).status == 403
    assert country.search(as_="citizen", about="citizen").status == 403, (
        "without a portal no token of hers opens an API"
    )
    assert source.asked == []


def test_a_guardian_says_by_which_right_and_a_youth_is_not_let_in(country: Country) -> None:
    source = country.odd(says(country.its(about="ward")))
    country.asks(sundvika=source.port)
    found = country.search(as_="guardian", about="ward", purpose="PWATRNY", policy="3", portal=True)
    assert (found.status, found.tree["total"]) == (200, 1)
    (asked,) = source.asked
    assert b"2.16.578.1.12.4.1.7.2.1.3" in asked and country.platform.nin("guardian").encode() in asked
    assert country.search(as_="youth", about="youth", portal=True).status == 403
