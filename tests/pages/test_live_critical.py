"""Critical information on the pages over the real platform: under which law, what is logged, and who is told of a change."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest

from kjerne.policy.door import Door
from kjerne.policy.unsaid import SAYS
from kjerne.registries.kj_profiles import ATC
from kjerne.registries.standing import VALID_UNTIL
from pages.test_live import Tab, blocked, tab, text
from platform_fixture import Standing
from services.critical.records import allergy, ask, clinical, implant, registered, treatment, verified
from services.critical.test_api import chosen
from services.critical.transfers import Journal, statuses
from services.test_standards_registered import NEED, SNOMED, consent, send
from services.test_standards_registered import allergy as an_allergy
from services.test_standards_registered import registered as kept
from words import fresh as word

SERVICE = "critical-information"
ALLERGY = {
    "kind": "drug-reaction", "do": "save", "pick": "typed", "system": ATC, "criticality": "high", "source": "2",
    "reaction": "typed", "reaction_code": "1", "reaction_name": "Anafylaktisk reaksjon", "note": "", "valid_until": "",
}  # fmt: skip


def sealed(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page.text)
    assert found, text(page)[:600]
    return unescape(found[1])


def opened(it: Tab, persona: str = "parent", **fields: str) -> str:
    page = it.type(it.platform.nin(persona), **fields)
    assert "/clinician/v/" in page.url.path, text(page)[:400]
    if "/declare" in page.text:
        page = it.post(page, f"{page.url.path}/declare", reason="Innlagt hos oss nå")
    return page.url.path


def register(it: Tab, root: str, name: str, **fields: str) -> str:
    """Registers an allergy by its form; its id."""
    form = it.get(f"{root}/critical/new?kind=drug-reaction")
    sent = ALLERGY | {"code": f"X{name[:6].upper()}", "name": name} | fields
    done = it.post(form, f"{root}/critical/new", **sent)
    if "despite" in done.text:
        done = it.post(done, f"{root}/critical/new", **sent | {"alike": sealed(done, "alike"), "despite": "yes"})
    assert "Opplysningen er registrert." in text(done), text(done)[:900]
    found = re.search(rf'<li id="e-([\w-]+)"(?:(?!<li id="e-).)*?<strong>{name}', done.text, re.DOTALL)
    assert found, text(done)[:900]
    return found[1]


def act(it: Tab, root: str, id_: str, deed: str, **fields: str) -> httpx.Response:
    at = f"{root}/critical/AllergyIntolerance/{id_}"
    page = it.get(at)
    return it.post(page, f"{at}/{deed}", shown=sealed(page, "shown"), **fields)


def logged(platform: Standing, id_: str, action: str) -> list[Any]:
    return platform.rows(
        "SELECT service, caller_hpr, outcome, versions FROM audit WHERE $1::uuid = ANY(ids) AND action = $2 ORDER BY at",
        id_,
        action,
    )


def test_what_is_registered_by_a_form_is_the_record_of_the_national_address_and_of_fhir(platform: Standing) -> None:
    name = word()
    with tab(platform, "gp") as it:
        id_ = register(it, opened(it, "citizen"), name, note="Innlagt et døgn")
    tree = ask(platform, "GET", f"AllergyIntolerance/{id_}").tree
    assert platform.get(f"AllergyIntolerance/{id_}").tree == tree
    assert tree["patient"]["identifier"]["value"] == platform.nin("citizen")
    assert tree["code"]["coding"][0]["display"] == name
    assert tree["verificationStatus"]["coding"][0]["code"] == "unconfirmed"
    role = next(one for one in tree["contained"] if f"#{one['id']}" == tree["recorder"]["reference"])
    assert role["practitioner"]["identifier"]["value"] == platform.persona("gp").hpr
    assert [row["service"] for row in logged(platform, id_, "file")] == [SERVICE]


def test_each_look_at_the_box_is_a_row_of_its_own_law_that_names_what_was_shown(platform: Standing) -> None:
    id_ = registered(platform, allergy(platform, "citizen"))["id"]
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
    shown = platform.rows(
        "SELECT DISTINCT service FROM audit WHERE correlation LIKE $1 AND action = 'search'",
        f"page-{root.rpartition('/')[2]}-%",
    )
    assert {row["service"] for row in shown} == {"results", SERVICE}
    assert {row["service"] for row in logged(platform, id_, "search")} == {SERVICE}


def test_doctors_verify_and_whoever_has_read_it_is_told_but_not_she_who_changed_it(platform: Standing) -> None:
    name = word()
    with tab(platform, "gp") as it, tab(platform, "hospital-doctor") as other:
        id_ = register(it, opened(it, "citizen"), name)
        theirs = opened(other, "citizen")
        assert name in text(other.get(theirs))
        done = act(other, theirs, id_, "verify")
        assert "Opplysningen er bekreftet." in text(done)
        assert [(row["caller_hpr"], row["outcome"]) for row in logged(platform, id_, "correct")] == [
            (platform.persona("hospital-doctor").hpr, 0)
        ]
        told = text(it.get("/clinician"))
        assert re.search(
            rf"Du så [\d.]+: Legemiddelreaksjon {name} Anafylaktisk reaksjon Alvorlig Ikke bekreftet", told
        )
        assert re.search(rf"Nå: Legemiddelreaksjon {name} Anafylaktisk reaksjon Alvorlig og bekreftet", told)
        assert name not in text(other.get("/clinician"))
        retracted = act(other, theirs, id_, "retract", why="Gjaldt en annen pasient")
        assert "trukket tilbake som feil" in text(retracted)
        assert re.search(
            rf"Nå: Legemiddelreaksjon {name} Anafylaktisk reaksjon Feilregistrert", text(it.get("/clinician"))
        )


def test_who_has_read_what_is_deleted_by_fhir_is_told_that_it_is_gone(platform: Standing) -> None:
    tree = {"code": {"coding": [{"system": ATC, "code": "J01CE02", "display": (name := word())}]}}
    id_ = registered(platform, allergy(platform, **tree))["id"]
    with tab(platform, "hospital-doctor") as it:
        assert name in text(it.get(opened(it, "citizen")))
        assert send(platform, "DELETE", f"AllergyIntolerance/{id_}").status == 204
        assert re.search(
            rf"{name} Anafylaktisk reaksjon Alvorlig Ikke bekreftet Det er tatt bort", text(it.get("/clinician"))
        )


def test_who_may_not_open_her_any_more_hears_of_a_change_without_name_or_content(platform: Standing) -> None:
    made = registered(platform, allergy(platform))
    with tab(platform, "hospital-doctor") as it:
        opened(it, "citizen")
        low = {**made, "criticality": "low"}
        with blocked(platform, "citizen", "hospital-doctor"):
            assert ask(platform, "PUT", f"AllergyIntolerance/{made['id']}", low, version=1).status == 200
            told = text(it.get("/clinician"))
            assert "Kritisk informasjon du åpnet" in told and "Amoksicillin" not in told


def test_a_stale_verification_changes_nothing_and_is_logged_as_a_try(platform: Standing) -> None:
    name = word()
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        id_ = register(it, root, name)
        page = it.get(f"{root}/critical/AllergyIntolerance/{id_}")
        tree = ask(platform, "GET", f"AllergyIntolerance/{id_}").tree
        assert (
            ask(platform, "PUT", f"AllergyIntolerance/{id_}", {**tree, "criticality": "low"}, version=1).status == 200
        )
        stale = it.post(page, f"{root}/critical/AllergyIntolerance/{id_}/verify", shown=sealed(page, "shown"))
        assert stale.status_code == 409 and "Noen har endret dette" in text(stale)
        assert "Alvorlighet Lite alvorlig annerledes nå" in text(stale)
    assert [row["outcome"] for row in logged(platform, id_, "correct")] == [0, 1]
    assert ask(platform, "GET", f"AllergyIntolerance/{id_}").tree["meta"]["versionId"] == "2"


def test_a_nurse_reads_it_all_and_is_refused_what_doctors_register(platform: Standing) -> None:
    name = word()
    with tab(platform, "gp") as it:
        id_ = register(it, opened(it, "citizen"), name)
    with tab(platform, "nurse") as it:
        root = opened(it, "citizen")
        page = it.get(f"{root}/critical")
        assert name in text(page)
        kinds = it.get(f"{root}/critical/new")
        assert re.findall(r"\?kind=([\w-]+)", kinds.text) == ["radiotherapy", "cytostatics", "dialysis"]
        refused = it.post(kinds, f"{root}/critical/new", **ALLERGY | {"code": "J01", "name": name})
        assert refused.status_code == 403
        assert 'name="shown"' not in it.get(f"{root}/critical/AllergyIntolerance/{id_}").text


def test_the_same_substance_under_another_code_is_shown_before_it_is_registered_twice(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        root = opened(it, "parent")
        form = it.get(f"{root}/critical/new?kind=drug-reaction")
        found = it.post(
            form, f"{root}/critical/new", **ALLERGY | {"do": "search", "words": "amoksi", "code": "", "name": ""}
        )
        (pick,) = re.findall(r'name="pick" value="([^"]+FESTSubstance[^"]+)"', found.text)
        sent = ALLERGY | {"pick": unescape(pick), "code": "", "name": ""}
        first = it.post(found, f"{root}/critical/new", **sent)
        assert "Opplysningen er registrert." in text(first) or "despite" in first.text
        typed = it.post(form, f"{root}/critical/new", **ALLERGY | {"code": "J01CA04", "name": word()})
        assert typed.status_code == 409 and "Amoksicillin" in text(typed)


def test_who_has_shut_it_is_told_of_as_locked_and_never_as_nothing_registered(platform: Standing) -> None:
    registered(platform, allergy(platform))
    choice = chosen(platform, "citizen", consent("restriction"))
    try:
        with tab(platform, "gp") as it:
            root = opened(it, "citizen")
            page = it.get(f"{root}/critical")
            assert page.status_code == 403 and "Sperret." in text(page) and "Ingenting er registrert" not in text(page)
            board = it.get(root)
            assert board.status_code == 200 and "Pasienten har sperret kritisk informasjon" in text(board)
            lock = it.get(f"{root}/unlock")
            freed = it.post(lock, f"{root}/unlock", basis="SAMTYKKE", reason="Hun sier at det er greit")
            assert "Amoksicillin" in text(freed)
    finally:
        chosen(platform, "citizen", choice.tree | {"status": "inactive"})


def test_the_citizen_reads_what_was_written_and_her_log_tells_of_it(platform: Standing) -> None:
    name = word()
    with tab(platform, "gp") as it:
        register(it, opened(it, "citizen"), name)
    with tab(platform, "citizen", "me") as it:
        assert name in text(it.get("/me"))
        page = it.get("/me/critical")
        assert name in text(page) and "Helsepersonell skal unngå å gi det." in text(page)
        assert "allergi" in text(it.get("/me/log"))


def test_a_treatment_that_was_not_done_is_told_as_that_and_not_as_one_that_goes_on(platform: Standing) -> None:
    name, other = word(), word()
    tree = treatment(platform, code={"coding": [{"system": SNOMED, "code": "108241001", "display": name}]})
    id_ = send(platform, "POST", "Procedure", tree | {"status": "not-done"}, **NEED).tree["id"]
    with tab(platform, "gp") as it, tab(platform, "citizen", "me") as hers:
        register(it, opened(it, "citizen"), other)
        for page in (it.get(opened(it, "citizen")), hers.get("/me/critical")):
            before, _, after = page.text.partition("critical-folded")
            assert f'id="e-{id_}"' not in before and other in before, text(page)[:900]
            assert f'id="e-{id_}"' in after
            row = after[after.index(f'id="e-{id_}"') :]
            assert re.search("Ikke utført|Dette ble ikke gjort", row[: row.index("</li>")])


@pytest.mark.parametrize("persona", ["protected", "opted-out"])
def test_whose_record_is_closed_nothing_of_it_is_shown(platform: Standing, persona: str) -> None:
    with tab(platform, "gp") as it:
        page = it.type(platform.nin(persona))
        answer = it.get(f"{page.url.path}/critical")
        assert answer.status_code == 403 and "Ingenting er registrert" not in text(answer)


def test_what_is_not_there_is_told_as_not_there(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        for id_ in ("nonsense", "00000000-0000-0000-0000-000000000000"):
            assert it.get(f"{root}/critical/Condition/{id_}").status_code == 404


def test_where_no_choice_may_be_told_a_page_offers_the_same_whatever_she_has_shut(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Door, "_tells_choices", property(lambda _: False, lambda *_: None), raising=False)
    heard, sent = [], []
    with tab(platform, "gp") as it:
        for persona in ("ward", "restricted", "opted-out"):
            root = opened(it, persona)
            pages = [
                it.get(f"{root}{at}") for at in ("/critical", "/critical/new", "/critical/new?kind=implant", "/abroad")
            ]
            assert [one.status_code for one in pages] == [200] * 4
            heard.append([re.search(r"<main.*</main>", one.text, re.DOTALL)[0].replace(root, "") for one in pages])  # type: ignore[index]
            done = it.post(pages[2], f"{root}/critical/new", **ALLERGY | {"code": "X1", "name": word()})
            sent.append((done.status_code, SAYS in text(done)))
    assert "Registrer ny" in heard[0][0]
    plain = [[re.sub(r'value="[^"]+"|kl\. [\d:]+', "", one) for one in each] for each in heard]
    # What others have registered of the first stands on her first page; that one is held against an empty one elsewhere.
    assert plain[1][1:] == plain[2][1:] == plain[0][1:]
    assert plain[1][0] == plain[2][0]
    assert sent == [(200, False), (403, True), (403, True)]


def test_what_an_entry_does_not_offer_is_refused_and_changes_nothing(platform: Standing) -> None:
    made = [registered(platform, tree) for tree in (implant(platform), allergy(platform))]
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        for tree, deeds in zip(made, (("verify", "restore"), ("restore",)), strict=True):
            at = f"{root}/critical/{tree['resourceType']}/{tree['id']}"
            for deed in deeds:
                page = it.get(at)
                done = it.post(page, f"{at}/{deed}", shown=sealed(page, "shown"), why="En grunn som holder")
                assert done.status_code == 409 and "slik den står" in text(done), (deed, text(done)[:300])
            read = ask(platform, "GET", f"{tree['resourceType']}/{tree['id']}").tree
            assert read["meta"]["versionId"] == "1"


def test_a_restriction_of_results_alone_leaves_what_is_critical_first_on_the_page(platform: Standing) -> None:
    made = registered(platform, allergy(platform, "pregnant"), about="pregnant", **NEED)
    of_results = consent("restriction")
    of_results["category"][2]["coding"][0]["code"] = "results"
    choice = chosen(platform, "pregnant", of_results)
    try:
        with tab(platform, "gp") as it:
            page = it.get(opened(it, "pregnant"))
            assert page.status_code == 403 and f'id="e-{made["id"]}"' in page.text, text(page)[:600]
            assert page.text.index('class="critical') < page.text.index("withheld")
    finally:
        chosen(platform, "pregnant", choice.tree | {"status": "inactive"})


def test_what_a_journals_system_sent_names_its_writer_and_itself_and_whoever_contradicts_it(platform: Standing) -> None:
    name, hospital = word(), platform.persona("hospital-doctor")
    code = {"code": {"coding": [{"system": ATC, "code": f"X{word()[:6].upper()}", "display": name}]}}
    journal = Journal(platform, about="pregnant")
    assert statuses(journal.send(journal.put(allergy(platform, "pregnant", **code), "one"))) == ["201"]
    refuted = {
        "verificationStatus": verified("AllergyIntolerance", "refuted"),
        "clinicalStatus": clinical("AllergyIntolerance", "inactive"),
    }
    registered(platform, allergy(platform, "pregnant", **code, **refuted), about="pregnant", **NEED)
    with tab(platform, "gp") as it:
        said = text(it.get(f"{opened(it, 'pregnant')}/critical"))
    assert f"av {hospital.person_name}" in said and "sendt fra kjerne" in said
    assert re.search(rf"Uenighet\. [^:]* har avkreftet: {name}", said) and f"hos Sundvika sykehus HF: {name}" in said
    assert "uten navn" not in said


@pytest.mark.parametrize(
    ("until", "day"), [("2099", "2099-12-31"), ("2099-02", "2099-02-28"), ("9999-12-31T23:59:59Z", "9999-12-31")]
)
def test_a_validity_of_a_year_or_without_end_stands_in_the_form_of_a_change(
    platform: Standing, until: str, day: str
) -> None:
    said = {"extension": [{"url": VALID_UNTIL, "valueDateTime": until}]}
    id_ = kept(platform, an_allergy(platform, "parent") | said, about="parent", **NEED)
    with tab(platform, "gp") as it:
        root = opened(it)
        form = it.get(f"{root}/critical/AllergyIntolerance/{id_}/change")
        assert f'name="valid_until" value="{day}"' in form.text
        assert it.get(root).status_code == it.get(f"{root}/critical").status_code == 200
        act(it, root, id_, "refute", why="Provokasjonstest uten reaksjon")
        assert it.get(f"{root}/critical").status_code == 200
