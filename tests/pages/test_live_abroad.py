"""Summaries from abroad on the pages over the real platform: brought from a file, settled by forms, seen by the citizen."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import httpx
import pytest

from kjerne.services.critical.abroad import identity
from pages.test_live import Tab, tab, text
from pages.test_live_critical import ALLERGY, logged, opened
from platform_fixture import Standing, Tree
from services.critical.foreign import FIRST, PATIENT, allergy, document, her, problem
from services.critical.records import SNOMED, ask, registered
from services.critical.records import allergy as own_allergy
from services.test_standards_registered import NEED
from words import fresh


def brought(it: Tab, root: str, tree: Tree, **fields: str) -> httpx.Response:
    """The answer to a file that is sent as a browser sends it."""
    form = it.get(f"{root}/abroad")
    token = re.search(r'name="token" value="([^"]+)"', form.text)
    assert token, text(form)[:300]
    return it.http.post(
        f"{it.platform.url}{root}/abroad", data={"token": token[1], **fields},
        files={"document": ("ips.json", json.dumps(tree).encode())},
        headers={"origin": it.platform.url, "sec-fetch-site": "same-origin"},
    )  # fmt: skip


def shown(page: httpx.Response, place: int = FIRST) -> str:
    """What the form of an entry is bound to."""
    part = page.text[page.text.index(f'id="n-{place}"') :]
    found = re.search(r'name="shown" value="([^"]+)"', part)
    assert found, text(page)[:900]
    return unescape(found[1])


def path_of(page: httpx.Response) -> str:
    assert re.search(r"/abroad/[0-9a-f-]{36}$", page.url.path), text(page)[:900]
    return page.url.path


def coded(code: str) -> Tree:
    return {"code": {"coding": [{"system": SNOMED, "code": code, "display": code}]}}


def test_a_file_is_brought_and_each_entry_shown_beside_the_record_and_settled_by_forms(platform: Standing) -> None:
    same, new, other = fresh(), fresh(), fresh()
    here = registered(platform, own_allergy(platform, **coded(same)), **NEED)
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        assert "Sammendrag fra utlandet" in text(it.get(f"{root}/critical"))
        tree = document(her(platform), *(allergy(one, SNOMED, one) for one in (same, new, other)))
        page = brought(it, root, tree, country="se")
        at = path_of(page)
        told = text(page)
        assert (
            "Dokumentet er tatt vare på." in told
            and "Sjukhuset" in told
            and "3 opplysninger er ikke tatt stilling til" in told
        )
        assert "Dette er laget i et annet land." in told
        done = it.post(page, f"{at}/{FIRST}", shown=shown(page), do="same", record=here["id"])
        assert "notert at den er den samme" in text(done)
        wordless = it.post(done, f"{at}/{FIRST + 2}", shown=shown(done, FIRST + 2), do="left", why="nei")
        assert wordless.status_code == 400 and "2 opplysninger" in text(wordless)
        left = it.post(done, f"{at}/{FIRST + 2}", shown=shown(done, FIRST + 2), do="left", why="Ikke relevant her")
        assert "Ikke relevant her" in text(left)
        form = it.get(f"{at}/{FIRST + 1}")
        assert f'value="{new}"' in form.text and "Anaphylaxis" in form.text
        filled = {key: value for key, value in ALLERGY.items() if key != "system"}
        sent = filled | {
            "system": SNOMED,
            "code": new,
            "name": new,
            "shown": unescape(re.search(r'name="shown" value="([^"]+)"', form.text)[1]),
        }  # type: ignore[index]
        wrong = it.post(form, f"{at}/{FIRST + 1}/take", **sent | {"reaction_code": ""})
        assert wrong.status_code == 400 and new in wrong.text
        taken = it.post(form, f"{at}/{FIRST + 1}/take", **sent)
        assert "Opplysningen er tatt inn." in text(taken), text(taken)[:900]
        assert new in text(it.get(f"{root}/critical"))
    made = next(one for one in ask(platform, "GET", "AllergyIntolerance", **NEED).resources() if new in json.dumps(one))
    assert made["meta"]["source"] == f"urn:uuid:{at.rpartition('/')[2]}#{FIRST + 1}"
    with tab(platform, "citizen", "me") as mine:
        assert "Sammendrag fra utlandet" in text(mine.get("/me/critical"))
        listed = mine.get("/me/abroad")
        assert at.rpartition("/")[2] in listed.text
        told = text(mine.get(f"/me/abroad/{at.rpartition('/')[2]}"))
        assert all(one in told for one in (same, new, other, "Ikke relevant her", "Tatt inn i registeret"))


def test_a_page_names_in_her_log_what_it_shows_beside_the_document_and_a_form_nothing(platform: Standing) -> None:
    same = fresh()
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        beside = registered(platform, own_allergy(platform, **coded(same)), **NEED)["id"]
        unlike = registered(platform, own_allergy(platform, **coded(fresh())), **NEED)["id"]
        page = brought(it, root, document(her(platform), allergy(same, SNOMED, same)))
        at = path_of(page)
        assert (len(logged(platform, beside, "search")), logged(platform, unlike, "search")) == (1, [])
        assert it.get(f"{at}/{FIRST}").status_code == 200
        assert (len(logged(platform, beside, "search")), logged(platform, unlike, "search")) == (1, [])
    with tab(platform, "citizen", "me") as mine:
        before = [logged(platform, one, "search") for one in (beside, unlike)]
        assert same in text(mine.get(f"/me/abroad/{at.rpartition('/')[2]}"))
    assert [logged(platform, one, "search") for one in (beside, unlike)] == before


def test_who_the_document_is_about_is_asked_beside_the_form_and_another_is_refused(platform: Standing) -> None:
    unlike = document(her(platform, birthDate="1901-01-01"), allergy(fresh(), SNOMED))
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        asked = brought(it, root, unlike)
        assert asked.status_code == 409 and 'name="confirm_birth-date"' in asked.text
        assert "Dette sier dokumentet selv" in text(asked) and "1901-01-01" in asked.text
        assert path_of(brought(it, root, unlike, **{"confirm_birth-date": "yes"}))
        number = {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("pregnant")}
        refused = brought(it, root, document(her(platform, identifier=[number])))
        assert refused.status_code == 422 and platform.nin("pregnant") not in refused.text
        wrong = brought(it, root, {"resourceType": "Patient"})
        assert wrong.status_code == 422 and "Bundle.type" in text(wrong)


def test_who_registered_what_stands_beside_an_entry_is_called_as_in_the_record(platform: Standing) -> None:
    """K160: by the registers, with her profession, and not as a name that nobody has checked."""
    code = fresh()
    here = registered(platform, own_allergy(platform, **coded(code)), **NEED)
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        page = brought(it, root, document(her(platform), allergy(code, SNOMED, code)))
        box = it.get(f"{root}/critical/AllergyIntolerance/{here['id']}")
        said = re.search(r"Registrert \S+ (av [^·]*lege, .*?legesenter)", text(box))
        assert said and said[1] in text(page), text(page)[:900]
        assert "et navn som ikke er kontrollert" not in text(page)


def test_what_has_changed_since_it_was_shown_is_shown_anew_and_nothing_is_decided(platform: Standing) -> None:
    code = fresh()
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        page = brought(it, root, document(her(platform), allergy(code, SNOMED, code)))
        at = path_of(page)
        form = it.get(f"{at}/{FIRST}")
        registered(platform, own_allergy(platform, **coded(fresh())), **NEED)
        stale = it.post(page, f"{at}/{FIRST}", shown=shown(page), do="left", why="Ikke relevant her")
        assert stale.status_code == 409 and "Ikke relevant her" in stale.text and "1 opplysning er ikke" in text(stale)
        sealed = re.search(r'name="shown" value="([^"]+)"', form.text)
        assert sealed
        sent: dict[str, Any] = ALLERGY | {"system": SNOMED, "code": code, "name": code, "shown": unescape(sealed[1])}
        late = it.post(form, f"{at}/{FIRST}/take", **sent)
        assert late.status_code == 409 and code in late.text
        resealed = re.search(r'name="shown" value="([^"]+)"', late.text)
        assert resealed and resealed[1] != sealed[1]
        assert "Opplysningen er tatt inn." in text(
            it.post(late, f"{at}/{FIRST}/take", **sent | {"shown": unescape(resealed[1])})
        )
    with tab(platform, "hospital-doctor") as other:
        opened(other, "citizen")
        root = opened(other, "citizen")
        theirs = other.get(f"{root}/abroad/{at.rpartition('/')[2]}")
        stolen = other.post(
            theirs,
            f"{root}/abroad/{at.rpartition('/')[2]}/{FIRST}",
            shown=shown(page),
            do="left",
            why="Ikke relevant her",
        )
        assert stolen.status_code == 403


def test_a_problem_asks_for_its_kind_first_and_a_nurse_takes_in_none(platform: Standing) -> None:
    tree = document(her(platform), problem(**coded(fresh())))
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        at = path_of(brought(it, root, tree))
        kinds = it.get(f"{at}/{FIRST}")
        assert "Hva slags kritisk informasjon er det?" in text(kinds)
        assert it.get(f"{at}/{FIRST}?kind=infection").status_code == 200
        assert it.get(f"{at}/{FIRST}?kind=drug-reaction").status_code == 403
    with tab(platform, "nurse") as it:
        root = opened(it, "citizen")
        page = it.get(f"{root}/abroad/{at.rpartition('/')[2]}")
        assert f'/{FIRST}"' not in page.text.replace(f'/{FIRST}" ', "") or "Ta inn" not in text(page)
        assert it.get(f"{root}/abroad/{at.rpartition('/')[2]}/{FIRST}?kind=infection").status_code == 403


def test_of_a_document_that_names_somebody_else_the_pages_show_nothing_and_offer_to_take_it_back(
    platform: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, others = fresh(), {"system": "urn:oid:2.16.578.1.12.4.1.4.1", "value": platform.nin("parent")}
    tree = document(her(platform), allergy(code, SNOMED, code, patient={"identifier": others}))
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        refused = brought(it, root, tree)
        assert refused.status_code == 422 and platform.nin("parent") not in refused.text
        with monkeypatch.context() as before:
            before.setattr(identity, "check_named", lambda *_: None)
            at = path_of(brought(it, root, tree))
        page = it.get(at)
        with tab(platform, "citizen", "me") as mine:
            own = mine.get(f"/me/abroad/{at.rpartition('/')[2]}")
        for one in (page, own):
            assert one.status_code == 200 and "Dokumentet har fødselsnummeret til en annen." in text(one)
            assert code not in one.text and platform.nin("parent") not in one.text
        assert it.get(f"{at}/whole").status_code == 409
        assert "Dokumentet er trukket tilbake." in text(it.post(page, f"{at}/take-back", why="Gjelder en annen"))


def test_the_page_says_what_else_is_in_the_document_and_offers_first_that_it_is_the_same(platform: Standing) -> None:
    code = fresh()
    registered(platform, own_allergy(platform, **coded(code)), **NEED)
    hers: Tree = {"subject": {"reference": PATIENT}}
    medicine = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": {"text": "Warfarin"},
    }
    vaccine = {"resourceType": "Immunization", "status": "completed", "patient": {"reference": PATIENT}}
    tree = document(her(platform), allergy(code, SNOMED, code), medicine | hers, medicine | hers, vaccine)
    tree["entry"][0]["resource"]["contained"] = [allergy(fresh(), SNOMED)]
    with tab(platform, "gp") as it:
        page = brought(it, opened(it, "citizen"), tree)
        assert "legemidler: 2, vaksiner: 1, opplysninger inne i andre: 1" in text(page)
        part = page.text[page.text.index(f'id="n-{FIRST}"') :]
        assert part.index('value="same"') < part.index(f'href="{path_of(page)}/{FIRST}"')


def test_codes_that_do_not_say_the_same_are_all_shown_and_none_is_filled_in(platform: Standing) -> None:
    one, other = fresh(), fresh()
    codes = [{"system": SNOMED, "code": code, "display": code} for code in (one, other)]
    with tab(platform, "gp") as it:
        page = brought(it, opened(it, "citizen"), document(her(platform), allergy(code={"coding": codes})))
        form = it.get(f"{path_of(page)}/{FIRST}")
        for shown_ in (page, form):
            assert "Kodene i den sier ikke det samme." in text(page) and one in text(shown_) and other in text(shown_)
        assert f'value="{one}"' not in form.text and f'value="{other}"' not in form.text


def test_a_file_that_is_too_large_is_said_to_be_and_nothing_else(platform: Standing) -> None:
    with tab(platform, "gp") as it:
        page = brought(it, opened(it, "citizen"), {"resourceType": "Bundle", "x": "x" * 5_100_000})
        assert page.status_code == 413 and "Filen er for stor" in text(page) and "Ingenting er lagret" in text(page)
        assert "Noe gikk galt" not in text(page)


TURNED = {"modifierExtension": [{"url": "https://abroad.example/negated", "valueBoolean": True}]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"patient": {"reference": "Patient/elsewhere"}}, "Den viser ikke til pasienten som dokumentet handler om."),
        (TURNED, "Et tillegg eller en regel som ikke er kjent her, kan endre hva den betyr."),
    ],
)
def test_an_entry_of_which_nothing_may_come_says_why_and_is_not_offered(
    platform: Standing, change: Tree, words: str
) -> None:
    tree = document(her(platform), allergy(fresh(), SNOMED, **change))
    with tab(platform, "gp") as it:
        page = brought(it, opened(it, "citizen"), tree)
        at = path_of(page)
        assert words in text(page) and "Det samme er registrert her" not in text(page)
        assert f'href="{at}/{FIRST}"' not in page.text and it.get(f"{at}/{FIRST}").status_code == 404
    with tab(platform, "citizen", "me") as mine:
        assert words in text(mine.get(f"/me/abroad/{at.rpartition('/')[2]}"))


def test_the_whole_document_is_shown_without_its_markup_and_one_taken_back_opens_no_more(platform: Standing) -> None:
    script = "<script>alert(1)</script>"
    with tab(platform, "gp") as it:
        root = opened(it, "citizen")
        page = brought(it, root, document(her(platform), allergy(fresh(), SNOMED, script)))
        at = path_of(page)
        for one in (page, it.get(f"{at}/whole")):
            assert one.status_code == 200 and script not in one.text and "alert(1)" in text(one)
        sent = it.get(f"{at}/file")
        assert json.loads(sent.content)["type"] == "document" and 'href="' + f"{at}/file" in it.get(f"{at}/whole").text
        assert sent.headers["content-disposition"].startswith("attachment;")
        back = it.post(page, f"{at}/take-back", why="Hentet inn på feil pasient")
        assert "Dokumentet er trukket tilbake." in text(back) and "Hentet inn på feil pasient" in text(back)
        assert it.get(f"{at}/file").status_code == 410
        assert it.get(at).status_code == 410 and it.get(f"{root}/abroad/none").status_code == 404
